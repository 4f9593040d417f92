"""Numbers over time in one line of characters."""

from __future__ import annotations

from collections.abc import Sequence

from proctop.records import Floats, Floats32

BLOCKS = " ▁▂▃▄▅▆▇█"  # index 0: no value
ASCII = " .:-=+*#@"


def text(values: Sequence[float] | Floats | Floats32, width: int, low: float = 0.0, high: float | None = None, ascii: bool = False) -> str:
    """The last ``width`` of ``values``, oldest first, as exactly ``width`` characters; NaN is a space, younger series are padded left.

    ``low`` and below is the lowest block, ``high`` (default: the largest of the values shown, at least ``low`` + 1) and above the full one.

    >>> text([float("nan"), 0, 1, 4, 8], 6, 0, 8)
    '  ▁▁▄█'
    """
    if width <= 0:
        return ""
    shown = values[-width:] if isinstance(values, Sequence) else values[-width:].tolist()
    if high is None:
        high = max([low + 1.0, *(v for v in shown if v == v)])
    ramp = ASCII if ascii else BLOCKS
    scale = 8.0 / (high - low) if high > low else 0.0
    return "".join([ramp[_level((v - low) * scale)] if v == v else ramp[0] for v in shown]).rjust(width)


def _level(eighths: float) -> int:
    """The block that ``eighths`` of the height reach into: 1 to 8, the lowest also for nothing (∞ · 0 too)."""
    if eighths >= 8.0:
        return 8
    return -int(-eighths // 1) if eighths > 1.0 else 1
