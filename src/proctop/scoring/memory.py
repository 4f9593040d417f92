"""Who is who: slots carried from batch to batch, the groups each process belongs to, and what all of them learn together."""

from __future__ import annotations

import numpy as np

from proctop.frames import Batch
from proctop.records import Container, Floats32, Index, Ints, Label, ProcKey
from proctop.scoring.kinds import Kinds
from proctop.scoring.learning import MOST, adopt, forget, learn
from proctop.scoring.lives import Lives
from proctop.scoring.novelty import Arrival, Novelty
from proctop.scoring.quiet import SLOW_SPAN, Counts, silence
from proctop.scoring.tails import FAST, IDLE, SLOW_FROM

YOUNG = 3
"""Samples of a life that are compared with, and teach, the young of its groups."""

SETTLED = 2
"""The first samples of a life are its groups' only."""

DORMANT = 60
"""Samples that the silence before a first act counts for at most: a process that never did anything has no normal of its own to break."""
OLD_NEWS = 0.5
"""nats: what was new, and tells less than this, is not new."""

_SETTLE_EVERY, _SETTLE_PARTS = 64, 16
_PID_MAX = 1 << 22  # include/linux/threads.h


class Memory:
    """Lives and groups.

    ``slots`` int64[n] are the slots of the rows of the last batch, ``reading`` the number of readings so far. Cohorts and the host
    know the young (row ``2 g``) and the mature (``2 g + 1``) apart. ``source`` told what is known, "" = nobody said; until reading
    ``awaited`` it may still come, and until reading ``anew`` what another one tells differently is only learned. A ``small`` one is for a
    single process. Without ``news`` no name is ever new.
    """

    def __init__(self, *, small: bool = False, news: bool = True) -> None:
        self.lives = Lives(1) if small else Lives()
        self.cohorts = Kinds(1 if small else 1000, ages=2)
        self.containers = Kinds(1 if small else 500)
        self.host = Kinds(0, ages=2)
        self.slots: Ints = np.zeros(0, dtype=np.int64)
        self.novelty = Novelty() if news else Novelty(limit=0)
        self.arrived: dict[int, Arrival] = {}
        self.reading = 0
        self.source = ""
        self.awaited = 0
        self.anew = 0
        self.past: dict[ProcKey, tuple[int, Floats32, Floats32]] = {}
        """Samples, histograms and slow means of processes that a session before this one knew."""

    def follow(self, batch: Batch, before: Batch | None) -> Ints:
        """Carry slots over to the rows of ``batch``; returns those whose processes have gone."""
        lives, old, known = self.lives, self.slots, batch.prev >= 0
        if batch.prev.size == old.size and bool((batch.prev == np.arange(old.size)).all()):
            return old[:0]
        stayed = np.zeros(old.size, dtype=np.bool_)
        stayed[batch.prev[known]] = True
        left = (~stayed).nonzero()[0]
        gone = old[left]
        if left.size and before is not None:
            self.settle(gone, left, before)
            self.cohorts.leave(lives.cohort[gone])
            self.containers.leave(lives.container[gone][lives.container[gone] >= 0])
        slots = np.empty(batch.prev.size, dtype=np.int64)
        slots[known] = old[batch.prev[known]]
        new = (~known).nonzero()[0]
        slots[new] = fresh = lives.take(new.size)
        self.meet(batch, new, fresh)
        for slot, row in zip(fresh.tolist(), new.tolist(), strict=True):
            label = batch.labels[row]
            lives.cohort[slot] = self.cohorts.join(cohort(label))
            lives.container[slot] = -1 if label.container is None else self._inside(label.container)
            lives.kernel[slot] = label.kernel
        lives.seen[fresh] = self.reading - batch.born[new]
        lives.due[fresh] = self.settle_at(fresh)
        lives.free(gone)
        if self.past:
            self._recognise(batch, new, fresh)
        for slot in gone.tolist():
            self.arrived.pop(slot, None)
        self.slots = slots
        return gone

    def _inside(self, container: Container) -> int:
        """The group of a container, which begins with what its image did elsewhere."""
        group = self.containers.join(container.id)
        self.containers.liken(group, container.image)
        return group

    def _recognise(self, batch: Batch, rows: Index, slots: Ints) -> None:
        """Give those that are known from before their histories back. All others of that time have ended."""
        lives, past = self.lives, self.past
        keys = [ProcKey(*key) for key in zip(batch.pid[rows].tolist(), batch.start[rows].tolist(), strict=True)]
        known = [(slot, past[key]) for slot, key in zip(slots.tolist(), keys, strict=True) if key in past]
        lives.open_books(np.array([slot for slot, _ in known], dtype=np.int64))
        for slot, (n, hist, slow) in known:
            lives.n[slot] = n
            book = int(lives.book[slot])
            adopt(lives, book, hist)
            lives.slow[book] = slow
        self.past = {}

    def rename(self, batch: Batch, before: Batch, rows: Index) -> None:
        """An exec that changes the name keeps the life and changes the cohort."""
        lives = self.lives
        rows = rows[batch.active[rows] & (batch.prev[rows] >= 0)]
        renamed = []
        for row, place in zip(rows.tolist(), batch.prev[rows].tolist(), strict=True):
            label, then = batch.labels[row], before.labels[place]
            if label is then:
                continue
            slot = int(self.slots[row])
            if cohort(label) != cohort(then):
                renamed.append(row)
                self.cohorts.leave(lives.cohort[slot : slot + 1])
                lives.cohort[slot] = self.cohorts.join(cohort(label))
            inside, inside_then = (x.container.id if x.container else None for x in (label, then))
            late = inside is not None and lives.container[slot] < 0  # it went inside while it slept
            if inside != inside_then or late:
                if lives.container[slot] >= 0:
                    self.containers.leave(lives.container[slot : slot + 1])
                lives.container[slot] = -1 if label.container is None else self._inside(label.container)
            elif label.container is not None:
                self.containers.liken(int(lives.container[slot]), label.container.image)
        if renamed:
            self.meet(batch, np.array(renamed), self.slots[renamed])

    def meet(self, batch: Batch, rows: Index, slots: Ints) -> None:
        """Who appears under a name here, and how unheard of that is. Those that were there before anyone looked are no news."""
        people = np.array([not batch.labels[row].kernel for row in rows.tolist()], dtype=np.bool_)
        rows, slots = rows[people], slots[people]
        parents = parents_of(batch, rows)
        arrivals = [Arrival(batch.labels[row], cohort(batch.labels[row]), name) for row, name in zip(rows.tolist(), parents, strict=True)]
        found = self.novelty.evidence(arrivals, self.reading)
        for slot, row, arrival, nats in zip(slots.tolist(), rows.tolist(), arrivals, found, strict=True):
            news = nats if nats >= OLD_NEWS and (batch.born[row] or batch.prev[row] >= 0) else 0.0
            self.lives.novel[slot] = news
            if news:
                self.arrived[slot] = arrival

    def settle_at(self, slots: Ints) -> Ints:
        """The reading at which those without a history are counted, some of them at a time."""
        part = _SETTLE_EVERY // _SETTLE_PARTS
        return (self.reading // _SETTLE_EVERY + 1) * _SETTLE_EVERY + slots % _SETTLE_PARTS * part

    def settle(self, slots: Ints, place: Ints, before: Batch) -> None:
        """Teach groups, and own histories, the silence of ``slots`` up to the reading before, in which they were rows ``place``."""
        lives = self.lives
        k = self.reading - 1 - lives.seen[slots]
        late = (k > 0).nonzero()[0]
        if not late.size:
            return
        slots, place, k = slots[late], place[late], k[late]
        values = before.values[: len(FAST)].take(place, axis=1)
        books = lives.book[slots]
        slow = np.where(books[:, None] >= 0, lives.slow[books], 0) if len(lives.slow) else np.zeros((k.size, SLOW_FROM.size), np.float32)
        counts = silence(values, slow, lives.idle[slots], k)
        self.teach(slots, (lives.n[slots] + k > YOUNG).astype(np.int64), counts)
        kept = (books >= 0).nonzero()[0]
        some = np.minimum(k, MOST).astype(np.float32)
        forget(lives, books[kept], some[kept])
        own = counts.only((books[counts.row] >= 0).nonzero()[0])
        learn(lives, books, own._replace(weight=own.weight * (some / k).astype(np.float32)[own.row]))
        lives.slow[books[kept]] = slow[kept] * np.power(np.float32(1 - 1 / SLOW_SPAN), k[kept, None])
        lives.n[slots] += k
        lives.seen[slots] += k
        lives.idle[slots] = values[IDLE]

    def open(self, slots: Ints, place: Ints, before: Batch) -> None:
        """Histories for those that did something for the first time, beginning with the silence before."""
        lives = self.lives
        lives.open_books(slots)
        n = np.minimum(lives.n[slots] - SETTLED, DORMANT)
        long = (n > 0).nonzero()[0]
        if long.size:
            nothing = np.zeros((long.size, SLOW_FROM.size), dtype=np.float32)
            values = before.values[: len(FAST)].take(place[long], axis=1)
            learn(lives, lives.book[slots[long]], silence(values, nothing, nothing[:, 0], n[long]))

    def teach(self, slots: Ints, mature: Ints, counts: Counts) -> None:
        self.cohorts.add(self.lives.cohort[slots] * 2 + mature, counts)
        self.containers.add(self.lives.container[slots], counts)
        self.host.add(mature, counts)

    def fade(self) -> None:
        """Let groups forget a little."""
        for kinds in (self.cohorts, self.containers, self.host):
            kinds.fade()


def parents_of(batch: Batch, rows: Index) -> list[str]:
    """The kinds of the parents of ``rows``, "" where they are not known."""
    if batch.ppid is None or not rows.size:
        return [""] * rows.size
    order = np.argsort(batch.pid, kind="stable")
    ppid = batch.ppid[rows]
    wanted = np.where(np.abs(ppid) <= _PID_MAX, ppid, -1).astype(np.int64)
    at = order[np.minimum(np.searchsorted(batch.pid, wanted, sorter=order), len(batch) - 1)]
    return [cohort(batch.labels[k]) if found else "" for k, found in zip(at.tolist(), (batch.pid[at] == wanted).tolist(), strict=True)]


def cohort(label: Label) -> str:
    """Processes of one kind share a name but for a number at its end; kernel threads tell more than their kind after a slash.

    >>> cohort(Label("worker-12")), cohort(Label("kworker/u8:3-events", kernel=True))
    ('worker-', 'kworker')
    """
    comm = label.comm.partition("/")[0] if label.kernel else label.comm
    return comm.rstrip("0123456789") or comm
