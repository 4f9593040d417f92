"""What comes of a table: a parquet file of its scaled columns in the order of time, and windows in a file that can be mapped."""

from __future__ import annotations

import io
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from proctop import outfile
from proctop.offline.plan import CLOCK
from proctop.offline.tables import Table
from proctop.offline.windows import Windows
from proctop.outfile import Unwritable
from proctop.records import Floats32

ENTITY = "entity"
"""The column that holds the name of the disk, interface or command; "" where there is only the host."""

_BLOCK = 1 << 16  # rows
_BATCH = 1 << 24  # bytes of windows that are copied at once
_MARGIN = 1 << 24  # bytes of a disk that stay free
_BAR = 30


class Mapped:
    """Columns one after the other in a file without a name, that lasts as long as this. Raises Unwritable.

    Attributes:
        values: float32[n, k].
    """

    def __init__(self, columns: Iterable[Floats32], shape: tuple[int, int], folder: str) -> None:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                for column in columns:
                    file.write(column.data)
                file.flush()
                self._held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise Unwritable(f"{folder}: {error.strerror or error}") from None
        self.values: Floats32 = np.frombuffer(self._held, np.float32).reshape(shape, order="F")

    def forget(self) -> None:
        """Let go of the memory that was read into; what is wanted again is read again."""
        self._held.madvise(mmap.MADV_DONTNEED)


def write_table(path: str, table: Table, names: tuple[str, ...], scaled: Mapped) -> None:
    """Parquet: ``timestamp``, ``entity``, and a column for each name; rows by time. Raises Unwritable."""
    order = np.argsort(table.time, kind="stable")
    entities = pl.Series(table.entities, dtype=pl.Categorical)
    schema: dict[str, pl.DataType] = {CLOCK: pl.Datetime("us"), ENTITY: pl.Categorical(), **dict.fromkeys(names, pl.Float32())}

    def blocks(*asked: object) -> Iterator[pl.DataFrame]:
        for a in range(0, len(table), _BLOCK):
            rows = order[a : a + _BLOCK]
            columns = {name: pl.Series(scaled.values[:, k][rows]) for k, name in enumerate(names)}
            scaled.forget()
            time = pl.Series(table.time[rows]).cast(pl.Datetime("us"))
            yield pl.DataFrame({CLOCK: time, ENTITY: entities.gather(table.entity[rows]), **columns}, schema=schema)

    with outfile.opened(path) as file:
        try:
            register_io_source(blocks, schema=schema).sink_parquet(file, compression="zstd", row_group_size=_BLOCK)
        except pl.exceptions.ComputeError as error:  # has the words of the error of the file at its end
            raise Unwritable(f"{path}: {str(error).rpartition('] ')[2]}") from None


def write_windows(path: str, table: Table, names: tuple[str, ...], windows: Windows, said: TextIO) -> None:
    """Two files: ``path`` is float32[count, length, k] for ``numpy.load(path, mmap_mode="r")``; beside it, ``.npz``, what is what.

    That holds ``time`` (int64[count], µs, of the last row), ``entity`` (int32[count], index in ``entities``), ``entities``, ``features``
    and ``stride``. ``said`` is told the size before anything is written. Raises Unwritable.
    """
    count, length, width = windows.shape
    title = f"{table.kind}: {count:,} windows of {length} × {width}, {windows.nbytes / 1e6:,.0f} MB"
    free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
    if windows.nbytes + _MARGIN > free:
        raise Unwritable(
            f"{path}: {windows.nbytes / 1e6:,.0f} MB of windows, and {free / 1e6:,.0f} MB of the disk are free; try --stride {length}"
        )
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": windows.shape})
    bar, done = _Bar(said, title, count), 0
    with outfile.opened(path) as file:
        file.write(head.getvalue())
        for batch in windows.batches(max(_BATCH // (length * width * 4), 1)):
            file.write(np.ascontiguousarray(batch, "<f4").data)
            done += batch.shape[0]
            bar.at(done)
    lasts = windows.lasts()
    with outfile.opened(beside(path)) as file:
        np.savez(
            file,
            time=table.time[lasts],
            entity=table.entity[lasts],
            entities=np.array(table.entities),
            features=np.array(names),
            stride=np.array(windows.stride),
        )


def beside(path: str) -> str:
    """The file that tells what the windows of ``path`` are."""
    return os.path.splitext(path)[0] + ".npz"


class _Bar:
    """Progress on a terminal; elsewhere the title only."""

    def __init__(self, out: TextIO, title: str, count: int) -> None:
        self._out, self._title, self._count = out, title, count
        self._live = out.isatty()
        self._shown = -1
        if self._live:
            self.at(0)
        else:
            print(title, file=out)

    def at(self, done: int) -> None:
        part = int(_BAR * done / self._count) if self._count else _BAR
        if self._live and part != self._shown:
            self._shown = part
            end = "\n" if part == _BAR else ""
            print(f"\r{self._title} [{'#' * part}{' ' * (_BAR - part)}]", end=end, file=self._out, flush=True)
