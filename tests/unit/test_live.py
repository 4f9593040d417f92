"""The live source over fixture trees: what carries over, what is read again, and every race."""

from __future__ import annotations

import errno
import gc
import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from proctop.fields import BPF, COUNTER, COUNTERS, PROC
from proctop.kernel.host import Denied, Host, NotProcfs, Unreadable, Vanished
from proctop.kernel.subject import Subject
from proctop.kernel.words import MOST_STUCK, PATIENCE, Command, Words
from proctop.records import Container, ProcKey, Reading
from proctop.sources import Wants
from proctop.sources.live import LiveSource
from proctree import FlakyHost, Proc, ProcTree, TreeHost, flaky

ID = "c" * 64


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def row(reading: Reading, pid: int) -> int:
    return int(reading.pid.tolist().index(pid))


def value(reading: Reading, pid: int, name: str) -> float:
    return float(reading.counters[COUNTER[name], row(reading, pid)])


def settled(source: LiveSource, host: Host) -> Reading:
    """Readings until every command line asked for is in."""
    reading = read(source)
    for _ in range(5):
        reading = read(source)
    return reading


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path)


def test_every_counter_in_its_unit(tree: ProcTree) -> None:
    io = {"rchar": 1, "wchar": 2, "syscr": 3, "syscw": 4, "read_bytes": 5, "write_bytes": 6}
    tree.write("sys/kernel/task_delayacct", "1\n")
    tree.add(
        Proc(
            7,
            start=55,
            ppid=1,
            state="D",
            utime=3,
            stime=4,
            minflt=8,
            majflt=9,
            vsize=1 << 30,
            rss=10,
            blkio=6,
            vctx=11,
            nvctx=12,
            io=io,
            fds=5,
        )
    )
    source = LiveSource(tree.host())
    reading = read(source)
    found = {counter.name: value(reading, 7, counter.name) for counter in COUNTERS if PROC in counter.feeds}
    assert np.isnan([value(reading, 7, counter.name) for counter in COUNTERS if counter.feeds == (BPF,)]).all()
    source.close()
    assert reading.key(row(reading, 7)) == ProcKey(7, 55)
    assert found == {
        "ppid": 1,
        "state": ord("D"),
        "priority": 20,
        "nice": 0,
        "utime": 3e7,
        "stime": 4e7,
        "cutime": 0,
        "minflt": 8,
        "majflt": 9,
        "threads": 1,
        "processor": 0,
        "vsize": 1 << 30,
        "rss": 40960,
        "blkio_delay": 6e7,
        "data": 65536,
        "vctx": 11,
        "nvctx": 12,
        **io,
        "fds": 5,
        "run_ns": 0,  # less than the grain
        "wait_ns": 0,
    }


def test_host_and_clocks(tree: ProcTree) -> None:
    source = LiveSource(tree.host(), interval=2.0)
    tree.clock.advance(3.0)
    reading = source.read(late=0.5)
    source.close()
    assert reading is not None
    assert (reading.wall, reading.mono, reading.boot) == tree.clock()
    assert (reading.interval, reading.late, reading.seq, reading.source) == (2.0, 0.5, 0, "proc")
    assert (reading.info.hostname, reading.info.kernel, reading.info.cpus, reading.info.memory) == ("fixture", "6.1.0", 1, 1024000)
    assert reading.host.load == (0.5, 0.4, 0.3)


def test_labels(tree: ProcTree) -> None:
    tree.add(Proc(7, comm=b"re\x1bdis", cmdline=b"redis\0-p\x001\0", uid=1000, cgroup=f"0::/docker/{ID}\n".encode()))
    tree.add(Proc(8, comm=b"kworker/0:1", flags=0x200000, cmdline=b""))
    tree.add(Proc(9, uid=4242, cmdline=b"x" * 100_000))
    host = tree.host()
    source = LiveSource(host)
    reading = settled(source, host)
    redis, kworker, huge = (reading.labels[row(reading, pid)] for pid in (7, 8, 9))
    source.close()
    assert (redis.comm, redis.command, redis.user, redis.uid) == ("re\N{REPLACEMENT CHARACTER}dis", "redis -p 1", "ann", 1000)
    assert redis.container == Container(ID, "docker")
    assert (kworker.kernel, kworker.command) == (True, "")
    assert huge.user == "4242"
    assert len(huge.command) == 4096
    assert not any(path.endswith("8/cmdline") for path in host.reads)


def test_idle_processes_are_not_read_and_carry_over(tree: ProcTree) -> None:
    procs = [Proc(pid, start=pid) for pid in range(100, 164)]
    for proc in procs:
        tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    first = settled(source, host)
    host.reads.clear()
    tree.ran(procs[7], utime=50, io={"rchar": 9})
    second = read(source)
    source.close()
    read_pids = {int(path.split("/")[-2]) for path in host.reads if path.endswith("/stat") and path.split("/")[-2].isdigit()}
    assert 107 in read_pids
    assert len(read_pids) <= 3
    assert value(second, 107, "utime") == 50e7
    assert value(second, 107, "run_ns") == 1_000_000
    assert second.changed is not None
    assert second.changed.tolist() == [row(second, 107)]
    others = np.arange(len(second)) != row(second, 107)
    np.testing.assert_array_equal(second.counters[:, others], first.counters[:, others])
    assert value(first, 107, "utime") == 0
    assert all(a is b for a, b in zip(first.labels, second.labels, strict=True))


def test_the_rotating_sweep_comes_around(tree: ProcTree) -> None:
    proc = Proc(7)
    tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    proc.rss = 999  # reclaimed by others: the process did not run
    proc.cgroup = b"0::/moved\n"
    tree.update(proc)
    for _ in range(4):
        reading = read(source)
    source.close()
    assert value(reading, 7, "rss") == 999 * 4096
    assert reading.labels[row(reading, 7)].cgroup == "/moved"


def test_threads_other_than_the_main_one_are_noticed(tree: ProcTree) -> None:
    procs = [Proc(pid) for pid in range(100, 400)]
    many = Proc(50, threads=4)
    for proc in (*procs, many):
        tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    many.io = {"wchar": 5}  # no tick of cpu, nothing in the main thread's schedstat
    tree.update(many)
    reading = read(source)
    assert value(reading, 50, "wchar") == 5
    host.reads.clear()
    after = read(source)
    source.close()
    assert row(after, 50) not in (after.changed if after.changed is not None else [])
    assert not any(path.endswith("/50/status") for path in host.reads)


def test_births_and_exits(tree: ProcTree) -> None:
    tree.add(Proc(5, ppid=1))
    tree.add(Proc(9))
    source = LiveSource(tree.host())
    read(source)
    tree.remove(5)
    tree.add(Proc(30))
    tree.add(Proc(4))
    reading = read(source)
    source.close()
    assert reading.pid.tolist() == [1, 9, 4, 30]
    assert [(gone.key, gone.ppid, gone.label.comm) for gone in reading.exits] == [(ProcKey(5, 100), 1, "worker")]
    assert reading.changed is not None
    assert {2, 3} <= set(reading.changed.tolist())


def test_births_that_no_count_shows_are_found_by_the_fifth_reading(tree: ProcTree) -> None:
    source = LiveSource(tree.host())
    read(source)
    tree.add(Proc(30), forked=False)
    found = [30 in read(source).pid for _ in range(5)]
    source.close()
    assert found[-1]


def births_by_window(tree: ProcTree) -> tuple[TreeHost, LiveSource]:
    """A source that has just listed and seen two readings since, so that the next births need no listing."""
    for pid in range(101, 201):
        tree.add(Proc(pid))
    host = tree.host()
    source = LiveSource(host)
    for _ in range(3):
        read(source)
    host.reads.clear()
    return host, source


def test_few_births_are_found_by_the_pids_given_out_since(tree: ProcTree) -> None:
    host, source = births_by_window(tree)
    tree.add(Proc(201))
    tree.write("202/status", Proc(201).status())  # a further thread of 201
    tree.add(Proc(205))
    reading = read(source)
    source.close()
    assert reading.pid.tolist()[-3:] == [200, 201, 205]
    assert str(tree.proc) not in host.reads


def test_a_pid_given_out_before_its_process_shows(tree: ProcTree) -> None:
    host, source = births_by_window(tree)
    tree.last_pid = 201
    tree.add(Proc(202))
    first = read(source)
    tree.last_pid = 202
    tree.update(Proc(201))
    tree.tick(forks=1)
    second = read(source)
    source.close()
    assert (first.pid.tolist()[-2:], second.pid.tolist()[-2:]) == ([200, 202], [202, 201])
    assert str(tree.proc) not in host.reads


def test_pids_that_start_over_are_listed(tree: ProcTree) -> None:
    host, source = births_by_window(tree)
    tree.add(Proc(9))
    reading = read(source)
    source.close()
    assert reading.pid.tolist()[-2:] == [200, 9]
    assert str(tree.proc) in host.reads


@pytest.mark.parametrize("schedstat", [True, False])
@pytest.mark.parametrize("limit", [1 << 16, 0])
def test_a_reused_pid_is_another_process(tmp_path: Path, limit: int, schedstat: bool) -> None:
    tree = ProcTree(tmp_path, schedstat=schedstat)
    tree.add(Proc(7, start=100, utime=500))
    source = LiveSource(tree.host(limit=limit))
    read(source)
    tree.remove(7)
    tree.add(Proc(7, start=900, comm=b"other", run_ns=77))
    reading = read(source)
    after = read(source)
    source.close()
    assert [gone.key for gone in reading.exits] == [ProcKey(7, 100)]
    for one in (reading, after):
        assert one.key(row(one, 7)) == ProcKey(7, 900)
        assert one.labels[row(one, 7)].comm == "other"
        assert value(one, 7, "utime") == 0


@pytest.mark.parametrize("changes", [{"comm": b"new"}, {"start_code": 777}])
def test_exec_is_noticed(tree: ProcTree, changes: dict[str, bytes | int]) -> None:
    proc = Proc(7)
    tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    tree.ran(proc, cmdline=b"new\0", uid=1000, cgroup=b"0::/new\n", **changes)
    reading = settled(source, host)
    label = reading.labels[row(reading, 7)]
    source.close()
    assert (label.command, label.user, label.cgroup) == ("new", "ann", "/new")
    assert reading.key(row(reading, 7)) == ProcKey(7, 100)


def test_an_overwritten_command_line_shows_in_its_turn(tree: ProcTree) -> None:
    proc = Proc(7)
    tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    tree.ran(proc, cmdline=b"postgres: idle\0")
    reading = settled(source, host)
    source.close()
    assert reading.labels[row(reading, 7)].command == "postgres: idle"


def test_a_zombie_keeps_its_words(tree: ProcTree) -> None:
    proc = Proc(7, cmdline=b"run\0me\0")
    tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    tree.ran(proc, cmdline=b"", state="Z", start_code=0)
    reading = settled(source, host)
    source.close()
    assert value(reading, 7, "state") == ord("Z")
    assert reading.labels[row(reading, 7)].command == "run me"


def test_denied_is_missing_with_a_reason_and_not_asked_every_time(tree: ProcTree) -> None:
    procs = [Proc(pid) for pid in range(100, 200)]
    for proc in procs:
        tree.add(proc)
    host = tree.host()
    host.denied.update({"/150/io", "/150/fd"})
    source = LiveSource(host)
    read(source)
    asked = []
    for _ in range(10):
        host.reads.clear()
        tree.ran(procs[50], utime=procs[50].utime + 1)
        reading = read(source)
        asked.append(any(path.endswith("/150/io") for path in host.reads))
    source.close()
    assert np.isnan([value(reading, 150, name) for name in ("rchar", "write_bytes", "fds")]).all()
    assert value(reading, 150, "utime") == 10e7
    gaps = {gap.field: gap for gap in reading.gaps}
    assert gaps["io"].count == gaps["fd"].count == 1
    assert "needs root" in gaps["io"].reason
    assert sum(asked) <= 1


def test_delay_accounting_off_is_missing_not_zero(tree: ProcTree) -> None:
    source = LiveSource(tree.host())
    reading = read(source)
    source.close()
    assert np.isnan(reading.counters[COUNTER["blkio_delay"]]).all()
    assert any(gap.field == "blkio_delay" and "task_delayacct" in gap.reason for gap in reading.gaps)


def test_without_schedstat_everything_is_read_each_time(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path, schedstat=False)
    proc = Proc(7)
    tree.add(proc)
    source = LiveSource(tree.host())
    read(source)
    proc.rss = 5
    tree.update(proc)
    reading = read(source)
    source.close()
    assert value(reading, 7, "rss") == 5 * 4096
    assert np.isnan(value(reading, 7, "run_ns"))
    assert any(gap.field == "schedstat" for gap in reading.gaps)


def test_more_processes_than_descriptors(tree: ProcTree) -> None:
    procs = [Proc(pid, start=pid) for pid in range(100, 140)]
    for proc in procs:
        tree.add(proc)
    source = LiveSource(tree.host(limit=16))
    read(source)
    tree.ran(procs[2], utime=1)
    tree.ran(procs[39], utime=2)
    tree.remove(105)
    tree.remove(138)
    reading = read(source)
    source.close()
    assert (value(reading, 102, "utime"), value(reading, 139, "utime")) == (1e7, 2e7)
    assert {gone.key.pid for gone in reading.exits} == {105, 138}
    assert len(reading) == 39


def test_descriptors_that_come_free_are_used(tree: ProcTree) -> None:
    for pid in range(100, 104):
        tree.add(Proc(pid, start=pid))
    host = tree.host(limit=4)  # one for the files of those that run often, three for the gate
    source = LiveSource(host)
    read(source)
    for pid in (100, 101, 102):
        tree.remove(pid)
    for _ in range(4):
        read(source)
    host.reads.clear()
    reading = read(source)
    source.close()
    assert reading.pid.tolist() == [1, 103]
    assert not any(path.endswith("/schedstat") for path in host.reads)


def test_hidden_by_hidepid(tree: ProcTree) -> None:
    tree.add(Proc(7))
    tree.remove(1)
    tree.write("self/mountinfo", f"22 27 0:21 / {tree.proc} rw,relatime - proc proc rw,hidepid=invisible\n")
    source = LiveSource(tree.host())
    reading = read(source)
    source.close()
    assert any(gap.field == "processes" and "hidepid=invisible" in gap.reason for gap in reading.gaps)


def test_stat_denied_by_hidepid_1_is_counted(tree: ProcTree) -> None:
    tree.add(Proc(7))
    host = tree.host()
    host.denied.add("/7/stat")
    source = LiveSource(host)
    for _ in range(3):
        reading = read(source)
    source.close()
    assert reading.pid.tolist() == [1]
    assert [gap.count for gap in reading.gaps if gap.field == "processes"] == [1]


@pytest.mark.parametrize("text", [None, "root:x:0:0:root\n", ""])
def test_a_tree_that_is_no_procfs(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "stat").write_text(text)
    with pytest.raises(NotProcfs, match="--procfs DIR") as caught:
        LiveSource(replace(Host.this(), proc=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_tree_that_goes_away_is_told_and_not_taken_for_the_end_of_all_processes(tree: ProcTree) -> None:
    tree.add(Proc(7))
    source = LiveSource(tree.host())
    assert len(read(source))
    (tree.proc / "stat").unlink()  # its held descriptor still reads, as after a lazy umount
    with pytest.raises(NotProcfs, match="--procfs DIR"):
        source.read()
    source.close()


def test_garbage_in_one_process_costs_one_row(tree: ProcTree) -> None:
    for pid in (5, 6, 7):
        tree.add(Proc(pid))
    tree.write("6/stat", b"6 (x S\xff 1\n")
    source = LiveSource(tree.host())
    reading = read(source)
    source.close()
    assert reading.pid.tolist() == [1, 5, 7]
    assert any(gap.field == "stat" and "6/stat" in gap.reason for gap in reading.gaps)


@pytest.mark.parametrize("nth", range(1, 24))
@pytest.mark.parametrize(
    ("how", "code"), [(Vanished, errno.ESRCH), (Denied, errno.EACCES), (Unreadable, errno.EMFILE)], ids=["vanished", "denied", "full"]
)
def test_a_read_that_fails_at_any_point_leaves_a_sound_reading(tree: ProcTree, nth: int, how: type[Unreadable], code: int) -> None:
    procs = [Proc(pid, start=pid, threads=1 + pid % 2) for pid in (10, 11, 12)]
    for proc in procs:
        tree.add(proc)
    host: FlakyHost = flaky(tree)
    source = LiveSource(host)
    before = read(source)
    for proc in procs:
        tree.ran(proc, utime=7)
    tree.add(Proc(13, start=13, utime=7))
    host.arm(nth, how, code)
    during = read(source)
    host.arm(0, how, code)
    tree.tick(forks=1)
    after = read(source)
    source.close()
    for pid in {10, 11, 12} & set(after.pid.tolist()):
        assert value(after, pid, "utime") == 7e7
    for one in (before, during, after):
        assert len(one.labels) == len(one) == one.start.size == one.counters.shape[1]
        assert len(set(one.pid.tolist())) == len(one)
        assert not np.isnan(one.counters[COUNTER["utime"]]).any()
    assert set(during.pid.tolist()) | {gone.key.pid for gone in during.exits} >= {10, 11, 12}
    stale = sum(value(during, pid, "utime") != 7e7 for pid in {10, 11, 12} & set(during.pid.tolist()))
    assert stale + len(during.exits) <= 1
    if how is Unreadable:
        assert during.exits == ()
    else:
        assert stale == 0
    if how is not Denied:
        assert set(after.pid.tolist()) == {1, 10, 11, 12, 13}


def test_a_listing_that_fails_is_made_up_for(tree: ProcTree) -> None:
    tree.add(Proc(7))
    host = Unlisted(str(tree.proc), str(tree.sys), tree.clock, 100, 4096, 1000)
    source = LiveSource(host)
    read(source)
    tree.add(Proc(5))
    host.blind.append(True)
    during = read(source)
    host.blind.clear()
    after = read(source)
    source.close()
    assert during.pid.tolist() == [1, 7]
    assert any("Too many open files" in gap.reason for gap in during.gaps)
    assert after.pid.tolist() == [1, 7, 5]


@dataclass(frozen=True)
class Unlisted(TreeHost):
    """Cannot list the procfs root while ``blind``."""

    blind: list[bool] = field(default_factory=list)

    def names(self, path: str) -> list[str]:
        if self.blind and path == self.proc:
            raise Unreadable(path, errno.EMFILE)
        return super().names(path)


@dataclass(frozen=True)
class Ending(TreeHost):
    """Does not list process 7 any more while ``ended``; ``full``: its stat cannot be read for want of descriptors."""

    ended: list[bool] = field(default_factory=list)
    full: list[bool] = field(default_factory=list)

    def names(self, path: str) -> list[str]:
        return [name for name in super().names(path) if not (self.ended and name == "7")]

    def read(self, path: str, limit: int = 4096) -> bytes:
        if self.full and path.endswith("/7/stat"):
            raise Unreadable(path, errno.EMFILE)
        return super().read(path, limit)


@pytest.mark.parametrize("full", [False, True])
def test_one_that_ends_between_its_files_and_the_listing_leaves_nothing(tree: ProcTree, full: bool) -> None:
    proc = Proc(7)
    for one in (proc, Proc(8), Proc(9)):
        tree.add(one)
    host = Ending(str(tree.proc), str(tree.sys), tree.clock, 100, 4096, 1000)
    source = LiveSource(host)
    settled(source, host)
    tree.ran(proc, utime=70)
    tree.add(Proc(10))
    host.ended.append(True)
    if full:
        host.full.append(True)
    while 7 in (reading := read(source)).pid:
        tree.ran(proc, utime=80)
    shutil.rmtree(tree.proc / "7")
    pids = [read(source).pid.tolist() for _ in range(2)]
    gc.collect()
    left = [one.pid for one in gc.get_objects() if type(one) is Subject]
    source.close()
    assert [gone.key.pid for gone in reading.exits] == [7]
    assert pids == [[1, 8, 9, 10]] * 2
    assert 7 not in left


def test_published_arrays_are_read_only_and_kept(tree: ProcTree) -> None:
    proc = Proc(7)
    tree.add(proc)
    source = LiveSource(tree.host())
    readings = [read(source)]
    copies = [readings[0].counters.copy()]
    for n in range(4):
        tree.ran(proc, utime=n)
        tree.add(Proc(100 + n))
        readings.append(read(source))
        copies.append(readings[-1].counters.copy())
    source.close()
    for reading, copy in zip(readings, copies, strict=True):
        for array in (reading.pid, reading.start, reading.counters):
            assert not array.flags.writeable
        np.testing.assert_array_equal(reading.counters, copy)


class Names:
    """Says what a test puts in."""

    def __init__(self) -> None:
        self.version = 0
        self.known: dict[str, str] = {}

    def enrich(self, c: Container) -> Container:
        return replace(c, name=self.known.get(c.id, ""))

    def notes(self) -> tuple[str, ...]:
        return ("docker: stale",)


def test_container_names_come_and_change(tree: ProcTree) -> None:
    for pid in (7, 8):
        tree.add(Proc(pid, cgroup=f"0::/docker/{ID}\n".encode()))
    names = Names()
    source = LiveSource(tree.host(), names=names)
    titles = []
    for known, version in ((None, 0), ("web", 1), ("web", 1), ("renamed", 2)):
        if known:
            names.known[ID] = known
        names.version = version
        reading = read(source)
        container = reading.labels[row(reading, 7)].container
        assert container is not None
        assert container is reading.labels[row(reading, 8)].container
        titles.append(container.title)
    source.close()
    assert titles == [ID[:12], "web", "web", "renamed"]
    assert "docker: stale" in reading.notes


def test_cgroups_of_containers_and_those_wanted(tree: ProcTree) -> None:
    tree.add(Proc(7, cgroup=f"0::/docker/{ID}\n".encode()))
    tree.write("self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    tree.write(f"fs/cgroup/docker/{ID}/memory.current", "5\n", below=tree.sys)
    tree.write("fs/cgroup/system.slice/memory.current", "6\n", below=tree.sys)
    source = LiveSource(tree.host())
    first = read(source)
    source.wants = Wants(cgroups=frozenset({"/system.slice", "/gone"}))
    second = read(source)
    source.close()
    assert {path: one.memory for path, one in first.cgroups.items()} == {f"/docker/{ID}": 5}
    assert {path: one.memory for path, one in second.cgroups.items()} == {f"/docker/{ID}": 5, "/system.slice": 6}


def test_threads_only_when_wanted(tree: ProcTree) -> None:
    many = Proc(50, threads=2)
    tree.add(many)
    for tid in (50, 51):
        task = replace(many, pid=tid, comm=b"t%d" % tid, utime=tid)
        tree.write(f"50/task/{tid}/stat", task.stat())
        tree.write(f"50/task/{tid}/schedstat", f"{tid}123456 1 1\n")
    source = LiveSource(tree.host())
    assert read(source).threads is None
    source.wants = Wants(threads=True)
    table = read(source).threads
    source.close()
    assert table is not None
    order = np.argsort(table.tid)
    assert table.tid[order].tolist() == [50, 51]
    assert table.pid.tolist() == [50, 50]
    assert [table.comm[i] for i in order] == ["t50", "t51"]
    assert table.counters[COUNTER["utime"], order].tolist() == [50e7, 51e7]
    assert table.counters[COUNTER["run_ns"], order].tolist() == [50_100_000, 51_100_000]


def test_closed_source_ends(tree: ProcTree) -> None:
    source = LiveSource(tree.host())
    read(source)
    source.close()
    source.close()
    assert source.read() is None


class Hanging(TreeHost):
    """Command lines of some pids do not return until let go."""

    def __init__(self, tree: ProcTree, pids: set[int]) -> None:
        super().__init__(str(tree.proc), str(tree.sys), tree.clock, 100, 4096, 1000)
        object.__setattr__(self, "pids", pids)
        object.__setattr__(self, "go", threading.Event())
        object.__setattr__(self, "entered", threading.Semaphore(0))

    pids: set[int]
    go: threading.Event
    entered: threading.Semaphore

    def read(self, path: str, limit: int = 4096) -> bytes:
        if path.endswith("/cmdline") and int(path.split("/")[-2]) in self.pids:
            self.entered.release()
            self.go.wait(30)
        return super().read(path, limit)


def test_a_command_line_that_hangs_holds_nothing_up(tree: ProcTree) -> None:
    tree.add(Proc(7))
    tree.add(Proc(8))
    host = Hanging(tree, {7})
    source = LiveSource(host)
    reading = read(source)
    assert host.entered.acquire(timeout=10)
    assert reading.labels[row(reading, 7)].command == ""
    tree.clock.advance(PATIENCE + 1)
    for _ in range(10):
        reading = read(source)
    assert reading.labels[row(reading, 8)].command == "worker --quiet"
    assert any("7" in note and "does not answer" in note for note in reading.notes)
    host.go.set()
    for _ in range(100):
        reading = read(source)
        if reading.labels[row(reading, 7)].command and not reading.notes:
            break
    source.close()
    assert reading.labels[row(reading, 7)].command == "worker --quiet"
    assert reading.notes == ()


def test_threads_left_behind_are_few(tree: ProcTree) -> None:
    pids = set(range(100, 110))
    for pid in pids:
        tree.add(Proc(pid))
    host = Hanging(tree, pids)
    words = Words(host)
    words.ask([Command(pid, 100) for pid in sorted(pids)])
    for _ in range(MOST_STUCK):
        assert host.entered.acquire(timeout=10)
        tree.clock.advance(PATIENCE + 1)
        words.take(0.0)
    assert not host.entered.acquire(timeout=0.0)
    assert words.notes() == ("command line of 100, 101, 102, 103 does not answer; no more command lines are read",)
    host.go.set()
    words.close()


def test_a_process_that_waits_uninterruptibly_is_not_asked_for_its_command_line(tree: ProcTree) -> None:
    proc = Proc(7, state="D")
    tree.add(proc)
    host = tree.host()
    source = LiveSource(host)
    settled(source, host)
    assert not any(path.endswith("/7/cmdline") for path in host.reads)
    tree.ran(proc, state="S")
    reading = settled(source, host)
    source.close()
    assert reading.labels[row(reading, 7)].command == "worker --quiet"


def test_resident_memory_is_the_exact_one_of_status(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    tree.add(Proc(7, rss=999))
    status = tmp_path / "proc" / "7" / "status"
    status.write_text(status.read_text() + "VmRSS:\t    4100 kB\n")
    source = LiveSource(tree.host())
    reading = read(source)
    source.close()
    assert value(reading, 7, "rss") == 4100 * 1024
