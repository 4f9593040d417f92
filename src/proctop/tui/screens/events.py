"""The screen of alert events: what went wrong when, whose it was and why; from here to that moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.frames import Frame
from proctop.outfile import Unwritable
from proctop.tui.keys import TIME
from proctop.tui.screens.menus import Overlay
from proctop.tui.widgets.bars import Header, Keys
from proctop.tui.widgets.event_list import EventList, EventNote
from proctop.tui.widgets.prompt import Prompt
from proctop.view.events import SORTS, Event, Listing
from proctop.view.panel import Moment

if TYPE_CHECKING:
    pass

FILTER_HINT = "words of a name, container, reason or state (open, ended, accepted, incident)   Enter keeps, Esc clears"
EXPORT_HINT = "a file that ends in .csv or .json   Enter writes it, Esc leaves"
EXPORT = "write to"


class EventsScreen(Overlay[None]):
    """All events that are remembered; with a past at hand also those that it tells of."""

    TITLE = "Events"
    COVERS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "go to the process at that moment", id="events_go"),
        Binding("f4,backslash", "filter", "only events that hold some words", key_display="F4 \\", id="events_filter"),
        Binding("T", "sort('time')", "sort by time", id="events_time"),
        Binding("A", "sort('score')", "sort by score", id="events_score"),
        Binding("I", "reverse", "reverse the order", id="events_reverse"),
        Binding("o", "write", "write the events shown to a file, CSV or JSON", id="events_write"),
        Binding("a", "judge(True)", "take what the culprit does now as its normal", id="events_accept"),
        Binding("i", "judge(False)", "mark an open event as an incident, no false alarm", id="events_incident"),
        Binding("exclamation_mark", "app.toasts", "announce new alerts, or not", id="events_toasts"),
        Binding("question_mark", "help", "help", show=False),
        Binding("escape", "back", "clear the filter, go back", id="events_back"),
        Binding("q,e", "dismiss", "back", show=False),
        Binding("f10", "app.quit", "quit", show=False),
        *TIME,
    ]
    AUTO_FOCUS = "EventList"

    def __init__(self) -> None:
        super().__init__()
        self._header = Header()
        self._list = EventList()
        self._note = EventNote()
        self._prompt = Prompt()
        self._prompt.display = False
        self._listing = Listing()
        self._text = ""  # of the filter
        self._count = 0  # of all events, shown or not

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._list
        yield self._prompt
        yield self._note
        yield Keys(self._keys())

    def on_mount(self) -> None:
        self.fill()
        self.proctop.show_mode()

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        find = [("Enter", "Go there", "go"), ("F4", "Filter", "filter")]
        sort = [("T", "Time", "sort('time')"), ("A", "Score", "sort('score')"), ("o", "Write", "write")]
        judge = [("a", "Accept", "judge(True)"), ("i", "Incident", "judge(False)")] if self.proctop.deck.live else []
        return [("F1", "Help", "help"), *find, *sort, *judge, ("Esc", "Back", "back")]

    # what is shown

    def show(self, frame: Frame, moment: Moment) -> None:
        self.fill()

    def fill(self) -> None:
        """Show the events that are known by now."""
        app = self.proctop
        events = app.chronicle.events(app.deck.outlook.marks if app.deck.outlook is not None else ())
        self._count = len(events)
        frame = app.main.shown
        now = frame.reading.wall if frame is not None else 0.0
        empty = "no event holds these words: Esc clears the filter" if events else self._nothing()
        self._list.show(self._listing.of(events), self._listing, now, empty)
        self._note.show(self._list.selected, now)

    def _nothing(self) -> str:
        frame = self.proctop.main.shown
        if frame is not None and frame.warming < 1.0:
            return "no alerts yet: nothing is judged while warming up"
        return "no alerts so far"

    def on_event_list_moved(self) -> None:
        frame = self.proctop.main.shown
        self._note.show(self._list.selected, frame.reading.wall if frame is not None else 0.0)

    def on_event_list_taken(self) -> None:
        self.action_go()

    def on_event_list_titled(self, message: EventList.Titled) -> None:
        self.action_sort(message.sort)

    # keys

    def action_go(self) -> None:
        """To the worst moment of the selected event, else to its first, and to its process."""
        event, app = self._list.selected, self.proctop
        if event is None:
            return
        self.dismiss()
        if app.deck.travels:
            app.seek(event.peak if event.peak == event.peak else event.start, event.key)
            app.deck.stand()
        else:
            app.main.choose(event.key)

    def action_filter(self) -> None:
        self._prompt.ask("filter", self._text, FILTER_HINT)

    def action_sort(self, sort: str) -> None:
        """Sort by it; once more reverses."""
        assert sort in SORTS
        again = sort == self._listing.sort
        self._look(replace(self._listing, sort=sort, reverse=not self._listing.reverse if again else False))

    def action_reverse(self) -> None:
        self._look(replace(self._listing, reverse=not self._listing.reverse))

    def action_back(self) -> None:
        if self._listing.words:
            self._filter("")
        else:
            self.dismiss()

    def _look(self, listing: Listing) -> None:
        self._listing = listing
        self.fill()

    def _filter(self, text: str) -> None:
        self._text = text.strip()
        self._look(replace(self._listing, words=tuple(self._text.casefold().split())))

    def on_prompt_edited(self, message: Prompt.Edited) -> None:
        if message.purpose == "filter":
            self._filter(message.text)
            self._prompt.hint(f"{len(self._shown())} of {self._count} events" if message.text.strip() else FILTER_HINT)

    def on_prompt_closed(self, message: Prompt.Closed) -> None:
        self._list.focus()
        if message.purpose == "filter":
            self._filter(message.text if message.kept else "")
        elif message.kept and message.text.strip():
            self._export(os.path.expanduser(message.text.strip()), self._shown())

    def _shown(self) -> list[Event]:
        app = self.proctop
        return self._listing.of(app.chronicle.events(app.deck.outlook.marks if app.deck.outlook is not None else ()))

    # verdicts

    def action_judge(self, normal: bool) -> None:
        """Say of the selected event what the keys of the main screen say of a process."""
        event = self._list.selected
        if event is not None and not event.going:
            self.proctop.tell("only an open event can be judged", failed=True)
        elif event is not None:
            self.proctop.judge(event.key, normal)

    # a file

    def action_write(self) -> None:
        if self._shown():
            from proctop.export import alerts

            self._prompt.ask(EXPORT, "events.csv", EXPORT_HINT, alerts.wrong)
        else:
            self.proctop.tell("there is no event to write", failed=True)

    def _export(self, path: str, events: Sequence[Event]) -> None:
        """Beside the screen: a disk may take its time."""
        threading.Thread(target=self._write, args=(path, events), name="events", daemon=True).start()

    def _write(self, path: str, events: Sequence[Event]) -> None:
        from proctop.export import alerts

        try:
            alerts.write(path, events)
            said, failed = f"{len(events)} event{'s' * (len(events) != 1)} written to {path}", False
        except Unwritable as error:
            said, failed = str(error), True
        self.app.call_later(self.proctop.tell, said, failed=failed)
