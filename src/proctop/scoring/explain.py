"""Why a process stands out, in words with numbers: "writes 38 MB/s, usual 0–1.2 MB/s"."""

from __future__ import annotations

import numpy as np

from proctop.fields import FEATURE, FEATURES, Feature, Unit
from proctop.frames import Batch, Reason
from proctop.records import Floats, Floats32, Index, Ints
from proctop.scoring.memory import Memory, cohort
from proctop.scoring.novelty import Arrival
from proctop.scoring.tails import BINS, CHANNEL, EVIDENCE, FAST, IDLE, NOVEL, SLOW_FROM, UNITS, UPPER, value_at

NOTABLE = 1.5
"""nats: rows ranked below it need no reason."""

_TELLING = 2.0  # nats: evidence below it is no reason
_STICKY = 0.4  # nats: what was named a reading ago is preferred, so that reasons do not flicker
_SYMPTOM = np.array([{"nvctx": 2.0, "vctx": 2.0, "run_wait": 1.0}.get(name, 0.0) for name in EVIDENCE], dtype=np.float32)
"""nats by which a reason comes later, because it tells what something else brings about: who wants the cpu gets preempted."""

_MOST = 3
_KNOWN = 10  # samples of a process, or else of its kind, before their history is the yardstick
_AGAINST = ("own", "cohort", "host")

_FEATURE = np.concatenate([np.arange(len(FAST)), SLOW_FROM])  # of each channel: the place of the feature it is about
_SIZES = (" B", " KB", " MB", " GB", " TB", " PB")
_COUNTS = ("", "k", "M", "G", "T", "P")


class Explainer:
    """Turns evidence into reasons, and remembers what it said."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[tuple[int, ...], tuple[Reason, ...]]] = {}

    def step(self, batch: Batch, memory: Memory, rows: Index, e: Floats32, value: Floats32) -> dict[int, tuple[Reason, ...]]:
        """Reasons of ``rows`` of ``batch`` (those with something to say).

        ``e`` float32[m, 33] is their evidence, ``value`` float32[m, 30] what their channels measured, in the units of the features.
        """
        slots = memory.slots[rows]
        picks = self._choose(slots, e)
        i = np.array([k for k, chosen in enumerate(picks) for j in chosen if j != NOVEL], dtype=np.int64)
        j = np.array([j for chosen in picks for j in chosen if j != NOVEL], dtype=np.int64)
        reasons = iter(_reasons(batch, rows[i], slots[i], j, value[i], memory))
        said, why = {}, {}
        for row, slot, chosen in zip(rows.tolist(), slots.tolist(), picks, strict=True):
            told = [newcomer(memory.arrived[slot]) if j == NOVEL else next(reasons) for j in chosen]
            now = (chosen, tuple(sorted(told, key=_within)))
            if all(_within(r) for r in told):
                now = self._said.get(slot, ((), ()))  # the rank is a mean over the last readings, and so is what explains it
            if now[1]:
                said[slot] = now
                why[row] = now[1]
        self._said = said
        return why

    def _choose(self, slots: Ints, e: Floats32) -> list[tuple[int, ...]]:
        """For each row at most three evidences, each feature once, most telling first."""
        liked = e - _SYMPTOM
        for i, slot in enumerate(slots.tolist()):
            if slot in self._said:
                liked[i, list(self._said[slot][0])] += _STICKY
        picks: list[tuple[int, ...]] = []
        for order, score in zip(np.argsort(-liked, axis=1, kind="stable")[:, : 3 * _MOST].tolist(), e, strict=True):
            chosen = {EVIDENCE[j]: j for j in reversed(order) if score[j] >= _TELLING}
            picks.append(tuple(sorted(chosen.values(), key=order.index)[:_MOST]))
        return picks


def _shown(channel: Ints, j: Ints, value: Floats32) -> Ints:
    """The channels whose values are told: where a slow mean still climbs towards what happens now, it is what happens now."""
    fast = _FEATURE[channel]
    every = np.arange(len(j))
    climbs = (j < UPPER) & (value[every, fast] >= value[every, channel])
    return np.where(climbs, fast, channel)


def _within(reason: Reason) -> bool:
    """Is the value within what is usual? Rare together with the rest, but no headline, and alone it explains nothing."""
    return reason.usual[0] <= reason.value <= reason.usual[1]


def _reasons(batch: Batch, rows: Index, slots: Ints, j: Ints, value: Floats32, memory: Memory) -> list[Reason]:
    """One reason for each (row, evidence); ``value`` float32[m, 30]."""
    every, slow = np.arange(len(j)), CHANNEL[j]
    channel = _shown(slow, j, value)
    whose, low, high = _yardstick(slots, channel, memory)
    now = value[every, channel]
    blurred = np.flatnonzero((channel != slow) & (low <= now) & (now <= high))  # unusual only for lasting
    if blurred.size:
        channel[blurred] = slow[blurred]
        whose[blurred], low[blurred], high[blurred] = _yardstick(slots[blurred], slow[blurred], memory)
        now = value[every, channel]
    out = []
    for row, k, x, a, b, of in zip(rows.tolist(), j.tolist(), now.tolist(), low.tolist(), high.tolist(), whose.tolist(), strict=True):
        feature = FEATURES[FEATURE[EVIDENCE[k]]]
        kind = ("", f" for {cohort(batch.labels[row])}", " on this host")[of]
        out.append(Reason(feature.name, x, (a, b), _AGAINST[of], words(feature, k >= UPPER, x, a, b, kind)))
    return out


def _yardstick(slots: Ints, channel: Ints, memory: Memory) -> tuple[Ints, Floats, Floats]:
    """Whose history is what counts int[m], a place in :data:`_AGAINST`, and what is usual float64[m] twice."""
    lives, cohorts, host = memory.lives, memory.cohorts, memory.host
    books, group = lives.book[slots], lives.cohort[slots] * 2
    kind = cohorts.mass[group, channel] + cohorts.mass[group + 1, channel] >= _KNOWN
    whose = np.where(lives.mass[books, channel] >= _KNOWN, 0, np.where(kind, 1, 2))
    hist = np.choose(
        whose[:, None],
        (
            lives.hist[books, channel],
            cohorts.hist[group, channel] + cohorts.hist[group + 1, channel],
            host.hist[0, channel] + host.hist[1, channel],
        ),
    )
    return whose, *usual(hist, UNITS[channel])


def newcomer(arrival: Arrival) -> Reason:
    """Said of a process whose name is new where it runs.

    >>> from proctop.records import Container, Label
    >>> newcomer(Arrival(Label("xmrig", container=Container("c0ffee", name="web")), "xmrig", "nginx")).text
    'first xmrig in web, started by nginx'
    """
    container = arrival.label.container
    where = f"in {container.title}" if container else "on this host"
    by = f", started by {arrival.parent}" if arrival.parent else ""
    return Reason(EVIDENCE[NOVEL], 1.0, (0.0, 0.0), "container" if container else "host", f"first {arrival.label.comm} {where}{by}")


def usual(hist: Floats32, unit: Floats) -> tuple[Floats, Floats]:
    """The 5 % and 95 % quantiles float64[m] of histograms float32[m, 24], in units of the features; 0 where one is empty."""
    total = np.cumsum(hist, axis=1, dtype=np.float64)
    every = np.arange(len(hist))
    out = []
    for q in (0.05, 0.95):
        want = q * total[:, -1]
        at = np.minimum((total < want[:, None]).sum(axis=1), BINS - 1)
        inside = hist[every, at].astype(float)
        share = np.clip((want - total[every, at] + inside) / np.maximum(inside, 1e-9), 0, 1)
        out.append(value_at(at, share, unit))
    return out[0], out[1]


def words(feature: Feature, lower: bool, value: float, low: float, high: float, kind: str = "") -> str:
    """A reason as a sentence. ``kind`` is what usual refers to when that is not the process itself.

    >>> from proctop.fields import FEATURES, FEATURE
    >>> words(FEATURES[FEATURE["wchar"]], False, 38 * 2**20, 0, 1.2 * 2**20)
    'writes 38 MB/s, usual 0–1.2 MB/s'
    >>> words(FEATURES[FEATURE["idle_s"]], False, 40, 0, 3)
    'no activity for 40 s, usual ≤ 3 s'
    >>> words(FEATURES[FEATURE["cpu"]], True, 0, 0.4, 0.6)
    'cpu low: 0 %, usual 40–60 %'
    """
    now = quantity(value, feature.unit)
    head = f"{feature.phrase.replace('{}', '').strip(' +')} low: {now}" if lower else feature.phrase.format(now)
    if feature.name == EVIDENCE[IDLE]:
        return f"{head}, usual{kind} ≤ {quantity(high, feature.unit)}"
    return f"{head}, usual{kind} {span(low, high, feature.unit)}"


def quantity(value: float, unit: Unit) -> str:
    """A value with its unit, two or three digits.

    >>> [quantity(1.0, Unit.SHARE), quantity(39845888, Unit.BYTES_PER_SECOND), quantity(120, Unit.PER_SECOND), quantity(400, Unit.SECONDS)]
    ['100 %', '38 MB/s', '120/s', '6.7 min']
    """
    size, name = _scale(value, unit)
    return _number(value / size, size == 1 and unit is Unit.COUNT) + name


def span(low: float, high: float, unit: Unit) -> str:
    """Two values in the unit of the higher one.

    >>> span(0.0, 1258291.2, Unit.BYTES_PER_SECOND), span(0.0, 0.0, Unit.PER_SECOND), span(0.4, 0.6, Unit.SHARE)
    ('0–1.2 MB/s', '0', '40–60 %')
    """
    size, name = _scale(high, unit)
    whole = size == 1 and unit is Unit.COUNT
    a, b = _number(low / size, whole), _number(high / size, whole)
    if b == "0":
        return "0"
    return f"{b}{name}" if a == b else f"{a}–{b}{name}"


def _scale(value: float, unit: Unit) -> tuple[float, str]:
    """What to divide by, and what to write behind."""
    if unit is Unit.SHARE:
        return 0.01, " %"
    if unit is Unit.SECONDS:
        return (1.0, " s") if value < 120 else (60.0, " min") if value < 7200 else (3600.0, " h")
    bytes_ = unit in (Unit.BYTES, Unit.BYTES_PER_SECOND)
    step, names = (1024.0, _SIZES) if bytes_ else (1000.0, _COUNTS)
    power = 0
    while value >= 999.5 * step**power and power < len(names) - 1:
        power += 1
    return step**power, names[power] + ("/s" if unit in (Unit.BYTES_PER_SECOND, Unit.PER_SECOND) else "")


def _number(x: float, whole: bool = False) -> str:
    """One decimal below ten, none for ``whole`` things.

    >>> [_number(x) for x in (0, 0.04, 0.32, 1.26, 9.96, 38.4, 1234)], _number(2.2, True)
    (['0', '0', '0.3', '1.3', '10', '38', '1234'], '2')
    """
    if x >= 1e6:
        return f"{x:.0e}"
    return f"{x:.0f}" if x >= 9.95 or whole else f"{x:.1f}".removesuffix(".0")
