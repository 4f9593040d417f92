"""Why a row stands out for a model that does not say: its features furthest from what is usual where the model looks.

Each feature x with noise unit u is followed as y = ln(1 + x/u): mean and standard deviation over all rows that the model of a place was
given. A row's z is (y − mean) / max(sd, ¼), and usual is mean ± 2 sd, up to the most that was seen. This explains the row and not the
model, which may weigh it otherwise.
"""

from __future__ import annotations

import numpy as np

from proctop.fields import FEATURE, FEATURES
from proctop.frames import Reason
from proctop.records import Floats, Floats32, Index
from proctop.scoring.explain import words

_LEAST = 0.25  # of a standard deviation: below it, differences are noise
_TELLING = 2.0
_MOST = 3
_FEW = 10


class Deviation:
    """By place, float64[places, k]: how many values, the sums of y and of y², and the largest y."""

    def __init__(self, names: tuple[str, ...], places: int) -> None:
        self._features = [FEATURES[FEATURE[name]] for name in names]
        self._unit = np.array([feature.noise or 1.0 for feature in self._features])
        self._sums = np.zeros((3, places, len(names)))
        self._most = np.zeros((places, len(names)))

    def forget(self, places: list[int]) -> None:
        """Other processes sit there now."""
        self._sums[:, places] = 0
        self._most[places] = 0

    def _scaled(self, values: Floats32) -> Floats:
        scaled: Floats = np.log1p(np.maximum(values, 0) / self._unit)
        return scaled

    def learn(self, places: Index, values: Floats32) -> None:
        """``values`` float32[m, k] of the rows, given to the models at ``places`` int64[m]; NaN = missing."""
        y = self._scaled(values)
        known = ~np.isnan(y)
        y[~known] = 0
        for total, what in zip(self._sums, (known.astype(np.float64), y, y * y), strict=True):
            np.add.at(total, places, what)
        np.maximum.at(self._most, places, y)

    def why(self, places: Index, values: Floats32, against: str, kinds: list[str]) -> list[tuple[Reason, ...]]:
        """At most three reasons a row, furthest first. ``kinds``: what usual refers to, by row, in words."""
        count, total, squares = self._sums[:, places]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            sd = np.sqrt(np.maximum(squares / count - mean * mean, 0))
            z = (self._scaled(values) - mean) / np.maximum(sd, _LEAST)
        z[(count < _FEW) | np.isnan(z)] = 0
        low = np.expm1(np.maximum(mean - 2 * sd, 0)) * self._unit
        high = np.expm1(np.minimum(mean + 2 * sd, self._most[places])) * self._unit
        out = []
        for i, kind in enumerate(kinds):
            furthest = np.argsort(-np.abs(z[i]), kind="stable")[:_MOST].tolist()
            out.append(tuple(self._reason(values, z, low, high, i, j, against, kind) for j in furthest if abs(z[i, j]) >= _TELLING))
        return out

    def _reason(self, values: Floats32, z: Floats, low: Floats, high: Floats, i: int, j: int, against: str, kind: str) -> Reason:
        feature, value, usual = self._features[j], float(values[i, j]), (float(low[i, j]), float(high[i, j]))
        return Reason(feature.name, value, usual, against, words(feature, bool(z[i, j] < 0), value, *usual, kind))
