"""Menus over the table: sort, user, signal, and the question before a signal is sent."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, ScreenResultType

from proctop.fields import COLUMNS
from proctop.frames import Frame
from proctop.tui.messages import Chosen
from proctop.tui.widgets.bars import Notice
from proctop.tui.widgets.menu import Item, Menu
from proctop.view.cells import Cell

if TYPE_CHECKING:
    from proctop.tui.app import Proctop


class Overlay(ModalScreen[ScreenResultType]):
    """A screen over the main one. It goes once: of two quick Esc the second is not for the screen below.

    One with keys of its own has a ``TITLE``, by which the help calls it; one that ``COVERS`` hides the screens below.
    """

    COVERS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "help", "help", show=False)]

    @property
    def proctop(self) -> Proctop:
        return cast("Proctop", self.app)

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def action_help(self) -> None:
        """Help, with the keys of this screen first."""
        self.proctop.main.help(self.TITLE or "")


class Choice(Overlay[str | None]):
    """Asks for one item; None when the user thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f10", "dismiss(None)", "back", show=False)]
    AUTO_FOCUS = "Menu"

    def __init__(self, title: str, items: Sequence[Item], chosen: str = "", *, letters: bool = True) -> None:
        super().__init__()
        self._title = title
        self.menu = Menu(items, chosen, letters=letters)

    def compose(self) -> ComposeResult:
        with Vertical(id="choice"):
            yield Notice("choice-title")
            yield self.menu

    def on_mount(self) -> None:
        box = self.query_one("#choice")
        box.styles.width = max(self.menu.widest + 2, len(self._title) + 4, 18)  # the border takes two
        self.say(self.heading())

    def heading(self) -> list[Cell]:
        """What stands over the items at first."""
        return [Cell(f" {self._title}", "strong")]

    def say(self, cells: Sequence[Cell]) -> None:
        """Show ``cells`` over the items."""
        self.query_one("#choice-title", Notice).say(cells)

    def on_chosen(self, message: Chosen) -> None:
        self.dismiss(message.value)


class Confirm(Overlay[bool]):
    """A question with what it is about, one fact a line; only "y" says yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "dismiss(True)", "yes", show=False),
        Binding("n,N,escape,q,f10", "dismiss(False)", "no", show=False),
    ]

    def __init__(self, question: str, facts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._question, self._facts = question, tuple(facts)

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            yield Notice("confirm-question")
            for k in range(len(self._facts)):
                yield Notice(f"confirm-fact-{k}")
            yield Notice("confirm-answer")

    def on_mount(self) -> None:
        self.query_one("#confirm-question", Notice).say([Cell(f" {self._question}", "strong")])
        for k, (name, value) in enumerate(self._facts):
            self.query_one(f"#confirm-fact-{k}", Notice).say([Cell(f" {name:8}", "soft"), Cell(value)])
        self.query_one("#confirm-answer", Notice).say([Cell(" y", "key"), Cell(" yes   ", "soft"), Cell("n", "key"), Cell(" no", "soft")])


def sort_items() -> list[Item]:
    return [Item(c.name, c.name, c.help) for c in COLUMNS if c.name not in ("history", "why")]


def user_items(frame: Frame) -> list[Item]:
    counts = Counter(label.user for label in frame.batch.labels)
    users = [Item(user, user, _processes(number)) for user, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return [Item("", "all users", _processes(len(frame.batch))), *users]


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def signal_items() -> list[Item]:
    """Every signal of this kernel, the one that asks politely first."""
    polite = (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGCONT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    )
    rest = sorted(s for s in signal.Signals if s not in polite)
    return [Item(str(int(s)), f"{int(s):2} {s.name}", _SAYS.get(s.name, "")) for s in (*polite, *rest)]


_SAYS = {
    "SIGTERM": "ask to end",
    "SIGINT": "interrupt, as Ctrl+C",
    "SIGHUP": "hang up, often: reload",
    "SIGQUIT": "end with a core dump",
    "SIGKILL": "end at once, no clean-up",
    "SIGSTOP": "stop",
    "SIGCONT": "go on",
}
