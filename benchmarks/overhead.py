"""What the eBPF programs cost the host: nanoseconds of cpu per event, with and without.

    python -m benchmarks.overhead [--rounds 15]

Each load runs in a process of its own, in rounds that take turns with the programs detached and attached, so that a busy or a cooling
machine weighs on both alike; shown are medians over rounds of the load's own cpu time by event. Needs root, or CAP_BPF and CAP_PERFMON.

Run as a script with the name of a load, this file is that load: it does one round for each line of standard input.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import repeat
from statistics import median

_PAGES = 8192
_FORKS = 150
_CALLS = 200_000
_MAPS = 20_000


def faults() -> int:
    """Page faults of user mode: a byte in each of many fresh pages."""
    libc = ctypes.CDLL(None)
    size = _PAGES * mmap.PAGESIZE
    with mmap.mmap(-1, size) as pages:
        pages.madvise(mmap.MADV_NOHUGEPAGE)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        libc.memset(ctypes.c_void_p(begin), 1, ctypes.c_size_t(size))
        ctypes.c_char.from_buffer(pages)  # the view above is gone by now: the mapping may be closed
        return _PAGES


def forks() -> int:
    """Short lives: fork, exit, wait."""
    for _ in range(_FORKS):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    return _FORKS


def calls() -> int:
    """The shortest of system calls."""
    getppid = os.getppid
    for _ in repeat(None, _CALLS):
        getppid()
    return _CALLS


def maps() -> int:
    """mmap and munmap of a page, as one event."""
    for _ in repeat(None, _MAPS):
        mmap.mmap(-1, mmap.PAGESIZE).close()
    return _MAPS


LOADS: dict[str, Callable[[], int]] = {"faults": faults, "forks": forks, "calls": calls, "maps": maps}


def load(name: str) -> None:
    """Rounds of one load: for each line of input, nanoseconds of cpu (its own and its children's) per event."""
    import resource

    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.thread_time_ns() + (children.ru_utime + children.ru_stime) * 1e9

    for _ in sys.stdin:
        begin = spent()
        count = LOADS[name]()
        print((spent() - begin) / count, flush=True)


def measure(name: str, attach: dict[str, bool], rounds: int) -> tuple[float, float]:
    """Medians of nanoseconds per event, detached and attached. ``attach``: arguments of ``Feed.open``. Raises SystemExit."""
    from proctop.kernel.bpf.feed import Feed, Unavailable
    from proctop.kernel.host import Host

    argv = [sys.executable, "-S", "-E", "-I", os.path.abspath(__file__), name]
    without: list[float] = []
    having: list[float] = []
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None and worker.stdout is not None

        def once() -> float:
            assert worker.stdin is not None and worker.stdout is not None
            print(file=worker.stdin, flush=True)
            return float(worker.stdout.readline())

        once()
        for _ in range(rounds):
            without.append(once())
            feed = Feed.open(Host.this(), **attach)
            if isinstance(feed, Unavailable):
                raise SystemExit(next(iter(feed.why.values())))
            if feed.refused:
                raise SystemExit("; ".join(f"{name}: {why}" for name, why in feed.refused.items()))
            having.append(once())
            feed.events()
            feed.close()
    return median(without), median(having)


ROWS = (
    ("short life, births and ends told", "forks", {"faults": False}),
    ("short life, faults counted too", "forks", {"faults": True}),
    ("page fault, faults counted", "faults", {"faults": True}),
    ("any system call, memory counted", "calls", {"faults": False, "memory": True}),
    ("mmap and munmap, memory counted", "maps", {"faults": False, "memory": True}),
    ("any system call, memory not counted", "calls", {"faults": True}),
)


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="with and without, each so many times (15)")
    rounds = parser.parse_args().rounds
    print(f"{'event':38} {'without':>9} {'with':>9} {'cost':>7}  ns of cpu per event")
    for title, name, attach in ROWS:
        without, having = measure(name, attach, rounds)
        print(f"{title:38} {without:9.0f} {having:9.0f} {having - without:+7.0f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in LOADS:
        load(sys.argv[1])
    else:
        main()
