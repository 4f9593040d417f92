"""What tables share: rows below a line of titles, a window over them, and a cursor at one of them."""

from __future__ import annotations

from textual import events

from proctop.tui.messages import SortBy
from proctop.tui.widgets.lines import Lines
from proctop.view import table


class Table(Lines, can_focus=True):
    """Keys and the mouse move the cursor; line 0 is the titles, which sort.

    Attributes:
        top: the first place shown. place: of the cursor, where it was seen last; None = nowhere.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self.place: int | None = None
        self._slots: tuple[table.Slot, ...] = ()

    @property
    def count(self) -> int:
        """Rows there are to show."""
        raise NotImplementedError

    def go(self, place: int) -> None:
        """Put the cursor on the row at ``place``, or on the nearest that there is."""
        raise NotImplementedError

    def action_open(self) -> None:
        """Look closer at the row of the cursor."""
        raise NotImplementedError

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def reveal(self) -> None:
        """Bring the cursor into view."""
        self._uncover()
        self.redraw()

    def _uncover(self) -> None:
        if self.place is not None:
            self.top = max(min(self.top, self.place), self.place - self._room + 1)

    def action_move(self, step: int) -> None:
        self.go((self.place if self.place is not None else self.top - 1 if step > 0 else self.top + 1) + step)

    def action_page(self, step: int) -> None:
        self.go((self.place if self.place is not None else self.top) + step * (self._room - 1))

    def action_edge(self, end: int) -> None:
        self.go(self.count if end else 0)

    def scroll_lines(self, step: int) -> None:
        """Move the window over the rows and leave the cursor."""
        self.top = max(0, min(self.top + step, self.count - self._room))
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(-3)

    def on_click(self, event: events.Click) -> None:
        """A title sorts, a row is selected, the selected one opened by a second click."""
        place = self.top + event.y - 1
        if event.y == 0:
            column = table.column_at(self._slots, event.x)
            if column is not None:
                self.post_message(SortBy(column))
        elif place < self.count and place != self.place:
            self.go(place)
        elif place < self.count and event.chain >= 2:
            self.action_open()
