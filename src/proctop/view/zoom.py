"""How far back the histories on the screen reach: readings a cell stands for, and the time that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from proctop.history import FACTORS

if TYPE_CHECKING:
    from proctop.view.table import Slot

LADDER = (1, *FACTORS)
"""Readings a cell stands for, of which it shows the highest."""


def further(factor: int, step: int) -> int:
    """The factor ``step`` rungs up (wider) or down the ladder, as far as it goes."""
    return LADDER[max(0, min(LADDER.index(factor) + step, len(LADDER) - 1))]


def span(cells: int, factor: int, interval: float) -> str:
    """The time that so many cells of ``factor`` readings each show.

    >>> span(120, 10, 1.0), span(12, 60, 1.0), span(12, 720, 1.0), span(12, 1, 1.0)
    ('20m', '12m', '2h24m', '12s')
    """
    minutes, seconds = divmod(round(cells * factor * interval), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    return f"{minutes}m" if minutes else f"{seconds}s"


def titled(slots: Sequence[Slot], factor: int, interval: float) -> tuple[Slot, ...]:
    """The columns with the one of the history called by what it shows, unless that is reading by reading."""
    if factor == 1:
        return tuple(slots)
    return tuple(
        replace(slot, column=replace(slot.column, title=f"LAST {span(slot.width, factor, interval)}"))
        if slot.column.name == "history"
        else slot
        for slot in slots
    )
