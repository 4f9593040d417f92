"""The seam to the kernel: roots, clock, tick and page size are passed in; errno becomes meaning here, once."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

_READ = os.O_RDONLY | os.O_CLOEXEC
_PAGE = 4096  # most files of a process fit
SPARE_DESCRIPTORS = 256
"""Descriptors left to the rest of the program when the limit is shared out."""


class Unreadable(Exception):
    """A kernel file could not be read. ``path`` and ``code`` (errno) say which and why."""

    def __init__(self, path: str, code: int) -> None:
        super().__init__(f"{path}: {os.strerror(code)}")
        self.path = path
        self.code = code


class Vanished(Unreadable):
    """What the file tells of is gone (ENOENT, ESRCH): a process ended, a cgroup was removed, or the kernel has no such file."""


class Denied(Unreadable):
    """Not permitted (EPERM, EACCES)."""


class NotProcfs(Exception):
    """The tree given as procfs is none; the message says what to do."""


_MEANING: dict[int, type[Unreadable]] = {
    errno.ENOENT: Vanished,
    errno.ESRCH: Vanished,
    errno.ENOTDIR: Vanished,
    errno.EPERM: Denied,
    errno.EACCES: Denied,
}


def _translate(path: str, error: OSError) -> Unreadable:
    code = error.errno or errno.EIO
    return _MEANING.get(code, Unreadable)(path, code)


class Instant(NamedTuple):
    """One moment by three clocks, in seconds: CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME."""

    wall: float
    mono: float
    boot: float


def now() -> Instant:
    """This moment by the kernel's clocks."""
    return Instant(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass(frozen=True)
class Host:
    """A host's kernel files below two roots, and what it takes to understand them.

    Attributes:
        proc, sys: the roots, without a slash at the end.
        clock: gives the present.
        ticks: USER_HZ, clock ticks per second; page: bytes.
        whoami: this process's effective uid.
    """

    proc: str
    sys: str
    clock: Callable[[], Instant]
    ticks: int
    page: int
    whoami: int

    @classmethod
    def this(cls, procfs: str = "/proc", sysfs: str = "/sys") -> Host:
        """The host this runs on, its trees mounted at ``procfs`` and ``sysfs``."""
        return cls(
            procfs.rstrip("/") or "/",
            sysfs.rstrip("/") or "/",
            now,
            os.sysconf("SC_CLK_TCK"),
            os.sysconf("SC_PAGE_SIZE"),
            os.geteuid(),
        )

    def open(self, path: str) -> int:
        """A descriptor for reading, closed on exec. Raises Unreadable."""
        try:
            return os.open(path, _READ)
        except OSError as error:
            raise _translate(path, error) from None

    def read(self, path: str, limit: int = _PAGE) -> bytes:
        """The first ``limit`` bytes of a file, by one read(2): whole for a procfs file that fits. Raises Unreadable."""
        try:
            fd = os.open(path, _READ)
            try:
                return os.read(fd, limit)
            finally:
                os.close(fd)
        except OSError as error:
            raise _translate(path, error) from None

    def read_whole(self, path: str, cap: int = 1 << 24) -> bytes:
        """The whole of a file of any length up to ``cap`` bytes. Raises Unreadable."""
        fd = self.open(path)
        try:
            return self.reread(fd, path, 1 << 16, cap)
        finally:
            os.close(fd)

    def reread(self, fd: int, path: str, size: int, cap: int = 1 << 24) -> bytes:
        """A held file again from its beginning; ``size`` is a guess that saves calls. Raises Unreadable."""
        try:
            text = os.pread(fd, size, 0)
            while len(text) >= size and len(text) < cap:
                more = os.pread(fd, size, len(text))
                if not more:
                    break
                text += more
            return text
        except OSError as error:
            raise _translate(path, error) from None

    def again(self, fd: int, path: str) -> bytes:
        """As :meth:`read`, of a held descriptor from its beginning. Raises Unreadable."""
        try:
            return os.pread(fd, _PAGE, 0)
        except OSError as error:
            raise _translate(path, error) from None

    def gate(self, fds: Sequence[int], size: int = 64) -> tuple[list[bytes], list[int]]:
        """The first ``size`` bytes behind every held descriptor, and the places of those that could not be read (``b""``).

        One C-level loop: an error stops ``extend`` after what was read so far, and the iterator goes on behind it.
        """
        texts: list[bytes] = []
        gone: list[int] = []
        reads = map(os.pread, fds, repeat(size), repeat(0))
        while True:
            try:
                texts.extend(reads)
                return texts, gone
            except OSError:
                gone.append(len(texts))
                texts.append(b"")

    def names(self, path: str) -> list[str]:
        """The entries of a directory, unordered. Raises Unreadable."""
        try:
            return os.listdir(path)
        except OSError as error:
            raise _translate(path, error) from None

    def size(self, path: str) -> int:
        """``st_size``. Raises Unreadable."""
        try:
            return os.stat(path).st_size
        except OSError as error:
            raise _translate(path, error) from None

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def close(self, fds: Sequence[int]) -> None:
        """Close held descriptors."""
        for fd in fds:
            os.close(fd)

    def own_pids(self) -> bool:
        """Whether the procfs numbers processes as this process does (it may belong to another pid namespace)."""
        try:
            return os.readlink(f"{self.proc}/self") == str(os.getpid())
        except OSError:
            return False

    def user(self, uid: int) -> str:
        """The user's name, or the number as text where there is none. May block (LDAP, NIS)."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def claim_descriptors(self) -> int:
        """Raise the soft limit of open files to the hard one; how many may be held so that the program keeps some."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                soft = hard
            except (OSError, ValueError):
                pass  # a hard limit above fs.nr_open: keep the soft one
        if soft == resource.RLIM_INFINITY:
            soft = 1 << 20
        return max(0, soft - SPARE_DESCRIPTORS)
