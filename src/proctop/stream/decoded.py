"""A segment of a recording being decoded: as far as was asked for, and no further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proctop.records import Label
from proctop.stream import Damaged, frames
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.reader import SegmentDecoder
from proctop.stream.seen import Record
from proctop.stream.volume import Place, Volume

_HEAD = frames.FRAME.size
_CHUNK = 1 << 16
_MORE = 16 << 10  # bytes of a decoded reading beside its arrays, about
_OPEN = 3 << 20  # bytes of a segment that can be decoded further: the window of zstd at the level that is written, and ours


class Segment(NamedTuple):
    """Up to an hour of readings in a row, most often 60 of them."""

    volume: Volume
    place: Place

    @property
    def wall(self) -> float:
        """The wall clock of its first reading, seconds."""
        return self.place.wall


class Decoded:
    """A segment, decoded as far as was asked for. Holds its latest readings, as many as there is room for.

    Attributes:
        count: readings decoded so far; size: bytes held, about.
        at: the byte behind what was decoded; broken: what is there is damaged; torn: it is less than a frame, as a killed writer
            leaves it, or one that is writing now. dropped: readings whose time is not after the one before.
    """

    def __init__(self, segment: Segment, known: Sequence[Label]) -> None:
        self.labels = known
        self._segment = segment
        self._begin()

    def _begin(self) -> None:
        self.count = self.dropped = 0
        self.size = _OPEN
        self.at = self._segment.place.at
        self.broken = self.torn = self._ended = False
        self._records: list[Record] = []  # the last of them
        self._decoder: SegmentDecoder | None = None
        self._window = b""
        self._window_at = 0

    def held(self, k: int) -> Record | None:
        i = k - (self.count - len(self._records))
        return self._records[i] if 0 <= i < len(self._records) else None

    def get(self, k: int, room: int) -> Record | None:
        if k < self.count - len(self._records):
            self._begin()
        while self.count <= k and self._more():
            while self.size > room and len(self._records) > 2:
                self.size -= _size(self._records.pop(0))
        return self.held(k)

    def _more(self) -> bool:
        """Decode a frame; False at the end."""
        from zstandard import ZstdError

        if self._ended:
            return False
        try:
            found = self._frame()
            if found is None:
                return False
            if found[0].kind == Kind.SEGMENT and self._decoder is not None:
                self._end()
                return False
            self._take(*found)
        except (Damaged, ZstdError):
            self.broken = True
            self._end()
            return False
        self.at += _HEAD + found[0].stored
        return True

    def _end(self) -> None:
        """There is nothing more to decode."""
        self._ended = True
        self._decoder, self._window = None, b""
        self.size -= _OPEN - _MORE

    def _take(self, head: FrameHead, body: bytes) -> None:
        if self._decoder is None:
            self._decoder = SegmentDecoder(head, body, self.labels)
        elif head.kind == Kind.READING:
            record = self._decoder.decode(head, body)
            self.labels = record.reading.labels
            if self._records and record.reading.mono <= self._records[-1].reading.mono:
                self.dropped += 1
                return
            self._records.append(record)
            self.count += 1
            self.size += _size(record)

    def _frame(self) -> tuple[FrameHead, bytes] | None:
        """The frame at hand; None where it is not whole, at the end of what there is."""
        data = self._read(self.at, _HEAD)
        self.torn = 0 < len(data) < _HEAD
        if len(data) < _HEAD:
            return None
        head = FrameHead.parse(data)
        if not head.possible():
            raise Damaged("a frame is too large")
        body = self._read(self.at + _HEAD, head.stored)
        if len(body) < head.stored:
            if self._segment.volume.after(self._segment.place.at) is not None:
                raise Damaged("a frame is not whole")
            self.torn = True
            return None
        if not head.fits(body):
            raise Damaged("a checksum is wrong")
        return head, body

    def _read(self, at: int, size: int) -> bytes:
        start = at - self._window_at
        if not (start >= 0 and start + size <= len(self._window)):
            self._window = self._segment.volume.read(at, max(size, _CHUNK))
            self._window_at, start = at, 0
        return self._window[start : start + size]


def _size(record: Record) -> int:
    """Bytes that a decoded reading takes, about."""
    n, threads = len(record.reading), record.reading.threads
    size = record.reading.counters.nbytes + 24 * n + _MORE + 64 * len(record.reading.cgroups) + 300 * len(record.reading.exits)
    if record.reading.ended is not None:
        size += record.reading.ended.nbytes
    if threads is not None:
        size += threads.counters.nbytes + 100 * threads.tid.size
    if record.seen is not None:
        size += 16 * n + 1000 * len(record.seen.scores.why)
        size += sum(30 * len(groups.keys) + 1000 * len(groups.why) for groups in record.seen.groups.values())
        size += 40 * len(record.seen.vitals.names) if record.seen.vitals is not None else 0
    return size
