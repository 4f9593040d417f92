"""A table in memory: its numbers by column, by disk, interface or command, and there in the order of time.

Files are read piece by piece, so that beside the numbers themselves only one piece is held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from proctop.offline.cells import Clock, numbers
from proctop.offline.csvfile import CsvFile
from proctop.offline.plan import CLOCK, HOSTS, KINDS, Kind, TableError
from proctop.records import Bools, Floats, Index, Ints
from proctop.sanitize import clean
from proctop.settings import nearest

GAP = 3.0
"""A time without rows longer than this many usual intervals is a gap."""

Codes = NDArray[np.int32]
_PARQUET = b"PAR1"
_BATCH = 1 << 17  # rows


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

    def take(self, rows: Index | Ints, runs: Ints) -> Table:
        """Some rows, in their order; ``runs``: the first rows of stretches among them."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, time=self.time[rows], columns=columns, entity=self.entity[rows], runs=runs)

    def bare(self) -> Table:
        """The same rows without their columns."""
        return replace(self, columns={})


def load(kind: str, path: str) -> Table:
    """A CSV, TSV or parquet file as a table of one of ``plan.KINDS``. Raises TableError."""
    batches = _parquet(kind, path) if _begins(path, _PARQUET) else _csv(kind, path)
    return gather(kind, path, batches)


def _begins(path: str, magic: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None


Batches = Iterator[tuple[int, pl.DataFrame]]


def _csv(kind: str, path: str) -> Batches:
    file = CsvFile(path)
    try:
        wanted, words = _wanted(KINDS[kind], file.columns, path, "the header (line 1)")
        yield from file.frames(wanted, words)
    finally:
        file.close()


def _parquet(kind: str, path: str) -> Batches:
    try:
        before = os.stat(path)
        lazy = pl.scan_parquet(path, glob=False)
        wanted, words = _wanted(KINDS[kind], lazy.collect_schema().names(), path, "the schema")
        row = 1
        for frame in lazy.select(*words, *wanted).collect_batches(chunk_size=_BATCH, maintain_order=True):
            yield row, frame
            row += frame.height
        after = os.stat(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TableError(f"{path}: cannot be read as parquet: {clean(said)}") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TableError(f"{path}: changed while it was read; profile a copy of it")
    if row == 1:
        raise TableError(f"{path}: no rows")


def _wanted(kind: Kind, columns: Sequence[str], path: str, where: str) -> tuple[list[str], list[str]]:
    """Columns of numbers and of words that are read, in the order of the file; the words begin with the time."""
    for name in (CLOCK, *kind.critical):
        if name not in columns:
            raise TableError(f'{path}: {where}: no column "{name}"{nearest(name, columns)}')
    entity = [next((name for name in names if name in columns), "") for names in (HOSTS, kind.entity)]
    words = [CLOCK, *filter(None, entity)]
    for name in (*words, *kind.columns):
        if columns.count(name) > 1:
            raise TableError(f'{path}: {where}: {columns.count(name)} columns are named "{name}"')
    return [name for name in columns if name in kind.columns], words


def gather(kind: str, source: str, batches: Batches) -> Table:
    """The table of all batches, each a frame with the number of its first row. Raises TableError."""
    clock, names, file = Clock(source), _Names(), _File(source)
    times: list[Ints] = []
    codes: list[Codes] = []
    parts: dict[str, list[Floats]] = {}
    for first, frame in batches:
        time, known = clock.read(frame[CLOCK], first)
        file.add(known)
        times.append(_kept(time, known))
        columns = [name for name in frame.columns if name in KINDS[kind].columns]
        codes.append(_kept(names.codes(frame.drop(CLOCK, *columns), frame.height), known))
        for name in columns:
            parts.setdefault(name, []).append(_kept(numbers(frame[name], source, first), known))
    if file.dropped.size == file.total:
        raise TableError(f"{source}: {clock.first_bad}, and no row has one")
    if file.dropped.size:
        file.remarks.append(f"{source}: {clock.first_bad}; {_many(file.dropped.size)} left out")
    whole = {name: np.concatenate(parts.pop(name)) for name in tuple(parts)}
    return _arranged(kind, file, np.concatenate(times), np.concatenate(codes), names.known, whole, clock.zone)


class _File:
    """What is known of the rows of a file while they come."""

    def __init__(self, source: str) -> None:
        self.source, self.total = source, 0
        self.remarks: list[str] = []
        self._dropped: list[Ints] = []

    def add(self, known: Bools) -> None:
        if not known.all():
            self._dropped.append(np.flatnonzero(~known) + self.total)
        self.total += known.size

    @property
    def dropped(self) -> Ints:
        """int64[m], places of rows that were left out."""
        return np.concatenate(self._dropped) if self._dropped else np.zeros(0, np.int64)

    def row(self, kept: int) -> int:
        """The number in the file (from 1) of one of the rows that were kept."""
        gone = self.dropped
        return kept + int(np.searchsorted(gone - np.arange(gone.size), kept, side="right")) + 1


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


_Numbers = TypeVar("_Numbers", bound=np.generic)


def _kept(values: NDArray[_Numbers], known: Bools) -> NDArray[_Numbers]:
    return values if known.all() else values[known]


def _arranged(kind: str, file: _File, time: Ints, codes: Codes, names: tuple[str, ...], columns: dict[str, Floats], zone: str) -> Table:
    """Rows by entity and time. What was not in order, or told twice, is remarked."""
    order = np.argsort(codes, kind="stable") if len(names) > 1 else np.arange(time.size)
    sorted_codes, sorted_time = codes[order], time[order]
    same = np.diff(sorted_codes) == 0
    early = same & (np.diff(sorted_time) < 0)
    if early.any():
        what = f"column {CLOCK}: earlier than the row before{_of(names)}"
        _remark(file, order[1:][early], what, "put in order")
        order = np.lexsort((time, codes))
        sorted_time = time[order]
    again = same & (np.diff(sorted_time) == 0)
    if again.any():
        hint = "" if names != ("",) or not KINDS[kind].entity else f"; no column {' or '.join(KINDS[kind].entity)} tells them apart"
        _remark(file, order[1:][again], f"column {CLOCK}: the same time twice{_of(names)}", f"kept{hint}")
    distinct = _distinct(time)
    steps = np.diff(distinct)
    interval = float(np.median(steps)) if steps.size else float("nan")
    wide = steps > GAP * interval
    begins = np.concatenate(([True], ~same | (np.diff(sorted_time) > GAP * interval)))
    for name in tuple(columns):
        columns[name] = columns[name][order]
    return Table(
        kind=kind,
        source=file.source,
        time=sorted_time,
        columns=columns,
        entity=sorted_codes,
        entities=names,
        runs=np.flatnonzero(begins),
        zone=zone,
        interval=interval,
        gaps=np.stack((distinct[:-1][wide], distinct[1:][wide]), axis=1),
        total=file.total,
        invalid=file.dropped.size,
        remarks=tuple(file.remarks),
    )


def _remark(file: _File, rows: Index, what: str, done: str) -> None:
    file.remarks.append(f"{file.source}: row {file.row(int(rows.min()))}, {what}; {_many(rows.size)} {done}")


def _many(count: int) -> str:
    return "this row is" if count == 1 else f"{count:,} such rows are"


def _of(names: tuple[str, ...]) -> str:
    return " of the same name" if len(names) > 1 else ""


def _distinct(time: Ints) -> Ints:
    """The times, each once, rising."""
    if (np.diff(time) >= 0).all():
        return time[np.concatenate(([True], np.diff(time) > 0))]
    return np.unique(time)


def sampled(table: Table, share: float, seed: int, *, random: bool, block: int) -> Table:
    """``share`` of the rows (rounded down, one at least): blocks of ``block`` rows drawn at random, each within one run, or single rows.

    Blocks keep the order in time that windows need; each is a run of its own, unless it goes on where another ends.
    """
    if share >= 1:
        return table
    n = len(table)
    wanted = max(int(n * share), 1)
    luck = np.random.default_rng(seed)
    if random:
        rows = np.sort(luck.choice(n, wanted, replace=False))
        return table.take(rows, _starts(table.entity[rows]))
    ends = np.append(table.runs[1:], n)
    firsts = np.concatenate([np.arange(a, b, block) for a, b in zip(table.runs.tolist(), ends.tolist(), strict=True)])
    lasts = np.append(firsts[1:], n)
    drawn = luck.permutation(firsts.size)
    sums = np.cumsum((lasts - firsts)[drawn])
    count = int(np.searchsorted(sums, wanted)) + 1
    over = int(sums[count - 1]) - wanted
    lasts[drawn[count - 1]] -= over  # the last one drawn is cut, so that the number of rows is as asked for
    chosen = np.sort(drawn[:count])
    sizes = (lasts - firsts)[chosen]
    begins = np.cumsum(sizes) - sizes
    rows = np.arange(wanted) - np.repeat(begins, sizes) + np.repeat(firsts[chosen], sizes)
    fresh = np.concatenate(([True], (firsts[chosen][1:] != lasts[chosen][:-1]) | np.isin(firsts[chosen][1:], table.runs)))
    return table.take(rows, begins[fresh])


def _starts(codes: Codes) -> Ints:
    return np.flatnonzero(np.concatenate(([True], np.diff(codes) != 0)))
