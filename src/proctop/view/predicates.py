"""What a filter asks of a frame: tests of numbers and texts, and their combinations.

A test yields two masks, where it holds and where it does not: for what is missing neither is true, so that
neither ``cpu>5`` nor ``!cpu>5`` matches an unreadable cpu.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from proctop.frames import Frame
from proctop.records import Bools, Floats, Label
from proctop.view import values

Masks = tuple[Bools, Bools]
Test = Callable[[Frame], Masks]

_ORDER: dict[str, Callable[[Floats, float], Bools]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def decided(holds: Bools) -> Masks:
    """The masks of a test that always knows."""
    return holds, ~holds


def all_of(tests: Sequence[Test]) -> Test:
    """Every one of ``tests``."""

    def both(frame: Frame) -> Masks:
        masks = [test(frame) for test in tests]
        return reduce(operator.and_, [yes for yes, _ in masks]), reduce(operator.or_, [no for _, no in masks])

    return both


def any_of(tests: Sequence[Test]) -> Test:
    """At least one of ``tests``."""

    def either(frame: Frame) -> Masks:
        masks = [test(frame) for test in tests]
        return reduce(operator.or_, [yes for yes, _ in masks]), reduce(operator.and_, [no for _, no in masks])

    return either


def negate(test: Test) -> Test:
    """Where ``test`` is known not to hold."""

    def neither(frame: Frame) -> Masks:
        yes, no = test(frame)
        return no, yes

    return neither


class _Memo(dict[str, bool]):
    """Remembers what a test said of a text: names and command lines stay the same from reading to reading."""

    def __init__(self, test: Callable[[str], bool]) -> None:
        super().__init__()
        self._of = test

    def __missing__(self, text: str) -> bool:
        if len(self) > 50_000:
            self.clear()
        said = self[text] = self._of(text)
        return said


def words(word: str) -> Test:
    """Name or command line hold ``word``."""
    sought = word.casefold()
    memo = _Memo(lambda text: sought in text.casefold())

    def holds(label: Label) -> bool:
        return memo[label.comm] or memo[label.command]

    return lambda frame: decided(np.fromiter(map(holds, frame.batch.labels), dtype=np.bool_, count=len(frame.batch)))


def text_test(name: str, test: Callable[[str], bool]) -> Test:
    """``test`` of the words of a text column."""
    memo = _Memo(test)
    return lambda frame: decided(np.fromiter(map(memo.__getitem__, values.texts(frame, name)), dtype=np.bool_, count=len(frame.batch)))


def number_test(name: str, sign: str, number: float) -> Test:
    """``sign`` is one of = < <= > >=; ``number`` is in the unit of :func:`values.numbers`."""
    compare = _ORDER[sign]

    def test(frame: Frame) -> Masks:
        numbers = values.numbers(frame, name)
        known = ~np.isnan(numbers)
        holds = compare(numbers, number)
        return holds & known, ~holds & known

    return test


def names_of(name: str, text: str) -> set[str]:
    """Everything that ``=`` takes for this text: an image also without registry, path, tag or digest."""
    whole = text.casefold()
    if name != "image":
        return {whole}
    untied = whole.partition("@")[0]
    head, slash, last = untied.rpartition("/")
    bare = head + slash + last.partition(":")[0]
    return {whole} | {"/".join(parts[k:]) for parts in (untied.split("/"), bare.split("/")) for k in range(len(parts))}
