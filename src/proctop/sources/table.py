"""The process table between readings: what carries over, what is read again, who was born and who died."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.gate import Gate
from proctop.kernel.host import Denied, Host, Unreadable
from proctop.kernel.probe import MOST_HELD, Probe, Probed
from proctop.kernel.subject import Subject
from proctop.records import Exit, Floats, ProcKey
from proctop.sources.labels import Labels
from proctop.sources.rows import Rows, Sweep, sealed

_DEAR = 16  # to look at one pid given out since costs as much as this many entries of a listing
_LIST_EVERY = 5  # readings after which the directory is listed even when nothing seems to have forked
_row = attrgetter("row")
_RUN, _WAIT = COUNTER["run_ns"], COUNTER["wait_ns"]


class Table(Rows):
    """Sweeps the processes of one host.

    A process that did not run keeps its numbers. Those that ran, those with more than one thread (schedstat tells of the
    main one only), births and every 64th of the rest are read in full; the gate is read before, so nothing falls between.
    """

    def __init__(self, host: Host, labels: Labels) -> None:
        super().__init__(labels)
        self._host = host
        limit = host.claim_descriptors()
        often = min(MOST_HELD, limit // 4)
        self.probe = Probe(host, often)
        self.gate = Gate(host, limit - often)
        self._listed: set[str] = set()  # entries of the procfs root that need no further look
        self._hidden: set[str] = set()  # of them, processes whose stat is denied
        self._again: list[Subject] = []  # could not be read last time
        self._age = 0  # readings since the last listing
        self._failed = ""  # why that failed
        self._forks = -1
        self._last = (-1, -1)  # pid given out last, at the two readings before
        self._own_pids = host.own_pids()
        self._first = True

    def take_over(self, other: Rows) -> None:
        """Go on with the rows of another table, which sweeps no more: only once, before the first sweep, which reads them all."""
        self._adopt(other)
        self._listed = {subject.name for subject in self._subjects}
        self.gate.add([subject.path for subject in self._subjects])
        for subject in self._subjects:
            subject.stat = subject.io = 0
        self._again = list(self._subjects)

    def list_anew(self) -> None:
        """At the next sweep, look for births and exits whatever seems to have happened."""
        self._age = _LIST_EVERY

    def subjects(self) -> Sequence[Subject]:
        """The processes in row order."""
        return self._subjects

    def sweep(self, forks: int, last: int) -> Sweep:
        """Look at everything.

        ``forks`` is the kernel's count of forks since boot, ``last`` the pid it gave out last; both read just before, -1 = unknown.
        """
        turn = self._turn()
        if not self.gate.complete:
            self.gate.hold([subject.row for subject in turn])
        ran, lost = self.gate.look()
        active = {self._subjects[row] for row in ran}
        dead = {self._subjects[row] for row in lost}
        for subject in turn:  # a refusal is tried again in its turn only
            subject.io_denied = subject.fds_denied = False
        threaded = np.flatnonzero(self._counters[COUNTER["threads"]] > 1).tolist()
        wanted = dict.fromkeys([*active, *(self._subjects[row] for row in threaded), *self._again, *turn])
        seen = self.probe.look([subject for subject in wanted if subject not in dead], active)
        dead.update(seen.gone)
        born = self._births(forks, last, dead)
        self._again = [subject for subject in seen.missed if subject not in dead]
        self.probe.remember(active)
        self.gate.add([subject.path for subject in born])
        new = self.probe.look(born, set(born))
        exits = self._restructure(dead, born, new)
        rows = self._write(seen, dead, bool(exits or born))
        self._labels.touch([subject for subject in seen.subjects if subject not in dead])
        alive = [subject for subject in turn if subject not in dead]
        relabelled = self._relabel([one for one in seen.renewed if one not in dead], new.subjects, alive)
        births = range(len(self._subjects) - len(new.subjects), len(self._subjects))
        changed = None if self._first else sealed(np.unique(np.array([*rows, *births, *relabelled], dtype=np.intp)))
        self._first = False
        failed = seen.failed or new.failed or self._failed
        return Sweep(self._pid, self._start, self._counters, self._words, changed, exits, len(self._hidden), failed)

    def _births(self, forks: int, last: int, dead: set[Subject]) -> list[Subject]:
        """Processes not known yet. Where the procfs root is listed for it, those not listed any more join ``dead``."""
        self._age += 1
        self._listed.difference_update([subject.name for subject in dead])
        quiet = forks == self._forks >= 0 and not dead
        since, self._last = self._last, (self._last[1], last)
        listing = self._first or not self.gate.complete or self._age >= _LIST_EVERY or not (quiet or self._own_pids)
        self._forks = forks
        if not listing and quiet:
            return []
        # Pids are given out in order. One given out before the last look may only now have its process: so from the look before that.
        window = range(since[0] + 1, last + 1)
        if listing or min(since) < 0 or last < since[1] or len(window) * _DEAR > len(self._subjects):
            try:
                names = set(self._host.names(self._host.proc))
            except Unreadable as error:  # out of descriptors: again next time
                self._age, self._failed = _LIST_EVERY, str(error)
                return []
            self._age, self._failed = 0, ""
            dead.update(subject for subject in self._subjects if subject.name not in names)
            self._hidden &= names
            fresh = [int(name) for name in names - self._listed if name.isdecimal()]
            self._listed = names
        else:
            fresh = [pid for pid in window if str(pid) not in self._listed and self._is_process(pid)]
            self._listed.update(map(str, fresh))
        return [Subject(pid, f"{self._host.proc}/{pid}") for pid in sorted(fresh)]

    def _is_process(self, pid: int) -> bool:
        try:
            return procfs.leader(self._host.read(f"{self._host.proc}/{pid}/status"), pid)
        except Denied:
            return True
        except Unreadable:
            return False

    def _restructure(self, dead: set[Subject], born: list[Subject], new: Probed) -> tuple[Exit, ...]:
        """Drop the dead, append the born; the exits."""
        if not (dead or born):
            return ()
        gone = sorted(dead, key=_row)
        exits = tuple(map(self._exit, gone))
        good = set(new.subjects)
        missed = [subject for subject in born if subject not in good]
        for subject in missed:
            self._missed(subject, subject in new.denied)
        old = len(self._subjects)
        rows = [subject.row for subject in gone]
        self.gate.drop([*rows, *(old + place for place, subject in enumerate(born) if subject not in good)])
        first = self._replace(rows, new.subjects, new.counters)
        self._times(self._counters, range(first, len(self._subjects)))
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

    def reasons(self) -> tuple[tuple[str, str, str], ...]:
        """(field, counter, why it is missing where it is)."""
        remedy = "needs root (CAP_SYS_PTRACE)" if self._host.whoami else "is refused: the process has more capabilities than this one"
        io = f"io of other users' processes {remedy}" if self.probe.has_io else "kernel without CONFIG_TASK_IO_ACCOUNTING"
        return (
            ("io", "rchar", io),
            ("fd", "fds", f"counting descriptors of other users' processes {remedy}"),
            ("status", "vctx", "context switches could not be read"),
            ("schedstat", "run_ns", "kernel without CONFIG_SCHED_INFO, or no schedstat file"),
            ("blkio_delay", "blkio_delay", "delay accounting is off: sysctl kernel.task_delayacct=1 (tasks started after it)"),
        )

    def close(self) -> None:
        """Let go of the descriptors."""
        self.gate.close()
        self.probe.close()
