"""What only the file of a recording tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the frames came from.

    Attributes:
        name: of the file, without its directory; size: bytes, -1 = a pipe; whole: all of it was looked at.
        damage: what could not be read, "" = nothing.
        scored: scores are those that were recorded, and not worked out now.
    """

    name: str
    size: int
    whole: bool
    damage: str
    redacted: bool
    scored: bool
