"""A recording, or a pipe that carries one, as a source."""

from __future__ import annotations

from proctop.records import HostInfo, Reading, Scores
from proctop.sources import Wants
from proctop.stream.reader import Reader
from proctop.stream.tape import Damage


class ReplaySource:
    """Readings of a recording, ``"-"`` = standard input, as they were.

    Attributes:
        begin, end: wall clock, seconds since the epoch; readings outside are left out.
        seen: the scores and reasons that were recorded with the last reading, if any.
        damage: what could not be read so far.
    """

    name = "replay"

    def __init__(self, path: str, begin: float | None = None, end: float | None = None, *, follow: bool = False) -> None:
        self._reader = Reader(path, follow=follow)
        self.begin, self.end = begin, end
        self.seen: Scores | None = None
        self.wants = Wants()
        if begin is not None:
            self._reader.seek(begin)
        self.info: HostInfo = self._reader.header.info

    @property
    def damage(self) -> Damage:
        return self._reader.damage

    def read(self, late: float = 0.0) -> Reading | None:
        """The next reading, None at the end. Its own lateness stands; ``late`` is of no meaning here."""
        for reading, seen in ((r.reading, r.seen) for r in self._reader):
            if self.end is not None and reading.wall > self.end:
                return None
            if self.begin is None or reading.wall >= self.begin:
                self.info, self.seen = reading.info, seen
                return reading
        return None

    def close(self) -> None:
        self._reader.close()
