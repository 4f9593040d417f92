"""Which cgroups a live source reads for containers."""

from __future__ import annotations

import math
from pathlib import Path

from proctop.records import CgroupCounters
from proctop.sources.live import LiveSource
from proctree import Proc, ProcTree

ID = "c" * 64


def cgroups(tree: ProcTree) -> dict[str, CgroupCounters]:
    source = LiveSource(tree.host())
    reading = source.read()
    source.close()
    assert reading is not None
    return dict(reading.cgroups)


def test_processes_below_a_container_are_told_of_by_the_cgroup_that_has_its_limits(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    tree.write("self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    for pid, below in ((7, "/init.scope"), (8, "/system.slice/cron.service")):
        tree.add(Proc(pid, cgroup=f"0::/machine.slice/libpod-{ID}.scope{below}\n".encode()))
        tree.write(f"fs/cgroup/machine.slice/libpod-{ID}.scope{below}/memory.current", "1\n", below=tree.sys)
    tree.write(f"fs/cgroup/machine.slice/libpod-{ID}.scope/memory.current", "9\n", below=tree.sys)
    tree.write(f"fs/cgroup/machine.slice/libpod-{ID}.scope/memory.max", "20\n", below=tree.sys)
    found = cgroups(tree)
    assert {path: (one.memory, one.memory_limit) for path, one in found.items()} == {f"/machine.slice/libpod-{ID}.scope": (9, 20)}


def test_a_hierarchy_in_which_a_container_has_no_cgroup_of_its_own_tells_nothing_of_it(tmp_path: Path) -> None:
    tree = ProcTree(tmp_path)
    mounts = (
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        "42 31 0:39 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    )
    tree.write("self/mountinfo", "\n".join((*mounts, "43 31 0:40 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct")) + "\n")
    tree.add(Proc(7, cgroup=f"4:memory:/docker/{ID}\n2:cpuacct:/\n0::/system.slice/docker.service\n".encode()))
    tree.write(f"fs/cgroup/memory/docker/{ID}/memory.usage_in_bytes", "5\n", below=tree.sys)
    tree.write("fs/cgroup/cpuacct/cpuacct.usage", "77\n", below=tree.sys)
    tree.write("fs/cgroup/unified/system.slice/docker.service/cpu.stat", "usage_usec 88\n", below=tree.sys)
    tree.write("fs/cgroup/unified/system.slice/docker.service/pids.current", "99\n", below=tree.sys)
    (one,) = cgroups(tree).values()
    assert one.memory == 5 and math.isnan(one.cpu_ns) and math.isnan(one.pids)
