"""Groups of processes as they are shown: what the viewer asked for, and the numbers of each group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from proctop import fields
from proctop.fields import Unit
from proctop.frames import Frame
from proctop.records import NO_MAPPING, Bools, Floats, Ints, ProcKey
from proctop.rollup import Rollup
from proctop.view import values
from proctop.view.boxes import Boxes

Place = tuple[str, ProcKey | None]
"""A row: the key of a group, and of a member whose row it is."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What the viewer asked for.

    Attributes:
        by: what members share; one of :data:`proctop.rollup.BY`.
        limits: instead of that, the container view: the figures of cgroups and their limits.
        sort: a column or feature; reverse: against its usual direction.
        expanded: (shared, key) of groups whose members are shown.
    """

    by: str = "command"
    limits: bool = False
    sort: str = "score"
    reverse: bool = False
    expanded: frozenset[tuple[str, str]] = frozenset()

    @property
    def shared(self) -> str:
        """What the members of the groups shown share."""
        return "container" if self.limits else self.by


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """What is shown.

    Attributes:
        frame: the processes that match, and no others; rows of members index it.
        rollup: their groups; scored: whether groups are scored by themselves at this moment.
        rarity: by key of the groups whose own score is notable: how often one this high comes by chance per hour, 0 = it alerts.
        order: int64[m], top to bottom: >= 0 a group, < 0 the row ``~i`` of the frame, a member of the group above it.
        expanded: the groups whose members are shown.
        boxes: what the cgroups of the groups tell, in the container view.
    """

    frame: Frame
    rollup: Rollup
    scored: bool
    rarity: Mapping[str, float]
    order: Ints
    expanded: frozenset[int] = frozenset()
    boxes: Boxes | None = None
    figures: Mapping[str, Floats] = field(default_factory=lambda: NO_MAPPING)

    def __len__(self) -> int:
        return int(self.order.size)

    def group_at(self, place: int) -> int:
        """The group of the row at a place of the order."""
        entry = int(self.order[place])
        return entry if entry >= 0 else int(self.rollup.member[~entry])

    def at(self, place: int) -> Place:
        """What stands at a place of the order."""
        entry = int(self.order[place])
        return self.rollup.keys[self.group_at(place)], None if entry >= 0 else self.frame.reading.key(~entry)

    def place_of(self, sought: Place) -> int | None:
        """Where a group or a member stands in the order; the group in place of a member that is not shown; None = nowhere."""
        key, member = sought
        if key not in self.rollup.keys:
            return None
        found = np.flatnonzero(self.order == self.rollup.keys.index(key))
        if not found.size:
            return None
        place = int(found[0])
        if member is not None:
            reading = self.frame.reading
            row = np.flatnonzero((reading.pid == member.pid) & (reading.start == member.start))
            shown = np.flatnonzero(self.order == ~row[0]) if row.size else row
            place = int(shown[0]) if shown.size else place
        return place

    def next_place(self, word: str, begin: int, step: int) -> int | None:
        """The first place from ``begin`` on, by ``step`` and round the end, whose name or members hold ``word`` (lower case)."""
        labels = self.frame.batch.labels
        hit = np.array([word in label.comm.casefold() or word in label.command.casefold() for label in labels], dtype=np.bool_)
        if word.isdecimal() and len(word) < 19:
            hit |= self.frame.reading.pid == int(word)
        inside = np.array([word in name.casefold() for name in self.rollup.names], dtype=np.bool_)
        held = self.rollup.member[hit]
        inside[held[held >= 0]] = True
        for k in range(len(self)):
            place = (begin + step * k) % len(self)
            entry = int(self.order[place])
            if inside[entry] if entry >= 0 else hit[~entry]:
                return place
        return None


TEXTS = frozenset({"command", "image", "runtime", "pod"})
_UNITS = {
    "highest": Unit.NATS,
    "n": Unit.COUNT,
    "cpu_limit": Unit.PERCENT,
    "throttled": Unit.PERCENT,
    "throttled_time": Unit.PERCENT,
    "memory_limit": Unit.BYTES,
    "memory_share": Unit.PERCENT,
    "oom_kills": Unit.COUNT,
    "pids": Unit.COUNT,
    "psi_cpu": Unit.PERCENT,
    "psi_memory": Unit.PERCENT,
    "psi_io": Unit.PERCENT,
    "restarts": Unit.COUNT,
}
_TWO = {"faults": ("minflt", "majflt"), "switches": ("vctx", "nvctx")}


def unit(name: str) -> Unit:
    """The unit of :func:`numbers`."""
    return _UNITS.get(name) or values.unit(name)


def numbers(groups: Groups, name: str) -> Floats:
    """float64[g] of a column or feature, NaN = missing. Raises ``KeyError`` for names that groups have no number of."""
    rollup = groups.rollup
    if name in groups.figures:
        return groups.figures[name]
    if name == "score":
        return rollup.own.astype(np.float64)
    if name == "highest":
        return rollup.highest.astype(np.float64)
    if name == "n":
        return rollup.size.astype(np.float64)
    if name == "time":
        return _summed(groups, values.numbers(groups.frame, "time"))
    if name in _TWO:
        first, second = (rollup.values[fields.FEATURE[part]].astype(np.float64) for part in _TWO[name])
        both: Floats = first + second
        return both
    summed: Floats = rollup.values[fields.FEATURE[name]].astype(np.float64)
    return summed * 100.0 if values.unit(name) is Unit.PERCENT else summed


def _summed(groups: Groups, numbers: Floats) -> Floats:
    """The sum of the members' numbers; NaN where all are missing."""
    member, count = groups.rollup.member, len(groups.rollup.keys)
    known: Bools = (member >= 0) & ~np.isnan(numbers)
    total = np.bincount(member[known], weights=numbers[known], minlength=count)
    return np.where(np.bincount(member[known], minlength=count) > 0, total, np.nan)


def texts(groups: Groups, name: str) -> tuple[str, ...]:
    """g words of a column of :data:`TEXTS`; "" = not known."""
    if name == "command":
        return groups.rollup.names
    if groups.boxes is None:
        return ("",) * len(groups.rollup.keys)
    return tuple(getattr(box, name) if box is not None else "" for box in groups.boxes.containers)
