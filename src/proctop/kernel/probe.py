"""A full look at processes: ``stat``, ``io``, ``status`` and the number of open descriptors, as columns of counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.host import Denied, Host, Unreadable, Vanished
from proctop.kernel.subject import Subject
from proctop.records import Floats, Ints

NAN = float("nan")
_NO_IO = (NAN,) * 6
_NO_STATUS = (-1, NAN, NAN, NAN, NAN)
_TRAITS = [procfs.START, procfs.FLAGS, procfs.THREADS, procfs.START_CODE, procfs.START_STACK, procfs.ARG_START]

# Rows of COUNTERS that a stat line fills, with the places of its numbers.
_PLAIN = {
    "ppid": procfs.PPID,
    "priority": procfs.PRIORITY,
    "nice": procfs.NICE,
    "minflt": procfs.MINFLT,
    "majflt": procfs.MAJFLT,
    "threads": procfs.THREADS,
    "processor": procfs.PROCESSOR,
    "vsize": procfs.VSIZE,
}
_PLAIN_ROWS = [COUNTER[name] for name in _PLAIN]
_PLAIN_PLACES = list(_PLAIN.values())
_OTHER_ROWS = [
    COUNTER[name] for name in ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "rss", "data", "vctx", "nvctx", "fds")
]


_STAT, _IO, _STATUS = 0, 1, 2
_FILES = ("stat", "io", "status")
_UNUSED = 4  # looks after which held files may make room for others
MOST_HELD = 3 * 1024
"""Descriptors that are worth holding here: 5.4 KB of kernel memory each."""


class _Raw(NamedTuple):
    """What the files of one process said; ``others`` in the order of _OTHER_ROWS."""

    subject: Subject
    stat: bytes
    uid: int
    others: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a full look gave.

    Attributes:
        subjects: those whose numbers were read, m of them.
        counters: float64[n_counters, m]; the rows of schedstat are NaN.
        gone: vanished, or the pid belongs to another process by now.
        renewed: of ``subjects``, those that are new, renamed, running another program or under another user.
        denied: of ``gone``, those whose ``stat`` may not be read (hidepid=1).
        missed: those that could not be read for another reason and keep their numbers; failed: the first such reason.
    """

    subjects: list[Subject]
    counters: Floats
    gone: list[Subject]
    renewed: list[Subject]
    denied: set[Subject]
    missed: list[Subject]
    failed: str


class Probe:
    """Reads processes of one host. ``delays`` says whether the kernel accounts block io delays now.

    The files of processes that run at one look after the other stay open, within ``limit`` descriptors: to read one again
    costs half of what opening it does.
    """

    def __init__(self, host: Host, limit: int) -> None:
        self._host = host
        self._most = limit // len(_FILES)
        self._held: dict[Subject, int] = {}  # to the look that used it last; longest unused first
        self._looks = 0
        self._ran: set[Subject] = set()
        self._tick = 1e9 / host.ticks
        self.delays = True
        self.has_io = self._has("io")
        self._counts_fds = self._fd_sizes()

    def _has(self, name: str) -> bool:
        """Whether this kernel has such a file: asked of processes that exist for sure."""
        try:
            return self._host.exists(f"{self._host.proc}/1/{name}") or self._host.exists(f"{self._host.proc}/self/{name}")
        except Unreadable:
            return False

    def _fd_sizes(self) -> bool:
        """Since Linux 6.2 the size of ``/proc/PID/fd`` is the number of entries (fs/proc/fd.c: proc_fd_getattr)."""
        path = f"{self._host.proc}/self/fd"
        try:
            return 0 < self._host.size(path) <= len(self._host.names(path)) <= self._host.size(path) + 2
        except Unreadable:
            return False

    def look(self, subjects: Sequence[Subject], ran: set[Subject]) -> Probed:
        """Read ``subjects``; those in ``ran`` did something since the last look. One that did not, and reads as before, is left out."""
        found: list[_Raw] = []
        gone: list[Subject] = []
        denied: set[Subject] = set()
        missed: list[Subject] = []
        failed = ""
        for subject in subjects:
            try:
                if subject.threaded or (subject in self._ran and subject in ran):
                    self._hold(subject)
                raw = self._read(subject, subject in ran)
            except Vanished:
                gone.append(subject)
            except Denied:
                denied.add(subject)
                gone.append(subject)
            except (Unreadable, procfs.Malformed) as error:  # a host out of descriptors, say: what is known stays
                failed = failed or str(error)
                subject.stat = 0
                (gone if subject.start == -1 else missed).append(subject)
            else:
                if raw is not None:
                    found.append(raw)
        return self._assemble(found, gone, denied, missed, failed)

    def remember(self, ran: set[Subject]) -> None:
        """What ran at this look, to know at the next who runs again."""
        self._ran = ran
        self._looks += 1

    def forget(self, subject: Subject) -> None:
        """Let go of the descriptors of a process."""
        if subject.held:
            self._host.close([fd for fd in subject.held if fd >= 0])
            subject.held = []
            del self._held[subject]

    def _hold(self, subject: Subject) -> None:
        """Keep the files of ``subject`` open, if there is room or another has not been read for a while."""
        if subject.held:
            del self._held[subject]
        else:
            if len(self._held) >= self._most:
                oldest, used = next(iter(self._held.items()), (subject, self._looks))
                if used > self._looks - _UNUSED:
                    return
                self.forget(oldest)
            subject.held = [self._open(subject, name) for name in _FILES]
        self._held[subject] = self._looks

    def _open(self, subject: Subject, name: str) -> int:
        if name == "io" and (subject.io_denied or not self.has_io):
            return -1
        try:
            return self._host.open(f"{subject.path}/{name}")
        except Unreadable:  # denied, gone or out of descriptors: reading it by its path says which
            return -1

    def _text(self, subject: Subject, file: int) -> bytes:
        if subject.held and (fd := subject.held[file]) >= 0:
            return self._host.again(fd, subject.path)
        return self._host.read(f"{subject.path}/{_FILES[file]}")

    def close(self) -> None:
        """Let go of every descriptor."""
        for subject in list(self._held):
            self.forget(subject)

    def _read(self, subject: Subject, ran: bool) -> _Raw | None:
        """The texts of one process, None where nothing changed. ``stat`` is the one that must be readable."""
        path = subject.path
        stat = self._text(subject, _STAT)
        seen, subject.stat = subject.stat, hash(stat)
        idle = not ran and subject.stat == seen
        if idle and not subject.threaded:
            return None
        io = self._io(subject)
        seen, subject.io = subject.io, hash(io)
        if idle and subject.io == seen:
            return None
        numbers = procfs.io(io, path) if io else _NO_IO
        uid, *memory_and_switches = self._status(subject)
        return _Raw(subject, stat, uid, (*numbers, *memory_and_switches, self._fds(subject)))

    def _io(self, subject: Subject) -> bytes:
        if subject.io_denied or not self.has_io:
            return b""
        try:
            return self._text(subject, _IO)
        except Denied:
            subject.io_denied = True
            return b""

    def _status(self, subject: Subject) -> tuple[int, float, float, float, float]:
        try:
            return procfs.status(self._text(subject, _STATUS), subject.path)
        except Denied:
            return _NO_STATUS

    def _fds(self, subject: Subject) -> float:
        if subject.fds_denied:
            return NAN
        try:
            return self.descriptors(subject.path)
        except Denied:
            subject.fds_denied = True
            return NAN

    def descriptors(self, path: str) -> float:
        """How many are open in the process of this directory. Raises Unreadable."""
        return float(self._host.size(f"{path}/fd") if self._counts_fds else len(self._host.names(f"{path}/fd")))

    def _assemble(self, found: list[_Raw], gone: list[Subject], denied: set[Subject], missed: list[Subject], failed: str) -> Probed:
        parsed = procfs.stat_many([raw.stat for raw in found]) if found else None
        if parsed is None:
            lines = []
            good = []
            for raw in found:
                try:
                    lines.append(procfs.stat(raw.stat, f"{raw.subject.path}/stat"))
                    good.append(raw)
                except procfs.Malformed as error:
                    failed = failed or str(error)
                    gone.append(raw.subject)
            found = good
            parsed = (
                np.array([state for _, state, _ in lines], dtype=np.int64),
                np.array([numbers for _, _, numbers in lines], dtype=np.int64).reshape(-1, procfs.WIDTH),
            )
        states, numbers = parsed
        counters = np.full((len(COUNTER), len(found)), np.nan)
        self.fill(counters, states, numbers)
        others = np.array([raw.others for raw in found], dtype=np.float64).reshape(-1, len(_OTHER_ROWS)).T
        rss = counters[COUNTER["rss"]].copy()
        counters[_OTHER_ROWS] = others
        np.copyto(counters[COUNTER["rss"]], rss, where=np.isnan(counters[COUNTER["rss"]]))  # status is denied: what stat says
        own, renewed = _identify(found, numbers)
        subjects = [raw.subject for raw in found]
        if not all(own):
            gone.extend(subject for subject, kept in zip(subjects, own, strict=True) if not kept)
            counters = counters[:, np.array(own, dtype=np.bool_)]
            subjects = [subject for subject, kept in zip(subjects, own, strict=True) if kept]
        return Probed(subjects, counters, gone, renewed, denied, missed, failed)

    def fill(self, counters: Floats, states: Ints, numbers: Ints) -> None:
        counters[COUNTER["state"]] = states
        counters[_PLAIN_ROWS] = numbers[:, _PLAIN_PLACES].T
        counters[COUNTER["utime"]] = numbers[:, procfs.UTIME] * self._tick
        counters[COUNTER["stime"]] = numbers[:, procfs.STIME] * self._tick
        counters[COUNTER["cutime"]] = (numbers[:, procfs.CUTIME] + numbers[:, procfs.CSTIME]) * self._tick
        counters[COUNTER["rss"]] = numbers[:, procfs.RSS] * self._host.page
        if self.delays:
            counters[COUNTER["blkio_delay"]] = numbers[:, procfs.BLKIO] * self._tick


def _identify(found: list[_Raw], numbers: Ints) -> tuple[list[bool], list[Subject]]:
    """Take start, name, program and user from what was read.

    Returns whether each is still the process it was (not a later one of the same pid), and those that are new or changed.
    """
    own: list[bool] = []
    renewed: list[Subject] = []
    for (subject, stat, uid, _), (start, flags, threads, *image) in zip(found, numbers[:, _TRAITS].tolist(), strict=True):
        own.append(subject.start in (-1, start))
        if not own[-1]:
            continue
        name = procfs.comm(stat)[0]
        if subject.start == -1 or name != subject.comm or image != subject.image != [] or uid not in (-1, subject.uid):
            renewed.append(subject)
            subject.start = start
            subject.comm = name
            subject.kernel = bool(flags & procfs.PF_KTHREAD)
            subject.io_denied = subject.fds_denied = False
            if uid != -1:
                subject.uid = uid
        subject.image = image
        subject.threaded = threads > 1
    return own, renewed
