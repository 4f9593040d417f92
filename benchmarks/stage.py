"""The cast of a session: workers and servers, and the faults that befall them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.routines import ROUTINES, STEADY, Ports, die_with_parent, follow, name
from benchmarks.services import Services, Session

_REST = 60.0  # seconds of good behaviour before a fault
_FILLING = 0.1  # seconds between two portions of what is put into redis
_COMMS = {
    "idle": ("polkitd", "agetty", "upowerd", "getty", "sleeper"),
    "tick": ("chronyd", "statsd", "keepalived", "watchdog", "ntpd"),
    "agent": ("node_exp", "telegraf", "zabbix_agentd"),
    "web": ("gunicorn", "uwsgi", "php-fpm", "api-gw", "tomcat"),
    "http": ("httpclient", "crawler"),
    "redisapp": ("session-app", "cart"),
    "log": ("rsyslogd", "fluentbit", "auditlog", "journal"),
    "batch": ("etl", "celery", "sidekiq"),
    "cron": ("crond", "atd"),
    "cache": ("memcached", "varnishd"),
    "gc": ("java", "kafka"),
    "db": ("mysqld", "mongod", "influxd"),
    "udp": ("named", "statsrelay"),
}
_SHARE = {
    "tick": 9,
    "idle": 9,
    "web": 9,
    "log": 6,
    "batch": 6,
    "http": 4,
    "redisapp": 3,
    "cron": 3,
    "agent": 3,
    "cache": 4,
    "gc": 3,
    "db": 5,
    "udp": 3,
}

WORKER_FAULTS = {
    "cpu_full": "spin",
    "cpu_partial": "partial",
    "livelock": "livelock",
    "mem_fast": "leak",
    "mem_slow": "seep",
    "fork_storm": "fork",
    "io_write": "write",
    "read_scan": "scan",
    "big_read": "read",
    "fd_leak": "fd",
    "thread_explosion": "threads",
    "lock_storm": "contend",
    "stall_hang": "stop",
}
"""Kinds of fault, and what a worker is told to do for them."""

SERVICE_FAULTS = ("nginx_stop", "nginx_flood", "redis_leak", "redis_lua", "pg_runaway", "pg_spill")
OTHERS = ("stall_stop", "miner", "benign_shift", "benign_new")
_HEAVY = {"cpu_full", "livelock", "fork_storm", "lock_storm", "nginx_flood", "redis_lua", "pg_runaway", "pg_spill", "miner"}


@dataclass
class Worker:
    """A child that follows a routine, and the pipe for its orders."""

    pid: int
    kind: str
    comm: str
    cgroup: str
    born: float  # wall seconds
    orders: int
    busy: float = 0.0  # until when it misbehaves

    def tell(self, what: str, seconds: float) -> None:
        os.write(self.orders, f"{what} {seconds:.3f}\n".encode())


@dataclass
class Stage:
    """The workers and servers of a session, and what became of them."""

    rng: Random
    services: Services
    cgroups: list[Path]
    workers: list[Worker] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    due: list[tuple[float, Callable[[], object]]] = field(default_factory=list)  # monotonic time, what then
    heavy: float = 0.0  # until when a fault takes a whole core
    resting: dict[str, float] = field(default_factory=dict)  # server → when it may misbehave again

    def hire(self, kind: str, comm: str, cgroup: Path | None) -> Worker:
        """A new worker."""
        reader, writer = os.pipe()
        seed = self.rng.random()
        pid = os.fork()
        if pid == 0:
            _work(kind, comm, Random(seed), self.services.ports, reader, cgroup)
        os.close(reader)
        worker = Worker(pid, kind, comm, cgroup.name if cgroup else "", time.time(), writer)
        self.workers.append(worker)
        return worker

    def staff(self, count: int) -> None:
        """The workers of the beginning; a third of them in containers."""
        kinds = [kind for kind, share in _SHARE.items() for _ in range(share)]
        for i in range(count):
            kind = kinds[i % len(kinds)]
            place = self.rng.choice(self.cgroups) if self.cgroups and self.rng.random() < 0.33 else None
            self.hire(kind, self.rng.choice(_COMMS[kind]), place)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        self.due.append((time.monotonic() + seconds, what))

    def run_due(self) -> None:
        now = time.monotonic()
        ready = [what for when, what in self.due if when <= now]
        self.due = [(when, what) for when, what in self.due if when > now]
        for what in ready:
            what()

    def strike(self, kind: str) -> bool:
        """Begin a fault; False where nobody can have it now."""
        seconds = self.rng.uniform(12, 22)
        if kind in _HEAVY:
            if time.time() < self.heavy:
                return False
            seconds = min(seconds, 15.0)  # the host has other users
        if not self._at_service(kind, seconds) and not self._at_worker(kind, seconds):
            return False
        if kind in _HEAVY:
            self.heavy = time.time() + seconds
        return True

    def _label(self, kind: str, pids: Sequence[int], seconds: float, comm: str = "") -> None:
        begin = time.time()
        starts = [_start(pid) for pid in pids]
        self.labels.append({"kind": kind, "pids": list(pids), "starts": starts, "start": begin, "end": begin + seconds, "comm": comm})

    def _at_worker(self, kind: str, seconds: float) -> bool:
        if kind in SERVICE_FAULTS:
            return False
        if kind == "benign_new":
            routine = self.rng.choice(sorted(_SHARE))
            fresh = self.hire(routine, self.rng.choice(_COMMS[routine]), None)
            self._label(kind, [fresh.pid], 30, fresh.comm)
            return True
        worker = self._ready(kind)
        if worker is None:
            return False
        if kind == "benign_shift":
            seconds = 60.0
            worker.tell("x3", seconds)
        elif kind == "stall_stop":
            os.kill(worker.pid, signal.SIGSTOP)
            self.later(seconds, lambda: os.kill(worker.pid, signal.SIGCONT))
        elif kind == "miner":
            miner = self.hire("miner", self.rng.choice(("xmrig", "kdevtmpfsi", "sh")), self._place(worker))
            miner.busy = float("inf")
            miner.tell("spin", seconds + 5)
            self.later(seconds, lambda: os.kill(miner.pid, signal.SIGKILL))
            self._label(kind, [miner.pid], seconds, miner.comm)
            return True
        else:
            worker.tell(WORKER_FAULTS[kind], seconds)
        worker.busy = time.time() + seconds
        self._label(kind, [worker.pid], seconds, worker.comm)
        return True

    def _place(self, worker: Worker) -> Path | None:
        return next((folder for folder in self.cgroups if folder.name == worker.cgroup), None)

    def _ready(self, kind: str) -> Worker | None:
        """Somebody who has been normal for long enough."""
        now = time.time()
        good = [w for w in self.workers if now - max(w.born, w.busy) >= _REST]
        if kind.startswith("stall_"):
            good = [w for w in good if w.kind in STEADY]
        if kind == "benign_shift":
            good = [w for w in good if w.kind in ("web", "http", "redisapp", "log", "db")]
        if kind == "miner":
            good = [w for w in good if w.cgroup] or good
        return self.rng.choice(good) if good else None

    def _at_service(self, kind: str, seconds: float) -> bool:
        server = kind.partition("_")[0]
        if kind not in SERVICE_FAULTS or time.time() < self.resting.get(server, 0.0):
            return False
        services = self.services
        if kind == "nginx_stop":
            victim = self.rng.choice(services.nginx_workers())
            os.kill(victim, signal.SIGSTOP)
            self.later(seconds, lambda: os.kill(victim, signal.SIGCONT))
            pids = [victim]
        elif kind == "nginx_flood":
            seconds = 14.0
            pids = [*services.nginx_workers(), services.load("flood")]
        elif kind == "redis_lua":
            script = f"local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < {seconds:.0f} do end return 1"
            line = services.command(f'EVAL "{script}" 0\r\n'.encode())
            self.later(seconds + 5, line.close)
            pids = [services.redis]
        elif kind == "redis_leak":
            self._fill(time.monotonic() + seconds, 0)
            self.later(seconds, lambda: services.command(b"FLUSHALL\r\n").close())
            pids = [services.redis]
        else:
            pids = [self._query(kind, seconds)]
        self._label(kind, pids, seconds)
        self.resting[server] = time.time() + seconds + 20
        return True

    def _fill(self, until: float, count: int) -> None:
        """20 MB/s into redis."""
        if time.monotonic() >= until:
            return
        value = b"x" * 500_000
        self.services.command(
            b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$500000\r\n%s\r\n" % (len(k), k, value) for k in _keys(count))
        ).close()
        self.later(_FILLING, lambda: self._fill(until, count + 4))

    def _query(self, kind: str, seconds: float) -> int:
        """A session runs a query that does not come back by itself; the pid of its backend."""
        session = self.rng.choice([s for s in self.services.sessions if time.monotonic() >= s.busy_until])
        work = {
            "pg_runaway": "do $$ begin loop perform 1; end loop; end $$;",
            "pg_spill": "select count(*) from (select random() as x from generate_series(1, 100000000) order by 1) as s;",
        }
        session.ask(f"set work_mem = '4MB'; set statement_timeout = {seconds * 1000:.0f};")
        session.ask(work[kind])
        session.ask("set statement_timeout = 0;")
        session.busy_until = time.monotonic() + seconds + 1
        return session.backend

    def normal_life(self) -> None:
        """What goes on beside the workers: queries, bursts of requests."""
        for session in self.services.sessions:
            self._ask(session)
        self._burst("redis-benchmark")
        self._burst("ab")

    def _ask(self, session: Session) -> None:
        if time.monotonic() >= session.busy_until:
            session.ask(f"select sum(abalance) from pgbench_accounts where aid < {self.rng.randint(10, 2000)};")
        self.later(self.rng.uniform(0.3, 1.0), lambda: self._ask(session))

    def _burst(self, kind: str) -> None:
        self.services.load(kind)
        self.later(self.rng.uniform(8, 20), lambda: self._burst(kind))

    def close(self) -> None:
        for worker in self.workers:
            for number in (signal.SIGKILL, signal.SIGCONT):
                try:
                    os.kill(worker.pid, number)
                except ProcessLookupError:
                    break
        for worker in self.workers:
            try:
                os.waitpid(worker.pid, 0)
            except ChildProcessError:
                continue


def _keys(first: int) -> list[bytes]:
    return [b"leak:%d" % (first + i) for i in range(4)]


def _start(pid: int) -> int:
    """Ticks since boot."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _work(kind: str, comm: str, rng: Random, ports: Ports, orders: int, cgroup: Path | None) -> None:
    """The life of a worker. Never returns."""
    code = 1
    try:
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if cgroup is not None:
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        name(comm)
        follow(ROUTINES.get(kind, ROUTINES["idle"])(rng, ports), orders)
        code = 0
    finally:
        os._exit(code)
