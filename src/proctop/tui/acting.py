"""What is done to processes: nice values, signals after a question, verdicts for the detector, and the closer look."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from proctop.actions import ActionFailed, Actions
from proctop.engine import Engine
from proctop.frames import Frame
from proctop.records import ProcKey
from proctop.scoring.calibration import EPISODE
from proctop.tui.screens.menus import Choice, Confirm, signal_items
from proctop.tui.typed import OneByOne
from proctop.view import departed, table, values

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that a closer look at a process may take."""


class Acting(OneByOne):
    """An application that acts on processes, and tells what came of it."""

    actions: Actions
    engine: Engine | None

    @property
    def readonly(self) -> bool:
        """Whether processes are only looked at."""
        return bool(self.actions.refused)

    def tell(self, text: str, *, failed: bool = False) -> None:
        self.notify(text, severity="error" if failed else "information", timeout=4, markup=False)

    def renice(self, key: ProcKey, delta: int) -> None:
        try:
            self.tell(f"pid {key.pid} now has nice {self.actions.renice(key, delta)}")
        except ActionFailed as error:
            self.tell(str(error), failed=True)

    def accept(self, key: ProcKey) -> None:
        """Its scores fall within the next readings."""
        if self.engine is not None:
            self.engine.accept(key)
            self.tell(f"pid {key.pid}: what it does now is taken as its normal")

    def mark_incident(self, key: ProcKey, frame: Frame) -> None:
        row = table.row_of(frame, key)
        if self.engine is None or row is None or row < 0:
            return
        if not frame.scores.alert[row] > EPISODE:
            self.tell(f"pid {key.pid} has no alarm that could be an incident", failed=True)
            return
        self.engine.incident(key)
        self.tell(f"pid {key.pid}: an incident, not counted as a false alarm")

    def ask_signal(self, key: ProcKey, frame: Frame) -> None:
        """A menu of signals, then a question that names exactly whom it would reach."""
        row = table.row_of(frame, key)
        if row is None or row < 0:
            ended = departed.ending(frame, key)
            self.tell(": ".join(ended) if ended else "signals go to processes; this is a thread", failed=True)
            return
        name = frame.batch.labels[row].comm
        started = float(values.numbers(frame, "start")[row])
        facts = (("pid", str(key.pid)), ("name", name), ("started", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))))

        def chosen(value: str | None) -> None:
            if value is not None:
                number = int(value)
                question = f"Send {signal.Signals(number).name} to this process?"
                self.push_screen(Confirm(question, facts), partial(self._send, key, name, number))

        self.push_screen(Choice(f"Signal for {key.pid}", signal_items()), chosen)

    def _send(self, key: ProcKey, name: str, number: int, sure: bool | None) -> None:
        if not sure:
            return
        try:
            self.actions.signal(key, number)
        except ActionFailed as error:
            self.tell(str(error), failed=True)
        else:
            self.tell(f"{signal.Signals(number).name} sent to {name}, pid {key.pid}")

    def look_closely(self, key: ProcKey, look: Callable[[ProcKey], T], done: Callable[[T | ActionFailed | None], None]) -> None:
        """Run ``look`` beside the screen and hand its answer to ``done``; when it takes too long, None first."""
        answered: list[bool] = []

        def finish(answer: T | ActionFailed | None) -> None:
            if answer is not None or not answered:
                answered.append(True)
                done(answer)

        def work() -> None:
            answer: T | ActionFailed
            try:
                answer = look(key)
            except ActionFailed as error:
                answer = error
            self.call_later(finish, answer)

        self.set_timer(PATIENCE, partial(finish, None))
        threading.Thread(target=work, name="look", daemon=True).start()
