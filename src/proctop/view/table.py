"""The process table as lines: which columns fit, and what stands in each cell of the rows that are seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from proctop import fields
from proctop.fields import Column
from proctop.frames import Frame, Status
from proctop.records import Index, ProcKey
from proctop.view import departed, sparkline, values
from proctop.view.cells import Cell, Glyphs, Line, bar, fit, line, width
from proctop.view.rows import Rows

FULL = 12.0
"""The score, in nats, that fills the bar: once in e^12 readings by its own history."""

NOTABLE = 1.0
"""The score, in nats, from which on a process is something to look at."""

# The elastic columns: cells at 80 columns, more per further column, at most; then shares of what is left, and the end of that.
Least = Mapping[str, tuple[int, float, int]]
LEAST: Least = {"command": (12, 0.2, 28), "why": (24, 0.325, 50)}
LEAST_TREE: Least = {"command": (20, 0.4, 44), "why": (24, 0.0, 24)}
SHARE = {"command": 2, "why": 3}
MOST = {"command": 60}
OF_CONTAINERS = ("container", "image", "pod", "runtime")
DEFAULT = tuple(c for c in fields.COLUMNS if c.shown)


@dataclass(frozen=True, slots=True)
class Slot:
    """A column in its place; ``width`` cells without the blank that follows."""

    column: Column
    width: int


def layout(
    total: int, columns: Sequence[Column] = DEFAULT, *, contained: bool = True, sort: str = "", tree: bool = False
) -> tuple[Slot, ...]:
    """The columns that fit into ``total`` cells: those of high ``keep`` give way first, the elastic ones share what is left.

    Args:
        contained: whether any process is in a container; else their columns of the default layout would be empty.
        sort: the column or feature that orders the table; it is shown whether or not it is one of ``columns``.
        tree: the commands stand in a tree and need more room.
    """
    least = LEAST_TREE if tree else LEAST
    wished = [c for c in _with(columns, sort) if contained or c.name not in OF_CONTAINERS or not c.shown]
    kept = list(wished)
    for keep in sorted({c.keep for c in kept if c.keep}, reverse=True):
        if _needed(kept, total, least) <= total:
            break
        kept = [c for c in kept if c.keep != keep] or kept[:1]
    for keep in sorted({c.keep for c in wished if c not in kept}):  # what was let go for a wider one may fit now
        tried = [c for c in wished if c in kept or c.keep == keep]
        if _needed(tried, total, least) <= total:
            kept = tried
    while len(kept) > 1 and _needed(kept, total, least) > total:  # a choice of the user's too wide for this terminal
        fixed = [c for c in kept[1:] if c.width and c.name != sort]
        kept.remove(fixed[-1] if fixed else kept[-1])
    spare = max(0, total - _needed(kept, total, least))
    elastic = [c for c in kept if not c.width]
    widths = {c.name: _least(c, total, least) for c in kept}
    for place, column in enumerate(elastic):
        shares = sum(SHARE.get(c.name, 1) for c in elastic[place:])
        given = spare * SHARE.get(column.name, 1) // shares
        if place < len(elastic) - 1:
            given = max(0, min(given, MOST.get(column.name, total) - widths[column.name]))
        widths[column.name] += given
        spare -= given
    return tuple(Slot(c, widths[c.name]) for c in kept)


def _with(columns: Sequence[Column], sort: str) -> list[Column]:
    """``columns`` with the one of ``sort``, which does not give way; a new one stands before the words."""
    named = {c.name: c for c in columns}
    found = named.get(sort) or fields.COLUMN.get(sort)
    if found is None and sort in fields.FEATURE:
        found = Column(sort, sort.upper(), 9, 0, False, True, True, fields.FEATURES[fields.FEATURE[sort]].help)
    if found is None or not found.width:
        return list(columns)
    held = replace(found, keep=0)
    if sort in named:
        return [held if c.name == sort else c for c in columns]
    place = next((k for k, c in enumerate(columns) if c.name in OF_CONTAINERS or not c.width), len(columns))
    return [*columns[:place], held, *columns[place:]]


def _least(column: Column, total: int, least: Least) -> int:
    low, more, high = least.get(column.name, (12, 0.0, 12))
    return column.width or max(low, min(low + int((total - 80) * more), high))


def _needed(columns: Sequence[Column], total: int, least: Least) -> int:
    return sum(_least(c, total, least) + 1 for c in columns) - 1


def titles(slots: Sequence[Slot], total: int, sort: str, descending: bool, glyphs: Glyphs) -> Line:
    """The header of the table; an arrow marks the column that orders it."""
    cells = []
    for slot in slots:
        column = slot.column
        text = column.title
        if column.name == sort:
            arrow = glyphs.down if descending else glyphs.up
            if len(text) < slot.width:
                text, arrow = text + arrow, " "
        else:
            arrow = " "
        body = fit(text, slot.width, glyphs, right=column.right and column.name != "score")
        cells.append(Cell(body, "sorted" if column.name == sort else "title"))
        cells.append(Cell(arrow, "title"))  # the arrow takes the blank where the title fills its column
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
    """Who stands at a place of the order; a thread has its own tid and start, a crowd of the departed those of the last one."""
    i = int(rows.order[place])
    if i >= 0:
        return frame.reading.key(i)
    if (found := departed.find(frame, i)) is not None:
        return departed.key_of(*found)
    threads = frame.reading.threads
    assert threads is not None
    return ProcKey(int(threads.tid[~i]), int(threads.start[~i]))


def place_of(frame: Frame, rows: Rows, key: ProcKey) -> int | None:
    """Where ``key`` stands in the order; None when it is not shown."""
    index = row_of(frame, key)
    if index is None:
        gone = departed.index(frame, key)
        if gone is None:
            return None
        index = ~(departed.begin(frame) + gone)
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


def absence(frame: Frame, key: ProcKey, before: str = "") -> str:
    """Why a process is not in a frame: it had exited by then or, seen from later on, had not begun.

    ``before``: what was said of it at the frame before, as how it ended is told for some seconds only.
    """
    said = "not yet" if key.start / frame.reading.info.ticks > frame.reading.boot else "exited"
    return departed.fate(frame, key) or (before if said == "exited" and before.startswith(("exited", "killed")) else said)


def level(frame: Frame, row: int) -> str:
    """How rare the score of a process is, as the name of a style."""
    scores = frame.scores
    if scores.alerting[row]:
        return "alert"
    rank, hourly = float(scores.rank[row]), float(scores.per_hour[row])
    if not rank >= NOTABLE:
        return "low"
    return "high" if hourly <= 12 else "mid" if hourly <= 120 else "low"


def score_cells(frame: Frame, row: int, cells: int, glyphs: Glyphs, rows: Rows | None = None) -> tuple[Cell, ...]:
    """Bar, number and, on an alert, "!". Where there is nothing to say yet, a word and no number.

    A folded row of ``rows`` shows the highest score below it.
    """
    if row < 0:
        return _ended_cells(frame, row, cells, glyphs)
    rank, status = float(frame.scores.rank[row]), int(frame.scores.status[row])
    inside = rows.sums.get(row, {}).get("score", math.nan) if rows is not None else math.nan
    if inside > rank or (math.isnan(rank) and not math.isnan(inside)):
        text = bar(min(inside / FULL, 1.0), cells - 5, glyphs)
        return (Cell(text, "mid"), Cell(fit(f"{inside:.1f}", 4, glyphs, right=True) + " ", "mid"))
    if status == Status.WARMING:
        text = fit("warming", cells, glyphs)
        return (Cell(text[:-5], "faint"), Cell(text[-5:], "faint"))
    number = "" if math.isnan(rank) else f"{rank:.1f}" if rank < 99.95 else f"{rank:.0f}"
    if status == Status.NEW and not rank >= NOTABLE:
        head = Cell(fit("new", cells - 5, glyphs), "soft")
    elif not number:
        return (Cell(" " * (cells - 5), "faint"), Cell(fit(glyphs.missing, 4, glyphs, right=True) + " ", "faint"))
    else:
        head = Cell(bar(min(rank / FULL, 1.0), cells - 5, glyphs) if rank >= 0.05 else " " * (cells - 5), level(frame, row))
    mark = "!" if frame.scores.alerting[row] else " "
    return (head, Cell(fit(number, 4, glyphs, right=True) + mark, level(frame, row) if rank >= 0.05 else "faint"))


def _ended_cells(frame: Frame, row: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    """Of one of the departed a word and the number, of a thread nothing."""
    found = departed.find(frame, row)
    if found is None:
        return (Cell(" " * (cells - 5), "faint"), Cell(" " * 5, "faint"))
    rank, style = float(found[0].rank[found[1]]), departed.style(*found)
    number = "" if math.isnan(rank) else f"{rank:.1f}" if rank < 99.95 else f"{rank:.0f}"
    return (Cell(fit("gone", cells - 5, glyphs), style), Cell(fit(number, 4, glyphs, right=True) + " ", style))


def why_text(frame: Frame, row: int) -> str:
    """The reasons in words, most telling first, and what it waits for in state D."""
    return values.why(frame, row)


def no_reason(frame: Frame, row: int) -> str:
    """What is said of a process without a reason."""
    return "not judged while warming up" if frame.scores.status[row] == Status.WARMING else "nothing unusual"


NAMES = ("short", "full", "name")
"""How the command column names a process: program and arguments, the same with the program's path, or the bare name."""

NAME = 10
"""Cells of a name that the lines of a tree leave to it."""

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


def _other_name(frame: Frame, row: int, names: str) -> str:
    """Of a thread its name; one of the departed as any process, a crowd of them by name and number."""
    found, ended = departed.find(frame, row), departed.frame_of(frame)
    if found is None or ended is None:
        return values.texts(frame, "comm", np.array([row]))[0]
    gone, i = found
    return name_text(ended, i, names) if gone.count[i] == 1 else f"{name_text(ended, i, 'name')} ×{gone.count[i]}"


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
    factor: int = 1,
) -> list[tuple[Cell, ...]]:
    """The cells of ``count`` rows from place ``first`` of the order.

    Args:
        names: one of :data:`NAMES`.
        found: text that a search looks for, marked in the command.
        factor: readings that a cell of the history stands for.
    """
    places = range(first, min(first + count, len(rows.order)))
    index: Index = rows.order[places.start : places.stop]
    columns: list[list[tuple[Cell, ...]]] = []
    for slot in slots:
        name = slot.column.name
        if name == "score":
            columns.append([(*score_cells(frame, int(i), slot.width, glyphs, rows), Cell(" ")) for i in index])
        elif name == "history":
            columns.append(_history(frame, index, slot.width, glyphs, factor))
        elif name == "why":
            columns.append([_why(frame, int(i), slot.width, glyphs) for i in index])
        elif name == "command":
            named = "name" if slot.width < NARROW and names == "short" else names
            columns.append([_command(frame, rows, place, slot.width, glyphs, named, found) for place in places])
        else:
            texts = values.texts(frame, name, index)
            if rows.sums:
                texts = [_summed(frame, rows, name, int(i), text) for i, text in zip(index, texts, strict=True)]
            cells = {text: (_plain(name, text, slot, glyphs),) for text in set(texts)}  # most rows show zeros
            columns.append([cells[text] for text in texts])
    out = [tuple(chain.from_iterable(parts)) for parts in zip(*columns, strict=True)]
    for k, row in enumerate(index.tolist() if frame.departed is not None else ()):
        if (gone := departed.find(frame, row)) is not None:
            style = departed.style(*gone)
            out[k] = tuple(Cell(cell.text, cell.style if cell.style in ("faint", "match") else style) for cell in out[k])
    return out


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


def _history(frame: Frame, index: Index, cells: int, glyphs: Glyphs, factor: int) -> list[tuple[Cell, ...]]:
    past = np.full((index.size, cells), np.nan, dtype=np.float32)
    past[index >= 0] = frame.history.past(index[index >= 0], cells, factor)
    notable = np.any(past >= NOTABLE, axis=1)  # NaN compares as False
    texts = [sparkline.text(values, cells, high=FULL, ascii=glyphs.ascii) + " " for values in past.tolist()]
    return [(Cell(text, "spark" if high else "faint"),) for text, high in zip(texts, notable, strict=True)]


def _why(frame: Frame, row: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    gone = departed.find(frame, row)
    text = departed.words(*gone) if gone is not None else why_text(frame, row) if row >= 0 else ""
    style = "faint" if not text else level(frame, row) if row >= 0 else "low"
    return (Cell(fit(text, cells, glyphs) + " ", "soft" if style == "low" else style),)


def _command(frame: Frame, rows: Rows, place: int, cells: int, glyphs: Glyphs, names: str, found: str) -> tuple[Cell, ...]:
    i = int(rows.order[place])
    guide = rows.guides[place] if rows.guides else ""
    if len(guide) > cells - NAME:  # so deep that the name would not show: the end of the guide is the telling one
        guide = glyphs.more + guide[max(0, len(guide) - cells + NAME + 1) :]
    if i >= 0:
        text, style = name_text(frame, i, names), "soft" if frame.batch.labels[i].kernel else "text"
    else:
        text, style = _other_name(frame, i, names), "soft"
    if rows.hidden.get(i):
        text = f"(+{rows.hidden[i]}) {text}"
    shown = fit(guide + text, cells, glyphs) + " "
    at = shown.casefold().find(found.casefold(), len(guide)) if found else -1
    if at < 0 or len(shown.casefold()) != len(shown):
        return (Cell(shown, style),)
    end = at + len(found)
    return (Cell(shown[:at], style), Cell(shown[at:end], "match"), Cell(shown[end:], style))
