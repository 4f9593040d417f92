"""Robust scaling: the median goes to 0, the interquartile range to 1, and outliers do not bend either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proctop.records import Floats, Floats32

_NOTHING = 10 * np.finfo(np.float64).eps  # a range below is rounding


@dataclass(frozen=True, slots=True)
class Scale:
    """``(x − center) / range``. A range of nothing counts as 1, so a constant column stays at 0."""

    center: float
    range: float

    @classmethod
    def fit(cls, values: Floats) -> Scale:
        """Of a column, NaN left out; of a column of nothing else (NaN, 1)."""
        known = values[values == values] if np.isnan(values).any() else values
        if not known.size:
            return cls(float("nan"), 1.0)
        q1, median, q3 = (float(x) for x in np.quantile(known, (0.25, 0.5, 0.75)))
        return cls(median, q3 - q1 if q3 - q1 > _NOTHING else 1.0)

    def apply(self, values: Floats) -> Floats32:
        """float32, NaN stays NaN."""
        return ((values - self.center) / self.range).astype(np.float32)
