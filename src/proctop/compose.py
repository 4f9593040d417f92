"""Settings → source, detector, engine, sinks. Only here do host paths, clocks and classes meet."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from proctop.scoring.catalogue import NoModel
from proctop.settings import NAMED, SettingsError, nearest, state_path

if TYPE_CHECKING:
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


def view_of(settings: Settings) -> ViewState:
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


def source_of(settings: Settings, stack: ExitStack) -> Source:
    """The source of readings, closed with ``stack``."""
    if settings.replay:
        return replay(settings, stack)
    source, names = live(settings, stack)
    names.start()
    return source


def live(settings: Settings, stack: ExitStack) -> tuple[Source, Directory]:
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


def replay(settings: Settings, stack: ExitStack) -> Source:
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


def as_recorded(settings: Settings) -> Settings:
    """A recording is shown at the pace at which it was made."""
    if not settings.replay:
        return settings
    from proctop.stream.reader import Reader

    with Reader(settings.replay) as reader:
        first = reader.read()
    return replace(settings, interval=first.reading.interval) if first and first.reading.interval > 0 else settings


def tape_of(path: str, info: HostInfo) -> Writer:
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


def engine_of(settings: Settings, info: HostInfo, stack: ExitStack) -> RecordingEngine:
    """The engine with its detector, recording already where that was asked for."""
    from proctop.recording import RecordingEngine
    from proctop.scoring.registry import make
    from proctop.stream import WriteFailed

    try:
        detector = make(settings.model, budget=settings.budget, scope=settings.scope)
    except NoModel as error:
        raise SettingsError(str(error)) from None
    engine = RecordingEngine(detector, lambda path: tape_of(path, info), WriteFailed, _keeper(settings, detector, info))
    stack.callback(_end, engine)
    if settings.record:
        engine.start("" if settings.record == NAMED else settings.record)
    return engine


def _end(engine: RecordingEngine) -> None:
    """Close what the engine writes; what could not be kept is told once the screen has gone."""
    engine.close()
    if engine.unkept:
        print(f"proctop: {engine.unkept}", file=sys.stderr)


def end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind the program, so that recordings are closed and threads ended."""
    import signal

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)
