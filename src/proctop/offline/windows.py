"""Windows over the rows of a table: views of its memory, however many there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from proctop.records import Floats32, Index, Ints


class Windows:
    """All windows of ``length`` consecutive rows, ``stride`` rows apart, of each run by itself.

    Args:
        values: float32[n, k], in whatever order in memory; a memory map will do.
        runs: int64[r], first rows of the stretches that no window crosses, rising from 0.
    """

    def __init__(self, values: Floats32, runs: Ints, length: int, stride: int = 1) -> None:
        self.values, self.length, self.stride = values, length, stride
        sizes = np.diff(np.append(runs, values.shape[0]))
        self._firsts = runs
        self._counts = np.maximum((sizes - length) // stride + 1, 0)

    def __len__(self) -> int:
        return int(self._counts.sum())

    @property
    def shape(self) -> tuple[int, int, int]:
        """What an array of all windows would have."""
        return len(self), self.length, int(self.values.shape[1])

    @property
    def nbytes(self) -> int:
        """What such an array would take, in float32."""
        count, length, width = self.shape
        return count * length * width * 4

    def views(self) -> Iterator[Floats32]:
        """float32[m, length, k], read-only, for each run that has windows. Nothing is copied.

        >>> [view.shape for view in Windows(np.zeros((9, 2), np.float32), np.array([0, 3]), 3, 2).views()]
        [(1, 3, 2), (2, 3, 2)]
        """
        row, column = self.values.strides
        for first, count in zip(self._firsts.tolist(), self._counts.tolist(), strict=True):
            if count:
                yield np.lib.stride_tricks.as_strided(
                    self.values[first:],
                    (count, self.length, self.values.shape[1]),
                    (row * self.stride, row, column),
                    writeable=False,
                )

    def batches(self, size: int) -> Iterator[Floats32]:
        """Views of at most ``size`` windows, in order."""
        for view in self.views():
            for a in range(0, view.shape[0], size):
                yield view[a : a + size]

    def lasts(self) -> Index:
        """intp[count]: the last row of each window, in order."""
        inside = np.arange(len(self)) - np.repeat(np.cumsum(self._counts) - self._counts, self._counts)
        lasts: Index = np.repeat(self._firsts, self._counts) + inside * self.stride + self.length - 1
        return lasts
