"""What was seen of containers over time: now and, apart from that, in those moments of the past that were shown."""

from __future__ import annotations

from proctop.cgroups import CgroupWatch
from proctop.frames import Frame
from proctop.restarts import Restarts


class Sightings:
    """Frames as they come and as they are shown, in."""

    def __init__(self) -> None:
        self.restarts = Restarts()
        self.now, self.past = CgroupWatch(), CgroupWatch()

    def came(self, frame: Frame) -> None:
        """A new frame of the host, shown or not."""
        self._note(frame, self.now)

    def went(self, frame: Frame) -> None:
        """A frame of the past is shown."""
        self._note(frame, self.past)

    def _note(self, frame: Frame, watch: CgroupWatch) -> None:
        if frame.before is not None and not watch.goes_on(frame.reading):
            watch.note(frame.before)
        watch.note(frame.reading)
        self.restarts.note(frame)
