"""What a recording holds from end to end, by its summaries: span, highest scores, and where alert events began. Built a slice at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from proctop.records import Floats, Floats32
from proctop.stream.archive import Archive, Segment
from proctop.stream.summary import Mark, Summary, Tally

_SUMMARIES = 32
_READINGS = 8
"""Of a slice of :meth:`Survey.advance`: summaries that are read, readings that are decoded where there is none."""

_BRIDGED = 1.5
"""Columns narrower than the interval show the reading before, for so many intervals."""


class Survey:
    """Follows an archive from its oldest segment to its newest, and what it grows by.

    A segment without a summary (its writer was killed or goes on, or knew of none) is decoded.

    Attributes:
        complete: it has come to the end of what there was.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._done: deque[tuple[Segment, Summary | None]] = deque()  # None: nothing of it can be read
        self._marks: deque[tuple[Mark, ...]] = deque()
        self._tallied: tuple[Segment, Tally, int] | None = None  # the segment after those, and how many of its readings
        self._curve: _Curve | None = None
        self.complete = False

    @property
    def span(self) -> tuple[float, float] | None:
        """Wall seconds of the first and the last reading; None while there is none."""
        first = next((summary for _, summary in self._done if summary is not None), None)
        last = self._newest() or next((summary for _, summary in reversed(self._done) if summary is not None), None)
        return None if last is None else ((first or last).first, last.last)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Alert events that began, by segment."""
        newest = self._newest()
        return tuple(chain(*self._marks, () if newest is None else newest.marks))

    def timeline(self, first: float, last: float, columns: int) -> Floats32:
        """float32[columns]: the highest rank of the readings in each of so many equal parts of ``first`` … ``last`` (wall seconds)."""
        if self._curve is None:
            summaries = [*(summary for _, summary in self._done), self._newest()]
            self._curve = _curve([summary for summary in summaries if summary is not None])
        walls, holds, peaks = self._curve
        out = np.full(columns, np.nan, dtype=np.float32)
        if not walls.size or last < first:
            return out
        edges = np.linspace(first, last, columns + 1)
        at = np.searchsorted(walls, edges)
        at[-1] = np.searchsorted(walls, last, side="right")
        some = at[1:] > at[:-1]
        if some.any():
            out[some] = np.fmax.reduceat(peaks[: at[-1]], at[:-1][some])
        before = np.maximum(at[:-1] - 1, 0)
        bridged = ~some & (at[:-1] > 0) & (edges[:-1] < (walls + holds)[before])
        out[bridged] = peaks[before[bridged]]
        return out

    def advance(self) -> None:
        """One slice."""
        self._forget()
        for _ in range(_SUMMARIES):
            segment = self._archive.after(self._done[-1][0]) if self._done else self._archive.first()
            self.complete = segment is None
            if segment is None:
                return
            summary = self._archive.summary(segment)
            if summary is None:
                self._decode(segment)
                return
            self._finish(segment, summary)

    def _forget(self) -> None:
        """Let go of what is no longer there: the oldest segments of memory, or of a directory."""
        oldest = self._archive.first() if self._done else None
        while oldest is not None and self._done and self._done[0][0] != oldest and self._done[0][0].wall <= oldest.wall:
            self._done.popleft()
            self._marks.popleft()
            self._curve = None

    def _decode(self, segment: Segment) -> None:
        """Tally up some readings of a segment without a summary."""
        if self._tallied is None or self._tallied[0] != segment:
            self._tallied = segment, Tally(), 0
        _, tally, count = self._tallied
        k = count
        while k < count + _READINGS and (record := self._archive.get(segment, k)) is not None:
            tally.add(record.reading, record.seen)
            k += 1
        if k > count:
            self._tallied = segment, tally, k
            self._curve = None
        if k == count + _READINGS:
            return
        if self._archive.after(segment) is None:
            self.complete = True  # it may grow
        else:
            self._finish(segment, tally.summary() if k else None)

    def _finish(self, segment: Segment, summary: Summary | None) -> None:
        self._done.append((segment, summary))
        self._marks.append(() if summary is None else summary.marks)
        self._tallied = self._curve = None

    def _newest(self) -> Summary | None:
        """Of the segment that is tallied up."""
        return self._tallied[1].summary() if self._tallied is not None and self._tallied[2] else None


class _Curve(NamedTuple):
    """By reading: wall seconds, rising; seconds for which it stands; the highest rank."""

    walls: Floats
    holds: Floats
    peaks: Floats32


def _curve(summaries: Sequence[Summary]) -> _Curve:
    count = [len(summary.peaks) for summary in summaries]
    steps = [(summary.last - summary.first) / max(n - 1, 1) for summary, n in zip(summaries, count, strict=True)]
    walls = [summary.first + step * np.arange(n) for summary, step, n in zip(summaries, steps, count, strict=True)]
    peaks = np.fromiter(chain.from_iterable(summary.peaks for summary in summaries), np.float32, sum(count))
    # A clock that was set back must not leave the readings unordered.
    rising = np.maximum.accumulate(np.concatenate(walls)) if walls else np.zeros(0)
    return _Curve(rising, _BRIDGED * np.repeat(np.array(steps), count), peaks)
