"""The thread that fetches moments of the past: keys that repeat are added up, the newest wish wins, playing keeps its pace.

Nothing here waits for the screen and the screen never waits for this: a moment nobody took gives way to the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from proctop.frames import Course, Frame, HostRates
from proctop.stream import StreamError
from proctop.tui.feed import RETRIED
from proctop.tui.moments import Fetched, Moments, Wish, go
from proctop.tui.tracing import Asked, Tracer
from proctop.view.panel import LENGTH
from proctop.view.timeline import Outlook

LEAST = 0.1
"""Seconds between two moments while it plays; what would come faster is passed over."""

STALLED = 1.0
"""Seconds of playing that are made up for at most: a terminal that was suspended must not make it leap."""

REST = 1.0
"""Seconds between two looks for what a recording has grown by."""

NEAR = 60.0
"""Seconds by which a time may lie outside what there is and still mean its end: people leave out seconds."""

SURVEY = 0.3
"""Seconds between two timelines while the recording is still being indexed."""


class Transport(threading.Thread):
    """Runs what is wished for on a player.

    Args:
        load: makes the player, called in this thread after each :meth:`depart`.
        deliver: called in this thread when there is something new to :meth:`take`; it must not block.
    """

    def __init__(self, load: Callable[[], Moments], deliver: Callable[[], None]) -> None:
        super().__init__(name="transport", daemon=True)
        self._load = load
        self._deliver = deliver
        # of the screen and of this thread, under the lock
        self._changed = threading.Condition()
        self._closed = False
        self._turn = 0  # of departures: what an older one fetches is for nobody
        self._wishes: list[Wish] = []
        self._speed = 0.0  # 0 = it stands
        self._since = 0.0  # until when it has been played, monotonic
        self._columns = 0
        self._fetched: Fetched | None = None
        self._told: tuple[object, ...] = ()
        self._tracer = Tracer(load, deliver)
        # of this thread alone
        self._player: Moments | None = None
        self._interval = 1.0
        self._end = self._failed = False
        self._rested = 0.0  # when the player was last asked for anything, monotonic
        self._outlook: Outlook | None = None
        self._surveyed: tuple[object, ...] = ()  # what the outlook was worked out from
        self._survey_time = 0.0

    # from the thread of the screen

    def depart(self, *wishes: Wish) -> None:
        """Make the player anew and go there; what was wished for before is forgotten."""
        with self._changed:
            self._forget()
            self._wishes += [("load", 0.0), *wishes]
            self._changed.notify()

    def forget(self) -> None:
        """Nobody wants anything any more, not even the player."""
        with self._changed:
            self._forget()
            self._wishes.append(("leave", 0.0))
            self._changed.notify()

    def wish(self, what: str, value: float) -> None:
        """To the moment "at" ``value`` (wall seconds), to the "end" on its side (-1 the oldest, 1 the newest), "step" so many readings or
        "mark" so many anomalies further. A place to be makes the way there needless; ways of one manner are added up.
        """
        with self._changed:
            wishes = self._wishes
            if what in ("at", "end"):
                wishes[:] = [wish for wish in wishes if wish[0] in ("load", "leave")]
            if wishes and wishes[-1][0] == what and (what == "step" or value * wishes[-1][1] > 0):
                value += wishes.pop()[1]
            wishes.append((what, value))
            self._since = time.monotonic()
            self._changed.notify()

    def play(self, speed: float) -> None:
        """Go on ``speed`` times as fast as it happened; 0 stands still."""
        with self._changed:
            self._speed, self._since = speed, time.monotonic()
            self._changed.notify()

    def look(self, columns: int) -> None:
        """The timeline is wanted in so many columns, as it is now."""
        with self._changed:
            self._columns = columns
            if not self._wishes:
                self._wishes.append(("tend", 0.0))
                self._changed.notify()

    def trace(self, asked: Asked | None) -> None:
        """The course of a process is wanted, None: none any more. It comes while no moment is wanted."""
        with self._changed:
            self._tracer.ask(asked)
            self._changed.notify()

    def take_course(self) -> Course | None:
        """What nobody has taken yet of the one asked for last."""
        return self._tracer.take()

    def take(self) -> Fetched | None:
        """What nobody has taken yet."""
        with self._changed:
            fetched, self._fetched = self._fetched, None
            self._changed.notify()
            return fetched

    def close(self) -> None:
        """Ask the thread to end. Does not wait."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _forget(self) -> None:
        self._turn += 1
        self._speed = 0.0
        self._wishes.clear()
        self._fetched, self._told = None, ()

    # this thread

    def run(self) -> None:
        while (work := self._next()) is not None:
            turn, wishes = work
            if not wishes:
                self._tracer.advance(self._player)
                continue
            fetched: Fetched | None
            try:
                fetched = self._fetch(wishes)
                self._failed = False
            except (StreamError, *RETRIED) as error:
                self._failed = True
                said = f"the recording cannot be read: {error or type(error).__name__}"
                fetched = Fetched(outlook=self._outlook, trouble=said.splitlines()[0])
            self._rested = time.monotonic()
            if fetched is not None:
                self._hand_over(turn, fetched)
        self._leave()
        self._tracer.leave()

    def _next(self) -> tuple[int, list[Wish]] | None:
        """Wait until something is wished for, it is time to play on, to trace (nothing is wished for) or to tend to the player;
        None when closed.
        """
        with self._changed:
            while not self._closed:
                if self._wishes:
                    wishes, self._wishes = self._wishes, []
                    return self._turn, wishes
                traces = self._tracer.wanted
                if self._player is None or self._fetched is not None:  # nothing to do, or nobody has taken what was done
                    if traces:
                        return self._turn, []
                    self._changed.wait()
                    continue
                now = time.monotonic()
                left = REST - (now - self._rested)
                if not self._player.settled and not self._failed:
                    left = 0.0
                if self._speed:
                    pace = self._interval / (1.0 if self._end else self._speed)  # at the end of what may grow
                    passed = now - self._since
                    if passed >= max(pace, LEAST):
                        behind = passed > max(pace, LEAST) + STALLED
                        count = 1 if behind else max(1, int(passed / pace))
                        self._since = now if behind else self._since + count * pace
                        return self._turn, [("step", count)]
                    left = min(left, max(pace, LEAST) - passed)
                if traces:
                    return self._turn, []
                if left <= 0:
                    return self._turn, [("tend", 0.0)]
                self._changed.wait(left)
            return None

    def _fetch(self, wishes: Sequence[Wish]) -> Fetched | None:
        frame, chosen, remark = None, None, ""
        for what, value in wishes:
            if what in ("load", "leave"):
                self._leave()
                self._player = self._load() if what == "load" else None
            if self._player is None or what == "load":
                continue
            found = go(self._player, what, value)
            while what == "mark" and found is None and not (self._player.settled or self._wishes or self._closed):
                frame = self._player.tend() or frame  # it may not be indexed so far
                found = go(self._player, what, value)
            frame = found or frame
            if what == "mark":
                mark = self._player.marked
                chosen = mark.key if found is not None and mark is not None else None
                remark = "" if found is not None else f"no anomaly {'after' if value > 0 else 'before'} this moment"
            elif what != "tend":
                chosen, remark = None, _remark(what, value, found)
            self._end = self._player.newest
        player = self._player
        if player is None:
            return None
        rates: Sequence[HostRates] = ()
        if frame is not None:
            if player.trouble:
                frame = replace(frame, reading=replace(frame.reading, notes=(*frame.reading.notes, player.trouble)))
            rates = player.rates(LENGTH)
            self._interval = frame.reading.interval if frame.reading.interval > 0 else 1.0
        return Fetched(frame, rates, self._survey(player), chosen, self._end, remark)

    def _survey(self, player: Moments) -> Outlook | None:
        """The timeline, worked out anew only where it may have changed."""
        span, columns = player.span, self._columns
        if not columns or span is None:
            return None
        marks, seen, now = player.marks, (span, columns, player.settled), time.monotonic()
        stale = not player.settled and now - self._survey_time > SURVEY
        if self._outlook is None or stale or seen != self._surveyed or len(marks) != len(self._outlook.marks):
            self._surveyed, self._survey_time = seen, now
            self._outlook = Outlook(*span, player.timeline(*span, columns), marks)
        return self._outlook

    def _hand_over(self, turn: int, new: Fetched) -> None:
        """Add what is new to what nobody has taken yet."""
        told = (new.end, new.trouble, new.outlook)
        with self._changed:
            if turn != self._turn or (new.frame is None and not new.remark and told == self._told):
                return
            self._told = told
            old, first = self._fetched, self._fetched is None
            if new.frame is None and old is not None:
                new = replace(new, frame=old.frame, rates=old.rates, chosen=old.chosen)
            self._fetched = new
        if first:
            self._deliver()

    def _leave(self) -> None:
        player, self._player = self._player, None
        self._outlook, self._end = None, False
        if player is not None:
            self._tracer.leave(player)
            player.close()


def _remark(what: str, value: float, found: Frame | None) -> str:
    """What is to be said of a moment that is not the one that was wished for."""
    if what == "step":
        return ""
    if found is None:
        return "nothing was recorded then"
    since = found.reading.wall
    return f"nothing is kept before {time.strftime('%H:%M:%S', time.localtime(since))}" if what == "at" and since > value + NEAR else ""
