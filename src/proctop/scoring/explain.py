"""Why a process stands out, in words with numbers: "writes 38 MB/s, usual 0–1.2 MB/s"."""

from __future__ import annotations

import numpy as np

from proctop.fields import FEATURE, FEATURES, Feature, Unit
from proctop.records import Batch, Floats, Floats32, Index, Ints, Reason
from proctop.scoring.kinds import Kinds
from proctop.scoring.lives import Lives
from proctop.scoring.tails import BINS, CHANNEL, CHANNELS, EVIDENCE, IDLE, UNITS, UPPER, value_at

NOTABLE = 1.5
"""nats: rows ranked below it need no reason."""

_TELLING = 2.0  # nats: evidence below it is no reason
_STICKY = 0.4  # nats: what was named a reading ago is preferred, so that reasons do not flicker
_MOST = 3
_OWN = 10  # samples of a process before its own history is the yardstick

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB")
_COUNTS = ("", "k", "M", "G", "T")


class Explainer:
    """Turns evidence into reasons, and remembers what it said."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[tuple[int, ...], tuple[Reason, ...]]] = {}

    def step(
        self, batch: Batch, rows: Index, slots: Ints, e: Floats32, value: Floats32, lives: Lives, cohorts: Kinds
    ) -> dict[int, tuple[Reason, ...]]:
        """Reasons of ``rows`` of ``batch`` (those with something to say).

        ``e`` float32[m, 31] is their evidence, ``value`` float32[m, 29] what their channels measured, in the units of the features.
        """
        said, why = {}, {}
        for row, slot, score, now in zip(rows.tolist(), slots.tolist(), e, value, strict=True):
            before = self._said.get(slot, ((), ()))
            chosen = _choose(score, before[0])
            if chosen:
                reasons = tuple(self._reason(j, slot, now[CHANNEL[j]], batch.labels[row].comm, lives, cohorts) for j in chosen)
            else:
                chosen, reasons = before  # the rank is a mean over the last readings, and so is what explains it
            if reasons:
                said[slot] = (chosen, reasons)
                why[row] = reasons
        self._said = said
        return why

    def _reason(self, j: int, slot: int, value: float, comm: str, lives: Lives, cohorts: Kinds) -> Reason:
        feature, channel = FEATURES[FEATURE[EVIDENCE[j]]], int(CHANNEL[j])
        book = int(lives.book[slot])
        own = lives.mass[book, channel] >= _OWN
        if own:
            hist = lives.hist[book, channel]
        else:
            group = int(lives.cohort[slot]) * 2
            hist = cohorts.hist[group : group + 2].reshape(2, CHANNELS, BINS)[:, channel].sum(axis=0)
        low, high = usual(hist, float(UNITS[channel]))
        kind = "" if own else f" for {comm}"
        return Reason(
            feature.name, float(value), (low, high), "own" if own else "cohort", words(feature, j >= UPPER, float(value), low, high, kind)
        )


def _choose(score: Floats32, before: tuple[int, ...]) -> tuple[int, ...]:
    """At most three evidences, each feature once, most telling first."""
    liked = score.copy()
    liked[list(before)] += _STICKY
    chosen: list[int] = []
    for j in np.argsort(-liked, kind="stable")[: 3 * _MOST].tolist():
        if score[j] >= _TELLING and EVIDENCE[j] not in {EVIDENCE[k] for k in chosen}:
            chosen.append(j)
    return tuple(chosen[:_MOST])


def usual(hist: Floats32, unit: float) -> tuple[float, float]:
    """The 5 % and 95 % quantiles of a histogram float32[24], in the feature's unit; (0, 0) when it is empty."""
    total = np.cumsum(hist, dtype=np.float64)
    if not total[-1] > 0:
        return 0.0, 0.0
    want: Floats = total[-1] * np.array([0.05, 0.95])
    at = np.minimum(np.searchsorted(total, want), BINS - 1)
    share = np.clip((want - (total[at] - hist[at])) / np.maximum(hist[at], 1e-9), 0, 1)
    low, high = value_at(at, share, np.array(unit)).tolist()
    return low, high


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
    if lower:
        head = f"{feature.phrase.replace('{}', '').strip(' +')} low: {now}"
    else:
        head = feature.phrase.format(now)
    if feature.name == EVIDENCE[IDLE]:
        return f"{head}, usual{kind} ≤ {quantity(high, feature.unit)}"
    return f"{head}, usual{kind} {span(low, high, feature.unit)}"


def quantity(value: float, unit: Unit) -> str:
    """A value with its unit, two or three digits.

    >>> [quantity(1.0, Unit.SHARE), quantity(39845888, Unit.BYTES_PER_SECOND), quantity(120, Unit.PER_SECOND), quantity(400, Unit.SECONDS)]
    ['100 %', '38 MB/s', '120/s', '6.7 min']
    """
    size, name = _scale(value, unit)
    return _number(value / size) + name


def span(low: float, high: float, unit: Unit) -> str:
    """Two values in the unit of the higher one.

    >>> span(0.0, 1258291.2, Unit.BYTES_PER_SECOND), span(0.0, 0.0, Unit.PER_SECOND), span(0.4, 0.6, Unit.SHARE)
    ('0–1.2 MB/s', '0', '40–60 %')
    """
    size, name = _scale(high, unit)
    a, b = _number(low / size), _number(high / size)
    if b == "0":
        return "0"
    return f"{b}{name}" if a == b else f"{a}–{b}{name}"


def _scale(value: float, unit: Unit) -> tuple[float, str]:
    """What to divide by, and what to write behind."""
    match unit:
        case Unit.SHARE:
            return 0.01, " %"
        case Unit.SECONDS:
            return (1.0, " s") if value < 120 else (60.0, " min") if value < 7200 else (3600.0, " h")
        case Unit.BYTES | Unit.BYTES_PER_SECOND:
            step, names, end = 1024.0, _SIZES, "/s" if unit is Unit.BYTES_PER_SECOND else ""
        case _:
            step, names, end = 1000.0, _COUNTS, "/s" if unit is Unit.PER_SECOND else ""
    power = 0
    while value >= 999.5 * step**power and power < len(names) - 1:
        power += 1
    space = " " if names is _SIZES else ""
    return step**power, space + names[power] + end


def _number(x: float) -> str:
    """
    >>> [_number(x) for x in (0, 0.04, 0.32, 1.26, 9.96, 38.4, 1234)]
    ['0', '0', '0.3', '1.3', '10', '38', '1234']
    """
    return f"{x:.0f}" if x >= 9.95 else f"{x:.1f}".removesuffix(".0")
