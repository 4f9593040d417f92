"""A CSV or TSV in pieces: what is held is one piece, however large the file, and a row that does not fit is named.

Pieces end between rows. A newline within quotes ends no row, so a piece ends behind the last newline before which quotes pair up.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

import numpy as np
import polars as pl

from proctop.offline.cells import MISSING
from proctop.offline.plan import CLOCK, TableError
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Chunk
from proctop.sanitize import clean
from proctop.settings import nearest

_PIECE = 1 << 21  # bytes: larger ones cost more, as memory is new each time
_LEAST = 1 << 8
_AHEAD = 2  # pieces that are read while another is used
_LONGEST = 1 << 26  # bytes of quotes that stay open
_NEWLINE = ord("\n")
_SEPARATORS = ",\t;|"
_QUOTED = re.compile(rb'"[^"]*"')
_BOM = b"\xef\xbb\xbf"


class CsvFile:
    """A file and its header. ``columns``: the names in it. Raises TableError for whatever is wrong with the file."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115  # closed by close()
        except OSError as error:
            raise TableError(f"{path}: {error.strerror}") from None
        self._state = os.fstat(self._file.fileno())
        first = _begun(next(self._pieces(_PIECE), (0, b""))[1])
        if not first:
            self._fail("empty; a table begins with a line that names its columns")
        self._separator = self._sniff(first.split(b"\n", 1)[0].decode("utf-8", "replace"))
        self.columns = [clean(name.strip()) for name in next(self._rows(first[: _header(first)]))]

    def _sniff(self, line: str) -> str:
        """The separator under which the header has a time; else the one that there is most of."""
        for separator in _SEPARATORS:
            if CLOCK in [name.strip().strip('"') for name in line.split(separator)]:
                return separator
        names = [name.strip().strip('"') for name in re.split(r"[,;|\t]", line)]
        self._fail(f'the header (line 1): no column "{CLOCK}"{nearest(CLOCK, names)}')

    def batches(self, numbers: Sequence[str], words: Sequence[str], sample: Stretches) -> Generator[Chunk, None, int]:
        """The columns asked for, piece by piece; at the end the number of rows in the file.

        ``numbers`` are float64 where all cells of the piece are numbers or missing, else text, as ``words`` are. Of rows outside of
        the sample only the cells are counted.
        """
        at = {str(self.columns.index(name)): name for name in (*words, *numbers)}
        coming: deque[tuple[int, int, Future[pl.DataFrame]]] = deque()
        total = 0
        with ThreadPoolExecutor(_AHEAD) as others:  # a piece is read while the one before is taken apart
            for place, piece in self._pieces(max(min(_PIECE, self._state.st_size // (4 * sample.parts)), _LEAST)):
                count, rows = self._checked(_without_header(piece) if place == 0 else piece, total + 1)
                stretch = sample.at(place, self._state.st_size)
                if count and stretch >= 0:
                    coming.append((total + 1, stretch, others.submit(self._read, rows, at, frozenset(numbers))))
                total += count
                if len(coming) > _AHEAD:
                    first, stretch, frame = coming.popleft()
                    yield Chunk(first, stretch, frame.result())
            for first, stretch, frame in coming:
                yield Chunk(first, stretch, frame.result())
        self.unchanged()
        if not total:
            self._fail("no rows after the header")
        return total

    def _read(self, rows: bytes, at: dict[str, str], numbers: frozenset[str]) -> pl.DataFrame:
        """A piece by the quickest way that can read it: few know of other words for what is missing than none."""
        texts: dict[str, type[pl.DataType]] = {str(place): pl.String for place in range(len(self.columns))}
        typed = texts | {place: pl.Float64 for place, name in at.items() if name in numbers}
        for schema, missing in ((typed, None), (typed, list(MISSING)), (texts, None)):
            lazy = pl.scan_csv(
                rows, has_header=False, separator=self._separator, schema=schema, null_values=missing, encoding="utf8-lossy"
            ).select(list(at))
            with suppress(pl.exceptions.ComputeError):
                return lazy.collect().rename(at)
        self._fail("cannot be read as a table")

    def _checked(self, rows: bytes, first: int) -> tuple[int, bytes]:
        """How many rows there are, each with as many cells as the header, and they without blank lines."""
        bare = _QUOTED.sub(b"", rows) if b'"' in rows else rows
        held = np.frombuffer(bare, np.uint8)  # counts what comes often faster than bytes do
        count = int(np.count_nonzero(held == _NEWLINE)) + (bare[-1:] not in (b"\n", b""))
        if b'"' in bare or np.count_nonzero(held == ord(self._separator)) != count * (len(self.columns) - 1):
            return self._even(rows, first)
        return count, rows

    def _even(self, piece: bytes, row: int) -> tuple[int, bytes]:
        """Look at a piece row by row; how many there are, and they without the blank lines between."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=self._separator, lineterminator="\n")
        count = 0
        try:
            for cells in self._rows(piece):
                if len(cells) != len(self.columns):
                    self._uneven(cells, row + count)
                writer.writerow(cells)
                count += 1
        except csv.Error as error:
            self._fail(f"row {row + count}: {error}; the file may be cut off inside quotes")
        return count, out.getvalue().encode("utf-8", "replace")

    def _uneven(self, cells: list[str], row: int) -> None:
        width = len(self.columns)
        other = next((s for s in _SEPARATORS if s != self._separator and len(cells) == 1 and s in cells[0]), "")
        hint = f"; it is separated by {other!r}, the header by {self._separator!r}" if other else ""
        last = self.columns[min(len(cells), width) - 1]
        plural = "" if len(cells) == 1 else "s"
        self._fail(f"row {row}: {len(cells)} cell{plural} for {width} columns, the last one for {last}{hint}")

    def _rows(self, piece: bytes) -> Iterator[list[str]]:
        csv.field_size_limit(_LONGEST)
        text = io.StringIO(piece.decode("utf-8", "replace"), newline="")
        rows = csv.reader(text, delimiter=self._separator, strict=True)
        return (cells for cells in rows if len(cells) > 1 or (cells and cells[0].strip()))

    def _pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Where each begins, and it: some ``size`` bytes and no part of a row."""
        self._file.seek(0)
        held, place = b"", 0
        while data := self._take(size):
            held += data
            cut = held.rfind(b"\n") + 1
            while cut and held.count(b'"', 0, cut) % 2:
                cut = held.rfind(b"\n", 0, cut - 1) + 1
            if cut:
                yield place, held[:cut]
                held, place = held[cut:], place + cut
            elif len(held) > _LONGEST:
                self._fail("a row longer than 64 MB; is this a table, and are its quotes closed?")
        if held:
            yield place, held

    def _take(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            self._fail(str(error.strerror))

    def unchanged(self) -> None:
        """Raises TableError where the file is another than when it was opened."""
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._state.st_size, self._state.st_mtime_ns):
            self._fail("changed while it was read; profile a copy of it")

    def _fail(self, said: str) -> NoReturn:
        self.close()
        raise TableError(f"{self.path}: {said}")

    def close(self) -> None:
        self._file.close()


def _begun(piece: bytes) -> bytes:
    """The first piece from its header on."""
    return piece.removeprefix(_BOM).lstrip(b" \t\r\n") if piece else b""


def _without_header(piece: bytes) -> bytes:
    """The first piece from its first row on; a name in quotes may hold a newline."""
    piece = _begun(piece)
    return piece[_header(piece) :]


def _header(piece: bytes) -> int:
    """Where it ends, with its newline."""
    end = piece.find(b"\n") + 1
    while end and piece.count(b'"', 0, end) % 2:
        end = piece.find(b"\n", end) + 1
    return end or len(piece)
