"""Groups of processes as if each were one: the default detector over their sums, and over how far those are from where they always are.

Each group has two rows in the detector. One holds its sums, levels as means of its members, so that a birth or an end changes them little.
The other holds, for each rate, how far the mean of y = ln(1 + x/u) over the last readings is from where it always is, in standard
deviations: sums over many members are steadier than any of them, and 15 % more of something that never moved by 3 % is much. A standard
deviation is told as half a nat, so that the histograms of the detector, which know nothing finer, learn how far this group usually goes. Of
a few members the sum is no steadier than they are, and their own scores tell more. Those in no group have a row, too: whether a wait for a
cpu tells anything depends on how long the others wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from proctop.fields import FEATURE, SCHEMA, SCORED
from proctop.frames import Batch, Reason, Scores
from proctop.records import Bools, Floats, Floats32, Ints, Label, ProcKey
from proctop.scoring.baseline import Baseline
from proctop.scoring.explain import words
from proctop.scoring.steadiness import RATES, Steadiness
from proctop.scoring.tails import FAST, LEVELS, UNITS

MOST = 500
"""Groups that are scored; those that come later are not."""

REMEMBERED = 600
"""Readings for which a group without members is remembered."""

_MANY = 4  # members, from which on their sum is steadier than they are
_SLOW = 4  # readings whose rates are compared together with what was
_FEW = 30  # readings of a group before it has a normal
_LEAST = 0.03  # of a standard deviation, in nats
_UNUSUAL = 2.5  # nats
_NATS = 0.5  # a standard deviation is told as
_FARTHEST = 11.0  # nats that are told
_STEADY, _REST = (Label(name, kernel=True) for name in ("steadiness", "rest"))  # whose silence says nothing, like that of kernel threads
_MOST_REASONS = 3
_EXPLAINED = 16


class GroupBaseline:
    """Scores groups by what they did together. A group keeps its row while it has members, and is remembered a while.

    ``budget``: as :class:`Baseline` has it.
    """

    def __init__(self, *, budget: float = 6.0) -> None:
        self._detector = Baseline(budget=budget, news=False)
        self._steady = Steadiness(slow=_SLOW, few=_FEW, least=_LEAST)
        self._rows: dict[str, int] = {}
        self._labels: list[Label] = []
        self._ids: Ints = np.zeros(0, dtype=np.int64)
        self._absent: Ints = np.zeros(0, dtype=np.int64)
        self._next = 1

    def step(self, groups: Sequence[tuple[str, str]], values: Floats32, size: Ints, active: Bools, rest: Floats32, dt: float) -> Scores:
        """Of ``groups``, by key and what others of their kind share: ``values`` float32[n_features, g] sums, ``size`` [g] members alive.

        ``active`` [g]: any member did anything; ``rest`` [n_features]: what those in no group did, as far as groups are compared with it;
        ``dt`` seconds, NaN = no interval.
        """
        before = len(self._rows)
        where = self._follow(groups)
        rows = np.array([self._rows.get(key, -1) for key, _ in groups], dtype=np.int64)
        fits = np.flatnonzero(rows >= 0)
        at, end = rows[fits], where.size
        together = np.full((len(SCHEMA), end), np.nan, dtype=np.float32)
        together[:, at] = values[:, fits]
        together[LEVELS, at] /= np.maximum(size[fits], 1)
        z = self._steady.step(together) if dt == dt else np.full((end, RATES.size), np.nan)
        few = np.ones(end, dtype=np.bool_)
        few[at] = size[fits] < _MANY
        z[few] = np.nan
        apart = np.full((len(SCHEMA), end), np.nan, dtype=np.float32)
        apart[RATES] = (UNITS[RATES] * np.expm1(np.minimum(np.abs(z) * _NATS, _FARTHEST))).T
        does = np.zeros(end, dtype=np.bool_)
        does[at] = active[fits]
        batch = Batch(
            SCHEMA,
            np.append(np.tile(self._ids, 2), 0),
            np.append(np.repeat([0, 1], end), 2),
            np.concatenate([together, apart, rest[:, None]], axis=1),
            (*self._labels, *[_STEADY] * end, _REST),
            dt,
            np.concatenate([where, np.where(where >= 0, where + before, -1), [2 * before]]),
            np.append(np.tile(does, 2), False),
            np.zeros(2 * end + 1, dtype=np.bool_),
        )
        scores = self._detector.step(batch, explain=_EXPLAINED)
        both = slice(end), slice(end, 2 * end)
        rank, alert = (np.fmax(*(column[half] for half in both)) for column in (scores.rank, scores.alert))
        self._steady.unusual = np.nan_to_num(rank) > _UNUSUAL
        out = np.full((3, len(groups)), np.nan, dtype=np.float32)
        out[0, fits] = rank[at]
        out[1, fits] = alert[at]
        out[2, fits] = np.fmin(*(scores.per_hour[half] for half in both))[at]
        alerting = np.zeros(len(groups), dtype=np.bool_)
        alerting[fits] = np.logical_or(*(scores.alerting[half] for half in both))[at]
        status = np.zeros(len(groups), dtype=np.int8)
        status[fits] = scores.status[at]
        why = {i: reasons for i, row in zip(fits.tolist(), at.tolist(), strict=True) if (reasons := self._why(row, end, scores, z))}
        return Scores(out[0], out[1], out[2], alerting, status, why)

    def judge(self, key: str, normal: bool) -> None:
        """What a group does now is normal, or a true alarm that says nothing about how often false ones come."""
        if key in self._rows:
            for row in (ProcKey(int(self._ids[self._rows[key]]), which) for which in (0, 1)):
                self._detector.accept(row) if normal else self._detector.incident(row)

    def _follow(self, groups: Sequence[tuple[str, str]]) -> Ints:
        """Bring the rows up to date; of each its row before, -1 = new."""
        self._absent += 1
        self._absent[[self._rows[key] for key, _ in groups if key in self._rows]] = 0
        kept = np.flatnonzero(self._absent <= REMEMBERED)
        new = [(key, kind) for key, kind in groups if key not in self._rows][: MOST - kept.size]
        for key, kind in groups:
            row = self._rows.get(key, -1)
            if row >= 0 and self._labels[row].comm != kind:
                self._labels[row] = Label(kind)
        if not new and kept.size == len(self._rows):
            return kept
        names = list(self._rows)
        self._rows = {key: i for i, key in enumerate([*(names[i] for i in kept.tolist()), *(key for key, _ in new)])}
        self._labels = [*(self._labels[i] for i in kept.tolist()), *(Label(kind) for _, kind in new)]
        self._ids = np.concatenate([self._ids[kept], np.arange(self._next, self._next + len(new))])
        self._absent = np.concatenate([self._absent[kept], np.zeros(len(new), dtype=np.int64)])
        self._next += len(new)
        self._steady.follow(kept, len(new))
        return np.concatenate([kept, np.full(len(new), -1, dtype=np.int64)])

    def _why(self, row: int, end: int, scores: Scores, z: Floats) -> tuple[Reason, ...]:
        """Reasons of both rows of a group, those of the higher one first, each feature once."""
        together = [_each(reason) for reason in scores.why.get(row, ())]
        apart = [self._said(row, reason, z) for reason in scores.why.get(row + end, ())]
        first, second = (apart, together) if scores.rank[row + end] > scores.rank[row] else (together, apart)
        told = {reason.feature: reason for reason in reversed([*first, *second])}
        return tuple(sorted(told.values(), key=[*first, *second].index)[:_MOST_REASONS])

    def _said(self, row: int, reason: Reason, z: Floats) -> Reason:
        """A reason about a distance as one about the rate itself."""
        feature = FEATURE[reason.feature]
        rate = int(np.searchsorted(RATES, feature))
        below = bool(z[row, rate] < 0)
        now, far = (float(np.log1p(x / UNITS[feature])) / _NATS for x in (reason.value, reason.usual[1]))
        value, low, high = self._steady.told(row, rate, (-now if below else now, -far, far))
        return Reason(reason.feature, value, (low, high), "own", words(SCORED[feature], below, value, low, high))


def _each(reason: Reason) -> Reason:
    """A level is that of a member."""
    if reason.feature not in FAST[LEVELS]:
        return reason
    return replace(reason, text=reason.text.replace(", usual", " each, usual", 1))
