"""A raw score of any scale as nats: −ln of the share of this detector's last scores that were at least as high.

Below the 95th percentile the share is read off the scores themselves. Above it they are too few to count, and a Pareto tail of index 1
goes on where counting ends: p = 0.05 / (1 + (s − u) / β), β the median excess over u. It is strictly rising, so it keeps the order of
the raw scores, and heavy, because such scores are: a score ten times the usual excess costs 2.4 nats more, not ten.
"""

from __future__ import annotations

import numpy as np

from proctop.records import Floats

KEPT = 8192
"""Scores that are remembered."""

_TAIL = 0.05
_FEW = 20


class Surprise:
    """The last :data:`KEPT` scores of a detector."""

    def __init__(self) -> None:
        self._ring: Floats = np.zeros(KEPT)
        self._count = 0

    def nats(self, raw: Floats) -> Floats:
        """float64, same shape; 0 until there are scores to compare with, NaN for what is not finite."""
        raw = np.where(np.isfinite(raw), raw, np.nan)
        n = min(self._count, KEPT)
        if n < _FEW:
            return np.where(np.isnan(raw), np.nan, 0.0)
        known = np.sort(self._ring[:n])
        below = np.searchsorted(known, raw, side="left")
        counted = -np.log(np.maximum(n - below, 1) / n)
        u = np.quantile(known, 1 - _TAIL)
        excess = known[known > u] - u
        beta = max(float(np.median(excess)) if excess.size else 0.0, 1e-9 * abs(u), 1e-12)
        tail = -np.log(_TAIL) + np.log1p(np.maximum(raw - u, 0) / beta)
        return np.where(np.isnan(raw), np.nan, np.where(raw > u, tail, np.minimum(counted, -np.log(_TAIL))))

    def add(self, raw: Floats) -> None:
        """Remember these; what is not finite is no score."""
        raw = raw[np.isfinite(raw)][-KEPT:]
        at = (self._count + np.arange(raw.size)) % KEPT
        self._ring[at] = raw
        self._count += int(raw.size)
