"""Bytes as the programs write them, into columns."""

from __future__ import annotations

import errno
import os
import struct
from mmap import mmap
from typing import Any

import numpy as np
import pytest

from proctop.fields import COUNTER, COUNTERS
from proctop.kernel.bpf.events import SIZE, SLOT, Chronicle, Ring
from proctop.kernel.bpf.layout import EXTRA, RECORD, Walk, counters, names, states
from proctop.kernel.bpf.libbpf import LOCKED, reason
from proctop.kernel.bpf.tally import Tally
from proctop.records import Ints


def record(**given: Any) -> bytes:
    """One ``struct record``."""
    has: dict[str, Any] = {"pid": 7, "tid": 7, "ppid": 1, "uid": 1000, "start": 5_000_000_000, "began": 5_000_000_000, "comm": b"sh"}
    has |= {"state": 1, "exit_state": 0, "running": 0, "flags": 2 | 4 | 8 | 16, "prio": 120, "static_prio": 125, "cpu": 3, "threads": 1}
    has |= dict.fromkeys(("cgroup", "cgroup1", "execs", "vsize", "data", "rss", "fds", "cutime", "prev_utime", "prev_stime"), 0)
    has |= {"dead": [0] * 13, "own": [0] * 13, "wait": 0, "blkio": 0} | given
    return struct.pack(
        "=4I2Q16s4I2i2I3Q2Qqq3Q13Q13Q2Q",
        *(has[name] for name in ("pid", "tid", "ppid", "uid", "start", "began", "comm", "state", "exit_state", "running", "flags")),
        *(has[name] for name in ("prio", "static_prio", "cpu", "threads", "cgroup", "cgroup1", "execs", "vsize", "data", "rss", "fds")),
        *(has["cutime"], has["prev_utime"], has["prev_stime"], *has["dead"], *has["own"], has["wait"], has["blkio"]),
    )


def walk(*records: bytes) -> Walk:
    return Walk(np.frombuffer(b"".join(records), dtype=np.int64).reshape(-1, RECORD))


def values(**given: Any) -> dict[str, float]:
    """Counters of one process with one thread."""
    one = walk(record(**given))
    spent = one.own.copy()
    spent[:, :13] += one.dead
    column = counters(one.rows, spent, 4096)[:, 0]
    return dict(zip((counter.name for counter in COUNTERS), column.tolist(), strict=True))


def test_every_number_has_its_place() -> None:
    own = list(range(1000, 1013))
    got = values(own=own, dead=[1] * 13, wait=77, blkio=88, vsize=10, data=20, rss=30, fds=40, cutime=50, threads=6)
    assert got["run_ns"] == 1001 and got["utime"] + got["stime"] == 1001
    names_ = ("minflt", "majflt", "vctx", "nvctx", "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes")
    assert [got[name] for name in names_] == list(range(1004, 1014))
    assert (got["wait_ns"], got["blkio_delay"], got["cutime"], got["fds"], got["threads"]) == (77, 88, 50, 40, 6)
    assert (got["vsize"], got["data"], got["rss"]) == (40960, 81920, 122880)
    assert (got["ppid"], got["priority"], got["nice"], got["processor"], chr(int(got["state"]))) == (1, 20, 5, 3, "S")
    assert {name for name, value in got.items() if np.isnan(value)} == set(EXTRA)  # told beside


def test_real_time_priorities_and_the_nicest() -> None:
    got = values(prio=0, static_prio=100)
    assert (got["priority"], got["nice"]) == (-100, -20)


def test_what_the_kernel_does_not_tell_is_missing() -> None:
    got = values(flags=0, fds=-1)
    assert {name for name, value in got.items() if np.isnan(value)} == {
        *("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "wait_ns", "blkio_delay", "fds"),
        *EXTRA,
    }


def test_resident_memory_is_never_negative() -> None:
    assert values(rss=-3)["rss"] == 0


@pytest.mark.parametrize(
    ("run", "utime", "stime", "before", "expected"),
    [
        (900, 400, 200, (0, 0), (600, 300)),  # scaled to what ran
        (900, 0, 0, (0, 0), (900, 0)),
        (900, 0, 5, (0, 0), (0, 900)),
        (900, 400, 200, (650, 0), (650, 250)),  # user time never falls
        (900, 400, 200, (0, 350), (550, 350)),  # system time neither
        (900, 400, 200, (700, 350), (700, 200)),
    ],
)
def test_user_and_system_time_as_proc_shows_them(
    run: int, utime: int, stime: int, before: tuple[int, int], expected: tuple[int, int]
) -> None:
    got = values(own=[run, utime, stime, *[0] * 10], prev_utime=before[0], prev_stime=before[1])
    assert (got["utime"], got["stime"]) == expected


def test_state_letters() -> None:
    shown = {(0, 0): "R", (1, 0): "S", (2, 0): "D", (0x2402, 0): "I", (4, 0): "T", (8, 0): "t", (0x80, 0x20): "Z", (0x80, 0x10): "X"}
    shown |= {(0x8000, 0): "D", (0x40, 0): "P", (0x1000, 0): "D", (0x100 | 4, 0): "T"}
    for (state, ended), letter in shown.items():
        assert chr(states(np.array([state], np.int32), np.array([ended], np.int32))[0]) == letter


def test_a_process_whose_first_thread_has_ended_is_spoken_for_by_the_next_one_that_was_walked() -> None:
    """The first one holds no memory and no descriptors any more; where no other was walked it has to do."""
    leader = record(exit_state=0x20, threads=2)
    other = record(tid=8, exit_state=0x20, threads=2, rss=30, fds=4)
    alone = record(pid=9, tid=9, rss=5)
    everybody = lambda pid: np.ones(pid.size, dtype=np.bool_)  # noqa: E731
    for records, speaks in (((leader, other, alone), [1, 2]), ((leader, alone), [0, 1]), ((alone, leader), [1, 0]), ((other,), [0])):
        assert Tally().add(walk(*records), everybody).row.tolist() == speaks


def test_names_end_at_their_zero_and_may_hold_anything() -> None:
    rows = walk(record(comm=b"a b)\n\xff"), record(comm=b"fifteen bytes x")).rows
    assert names(rows, 4).tolist() == [b"a b)\n\xff", b"fifteen bytes x"]


FORK, EXEC, EXIT, FREE = 1, 2, 3, 4


def event(
    kind: int, pid: int, *, start: int = 5_000_000_000, when: int = 6_000_000_000, code: int = 0, given: int = 0, args: bytes = b""
) -> bytes:
    """One slot of the ring; ``given``: the pid in the first namespace, if another."""
    rest = args.ljust(168, b"?") if args else struct.pack("=21Q", *range(1, 22))
    head = struct.pack("=II4IQQII16sQQII", 248, 0, kind, pid, 1, 0, start, when, given or pid, 1, b"sh", 11, 22, code, len(args))
    return head + rest


def slots(*events: bytes) -> Ints:
    return np.frombuffer(b"".join(events), dtype=np.int64).reshape(-1, SLOT)


def chronicle(*, frees: bool = True) -> Chronicle:
    return Chronicle(100, 4096, 0, frees=frees, counted=np.array([True, True, False, False, False, False]))


def test_births_starts_and_ends() -> None:
    told = chronicle().tell(
        slots(event(FORK, 8), event(EXEC, 8, args=b"ls\0-l\0"), event(EXIT, 8, code=0x300), event(FREE, 8)), 0, nested=False
    )
    assert told.births.pid.tolist() == told.execs.pid.tolist() == told.exits.pid.tolist() == [8]
    assert told.births.start.tolist() == [500] and told.births.ppid.tolist() == [1] and told.births.when.tolist() == [6.0]
    assert told.births.cgroup.tolist() == [11] and told.births.cgroup1.tolist() == [22] and told.births.comm.tolist() == [b"sh"]
    assert told.args == (b"ls\0-l\0",)
    assert told.code.tolist() == [0]  # of FREE, which is the last word
    assert told.counters[COUNTER["run_ns"], 0] == 1 and told.counters[COUNTER["write_bytes"], 0] == 13
    assert told.counters[COUNTER["cutime"], 0] == 14 and told.peak.tolist() == [15 * 4096]
    assert told.extra[:2, 0].tolist() == [16, 17] and np.isnan(told.extra[2:]).all()
    assert np.isnan(told.counters[COUNTER["wait_ns"], 0]) and np.isnan(told.counters[COUNTER["threads"], 0])


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"curl\0" + b"x" * 140 + b"\0https://me:secret@host/", b"curl\0" + b"x" * 140 + b"\0"),
        (b"sh\0-c\0curl " + b"x" * 140 + b" --password secret", b"sh\0-c\0curl " + b"x" * 140 + b" --password "),
        (b"y" * 200, b""),
        (b"y" * 167 + b"\0", b"y" * 167 + b"\0"),
    ],
)
def test_a_word_that_is_cut_is_left_out(line: bytes, kept: bytes) -> None:
    """Half a secret no longer looks like one."""
    assert chronicle().tell(slots(event(EXEC, 8, args=line[:168])), 0, nested=False).args == (kept,)


def test_an_exit_waits_until_it_is_let_go_of() -> None:
    story = chronicle()
    assert len(story.tell(slots(event(EXIT, 8, when=6_500_000_000)), 0, nested=False).exits) == 0
    told = story.tell(slots(event(FREE, 8, when=9_000_000_000, code=9)), 0, nested=False)
    assert told.exits.when.tolist() == [6.5] and told.code.tolist() == [-9]
    assert len(story.tell(slots(), 0, nested=False).exits) == 0


def test_one_whose_exit_was_lost_is_told_all_the_same() -> None:
    told = chronicle().tell(slots(event(FREE, 8, code=0x100)), 5, nested=False)
    assert told.exits.pid.tolist() == [8] and told.code.tolist() == [1] and told.lost == 5
    assert np.isnan(told.extra).all()


def test_in_a_namespace_of_its_own_the_number_is_that_of_the_exit() -> None:
    told = chronicle().tell(slots(event(EXIT, 3, given=4711), event(FREE, 4711), event(FREE, 4712)), 0, nested=True)
    assert told.exits.pid.tolist() == [3]


def test_two_last_threads_are_one_exit() -> None:
    story = chronicle()
    story.tell(slots(event(EXIT, 8), event(EXIT, 8, when=6_000_000_001)), 0, nested=False)
    assert len(story.tell(slots(event(FREE, 8)), 0, nested=False).exits) == 1
    assert len(story.tell(slots(event(FREE, 9)), 0, nested=False).exits) == 1


def test_without_the_last_word_the_exit_is_told_at_once() -> None:
    told = chronicle(frees=False).tell(slots(event(EXIT, 8, code=15)), 0, nested=False)
    assert told.exits.pid.tolist() == [8] and told.code.tolist() == [-15]


def test_a_pid_reused_within_one_reading_is_two_processes() -> None:
    one, two = 5_000_000_000, 5_010_000_000
    parts = [event(EXIT, 8, start=one), event(FREE, 8, start=one), event(EXIT, 8, start=two), event(FREE, 8, start=two)]
    assert chronicle().tell(slots(*parts), 0, nested=False).exits.start.tolist() == [500, 501]


def test_a_time_namespace_moves_starts_and_moments() -> None:
    told = Chronicle(100, 4096, 3_000_000_000, frees=True, counted=np.zeros(6, dtype=np.bool_)).tell(slots(event(FORK, 8)), 0, nested=False)
    assert told.births.start.tolist() == [800] and told.births.when.tolist() == [9.0]


def test_the_ring_is_read_around_its_end_and_up_to_what_is_being_written() -> None:
    control, data = mmap(-1, 4096), mmap(-1, 4096 + SIZE)
    ring = Ring(control, data, 4096)
    last = SIZE - 256
    control[:8] = struct.pack("=Q", 3 * SIZE + last)
    data[:8] = struct.pack("=Q", 4 * SIZE + 512)
    data[4096 + last : 4096 + SIZE] = event(FORK, 1)
    data[4096 : 4096 + 512] = event(FORK, 2) + event(FORK, 3)
    data[4096 + 256 : 4096 + 260] = struct.pack("=I", 248 | 1 << 31)
    assert (ring.take()[:, 1] >> 32).tolist() == [1, 2]
    assert struct.unpack("=Q", control[:8]) == (4 * SIZE + 256,)
    assert len(ring.take()) == 0
    data[4096 + 256 : 4096 + 260] = struct.pack("=I", 248)
    assert (ring.take()[:, 1] >> 32).tolist() == [3]


def test_reasons_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert reason(errno.EPERM, []) == "not permitted, even to root: a container, seccomp or kernel lockdown forbids bpf(2)"
    said = [
        "map 'events': failed to create: Operation not permitted(-1)",
        "permission error while running as root; try raising 'ulimit -l'?",
    ]
    assert reason(errno.EPERM, said).endswith("ulimit -l unlimited")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = ["Failed to bump RLIMIT_MEMLOCK (err = -1), you might need to do it explicitly!", *said[:1]]
    assert reason(errno.EPERM, said) == "not permitted: needs root, or CAP_BPF, CAP_PERFMON and ulimit -l unlimited"
    assert reason(errno.EPERM, said[:1]) == "not permitted: needs root, or CAP_BPF and CAP_PERFMON"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert reason(errno.ENOSYS, []) == "this kernel is built without CONFIG_BPF_SYSCALL"
    log = "prog 'tasks': -- BEGIN PROG LOAD LOG --\n0: (b7) r0 = 0\nR1 is bad\x1b[2J\nprocessed 9 insns (limit 9)\n-- END PROG LOAD LOG --"
    assert reason(errno.EINVAL, [log.replace("R1 is bad", "unknown func bpf_probe_read#4")]) == LOCKED
    assert reason(errno.EACCES, ["prog 'tasks': BPF program load failed", log]) == "the kernel's verifier refused it: R1 is bad�[2J"
    assert reason(errno.EINVAL, []) == "the kernel refused it: Invalid argument"
    old = [
        "Error in bpf_create_map_xattr(extras):Invalid argument(-22). Retrying without BTF.",
        "map 'extras': failed to create: Invalid arg",
    ]
    assert reason(errno.EINVAL, old) == "this kernel is too old for it: no map of the kind of extras"
    assert reason(errno.ENOENT, ["something\nlong"]) == "No such file or directory: something"
