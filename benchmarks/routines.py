"""What normal processes do all day: routines in portions, and the worker that follows one until it is told to misbehave.

The numbers vary from worker to worker and from moment to moment, as they do in life: a routine that never varies makes every fault easy.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from benchmarks.workers import KINDS, Portions, compute

_INSTEAD = ("spin", "livelock", "stop")  # faults that leave no time for the routine
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the services listen, on the loopback address."""

    redis: int
    http: int


def idle(rng: Random, ports: Ports) -> Portions:
    """Wakes up now and then for nothing."""
    while True:
        yield rng.uniform(5, 40)


def tick(rng: Random, ports: Ports) -> Portions:
    """A daemon that looks around every second or so."""
    pause = rng.uniform(0.2, 1.5)
    while True:
        with open("/proc/loadavg", "rb") as file:
            file.read()
        yield pause


def agent(rng: Random, ports: Ports) -> Portions:
    """Collects numbers every few seconds."""
    pause, count = rng.uniform(1, 4), rng.randint(20, 120)
    while True:
        for pid in os.listdir("/proc")[:count]:
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    file.read()
            except OSError:
                continue
        yield pause


def web(rng: Random, ports: Ports) -> Portions:
    """Requests come at random; each costs a little cpu and memory."""
    rate = rng.uniform(1, 12)
    while True:
        compute(rng.lognormvariate(-6.5, 0.8))
        bytes(rng.randint(1_000, 200_000))
        yield rng.expovariate(rate)


def http(rng: Random, ports: Ports) -> Portions:
    """Asks the web server for pages."""
    rate = rng.uniform(1, 8)
    while True:
        _ask(ports.http, b"GET /%s HTTP/1.0\r\n\r\n" % rng.choice((b"small.html", b"small.html", b"large.html")))
        yield rng.expovariate(rate)


def redisapp(rng: Random, ports: Ports) -> Portions:
    """Sets and gets small keys over one connection at a time."""
    rate = rng.uniform(1, 8)
    while True:
        key = b"k%d" % rng.randint(0, 999)
        _ask(ports.redis, b"SET %s %s\r\nGET %s\r\nQUIT\r\n" % (key, b"x" * rng.randint(10, 2000), key))
        yield rng.expovariate(rate)


def _ask(port: int, request: bytes) -> None:
    """One exchange; a server that does not answer costs a second."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(request)
            while connection.recv(65536):
                pass
    except OSError:
        return


def log(rng: Random, ports: Ports) -> Portions:
    """Appends lines, and starts its file over when that grows."""
    rate = rng.uniform(2, 15)
    with tempfile.TemporaryFile(buffering=0) as file:
        while True:
            file.write(b"%s\n" % (b"." * rng.randint(50, 400)) * rng.randint(1, 5))
            if file.tell() > 5_000_000:
                file.truncate(0)
                file.seek(0)
            yield rng.expovariate(rate)


def batch(rng: Random, ports: Ports) -> Portions:
    """Compresses some data every so often."""
    pause = rng.uniform(4, 20)
    while True:
        for _ in range(rng.randint(1, 4)):
            zlib.compress(rng.randbytes(rng.randint(20_000, 200_000)))
            yield 0.02
        yield pause * rng.uniform(0.8, 1.2)


def cron(rng: Random, ports: Ports) -> Portions:
    """Starts a short command every so often."""
    pause = rng.uniform(5, 20)
    while True:
        if (child := os.fork()) == 0:
            os.execv("/bin/sh", ["sh", "-c", "cat /etc/hostname >/dev/null; true"])
        os.waitpid(child, 0)
        yield pause


def cache(rng: Random, ports: Ports) -> Portions:
    """Holds memory that it replaces piece by piece."""
    rate, held = rng.uniform(1, 6), [bytes(50_000) for _ in range(100)]
    while True:
        held[rng.randrange(len(held))] = rng.randbytes(rng.randint(20_000, 80_000))
        yield rng.expovariate(rate)


def gc(rng: Random, ports: Ports) -> Portions:
    """Allocates steadily and gives it all back at once, as managed runtimes do."""
    rate, full = rng.uniform(2, 6), rng.randint(20, 80)
    held: list[bytes] = []
    while True:
        held.append(b"\1" * 200_000)
        compute(0.001)
        if len(held) > full:
            held.clear()
            compute(0.03)
        yield rng.expovariate(rate)


def db(rng: Random, ports: Ports) -> Portions:
    """Reads pages of a file, writes some of them, and syncs now and then."""
    rate = rng.uniform(2, 10)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.truncate(8_000_000)
        while True:
            for _ in range(rng.randint(1, 6)):
                page = rng.randrange(1000) * 8192
                os.pread(file.fileno(), 8192, page)
                if rng.random() < 0.3:
                    os.pwrite(file.fileno(), bytes(8192), page)
            if rng.random() < 0.02:
                os.fdatasync(file.fileno())
            yield rng.expovariate(rate)


def udp(rng: Random, ports: Ports) -> Portions:
    """Sends itself small datagrams."""
    rate = rng.uniform(2, 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        while True:
            for _ in range(rng.randint(1, 5)):
                own.sendto(bytes(100), own.getsockname())
                own.recv(200)
            yield rng.expovariate(rate)


Routine = Callable[[Random, Ports], Portions]
ROUTINES: dict[str, Routine] = {r.__name__: r for r in (idle, tick, agent, web, http, redisapp, log, batch, cron, cache, gc, db, udp)}

STEADY = ("tick", "web", "http", "redisapp", "log", "cache", "gc", "db", "udp")
"""Routines that do something every second or two, so that their silence is a fault."""


def follow(routine: Portions, orders: int) -> None:
    """Do ``routine`` until ``orders`` is closed.

    An order is a line ``KIND SECONDS``: a fault of :data:`benchmarks.workers.KINDS`, beside the routine or instead of it, or
    ``x3 SECONDS``: three times as busy, which is no fault.
    """
    fault: Portions | None = None
    kind, pace = "", 1.0
    due, due_fault, end = time.monotonic(), float("inf"), float("inf")
    while True:
        busy = kind in _INSTEAD
        wait = min(end, due_fault, float("inf") if busy else due) - time.monotonic()
        if select.select([orders], [], [], min(max(wait, 0.0), 60.0))[0]:
            words = os.read(orders, 4096).split()
            if not words:
                return
            kind, end = words[0].decode(), time.monotonic() + float(words[1])
            if kind in KINDS:
                fault, due_fault = KINDS[kind](), time.monotonic()
            else:
                pace = float(kind.removeprefix("x"))
        now = time.monotonic()
        if now >= end:
            if fault is not None:
                fault.close()
            fault, kind, pace = None, "", 1.0
            due, due_fault, end = max(due, now), float("inf"), float("inf")
        if now >= due and kind not in _INSTEAD:
            due = now + next(routine) / pace
        if fault is not None and now >= due_fault:
            due_fault = max(due_fault + next(fault), now)


def die_with_parent() -> None:
    """Nothing outlives the session, whatever becomes of it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def name(comm: str) -> None:
    with open("/proc/self/comm", "w") as file:
        file.write(comm)
