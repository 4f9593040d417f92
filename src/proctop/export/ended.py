"""The last interval of processes that ended: from their last counters, or from nothing, to what they took in all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from proctop.engine import unscored
from proctop.features import SLACK, derive
from proctop.fields import COUNTER, COUNTERS
from proctop.frames import Frame
from proctop.records import Floats, Ints, ProcKey, Reading

_PATIENCE = 64  # readings for which the last counters of a process are kept whose end is still to be told
_MOST = 1 << 14
_PPID = COUNTER["ppid"]


class LastIntervals:
    """Takes every frame of a session without a gap, in its order; ``begin`` is the first, to which there is no interval.

    A source may tell of an end some readings after the process went, as the kernel lets go of it late.
    """

    def __init__(self, begin: Frame) -> None:
        self._before = begin
        self._since = begin.reading.boot
        self._gone: dict[ProcKey, tuple[Floats, int]] = {}  # the last counters of who went without a word, and when

    def step(self, frame: Frame) -> tuple[Frame, Floats]:
        """A frame of its own whose rows are the processes that ended in the interval of ``frame``, and what each had counted before.

        float64[len(COUNTERS), exits]: 0 of one that came and went since ``begin``, NaN where it is not known. Nothing is scored.
        """
        before, self._before = self._before, frame
        past, reading = before.reading, frame.reading
        exits = reading.exits
        pid = np.array([gone.key.pid for gone in exits], np.int64)
        start = np.array([gone.key.start for gone in exits], np.int64)
        totals = np.full((len(COUNTERS), len(exits)), np.nan) if reading.ended is None else reading.ended.copy()
        totals[_PPID] = [gone.ppid for gone in exits]
        labels = [gone.label for gone in exits]
        ended = replace(reading, pid=pid, start=start, counters=totals, labels=labels, exits=(), ended=None, changed=None, wchan={})
        batch = derive(past, ended, before.batch)
        then = np.full(totals.shape, np.nan)
        known = np.flatnonzero(batch.prev >= 0)
        then[:, known] = past.counters[:, batch.prev[known]]
        for row in np.flatnonzero(batch.prev < 0).tolist():
            last = self._gone.pop(exits[row].key, None)
            if last is not None:
                then[:, row] = last[0]
            elif start[row] / reading.info.ticks >= self._since - SLACK:
                then[:, row] = 0.0
        self._keep(past, frame, set(zip(pid.tolist(), start.tolist(), strict=True)))
        nowhere = replace(frame.history, slot=np.zeros(len(exits), np.int64), born=np.full(len(exits), frame.history.last + 1))
        return replace(frame, reading=ended, batch=batch, scores=unscored(len(exits)), history=nowhere, alerts=(), departed=None), then

    def _keep(self, past: Reading, frame: Frame, ended: set[tuple[int, int]]) -> None:
        stayed = np.zeros(len(past), np.bool_)
        prev: Ints = frame.batch.prev
        stayed[prev[prev >= 0]] = True
        for row in np.flatnonzero(~stayed).tolist():
            if past.key(row) not in ended:
                self._gone[past.key(row)] = past.counters[:, row].copy(), frame.tick
        while self._gone and (len(self._gone) > _MOST or frame.tick - next(iter(self._gone.values()))[1] > _PATIENCE):
            del self._gone[next(iter(self._gone))]
