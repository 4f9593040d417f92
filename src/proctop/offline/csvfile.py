"""A CSV or TSV in pieces: what is held is one piece, however large the file, and a row that does not fit is named.

Pieces end between rows. A newline within quotes ends no row, so a piece ends behind the last newline before which quotes pair up.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
import polars as pl

from proctop.offline.cells import MISSING
from proctop.offline.plan import CLOCK, TableError
from proctop.sanitize import clean
from proctop.settings import nearest

_PIECE = 1 << 24  # bytes
_LONGEST = 1 << 26  # bytes of quotes that stay open
_NEWLINE = ord("\n")
_SEPARATORS = ",\t;|"
_QUOTED = re.compile(rb'"[^"]*"')
_BLANK = re.compile(rb"(?<=\n)[ \t]*\r?\n")
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
        first = _begun(next(self._pieces(), b""))
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

    def frames(self, numbers: Sequence[str], words: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        """The columns asked for, piece by piece, each with the number of its first row (from 1).

        ``numbers`` are float64 where all cells of the piece are numbers or missing, else text, as ``words`` are.
        """
        at = {str(self.columns.index(name)): name for name in (*words, *numbers)}
        texts: dict[str, type[pl.DataType]] = {str(place): pl.String for place in range(len(self.columns))}
        typed = texts | {place: pl.Float64 for place, name in at.items() if name in numbers}
        self._file.seek(0)
        row = 1
        for k, piece in enumerate(self._pieces()):
            rows = self._checked(_without_header(piece) if k == 0 else piece, row)
            if not rows:
                continue
            try:
                frame = self._read(rows, list(at), typed)
            except pl.exceptions.ComputeError:
                frame = self._read(rows, list(at), texts)
            yield row, frame.rename(at)
            row += frame.height
        self.unchanged()
        if row == 1:
            self._fail("no rows after the header")

    def _read(self, rows: bytes, columns: list[str], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        lazy = pl.scan_csv(
            rows, has_header=False, separator=self._separator, schema=schema, null_values=list(MISSING), encoding="utf8-lossy"
        )
        return lazy.select(columns).collect()

    def _checked(self, piece: bytes, row: int) -> bytes:
        """The piece without blank lines; every row of it has as many cells as the header."""
        quoted = b'"' in piece
        if not quoted and (b"\n\n" in piece or b"\n\r\n" in piece or piece[:1] in (b"\n", b"\r")):
            piece = _BLANK.sub(b"", b"\n" + piece)[1:]
        if not piece or piece.isspace():
            return b""
        bare = _QUOTED.sub(b"", piece) if quoted else piece
        held = np.frombuffer(bare, np.uint8)  # counts what comes often faster than bytes do
        lines = np.count_nonzero(held == _NEWLINE) + (not bare.endswith(b"\n"))
        if b'"' in bare or np.count_nonzero(held == ord(self._separator)) != lines * (len(self.columns) - 1):
            self._even(piece, row)
        return piece

    def _even(self, piece: bytes, row: int) -> None:
        width = len(self.columns)
        try:
            for cells in self._rows(piece):
                if len(cells) != width:
                    self._uneven(cells, row)
                row += 1
        except csv.Error as error:
            self._fail(f"row {row}: {error}; the file may be cut off inside quotes")

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
        return filter(None, csv.reader(text, delimiter=self._separator, strict=True))

    def _pieces(self) -> Iterator[bytes]:
        held = b""
        while data := self._take():
            held += data
            cut = held.rfind(b"\n") + 1
            while cut and held.count(b'"', 0, cut) % 2:
                cut = held.rfind(b"\n", 0, cut - 1) + 1
            if cut:
                yield held[:cut]
                held = held[cut:]
            elif len(held) > _LONGEST:
                self._fail("a row longer than 64 MB; is this a table, and are its quotes closed?")
        if held:
            yield held

    def _take(self) -> bytes:
        try:
            return self._file.read(_PIECE)
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
