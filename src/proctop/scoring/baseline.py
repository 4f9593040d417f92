"""The default detector: each process against its own normal, by predictive tails of kernel histograms.

One pass per reading over the processes that did something or are due; see :mod:`.tails`, :mod:`.evidence`, :mod:`.learning`,
:mod:`.calibration`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from proctop.records import Batch, Bools, Floats32, Index, Ints, ProcKey, Reason, Scores, Status
from proctop.scoring.calibration import Calibration, Episodes
from proctop.scoring.evidence import combine, evidence, host_tails
from proctop.scoring.explain import NOTABLE, Explainer
from proctop.scoring.kinds import Kinds
from proctop.scoring.learning import EXCURSION, EXCURSION_IDLE, keep, present, weigh
from proctop.scoring.lives import Lives
from proctop.scoring.tails import FAST, IDLE, SLOW_FROM, UNITS, Steps, bins, steps

WARM_UP = 30
"""Readings before a score means anything."""

_YOUNG = 3  # samples of a life that are judged as young
_SETTLED = 2  # the first samples of a life are the cohort's only
_SLOW_SPAN = 8
_FORGET_ABOVE, _FORGET = 1200, np.float32(0.9)
_FADE_EVERY = 64
_FAST_KEEP, _ALERT_KEEP = np.float32(0.5), np.float32(0.8)


class Baseline:
    """Hierarchical kernel-histogram predictive tails.

    ``budget``: false alerts an hour that are acceptable on this host.
    """

    name = "baseline"

    def __init__(self, *, budget: float = 6.0) -> None:
        self.budget = budget
        self._lives = Lives()
        self._cohorts = Kinds(1000, ages=2)
        self._containers = Kinds(500)
        self._host = Kinds(0, ages=2)
        self._calibration = Calibration()
        self._episodes = Episodes()
        self._explainer = Explainer()
        self._slots: Ints = np.zeros(0, dtype=np.int64)
        self._batch: Batch | None = None
        self._readings = 0
        self._now = 0.0

    @property
    def warming(self) -> float:
        return min(self._readings / WARM_UP, 1.0)

    def accept(self, key: ProcKey) -> None:
        batch = self._batch
        if batch is None:
            return
        row = np.flatnonzero((batch.pid == key.pid) & (batch.start == key.start))
        self._lives.accepted[self._slots[row]] = True

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        gone = self._follow(batch)
        self._batch = batch
        peaks = self._episodes.step(self._now, self._lives.alert[: self._lives.slots], gone)
        if batch.dt != batch.dt:
            return self._scores(batch)
        self._now += batch.dt
        rows = np.flatnonzero((batch.prev >= 0) | batch.born)
        e, measured = self._evaluate(batch, rows)
        self._readings += 1
        lives = self._lives
        if self._readings % _FADE_EVERY == 0:
            for kinds in (self._cohorts, self._containers, self._host):
                kinds.fade()
        lives.fast += (lives.score - lives.fast) * (1 - _FAST_KEEP)
        lives.alert += (lives.score - lives.alert) * (1 - _ALERT_KEEP)
        if self.warming >= 1:
            self._calibration.observe(self._now, peaks)
        scores = self._scores(batch)
        return replace(scores, why=self._why(batch, scores, rows, e, measured, explain))

    def _why(self, batch: Batch, scores: Scores, rows: Index, e: Floats32, measured: Floats32, most: int) -> dict[int, tuple[Reason, ...]]:
        """Reasons of the highest of the evaluated rows."""
        rank = np.nan_to_num(scores.rank[rows])
        at = np.flatnonzero(rank >= NOTABLE)
        at = at[np.argsort(-rank[at], kind="stable")[:most]]
        return self._explainer.step(batch, rows[at], self._slots[rows[at]], e[at], measured[at], self._lives, self._cohorts)

    def _follow(self, batch: Batch) -> Index:
        """Carry slots over to the rows of ``batch``; returns the slots that became free."""
        lives, known = self._lives, batch.prev >= 0
        before = self._slots
        if batch.prev.size == before.size and bool((batch.prev == np.arange(before.size)).all()):
            return before[:0]
        stayed = np.zeros(before.size, dtype=np.bool_)
        stayed[batch.prev[known]] = True
        gone = before[~stayed]
        self._cohorts.leave(lives.cohort[gone])
        held = lives.container[gone]
        self._containers.leave(held[held >= 0])
        lives.free(gone)
        slots = np.empty(batch.prev.size, dtype=np.int64)
        slots[known] = before[batch.prev[known]]
        new = np.flatnonzero(~known)
        slots[new] = fresh = lives.take(new.size)
        for slot, row in zip(fresh.tolist(), new.tolist(), strict=True):
            label = batch.labels[row]
            lives.cohort[slot] = self._cohorts.join(cohort(label.comm))
            lives.container[slot] = -1 if label.container is None else self._containers.join(label.container.id)
        self._slots = slots
        return gone

    def _evaluate(self, batch: Batch, rows: Index) -> tuple[Floats32, Floats32]:
        """Score and learn ``rows``. Their evidence float32[m, 31], and what their channels measured float32[m, 29]."""
        lives, slots = self._lives, self._slots[rows]
        bare = slots[lives.book[slots] < 0]
        if bare.size:
            lives.open_books(bare)
        lives.n[slots] += 1
        n = lives.n[slots]
        books = lives.book[slots]
        values = batch.values[: len(FAST), rows].T
        now = values[:, SLOW_FROM]
        slow = lives.slow[books]
        slow += np.where(np.isnan(now), 0, (now - slow) / np.minimum(n, _SLOW_SPAN)[:, None])
        lives.slow[books] = slow
        slow[np.isnan(now)] = np.nan
        measured = np.concatenate([values, slow], axis=1)
        step = steps(measured, UNITS)
        mature = (n > _YOUNG).astype(np.int64)
        e = evidence(lives, self._cohorts, self._containers, host_tails(self._host), slots, mature, step)
        score = combine(e)
        lives.score[slots] = score
        out = (score > EXCURSION) | (e[:, IDLE] > EXCURSION_IDLE)
        self._learn(slots, n, mature, out, bins(step), batch.dt)
        return e, measured

    def _learn(self, slots: Ints, n: Ints, mature: Ints, out: Bools, b: Steps, dt: float) -> None:
        lives = self._lives
        books = lives.book[slots]
        own = lives.mass[books].max(axis=1)
        weight = weigh(lives, slots, out, own, dt)
        have = present(b)
        self._cohorts.add(lives.cohort[slots] * 2 + mature, b, have, weight)
        self._host.add(mature, b, have, weight)
        inside = np.flatnonzero(lives.container[slots] >= 0)
        if inside.size:
            self._containers.add(lives.container[slots[inside]], b[inside], present(b[inside]), weight[inside])
        self._own(books, b, np.where(n > _SETTLED, weight, np.float32(0)))
        again, kept = keep(lives, slots, out, b, dt)
        for k in range(again.size):
            self._own(lives.book[again[k : k + 1]], kept[k : k + 1], np.ones(1, np.float32))
        full = books[lives.mass[books].max(axis=1) > _FORGET_ABOVE]
        if full.size:
            lives.hist[full] *= _FORGET
            lives.mass[full] *= _FORGET

    def _own(self, books: Ints, b: Steps, weight: Floats32) -> None:
        """Learn bins uint8[m, 29] into books [m], each book at most once."""
        lives = self._lives
        have = present(b)
        i, channel = np.divmod(have, b.shape[1])
        cell = books[i] * b.shape[1] + channel
        lives.mass.reshape(-1)[cell] += weight[i]
        lives.hist.reshape(-1)[cell * lives.hist.shape[2] + b.reshape(-1)[have]] += weight[i]

    def _scores(self, batch: Batch) -> Scores:
        lives, slots = self._lives, self._slots
        rank = lives.fast[slots]
        alert = lives.alert[slots]
        unscored = lives.n[slots] == 0
        status = np.where(lives.n[slots] < 20, Status.NEW, Status.SCORED).astype(np.int8)
        if self.warming < 1:
            unscored[:] = True
            status[:] = Status.WARMING
        rank[unscored] = np.nan
        per_hour = self._calibration.per_hour(alert)
        per_hour[unscored] = np.nan
        alerting = ~unscored & (per_hour <= self.budget)
        return Scores(rank, alert, per_hour, alerting, status, {})


def cohort(comm: str) -> str:
    """Processes of one kind share a name but for a number at its end.

    >>> cohort("worker-12")
    'worker-'
    """
    return comm.rstrip("0123456789") or comm
