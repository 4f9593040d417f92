"""The timeline as one line: the span that can be gone to, the highest score of each part of it, its anomalies, and where we are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from proctop.records import Floats32, ProcKey
from proctop.view import sparkline
from proctop.view.cells import Cell, Glyphs, Line, line
from proctop.view.table import FULL, NOTABLE


class Mark(Protocol):
    """Where an anomaly began, and whose it was."""

    @property
    def wall(self) -> float: ...

    @property
    def key(self) -> ProcKey: ...


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What can be gone to.

    Attributes:
        first, last: wall seconds.
        levels: float32[columns], the highest score of each of so many equal parts; NaN = no reading, or none scored.
        marks: by time.
    """

    first: float
    last: float
    levels: Floats32
    marks: Sequence[Mark]

    def place(self, wall: float, columns: int) -> int:
        """The column of a moment; one outside the span is at its end."""
        share = (wall - self.first) / (self.last - self.first) if self.last > self.first else 1.0
        return min(int(max(0.0, min(share, 1.0)) * columns), columns - 1) if share == share else 0

    def wall(self, place: int, columns: int) -> float:
        """The moment in the middle of a column; those at the ends are the ends themselves."""
        if place <= 0 or columns < 2:
            return self.first
        return self.last if place >= columns - 1 else self.first + (place + 0.5) / columns * (self.last - self.first)

    def marked(self, place: int, columns: int) -> Mark | None:
        """The first anomaly in a column."""
        return next((mark for mark in self.marks if self.place(mark.wall, columns) == place), None)


def ends(outlook: Outlook, live: bool) -> tuple[str, str]:
    """The span in words. Live, it ends now.

    >>> spring = Outlook(0.0, 86400.0 * 90, np.zeros(0, np.float32), ())
    >>> [len(text) for text in ends(spring, False)], ends(spring, True)[1]
    ([12, 12], 'now')
    """
    first, last = time.localtime(outlook.first), time.localtime(outlook.last)
    shape = "%H:%M:%S" if first[:3] == last[:3] else "%b %d %H:%M"
    return time.strftime(shape, first), "now" if live else time.strftime(shape, last)


def columns(outlook: Outlook, total: int, live: bool) -> int:
    """Parts that a line of ``total`` cells shows, between its ends and a blank on either side of each."""
    return max(1, total - 4 - sum(map(len, ends(outlook, live))))


def place_at(outlook: Outlook, total: int, live: bool, x: int) -> int:
    """The column at cell ``x`` of the line; left and right of them all is the first and the last one."""
    return max(0, min(x - 2 - len(ends(outlook, live)[0]), columns(outlook, total, live) - 1))


def draw(outlook: Outlook | None, here: float, total: int, glyphs: Glyphs, *, live: bool) -> Line:
    """The line. ``here`` is the moment shown: an arrow stands for it, a "!" for an anomaly, the height of a block for a score."""
    if outlook is None:
        return line([Cell(" looking back ", "soft")], total)
    left, right = ends(outlook, live)
    count = columns(outlook, total, live)
    levels = _spread(outlook.levels, count)
    heights = sparkline.text(levels, count, high=FULL, ascii=glyphs.ascii)
    parts = [(text, "spark" if level >= NOTABLE else "faint") for text, level in zip(heights, levels.tolist(), strict=True)]
    for mark in outlook.marks:
        parts[outlook.place(mark.wall, count)] = ("!", "alert")
    if here == here:
        parts[outlook.place(here, count)] = (glyphs.up, "badge")
    runs = [Cell("".join(text for text, _ in run), style) for style, run in groupby(parts, key=lambda part: part[1])]
    return line([Cell(f" {left} ", "soft"), *runs, Cell(f" {right} ", "soft")], total)


def _spread(levels: Floats32, count: int) -> Floats32:
    """``levels`` over ``count`` columns; until they come for a new width, the old ones serve."""
    if levels.size in (0, count):
        return levels if levels.size else np.full(count, np.nan, dtype=np.float32)
    return levels[np.arange(count) * levels.size // count]
