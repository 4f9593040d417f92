"""Another host as a source: ssh runs ``proctop collect -o -`` there, and what it writes is read here like any recording.

The pace is that of the other end: :meth:`RemoteSource.read` waits for what comes. A link that is lost is made again, for ever.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import numpy as np

from proctop.fields import COUNTERS
from proctop.records import Floats, HostInfo, Reading
from proctop.sources import NoReading, Wants
from proctop.sources.ssh import Link, Silent, arguments
from proctop.stream import StreamError
from proctop.stream.reader import Reader

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds before connecting again; each time twice as long
_STEADY = 30.0  # seconds that a connection holds before the next loss counts as a first one
_QUIET, _DEAF = 5.0, 30.0  # seconds of silence, beyond three intervals, that are told and that end a connection
_TOLD = 60.0  # seconds for which a note tells of a gap
_BASE = 120  # readings whose quickest tells what time the way takes at best


class RemoteSource:
    """Readings of ``host`` as they come, until closed.

    Args:
        host: as ssh takes it; command: what runs there, as its shell takes it.
        interval: seconds between readings that the command was told, until the readings tell theirs.
        ask: ssh may ask on the terminal for the first connection; tell: is given what it says meanwhile.
        program: the ssh.
        clock: monotonic seconds; pause: waits for seconds and returns true as soon as it should end.

    Connects at once, and raises StreamError where that fails. Later connections ask nobody.
    """

    name = "ssh"

    def __init__(
        self,
        host: str,
        command: str,
        *,
        interval: float = 1.0,
        ask: bool = False,
        tell: Callable[[str], None] | None = None,
        program: str = "ssh",
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self.wants = Wants()
        self._host, self._command, self._program = host, command, program
        self._interval = interval
        self._clock = clock
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait
        self._link: Link | None = None
        self._reader: Reader | None = None
        self._ways: deque[float] = deque(maxlen=_BASE)  # seconds from each reading's own clock to its arrival here
        self._failures = 0
        self._wait = 0.0  # seconds until connecting again
        self._why = ""
        self._connected = self._came = clock()
        self._last: Reading | None = None
        self._blind = False  # between it and the next one there were others, or may have been
        self._missed: tuple[Reading, ...] = ()  # not shown: who ended in them is told with the next one
        self._gap, self._gap_told = 0.0, -_TOLD
        if why := self._connect(ask=ask, tell=tell):
            raise StreamError(f"{host}: {why}")
        assert self._reader is not None
        self.info: HostInfo = self._reader.header.info

    def read(self, late: float = 0.0) -> Reading | None:
        """The next reading, None once closed. Its own lateness stands, and what the way took longer than at its best.

        Raises NoReading while there is none and why; call again.
        """
        if self._reader is None or self._link is None:
            self._again()
        while (reader := self._reader) is not None and (link := self._link) is not None and not self._closed.is_set():
            try:
                record = reader.read()
            except Silent:
                if link.patience < self._deaf:
                    link.patience = self._deaf
                    raise NoReading(f"{self._host}: nothing heard for {self._quiet:.0f} s", "waiting") from None
                raise self._lost(link, f"nothing heard for {self._deaf:.0f} s") from None
            except StreamError as error:
                raise self._lost(link, self._words(error)) from None
            if record is not None:
                self._interval = record.reading.interval
                link.patience = self._quiet
                if (reading := self._arrived(record.reading, reader)) is not None:
                    return reading
            elif not self._closed.is_set():
                raise self._lost(link)
        return None

    def close(self) -> None:
        """End ssh within the second, from any thread; a ``read`` that waits returns."""
        self._closed.set()
        link = self._link
        if link is not None:
            link.close()

    @property
    def _quiet(self) -> float:
        return _QUIET + 3 * self._interval

    @property
    def _deaf(self) -> float:
        return _DEAF + 3 * self._interval

    def _connect(self, *, ask: bool, tell: Callable[[str], None] | None = None) -> str:
        """Run ssh until the first reading is there; "", or why there is none."""
        try:
            link = Link(arguments(self._host, self._command, ask=ask, program=self._program), ask=ask, tell=tell, clock=self._clock)
        except StreamError as error:
            return str(error)
        self._link = link  # for close(), which may come while this waits
        if self._closed.is_set():
            link.close()
        if not ask:
            link.patience = self._deaf
        try:
            reader = Reader(self._host, feed=link.more)
            _ = reader.header
        except (Silent, StreamError) as error:
            link.end()
            why = link.why() if link.ended else self._words(error) if isinstance(error, StreamError) else "nothing heard"
            link.pass_on(link.said[:-1])
            return why
        except BaseException:  # an interrupt while ssh asks
            link.close()
            raise
        link.patience = self._quiet
        self._reader = reader
        self._blind = True
        self._ways.clear()
        self._connected = self._clock()
        return ""

    def _again(self) -> None:
        """Connect again, once the time has come. Raises NoReading where that has to wait or fails."""
        if self._wait:
            wait, self._wait = self._wait, 0.0
            if not self._pause(wait):
                raise NoReading(self._why, "trying again now")
        elif (why := self._connect(ask=False)) and not self._closed.is_set():
            raise self._later(f"no connection ({why})")

    def _lost(self, link: Link, why: str = "") -> NoReading:
        """The end of a connection; ``why`` where it is not ssh that tells."""
        link.end()
        self._reader = None
        if self._clock() - self._connected > _STEADY:
            self._failures = 0
        return self._later(f"connection lost ({why or link.why()})")

    def _later(self, why: str) -> NoReading:
        self._wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._why = f"{self._host}: {why}"
        return NoReading(self._why, f"trying again in {self._wait:.0f} s")

    def _words(self, error: StreamError) -> str:
        return str(error).removeprefix(f"{self._host}: ")

    def _arrived(self, reading: Reading, reader: Reader) -> Reading | None:
        """``reading`` as this end sees it; None for one that is better not shown."""
        now, last = self._clock(), self._last
        fresh = not self._ways
        self._ways.append(now - reading.mono)
        if self._failures and not fresh and last is not None and reading.mono - last.mono < reading.interval / 2:
            # A collector begins with a short interval, so that rates show soon. Here they do, and a short one looks like a spike.
            self._blind = True
            self._missed += (reading,)
            return None
        if fresh and last is not None:
            self._gap, self._gap_told = now - self._came, now
        notes = list(reading.notes)
        if now - self._gap_told < _TOLD:
            notes.append(f"{self._host}: connected again after {self._gap:.0f} s without readings")
        if reader.damage:
            notes.append(f"{self._host}: {reader.damage}")
        if self.wants.threads and reading.threads is None:
            notes.append(f"{self._host}: threads are not sent")
        shown = replace(
            reading,
            source=f"{reading.source} over ssh",
            late=reading.late + round(self._ways[-1] - min(self._ways), 3),
            changed=None if self._blind else reading.changed,
            exits=tuple(chain.from_iterable(each.exits for each in (*self._missed, reading))),
            ended=_totals((*self._missed, reading)),
            notes=tuple(notes),
        )
        self.info, self._last, self._came = reading.info, shown, now
        self._blind, self._missed = False, ()
        return shown


def _totals(readings: tuple[Reading, ...]) -> Floats | None:
    """What the exits of ``readings`` took, as ``Reading.ended``."""
    if all(reading.ended is None for reading in readings):
        return None
    known = [np.full((len(COUNTERS), len(each.exits)), np.nan) if each.ended is None else each.ended for each in readings]
    return np.concatenate(known, axis=1)
