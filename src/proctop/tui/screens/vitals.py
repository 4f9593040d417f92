"""The screen of the host's own quantities, by the names of vmstat, iostat and netstat, each against its own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.frames import HOST, Frame, HostRates
from proctop.tui.keys import TIME
from proctop.tui.screens.menus import Overlay
from proctop.tui.widgets.bars import Header, Keys, Notice
from proctop.tui.widgets.menu import Page
from proctop.view import vitals
from proctop.view.panel import Moment

if TYPE_CHECKING:
    pass


class VitalsScreen(Overlay[None]):
    """The quantities of the moment shown."""

    TITLE = "Host vitals"
    COVERS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "worst", "the most unusual of each group first, or the order of the tools", id="vitals_sort"),
        Binding("u", "unusual", "only what is unusual", id="vitals_unusual"),
        Binding("a", "judge(True)", "take what the host does now as its normal", id="vitals_accept"),
        Binding("i", "judge(False)", "mark the alarm of the host as an incident, no false alarm", id="vitals_incident"),
        Binding("e", "app.events", "alert events", id="vitals_events"),
        Binding("question_mark", "help", "help", show=False),
        Binding("escape,q,v", "dismiss", "back", show=False),
        Binding("f10", "app.quit", "quit", show=False),
        *TIME,
    ]
    AUTO_FOCUS = "Page"

    def __init__(self) -> None:
        super().__init__()
        self._header = Header()
        self._taste = vitals.Taste()
        self._last: tuple[Frame, Sequence[HostRates], Frame] | None = None  # of the past: as it was, what led up to it, with scores

    def compose(self) -> ComposeResult:
        yield self._header
        yield Notice("vitals-said")
        yield Page()
        yield Keys()

    def on_mount(self) -> None:
        self.fill()
        self.proctop.show_mode()

    def on_resize(self) -> None:
        self.fill()

    def show(self, frame: Frame, moment: Moment) -> None:
        self.fill()

    def fill(self) -> None:
        """Show the quantities at the present width; a size or a frame may come before the widgets do."""
        frame = self.proctop.main.shown
        if not self.query(Keys):
            return
        self.query_one(Keys).set_keys(self._keys())
        if frame is None:
            return
        deck, page = self.proctop.deck, self.query_one(Page)
        past = vitals.Past.through(deck.rates) if deck.past else self.proctop.vitals_past
        if deck.past:
            frame = self._scored(frame, deck.rates)
        self.query_one("#vitals-said", Notice).say(*vitals.headline(frame))
        page.show(vitals.text(frame, past, max(20, self.size.width), page.glyphs, self._taste))

    def _scored(self, frame: Frame, rates: Sequence[HostRates]) -> Frame:
        """A frame of the past with scores, worked out once for each."""
        if self._last is None or self._last[0] is not frame or self._last[1] is not rates:
            self._last = frame, rates, vitals.retrospect(frame, rates)
        return self._last[2]

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        taste, deck = self._taste, self.proctop.deck
        order, some = "Tools' order" if taste.worst else "Worst first", "All" if taste.unusual else "Unusual only"
        judge = [("a", "Accept", "judge(True)"), ("i", "Incident", "judge(False)")] if deck.live and not deck.past else []
        told = [("F1", "Help", "help"), ("A", order, "worst"), ("u", some, "unusual"), ("e", "Events", "app.events")]
        return [*told, *judge, ("Esc", "Back", "dismiss")]

    def action_worst(self) -> None:
        self._taste = replace(self._taste, worst=not self._taste.worst)
        self.fill()

    def action_unusual(self) -> None:
        self._taste = replace(self._taste, unusual=not self._taste.unusual)
        self.fill()

    def action_judge(self, normal: bool) -> None:
        self.proctop.judge(HOST, normal)
