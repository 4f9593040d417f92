"""The host's own quantities, each against its own past: what changed though no process stands out. Pure.

Each quantity is followed as y: ln(1 + x/u) with its noise unit u, or for shares sixteenths of a whole. Its past is a histogram of 64 bins
of a quarter; a count stands for a kernel around the centre of its bin, nine parts Laplace of scale 0.15 and one part of scale 1, so that
what lies further out than ever is the more surprising the further out it lies. Of N readings, H of which lie beyond y, the tail is

    p = (H + 0.1) / (N + 0.1),    S = max(0, −ln p − ln 10)

and twice the smaller of both where either side can be unusual. As with processes, F ← ½F + ½S ranks and A ← .8A + .2S alerts, what is
unusual is hardly learned unless it lasts (:mod:`proctop.scoring.learning`), and peaks of the highest A calibrate how often one as high
comes by chance (:mod:`proctop.scoring.calibration`).
"""

from __future__ import annotations

import numpy as np

from proctop import digits
from proctop.fields import QUANTITY, Quantity, Scale, Tail, Unit
from proctop.frames import Batch, HostRates, HostScores, Reason, Vital, Vitals
from proctop.hosttables import processes, with_processes
from proctop.records import Bools, Floats, Floats32, Ints
from proctop.scoring.calibration import Calibration, Cold, Episodes
from proctop.scoring.explain import quantity, span

WARM_UP = 60
"""Readings of a quantity before it is scored."""

SHARE = 1 / 3
"""False alerts of the host that are acceptable, for each of processes; they come on top."""

HOSTS = Cold(2.0, 0.8, 10.0)
"""Episodes of hosts that are worked on, from recordings."""

BINS, WIDTH = 64, 0.25
"""Bin 0 is zero, the others are so wide; the last one is open."""

_ROOM = 1024  # quantities that are remembered
_ZERO, _WHOLE = 1e-3, 16.0  # y of nothing, y of a share of 1
_NARROW, _WIDE, _FAR = np.float32(0.15), np.float32(1.0), np.float32(0.1)
_PRIOR = np.float32(0.1)
_CALM = np.float32(np.log(10.0))
_FAST, _SLOW = np.float32(0.5), np.float32(0.2)
_EXCURSION = 2.3  # nats: one reading in a hundred
_GUARDED, _ADOPTING, _PATIENCE, _DOUBLING = 0.02, 0.64, 180.0, 30.0
_BURST, _SHORT, _SETTLED = 4, 30.0, 5  # readings of an excursion that are learned once it is over, one if it took more seconds; calm ones
_BY_DECREE, _MOST_BY_DECREE = 0.05, 30.0
_LONG, _FADE = np.float32(7200), np.float32(0.9)
_MOST_REASONS = 3
_LARGEST = 1e18
_LEAST = np.float32(2.5)  # nats: on a host without episodes anything is rare, but an alarm is more than an odd reading
_REVIEWED = 8  # readings after which what is usual is worked out anew

_BIN = np.arange(BINS)
_CENTRE = np.where(_BIN == 0, 0.0, (_BIN - 0.5) * WIDTH).astype(np.float32)


class _Plan:
    """What stays while the same quantities are watched: their registry rows, and what follows from these, by row."""

    def __init__(self, names: tuple[Vital, ...], slots: Ints) -> None:
        self.names, self.slots = names, slots
        self.rows = [QUANTITY[name.group, name.name] for name in names]
        self.one = np.array([q.one for q in self.rows])
        self.noise = np.array([q.noise for q in self.rows])
        self.orders = np.array([q.scale is Scale.ORDERS for q in self.rows], dtype=np.bool_)
        self.memory = np.array([q.scale is Scale.MEMORY for q in self.rows], dtype=np.bool_)
        self.high = np.array([q.tail in (Tail.HIGH, Tail.BOTH) for q in self.rows], dtype=np.bool_)
        self.low = np.array([q.tail in (Tail.LOW, Tail.BOTH) for q in self.rows], dtype=np.bool_)
        self.watched = self.high | self.low
        self.alerts = np.array([q.alerts for q in self.rows], dtype=np.bool_)
        self.usual: tuple[Floats, Floats] | None = None

    def scaled(self, values: Floats, memory: float) -> Floats:
        """y float64[n]; ``memory`` of the host in bytes."""
        x = np.clip(values, 0.0, _LARGEST) * self.one
        share = x / np.where(self.memory, memory if memory > 0 else np.nan, 1.0)
        y: Floats = np.minimum(np.where(self.orders, np.log1p(x / self.noise), share * _WHOLE), BINS * WIDTH)
        return y

    def value(self, y: Floats, memory: float) -> Floats:
        """The way back."""
        share = y / _WHOLE * np.where(self.memory, memory, 1.0)
        values: Floats = np.where(self.orders, np.expm1(y) * self.noise, share) / self.one
        return values


class HostWatch:
    """Scores the host at every reading, and learns it. ``budget``: false alerts an hour that are acceptable in all."""

    def __init__(self, *, budget: float = 6.0) -> None:
        self.budget = budget * SHARE
        self._calibration = Calibration(HOSTS)
        self._episodes = Episodes()
        self._slot: dict[Vital, int] = {}
        self._plan = _Plan((), np.zeros(0, dtype=np.int64))
        self._now = 0.0
        self._readings = 0
        # by slot
        self._hist = np.zeros((_ROOM, BINS), dtype=np.float32)
        self._mass = np.zeros(_ROOM, dtype=np.float32)
        self._seen = np.zeros(_ROOM, dtype=np.int64)  # readings
        self._fast = np.zeros(_ROOM, dtype=np.float32)
        self._alert = np.zeros(_ROOM, dtype=np.float32)
        self._away = np.zeros(_ROOM)  # seconds in an excursion
        self._calm = np.zeros(_ROOM, dtype=np.int64)  # readings since one
        self._held = np.zeros((_ROOM, _BURST), dtype=np.int64)  # bins of its first readings
        self._holds = np.zeros(_ROOM, dtype=np.int64)  # how many
        self._span = np.zeros(_ROOM)  # seconds that it took
        self._accepted = np.zeros(_ROOM, dtype=np.bool_)

    @property
    def warming(self) -> float:
        return min(self._readings / WARM_UP, 1.0)

    def accept(self) -> None:
        """What is unusual now is normal."""
        slots = self._plan.slots
        self._accepted[slots[self._alert[slots] > 0]] = True

    def incident(self) -> None:
        """What is unusual now is a true alarm: it says nothing about how often false ones come."""
        self._episodes.drop(np.zeros(1, dtype=np.intp))

    def step(self, rates: HostRates, batch: Batch) -> HostScores:
        """One reading later: ``rates`` of the host and ``batch`` of its processes, over the same interval."""
        assert rates.vitals is not None
        return self.go_on(with_processes(rates.vitals, processes(batch, rates.memory_total)), rates.memory_total, batch.dt)

    def go_on(self, vitals: Vitals, memory: float, dt: float) -> HostScores:
        """The same of quantities after ``dt`` seconds (NaN = a gap), on a host with so many bytes of memory."""
        names, values = vitals.names, vitals.values
        if names is not self._plan.names:
            self._follow(names)
        plan, slots = self._plan, self._plan.slots
        if dt != dt:
            nothing = np.full(slots.size, np.nan)
            return HostScores(names, values, nothing, nothing, nothing.astype(np.float32), plan.alerts & False, warming=self.warming)
        self._now += dt
        self._readings += 1
        y = plan.scaled(values, memory)
        known = plan.watched & (y == y)
        y[~known] = 0.0
        hist, ripe = self._hist[slots], known & (self._seen[slots] >= WARM_UP)
        score = np.where(ripe, self._surprise(y.astype(np.float32), hist), np.float32(0))
        self._fast[slots] += (score - self._fast[slots]) * _FAST
        self._alert[slots] += (score - self._alert[slots]) * _SLOW
        if plan.usual is None or self._readings % _REVIEWED == 0:
            plan.usual = self._usual(hist, memory)
        self._learn(slots[known], y[known], score[known] > _EXCURSION, dt)
        return self._scores(
            values, np.where(ripe, self._fast[slots], np.float32(np.nan)), np.where(plan.alerts, self._alert[slots], np.float32(0))
        )

    def _follow(self, names: tuple[Vital, ...]) -> None:
        """Other quantities than before: disks and interfaces come and go, and are known again when they come back."""
        if len(self._slot) + len(names) > _ROOM:
            self._slot = {name: slot for name, slot in self._slot.items() if name in set(names)}
        used = set(self._slot.values())
        free = (slot for slot in range(_ROOM) if slot not in used)
        before = set(self._plan.names)
        for name in names:
            if name not in self._slot:
                self._slot[name] = slot = next(free)
                self._hist[slot] = 0
                self._mass[slot] = self._seen[slot] = 0
            if name not in before:
                slot = self._slot[name]
                self._fast[slot] = self._alert[slot] = self._away[slot] = self._holds[slot] = self._span[slot] = self._calm[slot] = 0
                self._accepted[slot] = False
        self._plan = _Plan(names, np.array([self._slot[name] for name in names], dtype=np.int64))

    def _surprise(self, y: Floats32, hist: Floats32) -> Floats32:
        """float32[n]: S."""
        plan = self._plan
        d = y[:, None] - _CENTRE
        far = np.abs(d)
        tail = (np.exp(far / -_NARROW) * (1 - _FAR) + np.exp(far / -_WIDE) * _FAR) * np.float32(0.5)
        above = np.where(d > 0, tail, 1 - tail)
        above[y < _ZERO] = 1.0  # nothing is below zero
        beyond = np.einsum("nb,nb->n", hist, above)
        below = np.einsum("nb,nb->n", hist, 1 - above) + hist[:, 0] * above[:, 0]
        count = self._mass[plan.slots] + _PRIOR
        p = np.minimum(np.where(plan.high, (beyond + _PRIOR) / count, 1), np.where(plan.low, (below + _PRIOR) / count, 1))
        p = np.where(plan.high & plan.low, 2 * p, p)
        surprise: Floats32 = np.maximum(-np.log(np.minimum(p, 1)) - _CALM, 0).astype(np.float32)
        return surprise

    def _usual(self, hist: Floats32, memory: float) -> tuple[Floats, Floats]:
        """The 5 % and 95 % points float64[n] of histograms float32[n, BINS], in three digits; NaN of too few readings."""
        total = np.cumsum(hist, axis=1)
        every, few = np.arange(len(hist)), self._seen[self._plan.slots] < WARM_UP
        points = []
        for share in (0.05, 0.95):
            want = share * total[:, -1]
            at = np.minimum((total < want[:, None]).sum(axis=1), BINS - 1)
            inside = hist[every, at]
            part = np.clip((want - total[every, at] + inside) / np.maximum(inside, 1e-9), 0, 1)
            point = self._plan.value(np.where(at == 0, 0.0, (at - 1 + part) * WIDTH), memory)
            points.append(digits.rounded(np.where(few, np.nan, point)))
        return points[0], points[1]

    def _learn(self, slots: Ints, y: Floats, out: Bools, dt: float) -> None:
        bins = np.where(y < _ZERO, 0, np.minimum(y / WIDTH + 1, BINS - 1)).astype(np.int64)
        away = np.where(out, self._away[slots] + dt, 0.0)
        calm = np.where(out, 0, self._calm[slots] + 1)
        late = np.maximum(away - _PATIENCE, 0) // _DOUBLING
        weight = np.where(out, np.minimum(_GUARDED * np.exp2(late), _ADOPTING), 1.0)
        accepted = self._accepted[slots]
        weight = np.where(accepted, np.clip(self._mass[slots] * _BY_DECREE, 1.0, _MOST_BY_DECREE), weight)
        self._accepted[slots] = accepted & (calm < _SETTLED)
        self._away[slots], self._calm[slots] = away, calm
        self._add(slots, bins, weight)
        self._hold(slots, bins, out, dt)
        self._seen[slots] += 1
        long = slots[self._mass[slots] > _LONG]
        self._hist[long] *= _FADE
        self._mass[long] *= _FADE

    def _hold(self, slots: Ints, bins: Ints, out: Bools, dt: float) -> None:
        """Keep the first readings of an excursion, and learn them once it is over: what comes and goes is part of normal life."""
        holds = self._holds[slots]
        for k in np.flatnonzero(out & (holds < _BURST)).tolist():
            self._held[slots[k], holds[k]] = bins[k]
        holds += out & (holds < _BURST)
        span = self._span[slots] + np.where(out, dt, 0.0)
        for k in np.flatnonzero((self._calm[slots] >= _SETTLED) & (holds > 0)).tolist():
            for b in self._held[slots[k], : int(holds[k]) if span[k] <= _SHORT else 1].tolist():
                self._add(slots[k : k + 1], np.array([b]), np.ones(1))
            holds[k] = span[k] = 0
        self._holds[slots], self._span[slots] = holds, span

    def _add(self, slots: Ints, bins: Ints, weight: Floats) -> None:
        """Count; no slot twice."""
        self._hist[slots, bins] += weight.astype(np.float32)
        self._mass[slots] += weight.astype(np.float32)

    def _scores(self, values: Floats, rank: Floats32, slow: Floats32) -> HostScores:
        plan, nan = self._plan, float("nan")
        assert plan.usual is not None
        low, high = plan.usual
        highest = slow.max(initial=0.0, keepdims=True)
        peaks = self._episodes.step(self._now, highest, np.zeros(0, dtype=np.intp))
        if self.warming < 1:
            return HostScores(plan.names, values, low, high, rank, plan.alerts & False, (), nan, nan, self.warming)
        self._calibration.observe(self._now, peaks)
        often = self._calibration.per_hour(slow)
        alerting = (often <= self.budget) & (slow >= _LEAST)
        why = self._why(values, slow, alerting) if alerting.any() else ()
        return HostScores(
            plan.names,
            values,
            low,
            high,
            np.round(rank, 1),
            alerting,
            why,
            round(float(highest[0]), 1),
            float(often.min(initial=np.inf)),
            1.0,
        )

    def _why(self, values: Floats, slow: Floats32, alerting: Bools) -> tuple[Reason, ...]:
        plan = self._plan
        assert plan.usual is not None
        why = []
        for i in np.argsort(-slow, kind="stable")[: int(alerting.sum())].tolist():
            low, high = float(plan.usual[0][i]), float(plan.usual[1][i])
            if not low <= values[i] <= high:  # by now it may be over
                why.append(_reason(plan.names[i], plan.rows[i], float(values[i]), low, high))
        return tuple(why[:_MOST_REASONS])


def _reason(name: Vital, row: Quantity, value: float, low: float, high: float) -> Reason:
    """As a sentence: "in 40k/s, usual 1.8–2.1k/s", "sda: avg_wait_time 41 ms, usual 1–2 ms"."""
    said = row.phrase.format(amount(row, value)) if value >= low else f"{row.phrase.replace('{}', '').strip()} low: {amount(row, value)}"
    where = f"{name.entity}: " if name.entity else ""
    return Reason(".".join(filter(None, name)), value, (low, high), "own", f"{where}{said}, usual {between(row, low, high)}")


def amount(row: Quantity, value: float) -> str:
    """A value with its unit, two or three digits.

    >>> [amount(QUANTITY[key], 41.25) for key in (("iostat", "avg_wait_time"), ("vmstat", "interface_in"), ("vmstat", "us"))]
    ['41 ms', '41/s', '41 %']
    """
    if row.unit is Unit.SECONDS and value * row.one < 1:
        return quantity(value * row.one * 1000, Unit.NONE) + " ms"
    return quantity(value * row.one, row.unit)


def between(row: Quantity, low: float, high: float) -> str:
    """What is usual, in the unit of the higher end."""
    if row.unit is Unit.SECONDS and high * row.one < 1:
        return span(low * row.one * 1000, high * row.one * 1000, Unit.NONE) + " ms"
    return span(low * row.one, high * row.one, row.unit)
