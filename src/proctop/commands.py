"""What proctop does when it is called: the screen, batch mode and each subcommand. Everything heavy is imported where it is first used."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from proctop import outputs
from proctop.compose import (
    FAILURE,
    USAGE,
    Refused,
    end_on_signals,
    engine_of,
    frames_of,
    live,
    memory_of,
    player_of,
    remote,
    source_of,
    view_of,
    writer_of,
)
from proctop.scoring.catalogue import BASELINE, NoModel
from proctop.settings import DEFAULTS, NAMED, SettingsError, one_of

if TYPE_CHECKING:
    import argparse

    from proctop.records import Reading
    from proctop.settings import Settings
    from proctop.sources import Source


def score(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """Figures go to standard output, or to standard error where that carries the rows."""
    from proctop.offline.score import Job, run
    from proctop.offline.writing import FORMATS
    from proctop.outfile import Unwritable
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
    """Record without looking: with scores, as the screen would, but raw into a pipe, whose reader scores."""
    if args.output == "-":
        for name in ("model", "scope", "alerts", "baseline", "max_size", "max_age"):
            if name in args:
                raise SettingsError(f"--{name.replace('_', '-')} goes with a file or a directory; a pipe carries raw readings")
    end_on_signals()
    source = source_of(settings, stack)
    if args.output == "-":
        writer = stack.enter_context(writer_of("-", settings, source.info))
        for reading in _readings(source, settings, _unread):
            writer.write(reading)
        return 0
    engine = engine_of(replace(settings, record=args.output or NAMED), source.info, stack)
    if not args.output:
        print(f"proctop: recording to {engine.recording}", file=sys.stderr)
    said = ""
    for reading in _readings(source, settings):
        engine.step(reading)
        if engine.trouble != said:
            said = engine.trouble
            print(f"proctop: {said or f'recording again, readings lost: {engine.lost}'}", file=sys.stderr)
    engine.stop()
    return FAILURE if engine.unrecorded else 0


def _unread(seconds: float) -> bool:
    """Wait; true as soon as nobody is left to read standard output, so that a collector does not outlive its ssh by an interval."""
    import select

    poll = select.poll()
    poll.register(1, 0)  # POLLERR and POLLHUP come unasked
    return bool(poll.poll(seconds * 1000))


def _readings(source: Source, settings: Settings, pause: Callable[[float], bool] | None = None) -> Iterator[Reading]:
    """As many as asked for, in time."""
    from proctop.sources.pace import Ticker, readings

    came = readings(source, Ticker(settings.pace, pause=pause).wait, lambda said: print(f"proctop: {said}", file=sys.stderr))
    for taken, reading in enumerate(came, 1):
        yield reading
        if taken == settings.count:
            return


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
    place = checklist.Place(
        Host.this(settings.procfs, settings.sysfs),
        os.environ,
        program,
        checklist.terminal_size(),
        own_trees=(settings.procfs, settings.sysfs) == (DEFAULTS.procfs, DEFAULTS.sysfs),
        source=settings.source,
        memory=settings.bpf_memory,
    )
    checks = list(checklist.examine(place))
    print(checklist.as_json(checks) if settings.format == "json" else checklist.as_text(checks), end="")
    return 0 if checklist.works(checks) else FAILURE


def batch(settings: Settings, stack: ExitStack) -> int:
    """Readings as text, for pipes and files."""
    from proctop.export import batch as export
    from proctop.fields import COLUMN
    from proctop.sources.pace import Ticker

    end_on_signals()
    _check_theme(settings)
    view = view_of(settings)
    if settings.replay:
        frames = frames_of(settings, stack)
    else:
        source = source_of(settings, stack)
        frames = export.live(source, engine_of(settings, source.info, stack), Ticker(settings.pace).wait, threads=view.threads)
    return export.run(
        frames,
        state=view,
        format=settings.format,
        out=sys.stdout,
        count=settings.count or None,
        top=settings.top,
        width=shutil.get_terminal_size().columns if sys.stdout.isatty() else 0,
        columns=[COLUMN[name] for name in settings.columns],
    )


def screen(settings: Settings, stack: ExitStack, *, told: bool = False) -> int:
    """The live screen, or that of a recording; ``told``: the bundled one, with what there is to see in it."""
    term = os.environ.get("TERM", "")
    if settings.replay == "-" and sys.stdin is not None and sys.stdin.isatty():
        raise Refused("--replay - shows the recording that a pipe carries, and standard input is a terminal", USAGE)
    keys = _keys() if settings.replay == "-" else -1
    if sys.stdin is None or not ((keys >= 0 or sys.stdin.isatty()) and sys.stdout.isatty()):
        raise Refused("the screen needs a terminal for input and output; use `proctop --batch` in pipes and scripts", USAGE)
    if term in ("", "dumb", "unknown"):
        raise Refused(f'the screen cannot be drawn on TERM="{term}"; use `proctop --batch`', USAGE)
    view = view_of(settings)
    _check_theme(settings)
    _check_keys(settings)
    gc.disable()  # what is loaded now stays
    if settings.replay:
        from proctop.tui.app import run

        player = player_of(settings, stack)
        if keys >= 0:
            os.dup2(keys, 0)
        _loaded()
        tour = None
        if told:
            from proctop.tui.tour import Tour

            tour = Tour(player.span[0]) if player.span else None
        return run(settings, None, None, past=lambda: player, tour=tour)
    from proctop.tui import glance

    source, begin = (remote(settings, stack), None) if settings.host else live(settings, stack, waiting=True)
    engine = engine_of(settings, source.info, stack)
    reading = source.read()
    frame = engine.step(reading) if reading is not None else None
    with glance.shown(frame, view, settings, shutil.get_terminal_size()):
        if begin is not None:
            begin()
        from proctop.tui.app import run
    keep, past = memory_of(engine)
    _loaded()
    return run(settings, source, engine, first=frame, keep=keep, past=past)


def demo(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """The bundled recording, on the screen, from a little before what happened."""
    path = os.path.join(os.path.dirname(__file__), "demo.proctop")
    return screen(replace(settings, replay=path), stack, told=True)


def _keys() -> int:
    """The terminal itself, where standard input is a pipe that carries a recording; -1 = there is none."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return -1


def _loaded() -> None:
    gc.freeze()  # a full collection would walk all that the imports left: 6 ms in which no key is answered
    gc.enable()


def _check_theme(settings: Settings) -> None:
    """Ours is known to be there; the toolkit is asked for the others."""
    if settings.theme == DEFAULTS.theme:
        return
    from proctop.tui.themes import names

    if wrong := one_of(names(), "theme")(settings.theme):
        raise SettingsError(f"--theme: {wrong}")


def _check_keys(settings: Settings) -> None:
    """Only the screens know their keys."""
    if settings.keys:
        from proctop.tui.app import Proctop

        Proctop.check_keys(dict(settings.keys))


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Settings, ExitStack], int]] = {
    "collect": collect,
    "demo": demo,
    "doctor": doctor,
    "export": outputs.export,
    "info": outputs.info,
    "models": models,
    "profile": outputs.profile,
    "report": outputs.report,
    "score": score,
}
