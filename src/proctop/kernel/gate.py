"""Which processes ran: the first line of ``/proc/PID/schedstat`` of every process, from held descriptors.

Its nanoseconds move whenever the main thread ran, however shortly (the 10 ms ticks of ``stat`` miss most short runs), and a held
descriptor costs 1 µs to read again against 6 to open: so an idle process costs nearly nothing. A descriptor belongs to its process,
never to a later one of the same pid: once the process is gone it says so. Threads other than the main one do not show here.
"""

from __future__ import annotations

from itertools import compress
from operator import ne
from typing import Any

from proctop.kernel.host import Host, Unreadable, Vanished

_NONE = -1  # not held
_FEW = 32


class Gate:
    """Rows are those of the process table: births are added at the end, ``drop`` takes out the dead.

    Beyond ``limit`` descriptors (or when the kernel gives no more) a row is opened at every look; then its pid may have passed to
    another process, which the caller notices by the start time in ``stat``.
    """

    def __init__(self, host: Host, limit: int) -> None:
        self._host = host
        self._limit = limit
        self._paths: list[str] = []
        self._fds: list[int] = []
        self._texts: list[bytes] = []
        self._held = 0
        self.usable = self._works()

    def _works(self) -> bool:
        """Whether the kernel counts run time here (CONFIG_SCHED_INFO): pid 1 or this process has some."""
        for pid in ("self", "1"):
            try:
                words = self._host.read(f"{self._host.proc}/{pid}/schedstat", 64).split()
            except Unreadable:
                continue
            if len(words) == 3 and words != [b"0", b"0", b"0"]:
                return True
        return False

    @property
    def complete(self) -> bool:
        """Every row is held, so an exit cannot go unnoticed."""
        return self.usable and self._held == len(self._fds)

    def text(self, row: int) -> bytes:
        """What the file said at the last look; ``b""`` where it is unusable."""
        return self._texts[row]

    def add(self, paths: list[str]) -> None:
        """Take in processes by their directories, at the end, with a first look at each."""
        for path in paths:
            fd, text = _NONE, b""
            if self.usable:
                fd, text = self._open(f"{path}/schedstat")
            self._paths.append(path)
            self._fds.append(fd)
            self._texts.append(text)
            self._held += fd != _NONE

    def _open(self, path: str) -> tuple[int, bytes]:
        try:
            if self._held >= self._limit:
                return _NONE, self._host.read(path, 64)
            fd = self._host.open(path)
        except Unreadable:
            return _NONE, b""
        texts, _ = self._host.gate((fd,))
        return fd, texts[0]

    def hold(self, rows: list[int]) -> None:
        """Try again for rows that are not held; a row whose pid is another process's by now shows as one that ran."""
        if self.usable:
            for row in rows:
                if self._fds[row] == _NONE and self._held < self._limit:
                    try:
                        self._fds[row] = self._host.open(f"{self._paths[row]}/schedstat")
                    except Unreadable:
                        return
                    self._held += 1

    def look(self) -> tuple[list[int], list[int]]:
        """Rows that ran since the last look, and rows that are gone, each ascending. Unusable: all ran, none gone."""
        if not self.usable:
            return list(range(len(self._fds))), []
        if self.complete:
            texts, gone = self._host.gate(self._fds)
        else:
            texts, gone = self._look_mixed()
        ran = list(compress(range(len(texts)), map(ne, texts, self._texts)))
        self._texts = texts
        if gone:
            dead = set(gone)
            ran = [row for row in ran if row not in dead]
        return ran, gone

    def _look_mixed(self) -> tuple[list[bytes], list[int]]:
        rows = [row for row, fd in enumerate(self._fds) if fd != _NONE]
        held, lost = self._host.gate([self._fds[row] for row in rows])
        texts = [b""] * len(self._fds)
        for row, text in zip(rows, held, strict=True):
            texts[row] = text
        gone = [rows[place] for place in lost]
        for row, fd in enumerate(self._fds):
            if fd == _NONE:
                try:
                    texts[row] = self._host.read(f"{self._paths[row]}/schedstat", 64)
                except Vanished:
                    gone.append(row)
                except Unreadable:
                    texts[row] = b""
        gone.sort()
        return texts, gone

    def drop(self, rows: list[int]) -> None:
        """Forget rows, given ascending."""
        fds = [fd for fd in (self._fds[row] for row in rows) if fd != _NONE]
        self._host.close(fds)
        self._held -= len(fds)
        for column in (self._paths, self._fds, self._texts):
            without(column, rows)

    def close(self) -> None:
        """Let go of every descriptor."""
        self.drop(list(range(len(self._fds))))


def without(column: list[Any], rows: list[int]) -> None:
    """Delete the places ``rows`` (ascending) of a list; quick where they are few and where they are many."""
    if len(rows) <= _FEW:
        for row in reversed(rows):
            del column[row]
    else:
        kept = [True] * len(column)
        for row in rows:
            kept[row] = False
        column[:] = compress(column, kept)
