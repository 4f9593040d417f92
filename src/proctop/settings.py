"""Settings: one row each with its default, its bounds and its help. A TOML file sets them, flags win.

What describes a single run (``--replay``, ``-n`` …) is a flag only: a file that set it would surprise every later run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from proctop.fields import COLUMN, FEATURE, Unit
from proctop.private import file_name
from proctop.scoring.catalogue import SCOPES, wrong

if TYPE_CHECKING:
    from proctop.view.rows import ViewState

FORMATS = ("table", "plain", "json", "csv")
SOURCES = ("auto", "bpf", "proc")
NAMED = "auto"
"""Record to a file named after host and time."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one line that says what to do."""


def nearest(word: str, names: Iterable[str]) -> str:
    """``'; did you mean "x"?'`` for the name most like ``word``, else ``""``.

    >>> nearest("interva", ["interval", "sort"])
    '; did you mean "interval"?'
    """
    from difflib import get_close_matches

    close = get_close_matches(word, list(names), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""


def one_of(names: Iterable[str], what: str) -> Callable[[Any], str]:
    """A check: "" for a value (or list of values) out of ``names``, else what is wrong with it."""
    known = tuple(names)

    def check(value: Any) -> str:
        for word in (value,) if isinstance(value, str) else value:
            if word not in known:
                return f'no {what} "{word}"' + (nearest(word, known) or f"; there are {', '.join(known)}")
        return ""

    return check


def within(low: float, high: float) -> Callable[[Any], str]:
    return lambda value: "" if low <= value <= high else f"{value:g} is out of range; give {low:g} to {high:g}"


def _budget(value: Any) -> str:
    try:
        per_hour(value)
    except ValueError:
        return f'"{value}" is no budget; give for example "6/h" or "10/d"'
    return ""


def per_hour(budget: str) -> float:
    """Alerts per hour out of ``"6/h"`` or ``"10/d"``; ``ValueError`` where it is neither or not above 0.

    >>> per_hour("12/d")
    0.5
    """
    count, _, unit = budget.partition("/")
    value = float(count) / {"h": 1, "d": 24}.get(unit.strip(), 0.0) if unit.strip() in ("h", "d") else float("nan")
    if not 0 < value <= 3600:
        raise ValueError(budget)
    return value


def _size(value: Any) -> str:
    return _quantity(value, Unit.BYTES, 1 << 20, '"500M" or "2G", 1 MiB at least')


def _age(value: Any) -> str:
    return _quantity(value, Unit.SECONDS, 60.0, '"12h" or "7d", a minute at least')


def _quantity(value: str, unit: Unit, least: float, such: str) -> str:
    from proctop.view.units import parse

    try:
        fits = not value or least <= parse(value, unit) < 1 << 62
    except ValueError:
        fits = False
    return "" if fits else f'"{value}" is no limit; give for example {such}'


_ADDRESS = r"(?!-)(?!.*@-)[A-Za-z0-9_.@:%+/\[\]\\-]+"  # nothing that an option, or a shell of ssh's configuration, would take for its own


def _address(value: Any) -> str:
    import re

    return "" if re.fullmatch(_ADDRESS, value) else f"{value!r} is no host; give [USER@]HOST as ssh takes it"


def _called(value: Any) -> str:
    return "" if value.isprintable() and value.strip() and value[0] != "-" else f"{value!r} is no command"


def _setting(default: Any, help: str, check: Callable[[Any], str] | None = None, *, file: bool = True) -> Any:
    return field(default=default, metadata={"help": help, "check": check, "file": file})


@dataclass(frozen=True, slots=True)
class Settings:
    """How proctop runs. Immutable; :func:`resolve` makes one out of a file and flags."""

    interval: float = _setting(1.0, "seconds between readings, 0.1 to 3600", within(0.1, 3600))
    sort: str = _setting("score", "column that orders the table (-s help lists them)", one_of((*COLUMN, *FEATURE), "column"))
    reverse: bool = _setting(False, "turn the order round")
    columns: tuple[str, ...] = _setting((), "columns of the table, in order; empty = the default layout", one_of(COLUMN, "column"))
    filter: str = _setting("", 'show only what matches, for example "cpu>5 and user=www-data" (-f help explains)')
    user: str = _setting("", "show only the processes of this user")
    tree: bool = _setting(False, "show processes as a tree")
    threads: bool = _setting(False, "show threads below their process")
    kernel: bool = _setting(True, "show kernel threads")
    theme: str = _setting("proctop", "colours of the screen; the command palette (Ctrl+P) shows all themes")
    ascii: bool = _setting(False, "draw with ASCII only; chosen by itself where the locale is not UTF-8")
    color: bool = _setting(True, "use colours; NO_COLOR in the environment turns them off too")
    mouse: bool = _setting(True, "take mouse clicks; false leaves them to the terminal, to select text")
    readonly: bool = _setting(False, "leave out signals and renice")
    layout: str = _setting("", "begin with this layout, saved in the column chooser (F2)")
    clipboard: bool = _setting(True, "let y put text on the terminal's clipboard (OSC 52)")
    toasts: bool = _setting(True, "announce new alerts in a corner of the screen (the key ! silences them)")
    hints: bool = _setting(True, "show new users a line of hints, once")
    alerts: str = _setting(
        "6/h", "false alerts to accept, per hour (h) or day (d); fewer than some six an hour take a day of history to keep", _budget
    )
    model: str = _setting("baseline", "detector that scores the processes (proctop models lists them)", lambda name: wrong(name, nearest))
    baseline: str = _setting(
        "", "keep what was learned in this file and begin with it; without FILE (auto), in one named after the host; empty: keep nothing"
    )
    scope: str = _setting("global", "how many models: global, or one per container, image, comm or process", one_of(SCOPES, "scope"))
    source: str = _setting("auto", "where readings come from: auto (best available), bpf or proc", one_of(SOURCES, "source"))
    bpf_memory: bool = _setting(
        False, "count page faults by mode and memory calls by eBPF; every system call of the host then takes some 0.15 µs longer"
    )
    procfs: str = _setting("/proc", "where the host's procfs is mounted")
    sysfs: str = _setting("/sys", "where the host's sysfs is mounted")
    host_command: str = _setting("proctop", "how the shell of the other end of --host is to call proctop", _called)
    format: str = _setting("table", "output of batch mode: table, plain (a sentence per process), json or csv", one_of(FORMATS, "format"))
    top: int = _setting(0, "processes that batch mode prints per reading, 0 = all", within(0, 10_000_000))

    keys: tuple[tuple[str, str], ...] = _setting((), 'other keys for actions: help = "f1,?" (the names stand in the README)')

    pids: tuple[int, ...] = _setting((), "show only these processes", file=False)
    batch: bool = _setting(False, "print readings instead of showing a screen", file=False)
    count: int = _setting(0, "readings to take, 0 = until stopped (or to the end of a recording)", within(0, 1e9), file=False)
    record: str = _setting("", "record to this file or directory as well; without FILE, to one named after host and time", file=False)
    max_size: str = _setting(
        "", "record into a directory of files, the oldest deleted before they pass this size (500M, 2G)", _size, file=False
    )
    max_age: str = _setting("", "record into a directory of files, those deleted that began this long ago (12h, 7d)", _age, file=False)
    redact: bool = _setting(True, "leave secrets out of recorded command lines", file=False)
    replay: str = _setting("", "show a recording instead of this host", file=False)
    host: str = _setting("", "show this host, reached by ssh: [USER@]HOST as ssh takes it", _address, file=False)
    rescore: bool = _setting(False, "score the recording anew instead of showing it as it was seen (--model NAME does too)", file=False)
    begin: str = _setting("", 'start the replay here: "10:00", "3m ago" or ISO 8601', file=False)
    end: str = _setting("", "end the replay here", file=False)

    @property
    def budget(self) -> float:
        """False alerts accepted per hour."""
        return per_hour(self.alerts)

    @property
    def pace(self) -> float:
        """Seconds between readings that this end keeps; 0 = the other end does."""
        return 0.0 if self.host else self.interval

    @property
    def most_bytes(self) -> int | None:
        """``max_size`` in bytes, None = no limit."""
        from proctop.view.units import parse

        return int(parse(self.max_size, Unit.BYTES)) if self.max_size else None

    @property
    def most_seconds(self) -> float | None:
        """``max_age`` in seconds, None = no limit."""
        from proctop.view.units import parse

        return parse(self.max_age, Unit.SECONDS) if self.max_age else None

    def view(self) -> ViewState:
        """How the table begins. Raises ``view.query.QueryError`` for a filter that is none."""
        from proctop.view.query import parse
        from proctop.view.rows import ViewState

        return ViewState(
            sort=self.sort,
            reverse=self.reverse,
            tree=self.tree,
            query=parse(self.filter) if self.filter else None,
            user=self.user,
            pids=frozenset(self.pids),
            kernel=self.kernel,
            threads=self.threads,
            ascii=self.ascii,
        )


DEFAULTS = Settings()
_ROWS = {f.name: f for f in fields(Settings)}
_FILE = tuple(name for name, row in _ROWS.items() if row.metadata["file"])


def help_of(name: str) -> str:
    """The one line that explains a setting."""
    return str(_ROWS[name].metadata["help"])


def default_path(environ: Mapping[str, str]) -> str:
    """``$XDG_CONFIG_HOME/proctop/config.toml``; the base directory specification ignores relative values."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(base, "proctop", "config.toml")


def state_folder(environ: Mapping[str, str]) -> str:
    """The XDG place of what is kept: ``$XDG_STATE_HOME/proctop``."""
    base = environ.get("XDG_STATE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.local/state"), "proctop")


def layouts_path(environ: Mapping[str, str]) -> str:
    """Where the column chooser keeps layouts."""
    return os.path.join(state_folder(environ), "layouts.json")


def state_path(environ: Mapping[str, str], hostname: str) -> str:
    """Where something of a host is kept, and the beginning of its name: ``$XDG_STATE_HOME/proctop/HOST``."""
    return os.path.join(state_folder(environ), file_name(hostname))


def read_file(path: str, *, required: bool) -> dict[str, Any]:
    """Values out of a TOML file, checked; none where the file is absent and not ``required``.

    Raises :class:`SettingsError` that names the file, and the key or the line.
    """
    import tomllib

    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise SettingsError(f"{path}: no such file; `proctop --print-config > {path}` writes one") from None
        return {}
    except OSError as error:
        if isinstance(error, PermissionError) and not required and not os.path.exists(path):
            return {}  # HOME is still another user's, as after `su -m`
        raise SettingsError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    return {key: _typed(key, value, f"{path}: {key}") for key, value in values.items() if _known(key, path)}


def _known(key: str, path: str) -> bool:
    if key in _FILE:
        return True
    if key in _ROWS:
        raise SettingsError(f"{path}: {key}: describes one run, so it is a flag and not a setting of the file")
    raise SettingsError(f'{path}: no setting "{key}"{nearest(key, _FILE) or "; `proctop --print-config` lists them"}')


def _typed(key: str, value: Any, where: str) -> Any:
    """``value`` as the type of the default, checked against the row's bounds."""
    default = getattr(DEFAULTS, key)
    if key == "keys":
        wanted, fits = "a table of strings", isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        value = list(value.items()) if fits else value
    elif isinstance(default, tuple):
        wanted, fits = "a list of strings", isinstance(value, list) and all(isinstance(v, str) for v in value)
    elif isinstance(default, bool):
        wanted, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, float):
        wanted, fits = "a number", isinstance(value, int | float) and not isinstance(value, bool)
    elif isinstance(default, int):
        wanted, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    else:
        wanted, fits = "a string", isinstance(value, str)
    if not fits:
        raise SettingsError(f"{where}: must be {wanted}, not {value!r}")
    return check(key, type(default)(value), where)


def check(key: str, value: Any, where: str) -> Any:
    """``value`` if it is within the row's bounds, else :class:`SettingsError` that begins with ``where``."""
    wrong = _ROWS[key].metadata["check"]
    if wrong is not None and (said := wrong(value)):
        raise SettingsError(f"{where}: {said}")
    return value


def resolve(file: Mapping[str, Any], flags: Mapping[str, Any]) -> Settings:
    """Defaults, over them the file, over them the flags (name → value)."""
    return replace(DEFAULTS, **{**file, **flags})


def documented() -> str:
    """A TOML file with every setting, its help and its default."""
    import json

    lines = ["# proctop settings. Flags win over this file; every value here is the default."]
    for name in (name for name in _FILE if name != "keys"):
        default = getattr(DEFAULTS, name)
        # JSON spells strings, numbers, booleans and lists as TOML does.
        lines += ["", f"# {help_of(name)}", f"{name} = {json.dumps(list(default) if isinstance(default, tuple) else default)}"]
    return "\n".join([*lines, "", f"# {help_of('keys')}", "[keys]"]) + "\n"  # a table takes all that follows it


def utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale that the user chose takes UTF-8 (LC_ALL over LC_CTYPE over LANG; none chosen = yes).

    Asked of the environment, because Python itself speaks UTF-8 in the C locale (PEP 540).
    """
    chosen = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "UTF-8")
    return "utf8" in chosen.lower().replace("-", "")
