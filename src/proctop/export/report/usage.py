"""Who used how much of the host over a recording: processes and containers by cpu, memory and bytes of disks."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proctop.features import YOUNGEST
from proctop.fields import FEATURE
from proctop.frames import Batch, Frame
from proctop.records import Container, Floats, Index, Label

TOP = 10
MOST_CONTAINERS = 2000
"""Containers that are told apart; the processes of others count for the host only."""

MEASURES = ("cpu", "memory", "io")
"""Seconds of cpu, bytes of resident memory at its highest, bytes read from and written to storage."""

_CPU, _RSS, _READ, _WRITE = (FEATURE[name] for name in ("cpu", "rss", "disk_read", "disk_write"))


@dataclass(frozen=True, slots=True)
class User:
    """A process or a container. Numbers are those of MEASURES, NaN = nobody could read it."""

    name: str
    pid: int  # -1 = a container
    container: Container | None
    amounts: tuple[float, ...]
    score: float  # highest, NaN = never scored


@dataclass(frozen=True, slots=True)
class Totals:
    """The highest by each of MEASURES, and what all processes together used (memory: NaN)."""

    processes: tuple[tuple[User, ...], ...]
    containers: tuple[tuple[User, ...], ...]
    total: tuple[float, ...]
    seen: int  # processes in all
    most: int  # at a time
    boxes: int  # containers in all


class Usage:
    """Takes frames in the order of time. Holds the living, and of the dead the highest."""

    def __init__(self) -> None:
        self._amounts = np.full((len(MEASURES) + 1, 0), np.nan)  # and the highest score
        self._batch: Batch | None = None
        self._best: list[list[tuple[float, int, User]]] = [[] for _ in MEASURES]
        self._total = np.zeros(len(MEASURES))
        self._seen = self._most = self._offers = 0
        self._labels: Sequence[Label] = ()
        self._group = np.zeros(0, dtype=np.int64)
        self._ids: dict[str, int] = {}
        self._boxes: list[Container] = []
        self._by_box = np.full((len(MEASURES) + 1, 0), np.nan)

    def step(self, frame: Frame) -> None:
        batch, before = frame.batch, self._batch
        spent = self._spent(frame)
        self._bury(batch, before)
        carried = np.full((len(MEASURES) + 1, len(batch)), np.nan)
        known = batch.prev >= 0
        if before is not None:
            carried[:, known] = self._amounts[:, batch.prev[known]]
        self._amounts = _grown(carried, spent)
        self._seen += int(np.count_nonzero(~known)) if before is not None else len(batch)
        self._most = max(self._most, len(batch))
        self._total += np.nansum(spent[: len(MEASURES)], axis=1)
        self._batch = batch
        self._contain(batch, spent)

    def end(self) -> Totals:
        if self._batch is not None:
            self._offer(self._batch, np.arange(len(self._batch)))
        processes = tuple(tuple(user for _, _, user in sorted(best, reverse=True)) for best in self._best)
        boxes = [User(b.title, -1, b, tuple(a[:-1]), a[-1]) for b, a in zip(self._boxes, self._by_box.T.tolist(), strict=True)]
        containers = tuple(_highest(boxes, m) for m in range(len(MEASURES)))
        total = self._total.copy()
        total[MEASURES.index("memory")] = np.nan
        return Totals(processes, containers, tuple(total.tolist()), self._seen, self._most, len(boxes))

    def _spent(self, frame: Frame) -> Floats:
        """float64[4, n]: cpu seconds, resident bytes, bytes of storage and score of this interval."""
        batch, reading = frame.batch, frame.reading
        values = batch.values[[_CPU, _RSS, _READ, _WRITE]].astype(np.float64)
        seconds = np.full(len(batch), batch.dt)
        born = batch.born
        seconds[born] = np.maximum(reading.boot - reading.start[born] / reading.info.ticks, YOUNGEST)
        rank = frame.scores.rank.astype(np.float64)
        spent = np.stack([values[0] * seconds, values[1], _grown_sum(values[2], values[3]) * seconds, rank])
        return np.where(np.isfinite(spent), spent, np.nan)

    def _bury(self, batch: Batch, before: Batch | None) -> None:
        if before is None:
            return
        gone = np.ones(len(before), dtype=np.bool_)
        gone[batch.prev[batch.prev >= 0]] = False
        if gone.any():
            self._offer(before, np.flatnonzero(gone))

    def _offer(self, batch: Batch, rows: Index) -> None:
        """Take those of ``rows`` that are among the highest of any measure."""
        for m, best in enumerate(self._best):
            amounts = self._amounts[m, rows]
            floor = best[0][0] if len(best) == TOP else 0.0
            for i in rows[amounts > floor].tolist():
                self._offers += 1
                row = self._amounts[:, i].tolist()
                label = batch.labels[i]
                entry = (row[m], -self._offers, User(label.comm, int(batch.pid[i]), label.container, tuple(row[:-1]), row[-1]))
                if len(best) < TOP:
                    heapq.heappush(best, entry)
                else:
                    heapq.heappushpop(best, entry)

    def _contain(self, batch: Batch, spent: Floats) -> None:
        """Add up by container; which row is in which is worked out again when a label changes."""
        if batch.labels != self._labels or self._group.size != len(batch):
            self._labels = batch.labels
            self._group = np.array([self._number(label.container) for label in batch.labels], dtype=np.int64)
        inside = np.flatnonzero(self._group >= 0)
        count = len(self._boxes)
        if not inside.size:
            return
        group = self._group[inside]
        here = np.full((len(MEASURES) + 1, count), np.nan)
        for m in range(len(MEASURES)):
            values = spent[m, inside]
            known = ~np.isnan(values)
            sums = np.bincount(group[known], values[known], count)
            there = np.bincount(group[known], minlength=count) > 0
            here[m, there] = sums[there]
        highest = np.full(count, -np.inf)
        np.fmax.at(highest, group, spent[-1, inside])
        here[-1] = np.where(np.isfinite(highest), highest, np.nan)
        grown = np.full((len(MEASURES) + 1, count - self._by_box.shape[1]), np.nan)
        self._by_box = _grown(np.concatenate((self._by_box, grown), axis=1), here)

    def _number(self, container: Container | None) -> int:
        if container is None:
            return -1
        number = self._ids.get(container.id)
        if number is None:
            if len(self._boxes) >= MOST_CONTAINERS:
                return -1
            number = self._ids[container.id] = len(self._boxes)
            self._boxes.append(container)
        elif self._boxes[number] is not container:
            self._boxes[number] = container  # its name came later
        return number


def _highest(users: list[User], m: int) -> tuple[User, ...]:
    used = (user for user in users if user.amounts[m] > 0)
    return tuple(sorted(used, key=lambda user: (-user.amounts[m], user.name))[:TOP])


def _grown(past: Floats, now: Floats) -> Floats:
    """Amounts after one more interval: cpu and bytes add up, of memory and score the highest counts."""
    out = np.fmax(past, now)
    out[0] = _grown_sum(past[0], now[0])
    out[2] = _grown_sum(past[2], now[2])
    return out


def _grown_sum(a: Floats, b: Floats) -> Floats:
    """a + b where what is missing adds nothing; NaN where both are."""
    known: Floats = np.where(np.isnan(a), b, np.where(np.isnan(b), a, a + b))
    return known
