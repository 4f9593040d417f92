"""One process: why it stands out, over time; who it is; what it holds; its threads; its environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.actions import Actions
from proctop.frames import Course, Frame
from proctop.inspection import Environment
from proctop.records import ProcKey
from proctop.tui.following import Following
from proctop.tui.keys import TIME, of_main
from proctop.tui.screens.looking import Looking
from proctop.tui.widgets.bars import Keys, Notice
from proctop.tui.widgets.menu import Page
from proctop.tui.widgets.tabs import Tabs
from proctop.view import about, detail, holdings, table
from proctop.view.about import Closer
from proctop.view.cells import Cell
from proctop.view.panel import NOW, Moment, words
from proctop.view.prose import Text, paragraphs

WHY, ABOUT, HOLDS, THREADS, ENVIRONMENT = range(5)
NAMES = ("Why", "About", "Files and sockets", "Threads", "Environment")

NOT_NOW = "told of now only"
FAR, RECORDED = "another host tells no more", "a recording tells no more"
ONLY = {FAR: "told of this host only", RECORDED: NOT_NOW}
ASKED = (
    "The environment of a process often holds secrets: passwords, tokens, keys.",
    "Enter reads it and shows it here, and nowhere else: it is not recorded or exported, and forgotten when this tab closes.",
    "Values that look like secrets are masked.",
)

_REST = 0.5  # seconds between two questions: a past that is played fast would only be asked for


class ProcessDetail(Looking):
    """Goes with its process from frame to frame; what lies before it comes from the past while nobody waits for it."""

    TITLE = "the detail"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(k + 1), f"open({k})", name.lower(), id=f"tab_{k + 1}") for k, name in enumerate(NAMES)),
        Binding("tab", "turn(1)", "the next tab", id="tab_next"),
        Binding("shift+tab", "turn(-1)", "the tab before", id="tab_previous"),
        *of_main("wider", "narrower"),
        Binding("r", "again", "look again: files, sockets, delays, environment", id="again"),
        Binding("enter", "read", "read the environment, on its tab", id="read"),
        Binding("f9,k", "signal", "send a signal to the process", key_display="F9 k", id="signal"),
        Binding("a", "accept", "take what it does now as its normal", id="accept"),
        *of_main("incident"),
        *TIME,
    ]

    def __init__(self, key: ProcKey, frame: Frame, looks: Actions | None, moment: Moment) -> None:
        """``looks`` asks the host about the process; None: it is not the host of the frame."""
        super().__init__(key, looks)
        self.tab = WHY
        self.following = Following(key, frame)
        self._moment = moment
        self._gone = ""
        self._resting = False
        self._tops = [0] * len(NAMES)

    def compose(self) -> ComposeResult:
        yield Notice("reader-title")
        yield Tabs(NAMES)
        yield Page()
        yield Keys()

    def on_mount(self) -> None:  # the reader fills itself: Textual calls what classes above do
        self._want()
        self._look()
        self.call_after_refresh(self._trace)  # what decodes must not be in the way of the first paint

    def on_unmount(self) -> None:
        """What it asked for is wanted no more, and what nobody may keep goes."""
        self.forget_environment()
        self.proctop.deck.trace(None)
        self.proctop.want(threads_of=frozenset(), cgroups=frozenset())

    # what comes

    def show(self, frame: Frame, moment: Moment) -> None:
        """Go on with another frame; the last one stays where the process is not in it."""
        self._gone = "" if table.row_of(frame, self.key) is not None else table.absence(frame, self.key, self._gone)
        self._moment = moment
        if not self._gone:
            self.following.learn(frame)
        self.fill()
        if self.is_attached:
            self._trace()
            self._look()

    def take(self, course: Course) -> None:
        """More of the past has come."""
        self.following.take(course)
        self.fill()

    def _trace(self) -> None:
        """Ask for what is missing of the past, if anything is."""
        asked = None if self._resting else self.following.missing()
        if asked is not None:
            self.proctop.deck.trace(asked)
            self._resting = True
            self.set_timer(_REST, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._trace()

    # what is drawn

    def aside(self) -> list[Cell]:
        return [] if self._moment == NOW else [Cell(f" {words(self._moment, self.following.frame.reading.wall)} ", "badge")]

    def headline(self) -> str:
        row = self.following.row
        if row is None:
            return f"thread  {self.key.pid}"
        label = self.following.frame.batch.labels[row]
        inside = f"  in {label.container.title}" if label.container is not None else ""
        return f"{label.comm}  pid {self.key.pid}{inside}" + (f"  {self._gone}" if self._gone else "")

    def fill(self) -> None:
        super().fill()
        if self.query(Keys):
            self.query_one(Tabs).show(self.tab)
            self.query_one(Keys).set_keys(self._keys())

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        deck = self.proctop.deck
        sends = [("F9", "Signal", "signal")] * (not self.proctop.readonly)
        acts = [*sends, ("a", "Accept", "accept"), ("i", "Incident", "incident")] if deck.live and not (deck.past or self._gone) else []
        seen = self.tab in (ABOUT, HOLDS) or (self.tab == ENVIRONMENT and self.environment)
        asks = self.tab == ENVIRONMENT and not self.environment
        again = [] if self._why_not() else [("Enter", "Read", "read")] * asks + [("r", "Look again", "again")] * bool(seen)
        moves = [("[", "Back", "app.step(-1)"), ("]", "On", "app.step(1)")] if deck.travels else []
        held = ("Space", "Now" if deck.live and not deck.now else "Pause" if deck.live or deck.speed else "Play", "app.hold")
        zoom = [("w", "Wider", "zoom(1)"), ("W", "Narrower", "zoom(-1)")] if self.tab == WHY else []
        return [("F1", "Help", "help"), ("Tab", "Next", "turn(1)"), *zoom, *again, *moves, held, *acts, ("Esc", "Back", "dismiss")]

    def text(self, columns: int) -> Text:
        row = self.following.row
        if row is None:
            return [[Cell(" A thread has no detail of its own: select its process.", "soft")]]
        page, why_not = self.query_one(Page), self._why_not()
        if self.tab == WHY:
            begins = self._begins() if self.is_attached else ()
            portrait = self.following.portrait(row, begins, now=self._moment == NOW and not self._gone)
            return detail.text(portrait, columns, page.size.height, page.glyphs)
        if self.tab == ABOUT:
            return about.text(self.following.frame, row, columns, self._closer(why_not), self.following.earlier)
        if self.tab == THREADS:
            return self.following.threads.text(columns, page.glyphs) or paragraphs([self._no_threads(why_not)], columns)
        if why_not:
            return paragraphs([f"{ONLY[why_not]}: {why_not}" if why_not in ONLY else why_not], columns)
        told = self.holds if self.tab == HOLDS else self.environment
        if isinstance(told, Environment):
            return holdings.environment(told, columns)
        if not isinstance(told, str):
            return holdings.text(told, columns, page.glyphs)
        return paragraphs([told] if told else ASKED, columns)

    def _begins(self) -> list[float]:
        """When alerts of it began, as far as anybody knows."""
        deck, engine = self.proctop.deck, self.proctop.engine
        found = {mark.wall for mark in (deck.outlook.marks if deck.outlook is not None else ()) if mark.key == self.key}
        found |= {event.start for event in (engine.events if engine is not None and deck.live else ()) if event.key == self.key}
        return sorted(found | {event.start for event in self.following.frame.alerts if event.key == self.key})

    def _why_not(self) -> str:
        """Why the host is not asked, "" = it is."""
        if self.looks is None:
            return FAR if self.proctop.deck.live else RECORDED
        return NOT_NOW if self._moment != NOW else self._gone and f"the process: {self._gone}"

    def _closer(self, why_not: str) -> Closer:
        """What was told stays on the page of a process that has ended since, and not of one at another moment."""
        ended = bool(self._gone) and self._moment == NOW and self.looks is not None
        return replace(self.closer, words=why_not, detail=None) if why_not and not ended else self.closer

    def _no_threads(self, why_not: str) -> str:
        if why_not:
            return why_not if self.looks is not None and not self._gone else f"{why_not}; its threads were not recorded at this moment"
        return "looking at its threads …" if self.following.frame.reading.threads is None else "it has one thread, itself"

    # tabs

    def on_tabs_opened(self, message: Tabs.Opened) -> None:
        self.action_open(message.place)

    def action_open(self, place: int) -> None:
        page = self.query_one(Page)
        self._tops[self.tab] = page.top
        if self.tab == ENVIRONMENT != place:
            self.forget_environment()
        self.tab = place
        page.top = self._tops[place]
        self._want()
        self._look()
        self.fill()

    def action_turn(self, step: int) -> None:
        self.action_open((self.tab + step) % len(NAMES))

    def action_zoom(self, step: int) -> None:
        self.following.widen(step)
        self._rested()
        self.fill()

    def _want(self) -> None:
        """What the source reads for this screen alone."""
        row = self.following.row
        if self.looks is not None and row is not None:
            cgroup = self.following.frame.batch.labels[row].cgroup
            self.proctop.want(
                threads_of=frozenset((self.key.pid,)) if self.tab == THREADS else frozenset(),
                cgroups=frozenset((cgroup,)) if cgroup else frozenset(),
            )

    def _look(self, *, again: bool = False) -> None:
        """What the open tab needs of the host."""
        if self._why_not() or self.following.row is None:
            return
        if self.tab == HOLDS:
            self.look_inside(again=again)
        elif self.tab in (WHY, ABOUT):
            self.look(again=again)

    def action_again(self) -> None:
        if self.tab in (ABOUT, HOLDS):
            self._look(again=True)
        elif self.tab == ENVIRONMENT and self.environment:
            self.action_read()

    def action_read(self) -> None:
        if self.tab == ENVIRONMENT and not self._why_not():
            self.read_environment()
            self.fill()

    # what is done to it

    def _refuses(self, why: str) -> bool:
        """Whether nothing is done to it: as the main screen has it, or because it has ended. Says so."""
        if self.proctop.main.refuses(why):
            return True
        if self._gone:
            self.proctop.tell(f"pid {self.key.pid}: {self._gone}", failed=True)
        return bool(self._gone)

    def action_signal(self) -> None:
        if not self._refuses(self.proctop.actions.refused):
            self.proctop.ask_signal(self.key, self.following.frame)

    def action_accept(self) -> None:
        if not self._refuses(""):
            self.proctop.accept(self.key)

    def action_incident(self) -> None:
        if not self._refuses(""):
            self.proctop.mark_incident(self.key, self.following.frame)
