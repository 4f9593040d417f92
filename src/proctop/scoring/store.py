"""What the default detector learned, as bytes and back. Never pickle: counts, names and times in a form that is checked before it is used.

    magic  8 bytes  "PTBASE" and two digits of the version
    head   uint32 length, uint32 CRC-32 of all that follows, little-endian
    words  JSON of that length: host, boot id, source, names, peaks
    rest   one zlib stream: the arrays of :data:`_ARRAYS`, in that order, without padding

How many rows an array has follows from the words, so nothing inside says how much memory to take.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from proctop.records import Floats32, Ints
from proctop.sanitize import clean
from proctop.scoring.tails import BINS, CHANNELS, FAST, SLOW, UNITS

MAGIC = b"PTBASE01"
LARGEST = 512 << 20
"""Bytes of a file, and of what it unpacks to."""

_HEAD = struct.Struct("<II")
_MOST_WORDS = 32 << 20
_MOST_COUNT = 1e9  # of samples in a histogram
_MOST_TIME = 1e12
_CHANNELS = [*FAST, *(f"slow {name}" for name in SLOW)]


class BaselineError(ValueError):
    """A file that cannot be used; the message is one line without its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is kept of a detector.

    Attributes:
        host, boot: whose it is, and during which boot the processes lived; ``source``: what told it, "" = not known.
        reading: readings so far; ``now``: seconds of them; ``began``: when calibration began, None = not yet.
        peaks: (begin, the largest peaks) of each hour of that time.
        cohorts: names; ``cohort_hist`` float32[2 c, 30, 24], young and mature.
        containers: (id, image); ``container_hist`` float32[k, 30, 24].
        host_hist: float32[2, 30, 24].
        met: what novelty knows: (names, first reading, new names since).
        pid, start, n: int64[m] of processes with a history of their own; ``life_hist`` float32[m, 30, 24], ``slow`` float32[m, 9].
    """

    host: str
    boot: str
    source: str
    reading: int
    now: float
    began: float | None
    peaks: tuple[tuple[float, tuple[float, ...]], ...]
    cohorts: tuple[str, ...]
    containers: tuple[tuple[str, str], ...]
    met: tuple[tuple[tuple[str, ...], int, int], ...]
    cohort_hist: Floats32
    container_hist: Floats32
    host_hist: Floats32
    life_hist: Floats32
    slow: Floats32
    pid: Ints
    start: Ints
    n: Ints


_ARRAYS: dict[str, tuple[str, tuple[int, ...], Callable[[dict[str, Any]], int]]] = {
    "cohort_hist": ("<f4", (CHANNELS, BINS), lambda words: 2 * len(words["cohorts"])),
    "container_hist": ("<f4", (CHANNELS, BINS), lambda words: len(words["containers"])),
    "host_hist": ("<f4", (CHANNELS, BINS), lambda words: 2),
    "life_hist": ("<f4", (CHANNELS, BINS), lambda words: int(words["lives"])),
    "slow": ("<f4", (len(SLOW),), lambda words: int(words["lives"])),
    "pid": ("<i8", (), lambda words: int(words["lives"])),
    "start": ("<i8", (), lambda words: int(words["lives"])),
    "n": ("<i8", (), lambda words: int(words["lives"])),
}
"""Of each array: type, shape of a row, number of rows."""

_WORDS = tuple(field.name for field in fields(Learned) if field.name not in _ARRAYS)


def dump(learned: Learned) -> bytes:
    """The file."""
    words = {name: getattr(learned, name) for name in _WORDS}
    words |= {"channels": _CHANNELS, "units": UNITS.tolist(), "lives": int(learned.pid.size)}
    head = json.dumps(words, separators=(",", ":")).encode()
    squeeze = zlib.compressobj(1)
    rest = b"".join([squeeze.compress(np.ascontiguousarray(getattr(learned, name), kind).data) for name, (kind, _, _) in _ARRAYS.items()])
    rest += squeeze.flush()
    return MAGIC + _HEAD.pack(len(head), zlib.crc32(rest, zlib.crc32(head))) + head + rest


def load(data: bytes) -> Learned:
    """The way back. Raises :class:`BaselineError` for anything that :func:`dump` of this version would not write."""
    begin = len(MAGIC) + _HEAD.size
    if data[:6] != MAGIC[:6]:
        _refuse("not a baseline" if data else "empty")
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        _refuse(f"of another version of proctop ({data[6:8].decode('ascii', 'replace')!r}, this one reads {MAGIC[6:].decode()!r})")
    if len(data) < begin:
        _refuse("truncated")
    length, crc = _HEAD.unpack_from(data, len(MAGIC))
    if length > _MOST_WORDS or zlib.crc32(data[begin:]) != crc:
        _refuse("truncated or damaged")
    words = _words(data[begin : begin + length])
    parts: dict[str, Any] = {name: words[name] for name in _WORDS}
    return Learned(**parts | _unpacked(data[begin + length :], words))


def _refuse(what: str) -> NoReturn:
    raise BaselineError(what)


def _unpacked(rest: bytes, words: dict[str, Any]) -> dict[str, NDArray[Any]]:
    sizes = {name: (rows(words), *shape) for name, (_, shape, rows) in _ARRAYS.items()}
    size = sum(int(np.prod(sizes[name], dtype=object)) * np.dtype(kind).itemsize for name, (kind, _, _) in _ARRAYS.items())
    if size > LARGEST:
        _refuse("too large")
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(rest, size + 1)
    except zlib.error:
        _refuse("damaged")
    if len(plain) != size or not inflate.eof or inflate.unused_data:
        _refuse("damaged: its arrays are not of the size that its words tell")
    out: dict[str, NDArray[Any]] = {}
    at = 0
    for name, (kind, _, _) in _ARRAYS.items():
        count = int(np.prod(sizes[name], dtype=object))
        array = np.frombuffer(plain, kind, count, at).reshape(sizes[name]).astype(kind[1:])
        at += array.nbytes
        if not bool(np.isfinite(array).all()) or bool((array < 0).any()):
            _refuse(f"damaged: {name} holds what is no count")
        if kind == "<f4" and name != "slow" and array.size and float(array.max()) > _MOST_COUNT:
            _refuse(f"damaged: {name} holds more than was ever counted")
        out[name] = array
    return out


def _words(text: bytes) -> dict[str, Any]:
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        _refuse("damaged: its words are no JSON")
    if isinstance(words, dict):
        words.setdefault("source", "")  # a file from before it was noted
    if not isinstance(words, dict) or not {*_WORDS, "channels", "units", "lives"} <= words.keys():
        _refuse("damaged: words are missing")
    if words["channels"] != _CHANNELS or words["units"] != UNITS.tolist():
        _refuse("of another version of proctop (other features)")
    try:
        words |= {name: _name(words[name]) for name in ("host", "boot", "source")}
        words["reading"], words["lives"] = _whole(words["reading"]), _whole(words["lives"])
        words["now"] = _number(words["now"])
        words["began"] = None if words["began"] is None else _number(words["began"])
        words["peaks"] = tuple((_number(begin), tuple(_number(peak) for peak in peaks)) for begin, peaks in words["peaks"])
        words["cohorts"] = tuple(_name(name) for name in words["cohorts"])
        words["containers"] = tuple((_name(key), _name(image)) for key, image in words["containers"])
        words["met"] = tuple((tuple(_name(name) for name in key), _whole(first), _whole(new)) for key, first, new in words["met"])
    except (TypeError, ValueError, OverflowError):
        _refuse("damaged: its words are not what they should be")
    return words


def _name(value: Any) -> str:
    """Text that once came from a host, and might come from anywhere by now."""
    if not isinstance(value, str) or len(value) > 4096:
        raise ValueError(value)
    return clean(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 <= value <= _MOST_TIME:
        raise ValueError(value)
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_TIME:
        raise ValueError(value)
    return value
