"""Host rates: shares that add up, and nothing negative."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from proctop.records import DiskCounters, HostCounters, HostInfo, NetCounters, Pressure, Reading
from proctop.vitals import host_rates

INFO = HostInfo("h", "6.1", "b", 2, 100, 4096, 1000, 0.0)
NONE = np.zeros(0, dtype=np.int64)
S = 1_000_000_000


def reading(mono: float, host: HostCounters) -> Reading:
    return Reading(0, mono, mono, mono, 1.0, 0.0, "test", INFO, NONE, NONE, np.zeros((0, 0)), (), host)


def cpu(*rows: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([[*row, *[0] * (10 - len(row))] for row in rows], dtype=np.int64)


def disk(read: int, write: int, busy: int) -> DiskCounters:
    return DiskCounters(0, read, 0, 0, write, 0, 0, busy, 0)


def net(rx: int, tx: int) -> NetCounters:
    return NetCounters(rx, 0, 0, 0, tx, 0, 0, 0)


def test_rates_over_two_seconds() -> None:
    before = HostCounters(
        cpu=cpu((0, 0, 0, 0), (0, 0, 0, 0)),
        memory={"MemTotal": 100, "MemAvailable": 60, "SwapTotal": 50, "SwapFree": 20},
        forks=10,
        switches=100,
        interrupts=1000,
        vmstat={"pgfault": 5, "oom_kill": 0},
        disks={"sda": disk(0, 0, 0), "sdb": disk(10, 10, 0)},
        nets={"lo": net(0, 0), "eth0": net(0, 0), "veth1": net(0, 0)},
        pressure={"cpu": Pressure(0, 0, 0, 0, 0, 0, 0, 0)},
    )
    after = HostCounters(
        cpu=cpu((S, 0, S // 2, 2 * S, S // 2), (S, 0, 0, S)),
        memory=before.memory,
        load=(1.0, 2.0, 3.0),
        forks=14,
        switches=300,
        interrupts=1000,
        vmstat={"pgfault": 25, "oom_kill": 1},
        disks={"sda": disk(2000, 0, 500), "sdb": disk(10, 4010, 3000)},
        nets={"lo": net(999, 999), "eth0": net(200, 400), "veth1": net(200, 400)},
        pressure={"cpu": Pressure(0, 0, 0, 500_000, 0, 0, 0, 9_000_000)},
    )
    rates = host_rates(reading(10.0, before), reading(12.0, after))
    assert rates.cpu == pytest.approx(1.5 / 4)
    assert rates.cores.tolist() == pytest.approx([0.5])
    assert sum(rates.parts.values()) == pytest.approx(1.0)
    assert rates.parts["iowait"] == pytest.approx(0.125)
    assert (rates.memory_used, rates.swap_used) == (40, 30)
    assert (rates.forks, rates.switches, rates.interrupts) == (2, 100, 0)
    assert rates.vmstat == {"pgfault": 10.0}
    assert (rates.disk_read, rates.disk_write, rates.disk_busy) == (1000, 2000, 1.0)
    assert (rates.net_rx, rates.net_tx) == (100, 200)
    assert rates.pressure == {"cpu": (0.25, 1.0)}


def test_first_reading_has_levels_only() -> None:
    rates = host_rates(None, reading(1.0, HostCounters(cpu=cpu((1, 2), (1, 2)), memory={"MemTotal": 9, "MemAvailable": 4}, forks=3)))
    assert rates.memory_used == 5
    assert rates.cores.size == 1
    for value in (rates.cpu, rates.cores[0], rates.forks, rates.disk_read, rates.disk_busy, rates.net_rx, *rates.parts.values()):
        assert math.isnan(value)


def test_fallen_counters_are_missing_never_negative() -> None:
    def host(n: int) -> HostCounters:
        pressure = {"io": Pressure(0, 0, 0, n, 0, 0, 0, n)}
        return HostCounters(
            cpu=cpu((n, 0, 0, n)),
            forks=n,
            switches=n,
            disks={"a": disk(n, n, n)},
            nets={"eth0": net(n, n)},
            vmstat={"pgpgin": n},
            pressure=pressure,
        )

    rates = host_rates(reading(1.0, host(50)), reading(2.0, host(10)))
    found = [rates.cpu, rates.forks, rates.disk_read, rates.disk_busy, rates.net_tx, rates.vmstat["pgpgin"], *rates.pressure["io"]]
    assert all(math.isnan(value) for value in found)


def test_idle_that_steps_back_is_clamped() -> None:
    rates = host_rates(reading(1.0, HostCounters(cpu=cpu((0, 0, 0, 100, 50)))), reading(2.0, HostCounters(cpu=cpu((100, 0, 0, 90, 40)))))
    assert rates.cpu == 1.0


def test_a_cpu_that_went_offline_or_came_is_missing() -> None:
    off = cpu((9, 9, 9, 9), (1, 1, 1, 1), (1, 1, 1, 1))
    off[1] = -1
    rates = host_rates(reading(1.0, HostCounters(cpu=cpu((1, 1, 1, 1), (1, 1, 1, 1)))), reading(2.0, HostCounters(cpu=off)))
    assert rates.cores.size == 2
    assert np.isnan(rates.cores).all()
    assert rates.cpu == pytest.approx(24 / 32)


def test_clock_that_stood_still_gives_no_rate() -> None:
    rates = host_rates(reading(1.0, HostCounters(cpu=cpu((0, 0)), forks=1)), reading(1.0, HostCounters(cpu=cpu((0, 0)), forks=5)))
    assert math.isnan(rates.forks)


def test_there_are_no_rates_across_a_gap_or_a_boot() -> None:
    """What holds now is known; an average over minutes, or over two boots, is no rate."""
    host, later = HostCounters(cpu=cpu((0, 0, 0, 9)), forks=1), HostCounters(cpu=cpu((9, 9, 0, 9)), forks=9, memory={"MemTotal": 5})
    before, after = reading(1.0, host), reading(12.0, later)
    rebooted = replace(before, mono=11.5, info=replace(before.info, boot_id="another"))
    for prev in (before, rebooted):
        rates = host_rates(prev, after)
        assert math.isnan(rates.forks)
        assert math.isnan(rates.cpu)
        assert rates.memory_total == 5
    assert host_rates(replace(before, mono=2.5), after).forks == pytest.approx(8 / 9.5)
