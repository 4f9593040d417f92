"""Readings in, frames out: deterministic, no clock, no I/O, no screen."""

from __future__ import annotations

from proctop.features import derive
from proctop.history import History
from proctop.records import Batch, Frame, Reading
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

    def step(self, reading: Reading) -> Frame:
        """Score one reading against all before it, and learn from it."""
        batch = derive(self._reading, reading, self._batch)
        rates = host_rates(self._reading, reading)
        scores = self.detector.step(batch, explain=self._explain)
        trail = self._history.step(batch, scores.rank)
        self._reading, self._batch = reading, batch
        self._tick += 1
        return Frame(self._tick, reading, batch, scores, rates, trail, self.detector.warming)
