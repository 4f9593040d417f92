"""Histograms shared by many processes: one per name (a cohort), one per container. Counted references, least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from proctop.records import Ints
from proctop.scoring.quiet import Counts
from proctop.scoring.tails import BINS, CHANNELS

FADE = 0.98
"""Every 64 readings what a group knows is multiplied by this."""


class Kinds:
    """At most ``limit`` keyed groups of ``ages`` histograms each; row 0 is shared by all who find no room.

    ``hist`` is float32[rows, 29, 24], ``mass`` float32[rows, 29]; group ``g`` holds the rows ``g * ages …``.
    """

    def __init__(self, limit: int, ages: int = 1) -> None:
        self._limit = limit
        self._ages = ages
        self._members: OrderedDict[Hashable, int] = OrderedDict()
        self._count = np.zeros(limit + 1, dtype=np.int64)
        self._free = list(range(limit, 0, -1))
        rows = (limit + 1) * ages
        self.hist = np.zeros((rows, CHANNELS, BINS), dtype=np.float32)  # pages of zeros cost nothing until touched
        self.mass = np.zeros((rows, CHANNELS), dtype=np.float32)

    def join(self, key: Hashable) -> int:
        """The group of ``key``, with one more member."""
        group = self._members.get(key)
        if group is None:
            group = self._room()
            if group:
                self._members[key] = group
        else:
            self._members.move_to_end(key)
        self._count[group] += 1
        return group

    def leave(self, groups: Ints) -> None:
        """One member less in each of ``groups`` (repeats count). Groups stay known until their room is needed."""
        np.subtract.at(self._count, groups, 1)

    def _room(self) -> int:
        if self._free:
            return self._free.pop()
        for key, group in self._members.items():
            if not self._count[group]:
                del self._members[key]
                rows = slice(group * self._ages, (group + 1) * self._ages)
                self.hist[rows] = 0
                self.mass[rows] = 0
                return group
        return 0

    def add(self, rows: Ints, counts: Counts) -> None:
        """Learn ``counts``, those of process ``i`` into row ``rows[i]``; negative rows learn nothing."""
        row = rows[counts.row]
        if rows.size and rows.min() < 0:
            inside = np.flatnonzero(row >= 0)
            row, counts = row[inside], counts.only(inside)
        cell = row * CHANNELS + counts.channel
        np.add.at(self.mass.reshape(-1), cell, counts.weight)
        np.add.at(self.hist.reshape(-1), cell * BINS + counts.bin, counts.weight)

    def fade(self) -> None:
        used = [0, *self._members.values()]
        rows = (np.array(used)[:, None] * self._ages + np.arange(self._ages)).reshape(-1)
        self.hist[rows] *= np.float32(FADE)
        self.mass[rows] *= np.float32(FADE)
