"""A list to choose from, and pages to read: both longer than the screen, if need be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size

from proctop.tui.messages import Chosen, Pointed
from proctop.tui.widgets.lines import Lines
from proctop.view.cells import Cell, Line, fit, line


class Item(NamedTuple):
    """``value`` is what choosing it means; ``note`` stands behind the label."""

    value: str
    label: str
    note: str = ""


class Menu(Lines, can_focus=True):
    """Up, down, a first letter or the mouse move; Enter or a click takes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move(-10)", "page up", show=False),
        Binding("pagedown", "move(10)", "page down", show=False),
        Binding("home", "move(-100000)", "first", show=False),
        Binding("end", "move(100000)", "last", show=False),
        Binding("enter", "take", "choose", show=False),
    ]

    def __init__(self, items: Sequence[Item], chosen: str = "", *, letters: bool = True) -> None:
        """Args: letters: whether a letter goes to an item, or to the screen."""
        super().__init__()
        self._letters = letters
        self.items = tuple(items)
        values = [item.value for item in items]
        self.place = values.index(chosen) if chosen in values else 0
        self.top = 0
        self._label = max((len(item.label) for item in items), default=0)

    def show(self, items: Sequence[Item]) -> None:
        """Offer other items, the first one under the cursor."""
        self.items, self.place, self.top = tuple(items), 0, 0
        self.refresh(layout=True)
        self.redraw()
        if items:
            self.post_message(Pointed(items[0].value))

    @property
    def widest(self) -> int:
        """Cells that the longest item takes."""
        return max((self._label + len(item.note) + 3 for item in self.items), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.items)

    def draw(self) -> list[Line]:
        rows, total, glyphs = self.size.height, self.size.width, self.glyphs
        self.top = max(min(self.top, self.place), self.place - rows + 1)
        out = []
        for k, item in enumerate(self.items[self.top : self.top + rows], self.top):
            cells = [
                Cell(" " + fit(item.label, self._label, glyphs) + " "),
                Cell(fit(item.note, max(0, total - self._label - 3), glyphs) + self._edge(k, rows), "soft"),
            ]
            out.append(line(cells, total, "cursor" if k == self.place else ""))
        return out

    def action_move(self, step: int) -> None:
        self.place = max(0, min(self.place + step, len(self.items) - 1))
        self.redraw()
        if self.items:
            self.post_message(Pointed(self.items[self.place].value))

    def _edge(self, k: int, rows: int) -> str:
        """A mark where the items go on beyond the first or the last row."""
        above, below = k == self.top > 0, k == self.top + rows - 1 < len(self.items) - 1
        return self.glyphs.up if above else self.glyphs.down if below else " "

    def action_take(self) -> None:
        if self.items:
            self.post_message(Chosen(self.items[self.place].value))

    def on_key(self, event: events.Key) -> None:
        """A letter goes to the next item that begins with it."""
        letter = event.character
        if not self._letters or letter is None or not letter.isalnum():
            return
        order = [*range(self.place + 1, len(self.items)), *range(self.place + 1)]
        for k in order:
            if self.items[k].label.lower().startswith(letter.lower()):
                self.place = k
                event.stop()
                self.redraw()
                return

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-1)

    def on_click(self, event: events.Click) -> None:
        place = self.top + event.y
        if place < len(self.items):
            self.place = place
            self.redraw()
            self.action_take()


class Page(Lines, can_focus=True):
    """Lines to read, scrolled by the keys that move."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "turn(-1)", "page up", show=False),
        Binding("pagedown", "turn(1)", "page down", show=False),
        Binding("home", "move(-100000)", "begin", show=False),
        Binding("end", "move(100000)", "end", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._text: Sequence[Sequence[Cell]] = ()
        self.top = 0

    def show(self, text: Sequence[Sequence[Cell]]) -> None:
        self._text = text
        self.redraw()

    def draw(self) -> list[Line]:
        rows, total, glyphs = self.size.height, self.size.width, self.glyphs
        self.top = max(0, min(self.top, len(self._text) - rows))
        more = self.top + rows < len(self._text)
        shown = self._text[self.top : self.top + rows - more]
        out = [line([Cell(glyphs.plain(cell.text), cell.style) for cell in cells], total) for cells in shown]
        if more:
            out.append(
                line([Cell(fit(f" {glyphs.down} {len(self._text) - self.top - rows + 1} more lines", total, glyphs), "soft")], total)
            )
        return out

    def action_move(self, step: int) -> None:
        self.top = max(0, self.top + step)
        self.redraw()

    def action_turn(self, step: int) -> None:
        self.action_move(step * max(1, self.size.height - 2))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-3)
