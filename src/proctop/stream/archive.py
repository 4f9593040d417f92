"""Random access to a recording: any segment, any reading of it, as much decoded as was asked for and kept while there is room.

A file, a directory of files and the memory of a running session are all volumes with segments in them. Nothing is searched or decoded
ahead of need, so weeks of files open as fast as a minute.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from proctop.records import Label
from proctop.stream import Damaged, frames
from proctop.stream.folder import Folder
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.reader import SegmentDecoder
from proctop.stream.seen import Record
from proctop.stream.summary import Summary
from proctop.stream.tape import Damage
from proctop.stream.volume import FileVolume, Place, Volume

BUDGET = 64 << 20
"""Bytes of decoded readings that are kept, and two readings whatever their size."""

_HEAD = frames.FRAME.size
_CHUNK = 1 << 16
_TAIL = 1 << 14  # bytes before the end of a segment in which its summary is looked for
_MORE = 16 << 10  # bytes of a decoded reading beside its arrays, about
_NEVER = float("-inf")


class Segment(NamedTuple):
    """Up to an hour of readings in a row, most often 60 of them."""

    volume: Volume
    place: Place

    @property
    def wall(self) -> float:
        """The wall clock of its first reading, seconds."""
        return self.place.wall


class Archive:
    """The segments of volumes that follow each other. For one thread; the volumes may grow meanwhile.

    Where volumes overlap in time, the later one begins where the one before it ends. Methods raise StreamError where a file cannot be read.

    Args:
        volumes: by the time they begin; closed with the archive.
        folder: where more of them may appear.
    """

    def __init__(self, volumes: Sequence[Volume], *, folder: Folder | None = None, budget: int = BUDGET) -> None:
        self._folder = folder
        self._budget = budget
        self._decoded: OrderedDict[Segment, _Decoded] = OrderedDict()
        self._damage: dict[Segment, tuple[int, int]] = {}  # bytes skipped, readings out of order
        self._passed: dict[Volume, int] = {}  # bytes before its first segment
        self._labels: Sequence[Label] = ()
        self._shelve(volumes)

    @classmethod
    def open(cls, path: str) -> Archive:
        """A file, or the directory that files were recorded into. Raises StreamError."""
        if os.path.isdir(path):
            folder = Folder(path)
            return cls(folder.volumes, folder=folder)
        return cls([FileVolume(path)])

    def close(self) -> None:
        self._decoded.clear()
        for volume in self._volumes:
            volume.close()

    @property
    def remark(self) -> str:
        """What was left out, in one line; "" = nothing."""
        return "" if self._folder is None else self._folder.remark

    @property
    def damage(self) -> Damage:
        """What could not be read of the segments that were looked at."""
        found = [*self._damage.values(), *((passed, 0) for passed in self._passed.values())]
        return Damage(sum(skipped > 0 for skipped, _ in found), sum(s for s, _ in found), sum(dropped for _, dropped in found))

    def refresh(self) -> bool:
        """Look for files that came or went; whether there were any. What a file grew by is seen without."""
        if self._folder is None or not self._folder.refresh():
            return False
        self._shelve(self._folder.volumes)
        return True

    # segments

    def first(self) -> Segment | None:
        return self._enter(0)

    def last(self) -> Segment | None:
        return self._leave(len(self._volumes) - 1)

    def after(self, segment: Segment) -> Segment | None:
        i = self._index.get(segment.volume)
        if i is None:
            return self.first()  # only the oldest are deleted
        place = segment.volume.after(segment.place.at)
        return self._enter(i + 1) if place is None else Segment(segment.volume, place)

    def before(self, segment: Segment) -> Segment | None:
        i = self._index.get(segment.volume)
        if i is None:
            return None
        place = segment.volume.before(segment.place.at)
        return self._leave(i - 1) if place is None or place.wall <= self._floor[i] else Segment(segment.volume, place)

    def at(self, wall: float) -> Segment | None:
        """The last that began at ``wall`` or before."""
        for i in reversed(range(len(self._volumes))):
            if self._floor[i] < wall:
                place = self._volumes[i].at(wall)
                if place is not None and place.wall > self._floor[i]:
                    return Segment(self._volumes[i], place)
        return None

    def summary(self, segment: Segment) -> Summary | None:
        """As it was written; None where its writer was killed or goes on, or knew of no summaries."""
        volume, (at, *_) = segment
        behind = volume.after(at)
        end = volume.size() if behind is None else behind.at
        low = max(at, end - _TAIL)
        tail = volume.read(low, end - low)
        found = tail.rfind(frames.SUMMARY) - _HEAD
        if found < 0:
            return None
        head = FrameHead.parse(tail[found:])
        body = tail[found + _HEAD : found + _HEAD + head.stored]
        if head.kind != Kind.SUMMARY or len(body) < head.stored or not head.possible() or not head.fits(body):
            return None
        try:
            return Summary.from_bytes(body)
        except Damaged:
            return None

    # readings

    def get(self, segment: Segment, k: int) -> Record | None:
        """Reading ``k`` of a segment, from 0; None where it has fewer, so far."""
        decoded = self._decoded.get(segment)
        if decoded is None:
            decoded = self._decoded[segment] = _Decoded(segment, self._labels)
        self._decoded.move_to_end(segment)
        record = decoded.get(k, self._budget // 2)
        known = self._damage.get(segment, (0, 0))
        if (decoded.broken and not known[0]) or decoded.dropped > known[1]:
            behind = segment.volume.after(segment.place.at)
            end = segment.volume.size() if behind is None else behind.at
            self._damage[segment] = max(1, end - decoded.at) if decoded.broken else 0, decoded.dropped
        self._labels = decoded.labels
        while len(self._decoded) > 1 and sum(one.size for one in self._decoded.values()) > self._budget:
            self._decoded.popitem(last=False)
        return record

    def peek(self, segment: Segment, k: int) -> Record | None:
        """As :meth:`get`, only where that reading is decoded already."""
        decoded = self._decoded.get(segment)
        return None if decoded is None else decoded.held(k)

    def records(self, start: Segment | None = None, more: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """All readings in order, from segment ``start`` on. At the end ``more`` is asked whether to look for what has come meanwhile."""
        segment, k = start or self.first(), 0
        while True:
            while segment is not None:
                while (record := self.get(segment, k)) is not None:
                    yield record
                    k += 1
                after = self.after(segment)
                if after is None:
                    break
                segment, k = after, 0
            if not more():
                return
            self.refresh()
            segment = segment or self.first()

    def length(self, segment: Segment) -> int:
        """How many readings it has, so far."""
        self.get(segment, frames.MOST_READINGS)
        return self._decoded[segment].count

    # volumes

    def _shelve(self, volumes: Sequence[Volume]) -> None:
        self._volumes: list[Volume] = []
        self._floor: list[float] = []  # of each volume: what began by then was in those before it
        floor = _NEVER
        for volume in volumes:
            if len(volumes) > 1:
                last = volume.last()
                if last is None or last.wall <= floor:
                    continue
                self._floor.append(floor)
                summary = self.summary(Segment(volume, last))
                floor = last.wall if summary is None else summary.last
            else:
                self._floor.append(floor)
            self._volumes.append(volume)
        self._index = {volume: i for i, volume in enumerate(self._volumes)}
        for segment in [segment for segment in self._decoded if segment.volume not in self._index]:
            del self._decoded[segment]

    def _enter(self, i: int) -> Segment | None:
        """The first segment of volume ``i`` or a later one."""
        for volume, floor in zip(self._volumes[i:], self._floor[i:], strict=True):
            place = volume.first()
            self._passed[volume] = volume.passed()
            if place is not None and place.wall <= floor:
                under = volume.at(floor)
                place = None if under is None else volume.after(under.at)
            if place is not None:
                return Segment(volume, place)
        return None

    def _leave(self, i: int) -> Segment | None:
        """The last segment of volume ``i`` or an earlier one."""
        for volume in reversed(self._volumes[: i + 1]):
            place = volume.last()
            if place is not None:
                return Segment(volume, place)
        return None


class _Decoded:
    """A segment, decoded as far as was asked for. Holds its latest readings, as many as there is room for.

    Attributes:
        count: readings decoded so far; size: bytes held, about.
        at: the byte behind what was decoded; broken: what is there is damaged. dropped: readings whose time is not after the one before.
    """

    def __init__(self, segment: Segment, known: Sequence[Label]) -> None:
        self.labels = known
        self._segment = segment
        self._begin()

    def _begin(self) -> None:
        self.count = self.size = self.dropped = 0
        self.at = self._segment.place.at
        self.broken = self._ended = False
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
            if found is None or (found[0].kind == Kind.SEGMENT and self._decoder is not None):
                return False
            self._take(*found)
        except (Damaged, ZstdError):
            self.broken = self._ended = True
            return False
        self.at += _HEAD + found[0].stored
        return True

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
        if len(data) < _HEAD:
            return None
        head = FrameHead.parse(data)
        if not head.possible():
            raise Damaged("a frame is too large")
        body = self._read(self.at + _HEAD, head.stored)
        if len(body) < head.stored:
            if self._segment.volume.after(self._segment.place.at) is not None:
                raise Damaged("a frame is not whole")
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
    size = record.reading.counters.nbytes + 24 * n + _MORE + 64 * len(record.reading.cgroups)
    if threads is not None:
        size += threads.counters.nbytes + 100 * threads.tid.size
    return size + (16 * n + 1000 * len(record.seen.scores.why) if record.seen is not None else 0)
