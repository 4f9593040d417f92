"""The main screen: the keys of the view and of processes, turned into changes of the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from proctop.frames import is_container
from proctop.records import ProcKey
from proctop.tui.keys import MAIN
from proctop.tui.messages import Moved, Opened, SortBy, Sought
from proctop.tui.screens.arranging import Arranging
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.screens.groups import GroupsScreen
from proctop.tui.screens.help import Help, topics
from proctop.tui.screens.menus import Choice, sort_items, user_items
from proctop.view import departed, table
from proctop.view.groups import Grouping

ACTING = ("signal", "renice")
JUDGING = ("accept", "incident")
MOVING = ("step", "end", "mark", "change_speed", "go")


class MainScreen(Arranging):
    """One host at one moment."""

    BINDINGS: ClassVar[list[BindingType]] = MAIN
    _grouping = Grouping()  # how groups were looked at last

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        """What can be done now: with the selected process, with what narrows the view, with the moment shown."""
        deck, picked = self.proctop.deck, self._table.cursor is not None and not self._table.exited
        narrowed = bool(self._found or self.state.query is not None or self.state.user)
        hold = "Now" if deck.live and not deck.now else "Pause" if deck.live or deck.speed else "Play"
        held = ("Space", hold, "app.hold")
        told, leave = ("F1", "Help", "help"), ("F10", "Quit", "app.quit")
        undo = [("n", "Next", "next(1)")] * bool(self._found) + [("Esc", "All", "back")] * narrowed
        why = [("Enter", "Why", "open")] * picked
        find = [("F3", "Search", "search"), ("F4", "Filter", "filter")]
        view = [("F5", "List" if self.state.tree else "Tree", "tree"), ("F6", "Sort", "sort_menu")]
        more = [("g", "Groups", "groups"), ("c", "Containers", "containers"), ("e", "Events", "app.events"), ("v", "Vitals", "app.vitals")]
        more += [("F2", "Columns", "columns")]
        if deck.past:
            moves = [("[", "Back", "app.step(-1)"), ("]", "On", "app.step(1)"), (")", "Anomaly", "app.mark(1)"), ("b", "Time", "go")]
            return [told, held, *undo, *why, *moves, ("x", "Faster", "app.change_speed(1)"), *more, *find, *view, leave]
        changing = [("F9", "Signal", "signal"), ("F7", "Nice-", "renice(-1)"), ("F8", "Nice+", "renice(1)")] * (not self.proctop.readonly)
        judging = [("a", "Accept", "accept"), ("y", "Copy", "copy")]
        back = [("[", "Back", "app.step(-1)")] if deck.travels else []
        if picked:
            return [told, *undo, *why, *changing[:1], *judging, *find, *view, *changing[1:], held, *more, *back, leave]
        return [told, *undo, *find, *view, *more, held, *back, leave]

    # messages

    def on_moved(self, message: Moved) -> None:  # besides what the board does
        self._footer.set_keys(self._keys())

    def on_opened(self, message: Opened) -> None:
        if self.shown is not None and (ended := departed.ending(self.shown, message.key)):
            self.proctop.tell(": ".join(ended))
        elif self.shown is not None:
            deck, settings = self.proctop.deck, self.proctop.settings
            looks = self.proctop.actions if deck.live and not (settings.replay or settings.host) else None
            self.app.push_screen(ProcessDetail(message.key, self.shown, looks, deck.moment))

    def on_sort_by(self, message: SortBy) -> None:
        self.action_sort(message.column)

    def on_sought(self, message: Sought) -> None:
        self.proctop.seek(message.wall, message.key)

    # actions

    def offers(self, action: str, parameters: tuple[object, ...] = ()) -> bool:
        """Whether this session has an action at all; the keys of the others say why not."""
        deck, name = self.proctop.deck, action.removeprefix("app.")
        if name in ACTING:
            return deck.live and not self.proctop.readonly
        if name in MOVING:
            return deck.travels
        return deck.live or name not in (*JUDGING, "record", "toasts")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next":
            return bool(self._found)  # N sorts by pid while nothing is searched
        if action == "sort" and parameters == ("pid",):
            return not self._found
        return True

    def action_help(self) -> None:
        self.help()

    def help(self, here: str = "") -> None:
        """Help, beginning with the keys of the screen called ``here``."""
        remarks: list[str] = []
        if self.shown is not None:
            reading = self.shown.reading
            remarks = [
                *reading.notes,
                *self.shown.scores.notes,
                *(f"{gap.field}: {gap.reason} ({gap.count} process{'es' * (gap.count != 1)})" for gap in reading.gaps),
            ]
        self.app.push_screen(Help(topics(remarks, self.offers, self.proctop.keymap, here)))

    def action_groups(self) -> None:
        self._open_groups(replace(self._grouping, limits=False))

    def action_containers(self) -> None:
        self._open_groups(replace(self._grouping, limits=True))

    def choose(self, key: ProcKey) -> None:
        """Also a container, whose anomaly as a whole was gone to: among the groups."""
        if not is_container(key):
            super().choose(key)
            return
        alerts = self.shown.alerts if self.shown is not None else ()
        box = next((event.box for event in alerts if event.key == key), "") or self.proctop.chronicle.box(key)
        for screen in self.app.screen_stack:
            if isinstance(screen, GroupsScreen):
                screen.choose(box)
                return
        self._open_groups(replace(self._grouping, by="container", limits=False), box)

    def _open_groups(self, grouping: Grouping, box: str = "") -> None:
        self.app.push_screen(GroupsScreen(grouping, box), self._grouped)

    def _grouped(self, grouping: Grouping | None) -> None:
        """What was asked for last is where the next look begins."""
        self._grouping = grouping or self._grouping

    def action_open(self) -> None:
        """A click on the footer."""
        self._table.action_open()

    def action_tree(self) -> None:
        self._look(tree=not self.state.tree)

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

    # processes

    def action_renice(self, delta: int) -> None:
        if not self.refuses(self.proctop.actions.refused) and (key := self._picked()) is not None:
            self.proctop.renice(key, delta)

    def action_signal(self) -> None:
        if not self.refuses(self.proctop.actions.refused) and (key := self._picked()) is not None and self.shown is not None:
            self.proctop.ask_signal(key, self.shown)

    def action_accept(self) -> None:
        if not self.refuses("") and (key := self._judged()) is not None:
            self.proctop.accept(key)

    def action_incident(self) -> None:
        if not self.refuses("") and (key := self._judged()) is not None and self.shown is not None:
            self.proctop.mark_incident(key, self.shown)

    def _picked(self) -> ProcKey | None:
        """The selected process or thread, if it is still there. Says so where it is not."""
        key, frame = self._table.cursor, self.shown
        if key is None or frame is None:
            self.proctop.tell("select a process first", failed=True)
        elif ended := departed.ending(frame, key):
            self.proctop.tell(": ".join(ended), failed=True)
        elif self._table.exited:
            self.proctop.tell(f"pid {key.pid}: {self._table.absence}", failed=True)
        else:
            return key
        return None

    def _judged(self) -> ProcKey | None:
        """The selected process; a thread is none."""
        key, frame = self._picked(), self.shown
        row = table.row_of(frame, key) if key is not None and frame is not None else None
        if key is None or (row is not None and row >= 0):
            return key
        self.proctop.tell("threads are not judged: select their process", failed=True)
        return None

    def refuses(self, why: str) -> bool:
        """Whether nothing is done to processes now: ``why``, or because they are those of the past. Says so."""
        deck = self.proctop.deck
        if deck.past:
            why = "the past (} returns to now)" if deck.live else "a recording"
        if why:
            self.proctop.tell(f"{why}: processes are only looked at", failed=True)
        return bool(why)
