"""The default detector: each process against its own normal, by predictive tails of kernel histograms.

A reading costs what moved. Looked at are the processes that did something, those in whom silence could by now be unusual, and those that
are unusual; the rest sleep, and what their silence teaches is made up for when they wake (:mod:`.quiet`, :mod:`.vigil`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from proctop.records import Batch, Floats32, Index, Ints, ProcKey, Reason, Scores, Status
from proctop.scoring.calibration import Calibration, Episodes
from proctop.scoring.evidence import combine, evidence, host_tails
from proctop.scoring.explain import NOTABLE, Explainer
from proctop.scoring.kinds import Kinds
from proctop.scoring.learning import EXCURSION, EXCURSION_IDLE, forget, keep, learn, weigh
from proctop.scoring.lives import Lives
from proctop.scoring.quiet import SLOW_SPAN, Counts, sample, silence
from proctop.scoring.tails import FAST, IDLE, LEVELS, RATES, SLOW_FROM, UNITS, Steps, bins, steps
from proctop.scoring.vigil import sleep

WARM_UP = 30
"""Readings before a score means anything."""

_YOUNG = 3  # samples of a life that are judged as young
_SETTLED = 2  # the first samples of a life are the cohort's only
_SCORED = 20  # samples before own history outweighs the cohort's
_FADE_EVERY = 64
_PATIENCE = 4  # doublings of the pause between attempts to let a process sleep
_SETTLE_EVERY, _SETTLE_PARTS = 64, 8
_FAST, _SLOW = np.float32(0.5), np.float32(0.2)
_SCORED_FEATURES = len(FAST)


class Baseline:
    """Hierarchical kernel-histogram predictive tails.

    ``budget``: false alerts an hour that are acceptable on this host. ``lazy=False`` looks at every process in every reading:
    the yardstick.
    """

    name = "baseline"

    def __init__(self, *, budget: float = 6.0, lazy: bool = True) -> None:
        self.budget = budget
        self._lazy = lazy
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
        self._tails = host_tails(self._host)
        self._now = 0.0

    @property
    def warming(self) -> float:
        return min(self._readings / WARM_UP, 1.0)

    def accept(self, key: ProcKey) -> None:
        if self._batch is not None:
            row = np.flatnonzero((self._batch.pid == key.pid) & (self._batch.start == key.start))
            self._lives.accepted[self._slots[row]] = True

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        before, self._batch = self._batch, batch
        gap = batch.dt != batch.dt
        self._readings += not gap
        gone = self._follow(batch, before)
        self._lives.free(gone)
        peaks = self._episodes.step(self._now, self._lives.alert[: self._lives.slots], gone)
        if gap or before is None:
            return self._scores(batch)
        self._now += batch.dt
        rows = self._awake(batch, before)
        e, measured = self._evaluate(batch, before, rows)
        self._advance()
        if self._lazy:
            self._rest(rows, e, measured, batch.dt)
        if self._readings % _FADE_EVERY == 0:
            for kinds in (self._cohorts, self._containers, self._host):
                kinds.fade()
        if self.warming >= 1:
            self._calibration.observe(self._now, peaks)
        scores = self._scores(batch)
        return replace(scores, why=self._why(batch, scores, rows, e, measured, explain))

    def _follow(self, batch: Batch, before: Batch | None) -> Ints:
        """Carry slots over to the rows of ``batch``; returns those whose processes have gone."""
        lives, old, known = self._lives, self._slots, batch.prev >= 0
        if batch.prev.size == old.size and bool((batch.prev == np.arange(old.size)).all()):
            return old[:0]
        stayed = np.zeros(old.size, dtype=np.bool_)
        stayed[batch.prev[known]] = True
        left = np.flatnonzero(~stayed)
        gone = old[left]
        if left.size and before is not None:
            self._settle(gone, left, before)
            self._cohorts.leave(lives.cohort[gone])
            self._containers.leave(lives.container[gone][lives.container[gone] >= 0])
        slots = np.empty(batch.prev.size, dtype=np.int64)
        slots[known] = old[batch.prev[known]]
        new = np.flatnonzero(~known)
        slots[new] = fresh = lives.take(new.size)
        for slot, row in zip(fresh.tolist(), new.tolist(), strict=True):
            label = batch.labels[row]
            lives.cohort[slot] = self._cohorts.join(cohort(label.comm))
            lives.container[slot] = -1 if label.container is None else self._containers.join(label.container.id)
        lives.seen[fresh] = self._readings - batch.born[new]
        lives.due[fresh] = self._settle_at(fresh)
        self._slots = slots
        return gone

    def _awake(self, batch: Batch, before: Batch) -> Index:
        """Rows to look at. Those without a history that are only due to be counted are counted here."""
        lives, slots = self._lives, self._slots
        known = batch.prev >= 0
        there = known | batch.born
        if not self._lazy:
            return np.flatnonzero(there)
        moved = batch.active | (batch.values[:RATES] > 0).any(axis=0)
        then = before.values[LEVELS]
        moved |= known & (batch.values[LEVELS].view(np.int32) != then.view(np.int32).take(batch.prev, axis=1)).any(axis=0)
        due = lives.due[slots] <= self._readings
        blank = lives.book[slots] < 0
        counted = np.flatnonzero(there & due & blank & ~moved)
        if counted.size:
            self._settle(slots[counted], batch.prev[counted], before)
            lives.due[slots[counted]] = self._settle_at(slots[counted])
        return np.flatnonzero(there & (moved | (due & ~blank)))

    def _settle_at(self, slots: Ints) -> Ints:
        """The reading at which those without a history are counted: an eighth of them at a time."""
        part = _SETTLE_EVERY // _SETTLE_PARTS
        return (self._readings // _SETTLE_EVERY + 1) * _SETTLE_EVERY + slots % _SETTLE_PARTS * part

    def _settle(self, slots: Ints, place: Ints, before: Batch) -> None:
        """Teach groups, and own histories, the silence of ``slots`` up to the reading before, in which they were rows ``place``."""
        lives = self._lives
        k = self._readings - 1 - lives.seen[slots]
        late = np.flatnonzero(k > 0)
        if not late.size:
            return
        slots, place, k = slots[late], place[late], k[late]
        values = before.values[:_SCORED_FEATURES].take(place, axis=1)
        books = lives.book[slots]
        slow = np.where(books[:, None] >= 0, lives.slow[books], 0) if len(lives.slow) else np.zeros((k.size, SLOW_FROM.size), np.float32)
        counts = silence(values, slow, lives.idle[slots], k)
        self._teach(slots, (lives.n[slots] + k > _YOUNG).astype(np.int64), counts)
        own = books[counts.row] >= 0
        learn(lives, books, Counts(*(column[own] for column in counts)))
        kept = np.flatnonzero(books >= 0)
        lives.slow[books[kept]] = slow[kept] * np.power(np.float32(1 - 1 / SLOW_SPAN), k[kept, None])
        lives.n[slots] += k
        lives.seen[slots] += k
        lives.idle[slots] = values[IDLE]

    def _open(self, slots: Ints, place: Ints, before: Batch) -> None:
        """Histories for those that did something for the first time, beginning with the silence before."""
        lives = self._lives
        lives.open_books(slots)
        n = lives.n[slots] - _SETTLED
        long = np.flatnonzero(n > 0)
        if long.size:
            nothing = np.zeros((long.size, SLOW_FROM.size), dtype=np.float32)
            values = before.values[:_SCORED_FEATURES].take(place[long], axis=1)
            learn(lives, lives.book[slots[long]], silence(values, nothing, nothing[:, 0], n[long]))

    def _teach(self, slots: Ints, mature: Ints, counts: Counts) -> None:
        self._cohorts.add(self._lives.cohort[slots] * 2 + mature, counts)
        self._containers.add(self._lives.container[slots], counts)
        self._host.add(mature, counts)

    def _evaluate(self, batch: Batch, before: Batch, rows: Index) -> tuple[Floats32, Floats32]:
        """Score and learn ``rows``. Their evidence float32[m, 31], and what their channels measured float32[m, 29]."""
        lives, slots = self._lives, self._slots[rows]
        place = batch.prev[rows]
        self._settle(slots, place, before)
        blank = np.flatnonzero(lives.book[slots] < 0)
        if blank.size:
            self._open(slots[blank], place[blank], before)
        self._rename(batch, before, rows)
        lives.n[slots] += 1
        lives.seen[slots] = self._readings
        n, books = lives.n[slots], lives.book[slots]
        values = batch.values[:_SCORED_FEATURES].take(rows, axis=1).T
        now = values[:, SLOW_FROM]
        missing = np.isnan(now)
        slow = lives.slow[books]
        slow += np.where(missing, 0, (now - slow) / np.minimum(n, SLOW_SPAN)[:, None]).astype(np.float32)
        lives.slow[books] = slow
        slow[missing] = np.nan
        measured = np.concatenate([values, slow], axis=1)
        step = steps(measured, UNITS)
        mature = (n > _YOUNG).astype(np.int64)
        self._tails = host_tails(self._host)
        e = evidence(lives, self._cohorts, self._containers, self._tails, slots, mature, step)
        score = combine(e)
        lives.score[slots] = score
        lives.lull[slots] = lives.idle[slots] > 0
        lives.idle[slots] = values[:, IDLE]
        out = (score > EXCURSION) | (e[:, IDLE] > EXCURSION_IDLE)
        self._learn(slots, mature, out, bins(step), batch.dt)
        return e, measured

    def _advance(self) -> None:
        """Two speeds, for sleepers too."""
        lives, end = self._lives, self._lives.slots
        score = lives.score[:end]
        lives.fast[:end] += (score - lives.fast[:end]) * _FAST
        lives.alert[:end] += (score - lives.alert[:end]) * _SLOW

    def _rest(self, rows: Index, e: Floats32, measured: Floats32, dt: float) -> None:
        """Let sleep who can: the silent, and those that act now and then; a process in steady work is looked at next time anyway."""
        lives, slots = self._lives, self._slots[rows]
        lives.due[slots] = self._readings + 1
        still = lives.lull[slots] | (measured[:, IDLE] > 0)
        settled = (lives.n[slots] >= SLOW_SPAN) & (lives.out[slots] == 0) & (lives.kept[slots] == 0)
        calm = np.flatnonzero(still & settled & (lives.retry[slots] <= self._readings))
        slots = slots[calm]
        wait, score = sleep(lives, self._cohorts, self._containers, self._tails, slots, e[calm], measured[calm], dt)
        lives.due[slots] = self._readings + wait
        asleep = wait > 1
        lives.score[slots[asleep]] = score[asleep]
        lives.failed[slots] = np.where(asleep, 0, np.minimum(lives.failed[slots] + 1, _PATIENCE))
        lives.retry[slots] = self._readings + np.where(asleep, 0, np.exp2(lives.failed[slots])).astype(np.int64)

    def _rename(self, batch: Batch, before: Batch, rows: Index) -> None:
        """An exec that changes the name keeps the life and changes the cohort."""
        lives = self._lives
        rows = rows[batch.active[rows] & (batch.prev[rows] >= 0)]
        for row, place in zip(rows.tolist(), batch.prev[rows].tolist(), strict=True):
            label, then = batch.labels[row], before.labels[place]
            if label is then:
                continue
            slot = int(self._slots[row])
            if label.comm != then.comm:
                self._cohorts.leave(lives.cohort[slot : slot + 1])
                lives.cohort[slot] = self._cohorts.join(cohort(label.comm))
            inside, inside_then = (x.container.id if x.container else None for x in (label, then))
            if inside != inside_then:
                if lives.container[slot] >= 0:
                    self._containers.leave(lives.container[slot : slot + 1])
                lives.container[slot] = -1 if inside is None else self._containers.join(inside)

    def _learn(self, slots: Ints, mature: Ints, out: np.ndarray, b: Steps, dt: float) -> None:
        lives = self._lives
        books = lives.book[slots]
        weight = weigh(lives, slots, out, lives.mass[books].max(axis=1), dt)
        counts = sample(b, weight)
        self._teach(slots, mature, counts)
        young = lives.n[slots] <= _SETTLED
        learn(lives, books, counts if not young.any() else sample(b, np.where(young, np.float32(0), weight)))
        again, held = keep(lives, slots, out, b, dt)
        for k in range(again.size):
            learn(lives, lives.book[again[k : k + 1]], sample(held[k : k + 1], np.ones(1, np.float32)))
        forget(lives, books)

    def _scores(self, batch: Batch) -> Scores:
        lives, slots = self._lives, self._slots
        rank, alert = lives.fast[slots], lives.alert[slots]
        unscored = (batch.prev < 0) & ~batch.born
        age = lives.n[slots] + self._readings - lives.seen[slots]
        status = np.where(age < _SCORED, Status.NEW, Status.SCORED).astype(np.int8)
        if self.warming < 1:
            unscored[:] = True
            status[:] = Status.WARMING
        elif batch.dt != batch.dt:
            unscored[:] = True
        rank[unscored] = np.nan
        per_hour = self._calibration.per_hour(alert)
        per_hour[unscored] = np.nan
        return Scores(rank, alert, per_hour, ~unscored & (per_hour <= self.budget), status, {})

    def _why(self, batch: Batch, scores: Scores, rows: Index, e: Floats32, measured: Floats32, most: int) -> dict[int, tuple[Reason, ...]]:
        """Reasons of the highest of the rows that were looked at."""
        rank = np.nan_to_num(scores.rank[rows])
        at = np.flatnonzero(rank >= NOTABLE)
        at = at[np.argsort(-rank[at], kind="stable")[:most]]
        return self._explainer.step(batch, rows[at], self._slots[rows[at]], e[at], measured[at], self._lives, self._cohorts)


def cohort(comm: str) -> str:
    """Processes of one kind share a name but for a number at its end.

    >>> cohort("worker-12")
    'worker-'
    """
    return comm.rstrip("0123456789") or comm
