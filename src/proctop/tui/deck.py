"""Which moment is shown: now, one that is held, or one of the past; and what the keys of time make of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proctop.frames import Course, Frame, HostRates
from proctop.tui.moments import Fetched, Wish
from proctop.tui.tracing import Asked
from proctop.tui.transport import Transport
from proctop.view.panel import Moment
from proctop.view.timeline import Outlook

SPEEDS = (1.0, 2.0, 10.0, 60.0)


class Deck:
    """Between the keys and the transport. Lives in the thread of the screen.

    Args:
        live: there is a now to return to; else all is past.
        transport: None: there is no past.
        changed: called when another moment is shown, or something else is to be said of it.
        at: wall seconds at which to begin where there is no now, None = with the oldest moment.

    Attributes:
        past: a moment out of the memory or of a recording is shown.
        held: the newest frame stays, though others come.
        speed: at which the past plays, 0 = it stands.
        latest, shown: the newest frame of the host, and the one on the screen; ``rates`` lead up to that, in the past.
    """

    def __init__(self, *, live: bool, transport: Transport | None, changed: Callable[[], None], at: float | None = None) -> None:
        self.live = live
        self.past = not live
        self.held = False
        self.speed = 0.0 if live else SPEEDS[0]
        self.latest: Frame | None = None
        self.shown: Frame | None = None
        self.rates: Sequence[HostRates] = ()
        self.outlook: Outlook | None = None
        self.trouble = ""
        self._end = False
        self._before = SPEEDS[0]  # the speed that playing goes on with
        self._columns = 0
        self._transport = transport
        self._changed = changed
        self._at = at

    def start(self) -> None:
        """Where there is no now, begin to play."""
        if self._transport is not None:
            self._transport.start()
            if not self.live:
                self._transport.depart(("end", -1.0) if self._at is None else ("at", self._at))
                self._transport.play(self.speed)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def travels(self) -> bool:
        """Whether there is a past to go to."""
        return self._transport is not None

    @property
    def now(self) -> bool:
        return not (self.past or self.held)

    @property
    def moment(self) -> Moment:
        """What the header says."""
        if not self.live:
            return Moment(replay=True, speed=self.speed, end=self._end)
        if self.now or self.shown is None or self.latest is None:
            return Moment()
        return Moment(age=max(0.0, self.latest.reading.wall - self.shown.reading.wall), speed=self.speed)

    # frames

    def came(self, frame: Frame) -> None:
        """A new frame of the host."""
        self.latest = frame
        if self.now:
            self.shown = frame
        elif self.past and self._transport is not None:
            self._transport.look(self._columns)  # the timeline goes on

    def fetched(self) -> Fetched | None:
        """What the transport brings, None = nothing that is wanted still. Live, the end of the past is now."""
        fetched = self._transport.take() if self._transport is not None and self.past else None
        if fetched is None:
            return None
        self.outlook, self.trouble, self._end = fetched.outlook, fetched.trouble, fetched.end
        if fetched.frame is not None:
            self.shown, self.rates = fetched.frame, fetched.rates
        if self.live and fetched.end:
            self.return_to_now()
        return fetched

    def trace(self, asked: Asked | None) -> None:
        """The course of a process is wanted; where there is no past, none comes."""
        if self._transport is not None:
            self._transport.trace(asked)

    def course(self) -> Course | None:
        """What came of it since the last time."""
        return self._transport.take_course() if self._transport is not None else None

    def look(self, columns: int) -> None:
        """The timeline is drawn in so many columns."""
        if columns != self._columns:
            self._columns = columns
            if self.past and self._transport is not None:
                self._transport.look(columns)

    # keys

    def toggle(self) -> None:
        """Live: hold the view, or return to now. Else: stand still, or play."""
        if not self.live:
            self._play(0.0 if self.speed else self._before)
        elif self.now:
            self.held = True
            self._changed()
        else:
            self.return_to_now()

    def return_to_now(self) -> None:
        """Live only."""
        self.past = self.held = False
        self.speed, self.outlook, self.trouble, self.rates = 0.0, None, "", ()
        if self._transport is not None:
            self._transport.forget()
        self.shown = self.latest
        self._changed()

    def change_speed(self, step: int) -> None:
        """Faster for 1, slower for -1; slower than the slowest stands still."""
        if self.now:
            if step < 0:
                self.toggle()
            return
        ladder = (0.0, *SPEEDS)
        speed = ladder[max(0, min(ladder.index(self.speed) + step, len(ladder) - 1))]
        if self._go():
            self._play(speed)

    def step(self, count: int) -> None:
        """So many readings further, and stand still there."""
        if self._go(("step", count)):
            self._play(0.0)

    def mark(self, count: int) -> None:
        """So many anomalies further, and stand still there."""
        if self._go(("mark", count)):
            self._play(0.0)

    def end(self, side: int) -> None:
        """To the oldest moment for -1; for 1 to the newest or, live, to now."""
        if side < 0 or not self.live:
            self._go(("end", side))
        elif not self.now:
            self.return_to_now()

    def go(self, wall: float) -> None:
        """To the moment at ``wall`` seconds."""
        self._go(("at", wall))

    def stand(self) -> None:
        """Play no further."""
        self._play(0.0)

    def _go(self, *wishes: Wish) -> bool:
        """Leave now for the past if need be, and go on there; whether there is one."""
        transport, shown = self._transport, self.shown
        if transport is None or shown is None:
            return False
        if not self.past:
            self.past, self.held = True, False
            transport.depart(("at", shown.reading.wall), *wishes)
            self._changed()
        else:
            for what, value in wishes:
                transport.wish(what, value)
        return True

    def _play(self, speed: float) -> None:
        self._before = speed or self._before
        if self._transport is not None and speed != self.speed:
            self.speed = speed
            self._transport.play(speed)
            self._changed()
