"""Which feed tells of processes, over fixture trees: when another is taken, when not, and that none is left open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from proctop.fields import COUNTER
from proctop.kernel.bpf.events import Chronicle, Events
from proctop.kernel.bpf.feed import Asked, Feed, Tasks
from proctop.kernel.bpf.layout import EXTRA
from proctop.kernel.netlink.accounting import FIELDS, ROW
from proctop.kernel.netlink.events import Changes, Told
from proctop.kernel.netlink.exits import Exits, Obituaries
from proctop.records import Exit, Floats, ProcKey, Reading
from proctop.sources.ends import Ends
from proctop.sources.feeds import Found
from proctop.sources.live import LiveSource
from proctree import Proc, ProcTree, TreeHost

LONG = 10.0
NOBODY = np.zeros(0, dtype=np.int64)


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path)


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def row(reading: Reading, pid: int) -> int:
    return int(reading.pid.tolist().index(pid))


def value(reading: Reading, pid: int, name: str) -> float:
    return float(reading.counters[COUNTER[name], row(reading, pid)])


class FakeFeed:
    """Tells of ``procs`` as the kernel does: in nanoseconds, and of all threads (``more`` by pid: ns and switches of the other ones)."""

    def __init__(self, procs: list[Proc]) -> None:
        self.procs = procs
        self.more: dict[int, float] = {}
        self.refused: dict[str, str] = {}
        self.failing = False
        self.closed = 0
        self.meanwhile: list[Callable[[], None]] = []  # what happens before it is asked

    def events(self) -> Events:
        while self.meanwhile:
            self.meanwhile.pop()()
        return Chronicle(100, 4096, 0, frees=True, counted=np.zeros(6, dtype=np.bool_)).tell(
            np.zeros((0, 32), dtype=np.int64), 0, nested=False
        )

    def ends(self) -> dict[tuple[int, int], tuple[int, Floats]]:
        return {}

    def overdue(self, before: float) -> Events | None:
        return None

    def sweep(self, full: bool = False) -> Tasks:
        if self.failing:
            raise OSError(24, "Too many open files")
        procs = sorted(self.procs, key=lambda proc: proc.pid)
        n = len(procs)
        counters = np.zeros((len(COUNTER), n))
        for at, proc in enumerate(procs):
            more = self.more.get(proc.pid, 0.0)
            told = {
                "ppid": proc.ppid,
                "state": ord(proc.state),
                "threads": proc.threads,
                "minflt": proc.minflt,
                "utime": proc.utime * 1e7 + 3.3e6 + more,
                "stime": proc.stime * 1e7 + 4.4e6,
                "run_ns": proc.run_ns + more,
                "vctx": proc.vctx + more / 1e6,
            }
            for name, number in told.items():
                counters[COUNTER[name], at] = number

        def column(numbers: Iterator[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            return np.fromiter(numbers, dtype=np.int64, count=n)

        nothing = np.zeros(n, dtype=np.int64)
        return Tasks(
            pid=column(proc.pid for proc in procs),
            start=column(proc.start for proc in procs),
            counters=counters,
            extra=np.full((len(EXTRA), n), np.nan),
            uid=column(proc.uid for proc in procs),
            execs=nothing,
            comm=np.array([proc.comm for proc in procs], dtype="S16"),
            kernel=np.zeros(n, dtype=np.bool_),
            cgroup=nothing,
            cgroup1=nothing,
            asked=Asked(True, 0, NOBODY),
            alive=n,
            threads=n,
        )

    def close(self) -> None:
        self.closed += 1

    def found(self) -> Found:
        return Found(feed=cast(Feed, self))


def taken(source: LiveSource, found: Found) -> Reading:
    """The reading at whose end ``found`` is taken."""
    there = threading.Event()

    def look() -> Found:
        there.set()
        return found

    source.look_for(look)
    assert there.wait(LONG)
    processes = source._processes
    while True:
        reading = read(source)
        if processes._search is None:
            return reading


def test_going_over_and_back_shows_only_what_happened(tree: ProcTree) -> None:
    init = Proc(1, comm=b"init", start=1, ppid=0, run_ns=5)
    procs = [Proc(pid, start=pid, run_ns=700_000_000, utime=40, stime=30, vctx=9, threads=1 + pid % 2) for pid in range(10, 14)]
    for proc in procs:
        tree.add(proc)
    feed = FakeFeed([init, *procs])
    feed.more = dict.fromkeys(range(10, 14), 5e9)  # threads that ended, or that are not the main one
    source = LiveSource(tree.host())
    for _ in range(3):
        before = read(source)
    at = taken(source, feed.found())
    assert (before.source, at.source, source.name) == ("proc", "proc", "proc")
    names = ("utime", "stime", "run_ns", "wait_ns", "vctx", "nvctx", "cutime")
    first = read(source)
    assert (first.source, first.changed, first.notes, first.exits, source.name) == ("bpf", None, (), (), "bpf")
    assert first.pid.tolist() == at.pid.tolist() and all(a is b for a, b in zip(first.labels, at.labels, strict=True))
    for name in names:
        np.testing.assert_array_equal(first.counters[COUNTER[name]], at.counters[COUNTER[name]])
    feed.more[11] += 2e8
    procs[1].minflt = 6
    second = read(source)
    assert {name: value(second, 11, name) - value(first, 11, name) for name in ("utime", "stime", "run_ns", "vctx", "minflt")} == {
        "utime": 2e8,
        "stime": 0,
        "run_ns": 2e8,
        "vctx": 200,
        "minflt": 6,
    }
    assert second.changed is not None and second.changed.tolist() == [row(second, 11)]
    feed.procs.append(Proc(20, start=800))  # its numbers are what the kernel says
    tree.add(feed.procs[-1])
    assert value(read(source), 20, "utime") == 3.3e6
    feed.failing = True
    failing = [read(source) for _ in range(3)]
    assert [one.source for one in failing] == ["bpf", "bpf", "proc"] and feed.closed == 1
    assert [[gap.count for gap in one.gaps if gap.field == "stat"] for one in failing] == [[6], [6], []]
    back = failing[-1]
    assert back.notes == ("eBPF no longer used: the kernel's tasks could not be read: Too many open files",)
    assert back.pid.tolist() == [*first.pid.tolist(), 20] and back.changed is None and not back.exits
    assert all(a is b for a, b in zip(back.labels, first.labels, strict=False))
    tree.remove(12)
    tree.add(Proc(30))
    last = read(source)
    assert last.pid.tolist() == [1, 10, 11, 13, 20, 30] and [one.key.pid for one in last.exits] == [12]
    source.close()
    assert feed.closed == 1


def test_who_comes_and_goes_in_between_is_told_once(tree: ProcTree) -> None:
    init, stays, goes = Proc(1, comm=b"init", start=1, ppid=0, run_ns=5), Proc(10), Proc(11)
    for proc in (stays, goes):
        tree.add(proc)
    feed = FakeFeed([init, stays, Proc(12, start=900)])
    feed.meanwhile += [lambda: tree.remove(11), lambda: tree.add(Proc(12, start=900))]
    source = LiveSource(tree.host())
    read(source)
    assert not taken(source, feed.found()).exits
    first = read(source)
    assert first.pid.tolist() == [1, 10, 12]
    exits = [*first.exits]
    for _ in range(3):
        tree.clock.advance(1.0)
        exits += read(source).exits
    assert [(end.key, end.code, end.label.comm) for end in exits] == [(ProcKey(11, 100), None, "worker")]
    source.close()


def test_who_is_kept_from_the_iterator_is_read_as_text(tree: ProcTree) -> None:
    init, agent = Proc(1, comm=b"init", start=1, ppid=0, run_ns=5), Proc(10, comm=b"agent", uid=1000, rss=7)
    tree.add(agent)
    host = tree.host()
    host.denied.add("/10/io")
    feed = FakeFeed([init])
    source = LiveSource(host)
    read(source)
    at = taken(source, feed.found())
    first = read(source)
    assert first.source == "bpf" and first.pid.tolist() == [1, 10] and not first.exits and first.labels[1] is at.labels[1]
    tree.ran(agent, utime=5, rss=9, comm=b"other")
    second = read(source)
    assert (value(second, 10, "utime"), value(second, 10, "rss"), second.labels[1].comm) == (5e7, 9 * 4096, "other")
    assert any(gap.field == "io" and "kept from eBPF" in gap.reason for gap in second.gaps)
    tree.remove(10)
    exits: list[Exit] = []
    for _ in range(3):
        tree.clock.advance(10.0)
        last = read(source)
        exits += last.exits
    source.close()
    assert last.pid.tolist() == [1] and [end.key for end in exits] == [ProcKey(10, 100)]


def test_why_there_is_no_more_is_the_last_note(tree: ProcTree) -> None:
    class Names:
        version = 0

        def enrich(self, c: object) -> object:
            return c

        def notes(self) -> tuple[str, ...]:
            return ("docker: stale",)

    source = LiveSource(tree.host(), names=cast("LiveSource", Names()))  # type: ignore[arg-type]
    taken(source, Found(why="eBPF not used: no BTF"))
    assert read(source).notes == ("docker: stale", "eBPF not used: no BTF")
    source.close()


def test_a_feed_that_cannot_be_read_is_not_taken(tree: ProcTree) -> None:
    feed = FakeFeed([])
    feed.failing = True
    source = LiveSource(tree.host())
    taken(source, feed.found())
    after = read(source)
    assert (after.source, feed.closed) == ("proc", 1)
    assert after.notes == ("eBPF not used: the kernel's tasks could not be read: Too many open files",)
    source.close()


def test_what_is_found_after_the_end_is_closed_and_not_waited_for(tree: ProcTree) -> None:
    feed, opening, go, closed = FakeFeed([]), threading.Event(), threading.Event(), threading.Event()

    def look() -> Found:
        opening.set()
        assert go.wait(LONG)
        return feed.found()

    def close() -> None:
        feed.closed += 1
        closed.set()

    feed.close = close  # type: ignore[method-assign]
    source = LiveSource(tree.host())
    read(source)
    source.look_for(look)
    assert opening.wait(LONG)
    source.close()
    assert source.read() is None and not closed.is_set()
    go.set()
    assert closed.wait(LONG)


def test_what_was_found_and_never_taken_is_closed(tree: ProcTree) -> None:
    feed, source = FakeFeed([]), LiveSource(tree.host())
    source.look_for(feed.found)
    search = source._processes._search
    assert search is not None
    search._thread.join(LONG)
    source.close()
    assert feed.closed == 1


class Records:
    """Exit records and process events that a test puts in."""

    def __init__(self) -> None:
        self.told: list[dict[str, float]] = []
        self.born: list[tuple[int, float]] = []
        self.lost = False
        self.closed = 0

    def take(self) -> Exits:
        told, self.told = self.told, []
        numbers = {name: np.array([int(one.get(name, 0)) for one in told], dtype=np.int64) for name in ("pid", "ppid", "uid", "code")}
        values = np.full((len(FIELDS), len(told)), np.nan)
        for at, one in enumerate(told):
            for name, number in one.items():
                if name in ROW:
                    values[ROW[name], at] = number
        return Exits(
            tid=numbers["pid"],
            pid=numbers["pid"],
            ppid=numbers["ppid"],
            uid=numbers["uid"],
            code=numbers["code"],
            last=np.array([one.get("last", 1) > 0 for one in told], dtype=np.bool_),
            comm=np.array([b"bri\x1bef"] * len(told), dtype="S32"),
            values=values,
            whole=values,
            lost=self.lost,
        )

    def close(self) -> None:
        self.closed += 1


class Births(Records):
    def take(self) -> Changes:  # type: ignore[override]
        born, self.born = self.born, []
        pids = np.array([pid for pid, _ in born], dtype=np.int64)
        births = Told(pids, np.zeros_like(pids), np.array([when for _, when in born]), np.zeros_like(pids))
        return Changes(births, births, Told(NOBODY, NOBODY, np.zeros(0), NOBODY), self.lost)


def listening(tree: ProcTree, host: TreeHost | None = None) -> tuple[LiveSource, Records, Births]:
    host = host or tree.host()
    records, births = Records(), Births()
    ends = Ends(host, cast(Obituaries, records), cast("object", births))  # type: ignore[arg-type]
    return LiveSource(host, found=Found(ends=ends)), records, births


def test_a_record_waits_for_its_row_to_go(tree: ProcTree) -> None:
    tree.add(Proc(7, start=100))
    source, records, _ = listening(tree)
    read(source)
    records.told.append({"pid": 7, "code": 3, "process_age": 4999.0, "run_ns": 7.77e8, "utime": 5e8, "stime": 5e8, "minflt": 5})
    assert not read(source).exits  # a zombie
    tree.clock.advance(30.0)
    assert not read(source).exits
    tree.remove(7)
    reading = read(source)
    assert [(end.key, end.code) for end in reading.exits] == [(ProcKey(7, 100), 3)]
    assert reading.ended is not None and not reading.ended.flags.writeable
    told = {name: float(reading.ended[at, 0]) for name, at in COUNTER.items()}
    assert (told["run_ns"], told["utime"], told["stime"], told["minflt"]) == (7.77e8, 3.885e8, 3.885e8, 5)  # scaled as procfs does
    source.close()
    assert records.closed == 1


def test_of_several_threads_only_what_procfs_tells_too_is_told(tree: ProcTree) -> None:
    tree.add(Proc(7, start=100))
    source, records, _ = listening(tree)
    read(source)
    records.told.append({"pid": 7, "process_age": 4999.0, "run_ns": 9e8, "utime": 5e8, "stime": 5e8, "vctx": 8})
    tree.remove(7)
    ended = read(source).ended
    source.close()
    assert ended is not None and np.isnan(ended[[COUNTER["run_ns"], COUNTER["vctx"]], 0]).all() and ended[COUNTER["utime"], 0] == 4.5e8


def brief_of(reading: Reading, pid: int) -> Exit:
    return next(end for end in reading.exits if end.key.pid == pid)


def test_a_brief_life_is_an_exit_of_its_own(tree: ProcTree) -> None:
    tree.add(Proc(7, start=100, comm=b"bri\x1bef", uid=1000))
    source, records, births = listening(tree)
    read(source)
    tree.clock.advance(1.0)
    births.born.append((50, 5000.405))
    records.told.append({"pid": 50, "ppid": 7, "uid": 1000, "code": -9, "process_age": 0.005, "run_ns": 4_000_000})
    records.told.append({"pid": 51, "ppid": 1, "code": 1, "process_age": 0.25})  # nobody told of its birth
    records.told.append({"pid": 52, "last": 0})
    reading = read(source)
    source.close()
    first, second = brief_of(reading, 50), brief_of(reading, 51)
    assert (first.key, first.code, first.ppid) == (ProcKey(50, 500_040), -9, 7)
    parent = reading.labels[row(reading, 7)]
    assert (first.label.comm, first.label.command, first.label.cgroup) == ("bri\N{REPLACEMENT CHARACTER}ef", parent.command, parent.cgroup)
    assert (second.key.start, second.label.command) == (500_075, "") and len(reading.exits) == 2
    assert (reading.host.births, reading.host.execs, reading.host.exits) == (1, 1, 0)


@pytest.mark.parametrize("suspended", [0.0, 3600.0])
def test_a_later_process_of_the_same_pid_is_not_the_one_that_ended(tree: ProcTree, suspended: float) -> None:
    tree.clock.boot += suspended
    tree.add(Proc(7, start=100))
    source, records, births = listening(tree)
    read(source)
    tree.clock.advance(1.0)
    tree.remove(7)
    tree.add(Proc(7, start=int((5000.95 + suspended) * 100), comm=b"later"))
    births.born.append((7, 5000.95))
    records.told.append({"pid": 7, "code": 2, "process_age": 4999.5 - 1})  # the row's
    records.told.append({"pid": 7, "code": 4, "process_age": 0.5})  # one between
    reading = read(source)
    source.close()
    assert [(end.key.start == 100, end.code) for end in reading.exits] == [(True, 2), (False, 4)]
    living = [reading.key(at) for at in range(len(reading))]
    assert not {end.key for end in reading.exits} & set(living) and len({end.key for end in reading.exits}) == len(reading.exits)


def test_a_loss_is_said_and_everything_is_listed(tree: ProcTree) -> None:
    host = tree.host()
    for pid in range(101, 201):
        tree.add(Proc(pid))
    source, records, _ = listening(tree, host)
    for _ in range(3):
        read(source)
    records.lost = True
    noted = read(source).notes
    records.lost = False
    host.reads.clear()
    after = read(source)
    source.close()
    assert noted == ("ends of processes were lost: all processes are listed anew",) and not after.notes
    assert str(tree.proc) in host.reads


def test_what_a_process_waits_in(tree: ProcTree) -> None:
    for pid, state, text in ((7, "D", "io_sche\x1bdule"), (8, "D", "0"), (9, "S", "pipe_read"), (10, "D", "")):
        tree.add(Proc(pid, state=state))
        tree.write(f"{pid}/wchan", text)
    tree.add(Proc(11, state="D"))
    source = LiveSource(tree.host())
    reading = read(source)
    source.close()
    assert reading.wchan == {row(reading, 7): "io_sche\N{REPLACEMENT CHARACTER}dule"}


def test_at_most_32_are_asked_what_they_wait_in(tree: ProcTree) -> None:
    for pid in range(100, 150):
        tree.add(Proc(pid, state="D"))
        tree.write(f"{pid}/wchan", "folio_wait_bit")
    host = tree.host()
    source = LiveSource(host)
    reading = read(source)
    source.close()
    assert len(reading.wchan) == sum(path.endswith("/wchan") for path in host.reads) == 32
