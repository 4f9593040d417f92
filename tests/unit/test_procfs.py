"""Parsers of /proc/PID files against lines as kernels print them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from proctop.kernel import procfs
from proctree import Proc

STAT = (
    b"18769 (cat) R 18752 18752 15276 0 -1 4194304 101 7 3 0 11 12 13 14 20 -5 1 0 112430 3133440 390 18446744073709551615 94637516361728 "
    b"94637516381609 140725688210944 0 0 0 0 0 0 0 0 0 17 1 0 0 42 0 0 94637516397616 94637516399232 94637992591360 140725688216093 "
    b"140725688216113 140725688216113 140725688217579 0\n"
)
STATUS = (
    b"Name:\tx\\ny\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nUid:\t1000\t1001\t1002\t1003\n"
    b"Gid:\t5\t6\t7\t8\nVmRSS:\t    2048 kB\nVmData:\t    1384 kB\n"
    b"Threads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n"
)


def test_stat_line_of_a_process() -> None:
    name, state, numbers = procfs.stat(STAT)
    assert (name, chr(state)) == (b"cat", "R")
    assert numbers[procfs.PPID] == 18752
    assert (numbers[procfs.MINFLT], numbers[procfs.MAJFLT]) == (101, 3)
    assert numbers[[procfs.UTIME, procfs.STIME, procfs.CUTIME, procfs.CSTIME]].tolist() == [11, 12, 13, 14]
    assert (numbers[procfs.PRIORITY], numbers[procfs.NICE], numbers[procfs.THREADS]) == (20, -5, 1)
    assert (numbers[procfs.START], numbers[procfs.VSIZE], numbers[procfs.RSS]) == (112430, 3133440, 390)
    assert numbers[procfs.START_CODE] == 94637516361728
    assert numbers[procfs.START_STACK] == 140725688210944
    assert (numbers[procfs.PROCESSOR], numbers[procfs.BLKIO]) == (1, 42)
    assert numbers[procfs.ARG_START] == 140725688216093


@pytest.mark.parametrize("comm", [b"a) b", b"((", b"))) S 1 2", b"\xff\xfe", b"x\ny", b"\x1b[2J", b""])
def test_comm_may_hold_anything(comm: bytes) -> None:
    assert procfs.stat(Proc(7, comm=comm).stat())[0] == comm


def test_many_lines_agree_with_one_by_one() -> None:
    raws = [STAT, STAT.replace(b"(cat) R", b"(x) (y 1 2) Z"), STAT.replace(b" 390 ", b" 0 ")]
    parsed = procfs.stat_many(raws)
    assert parsed is not None
    for raw, state, numbers in zip(raws, *parsed, strict=True):
        _, one_state, one = procfs.stat(raw)
        assert state == one_state
        np.testing.assert_array_equal(numbers, one)


@pytest.mark.parametrize(
    ("raw", "item"),
    [
        (b"", "comm"),
        (b"7 cat S 1", "comm"),
        (b"7 (cat)", "state"),
        (b"7 (cat) S 1 2", "field"),
        (STAT.replace(b"390", b"3x0"), "field 24"),
        (STAT.replace(b" R ", b" \xe9 "), "state"),
    ],
)
def test_garbage_names_path_line_and_item(raw: bytes, item: str) -> None:
    with pytest.raises(procfs.Malformed) as caught:
        procfs.stat(raw, "/p/7/stat")
    assert caught.value.path == "/p/7/stat"
    assert caught.value.line == 1
    assert item in caught.value.item


@pytest.mark.parametrize("bad", [b"7 (cat) S 1 2\n", b"", STAT.replace(b"390", b"3x0"), STAT.replace(b"390", b"3-0")])
def test_one_bad_line_sends_the_caller_line_by_line(bad: bytes) -> None:
    assert procfs.stat_many([STAT, bad, STAT]) is None


def test_short_lines_of_old_kernels_read_as_minus_one() -> None:
    short = b" ".join(STAT.split(b" ")[:42]) + b"\n"
    parsed = procfs.stat_many([short])
    assert parsed is not None
    assert parsed[1][0, procfs.ARG_START] == -1
    np.testing.assert_array_equal(parsed[1][0], procfs.stat(short)[2])


def test_io() -> None:
    text = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n"
    assert procfs.io(text) == (1, 2, 3, 4, 5, 6)
    for bad in (b"", b"rchar: 1\n", text.replace(b"5", b"?"), text.replace(b"wchar", b"what")):
        with pytest.raises(procfs.Malformed):
            procfs.io(bad)


def test_status_gives_effective_uid_and_bytes() -> None:
    assert procfs.status(STATUS) == (1001, 2048 * 1024.0, 1384 * 1024.0, 150.0, 545.0)


def test_status_of_a_kernel_thread_has_no_data() -> None:
    _, rss, data, _, _ = procfs.status(STATUS[: STATUS.index(b"VmRSS")] + STATUS[STATUS.index(b"voluntary") :])
    assert math.isnan(rss)  # stat says 0 for these, and is asked then
    assert data == 0.0


def test_status_without_switches_is_missing_not_zero() -> None:
    *_, vctx, nvctx = procfs.status(STATUS[: STATUS.index(b"voluntary")])
    assert math.isnan(vctx)
    assert math.isnan(nvctx)


def test_schedstats() -> None:
    out = procfs.schedstats([b"123499999 99999 6\n", b"", b"x y z\n", b"9007199254740993 1 1\n"])
    assert out[:, 0].tolist() == [123_400_000, 0]
    assert np.isnan(out[:, 1:3]).all()
    assert out[0, 3] == 9007199254700000
