"""Ends of processes beside procfs, by exit records and process events of the real kernel, through the source and through the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from conftest import Require
from crowds import crowd
from proctop.fields import COUNTER
from proctop.kernel.host import Host
from proctop.kernel.netlink import events, exits
from proctop.records import Exit, Floats, Reading
from proctop.sources.ends import Ends
from proctop.sources.feeds import Found
from proctop.sources.live import LiveSource

HOST = Host.this()
Told = list[tuple[Exit, Floats | None]]


@pytest.fixture
def source(require: Require) -> Iterator[LiveSource]:
    refusal = exits.probe(HOST)
    require("netlink", refusal.why if refusal else "")
    source = LiveSource(HOST, found=Found(ends=Ends.open(HOST)))
    yield source
    source.close()


@pytest.fixture
def by_events(require: Require) -> Iterator[LiveSource]:
    refusal = events.probe(HOST)
    require("netlink", refusal.why if refusal else "")
    source = LiveSource(HOST, found=Found(ends=Ends(HOST, None, events.Events(HOST))))
    yield source
    source.close()


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def until(source: LiveSource, seen: Callable[[Told], bool]) -> tuple[Told, Reading]:
    told: Told = []
    for _ in range(2000):
        reading = read(source)
        told += [(end, None if reading.ended is None else reading.ended[:, at]) for at, end in enumerate(reading.exits)]
        if seen(told):
            return told, reading
        os.sched_yield()
    pytest.fail(f"only {len(told)} ends were told")


def test_every_process_of_5_ms_is_an_exit_with_code_and_totals(source: LiveSource) -> None:
    count = 300
    with crowd("brief", count, go=True) as parent:
        first = read(source)
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        told, last = until(source, lambda told: sum(end.ppid == parent.pid for end, _ in told) >= count)
        own = [(end, totals) for end, totals in told if end.ppid == parent.pid]
        assert len({end.key for end, _ in own}) == len(own) == count and {end.code for end, _ in own} == {7}
        assert {end.label.comm for end, _ in own} == {last.labels[last.pid.tolist().index(parent.pid)].comm}
        for end, totals in own:
            assert totals is not None and 0 < totals[COUNTER["run_ns"]] < 1e9 and totals[COUNTER["minflt"]] > 0
            assert totals[COUNTER["utime"]] + totals[COUNTER["stime"]] == pytest.approx(totals[COUNTER["run_ns"]], abs=2e5)
            assert first.boot - 0.1 <= end.key.start / last.info.ticks <= last.boot
        assert min(last.host.births, last.host.exits) >= count
        assert last.source == "proc" and not any("lost" in note for note in last.notes)


def test_a_row_that_ends_has_its_key_code_and_what_it_spent(source: LiveSource) -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "input(); sum(range(3_000_000)); raise SystemExit(9)"], stdin=subprocess.PIPE
    ) as child:
        before = read(source)
        at = before.pid.tolist().index(child.pid)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait()
    told, _ = until(source, lambda told: any(end.key.pid == child.pid for end, _ in told))
    end, totals = next(one for one in told if one[0].key.pid == child.pid)
    assert (end.key, end.code, end.label) == (before.key(at), 9, before.labels[at]) and totals is not None
    grew = totals - before.counters[:, at]
    assert grew[COUNTER["run_ns"]] > 1e6 and not (grew[[COUNTER["minflt"], COUNTER["vctx"], COUNTER["utime"]]] < 0).any()


def test_what_lives_on_after_a_fork_has_no_key_of_the_dead(source: LiveSource) -> None:
    read(source)
    with crowd("brief", 50, go=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        told, last = until(source, lambda told: sum(end.ppid == parent.pid for end, _ in told) >= 50)
        living = set(zip(last.pid.tolist(), last.start.tolist(), strict=True))
        assert not living & {tuple(end.key) for end, _ in told}


def test_events_alone_tell_codes_and_how_many(by_events: LiveSource) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input(); raise SystemExit(6)"], stdin=subprocess.PIPE) as child:
        begun = read(by_events)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait()
    for _ in range(3):
        subprocess.run(["/bin/true"], check=True)
    told, last = until(by_events, lambda told: any(end.key.pid == child.pid for end, _ in told))
    end, totals = next(one for one in told if one[0].key.pid == child.pid)
    assert end.code == 6 and totals is not None and np.isnan(totals).all()
    assert min(last.host.births - begun.host.births, last.host.execs - begun.host.execs, last.host.exits - begun.host.exits) >= 3


PROGRAM = [sys.executable, "-P", "-m", "proctop", "-b", "-d", "0.1", "-n", "30", "--format", "json", "--top", "1"]


def test_the_program_listens_where_only_that_is_permitted(require: Require) -> None:
    """As nobody with CAP_NET_ADMIN: no eBPF, and still every end."""
    wrapper = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=+net_admin", "--ambient-caps=+net_admin")
    tried = subprocess.run([*wrapper, sys.executable, "-P", "-c", "import proctop.cli"], capture_output=True, text=True, cwd="/")
    require("netlink", f"{' '.join(wrapper)}: {tried.stderr.strip()}" if tried.returncode else "")
    brief = subprocess.Popen(["/bin/sh", "-c", "while :; do (exit 23); done"], start_new_session=True)
    try:
        done = subprocess.run([*wrapper, *PROGRAM], capture_output=True, text=True, timeout=120, cwd="/")
    finally:
        brief.kill()
        brief.wait()
    assert (done.returncode, done.stderr) == (0, "")
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert {frame["source"] for frame in frames} == {"proc"}
    assert {frame["notes"][-1] for frame in frames} == {"eBPF not used: needs root, or CAP_BPF and CAP_PERFMON"}
    assert sum(end.get("code") == 23 and end["ppid"] == brief.pid for frame in frames for end in frame["exits"]) > 10
