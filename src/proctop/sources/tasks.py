"""The process table by eBPF: as :mod:`proctop.sources.table`, but the kernel says who did something, and who lived only for a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from proctop.containers.paths import Place
from proctop.fields import COUNTER
from proctop.kernel.bpf.events import Events
from proctop.kernel.bpf.feed import EVENTS, Feed, Tasks
from proctop.kernel.host import Host
from proctop.kernel.probe import Probe
from proctop.kernel.procfs import GRAIN
from proctop.kernel.subject import Subject
from proctop.records import Bools, Exit, Floats, Index, Ints, ProcKey
from proctop.sanitize import clean_command
from proctop.sources.labels import NOWHERE, Labels
from proctop.sources.rows import Rows, Sweep, sealed

_PATIENCE = 5.0  # seconds in which the end of a process that is gone must have been told
_MOST_PLACES = 4096
_MOST_KEPT = 1 << 15
_TIMES = [COUNTER[name] for name in ("utime", "stime", "cutime", "blkio_delay", "run_ns", "wait_ns")]
_PPID, _THREADS = COUNTER["ppid"], COUNTER["threads"]
_IDS, _WORDS, _CGROUPS = 4, slice(0, 2), slice(2, 4)


class TaskTable(Rows):
    """Sweeps the processes of this host. Closes ``feed``.

    Times are rounded down to ``procfs.GRAIN``: what is below it would be half of a recording.
    """

    def __init__(self, host: Host, labels: Labels, feed: Feed) -> None:
        super().__init__(labels)
        self._host = host
        self._feed = feed
        self.probe = Probe(host, 0)  # single threads are read as text
        self._key: Ints = self._pid
        self._order: Index = np.zeros(0, dtype=np.intp)  # rows, ascending by key
        self._ids: Ints = np.zeros((_IDS, 0), dtype=np.int64)  # user, programs run, numbers of both cgroups
        self._comm = np.zeros(0, dtype="S16")
        self._places: dict[tuple[int, int], Place] = {}  # by the numbers of both cgroups
        self._frees = "freed" not in feed.refused
        self._tells = self._frees or "exited" not in feed.refused
        self._codes: dict[ProcKey, int] = {}  # told of, still to be gone
        self._late: dict[ProcKey, tuple[Exit, float]] = {}  # gone, still to be told of; and the second that missed it
        self._ahead: dict[ProcKey, None] = {}  # gone and passed on before the kernel let go of it
        self._started: dict[ProcKey, bytes] = {}  # command lines of programs that run since we look; longest ago first
        self._told: list[Events] = []  # not passed on yet
        self._lost = 0
        self._sweeps = 0
        self._open = True

    def subjects(self) -> list[Subject]:
        """The processes that have several threads."""
        crowds = [self._subjects[row] for row in np.flatnonzero(self._counters[_THREADS] > 1).tolist()]
        for subject in crowds:
            subject.threaded = True
        return crowds

    def sweep(self) -> Sweep:
        """Look at everything that did something since the last time; everything there is, if that is not known."""
        turn, nothing = self._turn(), sealed(np.zeros(0, dtype=np.intp))
        self._told.append(self._feed.events())  # first: one that is told of is not met below
        self._lost = sum(events.lost for events in self._told)
        try:
            tasks = self._feed.sweep(full=self._lost > 0)
        except OSError as error:  # out of descriptors: what happened meanwhile is told next time
            failed = f"the kernel's tasks could not be read: {error.strerror}"
            return Sweep(self._pid, self._start, self._counters, self._words, nothing, (), failed=failed)
        told, self._told = self._told, []
        tasks.counters[_TIMES] -= tasks.counters[_TIMES] % GRAIN
        key = _key(tasks.pid, tasks.start)
        ended = np.concatenate([_key(events.exits.pid, events.exits.start) for events in told])
        row, known = self._find(key)
        new = ~known
        dead = self._dead(tasks, row[known], new)
        if self._frees:
            dead |= np.isin(self._key, ended)
        ran = self._write(row[known], tasks.counters[:, known])
        renewed, moved = self._renew(tasks, row[known], known)
        self._labels.touch([self._subjects[row] for row in ran.tolist()])
        gone = {self._subjects[row] for row in dead.nonzero()[0].tolist()}
        exits = self._exits(told, self._find(ended)[1] | np.isin(ended, key), dead)
        ran = (ran - dead.cumsum()[ran])[~dead[ran]]
        born = self._restructure(dead, tasks, new)
        self._counters = sealed(self._counters)
        due = [subject for subject in dict.fromkeys([*moved, *turn]) if subject not in gone]
        relabelled = self._relabel([subject for subject in renewed if subject not in gone], born, due)
        self._locate([subject for subject in (*renewed, *moved, *born) if subject not in gone])
        births = range(len(self._subjects) - len(born), len(self._subjects))
        changed = sealed(np.unique(np.array([*ran.tolist(), *births, *relabelled], dtype=np.intp))) if self._sweeps else None
        self._sweeps += 1
        return Sweep(self._pid, self._start, self._counters, self._words, changed, exits)

    def _find(self, key: Ints) -> tuple[Index, Bools]:
        """The row of each process, any where there is none; and whether there is."""
        if not self._key.size:
            return np.zeros(key.size, dtype=np.intp), np.zeros(key.size, dtype=np.bool_)
        row = self._order.take(self._key.searchsorted(key, sorter=self._order), mode="clip")
        known: Bools = self._key[row] == key
        return row, known

    def _dead(self, tasks: Tasks, found: Index, new: Bools) -> Bools:
        """bool[rows]: it was looked for and not found, or another has its pid."""
        dead = tasks.asked(self._pid)
        dead[found] = False
        if new.any():
            dead |= np.isin(self._pid, tasks.pid[new])
        return dead

    def _write(self, row: Index, columns: Floats) -> Index:
        """Put what was read of survivors into a new matrix; the rows that differ."""
        old = self._counters[:, row]
        differs = ((columns != old) & ~(np.isnan(columns) & np.isnan(old))).any(axis=0)
        if differs.any():
            self._counters = self._counters.copy()
            self._counters[:, row[differs]] = columns[:, differs]
        ran: Index = row[differs]
        return ran

    def _renew(self, tasks: Tasks, row: Index, known: Bools) -> tuple[list[Subject], list[Subject]]:
        """Survivors with another user, program or name, and those that only moved to another cgroup."""
        ids, comm = _ids(tasks)[:, known], tasks.comm[known]
        differ = ids != self._ids[:, row]
        words = differ[_WORDS].any(axis=0) | (comm != self._comm[row])
        moved = differ[_CGROUPS].any(axis=0) & ~words
        self._ids[:, row], self._comm[row] = ids, comm
        renewed = [self._subjects[at] for at in row[words].tolist()]
        for subject, uid, name, kernel in zip(
            renewed, ids[0, words].tolist(), comm[words].tolist(), tasks.kernel[known][words].tolist(), strict=True
        ):
            subject.uid, subject.comm, subject.kernel = uid, name, kernel
        return renewed, [self._subjects[at] for at in row[moved].tolist()]

    def _restructure(self, dead: Bools, tasks: Tasks, new: Bools) -> list[Subject]:
        """Drop the dead, append the born; the born."""
        born = []
        columns = (tasks.pid, tasks.start, tasks.uid, tasks.comm, tasks.kernel)
        for pid, start, uid, comm, kernel in zip(*(column[new].tolist() for column in columns), strict=True):
            subject = Subject(pid, f"{self._host.proc}/{pid}")
            subject.start, subject.uid, subject.comm, subject.kernel = start, uid, comm, kernel
            born.append(subject)
        if born or dead.any():
            self._replace(dead.nonzero()[0].tolist(), born, tasks.counters[:, new])
            self._ids = np.concatenate([self._ids[:, ~dead], _ids(tasks)[:, new]], axis=1)
            self._comm = np.concatenate([self._comm[~dead], tasks.comm[new]])
            self._key = _key(self._pid, self._start)
            self._order = self._key.argsort()
        return born

    def _exits(self, told: list[Events], seen: Bools, dead: Bools) -> tuple[Exit, ...]:
        """Who ended. ``seen``: bool[exits], there is a row; ``dead``: bool[rows] that go."""
        for events in told:
            started = map(ProcKey, events.execs.pid.tolist(), events.execs.start.tolist())
            self._started.update(zip(started, events.args, strict=True))
        now = self._host.clock().mono
        exits: list[Exit] = []
        ends = [(events, at) for events in told for at in range(len(events.exits))]
        for (events, at), has_row in zip(ends, seen.tolist(), strict=True):
            key, code = ProcKey(int(events.exits.pid[at]), int(events.exits.start[at])), int(events.code[at])
            args = self._started.pop(key, None)
            if key in self._ahead:
                del self._ahead[key]
            elif has_row:
                self._codes[key] = code
            elif (late := self._late.pop(key, None)) is not None:
                exits.append(replace(late[0], code=code))
            elif self._sweeps:
                exits.append(self._brief(events, at, key, code, args))
        for row in dead.nonzero()[0].tolist():
            subject = self._subjects[row]
            key = ProcKey(subject.pid, subject.start)
            self._labels.drop(subject)
            end = Exit(key, int(self._counters[_PPID, row]), subject.label, self._codes.pop(key, None))
            if end.code is None and self._tells:
                self._late[key] = (end, now)
            else:
                exits.append(end)
        codes = self._feed.ends() if self._late else {}
        for key, (end, since) in list(self._late.items()):
            if key in codes:
                self._ahead[key] = None
            if key in codes or now - since >= _PATIENCE:
                exits.append(replace(end, code=codes.get(key)))
                del self._late[key]
        for kept in (self._started, self._ahead):
            while len(kept) > _MOST_KEPT:  # their ends got lost
                del kept[next(iter(kept))]
        return tuple(exits)

    def _brief(self, events: Events, at: int, key: ProcKey, code: int, args: bytes | None) -> Exit:
        """One that lived and ended between two sweeps: all that is known of it was told. ``args`` None: it ran no program of its own."""
        who = events.exits
        ppid = int(who.ppid[at])
        place = self._places.get((int(who.cgroup[at]), int(who.cgroup1[at])), NOWHERE)
        command = None if args is None else clean_command(args)
        label = self._labels.brief(bytes(who.comm[at]), command, int(who.uid[at]), place, ppid)
        return Exit(key, ppid, label, code)

    def _locate(self, subjects: list[Subject]) -> None:
        """Remember what the numbers of cgroups stand for. Of a process that is just ending the file says the root, wherever it was."""
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        for subject in subjects:
            version2, version1 = self._ids[_CGROUPS, subject.row].tolist()
            place = self._labels.place(subject)
            if place is not None and place.path != "/":
                self._places[version2, version1] = place
            elif place is not None and not self._sweeps:
                self._places.setdefault((version2, version1), place)

    def reasons(self) -> tuple[tuple[str, str, str], ...]:
        """(field, counter, why it is missing where it is)."""
        return (
            ("io", "rchar", "kernel without CONFIG_TASK_IO_ACCOUNTING"),
            ("fd", "fds", "descriptors are not counted where there is room for more than 4,096"),
            ("schedstat", "wait_ns", "kernel without CONFIG_SCHED_INFO"),
            ("blkio_delay", "blkio_delay", "delay accounting is off: sysctl kernel.task_delayacct=1 (tasks started after it)"),
        )

    def notes(self) -> tuple[str, ...]:
        """What the kernel does not tell, or did not this time."""
        notes = [f"bpf: {name} is not told: {why}" for name, why in self._feed.refused.items() if name in EVENTS]
        if self._lost:
            notes.append(f"{self._lost} events of processes were lost: all processes are looked at again")
        return tuple(notes)

    def close(self) -> None:
        """Detach from the kernel."""
        if self._open:
            self._open = False
            self._feed.close()
            self.probe.close()


def _key(pid: Ints, start: Ints) -> Ints:
    """One number for each process."""
    key: Ints = start << 22 | pid  # include/linux/threads.h: PID_MAX_LIMIT
    return key


def _ids(tasks: Tasks) -> Ints:
    return np.stack([tasks.uid, tasks.execs, tasks.cgroup, tasks.cgroup1])
