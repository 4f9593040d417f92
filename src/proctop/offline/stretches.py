"""A sample that keeps the order of time: some contiguous stretches of a file, and nothing of what lies between."""

from __future__ import annotations

import math

import numpy as np

_MANY = 10  # stretches that a sample is of; some of them may touch


class Stretches:
    """``share`` of a file, drawn with ``seed``: the same for every file, whatever its size. Of a share of 1 all of it, in one stretch.

    >>> Stretches(1.0, 42).rows(12)
    [(0, 0, 12)]
    >>> sum(b - a for _, a, b in Stretches(0.2, 42).rows(1000))
    200
    """

    def __init__(self, share: float, seed: int) -> None:
        self.parts = math.ceil(_MANY / share) if share < 1 else 1
        drawn = np.random.default_rng(seed).permutation(self.parts)[: max(round(share * self.parts), 1)]
        chosen = np.zeros(self.parts, np.bool_)
        chosen[drawn] = True
        begins = chosen & ~np.concatenate(([False], chosen[:-1]))
        self._stretch = np.where(chosen, np.cumsum(begins) - 1, -1)

    def at(self, place: int, size: int) -> int:
        """The number of the stretch that holds byte ``place`` of ``size``, -1 = none does."""
        return int(self._stretch[place * self.parts // size])

    def rows(self, total: int) -> list[tuple[int, int, int]]:
        """Number, first row and end of each stretch of a table of ``total`` rows."""
        out: list[tuple[int, int, int]] = []
        for part, stretch in enumerate(self._stretch.tolist()):
            a, b = -(-part * total // self.parts), -(-(part + 1) * total // self.parts)
            if out and out[-1][0] == stretch:
                out[-1] = stretch, out[-1][1], b
            elif stretch >= 0:
                out.append((stretch, a, b))
        return [(stretch, a, b) for stretch, a, b in out if a < b]
