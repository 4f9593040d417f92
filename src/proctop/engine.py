"""Readings in, frames out: deterministic, no clock, no I/O, no screen."""

from __future__ import annotations

from collections import deque

from proctop.alerts import Alerts
from proctop.features import derive
from proctop.history import History
from proctop.records import AlertEvent, Batch, Frame, ProcKey, Reading
from proctop.scoring.protocol import Detector
from proctop.vitals import host_rates


class Engine:
    """Feeds each reading through features, detector and history.

    The same readings give the same frames, whether they come from this host, a file or a pipe.
    """

    def __init__(self, detector: Detector, *, explain: int = 64, history: int = 120) -> None:
        self.detector = detector
        self._explain = explain
        self._history = History(history)
        self._reading: Reading | None = None
        self._batch: Batch | None = None
        self._tick = -1
        self._alerts = Alerts()
        self._said: deque[tuple[bool, ProcKey]] = deque()  # by the user, from another thread: (is it normal, whose)

    @property
    def events(self) -> tuple[AlertEvent, ...]:
        """The last alert events, by the time they began."""
        return self._alerts.events

    def accept(self, key: ProcKey) -> None:
        """What the process does now is normal, from the next reading on. From any thread."""
        self._said.append((True, key))

    def incident(self, key: ProcKey) -> None:
        """What the process does now is a true alarm, and says nothing about how often false ones come. From any thread."""
        self._said.append((False, key))

    def step(self, reading: Reading) -> Frame:
        """Score one reading against all before it, and learn from it."""
        self._heed()
        batch = derive(self._reading, reading, self._batch)
        rates = host_rates(self._reading, reading)
        scores = self.detector.step(batch, explain=self._explain)
        trail = self._history.step(batch, scores.rank)
        self._reading, self._batch = reading, batch
        self._tick += 1
        alerts = self._alerts.step(reading, batch, scores)
        return Frame(self._tick, reading, batch, scores, rates, trail, self.detector.warming, alerts)

    def _heed(self) -> None:
        while self._said:
            normal, key = self._said.popleft()
            if normal:
                self.detector.accept(key)
            else:
                self.detector.incident(key)
                self._alerts.mark(key)
