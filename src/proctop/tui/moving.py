"""The keys of time as actions of the application, so that every screen has them; and the recording of what comes."""

from __future__ import annotations

import threading

from proctop.recording import RecordingEngine
from proctop.records import ProcKey
from proctop.stream import StreamError
from proctop.tui.alarming import Alarming


class Moving(Alarming):
    """An application whose deck the keys move."""

    wanted: ProcKey | None = None
    """Whose anomaly was pointed at: selected as soon as its moment is there."""

    def action_hold(self) -> None:
        self.deck.toggle()

    def action_step(self, count: int) -> None:
        if self._travels():
            self.deck.step(count)

    def action_end(self, side: int) -> None:
        if self._travels():
            self.deck.end(side)

    def action_mark(self, count: int) -> None:
        if self._travels():
            self.deck.mark(count)

    def action_change_speed(self, step: int) -> None:
        if self._travels():
            self.deck.change_speed(step)

    def seek(self, wall: float, key: ProcKey | None) -> None:
        """To a moment, and to the process whose anomaly began there."""
        self.wanted = key
        self.deck.go(wall)

    def _travels(self) -> bool:
        self.wanted = None
        return self.deck.travels

    # recording

    @property
    def recording(self) -> str:
        """The file or directory being written, "" = none."""
        return self.engine.recording if isinstance(self.engine, RecordingEngine) else ""

    @property
    def recording_trouble(self) -> str:
        return self.engine.trouble if isinstance(self.engine, RecordingEngine) else ""

    def action_record(self) -> None:
        """Begin or end a recording, beside the screen: a disk may take its time."""
        if isinstance(self.engine, RecordingEngine):
            threading.Thread(target=self._switch, args=(self.engine,), name="record", daemon=True).start()
        else:
            self.tell("a recording is looked at: there is nothing to record", failed=True)

    def _switch(self, engine: RecordingEngine) -> None:
        before = engine.recording
        try:
            engine.toggle()
        except (StreamError, OSError) as error:
            said, failed = str(error), True
        else:
            said = engine.unrecorded or (f"recording to {engine.recording}" if engine.recording else f"recorded in {before}")
            failed = bool(engine.unrecorded)
        self.call_later(self._switched, said, failed)

    def _switched(self, said: str, failed: bool) -> None:
        self.tell(said, failed=failed)
        self.show_mode()

    def show_mode(self) -> None:
        """Say anew which moment is shown, and whether it is recorded."""
        raise NotImplementedError
