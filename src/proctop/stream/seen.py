"""What was seen live, beside the readings it came from: scores, how warm the detector was, its notes, alert events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from proctop.frames import AlertEvent, GroupScores, HostScores, Scores
from proctop.records import NO_MAPPING, Container, Floats32, ProcKey, Reading
from proctop.stream import Damaged
from proctop.stream.header import text, time, whole
from proctop.stream.numbers import In, Out
from proctop.stream.reasons import MOST_REASONS
from proctop.stream.scores import reason

MOST_EVENTS = 1024
"""Of one reading."""

MOST_DEPARTED = 4096
"""Rows of the departed."""
_HIGHEST = 1e6  # nats


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a frame showed beside its reading.

    Attributes:
        scores: of the rows of the reading.
        warming: share of the warm-up done.
        alerts: events that were open, or had ended within the last minute.
        idle: float32[n], seconds without activity (the feature ``idle_s``), with the first reading of a segment; else None. It is
            what :func:`proctop.features.first` needs to enter a session there.
        departed: float32[m], ranks of the departed in the order of their rows; None = none of them had one. All else of them follows from
            the readings.
        vitals: of the host, but for its ``values``, which follow from the counters; None = they were not scored.
        groups: those that were scored, by what their members share.
    """

    scores: Scores
    warming: float
    alerts: tuple[AlertEvent, ...]
    idle: Floats32 | None
    departed: Floats32 | None = None
    vitals: HostScores | None = None
    groups: Mapping[str, GroupScores] = field(default_factory=lambda: NO_MAPPING)


@dataclass(frozen=True, slots=True)
class Record:
    """One reading and, where it was recorded with scores, what was seen then."""

    reading: Reading
    seen: Seen | None


def idle_out(out: Out, idle: Floats32) -> None:
    """float32[n]; processes fall silent together, so few numbers differ."""
    words, which = np.unique(idle.view(np.uint32), return_inverse=True)
    out.number(words.size)
    out.raw(words.astype("<u4").tobytes())
    out.words(which.astype(np.uint64))


def idle_in(data: In, n: int) -> Floats32:
    """The way back."""
    words = np.frombuffer(data.raw(4 * data.number(n)), "<u4")
    which = data.words(n)
    if n and int(which.max()) >= words.size:
        raise Damaged("a number names nothing")
    idle: Floats32 = words.view("<f4").astype(np.float32)[which.view(np.int64)]
    return np.where(idle >= 0, idle, np.float32(np.nan))


def accepted_out(alerts: tuple[AlertEvent, ...]) -> bytes:
    """Which events were accepted as normal, empty = none. Beside the events, as a reader of 1.1 knows no more of those."""
    places = [k for k, event in enumerate(alerts[:MOST_EVENTS]) if event.accepted]
    if not places:
        return b""
    out = Out()
    out.rising(np.array(places, np.int64))
    return out.done()


def accepted_in(data: In, alerts: tuple[AlertEvent, ...]) -> tuple[AlertEvent, ...]:
    """The way back: ``alerts`` with those accepted."""
    places = set(data.rising(len(alerts)).tolist())
    return tuple(replace(event, accepted=True) if k in places else event for k, event in enumerate(alerts))


def departed_out(ranks: Floats32) -> bytes:
    """In tenths, plus 1; 0 = not known."""
    out = Out()
    ranks = ranks[:MOST_DEPARTED]
    out.number(ranks.size)
    out.words(np.where(ranks >= 0, np.rint(np.minimum(ranks, _HIGHEST) * 10.0) + 1.0, 0.0).astype(np.uint64))
    return out.done()


def departed_in(data: In) -> Floats32:
    """The way back."""
    words = data.words(data.number(MOST_DEPARTED)).astype(np.float64)
    return np.where(words > 0, (words - 1.0) / 10.0, np.nan).astype(np.float32)


class Said:
    """How warm the detector was, its notes and the alert events, written when they change. One instance per segment and direction.

    JSON: [warming, [note …], [event …]]. An event is all of it, or the place it had among the events before (from 0), in brackets
    where it still goes on at this reading.
    """

    def __init__(self) -> None:
        self._last = b""
        self.now: tuple[float, tuple[str, ...], tuple[AlertEvent, ...]] = (1.0, (), ())

    def put(self, seen: Seen, wall: float) -> bytes:
        """The body of the section, empty = as before. ``wall`` is the time of the reading."""
        before = {event.key: (k, event) for k, event in reversed(list(enumerate(self.now[2])))}
        events: list[Any] = []
        for event in seen.alerts[:MOST_EVENTS]:
            k, old = before.get(event.key, (0, None))
            if event == old:
                events.append(k)
            elif old is not None and event == replace(old, end=wall):
                events.append([k])
            else:
                events.append(_event_out(event))
        alike = events == list(range(len(self.now[2]))) and self.now[:2] == (seen.warming, seen.scores.notes)
        if alike and self._last:
            return b""
        self.now = seen.warming, seen.scores.notes, seen.alerts[:MOST_EVENTS]
        raw = [seen.warming, list(seen.scores.notes), events]
        self._last = json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return self._last

    def take(self, body: bytes, wall: float) -> None:
        """The way back: updates ``now``."""
        try:
            warming, notes, events = json.loads(body)
            if not 0 <= _number(warming) <= 1:
                raise TypeError("not a share")
            now = tuple(self._event(event, wall) for event in events[:MOST_EVENTS])
            self.now = float(warming), tuple(text(note) for note in notes), now
        except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
            raise Damaged("what was seen is none") from error

    def _event(self, raw: Any, wall: float) -> AlertEvent:
        if type(raw) is int:
            return self.now[2][whole(raw)]
        if len(raw) == 1:
            return replace(self.now[2][whole(raw[0])], end=wall)
        return _event(*raw)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _event_out(e: AlertEvent) -> list[Any]:
    c = e.container
    box = None if c is None else [c.id, c.runtime, c.pod, c.name, c.image]
    why = [[r.feature, _short(r.value), _short(r.usual[0]), _short(r.usual[1]), r.against, r.text] for r in e.why]
    return [*e.key, e.comm, box, e.start, e.peak, e.end, e.score, e.per_hour, why, e.open, e.incident]


def _event(pid: Any, start: Any, comm: Any, box: Any, *rest: Any) -> AlertEvent:
    began, peak, end, score, per_hour, why, is_open, incident = rest
    container = None
    if box is not None:
        id_, runtime, pod, name, image = map(text, box)
        container = Container(id_, runtime, pod, name, image)
    reasons = tuple(reason(*raw) for raw in why[:MOST_REASONS])
    key, times, numbers = ProcKey(whole(pid), whole(start)), (time(began), time(peak), time(end)), (_number(score), _number(per_hour))
    return AlertEvent(key, text(comm), container, *times, *numbers, reasons, is_open is True, incident is True)


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError("not a number")
    return float(value)
