"""From procfs to eBPF and back while somebody looks on: nobody's numbers jump, no process is lost, and nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from conftest import Require
from crowds import crowd
from proctop.features import derive
from proctop.fields import COUNTER, COUNTERS, FEATURE, Kind
from proctop.frames import Batch
from proctop.kernel.bpf.feed import Feed, Unavailable
from proctop.kernel.host import Host
from proctop.records import Exit, Floats, ProcKey, Reading
from proctop.sources.feeds import Found, Processes, look
from proctop.sources.live import LiveSource

GROWING = [row for row, counter in enumerate(COUNTERS) if counter.kind is Kind.COUNTER]


@pytest.fixture
def source(require: Require) -> Iterator[LiveSource]:
    """A source that reads procfs, where there could be more."""
    feed = Feed.open(Host.this(), faults=False)
    require("ebpf", next(iter(feed.why.values())) if isinstance(feed, Unavailable) else "")
    assert isinstance(feed, Feed)
    feed.close()
    source = LiveSource(Host.this())
    yield source
    source.close()


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def settled(source: LiveSource, pids: list[int], *, resting: bool = False) -> Reading:
    """A reading in which their command lines are known, and all of them sleep if that is what they are to do."""
    for _ in range(5000):
        reading = read(source)
        rows = np.flatnonzero(np.isin(reading.pid, pids))
        sleeping = (reading.counters[COUNTER["state"], rows] == ord("S")).all() or not resting
        if rows.size == len(pids) and sleeping and all(reading.labels[row].command for row in rows.tolist()):
            return reading
        os.sched_yield()
    pytest.fail("command lines are not told")


def going_over(source: LiveSource) -> Iterator[Reading]:
    """Readings until, and with, the first one by eBPF."""
    source.look_for(partial(look, Host.this(), faults=False, memory=False))
    for _ in range(5000):
        reading = read(source)
        yield reading
        if reading.source == "bpf":
            return
        os.sched_yield()
    pytest.fail("nothing was gone over to")


def keys_of(reading: Reading) -> list[ProcKey]:
    return [reading.key(row) for row in range(len(reading))]


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def of(reading: Reading, pids: list[int]) -> Floats:
    """What grows of them, float64[m, len(pids)]."""
    rows = {pid: row for row, pid in enumerate(reading.pid.tolist())}
    return reading.counters[np.ix_(GROWING, [rows[pid] for pid in pids])]


def moved(before: Reading, after: Reading, pids: list[int]) -> list[tuple[int, str, float, float]]:
    """Who of them did anything: pid, counter, what it was and is. The kernel may lengthen the wait of one that sleeps."""
    then, now = of(before, pids), of(after, pids)
    places = np.argwhere((then != now) & ~np.isnan(then) & ~np.isnan(now)).tolist()
    found = [(pids[at], COUNTERS[GROWING[row]].name, float(then[row, at]), float(now[row, at])) for row, at in places]
    return [one for one in found if one[1] != "wait_ns"]


def check_rows(readings: list[Reading], pids: list[int]) -> None:
    """Survivors keep their key and order, births come last; ``pids`` keep their labels."""
    for before, after in pairwise(readings):
        then, now = keys_of(before), keys_of(after)
        stayed = [key for key in then if key in set(now)]
        assert now[: len(stayed)] == stayed and len(set(now)) == len(now)
        was, still = dict(zip(then, before.labels, strict=True)), dict(zip(now, after.labels, strict=True))
        assert all(still[key] is was[key] for key in stayed if key.pid in pids)


def test_what_rests_does_not_move_at_the_change(source: LiveSource, tmp_path: Path) -> None:
    """Some of them have threads that ended, of which procfs tells no run time: those were the first to jump."""
    with crowd("rest", 40, str(tmp_path)) as parent:
        pids = children(parent.pid)
        readings = [settled(source, pids, resting=True), read(source), *going_over(source), read(source), read(source)]
        first = next(place for place, reading in enumerate(readings) if reading.source == "bpf")
        assert readings[first].changed is None and readings[first + 1].changed is not None
        check_rows(readings, pids)
        batch = None
        for before, after in zip([None, *readings], readings, strict=False):
            batch = derive(before, after, batch)
            if before is None:
                continue
            assert moved(before, after, pids) == []
            rows = np.isin(after.pid, pids)
            assert (batch.values[FEATURE["cpu"], rows] == 0).all() and not batch.active[rows].any()
        assert not readings[first].notes


def test_nothing_that_works_falls_or_leaps_at_the_change(source: LiveSource, tmp_path: Path) -> None:
    tick = 1e9 / os.sysconf("SC_CLK_TCK")
    with crowd("busy", 60, str(tmp_path)) as parent:
        pids = children(parent.pid)
        readings = [settled(source, pids), *going_over(source), *(read(source) for _ in range(20))]
        check_rows(readings, pids)
        for before, after in pairwise(readings):
            rise = of(after, pids) - of(before, pids)
            assert not (rise < 0).any(), [COUNTERS[GROWING[row]].name for row in np.flatnonzero((rise < 0).any(axis=1))]
        change = next(after for before, after in pairwise(readings) if before.source != after.source)
        before = readings[readings.index(change) - 1]
        took = change.mono - before.mono + 0.1  # and a sweep is not a moment
        total = (of(change, pids) - of(before, pids)).sum(axis=1).tolist()
        rose = dict(zip([COUNTERS[row].name for row in GROWING], total, strict=True))
        assert rose["utime"] + rose["stime"] <= (os.cpu_count() or 1) * took * 1e9 + 2 * tick * len(pids)
        assert rose["run_ns"] <= (os.cpu_count() or 1) * took * 1e9


def test_ends_around_the_change_are_told_once(source: LiveSource) -> None:
    """Of processes that were rows, and of some that never were."""
    script = "import signal; signal.pause()"
    sleepers = [subprocess.Popen([sys.executable, "-S", "-c", script]) for _ in range(24)]
    ours = {child.pid for child in sleepers}
    exits: list[Exit] = []
    try:
        seen: set[ProcKey] = set()
        while len({key.pid for key in seen} & ours) < len(ours):
            seen |= set(keys_of(read(source)))
        left = list(sleepers)
        for reading in going_over(source):
            exits += reading.exits
            end_one(left)
        for _ in range(5000):
            end_one(left)
            reading = read(source)
            exits += reading.exits
            if {one.key.pid for one in exits} >= ours:
                break
            os.sched_yield()
    finally:
        for child in sleepers:
            child.kill()
            child.wait()
    told = Counter(one.key for one in exits if one.key.pid in ours)
    assert set(told) == {key for key in seen if key.pid in ours} and set(told.values()) == {1}
    assert not [key for key, count in Counter(one.key for one in exits).items() if count > 1]


def end_one(left: list[subprocess.Popen[bytes]]) -> None:
    if left:
        child = left.pop()
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_brief_lives_are_counted_from_the_change_on(source: LiveSource) -> None:
    count = 100
    with crowd("brief", count, go=True) as parent:
        for _ in going_over(source):
            pass
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        own: list[tuple[Exit, Floats]] = []
        for _ in range(5000):
            reading = read(source)
            assert reading.exits or reading.ended is None
            if reading.ended is not None:
                assert reading.ended.shape == (len(COUNTERS), len(reading.exits)) and not reading.ended.flags.writeable
                own += [(end, reading.ended[:, place]) for place, end in enumerate(reading.exits) if end.ppid == parent.pid]
            if len(own) >= count:
                break
            os.sched_yield()
        assert len({end.key for end, _ in own}) == len(own) == count and {end.code for end, _ in own} == {7}
        run = [row for row, counter in enumerate(COUNTERS) if counter.name in ("run_ns", "minflt")]
        assert all((totals[run] > 0).all() for _, totals in own)
        assert min(reading.host.births, reading.host.exits) >= count and reading.host.execs >= 0


def table_of(source: LiveSource) -> object:
    processes = source._processes
    assert isinstance(processes, Processes)
    return processes._table


@contextlib.contextmanager
def by_bpf() -> Iterator[tuple[LiveSource, Feed]]:
    feed = Feed.open(Host.this(), faults=False)
    assert isinstance(feed, Feed)
    source = LiveSource(Host.this(), found=Found(feed))
    try:
        yield source, feed
    finally:
        source.close()


def test_a_feed_that_fails_for_good_is_left(source: LiveSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(**_: bool) -> None:
        raise OSError(24, "Too many open files")

    closed: list[bool] = []
    with crowd("rest", 20, str(tmp_path)) as parent:
        pids = children(parent.pid)
        readings = [settled(source, pids, resting=True), *going_over(source), read(source)]
        feed: Feed = table_of(source)._feed  # type: ignore[attr-defined]
        close: Callable[[], None] = feed.close

        def noting() -> None:
            closed.append(True)
            close()

        monkeypatch.setattr(feed, "sweep", fail)
        monkeypatch.setattr(feed, "close", noting)
        readings += [read(source) for _ in range(6)]
        assert [reading.source for reading in readings[-7:]] == [*["bpf"] * 3, *["proc"] * 4] and closed
        check_rows(readings, pids)
        back = readings[-4]
        assert back.notes[-1].startswith("eBPF no longer used: ") and "Too many open files" in back.notes[-1] and back.changed is None
        assert not [gap for gap in back.gaps if gap.field == "stat"]
        for before, after in pairwise(readings[-6:]):
            assert moved(before, after, pids) == []
        batches: list[Batch] = []
        for earlier, reading in zip([None, *readings], readings, strict=False):
            batches.append(derive(earlier, reading, batches[-1] if batches else None))
            grown = batches[-1].values[FEATURE["rss_growth"], np.isin(reading.pid, pids)]
            assert not (grown > 0).any()  # both tell it, and not the same
        assert [batch.dt != batch.dt for batch in batches[-7:]] == [False, *[True] * 3, *[False] * 3]  # what was not read is no silence


def name_of(worker: str) -> str:
    return worker.partition("-")[0].partition("+")[0]


def test_no_name_is_told_in_another_way(source: LiveSource, require: Require) -> None:
    """What procfs says of the kernel's workers is more than the name of the task."""

    def workers(reading: Reading) -> dict[ProcKey, str]:
        rows = [row for row, label in enumerate(reading.labels) if label.comm.startswith("kworker/")]
        return {reading.key(row): reading.labels[row].comm for row in rows}

    before = workers(read(source))
    require("workers of the kernel", "" if before else "none are seen here")
    with by_bpf() as (bpf, _):
        after = workers(read(bpf))
    both = before.keys() & after.keys()
    assert both and all(name_of(before[key]) == name_of(after[key]) for key in both)
    assert any(name_of(after[key]) != after[key] for key in both)
