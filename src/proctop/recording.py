"""Recording beside a view: the engine that also hands every frame to a tape."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from proctop.engine import Engine
from proctop.frames import Frame
from proctop.keeper import Keeper
from proctop.records import Reading
from proctop.scoring.protocol import Detector


class Tape(Protocol):
    """Where a recording goes: :class:`proctop.stream.spool.Spool`."""

    @property
    def path(self) -> str: ...

    @property
    def trouble(self) -> str:
        """Why what is written now does not get there, "" = it does."""
        ...

    @property
    def lost(self) -> int:
        """Readings that did not get there."""
        ...

    def write(self, what: Frame | Reading) -> None:
        """Neither waits nor raises."""
        ...

    def close(self) -> None:
        """Waits for the disk, but not for long."""
        ...


_PATIENCE = 0.5  # seconds


class RecordingEngine(Engine):
    """An engine whose frames can be recorded as they are made, and whose detector's memory can be kept.

    A tape in trouble becomes a note of the next frame, and the view goes on. :meth:`start`, :meth:`stop` and :meth:`toggle` may be
    called from any thread; as they wait for the disk, not from one that draws.

    Args:
        load: opens a tape for a path, "" = one named after host and time. What it raises, :meth:`start` raises.
        keeper: of what the detector learned.
    """

    def __init__(self, detector: Detector, load: Callable[[str], Tape], keeper: Keeper | None = None, *, budget: float = 6.0) -> None:
        super().__init__(detector, budget=budget)
        self._load = load
        self._keeper = keeper
        self._stepping = threading.Lock()
        self._switching = threading.Lock()
        self._tape: Tape | None = None
        self._left: Tape | None = None  # the one before

    @property
    def recording(self) -> str:
        """The file or directory being written, "" = none."""
        tape = self._tape
        return "" if tape is None else tape.path

    @property
    def trouble(self) -> str:
        """Why readings are not recorded now, "" = they are, or are not to be."""
        tape = self._tape
        return "" if tape is None else tape.trouble

    @property
    def lost(self) -> int:
        """Readings that are missing in this recording, or in the last."""
        tape = self._tape or self._left
        return 0 if tape is None else tape.lost

    @property
    def unrecorded(self) -> str:
        """Why the end of the last recording is missing, "" = it is not, or the next has begun."""
        tape = self._left
        return "" if tape is None else tape.trouble

    @property
    def unkept(self) -> str:
        """Why what was learned could not be kept, "" = it was, or was not to be."""
        return self._keeper.trouble if self._keeper is not None else ""

    def start(self, path: str = "") -> None:
        """Record from the next reading on, and end the recording before. Raises what ``load`` raises."""
        with self._switching:
            self._end()
            self._tape, self._left = self._load(path), None

    def stop(self) -> None:
        """End the recording, if there is one, and leave it complete."""
        with self._switching:
            self._end()

    def toggle(self) -> None:
        """Stop, or start a recording named after host and time. Raises what ``load`` raises."""
        if self._tape is None:
            self.start()
        else:
            self.stop()

    def close(self) -> None:
        """End the recording, and keep what was learned. Waits a moment for a step that is under way."""
        self.stop()
        if self._keeper is not None and self._stepping.acquire(timeout=_PATIENCE):
            self._keeper.close()  # and no step comes after it

    def step(self, reading: Reading) -> Frame:
        with self._stepping:
            frame = super().step(reading)
            if self._keeper is not None:
                self._keeper.step(reading)
        tape = self._tape
        if tape is not None:
            tape.write(frame)
        told = [said for said in (self.trouble, self.unkept) if said]
        return replace(frame, reading=replace(reading, notes=(*reading.notes, *told))) if told else frame

    def _end(self) -> None:
        tape, self._tape = self._tape, None
        if tape is not None:
            tape.close()
            self._left = tape
