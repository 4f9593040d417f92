"""Where the segments of a recording lie: found as they are needed, without reading what lies between.

A day of 500 processes is 100 MB and more. Its first segment, its last, the one of a moment and the neighbours of any take a few reads each.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from proctop.stream import FormatError, StreamError, frames
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.header import LATEST

_CHUNK = 1 << 17
_SEARCHED = 1 << 28  # bytes of false segment starts that are checked before a file is given up
_HEAD = frames.FRAME.size
_FIRST = 2048  # bytes that most headers fit into
_REMEMBERED = 4096


class Place(NamedTuple):
    """Where a segment begins: the byte, and the clocks of its first reading in seconds."""

    at: int
    wall: float
    mono: float


class Volume(Protocol):
    """Bytes with segments in them. Methods raise StreamError where they cannot be read."""

    name: str

    def first(self) -> Place | None: ...

    def last(self) -> Place | None: ...

    def after(self, at: int) -> Place | None:
        """The first segment that begins behind byte ``at``."""
        ...

    def before(self, at: int) -> Place | None: ...

    def at(self, wall: float) -> Place | None:
        """The last segment that began at ``wall`` seconds or before."""
        ...

    def read(self, at: int, size: int) -> bytes:
        """Fewer bytes at the end, none where they are no longer there."""
        ...

    def size(self) -> int:
        """The byte behind the last."""
        ...

    def passed(self) -> int:
        """Bytes before the first segment that should not be there."""
        ...

    def close(self) -> None: ...


def preamble(data: bytes, name: str) -> int:
    """Bytes before the first frame of a recording that begins with ``data`` (23 bytes and more of it); 0 = of the usual ones, damaged.

    Raises FormatError where it is no recording, or of a newer major version.
    """
    if not data:
        raise FormatError(f"{name}: empty")
    size = frames.PREAMBLE.size
    if frames.check_version(data, name):
        return size
    if not data.startswith(frames.SYNC, size + _HEAD):
        raise FormatError(f"{name}: not a proctop recording")
    return 0


class FileVolume:
    """A file, which may grow. Only one that is ``held`` stays open between reads; of the others there may be many.

    ``fd`` is a file that is open already; it is closed with the volume.
    """

    def __init__(self, path: str, *, held: bool = True, fd: int = -1) -> None:
        self.name = path
        self._fd = fd
        self._places: OrderedDict[int, Place | None] = OrderedDict()
        self._checked = 0
        self._start = frames.PREAMBLE.size
        if fd < 0:
            try:
                self._look(held)
            except OSError as error:
                raise StreamError(f"{path}: {(error.strerror or str(error)).lower()}") from error

    def first(self) -> Place | None:
        return self._forward(0)

    def last(self) -> Place | None:
        return self._backward(self.size())

    def after(self, at: int) -> Place | None:
        return self._forward(at + 1)

    def before(self, at: int) -> Place | None:
        return self._backward(at)

    def at(self, wall: float) -> Place | None:
        low = self.first()
        if low is None or low.wall > wall:
            return None
        high = self.size()
        while high - low.at > 2 * _CHUNK:
            middle = (low.at + high) // 2
            place = self._forward(middle, high)
            if place is None or place.wall > wall:
                high = middle
            else:
                low = place
        while (place := self.after(low.at)) is not None and place.wall <= wall:
            low = place
        return low

    def read(self, at: int, size: int) -> bytes:
        try:
            with self._opened() as fd:
                return os.pread(fd, size, at)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StreamError(f"{self.name}: {(error.strerror or str(error)).lower()}") from error

    def size(self) -> int:
        try:
            with self._opened() as fd:
                return os.fstat(fd).st_size
        except OSError:
            return 0

    def passed(self) -> int:
        first = self.first()
        return 0 if first is None else first.at - self._start

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _look(self, held: bool) -> None:
        """See that it is a recording."""
        with self._opened() as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise StreamError(f"{self.name}: not a regular file")
            self._start = preamble(os.pread(fd, frames.PREAMBLE.size + _HEAD + len(frames.SYNC), 0), self.name)
            if held:
                self._fd = os.dup(fd)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        if self._fd >= 0:
            yield self._fd
            return
        fd = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            yield fd
        finally:
            os.close(fd)

    def _forward(self, start: int, end: int | None = None) -> Place | None:
        """The first segment that begins from byte ``start`` on, and before ``end``."""
        at = start + _HEAD
        while end is None or at < end + _HEAD:
            chunk = self.read(at, _CHUNK)
            found = chunk.find(frames.SYNC)
            while found >= 0:
                place = self._place(at + found - _HEAD)
                if place is not None:
                    return place if end is None or place.at < end else None
                found = chunk.find(frames.SYNC, found + 1)
            if len(chunk) < _CHUNK:
                return None
            at += len(chunk) - len(frames.SYNC) + 1
        return None

    def _backward(self, end: int) -> Place | None:
        """The last segment that begins before byte ``end``."""
        more = len(frames.SYNC) - 1
        high = end + _HEAD + more
        while high > _HEAD:
            low = max(_HEAD, high - _CHUNK)
            chunk = self.read(low, high - low)
            found = chunk.rfind(frames.SYNC)
            while found >= 0:
                place = self._place(low + found - _HEAD)
                if place is not None:
                    return place
                found = chunk.rfind(frames.SYNC, 0, found + more)
            if low == _HEAD:
                return None
            high = low + more
        return None

    def _place(self, start: int) -> Place | None:
        """The segment whose frame is said to begin at byte ``start``; None where there is none."""
        if start in self._places:
            self._places.move_to_end(start)
            return self._places[start]
        if self._checked >= _SEARCHED:
            return None
        data = self.read(start, _FIRST)
        if len(data) < _HEAD + frames.SEGMENT.size:
            return None  # for now: the file may grow
        head = FrameHead.parse(data)
        size = _HEAD + head.stored
        place = None
        if head.kind == Kind.SEGMENT and head.possible() and head.stored >= frames.SEGMENT.size:
            body = (data if size <= len(data) else self.read(start, size))[_HEAD:size]
            if len(body) < head.stored:
                return None
            if head.fits(body):
                _, wall, mono = frames.SEGMENT.unpack_from(body)
                place = Place(start, wall, mono) if 0 <= wall < LATEST and abs(mono) < LATEST else None
            else:
                self._checked += head.stored
        self._places[start] = place
        if len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
        return place
