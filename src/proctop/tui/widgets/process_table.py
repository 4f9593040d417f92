"""The process table. Its state: the frame, the order of its rows, and the cursor, which is a process and not a place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType

from proctop.fields import Column
from proctop.frames import Frame
from proctop.records import Ints, Label, ProcKey
from proctop.tui.messages import Moved, Opened
from proctop.tui.widgets.table import Table
from proctop.view import departed, table, zoom
from proctop.view.cells import Cell, Line, line, width
from proctop.view.rows import Rows


class ProcessTable(Table):
    """Shows the rows of :meth:`show` that fit. Line 0 is the titles."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "previous process", show=False, id="up"),
        Binding("down", "move(1)", "next process", show=False, id="down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="pageup"),
        Binding("pagedown", "page(1)", "page down", show=False, id="pagedown"),
        Binding("home", "edge(0)", "first process", show=False, id="home"),
        Binding("end", "edge(1)", "last process", show=False, id="end"),
        Binding("enter", "open", "detail of the selected process", show=False, id="open"),
    ]

    def __init__(self, *, columns: Sequence[Column], id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._frame: Frame | None = None
        self._rows: Rows | None = None
        self._sort, self._descending, self._names, self._found = "score", True, "short", ""
        self._tree = False
        self._contained = False  # whether any process was in a container
        self._labels: Sequence[Label] = ()
        self._laid: tuple[int, bool, str, bool] | None = None  # what they were worked out for
        self.cursor: ProcKey | None = None
        self.follow = False
        self.factor = 1  # readings that a cell of the history stands for
        self._ghost: tuple[Cell, ...] | None = None  # the row of a selected process that has exited
        self._crowd: tuple[int, str] | None = None  # the selected one of the departed stands for these
        self.absence = ""  # why the selected process is not among those shown

    def show(self, frame: Frame, rows: Rows, *, sort: str, descending: bool, names: str, found: str = "", tree: bool = False) -> None:
        """Take new data; paint what differs."""
        self._frame, self._rows = frame, rows
        self._sort, self._descending, self._names, self._found, self._tree = sort, descending, names, found, tree
        if not self._contained and frame.batch.labels is not self._labels:  # the same labels need no second look
            self._labels = frame.batch.labels
            self._contained = any(label.container is not None for label in self._labels)
        self._settle()
        self.redraw()

    @property
    def columns(self) -> Sequence[Column]:
        return self._columns

    @columns.setter
    def columns(self, columns: Sequence[Column]) -> None:
        """Take others, which the next :meth:`show` paints."""
        self._columns, self._laid = columns, None

    @property
    def count(self) -> int:
        """Lines there are to show, the kept row of an exited process included."""
        return (len(self._rows.order) if self._rows is not None else 0) + (self._ghost is not None)

    @property
    def order(self) -> Ints:
        """What is shown, top to bottom, as :attr:`Rows.order`."""
        return self._rows.order if self._rows is not None else np.zeros(0, dtype=np.int64)

    @property
    def exited(self) -> bool:
        return self._ghost is not None

    def select(self, key: ProcKey | None) -> None:
        """Put the cursor on a process and bring it into view."""
        self.cursor, self._ghost, self._crowd, self.absence = key, None, None, ""
        self.place = None
        self._settle()
        self.reveal()
        self.post_message(Moved(self.cursor))

    def _settle(self) -> None:
        """Find the cursor's place in the new order."""
        frame, rows = self._frame, self._rows
        if frame is None or rows is None:
            return
        if self.cursor is not None:
            place = table.place_of(frame, rows, self.cursor)
            if place is None and self._crowd is not None and (last := departed.last_of(frame, self._crowd)) is not None:
                self.cursor, place = last, table.place_of(frame, rows, last)  # another one has ended since
            self._crowd = departed.crowd(frame, self.cursor)
            self.absence = "" if table.row_of(frame, self.cursor) is not None else table.absence(frame, self.cursor, self.absence)
            if place is not None:
                self._ghost, self.place = None, place
            elif table.row_of(frame, self.cursor) is not None:  # alive, but filtered out
                self._ghost, self.place = None, None
                self.cursor = None
            elif self.place is not None:
                self._ghost = self._ghost or self._last_look()
                self.place = min(self.place, len(rows.order))
            else:
                self.cursor = None
            if self.follow:
                self._uncover()
        self.top = max(0, min(self.top, self.count - self._room))

    def _last_look(self) -> tuple[Cell, ...]:
        """The cells of the cursor's line as they were painted, kept while it stays selected."""
        place = self.place if self.place is not None else 0
        y = 1 + place - self.top
        if self._slots and 0 < y < len(self.lines):
            return self.lines[y].cells
        return (Cell(f"{self.cursor.pid if self.cursor else ''} "),)

    def draw(self) -> list[Line]:
        frame, rows = self._frame, self._rows
        total = self.size.width
        if frame is None or rows is None:
            return [table.titles(table.layout(total, self._columns), total, "", True, self.glyphs)]
        asked = (total, self._contained, self._sort, self._tree)
        if asked != self._laid:
            self._laid = asked
            self._slots = table.layout(total, self._columns, contained=self._contained, sort=self._sort, tree=self._tree)
        slots = self._slots
        named = zoom.titled(slots, self.factor, frame.reading.interval)
        out = [table.titles(named, total, self._sort, self._descending, self.glyphs)]
        ghost = self.place if self._ghost is not None and self.place is not None else None
        first = self.top - (ghost is not None and ghost < self.top)
        cells = table.body(
            frame, rows, slots, first, self._room, glyphs=self.glyphs, names=self._names, found=self._found, factor=self.factor
        )
        if ghost is not None and self._ghost is not None and self.top <= ghost < self.top + self._room:
            said = self.absence.partition(",")[0].partition(" by")[0]
            cells.insert(ghost - self.top, self._dimmed(self._ghost, slots, said))
        if not cells:
            out.append(line([Cell(" nothing to show: no process matches. Esc clears the filter.", "soft")], total))
        for k, parts in enumerate(cells[: self._room]):
            out.append(line(parts, total, "cursor" if self.top + k == self.place else ""))
        return out

    @staticmethod
    def _dimmed(cells: tuple[Cell, ...], slots: Sequence[table.Slot], said: str) -> tuple[Cell, ...]:
        """A row in faint colours that says why it is no more where the score was."""
        room = slots[0].width + 1 if slots else 0
        out = [Cell(said.ljust(room)[:room], "warn")]
        x = 0
        for cell in cells:
            size = width(cell.text)
            if x >= room:
                out.append(Cell(cell.text, "faint"))
            x += size
        return tuple(out)

    def action_open(self) -> None:
        if self.cursor is not None and not self.exited:
            self.post_message(Opened(self.cursor))

    def go(self, place: int) -> None:
        if self._frame is None or self._rows is None or not len(self._rows.order):
            return
        if self._ghost is not None and self.place is not None and place > self.place:
            place -= 1  # the kept row vanishes
        place = max(0, min(place, len(self._rows.order) - 1))
        self.select(table.key_at(self._frame, self._rows, place))
