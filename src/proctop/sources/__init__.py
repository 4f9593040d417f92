"""Sources: anything that yields readings. Live, replay and remote differ only here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from proctop.records import HostInfo, Reading


@dataclass(frozen=True, slots=True)
class Wants:
    """What somebody looks at now. A source may skip what nobody wants; replaced whole, so it needs no lock."""

    threads: bool = False
    threads_of: frozenset[int] = field(default_factory=frozenset)  # pids whose threads are wanted, where those of all are not
    cgroups: frozenset[str] = field(default_factory=frozenset)  # cgroup paths wanted at every reading


class NoReading(Exception):
    """A source goes on, but has no reading now. One line: what is the matter, and what it does about that."""

    def __init__(self, reason: str, outlook: str) -> None:
        super().__init__(f"{reason}, {outlook}")
        self.reason = reason


class Source(Protocol):
    """Yields readings in the order of time. ``read`` may block (it runs in a worker thread), ``close`` may come from another."""

    name: str
    info: HostInfo
    wants: Wants

    def read(self, late: float = 0.0) -> Reading | None:
        """The next reading, or None at the end. ``late``: seconds behind schedule, recorded as it is. May raise NoReading."""
        ...

    def close(self) -> None: ...
