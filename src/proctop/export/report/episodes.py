"""The anomalies of a recording, each with what its process did shortly before, meanwhile and after."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from proctop.frames import AlertEvent, Batch, Frame
from proctop.records import Floats32, Index, Label, ProcKey

DRAWN = 48
"""Anomalies that are kept with their course; the highest."""
LISTED = 300
"""Anomalies that are kept at all."""

_PAST = 60  # readings before an anomaly that are shown
_AFTER = 20  # readings after it
_HELD = 1 << 25  # bytes of past readings
_MOST = 360  # points of a course; when they are full, each two become one


@dataclass(slots=True, eq=False)
class Course:
    """What one process did, oldest first: wall seconds, and float32[n_features] each."""

    walls: list[float] = field(default_factory=list)
    values: list[Floats32] = field(default_factory=list)

    def add(self, wall: float, values: Floats32) -> None:
        self.walls.append(wall)
        self.values.append(values)
        if len(self.walls) >= _MOST:
            with np.errstate(invalid="ignore"):
                pairs = zip(self.values[0::2], self.values[1::2], strict=False)
                self.values = [np.where(np.isnan(a), b, np.where(np.isnan(b), a, (a + b) / 2)) for a, b in pairs]
            self.walls = self.walls[0 : 2 * len(self.values) : 2]


@dataclass(slots=True, eq=False)
class Episode:
    """An alert event as it ended up.

    Attributes:
        label: of the culprit when it began; None where it had gone already.
        course: what it did; empty for one that is listed only.
    """

    event: AlertEvent
    label: Label | None
    course: Course


@dataclass(slots=True)
class _Open:
    episode: Episode
    row: int  # of the culprit in the last batch, -1 = gone
    after: int = 0  # readings since it ended


@dataclass(frozen=True, slots=True)
class Episodes:
    """What :class:`Watch` found.

    Attributes:
        listed: by the time they began; count: how many there were in all.
        drawn: numbers (from 0) of those in ``listed`` that have a course.
    """

    listed: tuple[Episode, ...]
    drawn: frozenset[int]
    count: int


class Watch:
    """Takes frames in the order of time, and keeps the last of them to look back from an anomaly."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Batch]] = deque(maxlen=_PAST)
        self._open: dict[tuple[ProcKey, float], _Open] = {}
        self._drawn: list[tuple[float, int, Episode]] = []
        self._rest: list[tuple[float, int, Episode]] = []
        self._count = 0

    def step(self, frame: Frame) -> None:
        wall, batch = frame.reading.wall, frame.batch
        self._past.append((wall, batch))
        while len(self._past) > 2 and batch.values.nbytes * len(self._past) > _HELD:
            self._past.popleft()
        fresh = set()
        for event in frame.alerts:
            name = event.key, event.start
            if name in self._open:
                self._open[name].episode.event = event
            else:
                self._open[name] = self._begin(event, batch)
                fresh.add(name)
        for name, one in list(self._open.items()):
            if name not in fresh:
                self._go_on(one, wall, batch)
            one.after = 0 if one.episode.event.open else one.after + 1
            if one.after > _AFTER and one.episode.event not in frame.alerts:
                self._keep(self._open.pop(name).episode)

    def end(self) -> Episodes:
        """All that were seen, those that go on included."""
        for one in self._open.values():
            self._keep(one.episode)
        self._open.clear()
        drawn = {id(episode) for _, _, episode in self._drawn}
        every = sorted((e for _, _, e in (*self._drawn, *self._rest)), key=lambda e: (e.event.start, e.event.key))
        return Episodes(tuple(every), frozenset(i for i, e in enumerate(every) if id(e) in drawn), self._count)

    def _begin(self, event: AlertEvent, batch: Batch) -> _Open:
        found = np.flatnonzero((batch.pid == event.key.pid) & (batch.start == event.key.start))
        row = int(found[0]) if found.size else -1
        course = Course()
        steps: list[tuple[float, Floats32]] = []
        at = row
        for wall, past in reversed(self._past):
            if at < 0 or at >= len(past):
                break
            steps.append((wall, past.values[:, at]))
            at = int(past.prev[at])
        for wall, values in reversed(steps):
            course.add(wall, values.copy())
        return _Open(Episode(event, batch.labels[row] if row >= 0 else None, course), row)

    def _go_on(self, one: _Open, wall: float, batch: Batch) -> None:
        if one.row < 0:
            return
        came: Index = np.flatnonzero(batch.prev == one.row)
        one.row = int(came[0]) if came.size else -1
        if one.row >= 0 and one.after <= _AFTER:
            one.episode.course.add(wall, batch.values[:, one.row].copy())

    def _keep(self, episode: Episode) -> None:
        """Among the highest with its course, else among the listed, else counted only."""
        self._count += 1
        score = episode.event.score
        entry = (score if np.isfinite(score) else 0.0, -self._count, episode)
        if len(self._drawn) < DRAWN:
            heapq.heappush(self._drawn, entry)
            return
        entry = heapq.heappushpop(self._drawn, entry)
        entry[2].course = Course()
        if len(self._rest) < LISTED - DRAWN:
            heapq.heappush(self._rest, entry)
        else:
            heapq.heappushpop(self._rest, entry)
