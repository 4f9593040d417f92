"""Ends of processes as the kernel records them, beside a table that is read from procfs: codes, totals, and who lived only for a moment.

Exit records tell of a process when it ends; its row goes when its parent has waited for it. One that never was a row is known by its
record alone. Process events say when it began; without them that is known to within a reading. They alone, which need no privileges
since Linux 6.6, tell the codes of processes that were rows, and how many come and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel.host import Host, Instant
from proctop.kernel.netlink.accounting import ROW
from proctop.kernel.netlink.events import Changes, Events, Told
from proctop.kernel.netlink.exits import Exits, Obituaries
from proctop.kernel.netlink.link import Refused
from proctop.kernel.procfs import GRAIN
from proctop.records import Exit, Floats, Ints, ProcKey
from proctop.sources.labels import Labels
from proctop.sources.rows import Sweep, sealed

_SHARED = [name for name in COUNTER if name in ROW]
_TO, _FROM = [COUNTER[name] for name in _SHARED], [ROW[name] for name in _SHARED]
_TIMES = [COUNTER[name] for name in ("run_ns", "wait_ns", "utime", "stime", "blkio_delay")]
_MAIN = [COUNTER[name] for name in ("run_ns", "wait_ns", "vctx", "nvctx")]  # procfs tells of the main thread only
_RUN, _UTIME, _STIME, _PPID = (COUNTER[name] for name in ("run_ns", "utime", "stime", "ppid"))
_SLACK = 0.05  # seconds by which clocks and ticks may disagree about a moment
_UNREAD = 5.0  # seconds that a record may have waited to be read
_MOST_BIRTHS = 1 << 16


class _End(NamedTuple):
    """What is told of a process: its code and totals, float64[n_counters]."""

    code: int
    totals: Floats


_NOTHING: Floats = np.full(len(COUNTER), np.nan)


@dataclass(slots=True)
class _Born:
    """Who was born lately: ascending by pid, the last one of a pid; seconds of CLOCK_MONOTONIC."""

    pid: Ints
    when: Floats

    def add(self, births: Told) -> None:
        pid, when = np.concatenate([self.pid, births.pid])[-_MOST_BIRTHS:], np.concatenate([self.when, births.when])[-_MOST_BIRTHS:]
        self.pid, last = np.unique(pid[::-1], return_index=True)
        self.when = when[::-1][last]

    def forget(self, before: float) -> None:
        kept = self.when >= before
        self.pid, self.when = self.pid[kept], self.when[kept]

    def of(self, pid: int) -> float:
        """NaN = not known."""
        at = int(self.pid.searchsorted(pid))
        return float(self.when[at]) if at < self.pid.size and self.pid[at] == pid else float("nan")


class Ends:
    """Adds to sweeps of procfs what is told of ends, by ``records``, ``events`` or both. Closes them."""

    def __init__(self, host: Host, records: Obituaries | None, events: Events | None) -> None:
        self._host = host
        self._records = records
        self._events = events
        self._known: dict[int, _End] = {}  # ended, and still a row; by pid
        self._born = _Born(np.zeros(0, dtype=np.int64), np.zeros(0))
        self._happened = (0, 0, 0)
        self._last = host.clock()
        self.lost = False

    @classmethod
    def open(cls, host: Host) -> Ends:
        """Listen. Raises Refused."""
        records, events = None, None
        with suppress(Refused):
            records = Obituaries(host)
        try:
            events = Events(host)
        except Refused:
            if records is None:
                raise
        return cls(host, records, events)

    def tell(self, sweep: Sweep, labels: Labels) -> Sweep:
        """The sweep with codes, totals and brief lives. ``lost`` says afterwards whether some had no room."""
        changes = self._events.take() if self._events is not None else None
        told = self._records.take() if self._records is not None else None
        now = self._host.clock()
        self.lost = (changes is not None and changes.lost) or (told is not None and told.lost)
        self._count(changes, told)
        fresh = (told is not None and told.pid.size) or (changes is not None and len(changes.exits))
        rows = dict(zip(sweep.pid.tolist(), sweep.start.tolist(), strict=True)) if fresh or self._known else {}
        gone = {end.key.pid: end.key.start for end in sweep.exits}
        brief: list[tuple[Exit, Floats]] = []
        if told is not None:
            brief = self._by_records(told, gone, rows, labels, now)
        elif changes is not None:
            self._by_events(changes.exits, gone, rows, now)
        exits = [self._of_row(end) for end in sweep.exits] + brief
        self._known = {pid: end for pid, end in self._known.items() if pid in rows}
        self._last = now
        happened = self._happened if changes is not None else (-1, -1, self._happened[2])
        if not exits:
            return replace(sweep, happened=happened)
        columns = np.stack([column for _, column in exits], axis=1)
        return replace(sweep, exits=tuple(end for end, _ in exits), ended=sealed(columns), happened=happened)

    def _count(self, changes: Changes | None, told: Exits | None) -> None:
        births, execs, exits = self._happened
        if changes is not None:
            self._happened = births + len(changes.births), execs + len(changes.execs), exits + len(changes.exits)
            self._born.add(changes.births)
            self._born.forget(self._last.mono - _UNREAD)
        elif told is not None:
            self._happened = births, execs, exits + int(np.count_nonzero(told.last))

    def _by_records(
        self, told: Exits, gone: Mapping[int, int], rows: Mapping[int, int], labels: Labels, now: Instant
    ) -> list[tuple[Exit, Floats]]:
        """Keep what is told of rows; those that never were one, with their totals."""
        brief = []
        ended = np.flatnonzero(told.last)
        totals = _totals(told, ended)
        for column, at in enumerate(ended.tolist()):
            pid, age = int(told.pid[at]), float(told.values[ROW["process_age"], at])
            end = _End(int(told.code[at]), totals[:, column])
            if any(pid in known and self._fits(known[pid], age, now) for known in (gone, rows)):
                self._known[pid] = end
            else:
                key = ProcKey(pid, self._start(pid, age, now, rows))
                label = labels.brief(bytes(told.comm[at]), None, int(told.uid[at]), None, int(told.ppid[at]))
                brief.append((Exit(key, int(told.ppid[at]), label, end.code), end.totals))
        return brief

    def _by_events(self, exits: Told, gone: Mapping[int, int], rows: Mapping[int, int], now: Instant) -> None:
        """Keep the codes of rows."""
        for pid, code, when in zip(exits.pid.tolist(), exits.code.tolist(), exits.when.tolist(), strict=True):
            tick = (when + now.boot - now.mono) * self._host.ticks
            if any(pid in known and known[pid] <= tick for known in (gone, rows)):
                self._known[pid] = _End(code, _NOTHING)

    def _fits(self, start: int, age: float, now: Instant) -> bool:
        """Whether a process that began at tick ``start`` can have ended since the last look after ``age`` seconds and all suspends."""
        end = start / self._host.ticks + age
        return self._last.boot - _UNREAD - (now.boot - now.mono) <= end <= now.boot + _SLACK

    def _start(self, pid: int, age: float, now: Instant, rows: Mapping[int, int]) -> int:
        """The tick at which a process began that has no row; never that of the living one of its pid, which is a later one."""
        when = self._born.of(pid)
        began = when if when <= now.mono - age + _SLACK else now.mono - age
        start = int((began + now.boot - now.mono) * self._host.ticks)
        return min(start, rows[pid] - 1) if pid in rows else start

    def _of_row(self, end: Exit) -> tuple[Exit, Floats]:
        """One that was a row, with what is known of its end."""
        known = self._known.pop(end.key.pid, None)
        if known is None:
            return end, _NOTHING
        totals = known.totals.copy()
        if np.isnan(totals[COUNTER["minflt"]]):  # of several threads
            totals[_MAIN] = np.nan
        return replace(end, code=known.code), totals

    def notes(self) -> Iterable[str]:
        if self.lost:
            yield "ends of processes were lost: all processes are listed anew"

    def close(self) -> None:
        """Prompt."""
        for one in (self._records, self._events):
            if one is not None:
                one.close()


def _totals(told: Exits, ended: Ints) -> Floats:
    """float64[n_counters, m] of those that ended; times as ``/proc`` has them, which scales ticks to the run time (cputime_adjust)."""
    out = np.full((len(COUNTER), ended.size), np.nan)
    out[_TO] = told.whole[:, ended][_FROM]
    out[_PPID] = told.ppid[ended]
    run, ticks = out[_RUN], out[_UTIME] + out[_STIME]
    out[_STIME] = np.floor(run * (out[_STIME] / np.maximum(ticks, 1.0)))
    out[_UTIME] = run - out[_STIME]
    out[_TIMES] -= out[_TIMES] % GRAIN
    return out
