"""A table in memory: its numbers by column; its rows by disk, interface or command, and there in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from proctop.records import Floats, Ints

GAP = 3.0
"""A time without rows longer than this many usual intervals is a gap."""

Codes = NDArray[np.int32]


class Chunk(NamedTuple):
    """Some rows of a file as they follow each other: the number of the first (from 1), of the stretch that they belong to, and they."""

    first: int
    stretch: int
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows sorted by entity, then time.

    Attributes:
        kind: one of ``plan.KINDS``; source: the file, as messages name it.
        time: int64[n], µs since the epoch as on the wall; zone: its offset from UTC, "" = not told.
        columns: name → float64[n], NaN = missing, in the order of the file.
        entity: int32[n], index in ``entities``; ("",) where there is only the host.
        runs: int64[r], first rows of stretches without a gap within one entity, rising from 0.
        interval: µs, the median between the distinct times of the file; gaps: int64[g, 2], µs, where none came for more than GAP of it.
        total: rows of the file; invalid: of them left out for want of a time.
        remarks: what was odd about the file, a line each.
    """

    kind: str
    source: str
    time: Ints
    columns: Mapping[str, Floats]
    entity: Codes
    entities: tuple[str, ...]
    runs: Ints
    zone: str = ""
    interval: float = float("nan")
    gaps: Ints = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    total: int = 0
    invalid: int = 0
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.time.size)

    def bare(self) -> Table:
        """The same rows without their columns."""
        return replace(self, columns={})


def at_random(table: Table, share: float, seed: int) -> Table:
    """Single rows, ``share`` of them (rounded down, one at least), by entity and time as they were; neighbours are none any more."""
    count = max(int(len(table) * share), 1)
    rows = np.sort(np.random.default_rng(seed).choice(len(table), count, replace=False))
    columns = {name: values[rows] for name, values in table.columns.items()}
    entity = table.entity[rows]
    runs = np.flatnonzero(np.diff(entity, prepend=-1))
    return replace(table, time=table.time[rows], columns=columns, entity=entity, runs=runs)
