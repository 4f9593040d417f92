"""What a detail asks of the past: the course of one process, fetched a slice at a time while nobody wants a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from proctop.frames import Course
from proctop.records import ProcKey
from proctop.stream import StreamError
from proctop.tui.feed import RETRIED
from proctop.tui.moments import Moments

OFTEN = 0.2
"""Seconds between two looks at a course that is not complete."""


class Asked(NamedTuple):
    """Whose course, from when to when (wall seconds)."""

    key: ProcKey
    begin: float
    end: float


class Tracer:
    """Asked from the thread of the screen, works in that of the transport. The newest request wins.

    Args:
        load: makes a player of its own, for while the transport has none.
        deliver: called when there is something new to :meth:`take`; it must not block.
    """

    def __init__(self, load: Callable[[], Moments], deliver: Callable[[], None]) -> None:
        self._load, self._deliver = load, deliver
        self._lock = threading.Lock()
        self._asked: Asked | None = None
        self._course: Course | None = None
        # of the transport's thread alone
        self._begun: Asked | None = None
        self._steps: Iterator[Course | None] | None = None
        self._player: Moments | None = None
        self._own = False
        self._handed = 0.0

    # from the thread of the screen

    def ask(self, asked: Asked | None) -> None:
        """For another course, None: for none any more. What was asked for before is forgotten."""
        with self._lock:
            self._asked, self._course = asked, None

    def take(self) -> Course | None:
        """What has come and nobody has taken yet."""
        with self._lock:
            course, self._course = self._course, None
            return course

    # from the transport's

    @property
    def wanted(self) -> bool:
        """Whether :meth:`advance` has anything to do."""
        return self._asked is not self._begun or self._steps is not None

    def advance(self, player: Moments | None) -> None:
        """A slice of work. ``player``: the one at hand."""
        asked = self._asked
        try:
            if asked is not self._begun:
                self._begin(asked, player)
            self._step(asked)
        except (StreamError, *RETRIED):  # what is there of it is shown; the board says what cannot be read
            self.leave()

    def leave(self, player: Moments | None = None) -> None:
        """Let go of what is being read; of a ``player`` that is about to be closed, to begin anew with another."""
        if player is None or (player is self._player and self._steps is not None):
            own, self._steps = self._player if self._own else None, None
            self._player, self._own = None, False
            if player is not None:
                self._begun = None
            if own is not None:
                own.close()

    def _begin(self, asked: Asked | None, player: Moments | None) -> None:
        self.leave()
        self._begun = asked
        if asked is not None:
            self._own = player is None
            self._player = player or self._load()
            self._steps = self._player.series(*asked)
            self._handed = 0.0

    def _step(self, asked: Asked | None) -> None:
        if self._steps is None:
            return
        course = next(self._steps, None)
        now = time.monotonic()
        if course is None or not (course.complete or now - self._handed >= OFTEN):
            return
        self._handed = now
        if course.complete:
            self.leave()
        with self._lock:
            if self._asked is not asked:
                return
            first, self._course = self._course is None, course
        if first:
            self._deliver()
