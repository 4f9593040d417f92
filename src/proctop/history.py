"""The last scores of every process and of the host: a ring of immutable vectors, one slot a process.

Each step appends one float32 vector indexed by slot and never changes it, so a frame can hold on to the
last of them and cross threads without a copy. A slot is used again after its process has gone; a process therefore
knows the tick at which it got its slot, and nothing older is shown as its own.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from proctop.records import Batch, Floats32, Trail


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
        if not (n == self._slot.size and known.all() and bool((batch.prev == np.arange(n)).all())):
            gone = np.ones(self._slot.size, dtype=np.bool_)
            gone[batch.prev[known]] = False
            slot = np.empty(n, dtype=np.int64)
            born = np.full(n, self._tick, dtype=np.int64)
            slot[known] = self._slot[batch.prev[known]]
            born[known] = self._born[batch.prev[known]]
            self._free.extend(self._slot[gone].tolist())
            slot[~known] = self._take(int(n - known.sum()))
            self._slot, self._born = slot, born
        vector = np.full(self._size, np.nan, dtype=np.float32)
        vector[self._slot] = rank
        self._ranks.append(vector)
        scored = rank[~np.isnan(rank)]
        self._host.append(float(scored.max()) if scored.size else float("nan"))
        return Trail(self._slot, self._born, tuple(self._ranks), np.array(self._host, dtype=np.float32), self._tick)
