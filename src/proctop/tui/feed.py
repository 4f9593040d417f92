"""The worker thread: waits for its time, reads, steps the engine, and keeps the newest frame for whoever asks.

It is a daemon with a thread of its own, so that quitting never waits for a read that hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from proctop.engine import Engine
from proctop.records import Frame
from proctop.sources import Source

FIRST = 0.25
"""Seconds between the first two readings: the second one has the first rates."""

RETRIED = (OSError, ValueError, LookupError, ArithmeticError, RuntimeError)
"""What a bad moment of the host may raise; the next reading is a new chance."""


class Feed(threading.Thread):
    """Frames of ``source`` every ``interval`` seconds.

    Args:
        deliver: called in this thread when there is something new to :meth:`take`; it must not block.
    """

    def __init__(self, source: Source, engine: Engine, interval: float, deliver: Callable[[], None]) -> None:
        super().__init__(name="feed", daemon=True)
        self.source = source
        self._engine = engine
        self._interval = interval
        self._deliver = deliver
        self._stop_asked = threading.Event()
        self._frame: Frame | None = None
        self._announced = False
        self._lock = threading.Lock()
        self.error = ""  # one line, "" while all is well
        self.ended = False

    def take(self) -> Frame | None:
        """The newest frame that nobody has taken; None when only :attr:`error` or :attr:`ended` changed."""
        with self._lock:
            self._announced = False
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Ask the thread to end. Does not wait."""
        self._stop_asked.set()

    def run(self) -> None:
        due = time.monotonic()
        taken = 0
        try:
            while not self._stop_asked.is_set():
                now = time.monotonic()
                if not self._one(max(0.0, now - due)):
                    return
                taken += 1
                due += FIRST if taken == 1 and self._interval > FIRST else self._interval
                if time.monotonic() > due + self._interval:  # far behind: keep the pace from here on
                    due = time.monotonic()
                self._stop_asked.wait(max(0.0, due - time.monotonic()))
        finally:
            self.ended = True
            self._announce(None)

    def _one(self, late: float) -> bool:
        try:
            reading = self.source.read(late)
            if reading is None:
                return False
            frame = self._engine.step(reading)
        except RETRIED as error:
            self.error = f"reading failed, trying again: {type(error).__name__}: {error}".splitlines()[0]
            self._announce(None)
            return True
        self.error = ""
        self._announce(frame)
        return True

    def _announce(self, frame: Frame | None) -> None:
        with self._lock:
            if frame is not None:
                self._frame = frame
            first, self._announced = not self._announced, True
        if first and not self._stop_asked.is_set():
            self._deliver()
