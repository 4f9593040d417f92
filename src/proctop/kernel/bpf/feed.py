"""The process table by eBPF: one read of a task iterator gives every process that did something, in binary.

Optional, and dearer to begin (50 ms of cpu) than to use: open it in the background. Needs root, or CAP_BPF and CAP_PERFMON.
Numbers agree with ``/proc`` within its resolution, with these differences: ``run_ns``, ``wait_ns``, ``vctx`` and ``nvctx`` are of all
threads and not of the main one (of a thread that ended, what it waited since the last sweep is lost); ``rss`` is the kernel's quick sum,
off by some pages a cpu (``stat`` says the same, ``status`` is exact); ``fds`` is NaN where there is room for more than 1,024.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proctop.kernel.bpf.events import SIZE, Chronicle, Events, Ring
from proctop.kernel.bpf.layout import KERNEL, RECORD, Names, Walk, counters, high, names
from proctop.kernel.bpf.libbpf import Object, Refused
from proctop.kernel.bpf.tally import Tally
from proctop.kernel.host import Host, Unreadable
from proctop.records import Bools, Floats, Ints

OBJECT = "proctop.bpf.o"
TASKS = "tasks"
EVENTS = ("forked", "execed", "exited", "freed")
ROUND = 32
"""Sweeps in which every process is looked at, whether it ran or not."""

_MARGIN = 10_000_000  # ns by which clocks of two cpus may disagree
_CHUNK = 1 << 16  # the kernel hands out 32 KiB at a time
_SINCE, _ARRIVED, _TASKS, _LEADERS, _PLACE, _LOST, _WANTED = range(7)  # words of struct control
_BITS = 1024  # words of its bitmap


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No feed here. ``why``: program → reason, one line each."""

    why: Mapping[str, str]


class Asked:
    """Processes that a sweep wants whether they ran or not: by the low 16 bits of their pids, as the programs look them up."""

    def __init__(self, everything: bool, turn: int, pids: Ints) -> None:
        self.everything = everything
        self._turn = turn % ROUND
        self._some = np.zeros(_BITS * 64, dtype=np.bool_)
        self._some[pids & 0xFFFF] = True
        self._some[self._turn :: ROUND] = True

    def __call__(self, pid: Ints) -> Bools:
        """bool[n]: was each of these asked for?"""
        return np.ones(pid.size, dtype=np.bool_) if self.everything else self._some[pid & 0xFFFF]

    def bitmap(self) -> NDArray[np.uint64]:
        return np.packbits(self._some, bitorder="little").view(np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """Processes that did something since the last sweep, and those whose turn it was; ascending by pid.

    Attributes:
        pid: int64[n], in the reader's pid namespace; start: int64[n], ticks since boot: the key.
        counters: float64[len(fields.COUNTERS), n], threads summed; NaN = this kernel does not tell.
        uid: int64[n], effective. execs: int64[n], grows whenever the process starts another program.
        comm: S16[n], not made harmless yet. kernel: bool[n], a kernel thread.
        cgroup, cgroup1: int64[n], inode numbers of the version 2 cgroup's directory, and of the version 1 memory controller's (0 = none).
        asked: whose turn it was: a process of those that is not in ``pid`` has ended.
        alive: processes that exist; threads: and threads of all of them.
    """

    pid: Ints
    start: Ints
    counters: Floats
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

    def __init__(self, host: Host, programs: Object, shift: int) -> None:
        self.refused = programs.refused
        self._programs = programs
        self._host = host
        self._tick = 1_000_000_000 // host.ticks
        self._shift = shift
        self._control = np.frombuffer(programs.memory(".bss", writable=True), dtype=np.uint64)
        self._buffer = np.zeros(1 << 18, dtype=np.uint8)
        self._tally = Tally()
        self._next = np.zeros(0, dtype=np.int64)  # pids to look at in any case
        self._turn = 0
        self._arrived = 0
        self._ring: Ring | None = None
        self._lost = 0

    @classmethod
    def open(cls, host: Host) -> Feed | Unavailable:
        """Load and attach what this kernel takes; nothing is left behind however this program ends."""
        every = (TASKS, *EVENTS)
        if not host.own_pids():
            return Unavailable(dict.fromkeys(every, f"{host.proc} numbers processes as another pid namespace does"))
        image = pkgutil.get_data(__package__, OBJECT)
        assert image is not None
        try:
            programs = Object(image, every)
        except Refused as refused:
            return Unavailable(dict.fromkeys(every, str(refused)))
        if not programs.attach(TASKS):
            programs.close()
            return Unavailable({name: programs.refused.get(name, programs.refused[TASKS]) for name in every})
        feed = cls(host, programs, _boottime_shift(host))
        try:
            feed._walk()  # tells the programs which pid namespace is the reader's
        except OSError as error:
            feed.close()
            return Unavailable(dict.fromkeys(every, f"the task iterator cannot be read: {error.strerror}"))
        feed._listen()
        return feed

    def _listen(self) -> None:
        """Attach the tracepoints: without births, starts of programs or ends the others still tell theirs."""
        attached = [name for name in EVENTS if self._programs.attach(name)]
        if attached:
            page = self._host.page
            self._ring = Ring(
                self._programs.memory("events", page, writable=True), self._programs.memory("events", page + SIZE, page), page
            )
        self._chronicle = Chronicle(self._host.ticks, self._host.page, self._shift, frees="freed" in attached)

    def sweep(self, full: bool = False) -> Tasks:
        """What ran since the last sweep; ``full``: everything, as the first sweep is in any case. Raises OSError."""
        asked = Asked(full or not self._arrived or not self._turn, self._turn, self._next)
        self._control[_WANTED:] = asked.bitmap()
        self._control[_SINCE] = 0 if asked.everything else max(0, self._arrived - _MARGIN)
        walk = self._walk()
        sums = self._tally.add(walk, asked)
        self._next = np.concatenate([sums.unsure, walk.pid[walk.running]])
        self._turn += 1
        rows = walk.rows[sums.row]
        columns = np.ascontiguousarray(rows.T)
        return Tasks(
            pid=walk.pid[sums.row],
            start=(columns[2] + self._shift) // self._tick,
            counters=counters(columns, sums.spent, self._host.page),
            uid=high(columns[1]),
            execs=columns[12],
            comm=names(rows, 4),
            kernel=high(columns[7]) & KERNEL != 0,
            cgroup=columns[10],
            cgroup1=columns[11],
            asked=asked,
            alive=int(self._control[_LEADERS]),
            threads=int(self._control[_TASKS]),
        )

    def _walk(self) -> Walk:
        """Read the iterator from begin to end. Raises OSError."""
        fd = self._programs.iterate(TASKS)
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
        return Walk(self._buffer[:used].view(np.int64).reshape(-1, RECORD))

    def events(self) -> Events:
        """What happened since the last call."""
        slots = self._ring.take() if self._ring else np.zeros((0, 32), dtype=np.int64)
        lost, self._lost = self._lost, int(self._control[_LOST])
        return self._chronicle.tell(slots, self._lost - lost, nested=bool(self._control[_PLACE] & np.uint64(0xFFFFFFFF)))

    def close(self) -> None:
        """Detach and unload."""
        self._ring = None
        del self._control
        self._programs.close()


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
