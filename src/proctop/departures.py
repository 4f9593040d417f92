"""Processes that ended, for some seconds more: crowds of one name below one parent. Pure.

A build starts and ends thousands of processes, most of them children of others that are as brief. So a crowd stands below the nearest
parent that lives on, and a loop of ``sh -c 'sleep 0.01'`` makes two rows and not hundreds. What is kept of a reading depends on that
reading and the one before it only: so whoever jumps into a recording finds what was seen there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter

import numpy as np

from proctop.features import LARGEST, brief, ends
from proctop.fields import SCHEMA
from proctop.frames import Departed
from proctop.records import Index, Ints, Reading

FADE = 6.0
"""Seconds for which those that ended are remembered."""

MOST = 200
"""Crowds that are told of."""

_GENERATIONS = 8  # of brief parents above a brief process that are looked through
_key, _ppid, _label, _code = (attrgetter(name) for name in ("key", "ppid", "label", "code"))
_comm = attrgetter("comm")


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Who ended in one interval.

    Attributes:
        mono: of the reading that told.
        crowds: of one name below one parent each, just now.
        pid: int64[n], ascending, of all of them; ppid: int64[n], of their parents.
    """

    mono: float
    crowds: Departed
    pid: Ints
    ppid: Ints


class Departures:
    """Follows the readings of a session."""

    def __init__(self) -> None:
        self._past: deque[Ended] = deque()

    def step(self, prev: Reading | None, reading: Reading) -> Departed | None:
        """Who ended by ``reading`` and is not forgotten yet; None = nobody. ``prev``: the reading before it."""
        if prev is None or prev.info.boot_id != reading.info.boot_id or not prev.mono < reading.mono:
            self._past.clear()
        ended = gather(prev, reading)
        if ended is not None:
            self._past.append(ended)
        while self._past and not fresh(self._past[0].mono, reading):
            self._past.popleft()
        return fading(self._past, reading)


def fresh(mono: float, reading: Reading) -> bool:
    """Whether what a reading at ``mono`` told is remembered at ``reading``."""
    return reading.mono - mono < FADE


def gather(prev: Reading | None, reading: Reading) -> Ended | None:
    """Who ended between two readings; None = nobody."""
    exits = reading.exits
    if not exits:
        return None
    n = len(exits)
    keys = np.fromiter(chain.from_iterable(map(_key, exits)), np.int64, 2 * n)
    pid, start = keys[::2].copy(), keys[1::2].copy()
    ppid = np.fromiter(map(_ppid, exits), np.int64, n)
    code = np.array(list(map(_code, exits)), np.float64)  # None becomes NaN
    labels = list(map(_label, exits))
    if prev is not None and prev.info.boot_id == reading.info.boot_id:
        short, values = brief(prev, reading), ends(prev, reading)
    else:
        short, values = np.zeros(n, np.bool_), np.full((len(SCHEMA), n), np.nan, np.float32)
    order = np.argsort(pid, kind="stable")
    by_pid, parent = pid[order], ppid[order]
    above = _lift(ppid, ((by_pid, parent),))
    alone = Departed(pid, start, above, labels, np.ones(n, np.int64), short, code, np.zeros(n), values, np.full(n, np.nan, np.float32))
    crowds = _joined(alone)
    if len(crowds) > MOST:
        crowds = _take(crowds, np.sort(np.argsort(-crowds.count, kind="stable")[:MOST]))
    return Ended(reading.mono, crowds, by_pid, parent)


def fading(past: Iterable[Ended], reading: Reading) -> Departed | None:
    """What is shown at ``reading`` of those that ended lately, oldest first; None = nobody."""
    lately = list(past)
    if not lately:
        return None
    parts = [ended.crowds for ended in lately]
    ppid = _lift(np.concatenate([part.ppid for part in parts]), [(ended.pid, ended.ppid) for ended in lately])
    whole = Departed(
        np.concatenate([part.pid for part in parts]),
        np.concatenate([part.start for part in parts]),
        ppid,
        list(chain.from_iterable(part.labels for part in parts)),
        np.concatenate([part.count for part in parts]),
        np.concatenate([part.brief for part in parts]),
        np.concatenate([part.code for part in parts]),
        np.concatenate([np.full(len(ended.crowds), reading.mono - ended.mono) for ended in lately]),
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.rank for part in parts]),
    )
    crowds = _joined(whole)
    newest = np.lexsort((-crowds.count, crowds.ago))[:MOST].tolist()
    names = list(map(_comm, crowds.labels))
    parents = crowds.ppid.tolist()
    # By parent and name: so rows of equal rank stand still while the crowds come and go.
    shown = _take(crowds, np.array(sorted(newest, key=lambda i: (parents[i], names[i])), np.intp))
    for array in (shown.pid, shown.start, shown.ppid, shown.count, shown.brief, shown.code, shown.ago, shown.values, shown.rank):
        array.flags.writeable = False
    return shown


def _lift(ppid: Ints, lines: Sequence[tuple[Ints, Ints]]) -> Ints:
    """``ppid`` int64[m], but of those among the ended (``lines``: pids, ascending, and those of their parents) the parent, and so on."""
    for _ in range(_GENERATIONS):
        before = ppid
        for pid, parent in lines:
            at = np.minimum(np.searchsorted(pid, ppid), pid.size - 1)
            ppid = np.where(pid[at] == ppid, parent[at], ppid)
        if ppid is before or np.array_equal(ppid, before):
            break
    return ppid


def _joined(parts: Departed) -> Departed:
    """Those of one name below one parent as one. ``parts`` by time: the last of them speaks for all, and values are of its interval."""
    codes: dict[tuple[int, str], int] = {}
    names = map(_comm, parts.labels)
    of = np.array([codes.setdefault(key, len(codes)) for key in zip(parts.ppid.tolist(), names, strict=True)], np.intp)
    m = len(codes)
    last = np.zeros(m, np.intp)
    last[of] = np.arange(of.size)
    together = np.flatnonzero(parts.ago == parts.ago[last[of]])
    together = together[np.argsort(of[together], kind="stable")]
    begin = np.searchsorted(of[together], np.arange(m))
    values = parts.values[:, together].astype(np.float64)
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0.0), begin, axis=1)
    told = np.logical_or.reduceat(known, begin, axis=1)
    count = np.bincount(of, parts.count, m).astype(np.int64)
    short = np.bincount(of, ~parts.brief, m) == 0
    joined = np.minimum(np.where(told, total, np.nan), LARGEST).astype(np.float32)
    return replace(_take(parts, last), count=count, brief=short, values=joined)


def _take(crowds: Departed, rows: Index) -> Departed:
    return Departed(
        crowds.pid[rows],
        crowds.start[rows],
        crowds.ppid[rows],
        [crowds.labels[i] for i in rows.tolist()],
        crowds.count[rows],
        crowds.brief[rows],
        crowds.code[rows],
        crowds.ago[rows],
        crowds.values[:, rows],
        crowds.rank[rows],
    )
