"""Settings → source, detector, engine, sinks. Only here do host paths, clocks and classes meet."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from proctop.scoring.catalogue import NoModel
from proctop.settings import DEFAULTS, NAMED, SettingsError, nearest, state_path

if TYPE_CHECKING:
    from proctop.frames import Frame
    from proctop.keeper import Keeper
    from proctop.kernel.host import Host
    from proctop.player import Player
    from proctop.recording import RecordingEngine
    from proctop.records import HostInfo
    from proctop.scoring.protocol import Detector
    from proctop.settings import Settings
    from proctop.sources import Source
    from proctop.sources.feeds import Found
    from proctop.sources.replay import ReplaySource
    from proctop.stream.archive import Archive
    from proctop.stream.writer import Writer
    from proctop.view.rows import ViewState

FAILURE, USAGE = 1, 2
_LEAD = 180.0  # seconds before the first frame of a recording that is shown: its trail
_REST = 1.0  # seconds between two looks for what a recording that is scored anew has grown by
_SHORT = 30  # readings that are over before a better feed than procfs has paid for its opening
_PATIENCE = 5.0  # seconds in which the first reading must have been scored


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
    if settings.user and not settings.replay and not settings.host and settings.procfs == "/proc":
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
    if settings.host:
        return remote(settings, stack)
    source, begin = live(settings, stack, waiting=False)
    begin()
    return source


def live(settings: Settings, stack: ExitStack, *, waiting: bool) -> tuple[Source, Callable[[], None]]:
    """This host; and what begins all that can wait until there is a first reading, names of containers for one.

    ``waiting``: somebody waits for the first reading, so better feeds than procfs are among that. Else they are opened now, if it pays.
    """
    from functools import partial

    from proctop.containers.directory import Directory
    from proctop.kernel.host import Host
    from proctop.sources.feeds import look
    from proctop.sources.live import LiveSource

    host = Host.this(settings.procfs, settings.sysfs)
    find = partial(look, host, faults=settings.source == "bpf" or settings.bpf_memory, memory=settings.bpf_memory)
    found, later = None, False
    if settings.source == "bpf":
        found = _bpf(host, settings)
    elif settings.bpf_memory and settings.source == "proc":
        raise SettingsError("--bpf-memory goes with --source bpf or auto")
    elif settings.source == "auto" and (settings.procfs, settings.sysfs) == (DEFAULTS.procfs, DEFAULTS.sysfs):
        later = waiting
        if not waiting and (settings.bpf_memory or not 0 < settings.count < _SHORT):
            found = find()
    names = Directory()
    source = LiveSource(host, interval=settings.interval, names=names, found=found)
    stack.callback(source.close)
    stack.callback(names.close)

    def begin() -> None:
        names.start()
        if later:
            source.look_for(find)

    return source, begin


def _bpf(host: Host, settings: Settings) -> Found:
    """The kernel's own telling of processes. Raises Refused."""
    from proctop.kernel.bpf.feed import Feed, Unavailable
    from proctop.sources.feeds import Found

    feed = Feed.open(host, memory=settings.bpf_memory)
    if isinstance(feed, Unavailable):
        raise Refused(f"--source bpf: {'; '.join(dict.fromkeys(feed.why.values()))}; --source proc reads without eBPF")
    return Found(feed)


def _has_terminal() -> bool:
    """Whether anybody can be asked, wherever standard input and output go."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def remote(settings: Settings, stack: ExitStack) -> Source:
    """Another host over ssh, which may ask for a password here. What is said of the host's trees goes for the other end."""
    import shlex

    from proctop.sources.remote import RemoteSource

    end_on_signals()
    words = [settings.host_command, f"collect -o - -d {settings.interval:g}"]
    for name in ("source", "procfs", "sysfs"):
        value = getattr(settings, name)
        if value != getattr(DEFAULTS, name):
            words.append(f"--{name} {shlex.quote(value)}")
    if settings.bpf_memory:
        words.append("--bpf-memory")
    if not settings.redact:
        words.append("--no-redact")  # what the other end takes out is not to be had here
    source = RemoteSource(
        settings.host,
        " ".join(words),
        interval=settings.interval,
        ask=_has_terminal(),
        tell=lambda line: print(line, file=sys.stderr),
    )
    stack.callback(source.close)
    return source


def replay(settings: Settings, stack: ExitStack, *, lead: float | None = None) -> ReplaySource:
    """A recording as the source, with what could not be read told at the end. ``lead`` as :class:`ReplaySource` takes it."""
    import time

    from proctop.sources.replay import ReplaySource
    from proctop.stream.archive import Archive

    if settings.replay != "-" and (settings.begin or settings.end):
        archive = Archive.open(settings.replay)
        begin, end = bounds(settings, *_limits(archive))
        archive.close()
    else:
        begin, end = bounds(settings, time.time(), None)
    source = ReplaySource(settings.replay, begin, end, lead=lead)

    def close() -> None:
        source.close()
        if source.damage:
            print(f"proctop: {settings.replay}: {source.damage}", file=sys.stderr)

    stack.callback(close)
    if source.remark:
        print(f"proctop: {source.remark}", file=sys.stderr)
    return source


def frames_of(settings: Settings, stack: ExitStack) -> Iterator[Frame]:
    """A recording from --begin to --end: as it was seen or, where it holds no scores and with --rescore, scored now."""
    return played(settings, stack)[1]


def played(settings: Settings, stack: ExitStack) -> tuple[ReplaySource, Iterator[Frame]]:
    """As :func:`frames_of`, and the source that they come from."""
    from proctop.rescore import Steps
    from proctop.stream.seen import Record

    # A model learns from all that came before, and what was seen begins with the scores before it.
    source = replay(settings, stack, lead=float("inf") if settings.rescore else _LEAD)
    steps = Steps(engine_of(settings, source.info, stack), anew=settings.rescore)

    def frames() -> Iterator[Frame]:
        while (reading := source.read()) is not None:
            frame = steps.step(Record(reading, source.seen))
            if source.begin is None or reading.wall >= source.begin:
                yield frame

    return source, frames()


def _limits(archive: Archive) -> tuple[float, float | None]:
    """Wall seconds of the last reading of an archive, and of the first."""
    first, last = archive.first(), archive.last()
    if first is None or last is None:
        return 0.0, None
    record = archive.get(last, archive.length(last) - 1)
    return last.wall if record is None else record.reading.wall, first.wall


def bounds(settings: Settings, now: float, since: float | None) -> tuple[float | None, float | None]:
    """--begin and --end in wall seconds; ``now`` and ``since`` as :func:`proctop.times.parse_time` takes them."""
    from proctop.times import parse_time

    try:
        begin = parse_time(settings.begin, now, since=since) if settings.begin else None
        end = parse_time(settings.end, now, since=since if begin is None else begin) if settings.end else None
    except ValueError as error:
        raise SettingsError(f"--begin and --end: {error}") from None
    return begin, end


def writer_of(path: str, settings: Settings, info: HostInfo) -> Writer:
    """A recording, without a ``path`` in the XDG place and named after the host: a file of this time, or with a limit a directory."""
    import time

    from proctop.stream.series import name
    from proctop.stream.writer import Writer

    size, age = settings.most_bytes, settings.most_seconds
    if not path:
        place = state_path(os.environ, info.hostname)
        path = f"{place}/" if size or age else os.path.join(os.path.dirname(place), name(info.hostname, time.time()))
    return Writer(path, keep_secrets=not settings.redact, max_size=size, max_age=age)


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
    from proctop.stream.spool import Spool

    try:
        detector = make(settings.model, budget=settings.budget, scope=settings.scope)
    except NoModel as error:
        raise SettingsError(str(error)) from None
    keeper = _keeper(settings, detector, info)
    engine = RecordingEngine(detector, lambda path: Spool(writer_of(path, settings, info)), keeper, budget=settings.budget)
    stack.callback(_end, engine)
    if settings.record:
        engine.start("" if settings.record == NAMED else settings.record)
    return engine


def _end(engine: RecordingEngine) -> None:
    """Close what the engine writes; what could not be recorded or kept is told once the screen has gone."""
    engine.close()
    for said in filter(None, (engine.unrecorded, engine.unkept)):
        print(f"proctop: {said}", file=sys.stderr)


def memory_of(engine: RecordingEngine) -> tuple[Callable[[Frame], None], Callable[[], Player]]:
    """What keeps the frames of a session, and what makes the player that goes back in it.

    That plays the recording which is being written, where it reaches back further than memory.
    """
    from proctop.player import Player
    from proctop.stream import StreamError
    from proctop.stream.archive import Archive
    from proctop.stream.ring import Ring

    ring = Ring()

    def past() -> Player:
        oldest = ring.first()
        if engine.recording not in ("", "-"):
            with suppress(StreamError):
                archive = Archive.open(engine.recording)
                first = archive.first()
                if first is not None and (oldest is None or first.wall < oldest.wall - 1.0):
                    return Player(archive)
                archive.close()
        return Player(Archive([ring]))

    return ring.write, past


def player_of(settings: Settings, stack: ExitStack) -> Player:
    """A recording to go about in: as it was seen or, where it holds no scores and with --rescore, as it is being scored now."""
    import time

    from proctop.player import Player
    from proctop.rescore import Rescore, Steps
    from proctop.stream import StreamError
    from proctop.stream.archive import Archive
    from proctop.stream.reader import Reader
    from proctop.stream.ring import Scratch

    name = settings.replay
    closed = threading.Event()
    if name == "-" or (os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)):
        reader = Reader(name)
        info, came = reader.header.info, iter(reader)
        stack.callback(reader.close)
        begin, end = bounds(settings, time.time(), None)

        def told() -> str:
            return str(reader.damage)

    else:
        archive = Archive.open(name)
        begin, end = bounds(settings, *_limits(archive))
        ends = [record for segment in (archive.first(), archive.last()) if segment and (record := archive.get(segment, 0)) is not None]
        if not ends and next(archive.records(), None) is None:
            archive.close()
            raise StreamError(f"{name}: a recording without a whole reading")
        if not ends or (not settings.rescore and any(record.seen is not None for record in ends)):
            return Player(archive, begin, end)
        info = ends[0].reading.info
        came = archive.records(more=lambda: not closed.wait(_REST))

        def told() -> str:
            return str(archive.damage) or archive.remark

    scratch = Scratch(os.environ.get("TMPDIR") or "/var/tmp")  # a day may be too much for a /tmp in memory
    again = Rescore(came, Steps(engine_of(settings, info, stack), anew=settings.rescore).step, scratch)
    volume = scratch.volume("standard input" if name == "-" else name)
    stack.callback(again.close)
    stack.callback(closed.set)
    again.start()
    again.begun.wait(_PATIENCE)
    return Player(Archive([volume]), begin, end, told=lambda: again.trouble or told())


def end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind the program, so that recordings are closed and threads ended."""
    import signal

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)
