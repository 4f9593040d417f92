"""A recording, a directory of them, or a pipe that carries one, as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from proctop.records import HostInfo, Reading
from proctop.sources import Wants
from proctop.stream.archive import Archive
from proctop.stream.folder import header
from proctop.stream.header import Header
from proctop.stream.reader import Reader
from proctop.stream.seen import Record, Seen
from proctop.stream.tape import Damage


class Tape(Protocol):
    """What records come from."""

    @property
    def header(self) -> Header: ...

    @property
    def damage(self) -> Damage: ...

    def seek(self, wall: float) -> None: ...

    def __iter__(self) -> Iterator[Record]: ...

    def close(self) -> None: ...


class ReplaySource:
    """Readings of a recording, ``"-"`` = standard input, as they were.

    Args:
        begin, end: wall clock, seconds since the epoch; readings outside are left out.
        lead: with it, so many seconds before ``begin`` are given as well, and some more: for what must know what came before.

    Attributes:
        seen: what was recorded as seen with the last reading, if anything.
        damage: what could not be read so far.
        remark: what a directory holds beside that, in one line; "" = nothing.
    """

    name = "replay"

    def __init__(self, path: str, begin: float | None = None, end: float | None = None, *, lead: float | None = None) -> None:
        folder = _Folder(path) if os.path.isdir(path) else None
        self._tape: Tape = folder or Reader(path)
        self.remark = folder.remark if folder is not None else ""
        self.begin, self.end = begin, end
        self.seen: Seen | None = None
        self.wants = Wants()
        start = begin if begin is None or lead is None else begin - lead
        if start is not None and start > 0:
            self._tape.seek(start)
        self._from = start if lead is None else None
        self.info: HostInfo = self._tape.header.info
        self._records = iter(self._tape)

    @property
    def damage(self) -> Damage:
        return self._tape.damage

    @property
    def header(self) -> Header:
        """What the segment being read says of itself."""
        return self._tape.header

    def read(self, late: float = 0.0) -> Reading | None:
        """The next reading, None at the end. Its own lateness stands; ``late`` is of no meaning here."""
        for record in self._records:
            reading = record.reading
            if self.end is not None and reading.wall > self.end:
                return None
            if self._from is None or reading.wall >= self._from:
                self.info, self.seen = reading.info, record.seen
                return reading
        return None

    def close(self) -> None:
        self._tape.close()


class _Folder:
    """A directory of recordings."""

    def __init__(self, path: str) -> None:
        self._archive = Archive.open(path)
        self._start = self._archive.first()
        assert self._start is not None  # else it would not have opened
        self.header = header(self._start.volume, self._start.place.at)
        self.remark = self._archive.remark

    @property
    def damage(self) -> Damage:
        return self._archive.damage

    def seek(self, wall: float) -> None:
        self._start = self._archive.at(wall) or self._start

    def __iter__(self) -> Iterator[Record]:
        return self._archive.records(self._start)

    def close(self) -> None:
        self._archive.close()
