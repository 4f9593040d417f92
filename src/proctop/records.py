"""What sources yield: a :class:`Reading` holds raw counters as the kernel gave them, never rates. Data and nothing else.

All is frozen, and the arrays are read-only once published, so they cross threads without a lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Index = NDArray[np.intp]
Bools = NDArray[np.bool_]

NO_MAPPING: Mapping[str, Any] = MappingProxyType({})


class ProcKey(NamedTuple):
    """Identity of a process: ``start`` is clock ticks since boot (``/proc/PID/stat`` field 22).

    A pid alone is never a key, because the kernel reuses it.
    """

    pid: int
    start: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container, from the cgroup path (id, runtime, pod) and its runtime (the rest, ``""`` until known)."""

    id: str
    runtime: str = ""
    pod: str = ""
    name: str = ""
    image: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The name where it is known, else the short id as runtimes print it."""
        return self.name or self.id[:12]

    def home(self, path: str) -> str | None:
        """Its own cgroup, which has its limits: ``path``, or above it; None = a path that does not name it.

        >>> Container("a1").home("/system.slice/docker-a1.scope/init.scope")
        '/system.slice/docker-a1.scope'
        """
        at = path.rfind(self.id) if self.id else -1
        end = path.find("/", at) if at >= 0 else -1
        return None if at < 0 else path if end < 0 else path[:end]


@dataclass(frozen=True, slots=True)
class Label:
    """The words that go with one process. Shared by reference between readings while unchanged.

    Every string is free of control and bidirectional characters (:mod:`proctop.sanitize`).
    """

    comm: str
    command: str = ""  # command line joined by spaces; "" for kernel threads and zombies
    user: str = ""
    uid: int = -1
    cgroup: str = ""  # path below the hierarchy that holds the process, e.g. /system.slice/ssh.service
    container: Container | None = None
    kernel: bool = False  # a kernel thread


@dataclass(frozen=True, slots=True)
class Gap:
    """A quantity that could not be read for ``count`` processes (or the host), and why, in words."""

    field: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended since the reading before. ``code`` is None where no source tells it."""

    key: ProcKey
    ppid: int
    label: Label
    code: int | None = None


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What does not change while a host is up."""

    hostname: str
    kernel: str  # uname -r
    boot_id: str
    cpus: int
    ticks: int  # clock ticks per second (USER_HZ)
    page: int  # bytes
    memory: int  # MemTotal, bytes
    boot_time: float  # wall clock at boot, seconds since the epoch


@dataclass(frozen=True, slots=True)
class DiskCounters:
    """One line of ``/proc/diskstats`` (Documentation/admin-guide/iostats.rst). Sectors are in bytes, times in ms."""

    reads: int
    read_bytes: int
    read_ms: int
    writes: int
    write_bytes: int
    write_ms: int
    in_flight: int
    busy_ms: int
    weighted_ms: int


@dataclass(frozen=True, slots=True)
class NetCounters:
    """One line of ``/proc/net/dev``."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """One pressure file (Documentation/accounting/psi.rst): averages in percent, totals in µs.

    ``full_*`` are NaN where the kernel has no such line.
    """

    some_avg10: float
    some_avg60: float
    some_avg300: float
    some_total: float
    full_avg10: float
    full_avg60: float
    full_avg300: float
    full_total: float


@dataclass(frozen=True, slots=True)
class HostCounters:
    """Raw counters of the whole host at one reading. What could not be read is empty."""

    # int64[1 + cpus, 10]: row 0 all cpus, then each; nanoseconds of user, nice, system, idle, iowait, irq, softirq,
    # steal, guest, guest_nice. Rows of offline cpus are -1.
    cpu: Ints
    memory: Mapping[str, int] = field(default_factory=lambda: NO_MAPPING)  # /proc/meminfo, bytes: "MemTotal", "SwapFree" …
    load: tuple[float, float, float] | None = None
    tasks_running: int = -1
    tasks_blocked: int = -1
    tasks_total: int = -1  # threads, from /proc/loadavg
    forks: int = -1  # since boot, threads included
    switches: int = -1  # context switches since boot
    interrupts: int = -1
    births: int = -1  # processes (no threads) started, programs run and processes ended, since this source counts; -1 = nobody tells
    execs: int = -1
    exits: int = -1
    vmstat: Mapping[str, int] = field(default_factory=lambda: NO_MAPPING)
    disks: Mapping[str, DiskCounters] = field(default_factory=lambda: NO_MAPPING)  # whole disks, not partitions
    nets: Mapping[str, NetCounters] = field(default_factory=lambda: NO_MAPPING)
    pressure: Mapping[str, Pressure] = field(default_factory=lambda: NO_MAPPING)  # "cpu", "memory", "io", "irq"


@dataclass(frozen=True, slots=True)
class CgroupCounters:
    """Raw counters of one cgroup, v1 and v2 alike. NaN where the hierarchy does not tell."""

    cpu_ns: float = float("nan")
    periods: float = float("nan")
    throttled: float = float("nan")  # periods throttled
    throttled_ns: float = float("nan")
    cpu_limit: float = float("nan")  # cpus (quota / period); NaN = none
    memory: float = float("nan")  # bytes
    memory_limit: float = float("nan")  # bytes; NaN = none
    oom_kills: float = float("nan")
    read_bytes: float = float("nan")
    write_bytes: float = float("nan")
    pids: float = float("nan")
    pressure: Mapping[str, Pressure] = field(default_factory=lambda: NO_MAPPING)


@dataclass(frozen=True, slots=True, eq=False)
class ThreadTable:
    """Threads of processes with more than one, read only while someone looks. Counters as in ``Reading``."""

    tid: Ints
    pid: Ints
    start: Ints
    comm: Sequence[str]
    counters: Floats  # float64[len(fields.COUNTERS), n_threads]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One look at a host.

    Attributes:
        seq: number of the reading within its session, from 0.
        wall, mono, boot: seconds; CLOCK_REALTIME for people, CLOCK_MONOTONIC for rates, CLOCK_BOOTTIME for ages.
        interval: nominal seconds between readings; late: seconds this one came after its time.
        source: where the numbers come from, e.g. ``"proc"``.
        pid, start: int64[n], the keys, in the order of every other column. Survivors keep their relative order
            from reading to reading; births come last.
        counters: float64[len(fields.COUNTERS), n]; NaN = unreadable.
        labels: n labels.
        changed: rows that may differ from the reading before (None = any may).
        ended: float64[len(fields.COUNTERS), len(exits)], totals of each process at its end; NaN = not told, None = of nobody.
        wchan: the kernel function that a process waits in, by the rows of those in state D of which it is known.
    """

    seq: int
    wall: float
    mono: float
    boot: float
    interval: float
    late: float
    source: str
    info: HostInfo
    pid: Ints
    start: Ints
    counters: Floats
    labels: Sequence[Label]
    host: HostCounters
    cgroups: Mapping[str, CgroupCounters] = field(default_factory=lambda: NO_MAPPING)
    gaps: tuple[Gap, ...] = ()
    exits: tuple[Exit, ...] = ()
    changed: Index | None = None
    threads: ThreadTable | None = None
    ended: Floats | None = None
    wchan: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # one-line remarks for the screen: "docker: not answering, names may be stale"

    def __len__(self) -> int:
        return int(self.pid.size)

    def key(self, i: int) -> ProcKey:
        return ProcKey(int(self.pid[i]), int(self.start[i]))
