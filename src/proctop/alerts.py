"""Alert events: when a process, or the host itself, began to alert, at its worst, and when it was over. An event outlives its process.

An event is a run of alerting readings of one process, gaps of up to ten seconds merged; its reasons are those of its peak. A container that
alerts while none of its processes does has events of its own: many that each do a little more, or one too young to be judged.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from proctop.frames import HOST, AlertEvent, Batch, GroupScores, HostScores, Reason, Scores
from proctop.records import Label, ProcKey, Reading

MERGED = 10.0
"""Seconds of calm that end an event."""

SHOWN = 60.0
"""Seconds for which a frame still tells of an event that has ended."""

ALONE = 5.0
"""Seconds for which a container alerts without any of its processes before that is an event: one of them may be about to."""

KEPT = 256
"""Ended events that are remembered; as many may be open at once."""


_THE_HOST = Label("host")


class Alerts:
    """The events of a session."""

    def __init__(self) -> None:
        self._open: dict[ProcKey, tuple[AlertEvent, float]] = {}  # and the last time it alerted (monotonic)
        self._ended: deque[tuple[AlertEvent, float]] = deque(maxlen=KEPT)  # and when it ended (monotonic)
        self._numbers: dict[str, int] = {}  # of containers that had events
        self._alone: dict[str, float] = {}  # since when containers alert and none of their processes does (monotonic)

    @property
    def events(self) -> tuple[AlertEvent, ...]:
        """All that is remembered, by the time they began."""
        everything = [event for event, _ in (*self._ended, *self._open.values())]
        return tuple(sorted(everything, key=lambda event: (event.start, event.key)))

    def step(
        self, reading: Reading, batch: Batch, scores: Scores, host: HostScores | None = None, containers: GroupScores | None = None
    ) -> tuple[AlertEvent, ...]:
        """One reading later: events that are open or ended within the last minute, most recent first."""
        now = reading.mono
        for i in np.flatnonzero(scores.alerting).tolist():
            score, often = float(scores.alert[i]), float(scores.per_hour[i])
            self._raise(reading.key(i), batch.labels[i], reading, score, often, scores.why.get(i, ()))
        if host is not None and host.alerting.any():
            self._raise(HOST, _THE_HOST, reading, host.score, host.per_hour, host.why)
        if containers is not None and (self._alone or containers.alerting.any()):
            self._together(reading, batch, containers)
        for key, (event, last) in list(self._open.items()):
            if last < now and (now - last > MERGED or not _lives(key, batch)):
                del self._open[key]
                self._ended.append((replace(event, open=False), now))
        shown = [event for event, _ in self._open.values()] + [event for event, when in self._ended if now - when <= SHOWN]
        return tuple(sorted(shown, key=lambda event: (-event.start, event.key)))

    def mark(self, key: ProcKey) -> None:
        """The open event of a process, if it has one, was an incident."""
        if key in self._open:
            event, last = self._open[key]
            self._open[key] = replace(event, incident=True), last

    def accept(self, key: ProcKey) -> None:
        """What the open event of a process, if it has one, is about is normal."""
        if key in self._open:
            event, last = self._open[key]
            self._open[key] = replace(event, accepted=True), last

    def container(self, key: ProcKey) -> str:
        """The id of the container whose open event this is as a whole, "" = none."""
        return self._open[key][0].box if key in self._open else ""

    def _together(self, reading: Reading, batch: Batch, containers: GroupScores) -> None:
        """Events of containers as a whole."""
        before, self._alone = self._alone, {}
        for k in np.flatnonzero(containers.alerting).tolist():
            box = containers.keys[k]
            if self._has_culprit(box, reading.mono):
                continue
            since = self._alone[box] = before.get(box, reading.mono)
            if reading.mono - since < ALONE:
                continue
            container = next((label.container for label in batch.labels if label.container is not None and label.container.id == box), None)
            if container is not None:
                key = ProcKey(0, self._numbers.setdefault(box, len(self._numbers) + 1))
                score, often = float(containers.alert[k]), float(containers.per_hour[k])
                self._raise(key, Label(containers.names[k], container=container), reading, score, often, containers.why.get(k, ()))

    def _has_culprit(self, box: str, now: float) -> bool:
        """Whether a process of a container has an event that is open, or ended a moment ago."""
        events = [event for event, _ in self._open.values()] + [event for event, when in self._ended if now - when <= MERGED]
        return any(event.key.pid and event.container is not None and event.container.id == box for event in events)

    def _raise(self, key: ProcKey, label: Label, reading: Reading, score: float, per_hour: float, why: tuple[Reason, ...]) -> None:
        wall = reading.wall
        event, _ = self._open.get(key, (None, 0.0))
        if event is None:
            if len(self._open) >= KEPT:
                return
            event = AlertEvent(key, label.comm, label.container, wall, wall, wall, score, per_hour, why, open=True)
        elif score > event.score:
            event = replace(event, peak=wall, end=wall, score=score, per_hour=per_hour, why=why or event.why)
        else:
            event = replace(event, end=wall, why=event.why or why)
        self._open[key] = event, reading.mono


def _lives(key: ProcKey, batch: Batch) -> bool:
    return not key.pid or bool(((batch.pid == key.pid) & (batch.start == key.start)).any())
