"""Recording files of a directory, one after the other, within limits that hold at every moment."""

from __future__ import annotations

import os
import stat
import time
from calendar import timegm
from contextlib import suppress
from dataclasses import dataclass

from proctop.private import file_name, open_folder, open_private
from proctop.records import Reading
from proctop.stream import frames
from proctop.stream.file import File, Unfit, lock

LONGEST = 3600.0
"""Seconds that one file covers at most."""
PARTS = 8
"""A limit is kept in so many files: deleting the oldest takes an eighth of what is there."""

_LOCK = ".proctop.lock"
_NAME = "{}-%Y%m%d-%H%M%SZ.proctop"
_HEAD = frames.PREAMBLE.size + frames.FRAME.size + frames.SEGMENT.size


@dataclass(frozen=True, slots=True)
class _Past:
    """A file that is complete: the time in its name, its bytes, and the wall clock of its first reading."""

    name: str
    stamp: int
    size: int
    began: float


def name(host: str, wall: float) -> str:
    """What a recording is called.

    >>> name("db1", 0.0)
    'db1-19700101-000000Z.proctop'
    """
    return time.strftime(_NAME.format(file_name(host)), time.gmtime(wall))


class Series:
    """Files ``HOST-YYYYmmdd-HHMMSSZ.proctop`` (UTC) in the directory ``path``, which only this process writes.

    The oldest are deleted before ``max_size`` bytes in all would be passed, and when their first reading is ``max_age``
    seconds old. Only recordings of this host and user whose names are as above count and are deleted. Names rise from file to
    file, also where the clock was set back. Methods raise OSError.
    """

    def __init__(self, path: str, max_size: int | None, max_age: float | None) -> None:
        self._path = path
        self._max_size = max_size
        self._max_age = max_age
        self._longest = LONGEST if max_age is None else min(LONGEST, max_age / PARTS)
        self._folder = self._lock = -1
        self._past: list[_Past] = []
        self._file: File | None = None
        self._name = ""
        self._host = ""
        self._began = 0.0
        self._enter()

    def due(self, reading: Reading) -> bool:
        """Whether the file that is being written ends before ``reading``."""
        if self._file is None:
            return False
        large = self._max_size is not None and self._file.size >= self._max_size // PARTS
        renamed = reading.info.hostname != self._host
        return large or renamed or not 0 <= reading.wall - self._began < self._longest

    def ready(self, reading: Reading) -> bool:
        """Before a reading: whether it must begin a segment, as another file begins with it. Deletes what is too old."""
        if self._folder < 0 or not os.fstat(self._folder).st_nlink:
            self.close()
            self._enter()
        if self._file is None or self.due(reading):
            self._next(reading)
            return True
        self._expire(reading.wall)
        return self._file.ready(reading)

    def append(self, data: bytes) -> None:
        """As :meth:`File.append`, after the room was made."""
        assert self._file is not None
        self._make_room(len(data))
        self._file.append(data)

    def close(self) -> None:
        self._leave()
        for fd in (self._folder, self._lock):
            if fd >= 0:
                os.close(fd)
        self._folder = self._lock = -1

    def _enter(self) -> None:
        """Open the directory and keep other writers out of it."""
        self._folder = open_folder(self._path)
        try:
            self._lock = open_private(_LOCK, os.O_RDWR, self._folder)
            lock(self._lock)
        except OSError:
            self.close()
            raise

    def _leave(self) -> None:
        """End the file; one without a reading is not kept."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            if file.size <= frames.PREAMBLE.size:
                with suppress(OSError):
                    os.unlink(self._name, dir_fd=self._folder)

    def _next(self, reading: Reading) -> None:
        """Begin a file, among what is there by now."""
        self._leave()
        self._host = reading.info.hostname
        self._look(self._host)
        self._expire(reading.wall)
        self._make_room(frames.PREAMBLE.size)
        self._name = name(self._host, max(reading.wall, self._past[-1].stamp + 1 if self._past else 0))
        self._file = File(self._name, self._folder)
        self._began = reading.wall
        self._file.ready(reading)

    def _look(self, host: str) -> None:
        """What is there, oldest first. What a kill left without a reading goes."""
        found = (self._found(entry, host) for entry in sorted(os.listdir(self._folder)))
        self._past = []
        for past in filter(None, found):
            if past.size > frames.PREAMBLE.size:
                self._past.append(past)
            else:
                os.unlink(past.name, dir_fd=self._folder)

    def _found(self, entry: str, host: str) -> _Past | None:
        """The file if it is one of ours: by its name, its content and its owner."""
        try:
            stamp = timegm(time.strptime(entry, _NAME.format(file_name(host))))
        except ValueError:
            return None
        if entry != name(host, stamp):
            return None
        try:
            fd = os.open(entry, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folder)
        except OSError:  # a link, a socket, gone meanwhile, or another user's
            return None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink != 1:
                return None
            head = os.pread(fd, _HEAD, 0)
        finally:
            os.close(fd)
        if head and not head.startswith(frames.MAGIC):
            return None
        began = status.st_mtime
        if len(head) == _HEAD:
            sync, wall, _ = frames.SEGMENT.unpack_from(head, _HEAD - frames.SEGMENT.size)
            began = wall if sync == frames.SYNC else began
        return _Past(entry, stamp, status.st_size, began)

    def _expire(self, now: float) -> None:
        if self._max_age is not None:
            for past in [past for past in self._past if past.began <= now - self._max_age]:  # in any place, if the clock was set back
                self._delete(past)

    def _make_room(self, size: int) -> None:
        if self._max_size is None:
            return
        size += self._file.size if self._file is not None else 0
        while self._past and size + sum(past.size for past in self._past) > self._max_size:
            self._delete(self._past[0])
        if size > self._max_size:
            raise Unfit("one reading is larger than --max-size allows, give more")

    def _delete(self, past: _Past) -> None:
        with suppress(FileNotFoundError):
            os.unlink(past.name, dir_fd=self._folder)
        self._past.remove(past)
