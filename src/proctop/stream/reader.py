"""Reads a recording, a pipe or a growing file, however damaged or hostile.

Bounds hold by construction: what a frame may store, what it may decompress to, what a segment may hold in all
(:mod:`proctop.stream.frames`), rows, words and reasons (where they are decoded). A damaged frame ends its segment; the
search for the next one looks at each byte a bounded number of times.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, cast

from proctop.records import Label, Reading, Scores
from proctop.stream import Damaged, FormatError, StreamError, frames
from proctop.stream.codec import Decoder, Header
from proctop.stream.frames import FrameHead, Kind

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionReader

_CHUNK = 1 << 18
_POLL = 0.2  # seconds between looks at a growing file
_SEARCHED = 1 << 28  # bytes of false segment starts that are checked before a file is given up


@dataclass(frozen=True, slots=True)
class Record:
    """One reading and, where it was recorded with scores, what was seen then."""

    reading: Reading
    seen: Scores | None


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
        return bool(self.segments or self.skipped or self.dropped)

    def __str__(self) -> str:
        """One line, "" for none."""
        parts = []
        if self.segments or self.skipped:
            parts.append(f"{self.segments} damaged segments, {self.skipped} bytes skipped")
        if self.dropped:
            parts.append(f"{self.dropped} readings out of order")
        if self.torn:
            parts.append("ends within a reading")
        return "; ".join(parts)


class Reader:
    """Iterates over the records of a file, or of standard input for ``"-"``.

    ``follow`` waits at the end for more, until ``close`` (from any thread). Raises StreamError where the file cannot be
    opened, FormatError where it is no recording of this major version or holds no segment.
    """

    def __init__(self, path: str, *, follow: bool = False) -> None:
        self.name = "standard input" if path == "-" else path
        self.damage = Damage()
        self.follow = follow
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held while the descriptor is used
        self._buffer = bytearray()
        self._given_up = 0
        self._header: Header | None = None
        self._decoder: Decoder | None = None
        self._feed = _Feed()
        self._zstd: ZstdDecompressionReader | None = None
        self._readings = self._plain = 0
        self._labels: tuple[Label, ...] = ()
        self._last: tuple[str, float] | None = None
        try:
            self._fd = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise StreamError(f"{self.name}: {(error.strerror or str(error)).lower()}") from error
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def header(self) -> Header:
        """Of the segment being read."""
        if self._header is None:
            raise FormatError(f"{self.name}: a recording without a whole segment")
        return self._header

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        record = self.read()
        if record is None:
            raise StopIteration
        return record

    def close(self) -> None:
        """End a ``read`` that waits, from any thread; no more come."""
        self._closed.set()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def read(self) -> Record | None:
        """The next record, None at the end."""
        with self._lock:
            return None if self._closed.is_set() else self._next()

    def _next(self) -> Record | None:
        while True:
            head = self._frame_head()
            if head is None:
                return None
            body = self._body(head)
            if body is None:
                self._skip()
            elif head.kind == Kind.SEGMENT:
                self._begin_segment(head, body)
            elif head.kind == Kind.READING:
                record = self._decoded(head, body)
                if record is not None:
                    return record
            else:
                self._drop(frames.FRAME.size + head.stored)

    def seek(self, wall: float) -> None:
        """Go on with the last segment that began at ``wall`` or before (seconds since the epoch). Regular files only."""
        if not self._regular:
            return
        place = None
        at, end = 0, os.fstat(self._fd).st_size
        keep = len(frames.SYNC) + frames.FRAME.size
        while at < end:
            chunk = os.pread(self._fd, _CHUNK, at)
            if not chunk:
                break
            found = chunk.find(frames.SYNC)
            while found >= 0:
                start = at + found - frames.FRAME.size
                if start >= 0 and (began := self._began(start)) is not None and (began <= wall or place is None):
                    place = start
                found = chunk.find(frames.SYNC, found + 1)
            at += max(1, len(chunk) - keep)
        if place is not None:
            os.lseek(self._fd, place, os.SEEK_SET)
            self._buffer.clear()
            self._end_segment()

    def _began(self, start: int) -> float | None:
        """The wall clock at the start of the segment whose frame begins at ``start``; None where none does."""
        data = os.pread(self._fd, frames.FRAME.size + frames.LARGEST_HEADER, start)
        head = FrameHead.parse(data)
        body = data[frames.FRAME.size : frames.FRAME.size + head.stored]
        if head.kind != Kind.SEGMENT or not head.possible() or not head.fits(body) or len(body) < frames.SEGMENT.size:
            return None
        _, wall, _ = frames.SEGMENT.unpack_from(body)
        return float(wall)

    def _begin(self) -> None:
        """Check the preamble and find the first segment."""
        self._need(frames.PREAMBLE.size)
        if not self._buffer:
            raise FormatError(f"{self.name}: empty")
        if frames.check_version(bytes(self._buffer[: frames.PREAMBLE.size]), self.name):
            self._drop(frames.PREAMBLE.size)
        else:
            self._need(frames.PREAMBLE.size + frames.FRAME.size + len(frames.SYNC))
            if self._buffer[frames.PREAMBLE.size + frames.FRAME.size :][: len(frames.SYNC)] != frames.SYNC:
                raise FormatError(f"{self.name}: not a proctop recording")
            self._drop(frames.PREAMBLE.size)  # a segment follows: only the preamble is damaged
            self.damage.skipped += frames.PREAMBLE.size
        while self._header is None and (head := self._frame_head()) is not None:
            body = self._body(head)
            if body is not None and head.kind == Kind.SEGMENT:
                self._begin_segment(head, body)
            else:
                self._skip()

    def _begin_segment(self, head: FrameHead, body: bytes) -> None:
        import zstandard

        self._end_segment()
        try:
            if head.plain > frames.LARGEST_HEADER or len(body) < frames.SEGMENT.size:
                raise Damaged("a header is out of range")
            reader = zstandard.ZstdDecompressor(max_window_size=frames.WINDOW).stream_reader(body[frames.SEGMENT.size :])
            header = Header.from_json(reader.read(head.plain))
        except (Damaged, zstandard.ZstdError):
            self._skip()
            return
        self._header = header
        self._decoder = Decoder(header, self._labels)
        self._feed = _Feed()
        self._zstd = zstandard.ZstdDecompressor(max_window_size=frames.WINDOW).stream_reader(cast("IO[bytes]", self._feed))
        self._drop(frames.FRAME.size + head.stored)

    def _end_segment(self) -> None:
        if self._decoder is not None:
            self._labels = tuple(self._decoder.labels)
        self._decoder = self._zstd = None
        self._readings = self._plain = 0

    def _decoded(self, head: FrameHead, body: bytes) -> Record | None:
        """The record of a frame; None where the frame is damaged, or its time is not after the last."""
        import zstandard

        if self._decoder is None or self._zstd is None:
            self._skip()
            return None
        self._readings += 1
        self._plain += head.plain
        try:
            if self._readings > frames.MOST_READINGS or self._plain > frames.LARGEST_SEGMENT:
                raise Damaged("a segment is too large")
            self._feed.data = body
            plain = self._zstd.read(head.plain)
            if len(plain) != head.plain:
                raise Damaged("a reading is too short")
            reading, seen = self._decoder.decode(plain)
        except (Damaged, zstandard.ZstdError):
            self._skip()
            return None
        self._drop(frames.FRAME.size + head.stored)
        now = (reading.info.boot_id, reading.mono)
        if self._last is not None and now[0] == self._last[0] and now[1] <= self._last[1]:
            self.damage.dropped += 1
            return None
        self._last = now
        return Record(reading, seen)

    def _skip(self) -> None:
        """Something here is damaged: give up the segment and go on at the next."""
        if self._decoder is not None or self._header is None:
            self.damage.segments += 1
        self._end_segment()
        size = frames.FRAME.size
        self._pass(1)
        while True:
            found = self._buffer.find(frames.SYNC, size) if self._given_up < _SEARCHED else -1
            if found >= 0:
                self._pass(found - size)
                return
            self._pass(max(0, len(self._buffer) - size - len(frames.SYNC)))
            if not self._need(len(self._buffer) + 1):
                self._pass(len(self._buffer))
                return

    def _frame_head(self) -> FrameHead | None:
        """The head of the frame at hand; None at the end."""
        if not self._need(frames.FRAME.size):
            if self._buffer:
                self.damage.torn = True
            return None
        return FrameHead.parse(self._buffer)

    def _body(self, head: FrameHead) -> bytes | None:
        """What a frame stores; None where its checksum or lengths are wrong."""
        if not head.possible():
            return None
        size = frames.FRAME.size
        if not self._need(size + head.stored):
            return None
        body = bytes(self._buffer[size : size + head.stored])
        if not head.fits(body):
            self._given_up += head.stored
            return None
        return body

    def _drop(self, size: int) -> None:
        del self._buffer[:size]

    def _pass(self, size: int) -> None:
        self._drop(size)
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
        while not self._closed.is_set():
            try:
                if not self._regular and not select.select([self._fd], [], [], _POLL)[0]:
                    continue
                data = os.read(self._fd, _CHUNK)
            except OSError as error:
                raise StreamError(f"{self.name}: {(error.strerror or str(error)).lower()}") from error
            if data or not (self.follow and self._regular):
                return data
            self._closed.wait(_POLL)
        return b""


class _Feed:
    """What the zstd stream reads from: the bytes of one frame at a time."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, size: int) -> bytes:
        part, self.data = self.data[:size], self.data[size:]
        return part
