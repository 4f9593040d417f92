"""A session in a file for other programs: ``proctop export``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import IO, Protocol

import numpy as np

from proctop import outfile
from proctop.export import lines
from proctop.export.events import ResourceEvents
from proctop.export.rows import ParquetRows
from proctop.frames import Frame
from proctop.records import Bools
from proctop.view.query import Query
from proctop.view.rows import Arranger, ViewState

FORMATS = ("json", "csv", "parquet", "resource-events")


class Empty(Exception):
    """There is nothing to export."""


@dataclass(slots=True)
class Written:
    """How many readings and rows of processes were written, and what there is to say about them."""

    readings: int = 0
    rows: int = 0
    remarks: list[str] = field(default_factory=list)


class _Sink(Protocol):
    def write(self, frame: Frame) -> None: ...

    def close(self, written: Written) -> None: ...


def export(frames: Iterable[Frame], path: str, format: str, query: Query | None = None) -> Written:
    """Write ``frames`` to ``path`` (:func:`proctop.outfile.opened`), as one of :data:`FORMATS`; processes that match ``query``.

    Streams. Raises ``Unwritable``; :class:`Empty` where there is no frame, and then no file is made.
    """
    written = Written()
    with outfile.opened(path) as file:
        sink = _SINKS[format](file, query)
        for frame in frames:
            sink.write(frame)
            written.readings += 1
        if not written.readings:
            raise Empty
        sink.close(written)
    return written


class _Text:
    """What batch mode prints: JSON with an object a reading, or CSV."""

    def __init__(self, file: IO[bytes], query: Query | None, *, csv: bool) -> None:
        self._file, self._csv = file, csv
        self._state = ViewState(query=query, kernel=True)
        self._arranger = Arranger()
        self._rows = 0
        if csv:
            file.write(lines.csv_header().encode())

    def write(self, frame: Frame) -> None:
        rows = self._arranger.arrange(replace(frame, departed=None), self._state)  # who ended is no process
        self._rows += lines.chosen(rows).size
        text = lines.as_csv(frame, rows, guard=True) if self._csv else lines.as_json(frame, rows) + "\n"
        self._file.write(text.encode())

    def close(self, written: Written) -> None:
        written.rows = self._rows


class _Events:
    def __init__(self, file: IO[bytes], query: Query | None) -> None:
        self._file, self._query = file, query
        self._events = ResourceEvents()
        file.write(self._events.header().encode())

    def write(self, frame: Frame) -> None:
        self._file.write(self._events.lines(frame, lambda rows: _matching(rows, self._query)).encode())

    def close(self, written: Written) -> None:
        written.rows = self._events.rows
        written.remarks.append(self._events.remark())


class _Parquet:
    def __init__(self, file: IO[bytes], query: Query | None) -> None:
        self._query = query
        self._rows = ParquetRows(file)

    def write(self, frame: Frame) -> None:
        self._rows.write(frame, _matching(frame, self._query))

    def close(self, written: Written) -> None:
        self._rows.close()
        written.rows = self._rows.rows


def _matching(frame: Frame, query: Query | None) -> Bools:
    return query.mask(frame) if query is not None else np.ones(len(frame.batch), np.bool_)


_SINKS: dict[str, Callable[[IO[bytes], Query | None], _Sink]] = {
    "json": lambda file, query: _Text(file, query, csv=False),
    "csv": lambda file, query: _Text(file, query, csv=True),
    "parquet": _Parquet,
    "resource-events": _Events,
}
