"""How a detail says things: paragraphs beside labels, reasons as sentences, spans and times."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable

from proctop.fields import FEATURE, FEATURES, Feature
from proctop.frames import Reason
from proctop.scoring.explain import quantity, span
from proctop.view.cells import Cell

Text = list[list[Cell]]

LABEL, SHORT = 15, 10
"""Cells of a label, and where the screen is narrow."""

NARROW = 72
"""Columns below which it is."""

AGAINST = {"own": "its own history", "cohort": "others of its name", "host": "all others here"}


def labelled(label: str, words: str, columns: int, style: str = "text", indent: int = LABEL) -> Text:
    """A paragraph beside its label; long words are broken, so that all of it can be read."""
    room = max(10, columns - indent - 2)
    parts = textwrap.wrap(words, room, break_long_words=True, break_on_hyphens=False) or [""]
    return [[Cell(f" {label if k == 0 else '':{indent}} ", "soft"), Cell(part, style)] for k, part in enumerate(parts)]


def paragraphs(texts: Iterable[str], columns: int) -> Text:
    """Without labels, one below the other."""
    return [[Cell(f" {part}", "soft")] for words in texts for part in textwrap.wrap(words, max(10, columns - 1))]


def indent(columns: int) -> int:
    """Cells of the labels of what is said beside charts."""
    return LABEL if columns >= NARROW else SHORT


def heading(text: str) -> Text:
    return [[Cell("")], [Cell(f" {text}", "strong")]]


def sentence(reason: Reason) -> str:
    """A reason as people say it.

    >>> sentence(Reason("wchar", 12 * 2.0**20, (0.0, 40 * 1024.0), "own", "writes 12 MB/s, usual 0–40 KB/s"))
    'Writes 12 MB/s; usually 0–40 KB/s (its own history)'
    """
    head, told, _ = reason.text.partition(", usual")
    head = head[:1].upper() + head[1:]
    if not told or reason.feature not in FEATURE:
        return head
    return (
        f"{head}; usually {usual_range(FEATURES[FEATURE[reason.feature]], *reason.usual)} ({AGAINST.get(reason.against, reason.against)})"
    )


def usual_range(feature: Feature, low: float, high: float) -> str:
    """What is usual of a feature, in its unit."""
    return f"≤ {quantity(high, feature.unit)}" if feature.name == "idle_s" else span(max(low, 0.0), max(high, 0.0), feature.unit)


def clock(wall: float, beside: float | None = None) -> str:
    """The time of day, with its date where that is not the one of a time ``beside`` it."""
    at = time.localtime(wall)
    same = beside is None or at[:3] == time.localtime(beside)[:3]
    return time.strftime("%H:%M:%S" if same else "%b %d %H:%M", at)


def ago(seconds: float) -> str:
    """A span of time.

    >>> [ago(x) for x in (1.5, 10, 60, 600, 3600, 86400)]
    ['1.5 s', '10 s', '1 min', '10 min', '1 h', '24 h']
    """
    size, unit = (1.0, "s") if seconds < 60 else (60.0, "min") if seconds < 3600 else (3600.0, "h")
    return f"{seconds / size:.2g} {unit}"


def often(hourly: float) -> str:
    """A frequency as people say it: "once in 2.5 h", "40 times an hour"."""
    return f"{hourly:.0f} times an hour" if hourly >= 1.5 else f"once in {1 / hourly:.2g} h" if hourly > 0 else "almost never"
