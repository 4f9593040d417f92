"""The line in which a search or a filter is typed, and below it what is wrong with it, at its column."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from proctop.tui.widgets.bars import Notice
from proctop.view.cells import Cell, width


class Prompt(Vertical):
    """Hidden until :meth:`ask`. Sends :class:`Edited` at every change, :class:`Closed` at Enter or Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close(False)", "leave", show=False)]

    class Edited(Message):
        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose, self.text = purpose, text

    class Closed(Message):
        def __init__(self, purpose: str, text: str, kept: bool) -> None:
            super().__init__()
            self.purpose, self.text, self.kept = purpose, text, kept

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.purpose = ""
        self._wrong: Callable[[str], str] | None = None
        self._before: Widget | None = None  # had the focus
        self._hints = 0  # so far: one that points late is not shown over a later one

    def compose(self) -> ComposeResult:
        with Horizontal(id="prompt-line"):
            yield Notice("prompt-label")
            field = Input(compact=True, select_on_focus=False, id="prompt-input")
            field.cursor_blink = False
            yield field
        yield Notice("prompt-hint")

    def ask(self, purpose: str, text: str, hint: str, wrong: Callable[[str], str] | None = None) -> None:
        """Args: wrong: what is wrong with a text, which then is not taken; "" = nothing."""
        self.purpose, self._wrong = purpose, wrong
        self.display = True
        label = self.query_one("#prompt-label", Notice)
        label.styles.width = len(purpose) + 3
        label.say([Cell(f" {purpose}: ", "key")])
        self.hint(hint)
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        if self.screen.focused is not field:
            self._before = self.screen.focused
        self.screen.set_focus(field)  # now: the next key is for it

    def hint(self, text: str, column: int | None = None) -> None:
        """Say something below the line; with a ``column`` of the text, as an error that points there."""
        notice = self.query_one("#prompt-hint", Notice)
        self._hints += 1
        if column is None:
            notice.say([Cell(f" {text}", "soft")])
        else:  # the field scrolls to its cursor with the next refresh
            self.call_after_refresh(self._point, text, column, self._hints)

    def _point(self, text: str, column: int, number: int) -> None:
        if number != self._hints:
            return  # something else has been said since
        notice, field = self.query_one("#prompt-hint", Notice), self.query_one(Input)
        x = len(self.purpose) + 3 + width(field.value[:column]) - field.scroll_offset.x
        if not 0 <= x < self.size.width:
            notice.say([Cell(f" column {column + 1}: {text}", "bad")])
            return
        room = max(0, self.size.width - len(text) - 3)
        if x <= room:
            notice.say([Cell(" " * x), Cell("^ " + text, "bad")])
        else:  # no room on the right of the caret
            before = x - len(text) - 1
            says = text + " ^" if before >= 0 else " " * x + "^"
            notice.say([Cell(" " * max(0, before)), Cell(says, "bad")])

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.purpose, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._wrong is not None and (said := self._wrong(event.value)):
            self.query_one("#prompt-hint", Notice).say([Cell(f" {said}", "bad")])
        else:
            self.action_close(True)

    def action_close(self, kept: bool) -> None:
        text = self.query_one(Input).value
        self.screen.set_focus(self._before)
        self.display = False
        self.post_message(self.Closed(self.purpose, text, kept))
