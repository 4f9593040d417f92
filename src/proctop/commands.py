"""What proctop does when it is called: the screen, batch mode and each subcommand. Everything heavy is imported where it is first used."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from proctop.compose import FAILURE, USAGE, Refused, end_on_signals, engine_of, live, replay, source_of, tape_of, view_of
from proctop.scoring.catalogue import BASELINE, NoModel
from proctop.settings import DEFAULTS, SettingsError, one_of

if TYPE_CHECKING:
    import argparse

    from proctop.settings import Settings


def score(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """Figures go to standard output, or to standard error where that carries the rows."""
    from proctop.offline.score import Job, run
    from proctop.offline.writing import FORMATS, Unwritable
    from proctop.sources.events import EventsError

    if args.rows and not args.output:
        raise SettingsError("--format goes with -o FILE")
    if args.output and os.path.exists(args.output) and os.path.exists(args.file) and os.path.samefile(args.file, args.output):
        raise SettingsError("-o would write over FILE")
    end_on_signals()
    suffix = os.path.splitext(args.output)[1][1:]
    chosen = settings.model if settings.model != BASELINE or "model" in args else ""
    job = Job(args.file, chosen, settings.scope, args.features, args.output, args.rows or (suffix if suffix in FORMATS else "csv"))
    try:
        remark = run(job, sys.stderr if args.output == "-" else sys.stdout)
    except (EventsError, Unwritable) as error:
        raise Refused(str(error)) from None
    except NoModel as error:
        raise SettingsError(str(error)) from None
    if remark:
        print(f"proctop: {remark}", file=sys.stderr)
    return 0


def collect(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """Record without looking. A disk that is full is told once, and tried again at every reading."""
    from proctop.sources.pace import Ticker
    from proctop.stream import WriteFailed

    end_on_signals()
    path: str = args.output
    source = source_of(settings, stack)
    tape = tape_of(path, source.info)
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


def models(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """The detectors, what each is good for and what it costs."""
    from proctop.offline.score import catalogue

    print(catalogue(), end="")
    return 0


def doctor(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """What works here, as a table or JSON."""
    from proctop import doctor as checklist
    from proctop.kernel.host import Host

    program = os.path.abspath(sys.argv[0]) if os.path.basename(sys.argv[0]) == "proctop" else f"{sys.executable} -m proctop"
    place = checklist.Place(Host.this(settings.procfs, settings.sysfs), os.environ, program, checklist.terminal_size())
    checks = list(checklist.examine(place))
    print(checklist.as_json(checks) if settings.format == "json" else checklist.as_text(checks), end="")
    return 0 if checklist.works(checks) else FAILURE


def batch(settings: Settings, stack: ExitStack) -> int:
    """Readings as text, for pipes and files."""
    from proctop.export import batch as export
    from proctop.fields import COLUMN
    from proctop.sources.pace import Ticker

    end_on_signals()
    view = view_of(settings)
    source = source_of(settings, stack)
    engine = engine_of(settings, source.info, stack)
    code = export.run(
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


def screen(settings: Settings, stack: ExitStack) -> int:
    """The live screen, or that of a recording."""
    term = os.environ.get("TERM", "")
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused("the screen needs a terminal for input and output; use `proctop --batch` in pipes and scripts", USAGE)
    if term in ("", "dumb", "unknown"):
        raise Refused(f'the screen cannot be drawn on TERM="{term}"; use `proctop --batch`', USAGE)
    view = view_of(settings)
    _check_theme(settings)
    gc.disable()  # what is loaded now stays
    if settings.replay:
        from proctop.tui.app import run

        source = replay(settings, stack)
        return run(settings, source, engine_of(settings, source.info, stack))
    from proctop.tui import glance

    source, names = live(settings, stack)
    engine = engine_of(settings, source.info, stack)
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


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Settings, ExitStack], int]] = {
    "collect": collect,
    "doctor": doctor,
    "models": models,
    "score": score,
}
