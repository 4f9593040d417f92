"""Which rows the table shows, and in what order: filters, sort, tree, threads, and those that ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np

from proctop import fields
from proctop.frames import Frame
from proctop.records import Bools, Floats, Ints, ProcKey
from proctop.view import departed, ordering, tree, values
from proctop.view.query import Query

_HIGHEST_OF = ("score", "alert")


@dataclass(frozen=True, slots=True)
class ViewState:
    """What the viewer asked for.

    Attributes:
        sort: a column or feature; reverse: against its usual direction.
        user: names or uids separated by commas, "" = all; pids: only these, empty = all.
        kernel: kernel threads too; threads: the threads of each process below it.
        collapsed: processes whose subtree is folded into one row (tree only).
        ascii: guides without box characters.
    """

    sort: str = "score"
    reverse: bool = False
    tree: bool = False
    query: Query | None = None
    user: str = ""
    pids: frozenset[int] = frozenset()
    kernel: bool = False
    threads: bool = False
    collapsed: frozenset[ProcKey] = frozenset()
    ascii: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows to show, top to bottom.

    Attributes:
        order: int64[m]; >= 0 a row of the frame, < 0 the thread ``~j`` of ``frame.reading.threads``, or beyond those one of the departed.
        depth: int64[m], 0 = a root or a flat list.
        guides: m tree prefixes, or empty when there are none.
        context: bool[m], shown only because a descendant matches.
        hidden: by row of the frame, how many processes are folded below it (a row with none is absent).
        sums: by the same rows, then by column: the sum of :data:`values.ADDITIVE` over the subtree, the row itself included,
            and the highest ``score`` and ``alert`` in it. NaN = missing for all of them.
    """

    order: Ints
    depth: Ints
    guides: Sequence[str]
    context: Bools
    hidden: Mapping[int, int] = field(default_factory=dict)
    sums: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.order.size)


class Arranger:
    """Arranges one frame after the other and remembers the order, so that equal and nearly equal rows keep it."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._sequence = np.zeros(0, dtype=np.int64)  # all rows of that frame in order, shown or not
        self._held = np.zeros(0)  # by row of that frame: the score it was last sorted by
        self._crowds: dict[tuple[int, str], float] = {}  # the same of those that ended, by parent and name

    def arrange(self, frame: Frame, state: ViewState) -> Rows:
        """The rows of ``frame`` under ``state``."""
        before, gone = self._recall(frame), departed.frame_of(frame)
        if state.sort in ordering.SCORES:
            held = self._held = ordering.hold(frame.scores.rank.astype(np.float64), self._held)
            if gone is not None:
                held = np.concatenate((held, self._hold(gone)))
            key = ordering.score_key(frame, held, gone=gone, reverse=state.reverse)
        else:
            key = ordering.column_key(frame, state.sort, gone=gone, reverse=state.reverse)
        candidate, matched = _filter(frame, state)
        n = len(frame.batch)
        pid, ppid = frame.reading.pid, frame.reading.counters[fields.COUNTER["ppid"]]
        if gone is not None:  # from here on they are rows n, n + 1, …
            late, wanted = _filter(gone, state)
            candidate = np.concatenate((candidate, late))
            matched = None if matched is None or wanted is None else np.concatenate((matched, wanted))
            before = np.concatenate((before, np.arange(n, key.size)))
            pid = np.concatenate((pid, -1 - np.arange(len(gone.batch))))  # nobody's parents
            ppid = np.concatenate((ppid, gone.reading.counters[fields.COUNTER["ppid"]]))
        if state.tree:
            parent = tree.parents(pid, ppid)
            shown = candidate if matched is None else tree.with_ancestors(parent, matched)
            key = tree.best(parent, key, shown)
        else:
            shown = candidate if matched is None else matched
        sequence = before[np.argsort(key[before], kind="stable")]
        self._frame, self._sequence = frame, sequence if gone is None else sequence[sequence < n]
        order = sequence[shown[sequence]]
        if state.tree:
            rows = _forest(frame, state, parent, order, matched)
        else:
            rows = Rows(order, np.zeros(order.size, dtype=np.int64), (), np.zeros(order.size, dtype=np.bool_))
        if state.threads:
            rows = _with_threads(frame, rows, state.ascii)
        if gone is not None:
            rows = replace(rows, order=np.where(rows.order < n, rows.order, ~(rows.order - n + departed.begin(frame))))
        return rows

    def _hold(self, gone: Frame) -> Floats:
        """The scores that crowds of the departed are sorted by."""
        ppid = gone.reading.counters[fields.COUNTER["ppid"]].tolist()
        keys = [(int(parent), label.comm) for parent, label in zip(ppid, gone.batch.labels, strict=True)]
        before = np.array([self._crowds.get(key, np.nan) for key in keys])
        held = ordering.hold(gone.scores.rank.astype(np.float64), before)
        self._crowds = dict(zip(keys, held.tolist(), strict=True))
        return held

    def _recall(self, frame: Frame) -> Ints:
        """All rows of ``frame`` in the order they had last, new ones at the end; brings ``_held`` to its rows."""
        n, last = len(frame.batch), self._frame
        if frame is last:
            return self._sequence
        if last is None:
            self._held = np.full(n, np.nan)
            return np.arange(n)
        back = _rows_before(last, frame)
        known = back >= 0
        held = np.full(n, np.nan)
        held[known] = self._held[back[known]]
        self._held = held
        if n == self._sequence.size and bool((back == np.arange(n)).all()):
            return self._sequence
        now = np.full(self._sequence.size, -1, dtype=np.int64)
        now[back[known]] = np.flatnonzero(known)
        survivors = now[self._sequence]
        return np.concatenate((survivors[survivors >= 0], np.flatnonzero(~known)))


def _rows_before(last: Frame, frame: Frame) -> Ints:
    """int64[n]: the row that each process had in the frame arranged last, -1 = none."""
    a, b = last.batch, frame.batch
    prev = b.prev
    known = prev >= 0
    if frame.tick == last.tick + 1 and prev.max(initial=-1) < len(a):
        same = (a.pid[prev[known]] == b.pid[known]) & (a.start[prev[known]] == b.start[known])
        if same.all():
            return prev
    # Not the frame right after (paused, stepped): join by key.
    where = {key: i for i, key in enumerate(zip(a.pid.tolist(), a.start.tolist(), strict=True))}
    found = [where.get(key, -1) for key in zip(b.pid.tolist(), b.start.tolist(), strict=True)]
    taken = np.array(found, dtype=np.int64)
    # A key that occurs twice (no source does it, a damaged recording may) is known once.
    first = np.zeros(len(b), dtype=np.bool_)
    first[np.unique(taken, return_index=True)[1]] = True
    return np.where(first, taken, -1)


def matching(frame: Frame, state: ViewState) -> Bools:
    """bool[n], the processes that are not filtered out."""
    shown, matched = _filter(frame, state)
    return shown if matched is None else matched


def _filter(frame: Frame, state: ViewState) -> tuple[Bools, Bools | None]:
    """What may be shown at all, and what of it user, pids and query match (None when none of them is set)."""
    labels = frame.batch.labels
    n = len(labels)
    shown = np.ones(n, dtype=np.bool_)
    if not state.kernel and not state.pids:
        shown = ~np.fromiter(map(attrgetter("kernel"), labels), dtype=np.bool_, count=n)
    if not (state.user or state.pids or state.query):
        return shown, None
    matched = shown
    if state.pids:
        matched = matched & np.isin(frame.reading.pid, np.array(sorted(state.pids), dtype=np.int64))
    if state.user:
        wanted = {user.strip() for user in state.user.split(",")}
        matched = matched & np.array([label.user in wanted or str(label.uid) in wanted for label in labels], dtype=np.bool_)
    if state.query:
        matched = matched & state.query.mask(frame)
    return shown, matched


def _forest(frame: Frame, state: ViewState, parent: Ints, order: Ints, matched: Bools | None) -> Rows:
    collapsed: set[int] = set()
    if state.collapsed:
        keys = zip(frame.reading.pid.tolist(), frame.reading.start.tolist(), strict=True)
        collapsed = {i for i, key in enumerate(keys) if key in state.collapsed}
    walked = tree.walk(parent, order, collapsed, ascii=state.ascii)
    rows = np.array(walked.order, dtype=np.int64)
    context = np.zeros(rows.size, dtype=np.bool_) if matched is None else ~matched[rows]
    alive = {row: [i for i in below if i < len(frame.batch)] for row, below in walked.folded.items()}
    folded = {row: below for row, below in alive.items() if below}
    hidden = {row: len(below) for row, below in folded.items()}
    return Rows(rows, np.array(walked.depth, dtype=np.int64), walked.guides, context, hidden, _sums(frame, folded))


def _sums(frame: Frame, folded: Mapping[int, list[int]]) -> Mapping[int, Mapping[str, float]]:
    if not folded:
        return {}
    members = np.array([i for row, below in folded.items() for i in (row, *below)], dtype=np.int64)
    sizes = np.array([1 + len(below) for below in folded.values()])
    starts = np.cumsum(sizes) - sizes
    out: dict[int, dict[str, float]] = {row: {} for row in folded}
    for name in (*values.ADDITIVE, *_HIGHEST_OF):
        own = values.numbers(frame, name)[members]
        totals = _fold(own, starts, highest=name in _HIGHEST_OF)
        for row, total in zip(folded, totals.tolist(), strict=True):
            out[row][name] = total
    return out


def _fold(own: Floats, starts: Ints, *, highest: bool) -> Floats:
    """Sum or maximum of each run of ``own``, missing ones left out; NaN where all are missing."""
    if highest:
        return np.fmax.reduceat(own, starts)
    known = ~np.isnan(own)
    total = np.add.reduceat(np.where(known, own, 0.0), starts)
    return np.where(np.add.reduceat(known.astype(np.int64), starts) > 0, total, np.nan)


def _with_threads(frame: Frame, rows: Rows, ascii: bool) -> Rows:
    """Each process followed by its threads; the main thread is the process's own row, and a folded row keeps its threads to itself."""
    table = frame.reading.threads
    if table is None or table.pid.size == 0 or len(rows) == 0:
        return rows
    pid = frame.reading.pid
    by_pid = np.argsort(pid, kind="stable")
    at = np.minimum(np.searchsorted(pid[by_pid], table.pid), pid.size - 1)
    owner = by_pid[at]
    shown = np.flatnonzero((pid[owner] == table.pid) & (table.tid != table.pid))
    if rows.hidden:
        shown = shown[~np.isin(owner[shown], np.array(list(rows.hidden), dtype=np.int64))]
    shown = shown[np.argsort(owner[shown], kind="stable")]
    number = np.bincount(owner[shown], minlength=max(pid.size, int(rows.order.max()) + 1))
    first = np.cumsum(number) - number
    count = number[rows.order]
    place = np.arange(len(rows)) + np.cumsum(count) - count  # of each process among all
    of = np.repeat(np.arange(len(rows)), count)
    nth = np.arange(of.size) - np.repeat(np.cumsum(count) - count, count)
    order = np.empty(len(rows) + of.size, dtype=np.int64)
    order[place] = rows.order
    at_thread = place[of] + 1 + nth
    order[at_thread] = ~shown[first[rows.order[of]] + nth]
    depth = np.empty_like(order)
    depth[place] = rows.depth
    depth[at_thread] = rows.depth[of] + 1
    context = np.zeros(order.size, dtype=np.bool_)
    context[place] = rows.context
    context[at_thread] = rows.context[of]
    guides = tree.thread_guides(rows.guides, order, depth, ascii=ascii)
    return Rows(order, depth, guides, context, rows.hidden, rows.sums)
