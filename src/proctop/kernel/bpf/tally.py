"""Threads into processes. Pure: what was walked goes in, sums come out.

What a process spent is what its dead threads left in the kernel's ``signal_struct`` plus what its live threads spent. The iterator tells
only of threads that ran, so for a process with several of them the last word of each is kept here. A thread that ends takes its share
over to the dead: until all threads of that process have been walked again, the sums go on from what was known, and never fall.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from proctop.kernel.bpf.layout import OWN, SPENT, Walk
from proctop.records import Bools, Index, Ints

Whole = Callable[[Ints], Bools]
"""Which of these pids had all their threads walked."""

_WIDTH = len(OWN)
_LEFT = len(SPENT)  # places from here on are lost when a thread ends: what it had is kept by us
_END = np.array([np.iinfo(np.int64).max])  # after every thread and process, so that a search always finds a place
_NOBODY = np.zeros(0, dtype=np.int64)


class Sums(NamedTuple):
    """By process, ascending by pid.

    Attributes:
        row: the record of the walk that speaks for the process: of its first thread that was walked, and of the next one where that has
            ended before the others, for then it holds no memory and no descriptors any more.
        spent: int64[m, 15], in the order of ``layout.OWN``.
        unsure: pids of which all threads should be walked next time.
    """

    row: Index
    spent: Ints
    unsure: Ints


class Tally:
    """Keeps the threads of processes that have, or had, several."""

    def __init__(self) -> None:
        # threads, ascending by (pid, tid)
        self._thread = _END  # pid << 32 | tid
        self._began = _END
        self._own = np.zeros((1, _WIDTH), dtype=np.int64)
        # processes, ascending by pid
        self._pid = _END
        self._start = _END
        self._dead = self._own
        self._total = self._own

    def __len__(self) -> int:
        return self._thread.size - 1

    def add(self, walk: Walk, whole: Whole) -> Sums:
        """Take in a walk."""
        thread = walk.pid << 32 | walk.tid
        order = thread.argsort(kind="stable")
        thread, pid = thread[order], walk.pid[order]
        first = _changes(pid)
        row, pids = order[first], pid[first]
        spent = walk.own[row]
        spent[:, :_LEFT] += walk.dead[row]
        self._forget(pids, whole)
        crowd = (walk.threads[row] > 1) | _find(self._pid, pids)[1]
        if not crowd.any():
            return Sums(row, spent, _NOBODY)
        members = crowd.repeat(np.diff(first, append=pid.size))
        spent[crowd], unsure = self._crowds(walk, row[crowd], order[members], thread[members], whole)
        left = crowd & (walk.exit_state[row] != 0)
        if left.any():
            following = order[np.minimum(first[left] + 1, order.size - 1)]
            row[left] = np.where(walk.pid[following] == pids[left], following, row[left])
        return Sums(row, spent, unsure)

    def _forget(self, walked: Ints, whole: Whole) -> None:
        """Processes that had to be walked and were not have ended."""
        gone = whole(self._pid)
        gone[-1] = False
        if walked.size and gone.any():
            gone &= ~_find(walked, self._pid)[1]
        if gone.any():
            self._drop(_find(self._pid[gone], self._thread >> 32)[1])
            kept = ~gone
            self._pid, self._start = self._pid[kept], self._start[kept]
            self._dead, self._total = self._dead[kept], self._total[kept]

    def _crowds(self, walk: Walk, row: Index, record: Index, thread: Ints, whole: Whole) -> tuple[Ints, Ints]:
        """Sums of the processes that records ``row`` speak for, whose walked threads are ``record``; and the unsure ones."""
        pid, threads = walk.pid[row], walk.threads[row]
        place, new = self._processes(pid, walk.start[row])
        complete = new | whole(pid) | (threads == 1)
        self._merge(walk, record, thread)
        begin, end = self._range(pid)
        walked = np.diff(_changes(thread >> 32), append=thread.size)
        if (complete & (end - begin > walked)).any():
            self._bury(_find(pid[complete], self._thread >> 32)[1] & ~_find(thread, self._thread)[1])
            begin, end = self._range(pid)
        dead = walk.dead[row]
        unsure = ~complete & (dead[:, 0] != self._dead[place, 0])
        self._dead[place[complete], :_LEFT] = dead[complete]
        bounds = np.stack([begin, end], axis=1).ravel()
        total = np.maximum(self._dead[place] + np.add.reduceat(self._own, bounds, axis=0)[::2], self._total[place])
        self._total[place] = total
        return total, pid[unsure | (end - begin != threads)]

    def _range(self, pid: Ints) -> tuple[Index, Index]:
        """Where the threads of each process are kept."""
        return self._thread.searchsorted(pid << 32), self._thread.searchsorted((pid + 1) << 32)

    def _processes(self, pid: Ints, start: Ints) -> tuple[Index, Bools]:
        """Where each process is kept, and whether it is new; a later process of the same pid takes the place over."""
        place, known = _find(self._pid, pid)
        if not known.all():
            at, missing = place[~known], pid[~known]
            self._pid = np.insert(self._pid, at, missing)
            self._start = np.insert(self._start, at, -1)
            self._dead = np.insert(self._dead, at, 0, axis=0)
            self._total = np.insert(self._total, at, 0, axis=0)
            place = self._pid.searchsorted(pid)
        new: Bools = self._start[place] != start
        if new.any():
            self._drop(_find(pid[new], self._thread >> 32)[1])
            fresh = place[new]
            self._start[fresh] = start[new]
            self._dead[fresh] = self._total[fresh] = 0
        return place, new

    def _merge(self, walk: Walk, record: Index, thread: Ints) -> None:
        """Keep the last word of each walked thread. What one waited whose number belongs to a later thread stays with the process."""
        at, known = _find(self._thread, thread)
        began = walk.began[record]
        replaced = known & (self._began[at] != began)
        if replaced.any():
            gone = np.zeros(self._thread.size, dtype=np.bool_)
            gone[at[replaced]] = True
            self._bury(gone)
            at, known = _find(self._thread, thread)
        if not known.all():
            place = at[~known]
            self._thread = np.insert(self._thread, place, thread[~known])
            self._began = np.insert(self._began, place, began[~known])
            self._own = np.insert(self._own, place, 0, axis=0)
            at = self._thread.searchsorted(thread)
        self._own[at] = walk.own[record]

    def _bury(self, gone: Bools) -> None:
        """Drop threads that ended, and keep what was known of them: the kernel forgets a part, and has not told us the rest yet."""
        place = self._pid.searchsorted(self._thread[gone] >> 32)
        np.add.at(self._dead, place, self._own[gone])
        self._drop(gone)

    def _drop(self, gone: Bools) -> None:
        kept = ~gone
        kept[-1] = True
        self._thread, self._began, self._own = self._thread[kept], self._began[kept], self._own[kept]


def _find(ascending: Ints, wanted: Ints) -> tuple[Index, Bools]:
    """Where each of ``wanted`` is or would be, and whether it is there. ``ascending`` is not empty."""
    at = ascending.searchsorted(wanted)
    return at, ascending.take(at, mode="clip") == wanted


def _changes(ascending: Ints) -> Index:
    """The first place of each value."""
    change = np.ones(ascending.size, dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=change[1:])
    return change.nonzero()[0]
