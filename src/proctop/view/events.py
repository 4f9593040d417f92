"""Alert events as a list: what is known of each, filtered and sorted, and its lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proctop.frames import HOST, AlertEvent, is_container
from proctop.records import Container, ProcKey
from proctop.view.cells import Cell, Glyphs, Line, fit, line
from proctop.view.units import duration, moment, percent

NAN = float("nan")
SORTS = ("time", "score")

MOST = 1000
"""Events that are remembered beside those that the past tells of."""


MOST_MARKS = 5000
"""Events that the past tells of, as far as they are listed."""


class Mark(Protocol):
    """What an index of the past tells of an event: :class:`proctop.stream.summary.Mark`."""

    @property
    def wall(self) -> float: ...

    @property
    def key(self) -> ProcKey: ...


@dataclass(frozen=True, slots=True)
class Event:
    """An alert event as far as it is known. Times are wall seconds, NaN = not known.

    Attributes:
        whole: all of it, where more than its mark is known.
        state: "open", "ended", "accepted", "incident"; "" = only its beginning is known.
    """

    key: ProcKey
    comm: str
    container: str
    start: float
    score: float
    text: str
    peak: float = NAN
    end: float = NAN
    state: str = ""
    whole: AlertEvent | None = None

    @property
    def host(self) -> bool:
        return self.key == HOST

    @property
    def pid(self) -> str:
        """Of a process; "" = it is no process's."""
        return str(self.key.pid) if self.key.pid else ""

    @property
    def going(self) -> bool:
        return self.whole is not None and self.whole.open

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @classmethod
    def of(cls, event: AlertEvent) -> Event:
        state = "incident" if event.incident else "accepted" if event.accepted else "open" if event.open else "ended"
        text = "; ".join(reason.text for reason in event.why)
        box: Container | None = event.container
        container = "" if box is None else box.title
        return cls(event.key, event.comm, container, event.start, event.score, text, event.peak, event.end, state, event)

    @classmethod
    def marked(cls, mark: Mark) -> Event:
        said = {name: getattr(mark, name, "") for name in ("comm", "container", "text")}
        return cls(mark.key, said["comm"], said["container"], mark.wall, getattr(mark, "score", NAN), said["text"])


class Chronicle:
    """The events of the frames that came, the latest word on each. Also tells which are new."""

    def __init__(self) -> None:
        self._events: dict[tuple[ProcKey, float], AlertEvent] = {}
        self._marks: Sequence[Mark] = ()
        self._marked: list[Event] = []

    def learn(self, alerts: Iterable[AlertEvent]) -> list[AlertEvent]:
        """Take those of a frame; those that nobody had heard of, oldest first."""
        new = []
        for event in alerts:
            name = event.key, event.start
            if name not in self._events:
                new.append(event)
            self._events[name] = event
        for name in list(self._events)[: max(0, len(self._events) - MOST)]:
            del self._events[name]
        return new[::-1]

    def box(self, key: ProcKey) -> str:
        """The id of the container that had the last event of this key as a whole, "" = none."""
        return next((event.box for event in reversed(self._events.values()) if event.key == key), "")

    def events(self, marks: Sequence[Mark] = ()) -> list[Event]:
        """All of them and, where the past is at hand, the latest of those that it tells of."""
        if self._marks is not marks:
            self._marks, self._marked = marks, [Event.marked(mark) for mark in marks[-MOST_MARKS:]]
        rest = [event for event in self._marked if (event.key, event.start) not in self._events]
        return [*map(Event.of, self._events.values()), *rest]


@dataclass(frozen=True, slots=True)
class Listing:
    """Which events are shown, and in what order."""

    sort: str = "time"
    reverse: bool = False
    words: tuple[str, ...] = field(default=())

    def of(self, events: Iterable[Event]) -> list[Event]:
        """Latest, or highest, first; those that hold every word."""
        shown = [event for event in events if _holds(event, self.words)]
        shown.sort(key=lambda event: (event.start, event.key))
        if self.sort == "score":
            shown.sort(key=lambda event: event.score if event.score == event.score else -1.0)
        return shown if self.reverse else shown[::-1]


def _holds(event: Event, words: Sequence[str]) -> bool:
    said = " ".join((event.comm, event.container, event.text, event.state, event.pid)).casefold()
    return all(word in said for word in words)


_STYLES = {"open": "alert", "incident": "bad", "accepted": "good", "ended": "soft"}
_WIDTHS = {"began": 8, "lasted": 6, "score": 5, "state": 8, "pid": 7, "name": 15, "container": 16}
_NEEDS = {"lasted": 60, "pid": 72, "container": 110}
"""Columns that a narrower list goes without."""


def _columns(total: int) -> list[str]:
    return [name for name in _WIDTHS if total >= _NEEDS.get(name, 0)]


def titles(total: int, listing: Listing, glyphs: Glyphs) -> Line:
    cells = [Cell(" ", "title")]
    arrow = glyphs.up if listing.reverse else glyphs.down
    for name in _columns(total):
        by = name == {"time": "began", "score": "score"}[listing.sort]
        text = name.upper() + (arrow if by else "")
        cells += [Cell(fit(text, _WIDTHS[name], glyphs, right=name in ("lasted", "score", "pid")), "sorted" if by else "title")]
        cells.append(Cell(" ", "title"))
    room = max(0, total - sum(len(cell.text) for cell in cells))
    return line([*cells, Cell(fit("WHY", room, glyphs), "title")], total)


def row(event: Event, now: float, total: int, glyphs: Glyphs, *, chosen: bool) -> Line:
    """One event. ``now``: wall seconds of the moment shown."""
    lasted = duration(event.seconds, 5) + ("+" if event.going else "")
    texts = {
        "began": moment(event.start, now, 8),
        "lasted": lasted if event.going else lasted + " ",
        "score": percent(event.score, 5),
        "state": event.state or "-",
        "pid": event.pid,
        "name": event.comm,
        "container": event.container,
    }
    level = _STYLES.get(event.state, "soft")
    styles = {"score": level if level in ("alert", "bad") else "text", "state": level, "name": "strong", "container": "box", "pid": "soft"}
    cells = [Cell(" ")]
    for name in _columns(total):
        text = fit(texts[name], _WIDTHS[name], glyphs, right=name in ("lasted", "score", "pid"))
        cells += [Cell(text, styles.get(name, "text")), Cell(" ")]
    room = max(0, total - sum(_WIDTHS[name] + 1 for name in _columns(total)) - 1)
    return line(
        [*cells, Cell(fit(event.text, room, glyphs), "text" if event.state in ("open", "incident") else "soft")], total, chosen * "cursor"
    )


def sentences(event: Event, now: float) -> list[str]:
    """What there is to say of one event beside its row, a line each."""
    where = f" in {event.container}" if event.container and event.pid else ""
    who = "the host" if event.host else f"{called(event.comm, event.key, 'pid ')}{where}"
    whole = event.whole
    if whole is None:
        return [f"{who}, from {moment(event.start, now, 8)}", event.text or "no single reason"]
    when = f"{who}: {moment(whole.start, now, 8)}" + (f" to {moment(whole.end, now, 8)}" if not whole.open else " and going on")
    worst = f", worst at {moment(whole.peak, now, 8)}" if whole.peak > whole.start else ""
    rare = f", by chance {often(whole.per_hour)}" if whole.per_hour == whole.per_hour else ""
    return [when + worst + rare, *([reason.text for reason in whole.why] or ["no single reason"])]


def called(comm: str, key: ProcKey, before: str = "") -> str:
    """A process by name and pid, with something ``before`` that; a container as a whole by its title."""
    return f"container {comm}" if is_container(key) else f"{comm} {before}{key.pid}"


def often(hourly: float) -> str:
    """A frequency as people say it.

    >>> often(40), often(0.4), often(0.0)
    ('40 times an hour', 'once in 2.5 h', 'almost never')
    """
    return f"{hourly:.0f} times an hour" if hourly >= 1.5 else f"once in {1 / hourly:.2g} h" if hourly > 1e-4 else "almost never"


def news(event: AlertEvent) -> str:
    """A new event in one line: name, pid, the first reason."""
    who = event.comm if event.key == HOST else called(event.comm, event.key)
    return f"{who}: {event.why[0].text}" if event.why else f"{who}: unusual"


def folded(events: Sequence[AlertEvent]) -> str:
    """Some new ones in one line."""
    if len(events) == 1:
        return news(events[0])
    return f"{len(events)} new alerts: {', '.join(dict.fromkeys(event.comm for event in events))}"
