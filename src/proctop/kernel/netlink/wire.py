"""Messages of generic netlink and of its taskstats family (include/uapi/linux/genetlink.h, taskstats.h). Pure; every length is checked."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proctop.kernel.netlink.accounting import OLDEST, Layout, version_of
from proctop.kernel.netlink.link import ERROR, HEADER, REQUEST
from proctop.records import Ints

CONTROL, GETFAMILY, FAMILY_NAME = 16, 3, 2
GET = 1
PID, TGID, AGGR_PID, AGGR_TGID = 1, 2, 4, 5
REGISTER, DEREGISTER = 3, 4
_FAMILY_ID = 1
_NEW = 2
_STATS, _NULL = 3, 6


def attribute(kind: int, payload: bytes) -> bytes:
    """A struct nlattr, padded to 4 bytes."""
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def request(family: int, command: int, attributes: bytes, number: int) -> bytes:
    """A generic netlink request: nlmsghdr, genlmsghdr and attributes."""
    return HEADER.pack(20 + len(attributes), family, REQUEST, number, 0) + struct.pack("=BBH", command, 1, 0) + attributes


def refusal_of(answer: bytes) -> int:
    """The errno that an answer carries, 0 = none."""
    if len(answer) < 20:
        return errno.EBADMSG
    kind: int = HEADER.unpack_from(answer)[1]
    code: int = -struct.unpack_from("=i", answer, 16)[0]
    return code if kind == ERROR else 0


def family_id(answer: bytes) -> int:
    """The number of a family in the answer to CTRL_CMD_GETFAMILY, -1 = none in there."""
    place = 20
    while place + 6 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, place)
        if length < 4:
            break
        if kind == _FAMILY_ID and length >= 6:
            return int(struct.unpack_from("=H", answer, place + 4)[0])
        place += length + 3 & ~3
    return -1


@dataclass(frozen=True, slots=True, eq=False)
class Structures:
    """Replies that hold a structure: ``place``: int64[m], rows of the inbox; ``number``: int64[m], of the thread or process."""

    place: Ints
    number: Ints
    words: NDArray[np.uint64]
    layout: Layout


def structures(data: NDArray[np.uint8], length: Ints, family: int, nest: int, kind: int, start: int = 20) -> Structures | None:
    """The structures in an attribute ``nest`` at ``start`` of each datagram; None = no row holds one that can be read.

    A nest is a header, the number (``kind``) and the structure; an empty attribute before it aligns it on some machines. Whatever is
    shorter than it says, of another type, or of another version than the first, is left out.
    """
    words16, words32 = data.view(np.uint16), data.view(np.uint32)
    where = start // 2
    good = (length >= start + 16) & (words32[:, 0] == length) & (words16[:, 2] == family) & (data[:, 16] == _NEW)
    good &= (words16[:, where + 1] & 0x3FFF == nest) & (words16[:, where + 2] == 8) & (words16[:, where + 3] == kind)
    place = np.flatnonzero(good)
    if not place.size:
        return None
    at = start + 12 + 4 * bool(words16[place[0], where + 7] == _NULL)
    head = at // 2
    told = words16[:, head].astype(np.int64)
    good &= (words16[:, head + 1] == _STATS) & (told >= 4 + 8) & (at + told <= length)
    place = np.flatnonzero(good)
    if not place.size:
        return None
    version = int(words16[place[0], head + 2])
    if version < OLDEST:
        return None
    layout = Layout(version)
    place = place[(told[place] >= 4 + layout.size) & (at + 4 + layout.size <= data.shape[1])]
    if not place.size:
        return None
    words = np.ascontiguousarray(data[place, at + 4 : at + 4 + layout.size]).view(np.uint64)
    same = version_of(words) == version
    return Structures(place[same], words32[place[same], (start + 8) // 4].astype(np.int64), words[same], layout)
