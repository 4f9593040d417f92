"""What a recording holds from end to end, by its summaries: span, highest scores, and where alert events began. Built a slice at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from proctop.records import Floats, Floats32
from proctop.stream import frames
from proctop.stream.archive import Archive
from proctop.stream.decoded import Segment
from proctop.stream.summary import Mark, Summary, Tally

_SUMMARIES = 32
_READINGS = 8
"""Of a slice of :meth:`Survey.advance`: summaries that are read, readings that are decoded where there is none."""

_BRIDGED = 1.5
"""Columns narrower than the interval show the reading before, for so many intervals."""

MOST_MARKS = 50_000
"""Marks that are kept; those of later segments are left out. A file may hold 256 for every 60 readings, and no host has as many."""


class _Part(NamedTuple):
    """What is kept of a segment: wall seconds of its first and last reading, the highest rank of each (or of a few), its marks."""

    segment: Segment
    first: float
    last: float
    peaks: Floats32
    marks: tuple[Mark, ...]


class Survey:
    """Follows an archive from its oldest segment to its newest, and what it grows by.

    A segment without a summary (its writer was killed or goes on, or knew of none) is decoded.

    Attributes:
        complete: it has come to the end of what there was.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._done: deque[_Part] = deque()
        self._tallied: tuple[Segment, Tally, int] | None = None  # the segment after those, and how many of its readings
        self._count = 0  # of the marks that are done
        self._marks: tuple[Mark, ...] | None = None
        self._curve: _Curve | None = None
        self.complete = False

    @property
    def span(self) -> tuple[float, float] | None:
        """Wall seconds of the first and the last reading; None while there is none."""
        first = next((part for part in self._done if part.peaks.size), None)
        last = self._newest() or next((part for part in reversed(self._done) if part.peaks.size), None)
        return None if last is None else ((first or last).first, last.last)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Alert events that began, by time."""
        if self._marks is None:
            self._marks = tuple(sorted(chain.from_iterable(part.marks for part in self._parts()), key=lambda mark: mark.wall))
        return self._marks

    def timeline(self, first: float, last: float, columns: int) -> Floats32:
        """float32[columns]: the highest rank of the readings in each of so many equal parts of ``first`` … ``last`` (wall seconds)."""
        if self._curve is None:
            self._curve = _curve(self._parts())
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
            segment = self._archive.after(self._done[-1].segment) if self._done else self._archive.first()
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
        while oldest is not None and self._done and self._done[0].segment != oldest and self._done[0].segment.wall <= oldest.wall:
            self._count -= len(self._done.popleft().marks)
            self._marks = self._curve = None

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
            self._marks = self._curve = None
        if k == count + _READINGS:
            return
        if self._archive.after(segment) is None:
            self.complete = True  # it may grow
        else:
            self._finish(segment, tally.summary() if k else None)

    def _finish(self, segment: Segment, summary: Summary | None) -> None:
        part = _part(segment, summary, MOST_MARKS - self._count)
        self._done.append(part)
        self._count += len(part.marks)
        self._tallied = self._marks = self._curve = None

    def _newest(self) -> _Part | None:
        """Of the segment that is tallied up."""
        if self._tallied is None or not self._tallied[2]:
            return None
        return _part(self._tallied[0], self._tallied[1].summary(), MOST_MARKS - self._count)

    def _parts(self) -> list[_Part]:
        newest = self._newest()
        return [*self._done, newest] if newest is not None else list(self._done)


def _part(segment: Segment, summary: Summary | None, room: int) -> _Part:
    """``None``: nothing of it can be read."""
    if summary is None:
        return _Part(segment, segment.wall, segment.wall, _NOTHING, ())
    peaks = np.array(summary.peaks, np.float32) if summary.peaks else np.full(min(summary.readings, 1), np.nan, np.float32)
    if peaks.size > frames.READINGS:  # no writer of ours, and a file must not take more memory than bytes
        size = -(-peaks.size // frames.READINGS)
        peaks = np.fmax.reduceat(peaks, np.arange(0, peaks.size, size))
    return _Part(segment, summary.first, summary.last, peaks, summary.marks[:room])


_NOTHING = np.zeros(0, np.float32)


class _Curve(NamedTuple):
    """By reading: wall seconds, rising; seconds for which it stands; the highest rank."""

    walls: Floats
    holds: Floats
    peaks: Floats32


def _curve(parts: Sequence[_Part]) -> _Curve:
    count = [part.peaks.size for part in parts]
    steps = [max(part.last - part.first, 0.0) / max(n - 1, 1) for part, n in zip(parts, count, strict=True)]
    walls = [part.first + step * np.arange(n) for part, step, n in zip(parts, steps, count, strict=True)]
    # A clock that was set back must not leave the readings unordered.
    rising = np.maximum.accumulate(np.concatenate(walls)) if walls else np.zeros(0)
    peaks = np.concatenate([part.peaks for part in parts]) if parts else _NOTHING
    return _Curve(rising, _BRIDGED * np.repeat(np.array(steps), count), peaks)
