"""What a process is known to have done, recorded by bpf and exported: nine features, within a hundredth."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from conftest import Require
from proctop.fields import COUNTER
from proctop.kernel.bpf.feed import Feed, Unavailable
from proctop.kernel.host import Host
from proctop.sources.events import FEATURES, Events
from proctop.stream.reader import Reader

PROCTOP = [sys.executable, "-P", "-m", "proctop"]
MEGA = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
WORK = """
import ctypes, mmap, os, sys, time
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
null = open("/dev/null", "wb", buffering=0)
zero = open("/dev/zero", "rb", buffering=0)
block = bytes(1 << 20)
print(flush=True)
sys.stdin.readline()
child = os.fork()
if not child:
    for _ in range(20):
        pages = mmap.mmap(-1, 12 << 20)
        pages.madvise(mmap.MADV_NOHUGEPAGE)
        for place in range(0, 8 << 20, mmap.PAGESIZE):
            pages[place] = 1
        zero.readinto(memoryview(pages)[8 << 20 :])
        pages.close()
        for _ in range(10):
            null.write(block)
        libc.sbrk(ctypes.c_long(5 << 20))
        libc.sbrk(ctypes.c_long(-(3 << 20)))
    while time.process_time() < 1.5:
        pass
    print(os.getpid(), time.process_time_ns(), flush=True)
    os._exit(7)
os.waitpid(child, 0)
sys.stdin.read()
"""


@pytest.fixture
def environ(tmp_path: Path, require: Require) -> dict[str, str]:
    """No settings of whoever runs the tests; the programs run here."""
    feed = Feed.open(Host.this(), memory=True)
    require("ebpf", next(iter(feed.why.values())) if isinstance(feed, Unavailable) else "; ".join(feed.refused.values()))
    assert isinstance(feed, Feed)
    feed.close()
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"), "LC_ALL": "C.UTF-8"}


def test_the_nine_features_of_a_known_workload(tmp_path: Path, environ: dict[str, str]) -> None:
    """A process that is born, maps, grows, faults, reads, writes, computes and ends while it is recorded."""
    path, table = tmp_path / "a.proctop", tmp_path / "events.csv"
    collect = [*PROCTOP, "collect", "--source", "bpf", "--bpf-memory", "-d", "0.5", "-o", "-"]
    worker = [sys.executable, "-S", "-c", WORK]
    with (
        path.open("wb") as tape,
        subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent,
        subprocess.Popen(collect, stdout=subprocess.PIPE, env=environ) as collector,
    ):
        assert parent.stdin and parent.stdout and collector.stdout
        out = collector.stdout.fileno()

        def feed() -> bytes:
            data = os.read(out, 1 << 16)
            tape.write(data)
            return data

        with Reader("collector", feed=feed) as reader:
            for _ in range(3):
                assert reader.read() is not None
            parent.stdout.readline()
            parent.stdin.write("\n")
            parent.stdin.flush()
            pid, spent = map(int, parent.stdout.readline().split())
            for _ in range(100):
                record = reader.read()
                assert record is not None
                ended = {gone.key.pid: k for k, gone in enumerate(record.reading.exits)}
                if pid in ended:
                    break
            else:
                pytest.fail("its end was not told")
        gone, totals = record.reading.exits[ended[pid]], record.reading.ended
        collector.terminate()
        parent.stdin.close()
        while feed():
            pass
    assert gone.code == 7 and totals is not None
    subprocess.run([*PROCTOP, "export", str(path), "--format", "resource-events", "-o", str(table)], env=environ, check=True, timeout=120)
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["pid"] == str(pid)]
    assert len(rows) >= 3
    sums = Counter[str]()
    for row in rows:
        sums.update({name: int(row[name]) for name in FEATURES})
    known = {
        "cpu_ns": spent,
        "user_faults": 20 * 8 * MEGA / PAGE,
        "kernel_faults": 20 * 4 * MEGA / PAGE,
        "vm_mmap_bytes": 20 * 12 * MEGA,
        "vm_munmap_bytes": 20 * 12 * MEGA,
        "vm_brk_grow_bytes": 20 * 5 * MEGA,
        "vm_brk_shrink_bytes": 20 * 3 * MEGA,
        "bytes_written": 200 * MEGA,
        "bytes_read": 20 * 4 * MEGA,
    }
    assert {name: sums[name] / known[name] for name in FEATURES} == pytest.approx(dict.fromkeys(FEATURES, 1.0), abs=0.01)
    # the rows add up to what was told at the end, to the last byte
    counters = {"cpu_ns": "run_ns", "bytes_read": "rchar", "bytes_written": "wchar"}
    assert dict(sums) == {name: totals[COUNTER[counters.get(name, name)], ended[pid]] for name in FEATURES}
    with Events(str(table)) as events:
        again = [event.features for event in events if event.context[0] == pid]
    assert np.array_equal([list(one.values()) for one in again], [[int(row[name]) for name in FEATURES] for row in rows])
