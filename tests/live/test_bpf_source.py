"""The eBPF feed as a source: held against ``/proc`` on the same live host, and what only it tells."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import Require
from crowds import crowd
from proctop import cli
from proctop.features import derive
from proctop.fields import COUNTER
from proctop.kernel.bpf import feed as feed_module
from proctop.kernel.bpf.events import Events
from proctop.kernel.bpf.feed import EVENTS, ROUND, Feed, Tasks, Unavailable
from proctop.kernel.bpf.layout import EXTRA, EXTRA_ROWS
from proctop.kernel.host import Host
from proctop.kernel.procfs import GRAIN
from proctop.records import Exit, Floats, Ints, ProcKey, Reading
from proctop.sources.feeds import Found, look
from proctop.sources.live import LiveSource

TIMES = ("utime", "stime", "cutime", "run_ns", "wait_ns")
Open = Callable[[], tuple[LiveSource, Feed]]


@pytest.fixture
def opened(require: Require) -> Iterator[Open]:
    """Makes a source over a feed of its own; closed at the end."""
    with contextlib.ExitStack() as stack:

        def make() -> tuple[LiveSource, Feed]:
            feed = Feed.open(Host.this(), faults=False)
            require("ebpf", next(iter(feed.why.values())) if isinstance(feed, Unavailable) else "; ".join(feed.refused.values()))
            assert isinstance(feed, Feed)
            source = LiveSource(Host.this(), found=Found(feed))
            stack.callback(source.close)
            return source, feed

        yield make


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def around_its_work(source: LiveSource, child: subprocess.Popen[str]) -> tuple[Reading, Reading]:
    """Readings before and after what ``child`` does when it is told to; it says a line when it is ready, and one when it has done it."""
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline()
    before = read(source)
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline()
    return before, read(source)


def row_of(reading: Reading, pid: int) -> int:
    return int((reading.pid == pid).nonzero()[0][0])


def rows_of(reading: Reading, pids: list[int]) -> Floats:
    """Their counters, float64[n_counters, len(pids)]."""
    rows = {pid: row for row, pid in enumerate(reading.pid.tolist())}
    return reading.counters[:, [rows[pid] for pid in pids]]


def until(source: LiveSource, seen: Callable[[list[Exit]], bool], before: list[Reading] | None = None) -> list[Exit]:
    """Exits of further readings until they are all there (the kernel lets go of a process a moment after its end)."""
    exits: list[Exit] = []
    for _ in range(2000):
        reading = read(source)
        if before is not None:
            before.append(reading)
        exits += reading.exits
        if seen(exits):
            return exits
        os.sched_yield()
    pytest.fail(f"only {len(exits)} exits were told")


def test_200_processes_under_load_agree_with_proc(opened: Open, tmp_path: Path) -> None:
    """What bpf tells lies between what ``/proc`` told before and tells after, and so do the rates."""
    proc = LiveSource(Host.this())
    bpf, _ = opened()
    tick = 1e9 / os.sysconf("SC_CLK_TCK")
    slack = 3 * (os.cpu_count() or 1) * max(32, 2 * (os.cpu_count() or 1)) * os.sysconf("SC_PAGE_SIZE")  # of the kernel's quick sum
    with crowd("busy", 200, str(tmp_path)) as parent:
        pids = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
        single = [pid for place, pid in enumerate(pids) if place % 10]
        read(proc)
        first = rows_of(read(bpf), pids)
        ours = first
        while (ours[COUNTER["minflt"]] > first[COUNTER["minflt"]]).sum() < 150:  # of 200 that work twice a second
            before, middle, after = read(proc), read(bpf), read(proc)
            low, ours, high = (rows_of(reading, pids) for reading in (before, middle, after))
            for name in ("minflt", "majflt", "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes"):
                row = COUNTER[name]
                assert (low[row] <= ours[row]).all() and (ours[row] <= high[row]).all(), name
            cpu = [COUNTER["utime"], COUNTER["stime"]]
            assert (low[cpu].sum(0) <= ours[cpu].sum(0) + tick).all() and (ours[cpu].sum(0) <= high[cpu].sum(0) + 2 * tick).all()
            for name in ("ppid", "nice", "data", "fds", "threads", "vsize"):
                row = COUNTER[name]
                still = low[row] == high[row]
                assert still.sum() > 100 and (ours[row] == low[row])[still].mean() > 0.8, name
            row = COUNTER["rss"]
            assert (np.minimum(low[row], high[row]) - slack - 64 * 4096 <= ours[row]).all()
            assert (ours[row] <= np.maximum(low[row], high[row]) + slack + 64 * 4096).all()
            low, alone, high = (rows_of(reading, single) for reading in (before, middle, after))
            for name in ("vctx", "nvctx", "run_ns", "wait_ns"):
                row = COUNTER[name]
                off = tick if name.endswith("_ns") else 0.0
                # The kernel may lengthen the wait of one that sleeps (moved to another cpu before it left its queue): told in its turn.
                assert middle.changed is not None
                late = ~np.isin([row_of(middle, pid) for pid in single], middle.changed) & (name == "wait_ns")
                assert ((low[row] <= alone[row] + off) | late).all() and (alone[row] <= high[row] + off).all(), name
            ours = rows_of(middle, pids)
            crowds = np.arange(len(pids)) % 10 == 0
            assert (ours[COUNTER["vctx"], crowds] > rows_of(before, pids)[COUNTER["vctx"], crowds]).all()  # all threads, not the main one
        labels = {
            source.name: {pid: reading.labels[row_of(reading, pid)] for pid in pids} for source, reading in ((proc, after), (bpf, middle))
        }
        assert labels["bpf"] == labels["proc"] and labels["bpf"][pids[0]].command.startswith(sys.executable)
    proc.close()


def test_a_reading_keeps_what_readings_promise(opened: Open, tmp_path: Path) -> None:
    source, _ = opened()
    last = read(source)
    assert (last.source, last.changed, last.exits) == ("bpf", None, ())
    with crowd("busy", 20, str(tmp_path)):
        for _ in range(5):
            now = read(source)
            keys, then = list(zip(now.pid, now.start, strict=True)), list(zip(last.pid, last.start, strict=True))
            stayed = [key for key in then if key in set(keys)]
            assert keys[: len(stayed)] == stayed and len(keys) == len(set(keys)) == len(now.labels)
            assert now.changed is not None and now.changed.dtype == np.intp
            was = np.array([then.index(key) for key in stayed], dtype=np.intp)
            old, new = last.counters[:, was], now.counters[:, : len(stayed)]
            differs = ((old != new) & ~(np.isnan(old) & np.isnan(new))).any(axis=0)
            differs |= np.array([last.labels[at] is not now.labels[row] for row, at in enumerate(was.tolist())], dtype=np.bool_)
            assert set(np.flatnonzero(differs).tolist()) | set(range(len(stayed), len(keys))) <= set(now.changed.tolist())
            assert now.changed.size < len(keys)
            for name in TIMES:
                assert (now.counters[COUNTER[name]] % GRAIN == 0).all()
            for array in (now.pid, now.start, now.counters, now.changed):
                assert not array.flags.writeable
            told = {gap.field for gap in now.gaps}
            for name, field in (("rchar", "io"), ("fds", "fd"), ("wait_ns", "schedstat"), ("blkio_delay", "blkio_delay")):
                assert np.isnan(now.counters[COUNTER[name]]).any() == (field in told)
            batch = derive(last, now, None)
            assert batch.values.shape[1] == len(keys)
            last = now


def test_every_process_of_5_ms_is_an_exit_with_its_code(opened: Open) -> None:
    source, _ = opened()
    read(source)
    count = 400
    with crowd("brief", count, go=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        while not (now := read(source)).labels[row_of(now, parent.pid)].command:  # read in the background
            os.sched_yield()
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        seen: list[Reading] = []
        exits = until(source, lambda exits: sum(one.ppid == parent.pid for one in exits) >= count, seen)
        own = [one for one in exits if one.ppid == parent.pid]
        assert len({one.key for one in own}) == len(own) == count
        assert {one.code for one in own} == {7}
        label = seen[-1].labels[row_of(seen[-1], parent.pid)]
        assert {one.label for one in own} == {label}  # copies of it, in its cgroup, of its user
        assert not any("lost" in note for reading in seen for note in reading.notes)


def test_a_short_program_is_told_with_its_command_line_made_harmless(opened: Open) -> None:
    source, _ = opened()
    read(source)
    with subprocess.Popen(["/bin/sh", "-c", "exit 5", "a\x1b[2Jb"]) as child:
        child.wait()
    exits = until(source, lambda exits: any(one.key.pid == child.pid for one in exits))
    end = next(one for one in exits if one.key.pid == child.pid)
    assert (end.label.comm, end.label.command, end.code, end.ppid) == ("sh", "/bin/sh -c exit 5 a�[2Jb", 5, os.getpid())
    mine = next(label for label, pid in zip(read(source).labels, read(source).pid.tolist(), strict=False) if pid == os.getpid())
    assert (end.label.user, end.label.cgroup) == (mine.user, mine.cgroup)


def test_another_program_or_name_renews_the_label_and_the_end_tells_it(opened: Open) -> None:
    source, _ = opened()
    shell = r"echo; read x; printf 'x\033[31m' > /proc/$$/comm; echo; read x; exit 9"
    script = f"import os, sys; print(flush=True); sys.stdin.readline(); os.execv('/bin/sh', ['sh', '-c', {shell!r}])"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        before = read(source)
        assert before.labels[row_of(before, child.pid)].command.startswith(sys.executable)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline()
        now = read(source)
        row = row_of(now, child.pid)
        assert now.labels[row].comm == "sh" and now.labels[row].command.startswith("sh -c echo")
        assert now.changed is not None and row in now.changed
        key = ProcKey(int(now.pid[row]), int(now.start[row]))
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline()
        now = read(source)
        assert now.labels[row_of(now, child.pid)].comm == "x�[31m"
        child.stdin.write("\n")
        child.stdin.close()
        child.wait()
    readings: list[Reading] = []
    end = next(one for one in until(source, lambda exits: any(one.key == key for one in exits), readings) if one.key == key)
    assert end.code == 9 and end.label.command.startswith("sh -c echo")
    assert all(key.pid not in reading.pid for reading in readings)  # gone at once, whenever its end is told


def test_lost_events_are_told_and_everything_is_looked_at_again(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    source, feed = opened()
    read(source)
    events, sweep = feed.events, feed.sweep
    asked = []

    def noting(full: bool = False) -> Tasks:
        asked.append(full)
        return sweep(full)

    monkeypatch.setattr(feed, "sweep", noting)

    def lossy() -> Events:
        return replace(events(), lost=3)

    monkeypatch.setattr(feed, "events", lossy)
    assert any(note.startswith("3 events of processes were lost") for note in read(source).notes)
    monkeypatch.setattr(feed, "events", events)
    assert not any("lost" in note for note in read(source).notes)
    read(source)
    assert asked == [True, False, False]


def test_a_feed_that_fails_for_once_leaves_everything_as_it_was(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    source, feed = opened()
    before = read(source)

    def fail(**_: bool) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(feed, "sweep", fail)
        now = read(source)
    assert now.pid is before.pid and now.changed is not None and not now.changed.size
    assert [gap.reason for gap in now.gaps if gap.field == "stat"] == ["the kernel's tasks could not be read: Too many open files"]
    assert not [gap for gap in read(source).gaps if gap.field == "stat"]
    source.close()
    source.close()
    assert source.read() is None


def test_where_there_is_no_feed_the_source_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(feed_module.Feed, "open", lambda *_, **__: Unavailable(dict.fromkeys(EVENTS, "no BTF here")))
    assert cli.main(["-b", "-n", "1", "--source", "bpf"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "proctop: --source bpf: no BTF here; --source proc reads without eBPF\n")


def test_the_command_line_says_where_numbers_come_from(opened: Open, capsys: pytest.CaptureFixture[str]) -> None:
    opened()
    assert cli.main(["-b", "-n", "1", "--source", "bpf"]) == 0
    assert "source bpf" in capsys.readouterr().out.splitlines()[0]


WORK = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
zero, out = os.open("/dev/zero", os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
print(flush=True)
sys.stdin.readline()
pages = mmap.mmap(-1, 40 << 20)
for place in range(0, 32 << 20, mmap.PAGESIZE):
    pages[place] = 1
with memoryview(pages) as memory:
    for place in range(32, 40):
        with memory[place << 20 : place + 1 << 20] as part:
            os.readv(zero, [part])
    for place in range(4):
        with memory[place << 20 : place + 1 << 20] as part:
            os.write(out, part)
pages.close()
libc.sbrk(ctypes.c_long(3 << 20))
libc.sbrk(ctypes.c_long(-(2 << 20)))
print(flush=True)
sys.stdin.readline()
"""
MEGA = 1 << 20


def test_what_a_known_workload_does_is_in_its_counters_and_in_its_totals(require: Require) -> None:
    found = look(Host.this(), faults=True, memory=True)
    require("ebpf", found.why or "; ".join(found.feed.refused.values() if found.feed else ()))
    source = LiveSource(Host.this(), found=found)
    names = (*EXTRA, "rchar", "wchar")
    rows = [COUNTER[name] for name in names]
    try:
        with subprocess.Popen([sys.executable, "-S", "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            before, after = around_its_work(source, child)
            now = after.counters[rows, row_of(after, child.pid)]
            rise = dict(zip(names, now - before.counters[rows, row_of(before, child.pid)], strict=True))
        assert 40 * MEGA <= rise["vm_mmap_bytes"] <= 40 * MEGA * 1.01 and 40 * MEGA <= rise["vm_munmap_bytes"] <= 40 * MEGA * 1.01
        assert 3 * MEGA <= rise["vm_brk_grow_bytes"] <= 3 * MEGA * 1.01 and rise["vm_brk_shrink_bytes"] == 2 * MEGA
        assert 8 * MEGA <= rise["rchar"] <= 8 * MEGA * 1.01 and 4 * MEGA <= rise["wchar"] <= 4 * MEGA * 1.01
        assert rise["user_faults"] >= 32 * MEGA / os.sysconf("SC_PAGE_SIZE") / 512 and rise["kernel_faults"] >= 1
        for _ in range(2000):
            reading = read(source)
            at = next((at for at, end in enumerate(reading.exits) if end.key.pid == child.pid), -1)
            if at >= 0:
                break
            os.sched_yield()
        assert reading.ended is not None and (reading.ended[rows, at] >= now).all()
    finally:
        source.close()


LEADERLESS = """
import ctypes, mmap, os, sys, threading
libc = ctypes.CDLL(None)
kept = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
libc.madvise(ctypes.byref(ctypes.c_char.from_buffer(kept)), ctypes.c_size_t(16 << 20), 15)  # MADV_NOHUGEPAGE
for place in range(0, 16 << 20, mmap.PAGESIZE):
    kept[place] = 1
def other():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rsplit(")", 1)[1].split()[0] != "Z":
        os.sched_yield()
    print(flush=True)
    sys.stdin.readline()
    os._exit(3)
threading.Thread(target=other).start()
libc.pthread_exit(None)
"""


def test_a_process_outlives_its_first_thread(opened: Open) -> None:
    """With its memory and descriptors at every sweep, and at its end with what its first thread spent."""
    source, feed = opened()
    read(source)
    with subprocess.Popen([sys.executable, "-S", "-c", LEADERLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        levels = [COUNTER[name] for name in ("rss", "fds", "threads")]
        seen = {
            tuple(reading.counters[levels, row_of(reading, child.pid)].tolist()) for reading in (read(source) for _ in range(ROUND + 2))
        }
        assert all(rss > 16 * MEGA and fds >= 3 and threads == 2 for rss, fds, threads in seen)
        child.stdin.write("\n")
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        feed.events()
        (code, totals) = next(told for (pid, _), told in feed.ends().items() if pid == child.pid)
        assert code == 3
        assert totals[COUNTER["minflt"]] >= 16 * MEGA / os.sysconf("SC_PAGE_SIZE")


OTHER_THREAD = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
for _ in range(40):
    libc.mmap(None, 1 << 20, 3, 0x22, -1, 0)
print(flush=True)
sys.stdin.readline()
program = ["sh", "-c", "echo; read x"]
threading.Thread(target=os.execv, args=("/bin/sh", program)).start()
threading.Event().wait()
"""


def test_what_was_counted_goes_on_where_another_thread_runs_a_program(require: Require) -> None:
    """It takes the place of the first one, with which the counts are kept."""
    found = look(Host.this(), faults=True, memory=True)
    require("ebpf", found.why or "; ".join(found.feed.refused.values() if found.feed else ()))
    source = LiveSource(Host.this(), found=found)
    rows = [COUNTER[name] for name in ("vm_mmap_bytes", "user_faults", "kernel_faults")]
    try:
        read(source)
        with subprocess.Popen(
            [sys.executable, "-S", "-c", OTHER_THREAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            before, after = around_its_work(source, child)
            then, now = before.counters[rows, row_of(before, child.pid)], after.counters[rows, row_of(after, child.pid)]
            assert after.labels[row_of(after, child.pid)].comm == "sh"
            assert after.start[row_of(after, child.pid)] == before.start[row_of(before, child.pid)]
        assert then[0] >= 40 * MEGA and (now >= then).all()
    finally:
        source.close()


def test_faults_and_memory_calls_that_nobody_asked_for_are_missing(opened: Open) -> None:
    source, _ = opened()
    reading = read(source)
    assert np.isnan(reading.counters[EXTRA_ROWS]).all()


def test_one_that_the_kernel_keeps_is_an_exit_all_the_same(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets go of a few only after many seconds."""
    source, feed = opened()
    read(source)
    freed: list[Ints] = []
    chronicle = feed._chronicle
    tell = chronicle.tell

    def keeping(slots: Ints, lost: int, *, nested: bool) -> Events:
        let_go = (slots[:, 1] & 0xFFFFFFFF) == 4
        freed.append(slots[let_go])
        return tell(slots[~let_go], lost, nested=nested)

    monkeypatch.setattr(chronicle, "tell", keeping)
    with subprocess.Popen(["/bin/sh", "-c", "exit 5"]) as child:
        child.wait()
    exits = until(source, lambda exits: any(one.key.pid == child.pid for one in exits))
    end = next(one for one in exits if one.key.pid == child.pid)
    assert (end.code, end.ppid, end.label.comm) == (5, os.getpid(), "sh")

    def letting_go(slots: Ints, lost: int, *, nested: bool) -> Events:
        held, freed[:] = [*freed], []
        return tell(np.concatenate([*held, slots]), lost, nested=nested)

    monkeypatch.setattr(chronicle, "tell", letting_go)
    assert not [one for _ in range(3) for one in read(source).exits if one.key == end.key]  # told once


@pytest.mark.parametrize("by", ["proc", "bpf"])
def test_what_a_blocked_process_waits_in_is_told(by: str, opened: Open, tmp_path: Path) -> None:
    """A parent between vfork and exec sleeps in state D: here until somebody writes into the pipe that its child opens before that."""
    source = opened()[0] if by == "bpf" else LiveSource(Host.this())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = (
        f"import os; os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, {str(pipe)!r}, os.O_RDONLY, 0)])"
    )
    with subprocess.Popen([sys.executable, "-S", "-c", script]) as blocked:
        try:
            for _ in range(2000):
                reading = read(source)
                rows = np.flatnonzero(reading.pid == blocked.pid)
                if rows.size and (told := reading.wchan.get(int(rows[0]))) is not None:
                    break
                os.sched_yield()
            assert chr(int(reading.counters[COUNTER["state"], rows[0]])) == "D"
        finally:
            pipe.write_text("")
    if by == "proc":
        source.close()
    assert told is not None and told.isprintable() and told not in ("", "0")


def test_descriptors_are_counted_however_many_there_are(opened: Open) -> None:
    source, _ = opened()
    script = "import os, resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))\n"
    script += "fds = [os.open('/dev/null', 0) for _ in range(5000)]\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        reading = read(source)
        assert reading.counters[COUNTER["fds"], row_of(reading, child.pid)] == len(os.listdir(f"/proc/{child.pid}/fd")) > 5000
        child.stdin.close()


def test_nobody_is_left_out(opened: Open) -> None:
    """Also where a sandbox keeps processes of its own from programs."""
    source, _ = opened()
    for _ in range(3):
        before = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        reading = read(source)
        assert not (before & {int(name) for name in os.listdir("/proc") if name.isdecimal()}) - set(reading.pid.tolist())
