"""A program under a pseudo-terminal, with every chunk it writes kept beside the time and the CPU time it had used by then."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read of the terminal returned.

    Attributes:
        time: monotonic seconds.
        cpu: CPU seconds used until then by the program's own threads.
        data: the bytes.
    """

    time: float
    cpu: float
    data: bytes


def cpu_clock(pid: int) -> float:
    """CPU seconds of all threads of a process, ended ones too, in ns (``clock_getcpuclockid``); raises OSError when it is gone."""
    return time.clock_gettime((~pid << 3) | 2)


def _children(pid: int) -> list[int]:
    """Live children of all threads (needs CONFIG_PROC_CHILDREN)."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += map(int, file.read().split())
    return found


def tree(pid: int) -> list[int]:
    """The process and its live descendants; those that end meanwhile are left out."""
    pids = [pid]
    for each in pids:
        try:
            pids += _children(each)
        except OSError:
            continue
    return pids


def tree_cpu(pid: int) -> float:
    """CPU seconds (user and system) of a process, its live descendants and, in ticks, the reaped ones."""
    total = 0.0
    for each in tree(pid):
        try:
            with open(f"/proc/{each}/stat", "rb") as file:
                reaped = file.read().rpartition(b")")[2].split()[13:15]  # cutime, cstime
            total += cpu_clock(each) + sum(map(int, reaped)) / _TICK
        except OSError:  # it has just ended
            continue
    return total


def tree_peak(pid: int) -> int:
    """Peak resident bytes (VmHWM) of a process and its live descendants, added up."""
    total = 0
    for each in tree(pid):
        try:
            with open(f"/proc/{each}/status", "rb") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(b"VmHWM"))
        except OSError:
            continue
    return total


def host_cpu() -> float:
    """CPU seconds that all processes of the host have used."""
    with open("/proc/stat", "rb") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICK


class Terminal:
    """``argv`` running under a pseudo-terminal of ``columns`` × ``lines`` for the length of a ``with`` block.

    Attributes:
        started: monotonic seconds just before the fork.
        chunks: grows while the program writes; the reader only appends.
        killed: the program did not end within 5 s of SIGTERM.
    """

    def __init__(self, argv: Sequence[str], columns: int, lines: int, env: dict[str, str]) -> None:
        self.argv, self.columns, self.lines, self.env = list(argv), columns, lines, env
        self.chunks: list[Chunk] = []
        self.killed = False

    def __enter__(self) -> Terminal:
        libc = ctypes.CDLL(None)
        size = struct.pack("HHHH", self.lines, self.columns, 0, 0)
        self.started = time.monotonic()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            try:
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                fcntl.ioctl(0, termios.TIOCSWINSZ, size)
                os.execvpe(self.argv[0], self.argv, self.env)
            finally:
                os._exit(127)
        self._pidfd = os.pidfd_open(self.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: every process of the terminal has closed it
                return
            now = time.monotonic()
            try:
                cpu = cpu_clock(self.pid)
            except OSError:
                cpu = 0.0
            self.chunks.append(Chunk(now, cpu, data))

    @property
    def alive(self) -> bool:
        return not select.select([self._pidfd], [], [], 0)[0]

    def send(self, data: bytes) -> float:
        """Type ``data``; returns the monotonic time just before."""
        now = time.monotonic()
        os.write(self._master, data)
        return now

    def wait(self, seconds: float) -> bool:
        """Sleep, at most until the program ends; whether it is still alive."""
        return not select.select([self._pidfd], [], [], max(0.0, seconds))[0]

    def __exit__(self, *_: object) -> None:
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
            if self.wait(5):
                self.killed = True
                os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._reader.join(1)
        os.close(self._master)
        os.close(self._pidfd)
