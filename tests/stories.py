"""Two and a half minutes on the small host of :mod:`scenes`, in which the numbers of its processes move: for their detail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import scenes
from frames import INFO, Proc, build, thread_table
from moments import Mark, Past
from proctop import fields
from proctop.frames import AlertEvent, Frame, Reason, Status
from proctop.records import CgroupCounters, Pressure, ProcKey, ThreadTable

WORKER, REDIS, NODE, YOUNG = ProcKey(1841, 2841), ProcKey(2200, 3200), ProcKey(2311, 3311), ProcKey(9300, 372_950)
FIRST = 1_700_003_600.0
LENGTH = 150
WRONG = 132  # the frame in which the worker goes wrong
GAP = range(60, 66)  # frames that were not recorded
NAN = float("nan")
SLICE = "/system.slice/docker-" + "a" * 64 + ".scope"


def _moving(k: int, rng: np.random.Generator) -> list[Proc]:
    """The processes at frame ``k``; ``rng`` says what they do."""
    out = []
    for proc in scenes.people():
        noise = rng.random(4)
        if proc.pid == WORKER.pid:
            wrong = k >= WRONG
            features = {
                **proc.features,
                "cpu": 0.62 if wrong else 0.04 + 0.08 * noise[0],
                "wchar": 3.99e7 * (0.8 + 0.2 * noise[1]) if wrong else 2e5 + 1e6 * noise[1] ** 3,
                "disk_write": 3.99e7 * noise[2] if wrong else 4096.0 * int(9 * noise[2] ** 4),
                "fd_growth": 120.0 if wrong else float(noise[3] > 0.9),
                "fds": 40.0 + (120.0 * (k - WRONG) if wrong else 0.0),
                "vctx": 830.0 if wrong else 60 + 40 * noise[0],
                "syscalls": 9_000.0 if wrong else 300.0 * noise[1],
                "rchar": 8e4 * noise[3],
                "rss": proc.features["rss"] + 4096.0 * k,
                "forks": 0.0,
                "children": 4.0,
            }
            why = proc.why if k >= WRONG + 2 else ()
            rank = 11.2 if k >= WRONG + 2 else 0.3 * noise[0]
            proc = replace(proc, features=features, rank=rank, why=why, alerting=k >= WRONG + 4, per_hour=0.4 if why else 900.0)
        elif proc.pid == REDIS.pid:
            features = {
                **proc.features,
                "cpu": 0.2 + 0.1 * noise[0],
                "rchar": 3e5 * noise[1],
                "wchar": 5e5 * noise[1],
                "vctx": 900 * noise[2],
            }
            counters = {"utime": 83e9 + 2e8 * k, "stime": 12e9 + 1e8 * k}
            proc = replace(proc, features=features, rank=0.1, why=(), counters=counters, cgroup=SLICE, per_hour=900.0)
        elif proc.pid == NODE.pid:
            proc = replace(proc, rank=0.2, why=(), features={**proc.features, "cpu": 0.05 * noise[0], "minflt": 300.0 * noise[1]})
        out.append(proc)
    kin = [
        Proc(9200 + i, "resize", start=300_000, command=f"resize --job {i}", features={"cpu": 0.3 * rng.random(), "rss": 3e7})
        for i in range(6)
    ]
    if k >= 130:
        why = (Reason("cpu", 0.97, (0.02, 0.3), "cohort", "cpu 97 %, usual for resize 2–30 %"),)
        features = {"cpu": 0.97, "rss": 3e7 + 1e6 * (k - 130), "rss_growth": 1e6}
        kin.append(
            Proc(YOUNG.pid, "resize", start=YOUNG.start, command="resize --job 7", features=features, rank=4.0, why=why, status=Status.NEW)
        )
    return out + kin


def _pressure(some: float) -> Pressure:
    return Pressure(some, some / 2, some / 3, 1e6, some / 4, 0.0, 0.0, 1e5)


def _cgroup(k: int) -> CgroupCounters:
    return CgroupCounters(
        cpu_ns=1e12 + 4.9e8 * k,
        periods=1e5 + 10 * k,
        throttled=2e3 + 3 * k,
        throttled_ns=1e11 + 8e7 * k,
        cpu_limit=0.5,
        memory=4.9e8,
        memory_limit=5.2e8,
        oom_kills=1.0,
        read_bytes=1e9,
        write_bytes=2e9 + 65_536 * k,
        pids=5.0,
        pressure={"cpu": _pressure(31.0), "memory": _pressure(0.4), "io": _pressure(2.0)},
    )


def threads(k: int) -> ThreadTable:
    """Of the cache: one thread that is busy, one that waits for a cpu."""
    table = thread_table(
        [(2200, 2200, "redis-server"), (2203, 2200, "bio_close_file"), (2204, 2200, "io_thd_1"), (2205, 2200, "jemalloc_bg_thd")]
    )
    counters = table.counters.copy()
    busy = np.array([0.3, 0.0, 0.62, 0.001]) * 1e9
    for name, share in {"run_ns": 1.0, "utime": 0.7, "stime": 0.3}.items():
        counters[fields.COUNTER[name]] = 5e9 + busy * share * k
    counters[fields.COUNTER["wait_ns"]] = np.array([0.0, 0.0, 0.35, 0.0]) * 1e9 * k
    counters[fields.COUNTER["minflt"]] = 12.0 * k
    counters[fields.COUNTER["processor"]] = [0.0, 1.0, 3.0, 2.0]
    counters[fields.COUNTER["state"]] = [ord(letter) for letter in "SSRS"]
    return replace(table, counters=counters)


def frame(k: int) -> Frame:
    """Frame ``k``, always the same."""
    rng = np.random.default_rng(k)
    made = build(_moving(k, rng), tick=k, wall=FIRST + k, cgroups={SLICE: _cgroup(k)}, threads=threads(k))
    event = AlertEvent(
        WORKER, "worker.py", None, FIRST + WRONG + 4, FIRST + WRONG + 9, FIRST + k, 12.1, 0.4, scenes.people()[4].why, k < LENGTH, False
    )
    waits = {i: "folio_wait_bit" for i, label in enumerate(made.batch.labels) if label.comm == "vim"}
    return replace(made, reading=replace(made.reading, wchan=waits), alerts=(event,) if k >= WRONG + 4 else ())


def story(length: int = LENGTH) -> list[Frame]:
    """All of it but for the gap, after which there are no rates."""
    return [frame(k) for k in range(length) if k not in GAP]


def past() -> Past:
    return Past(story(), [Mark(FIRST + WRONG + 4, WORKER)])


assert INFO.ticks == 100  # what the keys above are made for
