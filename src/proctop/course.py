"""One process over time: followed back through an archive a slice at a time, and on from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from proctop.engine import follows, seen_batch
from proctop.features import first
from proctop.fields import SCHEMA
from proctop.frames import Batch, Course, Frame, Scores
from proctop.records import Floats32, Index, Label, ProcKey, Reading
from proctop.stream import frames
from proctop.stream.archive import Archive
from proctop.stream.decoded import Segment
from proctop.stream.seen import Record

MOST = 1200
"""Readings that are decoded for one course; of longer spans the first few of each segment, or of every k-th."""

LONGEST = 7200
"""Points that a course holds."""

MOST_KIN = 1024
"""Samples of others of its name that a course holds."""

_READINGS = 8
"""Decoded in a slice."""

_FEW = 3  # readings of a segment that say something of it: the first gives no rates
_SEGMENTS = 1 << 13
_SOME_KIN = 32  # others of its name that are looked at
_STEADY = 1.5  # times their usual distance that two segments lie apart without a hole between them


class _Point(NamedTuple):
    wall: float
    covers: float
    values: Floats32
    rank: float
    alerting: bool


def trace(archive: Archive, key: ProcKey, begin: float, end: float, most: int = MOST) -> Iterator[Course | None]:
    """The course of a process from ``begin`` to ``end`` (wall seconds), the newest part first.

    Every step decodes a slice (some 20 ms). One gives the course so far when a segment is done, else None; the last course is complete.
    Of a span with more than ``most`` readings some of each segment are taken, or of every k-th: :attr:`Course.every` says one in how many.
    """
    segments: list[Segment] = []
    segment = archive.at(end)
    while segment is not None and len(segments) < _SEGMENTS:
        segments.append(segment)
        if segment.wall <= begin:
            break
        segment = archive.before(segment)
        if len(segments) % 64 == 0:
            yield None
    share = most // max(1, len(segments))
    whole = share >= frames.READINGS
    count = frames.MOST_READINGS if whole else max(_FEW, share)
    stride = 1 if whole else math.ceil(len(segments) * count / most)
    every = 1 if whole else max(1, round(frames.READINGS * stride / (count - 1)))
    chosen = segments[::stride]
    kin = _Kin(key)
    points: list[list[_Point]] = []  # by segment, newest first
    newer: Record | None = None  # the first reading of the segment done last, whose rates this one completes
    for place, segment in enumerate(chosen):
        prev: Reading | None = None
        batch: Batch | None = None
        now: list[_Point] = []
        head: Record | None = None
        k = 0
        while k < count and (record := archive.get(segment, k)) is not None and record.reading.wall <= end:
            reading = record.reading
            if prev is not None and not follows(prev, reading):
                prev = batch = None
            batch = seen_batch(prev, batch, record)
            if reading.wall >= begin and (whole or k):
                now += _point(record, batch, key)
                kin.meet(batch)
            head = head or record
            prev = reading
            k += 1
            if k % _READINGS == 0:
                yield None
        if whole and newer is not None and prev is not None and follows(prev, newer.reading) and points and points[-1]:
            complete = _point(newer, seen_batch(prev, first(prev), newer), key)
            if complete and points[-1][0].wall == complete[0].wall:
                points[-1][:1] = complete
        if not whole and now and place + 1 < len(chosen):
            now[0] = _reaching(now[0], segment, chosen[place + 1], key, prev, stride)
        newer = head
        points.append(now)
        yield _course(points, kin, every, complete=False)
    yield _course(points, kin, every, complete=True)


def _point(record: Record, batch: Batch, key: ProcKey) -> list[_Point]:
    """What a reading says of the process: nothing, or one point."""
    reading, seen = record.reading, record.seen
    row = _row(reading, key)
    if row is None:
        return []
    scores = seen.scores if seen is not None else None
    return [_made(reading, batch, scores, row)]


def _made(reading: Reading, batch: Batch, scores: Scores | None, row: int) -> _Point:
    covers = batch.dt if batch.dt == batch.dt else reading.interval
    rank = float(scores.rank[row]) if scores is not None else math.nan
    return _Point(reading.wall, covers, batch.values[:, row], rank, scores is not None and bool(scores.alerting[row]))


def _reaching(point: _Point, segment: Segment, older: Segment, key: ProcKey, prev: Reading | None, stride: int) -> _Point:
    """The first point of a segment that is sampled stands for all since the one sampled before, unless there is a hole between them."""
    if prev is None:
        return point
    apart = segment.wall - older.wall
    if not apart <= _STEADY * stride * frames.READINGS * prev.interval:
        return point
    lived = point.wall - (prev.info.boot_time + key.start / prev.info.ticks)
    return point._replace(covers=max(point.covers, min(apart, lived)))


def _row(reading: Reading, key: ProcKey) -> int | None:
    found = np.flatnonzero((reading.pid == key.pid) & (reading.start == key.start))
    return int(found[0]) if found.size else None


class _Kin:
    """Samples of others of the same name."""

    def __init__(self, key: ProcKey) -> None:
        self._key = key
        self._labels: Sequence[Label] = ()
        self._rows: Index = np.zeros(0, dtype=np.intp)
        self._taken: list[Floats32] = []
        self._count = 0

    def meet(self, batch: Batch) -> None:
        if self._count >= MOST_KIN or batch.dt != batch.dt:
            return
        if batch.labels is not self._labels:
            self._labels, self._rows = batch.labels, kin_of(batch, self._key)
        if self._rows.size:
            self._taken.append(batch.values[:, self._rows])
            self._count += self._rows.size

    @property
    def values(self) -> Floats32:
        return np.concatenate(self._taken, axis=1)[:, :MOST_KIN] if self._taken else _NOBODY


_NOBODY = np.zeros((len(SCHEMA), 0), dtype=np.float32)


def kin_of(batch: Batch, key: ProcKey) -> Index:
    """Some rows of others that have the name of a process."""
    found = np.flatnonzero((batch.pid == key.pid) & (batch.start == key.start))
    if not found.size:
        return np.zeros(0, dtype=np.intp)
    own = int(found[0])
    comm = batch.labels[own].comm
    rows = np.array([i for i, label in enumerate(batch.labels) if label.comm == comm and i != own], dtype=np.intp)
    return rows[:: max(1, -(-rows.size // _SOME_KIN))]


def _course(points: Sequence[Sequence[_Point]], kin: _Kin, every: int, *, complete: bool) -> Course:
    made = [point for part in reversed(points) for point in part]
    values = np.array([point.values for point in made], dtype=np.float32).reshape(-1, len(SCHEMA)).T
    return Course(
        wall=np.array([point.wall for point in made]),
        covers=np.array([point.covers for point in made]),
        values=np.ascontiguousarray(values),
        rank=np.array([point.rank for point in made], dtype=np.float32),
        alerting=np.array([point.alerting for point in made], dtype=np.bool_),
        kin=kin.values,
        every=every,
        complete=complete,
    )


def moment(frame: Frame, key: ProcKey, *, kin: bool = False) -> Course:
    """The course of a process within one frame: a point, or none where it is not there. ``kin``: with others of its name."""
    row, others = _row(frame.reading, key), _NOBODY
    if kin and frame.batch.dt == frame.batch.dt:
        others = frame.batch.values[:, kin_of(frame.batch, key)]
    made = [] if row is None else [_made(frame.reading, frame.batch, frame.scores, row)]
    course = _course([made], _Kin(key), 1, complete=False)
    return replace(course, kin=others)


def join(old: Course, new: Course, since: float) -> Course:
    """Both; where they tell of one moment, ``new`` is right. What was before ``since`` (wall seconds) is left out, and at most every other
    point of the older half where there are too many.
    """
    wall = np.concatenate((new.wall, old.wall))
    times, at = np.unique(wall, return_index=True)  # the first of equal ones: of ``new``
    at = at[times >= since]
    covers = np.concatenate((new.covers, old.covers))[at]
    if at.size > LONGEST:
        half = at.size // 2
        stay = np.concatenate((np.arange(1, half, 2), np.arange(half, at.size)))
        covers[1:half] += covers[: half - 1]
        at, covers = at[stay], covers[stay]
    kin = new.kin if new.kin.shape[1] >= MOST_KIN else np.concatenate((new.kin, old.kin), axis=1)[:, :MOST_KIN]
    return Course(
        wall=wall[at],
        covers=covers,
        values=np.concatenate((new.values, old.values), axis=1)[:, at],
        rank=np.concatenate((new.rank, old.rank))[at],
        alerting=np.concatenate((new.alerting, old.alerting))[at],
        kin=kin,
        every=max(old.every, new.every),
        complete=new.complete,
    )
