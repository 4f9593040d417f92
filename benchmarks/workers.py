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
from collections.abc import Callable, Sequence
from typing import IO

_MB = 1_000_000
_LEAK_CAP = 2000 * _MB
_STEP = 0.05  # seconds between two portions of a fault


def heartbeat(until: float, log: IO[bytes]) -> None:
    """A small service's life until a monotonic time: each second it reads a small file, computes a little and writes a line."""
    due = time.monotonic()
    while due < until:
        with open("/etc/hostname", "rb") as file:
            text = file.read()
        sum(range(10_000))
        log.write(text + b"\n")
        log.flush()
        due += 1.0
        time.sleep(max(0.0, min(due, until) - time.monotonic()))


def _paced(until: float, portion: Callable[[], object]) -> None:
    """Call ``portion`` every :data:`_STEP` seconds until then."""
    due = time.monotonic()
    while due < until:
        portion()
        due += _STEP
        time.sleep(max(0.0, min(due, until) - time.monotonic()))


def spin(until: float) -> None:
    """One core."""
    while time.monotonic() < until:
        pass


def write(until: float) -> None:
    """38 MB/s to a file without a name, started over each 190 MB."""
    portion = bytes(round(38 * _MB * _STEP))
    with tempfile.TemporaryFile(buffering=0) as file:

        def more() -> None:
            if file.tell() >= 100 * len(portion):
                file.seek(0)
                file.truncate()
            file.write(portion)

        _paced(until, more)


def read(until: float) -> None:
    """38 MB/s from a file that is read again and again."""
    size = round(38 * _MB * _STEP)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(bytes(size))
        _paced(until, lambda: os.pread(file.fileno(), size, 0))


def leak(until: float) -> None:
    """20 MB/s of touched memory, 2 GB at most."""
    size = round(20 * _MB * _STEP)
    held: list[bytes] = []

    def more() -> None:
        if len(held) * size < _LEAK_CAP:
            held.append(b"\1" * size)

    _paced(until, more)


def fork(until: float) -> None:
    """20 children a second, each of which lives for 50 ms."""

    def child() -> None:
        if (pid := os.fork()) == 0:
            time.sleep(_STEP)
            os._exit(0)
        os.waitpid(pid, 0)

    _paced(until, child)


def fd(until: float) -> None:
    """50 descriptors a second, until the limit."""
    held: list[int] = []

    def more() -> None:
        for _ in range(round(50 * _STEP)):
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:  # EMFILE: as far as a leak can go
                return

    _paced(until, more)
    for descriptor in held:
        os.close(descriptor)


def threads(until: float) -> None:
    """20 threads a second, 500 at most, that only wait."""
    end = threading.Event()
    started: list[threading.Thread] = []

    def more() -> None:
        if len(started) < 500:
            started.append(threading.Thread(target=end.wait))
            started[-1].start()

    _paced(until, more)
    end.set()


def stop(until: float) -> None:
    """No activity at all."""
    time.sleep(max(0.0, until - time.monotonic()))


KINDS: dict[str, Callable[[float], None]] = {each.__name__: each for each in (spin, write, leak, fork, stop, fd, threads, read)}


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
        heartbeat(begin + options.quiet, log)
    say("fault")
    KINDS[options.kind](time.monotonic() + options.seconds)
    say("end")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
