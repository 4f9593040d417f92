"""Points in time as people write them: ``10:00``, ``3m ago``, ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\s+ago\Z")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_time(text: str, now: float, zone: tzinfo | None = None, *, since: float | None = None) -> float:
    """Seconds since the epoch.

    Args:
        text: ``10:00`` or ``10:00:30`` is the latest such time not after ``now``; ``3m ago`` counts back from ``now``
            (s, m, h, d, w); a date or a date and time is ISO 8601, in ``zone`` where it names none.
        now: seconds since the epoch that the first two count from.
        zone: None = the local one.
        since: where it is given, ``10:00`` is the first such time from then on: the one within a recording that begins then.

    Raises ``ValueError`` that says what is understood.

    >>> from datetime import timezone
    >>> parse_time("3m ago", 1000.0)
    820.0
    >>> parse_time("1970-01-01T00:10", 0.0, timezone.utc)
    600.0
    >>> parse_time("23:00", 3600.0, timezone.utc)  # it is 01:00: yesterday's
    -3600.0
    """
    text = text.strip()
    try:
        if ago := _AGO.match(text):
            return now - float(ago[1]) * _SECONDS[ago[2]]
        if clock := _CLOCK.match(text):
            today = datetime.fromtimestamp(now if since is None else since, zone)
            then = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
            # Whole days on the wall clock, so that a change to summer time does not move it.
            if since is None:
                return (then if then.timestamp() <= now else then - timedelta(days=1)).timestamp()
            return (then if then.timestamp() >= since else then + timedelta(days=1)).timestamp()
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo or zone is None else when.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f'"{text}" is no time; give 10:00, "3m ago" or 2026-01-31T10:00') from None
