"""A line for those who are new: three keys, once; or what there is to see in the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.binding import Binding

from proctop.frames import Frame
from proctop.tui.keys import MAIN, named
from proctop.tui.widgets.bars import Notice
from proctop.tui.widgets.process_table import ProcessTable
from proctop.view.cells import Cell

if TYPE_CHECKING:
    from proctop.tui.app import Proctop

LESSON = {"open": "why it stands out", "pause": "hold the view", "help": "all keys"}
"""What a newcomer is told: the id of a binding, and what for."""

LASTS = 30.0
"""Seconds."""


class Hint(Notice):
    """Takes no room unless there is something to say."""

    def __init__(self) -> None:
        super().__init__("hint")
        self.display = False
        self._taught: frozenset[str] = frozenset()  # the keys of the lesson, while it is shown

    def on_mount(self) -> None:
        app = cast("Proctop", self.app)
        if app.tour is None and app.hinted:
            known = {b.id: b for b in [*ProcessTable.BINDINGS, *MAIN] if isinstance(b, Binding)}
            keys = [(app.keymap.get(name) or known[name].key).split(",") for name in LESSON]
            self._taught = frozenset(key.strip() for each in keys for key in each)
            cells = [Cell(" new here? ", "good"), Cell(" ↓ ", "key"), Cell("select  ", "soft")]
            for name, says in LESSON.items():
                first = named(known[name], app.keymap).split(" ")[0]
                cells += [Cell(f" {first} ", "key"), Cell(f"{says}  ", "soft")]
            self.say(cells)
            self.display = True
            self.set_timer(LASTS, self._over)

    def tell(self, frame: Frame) -> None:
        """A frame is shown: in the demo, what there is to see in it."""
        tour = cast("Proctop", self.app).tour
        if tour is not None:
            self.display = True
            self.say([Cell(f" {tour.told(frame.reading.wall)}", "good")])

    def heard(self, key: str) -> None:
        """A key was pressed: one of the lesson has been learned."""
        if key in self._taught:
            self._over()

    def _over(self) -> None:
        if self._taught:
            self._taught = frozenset()
            self.display = False
            cast("Proctop", self.app).hints_shown()
