"""Processes rolled up into groups, and containers against their limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.frames import Frame
from proctop.rollup import BY
from proctop.tui.keys import TIME, of_main
from proctop.tui.messages import Opened, SortBy
from proctop.tui.screens.menus import Choice, Overlay, user_items
from proctop.tui.widgets.bars import Header, Keys, Notice
from proctop.tui.widgets.group_table import About, GroupTable, Ways
from proctop.tui.widgets.menu import Item
from proctop.tui.widgets.prompt import Prompt
from proctop.view import group_lines, table
from proctop.view.group_order import GroupArranger
from proctop.view.groups import Grouping, Groups, Place
from proctop.view.panel import Moment
from proctop.view.query import QueryError, parse

if TYPE_CHECKING:
    pass

ROOMY = 16
"""Rows from which on there is room for what is known of one container."""

SEARCH_HINT = "a group, or what runs in one   Enter keeps, n and N go on, Esc leaves"
FILTER_HINT = "only processes that match are counted: user=root, cpu>5   Enter keeps, Esc clears"


class GroupsScreen(Overlay[Grouping]):
    """What the processes that the main screen shows do together. Its result is what was asked for last."""

    TITLE = "Groups"
    AUTO_FOCUS = "GroupTable"
    COVERS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g,tab", "way(1)", "the next way to group", key_display="g Tab", id="groups_next"),
        Binding("shift+tab", "way(-1)", "the one before", key_display="Shift+Tab", id="groups_before"),
        *(Binding(str(k + 1), f"by('{by}')", f"group by {by}", id=f"groups_{by}") for k, by in enumerate(BY)),
        Binding("c", "limits", "containers against their limits, and back", id="groups_limits"),
        Binding("right,plus", "fold(False)", "show the members of the selected group", key_display="→ +", id="expand"),
        Binding("left,minus", "fold(True)", "hide them", key_display="← -", id="collapse"),
        *of_main("search", "next", "previous"),
        Binding("f4,backslash", "filter", "filter, here and on the main screen", key_display="F4 \\", id="filter"),
        *of_main("user", "kernel", "names", "sort", "reverse", "sort_score", "sort_cpu", "sort_memory"),
        Binding("N", "sort('n')", "sort by the number of processes", id="sort_pid"),
        *of_main("sort_time"),
        *TIME,
        *of_main("events", "vitals", "record"),
        Binding("question_mark,h", "help", "help", key_display="? h", id="groups_help"),
        Binding("escape,q", "back", "end the search, or go back", key_display="Esc q", id="groups_back"),
        Binding("f10", "app.quit", "quit", key_display="F10", id="groups_quit"),
    ]

    def __init__(self, grouping: Grouping, box: str = "") -> None:
        """``box``: the id of a container to be selected."""
        super().__init__()
        self.grouping = grouping
        self._box = box
        self._arranger = GroupArranger()
        self._groups: Groups | None = None
        self._frame: Frame | None = None
        self._found, self._names = "", table.NAMES[0]
        self._before_search: Place | None = None
        self._watched = ""
        self._ways, self._table, self._about = Ways(), GroupTable(), About()
        self._prompt = Prompt()
        self._prompt.display = False
        self._selected = Notice("selected")
        self._footer = Keys()

    def compose(self) -> ComposeResult:
        yield Header()
        yield self._ways
        yield self._table
        yield self._about
        yield self._prompt
        yield self._selected
        yield self._footer

    def on_mount(self) -> None:
        self._frame = self.proctop.main.shown
        self._ask(self.grouping)
        if self._box:
            self.choose(self._box)
        self.proctop.main.show_mode()

    def choose(self, box: str) -> None:
        """Select a container, by its id."""
        self._look(by="container", limits=False)
        self._table.select((box, None))
        if self._table.place is None:
            self.proctop.tell("that container is not among those that are shown")

    def on_screen_resume(self) -> None:
        """A menu may have changed what the main screen shows."""
        self._arrange()
        self.proctop.main.show_mode()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < ROOMY, "-short")

    # what is shown

    def show(self, frame: Frame, moment: Moment) -> None:
        """Go on with another frame."""
        self._frame = frame
        self._arrange()

    def _ask(self, grouping: Grouping) -> None:
        """Show groups otherwise; those that are looked at are scored from now on."""
        if grouping.sort not in {name for name, _ in group_lines.sorts(grouping)}:
            grouping = replace(grouping, sort="score", reverse=False)
        if grouping.shared != self.grouping.shared:
            self._table.select(None)
        self.grouping = grouping
        self.set_class(grouping.limits, "-limits")
        if self.proctop.engine is not None and grouping.shared != self._watched:
            self._watched = grouping.shared
            self.proctop.engine.watch(grouping.shared)
        self._footer.set_keys(self._keys())
        self._arrange()

    def _look(self, **changes: Any) -> None:
        """Show groups otherwise, and keep the selected one in sight."""
        self._ask(replace(self.grouping, **changes))
        if changes.keys() - {"sort", "reverse"}:
            self._table.reveal()

    def _keys(self) -> list[tuple[str, str, str]]:
        other = "Groups" if self.grouping.limits else "Limits"
        return [
            ("F1", "Help", "help"),
            ("+", "Members", "fold(False)"),
            ("g", "Next", "way(1)"),
            ("c", other, "limits"),
            ("F3", "Search", "search"),
            ("F4", "Filter", "filter"),
            ("F6", "Sort", "sort_menu"),
            ("Space", "Hold" if self.proctop.deck.live else "Play", "app.hold"),
            ("Esc", "Back", "back"),
        ]

    def _arrange(self) -> None:
        if self._frame is None:
            self._ways.show(None, self.grouping)
            return
        main, deck = self.proctop.main, self.proctop.deck
        watch = main.sightings.past if deck.past else main.sightings.now
        self._groups = self._arranger.arrange(self._frame, main.state, self.grouping, watch, main.sightings.restarts)
        self._table.show(self._groups, self.grouping, names=self._names, found=self._found)
        self._ways.show(self._groups, self.grouping)
        self._show_selected()

    def on_group_table_moved(self) -> None:
        self._show_selected()

    def _show_selected(self) -> None:
        """The line above the keys: which group or process is selected and why it stands out."""
        groups, place = self._groups, self._table.place
        if groups is None:
            return
        seen = place if place is not None else 0 if len(groups) else None
        group = groups.group_at(seen) if seen is not None else -1
        if self.grouping.limits:
            self._about.show(groups, group)
        self._selected.say(*group_lines.selected(groups, self.grouping, place, past=not self.proctop.deck.now))

    # actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next":
            return bool(self._found)  # N sorts while nothing is searched
        if action == "sort" and parameters == ("n",):
            return not self._found
        return True

    def action_way(self, step: int) -> None:
        """Round the ways to group; out of the container view to the one it was entered from."""
        at = BY.index(self.grouping.by)
        self._look(by=self.grouping.by if self.grouping.limits else BY[(at + step) % len(BY)], limits=False)

    def action_by(self, by: str) -> None:
        self._look(by=by, limits=False)

    def action_limits(self) -> None:
        self._look(limits=not self.grouping.limits)

    def action_fold(self, fold: bool) -> None:
        if self._table.cursor is not None:
            self._fold(self._table.cursor[0], fold)

    def on_group_table_unfolded(self, message: GroupTable.Unfolded) -> None:
        self._fold(message.key, not message.shown)

    def _fold(self, key: str, fold: bool) -> None:
        """Hide or show the members of a group; the selection goes from a member to its group."""
        one = (self.grouping.shared, key)
        if fold and self._table.cursor is not None and self._table.cursor[0] == key:
            self._table.select((key, None))
        self._look(expanded=self.grouping.expanded - {one} if fold else self.grouping.expanded | {one})

    def on_opened(self, message: Opened) -> None:
        self.proctop.main.on_opened(message)

    def on_sort_by(self, message: SortBy) -> None:
        self.action_sort("score" if message.column == "why" else message.column)

    def action_sort(self, column: str) -> None:
        """Sort by a column; once more reverses."""
        again = column == self.grouping.sort
        self._look(sort=column, reverse=not self.grouping.reverse if again else False)

    def action_reverse(self) -> None:
        self._look(reverse=not self.grouping.reverse)

    def action_sort_menu(self) -> None:
        items = [Item(name, name, says) for name, says in group_lines.sorts(self.grouping)]
        self.app.push_screen(Choice("Sort by", items, self.grouping.sort), self._sorted)

    def _sorted(self, column: str | None) -> None:
        if column:
            self._look(sort=column, reverse=False)

    def action_names(self) -> None:
        self._names = table.NAMES[(table.NAMES.index(self._names) + 1) % len(table.NAMES)]
        self._arrange()

    def action_back(self) -> None:
        if self._found:
            self._found = ""
            self._arrange()
        else:
            self.dismiss(self.grouping)

    # what the main screen shows too

    def action_kernel(self) -> None:
        self._narrow(kernel=not self.proctop.main.state.kernel)

    def action_user_menu(self) -> None:
        main = self.proctop.main
        if main.shown is not None:
            self.app.push_screen(Choice("Processes of", user_items(main.shown), main.state.user), self._of_user)

    def _of_user(self, user: str | None) -> None:
        if user is not None:
            self._narrow(user=user)

    def _narrow(self, **changes: Any) -> None:
        self.proctop.main.narrow(**changes)
        self._arrange()

    def action_filter(self) -> None:
        self._prompt.ask("filter", self.proctop.main.query_text, FILTER_HINT)

    def _filter(self, text: str) -> None:
        """Apply a filter while it is typed; one that does not parse leaves the last good one in force."""
        try:
            query = parse(text) if text.strip() else None
        except QueryError as error:
            self._prompt.hint(error.message, error.column)
            return
        self._narrow(text=text.strip(), query=query)
        self._prompt.hint(FILTER_HINT if query is None else f"{self._table.matching} processes match")

    # search

    def action_search(self) -> None:
        self._before_search = self._table.cursor
        self._prompt.ask("search", "", SEARCH_HINT)

    def action_next(self, step: int) -> None:
        self._seek(step)

    def on_prompt_edited(self, message: Prompt.Edited) -> None:
        if message.purpose == "filter":
            self._filter(message.text)
        else:
            self._found = message.text
            self._arrange()
            self._seek(1, from_here=True)

    def on_prompt_closed(self, message: Prompt.Closed) -> None:
        if message.purpose == "filter":
            self._filter(message.text if message.kept else "")
        elif not message.kept:
            self._found = ""
            self._table.select(self._before_search)
            self._arrange()

    def _seek(self, step: int, *, from_here: bool = False) -> None:
        """Select the next group or member that holds the text looked for."""
        groups, word = self._groups, self._found.casefold()
        if groups is None or not word:
            return
        here = self._table.place
        place = groups.next_place(word, 0 if here is None else here if from_here else here + step, step)
        if place is None:
            self._prompt.hint(f"nothing holds {self._found!r}", 0)
        else:
            self._table.select(groups.at(place))
            self._prompt.hint(SEARCH_HINT)
