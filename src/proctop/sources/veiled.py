"""Processes that procfs tells of and the kernel's task iterator does not: a sandbox may keep its own agent from programs.

They are few or none. Each is read as text, and joins what the iterator told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.bpf.feed import Tasks
from proctop.kernel.bpf.layout import EXTRA
from proctop.kernel.host import Host, Unreadable
from proctop.kernel.probe import Probe
from proctop.kernel.subject import Subject

_RUN, _WAIT = COUNTER["run_ns"], COUNTER["wait_ns"]


class Veiled:
    """Completes sweeps. Who is left out is found out at the first one, which must be of everything."""

    def __init__(self, host: Host, probe: Probe) -> None:
        self._host = host
        self._probe = probe
        self._subjects: list[Subject] | None = None  # None = not known yet

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._subjects)

    def complete(self, sweep: Callable[[], Tasks]) -> Tasks:
        """What ``sweep`` tells, and the others behind it. Raises OSError."""
        if self._subjects is None:
            before = self._pids()
            tasks = sweep()
            left_out = (before - set(tasks.pid.tolist())) & self._pids() if before else set()
            self._subjects = [Subject(pid, f"{self._host.proc}/{pid}") for pid in sorted(left_out)]
        else:
            tasks = sweep()
            if self._subjects:
                told = set(tasks.pid.tolist())
                self._subjects = [one for one in self._subjects if one.pid not in told]
        return self._joined(tasks) if self._subjects else tasks

    def _pids(self) -> set[int]:
        try:
            return {int(name) for name in self._host.names(self._host.proc) if name.isdecimal()}
        except Unreadable:
            return set()

    def _joined(self, tasks: Tasks) -> Tasks:
        assert self._subjects is not None
        seen = self._probe.look(self._subjects, set(self._subjects))
        self._subjects = seen.subjects
        counters = seen.counters
        counters[_RUN : _WAIT + 1] = procfs.schedstats([self._schedstat(subject) for subject in seen.subjects])
        nothing = np.zeros(len(seen.subjects), dtype=np.int64)

        def column(numbers: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
            return np.array(numbers, dtype=np.int64)

        return replace(
            tasks,
            pid=np.concatenate([tasks.pid, column([one.pid for one in seen.subjects])]),
            start=np.concatenate([tasks.start, column([one.start for one in seen.subjects])]),
            counters=np.concatenate([tasks.counters, counters], axis=1),
            extra=np.concatenate([tasks.extra, np.full((len(EXTRA), nothing.size), np.nan)], axis=1),
            uid=np.concatenate([tasks.uid, column([one.uid for one in seen.subjects])]),
            execs=np.concatenate([tasks.execs, column([hash(tuple(one.image)) for one in seen.subjects])]),
            comm=np.concatenate([tasks.comm, np.array([one.comm for one in seen.subjects], dtype="S16")]),
            kernel=np.concatenate([tasks.kernel, np.array([one.kernel for one in seen.subjects], dtype=np.bool_)]),
            cgroup=np.concatenate([tasks.cgroup, nothing]),
            cgroup1=np.concatenate([tasks.cgroup1, nothing]),
        )

    def _schedstat(self, subject: Subject) -> bytes:
        try:
            return self._host.read(f"{subject.path}/schedstat", 64)
        except Unreadable:
            return b""
