"""Scores as they were seen live, beside the readings they came from.

They are what a screen showed, and come back to the last character of it: ``rank`` and ``alert`` in the tenths in which an engine
gives them, ``per_hour`` to the words that are made of it. The readings
themselves are exact, and scoring them again gives every digit.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from proctop.frames import Reason, Scores, Status
from proctop.records import Bools, Floats, Floats32, Index, Ints
from proctop.sanitize import clean
from proctop.stream import Damaged
from proctop.stream.columns import Columns
from proctop.stream.numbers import In, Out
from proctop.stream.reasons import MOST_REASONS, ReasonsIn, ReasonsOut
from proctop.stream.words import WordsIn, WordsOut

NOTABLE = 1.0
"""nats: what a screen makes something of, and says how often it comes by chance."""
_EXTREME = 1e6  # nats
_NEAR = 0.69  # of ln(per_hour) where it is not shown: a factor of two
_SELDOM = 1.5  # times an hour; from below it is told by hours

_DECIMALS = (1, 1, 2, 0, 0)  # of rank, alert, per_hour, alerting, status
_LINE = struct.Struct("<ff")
_LONGEST = 200  # characters of a reason
_LONGEST_WHY = 1 << 22  # bytes of all reasons of a reading, in format 1.0
_PER_E = 10.0  # steps of per_hour in one factor of e, in format 1.0


class ScoresOut:
    """One instance per segment."""

    def __init__(self) -> None:
        self._columns = Columns(_DECIMALS)
        self._reasons = ReasonsOut()

    def put(self, out: Out, words: WordsOut, scores: Scores, take: Index | None) -> None:
        rank, alert = _rounded(scores.rank), _rounded(scores.alert)
        rows = np.empty((5, rank.size))
        line, rows[2] = _often(scores.per_hour.astype(np.float64), alert, rank >= NOTABLE)
        rows[0], rows[1], rows[3], rows[4] = rank, alert, scores.alerting, scores.status
        out.raw(_LINE.pack(*line))
        self._columns.put(out, rows, take)
        self._reasons.put(out, words, scores.why)


class ScoresIn:
    """The way back."""

    def __init__(self) -> None:
        self._columns = Columns(_DECIMALS)
        self._reasons = ReasonsIn()

    def take(self, data: In, words: WordsIn, take: Index | None, n: int) -> Scores:
        line = _LINE.unpack(data.raw(_LINE.size))
        rank, alert, often, alerting, status = self._columns.take(data, take, n)
        said = np.where(often < 0, -1.0 / often, often)
        per_hour = np.where(often == 0, np.exp(line[0] - line[1] * alert), said).astype(np.float32)
        ranks, alerts = rank.astype(np.float32), alert.astype(np.float32)
        return Scores(ranks, alerts, per_hour, alerting == 1, _levels(status), self._reasons.take(data, words, n))


class OldScoresIn:
    """Scores of format 1.0, whose reasons are JSON."""

    def __init__(self) -> None:
        self._columns = Columns((1, 1, 0, 0, 0))

    def take(self, data: In, take: Index | None, n: int) -> Scores:
        rank, alert, often, alerting, status = self._columns.take(data, take, n)
        per_hour = np.exp(often / _PER_E).astype(np.float32)
        ranks, alerts = rank.astype(np.float32), alert.astype(np.float32)
        why = data.blob()
        if len(why) > _LONGEST_WHY:
            raise Damaged("the reasons are too long")
        return Scores(ranks, alerts, per_hour, alerting == 1, _levels(status), _reasons(bytes(why), n) if why else {})


def _levels(status: Floats) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.where(np.isin(status, _STATUS), status, 0.0).astype(np.int8)


_STATUS = np.array([status.value for status in Status], np.float64)


def _rounded(scores: Floats32) -> Floats:
    rounded: Floats = np.rint(scores.astype(np.float64) * 10.0) / 10.0
    return rounded


def tenths(scores: Floats32) -> Ints:
    """int64[n]: scores in tenths, -1 = NaN."""
    return np.where(scores >= 0, np.rint(np.minimum(scores, _EXTREME).astype(np.float64) * 10.0), -1.0).astype(np.int64)


def of_tenths(numbers: Ints) -> Floats32:
    """The way back."""
    scores: Floats32 = np.where(numbers < 0, np.nan, np.minimum(numbers, 10.0 * _EXTREME) / 10.0).astype(np.float32)
    return scores


def _often(x: Floats, alert: Floats, told: Bools) -> tuple[tuple[float, float], Floats]:
    """Of ``x`` = per_hour: a and b of the line ln x = a − b · alert, and float64[n] with two decimals.

    Where ``told``, times an hour or, negative, minus the hours between two, as words would say it. Elsewhere 0: the line is near enough,
    or NaN where it is not within a factor of two.
    """
    line = (0.0, 0.0)
    height = np.log(x)
    known = np.isfinite(height) & (np.abs(alert) < _EXTREME)
    rows = known.nonzero()[0]
    if rows.size:
        low, high = rows[alert[rows].argmin()], rows[alert[rows].argmax()]
        run = float(alert[high] - alert[low])
        b = float(height[low] - height[high]) / run if run > 0 else 0.0
        line = (float(height[low] + b * alert[low]), b)
    near = known & (np.abs(line[0] - line[1] * alert - height) <= _NEAR)
    out = np.where(near | (x == 0), 0.0, np.nan)
    rows = (told & (x == x)).nonzero()[0]
    if rows.size:
        out[rows] = [_said(one) for one in x[rows].tolist()]
    return line, out


def _said(hourly: float) -> float:
    """Of one number. 12.4 and 120.4 an hour are written 12 and 120, but are more than that."""
    if hourly <= 0:
        return -np.inf
    if hourly < _SELDOM:
        return -float(f"{1 / hourly:.2g}")
    whole = float(f"{hourly:.0f}")
    return whole + 0.4 if hourly > whole and whole in (12.0, 120.0) else whole


def _reasons(data: bytes, n: int) -> dict[int, tuple[Reason, ...]]:
    try:
        why = {row: tuple(reason(*raw) for raw in reasons[:MOST_REASONS]) for row, reasons in json.loads(data)}
    except (ValueError, TypeError, RecursionError) as error:
        raise Damaged("the reasons are none") from error
    if not all(type(row) is int and 0 <= row < n for row in why):
        raise Damaged("a reason has no process")
    return why


def reason(feature: Any, value: Any, low: Any, high: Any, against: Any, text: Any) -> Reason:
    """A reason out of JSON. Raises TypeError."""
    if not all(isinstance(t, str) for t in (feature, against, text)) or not all(type(x) in (int, float) for x in (value, low, high)):
        raise TypeError("not a reason")
    feature, against, text = (clean(t[:_LONGEST]) for t in (feature, against, text))
    return Reason(feature, float(value), (float(low), float(high)), against, text)
