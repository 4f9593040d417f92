"""Appends readings to a recording. One write per reading, so that a kill costs at most the reading being written."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from types import TracebackType
from typing import TYPE_CHECKING, Self

from proctop import __version__, fields
from proctop.private import open_private
from proctop.records import Frame, HostInfo, Reading, Scores
from proctop.stream import MAJOR, MINOR, WriteFailed, frames
from proctop.stream.codec import Encoder
from proctop.stream.frames import Kind
from proctop.stream.header import Header
from proctop.stream.redact import redact

if TYPE_CHECKING:
    from zstandard import ZstdCompressionObj

_LEVEL = 3
_BUSY = "is being recorded into by another proctop"


class Writer:
    """Writes a file, or standard output for ``"-"``.

    A new file is private (0600, in directories made 0700). An existing recording of the same version is
    continued with a new segment; anything else is refused. Secrets in command lines are taken out unless
    ``keep_secrets``.

    After WriteFailed the recording stays readable and ``write`` may be called again: it starts a new segment
    as soon as that works.
    """

    def __init__(self, path: str, *, keep_secrets: bool = False) -> None:
        self.path = path
        self.readings = 0
        self.bytes = 0
        self._redact = None if keep_secrets else redact
        self._info: HostInfo | None = None
        self._encoder: Encoder | None = None
        self._zstd: ZstdCompressionObj | None = None
        self._in_segment = self._plain = 0
        self._fd: int | None = None
        self._pipe = path == "-"
        self._open()

    def write(self, what: Frame | Reading) -> None:
        """Append one reading, with the scores of a frame. Raises WriteFailed."""
        reading, seen = (what.reading, what.scores) if isinstance(what, Frame) else (what, None)
        if self._fd is None or (not self._pipe and not os.fstat(self._fd).st_nlink):
            self._release()
            self._open()
        data = self._encoded(reading, seen)
        try:
            self._append(data)
        except OSError as error:
            self._encoder = None
            raise WriteFailed(f"recording {self.path}: {_words(error)}") from error
        self.readings += 1
        self.bytes += len(data)

    def close(self) -> None:
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _encoded(self, reading: Reading, seen: Scores | None) -> bytes:
        import zstandard

        data = b""
        full = self._in_segment >= frames.READINGS or self._plain >= frames.LARGEST_SEGMENT // 2
        if self._encoder is None or self._zstd is None or full or reading.info != self._info:
            self._encoder = Encoder(self._redact)
            self._zstd = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
            self._info = reading.info
            self._in_segment = self._plain = 0
            data = self._segment(reading)
        plain = self._encoder.encode(reading, seen)
        if len(plain) > frames.LARGEST_READING:
            self._encoder = None
            raise WriteFailed(f"recording {self.path}: a reading of {len(reading)} processes is too large")
        body = self._zstd.compress(plain) + self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._in_segment += 1
        self._plain += len(plain)
        return data + frames.frame(Kind.READING, len(plain), body)

    def _segment(self, reading: Reading) -> bytes:
        import zstandard

        names = tuple(counter.name for counter in fields.COUNTERS)
        header = Header(reading.info, names, f"proctop {__version__}", self._redact is not None).to_json()
        body = frames.SEGMENT.pack(frames.SYNC, reading.wall, reading.mono) + zstandard.ZstdCompressor(level=_LEVEL).compress(header)
        return frames.frame(Kind.SEGMENT, len(header), body)

    def _append(self, data: bytes) -> None:
        """All of ``data`` or, as far as the disk lets us, none of it."""
        assert self._fd is not None
        size = None if self._pipe else os.fstat(self._fd).st_size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            if size is not None and len(rest) < len(data):
                os.ftruncate(self._fd, size)
            raise

    def _open(self) -> None:
        try:
            if self._pipe:
                self._fd = os.dup(1)
                self._append(frames.preamble())
            else:
                self._fd = open_private(self.path, os.O_RDWR | os.O_APPEND)
                self._begin(self._fd)
        except OSError as error:
            self._release()
            raise WriteFailed(f"recording {self.path}: {_words(error)}") from error
        except WriteFailed:
            self._release()
            raise

    def _begin(self, fd: int) -> None:
        """Lock the file; give it a preamble, or make sure that it has ours."""
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise WriteFailed(f"recording {self.path}: not a regular file")
        if status.st_uid != os.geteuid() or status.st_nlink != 1:
            raise WriteFailed(f"recording {self.path}: belongs to somebody else or has a second name, choose another file")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        head = os.pread(fd, frames.PREAMBLE.size, 0)
        if not head:
            self._append(frames.preamble())
        elif head != frames.preamble():
            kind = "a recording in another format" if head.startswith(frames.MAGIC) else "not a recording"
            raise WriteFailed(f"recording {self.path}: exists and is {kind} (this is {MAJOR}.{MINOR}), choose another file")

    def _release(self) -> None:
        self._encoder = None
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _words(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link, name the file itself"
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
        return _BUSY
    if error.errno == errno.EPIPE:
        return "nobody reads it any more"
    return (error.strerror or str(error)).lower()
