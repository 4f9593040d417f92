"""What the screen asks of the past, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from proctop.frames import Course, Frame, HostRates
from proctop.records import Floats32, ProcKey
from proctop.view.timeline import Mark, Outlook

Wish = tuple[str, float]
"""What, and how far or where to: see :meth:`proctop.tui.transport.Transport.wish`."""


class Moments(Protocol):
    """What is asked of a :class:`proctop.player.Player`."""

    @property
    def span(self) -> tuple[float, float] | None: ...

    @property
    def marks(self) -> Sequence[Mark]: ...

    @property
    def marked(self) -> Mark | None: ...

    @property
    def newest(self) -> bool: ...

    @property
    def trouble(self) -> str: ...

    @property
    def settled(self) -> bool: ...

    def timeline(self, first: float, last: float, columns: int) -> Floats32: ...

    def rates(self, count: int) -> Sequence[HostRates]: ...

    def series(self, key: ProcKey, begin: float, end: float) -> Iterator[Course | None]: ...

    def first(self) -> Frame | None: ...

    def last(self) -> Frame | None: ...

    def at(self, wall: float) -> Frame | None: ...

    def step(self, k: int) -> Frame | None: ...

    def mark(self, k: int) -> Frame | None: ...

    def tend(self) -> Frame | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """What came of the wishes so far.

    Attributes:
        frame: None: where we are stays. Among its notes is what could not be read so far. ``rates`` are the host's up to it.
        outlook: None while there is nothing to look at.
        chosen: whose anomaly was gone to.
        end: there is nothing after the moment shown.
        remark: what did not go as wished, for once; trouble: what is wrong, for as long as it is. "" = nothing.
    """

    frame: Frame | None = None
    rates: Sequence[HostRates] = ()
    outlook: Outlook | None = None
    chosen: ProcKey | None = None
    end: bool = False
    remark: str = ""
    trouble: str = ""


def go(player: Moments, what: str, value: float) -> Frame | None:
    """Fulfil one wish; "tend" is what can wait."""
    if what == "at":
        return player.at(value)
    if what == "end":
        return player.last() if value > 0 else player.first()
    if what == "tend":
        return player.tend()
    if what == "step":
        return player.step(int(value))
    side = 1 if value > 0 else -1
    tried = (player.mark(side * count) for count in range(abs(int(value)), 0, -1))  # or as far as there are any
    return next((frame for frame in tried if frame is not None), None)
