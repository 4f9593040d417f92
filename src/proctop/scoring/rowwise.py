"""A detector out of models that take one feature dict at a time: River's, or anybody's.

Each reading, the rows are scored by the model of their scope and then learned, in the order of (start, pid). A model that is too slow for
all of them looks at some in turn. How many is a matter of its known cost and the length of the interval, never of a clock, so a
replay looks at the same rows.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from proctop.fields import SCORED, Kind
from proctop.frames import Batch, Reason, Scores, Status
from proctop.records import Bools, Floats, Floats32, Index, Ints, Label, ProcKey
from proctop.scoring.calibration import Calibration, Episodes
from proctop.scoring.deviation import Deviation
from proctop.scoring.models import Models, score_and_learn
from proctop.scoring.slots import Slots
from proctop.scoring.surprise import Surprise

RATES: tuple[str, ...] = tuple(f.name for f in SCORED if f.kind is not Kind.LEVEL and f.name != "run_wait")
"""What models are given unless told otherwise: what a process did in the interval, not how large it is or how long others made it wait."""

WARM_UP = 30
"""Readings before a score means anything."""

NOTABLE = 1.5
"""nats: rows ranked below it need no reason."""

_SCORED = 20  # samples of a process
_ACCEPT = 30  # times that an accepted row is learned
_FAST, _SLOW = np.float32(0.5), np.float32(0.2)
_MICRO = 1e-6


def scoped(scope: str, label: Label) -> str:
    """What the processes of one model have in common; those outside any container share theirs.

    >>> scoped("comm", Label("redis-server")), scoped("image", Label("sh")), scoped("global", Label("sh"))
    ('redis-server', '', '')
    """
    if scope == "comm":
        return label.comm
    if scope == "global" or label.container is None:
        return ""
    return label.container.image if scope == "image" else label.container.id


def _usual(scope: str, label: Label) -> str:
    """What "usual" refers to."""
    if scope == "process":
        return ""
    if scope == "comm":
        return f" for {label.comm}"
    if scope == "global" or label.container is None:
        return " on this host" if scope == "global" else " outside containers"
    return f" in {label.container.image if scope == 'image' else label.container.title}"


class RowWise:
    """Scores each process by the model of its scope.

    ``cost``: µs a row; ``share``: of the interval that may be spent, ``inf`` = whatever it takes; ``budget``: false alerts an hour;
    ``whole``: a missing feature is given as 0 and not left out.

    Attributes:
        raw: float64[n], what the models said of the rows of the last batch, to the last bit; NaN = not looked at.
        flagged: bool[n], what they called an anomaly, where they say so.
    """

    def __init__(
        self,
        name: str,
        models: Models,
        *,
        scope: str = "global",
        cost: float,
        share: float = 0.2,
        budget: float = 6.0,
        features: tuple[str, ...] = RATES,
        whole: bool = False,
    ) -> None:
        self.name = name
        self.budget = budget
        self.models = models
        self.features = features
        self.raw: Floats = np.zeros(0)
        self.flagged: Bools = np.zeros(0, np.bool_)
        self._scope, self._cost, self._share, self._whole = scope, cost, share, whole
        self._surprise, self._calibration, self._episodes = Surprise(), Calibration(), Episodes()
        self._deviation = Deviation(features, models.limit + 1)
        self._batch: Batch | None = None
        self._slots = Slots()
        self._readings = 0
        self._now = 0.0
        self._next = ProcKey(-1, -1)

    @property
    def warming(self) -> float:
        return min(self._readings / WARM_UP, 1.0)

    def accept(self, key: ProcKey) -> None:
        """Learn what the process did last some thirty times over."""
        batch, at = self._batch, self._at(key)
        if batch is None or not at.size:
            return
        seat = self.models.of(self._key(batch, int(at[0])))
        for x in filter(None, self._rows(batch, at.repeat(_ACCEPT))):
            seat.model.learn_one(x)

    def incident(self, key: ProcKey) -> None:
        """The running episode of the process says nothing about how often false alarms come."""
        self._episodes.drop(self._slots.rows[self._at(key)])

    def _at(self, key: ProcKey) -> Index:
        """The row of the last batch, if there is one."""
        batch = self._batch
        return np.zeros(0, dtype=np.intp) if batch is None else np.flatnonzero((batch.pid == key.pid) & (batch.start == key.start))

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        first, gap = self._batch is None, batch.dt != batch.dt
        self._batch = batch
        gone = self._slots.follow(batch.prev if not first else np.full(len(batch), -1, dtype=np.int64))
        peaks = self._episodes.step(self._now, self._slots.alert, gone)
        self._slots.clear(gone)
        self.raw = np.full(len(batch), np.nan)
        self.flagged = np.zeros(len(batch), np.bool_)
        there = (batch.prev >= 0) | batch.born
        if first or gap:
            return self._scores(batch, np.zeros(len(batch), np.bool_), ())
        self._readings += 1
        self._now += batch.dt
        rows, room = self._turn(batch, np.flatnonzero(there))
        places = self._ask(batch, rows)
        nats = self._surprise.nats(self.raw[rows])
        self._surprise.add(self.raw[rows])
        state, looked = self._slots, self._slots.rows[rows]
        state.score[looked] = np.where(np.isnan(nats), state.score[looked], nats)
        state.n[looked] += np.isfinite(nats)
        state.fast += (state.score - state.fast) * _FAST
        state.alert += (state.score - state.alert) * _SLOW
        if self.warming >= 1:
            self._calibration.observe(self._now, peaks)
        scores = self._scores(batch, there, self._notes(rows.size, int(there.sum()), room))
        why = self._why(batch, scores.rank, rows, places, explain)
        self._deviation.learn(places, self._values(batch, rows))
        return replace(scores, why=why)

    def _turn(self, batch: Batch, rows: Index) -> tuple[Index, bool]:
        """Whose turn it is: all in the order of (start, pid), or as many as there is time for, from where the last turn ended."""
        rows = rows[np.lexsort((batch.pid[rows], batch.start[rows]))]
        most = max(self._share * batch.dt / (self._cost * _MICRO), 1.0)
        if rows.size <= most:
            return rows, True
        pid, start = self._next
        begin = int(np.count_nonzero((batch.start[rows] < start) | ((batch.start[rows] == start) & (batch.pid[rows] < pid))))
        rows = np.roll(rows, -begin)
        after = rows[int(most)]
        self._next = ProcKey(int(batch.pid[after]), int(batch.start[after]))
        return rows[: int(most)], False

    def _ask(self, batch: Batch, rows: Index) -> Ints:
        """Score and learn ``rows``; the places of their models."""
        self.models.turn()
        seats = [self.models.of(self._key(batch, i)) for i in rows.tolist()]
        self._deviation.forget(self.models.fresh)
        for i, seat, x in zip(rows.tolist(), seats, self._rows(batch, rows), strict=True):
            if x:  # a row of which nothing is known is no row
                self.raw[i], self.flagged[i] = score_and_learn(seat, x)
        return np.array([seat.place for seat in seats], dtype=np.int64)

    def _key(self, batch: Batch, i: int) -> Hashable:
        return (int(batch.pid[i]), int(batch.start[i])) if self._scope == "process" else scoped(self._scope, batch.labels[i])

    def _values(self, batch: Batch, rows: Index) -> Floats32:
        where = [batch.schema.index(name) for name in self.features]
        values: Floats32 = batch.values[where][:, rows].T
        return values

    def _rows(self, batch: Batch, rows: Index) -> list[dict[str, float]]:
        """Feature dicts; what is missing or infinite is an absent key, or 0."""
        values = self._values(batch, rows)
        values = np.where(np.isfinite(values), values, np.float32(0 if self._whole else np.nan))
        return [{name: x for name, x in zip(self.features, row, strict=True) if x == x} for row in values.tolist()]

    def _scores(self, batch: Batch, scored: Bools, notes: tuple[str, ...]) -> Scores:
        state, slots = self._slots, self._slots.rows
        rank, alert = state.fast[slots], state.alert[slots]
        status = np.where(state.n[slots] < _SCORED, Status.NEW, Status.SCORED).astype(np.int8)
        if self.warming < 1:
            scored = np.zeros(len(batch), np.bool_)
            status[:] = Status.WARMING
        scored = scored & (state.n[slots] > 0)
        rank[~scored] = np.nan
        per_hour = self._calibration.per_hour(alert)
        per_hour[~scored] = np.nan
        return Scores(rank, alert, per_hour, scored & (per_hour <= self.budget), status, {}, notes)

    def _notes(self, looked: int, there: int, room: bool) -> tuple[str, ...]:
        notes = []
        if not room:
            old = -(-there // looked)
            notes.append(f"{self.name} is slow: it scores {looked} of {there} processes a reading, each once in {old}")
        if self.models.sharing:
            notes.append(f"{self.name}: more than {self.models.limit} of {self._scope}; {self.models.sharing} share one model")
        return tuple(notes)

    def _why(self, batch: Batch, rank: Floats32, rows: Index, places: Ints, most: int) -> dict[int, tuple[Reason, ...]]:
        """Reasons of the highest of the rows that were looked at."""
        order = np.argsort(-np.nan_to_num(rank[rows]), kind="stable")[:most]
        order = order[np.nan_to_num(rank[rows[order]]) >= NOTABLE]
        kinds = [_usual(self._scope, batch.labels[i]) for i in rows[order].tolist()]
        told = self._deviation.why(places[order], self._values(batch, rows[order]), "own" if self._scope == "process" else "cohort", kinds)
        return {row: reasons for row, reasons in zip(rows[order].tolist(), told, strict=True) if reasons}
