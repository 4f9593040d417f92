"""The worker thread: waits for its time, reads, steps the engine, and keeps the newest frame for whoever asks.

It is a daemon with a thread of its own, so that quitting never waits for a read that hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from proctop.engine import Engine
from proctop.frames import Frame
from proctop.sources import NoReading, Source
from proctop.sources.pace import Ticker

RETRIED = (OSError, ValueError, LookupError, ArithmeticError, RuntimeError)
"""What a bad moment of the host may raise; the next reading is a new chance."""


class Feed(threading.Thread):
    """Frames of ``source`` every ``interval`` seconds, 0 = as they come.

    Args:
        deliver: called in this thread when there is something new to :meth:`take`; it must not block.
        first: a frame that is there already.
        keep: called in this thread with every frame, taken or not.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        interval: float,
        deliver: Callable[[], None],
        first: Frame | None = None,
        keep: Callable[[Frame], None] | None = None,
    ) -> None:
        super().__init__(name="feed", daemon=True)
        self.source = source
        self._engine = engine
        self._ticker = Ticker(interval)
        self._deliver = deliver
        self._keep = keep
        self._closed = False
        self._frame = first
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
        self._closed = True
        self._ticker.stop()

    def run(self) -> None:
        try:
            if self._frame is not None:
                self._hand_over(self._frame)
            while (late := self._ticker.wait()) is not None:
                if not self._one(late):
                    return
        finally:
            self.ended = True
            self._announce(None)

    def _one(self, late: float) -> bool:
        try:
            reading = self.source.read(late)
            if reading is None:
                return False
            frame = self._engine.step(reading)
        except NoReading as why:
            self.error = str(why)
            self._announce(None)
            return True
        except RETRIED as error:
            self.error = f"reading failed, trying again: {type(error).__name__}: {error}".splitlines()[0]
            self._announce(None)
            return True
        self.error = ""
        self._hand_over(frame)
        return True

    def _hand_over(self, frame: Frame) -> None:
        try:
            if self._keep is not None:
                self._keep(frame)
        except RETRIED as error:  # what was seen is shown all the same
            self.error = f"this moment cannot be gone back to: {type(error).__name__}: {error}".splitlines()[0]
        self._announce(frame)

    def _announce(self, frame: Frame | None) -> None:
        with self._lock:
            if frame is not None:
                self._frame = frame
            first, self._announced = not self._announced, True
        if first and not self._closed:
            self._deliver()
