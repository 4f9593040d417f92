"""One process: why it stands out, over time; who it is; what it holds; its threads; its environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop.actions import ActionFailed, Actions
from proctop.course import join, moment
from proctop.inspection import Detail, Environment, Holdings
from proctop.records import CgroupCounters, Course, Frame, ProcKey
from proctop.tui.keys import TIME
from proctop.tui.screens.pages import Reader
from proctop.tui.tracing import Asked
from proctop.tui.widgets.bars import Keys, Notice
from proctop.tui.widgets.menu import Page
from proctop.tui.widgets.tabs import Tabs
from proctop.view import about, detail, holdings, table
from proctop.view.about import Closer
from proctop.view.cells import Cell
from proctop.view.detail import LEAST, ZOOMS, Portrait, Text
from proctop.view.panel import NOW, Moment, words
from proctop.view.threads import Threads

if TYPE_CHECKING:
    from proctop.tui.app import Proctop

WHY, ABOUT, HOLDS, THREADS, ENVIRONMENT = range(5)
NAMES = ("Why", "About", "Files and sockets", "Threads", "Environment")

ELSEWHERE = "another host or a recording tells no more"
NOT_NOW = "told of now only"
LOOKING = "looking …"
SILENT = "the kernel does not answer about this process; what it says will be shown when it comes"

_MARGIN = 0.25  # of what the charts show, fetched beyond it: so that a step back needs nothing
_REST = 0.5  # seconds between two questions: a past that is played fast would only be asked for

T = TypeVar("T")


class Sheet(Page, inherit_bindings=False):
    """A page whose space key is left to the time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "turn(-1)", "page up", show=False),
        Binding("pagedown", "turn(1)", "page down", show=False),
        Binding("home", "move(-100000)", "begin", show=False),
        Binding("end", "move(100000)", "end", show=False),
    ]


class ProcessDetail(Reader):
    """Follows one process from frame to frame; what lies before it comes from the past while nobody waits for it."""

    TITLE = "the detail"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(k + 1), f"open({k})", name.lower(), id=f"tab_{k + 1}") for k, name in enumerate(NAMES)),
        Binding("tab", "turn(1)", "the next tab", id="tab_next"),
        Binding("shift+tab", "turn(-1)", "the tab before", id="tab_previous"),
        Binding("w", "zoom(1)", "a wider span of history", id="wider"),
        Binding("W", "zoom(-1)", "a narrower one", id="narrower"),
        Binding("r", "again", "look again: files, sockets, delays, environment", id="again"),
        Binding("enter", "read", "read the environment, on its tab", id="read"),
        Binding("f9,k", "signal", "send a signal to the process", key_display="F9 k", id="signal"),
        Binding("a", "accept", "take what it does now as its normal", id="accept"),
        Binding("i", "incident", "mark its alarm as an incident, no false alarm", id="incident"),
        *TIME,
    ]

    def __init__(self, key: ProcKey, frame: Frame, looks: Actions | None, moment: Moment) -> None:
        """``looks`` asks the host about the process; None: it is not the host of the frame."""
        super().__init__()
        self.key = key
        self.tab = WHY
        self._frame, self._looks, self._moment = frame, looks, moment
        self._gone = ""
        self._zoom = ZOOMS.index(LEAST)
        self._course: Course | None = None
        self._asked: Asked | None = None  # what the course covers, or will
        self._resting = False
        self._closer = Closer()
        self._holds: Holdings | str = ""
        self._environment: Environment | str = ""
        self._looking: set[Callable[[ProcKey], object]] = set()  # not answered yet, however late
        self._threads = Threads(key.pid)
        self._cgroup: tuple[float, CgroupCounters] | None = None  # and when, monotonic
        self._earlier: tuple[float, CgroupCounters] | None = None
        self._tops = [0] * len(NAMES)
        self._learn(frame)

    @property
    def proctop(self) -> Proctop:
        return cast("Proctop", self.app)

    def compose(self) -> ComposeResult:
        yield Notice("reader-title")
        yield Tabs(NAMES)
        yield Sheet()
        yield Keys()

    def on_mount(self) -> None:
        super().on_mount()
        self._want()
        self._look_closely()
        self.call_after_refresh(self._trace)  # what decodes must not be in the way of the first paint

    def on_unmount(self) -> None:
        """What it asked for is wanted no more, and what nobody may keep goes."""
        self._environment = ""
        self.proctop.deck.trace(None)
        self.proctop.want(threads_of=frozenset(), cgroups=frozenset())

    # frames

    def show(self, frame: Frame, moment: Moment) -> None:
        """Go on with another frame; the last one stays where the process is not in it."""
        self._gone = "" if table.row_of(frame, self.key) is not None else table.absence(frame, self.key, self._gone)
        self._moment = moment
        if not self._gone:
            self._frame = frame
            self._learn(frame)
        self.fill()
        if self.is_attached:
            self._trace()
            self._look_closely()

    def _learn(self, frame: Frame) -> None:
        """Add the frame to what is known."""
        row = self._row
        if row is None:
            return
        now = moment(frame, self.key, kin=self._portrait_of(row).young)
        if self._course is None:
            self._course = now
        else:
            self._course = join(self._course, replace(now, every=self._course.every), frame.reading.wall - self._kept)
        asked, wall = self._asked, frame.reading.wall
        if asked is not None and asked.end < wall and wall - float(now.covers[0]) <= asked.end + frame.reading.interval / 2:
            self._asked = asked._replace(end=wall)  # it goes on without a hole
        self._threads.learn(frame.reading)
        counters = frame.reading.cgroups.get(frame.batch.labels[row].cgroup)
        mono = frame.reading.mono
        if counters is None:
            self._cgroup = self._earlier = None
        elif self._cgroup is None or self._cgroup[0] != mono:
            follows = self._cgroup is not None and 0 < mono - self._cgroup[0] <= 10 * frame.reading.interval
            self._earlier = (mono - self._cgroup[0], self._cgroup[1]) if self._cgroup is not None and follows else None
            self._cgroup = mono, counters

    @property
    def _row(self) -> int | None:
        """Of the frame shown; None for a thread."""
        row = table.row_of(self._frame, self.key)
        return row if row is not None and row >= 0 else None

    # the past

    @property
    def _span(self) -> float:
        return ZOOMS[self._zoom]

    @property
    def _kept(self) -> float:
        """Seconds that are kept of the past."""
        return max(self._span, LEAST) * (1 + _MARGIN)

    def _trace(self) -> None:
        """Ask for what is missing of the past, if anything is."""
        wall = self._frame.reading.wall
        asked = self._asked
        known = asked is not None and asked.begin <= wall - max(self._span, LEAST) and wall <= asked.end
        if known or self._resting or self._row is None:
            return
        self._asked = Asked(self.key, wall - self._kept, wall)
        self.proctop.deck.trace(self._asked)
        self._resting = True
        self.set_timer(_REST, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._trace()

    def take(self, course: Course) -> None:
        """More of the past has come."""
        known = self._course
        if known is None or course.every < known.every:  # what was sampled for a wider span gives way
            self._course = course
        else:
            self._course = join(known, course, self._frame.reading.wall - self._kept)
        self.fill()

    def action_zoom(self, step: int) -> None:
        self._zoom = max(0, min(self._zoom + step, len(ZOOMS) - 1))
        if self._course is not None and self._course.every > 1:
            self._asked = None  # sampled for the span before
        self._resting = False
        self._trace()
        self.fill()

    # what is drawn

    def aside(self) -> list[Cell]:
        return [] if self._moment == NOW else [Cell(f" {words(self._moment, self._frame.reading.wall)} ", "badge")]

    def headline(self) -> str:
        row = self._row
        if row is None:
            return f"thread  {self.key.pid}"
        label = self._frame.batch.labels[row]
        inside = f"  in {label.container.title}" if label.container is not None else ""
        return f"{label.comm}  pid {self.key.pid}{inside}" + (f"  {self._gone}" if self._gone else "")

    def fill(self) -> None:
        super().fill()
        if self.query(Keys):
            self.query_one(Tabs).show(self.tab)
            self.query_one(Keys).set_keys(self._keys())

    def _keys(self) -> Sequence[tuple[str, str, str]]:
        deck = self.proctop.deck
        acts = [("F9", "Signal", "signal"), ("a", "Accept", "accept"), ("i", "Incident", "incident")] if deck.live else []
        again = [("r", "Look again", "again")] if self.tab in (ABOUT, HOLDS) or (self.tab == ENVIRONMENT and self._environment) else []
        moves = [("[", "Back", "app.step(-1)"), ("]", "On", "app.step(1)")] if deck.travels else []
        held = ("Space", "Now" if deck.live and not deck.now else "Pause" if deck.live or deck.speed else "Play", "app.hold")
        zoom = [("w", "Wider", "zoom(1)"), ("W", "Narrower", "zoom(-1)")] if self.tab == WHY else []
        return [("F1", "Help", "help"), ("Tab", "Next", "turn(1)"), *zoom, *again, *moves, held, *acts, ("Esc", "Back", "dismiss")]

    def text(self, columns: int) -> Text:
        row = self._row
        if row is None:
            return [[Cell(" A thread has no detail of its own: select its process.", "soft")]]
        page = self.query_one(Page)
        if self.tab == WHY:
            return detail.text(self._portrait_of(row), columns, page.size.height, page.glyphs)
        if self.tab == ABOUT:
            return about.text(self._frame, row, columns, self._told_of_now(), self._earlier)
        if self.tab == THREADS:
            return self._threads.text(columns, page.glyphs) or [[Cell(f" {self._no_threads()}", "soft")]]
        why_not = self._why_not()
        if why_not:
            return [[Cell(f" {f'{NOT_NOW}: {why_not}' if why_not == ELSEWHERE else why_not}", "soft")]]
        if self.tab == HOLDS:
            told = self._holds
            return [[Cell(f" {told}", "soft")]] if isinstance(told, str) else holdings.text(told, columns, page.glyphs)
        seen = self._environment
        if isinstance(seen, Environment):
            return holdings.environment(seen, columns)
        return [line for words in ([seen] if seen else ASKED) for line in detail.labelled("", words, columns, "soft", indent=0)]

    def _portrait_of(self, row: int) -> Portrait:
        frame, course = self._frame, self._course
        wall = frame.reading.wall
        if course is None:
            course = moment(frame, self.key)
        elif len(course) and course.wall[-1] > wall:
            course = _until(course, wall)
        return Portrait(frame, row, course, self._span, self._begins() if self.is_attached else (), self._moment == NOW and not self._gone)

    def _begins(self) -> list[float]:
        """When alerts of it began, as far as anybody knows."""
        deck, engine = self.proctop.deck, self.proctop.engine
        found = {mark.wall for mark in (deck.outlook.marks if deck.outlook is not None else ()) if mark.key == self.key}
        found |= {event.start for event in (engine.events if engine is not None and deck.live else ()) if event.key == self.key}
        return sorted(found | {event.start for event in self._frame.alerts if event.key == self.key})

    def _why_not(self) -> str:
        """Why the host is not asked, "" = it is."""
        return ELSEWHERE if self._looks is None else NOT_NOW if self._moment != NOW else self._gone and f"the process: {self._gone}"

    def _told_of_now(self) -> Closer:
        why_not = self._why_not()
        return replace(self._closer, words=why_not, detail=None) if why_not and not (self._gone and self._moment == NOW) else self._closer

    def _no_threads(self) -> str:
        why_not = self._why_not()
        if why_not:
            return why_not if self._looks is not None and not self._gone else f"{why_not}; its threads were not recorded at this moment"
        return "looking at its threads …" if self._frame.reading.threads is None else "it has one thread, itself"

    # tabs

    def on_tabs_opened(self, message: Tabs.Opened) -> None:
        self.action_open(message.place)

    def action_open(self, place: int) -> None:
        page = self.query_one(Page)
        self._tops[self.tab] = page.top
        if self.tab == ENVIRONMENT != place:
            self._environment = ""
        self.tab = place
        page.top = self._tops[place]
        self._want()
        self._look_closely()
        self.fill()

    def action_turn(self, step: int) -> None:
        self.action_open((self.tab + step) % len(NAMES))

    def _want(self) -> None:
        """What the source reads for this screen alone."""
        row = self._row
        if self._looks is None or row is None:
            return
        cgroup = self._frame.batch.labels[row].cgroup
        self.proctop.want(
            threads_of=frozenset((self.key.pid,)) if self.tab == THREADS else frozenset(),
            cgroups=frozenset((cgroup,)) if cgroup else frozenset(),
        )

    # the closer look

    def action_again(self) -> None:
        if self.tab in (ABOUT, HOLDS):
            self._look_closely(again=True)
        elif self.tab == ENVIRONMENT and self._environment:
            self.action_read()

    def action_read(self) -> None:
        """The environment, because the user asked for it."""
        if self.tab == ENVIRONMENT and self._looks is not None and not self._why_not():
            self._environment = self._environment or LOOKING
            self._ask(self._looks.environment, self._came_environment)
            self.fill()

    def _look_closely(self, *, again: bool = False) -> None:
        """What the open tab needs of the host; once, unless it is wanted ``again``."""
        if self._looks is None or self._why_not() or self._row is None:
            return
        if self.tab == HOLDS:
            if again or not self._holds:
                self._holds = self._holds or LOOKING
                self._ask(self._looks.holdings, self._came_holdings)
        elif self.tab in (WHY, ABOUT) and (again or not (self._closer.detail or self._closer.words)):
            self._closer = replace(self._closer, words=self._closer.words or LOOKING)
            self._ask(self._looks.detail, self._came_detail)

    def _ask(self, look: Callable[[ProcKey], T], came: Callable[[T | str], None]) -> None:
        """Run ``look`` beside the screen; one of a kind at a time, as one that hangs cannot be ended."""
        if look not in self._looking:
            self._looking.add(look)
            self.proctop.look_closely(self.key, look, partial(self._answered, look, came))

    def _answered(self, look: Callable[[ProcKey], T], came: Callable[[T | str], None], answer: T | ActionFailed | None) -> None:
        if answer is not None:
            self._looking.discard(look)
        if self.is_attached:
            came(SILENT if answer is None else str(answer) if isinstance(answer, ActionFailed) else answer)
            self.fill()

    def _came_detail(self, told: Detail | str) -> None:
        if isinstance(told, str):
            self._closer = Closer(told)
        else:
            self._closer = Closer(detail=told, before=self._closer.detail)

    def _came_holdings(self, told: Holdings | str) -> None:
        self._holds = told

    def _came_environment(self, told: Environment | str) -> None:
        if self.tab == ENVIRONMENT:
            self._environment = told

    # what is done to it

    def action_signal(self) -> None:
        app = self.proctop
        if not app.main.refuses(app.actions.refused) and not self._gone:
            app.ask_signal(self.key, self._frame)

    def action_accept(self) -> None:
        if not self.proctop.main.refuses("") and not self._gone:
            self.proctop.accept(self.key)

    def action_incident(self) -> None:
        if not self.proctop.main.refuses("") and not self._gone:
            self.proctop.mark_incident(self.key, self._frame)


ASKED = (
    "The environment of a process often holds secrets: passwords, tokens, keys.",
    "Enter reads it and shows it here, and nowhere else: it is not recorded or exported, and forgotten when this tab closes.",
    "Values that look like secrets are masked.",
)


def _until(course: Course, wall: float) -> Course:
    """The part of it that had happened by then."""
    part = slice(int(np.searchsorted(course.wall, wall, side="right")))
    return replace(
        course,
        wall=course.wall[part],
        covers=course.covers[part],
        values=course.values[:, part],
        rank=course.rank[part],
        alerting=course.alerting[part],
    )
