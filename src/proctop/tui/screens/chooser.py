"""The column chooser: which columns, in which order, seen in the table while one chooses; and layouts, saved by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from proctop.fields import COLUMN, COLUMNS
from proctop.layouts import Layout, wrong_name
from proctop.tui.messages import Chosen
from proctop.tui.screens.menus import Choice, Overlay
from proctop.tui.widgets.bars import Keys, Notice
from proctop.tui.widgets.menu import Item, Menu
from proctop.view import table
from proctop.view.cells import Cell

DEFAULT = tuple(column.name for column in table.DEFAULT)
NARROW = 46
"""Cells of the box, its border included."""


class Columns(Menu):
    """Every column, those shown ticked and in their order. A click ticks."""

    class Changed(Message):
        """Other columns are chosen."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self.chosen = list(chosen)
        super().__init__(self._items(), letters=False)

    def _items(self) -> list[Item]:
        rest = [column.name for column in COLUMNS if column.name not in self.chosen]
        ticked = [(name, name in self.chosen) for name in (*self.chosen, *rest)]
        return [Item(name, f"[{'x' if on else ' '}] {name}", COLUMN[name].help) for name, on in ticked]

    def choose(self, chosen: Sequence[str]) -> None:
        """Other columns, the cursor staying on its own."""
        name = self.items[self.place].value
        self.chosen = list(chosen)
        self.items = tuple(self._items())
        self.place = [item.value for item in self.items].index(name)
        self.redraw()
        self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        event.prevent_default()  # to a menu a click is a choice
        if self.top + event.y < len(self.items):
            self.place = self.top + event.y
            self.tick()

    def tick(self) -> None:
        name = self.items[self.place].value
        if name in self.chosen:
            if len(self.chosen) > 1:
                self.choose([other for other in self.chosen if other != name])
            return
        words = next((k for k, other in enumerate(self.chosen) if not COLUMN[other].width), len(self.chosen))
        self.choose([*self.chosen[:words], name, *self.chosen[words:]])  # numbers stand before the words

    def shift(self, step: int) -> None:
        name = self.items[self.place].value
        if name not in self.chosen:
            return
        order = [other for other in self.chosen if other != name]
        place = max(0, min(self.chosen.index(name) + step, len(order)))
        self.choose([*order[:place], name, *order[place:]])


class Chooser(Overlay[None]):
    """Shows every change at once through ``preview``; Esc takes them back."""

    TITLE = "columns"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "show or hide the column", show=False, id="column_tick"),
        Binding("shift+up,less_than_sign", "shift(-1)", "move it to the left", key_display="< Shift+↑", id="column_left"),
        Binding("shift+down,greater_than_sign", "shift(1)", "move it to the right", key_display="> Shift+↓", id="column_right"),
        Binding("f2,C", "keep", "keep the choice", show=False, key_display="Enter F2 C", id="columns_keep"),
        Binding("escape,q", "undo", "as it was before", show=False, key_display="Esc", id="columns_undo"),
        Binding("d", "default", "the layout that proctop begins with", show=False, id="columns_default"),
        Binding("s", "save", "save it as a layout, with the sort and the theme", show=False, id="layout_save"),
        Binding("l", "load", "a saved layout", show=False, id="layout_load"),
        Binding("delete,x", "forget", "take a saved layout away", key_display="Del x", show=False, id="layout_forget"),
        Binding("f10", "app.quit", "quit", show=False),
    ]
    AUTO_FOCUS = "Columns"

    def __init__(
        self,
        now: Layout,
        preview: Callable[[Layout], None],
        layouts: Callable[[], Mapping[str, Layout]],
        keep: Callable[[str, Layout | None], None],
    ) -> None:
        """Args:
        now: how the table looks.
        preview: shows another layout.
        layouts: the saved ones.
        keep: saves one under a name, or with None forgets it.
        """
        super().__init__()
        self._before = self._now = now
        self._preview, self._layouts, self._keep = preview, layouts, keep
        self.columns = Columns(now.columns)

    def compose(self) -> ComposeResult:
        with Vertical(id="choice"):
            yield Notice("choice-title")
            yield self.columns
            yield Keys(
                (
                    ("Space", "Show", "tick"),
                    ("<", "", "shift(-1)"),
                    (">", "Move", "shift(1)"),
                    ("s", "Save", "save"),
                    ("l", "Load", "load"),
                    ("Enter", "Keep", "keep"),
                )
            )

    def on_mount(self) -> None:
        self.query_one("#choice").styles.width = NARROW
        self._say()

    def _say(self) -> None:
        sort = f"  sorted by {self._now.sort}" if self._now.sort not in self.columns.chosen else ""
        self.query_one("#choice-title", Notice).say(
            [Cell(" Columns", "strong"), Cell(sort, "soft")], [Cell(f"{len(self.columns.chosen)} shown ", "soft")]
        )

    def on_columns_changed(self, message: Columns.Changed) -> None:
        message.stop()
        self._now = self._now._replace(columns=tuple(self.columns.chosen))
        self._preview(self._now)
        self._say()

    def action_tick(self) -> None:
        self.columns.tick()

    def action_shift(self, step: int) -> None:
        self.columns.shift(step)

    def on_chosen(self, message: Chosen) -> None:
        self.action_keep()

    def action_keep(self) -> None:
        self.dismiss()

    def action_undo(self) -> None:
        self._preview(self._before)
        self.dismiss()

    def action_default(self) -> None:
        self.columns.choose(DEFAULT)

    def action_save(self) -> None:
        self.app.push_screen(Name("Save this layout as"), self._named)

    def _named(self, name: str | None) -> None:
        if name is not None:
            self._keep(name, self._now)

    def action_load(self) -> None:
        self._pick("Layouts", self._loaded)

    def _loaded(self, name: str | None) -> None:
        if name is not None and (layout := self._layouts().get(name)) is not None:
            self._now = layout
            self.columns.choose(layout.columns)

    def action_forget(self) -> None:
        self._pick("Take away which layout?", lambda name: self._keep(name, None) if name is not None else None)

    def _pick(self, title: str, done: Callable[[str | None], None]) -> None:
        items = layout_items(self._layouts())
        if items:
            self.app.push_screen(Choice(title, items), done)
        else:
            self.query_one("#choice-title", Notice).say([Cell(" no layout is saved yet: s saves one", "warn")])


def layout_items(layouts: Mapping[str, Layout]) -> list[Item]:
    return [Item(name, name, " ".join(layout.columns)) for name, layout in layouts.items()]


class Name(Overlay[str | None]):
    """Asks for a name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f10", "dismiss(None)", "back", show=False),
        Binding("backspace", "erase", "erase", show=False),
        Binding("enter", "take", "take it", show=False),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title, self._text = title, ""

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            yield Notice("confirm-question")
            yield Notice("confirm-answer")

    def on_mount(self) -> None:
        self._say()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character:
            event.stop()
            self._type(event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._type("".join(filter(str.isprintable, event.text[:100])))

    def _type(self, more: str) -> None:
        if not wrong_name((self._text + more).strip()):
            self._text = (self._text + more).lstrip()
        self._say()

    def action_erase(self) -> None:
        self._text = self._text[:-1]
        self._say()

    def action_take(self) -> None:
        name = self._text.strip()
        if not wrong_name(name):
            self.dismiss(name)

    def _say(self) -> None:
        self.query_one("#confirm-question", Notice).say([Cell(f" {self._title}: ", "strong"), Cell(f"{self._text}_")])
        self.query_one("#confirm-answer", Notice).say(
            [Cell(" Enter", "key"), Cell(" saves   ", "soft"), Cell("Esc", "key"), Cell(" leaves", "soft")]
        )
