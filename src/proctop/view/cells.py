"""Cells: pieces of text of an exact width with the name of a style. What every widget draws, and all a test needs.

Nothing here knows colours, a terminal or a toolkit. A :class:`Line` is compared with the one painted before, so that
only what changed is drawn again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size


class Cell(NamedTuple):
    """``text`` fills its place exactly; ``style`` is a name out of :data:`STYLES`."""

    text: str
    style: str = "text"


class Line(NamedTuple):
    """Cells from left to right. ``mood`` is a style over the whole line: "cursor" or ""."""

    cells: tuple[Cell, ...]
    mood: str = ""


STYLES = (
    "text",  # ordinary
    "soft",  # secondary: units, labels, zeros
    "faint",  # separators, missing values, empty parts of a bar
    "strong",  # names
    "title",  # column titles
    "sorted",  # title of the column that orders the table
    "low",  # scores from ordinary to alerting
    "mid",
    "high",
    "alert",
    "good",
    "warn",
    "bad",
    "spark",  # history
    "box",  # container and image
    "match",  # found by the search
    "key",  # a key of the footer
    "badge",  # PAUSED, and other states nobody may miss
    "cursor",  # over a whole line
)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that we draw with. Text from the host goes through :meth:`plain`."""

    ascii: bool
    blocks: str  # a bar's last cell, from empty to full
    down: str
    up: str
    more: str  # text goes on
    missing: str
    bar: str  # between two parts of a line
    rx: str
    tx: str

    def plain(self, text: str) -> str:
        """``text`` with nothing in it that this terminal may draw at another width."""
        if text.isascii() and text.isprintable():
            return text
        if self.ascii or text.isascii():
            return _NOT_ASCII.sub("?", text.translate(_SPELLED))
        return _UNSTEADY.sub("\N{REPLACEMENT CHARACTER}", text)


UNICODE = Glyphs(False, " ▏▎▍▌▋▊▉█", "▼", "▲", "…", "–", "│", "↓", "↑")
ASCII = Glyphs(True, " #", "v", "^", "~", "-", "|", "rx ", "tx ")

_SPELLED = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "…": "~",
        "×": "x",
        "µ": "u",
        "≤": "<=",
        "≥": ">=",
        "→": "->",
        "←": "<-",
        "↑": "up",
        "↓": "down",
        "·": "-",
        "│": "|",
        "’": "'",
    }
)
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")
# Widths that terminals disagree about: regional indicators and skin tones (merged by some), conjoining jamo, joiners and
# selectors (also removed where text enters); and everything that could move the cursor.
_UNSTEADY = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u06dd\u070f\u08e2\u1160-\u11ff\ud7b0-\ud7ff\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000110bd\U000110cd\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]"
)


# Our own marks, boxes and blocks take one cell everywhere: no need to ask for each of hundreds in a line of history.
_plainly_narrow = re.compile("[ -~·×–…←-↓─-▟●]*").fullmatch


@lru_cache(maxsize=4096)
def _measured(text: str) -> int:
    return len(text) if _plainly_narrow(text) else sum(map(get_character_cell_size, text))


def width(text: str) -> int:
    """Terminal cells that ``text`` takes.

    >>> width("abc"), width("漢字"), width("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else _measured(text)


def fit(text: str, cells: int, glyphs: Glyphs = UNICODE, *, right: bool = False) -> str:
    """``text`` made harmless and exactly ``cells`` wide: padded, or cut with a mark at its end.

    >>> fit("redis-server", 8), fit("漢字", 3), fit("7", 3, right=True)
    ('redis-s…', '漢…', '  7')
    """
    if text.isascii() and text.isprintable():  # most texts
        if len(text) <= cells:
            return text.rjust(cells) if right else text.ljust(cells)
        return text[: cells - 1] + glyphs.more if cells > 0 else ""
    text = glyphs.plain(text)
    size = width(text)
    if size < cells:
        return " " * (cells - size) + text if right else text + " " * (cells - size)
    if size == cells:
        return text
    if cells <= 0:
        return ""
    head = _crop(text, cells - 1)
    return head + glyphs.more + " " * (cells - 1 - width(head))


def _crop(text: str, cells: int) -> str:
    """As much of ``text`` as ``cells`` hold; may be one short of it before a wide character."""
    if text.isascii():
        return text[:cells]
    taken = 0
    for end, character in enumerate(text):
        taken += get_character_cell_size(character)
        if taken > cells:
            return text[:end]
    return text


def bar(share: float, cells: int, glyphs: Glyphs) -> str:
    """A bar filled to ``share`` (0..1), exactly ``cells`` wide; anything above 0 shows.

    >>> bar(0.5, 4, UNICODE), bar(0.01, 4, ASCII)
    ('██  ', '#   ')
    """
    steps = len(glyphs.blocks) - 1
    filled = min(max(int(share * cells * steps + 0.5), 1 if share > 0 else 0), cells * steps)
    full, rest = divmod(filled, steps)
    text = glyphs.blocks[-1] * full + (glyphs.blocks[rest] if rest else "")
    return text + " " * (cells - len(text))


def line(cells: Iterable[Cell], total: int, mood: str = "") -> Line:
    """A line exactly ``total`` wide: what is too long is cut, the rest is blank."""
    out: list[Cell] = []
    left = total
    for cell in cells:
        if left <= 0:
            break
        text = cell.text
        size = len(text) if text.isascii() else _measured(text)
        if size > left:
            head = _crop(text, left)
            cell, size = Cell(head + " " * (left - width(head)), cell.style), left
        if text:
            out.append(cell)
        left -= size
    if left > 0:
        out.append(Cell(" " * left))
    return Line(tuple(out), mood)


def sides(left: Sequence[Cell], right: Sequence[Cell], total: int) -> Line:
    """``left`` from the left edge and ``right`` to the right one; the right gives way cell by cell."""
    room = total - sum(width(c.text) for c in left)
    kept = list(right)
    while kept and sum(width(c.text) for c in kept) > room:
        kept.pop(0)
    gap = room - sum(width(c.text) for c in kept)
    return line([*left, Cell(" " * max(0, gap)), *kept], total)


def changed(before: Line, after: Line) -> tuple[int, int] | None:
    """Columns [from, to) in which two lines of one width differ, whole cells at a time; None = the same."""
    if before == after:
        return None
    old, new = before.cells, after.cells
    total = sum(width(c.text) for c in new)
    if before.mood != after.mood:
        return 0, total
    if len(old) != len(new) or any(a.text != b.text and width(a.text) != width(b.text) for a, b in zip(old, new, strict=True)):
        start = 0
        for a, b in zip(old, new, strict=False):
            if a != b:
                break
            start += width(b.text)
        return start, total
    differs = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    start = sum(width(c.text) for c in new[: differs[0]])
    return start, start + sum(width(c.text) for c in new[differs[0] : differs[-1] + 1])
