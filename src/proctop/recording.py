"""Recording beside a view: the engine that also hands every frame to a tape."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from proctop.engine import Engine
from proctop.keeper import Keeper
from proctop.records import Frame, Reading
from proctop.scoring.protocol import Detector


class Tape(Protocol):
    """Where a recording goes: :class:`proctop.stream.writer.Writer`."""

    path: str

    def write(self, what: Frame | Reading) -> None: ...

    def close(self) -> None: ...


_PATIENCE = 0.5  # seconds


class RecordingEngine(Engine):
    """An engine whose frames can be recorded as they are made, and whose detector's memory can be kept.

    A write that fails becomes a note of its frame, and the next frame is a new attempt: the view goes on. :meth:`start`
    and :meth:`stop` may be called from another thread than :meth:`step`.

    Args:
        load: opens a tape for a path, "" = one named after host and time.
        failure: what a tape raises.
        keeper: of what the detector learned.
    """

    def __init__(self, detector: Detector, load: Callable[[str], Tape], failure: type[Exception], keeper: Keeper | None = None) -> None:
        super().__init__(detector)
        self._load = load
        self._failure = failure
        self._keeper = keeper
        self._stepping = threading.Lock()
        self._lock = threading.Lock()
        self._tape: Tape | None = None
        self.trouble = ""
        """Why the last frame was not recorded, "" = it was, or was not to be."""

    @property
    def recording(self) -> str:
        """The file being written, "" = none."""
        tape = self._tape
        return "" if tape is None else tape.path

    @property
    def unkept(self) -> str:
        """Why what was learned could not be kept, "" = it was, or was not to be."""
        return self._keeper.trouble if self._keeper is not None else ""

    def start(self, path: str = "") -> None:
        """Record from the next reading on. Raises ``failure`` when the file cannot be opened."""
        self.stop()
        tape = self._load(path)
        with self._lock:
            self._tape = tape

    def stop(self) -> None:
        """End the recording, if there is one, and leave it complete."""
        with self._lock:
            tape, self._tape = self._tape, None
            if tape is not None:
                tape.close()

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
        with self._lock:
            self.trouble = ""
            if self._tape is not None:
                try:
                    self._tape.write(frame)
                except self._failure as error:
                    self.trouble = str(error)
        told = [said for said in (self.trouble, self.unkept) if said]
        return replace(frame, reading=replace(reading, notes=(*reading.notes, *told))) if told else frame
