"""Frames and readings to bytes. Pure: what becomes of the bytes (a file, a pipe, memory) is the caller's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from proctop import __version__, fields
from proctop.features import GAP
from proctop.fields import FEATURE
from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import Damaged, WriteFailed, frames
from proctop.stream.codec import MOST_CELLS, MOST_PROCESSES, Encoder
from proctop.stream.frames import Kind
from proctop.stream.header import Header
from proctop.stream.seen import Seen
from proctop.stream.summary import Tally

LEVEL = 6
"""Of zstd. Most of what is left to it is noise: from 3 to 6 it takes 5 % off for 0.15 µs a row, and from 6 to 12 2 % for another 1 µs."""
_IDLE = FEATURE["idle_s"]


@dataclass(frozen=True, slots=True)
class Packed:
    """What one reading adds to the stream.

    Attributes:
        data: whole frames, to be written at once.
        begins: a segment begins with them; the summary of the one before, if it was open, comes first.
    """

    data: bytes
    begins: bool


class Packer:
    """Packs one reading after the other, in segments of :data:`proctop.stream.frames.READINGS`.

    ``redact`` takes the secrets out of command lines and container tags; None leaves them in. ``level`` is that of zstd.
    """

    def __init__(self, redact: Callable[[str], str] | None, level: int = LEVEL) -> None:
        self._redact = redact
        self._level = level
        self._open: _Segment | None = None

    def pack(self, what: Frame | Reading) -> Packed:
        """A reading, with what was seen of it where it comes in a frame.

        Raises WriteFailed for one that no reader would take (100,000 processes); the next begins a segment.
        """
        if isinstance(what, Frame):
            gone = what.departed
            ranks = gone.rank if gone is not None and not np.isnan(gone.rank).all() else None
            reading = what.reading
            seen = Seen(what.scores, what.warming, what.alerts, what.batch.values[_IDLE], ranks, what.vitals, what.groups)
        else:
            reading, seen = what, None
        data = b""
        begins = self._open is None or not self._open.takes(reading)
        if begins:
            data = self.finish()
            names = tuple(counter.name for counter in fields.COUNTERS)
            self._open = _Segment(
                Header(reading.info, names, f"proctop {__version__}", self._redact is not None), self._redact, self._level
            )
            data += self._open.begin(reading)
        segment = self._open
        assert segment is not None
        self._open = None  # unless all goes well
        data += segment.add(reading, seen)
        self._open = segment
        return Packed(data, begins)

    def finish(self) -> bytes:
        """End the open segment: its summary, empty where none is open. The next reading begins a segment."""
        segment, self._open = self._open, None
        return b"" if segment is None else segment.tally.summary().to_bytes()

    def restart(self) -> None:
        """Forget the open segment, as what was packed last did not get through."""
        self._open = None


class _Segment:
    """The segment being written."""

    def __init__(self, header: Header, redact: Callable[[str], str] | None, level: int) -> None:
        import zstandard

        self.header = header
        self.tally = Tally()
        self._encoder = Encoder(redact)
        self._zstd = zstandard.ZstdCompressor(level=level).compressobj()
        self._readings = self._plain = 0
        self._mono = float("inf")

    def takes(self, reading: Reading) -> bool:
        """Whether it has room for it, is of the same host, and no gap lies between: what a segment holds is evenly spaced."""
        room = self._readings < frames.READINGS and self._plain < frames.LARGEST_SEGMENT // 2
        return room and reading.info == self.header.info and reading.mono - self._mono <= GAP * reading.interval

    def begin(self, reading: Reading) -> bytes:
        """The frame that begins it."""
        import zstandard

        header = self.header.to_json()
        body = frames.SEGMENT.pack(frames.SYNC, reading.wall, reading.mono) + zstandard.ZstdCompressor(level=LEVEL).compress(header)
        return frames.frame(Kind.SEGMENT, len(header), body)

    def add(self, reading: Reading, seen: Seen | None) -> bytes:
        """The frame of one reading."""
        import zstandard

        size = max(len(reading), len(reading.exits))
        try:
            plain = self._encoder.encode(reading, seen) if size <= min(MOST_PROCESSES, MOST_CELLS // len(fields.COUNTERS)) else b""
        except Damaged as error:
            raise WriteFailed(f"a reading that could not be read again: {error}") from error
        if not 0 < len(plain) <= frames.LARGEST_READING:
            raise WriteFailed(f"a reading of {size} processes is too large")
        body = self._zstd.compress(plain) + self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._readings += 1
        self._plain += len(plain)
        self._mono = reading.mono
        self.tally.add(reading, seen)
        return frames.frame(Kind.READING, len(plain), body)
