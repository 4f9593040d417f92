"""The host against its own past: what changes is seen and explained, what does not is left alone."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from hosts import Machine, fallen, of
from proctop import digits, hostwatch
from proctop.fields import QUANTITIES, QUANTITY, Tail
from proctop.frames import HostScores
from proctop.hosttables import COLUMNS, FORMULAS, MOST, OTHERS, PRESSURES
from proctop.hostwatch import WARM_UP, HostWatch, amount, between

SETTLED = 600


def settled(seed: int = 1) -> tuple[Machine, HostWatch]:
    machine, watch = Machine(seed), HostWatch()
    machine.run(watch, SETTLED)
    return machine, watch


def alarms(scores: list[HostScores]) -> int:
    return sum(bool(one.alerting.any()) for one in scores)


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"interrupts": 40_000.0}, "in "),
        ({"wait_ms": 30.0}, "sda: "),  # twenty times the latency at the same throughput
        ({"errors": 50.0}, ": ierrs "),
        ({"used": 0.95, "reclaimed": 50_000.0, "memory_some": 0.4}, "memory"),
        ({"switches": 90_000.0}, "cs "),
        ({"packets": 0.0}, "low: 0/s"),
    ],
    ids=["interrupt storm", "slow disk", "packet errors", "memory pressure", "switches", "silence"],
)
def test_a_change_without_a_culprit_is_an_alarm_with_its_reason(changes: dict[str, float], first: str) -> None:
    machine, watch = settled()
    scores = machine.run(watch, 15, **changes)
    assert scores[-1].alerting.any()
    assert scores[-1].per_hour <= watch.budget
    assert any(first in reason.text for reason in scores[-1].why), [reason.text for reason in scores[-1].why]
    assert all(", usual " in reason.text and reason.against == "own" for reason in scores[-1].why)
    assert 1 <= len(scores[-1].why) <= 3
    for ends in (scores[-1].low, scores[-1].high):  # as a recording holds them
        assert np.array_equal(digits.rounded(ends), ends, equal_nan=True) and (ends > 0).any()


def test_a_host_that_goes_on_as_ever_is_left_alone() -> None:
    """Two hours, so that its calm makes every odd reading rare."""
    machine, watch = Machine(), HostWatch()
    assert alarms(machine.run(watch, 7200)) == 0


def test_a_new_way_of_life_is_adopted_and_a_short_burst_is_remembered() -> None:
    machine, watch = settled()
    scores = machine.run(watch, 900, interrupts=40_000.0)
    assert alarms(scores[:60]) and not alarms(scores[-60:])
    machine, watch = settled()
    peaks = []
    for _ in range(4):
        peaks.append(max(one.score for one in machine.run(watch, 8, switches=60_000.0)))
        machine.run(watch, 120)
    assert peaks == sorted(peaks, reverse=True) and peaks[-1] < peaks[0] - 0.5


def test_what_the_user_accepts_is_no_alarm_any_more() -> None:
    machine, watch = settled()
    assert machine.run(watch, 15, interrupts=40_000.0)[-1].alerting.any()
    watch.accept()
    assert not machine.run(watch, 30, interrupts=40_000.0)[-1].alerting.any()


def test_nothing_is_judged_while_warming_and_a_gap_tells_nothing() -> None:
    machine, watch = Machine(), HostWatch()
    early = machine.run(watch, WARM_UP)[-1]
    assert early.warming < 1 and np.isnan(early.rank).all() and np.isnan(early.score) and not early.alerting.any()
    late = machine.run(watch, 5)[-1]
    assert late.warming == 1 and of(late, "cs")["rank"] >= 0
    _, gap = machine.step(watch, machine.read(100.0))
    assert np.isnan(gap.rank).all() and not gap.alerting.any()
    assert of(machine.run(watch, 1)[0], "cs")["rank"] >= 0


def test_a_counter_that_falls_is_missing_and_no_alarm() -> None:
    machine, watch = settled()
    reading = machine.read()
    _, scores = machine.step(watch, fallen(reading))
    assert np.isnan(of(scores, "ipkts_rate", entity="eth0")["values"]) and np.isnan(of(scores, "ipkts_rate", entity="eth0")["rank"])
    assert not scores.alerting.any()


def test_disks_and_interfaces_come_and_go_and_are_known_again() -> None:
    machine, watch = settled()
    usual = of(machine.run(watch, 1)[0], "ipkts_rate", entity="eth0")["high"]
    machine.nets = ("lo",)
    gone = machine.run(watch, 5)[-1]
    assert not any(name.entity == "eth0" for name in gone.names) and not gone.alerting.any()
    machine.nets = ("lo", "eth0", "wlan0")
    machine.run(watch, 2)
    back = machine.run(watch, 8)[-1]
    assert of(back, "ipkts_rate", entity="eth0")["high"] == pytest.approx(usual, rel=0.2)
    assert np.isnan(of(back, "ipkts_rate", entity="wlan0")["rank"])
    assert not back.alerting.any()


def test_of_many_interfaces_the_rest_is_one() -> None:
    machine, watch = Machine(nets=(*(f"eth{k}" for k in range(MOST + 4)), "veth1", "veth2")), HostWatch()
    scores = machine.run(watch, 3)[-1]
    entities = list(dict.fromkeys(name.entity for name in scores.names if name.group == "netstat"))
    assert entities == [*(f"eth{k}" for k in range(MOST)), OTHERS]
    each = of(scores, "ipkts_rate", entity="eth0")["values"]
    assert of(scores, "ipkts_rate", entity=OTHERS)["values"] == pytest.approx(6 * each, rel=0.01)


def test_what_is_usual_is_what_was() -> None:
    machine, watch = settled()
    scores = machine.run(watch, 1)[0]
    for name, typical in (("interface_in", 2000), ("cs", 3000), ("cpu_busy", 20), ("tps", 80), ("avg_wait_time", 1.5), ("cpu_some", 0.02)):
        said = of(scores, name, entity="sda" if name in ("tps", "avg_wait_time") else "")
        assert said["low"] <= typical <= said["high"] and said["high"] < 3 * typical, name
    assert of(scores, "ierrs_rate", entity="eth0")["high"] == 0


def test_more_quantities_than_there_is_room_for_forget_those_that_left() -> None:
    machine, watch = Machine(), HostWatch()
    for k in range(40):
        machine.nets = tuple(f"n{k}-{i}" for i in range(MOST))
        scores = machine.run(watch, 2)[-1]
    assert sum(name.group == "netstat" for name in scores.names) == MOST * 11


def test_every_quantity_that_is_measured_is_in_the_registry() -> None:
    machine, watch = Machine(), HostWatch()
    scores = machine.run(watch, 2)[-1]
    assert {(name.group, name.name) for name in scores.names} == set(QUANTITY)
    made = {(kind, name) for kind, columns in COLUMNS.items() for name in (*columns, *FORMULAS[kind])} | {
        ("psi", name) for name in PRESSURES
    }
    assert made == set(QUANTITY) and len(QUANTITY) == len(QUANTITIES)
    assert all(not (q.alerts and q.tail is Tail.NONE) for q in QUANTITIES)


def test_values_are_told_in_their_units() -> None:
    keys = (("vmstat", "us"), ("vmstat", "avm"), ("iostat", "avg_wait_time"), ("psi", "io_some"), ("vmstat", "cs"))
    assert [amount(QUANTITY[key], 41.25) for key in keys] == ["41 %", "41 KB", "41 ms", "4125 %", "41/s"]
    assert between(QUANTITY["iostat", "avg_wait_time"], 0.3, 2.0) == "0.3–2 ms"
    assert between(QUANTITY["iostat", "avg_wait_time"], 200.0, 2000.0) == "0.2–2 s"


def test_the_examples_hold() -> None:
    assert doctest.testmod(hostwatch).failed == 0


def test_the_same_readings_give_the_same_scores() -> None:
    (machine, watch), (other, second) = settled(7), settled(7)
    one, two = machine.run(watch, 1)[0], other.run(second, 1)[0]
    assert all(np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True) for name in ("values", "low", "high", "rank"))
