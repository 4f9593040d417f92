"""How often containers began anew, as far as their processes were seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from proctop.records import Container, Frame, Label

MOST = 1000
"""Lives that are kept of a container, and so what counting ends at."""

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
        self._labels: Sequence[Label] = ()

    def note(self, frame: Frame) -> None:
        """Take in a frame. Costs nothing where no label changed."""
        reading = frame.reading
        labels = frame.batch.labels
        if labels is self._labels:
            return
        self._labels = labels
        if reading.info.boot_id != self._boot:
            self._boot = reading.info.boot_id
            self._lives.clear()
            self._names.clear()
            self._ids.clear()
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

    def _saw(self, box: Container, look: Life) -> None:
        lives = self._lives.pop(box.id, [])
        apart = [life for life in lives if life[1] < look[0] or look[1] < life[0]]
        begin = min((life[0] for life in lives if life not in apart), default=look[0])
        end = max((life[1] for life in lives if life not in apart), default=look[1])
        self._lives[box.id] = sorted([*apart, (min(begin, look[0]), max(end, look[1]))])[-MOST:]  # seen last, kept longest
        if box.name and box.id not in self._names:
            self._names[box.id] = box.runtime, box.pod, box.name
            self._ids.setdefault(self._names[box.id], set()).add(box.id)
        if len(self._lives) > _CONTAINERS:
            self._forget(next(iter(self._lives)))

    def _forget(self, one: str) -> None:
        del self._lives[one]
        named = self._names.pop(one, None)
        if named is not None:
            self._ids[named].discard(one)
            if not self._ids[named]:
                del self._ids[named]

    def of(self, box: Container, boot: float) -> int:
        """How often a container had been started again by a moment, in seconds since boot.

        One of its name that ran while another did is no restart of that.
        """
        named = self._ids.get((box.runtime, box.pod, box.name), set()) if box.name else set()
        lives = sorted(life for one in {box.id} | named for life in self._lives.get(one, ()) if life[0] <= boot)
        count, end = 0, float("inf")
        for life in lives:
            count += life[0] > end
            end = max(end, life[1]) if end < float("inf") else life[1]
        return min(count, MOST - 1)
