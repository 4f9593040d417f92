"""Goes to any moment of a recording and shows it as it was seen then. No clock, no I/O of its own, no screen.

One thread asks for frames (``first`` … ``mark``) and for all the rest, and while nobody wants a frame it calls :meth:`Player.tend`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from proctop.course import trace
from proctop.engine import follows, ranked, seen_batch, seen_frame
from proctop.features import first
from proctop.frames import Course, Frame, HostRates
from proctop.records import Floats32, ProcKey
from proctop.retrace import Position, Retrace
from proctop.stream.archive import Archive
from proctop.stream.summary import Mark
from proctop.survey import Survey


class Player:
    """Frames of an archive, from ``begin`` to ``end`` (wall seconds since the epoch, None = all of it).

    A method that moves returns the frame to show, None where there is none to move to: then the position stays. Frames come with as much
    of their trail as is at hand; :meth:`tend` returns the same frame again once there is more. ``told`` is asked for further trouble.
    """

    def __init__(
        self, archive: Archive, begin: float | None = None, end: float | None = None, *, told: Callable[[], str] = lambda: ""
    ) -> None:
        self._archive = archive
        self._told = told
        self._begin = float("-inf") if begin is None else begin
        self._end = float("inf") if end is None else end
        self._survey = Survey(archive)
        self._retrace = Retrace(archive)
        self._at: Position | None = None
        self._shown: Frame | None = None
        self._marked: Mark | None = None
        self._newest = False

    @property
    def span(self) -> tuple[float, float] | None:
        """Wall seconds of the first and the last reading; None while there is none. The last one moves while the recording grows."""
        oldest, newest = self._archive.first(), self._archive.last()
        if oldest is None or newest is None:
            return None
        surveyed = self._survey.span
        last = max(newest.wall, surveyed[1] if surveyed is not None else oldest.wall, self.position or 0.0)
        return max(oldest.wall, self._begin), max(oldest.wall, self._begin, min(last, self._end))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Alert events that began, by time, as far as the index has come."""
        marks = self._survey.marks
        return marks[bisect_left(marks, self._begin, key=_when) : bisect_right(marks, self._end, key=_when)]

    @property
    def position(self) -> float | None:
        """Wall seconds of the frame shown last; None before the first."""
        return None if self._shown is None else self._shown.reading.wall

    @property
    def marked(self) -> Mark | None:
        """What :meth:`mark` went to, until the position changes."""
        return self._marked

    @property
    def newest(self) -> bool:
        """Whether the frame shown is the last there is so far."""
        return self._newest

    @property
    def trouble(self) -> str:
        """One line: what could not be read so far, or was left out; "" = nothing."""
        return "; ".join(said for said in (str(self._archive.damage), self._archive.remark, self._told()) if said)

    @property
    def settled(self) -> bool:
        """Whether :meth:`tend` has nothing left to do until the recording grows or the position changes."""
        return self._survey.complete and not self._retrace.wanting

    def timeline(self, first: float, last: float, columns: int) -> Floats32:
        """float32[columns], the highest rank of the readings of each column of ``first`` … ``last``; NaN = none, or not indexed yet."""
        return self._survey.timeline(first, last, columns)

    def rates(self, count: int) -> Sequence[HostRates]:
        """Of the host at the readings up to and with the one shown, oldest first, at most ``count``, as far as they are at hand."""
        return self._retrace.rates(self._at, count) if self._at is not None else ()

    def series(self, key: ProcKey, begin: float, end: float) -> Iterator[Course | None]:
        """One process from ``begin`` to ``end`` (wall seconds), newest part first and a slice at a time: as :func:`proctop.course.trace`.

        The position stays. What comes is to be taken between other calls, in the one thread.
        """
        return trace(self._archive, key, max(begin, self._begin), min(end, self._end))

    # to go somewhere

    def first(self) -> Frame | None:
        """The oldest reading."""
        return self._go(self._oldest())

    def last(self) -> Frame | None:
        """The newest reading there is by now."""
        return self._go(self._until(self._end))

    def at(self, wall: float) -> Frame | None:
        """The last reading at ``wall`` or before, else the first."""
        return self._go(self._until(min(wall, self._end)) or self._oldest())

    def step(self, k: int = 1) -> Frame | None:
        """``k`` readings later (k < 0: earlier), or as far as there are any; None where that is nowhere. Without a position: the last."""
        if self._at is None or self._archive.get(*self._at) is None:  # the oldest may have been deleted meanwhile
            return self.last() if self._at is None else self.first()
        place = self._at
        for _ in range(abs(k)):
            beside = self._retrace.after(place) if k > 0 else self._retrace.before(place)
            if beside is None or not self._begin <= self._wall(beside) <= self._end:
                break
            place = beside
        return None if place == self._at else self._go(place)

    def mark(self, k: int = 1) -> Frame | None:
        """The reading with which the ``k``-th alert event after (k < 0: before) the position began; :attr:`marked` is that event."""
        marks, position = self.marks, self.position
        if self._marked in marks:
            i = marks.index(self._marked) + k
        elif position is None:
            i = k - 1 if k > 0 else len(marks) + k
        else:
            i = bisect_right(marks, position, key=_when) + k - 1 if k > 0 else bisect_left(marks, position, key=_when) + k
        if not 0 <= i < len(marks):
            return None
        frame = self._go(self._until(marks[i].wall))
        if frame is not None:
            self._marked = marks[i]
        return frame

    # what can wait

    def tend(self) -> Frame | None:
        """A slice of what can wait (some 20 ms): looks for new readings, completes the trail, indexes on.

        Returns the frame shown, when there is more of its trail than before.
        """
        if self._at is not None and self._shown is not None and self._retrace.wanting:
            if not self._retrace.advance():
                return None
            record = self._archive.get(*self._at)
            if record is not None:
                trail = self._retrace.trail(self._at, record)
                self._shown = replace(self._shown, history=trail, departed=ranked(self._retrace.departed(self._at), record.seen))
                return self._shown
        self._archive.refresh()
        self._survey.advance()
        self._look_ahead()
        return None

    def close(self) -> None:
        """Let go of the archive. No other call may follow."""
        self._archive.close()

    # where

    def _go(self, place: Position | None) -> Frame | None:
        if place is None or not self._begin <= self._wall(place) <= self._end:
            return None
        record = self._archive.get(*place)
        if record is None:
            return None
        before = self._retrace.before(place)
        past = None if before is None else self._archive.get(*before)
        prev = past.reading if past is not None and follows(past.reading, record.reading) else None
        batch = None
        if prev is not None and before is not None:
            idle = self._retrace.idle(before) if place[1] else None  # a segment begins with its own
            batch = first(prev, idle)
        batch = seen_batch(prev, batch, record)
        self._at, self._marked = place, None
        self._shown = seen_frame(prev, batch, record, self._retrace.trail(place, record), self._retrace.departed(place))
        self._look_ahead()
        return self._shown

    def _look_ahead(self) -> None:
        after = None if self._at is None else self._retrace.after(self._at)
        self._newest = after is None or self._wall(after) > self._end

    def _oldest(self) -> Position | None:
        segment = self._archive.first() if self._begin == float("-inf") else self._archive.at(self._begin) or self._archive.first()
        place = None if segment is None else self._retrace.begin(segment)
        while place is not None and self._wall(place) < self._begin:
            place = self._retrace.after(place)
        return place

    def _until(self, wall: float) -> Position | None:
        """The last reading at ``wall`` or before."""
        segment = self._archive.at(wall)
        while segment is not None:
            k = -1
            while (record := self._archive.get(segment, k + 1)) is not None and record.reading.wall <= wall:
                k += 1
            if k >= 0:
                return segment, k
            segment = self._archive.before(segment)
        return None

    def _wall(self, place: Position) -> float:
        record = self._archive.get(*place)
        return float("nan") if record is None else record.reading.wall


def _when(mark: Mark) -> float:
    return mark.wall
