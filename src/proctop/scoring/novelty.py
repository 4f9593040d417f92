"""What has never been seen here: an executable in a container (or on the host), a child of a parent that never had such a child.

Names are counted where they appear. A place, or a parent in it, that has been watched for T readings and showed k new names shows another
in a reading with p = (k + .1)/(T + 1); what a shell starts is never a surprise, what a database starts in the night is. A process carries
the evidence −ln p from its birth or exec on, fading over minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import log
from typing import NamedTuple

from proctop.records import Label

LIMIT = 16_384
"""Names, parents and places remembered together; the least recently met go first."""

_PRIOR = 0.1
_MOST = 8.0  # nats


class Arrival(NamedTuple):
    """A process that was born, was first seen, or changed its name by an exec: ``parent`` is a name, "" = unknown."""

    label: Label
    kind: str
    parent: str


@dataclass(slots=True)
class Since:
    """``reading`` of the first meeting, and how many new names it brought since."""

    reading: int
    names: int = 0


class Novelty:
    """Counts of names by place."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self.met: OrderedDict[tuple[str, ...], Since] = OrderedDict()
        """(place,) · (place, name) · (place, parent, name). A place is a container, an image, or "" for the host's own."""

    def evidence(self, arrivals: list[Arrival], reading: int) -> list[float]:
        """nats for each of ``arrivals``, then counts them. Those of one reading do not make each other known."""
        found = [self._surprise(a, reading) for a in arrivals]
        for a in arrivals:
            for place in _places(a.label):
                self._count(place, a, reading)
        while len(self.met) > self._limit:
            self.met.popitem(last=False)
        return found

    def state(self) -> tuple[tuple[tuple[str, ...], int, int], ...]:
        """All that was met, longest ago first: names, the reading of the first meeting, new names since."""
        return tuple((key, since.reading, since.names) for key, since in self.met.items())

    def restore(self, met: tuple[tuple[tuple[str, ...], int, int], ...]) -> None:
        """The way back. Whose place is not there is left out."""
        places = {key for key, _, _ in met if len(key) == 1}
        whole = [(key, since) for key, *since in met[-self._limit :] if key[:1] in places]
        self.met = OrderedDict((key, Since(*since)) for key, since in whole)

    def _surprise(self, a: Arrival, reading: int) -> float:
        """Least of all places it could be known from: an image knows what its other containers did."""
        least = float("inf")
        for place in _places(a.label):
            if (place,) not in self.met:
                continue  # a place that is new itself tells nothing, unless it is the only one
            if a.kind == a.parent or (place, a.parent, a.kind) in self.met:
                return 0.0  # a fork, or as ever
            if a.parent:
                least = min(least, self._rarity((place, a.parent), reading))
            if (place, a.kind) not in self.met:
                least = min(least, self._rarity((place,), reading))
            elif not a.parent:
                return 0.0
        return least if least < float("inf") else 0.0

    def _rarity(self, key: tuple[str, ...], reading: int) -> float:
        since = self.met.get(key) or self.met[key[:1]]
        return min(max(log((reading - since.reading + 1) / (since.names + _PRIOR)), 0.0), _MOST)

    def _count(self, place: str, a: Arrival, reading: int) -> None:
        here = self._meet((place,), reading)
        name = (place, a.kind)
        if name not in self.met and here.reading < reading:
            here.names += 1
        self._meet(name, reading)
        family = (place, a.parent, a.kind)
        if a.parent and a.kind != a.parent:
            if family not in self.met:
                self._meet((place, a.parent), reading).names += 1
            self._meet(family, reading)

    def _meet(self, key: tuple[str, ...], reading: int) -> Since:
        since = self.met.get(key)
        if since is None:
            since = self.met[key] = Since(reading)
        else:
            self.met.move_to_end(key)
        return since


def _places(label: Label) -> tuple[str, ...]:
    if label.container is None:
        return ("",)
    return (label.container.id, f"image {label.container.image}") if label.container.image else (label.container.id,)
