"""Scored rows as CSV, JSON lines or Parquet, written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Protocol

from proctop import outfile, parquet
from proctop.offline.figures import FLAG, SCORE, cells
from proctop.offline.scored import Row
from proctop.sources.events import CONTEXT

FORMATS = ("csv", "json", "parquet")

_TYPES = {
    FLAG: "bool",
    "pid": "int64",
    "wall_time_ms": "int64",
    **dict.fromkeys(("comm", "user", "container_id", "container_image"), "string"),
}


class Sink(Protocol):
    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


@contextmanager
def opened(path: str, format: str, features: Sequence[str], *, flags: bool) -> Iterator[Sink]:
    """What takes rows and writes them to ``path`` (:func:`proctop.outfile.opened`). Raises ``Unwritable``."""
    names = [*CONTEXT, *features, SCORE, *([FLAG] if flags else [])]
    if format == "parquet":
        parquet.modules()
    with outfile.opened(path) as file:
        sink = _SINKS[format](file, names)
        yield sink
        sink.close()


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
        self._table = parquet.Parquet(file, {name: _TYPES.get(name, "float64") for name in names})

    def write(self, row: Row) -> None:
        self._table.row(cells(row))

    def close(self) -> None:
        self._table.close()


_SINKS: dict[str, Callable[[IO[bytes], Sequence[str]], Sink]] = {"csv": _Csv, "json": _Json, "parquet": _Parquet}
