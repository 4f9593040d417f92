"""A few numbers for every process, in slots that are used again after it has gone."""

from __future__ import annotations

import numpy as np

from proctop.records import Floats32, Ints

_BY_SLOT = ("n", "score", "fast", "alert")


class Slots:
    """By slot: ``n`` samples, the last ``score``, and its two speeds ``fast`` and ``alert``. ``rows`` int64[n]: the slots of a batch."""

    def __init__(self) -> None:
        self.rows: Ints = np.zeros(0, dtype=np.int64)
        self.n: Ints = np.zeros(0, dtype=np.int64)
        self.score: Floats32 = np.zeros(0, dtype=np.float32)
        self.fast: Floats32 = np.zeros(0, dtype=np.float32)
        self.alert: Floats32 = np.zeros(0, dtype=np.float32)
        self._free: list[int] = []

    def follow(self, prev: Ints) -> Ints:
        """Carry slots over to a batch whose rows were ``prev`` in the one before; returns those of processes that have gone.

        Their numbers stand until :meth:`clear`, and no new process gets one of them before.
        """
        old, known = self.rows, prev >= 0
        stayed = np.zeros(old.size, dtype=np.bool_)
        stayed[prev[known]] = True
        rows = np.empty(prev.size, dtype=np.int64)
        rows[known] = old[prev[known]]
        rows[~known] = self._take(int(prev.size - known.sum()))
        self.rows = rows
        return old[~stayed]

    def _take(self, count: int) -> list[int]:
        taken = [self._free.pop() for _ in range(min(count, len(self._free)))]
        size = self.n.size
        more = count - len(taken)
        for name in _BY_SLOT:
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros(more, array.dtype)]))
        return [*taken, *range(size, size + more)]

    def clear(self, gone: Ints) -> None:
        """These slots are free."""
        for name in _BY_SLOT:
            getattr(self, name)[gone] = 0
        self._free.extend(gone.tolist())
