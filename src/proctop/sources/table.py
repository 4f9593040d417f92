"""The process table between readings: what carries over, what is read again, who was born and who died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.gate import Gate
from proctop.kernel.host import Host
from proctop.kernel.probe import Probe, Probed, Subject
from proctop.records import Exit, Floats, Index, Ints, Label, ProcKey
from proctop.sources.labels import Labels

_ROUND = 64  # readings in which the rotating sweep comes around
_LIST_EVERY = 5  # readings after which the directory is listed even when nothing seems to have forked
_FIRST_WAIT = 0.05  # seconds that command lines may hold up a reading
_D = ord("D")
_label = attrgetter("label")
_RUN, _WAIT = COUNTER["run_ns"], COUNTER["wait_ns"]


@dataclass(frozen=True, slots=True)
class Sweep:
    """All processes at one reading; the fields of the same name in :class:`proctop.records.Reading`."""

    pid: Ints
    start: Ints
    counters: Floats
    labels: Sequence[Label]
    changed: Index | None
    exits: tuple[Exit, ...]
    denied: int  # processes hidden by hidepid=1
    malformed: str


class Table:
    """Sweeps the processes of one host.

    A process that did not run keeps its numbers. Those that ran, those with more than one thread (schedstat tells of the
    main one only), births and every 64th of the rest are read in full; the gate is read before, so nothing falls between.
    """

    def __init__(self, host: Host, labels: Labels) -> None:
        self._host = host
        self._labels = labels
        limit = host.claim_descriptors()
        self.probe = Probe(host, limit // 4)
        self.gate = Gate(host, limit - limit // 4)
        self._subjects: list[Subject] = []
        self._listed: set[str] = set()  # entries of the procfs root that need no further look
        self._hidden: set[str] = set()  # of them, processes whose stat is denied
        self._pid: Ints = sealed(np.zeros(0, dtype=np.int64))
        self._start: Ints = self._pid
        self._counters: Floats = np.zeros((len(COUNTER), 0))
        self._words: tuple[Label, ...] = ()
        self._cursor = 0
        self._age = 0  # readings since the last listing
        self._forks = -1
        self._first = True

    def subjects(self) -> Sequence[Subject]:
        """The processes in row order."""
        return self._subjects

    def sweep(self, forks: int) -> Sweep:
        """Look at everything. ``forks``: the kernel's count of forks since boot, read just before; -1 = unknown."""
        ran, lost = self.gate.look()
        active = {self._subjects[row] for row in ran}
        dead = {self._subjects[row] for row in lost}
        turn = self._turn()
        for subject in turn:  # a refusal is tried again in its turn only
            subject.io_denied = subject.fds_denied = False
        threaded = np.flatnonzero(self._counters[COUNTER["threads"]] > 1).tolist()
        wanted = dict.fromkeys([*(self._subjects[row] for row in ran), *(self._subjects[row] for row in threaded), *turn])
        seen = self.probe.look([subject for subject in wanted if subject not in dead], active)
        dead.update(seen.gone)
        born = self._births(forks, dead)
        self.probe.remember(active)
        self.gate.add([subject.path for subject in born])
        new = self.probe.look(born, set(born))
        exits = self._restructure(dead, born, new)
        rows = self._write(seen, dead, bool(exits or born))
        self._labels.touch(seen.subjects)
        alive = [subject for subject in turn if subject not in dead]
        relabelled = self._relabel([one for one in seen.renewed if one not in dead], new.subjects, alive)
        births = range(len(self._subjects) - len(new.subjects), len(self._subjects))
        changed = None if self._first else sealed(np.unique(np.array([*rows, *births, *relabelled], dtype=np.intp)))
        self._first = False
        malformed = seen.malformed or new.malformed
        return Sweep(self._pid, self._start, self._counters, self._words, changed, exits, len(self._hidden), malformed)

    def _turn(self) -> list[Subject]:
        """The part of the rotating sweep that is due."""
        n = len(self._subjects)
        if not n:
            return []
        begin = self._cursor % n
        part = self._subjects[begin : begin - (-n // _ROUND)]
        self._cursor = begin + len(part)
        return part

    def _births(self, forks: int, dead: set[Subject]) -> list[Subject]:
        """List the procfs root when there may be news; adds those not listed any more to ``dead``."""
        self._age += 1
        if not (dead or self._first or forks < 0 or forks != self._forks or not self.gate.complete or self._age >= _LIST_EVERY):
            return []
        self._age, self._forks = 0, forks
        names = set(self._host.names(self._host.proc))
        dead.update(subject for subject in self._subjects if subject.name not in names)
        self._listed.difference_update([subject.name for subject in dead])
        self._hidden &= names
        fresh = names - self._listed
        self._listed = names
        return [Subject(pid, f"{self._host.proc}/{pid}") for pid in sorted(int(name) for name in fresh if name.isdecimal())]

    def _restructure(self, dead: set[Subject], born: list[Subject], new: Probed) -> tuple[Exit, ...]:
        """Drop the dead, append the born; the exits."""
        if not (dead or born):
            return ()
        exits = tuple(self._exit(subject) for subject in self._subjects if subject in dead)
        good = set(new.subjects)
        for subject in born:
            if subject not in good:
                self._missed(subject, subject in new.denied)
        kept = np.array([one not in dead for one in self._subjects] + [one in good for one in born], dtype=np.bool_)
        if not kept.all():
            self.gate.keep(kept)
        old = np.flatnonzero(kept[: len(self._subjects)])
        self._subjects = [one for one in self._subjects if one not in dead] + new.subjects
        for row, subject in enumerate(self._subjects):
            subject.row = row
        counters = np.empty((len(COUNTER), len(self._subjects)))
        counters[:, : old.size] = self._counters if old.size == self._counters.shape[1] else self._counters[:, old]
        counters[:, old.size :] = new.counters
        self._counters = counters
        self._times(counters, range(old.size, len(self._subjects)))
        self._pid = sealed(np.concatenate([self._pid[old], np.array([one.pid for one in new.subjects], dtype=np.int64)]))
        self._start = sealed(np.concatenate([self._start[old], np.array([one.start for one in new.subjects], dtype=np.int64)]))
        return exits

    def _exit(self, subject: Subject) -> Exit:
        ppid = int(self._counters[COUNTER["ppid"], subject.row])
        self.probe.forget(subject)
        self._labels.drop(subject)
        return Exit(ProcKey(subject.pid, subject.start), ppid, subject.label)

    def _missed(self, subject: Subject, denied: bool) -> None:
        """A birth that could not be read: ended already, or hidden. One that ended leaves its pid to a next one."""
        if denied:
            self._hidden.add(subject.name)
        else:
            self._listed.discard(subject.name)

    def _write(self, seen: Probed, dead: set[Subject], own: bool) -> list[int]:
        """Put what was read into the matrix (``own``: it is already this reading's); the rows."""
        rows = [subject.row for subject in seen.subjects if subject not in dead]
        columns = seen.counters
        if len(rows) < len(seen.subjects):
            columns = columns[:, [subject not in dead for subject in seen.subjects]]
        if rows:
            counters = self._counters if own else self._counters.copy()
            counters[:, rows] = columns
            self._times(counters, rows)
            self._counters = counters
        self._counters = sealed(self._counters)
        return rows

    def _times(self, counters: Floats, rows: Sequence[int]) -> None:
        if self.gate.usable:
            counters[_RUN : _WAIT + 1, rows] = procfs.schedstats([self.gate.text(row) for row in rows])

    def _relabel(self, renewed: list[Subject], new: list[Subject], turn: list[Subject]) -> list[int]:
        """Bring the labels up to date; the rows of survivors where they changed."""
        self._labels.renew([*renewed, *new])
        changed = set(renewed) | self._labels.check([subject for subject in turn if not subject.kernel])
        blocked = {self._subjects[row] for row in np.flatnonzero(self._counters[COUNTER["state"]] == _D).tolist()}
        changed |= self._labels.settle(_FIRST_WAIT, blocked)
        if changed or new or len(self._words) != len(self._subjects):
            self._words = tuple(map(_label, self._subjects))
        return [subject.row for subject in changed]

    def close(self) -> None:
        """Let go of the descriptors."""
        self.gate.close()
        self.probe.close()


def sealed(array: Any) -> Any:
    """The array itself, read-only from here on."""
    array.setflags(write=False)
    return array
