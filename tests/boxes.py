"""Containers against their limits, and groups that were scored: what the groups screen of the tests shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import scenes
from frames import GIB, Proc, build
from proctop.frames import Frame, GroupScores, Reason
from proctop.records import CgroupCounters, Container, Pressure
from proctop.rollup import roll_up
from proctop.view.cells import width

__all__ = ["build", "width"]
NAN = float("nan")
MIB = float(1 << 20)

API = Container(id="c" * 64, runtime="docker", name="shop-api-1", image="registry.example.com/shop/api:3.4.1")
JOB = Container(id="d" * 64, runtime="docker", name="report-job", image="registry.example.com/shop/report:1.9")
CACHE = Container(id="a" * 64, runtime="docker", name="cache", image="docker.io/library/redis:7.2")
WEB = Container(id="b" * 64, runtime="containerd", name="web-1", image="nginx:1.25", pod="shop/web-7c9f")
BOXES = (CACHE, WEB, API, JOB)


def path(box: Container) -> str:
    return f"/system.slice/docker-{box.id}.scope"


def _pressure(cpu: float, memory: float, io: float) -> dict[str, Pressure]:
    """Totals in µs."""
    return {
        name: Pressure(0.0, 0.0, 0.0, total, 0.0, 0.0, 0.0, total / 2) for name, total in (("cpu", cpu), ("memory", memory), ("io", io))
    }


def counters(tick: int) -> dict[str, CgroupCounters]:
    """By path: the job is throttled, the api near its memory limit, the others at ease."""
    t = float(tick)
    return {
        path(CACHE): CgroupCounters(
            cpu_ns=5e6 * t, memory=41 * MIB, oom_kills=0, read_bytes=0, write_bytes=4096 * t, pids=5, pressure=_pressure(900 * t, 0, 0)
        ),
        path(WEB): CgroupCounters(cpu_ns=1e6 * t, memory=30 * MIB, memory_limit=256 * MIB, oom_kills=0, pids=2),
        path(API): CgroupCounters(
            cpu_ns=1.4e8 * t,
            periods=10 * t,
            throttled=0,
            throttled_ns=0,
            cpu_limit=2.0,
            memory=247 * MIB,
            memory_limit=256 * MIB,
            oom_kills=1,
            read_bytes=2e5 * t,
            write_bytes=1e5 * t,
            pids=11,
            pressure=_pressure(5e3 * t, 1.6e5 * t, 2e4 * t),
        ),
        path(JOB): CgroupCounters(
            cpu_ns=1.99e8 * t,
            periods=10 * t,
            throttled=9 * t,
            throttled_ns=6.3e8 * t,
            cpu_limit=0.2,
            memory=88 * MIB,
            memory_limit=1 * GIB,
            oom_kills=0,
            read_bytes=0,
            write_bytes=3e6 * t,
            pids=3,
            pressure=_pressure(8.1e5 * t, 0, 3e3 * t),
        ),
    }


def people(began: float = 3000.0) -> list[Proc]:
    """Those of the main screen and the processes of a job, which ``began`` so many seconds after boot."""
    here = [replace(p, container=box, cgroup=path(box)) if (box := p.container) is not None else p for p in scenes.people()]
    work = {"cpu": 0.066, "rss": 27 * MIB, "disk_read": 0.0, "disk_write": 1e6, "minflt": 40.0, "majflt": 0.0, "vctx": 12.0, "nvctx": 30.0}
    job = [
        Proc(
            8100 + k,
            "report",
            ppid=1,
            start=int(began * 100) + k,
            command=f"/app/report --part {k}",
            user="app",
            state="R",
            cgroup=path(JOB),
            container=JOB,
            features={**work, "threads": 1.0},
            rank=0.4,
            per_hour=900.0,
            past=(0.1,) * 20,
        )
        for k in range(3)
    ]
    return [*here, *job]


def frame(tick: int = 20, *, by: tuple[str, ...] = ("command", "container"), began: float = 3000.0, young: bool = False) -> Frame:
    """With scores of the groups ``by``; ``young``: there are none yet."""
    bare = build(people(began), tick=tick, wall=1_700_003_600.0 + tick, cgroups=counters(tick))
    return replace(bare, groups={one: _scores(bare, one, young) for one in by})


def _scores(bare: Frame, by: str, young: bool) -> GroupScores:
    rolled = roll_up(bare, by)
    rank = np.zeros(len(rolled), dtype=np.float32)
    why = {}
    told = {
        "report": (6.4, "cpu 20 %, usual 2–6 %"),
        JOB.id: (6.4, "cpu 20 %, usual 2–6 %"),
        "worker.py": (9.8, "writes 38 MB/s, usual 0–1.2 MB/s"),
        "postgres": (1.6, "forks 0.8/s, usual 0–0.2/s"),
    }
    for k, key in enumerate(rolled.keys):
        if key in told:
            rank[k] = told[key][0]
            why[k] = (Reason("cpu", 0.2, (0.02, 0.06), "own", told[key][1]),)
    hourly = np.where(rank > 9, 0.5, np.where(rank > 5, 8.0, np.where(rank > 1, 90.0, 3600.0))).astype(np.float32)
    if young:
        rank[:], why = np.nan, {}
    return GroupScores(rolled.keys, rolled.names, rank, rank, hourly, rank > 9, why)
