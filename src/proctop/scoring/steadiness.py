"""How far rates are from where they always are, in standard deviations of y = ln(1 + x/u): for what is steady, where histograms are coarse.

Mean and variance are exponential averages (West 1979, CACM 22:532) that a single wild reading moves little, and an unusual one hardly.
"""

from __future__ import annotations

import numpy as np

from proctop.fields import SCORED, Kind
from proctop.records import Bools, Floats, Floats32, Index, Ints
from proctop.scoring.tails import RUN_WAIT, UNITS

RATES: Index = np.array([i for i, feature in enumerate(SCORED) if feature.kind is Kind.RATE and i != RUN_WAIT])
"""The features that are looked at: what groups do, and not how long they wait for a cpu because of others."""

_SPAN = 300.0  # readings that mean and deviation look back
_GUARDED = 0.05  # an unusual reading counts for so much only
_WILD = 4.0  # standard deviations beyond which a reading counts as so far only
_SMALL = 0.1  # standard deviations that are none
_UNITS: Floats = UNITS[RATES]


class Steadiness:
    """By group and rate, float64[g, rates]: means of y over the last ``slow`` readings, and their own mean and variance.

    A rate that was known for fewer than ``few`` readings has no normal yet, and no standard deviation is below ``least``. ``unusual``
    bool[g] is for whoever scores to set.
    """

    def __init__(self, *, slow: int, few: int, least: float) -> None:
        self._slow_span, self._few, self._least = slow, few, least
        self.unusual: Bools = np.zeros(0, dtype=np.bool_)
        self._n: Ints = np.zeros((0, RATES.size), dtype=np.int64)
        self._slow: Floats = np.zeros((0, RATES.size))
        self._mean: Floats = np.zeros((0, RATES.size))
        self._var: Floats = np.zeros((0, RATES.size))

    @property
    def known(self) -> Bools:
        """bool[g]: it has a normal."""
        known: Bools = np.logical_or.reduce(self._n > self._few, axis=1)
        return known

    def follow(self, kept: Index, new: int) -> None:
        """Groups ``kept`` stay, in this order, and ``new`` come."""
        nothing = np.zeros((new, RATES.size))
        self._n = np.concatenate([self._n[kept], nothing.astype(np.int64)])
        self._slow, self._mean, self._var = (np.concatenate([array[kept], nothing]) for array in (self._slow, self._mean, self._var))
        self.unusual = np.concatenate([self.unusual[kept], np.zeros(new, dtype=np.bool_)])

    def step(self, values: Floats32 | Floats) -> Floats:
        """float64[g, rates]: standard deviations from the mean, signed, NaN = not known; then learns ``values`` [n_features, g]."""
        y = np.log1p(np.clip(values[RATES].T.astype(np.float64), 0, 1e30) / _UNITS)
        known = ~np.isnan(y)
        self._n += known
        self._slow = np.where(known, self._slow + (y - self._slow) / np.clip(self._n, 1, self._slow_span), self._slow)
        off = np.where(known, self._slow - self._mean, 0.0)
        deviation = np.maximum(np.sqrt(self._var), self._least)
        z = off / deviation
        z[np.abs(z) < _SMALL] = 0
        old = self._n > self._few
        share = np.where(self.unusual, _GUARDED, 1.0)[:, None] / np.clip(self._n, 1, _SPAN)
        near = np.where(old, np.clip(off, -_WILD * deviation, _WILD * deviation), off)
        self._mean += share * near
        self._var = np.where(known, (1 - share) * (self._var + share * near**2), self._var)
        return np.where(known & old, z, np.nan)

    def told(self, group: int, rate: int, deviations: tuple[float, ...]) -> list[float]:
        """So many standard deviations from the mean, as the rate itself."""
        one = max(float(np.sqrt(self._var[group, rate])), self._least)
        y = [float(self._mean[group, rate]) + many * one for many in deviations]
        return [float(_UNITS[rate] * np.expm1(max(x, 0.0))) for x in y]
