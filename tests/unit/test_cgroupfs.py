"""Cgroup counters from fixture trees of version 1, 2 and both."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from proctop.containers.paths import resolve
from proctop.kernel.cgroupfs import Cgroups, Mount, everywhere, mounts
from proctree import ProcTree

PATH = "/docker/" + 64 * "a"
V1 = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
"""
V2 = "41 31 0:38 / /sys/fs/cgroup{} rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
V2_FILES = {
    "cpu.stat": "usage_usec 5000\nuser_usec 1\nnr_periods 10\nnr_throttled 4\nthrottled_usec 70\n",
    "cpu.max": "150000 100000\n",
    "memory.current": "4096\n",
    "memory.max": "8192\n",
    "memory.events": "low 0\noom 2\noom_kill 1\n",
    "io.stat": "254:0 rbytes=100 wbytes=200 rios=1 wios=2\n8:0 rbytes=1 wbytes=2 rios=1 wios=1\n",
    "pids.current": "7\n",
    "cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
}


def version1(tree: ProcTree) -> None:
    for name, text in {
        "cpu,cpuacct/cpuacct.usage": "123456\n",
        "cpu,cpuacct/cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 900\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "memory/memory.usage_in_bytes": "1000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 6\n",
        "blkio/blkio.throttle.io_service_bytes": "254:0 Read 10\n254:0 Write 20\n254:0 Sync 5\n254:0 Total 30\n8:0 Read 1\nTotal 31\n",
        "pids/pids.current": "4\n",
    }.items():
        controller, file = name.split("/")
        tree.write(f"fs/cgroup/{controller}{PATH}/{file}", text, below=tree.sys)


def version2(tree: ProcTree, at: str = "", path: str = PATH) -> None:
    for name, text in V2_FILES.items():
        tree.write(f"fs/cgroup{at}{path}/{name}", text, below=tree.sys)


def reader(tree: ProcTree, mountinfo: str) -> Cgroups:
    tree.write("self/mountinfo", mountinfo)
    return Cgroups(tree.host())


def test_version_2(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    version2(tree)
    cgroups = reader(tree, V2.format(""))
    read = cgroups.read(resolve(f"0::{PATH}\n").lines)
    assert read is not None
    assert (read.cpu_ns, read.periods, read.throttled, read.throttled_ns, read.cpu_limit) == (5e6, 10, 4, 7e4, 1.5)
    assert (read.memory, read.memory_limit, read.oom_kills, read.pids) == (4096, 8192, 1, 7)
    assert (read.read_bytes, read.write_bytes) == (101, 202)
    assert read.pressure["cpu"].some_total == 12
    assert "io" not in read.pressure


def test_version_2_without_limits_is_missing_not_zero(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    tree.write(f"fs/cgroup{PATH}/cpu.max", "max 100000\n", below=tree.sys)
    tree.write(f"fs/cgroup{PATH}/memory.max", "max\n", below=tree.sys)
    tree.write(f"fs/cgroup{PATH}/memory.current", "1\n", below=tree.sys)
    read = reader(tree, V2.format("")).read([("", PATH)])
    assert read is not None
    assert read.memory == 1
    for value in (read.cpu_limit, read.memory_limit, read.cpu_ns, read.read_bytes, read.oom_kills):
        assert math.isnan(value)


def test_version_1(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    version1(tree)
    cgroups = reader(tree, V1)
    read = cgroups.read(resolve(f"4:memory:{PATH}\n3:cpu,cpuacct:{PATH}\n2:blkio:{PATH}\n1:pids:{PATH}\n5:name=systemd:/x\n").lines)
    assert read is not None
    assert (read.cpu_ns, read.periods, read.throttled, read.throttled_ns, read.cpu_limit) == (123456, 3, 2, 900, 0.5)
    assert (read.memory, read.oom_kills, read.pids, read.read_bytes, read.write_bytes) == (1000, 6, 4, 11, 20)
    assert math.isnan(read.memory_limit)


def test_hybrid_takes_each_number_where_it_is(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    version1(tree)
    tree.write("fs/cgroup/unified/system.slice/x.service/cpu.pressure", V2_FILES["cpu.pressure"], below=tree.sys)
    cgroups = reader(tree, V1 + V2.format("/unified"))
    read = cgroups.read([("memory", PATH), ("cpu,cpuacct", "/"), ("", "/system.slice/x.service")])
    assert read is not None
    assert read.memory == 1000
    assert math.isnan(read.cpu_ns)
    assert read.pressure["cpu"].full_total == 3


def test_one_path_for_all_hierarchies(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    version1(tree)
    read = reader(tree, V1).read(everywhere(PATH))
    assert read is not None
    assert (read.cpu_ns, read.memory, read.pids) == (123456, 1000, 4)


@pytest.mark.parametrize("lines", [[("", "/gone")], [("", "/../../outside")], [], [("name=systemd", "/")]])
def test_what_is_not_there_is_none(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    tree = ProcTree(tmp_path)
    version2(tree)
    assert reader(tree, V2.format("")).read(lines) is None


def test_no_mountinfo_and_no_cgroups(tmp_path: Path) -> None:
    cgroups = Cgroups(ProcTree(tmp_path).host())
    assert cgroups.read([("", "/")]) is None


def test_a_mount_shows_what_is_below_its_root() -> None:
    inside = Mount("/m", "/docker/abc", frozenset())
    assert inside.directory("/docker/abc") == "/m"
    assert inside.directory("/docker/abc/x") == "/m/x"
    assert inside.directory("/docker/abcd") is None
    assert Mount("/m", "/", frozenset()).directory("/") == "/m"


def test_whole_hierarchy_beats_a_part_and_points_are_unescaped() -> None:
    line = "1 2 0:3 {} {} rw - cgroup2 x rw\n"
    text = line.format("/part", "/sys/a") + line.format("/", "/sys/b\\040c") + "no line\n" + line.format("/p", "/sys/d")
    assert mounts(text, "/host") == [Mount("/host/b c", "/", frozenset())]
