"""One process at one moment with what led up to it, and what is usual of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from proctop.fields import FEATURE, FEATURES
from proctop.frames import Course, Frame
from proctop.records import Floats
from proctop.view import chart, table

ZOOMS = (10.0, 60.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds that the charts go back."""

LEAST = 120.0
"""Seconds from which what is usual is taken, however near the charts look."""

YOUNG = 60
"""Readings: a process that lived less is held against others of its name."""

_ENOUGH = 1000  # points that a band is taken from, at least where there are as many


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """What is drawn of a process.

    Attributes:
        frame, row: the last moment at which it was there.
        course: up to that moment; zoom: seconds of it that are drawn.
        begins: wall seconds at which alerts of it began.
        now: the moment is now, else a time of day.
    """

    frame: Frame
    row: int
    course: Course
    zoom: float = 120.0
    begins: Sequence[float] = ()
    now: bool = True

    @property
    def young(self) -> bool:
        reading = self.frame.reading
        return reading.boot - int(reading.start[self.row]) / reading.info.ticks < YOUNG * reading.interval

    @property
    def kin(self) -> bool:
        """Whether others of its name say what is usual."""
        return self.young and self.course.kin.shape[1] >= chart.FEWEST


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """The bands float64[features] and whose they are, by feature where it is not the process's own."""

    low: Floats
    high: Floats
    against: Mapping[int, str] = field(default_factory=dict)


def usual(portrait: Portrait) -> Usual:
    """What is usual of each feature: what its reason says, where it speaks; of a young process what others of its name do; else 5 to
    95 % of its own readings at hand, without those in which it was unusual.
    """
    course, why = portrait.course, portrait.frame.scores.why.get(portrait.row, ())
    kin = portrait.kin
    calm = np.flatnonzero(~(course.rank >= table.NOTABLE))
    own = calm if calm.size >= max(chart.FEWEST, len(course) // 5) else np.arange(len(course))
    some = own[:: max(1, own.size // _ENOUGH)]
    low, high = chart.band(course.kin if kin else course.values[:, some])
    against = dict.fromkeys(range(len(FEATURES)), "cohort") if kin else {}
    for reason in why:
        k = FEATURE.get(reason.feature)
        if k is not None:
            low[k], high[k] = reason.usual
            against[k] = reason.against
    return Usual(low, high, against)
