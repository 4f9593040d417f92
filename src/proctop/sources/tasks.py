"""The process table by eBPF: as :mod:`proctop.sources.table`, but the kernel says who did something, and who lived only for a moment."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np

from proctop.containers.paths import Place
from proctop.fields import COUNTER
from proctop.kernel.bpf.events import Events
from proctop.kernel.bpf.feed import EVENTS, FAULTS, MEMORY, Feed, Tasks
from proctop.kernel.bpf.layout import EXTRA_ROWS
from proctop.kernel.host import Host, Unreadable
from proctop.kernel.probe import Probe
from proctop.kernel.procfs import GRAIN
from proctop.kernel.subject import Subject
from proctop.records import Bools, Exit, Floats, Index, Ints, ProcKey
from proctop.sources.labels import Labels
from proctop.sources.rows import Rows, Sweep, sealed
from proctop.sources.told import SEAM, TIMES, Told, as_columns, ascend
from proctop.sources.veiled import Veiled

_OVERDUE = 1.0  # seconds after the end of a process in which the kernel should have let go of it
_MOST_PLACES = 4096
_PPID, _THREADS, _FDS = (COUNTER[name] for name in ("ppid", "threads", "fds"))
_RARELY = 9  # sweeps between two whose turn reads cgroup files; shares no divisor with ROUND, so everybody comes
_IDS, _WORDS, _CGROUPS = 4, slice(0, 2), slice(2, 4)
_WORKER = b"kworker/"


class TaskTable(Rows):
    """Sweeps the processes of this host. Closes ``feed``.

    Times are rounded down to ``procfs.GRAIN``: what is below it would be half of a recording.

    It may go on with the rows of another table (:meth:`take_over`). For those the times and switches that two sources tell differently
    (whole ticks, the main thread only) begin where that one left them and grow by what the kernel tells from then on, so no rate shows
    that the source has changed.
    """

    def __init__(self, host: Host, labels: Labels, feed: Feed) -> None:
        super().__init__(labels)
        self._host = host
        self._feed = feed
        self.probe = Probe(host, 0)  # single threads are read as text
        self._veiled = Veiled(host, self.probe)
        self._key: Ints = self._pid
        self._order: Index = np.zeros(0, dtype=np.intp)  # rows, ascending by key
        self._ids: Ints = np.zeros((_IDS, 0), dtype=np.int64)  # user, programs run, numbers of both cgroups
        self._comm = np.zeros(0, dtype="S16")
        self._seam: Floats = np.zeros((len(SEAM), 0))  # by row, what is taken off
        self._places: dict[tuple[int, int], Place] = {}  # by the numbers of both cgroups
        self._frees = "freed" not in feed.refused
        self._tells = self._frees or "exited" not in feed.refused
        self._ends = Told(labels, self._places, events=self._tells)
        self._told: list[Events] = []  # not passed on yet
        self._happened = (0, 0, 0)
        self._lost = 0
        self._sweeps = 0
        self._joined = False  # took over another's rows
        self._open = True

    def take_over(self, other: Rows, since: float) -> None:
        """Go on with the rows of another table that has just swept, and began to at second ``since`` of CLOCK_BOOTTIME: only once, before
        the first sweep.

        Raises OSError, and then nothing has changed.
        """
        self._feed.events()  # of whom is no row now, the other table has told
        tasks = self._veiled.complete(partial(self._feed.sweep, full=True))
        self._adopt(other)
        self._joined, self._ends.since = True, int(since * self._host.ticks)
        self._order_keys()
        key = _key(tasks.pid, tasks.start)
        row, known = self._find(key)
        row = row[known]
        tasks.counters[TIMES] -= tasks.counters[TIMES] % GRAIN
        seam = tasks.counters[SEAM][:, known] - self._counters[SEAM][:, row]
        self._seam = np.zeros((len(SEAM), self._pid.size))
        self._seam[:, row] = np.where(np.isnan(seam), 0.0, seam)
        self._ids = np.full((_IDS, self._pid.size), -1, dtype=np.int64)
        self._ids[:, row] = _ids(tasks)[:, known]
        self._ids[0] = [subject.uid for subject in self._subjects]
        self._comm = np.array([subject.comm for subject in self._subjects], dtype="S16")
        workers = known & tasks.kernel
        self._comm[self._find(key)[0][workers]] = tasks.comm[workers]  # the text of a worker is longer
        self._locate([self._subjects[at] for at in row.tolist()])

    def leave(self) -> tuple[Exit, ...]:
        """Ends that are known and were not told yet; after that another table may take over."""
        return self._ends.leave()

    def subjects(self) -> list[Subject]:
        """The processes that have several threads."""
        crowds = [self._subjects[row] for row in np.flatnonzero(self._counters[_THREADS] > 1).tolist()]
        for subject in crowds:
            subject.threaded = True
        return crowds

    def sweep(self) -> Sweep:
        """Look at everything that did something since the last time; everything there is, if that is not known."""
        turn, nothing = self._turn(), sealed(np.zeros(0, dtype=np.intp))
        if not (self._sweeps or self._joined):
            self._ends.since = int(self._host.clock().boot * self._host.ticks)
        self._told.append(self._feed.events())  # first: one that is told of is not met below
        self._lost = sum(events.lost for events in self._told)
        try:
            tasks = self._veiled.complete(partial(self._feed.sweep, full=self._lost > 0 or not self._sweeps))
        except OSError as error:  # out of descriptors: what happened meanwhile is told next time
            failed = f"the kernel's tasks could not be read: {error.strerror}"
            return Sweep(self._pid, self._start, self._counters, self._words, nothing, (), failed=failed, unread=len(self._subjects))
        told, self._told = self._told, []
        tasks.counters[TIMES] -= tasks.counters[TIMES] % GRAIN
        tasks.counters[EXTRA_ROWS] = tasks.extra
        self._count_descriptors(tasks)
        key = _key(tasks.pid, tasks.start)
        ended = np.concatenate([_key(events.exits.pid, events.exits.start) for events in told])
        row, known = self._find(key)
        new = ~known
        dead = self._dead(tasks, row[known], new)
        if self._frees:
            dead |= np.isin(self._key, ended)
        ran = self._write(row[known], tasks.counters[:, known])
        renewed, moved = self._renew(tasks, row[known], known)
        renewed = list(dict.fromkeys([*renewed, *self._workers(turn)]))
        self._labels.touch([self._subjects[row] for row in ran.tolist()])
        gone = {self._subjects[row] for row in dead.nonzero()[0].tolist()}
        exits, totals = self._exits(told, ended, key, dead)
        ran = (ran - dead.cumsum()[ran])[~dead[ran]]
        born = self._restructure(dead, tasks, new)
        self._counters = sealed(self._counters)
        turn = [subject for subject in turn if subject not in gone]
        self._labels.remind(turn)
        due = [subject for subject in moved if subject not in gone]
        if self._sweeps % _RARELY == 0:  # the kernel tells of moves in two hierarchies, of which one is known by its path
            due = list(dict.fromkeys([*due, *turn]))
        relabelled = self._relabel([subject for subject in renewed if subject not in gone], born, due)
        self._locate([subject for subject in (*renewed, *moved, *born) if subject not in gone])
        births = range(len(self._subjects) - len(born), len(self._subjects))
        changed = sealed(np.unique(np.array([*ran.tolist(), *births, *relabelled], dtype=np.intp))) if self._sweeps else None
        self._sweeps += 1
        self._count(told)
        return Sweep(
            self._pid,
            self._start,
            self._counters,
            self._words,
            changed,
            exits,
            ended=totals,
            happened=self._happened if self._tells else _NOT_TOLD,
        )

    def _count_descriptors(self, tasks: Tasks) -> None:
        """Of processes that once had thousands the kernel's program does not count them: procfs does."""
        fds = tasks.counters[_FDS]
        for at in np.isnan(fds).nonzero()[0].tolist():
            with suppress(Unreadable):
                fds[at] = self.probe.descriptors(f"{self._host.proc}/{tasks.pid[at]}")

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
        if self._joined:
            columns[SEAM] -= self._seam[:, row]
        old = self._counters[:, row]
        ascend(columns, old)
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
            subject.uid, subject.comm, subject.kernel = uid, self._title(subject, name, kernel), kernel
        return renewed, [self._subjects[at] for at in row[moved].tolist()]

    def _restructure(self, dead: Bools, tasks: Tasks, new: Bools) -> list[Subject]:
        """Drop the dead, append the born; the born."""
        born = []
        columns = (tasks.pid, tasks.start, tasks.uid, tasks.comm, tasks.kernel)
        for pid, start, uid, comm, kernel in zip(*(column[new].tolist() for column in columns), strict=True):
            subject = Subject(pid, f"{self._host.proc}/{pid}")
            subject.start, subject.uid, subject.comm, subject.kernel = start, uid, self._title(subject, comm, kernel), kernel
            born.append(subject)
        if born or dead.any():
            self._replace(dead.nonzero()[0].tolist(), born, tasks.counters[:, new])
            self._ids = np.concatenate([self._ids[:, ~dead], _ids(tasks)[:, new]], axis=1)
            self._comm = np.concatenate([self._comm[~dead], tasks.comm[new]])
            self._seam = np.concatenate([self._seam[:, ~dead], np.zeros((len(SEAM), len(born)))], axis=1)
            self._order_keys()
        return born

    def _order_keys(self) -> None:
        self._key = _key(self._pid, self._start)
        self._order = self._key.argsort()

    def _title(self, subject: Subject, comm: bytes, kernel: bool) -> bytes:
        """The name of a process. That of a worker of the kernel also says what it works at (kernel/workqueue.c: wq_worker_comm)."""
        if kernel and comm.startswith(_WORKER):
            try:
                return self._host.read(f"{subject.path}/comm", 64).rstrip(b"\n") or comm
            except Unreadable:
                pass
        return comm

    def _workers(self, turn: list[Subject]) -> list[Subject]:
        """Those of the kernel's workers in ``turn`` that work at something else."""
        renewed = []
        for subject in turn:
            if subject.kernel and subject.comm.startswith(_WORKER) and (name := self._title(subject, subject.comm, True)) != subject.comm:
                subject.comm = name
                renewed.append(subject)
        return renewed

    def _count(self, told: list[Events]) -> None:
        births, execs, exits = self._happened
        for events in told:
            births, execs, exits = births + len(events.births), execs + len(events.execs), exits + len(events.exits)
        self._happened = births, execs, exits

    def _exits(self, told: list[Events], ended: Ints, walked: Ints, dead: Bools) -> tuple[tuple[Exit, ...], Floats | None]:
        """Who ended, and their totals. ``ended``: keys, one for each end in ``told``; ``walked``: keys of what was read; ``dead``:
        bool[rows] that go."""
        now = self._host.clock()
        exits = self._ends.take(told, self._has_row(ended, walked).tolist())
        for row in dead.nonzero()[0].tolist():
            subject = self._subjects[row]
            self._labels.drop(subject)
            end = Exit(ProcKey(subject.pid, subject.start), int(self._counters[_PPID, row]), subject.label)
            exits += self._ends.gone(end, self._seam[:, row], self._counters[:, row].copy(), now.mono, told=not self._sweeps)
        exits += self._ends.late(self._feed.ends() if self._ends.waits else {}, now.mono)
        overdue = self._feed.overdue(now.boot - _OVERDUE)
        if overdue is not None:
            there = self._has_row(_key(overdue.exits.pid, overdue.exits.start), walked)
            exits += self._ends.overdue(overdue, (~there).nonzero()[0].tolist())
        return as_columns(exits)

    def _has_row(self, key: Ints, walked: Ints) -> Bools:
        """bool[n]: is each process a row, or will it be one?"""
        there: Bools = self._find(key)[1] | np.isin(key, walked)
        return there

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
        io = "io of processes that are kept from eBPF is refused" if self._veiled else "kernel without CONFIG_TASK_IO_ACCOUNTING"
        return (
            ("io", "rchar", io),
            ("fd", "fds", "counting descriptors of processes that had thousands of them is refused: needs root (CAP_SYS_PTRACE)"),
            ("schedstat", "wait_ns", "kernel without CONFIG_SCHED_INFO"),
            ("blkio_delay", "blkio_delay", "delay accounting is off: sysctl kernel.task_delayacct=1 (tasks started after it)"),
        )

    def notes(self) -> tuple[str, ...]:
        """What the kernel does not tell, or did not this time."""
        notes = [f"bpf: {name} is not told: {why}" for name, why in self._feed.refused.items() if name in (*EVENTS, *FAULTS, MEMORY)]
        if self._lost:
            notes.append(f"{self._lost} events of processes were lost: all processes are looked at again")
        return tuple(notes)

    def close(self) -> None:
        """Detach from the kernel."""
        if self._open:
            self._open = False
            self._feed.close()
            self.probe.close()


_NOT_TOLD = (-1, -1, -1)


def _key(pid: Ints, start: Ints) -> Ints:
    """One number for each process."""
    key: Ints = start << 22 | pid  # include/linux/threads.h: PID_MAX_LIMIT
    return key


def _ids(tasks: Tasks) -> Ints:
    return np.stack([tasks.uid, tasks.execs, tasks.cgroup, tasks.cgroup1])
