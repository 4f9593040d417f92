"""Scores and reasons as they were seen live, beside the readings they came from.

They are what a screen showed, so they are kept about as exactly as a screen shows them: ``rank`` and ``alert``
to 0.1 nat, ``per_hour`` to 25 %, the numbers of a reason to three digits. A number that stays this close to the one
recorded is not written again. The readings themselves are exact, and scoring them again gives every digit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from proctop.records import Index, Reason, Scores, Status
from proctop.sanitize import clean
from proctop.stream import Damaged
from proctop.stream.columns import Columns
from proctop.stream.numbers import In, Out

_PER_E = 10.0  # steps of per_hour in one factor of e
_NEAR = np.array([[0.1], [0.1], [2.0], [0.0], [0.0]])  # what is as good as unchanged
_STEPS = np.array([[10.0], [10.0], [1.0], [1.0], [1.0]])
_MOST_REASONS = 3
_LONGEST = 200  # characters of a reason
_LONGEST_WHY = 1 << 22  # bytes of all reasons of a reading


class ScoreTables:
    """One instance per segment and direction; begins anew after a reading without scores."""

    def __init__(self) -> None:
        self._columns = Columns((1, 1, 0, 0, 0))

    def put(self, out: Out, scores: Scores, take: Index | None) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            often = np.log(scores.per_hour.astype(np.float64)) * _PER_E
            columns = (scores.rank, scores.alert, often, scores.alerting, scores.status)
            exact = np.stack([column.astype(np.float64) for column in columns])
            before = self._columns.before(take, scores.rank.size)
            now = np.where(np.abs(exact - before) <= _NEAR, before, np.round(exact * _STEPS) / _STEPS)
        self._columns.put(out, now, take)
        rows = [
            [row, [[r.feature, _short(r.value), _short(r.usual[0]), _short(r.usual[1]), r.against, r.text] for r in reasons]]
            for row, reasons in sorted(scores.why.items())
        ]
        out.blob(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") if rows else b"")

    def take(self, data: In, take: Index | None, n: int) -> Scores:
        rank, alert, often, alerting, status = self._columns.take(data, take, n)
        with np.errstate(over="ignore"):
            per_hour = np.exp(often / _PER_E).astype(np.float32)
            ranks, alerts = rank.astype(np.float32), alert.astype(np.float32)
        levels = np.where(np.isin(status, [s.value for s in Status]), status, 0.0).astype(np.int8)
        why = data.blob()
        if len(why) > _LONGEST_WHY:
            raise Damaged("the reasons are too long")
        return Scores(ranks, alerts, per_hour, alerting == 1, levels, _reasons(bytes(why), n) if why else {})


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _reasons(data: bytes, n: int) -> dict[int, tuple[Reason, ...]]:
    try:
        why = {row: tuple(_reason(*reason) for reason in reasons[:_MOST_REASONS]) for row, reasons in json.loads(data)}
    except (ValueError, TypeError, RecursionError) as error:
        raise Damaged("the reasons are none") from error
    if not all(type(row) is int and 0 <= row < n for row in why):
        raise Damaged("a reason has no process")
    return why


def _reason(feature: Any, value: Any, low: Any, high: Any, against: Any, text: Any) -> Reason:
    if not all(isinstance(t, str) for t in (feature, against, text)) or not all(type(x) in (int, float) for x in (value, low, high)):
        raise TypeError("not a reason")
    feature, against, text = (clean(t[:_LONGEST]) for t in (feature, against, text))
    return Reason(feature, float(value), (float(low), float(high)), against, text)
