"""Screens to read."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.tui.screens.menus import Overlay
from proctop.tui.widgets.bars import Keys, Notice
from proctop.tui.widgets.menu import Page
from proctop.view.cells import Cell

Text = list[list[Cell]]
LABEL = 14
BACK = (("Esc", "Back", "dismiss"), ("F10", "Quit", "app.quit"))


class Reader(Overlay[None]):
    """A title, pages, and the way back."""

    COVERS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "back", show=False),
        Binding("f10", "app.quit", "quit", show=False),
        Binding("question_mark", "help", "help", show=False),
    ]
    AUTO_FOCUS = "Page"

    def compose(self) -> ComposeResult:
        yield Notice("reader-title")
        yield Page()
        yield Keys(BACK)

    def on_mount(self) -> None:
        self.fill()

    def on_resize(self) -> None:
        self.fill()

    def fill(self) -> None:
        """Say the title and show the text at the present width. A size or a frame may come before the widgets do, or after them."""
        if not self.query(Keys):
            return
        self.query_one("#reader-title", Notice).say([Cell(f" {self.headline()}", "strong")], self.aside())
        self.query_one(Page).show(self.text(max(20, self.size.width - 2)))

    def headline(self) -> str:
        raise NotImplementedError

    def aside(self) -> list[Cell]:
        """What stands on the right of the title."""
        return []

    def text(self, columns: int) -> Text:
        """The lines at a width of ``columns``."""
        raise NotImplementedError
