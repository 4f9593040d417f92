"""Regular expressions that cannot hang: the ways to match are counted before anything is matched.

Python's matcher backtracks, and the text it runs over is chosen by whoever starts a process. So a pattern is read once for
how many ways it has to match ``n`` characters: a repeated character class has ``n``, parts in a row multiply, alternatives
add up. Repeats of something that itself has several ways (``(a+)+``) are refused, and the text is cut to
the length for which the product stays below :data:`BUDGET`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

LONGEST_PATTERN = 200
LENGTHS = (512, 256, 128, 64)  # characters of a text that are looked at
BUDGET = 1e9
_DEEPEST = 20

_QUANTIFIER = re.compile(r"([*+?]|\{(\d*)(,?)(\d*)\})[?+]?", re.ASCII)
_GROUP = re.compile(r"\?(?:[:=!>]|<[=!]|P<\w+>)")


class PatternError(ValueError):
    """What is wrong with a pattern, and at which offset."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was found harmless for texts up to ``length``."""

    compiled: re.Pattern[str]
    length: int

    def found_in(self, text: str) -> bool:
        return self.compiled.search(text[: self.length]) is not None


def read(pattern: str) -> Pattern:
    """``pattern`` without regard to case. Raises :class:`PatternError`.

    >>> read("^web").found_in("Web-1")
    True
    """
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(f"a pattern longer than {LONGEST_PATTERN} characters", LONGEST_PATTERN)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python would write what it doubts ("[[") to the terminal
            compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, Warning) as error:
        message = error.msg if isinstance(error, re.error) else str(error)
        raise PatternError(message, getattr(error, "pos", None) or 0) from None
    for length in LENGTHS:
        ways = _Counter(pattern, length).count() * (1 if pattern.startswith("^") else length)
        if ways <= BUDGET:
            return Pattern(compiled, length)
    raise PatternError("too many repeats and choices, it could take forever", 0)


class _Counter:
    """Counts the ways of a pattern that Python has compiled already, so its syntax is known to be right."""

    def __init__(self, pattern: str, length: int) -> None:
        self._text, self._length, self._at = pattern, length, 0

    def count(self) -> float:
        ways = self._alternatives(0)
        if self._at < len(self._text):
            raise PatternError("a group that is not understood here", self._at)
        return ways

    def _alternatives(self, depth: int) -> float:
        if depth > _DEEPEST:
            raise PatternError("groups nested too deeply", self._at)
        total, product = 0.0, 1.0
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._text[self._at] == "|":
                self._at += 1
                total, product = total + product, 1.0
            else:
                product *= self._repeated(depth)
        return total + product

    def _repeated(self, depth: int) -> float:
        start = self._at
        ways = self._atom(depth)
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None or found[0] in ("{}", "{,}"):
            return ways
        self._at = found.end()
        if found[0][0] == "?":
            return ways + 1
        least = int(found[2] or 0) if found[2] is not None else 0
        most = self._length if found[2] is None or (found[3] and not found[4]) else int(found[4] or least)
        most = min(most, self._length)
        if ways == 1:
            return float(max(most - min(least, most), 0) + 1)
        if most > 4:
            raise PatternError("a repeat of something with repeats or choices in it, it could take forever", start)
        return float(ways**most) * (most - least + 1)

    def _atom(self, depth: int) -> float:
        letter = self._text[self._at]
        self._at += 1
        if letter == "\\":
            self._at += 1
        elif letter == "[":
            self._class()
        elif letter == "(":
            return self._group(depth)
        return 1.0

    def _class(self) -> None:
        if self._text.startswith("^", self._at):
            self._at += 1
        self._at += 1  # a bracket in first place is one of the class
        if self._text[self._at - 1] == "\\":
            self._at += 1
        while self._text[self._at] != "]":
            self._at += 2 if self._text[self._at] == "\\" else 1
        self._at += 1

    def _group(self, depth: int) -> float:
        if self._text.startswith("?", self._at):
            kind = _GROUP.match(self._text, self._at)
            if kind is None:
                raise PatternError("only plain, named, look-ahead and look-behind groups are known here", self._at - 1)
            self._at = kind.end()
        ways = self._alternatives(depth + 1)
        self._at += 1
        return ways
