"""Recording in a thread of its own, so that a disk that hangs never holds up who looks."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import WriteFailed

HELD = 1 << 26
"""Bytes of readings that wait for the disk at most: some six minutes of 500 processes, twenty seconds of 10,000."""

_SLOW = 5.0  # seconds between the reading that is being written and the newest: nothing to worry about
_PATIENCE = 2.0  # seconds that the end waits for the disk


class Sink(Protocol):
    """What writes, and may take its time: :class:`proctop.stream.writer.Writer`."""

    path: str

    def write(self, what: Frame | Reading) -> None:
        """Raises WriteFailed."""
        ...

    def close(self) -> None: ...


class Spool:
    """Hands readings to ``sink`` in their order. No method waits for it but ``close``, and that not for long.

    What the sink refuses, or does not fit while it hangs (more than ``most`` bytes), is lost and counted; the readings around it stand.

    Attributes:
        lost: readings that are not in the recording.
    """

    def __init__(self, sink: Sink, *, most: int = HELD) -> None:
        self.path = sink.path
        self.lost = 0
        self._sink = sink
        self._most = most
        self._held = 0
        self._newest = 0.0  # monotonic clock
        self._queue: deque[tuple[Frame | Reading, int]] = deque()  # the first one is being written
        self._turn = threading.Condition()
        self._ending = False
        self._refused = ""
        self._full = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why readings are lost now, or wait; "" = all is well. Does not change while nothing else does."""
        with self._turn:
            if self._full:
                return f"recording {self.path}: the disk does not answer, readings are lost"
            if self._queue and self._newest - _reading(self._queue[0][0]).mono > _SLOW:
                return f"recording {self.path}: the disk does not answer, readings wait to be written"
            return self._refused

    def write(self, what: Frame | Reading) -> None:
        """Record it, unless closed."""
        size = _size(what)
        with self._turn:
            if self._ending:
                return
            self._full = bool(self._queue) and self._held + size > self._most
            if self._full:
                self.lost += 1
                return
            self._newest = _reading(what).mono
            self._queue.append((what, size))
            self._held += size
            self._turn.notify()

    def close(self) -> None:
        """Write what waits, and end the recording; what a disk that hangs has not taken in two seconds is lost."""
        with self._turn:
            self._ending = True
            self._turn.notify()
        self._thread.join(_PATIENCE)
        with self._turn:
            if self._thread.is_alive() and self._queue:
                self.lost += len(self._queue)
                self._refused = f"recording {self.path}: the disk does not answer, readings lost at the end: {len(self._queue)}"
                self._queue.clear()

    def _run(self) -> None:
        try:
            while self._one():
                pass
        finally:
            with self._turn:
                if not self._ending:
                    self._refused = f"recording {self.path}: ended by an error of its own"
                    self._ending = True
                    self.lost += len(self._queue)
                    self._queue.clear()
            self._sink.close()

    def _one(self) -> bool:
        """Write the next reading; False when there are no more to come."""
        with self._turn:
            self._turn.wait_for(lambda: self._queue or self._ending)
            if not self._queue:
                return False
            what, size = self._queue[0]
        refused = ""
        try:
            self._sink.write(what)
        except WriteFailed as error:
            refused = str(error)
        with self._turn:
            self._refused = refused
            self._held -= size
            self.lost += bool(refused)
            if self._queue:
                self._queue.popleft()
            return bool(self._queue) or not self._ending


def _reading(what: Frame | Reading) -> Reading:
    return what.reading if isinstance(what, Frame) else what


def _size(what: Frame | Reading) -> int:
    """Bytes that a reading holds on to, about; labels are shared."""
    return _reading(what).counters.nbytes + (what.batch.values.nbytes if isinstance(what, Frame) else 0)
