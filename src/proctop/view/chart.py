"""Values over time as blocks: cells of time, bars of one row or several, and the band of what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from proctop.frames import Course
from proctop.records import Floats, Floats32
from proctop.view.cells import Cell, Glyphs
from proctop.view.sparkline import ASCII, BLOCKS

SHADE, SHADE_ASCII = "░", "'"
"""What the band of the usual is drawn with, where no bar is."""

FEWEST = 8
"""Values that make a band."""

_FULL = 8  # steps of a character


class Scale(NamedTuple):
    """Between which values a chart is drawn."""

    low: float
    high: float


class Span(NamedTuple):
    """From when to when it goes, in wall seconds, and in how many cells."""

    begin: float
    end: float
    columns: int

    @property
    def cell(self) -> float:
        """Seconds that a cell stands for."""
        return (self.end - self.begin) / max(1, self.columns)


def pooled(course: Course, values: Floats32, span: Span) -> Floats32:
    """float32[m, columns] of ``values`` float32[m, t] at the times of ``course``: the highest in each cell, NaN where none covers it."""
    m, columns = values.shape[0], span.columns
    out = np.full((m, max(0, columns)), np.nan, dtype=np.float32)
    wall, t = course.wall, len(course)
    if not t or columns <= 0 or not span.begin < span.end < float("inf"):
        return out
    edges = np.linspace(span.begin, span.end, columns + 1)
    at = np.searchsorted(wall, edges, side="right")
    some = at[1:] > at[:-1]
    if some.any():
        out[:, some] = np.fmax.reduceat(values[:, : at[-1]], at[:-1][some], axis=1)
    after = np.minimum(at[1:], t - 1)
    covered = ~some & (wall[after] > edges[1:]) & ((wall - course.covers)[after] < edges[1:])
    out[:, covered] = values[:, after[covered]]
    return out


def band(values: Floats32) -> tuple[Floats, Floats]:
    """The 5 % and 95 % quantiles float64[m] of float32[m, t], missing values left out; NaN where fewer than :data:`FEWEST` are known."""
    m, t = values.shape
    if not t:
        return np.full(m, np.nan), np.full(m, np.nan)
    ordered = np.sort(values.astype(np.float64), axis=1)  # NaN comes last
    known = t - np.count_nonzero(np.isnan(ordered), axis=1)
    every = np.arange(m)
    out = []
    for share in (0.05, 0.95):
        place = share * np.maximum(known - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(known - 1, 0))
        rest = place - below
        with np.errstate(invalid="ignore"):
            between = ordered[every, below] * (1 - rest) + ordered[every, above] * rest
        out.append(np.where(known >= FEWEST, between, np.nan))
    return out[0], out[1]


def steps(values: Floats | Floats32, scale: Scale, rows: int) -> list[int]:
    """The height of each value in eighths of a row, from 1; 0 = missing. What is outside ``scale`` is at its edge: the whole row, but of
    several rows a quarter less, so that one chart ends before the next begins.
    """
    most = _FULL * rows - (2 if rows > 1 else 0)
    width = scale.high - scale.low
    with np.errstate(invalid="ignore", over="ignore"):
        share = (np.asarray(values, dtype=np.float64) - scale.low) / (width if 0 < width < float("inf") else 1.0)
        height = np.ceil(np.clip(share, 0.0, 1.0) * most)
    eighths: list[int] = np.where(np.isnan(height), 0, np.maximum(height, 1)).astype(int).tolist()
    return eighths


def bars(
    heights: Sequence[int],
    rows: int,
    styles: Sequence[str],
    glyphs: Glyphs,
    *,
    usual: tuple[int, int] | None = None,
    beyond: str = "high",
) -> list[list[Cell]]:
    """``rows`` lines from top to bottom, of one character for each height (:func:`steps`) in its style.

    Args:
        usual: the band, in the same steps. What reaches over it is drawn in ``beyond``; of several rows, what no bar fills in it is shaded.
    """
    ramp, shade = (ASCII, SHADE_ASCII) if glyphs.ascii else (BLOCKS, SHADE)
    low, high = usual if usual is not None else (1, _FULL * rows)
    out = []
    for row in range(rows - 1, -1, -1):
        base = row * _FULL
        shaded = rows > 1 and usual is not None and high > base and low <= base + _FULL
        over = base + _FULL > high  # the band ends in this row or below it
        marks = []
        for height, style in zip(heights, styles, strict=True):
            fill = height - base
            if fill > 0:
                marks.append((ramp[min(fill, _FULL)], beyond if over and height > high else style))
            else:
                marks.append((shade, "faint") if shaded and height else (" ", "text"))
        out.append([Cell("".join(text for text, _ in run), style) for style, run in groupby(marks, key=lambda mark: mark[1])])
    return out
