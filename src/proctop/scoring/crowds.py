"""How unlike its own normal a crowd of processes is that have ended: those of one name below one parent, of which none lives long.

Each is compared with the readings in which such processes ended before, by Student's tail with three degrees of freedom: a heavy one, as
such counts have. A crowd that ended once only has no normal. Where nobody ended lately this costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from proctop.fields import FEATURE
from proctop.frames import Batch, Departed
from proctop.records import Floats, Floats32, Ints
from proctop.scoring.evidence import SHARPNESS
from proctop.scoring.memory import cohort
from proctop.scoring.steadiness import Steadiness

MOST = 1000
"""Crowds that are remembered; the one longest absent goes first."""

_FEW = 10  # readings with ends before a crowd has a normal
_LEAST = 0.25  # of a standard deviation, in nats
_UNUSUAL = 2.5  # nats
_NOW = 1e-6  # seconds
_HALF = np.float32(0.5)
_FORKS = FEATURE["forks"]


class Crowds:
    """The normal of each crowd, by the names of the parent and its own."""

    def __init__(self) -> None:
        self._source = ""
        self._forget()

    def _forget(self) -> None:
        self._rows: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._steady = Steadiness(slow=1, few=_FEW, least=_LEAST)
        self._rank: Floats32 = np.zeros(0, dtype=np.float32)

    def step(self, batch: Batch, departed: Departed) -> Departed:
        """The same with ranks. ``batch``: of the same reading."""
        if batch.source != self._source:  # another one tells of more of them, or of fewer
            self._source = batch.source
            self._forget()
        parents = _names(batch, departed.ppid)
        keys = [(parent, cohort(label)) for parent, label in zip(parents, departed.labels, strict=True)]
        self._follow(keys)
        row = np.array([self._rows[key] for key in keys], dtype=np.int64)
        now = np.flatnonzero(departed.ago < _NOW)
        values = np.full((departed.values.shape[0], self._rank.size), np.nan)  # float64: sums of the largest float32
        values[:, row[now]] = 0
        np.add.at(values.T, row[now], departed.values.T[now])
        values[_FORKS, row[now]] = np.bincount(row[now], departed.count[now], row.max() + 1)[row[now]]
        z = self._steady.step(values)
        told = ~np.isnan(z)
        sharp = np.where(told, np.exp(rarity(z) * SHARPNESS), 0).sum(axis=1) / np.maximum(told.sum(axis=1), 1)
        score = np.log(np.maximum(sharp, 1)).astype(np.float32) / np.float32(SHARPNESS)  # as :func:`.evidence.combine`, of what is told
        self._steady.unusual = score > _UNUSUAL
        self._rank += (score - self._rank) * _HALF
        known = self._steady.known
        rank = np.where(known[row], self._rank[row], np.float32(np.nan))
        rank.flags.writeable = False
        return replace(departed, rank=rank)

    def _follow(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            if key in self._rows:
                self._rows.move_to_end(key)
        new = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if not new:
            return
        order = list(self._rows.items())[max(len(self._rows) + len(new) - MOST, 0) :]
        kept = np.array([row for _, row in order], dtype=np.int64)
        self._rows = OrderedDict((key, i) for i, key in enumerate([*(key for key, _ in order), *new]))
        self._steady.follow(kept, len(new))
        self._rank = np.concatenate([self._rank[kept], np.zeros(len(new), dtype=np.float32)])


def rarity(z: Floats) -> Floats32:
    """-ln of Student's two-sided tail with three degrees of freedom, of ``z`` above 0; below, and NaN, it is 0.

    >>> rarity(np.array([-9.0, 0.0, 3.0, 30.0])).round(1).tolist()
    [0.0, 0.0, 2.9, 9.0]
    """
    t = np.nan_to_num(np.maximum(z, 0.0)) / np.sqrt(3)
    tail = 1 - 2 / np.pi * (t / (1 + t * t) + np.arctan(t))
    nats: Floats32 = -np.log(np.maximum(tail, 1e-7)).astype(np.float32)
    return nats


def _names(batch: Batch, ppid: Ints) -> list[str]:
    """The kinds of the processes ``ppid`` int64[m], "" where they are not known."""
    order = np.argsort(batch.pid, kind="stable")
    if not order.size:
        return [""] * ppid.size
    at = order[np.minimum(np.searchsorted(batch.pid, ppid, sorter=order), order.size - 1)]
    return [cohort(batch.labels[i]) if same else "" for i, same in zip(at.tolist(), (batch.pid[at] == ppid).tolist(), strict=True)]
