"""The command line: flags and settings → what is to be done, and every failure as one line and an exit code.

Everything heavy is imported where it is first used, so that ``--version`` and ``--help`` cost little more than Python does.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proctop.compose import FAILURE, USAGE, Refused
from proctop.scoring.catalogue import BASELINE
from proctop.settings import SettingsError

if TYPE_CHECKING:
    import argparse
    from types import TracebackType

    from proctop.settings import Settings


def _settings(args: argparse.Namespace) -> Settings:
    """Settings out of file, flags and environment. Raises ``SettingsError``."""
    from proctop import settings

    flags = {name: value for name, value in vars(args).items() if hasattr(settings.DEFAULTS, name)}
    if "sort" in flags:
        flags["reverse"] = flags["sort"].startswith("-")
        flags["sort"] = flags["sort"].removeprefix("-")
    for name, value in flags.items():
        settings.check(name, value, f"--{name.replace('_', '-')}")
    path = args.config or settings.default_path(os.environ)
    file = settings.read_file(path, required=args.config is not None)
    chosen = settings.resolve(file, flags)
    if chosen.layout and args.command is None:
        chosen = settings.resolve({**file, **_layout(chosen.layout, "layout" in flags)}, flags)
    _refuse_unused(args, chosen)
    if chosen.replay and any(name in flags for name in ("model", "scope", "alerts", "baseline", "record")):
        chosen = replace(chosen, rescore=True)  # what only a detector can heed
    if os.environ.get("NO_COLOR"):
        chosen = replace(chosen, color=False)
    return chosen if settings.utf8(os.environ) else replace(chosen, ascii=True)


def _layout(name: str, flag: bool) -> dict[str, Any]:
    """What a saved layout sets. Raises ``SettingsError``."""
    from proctop.layouts import Layouts, LayoutsError
    from proctop.settings import layouts_path, nearest

    try:
        known = Layouts(layouts_path(os.environ)).all()
    except LayoutsError as error:
        raise SettingsError(str(error)) from None
    if name not in known:
        where = "--layout" if flag else "layout"
        raise SettingsError(f'{where}: no layout "{name}"{nearest(name, known) or "; F2 on the screen saves one"}')
    found = known[name]
    return {"columns": found.columns, "sort": found.sort, "reverse": found.reverse} | ({"theme": found.theme} if found.theme else {})


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
    from proctop import commands
    from proctop.kernel.host import NotProcfs
    from proctop.stream import StreamError

    try:
        with ExitStack() as stack:
            if args.command is not None:
                return commands.COMMANDS[args.command](args, settings, stack)
            if settings.batch:
                return commands.batch(settings, stack)
            return commands.screen(settings, stack)
    except (NotProcfs, StreamError) as error:
        raise Refused(str(error)) from None


def _refuse_unused(args: argparse.Namespace, settings: Settings) -> None:
    """A flag that would do nothing is a misunderstanding."""
    if not settings.batch and args.command is None:
        for name in ("count", "format", "top"):
            if name in args:
                raise SettingsError(f"--{name} goes with --batch")
    if settings.record == "-":
        raise SettingsError("--record goes to a file or a directory; `proctop collect -o -` writes into a pipe")
    if not settings.record and args.command is None:
        for name in ("max_size", "max_age", "redact"):
            if name in args:
                raise SettingsError(f"--{'no-' * (name == 'redact')}{name.replace('_', '-')} goes with --record or collect")
    if not settings.replay and (settings.begin or settings.end):
        raise SettingsError("--begin and --end go with --replay FILE")
    if not settings.replay and settings.rescore:
        raise SettingsError("--rescore goes with --replay FILE")
    if settings.host and (settings.replay or args.command not in (None, "collect")):
        raise SettingsError("--host goes with the screen, --batch and collect, and shows no recording")
    if "host_command" in args and not settings.host:
        raise SettingsError("--host-command goes with --host [USER@]HOST")
    if "scope" in args and args.command is None and settings.model == BASELINE:
        raise SettingsError("--scope goes with --model NAME; the baseline always knows every process (`proctop models` lists the others)")


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
