"""The default detector: each process against its own normal, by predictive tails of kernel histograms.

A reading costs what moved. Looked at are the processes that did something, those in whom silence could by now be unusual, and those that
are unusual; the rest sleep, and what their silence teaches is made up for when they wake (:mod:`.quiet`, :mod:`.vigil`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from proctop.frames import Batch, Reason, Scores, Status
from proctop.records import Bools, Floats32, Index, Ints, ProcKey
from proctop.scoring.blame import excuse, forward, rose
from proctop.scoring.calibration import Calibration, Episodes
from proctop.scoring.evidence import combine, evidence, heed, host_tails
from proctop.scoring.explain import NOTABLE, Explainer
from proctop.scoring.learning import EXCURSION, EXCURSION_IDLE, EXCURSION_NEW, forget, keep, learn, weigh
from proctop.scoring.memory import OLD_NEWS, SETTLED, YOUNG, Memory
from proctop.scoring.quiet import SLOW_SPAN, sample
from proctop.scoring.recall import Copy, recall
from proctop.scoring.seam import hide, learn_anew, pardon
from proctop.scoring.store import Learned
from proctop.scoring.tails import FAST, IDLE, LARGEST, LEVELS, RATES, RUN_WAIT, SLOW_FROM, UNITS, WAITS, Steps, bins, steps
from proctop.scoring.vigil import sleep

WARM_UP = 30
"""Readings before a score means anything."""

_SURE = 90  # readings before what was never seen is likely to be rare: scores count for less until then
_SCORED = 20  # samples before own history outweighs the cohort's
_FADE_EVERY = 64
_NEWS = 300.0  # seconds in which what is new becomes old
_PATIENCE = 4  # doublings of the pause between attempts to let a process sleep
_FAST, _SLOW = np.float32(0.5), np.float32(0.2)
_SCORED_FEATURES = len(FAST)


class Baseline:
    """Hierarchical kernel-histogram predictive tails.

    ``budget``: false alerts an hour that are acceptable on this host. ``lazy=False`` looks at every process that ever did anything in
    every reading: the yardstick. ``small=True`` is for a single process. Without ``news`` a name that was never seen is no evidence.
    """

    name = "baseline"

    def __init__(self, *, budget: float = 6.0, lazy: bool = True, small: bool = False, news: bool = True) -> None:
        self.budget = budget
        self._lazy = lazy
        self._memory = Memory(small=small, news=news)
        self._calibration = Calibration()
        self._episodes = Episodes()
        self._explainer = Explainer()
        self._batch: Batch | None = None
        self._tails = host_tails(self._memory.host)
        self._now = 0.0
        self._foreign = False

    @property
    def warming(self) -> float:
        return min(self._memory.reading / WARM_UP, 1.0)

    def accept(self, key: ProcKey) -> None:
        if self._batch is not None:
            row = ((self._batch.pid == key.pid) & (self._batch.start == key.start)).nonzero()[0]
            self._memory.lives.accepted[self._memory.slots[row]] = True
            self._memory.lives.novel[self._memory.slots[row]] = 0
            self._memory.lives.calm[self._memory.slots[row]] = 0

    def incident(self, key: ProcKey) -> None:
        if self._batch is not None:
            self._episodes.drop(self._memory.slots[(self._batch.pid == key.pid) & (self._batch.start == key.start)])

    def learning(self, host: str, boot: str) -> Iterator[Learned | None]:
        """What is worth keeping, copied in pieces between steps; the last one is the whole. ``host`` is its name, ``boot`` its boot id."""
        copy = Copy(self._memory.lives.slots)
        while self._batch is not None and copy.more(self._memory, self._batch):
            yield None
        yield copy.learned(self._memory, self._calibration, self._now, host, boot)

    def learned(self, host: str, boot: str) -> Learned:
        """The same at once."""
        return next(whole for whole in self.learning(host, boot) if whole is not None)

    def restore(self, past: Learned, host: str, boot: str) -> None:
        """Begin with what was kept; before the first step only."""
        self._now = recall(self._memory, self._calibration, past, host, boot)
        self._tails = host_tails(self._memory.host)

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        before, gap = self._batch, batch.dt != batch.dt
        if before is None:  # whatever came before, nothing of it is known here
            batch = replace(batch, prev=np.full(len(batch), -1, dtype=np.int64), born=np.zeros(len(batch), np.bool_))
        self._batch = batch
        self._memory.reading += not gap and before is not None
        gone = self._memory.follow(batch, before)
        self._hear(batch.source)
        peaks = self._episodes.step(self._now, self._memory.lives.alert[: self._memory.lives.slots], gone)
        if gap or before is None:
            return self._scores(batch)
        self._now += batch.dt
        forward(self._memory.lives, self._memory.slots, batch.active)
        rows = self._awake(batch, before)
        e, measured = self._evaluate(batch, before, rows)
        self._advance()
        if self._lazy:
            self._rest(rows, e, measured, batch.dt)
        if self._memory.reading % _FADE_EVERY == 0:
            self._memory.fade()
        if self.warming >= 1:
            self._calibration.observe(self._now, peaks)
        scores = self._scores(batch)
        return replace(scores, why=self._why(batch, scores, rows, e, measured, explain))

    def _hear(self, source: str) -> None:
        """Who tells now: ``_foreign`` while what is known waits for another one, since a screen begins by /proc and goes over."""
        memory = self._memory
        other = memory.source not in ("", source)
        self._foreign = other and memory.reading < memory.awaited
        if self._foreign:
            return
        if other:
            learn_anew(memory)
        memory.source = source

    def _awake(self, batch: Batch, before: Batch) -> Index:
        """Rows to look at. Those without a history that are only due to be counted are counted here."""
        lives, slots = self._memory.lives, self._memory.slots
        known = batch.prev >= 0
        there = known | batch.born
        moved = batch.active | (batch.values[:RATES] > 0).any(axis=0)
        if len(before) and batch.source == before.source:
            now, then = batch.values[LEVELS].view(np.int32), before.values[LEVELS].view(np.int32)  # as bits: NaN equals NaN
            moved |= known & (now != then.take(batch.prev, axis=1)).any(axis=0)
        due = lives.due[slots] <= self._memory.reading
        blank = lives.book[slots] < 0
        counted = (there & due & blank & ~moved).nonzero()[0]
        if counted.size:
            self._memory.settle(slots[counted], batch.prev[counted], before)
            lives.due[slots[counted]] = self._memory.settle_at(slots[counted])
        return (there & (moved | (~blank & (due | (not self._lazy))))).nonzero()[0]

    def _evaluate(self, batch: Batch, before: Batch, rows: Index) -> tuple[Floats32, Floats32]:
        """Score and learn ``rows``. Their evidence float32[m, 33], and what their channels measured float32[m, 30]."""
        lives, slots = self._memory.lives, self._memory.slots[rows]
        place = batch.prev[rows]
        self._memory.settle(slots, place, before)
        blank = (lives.book[slots] < 0).nonzero()[0]
        if blank.size:
            self._memory.open(slots[blank], place[blank], before)
        self._memory.rename(batch, before, rows)
        lives.n[slots] += 1
        lives.seen[slots] = self._memory.reading
        n, books = lives.n[slots], lives.book[slots]
        values = np.clip(batch.values[:_SCORED_FEATURES].take(rows, axis=1).T, 0, LARGEST)
        if self._foreign:
            hide(values)
        now = values[:, SLOW_FROM]
        missing = np.isnan(now)
        slow = lives.slow[books]
        slow += np.where(missing, 0, (now - slow) / np.minimum(n, SLOW_SPAN)[:, None]).astype(np.float32)
        lives.slow[books] = slow
        slow[missing] = np.nan
        rose(lives, slots, now[:, WAITS] > slow[:, WAITS])
        measured = np.concatenate([values, slow], axis=1)
        step = steps(measured, UNITS)
        mature = (n > YOUNG).astype(np.int64)
        self._tails = host_tails(self._memory.host)
        e = evidence(self._memory, self._tails, slots, mature, step)
        e[:, RUN_WAIT] *= heed(batch.values, rows)
        if self._memory.reading < self._memory.anew:
            pardon(e, values)
        score = combine(e)
        lives.lull[slots] = lives.idle[slots] > 0
        lives.idle[slots] = values[:, IDLE]
        if self._memory.arrived:
            news = lives.novel[slots] * np.float32(np.exp(-batch.dt / _NEWS))
            lives.novel[slots] = np.where(news < OLD_NEWS, 0, news)
        out = (score > EXCURSION) | (e[:, IDLE] > EXCURSION_IDLE) | ((score > EXCURSION_NEW) & (lives.novel[slots] > 0))
        self._learn(slots, mature, out, bins(step), batch.dt)
        lives.score[slots] = excuse(lives, slots, score, out, np.fmax(values[:, IDLE], 0), batch.dt)
        return e, measured

    def _advance(self) -> None:
        """Two speeds, for sleepers too."""
        lives, end = self._memory.lives, self._memory.lives.slots
        score = lives.score[:end] * np.float32(min(self._memory.reading / _SURE, 1.0))
        lives.fast[:end] += (score - lives.fast[:end]) * _FAST
        lives.alert[:end] += (score - lives.alert[:end]) * _SLOW

    def _rest(self, rows: Index, e: Floats32, measured: Floats32, dt: float) -> None:
        """Let sleep who can: the silent, and those that act now and then; a process in steady work is looked at next time anyway."""
        lives, slots = self._memory.lives, self._memory.slots[rows]
        lives.due[slots] = self._memory.reading + 1
        still = lives.lull[slots] | (measured[:, IDLE] > 0)
        settled = (lives.n[slots] >= SLOW_SPAN) & (lives.out[slots] == 0) & (lives.kept[slots] == 0) & (lives.novel[slots] == 0)
        calm = (still & settled & (lives.retry[slots] <= self._memory.reading)).nonzero()[0]
        slots = slots[calm]
        wait, score = sleep(self._memory, self._tails, slots, e[calm], measured[calm], dt)
        lives.due[slots] = self._memory.reading + wait
        asleep = wait > 1
        lives.score[slots[asleep]] = score[asleep]
        lives.failed[slots] = np.where(asleep, 0, np.minimum(lives.failed[slots] + 1, _PATIENCE))
        lives.retry[slots] = self._memory.reading + np.where(asleep, 0, np.exp2(lives.failed[slots])).astype(np.int64)

    def _learn(self, slots: Ints, mature: Ints, out: Bools, b: Steps, dt: float) -> None:
        lives = self._memory.lives
        books = lives.book[slots]
        own = lives.mass[books].max(axis=1)
        weight = weigh(lives, slots, out, own, dt)
        counts = sample(b, weight)
        self._memory.teach(slots, mature, counts)
        forget(lives, books, weight)
        young = lives.n[slots] <= SETTLED
        learn(lives, books, counts if not young.any() else sample(b, np.where(young, np.float32(0), weight)))
        again, held = keep(lives, slots, out, own, b, dt)
        for k in range(again.size):
            learn(lives, lives.book[again[k : k + 1]], sample(held[k : k + 1], np.ones(1, np.float32)))

    def _scores(self, batch: Batch) -> Scores:
        lives, slots = self._memory.lives, self._memory.slots
        rank, alert = lives.fast[slots], lives.alert[slots]
        unscored = (batch.prev < 0) & ~batch.born
        age = lives.n[slots] + self._memory.reading - lives.seen[slots]
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
        rank = np.fmax(scores.rank[rows], 0)
        at = (rank >= NOTABLE).nonzero()[0]
        at = at[np.argsort(-rank[at], kind="stable")[:most]]
        return self._explainer.step(batch, self._memory, rows[at], e[at], measured[at])
