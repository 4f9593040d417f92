"""A past made of frames held in a list: what :class:`proctop.player.Player` is to the screen, without a recording."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import scenes
from proctop.course import join, moment
from proctop.frames import Course, Frame, HostRates
from proctop.records import Floats32, ProcKey

WORKER = ProcKey(1841, 2841)
REDIS = ProcKey(2200, 3200)
FIRST = 1_700_003_600.0


@dataclass(frozen=True)
class Mark:
    wall: float
    key: ProcKey


class Past:
    """Frames by time. ``gate``: every look at a frame waits for it, so that a test can let wishes pile up."""

    def __init__(self, frames: Sequence[Frame], marks: Sequence[Mark] = ()) -> None:
        self.frames = list(frames)
        self.marks: Sequence[Mark] = tuple(marks)
        self.marked: Mark | None = None
        self.trouble = ""
        self.settled = True
        self.asked: list[tuple[str, float]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()  # a look has begun
        self.left = threading.Event()
        self.fails: Exception | None = None
        self.shown: list[Frame] = []
        self._place: int | None = None

    def load(self) -> Past:
        self._place, self.marked = None, None
        return self

    @property
    def span(self) -> tuple[float, float] | None:
        return (self.frames[0].reading.wall, self.frames[-1].reading.wall) if self.frames else None

    @property
    def newest(self) -> bool:
        return self._place == len(self.frames) - 1

    def timeline(self, first: float, last: float, columns: int) -> Floats32:
        out = np.full(columns, np.nan, dtype=np.float32)
        for frame in self.frames:
            place = min(int((frame.reading.wall - first) / max(last - first, 1e-9) * columns), columns - 1)
            out[place:] = np.nan  # narrow columns show the reading before
            out[place:] = np.nanmax([*frame.scores.rank, 0.0])
        return out

    def rates(self, count: int) -> Sequence[HostRates]:
        return [] if self._place is None else [frame.host for frame in self.frames[max(0, self._place + 1 - count) : self._place + 1]]

    def series(self, key: ProcKey, begin: float, end: float) -> Iterator[Course | None]:
        self.gate.wait()
        asked = [moment(frame, key, kin=True) for frame in self.frames if begin <= frame.reading.wall <= end]
        whole = asked[0] if asked else None
        for one in asked[1:]:
            assert whole is not None
            whole = join(whole, one, begin)
        yield None if whole is None else replace(whole, complete=True)

    def first(self) -> Frame | None:
        return self._go("first", 0, 0)

    def last(self) -> Frame | None:
        return self._go("last", 0, len(self.frames) - 1)

    def at(self, wall: float) -> Frame | None:
        return self._go("at", wall, max(0, sum(frame.reading.wall <= wall for frame in self.frames) - 1))

    def step(self, k: int = 1) -> Frame | None:
        place = self._place if self._place is not None else len(self.frames) - 1
        to = max(0, min(place + k, len(self.frames) - 1))
        return self._go("step", k, None if to == place else to)

    def mark(self, k: int = 1) -> Frame | None:
        here = self.frames[self._place or 0].reading.wall
        places = [i for i, mark in enumerate(self.marks) if (mark.wall > here if k > 0 else mark.wall < here)]
        if not abs(k) <= len(places):
            return self._go("mark", k, None)
        mark = self.marks[places[k - 1 if k > 0 else k]]
        frame = self.at(mark.wall)
        self.asked[-1] = ("mark", k)
        self.marked = mark
        return frame

    def tend(self) -> Frame | None:
        if self.fails is not None:
            raise self.fails
        return None

    def close(self) -> None:
        self.left.set()

    def _go(self, what: str, value: float, place: int | None) -> Frame | None:
        self.entered.set()
        self.gate.wait()
        self.asked.append((what, value))
        if self.fails is not None:
            raise self.fails
        if place is None or not self.frames:
            return None
        self._place, self.marked = place, None
        self.shown.append(self.frames[place])
        return self.frames[place]


def past(count: int = 60) -> Past:
    """A minute whose host moves; the worker goes wrong after a quarter of it, the cache after half, both at one moment at last."""
    frames = [replace(frame, reading=replace(frame.reading, wall=FIRST + k)) for k, frame in enumerate(scenes.past(count))]
    quiet = np.zeros(len(frames[0].reading), dtype=np.float32)
    calm = [replace(frame, scores=replace(frame.scores, rank=quiet, alerting=quiet > 1, why={})) for frame in frames]
    at = (count // 4, count // 2, count - 10, count - 10)
    wrong = {k for start in set(at) for k in range(start, start + 4)}
    shown = [loud if k in wrong else low for k, (loud, low) in enumerate(zip(frames, calm, strict=True))]
    return Past(shown, [Mark(FIRST + k, key) for k, key in zip(at, (WORKER, REDIS, WORKER, REDIS), strict=True)])
