"""The rows of the process table from reading to reading: survivors keep their order, births come last. However they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel.gate import without
from proctop.kernel.subject import Subject
from proctop.records import Exit, Floats, Index, Ints, Label
from proctop.sources.labels import Labels

ROUND = 64
"""Readings in which the rotating sweep comes around."""

_FIRST_WAIT = 0.05  # seconds that command lines may hold up a reading
_D = ord("D")
_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])
_label = attrgetter("label")


@dataclass(frozen=True, slots=True)
class Sweep:
    """All processes at one reading; the fields of the same name in :class:`proctop.records.Reading`."""

    pid: Ints
    start: Ints
    counters: Floats
    labels: Sequence[Label]
    changed: Index | None
    exits: tuple[Exit, ...]
    denied: int = 0  # processes hidden by hidepid=1
    failed: str = ""  # why some process, or the list of them, could not be read; "" = all was well
    unread: int = 1  # how many that concerns, where it does any
    ended: Floats | None = None
    happened: tuple[int, int, int] = (-1, -1, -1)  # processes born, programs run and processes ended since this counts; -1 = not told


class Rows:
    """Processes, their keys, counters and labels. What is published of it is never written to again."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._subjects: list[Subject] = []
        self._pid: Ints = sealed(np.zeros(0, dtype=np.int64))
        self._start: Ints = self._pid
        self._counters: Floats = np.zeros((len(COUNTER), 0))
        self._words: tuple[Label, ...] = ()
        self._cursor = 0

    def _adopt(self, other: Rows) -> None:
        """Go on with the rows of another, which sweeps no more."""
        self._subjects, self._words, self._cursor = other._subjects, other._words, other._cursor
        self._pid, self._start, self._counters = other._pid, other._start, other._counters

    def _turn(self) -> list[Subject]:
        """The part of the rotating sweep that is due."""
        n = len(self._subjects)
        if not n:
            return []
        begin = self._cursor % n
        part = self._subjects[begin : begin - (-n // ROUND)]
        self._cursor = begin + len(part)
        return part

    def _replace(self, dead: list[int], born: Sequence[Subject], counters: Floats) -> int:
        """Drop the rows ``dead`` (ascending), append the born with their counters, float64[n_counters, m]; the row of the first of them."""
        old = len(self._subjects)
        without(self._subjects, dead)
        first = len(self._subjects)
        self._subjects.extend(born)
        for row in range(dead[0] if dead else old, len(self._subjects)):
            self._subjects[row].row = row
        kept = self._counters if not dead else np.delete(self._counters, dead, axis=1)
        self._counters = np.concatenate([kept, counters], axis=1)
        keys = np.array([(one.pid, one.start) for one in born], dtype=np.int64).reshape(-1, 2)
        self._pid = sealed(np.concatenate([np.delete(self._pid, dead), keys[:, 0]]))
        self._start = sealed(np.concatenate([np.delete(self._start, dead), keys[:, 1]]))
        return first

    def _relabel(self, renewed: list[Subject], new: list[Subject], turn: list[Subject]) -> list[int]:
        """Bring the labels up to date; the rows of survivors where they changed."""
        self._labels.renew([*renewed, *new])
        changed = set(renewed) | self._labels.check([subject for subject in turn if not subject.kernel])
        blocked = {self._subjects[row] for row in np.flatnonzero(self._counters[COUNTER["state"]] == _D).tolist()}
        changed |= self._labels.settle(_FIRST_WAIT, blocked)
        if changed or new or len(self._words) != len(self._subjects):
            self._words = tuple(map(_label, self._subjects))
        return [subject.row for subject in changed]


def sealed(array: _Array) -> _Array:
    """The array itself, read-only from here on."""
    array.setflags(write=False)
    return array
