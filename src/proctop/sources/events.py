"""An events table: a CSV with a header, one row per process and interval, as event collectors export it.

Its 25 columns are :data:`COLUMNS`; only the ones that are asked for must be there, in any order, among any others. Streams: one row at a
time, so a file may be larger than memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, NoReturn, TextIO

from proctop.sanitize import clean

COLUMNS: tuple[str, ...] = (
    "pid", "comm", "uid", "gid", "ppid", "user_pid", "user_ppid", "cgroup_id", "cgroup_name", "user",
    "cpu_ns", "user_faults", "kernel_faults", "vm_mmap_bytes", "vm_munmap_bytes", "vm_brk_grow_bytes", "vm_brk_shrink_bytes",
    "bytes_written", "bytes_read", "isActive", "wall_time_dt", "wall_time_ms", "container_id", "container_image", "container_labels_json",
)  # fmt: skip
FEATURES: tuple[str, ...] = COLUMNS[COLUMNS.index("cpu_ns") : COLUMNS.index("isActive")]
"""What a process did in the interval: nine of them."""

CONTEXT: tuple[str, ...] = ("pid", "comm", "user", "container_id", "container_image", "wall_time_ms")
"""Which process, and when."""

_NUMBERS = ("pid", "wall_time_ms")
_MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None",
     "n/a", "nan", "null")
)  # fmt: skip  # what pandas.read_csv takes for no value
_LARGEST = 2**64  # counters have 64 bits
_LONGEST = 1 << 24  # characters of a cell
_DELIMITERS = (";", "\t", "|")
_SHORT = 256

_cleaned = lru_cache(4096)(clean)  # the same few names come in every interval

Value = int | float | str | None


class EventsError(ValueError):
    """What is wrong with the file, in one line that names row and column."""


def _open(path: str) -> TextIO:
    try:
        return open(path, encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise EventsError(f"{path}: {error.strerror}") from None


class Event(NamedTuple):
    """One row: the values of :data:`CONTEXT` (None = missing), and of the features that were asked for (0 = missing)."""

    context: tuple[Value, ...]
    features: dict[str, float]


class Events:
    """The rows of a file, once. ``columns`` is its header, ``row`` the number of rows read so far.

    Raises :class:`EventsError`.
    """

    def __init__(self, path: str, features: Sequence[str] = FEATURES) -> None:
        self.path, self.row = path, 0
        self._file = _open(path)
        csv.field_size_limit(_LONGEST)
        self._lines = csv.reader(self._file, strict=True)
        header = self._next()
        if header is None:
            self._fail("empty; an events table begins with a line that names its columns")
        self.columns = [clean(name.strip()) for name in header]
        self._header = ",".join(header)
        self._features = [(name, self._place(name)) for name in features]
        self._context = [(name, self._place(name)) for name in CONTEXT]

    def __iter__(self) -> Iterator[Event]:
        width = len(self.columns)
        while (cells := self._next()) is not None:
            self.row += 1
            if len(cells) != width:
                self._uneven(len(cells))
            yield Event(
                tuple([self._said(name, cells[at]) for name, at in self._context]),
                {name: self._number(name, cells[at]) for name, at in self._features},
            )

    def _next(self) -> list[str] | None:
        """The cells of the next line that has any, None at the end."""
        try:
            return next(filter(None, self._lines), None)
        except csv.Error as error:
            self.row += 1
            self._fail(f"{self._where()}: {error}; the file may be cut off inside quotes")
        except OSError as error:
            self._fail(f"{error.strerror}")

    def _place(self, name: str) -> int:
        count = self.columns.count(name)
        if count == 1:
            return self.columns.index(name)
        if count:
            self._fail(f'the header (line 1): {count} columns are named "{name}"')
        for other in _DELIMITERS:
            if name in [part.strip() for part in self._header.split(other)]:
                self._fail(f"the header (line 1): columns are separated by {other!r}; they must be by commas")
        self._fail(f'the header (line 1): no column "{name}"')

    def _said(self, name: str, text: str) -> Value:
        if text in _MISSING:
            return None
        if name in _NUMBERS:
            return self._number(name, text)
        return _cleaned(text) if len(text) <= _SHORT else clean(text)

    def _number(self, name: str, text: str) -> float:
        try:
            return int(text) if text.isdecimal() and len(text) < 20 and text.isascii() else self._real(text)
        except ValueError as error:
            self._fail(f'{self._where()}, column {name}: "{clean(text[:40])}" is {error}')

    def _real(self, text: str) -> float:
        text = text.strip()
        if text in _MISSING:
            return 0
        try:
            value = float("_" if "_" in text else text)
        except ValueError:
            raise ValueError("no number") from None
        if not abs(value) <= _LARGEST:
            raise ValueError("no number of 64 bits")
        return value

    def _uneven(self, count: int) -> NoReturn:
        last = self.columns[min(count, len(self.columns)) - 1]
        cut = "; the file may be cut off" if count < len(self.columns) and self._lines_left() is None else ""
        self._fail(f"{self._where()}: {count} cells for {len(self.columns)} columns, the last one for {last}{cut}")

    def _lines_left(self) -> list[str] | None:
        try:
            return next(self._lines, None)
        except csv.Error:
            return []

    def _where(self) -> str:
        return f"row {self.row} (line {self._lines.line_num})"

    def _fail(self, said: str) -> NoReturn:
        self.close()
        raise EventsError(f"{self.path}: {said}")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
