"""Appends readings to a file, a directory of files or a pipe. One write per reading: a kill costs at most the reading being written."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Protocol, Self

from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import WriteFailed, frames
from proctop.stream.file import File, Unfit
from proctop.stream.packer import Packer
from proctop.stream.redact import redact
from proctop.stream.series import Series


class Sink(Protocol):
    """Where the bytes go. Methods raise OSError; the next call is a new attempt."""

    def due(self, reading: Reading) -> bool:
        """Whether another file begins with ``reading``."""
        ...

    def ready(self, reading: Reading) -> bool:
        """Get ready for ``reading``; whether it must begin a segment."""
        ...

    def append(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Writer:
    """Writes a file, standard output for ``"-"``, or files in a directory.

    A ``path`` is a directory where it is one, ends in ``/``, or does not exist and a limit is given: see
    :class:`proctop.stream.series.Series` for ``max_size`` (bytes) and ``max_age`` (seconds). New files are private (0600, in directories
    made 0700). An existing recording of the same version is continued with a new segment; anything else is refused. Secrets in command
    lines are taken out unless ``keep_secrets``.

    After WriteFailed the recording stays readable and ``write`` may be called again: it starts a new segment as soon as that works.

    Attributes:
        bytes: written so far, without summaries that end a file.
    """

    def __init__(self, path: str, *, keep_secrets: bool = False, max_size: int | None = None, max_age: float | None = None) -> None:
        self.path = path
        self.bytes = 0
        self._packer = Packer(None if keep_secrets else redact)
        with self._told():
            self._sink = _sink(path, max_size, max_age)

    def write(self, what: Frame | Reading) -> None:
        """Append one reading, with the scores of a frame. Raises WriteFailed."""
        reading = what.reading if isinstance(what, Frame) else what
        with self._told():
            if self._sink.due(reading):
                self._end_segment()
            if self._sink.ready(reading):
                self._packer.restart()
            data = self._packer.pack(what).data
            self._sink.append(data)
        self.bytes += len(data)

    def close(self) -> None:
        """End the last segment and let go of the file."""
        self._end_segment()
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _end_segment(self) -> None:
        if summary := self._packer.finish():
            with suppress(OSError):  # a recording reads as well without it
                self._sink.append(summary)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong in words, and a new segment after it, also when a signal ends the program in the middle of a write."""
        whole = False
        try:
            yield
            whole = True
        except (OSError, WriteFailed) as error:
            raise WriteFailed(f"recording {self.path}: {_words(error) if isinstance(error, OSError) else error}") from error
        finally:
            if not whole:
                self._packer.restart()


class _Pipe:
    """Standard output. Waits for who reads it: what comes late is told by the readings."""

    def __init__(self) -> None:
        if os.isatty(1):
            raise Unfit("standard output is a terminal, give it a pipe or a file")
        self._fd = os.dup(1)
        self.append(frames.preamble())

    def due(self, reading: Reading) -> bool:
        return False

    def ready(self, reading: Reading) -> bool:
        return False

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # whoever started us shares it, and wants it so
                select.select([], [self._fd], [])

    def close(self) -> None:
        os.close(self._fd)


def _sink(path: str, max_size: int | None, max_age: float | None) -> Sink:
    limited = max_size is not None or max_age is not None
    if path == "-":
        return _Pipe()
    if path.endswith("/") or os.path.isdir(path) or (limited and not os.path.lexists(path)):
        return Series(path, max_size, max_age)
    if limited:
        raise Unfit("is a file, and limits go with a directory")
    return File(path)


def _words(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link, name the file itself"
    if error.errno == errno.EPIPE:
        return "nobody reads it any more"
    said = error.strerror or str(error)
    return said[:1].lower() + said[1:]
