"""Tables of numbers, each coded against the same table of the reading before.

:class:`Keys` says which rows stayed, went and came; :class:`Columns` says which cells changed and by
how much. Encoder and decoder are one class each with the same state, so that they cannot drift apart.

A cell is one symbol: 0 = became unreadable (NaN), 1 = any other float, eight bytes of it elsewhere,
2 and more = the zigzag of its change, in the column's unit. The unit is the greatest common divisor
of all changes seen in the segment: clock ticks, pages and sectors shrink to small numbers unasked, and no
number loses a bit. A cell without a past counts from 0, or stays NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import is_

import numpy as np

from proctop.records import Bools, Floats, Index, Ints
from proctop.stream import Damaged
from proctop.stream.numbers import In, Out, Words, unzigzag, zigzag

_EXACT = 1 << 53  # integers below it are exact in a float64
_NAN, _RAW, _CHANGE = 0, 1, 2
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: spreads several keys over one word

_SAME, _CHANGED, _ALL = 0, 1, 2
_FEW = 24


class Keys:
    """Which rows a table has: int64[k, n], in order. Unique, and never negative."""

    def __init__(self, k: int, most: int) -> None:
        self.now = np.zeros((k, 0), np.int64)
        self._rows: Sequence[Ints] = ()
        self._folded = np.zeros(0, np.uint64)
        self._most = most

    def put(self, out: Out, rows: Sequence[Ints]) -> Index | None:
        """Write the keys, ``k`` rows; return where each was in the table before, -1 = nowhere (None: nothing moved)."""
        same = len(rows) == len(self._rows) and all(map(is_, rows, self._rows))
        self._rows = rows
        if same:
            out.number(_SAME)
            return None
        keys = np.stack(rows)
        before, self.now = self.now, keys
        if before.shape == keys.shape and (before == keys).all():
            out.number(_SAME)
            return None
        folded, self._folded = self._folded, _folded(keys)
        stay = _survivors(folded, self._folded)
        s = stay.size
        if s > keys.shape[1] or not np.array_equal(before[:, stay], keys[:, :s]):
            out.number(_ALL)  # reordered: rare, and all rows start anew
            stay, s = stay[:0], 0
        else:
            out.number(_CHANGED)
            gone = np.ones(before.shape[1], np.bool_)
            gone[stay] = False
            out.rising(np.flatnonzero(gone))
        came = keys[:, s:]
        out.number(came.shape[1])
        if came.size:
            for row in came:
                out.integers(np.diff(row, prepend=0))
        return np.concatenate((stay, np.full(came.shape[1], -1, np.intp)))

    def take(self, data: In) -> Index | None:
        """The way back: updates ``now``."""
        before = self.now
        how = data.number(_ALL)
        if how == _SAME:
            return None
        stay = np.zeros(0, np.intp)
        if how == _CHANGED:
            mask = np.ones(before.shape[1], np.bool_)
            mask[data.rising(before.shape[1])] = False
            stay = np.flatnonzero(mask)
        count = data.number(self._most - stay.size)
        came = np.empty((before.shape[0], count), np.int64)
        for row in came:
            np.cumsum(data.integers(count), out=row)
        if count and int(came.min()) < 0:
            raise Damaged("a key is negative")
        keys = np.concatenate((before[:, stay], came), axis=1)
        if _repeats(keys, stay.size):
            raise Damaged("a key comes twice")
        self.now = keys
        return np.concatenate((stay, np.full(count, -1, np.intp)))


def _survivors(before: Words, now: Words) -> Index:
    """Places in ``before`` of what is in ``now`` too. Few that went are found one by one: those that stay keep their order."""
    gone: list[int] = []
    i = j = 0
    while len(gone) < _FEW and (m := min(before.size - i, now.size - j)):
        differ = before[i : i + m] != now[j : j + m]
        k = int(differ.argmax())
        if not differ[k]:
            i += m
            break
        gone.append(i + k)
        i, j = i + k + 1, j + k
    else:
        if len(gone) == _FEW:
            return np.flatnonzero(np.isin(before, now))
    kept = np.ones(i, np.bool_)
    kept[gone] = False
    return kept.nonzero()[0]


def _repeats(keys: Ints, old: int) -> bool:
    """Whether a key behind the first ``old`` is there twice."""
    if keys.shape[1] - old <= _FEW:
        return any(np.count_nonzero((keys == keys[:, k : k + 1]).all(axis=0)) > 1 for k in range(old, keys.shape[1]))
    order = np.lexsort(keys)
    return bool((keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0).any())


def _folded(keys: Ints) -> Words:
    word = np.zeros(keys.shape[1], np.uint64)
    for row in keys:
        word = word * _SPREAD + row.view(np.uint64)
    return word


class Columns:
    """The numbers of a table: float64[m, n].

    Attributes:
        decimals: digits after the point that a column has (0 = integers), so that ``avg10=0.12`` is an integer too.
            Numbers that do not fit are written whole: nothing is rounded.
        active: bool[n], rows of which any cell differed in the last ``put`` or ``take``.
    """

    def __init__(self, decimals: tuple[int, ...]) -> None:
        self._times = np.array([10.0**d for d in decimals]) if any(decimals) else None
        self._unit = np.zeros(len(decimals), np.int64)
        self._now: Floats = np.zeros((len(decimals), 0))
        self.active = np.zeros(0, np.bool_)

    def put(self, out: Out, values: Floats, take: Index | None, rows: Index | None = None) -> None:
        """``rows``, ascending: all others are as they were (None: any may differ)."""
        n = values.shape[1]
        if rows is None or not self._now.size:
            rows = None
            base, now = self.before(take, n), np.ascontiguousarray(values)
        else:
            base, now = self._rows_before(take, rows), values[:, rows]
        self._now = values
        if not values.size:
            self.active = np.zeros(n, np.bool_)
            return
        if values is base:
            self.active = np.zeros(n, np.bool_)
            out.raw(bytes((n + 7) // 8))
            out.number(0)
            return
        changed = now.view(np.int64) != np.ascontiguousarray(base).view(np.int64)
        active = np.logical_or.reduce(changed)
        if rows is None:
            self.active = active
        else:
            self.active = np.zeros(n, np.bool_)
            self.active[rows] = active
        out.raw(np.packbits(self.active).tobytes())
        out.raw(np.packbits(changed[:, active], axis=0).tobytes())
        cell = changed.ravel().nonzero()[0]
        column = cell // max(1, changed.shape[1])
        value = now.ravel()[cell]
        number, whole = self._integers(np.concatenate((value, base.ravel()[cell])), np.concatenate((column, column)))
        change = number[: cell.size] - number[cell.size :]
        odd = (~whole[: cell.size]).nonzero()[0]
        change[odd] = 0
        symbols = zigzag(self._in_units(out, change, column)) + np.uint64(_CHANGE)
        symbols[odd] = np.where(np.isnan(value[odd]), _NAN, _RAW)
        out.words(symbols)
        if odd.size:
            out.raw(value[symbols == _RAW].astype("<f8").tobytes())

    def take(self, data: In, take: Index | None, n: int) -> Floats:
        """The way back: float64[m, n]."""
        base = self.before(take, n)
        m = base.shape[0]
        if not base.size:
            self._now, self.active = base, np.zeros(n, np.bool_)
            return base
        active = np.unpackbits(np.frombuffer(data.raw((n + 7) // 8), np.uint8), count=n).view(np.bool_)
        rows = active.nonzero()[0]
        deep = (m + 7) // 8
        packed = np.frombuffer(data.raw(deep * rows.size), np.uint8).reshape(deep, rows.size)
        for c in data.rising(m).tolist():
            self._unit[c] = data.number(1 << 60)
        self.active = active
        if not rows.size and take is None and base is self._now:
            return base
        column, place = np.unpackbits(packed, axis=0, count=m).nonzero()
        cell = column * n + rows[place]
        symbols = data.words(cell.size)
        values = base.copy() if base is self._now else base
        flat = values.ravel()
        # A hostile change may wrap around: any number is as good as another, and it stays a number.
        change = unzigzag(symbols - np.uint64(_CHANGE)) * np.maximum(self._unit, 1)[column]
        value = (self._integers(flat[cell], column)[0] + change).astype(np.float64)
        if self._times is not None:
            value /= self._times[column]
        odd = (symbols < _CHANGE).nonzero()[0]
        if odd.size:
            value[odd] = np.nan
            raw = (symbols == _RAW).nonzero()[0]
            value[raw] = np.frombuffer(data.raw(8 * raw.size), "<f8")
        flat[cell] = value
        values.flags.writeable = False
        self._now = values
        return values

    def before(self, take: Index | None, n: int) -> Floats:
        """float64[m, n], what the cells were in the table before, NaN for rows that came. Not to be written to."""
        if take is None:
            if self._now.shape[1] == n:
                return self._now
            return np.full((self._now.shape[0], n), np.nan)
        stay = int(np.count_nonzero(take >= 0)) if self._now.shape[1] else 0  # they come first
        base = np.empty((self._now.shape[0], n))
        np.take(self._now, take[:stay], axis=1, out=base[:, :stay], mode="clip")
        base[:, stay:] = np.nan
        return base

    def _rows_before(self, take: Index | None, rows: Index) -> Floats:
        """float64[m, len(rows)], as :meth:`before` for these rows."""
        if take is None:
            return self._now[:, rows]
        came = take[rows] < 0
        base = self._now[:, np.where(came, 0, take[rows])]
        base[:, came] = np.nan
        return base

    def _in_units(self, out: Out, change: Ints, column: Index) -> Ints:
        """``change`` in units of its column, after lowering, and writing, the units in which one does not divide."""
        unit = np.maximum(self._unit, 1)[column]
        scaled = change // unit
        odd = ((scaled * unit != change) | ((self._unit == 0)[column] & (change != 0))).nonzero()[0]
        if not odd.size:
            out.number(0)
            return scaled
        columns = np.unique(column[odd])
        out.rising(columns)
        for c in columns.tolist():
            self._unit[c] = math.gcd(int(self._unit[c]), int(np.gcd.reduce(change[column == c])))
            out.number(int(self._unit[c]))
        return change // np.maximum(self._unit, 1)[column]

    def _integers(self, values: Floats, column: Index) -> tuple[Ints, Bools]:
        """``values`` times their column's power of ten as integers, and which of them are exactly that, to the bit; 0 elsewhere.

        Overflow and NaN are expected: the coder silences numpy once for a whole reading.
        """
        if self._times is None:
            number = values.astype(np.int64)
            back = number.astype(np.float64)
        else:
            times = self._times[column]
            number = np.rint(values * times).astype(np.int64)
            back = number / times
        whole = (back.view(np.int64) == values.view(np.int64)) & (number < _EXACT) & (number > -_EXACT)
        return np.where(whole, number, 0), whole
