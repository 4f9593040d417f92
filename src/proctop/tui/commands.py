"""The command palette: every sort, view, action and theme by name.

Textual's own ends the program when it is left while it still searches, so this one is a menu that narrows as one types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType

from proctop.fields import COLUMNS
from proctop.tui.keys import MAIN, called, named
from proctop.tui.messages import Pointed
from proctop.tui.screens.menus import Choice
from proctop.tui.widgets.menu import Item
from proctop.view.cells import Cell

EXAMPLES = (
    ("score>3", "what stands out"),
    ("cpu>50", "what takes half a core or more"),
    ("mem>1gb", "what holds a gigabyte"),
    ("disk_write>1mb", "what writes to storage"),
    ("container~.", "what runs in containers"),
    ("state=D", "what waits for storage"),
    ("state=Z", "what has ended and was not reaped"),
)
"""Filters, and what they show."""


def commands(
    offered: Callable[[str, tuple[object, ...]], bool],
    themes: Iterable[str],
    layouts: Iterable[str] = (),
    keymap: Mapping[str, str] = MappingProxyType({}),
) -> list[Item]:
    """What can be done here; the value of an item is an action of the main screen. Nothing in them comes from the host."""
    items = [
        Item(binding.action, binding.description, f"key {named(binding, keymap)}")
        for binding in MAIN
        if isinstance(binding, Binding) and offered(*called(binding.action)) and not binding.action.startswith(("sort(", "palette"))
    ]
    items += [Item(f"sort({c.name!r})", f"sort by {c.name}", c.help) for c in COLUMNS if c.name not in ("history", "why")]
    items += [Item(f"look_for({text!r})", f"filter {text}", says) for text, says in EXAMPLES]
    items += [Item(f"layout({name!r})", f"layout {name}", "saved columns, sort and theme") for name in layouts]
    return [*items, *(Item(f"theme({name!r})", f"theme {name}", "colours") for name in sorted(themes))]


class Palette(Choice, inherit_bindings=False):
    """Shows the items that hold every word typed so far."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f10", "dismiss(None)", "back", show=False),
        Binding("backspace", "erase", "erase", show=False),
    ]

    def __init__(self, items: Iterable[Item]) -> None:
        self._all = tuple(items)
        super().__init__("", self._all, letters=False)
        self._text = self._theme = ""

    def on_mount(self) -> None:
        self._theme = self.app.theme  # the rest is done by the class above, which Textual calls by itself

    def heading(self) -> list[Cell]:
        return [Cell(" do: ", "key"), Cell(f"{self._text}_")]

    def on_pointed(self, message: Pointed) -> None:
        """A theme is seen before it is chosen."""
        name = message.value.removeprefix("theme('").removesuffix("')")
        if self.app.screen is self:
            self.app.theme = name if name in self.app.available_themes else self._theme

    def dismiss(self, result: str | None = None) -> AwaitComplete:
        self.app.theme = self._theme  # whoever chooses one sets it again
        return super().dismiss(result)

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character:
            event.stop()
            self._narrow(self._text + event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._narrow(self._text + "".join(filter(str.isprintable, event.text[:100])))

    def action_erase(self) -> None:
        self._narrow(self._text[:-1])

    def _narrow(self, text: str) -> None:
        self._text = text
        words = text.casefold().split()
        self.say(self.heading())
        self.menu.show([item for item in self._all if all(word in item.label.casefold() for word in words)])
