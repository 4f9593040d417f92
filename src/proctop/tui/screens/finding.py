"""What is found by typing: a process, those that match a filter, a moment."""

from __future__ import annotations

import time

from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.times import parse_time
from proctop.tui.screens.board import Board
from proctop.tui.transport import NEAR
from proctop.tui.widgets.prompt import Prompt
from proctop.view import departed
from proctop.view.query import Query, QueryError, parse

FILTER_HINT = "words, cpu>5, user=root, mem>1gb, image~redis, score>3, and or ! ( )   Enter keeps, Esc clears"
SEARCH_HINT = "Enter keeps, n and N go on, Esc leaves"
TIME_HINT = "10:00, 3m ago, 2026-01-31T10:00   Enter goes there, Esc leaves"
GO = "go to"

_HALF_A_DAY = 43200.0
_DIGITS = 19  # that int64 does not hold
_SECOND = 0.999  # a reading of 10:00:00.4 is shown as 10:00:00


class Finding(Board):
    """The board with its prompt."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._before_search: ProcKey | None = None

    def on_prompt_edited(self, message: Prompt.Edited) -> None:
        if message.purpose == "search":
            self._found = message.text
            self._arrange()
            self._seek(1, from_here=True)
        elif message.purpose == "filter":
            self._filter(message.text)
        else:
            self._preview(message.text)

    def on_prompt_closed(self, message: Prompt.Closed) -> None:
        if message.purpose == "search" and not message.kept:
            self._found = ""
            self._table.select(self._before_search)
            self._arrange()
        elif message.purpose == "filter":
            self._filter(message.text if message.kept else "")
        elif message.purpose == GO and message.kept and message.text.strip():
            self.proctop.deck.go(self._moment_of(message.text) + _SECOND)

    # a process

    def action_search(self) -> None:
        self._before_search = self._table.cursor
        self._prompt.ask("search", "", SEARCH_HINT)

    def action_next(self, step: int) -> None:
        self._seek(step)

    def _seek(self, step: int, *, from_here: bool = False) -> None:
        """Select the next process whose name or command line holds the text, or whose pid begins with it; first the one of that pid."""
        frame, word = self.shown, self._found.casefold()
        if frame is None or not word:
            return
        order = self._table.order
        if from_here and word.isdecimal() and len(word) < _DIGITS:
            named = order[order >= 0]
            named = named[frame.reading.pid[named] == int(word)]
            if named.size:
                self._table.select(frame.reading.key(int(named[0])))
                self._prompt.hint(SEARCH_HINT)
                return
        start = self._table.place
        first = 0 if start is None else start if from_here else start + step
        for k in range(len(order)):
            place = (first + step * k) % len(order)
            i = int(order[place])
            found = departed.find(frame, i)
            if i < 0 and found is None:
                continue  # a thread
            label = frame.batch.labels[i] if found is None else found[0].labels[found[1]]
            key = frame.reading.key(i) if found is None else departed.key_of(*found)
            if word in label.comm.casefold() or word in label.command.casefold() or str(key.pid).startswith(word):
                self._table.select(key)
                self._prompt.hint(SEARCH_HINT)
                return
        self._prompt.hint(f"nothing holds {self._found!r}", 0)

    # those that match

    def action_filter(self) -> None:
        self._prompt.ask("filter", self._query_text, FILTER_HINT)

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

    # a moment

    def action_go(self) -> None:
        if self.shown is not None and self.proctop.deck.travels:
            self._prompt.ask(GO, "", TIME_HINT, self._no_moment)

    def _moment_of(self, text: str) -> float:
        """Wall seconds. ``10:00`` is the one nearest to the moment shown, or else within what there is.

        "3m ago" counts from now, in a recording from the moment shown. Raises ``ValueError``.
        """
        deck = self.proctop.deck
        assert self.shown is not None
        shown = self.shown.reading.wall
        now = deck.latest.reading.wall if deck.latest is not None else shown
        first, last = (deck.outlook.first, deck.outlook.last) if deck.outlook is not None else (float("-inf"), now)
        found = []
        for since in (shown - _HALF_A_DAY, first, last - 2 * _HALF_A_DAY):
            if since > float("-inf"):
                found.append(parse_time(text, now, since=since))
                if first - NEAR <= found[-1] <= last + NEAR:
                    return min(max(found[-1], first), last)
        span = f"{_said(first, last)} to {_said(last, found[0])}" if first > float("-inf") else f"the past; it is {_said(last, found[0])}"
        raise ValueError(f"{_said(found[0], last)} is not within {span}")

    def _no_moment(self, text: str) -> str:
        """What is wrong with a time, "" = nothing."""
        try:
            if text.strip():
                self._moment_of(text)
        except ValueError as error:
            return str(error)
        return ""

    def _preview(self, text: str) -> None:
        wrong = not text.strip() or self._no_moment(text)
        self._prompt.hint(TIME_HINT if wrong else f"{_said(self._moment_of(text))}   Enter goes there, Esc leaves")


def _said(wall: float, other: float = float("nan")) -> str:
    """A time with its date, unless that is the one of another time beside it."""
    try:
        at = time.localtime(wall)
        same = other == other and at[:3] == time.localtime(other)[:3]
        return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M:%S", at)
    except (OverflowError, ValueError, OSError):
        return "that time"
