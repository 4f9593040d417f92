"""When the next reading is due: a grid that does not drift, whatever the readings cost."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

from proctop.records import Reading
from proctop.sources import NoReading, Source

_FIRST = 0.25  # seconds between the first two readings, so that rates show soon
_TOLERANCE = 0.2  # share of the interval by which a reading may start late rather than wait for the next tick


class Ticker:
    """Ticks every ``interval`` seconds, 0.25 s after the first, until stopped.

    An interval of 0 is that of a source that keeps its own time: nobody waits here, and nothing is late.
    A reading that takes longer than the interval costs whole ticks: the next one starts on the grid, and its lateness says how many.
    ``clock`` is monotonic and ``pause(seconds)`` returns true as soon as it should end; by default an event that :meth:`stop` sets.
    """

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic, pause: Callable[[float], bool] | None = None) -> None:
        self._stopped = threading.Event()
        self._interval = interval
        self._clock = clock
        self._pause = pause or self._stopped.wait
        self._due: float | None = None
        self._count = 0

    @property
    def interval(self) -> float:
        return self._interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        """Takes effect after the tick that is being waited for."""
        self._interval = seconds

    def stop(self) -> None:
        """End the wait at once, from any thread."""
        self._stopped.set()

    def wait(self) -> float | None:
        """Wait for the next tick; the seconds it comes late, or None when stopped."""
        if not self._interval:
            return None if self._stopped.is_set() else 0.0
        now = self._clock()
        if self._due is None:
            self._due = now
            return None if self._stopped.is_set() else 0.0
        self._count += 1
        due = self._due + (min(_FIRST, self._interval) if self._count == 1 else self._interval)
        behind = now - due
        start = due if behind <= _TOLERANCE * self._interval else due + self._interval * math.ceil(behind / self._interval)
        while (left := start - self._clock()) > 0:
            if self._pause(left):
                return None
        if self._stopped.is_set():
            return None
        self._due = start
        return max(0.0, self._clock() - due)


def readings(source: Source, wait: Callable[[], float | None], tell: Callable[[str], None]) -> Iterator[Reading]:
    """What comes of ``source`` whenever ``wait`` lets it, until one of them ends. What keeps readings from coming is told, once each."""
    said = ""
    while (late := wait()) is not None:
        try:
            reading = source.read(late)
        except NoReading as why:
            if why.reason != said:
                tell(str(why))
            said = why.reason
            continue
        if reading is None:
            return
        said = ""
        yield reading
