"""Synthetic frames for tests: a few processes written out by hand, or a crowd of thousands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from proctop import fields
from proctop.frames import Batch, Frame, HostRates, Reason, Scores, Status, Trail
from proctop.records import CgroupCounters, Container, Exit, Gap, HostCounters, HostInfo, Label, Reading, ThreadTable

NAN = float("nan")
GIB = 1 << 30
BOOT = 1_700_000_000.0  # wall clock at boot

INFO = HostInfo(
    hostname="node1",
    kernel="6.1.0",
    boot_id="5b0e5c5e-0000-4000-8000-000000000001",
    cpus=4,
    ticks=100,
    page=4096,
    memory=16 * GIB,
    boot_time=BOOT,
)

REDIS = Container(id="a" * 64, runtime="docker", name="cache", image="docker.io/library/redis:7.2")
WEB = Container(id="b" * 64, runtime="containerd", name="web-1", image="nginx:1.25", pod="shop/web-7c9f")

HOST = HostRates(
    cpu=0.25,
    cores=np.array([0.5, 0.25, 0.25, 0.0]),
    parts={"user": 0.2, "nice": 0.0, "system": 0.05, "iowait": 0.01, "irq": 0.0, "softirq": 0.0, "steal": 0.0, "idle": 0.74},
    memory_used=6.0 * GIB,
    memory_total=16.0 * GIB,
    swap_used=0.0,
    swap_total=2.0 * GIB,
    load=(0.5, 0.4, 0.3),
    pressure={"cpu": (0.02, NAN), "memory": (0.0, 0.0), "io": (0.1, 0.05)},
    disk_read=1e6,
    disk_write=2e6,
    disk_busy=0.1,
    net_rx=1e4,
    net_tx=2e4,
    forks=3.0,
    switches=1500.0,
    interrupts=900.0,
)

NO_COUNTERS = HostCounters(cpu=np.zeros((1, 10), dtype=np.int64))


@dataclass(frozen=True)
class Proc:
    """One process. Features and counters that are not named are missing (NaN).

    The counters of the same name follow the features ``rss``, ``vsize``, ``threads`` and ``fds``.
    """

    pid: int
    comm: str
    ppid: int = 1
    start: int = 1000
    command: str = ""
    user: str = "root"
    uid: int = 0
    state: str = "S"
    cgroup: str = "/"
    container: Container | None = None
    kernel: bool = False
    nice: int = 0
    priority: int = 20
    features: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    rank: float = NAN
    alert: float = NAN
    per_hour: float = NAN
    alerting: bool = False
    status: Status = Status.SCORED
    why: tuple[Reason, ...] = ()
    past: tuple[float, ...] = ()  # scores before this reading, oldest first
    active: bool = False
    born: bool = False

    def label(self) -> Label:
        return Label(self.comm, self.command, self.user, self.uid, self.cgroup, self.container, self.kernel)


def build(
    procs: Sequence[Proc],
    *,
    tick: int = 0,
    dt: float = 1.0,
    wall: float = BOOT + 3600.0,
    late: float = 0.0,
    warming: float = 1.0,
    gaps: tuple[Gap, ...] = (),
    exits: tuple[Exit, ...] = (),
    notes: tuple[str, ...] = (),
    cgroups: Mapping[str, CgroupCounters] | None = None,
    threads: ThreadTable | None = None,
    host: HostRates = HOST,
    counters: HostCounters = NO_COUNTERS,
) -> Frame:
    """A frame of ``procs``, in their order; ``dt`` = NaN makes a first reading, which has no rates."""
    n = len(procs)
    raw = np.full((len(fields.COUNTERS), n), NAN)
    values = np.full((len(fields.FEATURES), n), NAN, dtype=np.float32)
    for i, p in enumerate(procs):
        for name, number in p.features.items():
            values[fields.FEATURE[name], i] = number
            if name in ("rss", "vsize", "threads", "fds"):
                raw[fields.COUNTER[name], i] = number
        own = {"ppid": p.ppid, "state": ord(p.state), "nice": p.nice, "priority": p.priority, **p.counters}
        for name, number in own.items():
            raw[fields.COUNTER[name], i] = number
    return _assemble(
        np.array([p.pid for p in procs], dtype=np.int64),
        np.array([p.start for p in procs], dtype=np.int64),
        raw,
        values,
        [p.label() for p in procs],
        Scores(
            rank=np.array([p.rank for p in procs], dtype=np.float32),
            alert=np.array([p.alert for p in procs], dtype=np.float32),
            per_hour=np.array([p.per_hour for p in procs], dtype=np.float32),
            alerting=np.array([p.alerting for p in procs], dtype=np.bool_),
            status=np.array([p.status for p in procs], dtype=np.int8),
            why={i: p.why for i, p in enumerate(procs) if p.why},
        ),
        [p.past for p in procs],
        active=np.array([p.active for p in procs], dtype=np.bool_),
        born=np.array([p.born for p in procs], dtype=np.bool_),
        tick=tick,
        dt=dt,
        wall=wall,
        late=late,
        warming=warming,
        gaps=gaps,
        exits=exits,
        notes=notes,
        cgroups=cgroups or {},
        threads=threads,
        host=host,
        host_counters=counters,
    )


def crowd(n: int, *, seed: int = 0, tick: int = 0, kernel: float = 0.02, containers: int = 20) -> Frame:
    """``n`` processes of plausible numbers: a tree from pid 1, a few busy, most with score 0, some in containers."""
    rng = np.random.default_rng(seed)
    pid = np.arange(1, n + 1, dtype=np.int64)
    raw = np.full((len(fields.COUNTERS), n), NAN)
    values = np.zeros((len(fields.FEATURES), n), dtype=np.float32)
    busy = rng.random(n) < 0.05
    values[fields.FEATURE["cpu"]] = np.where(busy, rng.exponential(0.2, n), 0.0)
    values[fields.FEATURE["disk_write"]] = np.where(busy, rng.exponential(1e6, n), 0.0)
    rss = (rng.lognormal(16, 1.5, n) // 4096) * 4096
    for name, row in {"rss": rss, "vsize": rss * 4, "threads": rng.integers(1, 9, n), "fds": rng.integers(3, 99, n)}.items():
        values[fields.FEATURE[name]] = row
        raw[fields.COUNTER[name]] = row
    ppid = np.zeros(n)
    ppid[1:] = np.maximum(1, (pid[1:] * rng.random(n - 1)).astype(np.int64))
    fixed = {
        "ppid": ppid,
        "state": np.where(busy, ord("R"), ord("S")),
        "nice": 0,
        "priority": 20,
        "utime": rng.exponential(1e9, n),
        "stime": 1e8,
    }
    for name, given in fixed.items():
        raw[fields.COUNTER[name]] = given
    boxes = [Container(f"{k:064x}", "docker", name=f"box-{k}", image=f"registry.local/app-{k}:1.{k}") for k in range(containers)]
    users = ("root", "www-data", "postgres", "alice")
    labels = []
    for i in range(n):
        box = boxes[i % (4 * containers)] if containers and i % (4 * containers) < containers else None
        thread = rng.random() < kernel
        name = f"kworker/{i % 4}:{i}" if thread else f"app-{i % 97}"
        labels.append(Label(name, "" if thread else f"/usr/bin/{name} --serve {i}", users[i % 4], i % 4, "/", box, bool(thread)))
    rank = np.where(busy, rng.exponential(1.5, n), 0.0).astype(np.float32)
    scores = Scores(rank, rank, np.full(n, 100, np.float32), rank > 8, np.full(n, Status.SCORED, np.int8), {})
    return _assemble(
        pid,
        100 + pid,
        raw,
        values,
        labels,
        scores,
        None,
        active=busy,
        born=np.zeros(n, np.bool_),
        tick=tick,
        dt=1.0,
        wall=BOOT + 3600.0,
        late=0.0,
        warming=1.0,
        gaps=(),
        exits=(),
        notes=(),
        cgroups={},
        threads=None,
        host=HOST,
        host_counters=NO_COUNTERS,
    )


def host(**changes: object) -> HostRates:
    """The usual host rates with some of them changed."""
    return replace(HOST, **changes)  # type: ignore[arg-type]


def thread_table(rows: Sequence[tuple[int, int, str]]) -> ThreadTable:
    """Threads from (tid, pid, comm), all counters but the state missing."""
    counters = np.full((len(fields.COUNTERS), len(rows)), NAN)
    counters[fields.COUNTER["state"]] = ord("S")
    tid = np.array([r[0] for r in rows], dtype=np.int64)
    pid = np.array([r[1] for r in rows], dtype=np.int64)
    return ThreadTable(tid, pid, tid + 1000, [r[2] for r in rows], counters)


def _assemble(
    pid: np.ndarray[tuple[int], np.dtype[np.int64]],
    start: np.ndarray[tuple[int], np.dtype[np.int64]],
    raw: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    labels: Sequence[Label],
    scores: Scores,
    past: Sequence[tuple[float, ...]] | None,
    *,
    active: np.ndarray[tuple[int], np.dtype[np.bool_]],
    born: np.ndarray[tuple[int], np.dtype[np.bool_]],
    tick: int,
    dt: float,
    wall: float,
    late: float,
    warming: float,
    gaps: tuple[Gap, ...],
    exits: tuple[Exit, ...],
    notes: tuple[str, ...],
    cgroups: Mapping[str, CgroupCounters],
    threads: ThreadTable | None,
    host: HostRates,
    host_counters: HostCounters,
) -> Frame:
    n = len(labels)
    since = wall - BOOT
    reading = Reading(
        seq=tick,
        wall=wall,
        mono=since,
        boot=since,
        interval=1.0,
        late=late,
        source="test",
        info=INFO,
        pid=pid,
        start=start,
        counters=raw,
        labels=labels,
        host=host_counters,
        cgroups=cgroups,
        gaps=gaps,
        exits=exits,
        threads=threads,
        notes=notes,
    )
    batch = Batch(fields.SCHEMA, pid, start, values, labels, dt, np.arange(n, dtype=np.int64), active, born)
    length = max((len(p) for p in past), default=0) if past else 0
    older = np.full((length, n), NAN, dtype=np.float32)
    for i, p in enumerate(past or ()):
        if p:
            older[length - len(p) :, i] = p
    ranks = (*older, scores.rank)
    top = [float(np.nanmax(v)) if v.size and not np.isnan(v).all() else NAN for v in ranks]
    born_at = np.array([tick - (len(past[i]) if past else 0) for i in range(n)], dtype=np.int64)
    trail = Trail(np.arange(n, dtype=np.int64), born_at, ranks, np.array(top, dtype=np.float32), tick)
    for array in (raw, values, pid, start):
        array.flags.writeable = False
    return Frame(tick, reading, batch, scores, host, trail, warming)
