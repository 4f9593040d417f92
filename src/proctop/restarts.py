"""How often containers began anew, as far as their processes were seen. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence

from proctop.frames import Frame
from proctop.records import Container, Label

MOST = 1000
"""Lives that are kept of a container, and so what counting ends at."""

RECENT = 300.0
"""Seconds for which a container that ended is told of."""

_CONTAINERS = 4096  # that are kept, the ones seen last

Life = tuple[float, float]
Named = tuple[str, str, str]  # runtime, pod and name


class Restarts:
    """Lives of containers out of frames in any order, so that a replay may jump.

    A life reaches from the start of the oldest process of a container to the last look at which one was there. Looks that overlap are of
    one life; where they do not, no process that was seen before is left, and the container was started again: by its runtime
    with the same id, or as another container of the same name. What began and ended between two looks is not seen.
    """

    def __init__(self) -> None:
        self._boot = ""
        self._lives: dict[str, list[Life]] = {}  # by id, disjoint, in the order of time
        self._names: dict[str, Named] = {}  # by id
        self._ids: dict[Named, set[str]] = {}
        self._boxes: dict[str, Container] = {}  # by id, as it was called last
        self._labels: Sequence[Label] = ()
        self._there: tuple[str, ...] = ()  # ids at the last look
        self._until = 0.0  # seconds since boot until which the labels were those

    def note(self, frame: Frame) -> None:
        """Take in a frame. Costs nothing where no label changed."""
        reading = frame.reading
        labels = frame.batch.labels
        if labels is self._labels:
            self._until = max(self._until, reading.boot)
            return
        self._labels = labels
        if reading.info.boot_id != self._boot:
            self._boot = reading.info.boot_id
            for kept in (self._lives, self._names, self._ids, self._boxes):
                kept.clear()
            self._there = ()
        for one in self._there:
            self._lengthen(one)
        oldest: dict[str, int] = {}
        boxes: dict[str, Container] = {}
        for i, label in enumerate(labels):
            if (box := label.container) is not None:
                start = int(reading.start[i])
                if box.id not in boxes or start < oldest[box.id]:
                    oldest[box.id] = start
                boxes[box.id] = box
        for box in boxes.values():
            began = oldest[box.id] / reading.info.ticks
            self._saw(box, (began, max(reading.boot, began)))
        self._there, self._until = tuple(boxes), reading.boot

    def _lengthen(self, one: str) -> None:
        """The life that was looked at last went on while the labels were the same."""
        lives = self._lives.get(one, [])
        k = bisect_right(lives, self._until, key=lambda life: life[0]) - 1
        if k >= 0:
            lives[k] = lives[k][0], max(lives[k][1], self._until)

    def _saw(self, box: Container, look: Life) -> None:
        lives = self._lives.pop(box.id, [])
        apart, begin, end = [], look[0], look[1]
        for life in lives:
            if life[1] < look[0] or look[1] < life[0]:
                apart.append(life)
            else:
                begin, end = min(begin, life[0]), max(end, life[1])
        self._lives[box.id] = sorted([*apart, (begin, end)])[-MOST:]  # seen last, kept longest
        self._boxes.pop(box.id, None)
        self._boxes[box.id] = box
        named = _named(box)
        if isinstance(named, tuple) and box.id not in self._names:
            self._names[box.id] = named
            self._ids.setdefault(self._names[box.id], set()).add(box.id)
        if len(self._lives) > _CONTAINERS:
            self._forget(next(iter(self._lives)))

    def _forget(self, one: str) -> None:
        del self._lives[one], self._boxes[one]
        named = self._names.pop(one, None)
        if named is not None:
            self._ids[named].discard(one)
            if not self._ids[named]:
                del self._ids[named]

    def of(self, box: Container, boot: float) -> int:
        """How often a container had been started again by a moment, in seconds since boot.

        One of its name that ran while another did is no restart of that.
        """
        named = _named(box)
        ids = {box.id, *(self._ids.get(named, ()) if isinstance(named, tuple) else ())}
        lives = sorted(life for one in ids for life in self._lives.get(one, ()) if life[0] <= boot)
        count, end = 0, float("inf")
        for life in lives:
            count += life[0] > end
            end = max(end, life[1]) if end < float("inf") else life[1]
        return min(count, MOST - 1)

    def gone(self, present: Collection[Container], boot: float) -> list[tuple[Container, float]]:
        """Containers that ended before a moment ``boot`` (seconds since boot) and how long, up to :data:`RECENT`; the last one first.

        Not those that are ``present``, nor one whose name another has by now.
        """
        there = {box.id for box in present} | {_named(box) for box in present}
        out: dict[object, tuple[Container, float]] = {}
        for one, lives in self._lives.items():
            box = self._boxes[one]
            name = _named(box)
            ended = max((life[1] for life in lives if life[0] <= boot), default=-math.inf)
            if one not in there and name not in there and 0 <= boot - ended <= RECENT and not (name in out and out[name][1] < boot - ended):
                out[name] = box, boot - ended
        return sorted(out.values(), key=lambda one: one[1])


def _named(box: Container) -> Named | str:
    """What stays the same of a container that is made anew."""
    return (box.runtime, box.pod, box.name) if box.name else box.id
