"""Starts of containers, by the processes that were seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

from frames import INFO, Proc, build
from proctop.frames import Frame
from proctop.records import Container
from proctop.restarts import MOST, Restarts

BOX = Container("a" * 64, "docker", name="web")
AGAIN = replace(BOX, id="b" * 64)
OTHER = Container("c" * 64, "docker", name="db")
BOOT = 1_700_000_000.0


def look(at: float, *members: tuple[Container | None, float]) -> Frame:
    """At so many seconds after boot, processes in containers that began at others."""
    procs = [Proc(k + 10, "p", start=int(began * INFO.ticks), container=box) for k, (box, began) in enumerate(members)]
    return build(procs, tick=int(at), wall=BOOT + at)


def seen(frames: Sequence[Frame]) -> Restarts:
    restarts = Restarts()
    for frame in frames:
        restarts.note(frame)
    return restarts


def test_what_goes_on_is_no_restart() -> None:
    frames = [look(10, (BOX, 1)), look(20, (BOX, 1), (BOX, 15)), look(30, (BOX, 15)), look(40, (BOX, 15), (BOX, 39))]
    assert seen(frames).of(BOX, 40) == 0


def test_all_processes_replaced_is_one_whatever_the_order_of_looks() -> None:
    frames = [look(10, (BOX, 1)), look(20, (BOX, 15), (OTHER, 2)), look(30, (BOX, 15)), look(40, (BOX, 38), (None, 3))]
    for order in permutations(frames):
        assert [seen(order).of(box, 40) for box in (BOX, OTHER)] == [2, 0]


def test_another_container_of_the_name_is_one_unless_both_run() -> None:
    assert seen([look(10, (BOX, 1)), look(20, (AGAIN, 15))]).of(AGAIN, 20) == 1
    assert seen([look(10, (BOX, 1)), look(20, (BOX, 1), (AGAIN, 15))]).of(AGAIN, 20) == 0
    elsewhere = replace(AGAIN, runtime="podman")
    assert seen([look(10, (BOX, 1)), look(20, (elsewhere, 15))]).of(elsewhere, 20) == 0


def test_a_name_that_comes_late_counts_what_came_before_it() -> None:
    nameless, again = replace(BOX, name=""), replace(AGAIN, name="")
    frames = [look(10, (nameless, 1)), look(11, (BOX, 1)), look(20, (again, 15)), look(21, (AGAIN, 15))]
    assert seen(frames).of(AGAIN, 21) == 1
    assert seen(frames[:3]).of(again, 20) == 0


def test_at_a_moment_of_the_past_only_what_had_begun_counts() -> None:
    restarts = seen([look(10, (BOX, 1)), look(20, (BOX, 15)), look(30, (BOX, 25))])
    assert [restarts.of(BOX, boot) for boot in (10, 20, 30)] == [0, 1, 2]


def test_another_boot_knows_nothing_of_this_one() -> None:
    restarts = seen([look(10, (BOX, 1))])
    later = look(20, (BOX, 15))
    restarts.note(replace(later, reading=replace(later.reading, info=replace(INFO, boot_id="another"))))
    assert restarts.of(BOX, 20) == 0


def test_a_loop_of_crashes_is_counted_so_far_and_keeps_no_more() -> None:
    restarts = seen([look(k * 2 + 1, (BOX, k * 2 + 0.5)) for k in range(MOST + 20)])
    assert restarts.of(BOX, 1e9) == MOST - 1


def test_containers_that_went_are_forgotten_in_the_end() -> None:
    restarts = Restarts()
    for k in range(5000):
        restarts.note(look(k + 1, (Container(f"{k:064x}", "docker", name=f"job-{k}"), k + 0.5)))
    assert len(restarts._lives) == len(restarts._names) == len(restarts._ids) == 4096


def test_one_that_ended_is_told_of_for_a_while() -> None:
    frames = [look(10, (BOX, 1), (OTHER, 2)), look(40, (OTHER, 2))]
    restarts = seen(frames)
    assert restarts.gone([OTHER], 40) == [(BOX, 30.0)]
    assert restarts.gone([OTHER], 9) == [] and restarts.gone([OTHER], 1000) == []
    assert restarts.gone([BOX, OTHER], 40) == [] and restarts.gone([AGAIN, OTHER], 40) == []
    restarts.note(look(50, (OTHER, 2), (AGAIN, 45)))
    restarts.note(look(55, (OTHER, 2)))
    assert restarts.gone([OTHER], 55) == [(AGAIN, 5.0)]


def test_labels_that_did_not_change_say_that_it_went_on() -> None:
    first = look(10, (BOX, 1))
    later = look(90, (BOX, 1))
    restarts = seen([first, replace(later, batch=replace(later.batch, labels=first.batch.labels)), look(91)])
    assert restarts.gone([], 91) == [(BOX, 1.0)]
