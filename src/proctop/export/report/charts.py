"""Pictures in SVG.

Across, they stretch with the page (percent, or a view box without aspect); down, they are in pixels: text keeps its size and shape.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from proctop.export.report.words import esc
from proctop.records import Floats, Ints

HEIGHT = 200
"""Units of a plot from bottom to top."""

Run = tuple[int, str]
"""Where a line begins, and its path data."""


def path(xs: Ints, values: Floats, low: float, high: float, reach: int) -> list[Run]:
    """The runs of a line, one for each stretch that is known.

    ``xs`` int64[n] rise; ``values`` float64[n] (NaN = missing) are drawn from ``low`` (at the bottom) to ``high``. Two points more than
    ``reach`` apart are not joined.
    """
    scale = HEIGHT / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore"):
        ys = np.clip(HEIGHT - (values - low) * scale, 0, HEIGHT)
    runs: list[list[tuple[int, int]]] = []
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if y != y:
            continue
        if not runs or x - runs[-1][-1][0] > reach:
            runs.append([])
        runs[-1].append((x, round(y)))
    return [(run[0][0], _relative(run)) for run in runs]


def _relative(run: list[tuple[int, int]]) -> str:
    """Absolute to the first point, then steps; a lone point is a dash."""
    (x, y), rest = run[0], run[1:]
    out = [f"M{x} {y}l" if rest else f"M{x} {y}h1"]
    for i, (to_x, to_y) in enumerate(rest):
        dx, dy = to_x - x, to_y - y
        out.append(f"{' ' if i else ''}{dx}{' ' if dy >= 0 else ''}{dy}")
        x, y = to_x, to_y
    return "".join(out)


def strokes(runs: Iterable[Run], style: str) -> str:
    """Lines."""
    data = "".join(data for _, data in runs)
    return f'<path class="{style}" d="{data}"/>' if data else ""


def fills(runs: Iterable[Run], style: str) -> str:
    """Areas between lines and the bottom."""
    return strokes([(first, f"{data}V{HEIGHT}H{first}z") for first, data in runs], style)


def plot(y: int, height: int, width: int, inside: str) -> str:
    """A plot of ``width`` × HEIGHT units, stretched over the whole breadth at ``y``."""
    return f'<svg y="{y}" width="100%" height="{height}" viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none">{inside}</svg>'


def percent(x: float) -> str:
    """A place from left (0) to right (1).

    >>> percent(0.12345), percent(2.0)
    ('12.35%', '100%')
    """
    return f"{min(max(x, 0.0), 1.0) * 100:.2f}".rstrip("0").rstrip(".") + "%"


def title(text: str) -> str:
    """What is shown while the pointer rests there."""
    return f"<title>{esc(text)}</title>"
