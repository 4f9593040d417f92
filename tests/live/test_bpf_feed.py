"""The eBPF feed on the real kernel: agreement with ``/proc``, threads, short lives, and the bad days that one machine can stage."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import Require
from crowds import crowd
from proctop.fields import COUNTER
from proctop.kernel import procfs
from proctop.kernel.bpf import perf
from proctop.kernel.bpf.events import SIZE, Events
from proctop.kernel.bpf.feed import EVENTS, Feed, Tasks, Unavailable
from proctop.kernel.bpf.layout import EXTRA
from proctop.kernel.host import Host

SAME = ("minflt", "majflt", "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "vctx", "nvctx")


@pytest.fixture
def feed(require: Require) -> Iterator[Feed]:
    feed = Feed.open(Host.this())
    require("ebpf", next(iter(feed.why.values())) if isinstance(feed, Unavailable) else "; ".join(feed.refused.values()))
    assert isinstance(feed, Feed)
    yield feed
    feed.close()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def settled(pids: list[int]) -> list[int]:
    """``pids``, once every thread of each of them sleeps."""
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            while procfs.stat(Path(f"/proc/{pid}/task/{tid}/stat").read_bytes())[1] != ord("S"):
                os.sched_yield()
    return pids


def of(tasks: Tasks, pid: int) -> dict[str, float]:
    """The counters of one process, and its start."""
    row = tasks.pid.tolist().index(pid)
    return {name: float(tasks.counters[place, row]) for name, place in COUNTER.items()} | {"start": float(tasks.start[row])}


def proc(pid: int) -> dict[str, float]:
    """The same from ``/proc``; context switches summed over threads."""
    tick = 1e9 / os.sysconf("SC_CLK_TCK")
    _, state, numbers = procfs.stat(Path(f"/proc/{pid}/stat").read_bytes())
    out: dict[str, float] = {
        "state": state,
        "start": numbers[procfs.START],
        "ppid": numbers[procfs.PPID],
        "priority": numbers[procfs.PRIORITY],
        "nice": numbers[procfs.NICE],
        "minflt": numbers[procfs.MINFLT],
        "majflt": numbers[procfs.MAJFLT],
        "threads": numbers[procfs.THREADS],
        "vsize": numbers[procfs.VSIZE],
        "cpu": (numbers[procfs.UTIME] + numbers[procfs.STIME]) * tick,
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
    }
    names = ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes")
    out |= dict(zip(names, procfs.io(Path(f"/proc/{pid}/io").read_bytes()), strict=True))
    statuses = []
    for tid in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            statuses.append(procfs.status(Path(f"/proc/{pid}/task/{tid}/status").read_bytes()))
    out |= {"rss": statuses[0][1], "data": statuses[0][2]}
    out |= {"vctx": sum(one[3] for one in statuses), "nvctx": sum(one[4] for one in statuses)}
    return out


def rss_slack() -> float:
    """Bytes by which the kernel's quick sum of three page counters may be off (lib/percpu_counter.c: percpu_counter_batch)."""
    cpus = os.cpu_count() or 1
    return 3 * cpus * max(32, 2 * cpus) * os.sysconf("SC_PAGE_SIZE")


def test_200_processes_at_rest_agree_with_proc(feed: Feed, tmp_path: Path) -> None:
    feed.sweep()
    with crowd("rest", 200, str(tmp_path)) as parent:
        pids = settled(children(parent.pid))
        assert len(pids) == 200
        for full in (False, True):
            tasks = feed.sweep(full)
            tick = 1e9 / os.sysconf("SC_CLK_TCK")
            for pid in pids:
                ours, theirs = of(tasks, pid), proc(pid)
                exact = {"state", "start", "ppid", "priority", "nice", "threads", "vsize", "fds", "data", *SAME}
                if pid in pids[::10]:
                    exact -= {"vctx", "nvctx"}  # of ended threads /proc tells nothing
                    assert ours["vctx"] > theirs["vctx"]
                assert {name: ours[name] for name in exact} == {name: theirs[name] for name in exact}
                assert theirs["cpu"] <= ours["utime"] + ours["stime"] < theirs["cpu"] + 2 * tick
                assert ours["run_ns"] == ours["utime"] + ours["stime"] > 1e6
                assert abs(ours["rss"] - theirs["rss"]) <= rss_slack()
                assert ours["minflt"] > 192 and ours["wchar"] >= 45_000
            assert any(of(tasks, pid)["wait_ns"] > 0 for pid in pids)  # on an idle host most never wait


def test_200_processes_under_load_agree_with_proc(feed: Feed, tmp_path: Path) -> None:
    """What was seen last of each lies between two looks at ``/proc``: one that a sweep leaves out has done nothing since."""
    grows = ("minflt", "majflt", "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes")
    tick = 1e9 / os.sysconf("SC_CLK_TCK")
    feed.sweep()
    with crowd("busy", 200, str(tmp_path)) as parent:
        pids = children(parent.pid)
        tasks = feed.sweep(full=True)
        seen = {pid: of(tasks, pid) for pid in pids}
        for _ in range(4):
            before = {pid: proc(pid) for pid in pids}
            tasks = feed.sweep()
            after = {pid: proc(pid) for pid in pids}
            walked = set(tasks.pid.tolist())
            seen |= {pid: of(tasks, pid) for pid in pids if pid in walked}
            for place, pid in enumerate(pids):
                ours = seen[pid]
                if place % 10:
                    for name in (*grows, "vctx", "nvctx"):
                        assert before[pid][name] <= ours[name] <= after[pid][name], name
                assert before[pid]["cpu"] - 2 * tick <= ours["run_ns"] <= after[pid]["cpu"] + 2 * tick
                assert ours["threads"] in ((1,) if place % 10 else (5, 6))
                assert ours["start"] == before[pid]["start"]


def test_sums_over_threads_that_come_and_go_never_fall(feed: Feed, tmp_path: Path) -> None:
    rows = [COUNTER[name] for name in ("run_ns", "wait_ns", *SAME)]
    with crowd("busy", 20, str(tmp_path)) as parent:
        pids = children(parent.pid)[::10]
        seen: dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        for _ in range(60):
            tasks = feed.sweep()
            for pid in pids:
                if pid in tasks.pid:
                    now = tasks.counters[rows, tasks.pid.tolist().index(pid)]
                    assert (now >= seen.get(pid, now)).all()
                    seen[pid] = now
        top = {pid: proc(pid) for pid in pids}
        for pid in pids:
            assert seen[pid][2] <= top[pid]["minflt"] and seen[pid][5] <= top[pid]["wchar"]


def test_who_slept_is_left_out_until_its_turn_comes(feed: Feed, tmp_path: Path) -> None:
    with crowd("rest", 64, str(tmp_path)) as parent:
        pids = set(settled(children(parent.pid)))
        assert pids <= set(feed.sweep().pid.tolist())
        feed.sweep()
        seen: list[int] = []
        for _ in range(32):
            tasks = feed.sweep()
            ours = [pid for pid in tasks.pid.tolist() if pid in pids]
            due = {pid for pid in pids if tasks.asked(np.array([pid]))[0]}
            assert due <= set(ours)
            seen += ours
        assert set(seen) == pids and len(seen) < 16 * len(pids)


def test_one_that_ran_through_a_sweep_and_then_slept_is_told_in_full(feed: Feed) -> None:
    """It got its cpu before the reader did, and does not get one again: by its priority nobody interrupts it."""
    script = """
import os, select, sys
print(flush=True)
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except OSError:
    pass
while not select.select([0], [], [], 0)[0]:
    pass
sys.stdin.readline()
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        subprocess.run(["sleep", "0.1"], check=True)  # who reads gets a cpu later than the other one
        assert child.pid in feed.sweep().pid
        child.stdin.write("\n")
        child.stdin.flush()
        settled([child.pid])
        ours, theirs = of(feed.sweep(), child.pid), proc(child.pid)
        assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}
        assert chr(int(ours["state"])) == "S"
        child.stdin.close()


def test_what_a_thread_spent_that_ended_while_the_others_slept(feed: Feed) -> None:
    script = """
import signal, sys, threading, time
def work():
    sys.stdin.readline()
    while time.thread_time() < 0.03:
        pass
threading.Thread(target=work).start()
print(flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdin is not None and child.stdout is not None
            assert child.stdout.readline()
            settled([child.pid])
            subprocess.run(["sleep", "0.05"], check=True)
            before = of(feed.sweep(), child.pid)
            assert before["threads"] == 2
            child.stdin.write("\n")
            child.stdin.flush()
            while len(os.listdir(f"/proc/{child.pid}/task")) > 1:
                os.sched_yield()
            after = of(feed.sweep(), child.pid)
            assert after["threads"] == 1 and after["run_ns"] - before["run_ns"] >= 0.025e9
        finally:
            child.kill()


def test_thousands_of_threads(feed: Feed) -> None:
    with crowd("threads", 3000) as parent:
        settled([parent.pid])
        ours, theirs = of(feed.sweep(), parent.pid), proc(parent.pid)
        assert ours["threads"] == theirs["threads"] == 3001
        assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}


def gather(feed: Feed, parent: int, count: int) -> list[Events]:
    """Events until so many children of ``parent`` have ended (the kernel lets go of each a moment later, or on a busy host not yet)."""
    told, seen = [], 0
    for _ in range(5_000):
        told.append(feed.events())
        seen += int((told[-1].exits.ppid == parent).sum())
        if seen >= count:
            return told
        os.sched_yield()
        feed.sweep()
    overdue = feed.overdue(Host.this().clock().boot)
    return told if overdue is None else [*told, overdue]


def test_every_one_of_400_processes_a_second_is_counted(feed: Feed) -> None:
    count = 800
    with crowd("brief", count, go=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        feed.events()
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        told = gather(feed, parent.pid, count)
        assert sum(events.lost for events in told) == 0
        born = [pid for events in told for pid in events.births.pid[events.births.ppid == parent.pid].tolist()]
        keys = []
        for events in told:
            own = events.exits.ppid == parent.pid
            keys += list(zip(events.exits.pid[own].tolist(), events.exits.start[own].tolist(), strict=True))
            assert (events.code[own] == 7).all()
            assert (events.counters[COUNTER["minflt"], own] > 0).all() and (events.counters[COUNTER["run_ns"], own] > 0).all()
            assert (events.counters[COUNTER["vctx"], own] > 0).all()
        assert len(set(keys)) == len(keys) == len(born) == count
        assert {pid for pid, _ in keys} == set(born)


def test_a_program_tells_its_start_its_end_and_what_it_took(feed: Feed) -> None:
    feed.events()
    script = "x = bytearray(40_000_000); open('/dev/null', 'wb').write(bytes(12345)); import os; os.kill(os.getpid(), 15)"
    with subprocess.Popen([sys.executable, "-S", "-c", script]) as child:
        child.wait()
    told = gather(feed, os.getpid(), 1)
    execs = [(events.execs.pid.tolist().index(child.pid), events) for events in told if child.pid in events.execs.pid]
    place, events = execs[0]
    assert events.args[place].startswith(f"{sys.executable}\0-S\0-c\0x = bytearray".encode())
    assert events.execs.ppid[place] == os.getpid() and events.execs.uid[place] == os.geteuid()
    place, events = next((events.exits.pid.tolist().index(child.pid), events) for events in told if child.pid in events.exits.pid)
    assert events.code[place] == -15
    assert events.counters[COUNTER["wchar"], place] >= 12345
    assert events.counters[COUNTER["minflt"], place] >= 40_000_000 / os.sysconf("SC_PAGE_SIZE") / 512
    assert events.peak[place] >= 40_000_000


def test_a_zombie_is_no_exit_yet(feed: Feed) -> None:
    feed.events()
    child = os.fork()
    if not child:
        os._exit(3)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert child not in feed.events().exits.pid
    assert chr(int(of(feed.sweep(), child)["state"])) == "Z"
    os.waitpid(child, 0)
    told = gather(feed, os.getpid(), 1)
    assert told[-1].exits.pid.tolist().count(child) == 1 and 3 in told[-1].code


def test_what_finds_no_room_is_counted(feed: Feed) -> None:
    feed.events()
    ring = feed._ring
    assert ring is not None
    ring._taken -= np.uint64(SIZE - 512)  # as if nothing had been read for that long: there is room for two
    for _ in range(3):
        subprocess.run(["true"], check=True)
    ring._taken += np.uint64(SIZE - 512)
    events = feed.events()
    assert events.lost >= 3 and len(events.births) + len(events.execs) <= 2
    assert feed.events().lost == 0
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert child in feed.events().births.pid


def test_processes_alive_are_counted(feed: Feed) -> None:
    with crowd("threads", 10):
        tasks = feed.sweep(full=True)
        assert tasks.alive == len(tasks) and tasks.threads >= tasks.alive + 10


def test_every_program_runs_here(feed: Feed) -> None:
    assert feed.refused == {} and len(EVENTS) == 4


MEGA = 1 << 20
WORK = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
print(flush=True)
sys.stdin.readline()
for _ in range(10):
    pages = mmap.mmap(-1, 5 << 20)
    for place in range(0, 5 << 20, mmap.PAGESIZE):
        pages[place] = 1
    pages.close()
libc.sbrk(ctypes.c_long(3 << 20))
libc.sbrk(ctypes.c_long(-(2 << 20)))
with open("/dev/zero", "rb", buffering=0) as zero:
    zero.readinto(mmap.mmap(-1, 4 << 20))
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("machine", ["", "aarch64"])
def test_what_a_known_workload_maps_and_faults_in(machine: str, require: Require, monkeypatch: pytest.MonkeyPatch) -> None:
    """``aarch64``: software events in the place of tracepoints, which work here too."""
    if machine:
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setitem(perf._CALL, machine, perf._CALL[os.uname().machine])
    feed = Feed.open(Host.this(), memory=True)
    assert isinstance(feed, Feed) and not feed.refused
    with subprocess.Popen([sys.executable, "-S", "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        tasks = feed.sweep(full=True)
        before, first = of(tasks, child.pid), tasks.extra[:, tasks.pid.tolist().index(child.pid)]
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline()
        tasks = feed.sweep()
        rise = dict(zip(EXTRA, tasks.extra[:, tasks.pid.tolist().index(child.pid)] - first, strict=True))
        faults = of(tasks, child.pid)["minflt"] - before["minflt"] + of(tasks, child.pid)["majflt"] - before["majflt"]
        child.stdin.close()
        child.wait()
    assert 54 * MEGA <= rise["vm_mmap_bytes"] <= 54 * MEGA * 1.01
    assert 54 * MEGA <= rise["vm_munmap_bytes"] <= 54 * MEGA * 1.01
    assert 3 * MEGA <= rise["vm_brk_grow_bytes"] <= 3 * MEGA * 1.01 and rise["vm_brk_shrink_bytes"] == 2 * MEGA
    assert rise["user_faults"] >= 50 * MEGA / os.sysconf("SC_PAGE_SIZE") / 512
    assert rise["kernel_faults"] >= 1
    told = gather(feed, os.getpid(), 1)[-1]
    end = dict(zip(EXTRA, told.extra[:, told.exits.pid.tolist().index(child.pid)], strict=True))
    assert all(end[name] >= rise[name] for name in EXTRA)
    assert faults <= rise["user_faults"] + rise["kernel_faults"]
    feed.close()
