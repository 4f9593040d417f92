"""Alerts as they come: remembered, announced at most once a second, judged; and the screens that show them and the host itself."""

from __future__ import annotations

import os
import time

from textual.driver import Driver
from textual.timer import Timer

from proctop.frames import HOST, AlertEvent, Frame, is_container
from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.tui.acting import Acting
from proctop.tui.deck import Deck
from proctop.tui.screens.events import EventsScreen
from proctop.tui.screens.vitals import VitalsScreen
from proctop.view import vitals
from proctop.view.cells import ASCII, UNICODE, fit, width
from proctop.view.events import Chronicle, folded

PACE = 1.0
"""Seconds between two announcements at least; what comes meanwhile is told together."""

_SHOWN = 6.0  # seconds
_WIDEST = 56  # cells of an announcement on one line


class Alarming(Acting):
    """An application that tells of alerts."""

    settings: Settings
    deck: Deck
    ascii: bool

    def __init__(self, *, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self.chronicle = Chronicle()
        self.vitals_past = vitals.Past()
        self._toasts: bool | None = None  # as the user said last
        self._news: list[AlertEvent] = []
        self._told = float("-inf")
        self._timer: Timer | None = None

    def heard(self, frame: Frame) -> None:
        """A frame of now, shown or not."""
        self.vitals_past.push(frame)
        own = -1 if self.settings.host else os.getpid()  # that one does more while it is looked at is no news
        self._news += [event for event in self.chronicle.learn(frame.alerts) if event.open and event.key.pid != own]
        self._announce()

    def recalled(self, frame: Frame) -> None:
        """A frame of the past: nothing of it is news."""
        if not self.deck.live:
            self.chronicle.learn(frame.alerts)

    @property
    def toasts(self) -> bool:
        return self.settings.toasts if self._toasts is None else self._toasts

    def _announce(self) -> None:
        if not (self._news and self.toasts):
            self._news.clear()
            return
        wait = self._told + PACE - time.monotonic()
        if wait > 0:
            if self._timer is None:
                self._timer = self.set_timer(wait, self._announce_late)
            return
        text, glyphs = folded(self._news), ASCII if self.ascii else UNICODE
        self._told = time.monotonic()
        self._news.clear()
        room = max(10, min(_WIDEST, self.size.width // 2 - 4))
        self.notify(fit(text, min(width(glyphs.plain(text)), room), glyphs), severity="warning", timeout=_SHOWN, markup=False)

    def _announce_late(self) -> None:
        self._timer = None
        self._announce()

    def action_toasts(self) -> None:
        """Announce new alerts, or do not."""
        self._toasts = not self.toasts
        self.tell("new alerts are announced" if self._toasts else "new alerts are not announced; the list of events has them")

    def action_events(self) -> None:
        if not any(isinstance(screen, EventsScreen) for screen in self.screen_stack):
            self.push_screen(EventsScreen())

    def action_vitals(self) -> None:
        if not any(isinstance(screen, VitalsScreen) for screen in self.screen_stack):
            self.push_screen(VitalsScreen())

    def goes_to_host(self, key: ProcKey) -> bool:
        """Whether an anomaly that was gone to is the host's own: its screen opens; on the way to that of a process it closes."""
        if key == HOST:
            self.action_vitals()
        elif isinstance(self.screen, VitalsScreen):
            self.screen.dismiss()
        return key == HOST

    def judge(self, key: ProcKey, normal: bool) -> None:
        """Tell the detector of a culprit, or of the host, that what it does now is normal, or that it is an incident."""
        who = "the host" if key == HOST else "the container" if is_container(key) else f"pid {key.pid}"
        if self.deck.past or self.engine is None:
            self.tell("the past cannot be judged" + (": } returns to now" if self.deck.live else ""), failed=True)
        elif normal:
            self.engine.accept(key)
            self.tell(f"{who}: what it does now is taken as its normal")
        else:
            self.engine.incident(key)
            self.tell(f"{who}: an incident, not counted as a false alarm")
