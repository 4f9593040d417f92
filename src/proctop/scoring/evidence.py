"""How surprising each channel of each process is: predictive tail probabilities, shrunk from own history towards ever wider kinds.

g = (Σ G·SF + .005) / (n_G + .5)         the host's processes of that age
g ← (K·SF + 20 g) / (n_K + 20)           its container, while own history is short
q = (C·SF + 20 g) / (n_C + 20)           its cohort
p = (H·SF + k q) / (N + k)               its own history
e = -ln p                                of waiting for a cpu times how little the others wait
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proctop.fields import FEATURE
from proctop.records import Floats32, Index, Ints
from proctop.scoring.kinds import Kinds
from proctop.scoring.lives import COUNT
from proctop.scoring.memory import Memory
from proctop.scoring.tails import (
    BINS,
    CDF,
    CHANNEL,
    CHANNELS,
    EVIDENCE,
    EVIDENCES,
    IDLE,
    LEVELS,
    LOWER,
    MISSING,
    RUN_WAIT,
    SF,
    STEPS,
    TABLE,
    TAILS,
    UPPER,
    Steps,
)

_GROUP = np.float32(20)
_CONTAINER_UNTIL = 60
_LOWER_FROM = 20
_CHUNK = 4096  # pairs: what fits the second-level cache with its three gathers
_DEMAND = FEATURE["demand"]
_NO_DEMAND, _USUAL_WAIT = 1e-3, 0.25  # s/s; share of what processes want of the cpus
_LEAST, _MOST = np.float32(1e-7), np.float32(1)

_OWN = np.full(TAILS, 20.0, dtype=np.float32)
_OWN[LEVELS] = 0.5
_OWN[IDLE] = 0.1
_OWN[UPPER:] = 0.1
_WEIGHT = np.array(
    [0.6 if j < UPPER and name in ("disk_read", "majflt") else 1.0 for j, name in enumerate(EVIDENCE[:TAILS])], dtype=np.float32
)
_SHIFT = np.where(np.arange(TAILS) < UPPER, 0, STEPS)


def host_tails(host: Kinds) -> Floats32:
    """float32[2, 32, 93]: g of the young and of the mature, for every evidence and step. ``host`` has two rows, young and mature."""
    hist, mass = host.hist[:2], host.mass[:2]
    out = np.empty((2, TAILS, STEPS), dtype=np.float32)
    out[:, :UPPER] = (hist[:, :UPPER] @ SF.T + np.float32(0.005)) / (mass[:, :UPPER, None] + np.float32(0.5))
    low = slice(CHANNELS - LOWER, CHANNELS)
    out[:, UPPER:] = (hist[:, low].sum(axis=0) @ CDF.T + np.float32(0.05)) / (mass[:, low].sum(axis=0)[:, None] + np.float32(0.5))
    return out


def evidence(memory: Memory, tails: Floats32, slots: Ints, mature: Ints, step: Steps) -> Floats32:
    """float32[m, 33]: e of each evidence; 0 where the value is missing or cannot be unusual.

    ``slots`` int64[m] all have books, ``mature`` is 0 or 1, ``step`` uint8[m, 30].
    """
    lives, cohorts, containers = memory.lives, memory.cohorts, memory.containers
    asked = step[:, CHANNEL]
    books = lives.book[slots]
    needed = asked != MISSING
    needed[:, :UPPER] &= asked[:, :UPPER] > 0  # nothing is below zero: SF(0) = 1
    needed[:, UPPER:] &= lives.mass[books, CHANNELS - LOWER :] >= _LOWER_FROM
    silent = lives.kernel[slots]  # kernel threads hand work to each other: that one has none says nothing
    needed[silent, IDLE] = False
    needed[silent, UPPER:] = False
    pairs = needed.ravel().nonzero()[0]
    out = np.zeros(asked.size, dtype=np.float32)
    steps = asked.reshape(-1)
    cohort_rows = lives.cohort[slots] * 2 + mature
    container_rows = lives.container[slots]
    for begin in range(0, pairs.size, _CHUNK):
        part = pairs[begin : begin + _CHUNK]
        row, j = np.divmod(part, TAILS)
        s, channel = steps[part].astype(np.int64), CHANNEL[j]
        kernel = TABLE.take(s + _SHIFT[j], axis=0)
        g = tails[mature[row], j, s]
        own = books[row] * CHANNELS + channel
        n = lives.mass.reshape(-1)[own]
        group = container_rows[row]
        near = ((group >= 0) & (j < UPPER) & (n < _CONTAINER_UNTIL)).nonzero()[0]
        if near.size:
            at = group[near] * CHANNELS + channel[near]
            g[near] = (_dot(containers.hist, at, kernel[near]) + _GROUP * g[near]) / (containers.mass.reshape(-1)[at] + _GROUP)
        at = cohort_rows[row] * CHANNELS + channel
        q = (_dot(cohorts.hist, at, kernel) + _GROUP * g) / (cohorts.mass.reshape(-1)[at] + _GROUP)
        k = _OWN[j]
        p = (_dot(lives.hist, own, kernel) / COUNT + k * q) / (n + k)
        out[part] = -np.log(np.clip(p, _LEAST, _MOST)) * _WEIGHT[j]
    return np.concatenate([out.reshape(asked.shape), lives.novel[slots][:, None]], axis=1)


def heed(values: Floats32, rows: Index) -> Floats32:
    """float32[m]: how much it tells that one of ``rows`` waits for a cpu, from 0 where everybody does to 1.

    ``values`` float32[n_features, n]. The others wait for the share L of the cpu time that they want together; up to a quarter is usual.
    """
    demand = values[_DEMAND].astype(np.float64)
    known = demand == demand
    demand = np.where(known, demand, 0.0)
    wait = np.where(known, values[RUN_WAIT], 0.0).astype(np.float64)
    share = (wait.sum() - wait[rows]) / np.maximum(demand.sum() - demand[rows], _NO_DEMAND)
    weight: Floats32 = np.clip((1 - share) / (1 - _USUAL_WAIT), 0, 1).astype(np.float32)
    return weight


def _dot(hist: NDArray[Any], rows: Index, kernel: Floats32) -> Floats32:
    """float32[p]: the histograms ``rows`` of ``hist`` [..., 24], each times its row of ``kernel``."""
    total: Floats32 = np.einsum("pb,pb->p", hist.reshape(-1, BINS).take(rows, axis=0).astype(np.float32, copy=False), kernel)
    return total


SHARPNESS = 1.5
_AMONG = np.float32(EVIDENCES - 1)  # waiting for a cpu, which is no evidence where all do, is not counted


def combine(e: Floats32) -> Floats32:
    """float32[m]: S = (1/r) ln mean_j exp(r e_j), a generalised mean of 1/p (Wilson 2019, PNAS 116:1195), between harmonic and min p.

    ``e`` is float32[m, 33].
    """
    total: Floats32 = np.log(np.exp(e * np.float32(SHARPNESS)).sum(axis=1) / _AMONG) / np.float32(SHARPNESS)
    return np.maximum(total, 0)
