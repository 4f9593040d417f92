"""A line of tabs: a number, a name, and which one is open."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from proctop.tui.widgets.lines import Lines
from proctop.view.cells import Cell, Line, line


class Tabs(Lines):
    """A click opens one."""

    class Opened(Message):
        """A tab was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(id="tabs")
        self._names = tuple(names)
        self._place = 0
        self._ends: list[int] = []

    def show(self, place: int) -> None:
        self._place = place
        self.redraw()

    def draw(self) -> list[Line]:
        names = self._names
        short = sum(len(name) + 5 for name in names) > self.size.width
        cells = []
        self._ends = []
        x = 0
        for k, name in enumerate(names):
            said = f" {k + 1} {name} " if not short or k == self._place else f" {k + 1} "
            cells += [Cell(said, "sorted" if k == self._place else "title"), Cell(" ", "title")]
            x += len(said) + 1
            self._ends.append(x)
        return [line([*cells, Cell(" " * max(0, self.size.width - x), "title")], self.size.width)]

    def on_click(self, event: events.Click) -> None:
        place = next((k for k, end in enumerate(self._ends) if event.x < end), None)
        if place is not None:
            self.post_message(self.Opened(place))
