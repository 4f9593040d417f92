"""Strings, containers and labels of a segment: each written once, then named by its number.

Every string that is read is made harmless again (:mod:`proctop.sanitize`) and cut to
:data:`LONGEST`: a file is as hostile as a host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from operator import is_not
from typing import TypeVar

import numpy as np

from proctop.records import Container, Index, Ints, Label
from proctop.sanitize import clean
from proctop.stream import Damaged
from proctop.stream.numbers import In, Out

T = TypeVar("T")

LONGEST = 4096
"""Characters of one string."""
MOST_STRINGS = 1 << 19
MOST_LABELS = 1 << 19
MOST_CONTAINERS = 1 << 13
"""Per segment."""
MOST_TAGS = 128
"""Labels of one container."""

_NONE = np.zeros(0, np.intp)
_CONTAINER_TEXTS = 5
_LABEL_NUMBERS = 7


def text_of(data: memoryview) -> str:
    """UTF-8, made harmless and cut."""
    return clean(bytes(data[: 4 * LONGEST]).decode("utf-8", "replace")[:LONGEST])


class WordsOut:
    """Gives numbers to strings, containers and labels; what is new is pending until :meth:`put`."""

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        self._redact = redact
        self._strings: dict[str, int] = {}
        self._containers: dict[Container, int] = {}
        self._labels: dict[Label, int] = {}
        self._at: dict[int, tuple[Label, int]] = {}  # by identity, which is quicker: labels are shared between readings
        self._new_strings: list[str] = []
        self._new_containers: list[list[int]] = []
        self._new_labels: list[list[int]] = []
        self._rows: Sequence[Label] = ()

    def string(self, text: str) -> int:
        text = text[:LONGEST]
        number = self._strings.get(text)
        if number is None:
            number = self._strings[text] = len(self._strings)
            self._new_strings.append(text)
        return number

    def container(self, container: Container) -> int:
        number = self._containers.get(container)
        if number is None:
            number = self._containers[container] = len(self._containers)
            c = container
            texts = [c.id, c.runtime, c.pod, c.name, c.image]
            for name, value in c.labels[:MOST_TAGS]:
                # A tag may hold a secret as a flag does: "auth.token=…".
                texts += [name, self._redact(f"{name}={value}")[len(name) + 1 :] if self._redact else value]
            self._new_containers.append([self.string(t) for t in texts])
        return number

    def label(self, label: Label) -> int:
        known = self._at.get(id(label))
        if known is not None:
            return known[1]
        number = self._labels.get(label)
        if number is None:
            number = self._labels[label] = len(self._labels)
            command = self._redact(label.command) if self._redact else label.command
            where = -1 if label.container is None else self.container(label.container)
            words = [self.string(t) for t in (label.comm, command, label.user, label.cgroup)]
            self._new_labels.append([*words, label.uid, where, int(label.kernel)])
        self._at[id(label)] = label, number
        return number

    def rows(self, labels: Sequence[Label], take: Index | None) -> tuple[Index, Ints]:
        """The rows whose label is not the one they had, and the numbers of their labels now."""
        rows, self._rows = self._rows, labels
        if labels is rows:
            return _NONE, _NONE
        n = len(labels)
        if take is not None:
            stay = take[: np.count_nonzero(take >= 0)]  # they come first
            rows = list(map(rows.__getitem__, stay.tolist()))
        differ = [*compress(range(n), map(is_not, labels, rows)), *range(len(rows), n)]
        return np.array(differ, np.intp), np.array([self.label(labels[i]) for i in differ], np.int64)

    def put(self, out: Out) -> None:
        """Write what is new since the last time."""
        out.number(len(self._new_strings))
        for text in self._new_strings:
            out.blob(text.encode("utf-8", "replace"))
        out.number(len(self._new_containers))
        for numbers in self._new_containers:
            out.number((len(numbers) - _CONTAINER_TEXTS) // 2)
            for number in numbers:
                out.number(number)
        out.number(len(self._new_labels))
        if self._new_labels:
            for column in np.array(self._new_labels, np.int64).T:
                out.integers(column)
        self._new_strings, self._new_containers, self._new_labels = [], [], []


class WordsIn:
    """The way back. ``known`` labels of the segment before keep their identity while they are equal."""

    def __init__(self, known: Iterable[Label] = ()) -> None:
        self._known = {label: label for label in known}
        self._strings: list[str] = []
        self._containers: list[Container] = []
        self._labels: list[Label] = []
        self.rows: Sequence[Label] = ()

    def string(self, number: int) -> str:
        return _at(self._strings, number)

    def label(self, number: int) -> Label:
        return _at(self._labels, number)

    def take(self, data: In) -> None:
        for _ in range(data.number(MOST_STRINGS - len(self._strings))):
            self._strings.append(text_of(data.blob()))
        for _ in range(data.number(MOST_CONTAINERS - len(self._containers))):
            tags = data.number(MOST_TAGS)
            texts = [self.string(data.number(MOST_STRINGS)) for _ in range(_CONTAINER_TEXTS + 2 * tags)]
            pairs = tuple(zip(texts[_CONTAINER_TEXTS::2], texts[_CONTAINER_TEXTS + 1 :: 2], strict=True))
            id_, runtime, pod, name, image = texts[:_CONTAINER_TEXTS]
            self._containers.append(Container(id_, runtime, pod, name, image, pairs))
        count = data.number(MOST_LABELS - len(self._labels))
        if not count:
            return
        for row in zip(*(data.integers(count).tolist() for _ in range(_LABEL_NUMBERS)), strict=True):
            comm, command, user, cgroup, uid, where, kernel = row
            container = None if where == -1 else _at(self._containers, where)
            string = self.string
            label = Label(string(comm), string(command), string(user), uid, string(cgroup), container, kernel == 1)
            self._labels.append(self._known.get(label, label))

    def place(self, changed: Index, numbers: Ints, take: Index | None, n: int) -> Sequence[Label]:
        """The labels of all rows, when those of ``changed`` are the labels ``numbers``; the same object while nothing changed."""
        before = self.rows
        if take is None and not changed.size and len(before) == n:
            return before
        if take is None:
            stay, rows = (n, list(before)) if len(before) == n else (0, [])
        else:
            stay = int(np.count_nonzero(take >= 0))  # they come first
            rows = list(map(before.__getitem__, take[:stay].tolist()))
        labels = list(map(self.label, numbers.tolist()))
        old = int(np.searchsorted(changed, stay))
        if changed.size - old != n - stay:
            raise Damaged("a process has no label")
        for i, label in zip(changed[:old].tolist(), labels[:old], strict=True):
            rows[i] = label
        self.rows = rows + labels[old:]
        return self.rows


def _at(items: list[T], number: int) -> T:
    if not 0 <= number < len(items):
        raise Damaged("a number names nothing")
    return items[number]
