"""Integers as bytes: zigzag, then base 128 in planes, all of it vectorised.

A plane holds one byte of every value that has one: first the low 7 bits of all, then the next 7 bits
of those whose top bit said there is more, and so on. Bytes of one meaning lie side by side, which
packs better than the varints of Protocol Buffers, and costs a few numpy calls per plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proctop.records import Ints
from proctop.stream import Damaged

Words = NDArray[np.uint64]

_SEVEN = np.uint64(7)
_MORE = np.uint64(128)
_LOW, _TOP, _SEVENTH = np.uint8(127), np.uint8(128), np.uint8(7)
_ONE, _FAR, _HALF, _LAST = np.uint64(1), np.uint64(15), np.uint8(4), np.uint8(15)
_BYTE = [bytes((value,)) for value in range(256)]
_NOTHING = np.zeros(0, np.int64)
MAX_PLANES = 10  # 70 bits hold any uint64


def zigzag(values: Ints) -> Words:
    """0, -1, 1, -2 … become 0, 1, 2, 3 …

    >>> zigzag(np.array([0, -1, 1, -2])).tolist()
    [0, 1, 2, 3]
    """
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(words: Words) -> Ints:
    """The way back from :func:`zigzag`."""
    return (words >> np.uint64(1)).view(np.int64) ^ -(words & np.uint64(1)).view(np.int64)


class Out:
    """Bytes being put together. Every ``put`` is undone by the ``take`` of the same name on :class:`In`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> None:
        self._parts.append(data)

    def number(self, value: int) -> None:
        """One integer >= 0."""
        while value >= 128:
            self._parts.append(_BYTE[value & 127 | 128])
            value >>= 7
        self._parts.append(_BYTE[value])

    def blob(self, data: bytes) -> None:
        self.number(len(data))
        self._parts.append(data)

    def words(self, words: Words) -> None:
        """uint64[n]; n is not written."""
        while words.size:
            low = words.astype(np.uint8)
            more = words >= _MORE
            if not np.count_nonzero(more):
                self._parts.append(low.tobytes())
                return
            self._parts.append((low & _LOW | more.view(np.uint8) << _SEVENTH).tobytes())
            words = words[more] >> _SEVEN

    def integers(self, values: Ints) -> None:
        """int64[n]; n is not written."""
        self.words(zigzag(values))

    def changes(self, values: Ints) -> None:
        """int64[n], most of them 0, few of them far from it: a bit for each, half a byte for each other; n is not written."""
        other = values != 0
        self._parts.append(np.packbits(other).tobytes())
        if other.any():
            words = zigzag(values[other]) - _ONE
            halves = np.zeros((words.size + 1) // 2 * 2, np.uint8)
            halves[: words.size] = np.minimum(words, _FAR)
            self._parts.append((halves[::2] << _HALF | halves[1::2]).tobytes())
            self.words(words[words >= _FAR] - _FAR)

    def rising(self, values: Ints) -> None:
        """int64[n], strictly rising from 0 or more; n is written."""
        self.number(values.size)
        if values.size:
            gaps = values.astype(np.uint64)
            gaps[1:] -= gaps[:-1] + np.uint64(1)
            self.words(gaps)

    def done(self) -> bytes:
        return b"".join(self._parts)


class In:
    """Takes apart what :class:`Out` put together. Anything it could not have written raises :class:`Damaged`."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def raw(self, size: int) -> memoryview:
        if not 0 <= size <= self.left():
            raise Damaged("a length runs past the end")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def number(self, limit: int) -> int:
        """One integer from 0 to ``limit``."""
        value = shift = 0
        while True:
            if self._at >= len(self._data):
                raise Damaged("a length runs past the end")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 63:
                raise Damaged("a number is too long")
        if value > limit:
            raise Damaged("a number is out of range")
        return value

    def blob(self) -> memoryview:
        return self.raw(self.number(self.left()))

    def words(self, count: int) -> Words:
        """uint64[count]."""
        if not count:
            return np.zeros(0, np.uint64)
        if count > self.left():
            raise Damaged("more numbers than bytes")
        data = np.frombuffer(self.raw(count), np.uint8)
        words = (data & _LOW).astype(np.uint64)
        where = (data & _TOP).nonzero()[0]
        for plane in range(1, MAX_PLANES):
            if not where.size:
                return words
            data = np.frombuffer(self.raw(where.size), np.uint8)
            words[where] |= (data & _LOW).astype(np.uint64) << np.uint64(7 * plane)
            where = where[(data & _TOP).nonzero()[0]]
        if where.size:
            raise Damaged("a number is too long")
        return words

    def integers(self, count: int) -> Ints:
        return unzigzag(self.words(count))

    def changes(self, count: int) -> Ints:
        """int64[count]."""
        where = np.unpackbits(np.frombuffer(self.raw((count + 7) // 8), np.uint8), count=count).nonzero()[0]
        if not where.size:
            return np.zeros(count, np.int64)
        packed = np.frombuffer(self.raw((where.size + 1) // 2), np.uint8)
        words = np.stack((packed >> _HALF, packed & _LAST), axis=1).ravel()[: where.size].astype(np.uint64)
        far = (words == _FAR).nonzero()[0]
        words[far] += self.words(far.size)
        values = np.zeros(count, np.int64)
        values[where] = unzigzag(words + _ONE)
        return values

    def rising(self, below: int) -> Ints:
        """int64[n], strictly rising, all in 0 … below - 1."""
        count = self.number(below)
        if not count:
            return _NOTHING
        gaps = self.words(count)
        if int(gaps.max()) >= below:
            raise Damaged("an index is out of range")
        values = np.cumsum(gaps.astype(np.int64) + 1) - 1
        if int(values[-1]) >= below:
            raise Damaged("an index is out of range")
        return values
