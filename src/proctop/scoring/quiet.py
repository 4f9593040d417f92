"""Silence in closed form: what a process that did nothing for k readings would have taught, without having looked at it k times.

Its rates were zero, its levels stood still, its idle time rose evenly and its slow means decayed by 7/8 a reading. So the bins that the
samples would have fallen into follow from where idle time and slow means cross the edges of bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from proctop.records import Floats, Floats32, Index, Ints
from proctop.scoring.tails import BINS, CHANNELS, EDGES, FAST, IDLE, LEVELS, MISSING, RATES, SLOW_FROM, UNITS, Steps, bins, steps

SLOW_SPAN = 8
"""Readings that a slow mean looks back."""

_DECAY = float(np.log(SLOW_SPAN / (SLOW_SPAN - 1)))
_LOG_EDGES = np.log(EDGES[None, :] * UNITS[len(FAST) :, None])  # [9, 23]
_LEVEL_CHANNELS = np.arange(LEVELS.start, LEVELS.stop)


class Counts(NamedTuple):
    """Counts to be added: process ``row``, histogram ``channel``, ``bin``, ``weight``; each cell at most once."""

    row: Ints
    channel: Ints
    bin: Ints
    weight: Floats32

    def only(self, which: Index) -> Counts:
        """Some of them."""
        return Counts(self.row[which], self.channel[which], self.bin[which], self.weight[which])


def sample(b: Steps, weight: Floats32) -> Counts:
    """One sample each: bins uint8[m, 30] with weight [m]."""
    have = (b.reshape(-1) != MISSING).nonzero()[0]
    row, channel = np.divmod(have, CHANNELS)
    return Counts(row, channel, b.reshape(-1)[have].astype(np.int64), weight[row])


def silence(values: Floats32, slow: Floats32, idle: Floats32, k: Ints) -> Counts:
    """What ``k`` int[m] quiet readings add up to.

    ``values`` float32[21, m]: features in the last of them; ``slow`` float32[m, 9] and ``idle`` float32[m]: slow means and idle time before
    the first.
    """
    known = ~np.isnan(values)
    still = bins(steps(values[LEVELS].T, UNITS[LEVELS]))
    fading = slow >= EDGES[0] * UNITS[len(FAST) :]
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []

    channel, row = np.nonzero(known[:RATES])
    parts.append((row, channel, np.zeros_like(row), k[row].astype(float)))
    row, at = np.nonzero(still != MISSING)
    parts.append((row, _LEVEL_CHANNELS[at], still[row, at].astype(np.int64), k[row].astype(float)))
    heard = known[SLOW_FROM].T
    row, at = np.nonzero(heard & ~fading)
    parts.append((row, at + len(FAST), np.zeros_like(row), k[row].astype(float)))

    row, at = np.nonzero(heard & fading)
    if row.size:
        above = np.floor((np.log(slow[row, at].astype(float))[:, None] - _LOG_EDGES[at]) / _DECAY)
        below = k[row, None] - np.clip(above, 0, k[row, None])
        parts.append(_spread(row, at + len(FAST), below, k[row]))
    row = known[IDLE].nonzero()[0]
    begin, end = np.fmax(idle[row].astype(float), 0), values[IDLE, row].astype(float)
    pace = np.maximum((end - begin) / np.maximum(k[row], 1), 1e-9)
    below = np.clip(np.ceil((EDGES - begin[:, None]) / pace[:, None] - 1e-6) - 1, 0, k[row, None])
    parts.append(_spread(row, np.full(row.size, IDLE), below, k[row]))

    row, channel, at, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    some = weight > 0
    return Counts(row[some], channel[some], at[some], weight[some].astype(np.float32))


def _spread(row: Ints, channel: Ints, below: Floats, k: Ints) -> tuple[Ints, Ints, Ints, Floats]:
    """From counts below each edge float64[p, 23] to counts by bin, of which only those that are not zero."""
    counts = np.empty((row.size, BINS))
    counts[:, 0] = below[:, 0]
    counts[:, 1:-1] = np.diff(below, axis=1)
    counts[:, -1] = k - below[:, -1]
    pair, at = np.nonzero(counts)
    return row[pair], channel[pair], at, counts[pair, at]
