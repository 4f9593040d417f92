"""Processes whose numbers the eBPF feed is held against. Run as a script: ``bpf_crowd.py KIND COUNT [FOLDER]``, until standard input ends.

``busy``    each computes, faults pages in, reads, writes and sleeps, forever; each tenth has four more threads and one that comes and goes.
            The more there are, the longer they sleep: together they take half a cpu.
``rest``    the same for a moment; then each sleeps, and nothing of it changes any more.
``threads`` one process with so many sleeping threads.
``brief``   so many processes one after the other, each of which sleeps for 5 ms and exits with code 7.

The parent's first line says that all have begun, or come to rest; for ``brief``, that all were waited for.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import sys
import threading
import time

ROUNDS = 3


def work(path: str, pause: float) -> None:
    """Something of everything that is counted."""
    end = time.thread_time_ns() + 500_000
    while time.thread_time_ns() < end:
        pass
    with mmap.mmap(-1, 64 * mmap.PAGESIZE) as pages:
        for page in range(64):
            pages[page * mmap.PAGESIZE] = 1
    with open("/dev/zero", "rb", buffering=0) as zero, open(path, "wb", buffering=0) as file:
        for _ in range(3):
            file.write(zero.read(5000))
    time.sleep(pause)


def ended() -> bool:
    """Whether standard input has: the test is over."""
    return bool(select.select([0], [], [], 0)[0])


def forever(path: str, pause: float) -> None:
    while not ended():
        work(path, pause)


def member(kind: str, number: int, count: int, folder: str, ready: int) -> None:
    path, pause = f"{folder}/{number}", 0.01 if kind == "rest" else count / 400
    many = number % 10 == 0
    if kind == "rest":
        for _ in range(ROUNDS):
            work(path, pause)
            if many:  # threads that end leave their share behind
                threads = [threading.Thread(target=work, args=(f"{path}.{place}", pause)) for place in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        while len(os.listdir("/proc/self/task")) > 1:  # joined is not yet gone
            os.sched_yield()
    elif many:
        for place in range(4):
            threading.Thread(target=forever, args=(f"{path}.{place}", pause), daemon=True).start()
    os.write(ready, b".")
    if kind == "rest":
        select.select([0], [], [])
    while not ended():
        work(path, pause)
        if many:
            thread = threading.Thread(target=work, args=(f"{path}.x", pause))
            thread.start()
            thread.join()


def brief(count: int) -> None:
    due = time.monotonic()
    for _ in range(count):
        due += 0.0025
        time.sleep(max(0.0, due - time.monotonic()))
        if os.fork() == 0:
            time.sleep(0.005)
            os._exit(7)
    for _ in range(count):
        os.wait()


def main() -> None:
    kind, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    if kind == "brief":
        sys.stdin.readline()  # not before it is told to
        brief(count)
    elif kind == "threads":
        libc = ctypes.CDLL(None)
        for _ in range(count):  # in C: thousands that are Python's would fight for its lock
            if libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None):
                sys.exit("no more threads")
    else:
        told, ready = os.pipe()
        for number in range(count):
            if os.fork() == 0:
                os.close(1)
                member(kind, number, count, folder, ready)
                os._exit(0)
        for _ in range(count):
            os.read(told, 1)
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
