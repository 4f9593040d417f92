"""The registry: one row per quantity. A new field costs one row here and one test.

``COUNTERS`` are the rows of :attr:`Reading.counters`, ``FEATURES`` the rows of :attr:`Batch.values`
(and the keys of the public feature dicts), ``COLUMNS`` what the table can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    COUNTER = "counter"  # grows; a fall means missing
    GAUGE = "gauge"  # may go anywhere
    RATE = "rate"  # change of a counter per second
    GROWTH = "growth"  # rise of a gauge per second, falls count as 0
    LEVEL = "level"
    TEXT = "text"


class Unit(StrEnum):
    NONE = ""
    NANOSECONDS = "ns"
    SECONDS = "s"
    SHARE = "s/s"
    PERCENT = "%"
    BYTES = "By"
    BYTES_PER_SECOND = "By/s"
    COUNT = "1"
    PER_SECOND = "1/s"
    NATS = "nat"


class Cost(StrEnum):
    """Which file of a process pays for the field."""

    STAT = "stat"
    IO = "io"
    STATUS = "status"
    FD = "fd"
    SCHEDSTAT = "schedstat"
    BPF = "bpf"  # no file has it


PROC, BPF, RECORDS, CONNECTOR = "proc", "bpf", "exit records", "process events"
TASKSTATS, DIAGNOSTICS = "taskstats", "socket diagnostics"


@dataclass(frozen=True, slots=True)
class Counter:
    """A raw counter or gauge of a process, as the kernel gives it (integers in base units)."""

    name: str
    kind: Kind
    unit: Unit
    cost: Cost
    help: str

    @property
    def feeds(self) -> tuple[str, ...]:
        """Who can tell it, best first."""
        return (BPF,) if self.cost is Cost.BPF else (BPF, PROC)


@dataclass(frozen=True, slots=True)
class Feature:
    """A rate or level of a process.

    Attributes:
        noise: differences below it are noise (``u`` of the detector); 0 = not scored.
        phrase: how a reason names it, with ``{}`` for the value: "writes {}".
        export: OpenTelemetry-like name.
    """

    name: str
    kind: Kind
    unit: Unit
    noise: float
    phrase: str
    export: str
    help: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        width: cells; 0 = takes what is left, shared with other such columns.
        keep: order of giving way as the terminal narrows, 0 = never, higher goes first.
        shown: part of the default layout.
        right: right aligned.
        descending: sorts largest first.
    """

    name: str
    title: str
    width: int
    keep: int
    shown: bool
    right: bool
    descending: bool
    help: str


_C, _G = Kind.COUNTER, Kind.GAUGE
_NS, _BY, _ONE = Unit.NANOSECONDS, Unit.BYTES, Unit.COUNT

COUNTERS: tuple[Counter, ...] = (
    Counter("ppid", _G, Unit.NONE, Cost.STAT, "parent process id"),
    Counter("state", _G, Unit.NONE, Cost.STAT, "state letter as its code: R S D Z T t I X"),
    Counter("priority", _G, Unit.NONE, Cost.STAT, "kernel priority"),
    Counter("nice", _G, Unit.NONE, Cost.STAT, "nice value, -20 to 19"),
    Counter("utime", _C, _NS, Cost.STAT, "cpu time in user mode, all threads, resolution one clock tick; by bpf 0.1 ms"),
    Counter("stime", _C, _NS, Cost.STAT, "cpu time in kernel mode, all threads, resolution one clock tick; by bpf 0.1 ms"),
    Counter("cutime", _C, _NS, Cost.STAT, "user and kernel cpu time of reaped children"),
    Counter("minflt", _C, _ONE, Cost.STAT, "minor page faults, all threads"),
    Counter("majflt", _C, _ONE, Cost.STAT, "major page faults, all threads"),
    Counter("threads", _G, _ONE, Cost.STAT, "threads"),
    Counter("processor", _G, Unit.NONE, Cost.STAT, "cpu last run on"),
    Counter("vsize", _G, _BY, Cost.STAT, "virtual memory"),
    Counter("rss", _G, _BY, Cost.STAT, "resident memory"),
    Counter("blkio_delay", _C, _NS, Cost.STAT, "time waiting for block io, needs kernel.task_delayacct=1"),
    Counter("data", _G, _BY, Cost.STATUS, "private writable memory (VmData)"),
    Counter("vctx", _C, _ONE, Cost.STATUS, "voluntary context switches, main thread; by bpf all threads"),
    Counter("nvctx", _C, _ONE, Cost.STATUS, "involuntary context switches, main thread; by bpf all threads"),
    Counter("rchar", _C, _BY, Cost.IO, "bytes read by system calls"),
    Counter("wchar", _C, _BY, Cost.IO, "bytes written by system calls"),
    Counter("syscr", _C, _ONE, Cost.IO, "read system calls"),
    Counter("syscw", _C, _ONE, Cost.IO, "write system calls"),
    Counter("read_bytes", _C, _BY, Cost.IO, "bytes read from storage"),
    Counter("write_bytes", _C, _BY, Cost.IO, "bytes sent to storage"),
    Counter("fds", _G, _ONE, Cost.FD, "open file descriptors"),
    Counter("run_ns", _C, _NS, Cost.SCHEDSTAT, "time on a cpu, main thread (by bpf all threads), resolution 0.1 ms"),
    Counter("wait_ns", _C, _NS, Cost.SCHEDSTAT, "time waiting for a cpu, main thread (by bpf all threads), resolution 0.1 ms"),
    # since the programs run: 0 is where their counting began
    Counter("user_faults", _C, _ONE, Cost.BPF, "page faults in user mode"),
    Counter("kernel_faults", _C, _ONE, Cost.BPF, "page faults in kernel mode"),
    Counter("vm_mmap_bytes", _C, _BY, Cost.BPF, "bytes mapped by mmap, with --bpf-memory"),
    Counter("vm_munmap_bytes", _C, _BY, Cost.BPF, "bytes unmapped by munmap, with --bpf-memory"),
    Counter("vm_brk_grow_bytes", _C, _BY, Cost.BPF, "bytes by which brk grew the heap, with --bpf-memory"),
    Counter("vm_brk_shrink_bytes", _C, _BY, Cost.BPF, "bytes by which brk shrank the heap, with --bpf-memory"),
)
COUNTER: dict[str, int] = {c.name: i for i, c in enumerate(COUNTERS)}


@dataclass(frozen=True, slots=True)
class Origin:
    """Quantities that come from one feed; ``feeds``: those that can tell them, best first."""

    name: str
    feeds: tuple[str, ...]
    help: str


def _feeds(counter: str) -> tuple[str, ...]:
    return COUNTERS[COUNTER[counter]].feeds


ORIGINS: tuple[Origin, ...] = (
    Origin("numbers", _feeds("utime"), "cpu, memory, faults, io and state of processes"),
    Origin("ends", (BPF, RECORDS), "totals of processes at their end, and those that lived only for a moment"),
    Origin("births", (BPF, CONNECTOR), "processes born, programs run and processes ended, a second, and exit codes"),
    Origin("faults", _feeds("user_faults"), "page faults in user mode and in the kernel apart"),
    Origin("memory calls", _feeds("vm_mmap_bytes"), "bytes mapped, unmapped, and by which brk grew and shrank"),
    Origin("delays", (TASKSTATS,), "what one process has waited for, in its detail"),
    Origin("connections", (DIAGNOSTICS,), "sockets of one process, in its detail"),
)
"""Of processes; hosts and containers are told by procfs and cgroups alone."""

_R, _W, _L = Kind.RATE, Kind.GROWTH, Kind.LEVEL
_BPS, _PS = Unit.BYTES_PER_SECOND, Unit.PER_SECOND

# The first 21 are the detector's, in the order of its channels.
FEATURES: tuple[Feature, ...] = (
    Feature("cpu", _R, Unit.SHARE, 0.01, "cpu {}", "process.cpu.utilization", "cpu seconds per second, all threads"),
    Feature("minflt", _R, _PS, 20.0, "page faults {}", "process.paging.faults.minor", "minor page faults"),
    Feature("majflt", _R, _PS, 1.0, "major faults {}", "process.paging.faults.major", "page faults that needed storage"),
    Feature("rchar", _R, _BPS, 4096.0, "reads {}", "process.io.read", "bytes read by system calls"),
    Feature("wchar", _R, _BPS, 4096.0, "writes {}", "process.io.write", "bytes written by system calls"),
    Feature("syscalls", _R, _PS, 10.0, "io calls {}", "process.io.operations", "read and write system calls"),
    Feature("disk_read", _R, _BPS, 4096.0, "disk reads {}", "process.disk.io.read", "bytes read from storage"),
    Feature("disk_write", _R, _BPS, 4096.0, "disk writes {}", "process.disk.io.write", "bytes sent to storage"),
    Feature("vctx", _R, _PS, 5.0, "waits {}", "process.context_switches.voluntary", "voluntary context switches"),
    Feature("nvctx", _R, _PS, 5.0, "preempted {}", "process.context_switches.involuntary", "involuntary context switches"),
    Feature("rss_growth", _W, _BPS, 65536.0, "memory +{}", "process.memory.growth", "growth of resident memory"),
    Feature("data_growth", _W, _BPS, 65536.0, "heap +{}", "process.memory.data.growth", "growth of private writable memory"),
    Feature("thread_growth", _W, _PS, 0.5, "threads +{}", "process.threads.growth", "growth of the number of threads"),
    Feature("fd_growth", _W, _PS, 0.5, "fds +{}", "process.open_file_descriptors.growth", "growth of open descriptors"),
    Feature("forks", _R, _PS, 0.5, "forks {}", "process.forks", "children started, as far as seen"),
    Feature("run_wait", _R, Unit.SHARE, 0.03, "waits for cpu {}", "process.cpu.wait", "seconds per second waited for a cpu (see wait_ns)"),
    Feature("threads", _L, _ONE, 1.0, "{} threads", "process.threads", "threads"),
    Feature("rss", _L, _BY, 1048576.0, "{} resident", "process.memory.usage", "resident memory"),
    Feature("fds", _L, _ONE, 4.0, "{} fds", "process.open_file_descriptors", "open file descriptors"),
    Feature("children", _L, _ONE, 1.0, "{} children", "process.children", "live children"),
    Feature("idle_s", _L, Unit.SECONDS, 1.0, "no activity for {}", "process.idle_time", "time without cpu, switch or system call"),
    Feature("vsize", _L, _BY, 0.0, "{} virtual", "process.memory.virtual", "virtual memory"),
    Feature("demand", _R, Unit.SHARE, 0.0, "wants cpu {}", "process.cpu.demand", "cpu seconds used and waited for, per second"),
)
FEATURE: dict[str, int] = {f.name: i for i, f in enumerate(FEATURES)}
SCHEMA: tuple[str, ...] = tuple(f.name for f in FEATURES)
SCORED: tuple[Feature, ...] = tuple(f for f in FEATURES if f.noise > 0)


def _column(
    name: str, title: str, width: int, keep: int, help: str, *, shown: bool = True, text: bool = False, ascending: bool = False
) -> Column:
    return Column(name, title, width, keep, shown, not text, not (ascending or text), help)


COLUMNS: tuple[Column, ...] = (
    _column("score", "SCORE", 9, 0, "how unlike its own normal, in nats; bar and number"),
    _column("history", "HISTORY", 12, 8, "the score over the last readings", text=True),
    _column("pid", "PID", 7, 0, "process id", ascending=True),
    _column("user", "USER", 8, 6, "effective user", text=True),
    _column("state", "S", 1, 7, "R running, S sleeping, D waiting for io, Z zombie, T stopped, I idle, X ended", text=True),
    _column("cpu", "CPU%", 6, 0, "cpu, percent of one core, all threads"),
    _column("rss", "MEM", 6, 0, "resident memory"),
    _column("disk_read", "READ/s", 7, 9, "bytes read from storage per second"),
    _column("disk_write", "WRITE/s", 7, 9, "bytes sent to storage per second"),
    _column("faults", "FLT/s", 6, 11, "page faults per second, minor and major"),
    _column("switches", "CSW/s", 6, 12, "context switches per second, main thread; by bpf all threads"),
    _column("threads", "THR", 4, 10, "threads"),
    _column("container", "CONTAINER", 14, 4, "container name, or its short id", text=True),
    _column("image", "IMAGE", 16, 5, "container image", text=True),
    _column("command", "COMMAND", 0, 0, "name or command line", text=True),
    _column("why", "WHY", 0, 1, "what is unusual, against what is usual", text=True),
    _column("alert", "ALERT", 6, 0, "the slow score that alerts", shown=False),
    _column("ppid", "PPID", 7, 0, "parent process id", shown=False, ascending=True),
    _column("priority", "PRI", 3, 0, "kernel priority", shown=False, ascending=True),
    _column("nice", "NI", 3, 0, "nice value", shown=False, ascending=True),
    _column("mem", "MEM%", 5, 0, "resident memory, percent of the host's", shown=False),
    _column("vsize", "VIRT", 6, 0, "virtual memory", shown=False),
    _column("time", "TIME", 9, 0, "cpu time since start", shown=False),
    _column("start", "START", 8, 0, "time of start", shown=False),
    _column("elapsed", "ELAPSED", 9, 0, "time since start", shown=False),
    _column("fds", "FDS", 5, 0, "open file descriptors", shown=False),
    _column("rchar", "RCHR/s", 7, 0, "bytes read by system calls per second", shown=False),
    _column("wchar", "WCHR/s", 7, 0, "bytes written by system calls per second", shown=False),
    _column("syscalls", "IOC/s", 6, 0, "read and write system calls per second", shown=False),
    _column("children", "CHLD", 4, 0, "live children", shown=False),
    _column("forks", "FRK/s", 5, 0, "children started per second", shown=False),
    _column("idle_s", "IDLE", 6, 0, "time without activity", shown=False),
    _column("run_wait", "WAIT%", 6, 0, "time the main thread (by bpf: all threads) waited for a cpu, percent", shown=False),
    _column("demand", "DMD%", 6, 0, "cpu used and waited for: what it would take on a free host, percent of one core", shown=False),
    _column("wchan", "WCHAN", 20, 0, "kernel function in which a process in state D waits", shown=False, text=True),
    _column("cgroup", "CGROUP", 24, 0, "cgroup path", shown=False, text=True),
    _column("pod", "POD", 14, 0, "Kubernetes pod", shown=False, text=True),
    _column("runtime", "RUNTIME", 10, 0, "container runtime", shown=False, text=True),
)
COLUMN: dict[str, Column] = {c.name: c for c in COLUMNS}


class Scale(StrEnum):
    """What counts as far apart."""

    ORDERS = "orders"  # orders of magnitude
    SHARE = "share"  # equal steps of a whole
    MEMORY = "memory"  # equal steps of the host's memory


class Tail(StrEnum):
    """On which side a value can be unusual."""

    NONE = ""
    HIGH = "high"
    LOW = "low"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is watched of the host, of one of its disks or interfaces, or of all processes together.

    Attributes:
        group, name: the table and its column, as :mod:`proctop.hosttables` has them; title: how it is shown.
        unit, one: a value of 1 is ``one`` of ``unit``.
        noise: differences below it are noise, in ``unit``.
        tail: where it can be unusual; alerts: whether that alone is an alarm.
        phrase: how a reason names it, with ``{}`` for the value.
    """

    group: str
    name: str
    title: str
    unit: Unit
    one: float
    scale: Scale
    noise: float
    tail: Tail
    alerts: bool
    phrase: str
    help: str


def _vital(
    place: str,
    unit: Unit,
    one: float,
    noise: float,
    phrase: str,
    help: str,
    *,
    title: str = "",
    tail: Tail = Tail.HIGH,
    scale: Scale = Scale.ORDERS,
    alerts: bool = True,
) -> Quantity:
    group, name = place.split(".")
    return Quantity(group, name, title or name, unit, one, scale, noise, tail, alerts, phrase, help)


_SHARE, _SEC, _ALL, _BOTH = Unit.SHARE, Unit.SECONDS, Scale.SHARE, Tail.BOTH

QUANTITIES: tuple[Quantity, ...] = (
    _vital("vmstat.r", _ONE, 1.0, 1.0, "{} tasks running", "tasks that run or wait for a cpu"),
    _vital("vmstat.b", _ONE, 1.0, 1.0, "{} tasks blocked", "tasks blocked by storage"),
    _vital("vmstat.avm", _BY, 1024.0, 0.01, "{} memory in use", "memory in use, without caches", scale=Scale.MEMORY),
    _vital("vmstat.fre", _BY, 1024.0, 16777216.0, "{} memory free", "memory that nothing uses", tail=Tail.LOW, alerts=False),
    _vital("vmstat.pi", _PS, 1.0, 4.0, "swaps in {}", "pages swapped in"),
    _vital("vmstat.po", _PS, 1.0, 4.0, "swaps out {}", "pages swapped out"),
    _vital("vmstat.fr", _PS, 1.0, 256.0, "frees {} pages", "pages freed by reclaim"),
    _vital("vmstat.interface_in", _PS, 1.0, 100.0, "in {}", "interrupts", title="in"),
    _vital("vmstat.cs", _PS, 1.0, 100.0, "cs {}", "context switches"),
    _vital("vmstat.us", _SHARE, 0.01, 0.01, "us {}", "cpu in user mode, of all cpus", scale=_ALL, alerts=False),
    _vital("vmstat.sy", _SHARE, 0.01, 0.01, "sy {}", "cpu in the kernel, interrupts included", scale=_ALL),
    _vital("vmstat.idle", _SHARE, 0.01, 0.01, "id {}", "idle cpu", title="id", scale=_ALL, tail=Tail.LOW, alerts=False),
    _vital("vmstat.cpu_busy", _SHARE, 0.01, 0.01, "cpu_busy {}", "us + sy", scale=_ALL),
    _vital("vmstat.cpu_ratio", _SHARE, 1.0, 0.01, "cpu_ratio {}", "busy over busy and idle", scale=_ALL, alerts=False),
    _vital("vmstat.memory_pressure", _SHARE, 1.0, 0.01, "memory_pressure {}", "avm over avm and fre", scale=_ALL, alerts=False),
    _vital("vmstat.total_load", _ONE, 1.0, 1.0, "total_load {}", "r + b", alerts=False),
    _vital("iostat.tps", _PS, 1.0, 5.0, "tps {}", "requests completed"),
    _vital("iostat.kb_read", _BY, 1024.0, 65536.0, "reads {}", "read in the interval"),
    _vital("iostat.kb_wrtn", _BY, 1024.0, 65536.0, "writes {}", "written in the interval"),
    _vital("iostat.service_time", _SEC, 0.001, 0.0005, "service_time {}", "time busy over requests"),
    _vital("iostat.avg_queue_size", Unit.NONE, 1.0, 0.1, "avg_queue_size {}", "requests waiting or in service"),
    _vital("iostat.avg_wait_time", _SEC, 0.001, 0.0005, "avg_wait_time {}", "time that a request took"),
    _vital("iostat.io_throughput", _BY, 1024.0, 4096.0, "io_throughput {}", "bytes over requests", alerts=False),
    _vital("iostat.queue_efficiency", Unit.NONE, 1.0, 0.1, "queue_efficiency {}", "queue over service time (ms)", alerts=False),
    _vital("netstat.ipkts", _ONE, 1.0, 1.0, "ipkts {}", "packets in, since boot", tail=Tail.NONE, alerts=False),
    _vital("netstat.opkts", _ONE, 1.0, 1.0, "opkts {}", "packets out, since boot", tail=Tail.NONE, alerts=False),
    _vital("netstat.ierrs", _ONE, 1.0, 1.0, "ierrs {}", "errors in, since boot", tail=Tail.NONE, alerts=False),
    _vital("netstat.oerrs", _ONE, 1.0, 1.0, "oerrs {}", "errors out, since boot", tail=Tail.NONE, alerts=False),
    _vital("netstat.ipkts_rate", _PS, 1.0, 10.0, "ipkts {}", "packets in", tail=_BOTH),
    _vital("netstat.opkts_rate", _PS, 1.0, 10.0, "opkts {}", "packets out", tail=_BOTH),
    _vital("netstat.ierrs_rate", _PS, 1.0, 0.2, "ierrs {}", "errors in"),
    _vital("netstat.oerrs_rate", _PS, 1.0, 0.2, "oerrs {}", "errors out"),
    _vital("netstat.net_balance", Unit.NONE, 1.0, 0.1, "net_balance {}", "in less out, over both", tail=Tail.NONE, alerts=False),
    _vital("netstat.net_total_rate", _PS, 1.0, 10.0, "net_total_rate {}", "packets in and out", tail=_BOTH, alerts=False),
    _vital("netstat.error_rate", _SHARE, 1.0, 0.01, "error_rate {}", "errors over packets", scale=_ALL, alerts=False),
    _vital("process.cpu", _SHARE, 0.01, 0.02, "processes use cpu {}", "cpu of all processes, of one cpu", alerts=False),
    _vital("process.mem", _SHARE, 0.01, 0.01, "processes hold {} of memory", "resident memory of all", scale=_ALL, alerts=False),
    _vital("process.resource_ratio", Unit.NONE, 1.0, 0.1, "resource_ratio {}", "cpu over mem", alerts=False),
    _vital("psi.cpu_some", _SHARE, 1.0, 0.01, "cpu pressure {}", "time that some task waited for a cpu", scale=_ALL),
    _vital("psi.memory_some", _SHARE, 1.0, 0.01, "memory pressure {}", "time that some task waited for memory", scale=_ALL),
    _vital("psi.memory_full", _SHARE, 1.0, 0.01, "memory stalls {}", "time that all tasks waited for memory", scale=_ALL),
    _vital("psi.io_some", _SHARE, 1.0, 0.01, "io pressure {}", "time that some task waited for storage", scale=_ALL),
    _vital("psi.io_full", _SHARE, 1.0, 0.01, "io stalls {}", "time that all tasks waited for storage", scale=_ALL),
)
"""By group, in the order in which they are shown."""
QUANTITY: dict[tuple[str, str], Quantity] = {(q.group, q.name): q for q in QUANTITIES}
