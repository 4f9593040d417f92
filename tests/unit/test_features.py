"""Rates and levels from two readings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from proctop.features import derive
from proctop.fields import COUNTER, FEATURE, FEATURES, Kind
from proctop.records import Batch, Reading
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
