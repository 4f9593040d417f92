"""Models that take feature dicts one at a time, by River's protocol. One for each scope, and no more than there is room for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol


class Model(Protocol):
    """What River calls an anomaly detector."""

    def score_one(self, x: dict[str, float], /) -> float: ...

    def learn_one(self, x: dict[str, float], /) -> None: ...


Classify = Callable[[float], bool]


@dataclass(slots=True)
class Seat:
    """A model, what says whether a score of it is an anomaly, and ``place``, its number below ``limit + 1``."""

    model: Model
    classify: Classify | None
    place: int
    seen: int = -1


class Models:
    """At most ``limit`` models by key; who finds no room shares one more, at place 0.

    Room is made by the model least recently used, but never by one used since the last :meth:`turn`: were there more keys than
    room, each would lose its model before it is asked again. ``fresh`` holds the places that were given to a new key since.
    """

    def __init__(self, make: Callable[[], Model], classifier: Callable[[Model], Classify | None], limit: int) -> None:
        self.limit = limit
        self.fresh: list[int] = []
        self.sharing = 0
        self._make, self._classifier = make, classifier
        self._seats: OrderedDict[Hashable, Seat] = OrderedDict()
        self._shared = self._seat(0)
        self._now = 0

    @property
    def flags(self) -> bool:
        """Do these models say what is an anomaly?"""
        return self._shared.classify is not None

    def turn(self) -> None:
        """The next reading."""
        self._now += 1
        self.fresh = []
        self.sharing = 0

    def of(self, key: Hashable) -> Seat:
        """The model of ``key``, new if it has none."""
        seat = self._seats.get(key)
        if seat is None:
            seat = self._admit(key)
        else:
            self._seats.move_to_end(key)
        seat.seen = self._now
        return seat

    def _admit(self, key: Hashable) -> Seat:
        if len(self._seats) < self.limit:
            seat = self._seat(len(self._seats) + 1)
        elif self._seats and next(iter(self._seats.values())).seen < self._now:
            seat = self._seat(self._seats.popitem(last=False)[1].place)
        else:
            self.sharing += 1
            return self._shared
        self._seats[key] = seat
        self.fresh.append(seat.place)
        return seat

    def _seat(self, place: int) -> Seat:
        model = self._make()
        return Seat(model, self._classifier(model), place)


def score_and_learn(seat: Seat, x: dict[str, float]) -> tuple[float, bool]:
    """The score of ``x`` before it is learned, and whether it is an anomaly by the model's own word."""
    score = float(seat.model.score_one(x))
    flagged = seat.classify is not None and bool(seat.classify(score))
    seat.model.learn_one(x)
    return score, flagged
