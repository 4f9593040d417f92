"""What the screens of the tests show: a small host with a worker gone wrong, and nothing that depends on the day."""

from __future__ import annotations

from typing import Any

import numpy as np

from frames import REDIS, WEB, Proc, build, host
from proctop.actions import ActionFailed, Actions
from proctop.frames import Frame, Reason, Status
from proctop.inspection import Delays, Detail, Environment, Holdings, OpenFile, Socket
from proctop.records import Container, Gap, ProcKey
from proctop.settings import Settings
from proctop.tui.app import Proctop

MIB = float(1 << 20)
NAN = float("nan")


class Recorded(Actions):
    """Actions that only remember what they were asked."""

    def __init__(self, refuse: str = "", readonly: str = "") -> None:
        super().__init__("/nowhere", readonly=readonly)
        self.done: list[tuple[object, ...]] = []
        self.refuse = refuse
        self._foreign = ""

    def signal(self, key: ProcKey, signum: int) -> None:
        if self.refuse:
            raise ActionFailed(self.refuse)
        self.done.append(("signal", key, signum))

    def renice(self, key: ProcKey, delta: int) -> int:
        if self.refuse:
            raise ActionFailed(self.refuse)
        self.done.append(("renice", key, delta))
        return delta

    def detail(self, key: ProcKey) -> Detail:
        return Detail(
            exe="/usr/local/bin/redis-server",
            cwd="/data",
            root="/",
            parents=((1, "systemd"),),
            affinity=(0, 1, 2, 3),
            mono=0.0,
            delays=Delays((("ran", 83.2), ("cpu", 1.25), ("block io", NAN), ("swap", NAN)), "off: sudo sysctl kernel.task_delayacct=1"),
        )

    def holdings(self, key: ProcKey) -> Holdings:
        return Holdings(
            files=(
                OpenFile(3, "/data/appendonly.aof", "wa", 912_345_678, 912_345_678, False),
                OpenFile(9, "/tmp/spill.0001", "rw", 4096, 1 << 33, True),
            ),
            others=(("pipe", 2), ("eventpoll", 1)),
            sockets=(
                Socket((6,), "tcp", "LISTEN", "0.0.0.0:6379", "", None, None, None, None, None, None, None, (0, 511)),
                Socket((12,), "tcp", "ESTABLISHED", "10.0.0.4:6379", "10.0.0.9:51422", 0, 65_536, 1 << 30, 4_200_000, 17, 2, 0.0042, None),
                Socket((13, 14), "unix stream", "ESTABLISHED", "@/run/x", "", 0, 0, None, None, None, None, None, None),
            ),
            notes=("3 more sockets: never bound, of other kinds, or closed meanwhile",),
        )

    def environment(self, key: ProcKey) -> Environment:
        return Environment((("HOME", "/data"), ("PATH", "/usr/bin:/bin"), ("REDIS_PASSWORD", "***")), frozenset(("REDIS_PASSWORD",)))


def reason(feature: str, value: float, low: float, high: float, text: str, against: str = "own") -> Reason:
    return Reason(feature, value, (low, high), against, text)


def _idle(pid: int, comm: str, command: str = "", user: str = "root", rss: float = 8.0, **more: Any) -> Proc:
    features = {
        "cpu": 0.0,
        "rss": rss * MIB,
        "disk_read": 0.0,
        "disk_write": 0.0,
        "minflt": 0.0,
        "majflt": 0.0,
        "vctx": 2.0,
        "nvctx": 0.0,
        "threads": 1.0,
    }
    known = {"rank": 0.0, "per_hour": 3600.0, "past": (0.0,) * 20, **more}
    return Proc(pid, comm, start=1000 + pid, command=command, user=user, features=features, **known)


def _busy(
    proc: Proc, rank: float, per_hour: float, alerting: bool, past: tuple[float, ...], why: tuple[Reason, ...], **features: float
) -> Proc:
    from dataclasses import replace

    return replace(
        proc, rank=rank, per_hour=per_hour, alerting=alerting, past=past, why=why, state="R", features={**proc.features, **features}
    )


def people() -> list[Proc]:
    """Nineteen processes: one that alerts, some that are odd, many at rest."""
    api = Container(id="c" * 64, runtime="docker", name="shop-api-1", image="registry.example.com/shop/api:3.4.1")
    rise = tuple(float(x) for x in (0, 0, 0.2, 0, 0.4, 0.1, 0, 0, 0.3, 0, 0, 1.2, 5.5, 8.1, 9.9))
    return [
        _idle(1, "systemd", "/sbin/init splash", rss=12.4),
        _idle(2, "kthreadd", kernel=True, rss=0.0, ppid=0),
        _idle(14, "kworker/0:1-eve", kernel=True, rss=0.0, ppid=2),
        _idle(412, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", rss=9.1),
        _busy(
            _idle(1841, "worker.py", "/usr/bin/python3 /srv/app/worker.py --queue mail --concurrency 4", "app", 96.0),
            11.2,
            0.4,
            True,
            rise,
            (
                reason("wchar", 3.99e7, 0, 1.2e6, "writes 38 MB/s, usual 0–1.2 MB/s"),
                reason("fd_growth", 120, 0, 1, "fds +120/s, usual 0–1/s"),
            ),
            cpu=0.62,
            disk_write=3.99e7,
            vctx=830.0,
            threads=9.0,
        ),
        _busy(
            _idle(
                2200,
                "redis-server",
                "redis-server *:6379",
                "999",
                31.0,
                container=REDIS,
                cgroup="/system.slice/docker-" + "a" * 64 + ".scope",
            ),
            4.3,
            6.0,
            False,
            (0.0, 0.0, 0.5, 0.2, 0.0, 2.2, 3.9),
            (reason("idle_s", 40, 0, 3, "no activity for 40 s, usual ≤ 3 s"),),
            threads=5.0,
        ),
        _busy(
            _idle(2311, "node", "node /srv/api/server.js --port 3000", "node", 212.0, container=api),
            2.4,
            60.0,
            False,
            (0.0, 0.3, 0.0, 0.0, 1.1, 2.0),
            (reason("minflt", 5200, 0, 400, "page faults 5.2k/s, usual 0–400/s", "cohort"),),
            cpu=0.13,
            minflt=5200.0,
            threads=11.0,
        ),
        _idle(2402, "nginx", "nginx: worker process", "www-data", 14.2, container=WEB),
        _idle(2403, "nginx", "nginx: worker process", "www-data", 14.1, container=WEB),
        Proc(
            9120,
            "make",
            start=359_900,
            command="make -j4 all",
            user="alice",
            state="R",
            rank=0.8,
            status=Status.NEW,
            per_hour=900.0,
            features={
                "cpu": 0.02,
                "rss": 3.1 * MIB,
                "disk_read": 12000.0,
                "disk_write": 0.0,
                "minflt": 310.0,
                "majflt": 0.0,
                "vctx": 9.0,
                "nvctx": 1.0,
                "threads": 1.0,
            },
        ),
        _idle(3301, "postgres", "postgres: checkpointer", "postgres", 44.0),
        _idle(3302, "postgres", "postgres: autovacuum launcher", "postgres", 18.0),
        _idle(3303, "postgres", "postgres: shop shop 10.0.0.7(51422) idle", "postgres", 61.0),
        Proc(
            4004,
            "secret",
            start=5004,
            command="/opt/secret/daemon --quiet",
            user="vault",
            features={"cpu": 0.0, "rss": 22 * MIB, "threads": 3.0},
            rank=0.0,
            per_hour=3600.0,
        ),
        _idle(5120, "日本語プロセス", "/usr/bin/日本語プロセス --名前 café", "alice", 6.6),
        _idle(5121, "[/x]", "[/x] [@click=app.quit]x [bold red]not markup[/]", "mallory", 2.0),
        _idle(6001, "bash", "-bash", "alice", 5.2),
        _idle(6002, "vim", "vim notes.md", "alice", 11.0, ppid=6001),
        _idle(7777, "cron", "/usr/sbin/cron -f -P", rss=2.9),
    ]


def frame(tick: int = 20, **more: object) -> Frame:
    gaps = (Gap("io", 231, "not permitted for processes of others; run as root"),)
    return build(people(), tick=tick, wall=1_700_003_600.0 + tick, gaps=gaps, **more)  # type: ignore[arg-type]


def warming() -> Frame:
    from dataclasses import replace

    fresh = [replace(p, status=Status.WARMING, rank=NAN, per_hour=NAN, alerting=False, why=(), past=()) for p in people()]
    return build(fresh, tick=2, wall=1_700_003_602.0, warming=0.1)


def without(pid: int, tick: int = 21) -> Frame:
    return build([p for p in people() if p.pid != pid], tick=tick, wall=1_700_003_600.0 + tick)


def past(count: int = 20) -> list[Frame]:
    """Frames before :func:`frame` whose host moves, to fill the gauges."""
    out = []
    for k in range(count):
        wave = 0.5 + 0.5 * float(np.sin(k / 3))
        rates = host(
            cpu=0.1 + 0.3 * wave,
            disk_write=3e6 * wave,
            net_rx=2e5 * wave,
            pressure={"cpu": (0.02 * wave, NAN), "memory": (0.0, 0.0), "io": (0.2 * wave, 0.05)},
        )
        out.append(build(people(), tick=k, wall=1_700_003_600.0 + k, host=rates))
    return out


def app(settings: Settings | None = None, *, actions: Actions | None = None, ascii: bool = False, **more: object) -> Proctop:
    """An app without a source: tests give it frames."""
    return Proctop(settings or Settings(), actions=actions or Recorded(), ascii=ascii, **more)  # type: ignore[arg-type]
