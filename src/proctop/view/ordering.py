"""Sort keys by which rows do not dance: differences that do not show are none.

A key is float64[n], smaller first, NaN last; equal keys leave the order to what it was before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proctop import fields
from proctop.fields import Unit
from proctop.frames import Frame
from proctop.records import Floats
from proctop.view import values

BAND = 0.3  # nats, or
RATIO = 0.1  # of the score, whichever is more: scores as near as this count as equal

SCORES = frozenset({"score", "history", "why"})
_UNSCORED = 1e6  # keys of rows without a score: behind every group of scores
_HIGHEST = 1e9


def hold(score: Floats, held: Floats) -> Floats:
    """``held`` (NaN = nothing) where ``score`` has stayed near it, else ``score``. Both float64[n]."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(score - held) <= np.maximum(BAND, RATIO * held), held, np.minimum(score, _HIGHEST))


def score_key(frame: Frame, held: Floats, *, gone: Frame | None = None, reverse: bool = False) -> Floats:
    """The key of the rows of a frame by their scores, then of those of ``gone``; ``held`` is of all of them."""
    cpu = values.numbers(frame, "cpu")
    return banded(held, cpu if gone is None else np.concatenate((cpu, values.numbers(gone, "cpu"))), reverse=reverse)


def banded(held: Floats, cpu: Floats, *, reverse: bool = False) -> Floats:
    """Rows grouped with those near them, the highest scores first; rows without a score behind, by the power of two of their cpu percent.

    A group reaches from its highest score down by the band. Inside it the order stays what it was.
    """
    scored = ~np.isnan(held)
    ascending = np.sort(held[scored])
    floors = []
    left = ascending.size
    while left:
        highest = ascending[left - 1]
        floor = highest - max(BAND, RATIO * highest)
        floors.append(floor)
        left = int(np.searchsorted(ascending[:left], floor, side="left"))
    group: Floats = len(floors) - np.searchsorted(np.array(floors[::-1]), held, side="right").astype(np.float64)
    with np.errstate(invalid="ignore"):
        busy = np.floor(np.log2(np.maximum(cpu, 1.0)))
    busy = np.where(np.isnan(busy), 0.0, busy)
    return np.where(scored, -group if reverse else group, _UNSCORED - busy)


def column_key(frame: Frame, name: str, *, gone: Frame | None = None, reverse: bool = False) -> Floats:
    """The key of the rows of a frame by any other column or feature, then of those of ``gone``, in its usual direction or against it."""
    column = fields.COLUMN.get(name)
    if values.is_text(name):
        words = values.texts(frame, name)
        return ranked(words if gone is None else words + values.texts(gone, name), reverse=reverse)
    descending = column is None or column.descending
    numbers = values.numbers(frame, name)
    key = visible(numbers if gone is None else np.concatenate((numbers, values.numbers(gone, name))), values.unit(name), name)
    return -key if descending != reverse else key


def visible(numbers: Floats, unit: Unit, name: str) -> Floats:
    """Rounded to what a column shows of them."""
    if unit in (Unit.PERCENT, Unit.NATS):
        return np.round(numbers, 1)
    if unit in (Unit.BYTES, Unit.BYTES_PER_SECOND):
        with np.errstate(divide="ignore", invalid="ignore"):
            power = np.floor(np.log2(np.maximum(numbers, 1.0)) / 10.0)
        step = np.exp2(10.0 * power) / 10.0
        return np.round(numbers / step) * step
    if unit is Unit.PER_SECOND:
        return np.where(numbers < 10.0, np.round(numbers, 1), np.round(numbers))
    return np.round(numbers) if name == "idle_s" else numbers


def ranked(words: Sequence[str], *, reverse: bool = False) -> Floats:
    """Words by alphabet without regard to case, empty ones last."""
    place = {word: float(k) for k, word in enumerate(sorted(set(words), key=lambda word: (word.casefold(), word), reverse=reverse))}
    place[""] = float("nan")
    return np.array([place[word] for word in words], dtype=np.float64)
