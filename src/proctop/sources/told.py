"""Who ended, by what the kernel's events tell and by the rows that go, in whatever order the two come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from proctop.containers.paths import Place
from proctop.fields import COUNTER, COUNTERS, Kind
from proctop.kernel.bpf.events import Events
from proctop.kernel.procfs import GRAIN
from proctop.records import Exit, Floats, ProcKey
from proctop.sanitize import clean_command
from proctop.sources.labels import NOWHERE, Labels
from proctop.sources.rows import sealed

SEAM = [COUNTER[name] for name in ("utime", "stime", "cutime", "blkio_delay", "run_ns", "wait_ns", "vctx", "nvctx")]
"""What two sources tell differently: in whole ticks, or of the main thread only."""

TIMES = [COUNTER[name] for name in ("utime", "stime", "cutime", "blkio_delay", "run_ns", "wait_ns")]
_PATIENCE = 5.0  # seconds in which the end of a process that is gone must have been told
_MOST_KEPT = 1 << 15
_NOTHING: Floats = np.full(len(COUNTER), np.nan)
_UTIME, _STIME = COUNTER["utime"], COUNTER["stime"]
_GROW = [row for row, counter in enumerate(COUNTERS) if counter.kind is Kind.COUNTER and row not in (_UTIME, _STIME)]


class _Gone(NamedTuple):
    """One that has no row any more: its end is to be told of by second ``until``. ``seam``: what is taken off its totals; ``last``:
    float64[n_counters], what its row said."""

    end: Exit
    until: float
    seam: Floats
    last: Floats


class Told:
    """Makes exits. An end is passed on once, when its row is gone and the event is there; one that never was a row with its event.

    Attributes:
        since: tick at which the first look began: whoever began before it was a row, or is nobody's business.
    """

    def __init__(self, labels: Labels, places: Mapping[tuple[int, int], Place], *, events: bool) -> None:
        """``places`` by the numbers of both cgroups; ``events``: ends are told at all."""
        self._labels = labels
        self._places = places
        self._events = events
        self.since = 0
        self._codes: dict[ProcKey, tuple[int, Floats]] = {}  # told of, still to be gone
        self._late: dict[ProcKey, _Gone] = {}  # gone, still to be told of
        self._ahead: dict[ProcKey, None] = {}  # passed on before the kernel let go of it
        self._started: dict[ProcKey, bytes] = {}  # command lines of programs that run since we look; longest ago first

    @property
    def waits(self) -> bool:
        """Some are gone and were not told of."""
        return bool(self._late)

    def take(self, told: Iterable[Events], has_row: Iterable[bool]) -> list[tuple[Exit, Floats]]:
        """Those that never had a row, or have gone already, with their totals, float64[n_counters]. ``has_row``: of each end in turn."""
        rows = iter(has_row)
        exits = []
        for events in told:
            started = map(ProcKey, events.execs.pid.tolist(), events.execs.start.tolist())
            self._started.update(zip(started, events.args, strict=True))
        for events in told:
            for at, (key, code) in enumerate(_ends(events)):
                args, has = self._started.pop(key, None), next(rows)
                if key in self._ahead:
                    del self._ahead[key]
                elif has:
                    self._codes[key] = code, events.counters[:, at]
                elif (late := self._late.pop(key, None)) is not None:
                    exits.append(_end(late, (code, events.counters[:, at])))
                elif key.start >= self.since:
                    exits.append((self._brief(events, at, key, code, args), events.counters[:, at]))
        return exits

    def overdue(self, events: Events, rowless: Iterable[int]) -> list[tuple[Exit, Floats]]:
        """Those that ended long ago and of which the kernel does not let go. ``rowless``: places of exits without a row."""
        exits = []
        for at in rowless:
            key = ProcKey(int(events.exits.pid[at]), int(events.exits.start[at]))
            if key.start >= self.since and not (key in self._ahead or key in self._late):
                args = self._started.pop(key, None)
                exits.append((self._brief(events, at, key, int(events.code[at]), args), events.counters[:, at]))
                self._ahead[key] = None
        return exits

    def gone(self, end: Exit, seam: Floats, last: Floats, now: float, *, told: bool) -> list[tuple[Exit, Floats]]:
        """The row of ``end``, which said ``last``, goes; its event will come, unless that was ``told`` before anybody listened."""
        known = self._codes.pop(end.key, None)
        gone = _Gone(end, now if told else now + _PATIENCE, seam, last)
        if known is None and self._events:
            self._late[end.key] = gone
            return []
        return [_end(gone, known)]

    def late(self, ended: Mapping[tuple[int, int], tuple[int, Floats]], now: float) -> list[tuple[Exit, Floats]]:
        """Those that are gone and ``ended``, though the kernel has not let go of them, or that it does not tell of."""
        exits = []
        for key, gone in list(self._late.items()):
            if key in ended or now > gone.until:
                self._ahead[key] = None
                exits.append(_end(gone, ended.get(key)))
                del self._late[key]
        for kept in (self._started, self._ahead):
            while len(kept) > _MOST_KEPT:  # their ends got lost
                del kept[next(iter(kept))]
        return exits

    def leave(self) -> tuple[Exit, ...]:
        """Those that are gone and will not be waited for."""
        ends, self._late = tuple(gone.end for gone in self._late.values()), {}
        return ends

    def _brief(self, events: Events, at: int, key: ProcKey, code: int, args: bytes | None) -> Exit:
        """One that lived and ended between two sweeps: all that is known of it was told. ``args`` None: it ran no program of its own."""
        who = events.exits
        ppid = int(who.ppid[at])
        place = self._places.get((int(who.cgroup[at]), int(who.cgroup1[at])), NOWHERE)
        command = None if args is None else clean_command(args)
        label = self._labels.brief(bytes(who.comm[at]), command, int(who.uid[at]), place, ppid)
        return Exit(key, ppid, label, code)


def as_columns(exits: list[tuple[Exit, Floats]]) -> tuple[tuple[Exit, ...], Floats | None]:
    """The exits and their totals, float64[n_counters, n], None = nobody ended."""
    if not exits:
        return (), None
    totals = np.stack([columns for _, columns in exits], axis=1)
    totals[TIMES] -= totals[TIMES] % GRAIN
    return tuple(end for end, _ in exits), sealed(totals)


def _ends(events: Events) -> Iterable[tuple[ProcKey, int]]:
    return zip(map(ProcKey, events.exits.pid.tolist(), events.exits.start.tolist()), events.code.tolist(), strict=True)


def ascend(now: Floats, then: Floats) -> None:
    """Share out user and system time of float64[n_counters, …] so that neither falls, as the kernel does whenever /proc is read
    (kernel/sched/cputime.c: cputime_adjust)."""
    user, system = then[_UTIME], then[_STIME]
    both = np.maximum(now[_UTIME] + now[_STIME], user + system)
    now[_STIME] = np.minimum(np.maximum(now[_STIME], system), both - user)
    now[_UTIME] = both - now[_STIME]


def _end(gone: _Gone, told: tuple[int, Floats] | None) -> tuple[Exit, Floats]:
    """An end with its code, and with the totals of the process as its row would have had them. They are no less than what the row said:
    when the last thread ends, what others spent that end at that moment is in neither place where the kernel keeps it."""
    if told is None:
        return gone.end, _NOTHING
    code, totals = told[0], told[1].copy()
    totals[SEAM] -= gone.seam
    fell = [row for row in _GROW if totals[row] < gone.last[row]]
    totals[fell] = gone.last[fell]
    ascend(totals, gone.last)
    return replace(gone.end, code=code), totals
