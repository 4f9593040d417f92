"""Processes rolled up into groups that share a command, container, image, pod, cgroup or user: sums, and each group's own score. Pure.

Rates and growths of a group are the sums of its members', with those of members that ended in the interval, where their totals were told.
Levels are sums over who is alive; idle time is the least of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proctop.features import YOUNGEST, ends
from proctop.fields import FEATURE, FEATURES, SCHEMA, Kind
from proctop.records import Batch, Bools, Floats32, Frame, GroupScores, Ints, Label, Reading, Reason
from proctop.scoring.groups import GroupBaseline

_IDLE = FEATURE["idle_s"]
_CHANGES = np.array([i for i, feature in enumerate(FEATURES) if feature.kind is not Kind.LEVEL])


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


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """The groups of a frame.

    Attributes:
        by: one of :data:`BY`.
        keys, names: of g groups; a key says which it is (the id of a container), a name may change or occur twice.
        member: int64[n], the group of each row of the frame, -1 = in none.
        size: int64[g], members alive; 0 = all of them ended in this interval.
        values: float32[len(SCHEMA), g], sums; of ``idle_s`` the least. NaN = no member has it.
        highest: float32[g], the highest rank among members, NaN = none is scored; top: int64[g], the row of it, -1 = none is alive.
        own: float32[g], the group's own rank, NaN = not scored or not watched; why: reasons for it, by group.
    """

    by: str
    keys: tuple[str, ...]
    names: tuple[str, ...]
    member: Ints
    size: Ints
    values: Floats32
    highest: Floats32
    top: Ints
    own: Floats32
    why: Mapping[int, tuple[Reason, ...]]

    def __len__(self) -> int:
        return len(self.keys)


class Sharing:
    """Which labels share a group, worked out once for each label: most are the same objects from reading to reading."""

    def __init__(self, by: str) -> None:
        self._name = _NAME[by]
        self._met = _Met()
        self._last: tuple[Sequence[Label], tuple[list[Name], Ints]] = ((), ([], np.zeros(0, dtype=np.int64)))
        self._lock = threading.Lock()  # a view and an export may roll up at once

    def of(self, labels: Sequence[Label]) -> tuple[list[Name], Ints]:
        """The groups of ``labels`` in the order in which they were met, and the group of each label int64[n], -1 = in none."""
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
            present = np.flatnonzero(np.bincount(codes + 1, minlength=len(met.names) + 1)[1:])
            names = [met.names[code] for code in present.tolist()]
        place = np.full(len(met.names) + 1, -1, dtype=np.int64)  # the last one is that of those in no group
        place[present] = np.arange(present.size)
        group = place[codes]
        group.flags.writeable = False
        self._last = labels, (names, group)
        return names, group

    def name(self, label: Label) -> Name | None:
        """The group of one label."""
        return self._name(label)


class _Met:
    """Labels met: ``code`` by identity, which is not used again while the label is ``held``; -1 = in no group. ``names`` by code."""

    def __init__(self) -> None:
        self.code: dict[int, int] = {}
        self.names: list[Name] = []
        self._held: list[Label] = []
        self._codes: dict[str, int] = {}

    def add(self, label: Label, name: Name | None) -> None:
        self._held.append(label)
        if name is None:
            self.code[id(label)] = -1
            return
        code = self._codes.setdefault(name.key, len(self.names))
        self.names[code : code + 1] = [name]
        self.code[id(label)] = code


_SHARING = {by: Sharing(by) for by in BY}


def roll_up(frame: Frame, by: str) -> Rollup:
    """The groups of ``frame`` by one of :data:`BY`. Their own scores are there where the frame has them (:meth:`Engine.watch`)."""
    names, member = _SHARING[by].of(frame.batch.labels)
    keys = tuple(name.key for name in names)
    order, begin, size = _sorted(member, len(keys))
    values = sums(_shares(frame.reading, frame.batch), order, begin)
    rank = np.nan_to_num(frame.scores.rank, nan=-1.0)[order]
    highest = np.maximum.reduceat(rank, begin) if order.size else np.zeros(0, dtype=np.float32)
    first = np.flatnonzero(rank == np.repeat(highest, size))[::-1]
    top = np.full(len(keys), -1, dtype=np.int64)
    top[member[order[first]]] = order[first]
    own = np.full(len(keys), np.nan, dtype=np.float32)
    why: dict[int, tuple[Reason, ...]] = {}
    scored = frame.groups.get(by)
    if scored is not None:
        place = {key: i for i, key in enumerate(scored.keys)}
        at = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
        own[at >= 0] = scored.rank[at[at >= 0]]
        why = {i: scored.why[k] for i, k in enumerate(at.tolist()) if k in scored.why}
    return Rollup(
        by,
        keys,
        tuple(name.text for name in names),
        member,
        size,
        values,
        np.where(highest < 0, np.float32(np.nan), highest),
        top,
        own,
        why,
    )


def _sorted(member: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
    """Rows by group int64[m], where each group begins among them int64[g], and how many rows it has int64[g] (at least one)."""
    order = np.argsort(member, kind="stable")
    order = order[np.searchsorted(member[order], 0) :]
    size = np.bincount(member[order], minlength=groups)
    return order, np.cumsum(size) - size, size


def sums(values: Floats32, order: Ints, begin: Ints) -> Floats32:
    """float32[n_features, g]: sums of the columns ``order`` of ``values`` from each of ``begin`` on; of idle time the least. NaN = none."""
    if not order.size:
        return np.full((len(SCHEMA), 0), np.nan, dtype=np.float32)
    rows = values.take(order, axis=1)
    missing = np.isnan(rows)
    out: Floats32 = np.add.reduceat(np.where(missing, np.float32(0), rows), begin, axis=1, dtype=np.float64).astype(np.float32)
    out[np.logical_and.reduceat(missing, begin, axis=1)] = np.nan
    out[_IDLE] = np.fmin.reduceat(rows[_IDLE], begin)
    return out


def _shares(reading: Reading, batch: Batch) -> Floats32:
    """The values of a batch as parts of what all did in the interval: what a newborn did in its short life, over the whole of it."""
    born = np.flatnonzero(batch.born)
    if not born.size or batch.dt != batch.dt:
        return batch.values
    age = np.maximum(reading.boot - batch.start[born] / reading.info.ticks, YOUNGEST)
    values = batch.values.copy()
    values[np.ix_(_CHANGES, born)] *= np.minimum(age / batch.dt, 1).astype(np.float32)
    values[FEATURE["forks"], born] = batch.values[FEATURE["forks"], born]
    return values


class GroupScorer:
    """Scores the groups by one of :data:`BY` as if each were one process, by their sums."""

    def __init__(self, by: str) -> None:
        self._sharing = Sharing(by)
        self._detector: GroupBaseline | None = None  # until there is a group
        self._prev: Reading | None = None

    def step(self, reading: Reading, batch: Batch) -> GroupScores:
        """One reading later."""
        names, member = self._sharing.of(batch.labels)
        prev, self._prev = self._prev, reading
        if not names and self._detector is None:
            return _NOBODY
        detector = self._detector = self._detector or GroupBaseline()
        order, begin, size = _sorted(member, len(names))
        values = sums(_shares(reading, batch), order, begin)
        active = np.bincount(member[order], batch.active[order], len(names)) > 0
        if reading.exits and prev is not None:
            names, size, values, active = self._with_ends(prev, reading, names, size, values, active)
        scores = detector.step([(name.key, name.kind) for name in names], values, size, active, batch.dt)
        keys, texts = tuple(name.key for name in names), tuple(name.text for name in names)
        return GroupScores(keys, texts, scores.rank, scores.alert, scores.per_hour, scores.alerting, scores.why)

    def _with_ends(
        self, prev: Reading, cur: Reading, names: list[Name], size: Ints, values: Floats32, active: Bools
    ) -> tuple[list[Name], Ints, Floats32, Bools]:
        """The same with what members did that ended in the interval."""
        did = ends(prev, cur)
        told = np.flatnonzero(did[0] == did[0])
        named = [(k, name) for k in told.tolist() if (name := self._sharing.name(cur.exits[k].label)) is not None]
        if not named:
            return names, size, values, active
        by_key = {name.key: name for name in names}
        for _, name in named:
            by_key.setdefault(name.key, name)
        names = list(by_key.values())
        place = {key: i for i, key in enumerate(by_key)}
        at = np.array([place[name.key] for _, name in named])
        order = np.argsort(at, kind="stable")
        groups, begin = np.unique(at[order], return_index=True)
        more = sums(did, np.array([k for k, _ in named])[order], begin)
        fresh = len(names) - size.size
        values = np.concatenate([values, np.full((len(SCHEMA), fresh), np.nan, dtype=np.float32)], axis=1)
        then = values[:, groups]
        values[:, groups] = np.where(np.isnan(more), then, np.nan_to_num(then) + more)
        values[_IDLE, groups] = 0.0
        active = np.concatenate([active, np.zeros(fresh, dtype=np.bool_)])
        active[groups] = True
        return names, np.concatenate([size, np.zeros(fresh, dtype=np.int64)]), values, active


_NOTHING = np.zeros(0, dtype=np.float32)
_NOBODY = GroupScores((), (), _NOTHING, _NOTHING, _NOTHING, np.zeros(0, np.bool_), {})
