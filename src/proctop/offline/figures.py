"""What is said of scored rows: shape, columns, a sample, how the scores are spread, the ten highest. All the notebooks' figures."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Sequence

import numpy as np

from proctop.offline.scored import Row
from proctop.records import Floats
from proctop.sources.events import CONTEXT, Value
from proctop.view.cells import fit, width

SAMPLE, HIGHEST = 5, 10
SCORE, FLAG = "anomaly_score", "is_anomaly"

_SHORT_ID = 12
_WIDEST = {"container_image": 36}
_CELL = 24
_MISSING = "–"


class Figures:
    """Takes rows one at a time; holds eight bytes of each, and the few that are shown."""

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self.sample: list[Row] = []
        self.flagged = 0
        self._flags = False
        self._scores = array("d")
        self._highest: list[tuple[float, int, Row]] = []

    def add(self, row: Row) -> None:
        number = len(self._scores)
        if number < SAMPLE:
            self.sample.append(row)
        self._scores.append(row.score)
        self._flags |= row.flagged is not None
        self.flagged += row.flagged is True
        if row.score != row.score:
            return
        entry = (row.score, -number, row)  # of equal scores the first
        if len(self._highest) < HIGHEST:
            heapq.heappush(self._highest, entry)
        elif entry[:2] > self._highest[0][:2]:
            heapq.heapreplace(self._highest, entry)

    @property
    def scores(self) -> Floats:
        """float64[n], NaN = not scored."""
        return np.frombuffer(self._scores) if self._scores else np.zeros(0)

    def highest(self) -> list[tuple[int, Row]]:
        """The ten highest, with their numbers from 0."""
        return [(-number, row) for _, number, row in sorted(self._highest, key=lambda entry: entry[:2], reverse=True)]

    def text(self, columns: Sequence[str], model: str) -> str:
        """Some lines for people. ``columns``: those of the input."""
        scores = self.scores
        lines = [f"shape: {scores.size:,} rows × {len(columns)} columns", f"columns: {', '.join(columns)}", f"model: {model}"]
        lines += ["", "features of the first rows", *_table(self.features, [(i, row.features) for i, row in enumerate(self.sample)])]
        lines += ["", "context of the first rows", *_table(CONTEXT, [(i, row.context) for i, row in enumerate(self.sample)])]
        lines += ["", SCORE, *spread(scores)]
        if self._flags:
            lines.append(f"{FLAG}: {self.flagged:,} rows, {self.flagged / scores.size:.2%}")
        names = (*CONTEXT, *self.features, SCORE, *([FLAG] if self._flags else []))
        lines += ["", f"the {len(self._highest)} highest", *_table(names, [(i, cells(row)) for i, row in self.highest()])]
        return "\n".join(lines) + "\n"


def cells(row: Row) -> tuple[Value, ...]:
    """Context, features, score, and whether it is an anomaly where the model says so; None for NaN."""
    numbers = [x if x == x else None for x in (*row.features, row.score)]
    return (*row.context, *numbers, *(() if row.flagged is None else (row.flagged,)))


def spread(scores: Floats) -> list[str]:
    """Mean, standard deviation (of a sample, n − 1), extremes, and two percentiles (linear) with the share above each.

    >>> spread(np.arange(101.0))[2:]
    ['95th percentile: 95.0000, above it 4.95%', '99th percentile: 99.0000, above it 0.99%']
    """
    known = scores[~np.isnan(scores)]
    unscored = [f"{scores.size - known.size:,} rows have no score"] if known.size < scores.size else []
    if not known.size:
        return unscored
    deviation = known.std(ddof=1) if known.size > 1 else float("nan")
    lines = [f"mean: {known.mean():.4f}, std: {deviation:.4f}", f"min: {known.min():.4f}, max: {known.max():.4f}"]
    for q, at in zip((95, 99), np.percentile(known, (95, 99)), strict=True):
        lines.append(f"{q}th percentile: {at:.4f}, above it {np.count_nonzero(known > at) / known.size:.2%}")
    return lines + unscored


def _table(names: Sequence[str], rows: Sequence[tuple[int, Sequence[Value]]]) -> list[str]:
    """Columns as wide as what is in them; numbers to the right."""
    text = [["", *names], *([str(number), *(_cell(name, x) for name, x in zip(names, row, strict=True))] for number, row in rows)]
    right = [True, *(all(not isinstance(row[j], str) for _, row in rows) for j in range(len(names)))]
    wide = [max(width(line[j]) for line in text) for j in range(len(names) + 1)]
    return ["  ".join(fit(cell, wide[j], right=right[j]) for j, cell in enumerate(line)).rstrip() for line in text]


def _cell(name: str, value: Value) -> str:
    if value is None or value != value:
        return _MISSING
    if isinstance(value, str):
        if name == "container_id":
            return value[:_SHORT_ID]
        return fit(value, min(width(value), _WIDEST.get(name, _CELL)))
    if isinstance(value, float) and name == SCORE:
        return f"{value:.6f}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
