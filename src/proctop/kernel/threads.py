"""The threads of processes that have several: ``/proc/PID/task/TID``. Read only while someone looks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.host import Host, Unreadable
from proctop.kernel.probe import Probe
from proctop.kernel.subject import Subject
from proctop.records import ThreadTable
from proctop.sanitize import clean_bytes


def threads(host: Host, probe: Probe, subjects: Iterable[Subject]) -> ThreadTable:
    """One row per thread of ``subjects`` that have more than one; threads that vanish meanwhile are left out.

    Filled are the rows of ``stat`` and ``schedstat``; the rest is NaN, being the process's own.
    """
    raws: list[bytes] = []
    scheds: list[bytes] = []
    tids: list[int] = []
    pids: list[int] = []
    for subject in subjects:
        if not subject.threaded:
            continue
        try:
            names = host.names(f"{subject.path}/task")
        except Unreadable:
            continue
        for name in names:
            path = f"{subject.path}/task/{name}"
            try:
                raw, sched = host.read(f"{path}/stat"), _schedstat(host, path)
                procfs.stat(raw, path)
            except (Unreadable, procfs.Malformed):
                continue
            raws.append(raw)
            scheds.append(sched)
            tids.append(int(name))
            pids.append(subject.pid)
    parsed = [procfs.stat(raw) for raw in raws]
    numbers = np.array([one[2] for one in parsed], dtype=np.int64).reshape(-1, procfs.WIDTH)
    counters = np.full((len(COUNTER), len(raws)), np.nan)
    probe.fill(counters, np.array([one[1] for one in parsed], dtype=np.int64), numbers)
    counters[COUNTER["threads"]] = 1.0
    counters[[COUNTER["run_ns"], COUNTER["wait_ns"]]] = procfs.schedstats(scheds)
    table = ThreadTable(
        tid=np.array(tids, dtype=np.int64),
        pid=np.array(pids, dtype=np.int64),
        start=numbers[:, procfs.START].copy(),
        comm=tuple(clean_bytes(one[0]) for one in parsed),
        counters=counters,
    )
    for array in (table.tid, table.pid, table.start, table.counters):
        array.setflags(write=False)
    return table


def _schedstat(host: Host, path: str) -> bytes:
    try:
        return host.read(f"{path}/schedstat", 64)
    except Unreadable:
        return b""
