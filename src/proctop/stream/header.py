"""What a segment says of itself, and how values from JSON are checked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from proctop.records import HostInfo
from proctop.sanitize import clean
from proctop.stream import Damaged
from proctop.stream.words import LONGEST

MOST_COUNTERS = 256
LATEST = 253370764800.0
"""Wall clocks from here on (year 9999) are refused: they cannot be shown in every time zone."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself.

    Attributes:
        counters: names of the rows of ``Reading.counters`` as they were written.
        writer: program and version; redacted: whether secrets were taken out of command lines.
    """

    info: HostInfo
    counters: tuple[str, ...]
    writer: str
    redacted: bool

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @classmethod
    def from_json(cls, data: bytes) -> Header:
        """Raises Damaged unless it is a header."""
        try:
            raw = json.loads(data)
            host = raw["info"]
            hostname, kernel, boot_id = (text(host[k]) for k in ("hostname", "kernel", "boot_id"))
            cpus, ticks, page, memory = (whole(host[k]) for k in ("cpus", "ticks", "page", "memory"))
            info = HostInfo(hostname, kernel, boot_id, cpus, ticks, page, memory, time(host["boot_time"]))
            counters = tuple(text(name) for name in raw["counters"][: MOST_COUNTERS + 1])
            header = cls(info, counters, text(raw["writer"]), raw["redacted"] is True)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Damaged("the header is none") from error
        if not 0 < len(counters) <= MOST_COUNTERS or len(set(counters)) != len(counters):
            raise Damaged("the header names no counters")
        if not (ticks and page):
            raise Damaged("a second has no ticks, or a page no bytes")
        return header


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return clean(value[:LONGEST])


def whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TypeError("not a count")
    return value


def time(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < LATEST:
        raise TypeError("not a time")
    return float(value)
