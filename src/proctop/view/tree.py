"""Processes as a forest: parents from pids that nobody vouches for, orders and guides.

Rows are indices of one frame; ``parent`` is int64[n], the row of the parent or -1 for a root.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from proctop.records import Bools, Floats, Ints

_DEEPEST_GUIDE = 24
"""Guides grow no longer than this many levels; a chain of thousands would take memory by its square."""

_BOXES = ("├─ ", "└─ ", "│  ")
_ASCII = ("|- ", "`- ", "|  ")


def parents(pid: Ints, ppid: Floats) -> Ints:
    """The row of each parent. Orphans, self-parents and one member of each circle are roots."""
    n = pid.size
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    by_pid = np.argsort(pid, kind="stable")
    sought = np.where(np.isnan(ppid), -1.0, ppid)
    at = np.minimum(np.searchsorted(pid[by_pid], sought), n - 1)
    parent: Ints = np.where((pid[by_pid[at]] == sought) & (sought > 0) & (sought != pid), by_pid[at], -1)
    return _without_circles(parent)


def _without_circles(parent: Ints) -> Ints:
    up = parent.copy()
    for _ in range(parent.size.bit_length() + 1):  # twice as far up each time
        up = np.where(up >= 0, up[up], -1)
    if not (up >= 0).any():
        return parent
    out = parent.tolist()
    seen = [0] * len(out)
    for walk, row in enumerate(np.flatnonzero(up >= 0).tolist(), 1):
        while row >= 0 and not seen[row]:
            seen[row] = walk
            row, before = out[row], row
        if row >= 0 and seen[row] == walk:
            out[before] = -1
    return np.array(out, dtype=np.int64)


def with_ancestors(parent: Ints, rows: Bools) -> Bools:
    """``rows`` and everything above them."""
    out = rows.copy()
    at = np.flatnonzero(rows)
    while at.size:
        at = parent[at]
        at = np.unique(at[at >= 0])
        at = at[~out[at]]
        out[at] = True
    return out


def best(parent: Ints, key: Floats, shown: Bools) -> Floats:
    """float64[n]: the smallest key among the shown rows of each subtree; inf where that is none or NaN."""
    out = np.where(shown & ~np.isnan(key), key, np.inf)
    depth = _depth(parent)
    by_depth = np.argsort(depth, kind="stable")
    edges = np.searchsorted(depth[by_depth], np.arange(1, int(depth.max(initial=0)) + 2))
    for level in range(len(edges) - 1, 0, -1):
        rows = by_depth[edges[level - 1] : edges[level]]
        np.minimum.at(out, parent[rows], out[rows])
    return out


def _depth(parent: Ints) -> Ints:
    depth = (parent >= 0).astype(np.int64)
    up = parent.copy()
    while (up >= 0).any():
        depth = depth + np.where(up >= 0, depth[up], 0)
        up = np.where(up >= 0, up[up], -1)
    return depth


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A forest from top to bottom: rows, their depths and guides, and what is folded below which row."""

    order: list[int]
    depth: list[int]
    guides: list[str]
    folded: dict[int, list[int]]


def walk(parent: Ints, sequence: Ints, collapsed: Set[int], *, ascii: bool = False) -> Walk:
    """``sequence``: the rows to show, siblings in the order they shall have. A row whose parent is not among them is a root."""
    tee, corner, bar = _ASCII if ascii else _BOXES
    present = np.zeros(parent.size, dtype=np.bool_)
    present[sequence] = True
    above = parent[sequence]
    above = np.where((above >= 0) & present[above], above, -1) if sequence.size else above
    children: dict[int, list[int]] = {}
    for row, over in zip(sequence.tolist(), above.tolist(), strict=True):
        children.setdefault(over, []).append(row)
    out = Walk([], [], [], {})
    # Each entry: row, depth, its guide, the guide its children build on.
    stack = [(row, 0, "", "") for row in reversed(children.get(-1, ()))]
    while stack:
        row, depth, guide, base = stack.pop()
        out.order.append(row)
        out.depth.append(depth)
        out.guides.append(guide)
        below = children.get(row)
        if below is None:
            continue
        if row in collapsed:
            out.folded[row] = _descendants(children, row)
            continue
        inner, outer = (base, base) if depth >= _DEEPEST_GUIDE else (base + bar, base + "   ")
        middle, end = base + tee, base + corner
        stack.append((below[-1], depth + 1, end, outer))
        stack.extend((child, depth + 1, middle, inner) for child in below[-2::-1])
    return out


def _descendants(children: dict[int, list[int]], row: int) -> list[int]:
    found = list(children[row])
    for child in found:  # grows as it goes
        found.extend(children.get(child, ()))
    return found


def thread_guides(guides: Sequence[str], order: Ints, depth: Ints, *, ascii: bool = False) -> list[str]:
    """Guides of rows of which the negative ones are threads put in below their process; ``guides`` are those of the rest."""
    tee, corner, bar = _ASCII if ascii else _BOXES
    rest = iter(guides)
    base = ""
    out = []
    for row, here, after in zip(order.tolist(), depth.tolist(), [*depth[1:].tolist(), -1], strict=True):
        if row >= 0:
            guide = next(rest, "")
            base = guide[:-3] + (bar if guide.endswith(tee) else "   ") if guide else ""
        else:
            guide = base + (tee if after == here else corner)
        out.append(guide)
    return out
