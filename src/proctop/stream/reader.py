"""Reads a recording, a pipe or a growing file, however damaged or hostile.

Bounds hold by construction: what a frame may store, what it may decompress to, what a segment may hold in all
(:mod:`proctop.stream.frames`), rows, words and reasons (where they are decoded). A damaged frame ends its segment; the
search for the next one (:mod:`proctop.stream.tape`) looks at each byte a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import IO, Self, cast

from proctop.records import Label
from proctop.stream import Damaged, FormatError, frames
from proctop.stream.codec import Decoder
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.header import Header
from proctop.stream.seen import Record
from proctop.stream.tape import Damage, Tape


class Reader:
    """Iterates over the records of a file, or of standard input for ``"-"``.

    ``follow`` waits at the end for more, until ``close`` (from any thread). With ``feed`` the bytes come from there, empty at the end,
    and ``path`` is only the name; what it raises passes through, and ``read`` may be called again. Raises StreamError where the file
    cannot be opened or read, FormatError where it is no recording of this major version or holds no segment.
    """

    def __init__(self, path: str, *, follow: bool = False, feed: Callable[[], bytes] | None = None) -> None:
        self._tape = Tape(path, follow, feed)
        self._header: Header | None = None
        self._segment: SegmentDecoder | None = None
        self._labels: Sequence[Label] = ()
        self._last: tuple[str, float] | None = None
        self._ahead = self._next()  # tells what the header is

    @property
    def header(self) -> Header:
        """Of the segment being read."""
        if self._header is None:
            raise FormatError(f"{self._tape.name}: a recording without a whole segment")
        return self._header

    @property
    def damage(self) -> Damage:
        """What could not be read so far."""
        return self._tape.damage

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Record]:
        return iter(self.read, None)

    def close(self) -> None:
        """End a ``read`` that waits, from any thread; no more come."""
        self._tape.close()

    def read(self) -> Record | None:
        """The next record, None at the end."""
        record, self._ahead = self._ahead, None
        return record if record is not None else self._next()

    def seek(self, wall: float) -> None:
        """Go on with the last segment that began at ``wall`` (seconds since the epoch) or before. A pipe stays where it is."""
        if self._tape.seek(wall):
            self._segment = self._last = None
            self._ahead = self._next()

    def _next(self) -> Record | None:
        from zstandard import ZstdError

        while True:
            try:
                found = self._tape.frame()
                if found is None:
                    return None
                record = self._take(*found)
            except (Damaged, ZstdError):
                self.damage.segments += self._segment is not None
                self._segment = None
                self._tape.resync()
            else:
                self._tape.advance()
                if record is not None:
                    return record

    def _take(self, head: FrameHead, body: bytes) -> Record | None:
        """The record of a frame; None where it holds none, or its time is not after the last."""
        if head.kind == Kind.SEGMENT:
            self._segment = SegmentDecoder(head, body, self._labels)
            self._header = self._segment.header
        if head.kind != Kind.READING:
            return None
        if self._segment is None:
            raise Damaged("a reading without a segment")
        record = self._segment.decode(head, body)
        reading = record.reading
        self._labels = reading.labels
        boot, mono = reading.info.boot_id, reading.mono
        if self._last is not None and boot == self._last[0] and mono <= self._last[1]:
            self.damage.dropped += 1
            return None
        self._last = boot, mono
        return record


class SegmentDecoder:
    """A segment being decoded, from the frame that begins it on. Raises Damaged or ZstdError."""

    def __init__(self, head: FrameHead, body: bytes, known: Sequence[Label]) -> None:
        from zstandard import ZstdDecompressor

        if len(body) < frames.SEGMENT.size:
            raise Damaged("a segment without a header")
        zstd = ZstdDecompressor(max_window_size=frames.WINDOW)
        self.header = Header.from_json(zstd.stream_reader(body[frames.SEGMENT.size :]).read(head.plain))
        self._decoder = Decoder(self.header, known)
        self._feed = _Feed()
        self._stream = zstd.stream_reader(cast("IO[bytes]", self._feed))
        self._readings = self._plain = 0

    def decode(self, head: FrameHead, body: bytes) -> Record:
        self._readings += 1
        self._plain += head.plain
        if self._readings > frames.MOST_READINGS or self._plain > frames.LARGEST_SEGMENT:
            raise Damaged("a segment is too large")
        self._feed.data = body
        plain = self._stream.read(head.plain)
        if len(plain) != head.plain:
            raise Damaged("a reading is too short")
        return self._decoder.decode(plain)


class _Feed:
    """What the zstd stream reads from: the bytes of one frame at a time."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, size: int) -> bytes:
        part, self.data = self.data[:size], self.data[size:]
        return part
