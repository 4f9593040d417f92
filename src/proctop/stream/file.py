"""One recording file: private, locked, each append whole or not at all, and never the last of the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from proctop.private import open_private
from proctop.records import Reading
from proctop.stream import MAJOR, MINOR, frames

SPARED, MOST_SPARED = 20, 1 << 30
"""One part in so many of a file system, and bytes at most, that recordings leave free."""

_MORE = 10  # one part in so many of that must be free beside it before a recording that stopped goes on
_BUSY = "is being recorded into by another proctop"


class Unfit(OSError):
    """A place that is not recorded into (now); ``strerror`` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EPERM, message)


class File:
    """The recording at ``path`` (in the directory ``folder``, a descriptor): made, or continued where it is of our version.

    Methods raise OSError; what is in the file stays readable, and the next attempt may succeed.

    Attributes:
        size: bytes in the file.
    """

    def __init__(self, path: str, folder: int | None = None) -> None:
        self.size = 0
        self._path = path
        self._folder = folder
        self._fd = -1
        self._short = False
        self._open()

    def due(self, reading: Reading) -> bool:
        """Never: all goes into one file."""
        return False

    def ready(self, reading: Reading) -> bool:
        """Before a reading: whether it must begin a segment, as the file was removed or somebody else changed it.

        Raises Unfit while the disk is nearly full.
        """
        status = os.fstat(self._fd) if self._fd >= 0 else None
        again = status is None or not status.st_nlink or status.st_size != self.size
        if again:
            self.close()
            self._open()
        self._leave_some()
        return again

    def append(self, data: bytes) -> None:
        """All of ``data`` or, as far as the disk lets us, none of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            if len(rest) < len(data):
                os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self) -> None:
        self._fd = open_private(self._path, os.O_RDWR | os.O_APPEND, self._folder)
        try:
            lock(self._fd)
            head = os.pread(self._fd, frames.PREAMBLE.size, 0)
            if head and head != frames.preamble():
                kind = "a recording in another format" if head.startswith(frames.MAGIC) else "not a recording"
                raise Unfit(f"exists and is {kind} (this is {MAJOR}.{MINOR}), choose another file")
            self.size = os.fstat(self._fd).st_size
            if not head:
                self.append(frames.preamble())
        except OSError:
            self.close()
            raise

    def _leave_some(self) -> None:
        """Leave something to others. The message does not change from reading to reading."""
        disk = os.fstatvfs(self._fd)
        floor = min(MOST_SPARED, disk.f_blocks * disk.f_frsize // SPARED)
        self._short = disk.f_bavail * disk.f_frsize < floor + (floor // _MORE if self._short else 0)
        if self._short:
            raise Unfit(f"less than {floor / (1 << 20):.3g} MiB are free on the disk, waiting for more")


def lock(fd: int) -> None:
    """Keep other writers off a file that is ours alone. Raises OSError, Unfit where it is not, or another process has it."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Unfit("not a regular file")
    if status.st_uid != os.geteuid() or status.st_nlink != 1:
        raise Unfit("belongs to somebody else or has a second name, choose another file")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unfit(_BUSY) from None
