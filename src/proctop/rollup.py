"""Processes rolled up into groups that share a command, container, image, pod, cgroup or user: sums, and each group's own score. Pure.

Rates and growths of a group are the sums of its members', with those of members that ended in the interval, where their totals were told.
Levels are sums over who is alive; idle time is the least of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from proctop.features import LARGEST, YOUNGEST, ends
from proctop.fields import FEATURE, FEATURES, SCHEMA, Kind
from proctop.frames import Batch, Frame, GroupScores, Reason
from proctop.records import Floats32, Ints, Label, Reading
from proctop.scoring.groups import GroupBaseline
from proctop.sharing import BY, Name, Sharing

__all__ = ["BY", "GroupScorer", "Rollup", "roll_up"]

_IDLE = FEATURE["idle_s"]
_CHANGES = np.array([i for i, feature in enumerate(FEATURES) if feature.kind is not Kind.LEVEL])
_CPU = [FEATURE["run_wait"], FEATURE["demand"]]
_NOW = 1e-6  # seconds
_Any = TypeVar("_Any", bound=np.generic)


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


_SHARING = {by: Sharing(by) for by in BY}


def roll_up(frame: Frame, by: str) -> Rollup:
    """The groups of ``frame`` by one of :data:`BY`. Their own scores are there where the frame has them (:meth:`Engine.watch`)."""
    names, member = _SHARING[by].of(frame.batch.labels)
    order, begin, size = _sorted(member, len(names))
    values = _sums(_shares(frame.reading, frame.batch), order, begin)
    rank = np.nan_to_num(frame.scores.rank, nan=-1.0)[order]
    most = np.maximum.reduceat(rank, begin) if order.size else np.zeros(0, dtype=np.float32)
    first = np.flatnonzero(rank == np.repeat(most, size))[::-1]
    if frame.departed is not None:
        now = np.flatnonzero(frame.departed.ago < _NOW)
        labels = [frame.departed.labels[i] for i in now.tolist()]
        names, values, _ = _with_ended(_SHARING[by], names, values, labels, frame.departed.values[:, now])
    n = len(names)
    highest, top, own = np.full(n, np.nan, dtype=np.float32), np.full(n, -1, dtype=np.int64), np.full(n, np.nan, dtype=np.float32)
    highest[: most.size] = np.where(most < 0, np.float32(np.nan), most)
    top[member[order[first]]] = order[first]
    why: dict[int, tuple[Reason, ...]] = {}
    scored = frame.groups.get(by)
    if scored is not None:
        place = {key: i for i, key in enumerate(scored.keys)}
        at = np.array([place.get(name.key, -1) for name in names], dtype=np.int64)
        own[at >= 0] = scored.rank[at[at >= 0]]
        why = {i: scored.why[k] for i, k in enumerate(at.tolist()) if k in scored.why}
    keys, texts = tuple(name.key for name in names), tuple(name.text for name in names)
    return Rollup(by, keys, texts, member, _padded(size, n), values, highest, top, own, why)


def _sorted(member: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
    """Rows by group int64[m], where each group begins among them int64[g], and how many rows it has int64[g] (at least one)."""
    order = np.argsort(member, kind="stable")
    order = order[np.searchsorted(member[order], 0) :]
    size = np.bincount(member[order], minlength=groups)
    return order, np.cumsum(size) - size, size


def _sums(values: Floats32, order: Ints, begin: Ints) -> Floats32:
    """float32[n_features, g]: sums of the columns ``order`` of ``values`` from each of ``begin`` on; of idle time the least. NaN = none."""
    if not order.size:
        return np.full((len(SCHEMA), 0), np.nan, dtype=np.float32)
    rows = values.take(order, axis=1)
    missing = np.isnan(rows)
    total = np.add.reduceat(np.where(missing, np.float32(0), rows), begin, axis=1, dtype=np.float64)
    out = np.minimum(total, LARGEST).astype(np.float32)
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
    """Scores the groups by one of :data:`BY` as if each were one process, by their sums. ``budget``: as the detector has it."""

    def __init__(self, by: str, *, budget: float = 6.0) -> None:
        self._budget = budget
        self._sharing = Sharing(by)
        self._detector: GroupBaseline | None = None  # until there is a group
        self._prev: Reading | None = None
        self._source = ""

    def step(self, reading: Reading, batch: Batch) -> GroupScores:
        """One reading later."""
        names, member = self._sharing.of(batch.labels)
        prev, self._prev = self._prev, reading
        if not names and self._detector is None:
            return _NOBODY
        if self._detector is None or batch.source != self._source:  # another one tells of others that ended, so all sums are others
            self._detector, self._source = GroupBaseline(budget=self._budget), batch.source
        detector = self._detector
        order, begin, size = _sorted(member, len(names))
        values = _sums(_shares(reading, batch), order, begin)
        active = np.bincount(member[order], batch.active[order], len(names)) > 0
        if reading.exits and prev is not None:
            labels, did = [end.label for end in reading.exits], ends(prev, reading)
            names, values, joined = _with_ended(self._sharing, names, values, labels, did)
            active = _padded(active, len(names))
            active[joined] = True
        size = _padded(size, len(names))
        scores = detector.step([(name.key, name.kind) for name in names], values, size, active, _rest(batch, values), batch.dt)
        keys, texts = tuple(name.key for name in names), tuple(name.text for name in names)
        rank, alert = np.round(scores.rank, 1), np.round(scores.alert, 1)  # as those of processes
        return GroupScores(keys, texts, rank, alert, scores.per_hour, scores.alerting, scores.why)

    def judge(self, key: str, normal: bool) -> None:
        """What a group does now is normal, or a true alarm."""
        if self._detector is not None:
            self._detector.judge(key, normal)


def _with_ended(
    sharing: Sharing, names: list[Name], values: Floats32, labels: Sequence[Label], did: Floats32
) -> tuple[list[Name], Floats32, Ints]:
    """Groups and their sums with what members ``did`` float32[n_features, m] that ended, and which groups that was."""
    told = np.flatnonzero(did[0] == did[0])
    named = [(k, name) for k in told.tolist() if (name := sharing.name(labels[k])) is not None]
    if not named:
        return names, values, np.zeros(0, dtype=np.int64)
    by_key = {name.key: name for name in names}
    for _, name in named:
        by_key.setdefault(name.key, name)
    place = {key: i for i, key in enumerate(by_key)}
    at = np.array([place[name.key] for _, name in named])
    order = np.argsort(at, kind="stable")
    groups, begin = np.unique(at[order], return_index=True)
    more = _sums(did, np.array([k for k, _ in named])[order], begin)
    fresh = np.full((len(SCHEMA), len(by_key) - len(names)), np.nan, dtype=np.float32)
    values = np.concatenate([values, fresh], axis=1)
    then = values[:, groups]
    values[:, groups] = np.where(np.isnan(more), then, np.minimum(np.add(np.nan_to_num(then), more, dtype=np.float64), LARGEST))
    values[_IDLE, groups] = 0.0
    return list(by_key.values()), values, groups


def _rest(batch: Batch, values: Floats32) -> Floats32:
    """float32[n_features]: how long those in no group waited for a cpu, and how much they wanted; the rest NaN."""
    rest = np.full(len(SCHEMA), np.nan, dtype=np.float32)
    everybody, grouped = (np.nansum(part[_CPU], axis=1, dtype=np.float64) for part in (batch.values, values))
    rest[_CPU] = np.clip(everybody - grouped, 0, LARGEST)
    return rest


def _padded(array: NDArray[_Any], size: int) -> NDArray[_Any]:
    """With zeros up to ``size``."""
    return np.concatenate([array, np.zeros(size - array.size, dtype=array.dtype)])


_NOTHING = np.zeros(0, dtype=np.float32)
_NOBODY = GroupScores((), (), _NOTHING, _NOTHING, _NOTHING, np.zeros(0, np.bool_), {})
