"""Reads that may block, off the sampling path: command lines and user names.

``/proc/PID/cmdline`` takes the process's memory lock and can hang for as long as the process is stuck in the kernel
(a hung network file system, a FUSE server that stopped); a user name may wait for a directory server. One daemon
thread does both; one that hangs is left behind and replaced, a few times.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import NamedTuple

from proctop.kernel.host import Host, Unreadable
from proctop.sanitize import clean, clean_command

LONGEST = 16384  # bytes of a command line that are read
PATIENCE = 2.0  # seconds for one read
MOST_STUCK = 4


class Command(NamedTuple):
    """Asks for the command line of a process."""

    pid: int
    start: int


class User(NamedTuple):
    """Asks for the name of a user."""

    uid: int


class Answer(NamedTuple):
    """``text`` is harmless to show; None where it could not be read."""

    ask: Command | User
    text: str | None


class _Worker:
    """A thread and what it is at. Plain attributes: each has one writer, and the reader only looks."""

    def __init__(self) -> None:
        self.ask: Command | User | None = None
        self.since = 0.0
        self.left = False  # behind: ends when its read returns


class Words:
    """Ask, then take what has come in."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._asks: deque[Command | User] = deque()
        self._answers: deque[Answer] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self._worker: _Worker | None = None
        self._stuck: list[_Worker] = []
        self._closed = False

    def ask(self, asks: list[Command | User]) -> None:
        """Queue requests; answers come in any later :meth:`take`."""
        if not asks or self._closed:
            return
        self._asks.extend(asks)
        self._idle.clear()
        if self._worker is None:
            self._begin()
        self._wake.put(True)  # after the clear: the worker that takes it sets idle again

    def _begin(self) -> None:
        if len(self._stuck) >= MOST_STUCK:
            self._asks.clear()
            self._idle.set()
        else:
            self._worker = _Worker()
            threading.Thread(target=self._work, args=(self._worker,), name="words", daemon=True).start()

    def _work(self, me: _Worker) -> None:
        while not (self._closed or me.left):
            try:
                ask = self._asks.popleft()
            except IndexError:
                me.ask = None
                self._idle.set()
                self._wake.get()
                continue
            me.since = self._host.clock().mono
            me.ask = ask
            self._answers.append(Answer(ask, self._read(ask)))
        me.ask = None

    def _read(self, ask: Command | User) -> str | None:
        try:
            if isinstance(ask, User):
                return clean(self._host.user(ask.uid))
            return clean_command(self._host.read(f"{self._host.proc}/{ask.pid}/cmdline", LONGEST))
        except Unreadable:
            return None

    def take(self, wait: float) -> list[Answer]:
        """What has come in, after waiting at most ``wait`` seconds for all of it."""
        self._idle.wait(wait)
        self._watch()
        answers: list[Answer] = []
        while self._answers:
            answers.append(self._answers.popleft())
        return answers

    def _watch(self) -> None:
        """Leave a thread behind that hangs, and go on with another."""
        self._stuck = [worker for worker in self._stuck if worker.ask is not None]
        worker = self._worker
        if worker is None:
            if self._asks:
                self._begin()
                self._wake.put(True)
            return
        ask = worker.ask
        if ask is not None and self._host.clock().mono - worker.since > PATIENCE:
            worker.left = True
            self._stuck.append(worker)
            self._worker = None
            self._begin()
            self._wake.put(True)

    def notes(self) -> tuple[str, ...]:
        """One line where reads hang."""
        pids = sorted(ask.pid for worker in self._stuck if isinstance(ask := worker.ask, Command))
        if not pids:
            return ()
        more = "" if len(self._stuck) < MOST_STUCK else "; no more command lines are read"
        return (f"command line of {', '.join(map(str, pids))} does not answer{more}",)

    def close(self) -> None:
        """Tell the threads to end; does not wait for one that hangs."""
        self._closed = True
        self._asks.clear()
        self._wake.put(True)
        self._idle.set()
