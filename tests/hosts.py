"""A host whose counters go on by so much a second, with the noise of a working day: for tests of what watches it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from proctop.features import derive
from proctop.fields import COUNTERS
from proctop.frames import Batch, HostRates, HostScores
from proctop.hostwatch import HostWatch
from proctop.records import DiskCounters, HostCounters, HostInfo, NetCounters, Pressure, Reading
from proctop.vitals import host_rates

GIB = 1 << 30
INFO = HostInfo("node1", "6.1.0", "5b0e5c5e-0000-4000-8000-000000000002", 4, 100, 4096, 16 * GIB, 1_700_000_000.0)
NOBODY = np.zeros(0, dtype=np.int64)
CALM: dict[str, float] = {
    "busy": 0.2,  # of all cpus, a fifth of it in the kernel
    "used": 0.3,  # of memory
    "interrupts": 2000.0,
    "switches": 3000.0,
    "running": 2.0,
    "blocked": 0.0,
    "swapped": 0.0,
    "reclaimed": 0.0,
    "requests": 80.0,  # of the disk, of 16 KiB
    "wait_ms": 1.5,
    "packets": 400.0,  # of eth0
    "errors": 0.0,
    "cpu_some": 0.02,
    "memory_some": 0.0,
    "io_some": 0.01,
}


class Machine:
    """Gives a reading a second: :data:`CALM` with changes, each noisy by a fifth."""

    def __init__(self, seed: int = 1, *, disks: tuple[str, ...] = ("sda",), nets: tuple[str, ...] = ("lo", "eth0")) -> None:
        self._rng = np.random.default_rng(seed)
        self._sum: dict[str, float] = {}
        self._cpu = np.zeros(10)
        self.disks, self.nets = disks, nets
        self.seq = 0
        self.mono = 100.0
        self.before: Reading | None = None
        self.batch: Batch | None = None

    def read(self, dt: float = 1.0, **changes: float) -> Reading:
        does = {name: value * self._rng.lognormal(0.0, 0.2) for name, value in (CALM | changes).items()}
        self.mono += dt
        self._cpu += np.array([0.8 * does["busy"], 0, 0.2 * does["busy"], max(1 - does["busy"], 0.0), 0, 0, 0, 0, 0, 0]) * 4e9 * dt
        disks = {}
        for k, name in enumerate(self.disks):
            done = self._grow(f"done{k}", does["requests"] * dt / 2)
            took = self._grow(f"took{k}", does["requests"] * does["wait_ms"] * dt / 2)
            busy = self._grow(f"busy{k}", min(does["requests"] * does["wait_ms"] / 4, 1000) * dt)
            disks[name] = DiskCounters(done, done * 16384, took, done, done * 16384, took, 0, busy, 2 * took)
        nets = {}
        for name in self.nets:
            packets, errors = self._grow(f"p{name}", does["packets"] * dt), self._grow(f"e{name}", does["errors"] * dt)
            nets[name] = NetCounters(packets * 200, packets, errors, 0, packets * 200, packets, errors, 0)
        pressure = {
            name: Pressure(0, 0, 0, total, 0, 0, 0, total)
            for name in ("cpu", "memory", "io")
            for total in [float(self._grow(name, min(does[f"{name}_some"], 1.0) * 1e6 * dt))]
        }
        free = int((1 - min(does["used"], 1.0)) * 16 * GIB)
        host = HostCounters(
            cpu=np.vstack([self._cpu, self._cpu / 4]).astype(np.int64),
            memory={"MemTotal": 16 * GIB, "MemAvailable": free, "MemFree": free // 2, "SwapTotal": 0, "SwapFree": 0},
            tasks_running=round(does["running"]),
            tasks_blocked=round(does["blocked"]),
            switches=self._grow("cs", does["switches"] * dt),
            interrupts=self._grow("in", does["interrupts"] * dt),
            vmstat={
                "pswpin": self._grow("pi", does["swapped"] * dt),
                "pswpout": self._grow("po", does["swapped"] * dt),
                "pgsteal_kswapd": self._grow("fr", does["reclaimed"] * dt),
                "pgsteal_direct": 0,
            },
            disks=disks,
            nets=nets,
            pressure=pressure,
        )
        wall = INFO.boot_time + self.mono
        self.seq += 1
        counters = np.zeros((len(COUNTERS), 0))
        return Reading(self.seq - 1, wall, self.mono, self.mono, 1.0, 0.0, "test", INFO, NOBODY, NOBODY, counters, (), host)

    def step(self, watch: HostWatch, reading: Reading) -> tuple[HostRates, HostScores]:
        """One more reading for ``watch``."""
        self.batch = derive(self.before, reading, self.batch)
        rates = host_rates(self.before, reading)
        self.before = reading
        return rates, watch.step(rates, self.batch)

    def run(self, watch: HostWatch, seconds: int, **changes: float) -> list[HostScores]:
        return [self.step(watch, self.read(**changes))[1] for _ in range(seconds)]

    def _grow(self, name: str, more: float) -> int:
        self._sum[name] = self._sum.get(name, 1000.0) + more
        return int(self._sum[name])


def of(scores: HostScores, name: str, group: str = "", entity: str = "") -> dict[str, Any]:
    """What is said of one quantity."""
    (i,) = [k for k, vital in enumerate(scores.names) if vital.name == name and group in ("", vital.group) and entity in ("", vital.entity)]
    fields = ("values", "low", "high", "rank", "alerting")
    return {field: getattr(scores, field)[i] for field in fields}


def fallen(reading: Reading) -> Reading:
    """With the counters of a driver that was loaded anew."""
    nets = {name: NetCounters(*[0] * 8) for name in reading.host.nets}
    return replace(reading, host=replace(reading.host, nets=nets))
