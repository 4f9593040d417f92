"""What a segment holds, in a few hundred bytes: so that a timeline and its marks are drawn without decoding a day of readings.

A summary follows the last reading of its segment. A segment whose writer was killed has none, and reads as well without.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proctop.frames import AlertEvent
from proctop.records import ProcKey, Reading
from proctop.sanitize import clean
from proctop.stream import Damaged, frames
from proctop.stream.frames import Kind
from proctop.stream.header import time, whole
from proctop.stream.seen import Seen

MOST_MARKS = 256
LONGEST_WORD = 64
LONGEST_TEXT = 200
"""Characters of a mark's names, and of its reasons."""

HOLE = 2.5
"""Intervals between two readings that are a hole in a recording."""

_LEVEL = 3
_HIGHEST = 1e6  # nats


@dataclass(frozen=True, slots=True)
class Mark:
    """An alert event by its beginning: ``wall`` seconds, whose, the slow score at its peak so far, and why."""

    wall: float
    key: ProcKey
    comm: str
    container: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A segment in numbers.

    Attributes:
        first, last: wall seconds of its first and last reading.
        readings, samples: how many readings, and rows of processes in all of them.
        peaks: the highest rank of each reading in steps of 0.1 nat, NaN = none; empty where nothing was scored.
        marks: alert events that began in it, by the time they began.
        late: readings that came more than half an interval late.
        most: processes of the reading that had most; left: of the last reading; exits: processes that ended, as told by all readings.
        holes: times of more than :data:`HOLE` intervals between two of its readings; lost: seconds in all of them.
        scored: scores were recorded with some of the readings.
    """

    first: float
    last: float
    readings: int
    samples: int
    peaks: tuple[float, ...]
    marks: tuple[Mark, ...]
    late: int
    scored: bool
    most: int
    left: int
    exits: int
    holes: int
    lost: float

    def to_bytes(self) -> bytes:
        """A whole frame of kind SUMMARY."""
        import zstandard

        peaks = [None if peak != peak else round(max(0.0, min(peak, _HIGHEST)) * 10) for peak in self.peaks]
        marks = [[m.wall, *m.key, m.comm, m.container, m.score, m.text] for m in self.marks]
        numbers = (self.first, self.last, self.readings, self.samples, self.late, self.scored)
        more = (self.most, self.left, self.exits, self.holes, round(self.lost, 3))
        plain = json.dumps([*numbers, *more, peaks, marks], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        body = frames.SUMMARY + zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
        return frames.frame(Kind.SUMMARY, len(plain), body)

    @classmethod
    def from_bytes(cls, body: bytes) -> Summary:
        """Of what such a frame stores. Raises Damaged unless it is a summary."""
        import zstandard

        start = len(frames.SUMMARY)
        if not body.startswith(frames.SUMMARY):
            raise Damaged("no summary")
        try:
            plain = zstandard.ZstdDecompressor(max_window_size=frames.WINDOW).stream_reader(body[start:]).read(frames.LARGEST_SUMMARY + 1)
            if len(plain) > frames.LARGEST_SUMMARY:
                raise Damaged("a summary is too large")
            first, last, readings, samples, late, scored, most, left, exits, holes, lost, peaks, marks = json.loads(plain)
            return cls(
                time(first),
                time(last),
                whole(readings),
                whole(samples),
                tuple(math.nan if peak is None else whole(peak) / 10 for peak in peaks[: frames.MOST_READINGS]),
                tuple(_mark(*mark) for mark in marks[:MOST_MARKS]),
                whole(late),
                scored is True,
                whole(most),
                whole(left),
                whole(exits),
                whole(holes),
                time(lost),
            )
        except (zstandard.ZstdError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Damaged("a summary is none") from error


def _mark(wall: Any, pid: Any, start: Any, comm: Any, container: Any, score: Any, text: Any) -> Mark:
    if not all(isinstance(t, str) for t in (comm, container, text)) or not isinstance(score, int | float):
        raise TypeError("not a mark")
    words = [clean(t[:most]) for t, most in ((comm, LONGEST_WORD), (container, LONGEST_WORD), (text, LONGEST_TEXT))]
    return Mark(time(wall), ProcKey(whole(pid), whole(start)), words[0], words[1], float(score), words[2])


class Tally:
    """Adds up a segment while it is written."""

    def __init__(self) -> None:
        self._walls: list[float] = []
        self._peaks: list[float] = []
        self._samples = self._late = self._most = self._left = self._exits = self._holes = 0
        self._lost = 0.0
        self._mono = math.nan
        self._scored = False
        self._events: dict[tuple[ProcKey, float], AlertEvent] = {}

    def add(self, reading: Reading, seen: Seen | None) -> None:
        self._walls.append(reading.wall)
        self._samples += len(reading)
        self._late += reading.late > reading.interval / 2
        self._left = len(reading)
        self._most = max(self._most, self._left)
        self._exits += len(reading.exits)
        passed, self._mono = reading.mono - self._mono, reading.mono
        if passed > HOLE * reading.interval:
            self._holes += 1
            self._lost += passed
        peak = math.nan
        if seen is not None:
            self._scored = True
            rank = seen.scores.rank
            if rank.size:
                peak = float(np.fmax.reduce(rank))  # NaN only where all are
            for event in seen.alerts:
                if event.start >= self._walls[0]:
                    self._events[event.key, event.start] = event
        self._peaks.append(peak)

    def summary(self) -> Summary:
        """What was added, at least one reading."""
        worst = sorted(self._events.values(), key=lambda event: -event.score)[:MOST_MARKS]
        marks = tuple(_marked(event) for event in sorted(worst, key=lambda event: (event.start, event.key)))
        peaks = tuple(self._peaks) if self._scored else ()
        walls = self._walls
        counts = self._most, self._left, self._exits, self._holes, self._lost
        return Summary(walls[0], walls[-1], len(walls), self._samples, peaks, marks, self._late, self._scored, *counts)


def _marked(event: AlertEvent) -> Mark:
    container = event.container.title if event.container else ""
    text = "; ".join(reason.text for reason in event.why)
    return Mark(event.start, event.key, event.comm[:LONGEST_WORD], container[:LONGEST_WORD], event.score, text[:LONGEST_TEXT])
