"""The command line: flags and subcommands → settings → source, detector, sinks, front end.

The one composition root: only here do host paths, clocks and classes meet. Everything heavy is imported where it is
first used, so that ``--version`` and ``--help`` cost little more than Python does.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from proctop.scoring.catalogue import BASELINE, NoModel
from proctop.settings import DEFAULTS, NAMED, SettingsError, nearest, one_of, state_path

if TYPE_CHECKING:
    import argparse
    from types import TracebackType

    from proctop.containers.directory import Directory
    from proctop.keeper import Keeper
    from proctop.recording import RecordingEngine
    from proctop.records import HostInfo
    from proctop.scoring.protocol import Detector
    from proctop.settings import Settings
    from proctop.sources import Source
    from proctop.stream.writer import Writer
    from proctop.view.rows import ViewState

FAILURE, USAGE = 1, 2


class Refused(Exception):
    """A run that cannot start or go on: one line for stderr, and the exit code."""

    def __init__(self, message: str, code: int = FAILURE) -> None:
        super().__init__(message)
        self.code = code


def _settings(args: argparse.Namespace) -> Settings:
    """Settings out of file, flags and environment. Raises ``SettingsError``."""
    from proctop import settings

    flags = {name: value for name, value in vars(args).items() if hasattr(settings.DEFAULTS, name)}
    if "sort" in flags:
        flags["reverse"] = flags["sort"].startswith("-")
        flags["sort"] = flags["sort"].removeprefix("-")
    for name, value in flags.items():
        settings.check(name, value, f"--{name}")
    path = args.config or settings.default_path(os.environ)
    chosen = settings.resolve(settings.read_file(path, required=args.config is not None), flags)
    _refuse_unused(args, chosen)
    if os.environ.get("NO_COLOR"):
        chosen = replace(chosen, color=False)
    return chosen if settings.utf8(os.environ) else replace(chosen, ascii=True)


def _run(args: argparse.Namespace) -> int:
    if args.print_config:
        from proctop.settings import documented

        print(documented(), end="")
        return 0
    if getattr(args, "sort", "") == "help":
        from proctop.flags import columns

        print(columns(), end="")
        return 0
    if getattr(args, "filter", "") == "help":
        from proctop.view.query import help_text

        print(help_text(), end="")
        return 0
    settings = _settings(args)
    if args.command == "doctor":
        return _doctor(settings)
    if args.command == "models":
        from proctop.offline.score import catalogue

        print(catalogue(), end="")
        return 0
    if args.command == "score":
        return _score(args, settings)
    from proctop.kernel.host import NotProcfs
    from proctop.stream import StreamError

    try:
        with ExitStack() as stack:
            if args.command == "collect":
                return _collect(settings, args.output, stack)
            if settings.batch:
                return _batch(settings, stack)
            return _screen(settings if "interval" in args else _as_recorded(settings), stack)
    except (NotProcfs, StreamError) as error:
        raise Refused(str(error)) from None


def _refuse_unused(args: argparse.Namespace, settings: Settings) -> None:
    """A flag that would do nothing is a misunderstanding."""
    if not settings.batch and args.command is None:
        for name in ("count", "format", "top"):
            if name in args:
                raise SettingsError(f"--{name} goes with --batch")
    if not settings.replay and (settings.begin or settings.end):
        raise SettingsError("--begin and --end go with --replay FILE")
    if "scope" in args and args.command is None and settings.model == BASELINE:
        raise SettingsError("--scope goes with --model NAME; the baseline always knows every process (`proctop models` lists the others)")


def _view(settings: Settings) -> ViewState:
    """How the table begins; what no process can ever match is refused."""
    from proctop.view.query import QueryError

    try:
        view = settings.view()
    except QueryError as error:
        raise SettingsError(f"--filter: {error}; -f help explains") from None
    if settings.user and not settings.replay and settings.procfs == "/proc":
        import pwd

        known = {entry.pw_name for entry in pwd.getpwall()}
        for user in filter(None, (user.strip() for user in settings.user.split(","))):
            if user not in known and not user.isdecimal():
                raise SettingsError(f'--user: no user "{user}" on this host{nearest(user, known)}')
    return view


def _source(settings: Settings, stack: ExitStack) -> Source:
    """The source of readings, closed with ``stack``."""
    if settings.replay:
        return _replay(settings, stack)
    source, names = _live(settings, stack)
    names.start()
    return source


def _live(settings: Settings, stack: ExitStack) -> tuple[Source, Directory]:
    """This host, and the names of its containers, which nobody has asked for yet."""
    from proctop.containers.directory import Directory
    from proctop.kernel.host import Host
    from proctop.sources.live import LiveSource

    if settings.source == "bpf":
        raise Refused("--source bpf is not part of this version; leave it out, or give auto or proc")
    names = Directory()
    source = LiveSource(Host.this(settings.procfs, settings.sysfs), interval=settings.interval, names=names)
    stack.callback(source.close)
    stack.callback(names.close)
    return source, names


def _replay(settings: Settings, stack: ExitStack) -> Source:
    """A recording as the source, with what could not be read told at the end."""
    import time

    from proctop.sources.replay import ReplaySource
    from proctop.stream.reader import Reader
    from proctop.times import parse_time

    now, since = time.time(), None
    if settings.replay != "-" and (settings.begin or settings.end):
        with Reader(settings.replay) as reader:
            first = reader.read()
        now, since = os.stat(settings.replay).st_mtime, first.reading.wall if first else None
    try:
        begin = parse_time(settings.begin, now, since=since) if settings.begin else None
        end = parse_time(settings.end, now, since=since if begin is None else begin) if settings.end else None
    except ValueError as error:
        raise SettingsError(f"--begin and --end: {error}") from None
    source = ReplaySource(settings.replay, begin, end)

    def close() -> None:
        source.close()
        if source.damage:
            print(f"proctop: {settings.replay}: {source.damage}", file=sys.stderr)

    stack.callback(close)
    return source


def _as_recorded(settings: Settings) -> Settings:
    """A recording is shown at the pace at which it was made."""
    if not settings.replay:
        return settings
    from proctop.stream.reader import Reader

    with Reader(settings.replay) as reader:
        first = reader.read()
    return replace(settings, interval=first.reading.interval) if first and first.reading.interval > 0 else settings


def _tape(path: str, info: HostInfo) -> Writer:
    """A recording, without a ``path`` in the XDG place and named after host and time."""
    import time

    from proctop.stream.writer import Writer

    return Writer(path or f"{state_path(os.environ, info.hostname)}-{time.strftime('%Y%m%d-%H%M%S')}.proctop")


def _keeper(settings: Settings, detector: Detector, info: HostInfo) -> Keeper | None:
    """What was learned before, taken up; a recording that is looked at again teaches nothing for later."""
    if not settings.baseline:
        return None
    from proctop.keeper import Keeper
    from proctop.scoring.baseline import Baseline
    from proctop.scoring.store import BaselineError

    if not isinstance(detector, Baseline):
        raise SettingsError("--baseline goes with --model baseline: other models are not kept")
    path = f"{state_path(os.environ, info.hostname)}.baseline" if settings.baseline == NAMED else settings.baseline
    keeper = Keeper(path, detector, info, save=not settings.replay)
    try:
        if remark := keeper.load():
            print(f"proctop: {remark}", file=sys.stderr)
    except BaselineError as error:
        raise Refused(f"--baseline: {error}") from None
    return keeper


def _engine(settings: Settings, info: HostInfo, stack: ExitStack) -> RecordingEngine:
    """The engine with its detector, recording already where that was asked for."""
    from proctop.recording import RecordingEngine
    from proctop.scoring.registry import make
    from proctop.stream import WriteFailed

    try:
        detector = make(settings.model, budget=settings.budget, scope=settings.scope)
    except NoModel as error:
        raise SettingsError(str(error)) from None
    engine = RecordingEngine(detector, lambda path: _tape(path, info), WriteFailed, _keeper(settings, detector, info))
    stack.callback(_end, engine)
    if settings.record:
        engine.start("" if settings.record == NAMED else settings.record)
    return engine


def _end(engine: RecordingEngine) -> None:
    """Close what the engine writes; what could not be kept is told once the screen has gone."""
    engine.close()
    if engine.unkept:
        print(f"proctop: {engine.unkept}", file=sys.stderr)


def _batch(settings: Settings, stack: ExitStack) -> int:
    from proctop.export import batch
    from proctop.fields import COLUMN
    from proctop.sources.pace import Ticker

    _end_on_signals()
    view = _view(settings)
    source = _source(settings, stack)
    engine = _engine(settings, source.info, stack)
    code = batch.run(
        source,
        engine,
        state=view,
        format=settings.format,
        out=sys.stdout,
        count=settings.count or None,
        top=settings.top,
        width=shutil.get_terminal_size().columns if sys.stdout.isatty() else 0,
        columns=[COLUMN[name] for name in settings.columns],
        wait=None if settings.replay else Ticker(settings.interval).wait,
    )
    if engine.trouble:
        print(f"proctop: {engine.trouble}", file=sys.stderr)
    return code


def _end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind the program, so that recordings are closed and threads ended."""
    import signal

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)


def _collect(settings: Settings, path: str, stack: ExitStack) -> int:
    """Record without looking. A disk that is full is told once, and tried again at every reading."""
    from proctop.sources.pace import Ticker
    from proctop.stream import WriteFailed

    _end_on_signals()
    source = _source(settings, stack)
    tape = _tape(path, source.info)
    stack.callback(tape.close)
    if not path:
        print(f"proctop: recording to {tape.path}", file=sys.stderr)
    ticker, said, taken = Ticker(settings.interval), "", 0
    while (late := ticker.wait()) is not None and (reading := source.read(late)) is not None:
        try:
            tape.write(reading)
            said = ""
        except WriteFailed as error:
            if path == "-":
                raise
            if str(error) != said:
                said = str(error)
                print(f"proctop: {said}", file=sys.stderr)
        taken += 1
        if taken == settings.count:
            break
    return FAILURE if said else 0


def _screen(settings: Settings, stack: ExitStack) -> int:
    term = os.environ.get("TERM", "")
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused("the screen needs a terminal for input and output; use `proctop --batch` in pipes and scripts", USAGE)
    if term in ("", "dumb", "unknown"):
        raise Refused(f'the screen cannot be drawn on TERM="{term}"; use `proctop --batch`', USAGE)
    view = _view(settings)
    _check_theme(settings)
    gc.disable()  # what is loaded now stays
    if settings.replay:
        from proctop.tui.app import run

        source = _replay(settings, stack)
        return run(settings, source, _engine(settings, source.info, stack))
    from proctop.tui import glance

    source, names = _live(settings, stack)
    engine = _engine(settings, source.info, stack)
    reading = source.read()
    frame = engine.step(reading) if reading is not None else None
    with glance.shown(frame, view, settings, shutil.get_terminal_size()):
        names.start()
        from proctop.tui.app import run
    gc.freeze()  # a full collection would walk all that the imports left: 6 ms in which no key is answered
    gc.enable()
    return run(settings, source, engine, first=frame)


def _check_theme(settings: Settings) -> None:
    """Only an app knows the themes; one is made to be asked where the theme is not ours."""
    if settings.theme == DEFAULTS.theme:
        return
    from proctop.actions import Actions
    from proctop.tui.app import Proctop

    known = Proctop(replace(settings, theme=DEFAULTS.theme), actions=Actions(settings.procfs)).available_themes
    if wrong := one_of(known, "theme")(settings.theme):
        raise SettingsError(f"--theme: {wrong}")


def _score(args: argparse.Namespace, settings: Settings) -> int:
    """Figures go to standard output, or to standard error where that carries the rows."""
    from proctop.offline.score import Job, run
    from proctop.offline.writing import FORMATS, Unwritable
    from proctop.sources.events import EventsError
    from proctop.stream import StreamError

    if args.rows and not args.output:
        raise SettingsError("--format goes with -o FILE")
    if args.output and os.path.exists(args.output) and os.path.exists(args.file) and os.path.samefile(args.file, args.output):
        raise SettingsError("-o would write over FILE")
    _end_on_signals()
    suffix = os.path.splitext(args.output)[1][1:]
    chosen = settings.model if settings.model != BASELINE or "model" in args else ""
    job = Job(args.file, chosen, settings.scope, args.features, args.output, args.rows or (suffix if suffix in FORMATS else "csv"))
    try:
        remark = run(job, sys.stderr if args.output == "-" else sys.stdout)
    except (EventsError, StreamError, Unwritable) as error:
        raise Refused(str(error)) from None
    except NoModel as error:
        raise SettingsError(str(error)) from None
    if remark:
        print(f"proctop: {remark}", file=sys.stderr)
    return 0


def _doctor(settings: Settings) -> int:
    from proctop import doctor
    from proctop.kernel.host import Host

    program = os.path.abspath(sys.argv[0]) if os.path.basename(sys.argv[0]) == "proctop" else f"{sys.executable} -m proctop"
    place = doctor.Place(Host.this(settings.procfs, settings.sysfs), os.environ, program, doctor.terminal_size())
    checks = list(doctor.examine(place))
    print(doctor.as_json(checks) if settings.format == "json" else doctor.as_text(checks), end="")
    return 0 if doctor.works(checks) else FAILURE


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is printed instead of a traceback when something unforeseen ends the program (exit code 1)."""
    if os.environ.get("PROCTOP_DEBUG"):
        sys.__excepthook__(kind, error, trace)
    else:
        said = " ".join(str(error).split())
        print(f"proctop: unexpected {kind.__name__}: {said}; please report it (PROCTOP_DEBUG=1 shows where)", file=sys.stderr)


def _unwritable(error: OSError) -> int:
    """Standard output takes no more: one line here, and not a traceback when Python flushes it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if isinstance(error, BrokenPipeError):  # `proctop --help | head`: the reader has what it wants
        return 0
    print(f"proctop: cannot write the output: {error.strerror}", file=sys.stderr)
    return FAILURE


def main(argv: list[str] | None = None) -> int:
    """Run proctop; returns the exit code: 0, 1 failure, 2 usage, 130 interrupted."""
    from proctop.flags import parse

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads cost 30 ms to start and have nothing to do here
    sys.excepthook = _last_words
    threading.excepthook = lambda args: _last_words(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    try:
        if sys.stdout is None:
            raise Refused("standard output is closed; give it somewhere to write")
        try:
            return _run(parse(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except SettingsError as error:
        print(f"proctop: {error}", file=sys.stderr)
        return USAGE
    except Refused as refused:
        print(f"proctop: {refused}", file=sys.stderr)
        return refused.code
    except OSError as error:
        if error.filename is not None:  # not of standard output: nobody foresaw it
            raise
        return _unwritable(error)
    except KeyboardInterrupt:
        return 130
