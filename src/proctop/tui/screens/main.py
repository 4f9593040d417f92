"""The screen: header, host, table, keys. It owns what the viewer asked for and turns messages into actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from proctop import fields
from proctop.records import Frame, ProcKey
from proctop.settings import Settings
from proctop.tui.commands import Palette, commands
from proctop.tui.keys import MAIN, documented
from proctop.tui.messages import Moved, Opened, SortBy
from proctop.tui.screens.menus import Choice, sort_items, user_items
from proctop.tui.screens.pages import Help, ProcessDetail
from proctop.tui.widgets.bars import Header, HostPanel, Keys, Notice
from proctop.tui.widgets.process_table import ProcessTable
from proctop.tui.widgets.prompt import Prompt
from proctop.view import panel, table
from proctop.view.cells import Cell, Line, fit, line
from proctop.view.query import Query, QueryError, parse
from proctop.view.rows import Arranger, ViewState

if TYPE_CHECKING:
    from proctop.tui.app import Proctop

LEAST = (40, 8)  # columns, rows
FILTER_HINT = "words, cpu>5, user=root, mem>1gb, image~redis, score>3, and or ! ( )   Enter keeps, Esc clears"
SEARCH_HINT = "Enter keeps, n and N go on, Esc leaves"


class TooSmall(Notice):
    """Stands for the whole screen where it does not fit."""

    def draw(self) -> list[Line]:
        columns, rows = self.app.size
        says = (f"proctop needs {LEAST[0]}x{LEAST[1]}", f"here is {columns}x{rows}")
        return [line([Cell(fit(text, min(len(text), self.size.width), self.glyphs))], self.size.width) for text in says]


class MainScreen(Screen[None]):
    """Live view of one host."""

    AUTO_FOCUS = "ProcessTable"
    BINDINGS: ClassVar[list[BindingType]] = MAIN

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        names = settings.columns or tuple(c.name for c in table.DEFAULT)
        # Made here and not in compose: a frame may come before the screen is mounted.
        self._too_small = TooSmall("too-small")
        self._header = Header()
        self._banner = Notice("banner")
        self._banner.display = False
        self._host = HostPanel()
        self._table = ProcessTable(columns=[fields.COLUMN[name] for name in names], id="table")
        self._prompt = Prompt()
        self._prompt.display = False
        self._selected = Notice("selected")
        self._footer = Keys()
        query, self._query_text = _query(settings.filter)
        self.state = ViewState(
            sort=settings.sort,
            reverse=settings.reverse,
            tree=settings.tree,
            query=query,
            user=settings.user,
            pids=frozenset(settings.pids),
            kernel=settings.kernel,
            threads=settings.threads,
        )
        self._arranger = Arranger()
        self.latest: Frame | None = None
        self.shown: Frame | None = None
        self.paused = False
        self._names = table.NAMES[0]
        self._found = ""
        self._before_search: ProcKey | None = None

    @property
    def proctop(self) -> Proctop:
        return cast("Proctop", self.app)

    def compose(self) -> ComposeResult:
        yield self._too_small
        yield self._header
        yield self._banner
        yield self._host
        yield self._table
        yield self._prompt
        yield self._selected
        yield self._footer

    def on_mount(self) -> None:
        self.state = replace(self.state, ascii=self.proctop.ascii)
        self._footer.set_keys(self._keys())
        self._arrange()
        self.show_mode()

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        self.set_class(columns < LEAST[0] or rows < LEAST[1], "-tiny")
        self.set_class(rows < 18 or columns < 72, "-short")
        self._too_small.redraw()

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        changing = (
            [] if self.proctop.readonly else [("F9", "Signal", "signal"), ("F7", "Nice-", "renice(-1)"), ("F8", "Nice+", "renice(1)")]
        )
        return [
            ("F1", "Help", "help"),
            ("F3", "Search", "search"),
            ("F4", "Filter", "filter"),
            ("F5", "List" if self.state.tree else "Tree", "tree"),
            ("F6", "Sort", "sort_menu"),
            *changing,
            ("Space", "Go on" if self.paused else "Pause", "pause"),
            ("F10", "Quit", "app.quit"),
        ]

    # frames

    def take(self, frame: Frame) -> None:
        """A new frame: show it, or only say how old the shown one is."""
        self.latest = frame
        self._host.learn(frame)
        if not self.paused:
            self.shown = frame
            self._host.show(frame)
            self._arrange()
        self.show_mode()
        for screen in self.app.screen_stack:
            if isinstance(screen, ProcessDetail) and not self.paused:
                screen.show(frame)

    def say(self, error: str) -> None:
        """Show a banner; "" takes it away."""
        self._banner.display = bool(error)
        if error:
            self._banner.say([Cell(f" {error}", "bad")])

    def _arrange(self) -> None:
        """Order the rows of the shown frame anew and show them."""
        frame = self.shown
        if frame is None:
            return
        rows = self._arranger.arrange(frame, self.state)
        self._table.show(
            frame, rows, sort=self.state.sort, descending=self._descending, names=self._names, found=self._found, tree=self.state.tree
        )
        self._show_selected()

    @property
    def _descending(self) -> bool:
        column = fields.COLUMN.get(self.state.sort)
        return (column is None or column.descending) != self.state.reverse

    def show_mode(self) -> None:
        shown, latest = self.shown, self.latest
        age = latest.reading.wall - shown.reading.wall if self.paused and shown and latest else None
        mode = panel.Mode(age, self._query_text, self.state.user, self._table.follow, self.proctop.ended)
        self._header.show(shown, mode)

    def _show_selected(self) -> None:
        """The line above the keys: who is selected and why it stands out, or how many are shown."""
        frame, key, count = self.shown, self._table.cursor, self._table.count
        if frame is None:
            return
        place = self._table.place
        where = [Cell(f" {place + 1}/{count} " if place is not None and key is not None else f" {count} rows ", "soft")]
        row = table.row_of(frame, key) if key is not None else None
        if self._table.exited and key is not None:
            self._selected.say([Cell(f" pid {key.pid}", "strong"), Cell("  exited", "warn")], where)
            return
        order = self._table.order
        if key is None and self.state.sort == "score" and not self.state.reverse and len(order):
            row = int(order[0])  # nobody is selected: the first one is the news
            row = row if row >= 0 and table.why_text(frame, row) else None
        if row is None or row < 0:
            self._selected.say([], where)
        else:
            reasons = table.why_text(frame, row)
            name = Cell(f" {frame.batch.labels[row].comm}", "strong")
            says = Cell(f"  {reasons or table.no_reason(frame, row)}", table.level(frame, row) if reasons else "soft")
            self._selected.say([name, Cell(f" {frame.reading.key(row).pid}", "soft"), says], where)

    def _look(self, **changes: Any) -> None:
        """Change what is asked for, and show it. Another order leaves the window where it is, other rows keep the selected one in it."""
        self.state = replace(self.state, **changes)
        self._arrange()
        if changes.keys() - {"sort", "reverse"}:
            self._table.reveal()
        self.show_mode()

    # messages

    def on_moved(self, message: Moved) -> None:
        self._show_selected()

    def on_opened(self, message: Opened) -> None:
        if self.shown is not None:
            look = None if self.proctop.settings.replay else self.proctop.actions.detail
            self.app.push_screen(ProcessDetail(message.key, self.shown, look))

    def on_sort_by(self, message: SortBy) -> None:
        self.action_sort(message.column)

    def on_prompt_edited(self, message: Prompt.Edited) -> None:
        if message.purpose == "search":
            self._found = message.text
            self._arrange()
            self._seek(1, from_here=True)
        else:
            self._filter(message.text)

    def on_prompt_closed(self, message: Prompt.Closed) -> None:
        self._table.focus()
        if message.purpose == "search" and not message.kept:
            self._found = ""
            self._table.select(self._before_search)
            self._arrange()
        elif message.purpose == "filter":
            self._filter(message.text if message.kept else "")

    def _filter(self, text: str) -> None:
        """Apply a filter while it is typed; one that does not parse leaves the last good one in force."""
        if text.strip():
            try:
                query: Query | None = parse(text)
            except QueryError as error:
                self._prompt.hint(error.message, error.column)
                return
        else:
            query = None
        self._query_text = text.strip()
        self._look(query=query)
        self._prompt.hint(FILTER_HINT if not text.strip() else f"{self._table.count} processes match")

    def _seek(self, step: int, *, from_here: bool = False) -> None:
        """Select the next process whose name, command line or pid holds the text looked for."""
        frame, word = self.shown, self._found.casefold()
        if frame is None or not word:
            return
        order = self._table.order
        start = self._table.place
        first = 0 if start is None else start if from_here else start + step
        for k in range(len(order)):
            place = (first + step * k) % len(order)
            i = int(order[place])
            if i < 0:
                continue
            label = frame.batch.labels[i]
            if word in label.comm.casefold() or word in label.command.casefold() or word == str(int(frame.reading.pid[i])):
                self._table.select(frame.reading.key(i))
                self._prompt.hint(SEARCH_HINT)
                return
        self._prompt.hint(f"nothing holds {self._found!r}", 0)

    # actions

    def offers(self, action: str, parameters: tuple[object, ...] = ()) -> bool:
        """Whether this session has an action at all; the keys of the others say why not."""
        return action not in ("signal", "renice") or not self.proctop.readonly

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next":
            return bool(self._found)  # N sorts by pid while nothing is searched
        if action == "sort" and parameters == ("pid",):
            return not self._found
        return True

    def action_help(self) -> None:
        remarks: list[str] = []
        if self.latest is not None:
            reading = self.latest.reading
            remarks = [
                *reading.notes,
                *self.latest.scores.notes,
                *(f"{gap.field}: {gap.reason} ({gap.count} processes)" for gap in reading.gaps),
            ]
        keys = documented([*MAIN, *ProcessTable.BINDINGS], self.offers)
        self.app.push_screen(Help(keys, remarks))

    def action_palette(self) -> None:
        self.app.push_screen(Palette(commands(self.offers, self.app.available_themes)), self._command)

    async def _command(self, action: str | None) -> None:
        if action is not None:
            await self.run_action(action)

    def action_theme(self, name: str) -> None:
        self.app.theme = name

    def action_search(self) -> None:
        self._before_search = self._table.cursor
        self._prompt.ask("search", "", SEARCH_HINT)

    def action_next(self, step: int) -> None:
        self._seek(step)

    def action_filter(self) -> None:
        self._prompt.ask("filter", self._query_text, FILTER_HINT)

    def action_tree(self) -> None:
        self._look(tree=not self.state.tree)
        self._footer.set_keys(self._keys())

    def action_collapse(self, fold: bool) -> None:
        key = self._table.cursor
        if key is not None and self.state.tree:
            folded = self.state.collapsed
            self._look(collapsed=folded | {key} if fold else folded - {key})

    def action_sort_menu(self) -> None:
        self.app.push_screen(Choice("Sort by", sort_items(), self.state.sort), self._sorted)

    def _sorted(self, column: str | None) -> None:
        if column:
            self._look(sort=column, reverse=False)

    def action_sort(self, column: str) -> None:
        """Sort by a column; once more reverses. The columns of words about a score sort by it."""
        column = "score" if column in ("history", "why") else column
        again = column == self.state.sort
        self._look(sort=column, reverse=not self.state.reverse if again else False)

    def action_reverse(self) -> None:
        self._look(reverse=not self.state.reverse)

    def action_user_menu(self) -> None:
        if self.shown is not None:
            self.app.push_screen(Choice("Processes of", user_items(self.shown), self.state.user), self._of_user)

    def _of_user(self, user: str | None) -> None:
        if user is not None:
            self._look(user=user)

    def action_threads(self) -> None:
        self.proctop.want_threads(not self.state.threads)
        self._look(threads=not self.state.threads)

    def action_kernel(self) -> None:
        self._look(kernel=not self.state.kernel)

    def action_names(self) -> None:
        self._names = table.NAMES[(table.NAMES.index(self._names) + 1) % len(table.NAMES)]
        self._arrange()

    def action_follow(self) -> None:
        self._table.follow = not self._table.follow
        self._arrange()
        self.show_mode()

    def action_pause(self) -> None:
        self.paused = not self.paused
        if not self.paused and self.latest is not None:
            self.shown = self.latest
            self._host.show(self.latest)
            self._arrange()
        self.show_mode()
        self._footer.set_keys(self._keys())

    def action_back(self) -> None:
        """Undo the narrowest thing first."""
        if self._found:
            self._found = ""
            self._arrange()
        elif self.state.query is not None:
            self._query_text = ""
            self._look(query=None)
        elif self.state.user:
            self._look(user="")
        else:
            self._table.select(None)

    def action_renice(self, delta: int) -> None:
        if self.proctop.readonly:
            self._refuse()
        elif self._table.cursor is not None and not self._table.exited:
            self.proctop.renice(self._table.cursor, delta)

    def action_accept(self) -> None:
        if (key := self._judged()) is not None:
            self.proctop.accept(key)

    def action_incident(self) -> None:
        if (key := self._judged()) is not None and self.shown is not None:
            self.proctop.mark_incident(key, self.shown)

    def _judged(self) -> ProcKey | None:
        """The selected process, if it is still there."""
        key, frame = self._table.cursor, self.shown
        row = table.row_of(frame, key) if key is not None and frame is not None else None
        if row is None or row < 0:
            self.proctop.tell("select a process first", failed=True)
            return None
        return key

    def action_signal(self) -> None:
        key, frame = self._table.cursor, self.shown
        if self.proctop.readonly:
            self._refuse()
        elif key is not None and frame is not None and not self._table.exited:
            self.proctop.ask_signal(key, frame)

    def _refuse(self) -> None:
        self.proctop.tell(f"{self.proctop.actions.refused}: processes are only looked at", failed=True)


def _query(text: str) -> tuple[Query | None, str]:
    return (parse(text), text) if text.strip() else (None, "")
