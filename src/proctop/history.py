"""The last scores of every process and of the host: a ring of immutable vectors, one slot a process; and rings of the highest scores of
longer times.

Each step appends one float32 vector indexed by slot and never changes it, so a frame can hold on to the
last of them and cross threads without a copy. A slot is used again after its process has gone; a process therefore
knows the tick at which it got its slot, and nothing older is shown as its own.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from proctop.frames import Batch, Span, Trail
from proctop.records import Floats32, Ints

FACTORS = (10, 60, 720)
"""Readings that parts of longer times have: at one a second and 120 parts, twenty minutes, two hours and a day."""


class _Ring:
    """The highest scores of the last ``length`` parts of ``factor`` readings each: 2 bytes a part and slot."""

    def __init__(self, factor: int, length: int) -> None:
        self._factor = factor
        self._ranks: deque[np.ndarray[tuple[int], np.dtype[np.float16]]] = deque(maxlen=length)
        self._host: deque[float] = deque(maxlen=length)
        self._whole = Span(factor, (), np.zeros(0, np.float32), None, float("nan"))
        self._left = factor

    def step(self, vector: Floats32, top: float, taken: Ints) -> Span:
        """Take in the scores of a reading, by slot; those ``taken`` anew have nothing of who had them before."""
        before = self._whole.part
        if before is None:
            part = vector
        else:
            part = vector.copy()
            part[: before.size] = np.fmax(before, vector[: before.size])
            part[taken] = vector[taken]
            top = float(np.fmax(top, self._whole.top))
        self._left -= 1
        if self._left:
            self._whole = Span(self._factor, self._whole.ranks, self._whole.host, part, top)
        else:
            self._ranks.append(part.astype(np.float16))
            self._host.append(top)
            self._whole = Span(self._factor, tuple(self._ranks), np.array(self._host, dtype=np.float32), None, float("nan"))
            self._left = self._factor
        return self._whole


class History:
    """Keeps ``length`` vectors."""

    def __init__(self, length: int = 120) -> None:
        self._ranks: deque[Floats32] = deque(maxlen=length)
        self._host: deque[float] = deque(maxlen=length)
        self._slot = np.zeros(0, dtype=np.int64)
        self._born = np.zeros(0, dtype=np.int64)
        self._free: list[int] = []
        self._size = 0
        self._tick = -1
        self._rings = [_Ring(factor, length) for factor in FACTORS]

    def _take(self, count: int) -> list[int]:
        taken = [self._free.pop() for _ in range(min(count, len(self._free)))]
        more = count - len(taken)
        taken.extend(range(self._size, self._size + more))
        self._size += more
        return taken

    def step(self, batch: Batch, rank: Floats32) -> Trail:
        """Append the scores (float32[n], NaN = none) of the rows of ``batch``."""
        self._tick += 1
        known = batch.prev >= 0
        n = len(batch)
        taken = self._slot[:0]
        if not (n == self._slot.size and known.all() and bool((batch.prev == np.arange(n)).all())):
            gone = np.ones(self._slot.size, dtype=np.bool_)
            gone[batch.prev[known]] = False
            slot = np.empty(n, dtype=np.int64)
            born = np.full(n, self._tick, dtype=np.int64)
            slot[known] = self._slot[batch.prev[known]]
            born[known] = self._born[batch.prev[known]]
            self._free.extend(self._slot[gone].tolist())
            slot[~known] = taken = np.array(self._take(int(n - known.sum())), dtype=np.int64)
            self._slot, self._born = slot, born
        vector = np.full(self._size, np.nan, dtype=np.float32)
        vector[self._slot] = rank
        self._ranks.append(vector)
        scored = rank[~np.isnan(rank)]
        self._host.append(float(scored.max()) if scored.size else float("nan"))
        spans = tuple(ring.step(vector, self._host[-1], taken) for ring in self._rings)
        return Trail(self._slot, self._born, tuple(self._ranks), np.array(self._host, dtype=np.float32), self._tick, spans)
