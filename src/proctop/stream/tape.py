"""Frames out of bytes: a file, a growing file or a pipe, and the way past what is damaged."""

from __future__ import annotations

import os
import select
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass

from proctop.stream import Damaged, StreamError, frames
from proctop.stream.frames import FrameHead
from proctop.stream.volume import FileVolume, preamble

_CHUNK = 1 << 18
_POLL = 0.2  # seconds between looks at a growing file, or at whether to stop
_SEARCHED = 1 << 28  # bytes of false segment starts that are checked before a file is given up
_HEAD = frames.FRAME.size


@dataclass(slots=True)
class Damage:
    """What could not be read.

    Attributes:
        segments: segments that ended early, with their readings from there on.
        skipped: bytes passed over.
        dropped: readings left out because their time is not after the one before.
        torn: the file ends within a reading, as a killed writer leaves it.
    """

    segments: int = 0
    skipped: int = 0
    dropped: int = 0
    torn: bool = False

    def __bool__(self) -> bool:
        return bool(self.segments or self.skipped or self.dropped or self.torn)

    def __str__(self) -> str:
        """One line, "" for none."""
        parts = []
        if self.segments or self.skipped:
            parts.append(f"damaged segments: {self.segments}, bytes skipped: {self.skipped}")
        if self.dropped:
            parts.append(f"readings out of order: {self.dropped}")
        if self.torn:
            parts.append("ends within a reading")
        return "; ".join(parts)


class Tape:
    """The frames of a file, or of standard input for ``"-"``, one at a time.

    ``frame`` looks at the one at hand, ``advance`` goes past it when it was of use, ``resync`` when it was not.
    ``follow`` waits at the end of a file for more, until ``close`` (from any thread). ``feed`` gives the next bytes, empty at
    the end, in the place of a file; what it raises may be met by another call. Then ``path`` is only the name.
    """

    def __init__(self, path: str, follow: bool, feed: Callable[[], bytes] | None = None) -> None:
        self.name = "standard input" if path == "-" else path
        self.damage = Damage()
        self._follow = follow
        self._feed = feed
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held while the descriptor is used
        self._buffer = bytearray()
        self._at_hand = 0
        self._checked = 0
        self._fd, self._regular = -1, False
        if feed is None:
            try:
                self._fd = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise self._failed(error) from error
            self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
        try:
            self._begin()
        except StreamError:
            self.close()
            raise

    def frame(self) -> tuple[FrameHead, bytes] | None:
        """The head of the frame at hand and what it stores; None at the end. Raises Damaged."""
        self._at_hand = 0
        if self._closed.is_set():
            return None
        if not self._need(_HEAD):
            self.damage.torn |= bool(self._buffer) and not self._closed.is_set()
            return None
        head = FrameHead.parse(self._buffer)
        if not head.possible():
            raise Damaged("a frame is too large")
        if not self._need(_HEAD + head.stored):
            if self._buffer.find(frames.SYNC, _HEAD) < 0:
                self.damage.torn = not self._closed.is_set()
                return None
            raise Damaged("a frame is not whole")
        body = bytes(self._buffer[_HEAD : _HEAD + head.stored])
        if not head.fits(body):
            self._checked += head.stored
            raise Damaged("a checksum is wrong")
        self._at_hand = _HEAD + head.stored
        return head, body

    def advance(self) -> None:
        del self._buffer[: self._at_hand]

    def resync(self) -> None:
        """Pass over the frame at hand and all that follows, up to what looks like a segment."""
        self._pass(1)
        while True:
            found = self._buffer.find(frames.SYNC, _HEAD) if self._checked < _SEARCHED else -1
            if found >= 0:
                self._pass(found - _HEAD)
                return
            self._pass(max(0, len(self._buffer) - _HEAD - len(frames.SYNC)))
            if not self._need(len(self._buffer) + 1):
                self._pass(len(self._buffer))
                return

    def seek(self, wall: float) -> bool:
        """Go to the last segment that began at ``wall`` (seconds since the epoch) or before, else the first; False in a pipe."""
        if not self._regular:
            return False
        volume = FileVolume(self.name, fd=os.dup(self._fd))
        place = volume.at(wall) or volume.first()
        volume.close()
        if place is not None:
            os.lseek(self._fd, place.at, os.SEEK_SET)
            self._buffer.clear()
        return place is not None

    def close(self) -> None:
        """End a ``frame`` that waits, from any thread; no more come."""
        self._closed.set()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _begin(self) -> None:
        """Check the preamble, or see that only the preamble is damaged."""
        size = frames.PREAMBLE.size
        self._need(size)
        if not self._buffer.startswith(frames.MAGIC):
            self._need(size + _HEAD + len(frames.SYNC))
        if not preamble(bytes(self._buffer[: size + _HEAD + len(frames.SYNC)]), self.name):
            self.damage.skipped += size
        del self._buffer[:size]

    def _pass(self, size: int) -> None:
        del self._buffer[:size]
        self.damage.skipped += size

    def _need(self, size: int) -> bool:
        """Whether the buffer holds ``size`` bytes, after reading what it takes."""
        while len(self._buffer) < size:
            data = self._more()
            if not data:
                return False
            self._buffer += data
        return True

    def _more(self) -> bytes:
        """The next bytes; empty at the end, or once closed."""
        if self._feed is not None:
            return self._feed()
        while not self._closed.is_set():
            with self._lock:
                try:
                    ready = self._regular or (self._fd >= 0 and select.select([self._fd], [], [], _POLL)[0])
                    data = os.read(self._fd, _CHUNK) if ready else b""
                except OSError as error:
                    if self._closed.is_set():
                        return b""
                    raise self._failed(error) from error
            if data or (ready and not (self._follow and self._regular)):
                return data
            if ready:
                self._closed.wait(_POLL)
        return b""

    def _failed(self, error: OSError) -> StreamError:
        return StreamError(f"{self.name}: {(error.strerror or str(error)).lower()}")
