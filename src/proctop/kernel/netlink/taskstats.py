"""What every process waits for: taskstats over generic netlink (kernel/taskstats.c,
Documentation/accounting/taskstats.rst).

Needs CAP_NET_ADMIN in the first user namespace. Numbers come by thread (everything but what the process holds together, such as its
memory now) or by process (times, delays and switches of all threads, dead ones too).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proctop.kernel.host import Host
from proctop.kernel.netlink import wire
from proctop.kernel.netlink.accounting import FIELDS, ROW
from proctop.kernel.netlink.link import ERROR, GENERIC, Inbox, Refusal, Refused, delays_off, grow, open_link, permission, words
from proctop.records import Bools, Floats, Ints

BATCH = 256
"""Requests by one send."""

SLOT = 2048
"""Bytes kept for one datagram: 596 by version 16, twice that for the end of a process with threads."""

_ROOM = 1 << 20
_TRUESIZE = 2304  # what an unread reply takes of the room, at most


@dataclass(frozen=True, slots=True, eq=False)
class Stats:
    """The answers, in the order of the question.

    Attributes:
        values: float64[len(accounting.FIELDS), n]; NaN = gone, not told here, or not counted.
        found: bool[n]: it exists. A number may have passed to another process since: ``age`` tells.
        lost: answers that did not arrive; their columns are NaN and ``found`` is False.
        delays: why the delays other than the one for a cpu are NaN, with the command that changes it; ``""`` = they are counted, for
            processes that began after that was switched on (the others have 0).
    """

    values: Floats
    found: Bools
    lost: int
    delays: str


class Channel:
    """A socket that speaks to the taskstats family. Raises Refused where the kernel has none."""

    def __init__(self, host: Host, room: int) -> None:
        self.host = host
        self.link = open_link(GENERIC)
        try:
            grow(self.link, room)
            answer = self.ask(wire.request(wire.CONTROL, wire.GETFAMILY, wire.attribute(wire.FAMILY_NAME, b"TASKSTATS\0"), 1))
            self.family = -1 if wire.refusal_of(answer) else wire.family_id(answer)
            if self.family < 0:
                raise Refused(Refusal("this kernel is built without CONFIG_TASKSTATS"))
            answer = self.ask(wire.request(self.family, wire.GET, wire.attribute(wire.PID, struct.pack("=I", os.getpid())), 2))
            code = wire.refusal_of(answer)
            if code:
                raise Refused(permission(host) if code in (errno.EPERM, errno.EACCES) else Refusal(os.strerror(code)))
            rows = np.frombuffer(answer.ljust(SLOT, b"\0")[:SLOT], dtype=np.uint8).reshape(1, SLOT)
            found = wire.structures(rows, np.array([len(answer)]), self.family, wire.AGGR_PID, wire.PID)
            if found is None:
                raise Refused(Refusal("taskstats in a form that this version does not know"))
            self.layout = found.layout
            if not self.layout.columns(found.words, whole=False, counted=True)[ROW["run_ns"], 0] > 0:
                raise Refused(Refusal("this kernel is built without CONFIG_TASK_DELAY_ACCT"))
        except BaseException:
            self.link.close()
            raise

    def ask(self, message: bytes) -> bytes:
        """The answer, which is there when the question is sent. Raises Refused."""
        try:
            self.link.send(message)
            return self.link.recv(SLOT)
        except BlockingIOError:
            raise Refused(Refusal("the kernel does not answer")) from None
        except OSError as error:
            raise Refused(permission(self.host) if error.errno == errno.EPERM else Refusal(words(error))) from None


class Taskstats:
    """An open channel for questions. One thread at a time. Raises Refused when it cannot be opened."""

    def __init__(self, host: Host) -> None:
        self._channel = Channel(host, _ROOM)
        try:
            self._inbox = Inbox(self._channel.link, BATCH, SLOT)
        except BaseException:
            self._channel.link.close()
            raise
        room = self._channel.link.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._batch = max(1, min(BATCH, room // _TRUESIZE))
        self._number = 1
        self.version = self._channel.layout.version

    def sweep(self, ids: Sequence[int] | Ints, *, whole: bool = False) -> Stats:
        """Of threads (a process's first thread has its number), or of ``whole`` processes: then faults, io, peaks and age are NaN.
        Numbers are those of this process's pid namespace.

        About 3 µs each; whole processes take the longer the more threads they have. The kernel answers while it is asked, so this waits
        for nobody.
        """
        asked = np.asarray(ids, dtype=np.int64)
        delays = delays_off(self._channel.host)
        values = np.full((len(FIELDS), asked.size), np.nan)
        found = np.zeros(asked.size, dtype=np.bool_)
        lost = 0
        for first in range(0, asked.size, self._batch):
            part = slice(first, first + self._batch)
            lost += self._ask(asked[part], values[:, part], found[part], whole, not delays)
        return Stats(values, found, lost, delays)

    def _ask(self, ids: Ints, values: Floats, found: Bools, whole: bool, counted: bool) -> int:
        """Fill the columns of one batch; how many answers did not come."""
        family, base = self._channel.family, self._number
        self._number = base + int(ids.size) if base < 1 << 30 else 1
        kind = wire.TGID if whole else wire.PID
        questions = np.empty((ids.size, 7), dtype=np.uint32)
        questions[:] = np.frombuffer(wire.request(family, wire.GET, wire.attribute(kind, bytes(4)), 0), dtype=np.uint32)
        questions[:, 2] = np.arange(base, base + ids.size)
        questions[:, 6] = ids
        answered = np.zeros(ids.size, dtype=np.bool_)
        try:
            self._channel.link.send(questions.data)
        except OSError:
            return int(ids.size)
        for data, length in self._inbox.drain(BATCH):
            words32 = data.view(np.uint32)
            number = words32[:, 2].astype(np.int64) - base
            known = (length >= 20) & (number >= 0) & (number < ids.size)
            known &= (data.view(np.uint16)[:, 2] != ERROR) | (words32[:, 4].view(np.int32) == -errno.ESRCH)
            answered[number[known]] = True
            length = np.where(known, length, 0)
            told = wire.structures(data, length, family, wire.AGGR_TGID if whole else wire.AGGR_PID, kind)
            if told is not None:
                at = number[told.place]
                right = told.number == ids[at]
                found[at[right]] = True
                values[:, at[right]] = told.layout.columns(told.words[right], whole=whole, counted=counted)
        return int(np.count_nonzero(~answered))

    def close(self) -> None:
        self._channel.link.close()


def probe(host: Host) -> Refusal | None:
    """Whether a question of ours is answered, by asking one; None = it is."""
    try:
        Taskstats(host).close()
    except Refused as error:
        return error.refusal
    return None
