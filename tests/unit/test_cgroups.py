"""Rates of cgroups by two looks, and what is carried where not every reading has a look."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace
from typing import Any

import pytest

from frames import Proc, build
from proctop import cgroups, records
from proctop.cgroups import CgroupRates, CgroupWatch, cgroup_rates, together
from proctop.records import CgroupCounters, HostInfo, Pressure, Reading

V2 = CgroupCounters(
    cpu_ns=1e9,
    periods=100,
    throttled=10,
    throttled_ns=2e9,
    cpu_limit=0.2,
    memory=50e6,
    memory_limit=100e6,
    oom_kills=1,
    read_bytes=1e6,
    write_bytes=2e6,
    pids=3,
    pressure={"cpu": Pressure(0, 0, 0, 1e6, 0, 0, 0, 5e5)},
)
LATER = replace(
    V2,
    cpu_ns=1.4e9,
    periods=120,
    throttled=25,
    throttled_ns=3e9,
    memory=95e6,
    oom_kills=3,
    read_bytes=3e6,
    write_bytes=2e6,
    pressure={"cpu": Pressure(0, 0, 0, 2.5e6, 0, 0, 0, 5e5)},
)


def test_rates_are_over_the_interval_and_levels_as_they_are() -> None:
    rates = cgroup_rates(V2, LATER, 2.0)
    assert rates == CgroupRates(
        cpu=0.2,
        cpu_limit=0.2,
        throttled=0.75,
        throttled_time=0.5,
        memory=95e6,
        memory_limit=100e6,
        oom_kills=3,
        read=1e6,
        write=0.0,
        pids=3,
        pressure={"cpu": (0.75, 0.0)},
    )
    assert (rates.cpu_share, rates.memory_share) == (1.0, 0.95)


def test_one_look_tells_levels_only() -> None:
    rates = cgroup_rates(None, V2, math.nan)
    assert (rates.memory, rates.memory_limit, rates.cpu_limit, rates.oom_kills, rates.pids) == (50e6, 100e6, 0.2, 1, 3)
    assert all(math.isnan(value) for value in (rates.cpu, rates.throttled, rates.throttled_time, rates.read, rates.write))
    assert rates.pressure == {}


@pytest.mark.parametrize("name", ["cpu_ns", "throttled_ns", "read_bytes", "write_bytes", "throttled"])
def test_a_counter_that_falls_or_is_missing_is_not_known(name: str) -> None:
    told = {"cpu_ns": "cpu", "throttled_ns": "throttled_time", "read_bytes": "read", "write_bytes": "write"}
    for after in (0.0, math.nan):
        changed: dict[str, Any] = {name: after}
        rates = cgroup_rates(V2, replace(LATER, **changed), 1.0)
        assert math.isnan(getattr(rates, told.get(name, name)))
        assert rates.memory == 95e6


def test_a_cgroup_without_a_quota_is_not_throttled_nor_is_it_not() -> None:
    free = CgroupCounters(cpu_ns=1e9, periods=0, throttled=0, throttled_ns=0)
    rates = cgroup_rates(free, replace(free, cpu_ns=2e9), 1.0)
    assert rates.cpu == 1.0 and math.isnan(rates.throttled) and math.isnan(rates.throttled_time) and math.isnan(rates.cpu_share)


def test_one_with_a_quota_that_did_nothing_was_not_throttled() -> None:
    assert cgroup_rates(V2, V2, 1.0).throttled == 0.0
    fresh = replace(V2, periods=0, throttled=0, throttled_ns=0)
    assert cgroup_rates(fresh, fresh, 1.0).throttled == 0.0


def test_version_1_has_no_pressure_and_is_read_the_same() -> None:
    rates = cgroup_rates(replace(V2, pressure={}), replace(LATER, pressure={}), 2.0)
    assert (rates.throttled, rates.cpu, rates.pressure) == (0.75, 0.2, {})


def test_cgroups_side_by_side_are_summed_and_have_no_limit() -> None:
    one = CgroupRates(cpu=0.1, cpu_limit=1.0, memory=10.0, pids=2, read=0.0, write=5.0, oom_kills=0, pressure={"io": (0.1, 0.0)})
    both = together([one, replace(one, cpu=0.2, pressure={"io": (0.3, math.nan)}, age=2.0)])
    assert (round(both.cpu, 6), both.memory, both.pids, both.write, both.age) == (0.3, 20.0, 4, 10.0, 2.0)
    assert math.isnan(both.cpu_limit) and both.pressure["io"] == (0.3, 0.0)
    assert together([one]) is one


def reading(seq: int, cgroups: dict[str, CgroupCounters], info: HostInfo | None = None) -> Reading:
    made = build([Proc(1, "init")], tick=seq, wall=1_700_003_600.0 + seq, cgroups=cgroups).reading
    return made if info is None else replace(made, info=info)


def at(cpu: float) -> CgroupCounters:
    return CgroupCounters(cpu_ns=cpu * 1e9, memory=1.0)


def test_one_that_is_read_in_turns_keeps_its_rates_with_their_age() -> None:
    watch = CgroupWatch()
    for seq in range(7):
        watch.note(reading(seq, {f"/{seq % 3}": at(seq / 2)}))
    rates = {path: watch.rates(path) for path in ("/0", "/1", "/2")}
    assert [(rate.cpu, rate.age) for rate in rates.values() if rate is not None] == [(0.5, 0.0), (0.5, 2.0), (0.5, 1.0)]
    assert watch.rates("/3") is None


def test_a_jump_or_another_boot_begins_anew() -> None:
    watch = CgroupWatch()
    watch.note(reading(0, {"/a": at(0)}))
    watch.note(reading(1, {"/a": at(1)}))
    rates = watch.rates("/a")
    assert rates is not None and rates.cpu == 1.0
    for later in (reading(500, {"/a": at(2)}), reading(3, {"/a": at(0.5)})):
        watch.note(later)
        rates = watch.rates("/a")
        assert rates is not None and math.isnan(rates.cpu) and rates.memory == 1.0
    there = reading(4, {"/a": at(9)})
    watch.note(replace(there, info=replace(there.info, boot_id="another")))
    rates = watch.rates("/a")
    assert rates is not None and math.isnan(rates.cpu)


def test_the_same_reading_twice_is_one() -> None:
    watch = CgroupWatch()
    first, second = reading(0, {"/a": at(0)}), reading(1, {"/a": at(1)})
    for one in (first, second, second):
        watch.note(one)
    rates = watch.rates("/a")
    assert rates is not None and rates.cpu == 1.0


def test_removed_cgroups_are_forgotten() -> None:
    watch = CgroupWatch()
    watch.note(reading(0, {f"/{k}": at(0) for k in range(300)}))
    for seq in range(1, 70):
        watch.note(reading(seq, {"/0": at(seq)}))
    assert watch.rates("/1") is None
    rates = watch.rates("/0")
    assert rates is not None and rates.cpu == 1.0


def test_examples() -> None:
    assert [doctest.testmod(module).failed for module in (cgroups, records)] == [0, 0]
