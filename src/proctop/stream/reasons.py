"""Reasons as patterns and numbers: "writes 38 MB/s, usual 0–1.2 MB/s" is a sentence said before, with 38, 0 and 1.2 in it.

The value of a reason and what is usual come back as exactly as its text tells them; where the text does not, to three digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from proctop.frames import Reason
from proctop.stream import Damaged
from proctop.stream.numbers import In, Out
from proctop.stream.words import WordsIn, WordsOut

MOST_PATTERNS = 1 << 19
"""Per segment."""
MOST_REASONS = 3
"""Of one process."""

_GAP = "\N{OBJECT REPLACEMENT CHARACTER}"  # where a number stands
_NUMBER = re.compile(r"(?<![\w.,])(0|[1-9]\d{0,8})(?:\.(\d))?(?![\w.,])", re.ASCII)
_SCALES = (1.0, 0.01, 60.0, 3600.0, 1e3, 1e6, 1e9, 1e12, 2.0**10, 2.0**20, 2.0**30, 2.0**40, 2.0**50)
_HALF = 0.0501  # of the last digit of a number below ten
_LONGEST = 200  # characters of a reason

Why = Mapping[int, tuple[Reason, ...]]


class Pattern(NamedTuple):
    """A sentence with gaps, and which of its numbers (times which scale) is the value, the low and the high end of what is usual.

    0 = none of them; else 1 + place · len(_SCALES) + scale.
    """

    text: str
    feature: str
    against: str
    told: tuple[int, int, int]


class ReasonsOut:
    """Gives numbers to patterns."""

    def __init__(self) -> None:
        self._patterns: dict[Pattern, int] = {}
        self._alike: dict[tuple[str, str, str], list[Pattern]] = {}

    def put(self, out: Out, words: WordsOut, why: Why) -> None:
        if not why:
            out.number(0)  # rows
            out.number(0)  # patterns
            return
        rows = sorted(why)
        known = len(self._patterns)
        used: list[int] = []
        numbers: list[int] = []
        untold: list[float] = []
        for row in rows:
            for reason in why[row][:MOST_REASONS]:
                pattern, said = self._pattern(reason)
                used.append(self._patterns.setdefault(pattern, len(self._patterns)))
                numbers += said
                if 0 in pattern.told:
                    three = (reason.value, *reason.usual)
                    untold += [float(f"{x:.3g}") for x, told in zip(three, pattern.told, strict=True) if not told]
        out.rising(np.array(rows, np.int64))
        out.words(np.array([len(why[row][:MOST_REASONS]) for row in rows], np.uint64))
        fresh = list(islice(self._patterns, known, None))
        out.number(len(fresh))
        for pattern in fresh:
            for number in (*map(words.string, pattern[:3]), *pattern.told):
                out.number(number)
        out.words(np.array(used, np.uint64))
        out.words(np.array(numbers, np.uint64))
        out.raw(np.array(untold, "<f8").tobytes())

    def _pattern(self, reason: Reason) -> tuple[Pattern, list[int]]:
        """What a reason is an example of, and its numbers."""
        pieces = _NUMBER.split(reason.text[:_LONGEST].replace(_GAP, "?"))
        said = [
            int(whole) << 1 if tenth is None else int(whole + tenth) << 1 | 1
            for whole, tenth in zip(pieces[1::3], pieces[2::3], strict=True)
        ]
        head = (_GAP.join(pieces[::3]), reason.feature, reason.against)
        three = (reason.value, *reason.usual)
        alike = self._alike.setdefault(head, [])
        for pattern in alike:
            first, second, third = pattern.told
            if _tells(said, first, three[0]) and _tells(said, second, three[1]) and _tells(said, third, three[2]):
                return pattern, said
        own = _find(said, three[0], range(len(said)), range(len(_SCALES)))
        near = (own - 1) % len(_SCALES) if own else 0
        scales = (near, *range(len(_SCALES)))
        low, high = (_find(said, x, range(len(said) - 1, -1, -1), scales) for x in reason.usual)
        pattern = Pattern(*head, (own, low, high))
        alike.append(pattern)
        return pattern, said


def _tells(said: Sequence[int], told: int, x: float) -> bool:
    """Whether the number ``told`` says ``x``, as far as its digits go; 0 leaves it open."""
    if not told:
        return True
    place, scale = divmod(told - 1, len(_SCALES))
    one = said[place]
    number = (one >> 1) / 10.0 if one & 1 else float(one >> 1)
    off = number - x / _SCALES[scale]
    return -_HALF < off < _HALF if number < 9.95 else -10 * _HALF < off < 10 * _HALF


def _find(said: Sequence[int], x: float, places: Sequence[int], scales: Sequence[int]) -> int:
    """Which number says ``x``; 0 = none."""
    for place in places:
        for scale in scales if said[place] >> 1 else scales[:1]:  # 0 is 0 of anything
            told = 1 + place * len(_SCALES) + scale
            if _tells(said, told, x):
                return told
    return 0


class ReasonsIn:
    """The way back."""

    def __init__(self) -> None:
        self._patterns: list[Pattern] = []

    def take(self, data: In, words: WordsIn, n: int) -> dict[int, tuple[Reason, ...]]:
        """Reasons by row, of ``n`` rows."""
        rows = data.rising(n).tolist()
        counts = data.words(len(rows))
        if rows and int(counts.max()) > MOST_REASONS:
            raise Damaged("too many reasons")
        for _ in range(data.number(MOST_PATTERNS - len(self._patterns))):
            text, feature, against = (words.string(data.number(1 << 32)) for _ in range(3))
            told = (data.number(1 << 16), data.number(1 << 16), data.number(1 << 16))
            self._patterns.append(Pattern(text[:_LONGEST], feature, against, told))
        if not rows:
            return {}
        used = data.words(int(counts.sum()))
        if used.size and int(used.max()) >= len(self._patterns):
            raise Damaged("a number names nothing")
        patterns = [self._patterns[k] for k in used.tolist()]
        gaps = [pattern.text.count(_GAP) for pattern in patterns]
        said = data.words(sum(gaps)).tolist()
        untold = iter(np.frombuffer(data.raw(8 * sum(pattern.told.count(0) for pattern in patterns)), "<f8").tolist())
        ends = np.cumsum(gaps).tolist()
        reasons = iter([_reason(p, said[end - size : end], untold) for p, size, end in zip(patterns, gaps, ends, strict=True)])
        return {row: tuple(islice(reasons, count)) for row, count in zip(rows, counts.tolist(), strict=True)}


def _reason(pattern: Pattern, said: Sequence[int], untold: Iterator[float]) -> Reason:
    pieces = pattern.text.split(_GAP)
    text = "".join(chain.from_iterable(zip(pieces, [*map(_spelled, said), ""], strict=True)))
    value, low, high = (_value(said, told) if told else next(untold) for told in pattern.told)
    return Reason(pattern.feature, value, (low, high), pattern.against, text[:_LONGEST])


def _value(said: Sequence[int], told: int) -> float:
    place, scale = divmod(told - 1, len(_SCALES))
    if place >= len(said):
        raise Damaged("a number names nothing")
    return (said[place] >> 1) / (10.0 if said[place] & 1 else 1.0) * _SCALES[scale]


def _spelled(said: int) -> str:
    whole, tenths = divmod(said >> 1, 10)
    return f"{whole}.{tenths}" if said & 1 else str(said >> 1)
