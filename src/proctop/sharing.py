"""What processes have in common: their groups by command, container, image, pod, cgroup or user. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from proctop.records import Ints, Label


class Name(NamedTuple):
    """Of a group: ``key`` tells it apart, ``text`` is shown, ``kind`` is shared by others like it."""

    key: str
    text: str
    kind: str


def _command(label: Label) -> Name | None:
    return _named(label.comm.partition("/")[0] if label.kernel else label.comm)


def _container(label: Label) -> Name | None:
    container = label.container
    return Name(container.id, container.title, container.image or container.title) if container is not None else None


def _image(label: Label) -> Name | None:
    return _named(label.container.image if label.container is not None else "")


def _pod(label: Label) -> Name | None:
    return _named(label.container.pod if label.container is not None else "")


def _cgroup(label: Label) -> Name | None:
    return _named(label.cgroup)


def _user(label: Label) -> Name | None:
    return _named(label.user or (str(label.uid) if label.uid >= 0 else ""))


def _named(text: str) -> Name | None:
    return Name(text, text, text) if text else None


_NAME: dict[str, Callable[[Label], Name | None]] = {
    "command": _command,
    "container": _container,
    "image": _image,
    "pod": _pod,
    "cgroup": _cgroup,
    "user": _user,
}
BY: tuple[str, ...] = tuple(_NAME)
"""What the processes of a group may share."""


class Sharing:
    """Which labels share a group, worked out once for each label: most are the same objects from reading to reading."""

    def __init__(self, by: str) -> None:
        self._name = _NAME[by]
        self._met = _Met()
        self._last: tuple[Sequence[Label], tuple[list[Name], Ints]] = ((), ([], np.zeros(0, dtype=np.int64)))
        self._lock = threading.Lock()  # a view and an export may roll up at once

    def of(self, labels: Sequence[Label]) -> tuple[list[Name], Ints]:
        """The groups of ``labels`` in the order of their first members, and the group of each label int64[n], -1 = in none."""
        last, found = self._last
        if labels is last:
            return found
        with self._lock:
            met = self._met = self._met if len(self._met.code) <= 2 * len(labels) + 256 else _Met()
            try:
                codes = np.fromiter(map(met.code.__getitem__, map(id, labels)), np.int64, len(labels))
            except KeyError:
                for label in labels:
                    if id(label) not in met.code:
                        met.add(label, self._name(label))
                codes = np.fromiter(map(met.code.__getitem__, map(id, labels)), np.int64, len(labels))
            first = np.full(len(met.groups) + 1, -1, dtype=np.int64)
            first[codes[::-1]] = np.arange(len(labels))[::-1]
            present = np.flatnonzero(first[:-1] >= 0)
            present = present[np.argsort(first[present])]
            names = [met.named[id(labels[i])] for i in first[present].tolist()]  # as it is called now, which in a replay may be earlier
        place = np.full(len(met.groups) + 1, -1, dtype=np.int64)  # the last one is that of those in no group
        place[present] = np.arange(present.size)
        group = place[codes]
        group.flags.writeable = False
        self._last = labels, (names, group)
        return names, group

    def name(self, label: Label) -> Name | None:
        """The group of one label."""
        return self._name(label)


class _Met:
    """Labels met, by identity, which is not used again while a label is held: ``named``, and the ``code`` of its group, -1 = in none."""

    def __init__(self) -> None:
        self.code: dict[int, int] = {}
        self.named: dict[int, Name] = {}
        self.groups: dict[str, int] = {}  # codes by key
        self._held: list[Label] = []

    def add(self, label: Label, name: Name | None) -> None:
        self._held.append(label)
        if name is None:
            self.code[id(label)] = -1
            return
        self.named[id(label)] = name
        self.code[id(label)] = self.groups.setdefault(name.key, len(self.groups))
