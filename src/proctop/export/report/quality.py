"""How good a recording is: what it covers, what is missing from it, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from proctop.frames import Frame
from proctop.records import HostInfo

_HOLE = 2.5  # nominal intervals between two readings that are a hole
_LONGEST = 100  # holes, fields and notes that are told apart


@dataclass(frozen=True, slots=True)
class Hole:
    """A time without readings, in wall seconds."""

    start: float
    end: float
    why: str


@dataclass(slots=True)
class Missing:
    """A quantity that could not be read: in how many readings, and for how many processes at most."""

    readings: int = 0
    most: int = 0


@dataclass(slots=True)
class Quality:
    """Takes frames in the order of time.

    Attributes:
        info: of the last host seen; boots: how many boots (of one host or several) it covers.
        first, last: wall seconds; interval: seconds, as asked for last.
        late: readings more than half an interval late; latest: seconds, the worst.
        holes: the first of them; lost: seconds in all of them.
        missing: by (field, reason).
        notes: remarks of the sampler and the detector, and in how many readings they stood.
        warming: readings before scores meant anything.
    """

    info: HostInfo | None = None
    boots: int = 1
    readings: int = 0
    samples: int = 0
    first: float = float("nan")
    last: float = float("nan")
    interval: float = float("nan")
    late: int = 0
    latest: float = 0.0
    holes: list[Hole] = field(default_factory=list)
    holed: int = 0
    lost: float = 0.0
    missing: dict[tuple[str, str], Missing] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    warming: int = 0
    exits: int = 0
    _mono: float = float("nan")
    _boot: str = ""

    def step(self, frame: Frame) -> None:
        reading = frame.reading
        self._follow(frame)
        self.info, self.interval = reading.info, reading.interval
        self.first = reading.wall if not self.readings else self.first
        self.last = reading.wall
        self.readings += 1
        self.samples += len(reading)
        self.exits += len(reading.exits)
        self.late += reading.late > reading.interval / 2
        self.latest = max(self.latest, reading.late)
        self.warming += frame.warming < 1
        if reading.source in self.sources or len(self.sources) < _LONGEST:
            self.sources[reading.source] += 1
        for gap in reading.gaps:
            if (gap.field, gap.reason) in self.missing or len(self.missing) < _LONGEST:
                entry = self.missing.setdefault((gap.field, gap.reason), Missing())
                entry.readings += 1
                entry.most = max(entry.most, gap.count)
        for note in (*reading.notes, *frame.scores.notes):
            if note in self.notes or len(self.notes) < _LONGEST:
                self.notes[note] += 1

    def _follow(self, frame: Frame) -> None:
        """Is there a hole before this reading?"""
        reading = frame.reading
        boot, before = reading.info.boot_id, self._mono
        self._mono = reading.mono
        again, self._boot = bool(self._boot) and boot != self._boot, boot
        self.boots += again
        if not self.readings:
            return
        passed = reading.wall - self.last if again else reading.mono - before
        if again or passed > _HOLE * max(reading.interval, self.interval):
            self.holed += 1
            self.lost += max(passed, 0.0)
            if len(self.holes) < _LONGEST:
                self.holes.append(Hole(self.last, reading.wall, "the host was started again" if again else "no readings"))
