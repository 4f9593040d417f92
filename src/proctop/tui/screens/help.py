"""Help: keys of every screen, marks, columns, features and remarks, out of the bindings and the registry; what is typed narrows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType

from proctop import fields
from proctop.tui.keymap import scopes
from proctop.tui.keys import Allowed, documented
from proctop.tui.screens.pages import LABEL, Reader, Text
from proctop.tui.widgets.menu import Page
from proctop.view import group_lines
from proctop.view.cells import Cell


class Entry(NamedTuple):
    """One thing to know: a label in its style, and what is said of it."""

    label: str
    says: str
    style: str = "soft"


class Topic(NamedTuple):
    title: str
    entries: Sequence[Entry]


def topics(remarks: Sequence[str], allowed: Allowed, keymap: dict[str, str], here: str = "") -> list[Topic]:
    """Everything there is to know; the keys of the screen called ``here`` come first.

    Args:
        remarks: of this host.
        allowed: whether an action is to be had in this session.
    """
    keys = []
    for title, bindings in scopes():
        entries = [Entry(*pair) for pair in documented(bindings, allowed, keymap)]
        keys.append(Topic(title, entries))
    keys.sort(key=lambda topic: topic.title != f"Keys: {here.lower()}")
    return [
        *([Topic("This host", [Entry("", remark) for remark in remarks])] if remarks else []),
        *keys,
        Topic("Marks", MARKS),
        Topic("The score", SCORE),
        Topic("Columns", [Entry(column.title, column.help) for column in fields.COLUMNS]),
        Topic("Columns of groups", [Entry(column.title, column.help) for column in group_lines.COLUMNS]),
        Topic("Columns of containers", [Entry(column.title, column.help) for column in group_lines.BOXES]),
        Topic("Features of filters and exports", [Entry(f.name, f.help + _unit(f.unit)) for f in fields.FEATURES]),
        Topic("Filters", FILTERS),
    ]


def _unit(unit: str) -> str:
    return f" ({unit})" if unit not in ("", "1") else ""


MARKS = (
    Entry("11.2!", "a score that alerts: rarer on this host than the budget of false alerts", "alert"),
    Entry("4.3", "rarer than once in five minutes", "high"),
    Entry("2.4", "rarer than once in half a minute", "mid"),
    Entry("0.3", "ordinary", "low"),
    Entry("new", "too young to be judged by its own past: judged by others of its name"),
    Entry("warming", "the monitor is too young: nobody knows yet what is normal", "faint"),
    Entry("–", "not known, with the reason under This host; never 0", "faint"),
    Entry("exited", "the selected process has ended; its last row stays until you move", "warn"),
    Entry("not yet", "at the moment shown, the selected process had not begun", "warn"),
    Entry("gone", "ended within the last seconds; ×400 = so many of one name below one parent, and what they did together", "soft"),
    Entry("R S D Z T I X", "running, sleeping, waiting for storage, zombie, stopped, idle, ended"),
    Entry("history", "the scores before, newest on the right: a full block is a score of 12; a blank, no score", "spark"),
    Entry("(+3) name", "a folded subtree and how many it holds; its row shows the sums and the highest score"),
    Entry("[name]", "a thread of the kernel"),
    Entry("!", "on the timeline: an anomaly; a click goes there", "alert"),
    Entry("96.5!", "a figure of a container that is near its limit, or higher than is well", "warn"),
    Entry("rec", "what is shown is being recorded", "bad"),
    Entry("late 0.5s", "the reading came that much after its time: the host is busy", "warn"),
)
SCORE = (
    Entry(
        "",
        "How unlike its own past a process behaves now, in nats (3 is about once in 20 readings, 7 once in 1,000), smoothed over "
        "two readings. The bar is full at 12. A number with ! alerts: so high an episode is rarer on this host than the budget of "
        "false alerts. A new process is judged by others of its name; while the monitor warms up nothing is judged.",
    ),
)
FILTERS = (
    Entry("redis", "name or command line holds the word"),
    Entry("cpu>5", "a column or feature compared with a number: < <= > >= = !=, units as in 1gb, 38mb/s, 3m"),
    Entry("image=redis", "a text, with = whole words of it, with ~ a regular expression, with != anything else"),
    Entry("and or ! ( )", "put together, as in cpu>5 and (user=root or mem>1gb)"),
)


class Help(Reader):
    """The topics; a letter or ``/`` begins a search, which shows the entries that hold every word."""

    TITLE = "help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "begin", "search; so does every letter but q", key_display="/", id="help_search"),
        Binding("space", "turn", "page down", id="help_turn"),
        Binding("backspace", "erase", "take a letter back", key_display="Backspace", id="help_erase"),
        Binding("escape", "leave", "end the search, or go back", key_display="Esc", id="help_leave"),
    ]

    def __init__(self, topics: Iterable[Topic]) -> None:
        super().__init__()
        self._topics = tuple(topics)
        self._search: str | None = None

    def headline(self) -> str:
        return "Help" if self._search is None else f"Help: {self._search}_"

    def aside(self) -> list[Cell]:
        if self._search is None:
            return [Cell("type to search ", "soft")]
        found = sum(len(topic.entries) for topic in self._found())
        return [Cell(f"{found} found " if found else "nothing holds that ", "soft" if found else "warn")]

    def text(self, columns: int) -> Text:
        words = self._words
        out: Text = []
        for topic in self._found():
            out += [*([[Cell("")]] if out else []), [Cell(" "), *marked(topic.title, words, "strong")]]
            for entry in topic.entries:
                out += _lines(entry, words, columns)
        return out

    @property
    def _words(self) -> list[str]:
        return (self._search or "").casefold().split()

    def _found(self) -> list[Topic]:
        """The topics with the entries that hold every word, in themselves or in the topic's title."""
        words = self._words
        kept = ((topic, [e for e in topic.entries if _holds(f"{topic.title} {e.label} {e.says}", words)]) for topic in self._topics)
        return [topic._replace(entries=entries) for topic, entries in kept if entries]

    def on_key(self, event: events.Key) -> None:
        letter = event.character
        if letter is None or not event.is_printable or (self._search is None and letter in " q/"):
            return
        if self._search is None and letter == "?":  # the key that opened it
            return
        event.stop()
        self._narrow((self._search or "") + letter)

    def action_begin(self) -> None:
        self._narrow("")

    def action_turn(self) -> None:
        self.query_one(Page).action_turn(1)

    def action_erase(self) -> None:
        self._narrow(self._search[:-1] if self._search else None)

    def action_leave(self) -> None:
        if self._search is not None:
            self._narrow(None)
        else:
            self.dismiss()

    def action_help(self) -> None:
        """It is there already."""

    def _narrow(self, text: str | None) -> None:
        self._search = text
        self.query_one(Page).top = 0
        self.fill()


def _holds(text: str, words: Sequence[str]) -> bool:
    text = text.casefold()
    return all(word in text for word in words)


def _lines(entry: Entry, words: Sequence[str], columns: int) -> Text:
    """Label and text side by side; a label too long for its place has a line of its own."""
    parts = textwrap.wrap(entry.says, max(10, columns - LABEL - 1), break_on_hyphens=False) or [""]
    label = marked(entry.label, words, entry.style)
    out: Text = []
    if len(entry.label) >= LABEL:
        out.append([Cell(" "), *label])
        label, size = [], 0
    else:
        size = len(entry.label)
    for k, part in enumerate(parts):
        head = [Cell(" "), *(label if k == 0 else []), Cell(" " * (LABEL - (size if k == 0 else 0)))]
        out.append([*head, *marked(part, words, "text")])
    return out


def marked(text: str, words: Sequence[str], style: str) -> list[Cell]:
    """``text`` in its style, with what a search found in it as "match".

    >>> [tuple(cell) for cell in marked("Sort by CPU", ["cpu", "or"], "text")]
    [('S', 'text'), ('or', 'match'), ('t by ', 'text'), ('CPU', 'match')]
    """
    plain = text.casefold()
    if not words or len(plain) != len(text):
        return [Cell(text, style)]
    hit = [False] * len(text)
    for word in words:
        at = plain.find(word)
        while at >= 0:
            hit[at : at + len(word)] = [True] * len(word)
            at = plain.find(word, at + 1)
    out: list[Cell] = []
    begin = 0
    for k in range(1, len(text) + 1):
        if k == len(text) or hit[k] != hit[begin]:
            out.append(Cell(text[begin:k], "match" if hit[begin] else style))
            begin = k
    return out
