"""Kernel histograms over log-scaled features: channels, bins, and the two constant tables that turn counts into tail probabilities.

A value x of a feature with noise unit u becomes y = ln(1 + x/u), held in 24 bins: bin 0 is exact zero, bins 1–23 are half a nat wide,
the last one open. Every count stands for a Laplace kernel of scale 0.2 around the centre of its bin; in log units an exponential tail,
in raw units a power law, which is what such counters have. y itself is resolved to four steps a bin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proctop.fields import FEATURE, SCORED, Kind
from proctop.records import Floats, Floats32, Ints

Steps = NDArray[np.uint8]

BINS = 24
STEPS = 93
MISSING = 255
"""A step or bin that stands for no value."""

_WIDTH = 0.5
_SCALE = 0.2
_ZERO = 1e-3

LARGEST = np.float32(1e30)
"""Values above it are taken for it: all are far beyond the last bin, and sums of them stay finite."""

FAST: tuple[str, ...] = tuple(f.name for f in SCORED)
SLOW: tuple[str, ...] = ("rss_growth", "data_growth", "thread_growth", "fd_growth", "cpu", "vctx", "rchar", "wchar", "syscalls")
"""Smoothed channels. The first six look for more than usual, the last five for less."""

CHANNELS = len(FAST) + len(SLOW)  # 30 histograms
UPPER = len(FAST) + 6  # the first 27 are asked for their upper tail
LOWER = 5  # the last 5 for their lower tail
TAILS = UPPER + LOWER  # 32
NOVEL = TAILS  # the last evidence is no tail: a newcomer where such are rare
EVIDENCES = TAILS + 1

EVIDENCE: tuple[str, ...] = (*FAST, *SLOW[:6], *SLOW[-LOWER:], "new_executable")
"""The feature behind each evidence."""

CHANNEL: Ints = np.concatenate([np.arange(UPPER), np.arange(CHANNELS - LOWER, CHANNELS)]).astype(np.int64)
"""The histogram behind each tail."""

UNITS: Floats = np.array([SCORED[FEATURE[name]].noise for name in FAST + SLOW])
IDLE = FEATURE["idle_s"]
LEVELS = slice(FEATURE["threads"], FEATURE["idle_s"])
RATES = len([f for f in SCORED if f.kind is not Kind.LEVEL])
RUN_WAIT = FEATURE["run_wait"]
WAITS = SLOW.index("vctx")
SLOW_FROM: Ints = np.array([FEATURE[name] for name in SLOW])


def _tables() -> tuple[Floats32, Floats32]:
    step = np.arange(STEPS)
    y = np.where(step == 0, 0.0, (step - 0.5) * _WIDTH / 4)
    b = np.arange(BINS)
    centre = np.where(b == 0, 0.0, (b - 0.5) * _WIDTH)
    d = y[:, None] - centre
    above = np.where(d <= 0, 1 - 0.5 * np.exp(np.minimum(d, 0) / _SCALE), 0.5 * np.exp(-np.maximum(d, 0) / _SCALE))
    below = 1 - above
    above[0] = 1.0
    below[:, 0] = 1.0
    return above.astype(np.float32), below.astype(np.float32)


SF, CDF = _tables()
"""float32[93, 24]: the share of a count in a bin that lies at or above (SF), at or below (CDF) a step."""

TABLE: Floats32 = np.concatenate([SF, CDF])
"""Both, for one gather: an upper tail reads row ``step``, a lower tail row ``step + 93``."""

EDGES: Floats = np.expm1(np.maximum(np.arange(1, BINS) - 1, 0) * _WIDTH)
"""float64[23]: lower edge of bins 1–23 in units of u (bin 1 begins above zero)."""
EDGES[0] = np.expm1(_ZERO)


def steps(values: Floats32, units: Floats) -> Steps:
    """uint8, same shape: the step of each value, :data:`MISSING` for NaN. ``units`` broadcasts against ``values``."""
    y = np.log1p(np.clip(values, 0, LARGEST) / units.astype(np.float32))
    missing = np.isnan(y)
    y[missing] = 0
    fine = np.minimum(y * np.float32(4 / _WIDTH), STEPS - 2).astype(np.uint8)
    fine += 1
    fine[y < _ZERO] = 0
    fine[missing] = MISSING
    return fine


def bins(step: Steps) -> Steps:
    """The bin of each step; :data:`MISSING` stays."""
    out = (step + np.uint8(3)) >> np.uint8(2)
    out[step == MISSING] = MISSING
    return out


def value_at(quantile_bin: Ints, share: Floats, unit: Floats) -> Floats:
    """Back in the feature's own unit: the point ``share`` (0..1) of the way through a bin."""
    return np.where(quantile_bin == 0, 0.0, np.expm1((quantile_bin - 1 + share) * _WIDTH) * unit)
