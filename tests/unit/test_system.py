"""Host counters from fixture text and a fixture tree."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from proctop.kernel import system
from proctop.kernel.procfs import Malformed
from proctop.records import DiskCounters, NetCounters
from proctree import ProcTree

NETDEV = b"""Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
eth0:1:  10 2 3 4 5 6 7 8 20 21 22 23 24 25 26 27
"""
DISKS = b"""   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 100 1 800 30 50 2 400 60 3 90 91 0 0 0 0 0 0
 254       1 vda1 90 1 700 30 50 2 400 60 0 90 91 0 0 0 0 0 0
"""


def test_stat_in_nanoseconds_with_offline_cpus() -> None:
    raw = b"cpu  10 0 20 70 0 0 0 0 0 0\ncpu0 5 0 10 35 0 0 0 0 0 0\ncpu2 5 0 10 35 0 0 0 0 0 0\nintr 99 1 2\n"
    stat = system.Stat(raw + b"ctxt 7\nbtime 3\nprocesses 8\nprocs_running 2\nprocs_blocked 1\n", 1e7)
    assert stat.cpu.shape == (4, 10)
    assert stat.cpu[0, :4].tolist() == [10 * 10**7, 0, 20 * 10**7, 70 * 10**7]
    assert (stat.cpu[2] == -1).all()
    assert (stat.interrupts, stat.switches, stat.forks, stat.running, stat.blocked, stat.boot_time) == (99, 7, 8, 2, 1, 3)


@pytest.mark.parametrize("raw", [b"", b"root:x:0:0\n", b"cpu a b\n", b"cpu0 1 2 3 4\n", b"cpu 1 2\ncpu99999999 1 2\n"])
def test_what_is_no_stat(raw: bytes) -> None:
    with pytest.raises(Malformed):
        system.Stat(raw, 1e7)


def test_meminfo_in_bytes_counts_as_they_are() -> None:
    assert system.meminfo(b"MemTotal:  10 kB\nHugePages_Total:   3\n\n") == {"MemTotal": 10240, "HugePages_Total": 3}


def test_loadavg() -> None:
    assert system.loadavg(b"0.50 0.40 0.30 2/96 4321\n") == ((0.5, 0.4, 0.3), 96)


def test_vmstat_takes_what_is_named() -> None:
    assert system.vmstat(b"pgpgin 5\nnr_free_pages 9\noom_kill 1\n") == {"pgpgin": 5, "oom_kill": 1}


def test_pressure_without_a_full_line() -> None:
    read = system.pressure(b"some avg10=1.45 avg60=1.41 avg300=0.72 total=17861815\n")
    assert (read.some_avg10, read.some_total) == (1.45, 17861815)
    assert math.isnan(read.full_total)


def test_whole_disks_in_bytes() -> None:
    assert system.diskstats(DISKS, frozenset({"vda"})) == {"vda": DiskCounters(100, 800 * 512, 30, 50, 400 * 512, 60, 3, 90, 91)}


def test_netdev_name_with_a_colon() -> None:
    nets = system.netdev(NETDEV)
    assert nets["lo"] == NetCounters(3193, 29, 0, 0, 3193, 29, 0, 0)
    assert nets["eth0:1"] == NetCounters(10, 2, 3, 4, 20, 21, 22, 23)


def test_reader_holds_files_and_reads_them_again(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    tree.write("diskstats", DISKS)
    (tree.sys / "block/vda/device").mkdir(parents=True)
    (tree.sys / "block/loop0").mkdir()
    host = tree.host()
    reader = system.System(host)
    first = reader.counters(reader.stat())
    opened = len(host.reads)
    tree.tick(forks=3)
    tree.write("loadavg", "9.00 0.40 0.30 1/77 4321\n")
    second = reader.counters(reader.stat())
    last = reader.last_pid()
    reader.close()
    assert first.load == (0.5, 0.4, 0.3)
    assert second.load == (9.0, 0.4, 0.3)
    assert last == 4321
    assert second.forks == first.forks + 3
    assert list(first.disks) == ["vda"]
    assert first.memory["MemTotal"] == 1000 * 1024
    assert set(first.pressure) == {"cpu", "memory", "io"}
    assert first.tasks_total == 77
    assert len(host.reads) == opened
    assert reader.gaps == ()


def test_a_long_file_is_read_to_its_end(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    cpus = "".join(f"cpu{i} 1 2 3 4 5 6 7 8 9 10\n" for i in range(3000))
    tree.write("stat", "cpu  1 2 3 4 5 6 7 8 9 10\n" + cpus + "processes 17\n")
    reader = system.System(tree.host())
    for _ in range(2):
        stat = reader.stat()
        assert stat.cpu.shape == (3001, 10)
        assert stat.forks == 17
    reader.close()


def test_what_is_absent_is_empty_with_one_gap(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    (tree.proc / "loadavg").unlink()
    tree.write("vmstat", "pgpgin ?\n")
    for name in ("cpu", "memory", "io"):
        (tree.proc / "pressure" / name).unlink()
    reader = system.System(tree.host())
    for _ in range(2):
        counters = reader.counters(reader.stat())
    reader.close()
    assert counters.load is None
    assert counters.vmstat == {}
    assert counters.pressure == {}
    assert sorted(gap.field for gap in reader.gaps) == ["load", "pressure", "vmstat"]
    assert np.issubdtype(counters.cpu.dtype, np.int64)
