"""Rates and levels from two readings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from proctop.features import brief, derive, ends, still
from proctop.fields import COUNTER, FEATURE, FEATURES, Kind
from proctop.frames import Batch
from proctop.records import Exit, Gap, Label, ProcKey, Reading
from traffic import MB, MS, Host

RATES = [i for i, f in enumerate(FEATURES) if f.kind in (Kind.RATE, Kind.GROWTH)]


def value(batch: Batch, name: str, row: int = 0) -> float:
    return float(batch.values[FEATURE[name], row])


def session(*readings: Reading) -> list[Batch]:
    batches: list[Batch] = []
    for i, reading in enumerate(readings):
        batches.append(derive(readings[i - 1] if i else None, reading, batches[-1] if i else None))
    return batches


def test_first_reading_has_levels_and_no_rates() -> None:
    host = Host()
    host.born(10, rss=3 * MB, threads=4)
    (batch,) = session(host.read())
    assert value(batch, "rss") == 3 * MB and value(batch, "threads") == 4 and value(batch, "children") == 0
    assert np.isnan(batch.values[RATES]).all() and np.isnan(value(batch, "idle_s"))
    assert np.isnan(batch.dt) and batch.prev.tolist() == [-1] and not batch.active.any() and not batch.born.any()


def test_rates_are_over_the_real_interval() -> None:
    host = Host()
    host.born(10)
    first = host.read()
    host.did(10, wchar=8192, syscw=3, syscr=1, minflt=10, write_bytes=4096, vctx=6, run_ns=500 * MS, wait_ns=100 * MS)
    batch = session(first, host.read(2.0))[-1]
    assert batch.dt == 2.0
    got = [value(batch, n) for n in ("wchar", "syscalls", "minflt", "disk_write", "vctx", "cpu", "run_wait")]
    assert got == pytest.approx([4096, 2, 5, 2048, 3, 0.25, 0.05])
    assert batch.active.tolist() == [True] and value(batch, "idle_s") == 0


def test_a_counter_that_falls_or_cannot_be_read_is_missing_and_nothing_else_is() -> None:
    host = Host()
    host.born(10, wchar=1000, rchar=500, minflt=5)
    first = host.read()
    host.now(10, wchar=10, rchar=np.nan)
    host.did(10, minflt=1)
    batch = session(first, host.read())[-1]
    assert np.isnan(value(batch, "wchar")) and np.isnan(value(batch, "rchar")) and value(batch, "minflt") == 1


def test_growth_counts_rises_only() -> None:
    host = Host()
    host.born(10, rss=8 * MB, fds=10)
    first = host.read()
    host.now(10, rss=2 * MB, fds=30)
    batch = session(first, host.read(2.0))[-1]
    assert value(batch, "rss_growth") == 0 and value(batch, "fd_growth") == 10 and value(batch, "rss") == 2 * MB


def test_a_newborn_is_measured_from_its_birth() -> None:
    host = Host()
    host.born(10)
    first = host.read()
    host.born(11, age=-0.5, minflt=100, ppid=10)  # half a second from now
    host.born(12, age=-0.95, minflt=100)
    batch = session(first, host.read())[-1]
    assert batch.born.tolist() == [False, True, True] and batch.prev.tolist() == [0, -1, -1]
    assert value(batch, "minflt", 1) == pytest.approx(200) and value(batch, "minflt", 2) == pytest.approx(500)
    assert value(batch, "forks", 0) == 1 and value(batch, "children", 0) == 1
    assert value(batch, "rss_growth", 1) == 16 * MB and value(batch, "fd_growth", 1) == 0  # born with descriptors, not with memory


def test_an_old_process_seen_for_the_first_time_has_no_rates() -> None:
    host = Host()
    host.born(10)
    first = host.read()
    host.born(11, age=60, wchar=1e9, ppid=10)
    batch = session(first, host.read())[-1]
    assert np.isnan(batch.values[RATES, 1]).all() and not batch.born[1] and value(batch, "rss", 1) == 8 * MB
    assert value(batch, "forks", 0) == 0 and value(batch, "children", 0) == 1


def test_a_reused_pid_never_yields_a_rate() -> None:
    host = Host()
    host.born(10, wchar=1)
    first = host.read()
    host.gone(10)
    host.born(10, age=100, wchar=5000)
    batch = session(first, host.read())[-1]
    assert batch.prev.tolist() == [-1] and np.isnan(value(batch, "wchar"))


def test_cpu_is_run_time_of_one_thread_and_ticks_of_many() -> None:
    host = Host()
    host.born(10)
    host.born(11, threads=3)
    host.born(12, run_ns=np.nan)
    first = host.read()
    for pid in (10, 11, 12):
        host.did(pid, run_ns=3 * MS, utime=10 * MS, stime=20 * MS)
    batch = session(first, host.read())[-1]
    assert batch.values[FEATURE["cpu"]].tolist() == pytest.approx([0.003, 0.03, 0.03])


def test_idle_time_adds_up_until_something_is_done() -> None:
    host = Host()
    host.born(10)
    readings = [host.read(dt) for dt in (1.0, 0.25, 1.0, 2.0)]  # a late reading counts as one interval
    host.did(10, vctx=1)
    readings += [host.read(), host.read()]
    assert [value(b, "idle_s") for b in session(*readings)[1:]] == [0.25, 1.25, 2.25, 0, 1]


@pytest.mark.parametrize("dt", [11.0, 0.0, -5.0])
def test_a_suspend_or_a_jump_gives_no_rates_and_the_next_interval_does(dt: float) -> None:
    host = Host()
    host.born(10)
    readings = [host.read(), host.read()]
    host.did(10, wchar=1e9, run_ns=1e9)
    readings.append(host.read(dt))
    host.did(10, wchar=100)
    readings.append(host.read())
    _, before, gap, after = session(*readings)
    assert np.isnan(gap.values[RATES]).all() and np.isnan(gap.dt) and value(gap, "rss") == 8 * MB
    assert value(gap, "idle_s") == 0 and value(before, "idle_s") == 1
    assert value(after, "wchar") == 100 and value(after, "cpu") == 0


def test_an_exec_keeps_the_identity() -> None:
    host = Host()
    host.born(10, "sh", wchar=10)
    first = host.read()
    host.exec(10, "ls")
    host.did(10, wchar=5)
    batch = session(first, host.read())[-1]
    assert batch.prev.tolist() == [0] and value(batch, "wchar") == 5 and batch.labels[0].comm == "ls"


def test_rows_that_went_away_and_came_do_not_mix() -> None:
    host = Host()
    for pid in (10, 11, 12):
        host.born(pid, wchar=pid * 1000)
    first = host.read()
    host.gone(11)
    host.born(4_194_303, age=-0.5)
    host.did(12, wchar=7)
    batch = session(first, host.read())[-1]
    assert batch.pid.tolist() == [10, 12, 4_194_303] and batch.prev.tolist() == [0, 2, -1]
    assert batch.values[FEATURE["wchar"]].tolist() == [0, 7, 0]


def test_what_is_published_cannot_be_written() -> None:
    host = Host()
    host.born(10)
    for batch in session(host.read(), host.read()):
        for array in (batch.values, batch.prev, batch.active, batch.born):
            with pytest.raises(ValueError, match="read-only"):
                array[..., 0] = 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wild", [np.inf, -np.inf, 1e308, -1e308, np.nan])
def test_absurd_counters_become_missing(wild: float) -> None:
    host = Host()
    host.born(10)
    first = host.read()
    counters = np.full_like(first.counters, wild)
    batches = session(replace(first, counters=counters), host.read(), replace(host.read(), counters=counters), host.read())
    for batch in batches:
        assert not np.isinf(batch.values).any()
        assert not (batch.values[RATES] < 0).any()


@pytest.mark.filterwarnings("error")
def test_readings_without_processes() -> None:
    empty = Host()
    host = Host()
    host.born(10)
    some, none = host.read(), empty.read()
    batches = session(none, replace(some, mono=none.mono + 1), replace(none, mono=none.mono + 2), replace(none, mono=none.mono + 3))
    assert [len(b) for b in batches] == [0, 1, 0, 0]


def test_a_hint_of_what_changed_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    hosts = Host(), Host(hints=False)
    for host in hosts:
        for pid in range(10, 30):
            host.born(pid, ppid=pid // 2, fds=5)
    said: list[list[Reading]] = [[h.read()] for h in hosts]
    for tick in range(40):
        does = [(int(p), {str(rng.choice(list(COUNTER))): float(rng.integers(1, 99))}) for p in rng.choice(20, 4) + 10]
        for host, readings in zip(hosts, said, strict=True):
            for pid, more in does:
                if tick < 20 or pid != 15:
                    host.did(pid, **more)
            if tick == 20:
                host.gone(15)
            if tick % 7 == 0:
                host.born(1000 + tick, age=-0.3, ppid=12, minflt=4)
            readings.append(host.read(20.0 if tick == 30 else 1.0))
    for with_hints, without in zip(*(session(*readings) for readings in said), strict=True):
        np.testing.assert_array_equal(with_hints.values, without.values)
        np.testing.assert_array_equal(with_hints.active, without.active)


def test_demand_is_cpu_used_and_waited_for() -> None:
    host = Host()
    host.born(10)
    host.born(11, wait_ns=np.nan)
    first = host.read()
    for pid in (10, 11):
        host.did(pid, run_ns=300 * MS, wait_ns=500 * MS)
    batch = session(first, host.read())[-1]
    assert value(batch, "demand") == pytest.approx(0.8)
    assert np.isnan(value(batch, "demand", 1)) and value(batch, "cpu", 1) == pytest.approx(0.3)


@pytest.mark.parametrize("hints", [True, False])
def test_another_source_means_other_switches_and_waits_for_one_interval(hints: bool) -> None:
    host = Host(hints=hints)
    for pid in (10, 11, 12):
        host.born(pid, threads=1.0 + (pid == 11), utime=MS)
    readings = [host.read(), host.read()]
    host.did(11, vctx=5000, nvctx=300, wait_ns=2e9, run_ns=80e9, utime=5 * MS)  # all threads now, and finer than ticks
    for pid in (10, 11, 12):
        host.now(pid, rss=9 * MB)
    host.did(12, vctx=3, run_ns=200 * MS, utime=200 * MS, wchar=4096, minflt=9)
    host.born(13, age=-0.5, vctx=4, run_ns=50 * MS)
    readings.append(replace(host.read(), source="other"))
    host.did(11, vctx=7, run_ns=MS, wait_ns=MS)
    readings.append(replace(host.read(), source="other"))
    batches = session(*readings)
    change, after = batches[2:]
    for name in ("vctx", "nvctx", "run_wait", "demand", "rss_growth"):
        assert np.isnan([value(change, name, row) for row in range(3)]).all() and value(change, name, 3) >= 0
        assert not np.isnan(after.values[FEATURE[name]]).any()
    assert change.active.tolist() == [False, False, True, True] and [value(change, "idle_s", row) for row in range(4)] == [2, 2, 0, 0]
    assert [value(change, "cpu", row) for row in range(3)] == pytest.approx([0, 0.005, 0.2])
    assert value(change, "wchar", 2) == 4096 and value(change, "minflt", 2) == 9 and value(change, "vctx", 3) == 8
    assert [value(after, "vctx", row) for row in range(4)] == [0, 7, 0, 0] and after.active.tolist() == [False, True, False, False]
    for before, reading, then, now in zip(readings, readings[1:], batches, batches[1:], strict=False):
        np.testing.assert_array_equal(still(before, reading, then.values[FEATURE["idle_s"]]), now.values[FEATURE["idle_s"]])


def test_a_reading_in_which_no_process_could_be_read_is_no_silence() -> None:
    host = Host()
    for pid in (10, 11):
        host.born(pid)
    readings = [host.read(), host.read()]
    failed = Gap("stat", 2, "the kernel's tasks could not be read: Too many open files")
    readings += [replace(host.read(), gaps=(failed,)) for _ in range(2)]
    host.did(10, run_ns=900 * MS, vctx=40, wchar=9000)
    readings.append(host.read())
    host.did(10, vctx=7)
    readings.append(replace(host.read(), gaps=(replace(failed, count=1),)))
    batches = session(*readings)
    for batch in batches[2:5]:
        assert np.isnan(batch.dt) and np.isnan([value(batch, name) for name in ("cpu", "vctx", "wchar", "rss_growth")]).all()
    assert [[value(batch, "idle_s", row) for row in (0, 1)] for batch in batches[2:5]] == [[1, 1], [1, 1], [0, 1]]
    assert [value(batches[5], "vctx", row) for row in (0, 1)] == [7, 0] and value(batches[5], "idle_s", 1) == 2
    for before, reading, then, now in zip(readings, readings[1:], batches, batches[1:], strict=False):
        np.testing.assert_array_equal(still(before, reading, then.values[FEATURE["idle_s"]]), now.values[FEATURE["idle_s"]])


def gone(reading: Reading, pid: int, age: float, ppid: int = 10) -> Exit:
    """The end of a process that was born ``age`` seconds before ``reading``."""
    return Exit(ProcKey(pid, round((reading.boot - age) * reading.info.ticks)), ppid, Label("brief"), 0)


def test_children_too_brief_to_be_seen_are_forks_of_their_parent() -> None:
    host = Host()
    host.born(10)
    host.born(11, ppid=10, age=0.4)
    host.born(12, ppid=10)
    first = host.read()
    host.gone(11, 12)
    host.born(13, ppid=10, age=-0.2)
    reading = host.read(2.0)
    seen = [Exit(first.key(row), 10, Label("work"), 0) for row in (1, 2)]  # were rows
    late = gone(reading, 20, 5.0)  # told of late
    short = [gone(reading, 1000 + k, 1.0 + k / 1000) for k in range(400)]
    batch = session(first, replace(reading, exits=(*seen, late, *short, gone(reading, 2000, 0.5, ppid=77))))[-1]
    assert batch.pid.tolist() == [10, 13] and batch.values[FEATURE["forks"]].tolist() == [401 / 2, 0]
    assert value(batch, "children") == 1


def test_what_the_ended_did_in_the_interval() -> None:
    host = Host()
    host.born(10, run_ns=100 * MS, wchar=1000, threads=2)
    first = host.read()
    host.gone(10)
    host.born(12)
    reading = host.read(2.0)
    ended = np.zeros((len(COUNTER), 3))
    ended[COUNTER["run_ns"]] = [500 * MS, 60 * MS, 9e9]
    ended[COUNTER["wait_ns"]] = [0, 20 * MS, 0]
    ended[COUNTER["wchar"]] = [5000, 400, 1e9]
    reading = replace(reading, exits=(Exit(first.key(0), 1, Label("work")), gone(reading, 20, 0.01), gone(reading, 21, 60)), ended=ended)
    assert brief(first, reading).tolist() == [False, True, False]
    did = ends(first, reading)
    assert did[FEATURE["cpu"]].tolist() == pytest.approx([0.2, 0.03, np.nan], nan_ok=True)
    assert did[FEATURE["wchar"]].tolist() == pytest.approx([2000, 200, np.nan], nan_ok=True)
    assert did[FEATURE["demand"], 1] == pytest.approx(0.04) and np.isnan(did[FEATURE["rss"]]).all()
    for nothing in (replace(reading, ended=None), replace(reading, mono=first.mono), replace(reading, mono=first.mono + 99)):
        assert np.isnan(ends(first, nothing)).all() and ends(first, nothing).shape == did.shape
    assert np.isnan(ends(first, replace(reading, source="other"))[:, 0]).all()  # what was counted before means another thing


def test_rows_may_change_places_around_a_birth() -> None:
    host = Host()
    for pid in (10, 11):
        host.born(pid)
    readings = [host.read()]
    host.did(10, vctx=5)
    readings.append(host.read())
    readings.append(host.read())
    host.born(12, age=-0.5, vctx=2)
    host.shuffle([2, 0, 1])
    readings.append(host.read())
    batch = session(*readings)[-1]
    assert batch.pid.tolist() == [12, 10, 11] and batch.prev.tolist() == [-1, 0, 1]
    assert batch.values[FEATURE["vctx"]].tolist() == [4, 0, 0] and batch.values[FEATURE["idle_s"]].tolist() == [0, 2, 3]
