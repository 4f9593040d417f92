"""The process table as lines: which columns fit, and what stands in each cell of the rows that are seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from proctop import fields
from proctop.fields import Column
from proctop.records import Frame, Index, ProcKey, Status
from proctop.view import sparkline, values
from proctop.view.cells import Cell, Glyphs, Line, bar, fit, line, width
from proctop.view.rows import Rows

FULL = 12.0
"""The score, in nats, that fills the bar: once in e^12 readings by its own history."""

LEAST = {"command": (12, 0.2, 28), "why": (20, 0.375, 50)}  # cells at 80 columns, more per further column, at most
SHARE = {"command": 2, "why": 3}
MOST = {"command": 60}
OF_CONTAINERS = ("container", "image", "pod", "runtime")
DEFAULT = tuple(c for c in fields.COLUMNS if c.shown)


@dataclass(frozen=True, slots=True)
class Slot:
    """A column in its place; ``width`` cells without the blank that follows."""

    column: Column
    width: int


def layout(total: int, columns: Sequence[Column] = DEFAULT, *, contained: bool = True) -> tuple[Slot, ...]:
    """The columns that fit into ``total`` cells: those of high ``keep`` give way first, the elastic ones share what is left.

    Args:
        contained: whether any process is in a container; else their columns of the default layout would be empty.
    """
    wished = [c for c in columns if contained or c.name not in OF_CONTAINERS or not c.shown]
    kept = list(wished)
    for keep in sorted({c.keep for c in kept if c.keep}, reverse=True):
        if _needed(kept, total) <= total:
            break
        kept = [c for c in kept if c.keep != keep] or kept[:1]
    for keep in sorted({c.keep for c in wished if c not in kept}):  # what was let go for a wider one may fit now
        tried = [c for c in wished if c in kept or c.keep == keep]
        if _needed(tried, total) <= total:
            kept = tried
    while len(kept) > 1 and _needed(kept, total) > total:  # a choice of the user's too wide for this terminal
        kept.pop(-2 if kept[-1].width == 0 else -1)
    spare = max(0, total - _needed(kept, total))
    elastic = [c for c in kept if not c.width]
    widths = {c.name: _least(c, total) for c in kept}
    for place, column in enumerate(elastic):
        shares = sum(SHARE.get(c.name, 1) for c in elastic[place:])
        given = spare * SHARE.get(column.name, 1) // shares
        if place < len(elastic) - 1:
            given = max(0, min(given, MOST.get(column.name, total) - widths[column.name]))
        widths[column.name] += given
        spare -= given
    return tuple(Slot(c, widths[c.name]) for c in kept)


def _least(column: Column, total: int) -> int:
    low, more, high = LEAST.get(column.name, (12, 0.0, 12))
    return column.width or max(low, min(low + int((total - 80) * more), high))


def _needed(columns: Sequence[Column], total: int) -> int:
    return sum(_least(c, total) + 1 for c in columns) - 1


def titles(slots: Sequence[Slot], total: int, sort: str, descending: bool, glyphs: Glyphs) -> Line:
    """The header of the table; an arrow marks the column that orders it."""
    cells = []
    for slot in slots:
        column = slot.column
        text = column.title
        if column.name == sort:
            arrow = glyphs.down if descending else glyphs.up
            # Where the title fills its column the arrow takes the blank that follows.
            text = text + arrow if len(text) < slot.width or not column.right else text[: slot.width - 1] + arrow
        body = fit(text, slot.width, glyphs, right=column.right and column.name != "score")
        cells.append(Cell(body, "sorted" if column.name == sort else "title"))
        cells.append(Cell(" ", "title"))
    room = total - sum(slot.width + 1 for slot in slots)
    return line([*cells, Cell(" " * max(0, room), "title")], total)


def column_at(slots: Sequence[Slot], x: int) -> str | None:
    """The name of the column at cell ``x``."""
    for slot in slots:
        if x <= slot.width:
            return slot.column.name
        x -= slot.width + 1
    return None


def key_at(frame: Frame, rows: Rows, place: int) -> ProcKey:
    """Who stands at a place of the order; a thread has its own tid and start."""
    i = int(rows.order[place])
    if i >= 0:
        return frame.reading.key(i)
    threads = frame.reading.threads
    assert threads is not None
    return ProcKey(int(threads.tid[~i]), int(threads.start[~i]))


def place_of(frame: Frame, rows: Rows, key: ProcKey) -> int | None:
    """Where ``key`` stands in the order; None when it is not shown."""
    index = row_of(frame, key)
    if index is None:
        return None
    places = np.flatnonzero(rows.order == index)
    return int(places[0]) if places.size else None


def row_of(frame: Frame, key: ProcKey) -> int | None:
    """The row of the frame, or ~j for its thread j; None when the frame has no such process."""
    found = np.flatnonzero((frame.reading.pid == key.pid) & (frame.reading.start == key.start))
    if found.size:
        return int(found[0])
    threads = frame.reading.threads
    if threads is not None:
        found = np.flatnonzero((threads.tid == key.pid) & (threads.start == key.start))
        if found.size:
            return ~int(found[0])
    return None


def level(frame: Frame, row: int) -> str:
    """How rare the score of a process is, as the name of a style."""
    scores = frame.scores
    if scores.alerting[row]:
        return "alert"
    rank, hourly = float(scores.rank[row]), float(scores.per_hour[row])
    if not rank >= 1.0:
        return "low"
    return "high" if hourly <= 12 else "mid" if hourly <= 120 else "low"


def score_cells(frame: Frame, row: int, cells: int, glyphs: Glyphs, rows: Rows | None = None) -> tuple[Cell, ...]:
    """Bar, number and, on an alert, "!". Where there is nothing to say yet, a word and no number.

    A folded row of ``rows`` shows the highest score below it.
    """
    if row < 0:
        return (Cell(" " * (cells - 5), "faint"), Cell(" " * 5, "faint"))
    rank, status = float(frame.scores.rank[row]), int(frame.scores.status[row])
    inside = rows.sums.get(row, {}).get("score", math.nan) if rows is not None else math.nan
    if inside > rank or (math.isnan(rank) and not math.isnan(inside)):
        text = bar(min(inside / FULL, 1.0), cells - 5, glyphs)
        return (Cell(text, "mid"), Cell(fit(f"{inside:.1f}", 4, glyphs, right=True) + " ", "mid"))
    if status == Status.WARMING:
        text = fit("warming", cells, glyphs)
        return (Cell(text[:-5], "faint"), Cell(text[-5:], "faint"))
    number = "" if math.isnan(rank) else f"{rank:.1f}" if rank < 99.95 else f"{rank:.0f}"
    if status == Status.NEW:
        head = Cell(fit("new", cells - 5, glyphs), "soft")
    elif not number:
        return (Cell(" " * (cells - 5), "faint"), Cell(fit(glyphs.missing, 4, glyphs, right=True) + " ", "faint"))
    else:
        head = Cell(bar(min(rank / FULL, 1.0), cells - 5, glyphs) if rank >= 0.05 else " " * (cells - 5), level(frame, row))
    mark = "!" if frame.scores.alerting[row] else " "
    return (head, Cell(fit(number, 4, glyphs, right=True) + mark, level(frame, row) if rank >= 0.05 else "faint"))


def why_text(frame: Frame, row: int) -> str:
    """The reasons in words, most telling first."""
    return "; ".join(reason.text for reason in frame.scores.why.get(row, ()))


NAMES = ("short", "full", "name")
"""How the command column names a process: program and arguments, the same with the program's path, or the bare name."""

NARROW = 20
"""Cells below which a command line says less than the name, which has at most 15 characters."""


def name_text(frame: Frame, row: int, names: str) -> str:
    """The process by one of :data:`NAMES`; kernel threads in brackets as everywhere."""
    label = frame.batch.labels[row]
    if label.kernel:
        return f"[{label.comm}]"
    if names == "name" or not label.command:
        return label.comm
    if names == "full" or not label.command.startswith("/"):
        return label.command
    program, blank, rest = label.command.partition(" ")
    return program.rpartition("/")[2] + blank + rest


ZEROS = frozenset(("0", "0.0", "0B", "0 B", "0B/s", "0.00", "–", "-", ""))


def body(
    frame: Frame,
    rows: Rows,
    slots: Sequence[Slot],
    first: int,
    count: int,
    *,
    glyphs: Glyphs,
    names: str,
    found: str = "",
) -> list[tuple[Cell, ...]]:
    """The cells of ``count`` rows from place ``first`` of the order.

    Args:
        names: one of :data:`NAMES`.
        found: text that a search looks for, marked in the command.
    """
    places = range(first, min(first + count, len(rows.order)))
    index: Index = rows.order[places.start : places.stop]
    columns: list[list[tuple[Cell, ...]]] = []
    for slot in slots:
        name = slot.column.name
        if name == "score":
            columns.append([(*score_cells(frame, int(i), slot.width, glyphs, rows), Cell(" ")) for i in index])
        elif name == "history":
            columns.append([(_history(frame, int(i), slot.width, glyphs),) for i in index])
        elif name == "why":
            columns.append([_why(frame, int(i), slot.width, glyphs) for i in index])
        elif name == "command":
            named = "name" if slot.width < NARROW and names == "short" else names
            columns.append([_command(frame, rows, place, slot.width, glyphs, named, found) for place in places])
        else:
            texts = values.texts(frame, name, index)
            if rows.sums:
                texts = [_summed(frame, rows, name, int(i), text) for i, text in zip(index, texts, strict=True)]
            columns.append([(_plain(name, text, slot, glyphs),) for text in texts])
    return [tuple(chain.from_iterable(column[k] for column in columns)) for k in range(len(places))]


def _summed(frame: Frame, rows: Rows, name: str, row: int, text: str) -> str:
    """The sum over the subtree of a folded row, where a sum means something."""
    total = rows.sums.get(row, {}).get(name)
    return text if total is None else values.render(name, np.array([total]), frame.reading.wall)[0]


def _plain(name: str, text: str, slot: Slot, glyphs: Glyphs) -> Cell:
    if name == "image" and width(text) > slot.width:
        text = text.rpartition("/")[2]  # the registry says least
    if text.strip() in ZEROS:
        style = "faint"
    elif name in OF_CONTAINERS:
        style = "box"
    elif name == "state":
        style = {"D": "warn", "Z": "warn", "R": "good"}.get(text, "soft")
    else:
        style = "soft" if name in ("pid", "ppid", "user", "threads", "cgroup") else "text"
    return Cell(fit(text, slot.width, glyphs, right=slot.column.right) + " ", style)


def _history(frame: Frame, row: int, cells: int, glyphs: Glyphs) -> Cell:
    if row < 0:
        return Cell(" " * (cells + 1), "faint")
    past = frame.history.of(row, cells)
    style = "spark" if bool((past >= 1.0).any()) else "faint"  # NaN compares as False
    return Cell(sparkline.text(past, cells, high=FULL, ascii=glyphs.ascii) + " ", style)


def _why(frame: Frame, row: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    text = why_text(frame, row) if row >= 0 else ""
    style = level(frame, row) if text else "faint"
    return (Cell(fit(text, cells, glyphs) + " ", "soft" if style == "low" else style),)


def _command(frame: Frame, rows: Rows, place: int, cells: int, glyphs: Glyphs, names: str, found: str) -> tuple[Cell, ...]:
    i = int(rows.order[place])
    guide = rows.guides[place] if rows.guides else ""
    if i >= 0:
        text, style = name_text(frame, i, names), "soft" if frame.batch.labels[i].kernel else "text"
    else:
        threads = frame.reading.threads
        text, style = threads.comm[~i] if threads is not None else "", "soft"
    if rows.hidden.get(i):
        text = f"(+{rows.hidden[i]}) {text}"
    shown = fit(guide + text, cells, glyphs) + " "
    at = shown.casefold().find(found.casefold(), len(guide)) if found else -1
    if at < 0 or len(shown.casefold()) != len(shown):
        return (Cell(shown, style),)
    end = at + len(found)
    return (Cell(shown[:at], style), Cell(shown[at:end], "match"), Cell(shown[end:], style))
