"""What is known of one process from frame to frame: what a detail draws of it, and what of its past is missing still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from proctop.course import join, moment
from proctop.features import GAP
from proctop.frames import Course, Frame
from proctop.records import CgroupCounters, ProcKey
from proctop.tui.tracing import Asked
from proctop.view import table
from proctop.view.portrait import LEAST, ZOOMS, Portrait
from proctop.view.threads import Threads

_MARGIN = 0.25  # of what the charts show, fetched beyond it: so that a step back needs nothing


class Following:
    """Follows the process ``key`` from ``frame`` on.

    Attributes:
        frame: the last one that had it.
        course: as far as it is at hand, also after the moment shown.
        earlier: its cgroup in the frame before, and the seconds since; None = there is none that could be compared.
        threads: those of it that frames had.
    """

    def __init__(self, key: ProcKey, frame: Frame) -> None:
        self.key = key
        self.frame = frame
        self.course: Course | None = None
        self.earlier: tuple[float, CgroupCounters] | None = None
        self.threads = Threads(key.pid)
        self._cgroup: tuple[float, CgroupCounters] | None = None  # and when, monotonic
        self._zoom = ZOOMS.index(LEAST)
        self._asked: Asked | None = None  # what the course covers, or will
        self.learn(frame)

    @property
    def row(self) -> int | None:
        """Of the frame; None for a thread."""
        row = table.row_of(self.frame, self.key)
        return row if row is not None and row >= 0 else None

    @property
    def span(self) -> float:
        """Seconds that the charts show."""
        return ZOOMS[self._zoom]

    @property
    def _kept(self) -> float:
        """Seconds that are kept of the past."""
        return max(self.span, LEAST) * (1 + _MARGIN)

    def learn(self, frame: Frame) -> None:
        """Go on with a frame that has it."""
        self.frame = frame
        row = self.row
        if row is None:
            return
        now = moment(frame, self.key, kin=self.portrait(row).young)
        if self.course is None:
            self.course = now
        else:
            self.course = join(self.course, replace(now, every=self.course.every), frame.reading.wall - self._kept)
        asked, wall = self._asked, frame.reading.wall
        if asked is not None and asked.end < wall and wall - float(now.covers[0]) <= asked.end + frame.reading.interval / 2:
            self._asked = asked._replace(end=wall)  # it goes on without a hole
        self.threads.learn(frame.reading)
        self._compare(frame.reading.mono, frame.reading.interval, frame.reading.cgroups.get(frame.batch.labels[row].cgroup))

    def _compare(self, mono: float, interval: float, counters: CgroupCounters | None) -> None:
        if counters is None:
            self._cgroup = self.earlier = None
        elif self._cgroup is None or self._cgroup[0] != mono:
            then, self.earlier = self._cgroup, None
            if then is not None and 0 < mono - then[0] <= GAP * interval:
                self.earlier = mono - then[0], then[1]
            self._cgroup = mono, counters

    def missing(self) -> Asked | None:
        """What is to be asked of the past; from then on it is no longer missing. None = nothing."""
        asked, wall = self._asked, self.frame.reading.wall
        if self.row is None or (asked is not None and asked.begin <= wall - max(self.span, LEAST) and wall <= asked.end):
            return None
        self._asked = Asked(self.key, wall - self._kept, wall)
        return self._asked

    def take(self, course: Course) -> None:
        """More of the past has come."""
        known = self.course
        if known is None or course.every < known.every:  # what was sampled for a wider span gives way
            self.course = course
        else:
            self.course = join(known, course, self.frame.reading.wall - self._kept)

    def widen(self, step: int) -> None:
        """Show a wider span of the past, or for -1 a narrower one."""
        self._zoom = max(0, min(self._zoom + step, len(ZOOMS) - 1))
        if self.course is not None and self.course.every > 1:
            self._asked = None  # sampled for the span before

    def portrait(self, row: int, begins: Sequence[float] = (), *, now: bool = True) -> Portrait:
        """As it is drawn, with what had happened by then."""
        wall, course = self.frame.reading.wall, self.course
        if course is None:
            course = moment(self.frame, self.key)
        elif len(course) and course.wall[-1] > wall:
            course = _until(course, wall)
        return Portrait(self.frame, row, course, self.span, begins, now)


def _until(course: Course, wall: float) -> Course:
    part = slice(int(np.searchsorted(course.wall, wall, side="right")))
    return replace(
        course,
        wall=course.wall[part],
        covers=course.covers[part],
        values=course.values[:, part],
        rank=course.rank[part],
        alerting=course.alerting[part],
    )
