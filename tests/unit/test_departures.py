"""Who ended, for some seconds more: crowds, parents that live on, what they did, and for how long they are remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from proctop.departures import FADE, MOST, Departures
from proctop.fields import COUNTER, COUNTERS, FEATURE
from proctop.frames import Departed
from proctop.records import Exit, Floats, Label, ProcKey, Reading
from traffic import MS, Host

BASH = 50


def host() -> Host:
    out = Host()
    out.born(BASH, "bash")
    out.born(60, "work", run_ns=500 * MS, utime=500 * MS, threads=3.0)
    return out


def gone(pid: int, comm: str, ppid: int = BASH, code: int | None = 0, start: int = 0) -> Exit:
    return Exit(ProcKey(pid, start), ppid, Label(comm), code)


def told(reading: Reading, exits: Sequence[Exit], totals: Sequence[dict[str, float]] | None = None) -> Reading:
    """``reading`` with ``exits``; starts of 0 stand for a tenth of a second ago."""
    young = int((reading.boot - 0.1) * reading.info.ticks)
    keyed = tuple(replace(end, key=ProcKey(end.key.pid, end.key.start or young)) for end in exits)
    table: Floats | None = None
    if totals is not None:
        table = np.full((len(COUNTERS), len(exits)), np.nan)
        for k, total in enumerate(totals):
            for name, value in total.items():
                table[COUNTER[name], k] = value
    return replace(reading, exits=keyed, ended=table)


def shown(departed: Departed | None) -> list[tuple[int, str, int]]:
    assert departed is not None
    return [(int(p), label.comm, int(c)) for p, label, c in zip(departed.ppid, departed.labels, departed.count, strict=True)]


def test_one_row_for_all_of_one_name_below_one_parent() -> None:
    there, steps = host(), Departures()
    first = there.read()
    assert steps.step(None, first) is None
    exits = [gone(100, "sh", code=1), gone(101, "cc"), gone(102, "sh", code=-9), gone(103, "sh", 60)]
    departed = steps.step(first, told(there.read(), exits))
    assert shown(departed) == [(BASH, "cc", 1), (BASH, "sh", 2), (60, "sh", 1)]
    assert departed is not None
    assert departed.pid.tolist() == [101, 102, 103] and departed.code.tolist() == [0, -9, 0]
    assert departed.brief.all() and (departed.ago == 0).all() and np.isnan(departed.values).all() and np.isnan(departed.rank).all()


def test_the_children_of_brief_parents_stand_below_the_one_that_lives_on() -> None:
    there, steps = host(), Departures()
    first = there.read()
    exits = [
        end for k in range(0, 300, 3) for end in (gone(1002 + k, "ld", 1001 + k), gone(1001 + k, "cc", 1000 + k), gone(1000 + k, "sh"))
    ]
    assert shown(steps.step(first, told(there.read(), exits))) == [(BASH, "cc", 100), (BASH, "ld", 100), (BASH, "sh", 100)]


def test_a_parent_that_ends_later_takes_its_children_along() -> None:
    there, steps = host(), Departures()
    there.born(70, "make", ppid=float(BASH))
    before = there.read()
    now = told(there.read(), [gone(1000, "cc", 70)])
    assert shown(steps.step(before, now)) == [(70, "cc", 1)]
    there.gone(70)
    later = told(there.read(), [gone(1001, "cc", 70), Exit(before.key(2), BASH, Label("make"), 0)])
    departed = steps.step(now, later)
    assert shown(departed) == [(BASH, "cc", 2), (BASH, "make", 1)]
    assert departed is not None and departed.brief.tolist() == [True, False]


def test_circles_of_parents_end_somewhere() -> None:
    there, steps = host(), Departures()
    first = there.read()
    exits = [gone(100, "a", 101), gone(101, "a", 100), gone(102, "a", 102)]
    assert sum(count for *_, count in shown(steps.step(first, told(there.read(), exits)))) == 3


def test_what_they_did_together_is_by_their_totals_over_the_interval() -> None:
    there, steps = host(), Departures()
    first = there.read()
    exits = [gone(100, "sh"), gone(101, "sh"), Exit(first.key(1), BASH, Label("work"), 0), gone(102, "ls")]
    there.gone(60)
    spent = {"run_ns": 100 * MS, "utime": 90 * MS, "stime": 10 * MS, "minflt": 40.0, "syscr": 3.0, "syscw": 1.0}
    last = {"run_ns": 900 * MS, "utime": 900 * MS, "stime": 0.0, "minflt": 10.0}
    departed = steps.step(first, told(there.read(2.0), exits, [spent, spent, last, {}]))
    assert shown(departed) == [(BASH, "ls", 1), (BASH, "sh", 2), (BASH, "work", 1)]
    assert departed is not None
    value = {name: departed.values[FEATURE[name]] for name in ("cpu", "minflt", "syscalls", "rss", "threads", "idle_s")}
    assert value["cpu"][1:] == pytest.approx([0.1, 0.2])  # of one that was a row: since the reading before
    assert value["minflt"][1:] == pytest.approx([40.0, 5.0]) and value["syscalls"][1] == pytest.approx(4.0)
    assert np.isnan([*value["rss"], *value["threads"], *value["idle_s"]]).all()
    assert np.isnan(departed.values[:, 0]).all()


def test_they_fade_and_keep_what_they_did_last() -> None:
    there, steps = host(), Departures()
    prev = there.read()
    now = told(there.read(), [gone(100, "sh", code=2)], [{"run_ns": 50 * MS}])
    assert shown(steps.step(prev, now)) == [(BASH, "sh", 1)]
    for age in range(1, int(FADE)):
        prev, now = now, there.read()
        departed = steps.step(prev, now)
        assert departed is not None and departed.ago.tolist() == [age]
        assert departed.values[FEATURE["cpu"], 0] == pytest.approx(0.05) and departed.code.tolist() == [2]
    assert steps.step(now, there.read()) is None


def test_the_number_is_of_all_that_are_remembered_and_the_values_of_the_last_interval() -> None:
    there, steps = host(), Departures()
    prev = there.read()
    for turn in range(10):
        exits = [gone(1000 + 10 * turn + k, "sh", code=turn) for k in range(3)]
        now = told(there.read(), exits, [{"run_ns": 10 * MS}] * 3)
        departed = steps.step(prev, now)
        prev = now
        assert shown(departed) == [(BASH, "sh", 3 * min(turn + 1, int(FADE)))]
        assert departed is not None and departed.values[FEATURE["cpu"], 0] == pytest.approx(0.03)
        assert departed.code.tolist() == [turn] and departed.pid.tolist() == [1002 + 10 * turn]


def test_the_newest_and_largest_are_kept_where_there_are_too_many() -> None:
    there, steps = host(), Departures()
    prev = there.read()
    old = told(there.read(), [gone(10_000 + k, f"old{k}") for k in range(50)])
    steps.step(prev, old)
    exits = [gone(20_000 + k, f"new{k}") for k in range(MOST)] + [gone(30_000, "many"), gone(30_001, "many")]
    departed = steps.step(old, told(there.read(), exits))
    assert departed is not None and len(departed) == MOST
    names = {label.comm for label in departed.labels}
    assert "many" in names and not any(name.startswith("old") for name in names)


def test_another_boot_or_a_clock_that_went_back_forgets_them() -> None:
    there, steps = host(), Departures()
    prev = there.read()
    now = told(there.read(), [gone(100, "sh")])
    assert steps.step(prev, now) is not None
    assert steps.step(now, replace(there.read(), info=replace(now.info, boot_id="other"))) is None
    assert steps.step(prev, now) is not None
    assert steps.step(now, replace(there.read(), mono=prev.mono)) is None


def test_one_told_of_late_was_a_row_and_what_it_did_is_not_known() -> None:
    there, steps = host(), Departures()
    steps.step(None, there.read())
    there.gone(60)
    prev = there.read()
    late = Exit(ProcKey(60, round((there.time - 5000) * 100)), BASH, Label("work"), -15)
    departed = steps.step(prev, told(there.read(), [late], [{"run_ns": 9e12}]))
    assert departed is not None and departed.brief.tolist() == [False] and np.isnan(departed.values).all()


def test_a_first_reading_may_tell_of_exits() -> None:
    there = host()
    departed = Departures().step(None, told(there.read(), [gone(100, "sh", code=None)], [{"run_ns": 1.0}]))
    assert departed is not None and np.isnan(departed.code).all() and np.isnan(departed.values).all()
