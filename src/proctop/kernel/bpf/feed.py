"""The process table by eBPF: one read of a task iterator gives every process that did something, in binary.

Optional, and dearer to begin (50 ms of cpu) than to use: open it in the background. Needs root, or CAP_BPF and CAP_PERFMON.
Numbers agree with ``/proc`` within its resolution, with these differences: ``run_ns``, ``wait_ns``, ``vctx`` and ``nvctx`` are of all
threads and not of the main one (of a thread that ended, what it waited since the last sweep is lost); ``rss`` is the kernel's quick sum,
off by some pages a cpu (``stat`` says the same, ``status`` is exact); ``fds`` is NaN where there is room for more than 4,096.
"""

from __future__ import annotations

import os
import pkgutil
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from proctop.kernel.bpf.events import SIZE, Chronicle, Events, Ring
from proctop.kernel.bpf.layout import EXTRA, KERNEL, RECORD, Names, Walk, counters, extras, high, names
from proctop.kernel.bpf.libbpf import LOCKED, Object, Refused
from proctop.kernel.bpf.perf import page_faults
from proctop.kernel.bpf.tally import Tally
from proctop.kernel.host import Host, Unreadable
from proctop.records import Bools, Floats, Ints

OBJECT = "proctop.bpf.o"
TASKS = "tasks"
EVENTS = ("forked", "execed", "exited", "freed")
FAULTS = ("user_fault", "kernel_fault")
MEMORY = "memory"
ROUND = 32
"""Sweeps in which every process is looked at, whether it ran or not."""

_MARGIN = 10_000_000  # ns by which clocks of two cpus may disagree
_CHUNK = 1 << 16  # the kernel hands out 32 KiB at a time
_MORE = "_more"  # programs of that name do the same, and look after what is counted by FAULTS and MEMORY
_SAMPLED = "_sampled"
_SINCE, _MEMORY, _ARRIVED, _TASKS, _LEADERS, _PLACE, _LOST = range(7)  # words of struct control
_NOBODY = np.zeros(0, dtype=np.int64)
_PIDS = 1 << 16  # entries of its two tables, which come then


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No feed here. ``why``: program → reason, one line each."""

    why: Mapping[str, str]


class Asked:
    """Processes that a sweep wants whether they ran or not, by the low 16 bits of their pids: every 32nd, and ``pids``."""

    def __init__(self, everything: bool, turn: int, pids: Ints) -> None:
        self.everything = everything
        self.by_pid = np.zeros(_PIDS, dtype=np.bool_)
        self.by_pid[turn % ROUND :: ROUND] = True
        self.by_pid[pids & _PIDS - 1] = True

    def __call__(self, pid: Ints) -> Bools:
        """bool[n]: was each of these asked for?"""
        return np.ones(pid.size, dtype=np.bool_) if self.everything else self.by_pid[pid & _PIDS - 1]


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """Processes that did something since the last sweep, and those whose turn it was; ascending by pid.

    Attributes:
        pid: int64[n], in the reader's pid namespace; start: int64[n], ticks since boot: the key.
        counters: float64[len(fields.COUNTERS), n], threads summed; NaN = this kernel does not tell.
        extra: float64[len(layout.EXTRA), n], since the feed began to count; NaN = it does not.
        uid: int64[n], effective. execs: int64[n], grows whenever the process starts another program.
        comm: S16[n], not made harmless yet. kernel: bool[n], a kernel thread.
        cgroup, cgroup1: int64[n], inode numbers of the version 2 cgroup's directory, and of the version 1 memory controller's (0 = none).
        asked: whose turn it was: a process of those that is not in ``pid`` has ended.
        alive: processes that exist; threads: and threads of all of them.
    """

    pid: Ints
    start: Ints
    counters: Floats
    extra: Floats
    uid: Ints
    execs: Ints
    comm: Names
    kernel: Bools
    cgroup: Ints
    cgroup1: Ints
    asked: Asked
    alive: int
    threads: int

    def __len__(self) -> int:
        return self.pid.size


class Feed:
    """Open programs. Sweeps, events and the end come from one thread at a time.

    Attributes:
        refused: program → why it does not run; what it would tell is missing, the rest works.
    """

    def __init__(self, host: Host, programs: Object, more: bool, shift: int) -> None:
        self.refused: dict[str, str] = {}
        self._programs = programs
        self._host = host
        self._tick = 1_000_000_000 // host.ticks
        self._shift = shift
        memory = programs.memory(".bss", writable=True)
        self._control = np.frombuffer(memory, dtype=np.uint64, count=_LOST + 1)
        tables = np.frombuffer(memory, dtype=np.bool_, offset=self._control.nbytes)
        self._wanted, self._ended = tables[:_PIDS], tables[_PIDS : 2 * _PIDS]
        self._buffer = np.zeros(1 << 18, dtype=np.uint8)
        self._tally = Tally()
        self._next = _NOBODY  # pids to look at in any case
        self._turn = 0
        self._arrived = 0
        self._ring: Ring | None = None
        self._lost = 0
        self._suffix = _MORE if more else ""
        self._width = RECORD + len(EXTRA) * more
        self._counted = np.zeros(len(EXTRA), dtype=np.bool_)

    @classmethod
    def open(cls, host: Host, *, faults: bool = True, memory: bool = False) -> Feed | Unavailable:
        """Load and attach what this kernel takes; nothing is left behind however this program ends.

        ``faults``: count page faults of user mode and of the kernel apart, which costs each of them 0.15 µs. ``memory``: count what is
        mapped, unmapped and taken by brk, which makes every system call of the host 0.15 µs slower (``python -m benchmarks.overhead``).
        """
        extra = (*(FAULTS if faults else ()), *((MEMORY,) if memory else ()))
        every = (TASKS, *EVENTS, *extra)
        if not host.own_pids():
            return Unavailable(dict.fromkeys(every, f"{host.proc} numbers processes as another pid namespace does"))
        if _locked_down(host):
            return Unavailable(dict.fromkeys(every, LOCKED))
        refused: dict[str, str] = {}
        for more in (True, False) if extra else (False,):
            try:
                programs = _load(extra, more)
            except Refused as why:
                refused |= dict.fromkeys(every if more else (TASKS, *EVENTS), str(why))
                continue
            try:
                feed = cls(host, programs, more, _boottime_shift(host))
                feed._walk()  # tells the programs which pid namespace is the reader's
                feed._listen()
                if more:
                    feed._count(extra)
            except OSError as error:  # out of descriptors
                programs.close()
                return Unavailable(dict.fromkeys(every, f"the programs run, but cannot be read: {error.strerror}"))
            feed.refused |= {name: why for name, why in refused.items() if name in extra}
            return feed
        return Unavailable(refused)

    def _listen(self) -> None:
        """Attach the tracepoints: without births, starts of programs or ends the others still tell theirs."""
        attached = [name for name in EVENTS if self._attach(name, "exited" + self._suffix if name == "exited" else name)]
        if attached:
            page = self._host.page
            self._ring = Ring(
                self._programs.memory("events", page, writable=True), self._programs.memory("events", page + SIZE, page), page
            )
        frees = "freed" in attached
        self._chronicle = Chronicle(self._host.ticks, self._host.page, self._shift, frees=frees, counted=self._counted)

    def _count(self, extra: tuple[str, ...]) -> None:
        """Attach what counts more than the kernel does."""
        self._control[_MEMORY] = MEMORY in extra
        for name in extra:
            if name == MEMORY:
                self._counted[2:] = self._attach(name, name)
            elif platform.machine() == "x86_64":
                self._counted[FAULTS.index(name)] = self._attach(name, name)
            else:
                events = page_faults(_online(self._host), user=name == FAULTS[0])
                self._counted[FAULTS.index(name)] = self._attach(name, name + _SAMPLED, events)

    def _attach(self, name: str, program: str, events: Iterator[int] | None = None) -> bool:
        if self._programs.attach(program, events):
            return True
        self.refused[name] = self._programs.refused[program]
        return False

    def sweep(self, full: bool = False) -> Tasks:
        """What ran since the last sweep, and what ended before :meth:`events` was asked last; ``full``: everything, as the first sweep
        is in any case. Raises OSError.
        """
        ended = self._ended.nonzero()[0] if self._ended.any() else _NOBODY
        self._ended[ended] = False
        asked = Asked(full or not self._arrived or not self._turn, self._turn, np.concatenate([self._next, ended, self._chronicle.ended]))
        self._wanted[:] = asked.by_pid
        self._control[_SINCE] = 0 if asked.everything else max(0, self._arrived - _MARGIN)
        walk = self._walk()
        sums = self._tally.add(walk, asked)
        self._next = np.concatenate([sums.unsure, walk.pid[walk.running]])
        self._turn += 1
        rows = walk.rows[sums.row]
        return Tasks(
            pid=walk.pid[sums.row],
            start=(rows[:, 2] + self._shift) // self._tick,
            counters=counters(rows, sums.spent, self._host.page),
            extra=extras(rows[:, RECORD:], self._counted) if self._suffix else np.full((len(EXTRA), len(rows)), np.nan),
            uid=high(rows[:, 1]),
            execs=rows[:, 12],
            comm=names(rows, 4),
            kernel=high(rows[:, 7]) & KERNEL != 0,
            cgroup=rows[:, 10],
            cgroup1=rows[:, 11],
            asked=asked,
            alive=int(self._control[_LEADERS]),
            threads=int(self._control[_TASKS]),
        )

    def _walk(self) -> Walk:
        """Read the iterator from begin to end. Raises OSError."""
        fd = self._programs.iterate(TASKS + self._suffix)
        used = 0
        try:
            while True:
                if self._buffer.size - used < _CHUNK:
                    self._buffer = np.concatenate([self._buffer, self._buffer])
                try:
                    got = os.readv(fd, [self._buffer[used:].data])
                except BlockingIOError:  # a million tasks: the kernel takes a breath
                    continue
                if not got:
                    break
                used += got
        finally:
            os.close(fd)
        self._arrived = int(self._control[_ARRIVED])
        return Walk(self._buffer[:used].view(np.int64).reshape(-1, self._width))

    def events(self) -> Events:
        """What happened since the last call."""
        slots = self._ring.take() if self._ring else np.zeros((0, 32), dtype=np.int64)
        lost, self._lost = self._lost, int(self._control[_LOST])
        return self._chronicle.tell(slots, self._lost - lost, nested=bool(self._control[_PLACE] & np.uint64(0xFFFFFFFF)))

    def ends(self) -> dict[tuple[int, int], tuple[int, Floats]]:
        """Exit code and counters, by pid and start, of processes that ended before :meth:`events` was asked last and are still to be
        told of."""
        return self._chronicle.ends()

    def overdue(self, before: float) -> Events | None:
        """Exits of processes that ended before second ``before`` of CLOCK_BOOTTIME and of which the kernel does not let go, or that nobody
        waits for; again every time."""
        return self._chronicle.overdue(before)

    def close(self) -> None:
        """Detach and unload."""
        self._ring = None
        del self._control, self._wanted, self._ended
        self._programs.close()


def _load(extra: tuple[str, ...], more: bool) -> Object:
    """The programs, the task iterator among them and attached. Raises Refused."""
    image = pkgutil.get_data(__package__, OBJECT)
    assert image is not None
    suffix = _MORE if more else ""
    sampled = "" if platform.machine() == "x86_64" else _SAMPLED
    counting = [name + sampled * (name in FAULTS) for name in extra] if more else []
    listening = ["exited" + suffix if name == "exited" else name for name in EVENTS]
    programs = Object(image, [TASKS + suffix, *listening, *counting], () if more else ("extras",))
    if not programs.attach(TASKS + suffix):
        programs.close()
        raise Refused(programs.refused[TASKS + suffix])
    return programs


def _locked_down(host: Host) -> bool:
    """Whether the kernel keeps its memory from programs (kernel_lockdown(7))."""
    try:
        return b"[confidentiality]" in host.read(f"{host.sys}/kernel/security/lockdown")
    except Unreadable:
        return False


def _online(host: Host) -> Iterator[int]:
    """The cpus that are: ``0-3,8`` in ``/sys/devices/system/cpu/online``. Raises OSError."""
    try:
        text = host.read(f"{host.sys}/devices/system/cpu/online").decode()
    except Unreadable as error:
        raise OSError(error.code, os.strerror(error.code)) from None
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _boottime_shift(host: Host) -> int:
    """Nanoseconds that CLOCK_BOOTTIME is ahead in this time namespace (time_namespaces(7)); ``/proc`` counts with it."""
    try:
        for line in host.read(f"{host.proc}/self/timens_offsets").splitlines():
            clock, seconds, nanoseconds = line.split()
            if clock == b"boottime":
                return int(seconds) * 1_000_000_000 + int(nanoseconds)
    except (Unreadable, ValueError):
        pass
    return 0
