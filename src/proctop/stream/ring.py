"""The last hours in memory, as a recording holds them; and a recording on disk that is nobody's file."""

from __future__ import annotations

import os
import tempfile
import threading
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import WriteFailed, frames
from proctop.stream.packer import Packer
from proctop.stream.volume import FileVolume, Place

BUDGET = 32 << 20
"""Bytes that a :class:`Ring` holds at most."""

_QUICK = 1  # level of zstd: what is kept beside every live view costs it as little as can be


class _Part(NamedTuple):
    place: Place
    data: bytearray


class Ring:
    """What was seen, packed into memory; the oldest segments make room. One thread writes, any number read it as a volume.

    Secrets stay in it as on the screen: it goes nowhere.
    """

    name = "memory"

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._packer = Packer(None, _QUICK)
        self._parts: list[_Part] = []
        self._held = self._end = 0
        self._lock = threading.Lock()

    def write(self, what: Frame | Reading) -> None:
        """A reading that no recording could hold (100,000 processes) is left out."""
        reading = what.reading if isinstance(what, Frame) else what
        try:
            packed = self._packer.pack(what)
        except WriteFailed:
            return
        before, data = 0, packed.data
        if packed.begins:
            before = data.index(frames.SYNC) - frames.FRAME.size
        with self._lock:
            if before and self._parts:
                self._parts[-1].data.extend(data[:before])
            if packed.begins:
                place = Place(self._end + before, reading.wall, reading.mono)
                self._parts.append(_Part(place, bytearray()))
            self._parts[-1].data.extend(data[before:])
            self._end += len(data)
            self._held += len(data)
            while self._held > self._budget and len(self._parts) > 1:
                self._held -= len(self._parts.pop(0).data)

    def first(self) -> Place | None:
        with self._lock:
            return self._parts[0].place if self._parts else None

    def last(self) -> Place | None:
        with self._lock:
            return self._parts[-1].place if self._parts else None

    def after(self, at: int) -> Place | None:
        with self._lock:
            i = bisect_right(self._parts, at, key=_at)
            return self._parts[i].place if i < len(self._parts) else None

    def before(self, at: int) -> Place | None:
        with self._lock:
            i = bisect_left(self._parts, at, key=_at)
            return self._parts[i - 1].place if i else None

    def at(self, wall: float) -> Place | None:
        with self._lock:
            return next((part.place for part in reversed(self._parts) if part.place.wall <= wall), None)

    def read(self, at: int, size: int) -> bytes:
        with self._lock:
            i = bisect_right(self._parts, at, key=_at)
            if not i:
                return b""
            part = self._parts[i - 1]
            start = at - part.place.at
            return bytes(part.data[start : start + size])

    def size(self) -> int:
        return self._end

    def passed(self) -> int:
        return 0

    def close(self) -> None:
        """A reader lets go of it; it stays."""


def _at(part: _Part) -> int:
    return part.place.at


class Scratch:
    """A recording in a file without a name, which ends with the program. Secrets stay in it, as they are in what it is made from.

    Raises WriteFailed where ``folder`` takes no more.
    """

    def __init__(self, folder: str) -> None:
        self._packer = Packer(None)
        self._fd = -1
        try:
            self._fd, path = tempfile.mkstemp(dir=folder)
            os.unlink(path)
        except OSError as error:
            self.close()
            raise WriteFailed(f"{folder}: no temporary file: {(error.strerror or str(error)).lower()}") from error
        self._append(frames.preamble())

    def write(self, what: Frame | Reading) -> None:
        self._append(self._packer.pack(what).data)

    def finish(self) -> None:
        """Nothing more comes."""
        self._append(self._packer.finish())

    def volume(self, name: str) -> FileVolume:
        """What was written, to be read under this name while it grows."""
        return FileVolume(name, fd=os.dup(self._fd))

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise WriteFailed(f"temporary file: {(error.strerror or str(error)).lower()}") from error
