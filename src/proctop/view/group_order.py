"""The order of groups and of their members: nearly equal ones keep it from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from proctop import fields
from proctop.cgroups import CgroupWatch
from proctop.frames import Frame, GroupScores
from proctop.records import NO_MAPPING, Floats, Index, Ints, Label
from proctop.restarts import Restarts
from proctop.rollup import roll_up
from proctop.view import ordering
from proctop.view.boxes import boxes
from proctop.view.groups import TEXTS, Grouping, Groups, numbers, texts, unit
from proctop.view.rows import Arranger, ViewState, matching
from proctop.view.table import NOTABLE

MEMBERS_BY = {
    "highest": "score",
    "n": "pid",
    "cpu_limit": "cpu",
    "throttled": "cpu",
    "throttled_time": "cpu",
    "psi_cpu": "run_wait",
    "memory_limit": "rss",
    "memory_share": "rss",
    "oom_kills": "rss",
    "psi_memory": "faults",
    "pids": "threads",
    "psi_io": "disk_read",
    "restarts": "start",
    "image": "score",
    "runtime": "score",
    "pod": "score",
}
"""By what members are sorted where their groups are sorted by something that only a group has."""


class GroupArranger:
    """Arranges one frame after the other and remembers the order, so that equal and nearly equal groups keep it."""

    def __init__(self) -> None:
        self._by = ""
        self._keys: tuple[str, ...] = ()
        self._sequence = np.zeros(0, dtype=np.int64)  # the groups of those keys in order
        self._held = np.zeros((2, 0))  # the own and the highest score that each was last sorted by
        self._members = Arranger()
        self._matched: tuple[Sequence[Label], Index, Sequence[Label]] = ((), np.zeros(0, dtype=np.intp), ())

    def arrange(self, frame: Frame, state: ViewState, grouping: Grouping, watch: CgroupWatch, restarts: Restarts) -> Groups:
        """The groups of the processes of ``frame`` that match ``state``, sorted and expanded as ``grouping`` asks for."""
        whole = frame if not (state.query or state.user or state.pids) else None
        frame = self._matching(frame, state)
        rollup = roll_up(frame, grouping.shared)
        told = boxes(frame, rollup, watch, restarts, whole) if grouping.limits else None
        figures = told.figures(rollup.values) if told is not None else NO_MAPPING
        scores = frame.groups.get(grouping.shared)
        groups = Groups(frame, rollup, scores is not None, _rarity(scores), self._sequence, frozenset(), told, figures)
        before = self._recall(grouping.shared, rollup.keys)
        if grouping.sort == "score":  # most groups do nothing unusual as a whole: among them, those with an unusual member come first
            before = before[np.argsort(self._banded(groups, 1, numbers(groups, "highest"), grouping)[before], kind="stable")]
        key = self._key(groups, grouping)
        self._sequence = before[np.argsort(key[before], kind="stable")]
        wanted = {key for shared, key in grouping.expanded if shared == grouping.shared}
        opened = frozenset(k for k, key in enumerate(rollup.keys) if key in wanted) if wanted else frozenset()
        order = self._unfolded(groups, grouping, opened) if opened else self._sequence
        return replace(groups, order=order, expanded=opened)

    def _matching(self, frame: Frame, state: ViewState) -> Frame:
        """The frame with only the processes that match; its labels are the same object where the same match, and need no second look."""
        kept, labels = matching(frame, state), frame.batch.labels
        if kept.all():
            return frame
        rows = np.flatnonzero(kept)
        before, those, some = self._matched
        if labels is not before or not np.array_equal(rows, those):
            some = [labels[i] for i in rows.tolist()]
            self._matched = labels, rows, some
        return narrowed(frame, rows, some)

    def _recall(self, by: str, keys: tuple[str, ...]) -> Ints:
        """All groups in the order they had last, new ones at the end; brings ``_held`` to them."""
        if by == self._by and keys == self._keys:
            return self._sequence
        place = {key: k for k, key in enumerate(self._keys)} if by == self._by else {}
        back = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
        known = back >= 0
        held = np.full((2, len(keys)), np.nan)
        held[:, known] = self._held[:, back[known]]
        now = np.full(len(self._keys), -1, dtype=np.int64)
        now[back[known]] = np.flatnonzero(known)
        survivors = now[self._sequence] if place else now[:0]
        self._by, self._keys, self._held = by, keys, held
        return np.concatenate((survivors[survivors >= 0], np.flatnonzero(~known)))

    def _key(self, groups: Groups, grouping: Grouping) -> Floats:
        """float64[g], smaller first, as :mod:`proctop.view.ordering` has them."""
        name = grouping.sort
        if name == "score":
            return self._banded(groups, 0, _either(groups), grouping)
        if name == "highest":
            return self._banded(groups, 1, numbers(groups, "highest"), grouping)
        if name in TEXTS:
            return ordering.ranked(texts(groups, name), reverse=grouping.reverse)
        key = ordering.visible(numbers(groups, name), unit(name), name)
        return key if grouping.reverse else -key

    def _banded(self, groups: Groups, which: int, score: Floats, grouping: Grouping) -> Floats:
        self._held[which] = ordering.hold(score, self._held[which])
        return ordering.banded(self._held[which], numbers(groups, "cpu"), reverse=grouping.reverse)

    def _unfolded(self, groups: Groups, grouping: Grouping, opened: frozenset[int]) -> Ints:
        """The order with the members of ``opened`` below them, sorted as the groups are."""
        sort = MEMBERS_BY.get(grouping.sort, grouping.sort)
        state = ViewState(sort=sort if sort in fields.COLUMN or sort in fields.FEATURE else "score", reverse=grouping.reverse, kernel=True)
        rows = self._members.arrange(replace(groups.frame, departed=None), state).order
        of = groups.rollup.member[rows]
        order: list[int] = []
        for g in self._sequence.tolist():
            order.append(g)
            if g in opened:
                order.extend((~rows[of == g]).tolist())
        return np.array(order, dtype=np.int64)


def narrowed(frame: Frame, rows: Index, labels: Sequence[Label]) -> Frame:
    """The frame with only ``rows`` of it, whose ``labels`` these are, as if there were no others and nobody had ended."""
    reading, batch, scores, trail = frame.reading, frame.batch, frame.scores, frame.history
    place = np.full(len(reading), -1, dtype=np.int64)
    place[rows] = np.arange(rows.size)
    ppid = batch.ppid[rows] if batch.ppid is not None else None
    return replace(
        frame,
        reading=replace(
            reading,
            pid=reading.pid[rows],
            start=reading.start[rows],
            counters=reading.counters[:, rows],
            labels=labels,
            changed=None,
            threads=None,
            wchan={int(place[row]): name for row, name in reading.wchan.items() if place[row] >= 0},
        ),
        batch=replace(
            batch,
            pid=batch.pid[rows],
            start=batch.start[rows],
            values=batch.values[:, rows],
            labels=labels,
            prev=np.full(rows.size, -1, dtype=np.int64),
            active=batch.active[rows],
            born=batch.born[rows],
            ppid=ppid,
        ),
        scores=replace(
            scores,
            rank=scores.rank[rows],
            alert=scores.alert[rows],
            per_hour=scores.per_hour[rows],
            alerting=scores.alerting[rows],
            status=scores.status[rows],
            why={int(place[row]): why for row, why in scores.why.items() if place[row] >= 0},
        ),
        history=replace(trail, slot=trail.slot[rows], born=trail.born[rows]),
        departed=None,
    )


def _rarity(scores: GroupScores | None) -> dict[str, float]:
    if scores is None:
        return {}
    notable = np.flatnonzero(scores.rank >= NOTABLE).tolist()  # a NaN compares as False
    return {scores.keys[k]: 0.0 if scores.alerting[k] else float(scores.per_hour[k]) for k in notable}


def _either(groups: Groups) -> Floats:
    """The groups' own scores, or where there is none yet the highest of their members."""
    own = groups.rollup.own.astype(np.float64)
    return np.where(np.isnan(own), groups.rollup.highest, own)
