"""Keeps one endpoint followed: late, denied, hung, restarted."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

from proctop.containers.book import Book
from proctop.containers.endpoints import Answer, Endpoint
from proctop.containers.runtime import SILENT, TIMEOUT, Session
from proctop.sanitize import clean

LATE: Final = 2.0
"""Seconds between looks for a socket that is not there."""

PULSE: Final = 1.0
"""Seconds between pings of a runtime that answers. With :data:`TIMEOUT` a hang is told within 3 s; a ping costs 0.1 ms."""

SHORTEST, LONGEST = 0.5, 10.0
"""Seconds before the next attempt after a failure, doubling from the first to the second."""

_MOST_LEFT: Final = 3  # sessions that were left and still hang on their connection


class Watch(threading.Thread):
    """A thread that asks an endpoint how it is and keeps one :class:`Session` with it.

    ``note`` is one line for the user, ``""`` while all is well.
    """

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str], book: Book) -> None:
        super().__init__(name=f"proctop-{endpoint.kind}-watch", daemon=True)
        self.note = ""
        self._endpoint = endpoint
        self._environ = environ
        self._book = book
        self._wake = threading.Event()
        self._closed = False
        self._session: Session | None = None
        self._left: list[Session] = []
        self._began = 0.0
        self._failed = SHORTEST  # seconds to wait after the next failure
        self._named = False  # there was a list once

    def close(self) -> None:
        """Ask the threads to end; does not wait for them."""
        self._closed = True
        self._wake.set()
        if session := self._session:
            session.leave()

    def run(self) -> None:
        while not self._closed:
            delay = self._look()
            self._wake.wait(delay)
            self._wake.clear()
        if session := self._session:
            session.leave()

    def _look(self) -> float:
        """One round; seconds until the next."""
        answer = self._endpoint.ask(TIMEOUT)
        session = self._session
        self._named = self._named or (session is not None and session.listed)
        if answer is Answer.ALIVE:
            return self._follow(session)
        self.note = self._words(answer)
        if session is not None and not session.is_alive():
            self._session = None
        return LATE if answer is Answer.ABSENT else self._fail()

    def _follow(self, session: Session | None) -> float:
        if session is None or not session.is_alive():
            return self._begin(session)
        asked = session.asked
        if asked is not None and time.monotonic() - asked > TIMEOUT:
            session.leave()
            self._left.append(session)
            self._session = None
            self.note = self._words(Answer.MUTE)
            return self._fail()
        if session.listed:
            self.note = ""
            if time.monotonic() - self._began > LONGEST:
                self._failed = SHORTEST
        return PULSE

    def _begin(self, ended: Session | None) -> float:
        if ended is not None:
            self._session = None
            self.note = "" if ended.listed else f"{self._endpoint.kind}: {ended.error}"
            return self._fail()
        self._left = [session for session in self._left if session.is_alive()]
        if len(self._left) >= _MOST_LEFT:
            return LONGEST
        self._session = Session(self._endpoint, self._environ, self._book, self._wake.set)
        self._began = time.monotonic()
        self._session.start()
        return PULSE

    def _fail(self) -> float:
        delay, self._failed = self._failed, min(2 * self._failed, LONGEST)
        return delay

    def _words(self, answer: Answer) -> str:
        kind, where = self._endpoint.kind, clean(self._endpoint.path or self._endpoint.url)
        if answer is Answer.MUTE:
            return f"{kind}: {SILENT}"
        if answer is Answer.DENIED:
            way = "add the user to group docker or run as root" if kind == "docker" else "run as root"
            return f"{kind}: permission denied on {where}; {way}"
        if answer is Answer.REFUSED:
            return f"{kind}: nobody answers on {where}"
        return f"{kind}: gone, names may be stale" if self._named else ""
