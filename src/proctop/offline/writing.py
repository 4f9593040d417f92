"""Scored rows as CSV, JSON lines or Parquet, written as they come."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol

from proctop.offline.figures import FLAG, SCORE, cells
from proctop.offline.scored import Row
from proctop.sources.events import CONTEXT

FORMATS = ("csv", "json", "parquet")

_GROUP = 1 << 16  # rows of a Parquet row group
_TEXTS = ("comm", "user", "container_id", "container_image")


class Unwritable(Exception):
    """Why rows cannot be written, in one line."""


class Sink(Protocol):
    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


@contextmanager
def opened(path: str, format: str, features: Sequence[str], *, flags: bool) -> Iterator[Sink]:
    """What takes rows and writes them to ``path``, ``"-"`` = standard output.

    A file appears when all of it is written: after an error there is what was there before. Raises :class:`Unwritable`.
    """
    names = [*CONTEXT, *features, SCORE, *([FLAG] if flags else [])]
    if format == "parquet":
        _pyarrow()
    try:
        with _place(path) as file:
            sink = _SINKS[format](file, names)
            yield sink
            sink.close()
            file.flush()
    except BrokenPipeError:  # the reader has what it wants
        raise
    except OSError as error:
        raise Unwritable(f"{path}: {error.strerror or error}") from None


@contextmanager
def _place(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdout.buffer
    elif os.path.exists(path) and not os.path.isfile(path):  # a pipe, a device
        with open(path, "wb") as file:
            yield file
    else:
        target = os.path.realpath(path)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(target), prefix=f".{os.path.basename(target)}.", delete=False) as file:
            try:
                yield file
                file.close()
                os.replace(file.name, target)
            except BaseException:
                os.unlink(file.name)
                raise


class _Csv:
    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._file = file
        self._line: list[str] = []
        self._writer = csv.writer(self, lineterminator="\n")
        self._writer.writerow(names)

    def write(self, row: Row | str) -> None:
        """A row; or, from the csv module, a line of it."""
        if isinstance(row, str):
            self._file.write(row.encode())
        else:
            self._writer.writerow(cells(row))

    def close(self) -> None:
        """Nothing is held back."""


class _Json:
    """One object a line."""

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._file, self._names = file, names

    def write(self, row: Row) -> None:
        record = dict(zip(self._names, cells(row), strict=True))
        self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


class _Parquet:
    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._arrow, parquet = _pyarrow()
        types = {FLAG: self._arrow.bool_(), "pid": self._arrow.int64(), "wall_time_ms": self._arrow.int64()}
        types.update(dict.fromkeys(_TEXTS, self._arrow.string()))
        self._schema = self._arrow.schema([(name, types.get(name, self._arrow.float64())) for name in names])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Row) -> None:
        self._rows.append(dict(zip(self._schema.names, cells(row), strict=True)))
        if len(self._rows) == _GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


_SINKS: dict[str, Callable[[IO[bytes], Sequence[str]], Sink]] = {"csv": _Csv, "json": _Json, "parquet": _Parquet}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Unwritable("parquet needs pyarrow: pip install 'proctop[parquet]', or --format csv") from None
    return pyarrow, parquet
