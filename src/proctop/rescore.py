"""A recording scored anew: its readings through an engine, in the background, into a recording that can be played while it grows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from proctop.engine import Engine, SeenEngine
from proctop.frames import Frame
from proctop.stream import StreamError
from proctop.stream.seen import Record


class Tape(Protocol):
    """Where the frames go: :class:`proctop.stream.ring.Scratch`."""

    def write(self, what: Frame) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


class Steps:
    """Frames of records as they were seen, but as ``engine`` scores them where they hold no scores, and with ``anew`` all of them."""

    def __init__(self, engine: Engine, *, anew: bool) -> None:
        self._engine = engine
        self._seen = SeenEngine()
        self._anew = anew

    def step(self, record: Record) -> Frame:
        return self._engine.step(record.reading) if self._anew or record.seen is None else self._seen.step(record)


class Rescore(threading.Thread):
    """Steps through ``came`` and writes what comes of it to ``tape``, which it closes.

    Attributes:
        begun: set once the first frame is written, or none will be.
        trouble: why it ended before its time, in one line; "" = it did not.
    """

    def __init__(self, came: Iterable[Record], step: Callable[[Record], Frame], tape: Tape) -> None:
        super().__init__(name="rescore", daemon=True)
        self._came = came
        self._step = step
        self._tape = tape
        self._closed = False
        self.begun = threading.Event()
        self.trouble = ""

    def run(self) -> None:
        try:
            for record in self._came:
                if self._closed:
                    break
                self._tape.write(self._step(record))
                self.begun.set()
            self._tape.finish()
        except StreamError as error:
            self.trouble = f"scored no further: {error}"
        finally:
            self.begun.set()
            self._tape.close()

    def close(self) -> None:
        """Ask it to end. Does not wait."""
        self._closed = True
