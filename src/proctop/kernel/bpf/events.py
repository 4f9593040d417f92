"""Births, program starts and ends of processes, as the kernel tells of them: nothing is missed, however short it lived.

Events lie in a ring of slots of one size (kernel/bpf/ringbuf.c), so a reader needs no call for each of them: it maps the ring and takes
everything new as one matrix. The kernel sets a bit in the head of a slot while it writes there, and counts what found no room.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from mmap import mmap

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel.bpf.layout import EXTRA_ROWS, Names, extras, fill_spent, high, low, names
from proctop.records import Bools, Floats, Index, Ints

SIZE = 4 << 20
"""Bytes of the ring: 16,384 events, four in a process's life."""

SLOT = 32
"""Words of a slot: a header and an event."""

_BUSY = 1 << 31  # include/uapi/linux/bpf.h: BPF_RINGBUF_BUSY_BIT
_FORK, _EXEC, _EXIT, _FREE = 1, 2, 3, 4
_SPENT, _CUTIME, _PEAK, _EXTRA = slice(11, 24), 24, 25, slice(26, 32)
_ARGS = 11
_MOST_PENDING = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Who:
    """Processes in the order of what happened to them.

    Attributes:
        pid, ppid, uid: int64[n], in the reader's pid namespace; uid is the effective one.
        start: int64[n], ticks since boot as in ``/proc/PID/stat``.
        when: float64[n], seconds of CLOCK_BOOTTIME.
        comm: S16[n], not made harmless yet.
        cgroup, cgroup1: int64[n], inode numbers of the version 2 cgroup's directory, and of the version 1 memory controller's (0 = none).
    """

    pid: Ints
    ppid: Ints
    uid: Ints
    start: Ints
    when: Floats
    comm: Names
    cgroup: Ints
    cgroup1: Ints

    def __len__(self) -> int:
        return self.pid.size


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What happened since the last time.

    Attributes:
        births, execs, exits: processes (no threads). An exit is told once its parent has waited for it and the kernel lets go of it,
            a few hundredths of a second later; so its totals are exact, and a zombie is no exit yet.
        args: the command line of each exec, of its first 168 bytes the whole words, arguments ended by NUL; ``b""`` = unknown.
        code: int64[exits], exit code; minus the signal that ended it.
        counters: float64[len(fields.COUNTERS), exits], totals of the whole process at its end, ``extra`` among them; NaN = not told.
        extra: float64[len(layout.EXTRA), exits]; NaN where nobody counts that.
        peak: float64[exits], largest resident memory in bytes.
        lost: events for which there was no room: look at everything again.
    """

    births: Who
    execs: Who
    exits: Who
    args: tuple[bytes, ...]
    code: Ints
    counters: Floats
    extra: Floats
    peak: Floats
    lost: int


class Ring:
    """The kernel's ring, read where it lies. ``control`` is its first page, writable; ``data`` begins at the second one."""

    def __init__(self, control: mmap, data: mmap, page: int) -> None:
        self._taken = np.frombuffer(control, dtype=np.uint64, count=1)
        self._given = np.frombuffer(data, dtype=np.uint64, count=1)
        self._slots = np.frombuffer(data, dtype=np.int64, offset=page, count=SIZE // 8).reshape(-1, SLOT)
        self._fence = threading.Lock()

    def take(self) -> Ints:
        """int64[n, 32], the slots written since the last call."""
        taken, given = int(self._taken[0]), int(self._given[0])
        self._order()
        at: Index = (taken // (SLOT * 8) + np.arange((given - taken) // (SLOT * 8))) % self._slots.shape[0]
        busy = np.flatnonzero(self._slots[at, 0] & _BUSY)
        if busy.size:
            at = at[: busy[0]]
        self._order()
        slots: Ints = self._slots[at]
        self._order()
        self._taken[0] = taken + at.size * SLOT * 8
        return slots

    def _order(self) -> None:
        """What was read before is older than what is read after: a lock taken and given back, twice, is a barrier on any processor."""
        for _ in range(2):
            with self._fence:
                pass


class Chronicle:
    """Makes :class:`Events` of slots.

    ``ticks``, ``page``: clock ticks a second, bytes; ``shift``: ns that this time namespace is ahead in CLOCK_BOOTTIME; ``frees``: the
    kernel tells when it lets go of a process (else its exit is all there is, and its run time lags by up to a tick); ``counted``: bool[6],
    which of ``layout.EXTRA`` are.
    """

    def __init__(self, ticks: int, page: int, shift: int, *, frees: bool, counted: Bools) -> None:
        self._tick = 1_000_000_000 // ticks
        self._page = page
        self._shift = shift
        self._frees = frees
        self._counted = counted
        self._ended = np.zeros((0, SLOT), dtype=np.int64)  # not let go of yet
        self._nothing = self._events(self._ended, self._ended, self._ended, 0)

    @property
    def ended(self) -> Ints:
        """Pids of processes that ended and were not told of yet: zombies, or gone (the kernel may keep one for many seconds)."""
        return high(self._ended[:, 1])

    def ends(self) -> dict[tuple[int, int], tuple[int, Floats]]:
        """The code of each of those and its counters when it ended, by pid and start."""
        who = self._who(self._ended)
        told = zip(_codes(self._ended).tolist(), self._counters(self._ended).T, strict=True)
        return dict(zip(zip(who.pid.tolist(), who.start.tolist(), strict=True), told, strict=True))

    def overdue(self, before: float) -> Events | None:
        """Exits of those that ended before second ``before`` of CLOCK_BOOTTIME, with what they had spent then; again every time."""
        old = self._ended[:, 4] + self._shift < before * 1e9
        return self._events(self._ended[:0], self._ended[:0], self._ended[old], 0) if old.any() else None

    def tell(self, slots: Ints, lost: int, *, nested: bool) -> Events:
        """``nested``: the reader is in a pid namespace of its own, and those let go of have no number there any more."""
        if not len(slots):
            return replace(self._nothing, lost=lost)
        kind = low(slots[:, 1])
        births, execs = slots[kind == _FORK], slots[kind == _EXEC]
        exits = slots[kind == _EXIT]
        if self._frees:
            exits = self._match(np.concatenate([self._ended, exits]), slots[kind == _FREE], nested)
        return self._events(births, execs, exits, lost)

    def _events(self, births: Ints, execs: Ints, exits: Ints, lost: int) -> Events:
        lengths = high(execs[:, 10]).tolist()
        args = tuple(_whole(row.tobytes(), length) for row, length in zip(execs[:, _ARGS:], lengths, strict=True))
        return Events(
            births=self._who(births),
            execs=self._who(execs),
            exits=self._who(exits),
            args=args,
            code=_codes(exits),
            counters=self._counters(exits),
            extra=extras(exits[:, _EXTRA], self._counted),
            peak=exits[:, _PEAK].astype(np.float64) * self._page,
            lost=lost,
        )

    def _match(self, ended: Ints, freed: Ints, nested: bool) -> Ints:
        """Those let go of, with the moment, number and cgroups that they ended with; the others wait for their turn."""
        ids, first = np.unique(_identity(ended), return_index=True)
        wanted = _identity(freed)
        at = np.minimum(np.searchsorted(ids, wanted), max(ids.size - 1, 0))
        known = ids[at] == wanted if ids.size else np.zeros(wanted.size, dtype=np.bool_)
        out = freed.copy()
        source = ended[first[at[known]]] if ids.size else ended
        out[:, _EXTRA] = -1  # not known any more
        for place in (1, 2, 4, 8, 9, *range(_EXTRA.start, _EXTRA.stop)):
            out[known, place] = source[:, place]
        self._ended = ended[~np.isin(_identity(ended), wanted)][-_MOST_PENDING:]
        return out[known] if nested else out

    def _who(self, slots: Ints) -> Who:
        return Who(
            pid=high(slots[:, 1]),
            ppid=low(slots[:, 2]),
            uid=high(slots[:, 2]),
            start=(slots[:, 3] + self._shift) // self._tick,
            when=slots[:, 4] / 1e9 + self._shift / 1e9,
            comm=names(slots, 6),
            cgroup=slots[:, 8],
            cgroup1=slots[:, 9],
        )

    def _counters(self, exits: Ints) -> Floats:
        out = np.full((len(COUNTER), len(exits)), np.nan)
        fill_spent(out, exits[:, _SPENT])
        out[COUNTER["ppid"]] = low(exits[:, 2])
        out[COUNTER["cutime"]] = exits[:, _CUTIME]
        out[EXTRA_ROWS] = extras(exits[:, _EXTRA], self._counted)
        return out


def _whole(room: bytes, length: int) -> bytes:
    """A command line without the word that the end of its ``room`` cuts in two: half a secret no longer looks like one."""
    line = room[:length]
    return line if length < len(room) or line.endswith(b"\0") else line[: max(line.rfind(b"\0"), line.rfind(b" ")) + 1]


def _codes(exits: Ints) -> Ints:
    """Exit codes; minus the signal that ended it."""
    code = low(exits[:, 10])
    return np.where(code & 0x7F, -(code & 0x7F), code >> 8 & 0xFF)


def _identity(slots: Ints) -> Ints:
    """One number for each process: its start in ns and its pid in the first namespace."""
    return slots[:, 3] << 22 | low(slots[:, 5])
