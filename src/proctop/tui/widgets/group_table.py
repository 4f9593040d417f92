"""The table of groups and their members. Its cursor is a group or a process and not a place."""

from __future__ import annotations

from itertools import takewhile
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from proctop.tui.messages import Opened
from proctop.tui.widgets.lines import Lines
from proctop.tui.widgets.table import Table
from proctop.view import group_lines, table
from proctop.view.box_lines import about
from proctop.view.cells import Cell, Line, line
from proctop.view.groups import Grouping, Groups, Place


class GroupTable(Table):
    """Shows the rows of :meth:`show` that fit. Line 0 is the titles."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "previous row", show=False, id="up"),
        Binding("down", "move(1)", "next row", show=False, id="down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="pageup"),
        Binding("pagedown", "page(1)", "page down", show=False, id="pagedown"),
        Binding("home", "edge(0)", "first row", show=False, id="home"),
        Binding("end", "edge(1)", "last row", show=False, id="end"),
        Binding("enter", "open", "the members of a group; detail of a process", show=False, id="open"),
    ]

    class Unfolded(Message):
        """The members of a group are to be shown, or no longer."""

        def __init__(self, key: str, shown: bool) -> None:
            super().__init__()
            self.key, self.shown = key, shown

    class Moved(Message):
        """The selection changed."""

    def __init__(self) -> None:
        super().__init__(id="groups")
        self._groups: Groups | None = None
        self._grouping = Grouping()
        self._names, self._found = table.NAMES[0], ""
        self.cursor: Place | None = None

    def show(self, groups: Groups, grouping: Grouping, *, names: str, found: str = "") -> None:
        """Take new data; paint what differs. The cursor of a member that is gone goes to its group, of a group that is gone to nobody."""
        self._groups, self._grouping, self._names, self._found = groups, grouping, names, found
        if self.cursor is not None:
            self.place = groups.place_of(self.cursor)
            self.cursor = groups.at(self.place) if self.place is not None else None
        self.top = max(0, min(self.top, len(groups) - self._room))
        self.redraw()

    @property
    def count(self) -> int:
        return len(self._groups) if self._groups is not None else 0

    @property
    def matching(self) -> int:
        """Processes that are counted."""
        return len(self._groups.frame.reading) if self._groups is not None else 0

    def select(self, place: Place | None) -> None:
        """Put the cursor on a row and bring it into view."""
        self.cursor = place
        self.place = self._groups.place_of(place) if place is not None and self._groups is not None else None
        self.reveal()
        self.post_message(self.Moved())

    def draw(self) -> list[Line]:
        total, glyphs, grouping, groups = self.size.width, self.glyphs, self._grouping, self._groups
        self._slots = slots = table.layout(total, group_lines.columns(grouping), sort=grouping.sort)
        descending = (grouping.sort not in group_lines.ASCENDING) != grouping.reverse
        out = [table.titles(slots, total, grouping.sort, descending, glyphs)]
        if groups is None:
            return out
        cells = group_lines.body(groups, slots, self.top, self._room, glyphs=glyphs, names=self._names, found=self._found)
        gone = group_lines.ended(groups, slots, self._room - len(cells), glyphs)
        if not (cells or gone):
            out.append(line([Cell(f" {group_lines.nobody(groups, grouping)}", "soft")], total))
        for k, parts in enumerate(cells):
            out.append(line(parts, total, "cursor" if self.top + k == self.place else ""))
        out += [line(parts, total) for parts in gone]
        return out

    def action_open(self) -> None:
        if self.cursor is None or self._groups is None or self.place is None:
            return
        key, member = self.cursor
        if member is not None:
            self.post_message(Opened(member))
        else:
            self.post_message(self.Unfolded(key, self._groups.group_at(self.place) not in self._groups.expanded))

    def on_click(self, event: events.Click) -> None:
        """A click on the mark before a group shows or hides its members; elsewhere it does what it does in every table."""
        place, groups = self.top + event.y - 1, self._groups
        if groups is None or not event.y or place >= self.count or groups.order[place] < 0:
            return
        mark = sum(slot.width + 1 for slot in takewhile(lambda slot: slot.column.name != "command", self._slots))
        if mark <= event.x <= mark + 1:
            event.prevent_default()
            self.go(place)
            self.action_open()

    def go(self, place: int) -> None:
        if self._groups is not None and self.count:
            self.select(self._groups.at(max(0, min(place, self.count - 1))))


class Ways(Lines):
    """The ways to group, with the present one marked; a click chooses."""

    def __init__(self) -> None:
        super().__init__(id="ways")
        self._groups: Groups | None = None
        self._grouping = Grouping()
        self._ends: list[tuple[int, str]] = []

    def show(self, groups: Groups | None, grouping: Grouping) -> None:
        self._groups, self._grouping = groups, grouping
        self.redraw()

    def draw(self) -> list[Line]:
        shown, self._ends = group_lines.ways(self._grouping, self._groups, self.size.width, self.glyphs)
        return [shown]

    async def on_click(self, event: events.Click) -> None:
        action = next((action for end, action in self._ends if event.x < end), "")
        if action:
            await self.screen.run_action(action)


class About(Lines):
    """What is known of the selected container, or of the first one."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self._groups: Groups | None = None
        self._group = -1

    def show(self, groups: Groups | None, group: int) -> None:
        """``group``: -1 = none."""
        self._groups, self._group = groups, group
        self.redraw()

    def draw(self) -> list[Line]:
        if self._groups is None or not 0 <= self._group < len(self._groups.rollup):
            return []
        return about(self._groups, self._group, self.size.width, self.glyphs)
