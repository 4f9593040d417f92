"""What lies in the file: a preamble, then frames, each with its length and a checksum.

A frame of kind ``SEGMENT`` begins with :data:`SYNC`, so that a reader finds the next segment behind any damage;
frames of kind ``READING`` hold what one reading added to the segment's zstd stream, and one of kind ``SUMMARY``, which
begins with :data:`SUMMARY`, ends a segment that was closed. Other kinds are skipped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from proctop.stream import MAJOR, MINOR, FormatError

MAGIC = b"\x93proctop"
PREAMBLE = struct.Struct("<8sBB")
"""Magic, major, minor."""
FRAME = struct.Struct("<BIII")
"""Kind, bytes stored, bytes after decompression, CRC-32 of the nine bytes before it and of what is stored."""
SYNC = bytes.fromhex("d1c95ea7f3b80d6e94a2173cb65fe048")
SUMMARY = bytes.fromhex("5e3bd07f81c62a94e7b90d4ff2183a6c")
SEGMENT = struct.Struct("<16sdd")
"""SYNC, wall and monotonic clock of the segment's first reading. The header follows, as JSON in zstd."""

READINGS = 60
"""Readings in a segment: what a flipped bit costs at most, and what is decoded at most to reach a moment."""
MOST_READINGS = 3600
LARGEST_HEADER = 1 << 16
LARGEST_SUMMARY = 1 << 19
"""Bytes, stored or decompressed."""
LARGEST_READING = 1 << 26
"""Bytes of one reading, stored or decompressed."""
LARGEST_SEGMENT = 1 << 28
"""Bytes of all readings of a segment, decompressed."""
WINDOW = 1 << 23
"""zstd window that a reader grants."""

_CHECKED = struct.Struct("<BII")


class Kind(IntEnum):
    SEGMENT = 1
    READING = 2
    SUMMARY = 3


_LARGEST: dict[int, int] = {Kind.SEGMENT: LARGEST_HEADER, Kind.SUMMARY: LARGEST_SUMMARY}


@dataclass(frozen=True, slots=True)
class FrameHead:
    """The first 13 bytes of a frame."""

    kind: int
    stored: int
    plain: int
    crc: int

    @classmethod
    def parse(cls, data: bytes | bytearray) -> FrameHead:
        return cls(*FRAME.unpack_from(data))

    def possible(self) -> bool:
        """Whether the lengths are within limits."""
        largest = _LARGEST.get(self.kind, LARGEST_READING)
        return self.stored <= largest and self.plain <= largest

    def fits(self, body: bytes) -> bool:
        return self.crc == _crc(self.kind, self.plain, body)


def preamble() -> bytes:
    return PREAMBLE.pack(MAGIC, MAJOR, MINOR)


def frame(kind: Kind, plain: int, body: bytes) -> bytes:
    """One frame; ``plain`` is the size of ``body`` after decompression."""
    return FRAME.pack(kind, len(body), plain, _crc(kind, plain, body)) + body


def _crc(kind: int, plain: int, body: bytes) -> int:
    return crc32(body, crc32(_CHECKED.pack(kind, len(body), plain)))


def check_version(data: bytes, name: str) -> bool:
    """Whether ``data`` begins a recording that can be read; False where it does not look like one at all.

    Raises FormatError for a newer major.
    """
    if len(data) < PREAMBLE.size:
        return False
    magic, major, minor = PREAMBLE.unpack_from(data)
    if magic != MAGIC:
        return False
    if major > MAJOR:
        raise FormatError(f"{name}: written in format {major}.{minor}, this proctop reads up to {MAJOR}.x: use a newer proctop")
    return bool(major == MAJOR)
