"""The readings before a moment: what a frame shows of its past, put together from the recording instead of from the running session."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from proctop.departures import Ended, fading, fresh, gather
from proctop.engine import follows, unscored
from proctop.features import align, still
from proctop.frames import Departed, HostRates, Trail
from proctop.records import Floats32, HostCounters, Reading
from proctop.stream.archive import Archive
from proctop.stream.decoded import Segment
from proctop.stream.seen import Record
from proctop.vitals import host_rates

LENGTH = 120
"""Readings that a trail reaches back."""

BUDGET = 32 << 20
"""Bytes of glimpses that are kept."""

_READINGS = 8
"""Decoded in a slice."""

_RATES = 4 * LENGTH

_ENDED = 4 * LENGTH

Position = tuple[Segment, int]
"""A segment, and which of its readings, from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class _Glimpse:
    """What later readings need of one.

    Attributes:
        reading: its clocks and keys, without counters and labels.
        rank, idle: float32[n], the scores, and seconds without activity; top: the highest score, NaN = none.
    """

    reading: Reading
    rank: Floats32
    idle: Floats32
    top: float

    @property
    def size(self) -> int:
        return 24 * self.rank.size + 1000


class Retrace:
    """Follows readings of ``archive`` back in time.

    Attributes:
        wanting: the trail made last is shorter than it could be; :meth:`advance` decodes what is missing.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._glimpses: OrderedDict[Position, _Glimpse] = OrderedDict()
        self._held = 0
        self._lengths: OrderedDict[Segment, int] = OrderedDict()  # of segments that cannot grow
        self._rates: OrderedDict[Position, HostRates] = OrderedDict()
        self._ended: OrderedDict[Position, Ended | None] = OrderedDict()
        self._place: Position | None = None  # of the trail made last
        self._wanted: Position | None = None  # the next reading to decode for it
        self._tried: set[Segment] = set()

    @property
    def wanting(self) -> bool:
        return self._wanted is not None

    # neighbours

    def begin(self, segment: Segment | None) -> Position | None:
        """The first reading of ``segment`` or, where that is damaged, of the next one that has any."""
        while segment is not None:
            if self._archive.get(segment, 0) is not None:
                return segment, 0
            segment = self._archive.after(segment)
        return None

    def after(self, place: Position) -> Position | None:
        segment, k = place
        return (segment, k + 1) if self._archive.get(segment, k + 1) is not None else self.begin(self._archive.after(segment))

    def before(self, place: Position) -> Position | None:
        segment, k = place
        if k:
            return segment, k - 1
        while (earlier := self._archive.before(segment)) is not None:
            if count := self._length(earlier):
                return earlier, count - 1
            segment = earlier
        return None

    def _length(self, segment: Segment) -> int:
        """Of a segment that has one after it."""
        if segment not in self._lengths:
            self._lengths[segment] = self._archive.length(segment)
            if len(self._lengths) > LENGTH:
                self._lengths.popitem(last=False)
        return self._lengths[segment]

    # the past

    def idle(self, place: Position) -> Floats32 | None:
        """float32[n]: seconds without activity, the feature ``idle_s`` of a reading."""
        glimpse = self._glimpse(place)
        return None if glimpse is None else glimpse.idle

    def trail(self, place: Position, record: Record) -> Trail:
        """The scores of the last :data:`LENGTH` readings of a session, as far back as they are at hand."""
        if place != self._place:
            self._place = place
            self._tried.clear()
        self._wanted = None
        glimpse = self._glimpse(place) or _glimpse(record, None)
        n = glimpse.rank.size
        rows = np.arange(n)  # of each process, in the reading at hand; -1 = not born yet
        born = np.full(n, record.reading.seq, dtype=np.int64)
        ranks, host = [glimpse.rank], [glimpse.top]
        at: Position | None = place
        while len(ranks) < LENGTH and at is not None and (at := self._earlier(at)) is not None:
            then = self._glimpses[at]
            if not follows(then.reading, glimpse.reading):
                break
            missed = min(glimpse.reading.seq - then.reading.seq - 1, LENGTH)
            ranks += [np.full(n, np.nan, dtype=np.float32)] * missed
            host += [float("nan")] * missed
            where = align(then.reading, glimpse.reading)
            rows = np.where(rows >= 0, where.take(rows), -1) if where.size else rows
            alive = rows >= 0
            vector = np.full(n, np.nan, dtype=np.float32)
            vector[alive] = then.rank[rows[alive]]
            born[alive] = then.reading.seq
            ranks.append(vector)
            host.append(then.top)
            glimpse = then
        del ranks[LENGTH:], host[LENGTH:]
        return Trail(np.arange(n), born, tuple(reversed(ranks)), np.array(host[::-1], dtype=np.float32), record.reading.seq)

    def _earlier(self, place: Position) -> Position | None:
        """The reading before; None where there is none, or where it is wanted first."""
        before = self._held_before(place)
        if before is not None and before not in self._glimpses:
            self._want(before[0])
            return None
        return before

    def _want(self, segment: Segment) -> None:
        if segment not in self._tried:  # else there is no room for it
            self._wanted = segment, 0

    def advance(self) -> bool:
        """Decode a slice of what the trail wants; whether a whole segment of it has come."""
        if self._wanted is None:
            return False
        segment, k = self._wanted
        for j in range(k, k + _READINGS):
            if self._glimpse((segment, j)) is None:
                self._length(segment)
                self._tried.add(segment)
                self._wanted = None
                return True
        self._wanted = segment, k + _READINGS
        return False

    def rates(self, place: Position, count: int) -> list[HostRates]:
        """Of the host at so many readings up to ``place``, oldest first, as far as they are decoded."""
        found: list[HostRates] = []
        now: Position | None = place
        while now is not None and len(found) < count:
            before = self._held_before(now)
            rates = self._rates.get(now)
            if rates is None:
                record = self._archive.peek(*now)
                past = None if before is None else self._archive.peek(*before)
                if record is None or (past is None and before is not None):
                    break
                follow = past is not None and follows(past.reading, record.reading)
                rates = host_rates(past.reading if past is not None and follow else None, record.reading)
                self._rates[now] = rates
                if len(self._rates) > _RATES:
                    self._rates.popitem(last=False)
            found.append(rates)
            now = before
        return found[::-1]

    def departed(self, place: Position) -> Departed | None:
        """Who ended in the last seconds before a reading, as far back as is at hand; what is missing is in the trail that is wanted."""
        if (now := self._glimpse(place)) is None:
            return None
        path: list[tuple[Position, Position | None]] = []
        at: Position | None = place
        glimpse = now
        while at is not None and fresh(glimpse.reading.mono, now.reading):
            before = self._held_before(at)
            if before is not None:
                then = self._glimpses.get(before)
                if then is None:
                    break
                if not follows(then.reading, glimpse.reading):
                    before = None
                glimpse = then
            path.append((at, before))
            at = before
        found = [self._ends(at, before) for at, before in reversed(path)]
        return fading([ended for ended in found if ended is not None], now.reading)

    def _ends(self, place: Position, before: Position | None) -> Ended | None:
        """Who ended between two readings."""
        if place not in self._ended:
            record = self._archive.get(*place)
            past = None
            if record is not None and record.reading.exits and before is not None:
                past = self._archive.get(*before)
            self._ended[place] = None if record is None else gather(None if past is None else past.reading, record.reading)
            if len(self._ended) > _ENDED:
                self._ended.popitem(last=False)
        return self._ended[place]

    def _held_before(self, place: Position) -> Position | None:
        """As :meth:`before`, without decoding: reading -1 of a segment is its last, whichever that is."""
        segment, k = place
        while not k:
            earlier = self._archive.before(segment)
            if earlier is None:
                return None
            segment, k = earlier, self._lengths.get(earlier, -1)
        return segment, max(k - 1, -1)

    def _glimpse(self, place: Position) -> _Glimpse | None:
        """Of a reading, after those before it in its segment."""
        if place in self._glimpses:
            return self._glimpses[place]
        segment, k = place
        start = k
        while start and (segment, start - 1) not in self._glimpses:
            start -= 1
        found = self._glimpses[segment, start - 1] if start else None
        before = self._archive.get(segment, start - 1) if start else None
        for j in range(start, k + 1):
            record = self._archive.get(segment, j)
            if record is None:
                return None
            idle = None
            if found is not None and before is not None and follows(before.reading, record.reading):
                idle = still(before.reading, record.reading, found.idle)
            found, before = _glimpse(record, idle), record
            self._glimpses[segment, j] = found
            self._held += found.size
        while self._held > BUDGET and len(self._glimpses) > 2:
            self._held -= self._glimpses.popitem(last=False)[1].size
        return found


_NOTHING = np.zeros((0, 0))
_NO_HOST = HostCounters(cpu=np.zeros((0, 10), dtype=np.int64))


def _glimpse(record: Record, idle: Floats32 | None) -> _Glimpse:
    reading, seen = record.reading, record.seen
    n = len(reading)
    if seen is not None and seen.idle is not None:
        idle = seen.idle
    elif idle is None:
        idle = np.full(n, np.nan, dtype=np.float32)
    rank = seen.scores.rank if seen is not None else unscored(n).rank
    bare = replace(
        reading,
        counters=_NOTHING,
        labels=(),
        host=_NO_HOST,
        cgroups={},
        gaps=(),
        exits=(),
        changed=None,
        threads=None,
        ended=None,
        wchan={},
        notes=(),
    )
    top = float(np.fmax.reduce(rank)) if n else float("nan")
    return _Glimpse(bare, rank, idle, top)
