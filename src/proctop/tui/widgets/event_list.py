"""The list of alert events, and what is said of the selected one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from proctop.records import ProcKey
from proctop.tui.widgets.lines import Lines
from proctop.view.cells import Cell, Line, fit, line
from proctop.view.events import Event, Listing, row, sentences, titles


class EventList(Lines, can_focus=True):
    """Line 0 is the titles. The cursor is an event and not a place; before anybody moved it, the first one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "move(-100000)", "first", show=False),
        Binding("end", "move(100000)", "last", show=False),
    ]

    class Moved(Message):
        """Another event is selected."""

    class Taken(Message):
        """A second click on an event."""

    class Titled(Message):
        """A click on the titles, on that of a column that sorts."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self) -> None:
        super().__init__(id="events")
        self._shown: Sequence[Event] = ()
        self._listing = Listing()
        self._now = 0.0
        self._empty = ""
        self._chosen: tuple[ProcKey, float] | None = None
        self._place = 0
        self.top = 0

    def show(self, shown: Sequence[Event], listing: Listing, now: float, empty: str) -> None:
        """Args: now: wall seconds of the moment shown; empty: what is said where there is nothing."""
        self._shown, self._listing, self._now, self._empty = shown, listing, now, empty
        names = [(event.key, event.start) for event in shown]
        if self._chosen in names:
            self._place = names.index(self._chosen)
        else:
            self._place, self._chosen = max(0, min(self._place, len(names) - 1)) if self._chosen else 0, None
        self.redraw()

    @property
    def selected(self) -> Event | None:
        return self._shown[self._place] if self._shown else None

    def draw(self) -> list[Line]:
        total, room, glyphs = self.size.width, max(1, self.size.height - 1), self.glyphs
        self.top = max(0, min(self.top, self._place, len(self._shown) - 1), self._place - room + 1)
        out = [titles(total, self._listing, glyphs)]
        if not self._shown:
            return [*out, line([Cell(fit(f" {self._empty}", total, glyphs), "soft")], total)]
        for k, event in enumerate(self._shown[self.top : self.top + room], self.top):
            out.append(row(event, self._now, total, glyphs, chosen=k == self._place))
        return out

    def action_move(self, step: int) -> None:
        self._go(self._place + step)

    def action_page(self, step: int) -> None:
        self._go(self._place + step * max(1, self.size.height - 2))

    def _go(self, place: int) -> None:
        if self._shown:
            self._place = max(0, min(place, len(self._shown) - 1))
            event = self._shown[self._place]
            self._chosen = event.key, event.start
            self.redraw()
            self.post_message(self.Moved())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-1)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self.post_message(self.Titled("score" if "SCORE" in self._title_at(event.x) else "time"))
            return
        place = self.top + event.y - 1
        if place < len(self._shown):
            self._go(place)
            if event.chain >= 2:
                self.post_message(self.Taken())

    def _title_at(self, x: int) -> str:
        for cell in titles(self.size.width, self._listing, self.glyphs).cells:
            x -= len(cell.text)
            if x < 0:
                return cell.text
        return ""


class EventNote(Lines):
    """All that is known of one event, a line each."""

    def __init__(self) -> None:
        super().__init__(id="event-note")
        self._event: Event | None = None
        self._now = 0.0

    def show(self, event: Event | None, now: float) -> None:
        self._event, self._now = event, now
        self.redraw()

    def draw(self) -> list[Line]:
        total, glyphs = self.size.width, self.glyphs
        if self._event is None:
            return []
        head, *rest = sentences(self._event, self._now)
        styled = [Cell(fit(f" {head}", total, glyphs), "strong"), *(Cell(fit(f"   {text}", total, glyphs)) for text in rest)]
        return [line([cell], total) for cell in styled]
