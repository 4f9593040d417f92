"""Readings in, frames out: deterministic, no clock, no I/O, no screen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from proctop.alerts import Alerts
from proctop.departures import Departures
from proctop.features import GAP, derive, first
from proctop.fields import FEATURE
from proctop.frames import HOST, AlertEvent, Batch, Departed, Frame, GroupScores, HostRates, HostScores, Scores, Trail
from proctop.history import History
from proctop.hosttables import processes, with_processes
from proctop.hostwatch import HostWatch
from proctop.records import Floats32, ProcKey, Reading
from proctop.rollup import BY, GroupScorer
from proctop.scoring.crowds import Crowds
from proctop.scoring.protocol import Detector
from proctop.vitals import host_rates

_ALWAYS = "container"
_WATCHED = 2  # groupings besides


class Engine:
    """Feeds each reading through features, detector and history.

    The same readings give the same frames, whether they come from this host, a file or a pipe. ``budget``: as the detector has it.
    """

    def __init__(self, detector: Detector, *, budget: float = 6.0, explain: int = 64, history: int = 120) -> None:
        self.detector = detector
        self._host = HostWatch(budget=budget)
        self._explain = explain
        self._history = History(history)
        self._departures = Departures()
        self._reading: Reading | None = None
        self._batch: Batch | None = None
        self._tick = -1
        self._alerts = Alerts()
        self._crowds = Crowds()
        self._budget = budget
        self._groups = {_ALWAYS: GroupScorer(_ALWAYS, budget=budget)}
        self._wanted: deque[str] = deque()  # groups to be watched, from another thread
        self._said: deque[tuple[bool, ProcKey]] = deque()  # by the user, from another thread: (is it normal, whose)

    @property
    def events(self) -> tuple[AlertEvent, ...]:
        """The last alert events, by the time they began."""
        return self._alerts.events

    def accept(self, key: ProcKey) -> None:
        """What the process does now is normal, from the next reading on. From any thread."""
        self._said.append((True, key))

    def incident(self, key: ProcKey) -> None:
        """What the process does now is a true alarm, and says nothing about how often false ones come. From any thread."""
        self._said.append((False, key))

    def watch(self, by: str) -> None:
        """Score groups ``by`` (one of :data:`rollup.BY`) too, from the next reading on. Only the last few stay. From any thread."""
        if by not in BY:
            raise ValueError(f"groups by {by!r}; there are {', '.join(BY)}")
        self._wanted.append(by)

    def step(self, reading: Reading) -> Frame:
        """Score one reading against all before it, and learn from it."""
        self._heed()
        batch = derive(self._reading, reading, self._batch)
        rates = host_rates(self._reading, reading)
        departed = self._departures.step(self._reading, reading)
        if departed is not None:
            departed = self._crowds.step(batch, departed)
            departed = replace(departed, rank=np.round(departed.rank, 1))  # as those of processes
        scores = as_shown(self.detector.step(batch, explain=self._explain))
        trail = self._history.step(batch, scores.rank)
        self._reading, self._batch = reading, batch
        self._tick += 1
        vitals = self._host.step(rates, batch)
        groups = {by: scorer.step(reading, batch) for by, scorer in self._groups.items()}
        alerts = self._alerts.step(reading, batch, scores, vitals, groups[_ALWAYS])
        return Frame(self._tick, reading, batch, scores, rates, trail, self.detector.warming, alerts, vitals, groups, departed=departed)

    def _heed(self) -> None:
        while self._wanted:
            by = self._wanted.popleft()
            scorer = self._groups.pop(by) if by in self._groups else GroupScorer(by, budget=self._budget)
            others = {name: one for name, one in (*self._groups.items(), (by, scorer)) if name != _ALWAYS}
            self._groups = {_ALWAYS: scorer if by == _ALWAYS else self._groups[_ALWAYS], **dict(list(others.items())[-_WATCHED:])}
        while self._said:
            normal, key = self._said.popleft()
            box = self._alerts.container(key)
            if normal:
                self._alerts.accept(key)
            else:
                self._alerts.mark(key)
            if key == HOST:
                self._host.accept() if normal else self._host.incident()
            elif box:
                self._groups[_ALWAYS].judge(box, normal)
            elif normal:
                self.detector.accept(key)
            else:
                self.detector.incident(key)


def as_shown(scores: Scores) -> Scores:
    """In tenths of a nat, as a screen shows and a recording holds them: so a replay differs in nothing, not even in the order of rows."""
    return replace(scores, rank=np.round(scores.rank, 1), alert=np.round(scores.alert, 1))


class Seen(Protocol):
    """What was seen of a reading, as a recording holds it: :class:`proctop.stream.seen.Seen`."""

    @property
    def scores(self) -> Scores: ...

    @property
    def warming(self) -> float: ...

    @property
    def alerts(self) -> tuple[AlertEvent, ...]: ...

    @property
    def idle(self) -> Floats32 | None: ...

    @property
    def departed(self) -> Floats32 | None: ...

    @property
    def vitals(self) -> HostScores | None: ...

    @property
    def groups(self) -> Mapping[str, GroupScores]: ...


class Record(Protocol):
    """A reading and what was seen of it: :class:`proctop.stream.seen.Record`."""

    @property
    def reading(self) -> Reading: ...

    @property
    def seen(self) -> Seen | None: ...


class SeenEngine:
    """Frames as they were seen: nothing is scored anew. Records come in the order of time."""

    def __init__(self, *, history: int = 120) -> None:
        self._length = history
        self._history = History(history)
        self._departures = Departures()
        self._reading: Reading | None = None
        self._batch: Batch | None = None

    def step(self, record: Record) -> Frame:
        reading, prev = record.reading, self._reading
        if prev is not None and not follows(prev, reading):
            self._reading = self._batch = prev = None
            self._history = History(self._length)
        departed = self._departures.step(prev, reading)
        batch = seen_batch(prev, self._batch, record)
        rank = record.seen.scores.rank if record.seen is not None else unscored(len(reading)).rank
        trail = self._history.step(batch, rank)
        self._reading, self._batch = reading, batch
        return seen_frame(prev, batch, record, trail, departed)


def follows(prev: Reading, cur: Reading) -> bool:
    """Whether ``cur`` came after ``prev`` in one session, if need be with readings between them that were not recorded."""
    missed, dt = cur.seq - prev.seq, cur.mono - prev.mono
    return cur.info.boot_id == prev.info.boot_id and dt > 0 and (missed == 1 or (missed > 1 and dt <= GAP * cur.interval * missed))


def seen_batch(prev: Reading | None, before: Batch | None, record: Record) -> Batch:
    """The batch of a record, out of the reading before and its batch (None at the start of a session)."""
    reading = record.reading
    idle = record.seen.idle if record.seen is not None else None
    if prev is None or before is None:
        return first(reading, idle)
    batch = derive(prev, reading, before)
    if idle is None:
        return batch
    values = batch.values.copy()
    values[FEATURE["idle_s"]] = idle
    values.flags.writeable = False
    return replace(batch, values=values)


def seen_frame(prev: Reading | None, batch: Batch, record: Record, trail: Trail, departed: Departed | None) -> Frame:
    """What was shown of a record."""
    reading, seen = record.reading, record.seen
    rates = host_rates(prev, reading)
    departed = ranked(departed, seen)
    if seen is None:
        return Frame(reading.seq, reading, batch, unscored(len(reading)), rates, trail, 0.0, departed=departed, before=prev)
    vitals = measured(seen.vitals, rates, batch) if seen.vitals is not None else None
    return Frame(reading.seq, reading, batch, seen.scores, rates, trail, seen.warming, seen.alerts, vitals, seen.groups, departed, prev)


def measured(scores: HostScores, rates: HostRates, batch: Batch) -> HostScores:
    """With the values of the quantities, NaN where they are not known at this moment."""
    assert rates.vitals is not None
    now = with_processes(rates.vitals, processes(batch, rates.memory_total))
    if now.names == scores.names:
        return replace(scores, values=now.values)
    known = dict(zip(now.names, now.values.tolist(), strict=True))
    return replace(scores, values=np.array([known.get(name, np.nan) for name in scores.names]))


def ranked(departed: Departed | None, seen: Seen | None) -> Departed | None:
    """With the ranks as they were seen, where all of the rows are at hand: at the begin of a recording some may not be."""
    if departed is None or seen is None or seen.departed is None or seen.departed.size != len(departed):
        return departed
    return replace(departed, rank=seen.departed)


def unscored(n: int) -> Scores:
    """Of a reading that was recorded without scores, among others that have them."""
    nothing = np.full(n, np.nan, dtype=np.float32)
    note = "recorded without scores; --rescore works them out"
    return Scores(nothing, nothing, nothing, np.zeros(n, np.bool_), np.zeros(n, np.int8), {}, (note,))
