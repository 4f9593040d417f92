"""The board: header, host, timeline, table and keys, and the order of what they show. What keys do with it, subclasses say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from proctop import fields
from proctop.frames import Frame, HostRates
from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.tui.messages import Moved
from proctop.tui.screens.menus import Overlay
from proctop.tui.screens.showing import Showing
from proctop.tui.widgets.bars import Header, HostPanel, Keys, Notice
from proctop.tui.widgets.hints import Hint
from proctop.tui.widgets.process_table import ProcessTable
from proctop.tui.widgets.prompt import Prompt
from proctop.tui.widgets.timeline import Timeline
from proctop.view import departed, panel, table
from proctop.view.cells import Cell, Line, fit, line
from proctop.view.query import Query, parse
from proctop.view.rows import Arranger, ViewState
from proctop.view.sightings import Sightings

if TYPE_CHECKING:
    from proctop.tui.app import Proctop

LEAST = (40, 8)  # columns, rows
TIMED = 12
"""Rows from which on the timeline has one of them."""


class TooSmall(Notice):
    """Stands for the whole screen where it does not fit."""

    def draw(self) -> list[Line]:
        columns, rows = self.app.size
        says = (f"proctop needs {LEAST[0]}x{LEAST[1]}", f"here is {columns}x{rows}")
        return [line([Cell(fit(text, min(len(text), self.size.width), self.glyphs))], self.size.width) for text in says]


class Board(Screen[None]):
    """Shows the frame it is given, arranged as its ``state`` asks for."""

    AUTO_FOCUS = "ProcessTable"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        names = settings.columns or tuple(c.name for c in table.DEFAULT)
        # Made here and not in compose: a frame may come before the screen is mounted.
        self._too_small = TooSmall("too-small")
        self._header = Header()
        self._banner = Notice("banner")
        self._banner.display = False
        self._host = HostPanel()
        self._timeline = Timeline()
        self._table = ProcessTable(columns=[fields.COLUMN[name] for name in names], id="table")
        self._prompt = Prompt()
        self._prompt.display = False
        self._selected = Notice("selected")
        self._hint = Hint()
        self._footer = Keys()
        query, self._query_text = _query(settings.filter)
        self.state = ViewState(
            sort=settings.sort,
            reverse=settings.reverse,
            tree=settings.tree,
            query=query,
            user=settings.user,
            pids=frozenset(settings.pids),
            kernel=settings.kernel,
            threads=settings.threads,
        )
        self._arranger = Arranger()
        self.sightings = Sightings()
        self.shown: Frame | None = None
        self._rates: Sequence[HostRates] = ()
        self._behind = False  # a screen hides this one, which does not show the frame yet
        self._names = table.NAMES[0]
        self._found = ""

    @property
    def proctop(self) -> Proctop:
        return cast("Proctop", self.app)

    def compose(self) -> ComposeResult:
        yield self._too_small
        yield self._header
        yield self._banner
        yield self._host
        yield self._timeline
        yield self._table
        yield self._prompt
        yield self._selected
        yield self._hint
        yield self._footer

    def on_mount(self) -> None:
        self.state = replace(self.state, ascii=self.proctop.ascii)
        self._arrange()
        self.show_mode()

    def on_key(self, event: events.Key) -> None:
        self._hint.heard(event.key)

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        self.set_class(columns < LEAST[0] or rows < LEAST[1], "-tiny")
        self.set_class(rows < 18 or columns < 72, "-short")
        self.set_class(rows < TIMED, "-low")
        self._too_small.redraw()
        self.show_mode()

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        """What the footer shows: (key, label, action), the most important first."""
        raise NotImplementedError

    # frames

    def learn(self, frame: Frame) -> None:
        """A new frame of the host, whether or not it is shown."""
        self._host.learn(frame)
        self.sightings.came(frame)

    def show(self, frame: Frame, rates: Sequence[HostRates] = ()) -> None:
        """Show a frame; one of the past comes with the ``rates`` of the host up to it."""
        self.shown, self._rates = frame, rates
        if self.proctop.deck.past:
            self.sightings.went(frame)
        self._hint.tell(frame)
        self._behind = any(isinstance(screen, Overlay) and screen.COVERS for screen in self.app.screen_stack)
        if not self._behind:
            self._draw()
        for screen in self.app.screen_stack[1:]:
            if isinstance(screen, Showing):
                screen.show(frame, self.proctop.deck.moment)

    def _draw(self) -> None:
        """The host and the rows of the frame."""
        assert self.shown is not None
        self._behind = False
        self._host.show(self.shown, self._rates)
        self._arrange()

    def on_screen_resume(self) -> None:
        """Nothing hides this screen any more."""
        if self._behind:
            self._draw()

    def choose(self, key: ProcKey) -> None:
        """Select the process whose anomaly was gone to; that of the host is on a screen of its own."""
        if self.proctop.goes_to_host(key):
            return
        if self._behind:
            self._draw()
        self._table.select(key)
        if self._table.cursor is None and self.shown is not None and table.row_of(self.shown, key) is not None:
            self.proctop.tell(f"pid {key.pid} is not among those that are shown; Esc shows them all")

    def say(self, error: str) -> None:
        """Show a banner; "" takes it away."""
        self._banner.display = bool(error)
        if error:
            self._banner.say([Cell(f" {error}", "bad")])

    def show_mode(self) -> None:
        """The moment shown, in the header, on the timeline and in the keys that fit it."""
        deck, shown = self.proctop.deck, self.shown
        recording = bool(self.proctop.recording)
        mode = panel.Mode(deck.moment, self._query_text, self.state.user, self._table.follow, self.proctop.ended, recording)
        for header in (self._header, *(header for screen in self.app.screen_stack[1:] for header in screen.query(Header))):
            header.show(shown, mode)
        self._footer.set_keys(self._keys())
        self.set_class(deck.past, "-past")
        if deck.past:
            self._timeline.show(deck.outlook, shown.reading.wall if shown is not None else panel.NAN, live=deck.live)
            deck.look(self._timeline.columns)

    def _arrange(self) -> None:
        """Order the rows of the shown frame anew and show them."""
        frame = self.shown
        if frame is None:
            return
        rows = self._arranger.arrange(frame, self.state)
        self._table.show(
            frame, rows, sort=self.state.sort, descending=self._descending, names=self._names, found=self._found, tree=self.state.tree
        )
        self._show_selected()

    @property
    def _descending(self) -> bool:
        column = fields.COLUMN.get(self.state.sort)
        return (column is None or column.descending) != self.state.reverse

    def on_moved(self, message: Moved) -> None:
        self._show_selected()

    def _show_selected(self) -> None:
        """The line above the keys: who is selected and why it stands out, or how many are shown."""
        frame, key, count = self.shown, self._table.cursor, self._table.count
        if frame is None:
            return
        place = self._table.place
        where = [Cell(f" {place + 1}/{count} " if place is not None and key is not None else f" {count} rows ", "soft")]
        row = table.row_of(frame, key) if key is not None else None
        if self._table.exited and key is not None:
            self._selected.say([Cell(f" pid {key.pid}", "strong"), Cell(f"  {self._table.absence}", "warn")], where)
            return
        if key is not None and (ended := departed.ending(frame, key)):
            who, how = ended
            self._selected.say([Cell(f" {who}", "strong"), Cell(f" {key.pid}", "soft"), Cell(f"  {how}", "soft")], where)
            return
        order = self._table.order
        if key is None and self.state.sort == "score" and not self.state.reverse and len(order):
            row = int(order[0])  # nobody is selected: the first one is the news
            row = row if row >= 0 and table.why_text(frame, row) else None
        if row is None or row < 0:
            self._selected.say([], where)
        else:
            reasons = table.why_text(frame, row)
            name = Cell(f" {frame.batch.labels[row].comm}", "strong")
            says = Cell(f"  {reasons or table.no_reason(frame, row)}", table.level(frame, row) if reasons else "soft")
            self._selected.say([name, Cell(f" {frame.reading.key(row).pid}", "soft"), says], where)

    @property
    def query_text(self) -> str:
        """The filter as it was typed, "" = none."""
        return self._query_text

    def narrow(self, *, text: str | None = None, **changes: Any) -> None:
        """Change what is asked for, from another screen; ``text``: what its query was typed as."""
        if text is not None:
            self._query_text = text
        self._look(**changes)

    def _look(self, **changes: Any) -> None:
        """Change what is asked for, and show it. Another order leaves the window where it is, other rows keep the selected one in it."""
        self.state = replace(self.state, **changes)
        self._arrange()
        if changes.keys() - {"sort", "reverse"}:
            self._table.reveal()
        self.show_mode()


def _query(text: str) -> tuple[Query | None, str]:
    return (parse(text), text) if text.strip() else (None, "")
