"""Random access to a recording: any segment, any reading of it, as much decoded as was asked for and kept while there is room.

A file, a directory of files and the memory of a running session are all volumes with segments in them. Nothing is searched or decoded
ahead of need, so weeks of files open as fast as a minute.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from proctop.records import Label
from proctop.stream import Damaged, frames
from proctop.stream.decoded import Decoded, Segment
from proctop.stream.folder import Folder
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.seen import Record
from proctop.stream.summary import Summary
from proctop.stream.tape import Damage
from proctop.stream.volume import FileVolume, Volume

BUDGET = 64 << 20
"""Bytes of decoded readings that are kept, and two readings whatever their size."""

_HEAD = frames.FRAME.size
_TAIL = 1 << 14  # bytes before the end of a segment in which its summary is looked for
_NEVER = float("-inf")


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
        self._decoded: OrderedDict[Segment, Decoded] = OrderedDict()
        self._held = 0  # bytes of those
        self._damage: dict[Segment, tuple[int, int]] = {}  # bytes skipped, readings out of order
        self._torn: set[Segment] = set()
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
        skipped = [skipped for skipped, _ in found if skipped]
        return Damage(len(skipped), sum(skipped), sum(dropped for _, dropped in found), bool(self._torn))

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
            decoded = self._decoded[segment] = Decoded(segment, self._labels)
            self._held += decoded.size
        self._decoded.move_to_end(segment)
        self._held -= decoded.size
        record = decoded.get(k, self._budget // 2)
        self._held += decoded.size
        known = self._damage.get(segment, (0, 0))
        if (decoded.broken and not known[0]) or decoded.dropped > known[1]:
            behind = segment.volume.after(segment.place.at)
            end = segment.volume.size() if behind is None else behind.at
            self._damage[segment] = max(1, end - decoded.at) if decoded.broken else 0, decoded.dropped
        if record is None:
            (self._torn.add if decoded.torn else self._torn.discard)(segment)
        self._labels = decoded.labels
        while len(self._decoded) > 1 and self._held > self._budget:
            self._held -= self._decoded.popitem(last=False)[1].size
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
            self._held -= self._decoded.pop(segment).size

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
