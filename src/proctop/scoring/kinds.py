"""Histograms shared by many processes: one per name (a cohort), one per container. Counted references, least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

import numpy as np

from proctop.records import Floats32, Ints
from proctop.scoring.quiet import Counts
from proctop.scoring.tails import BINS, CHANNELS

_FIRST_MASS = np.float32(60)  # what a group takes over from another like it, in samples
_KNOWS = 20  # samples after which it needs no such help

FADE = 0.98
"""Every 64 readings what a group knows is multiplied by this."""


class Kinds:
    """At most ``limit`` keyed groups of ``ages`` histograms each; row 0 is shared by all who find no room.

    ``hist`` is float32[rows, 30, 24], ``mass`` float32[rows, 30]; group ``g`` holds the rows ``g * ages …``.
    """

    def __init__(self, limit: int, ages: int = 1) -> None:
        self._limit = limit
        self._ages = ages
        self._members: OrderedDict[Hashable, int] = OrderedDict()
        self._count = np.zeros(limit + 1, dtype=np.int64)
        self._free = list(range(limit, 0, -1))
        self._likeness: dict[int, str] = {}
        self._latest: dict[str, int] = {}  # likeness → the group that last had it
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
                likeness = self._likeness.pop(group, "")
                if self._latest.get(likeness) == group:
                    del self._latest[likeness]
                rows = slice(group * self._ages, (group + 1) * self._ages)
                self.hist[rows] = 0
                self.mass[rows] = 0
                return group
        return 0

    def liken(self, group: int, likeness: str) -> None:
        """``group`` is like others of this ``likeness``: what the last of them knows is what it begins with."""
        if not group or not likeness or self._likeness.get(group) == likeness:
            return
        self._likeness[group] = likeness
        other = self._latest.get(likeness, group)
        self._latest[likeness] = group
        to, of = (slice(g * self._ages, (g + 1) * self._ages) for g in (group, other))
        known = self.mass[of].max()
        if other != group and known > 0 and self.mass[to].max() < _KNOWS:
            share = min(_FIRST_MASS / known, np.float32(1))
            self.hist[to] += self.hist[of] * share
            self.mass[to] += self.mass[of] * share

    def state(self) -> tuple[list[tuple[str, str]], Floats32]:
        """Each group's key and likeness, least recently used first, and their histograms float32[groups * ages, 30, 24]."""
        groups = np.array(list(self._members.values()), dtype=np.int64)
        rows = (groups[:, None] * self._ages + np.arange(self._ages)).reshape(-1)
        names = [(str(key), self._likeness.get(group, "")) for key, group in self._members.items()]
        return names, self.hist[rows]

    def restore(self, names: Sequence[tuple[str, str]], hist: Floats32) -> None:
        """The way back, into fresh groups; the most recently used where there is room for fewer."""
        begin = max(len(names) - self._limit, 0)
        for i, (key, likeness) in enumerate(names[begin:], begin):
            if key in self._members:
                continue
            group = self._free.pop()
            self._members[key] = group
            if likeness:
                self._likeness[group] = likeness
                self._latest[likeness] = group
            to, of = (slice(g * self._ages, (g + 1) * self._ages) for g in (group, i))
            self.hist[to] = hist[of]
            self.mass[to] = hist[of].sum(axis=2)

    def add(self, rows: Ints, counts: Counts) -> None:
        """Learn ``counts``, those of process ``i`` into row ``rows[i]``; negative rows learn nothing."""
        row = rows[counts.row]
        if rows.size and rows.min() < 0:
            inside = np.flatnonzero(row >= 0)
            row, counts = row[inside], counts.only(inside)
        cell = row * CHANNELS + counts.channel
        np.add.at(self.mass.reshape(-1), cell, counts.weight)
        np.add.at(self.hist.reshape(-1), cell * BINS + counts.bin, counts.weight)

    def rows(self) -> Ints:
        """Of the histograms in use."""
        used = np.array([0, *self._members.values()], dtype=np.int64)
        return (used[:, None] * self._ages + np.arange(self._ages)).reshape(-1)

    def fade(self) -> None:
        rows = self.rows()
        self.hist[rows] *= np.float32(FADE)
        self.mass[rows] *= np.float32(FADE)
