"""Groups as lines: the ways to group, the table, and what is said of the selected one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from proctop import fields
from proctop.fields import Column
from proctop.records import Bools, Ints
from proctop.rollup import BY
from proctop.view import groups as arranged
from proctop.view import table, units, values
from proctop.view.boxes import HOT
from proctop.view.cells import Cell, Glyphs, Line, bar, fit, line, width
from proctop.view.groups import Grouping, Groups
from proctop.view.table import FULL, NARROW, Slot


def _column(name: str, title: str, cells: int, keep: int, help: str, *, text: bool = False) -> Column:
    return Column(name, title, cells, keep, True, not text, not text, help)


_SCORE = _column(
    "score", "SCORE", 9, 0, "how unlike its own normal the whole group is, whatever a filter hides, in nats; – where groups were not scored"
)
_WHY = _column("why", "WHY", 0, 1, "what is unusual of the group; else of its highest member, with the name of that", text=True)
COLUMNS = (
    _SCORE,
    _column("highest", "HIGHEST", 7, 3, "the highest score of a member"),
    _column("n", "N", 5, 0, "processes"),
    _column("cpu", "CPU%", 6, 0, "cpu, percent of one core"),
    _column("rss", "MEM", 6, 0, "resident memory, shared pages counted for each process"),
    _column("disk_read", "READ/s", 7, 8, "bytes read from storage per second"),
    _column("disk_write", "WRITE/s", 7, 8, "bytes sent to storage per second"),
    _column("faults", "FLT/s", 6, 11, "page faults per second"),
    _column("switches", "CSW/s", 6, 12, "context switches per second"),
    _column("threads", "THR", 5, 10, "threads"),
    _column("command", "NAME", 0, 0, "what the members share; of a member: its pid and command", text=True),
    _WHY,
)
BOXES = (
    _SCORE,
    _column("highest", "HIGHEST", 7, 14, "the highest score of a member"),
    _column("n", "N", 4, 13, "processes"),
    _column("cpu", "CPU%", 6, 0, "cpu of its cgroup, percent of one core, processes that have ended included"),
    _column("cpu_limit", "CPUMAX", 6, 6, "its limit, percent of one core; – where there is none"),
    _column("throttled", "THROT%", 6, 2, "share of the periods of that limit in which it had used it up and was throttled"),
    _column("throttled_time", "THRT%", 6, 15, "time that it was held back for that, percent, summed over cpus"),
    _column("restarts", "RST", 3, 5, "starts seen after the first, of this name, in the moments that were shown"),
    _column("oom_kills", "OOM", 4, 4, "processes killed for want of memory since the container was started"),
    _column("psi_cpu", "PSIcpu", 6, 8, "percent of time some of its tasks waited for a cpu"),
    _column("psi_memory", "PSImem", 6, 8, "percent of time some of its tasks waited for memory"),
    _column("psi_io", "PSIio", 5, 8, "percent of time some of its tasks waited for storage"),
    _column("memory_share", "MEM%", 5, 3, "memory as percent of the limit"),
    _column("rss", "MEM", 6, 0, "memory of its cgroup, page cache included"),
    _column("memory_limit", "MEMMAX", 6, 7, "its limit; – where there is none"),
    _column("disk_read", "READ/s", 7, 9, "bytes read from storage per second"),
    _column("disk_write", "WRITE/s", 7, 9, "bytes written to storage per second"),
    _column("pids", "PIDS", 5, 16, "tasks"),
    _column("runtime", "RUNTIME", 10, 17, "container runtime", text=True),
    _column("pod", "POD", 14, 17, "Kubernetes pod", text=True),
    _column("image", "IMAGE", 16, 11, "container image", text=True),
    _column("command", "CONTAINER", 0, 0, "container; of a member: its pid and command", text=True),
    _WHY,
)

_OF_MEMBERS = frozenset({"score", "cpu", "rss", "disk_read", "disk_write", "faults", "switches", "threads"})
"""Columns that a member has a number of its own in."""

_MARKS = {False: ("▸ ", "▾ ", "  ├ ", "  └ "), True: ("+ ", "- ", "  |- ", "  `- ")}
"""Before a folded and an open group, a member and the last one; by whether only ASCII is drawn."""


ASCENDING = frozenset({"command", "image", "runtime", "pod"})
"""Columns that sort from A to Z."""


def columns(grouping: Grouping) -> tuple[Column, ...]:
    """Of the groups, titled by what they share, or of the container view."""
    if grouping.limits:
        return BOXES
    return tuple(replace(column, title=grouping.by.upper()) if column.name == "command" else column for column in COLUMNS)


def sorts(grouping: Grouping) -> list[tuple[str, str]]:
    """What groups can be sorted by, and what that is."""
    shown = [(column.name, column.help) for column in columns(grouping) if column.name != "why"]
    more = [(feature.name, feature.help) for feature in fields.FEATURES if feature.name not in {name for name, _ in shown}]
    return [*shown, ("time", "cpu time since start"), *more]


def ways(grouping: Grouping, groups: Groups | None, total: int, glyphs: Glyphs) -> tuple[Line, list[tuple[int, str]]]:
    """The ways to group with the present one marked, and the first column after each with its action."""
    items = [(str(k + 1), name, f"by('{name}')", name == grouping.by and not grouping.limits) for k, name in enumerate(BY)]
    items.append(("c", "limits", "limits", grouping.limits))
    letters = next(size for size in range(9, 0, -1) if size == 1 or sum(4 + min(len(name), size) for _, name, _, _ in items) <= total)
    cells, ends, x = [], [], 0
    for key, name, action, chosen in items:
        short = name[:letters]
        cells += [Cell(f" {key}", "badge" if chosen else "key"), Cell(f" {short} ", "badge" if chosen else "soft")]
        x += len(short) + 4
        ends.append((x, action))
    if groups is not None:
        count, inside, every = len(groups.rollup), int((groups.rollup.member >= 0).sum()), len(groups.frame.reading)
        of = f"{inside} of {every}" if inside < every else f"{every}"
        says = f"{count} {'group' if count == 1 else 'groups'} of {of} processes "
        if x + len(says) < total:
            cells += [Cell(" " * (total - x - len(says))), Cell(says, "soft")]
    return line(cells, total), ends


def nobody(groups: Groups, grouping: Grouping) -> str:
    """Why no group is shown."""
    if not len(groups.frame.reading):
        return "nothing to show: no process matches. Esc goes back, where Esc clears the filter."
    return f"no process is in a {grouping.shared} here" + (" that is known" if grouping.shared in ("image", "pod") else "")


def selected(groups: Groups, grouping: Grouping, place: int | None, *, past: bool) -> tuple[list[Cell], list[Cell]]:
    """The left and the right of the line about the row at a place, and why it stands out; without one the first, where that is the news.

    Args:
        past: the moment shown is not now.
    """
    count = len(groups)
    hint = "" if groups.scored else "no own scores were seen then  " if past else "own scores begin with the next reading  "
    where = [
        Cell(hint, "soft"),
        Cell(f" {place + 1}/{count} " if place is not None else f" {count} {'row' if count == 1 else 'rows'} ", "soft"),
    ]
    if place is None and grouping.sort == "score" and not grouping.reverse and count and said(groups, groups.group_at(0))[0]:
        place = 0
    if place is None:
        return [], where
    entry, frame = int(groups.order[place]), groups.frame
    if entry < 0:
        row = ~entry
        reasons = table.why_text(frame, row)
        says = Cell(f"  {reasons or table.no_reason(frame, row)}", table.level(frame, row) if reasons else "soft")
        return [Cell(f" {frame.batch.labels[row].comm}", "strong"), Cell(f" {frame.reading.key(row).pid}", "soft"), says], where
    text, style = said(groups, entry)
    size = int(groups.rollup.size[entry])
    many = f" {size} {'process' if size == 1 else 'processes'}"
    return [Cell(f" {groups.rollup.names[entry]}", "strong"), Cell(many, "soft"), Cell(f"  {text or 'nothing unusual'}", style)], where


def body(
    groups: Groups, slots: Sequence[Slot], first: int, count: int, *, glyphs: Glyphs, names: str, found: str = ""
) -> list[tuple[Cell, ...]]:
    """The cells of ``count`` rows from place ``first`` of the order. ``names`` and ``found`` as in :func:`proctop.view.table.body`."""
    entries = groups.order[first : first + count]
    shown, rows = entries[entries >= 0], ~entries[entries < 0]
    of_groups = zip(*(_group_column(groups, slot, shown, glyphs, found) for slot in slots), strict=True)
    last = np.append(groups.order[first + 1 : first + 1 + count], 0)[: entries.size] >= 0
    marks = [_MARKS[glyphs.ascii][3 if end else 2] for end in last[entries < 0].tolist()]
    of_members = zip(*(_member_column(groups, slot, rows, marks, glyphs, names, found) for slot in slots), strict=True)
    return [tuple(chain.from_iterable(next(of_groups if entry >= 0 else of_members))) for entry in entries.tolist()]


def ended(groups: Groups, slots: Sequence[Slot], count: int, glyphs: Glyphs) -> list[tuple[Cell, ...]]:
    """The cells of at most ``count`` rows about containers that have ended lately."""
    out = []
    for box, ago, again in groups.boxes.ended[:count] if groups.boxes is not None else ():
        words = {"score": "ended", "command": f"  {box.title}", "why": f"ended {units.duration(round(ago), 6)} ago", "restarts": str(again)}
        words |= {"image": box.image, "runtime": box.runtime, "pod": box.pod}
        texts = [(_short(slot.column.name, words.get(slot.column.name, ""), slot.width), slot) for slot in slots]
        out.append(tuple(Cell(fit(text, slot.width, glyphs, right=slot.column.name == "restarts") + " ", "soft") for text, slot in texts))
    return out


def _group_column(groups: Groups, slot: Slot, shown: Ints, glyphs: Glyphs, found: str) -> list[tuple[Cell, ...]]:
    name, cells = slot.column.name, slot.width
    if name == "score":
        return [score_cells(groups, g, cells, glyphs) for g in shown.tolist()]
    if name == "highest":
        return [_highest(groups, g, cells, glyphs) for g in shown.tolist()]
    if name == "why":
        return [_why(groups, g, cells, glyphs) for g in shown.tolist()]
    if name == "command":
        return [_name(groups, g, cells, glyphs, found) for g in shown.tolist()]
    if name in arranged.TEXTS:
        words = arranged.texts(groups, name)
        return [(Cell(fit(_short(name, words[g], cells), cells, glyphs) + " ", "box"),) for g in shown.tolist()]
    numbers = arranged.numbers(groups, name)[shown]
    marked = hot(groups, name)[shown].tolist()
    write = units.formatter(arranged.unit(name))
    return [_number(write(value, cells), cells, glyphs, mark) for value, mark in zip(numbers.tolist(), marked, strict=True)]


def _number(text: str, cells: int, glyphs: Glyphs, marked: bool = False) -> tuple[Cell, ...]:
    style = "warn" if marked else "faint" if text.strip() in table.ZEROS else "text"
    return (Cell(fit(text, cells, glyphs, right=True) + ("!" if marked else " "), style),)


def hot(groups: Groups, name: str) -> Bools:
    """bool[g], figures that are near a limit or above what is well; their mark stands for those who see no colours."""
    if name not in HOT or groups.boxes is None:
        return np.zeros(len(groups.rollup.keys), dtype=np.bool_)
    measured = arranged.numbers(groups, "cpu_share" if name == "cpu" else name)
    return measured >= HOT[name]  # a NaN compares as False


def _short(name: str, text: str, cells: int) -> str:
    return text.rpartition("/")[2] if name == "image" and width(text) > cells else text  # the registry says least


def score_cells(groups: Groups, g: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    """Bar and number of a group's own score; a word where it has none yet, a dash where groups were not scored."""
    own = float(groups.rollup.own[g])
    if own != own:
        text = fit("warming", cells, glyphs) if groups.scored else fit(glyphs.missing, cells - 1, glyphs, right=True) + " "
        return (Cell(text[: cells - 5], "faint"), Cell(text[cells - 5 :] + " ", "faint"))
    style = level(groups, g)
    number = f"{own:.1f}" if own < 99.95 else f"{own:.0f}"
    drawn = bar(min(own / FULL, 1.0), cells - 5, glyphs) if own >= 0.05 else " " * (cells - 5)
    mark = "!" if style == "alert" else " "
    return (Cell(drawn, style), Cell(fit(number, 4, glyphs, right=True) + mark + " ", style if own >= 0.05 else "faint"))


def level(groups: Groups, g: int) -> str:
    """How rare the own score of a group is, as the name of a style; the same steps as of processes."""
    hourly = groups.rarity.get(groups.rollup.keys[g], math.nan)
    return "alert" if hourly == 0 else "high" if hourly <= 12 else "mid" if hourly <= 120 else "low"


def _highest(groups: Groups, g: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    top, score = int(groups.rollup.top[g]), float(groups.rollup.highest[g])
    if score != score or top < 0:
        return (Cell(fit(glyphs.missing, cells, glyphs, right=True) + " ", "faint"),)
    mark = "!" if groups.frame.scores.alerting[top] else " "
    style = table.level(groups.frame, top) if score >= 0.05 else "faint"
    return (Cell(fit(units.percent(score, cells), cells, glyphs, right=True) + mark, style),)


def said(groups: Groups, g: int) -> tuple[str, str]:
    """Why a group stands out, and the style of that: by itself, else by its highest member, with its name; "" = it does not."""
    own = groups.rollup.why.get(g, ())
    if own:
        return "; ".join(reason.text for reason in own), level(groups, g)
    top = int(groups.rollup.top[g])
    reasons = table.why_text(groups.frame, top) if top >= 0 else ""
    if not reasons:
        return "", "faint"
    label = groups.frame.batch.labels[top]
    return f"{label.comm} {groups.frame.reading.key(top).pid}: {reasons}", table.level(groups.frame, top)


def _why(groups: Groups, g: int, cells: int, glyphs: Glyphs) -> tuple[Cell, ...]:
    text, style = said(groups, g)
    return (Cell(fit(text, cells, glyphs) + " ", "soft" if style == "low" else style),)


def _name(groups: Groups, g: int, cells: int, glyphs: Glyphs, found: str) -> tuple[Cell, ...]:
    mark = _MARKS[glyphs.ascii][g in groups.expanded]
    text = glyphs.plain(groups.rollup.names[g])
    room = cells - len(mark)
    if "/" in text and width(text) > room:  # a path says most at its end
        while width(text) > room - 1:
            text = text[1:]
        text = glyphs.more + text
    return _marked(Cell(mark, "soft"), text, "strong", cells, glyphs, found)


def _marked(head: Cell, text: str, style: str, cells: int, glyphs: Glyphs, found: str) -> tuple[Cell, ...]:
    """``text`` behind ``head``, in all ``cells`` wide, with what a search looks for marked."""
    shown = fit(text, max(0, cells - len(head.text)), glyphs) + " "
    at = shown.casefold().find(found.casefold()) if found else -1
    if at < 0 or len(shown.casefold()) != len(shown):
        return (head, Cell(shown, style))
    return (head, Cell(shown[:at], style), Cell(shown[at : at + len(found)], "match"), Cell(shown[at + len(found) :], style))


def _member_column(
    groups: Groups, slot: Slot, rows: Ints, marks: Sequence[str], glyphs: Glyphs, names: str, found: str
) -> list[tuple[Cell, ...]]:
    name, cells, frame = slot.column.name, slot.width, groups.frame
    if name == "score":
        return [(*table.score_cells(frame, i, cells, glyphs), Cell(" ")) for i in rows.tolist()]
    if name == "why":
        texts = [(table.why_text(frame, i), table.level(frame, i)) for i in rows.tolist()]
        return [(Cell(fit(text, cells, glyphs) + " ", "soft" if style == "low" else style),) for text, style in texts]
    if name == "command":
        named = "name" if cells < NARROW and names == "short" else names
        pids = [f"{int(frame.reading.pid[i])} {table.name_text(frame, i, named)}" for i in rows.tolist()]
        return [_marked(Cell(mark, "faint"), text, "text", cells, glyphs, found) for mark, text in zip(marks, pids, strict=True)]
    if name in _OF_MEMBERS or (name in fields.FEATURE or name == "time"):
        numbers = values.numbers(frame, name, rows.astype(np.intp))
        write = units.formatter(values.unit(name))
        return [_number(write(value, cells), cells, glyphs) for value in numbers.tolist()]
    return [(Cell(" " * (cells + 1), "faint"),)] * len(rows)
