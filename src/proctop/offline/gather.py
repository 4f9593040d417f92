"""Chunks of rows, as files and recordings give them, into one table."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from proctop.offline.cells import Clock, numbers
from proctop.offline.plan import CLOCK, KINDS, TableError
from proctop.offline.tables import GAP, Chunk, Codes, Table
from proctop.records import Bools, Floats, Index, Ints
from proctop.sanitize import clean

Chunks = Generator[Chunk, None, int]
"""They in the order of the file; at the end how many rows that has, with those that were not asked for."""


def gather(kind: str, source: str, chunks: Chunks) -> Table:
    """The table of all chunks; ``source`` is what messages name. Raises TableError."""
    clock, names, file = Clock(source), _Names(), _File(source)
    times, codes, stretches = _Growing(np.dtype(np.int64)), _Growing(np.dtype(np.int32)), _Growing(np.dtype(np.int16))
    parts: dict[str, _Growing[np.float64]] = {}
    for first, stretch, frame in file.through(chunks):
        time, known = clock.read(frame[CLOCK], first)
        file.add(first, known)
        times.add(time[known])
        stretches.add(np.full(np.count_nonzero(known), stretch, np.int16))
        columns = [name for name in frame.columns if name in KINDS[kind].columns]
        codes.add(names.codes(frame.drop(CLOCK, *columns), frame.height)[known])
        for name in columns:
            parts.setdefault(name, _Growing(np.dtype(np.float64))).add(numbers(frame[name], source, first)[known])
    if not parts:
        raise TableError(f"{source}: no rows{' in the sample; take a larger share' if file.total else ''}")
    if file.dropped:
        if not times.values.size:
            raise TableError(f"{source}: {clock.first_bad}, and no row has one")
        file.remarks.append(f"{source}: {clock.first_bad}; {_many(file.dropped)} left out")
    whole = {name: parts.pop(name).values for name in tuple(parts)}
    rows = times.values, codes.values, stretches.values
    del times, codes, stretches
    return _arranged(kind, file, rows, names.known, whole, clock.zone)


_Number = TypeVar("_Number", bound=np.generic)


class _Growing(Generic[_Number]):
    """A column that rows come to. What it has room for beyond them was never touched, and so is no memory yet."""

    def __init__(self, dtype: np.dtype[_Number]) -> None:
        self._held = np.empty(1 << 12, dtype)
        self._count = 0

    @property
    def values(self) -> NDArray[_Number]:
        return self._held[: self._count]

    def add(self, values: NDArray[_Number]) -> None:
        end = self._count + values.size
        if end > self._held.size:
            larger = np.empty(max(end, 2 * self._held.size), self._held.dtype)
            larger[: self._count] = self.values
            self._held = larger
        self._held[self._count : end] = values
        self._count = end


class _File:
    """What is known of the rows of a file while they come."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.total = self.dropped = 0
        self.remarks: list[str] = []
        self._firsts: list[int] = []  # by chunk: the number of its first row
        self._before: list[int] = []  # rows kept of the chunks before
        self._kept: list[Index | None] = []  # rows kept of it, None = all
        self._count = 0

    def through(self, chunks: Chunks) -> Iterator[Chunk]:
        self.total = yield from chunks

    def add(self, first: int, known: Bools) -> None:
        kept = int(np.count_nonzero(known))
        self._firsts.append(first)
        self._before.append(self._count)
        self._kept.append(None if kept == known.size else np.flatnonzero(known))
        self._count += kept
        self.dropped += known.size - kept

    def row(self, place: int) -> int:
        """The number in the file (from 1) of one of the rows that were kept."""
        chunk = int(np.searchsorted(self._before, place, side="right")) - 1
        kept, inside = self._kept[chunk], place - self._before[chunk]
        return self._firsts[chunk] + (inside if kept is None else int(kept[inside]))


class _Names:
    """Numbers for disks, interfaces, commands, as they are met; with the host before them where a table has several."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(clean(name) for name in self._code)

    def codes(self, words: pl.DataFrame, height: int) -> Codes:
        """int32[height]."""
        if not words.width:
            self._code.setdefault("", 0)
            return np.zeros(height, np.int32)
        joined = words.select(pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator=" ")).to_series()
        for name in joined.unique(maintain_order=True):
            self._code.setdefault(name, len(self._code))
        return joined.replace_strict(self._code, return_dtype=pl.Int32).to_numpy()


def _arranged(
    kind: str, file: _File, rows: tuple[Ints, Codes, NDArray[np.int16]], names: tuple[str, ...], columns: dict[str, Floats], zone: str
) -> Table:
    """Rows by entity and time. What was not in order, or told twice, is remarked. ``rows``: times, entities and stretches."""
    time, entity, stretch = rows
    del rows  # there is no room for what is not in order beside what is
    interval, gaps = _pace(time, stretch)
    order = np.argsort(entity, kind="stable") if len(names) > 1 else np.arange(time.size)
    time = time[order]
    entity = entity[order]
    stretch = stretch[order]
    same = np.diff(entity) == 0
    early = same & (np.diff(time) < 0)
    if early.any():
        _remark(file, order[1:][early], f"column {CLOCK}: earlier than the row before{_of(names)}", "put in order")
        anew = np.lexsort((time, entity))
        order, time, stretch = order[anew], time[anew], stretch[anew]
    again = same & (np.diff(time) == 0)
    if again.any():
        hint = "" if names != ("",) or not KINDS[kind].entity else f"; no column {' or '.join(KINDS[kind].entity)} tells them apart"
        _remark(file, order[1:][again], f"column {CLOCK}: the same time twice{_of(names)}", f"kept{hint}")
    onward = same & (np.diff(time) <= GAP * interval) & (np.diff(stretch) == 0)
    for name in tuple(columns):
        columns[name] = columns[name][order]
    return Table(
        kind=kind,
        source=file.source,
        time=time,
        columns=columns,
        entity=entity,
        entities=names,
        runs=np.flatnonzero(np.concatenate(([True], ~onward))),
        zone=zone,
        interval=interval,
        gaps=gaps,
        total=file.total,
        invalid=file.dropped,
        remarks=tuple(file.remarks),
    )


def _remark(file: _File, rows: Index, what: str, done: str) -> None:
    file.remarks.append(f"{file.source}: row {file.row(int(rows.min()))}, {what}; {_many(rows.size)} {done}")


def _many(count: int) -> str:
    return "this row is" if count == 1 else f"{count:,} such rows are"


def _of(names: tuple[str, ...]) -> str:
    return " of the same name" if len(names) > 1 else ""


def _pace(time: Ints, stretch: NDArray[np.int16]) -> tuple[float, Ints]:
    """The median of the intervals between distinct times, and where one is longer than GAP of it: int64[g, 2].

    What lies between stretches is none.
    """
    last = int(stretch[-1])
    seen = [_distinct(time[stretch == number]) for number in range(last + 1)] if last else [_distinct(time)]
    steps = np.concatenate([np.diff(times) for times in seen])
    interval = float(np.median(steps)) if steps.size else float("nan")
    gaps = [np.stack((times[:-1], times[1:]), axis=1)[np.diff(times) > GAP * interval] for times in seen]
    return interval, np.concatenate(gaps)


def _distinct(time: Ints) -> Ints:
    """The times, each once, rising."""
    steps = np.diff(time)
    return time[np.concatenate((np.ones(min(time.size, 1), np.bool_), steps > 0))] if (steps >= 0).all() else np.unique(time)
