"""One ssh that runs a command on another host: the bytes that come, the words that are said, and its end.

No shell is involved at this end. The words are cleaned where they enter, because the other end chooses them.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from proctop.sanitize import clean_bytes
from proctop.stream import StreamError
from proctop.stream.frames import MAGIC

_OPTIONS = (
    "ConnectTimeout=10",
    "ServerAliveInterval=5",  # with the next line: a dead link is noticed after 20 s
    "ServerAliveCountMax=4",
    "LogLevel=INFO",  # its words are what the user is told
    "RequestTTY=no",
    "RemoteCommand=none",  # of the user's configuration, beside which no command is taken
    "ControlMaster=no",  # a shared connection is used where there is one; none is left behind
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
)
"""ssh_config(5)."""

_CHUNK = 1 << 16
_POLL = 0.2  # seconds between looks at whether to stop
_GREETING = 1 << 16  # bytes that a talkative login shell may print before the stream
_LINES, _LINE = 64, 240  # of words that are kept, and characters of each
_GRACE = 1.0  # seconds for last words and an end by itself
_FORCE = 0.3  # seconds between asking ssh to end and making it
_NOT_EXECUTABLE, _NOT_FOUND, _FAILED = 126, 127, 255  # exit codes: of the shell over there (POSIX 2.8.2), and of ssh itself (ssh(1))


def arguments(host: str, command: str, *, ask: bool, program: str = "ssh") -> list[str]:
    """The argument vector. ``ask``: ssh may ask on the terminal; else it fails where it would have to."""
    options = _OPTIONS if ask else ("BatchMode=yes", *_OPTIONS)
    return [program, *(f"-o{option}" for option in options), "--", host, command]


class Silent(Exception):
    """Nothing came for as long as :attr:`Link.patience`."""


class Link:
    """A running ssh.

    Args:
        argv: the program and its arguments.
        ask: it may use the terminal of this program; else it gets none.
        tell: is given the lines that ssh says while it waits for the stream to begin (passwords are asked for on the terminal itself).

    Attributes:
        patience: seconds of silence after which :meth:`more` raises Silent.
        began: the stream has begun; ended: it has come to its end.

    Raises StreamError where ssh cannot be run.
    """

    def __init__(
        self, argv: Sequence[str], *, ask: bool, tell: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.patience = math.inf
        self.began = self.ended = False
        self._tell = tell
        self._clock = clock
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held while the descriptors are used
        self._before = bytearray()  # what came before the stream
        self._said: list[str] = []
        self._told = 0
        self._line = bytearray()
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=not ask
            )
        except OSError as error:
            raise StreamError(f"{argv[0]} cannot be run on this host ({error.strerror}): install the OpenSSH client") from None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pipes = self._process.stdout, self._process.stderr
        self._out, self._err = (pipe.fileno() for pipe in self._pipes)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._listening = True
        self._heard = self._spoke = clock()

    def more(self) -> bytes:
        """The next bytes of the stream, empty at its end or once closed.

        Raises Silent, after which it may be called again, and StreamError where what comes is no stream.
        """
        while not self._closed.is_set() and not self.ended:
            with self._lock:
                data = b"" if self._closed.is_set() else self._look()
            if data:
                return data
            if self._clock() - self._heard > self.patience:
                raise Silent
        return b""

    def end(self) -> None:
        """See it off, and hear its last words first where the stream has ended. In the thread that calls :meth:`more`."""
        deadline = self._clock() + (_GRACE if self.ended else 0.0)
        words = select.poll()
        words.register(self._err, select.POLLIN)
        while self._listening and not self._closed.is_set() and self._clock() < deadline:
            with self._lock:
                if not self._closed.is_set() and words.poll(_POLL * 1000):
                    self._listen()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - self._clock()))
        self.close()

    def close(self) -> None:
        """End ssh at once, by force where asking is not enough. From any thread, and again."""
        self._closed.set()
        process = self._process
        for ask in (process.terminate, process.kill):
            if process.poll() is not None:
                break
            ask()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_FORCE)
        if self._lock.acquire(timeout=_FORCE):
            try:
                for pipe in self._pipes:
                    pipe.close()
            finally:
                self._lock.release()

    @property
    def said(self) -> list[str]:
        """The last lines on its standard error, cleaned; none from before the stream began."""
        return [*self._said, *filter(None, [_line(self._line)])]

    def pass_on(self, lines: list[str]) -> None:
        """Tell the first ``lines`` that were said, as far as they were not told yet."""
        if self._tell is not None:
            for line in lines[self._told :]:
                self._tell(line)
            self._told = max(self._told, len(lines))

    def why(self) -> str:
        """Why it ended, and on which side: part of a line. After :meth:`end`."""
        code, said = self._process.returncode, self.said
        last = said[-1] if said else ""
        if code in (_NOT_EXECUTABLE, _NOT_FOUND):
            found = "cannot be run" if code == _NOT_EXECUTABLE else "not found"
            return f"proctop {found} there ({last or f'exit code {code}'}): install it on that host, or give --host-command"
        if code == _FAILED:
            return last if last.startswith("ssh: ") else f"ssh: {last or 'ended without a word, as when the command over there is killed'}"
        if last:
            return f"proctop there: {last[9:]}" if last.startswith("proctop: ") else f"over there: {last}"
        if not self.began and (greeting := _line(self._before)):
            return f'sent "{greeting}" and no readings'
        if code is None or code < 0:
            return "ssh was ended" + ("" if code is None else f" by {signal.Signals(-code).name}")
        return f"proctop ended there with exit code {code}"

    def _look(self) -> bytes:
        """What came of the stream within a moment; empty for nothing."""
        ready = dict(self._poll.poll(_POLL * 1000))
        if self._err in ready:
            self._listen()
        elif not ready and not self.began and self._clock() - self._spoke > _GRACE:
            self.pass_on(self._said)
        if self._out not in ready:
            return b""
        data = os.read(self._out, _CHUNK)
        self._heard = self._clock()
        if not data:
            self.ended = True
            return b""
        return data if self.began else self._begin(data)

    def _begin(self, data: bytes) -> bytes:
        """The stream as soon as it begins, behind whatever a login shell has to say."""
        self._before += data
        place = self._before.find(MAGIC)
        if place < 0:
            if len(self._before) > _GREETING:
                raise StreamError(f'sent "{_line(self._before)}" and more in place of readings')
            return b""
        self.began = True
        self._said.clear()
        self._line.clear()
        return bytes(self._before[place:])

    def _listen(self) -> None:
        data = os.read(self._err, _CHUNK)
        self._spoke = self._clock()
        if not data:
            self._poll.unregister(self._err)
            self._listening = False
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[: 4 * _LINE]
        self._said += filter(None, map(_line, lines))
        gone = max(0, len(self._said) - _LINES)
        self._told = max(0, self._told - gone)
        del self._said[:gone]


def _line(raw: bytes | bytearray) -> str:
    """The first line that says something, fit to be shown."""
    lines = (clean_bytes(line.replace(b"\t", b" ")).strip(" \N{REPLACEMENT CHARACTER}") for line in bytes(raw[: 1 << 12]).splitlines())
    return next(filter(None, lines), "")[:_LINE]
