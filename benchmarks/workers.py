"""Processes that behave for a while and then show one kind of fault, to see detection for real.

    python -m benchmarks.workers spin --quiet 120 --seconds 30

At each change of phase a line ``KIND PHASE TIME`` (wall seconds) is printed. Every worker ends by itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import cycle
from typing import IO

Portions = Generator[float, None, None]
"""Work in portions: each step does one and gives the seconds until the next is due."""

_MB = 1_000_000
_LEAK_CAP = 2000 * _MB
_STEP = 0.05  # seconds between two portions of a fault


def paced(portions: Portions, until: float) -> None:
    """Do ``portions`` until a monotonic time, each when it is due."""
    due = time.monotonic()
    with closing(portions):
        while due < until:
            due += next(portions)
            time.sleep(max(0.0, min(due, until) - time.monotonic()))


def heartbeat(log: IO[bytes]) -> Portions:
    """A small service's life: each second it reads a small file, computes a little and writes a line."""
    while True:
        with open("/etc/hostname", "rb") as file:
            text = file.read()
        sum(range(10_000))
        log.write(text + b"\n")
        log.flush()
        yield 1.0


def compute(seconds: float) -> None:
    """Nothing but cpu for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def spin() -> Portions:
    """One core."""
    while True:
        compute(_STEP)
        yield _STEP


def partial() -> Portions:
    """A third of a core."""
    while True:
        compute(_STEP / 3)
        yield _STEP


def livelock() -> Portions:
    """One core, spent on asking again and again for what is not there."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    try:
        while True:
            end = time.monotonic() + _STEP
            while time.monotonic() < end:
                try:
                    os.read(reader, 1)
                except BlockingIOError:
                    os.sched_yield()
            yield _STEP
    finally:
        os.close(reader)
        os.close(writer)


def write() -> Portions:
    """38 MB/s to a file without a name, started over each 190 MB."""
    portion = bytes(round(38 * _MB * _STEP))
    with tempfile.TemporaryFile(buffering=0) as file:
        while True:
            if file.tell() >= 100 * len(portion):
                file.seek(0)
                file.truncate()
            file.write(portion)
            yield _STEP


def read() -> Portions:
    """38 MB/s from a file that is read again and again."""
    size = round(38 * _MB * _STEP)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(bytes(size))
        while True:
            os.pread(file.fileno(), size, 0)
            yield _STEP


def scan() -> Portions:
    """500 small files a second, read one after the other."""
    paths = (os.path.join(folder, name) for _ in cycle([0]) for folder, _, names in os.walk("/usr/share") for name in names)
    while True:
        for _ in range(round(500 * _STEP)):
            try:
                with open(next(paths), "rb", buffering=0) as file:
                    file.read(4096)
            except OSError:  # a dangling link: the next file will do
                continue
        yield _STEP


def _hoard(rate: float) -> Portions:
    size = round(rate * _STEP)
    held: list[bytes] = []
    while True:
        if len(held) * size < _LEAK_CAP:
            held.append(b"\1" * size)
        yield _STEP


def leak() -> Portions:
    """20 MB/s of touched memory, 2 GB at most."""
    return _hoard(20 * _MB)


def seep() -> Portions:
    """2 MB/s of touched memory."""
    return _hoard(2 * _MB)


def fork() -> Portions:
    """20 children a second, each of which lives for half a second."""
    children: list[int] = []
    try:
        while True:
            if (pid := os.fork()) == 0:
                time.sleep(0.5)
                os._exit(0)
            children.append(pid)
            children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
            yield _STEP
    finally:
        for child in children:
            os.waitpid(child, 0)


def fd() -> Portions:
    """50 descriptors a second, until the limit."""
    held: list[int] = []
    try:
        while True:
            for _ in range(round(50 * _STEP)):
                try:
                    held.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:  # EMFILE: as far as a leak can go
                    break
            yield _STEP
    finally:
        for descriptor in held:
            os.close(descriptor)


def threads() -> Portions:
    """20 threads a second, 500 at most, that only wait."""
    end = threading.Event()
    count = 0
    try:
        while True:
            if count < 500:
                threading.Thread(target=end.wait, daemon=True).start()
                count += 1
            yield _STEP
    finally:
        end.set()


def contend() -> Portions:
    """Some thousand voluntary switches a second, as from a lock that everybody wants."""
    while True:
        end = time.monotonic() + _STEP
        while time.monotonic() < end:
            time.sleep(1e-4)
        yield _STEP


def stop() -> Portions:
    """No activity at all."""
    while True:
        yield 1e9


KINDS: dict[str, Callable[[], Portions]] = {
    each.__name__: each for each in (spin, partial, livelock, write, read, scan, leak, seep, fork, fd, threads, contend, stop)
}


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m benchmarks.workers", description="Quiet for a while, then one kind of fault.")
    flags.add_argument("kind", choices=KINDS)
    flags.add_argument("--quiet", type=float, default=120.0, metavar="SECONDS", help="length of the quiet time")
    flags.add_argument("--seconds", type=float, default=30.0, metavar="SECONDS", help="length of the fault")
    flags.add_argument("--name", metavar="COMM", help="process name, 15 bytes; otherwise work-KIND")
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    with open("/proc/self/comm", "w") as comm:
        comm.write(options.name or f"work-{options.kind}")

    def say(phase: str) -> None:
        print(options.kind, phase, f"{time.time():.3f}", flush=True)

    begin = time.monotonic()
    say("quiet")
    with tempfile.TemporaryFile() as log:
        paced(heartbeat(log), begin + options.quiet)
    say("fault")
    paced(KINDS[options.kind](), time.monotonic() + options.seconds)
    say("end")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
