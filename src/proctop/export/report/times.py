"""Moments as the page writes them, in one time zone, whatever the clock of a recording said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

_EARLIEST, _LATEST = 86_400.0, 253_370_000_000.0  # what can be shown in every zone
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 31536000)
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Times:
    """How to write wall seconds. ``dated``: with the day, as the recording goes over midnight."""

    zone: tzinfo
    dated: bool = False

    def at(self, wall: float) -> datetime:
        return datetime.fromtimestamp(min(max(wall, _EARLIEST), _LATEST), self.zone)

    def clock(self, wall: float) -> str:
        return self.at(wall).strftime("%H:%M:%S")

    def stamp(self, wall: float) -> str:
        return self.at(wall).strftime("%b %d, %H:%M:%S" if self.dated else "%H:%M:%S")

    def date(self, wall: float) -> str:
        return self.at(wall).strftime("%d %B %Y").lstrip("0")

    def name(self, wall: float) -> str:
        """The zone, with its distance from UTC."""
        at = self.at(wall)
        offset = at.strftime("%z")
        return "UTC" if at.tzname() == "UTC" else f"{at.tzname()} (UTC{offset[:3]}:{offset[3:5]})"

    def ticks(self, first: float, span: float, most: int = 9) -> list[tuple[float, str]]:
        """Round times on an axis of ``span`` seconds: where (0 to 1), and how they are written; midnight is a day.

        >>> from datetime import UTC
        >>> Times(UTC, dated=True).ticks(86400.0 * 365 - 3600, 7200.0, 2)
        [(0.0, '23:00'), (0.5, 'Jan 01'), (1.0, '01:00')]
        """
        step = next((s for s in _STEPS if span / s <= most), _STEPS[-1])
        offset = self.at(first).utcoffset()
        east = offset.total_seconds() if offset else 0.0
        out: list[tuple[float, str]] = []
        at = -(-(first + east) // step) * step - east
        while at <= first + span and len(out) <= 2 * most:
            midnight = self.dated and (at + east) % _DAY == 0
            shape = "%b %d" if midnight or step >= _DAY else "%H:%M:%S" if step < 60 else "%H:%M"
            out.append(((at - first) / span, self.at(at).strftime(shape)))
            at += step
        return out
