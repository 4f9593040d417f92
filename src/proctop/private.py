"""Files that are nobody else's business: owner only, never through a link, never where others may rename what lies there."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

_LONGEST = 64  # characters of a word in the name of a file: what Linux gives a host


class NotPrivate(OSError):
    """The place or the file belongs to others; ``strerror`` says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EPERM, message)


def file_name(word: str) -> str:
    """A word from elsewhere, a host's name say, as part of the name of a file.

    >>> file_name("db/1"), file_name("")
    ('db_1', 'host')
    """
    return "".join(c if c.isalnum() or c in "-." else "_" for c in word[:_LONGEST]) or "host"


def open_private(path: str, flags: int, folder: int | None = None) -> int:
    """A descriptor of a file that is made if it is not there (0600, in directories of 0700). Raises OSError.

    With ``folder``, a descriptor of :func:`open_folder`, ``path`` is a name in there.
    """
    if folder is None:
        _safe_folder(path)
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:
        return os.open(path, flags, dir_fd=folder)


def open_folder(path: str) -> int:
    """A descriptor of a directory, made if it is not there (0700). Raises OSError."""
    return os.open(_safe_folder(os.path.join(path, "file")), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def replace_private(path: str, data: bytes) -> None:
    """The whole content at once: whoever opens ``path`` finds the old or the new, also after a crash. Raises OSError."""
    folder = _safe_folder(path)
    fresh = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.unlink(fresh)  # of a process that had our pid and was killed
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(fresh, path)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def read_private(path: str, most: int) -> bytes:
    """The content of a regular file of this user (or root) and at most ``most`` bytes. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivate("not a regular file")
        if status.st_uid not in (os.geteuid(), 0) or status.st_mode & stat.S_IWOTH:
            raise NotPrivate("belongs to somebody else or is writable by everybody")
        if status.st_size > most:
            raise NotPrivate("too large")
        return file.read(most + 1)


def _safe_folder(path: str) -> str:
    """The directory of ``path``, made if it is not there."""
    folder = os.path.dirname(os.path.abspath(path))
    _make(folder)
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise NotPrivate(f"{folder} is writable by everybody, choose another directory")
    return folder


def _make(folder: str) -> None:
    if not os.path.isdir(folder):
        if os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _make(os.path.dirname(folder))
        os.mkdir(folder, 0o700)
