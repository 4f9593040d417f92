"""CSV, TSV and parquet files as tables, read piece by piece: beside the numbers themselves little is held."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence

import polars as pl

from proctop.offline.csvfile import CsvFile
from proctop.offline.gather import gather
from proctop.offline.plan import CLOCK, HOSTS, KINDS, Kind, TableError
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Chunk, Table
from proctop.sanitize import clean
from proctop.settings import nearest

_PARQUET = b"PAR1"
_BATCH = 1 << 17  # rows


def load(kind: str, path: str, sample: Stretches) -> Table:
    """A CSV, TSV or parquet file as a table of one of ``plan.KINDS``. Raises TableError."""
    return gather(kind, path, _parquet(kind, path, sample) if _begins(path, _PARQUET) else _csv(kind, path, sample))


def _begins(path: str, magic: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None


def _csv(kind: str, path: str, sample: Stretches) -> Generator[Chunk, None, int]:
    file = CsvFile(path)
    try:
        wanted, words = _wanted(KINDS[kind], file.columns, path, "the header (line 1)")
        return (yield from file.batches(wanted, words, sample))
    finally:
        file.close()


def _parquet(kind: str, path: str, sample: Stretches) -> Generator[Chunk, None, int]:
    try:
        before = os.stat(path)
        lazy = pl.scan_parquet(path, glob=False)
        wanted, words = _wanted(KINDS[kind], lazy.collect_schema().names(), path, "the schema")
        total = int(lazy.select(pl.len()).collect().item())
        for stretch, row, end in sample.rows(total):
            part = lazy.slice(row, end - row).select(*words, *wanted)
            for frame in part.collect_batches(chunk_size=_BATCH, maintain_order=True):
                yield Chunk(row + 1, stretch, frame)
                row += frame.height
        after = os.stat(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TableError(f"{path}: cannot be read as parquet: {clean(said)}") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TableError(f"{path}: changed while it was read; profile a copy of it")
    return total


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
