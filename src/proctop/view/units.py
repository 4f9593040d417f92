"""Numbers as a few characters, and characters as numbers.

Every formatter takes ``(value, width)`` and returns at most ``width`` characters, to be right-aligned by the caller;
NaN is :data:`MISSING` and what no notation can hold in the width is ``+``. Sizes count in powers of 1024 (``38.0M``), counts in
powers of 1000 (``12k``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache

from proctop.fields import Unit

MISSING = "–"

Formatter = Callable[[float, int], str]

_BINARY = "KMGTPEZY"
_DECIMAL = "kMGTPEZY"
_LARGE = 1e15  # above it, a count of seconds or percent is not worth its digits


def size(value: float, width: int) -> str:
    """Bytes, or bytes per second.

    >>> [size(x, 5) for x in (512, 1258291, 39845888, 107374182400)]
    ['512', '1.2M', '38.0M', '100G']
    """
    return MISSING if value != value else _size(value, width)


def count(value: float, width: int) -> str:
    """A number of things, or of things per second: whole while it fits, one decimal below 10.

    >>> [count(x, 4) for x in (0, 0.53, 7, 12.4, 12345)]
    ['0', '0.5', '7', '12', '12k']
    """
    return MISSING if value != value else _count(value, width)


def percent(value: float, width: int) -> str:
    """A percentage without its sign, or a score: one decimal while it fits.

    >>> [percent(x, 5) for x in (0, 3.14159, 99.96, 1600)]
    ['0.0', '3.1', '100.0', '1600']
    """
    return MISSING if value != value else _percent(value, width)


def whole(value: float, width: int) -> str:
    """An integer that is a name (a pid) or has a sign (a nice value).

    >>> whole(-20, 3), whole(4194304, 7), whole(4194304, 4)
    ('-20', '4194304', '+')
    """
    if value != value:
        return MISSING
    if abs(value) >= _LARGE:
        return _fallback(value, width)
    text = str(int(value))
    return text if len(text) <= width else "+"


def duration(value: float, width: int) -> str:
    """Seconds, by the two largest units that fit.

    >>> [duration(x, 6) for x in (0.42, 40, 754, 3725, 273600, 1e8)]
    ['0.4s', '40s', '12:34', '1h02m', '3d04h', '1157d']
    """
    return MISSING if value != value else _duration(value, width)


def cpu_time(value: float, width: int) -> str:
    """Seconds of cpu as top writes them, minutes:seconds.hundredths, else as :func:`duration`.

    >>> cpu_time(83.456, 9), cpu_time(1e6, 9), cpu_time(1e6, 6)
    ('1:23.46', '11d13h', '11d13h')
    """
    if value != value:
        return MISSING
    if 0 <= value < 360_000:
        cents = round(value * 100)
        text = f"{cents // 6000}:{cents % 6000 / 100:05.2f}"
        if len(text) <= width:
            return text
    return _duration(value, width)


def moment(wall: float, now: float, width: int) -> str:
    """The local time of day of ``wall`` (seconds since the epoch); the date where it is not that of ``now``."""
    if wall != wall:
        return MISSING
    try:
        at, today = time.localtime(wall), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return "+"
    same_day = at[:3] == today[:3]
    shapes = ("%H:%M:%S", "%H:%M") if same_day else ("%b %d", "%b%d") if at[0] == today[0] else ("%Y",)
    for shape in shapes:
        text = time.strftime(shape, at)
        if len(text) <= width:
            return text
    return "+"


def formatter(unit: Unit) -> Formatter:
    """The formatter of a unit."""
    return _FORMATTERS[unit]


@lru_cache(maxsize=16384)
def _size(value: float, width: int) -> str:
    return _scaled(value, width, 1024.0, _BINARY, 999.5)


@lru_cache(maxsize=8192)
def _count(value: float, width: int) -> str:
    return _scaled(value, width, 1000.0, _DECIMAL, 10.0**width - 0.5)


def _scaled(value: float, width: int, base: float, suffixes: str, plain: float) -> str:
    """``plain``: from here on a number gets a suffix."""
    if value < 0:
        text = _scaled(-value, width - 1, base, suffixes, plain)
        return text if text in ("0", "+") else "-" + text
    if value < min(plain, 10.0**width - 0.5):
        return f"{value:.1f}" if width >= 3 and value < 9.95 and value != int(value) else f"{value:.0f}"
    scaled = value
    for suffix in suffixes:
        scaled /= base
        if scaled < 99.95 and width >= 4:
            text = f"{scaled:.1f}{suffix}"
            if len(text) <= width:
                return text
        if scaled < 999.5:
            text = f"{scaled:.0f}{suffix}" if scaled >= 0.95 else f"{scaled:.1f}{suffix}"[1:]
            if len(text) <= width:
                return text
    return _fallback(value, width)


@lru_cache(maxsize=8192)
def _percent(value: float, width: int) -> str:
    if abs(value) >= _LARGE:
        return _fallback(value, width)
    text = f"{value:.1f}"
    if len(text) > width:
        text = f"{value:.0f}"
    return text if len(text) <= width else "+"


@lru_cache(maxsize=8192)
def _duration(value: float, width: int) -> str:
    if value < 0:
        text = _duration(-value, width - 1)
        return text if text == "+" else "-" + text
    if value >= _LARGE:
        return _fallback(value, width)
    if value < 9.95 and value != int(value):
        text = f"{value:.1f}s"
        return text if len(text) <= width else _first_fitting((f"{value:.0f}s", f"{value:.0f}"), width)
    whole_seconds = round(value)
    minutes, seconds = divmod(whole_seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if whole_seconds < 60:
        shapes: tuple[str, ...] = (f"{seconds}s", f"{seconds}")
    elif hours == 0:
        shapes = (f"{minutes}:{seconds:02}", f"{minutes}m")
    elif days == 0:
        shapes = (f"{hours}h{minutes:02}m", f"{hours}h")
    else:
        shapes = (f"{days}d{hours_left:02}h", f"{days}d", *((f"{days // 365}y",) if days >= 365 else ()))
    return _first_fitting(shapes, width)


def _first_fitting(shapes: tuple[str, ...], width: int) -> str:
    for text in shapes:
        if len(text) <= width:
            return text
    return "+"


def _fallback(value: float, width: int) -> str:
    text = f"{value:.0e}"
    return text if len(text) <= width else "+"


_FORMATTERS: dict[Unit, Formatter] = {
    Unit.NONE: whole,
    Unit.NANOSECONDS: lambda value, width: duration(value / 1e9, width),
    Unit.SECONDS: duration,
    Unit.SHARE: lambda value, width: percent(value * 100, width),
    Unit.PERCENT: percent,
    Unit.BYTES: size,
    Unit.BYTES_PER_SECOND: size,
    Unit.COUNT: count,
    Unit.PER_SECOND: count,
    Unit.NATS: percent,
}

_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31536000.0,
}
_SIZES = {"": 1.0, "b": 1.0} | {
    name: scale
    for power, letter in enumerate("kmgtpezy", 1)
    for name, scale in ((letter, 1024.0**power), (letter + "ib", 1024.0**power), (letter + "b", 1000.0**power))
}
_COUNTS = {"": 1.0} | {letter: 1000.0**power for power, letter in enumerate("kmgtpezy", 1)}
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:e[+-]?\d{1,3})?", re.ASCII)
_PART = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)([a-zµ]+)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{2}(?:\.\d{1,9})?)", re.ASCII)


def parse(text: str, unit: Unit) -> float:
    """The number that ``text`` names as a quantity of ``unit``, in that unit (bytes, seconds, percent, share).

    Sizes: ``500k`` and ``1GiB`` are powers of 1024, ``1gb`` is 10⁹, as they are written by others. Durations: ``3m``, ``1.5s``,
    ``10ms``, ``1h30m``, ``12:34``. A rate may end in ``/s``. Raises ``ValueError`` with a sentence.

    >>> parse("1gb", Unit.BYTES), parse("1GiB", Unit.BYTES), parse("5%", Unit.SHARE), parse("3m", Unit.SECONDS)
    (1000000000.0, 1073741824.0, 0.05, 180.0)
    """
    word = text.strip().lower()
    if unit in (Unit.BYTES_PER_SECOND, Unit.PER_SECOND):
        word = word.removesuffix("/s")
    if unit in (Unit.SECONDS, Unit.NANOSECONDS):
        return _seconds(word, text) * (1e9 if unit is Unit.NANOSECONDS else 1.0)
    found = _NUMBER.match(word)
    if found is None:
        raise ValueError(f"{text!r} is not a number")
    number, suffix = float(found[0]), word[found.end() :].strip()
    if unit in (Unit.BYTES, Unit.BYTES_PER_SECOND):
        scales, such = _SIZES, "k, mb, GiB"
    elif unit in (Unit.PERCENT, Unit.SHARE):
        scales, such = {"": 1.0, "%": 1.0 if unit is Unit.PERCENT else 0.01}, "%"
    else:
        scales, such = _COUNTS, "k, m"
    if suffix not in scales:
        raise ValueError(f"{suffix!r} is no unit here: {such}")
    return number * scales[suffix]


def is_size(text: str) -> bool:
    """Whether ``text`` is written as a number of bytes, with a unit.

    >>> is_size("1gb"), is_size("5"), is_size("5%")
    (True, False, False)
    """
    found = _NUMBER.match(text.strip())
    return found is not None and text.strip()[found.end() :].strip().lower() in _SIZES.keys() - {""}


def _seconds(word: str, text: str) -> float:
    clock = _CLOCK.fullmatch(word)
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(seconds)
    number = _NUMBER.fullmatch(word)
    if number is not None:
        return float(word)
    total, end = 0.0, 0
    for part in _PART.finditer(word):
        if part.start() != end or part[2] not in _SECONDS:
            break
        total += float(part[1]) * _SECONDS[part[2]]
        end = part.end()
    if end == 0 or end != len(word):
        raise ValueError(f"{text!r} is not a duration: 500ms, 1.5s, 3m, 1h30m, 2d")
    return total
