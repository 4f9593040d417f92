"""Births, program starts and ends of processes as they happen: the process events connector (drivers/connector/cn_proc.c).

Needs the first network, pid and user namespace, and CAP_NET_ADMIN before Linux 6.6. A filter in the kernel lets pass what is told here,
so threads and renamed processes cost no reader anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import socket
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from proctop.kernel.host import Host
from proctop.kernel.netlink.link import CONNECTOR, DONE, HEADER, Inbox, Refusal, Refused, foreign, open_link, permission, words
from proctop.records import Floats, Ints

ROOM = 8 << 20
"""Bytes for unread events: some 20,000 of them. Without CAP_NET_ADMIN what net.core.rmem_max permits."""

MOST = 1 << 16
"""Events taken at once; the others wait in the kernel."""

PATIENCE = 0.2
"""Seconds until a kernel that does not confirm is taken to be mute."""

_GROUP = _IDENTITY = 1  # include/uapi/linux/connector.h: CN_IDX_PROC and CN_VAL_PROC
_LISTEN, _IGNORE = 1, 2  # include/uapi/linux/cn_proc.h: PROC_CN_MCAST_*
_CONFIRMED, _FORK, _EXEC, _EXIT = 0, 1, 2, 0x80000000
_MESSAGE: Final = struct.Struct("=IIIIHH")  # struct cn_msg
_SIZE = 76  # nlmsghdr, cn_msg and struct proc_event
_SLOTS, _SLOT = 512, 80
_NOTHING = np.zeros((0, _SIZE // 4), dtype=np.uint32)
_SO_ATTACH_FILTER = 26


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Processes in the order of what happened to them.

    Attributes:
        pid: int64[n], numbers of the first pid namespace; ppid: the parent, 0 = not told (program starts; ends whose
            parent had waited for them before the kernel came to tell).
        when: float64[n], seconds of CLOCK_MONOTONIC.
        code: int64[n], exit code, minus the signal that ended it; 0 where nothing ended.
    """

    pid: Ints
    ppid: Ints
    when: Floats
    code: Ints

    def __len__(self) -> int:
        return self.pid.size


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What happened since the last time.

    Attributes:
        births, execs, exits: processes (no threads). One whose first thread ends before its others is told as ended then.
        lost: the kernel had no room for some: look at everything again, and say so.
    """

    births: Told
    execs: Told
    exits: Told
    lost: bool


def parse(data: NDArray[np.uint8], length: Ints) -> NDArray[np.uint32]:
    """uint32[m, 19], the rows of ``data`` (uint8[n, 80]) that are events of processes: nlmsghdr 0-3, cn_msg 4-8, what 9, cpu 10,
    ns 11-12, then what differs. Anything shorter, longer than it says, or of another sender is left out, and so are threads."""
    table = data.view(np.uint32)
    good = (length >= _SIZE) & (table[:, 0] <= length) & (data.view(np.uint16)[:, 2] == DONE)
    good &= (table[:, 4] == _IDENTITY) & (table[:, 5] == _IDENTITY)
    what = table[:, 9]
    leader = np.where(what == _FORK, table[:, 15] == table[:, 16], table[:, 13] == table[:, 14])
    good &= (what == _CONFIRMED) | (((what == _FORK) | (what == _EXEC) | (what == _EXIT)) & leader)
    rows: NDArray[np.uint32] = table[good, : _SIZE // 4]
    return rows


def changes(rows: NDArray[np.uint32], lost: bool) -> Changes:
    """Sorts what :func:`parse` found."""
    what = rows[:, 9]
    return Changes(
        births=_told(rows[what == _FORK], 15, 14),
        execs=_told(rows[what == _EXEC], 13, None),
        exits=_told(rows[what == _EXIT], 13, 18),
        lost=lost,
    )


def _told(rows: NDArray[np.uint32], pid: int, parent: int | None) -> Told:
    nobody = np.zeros(len(rows), dtype=np.int64)
    code = rows[:, 15].astype(np.int64) if parent == 18 else nobody
    return Told(
        pid=rows[:, pid].astype(np.int64),
        ppid=nobody if parent is None else rows[:, parent].astype(np.int64),
        when=np.ascontiguousarray(rows[:, 11:13]).view(np.uint64).ravel() / 1e9,
        code=np.where(code & 0x7F, -(code & 0x7F), code >> 8 & 0xFF),
    )


def order(operation: int, number: int) -> bytes:
    """A request to the connector; its confirmation carries ``number`` + 1."""
    payload = _MESSAGE.pack(_IDENTITY, _IDENTITY, 0, number, 4, 0) + struct.pack("=I", operation)
    return HEADER.pack(HEADER.size + len(payload), DONE, 0, 0, os.getpid()) + payload


def only_processes() -> bytes:
    """A classic BPF program (struct sock_filter) that lets pass confirmations, and forks, execs and exits of first threads.

    Its loads turn words into the order of the network, so what they are compared with is turned as well.
    """
    load, jump, equal, equal_x, to_x, give = 0x20, 0x05, 0x15, 0x1D, 0x07, 0x06
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load, 0, 0, 36),
            (equal, 11, 0, socket.htonl(_CONFIRMED)),
            (equal, 6, 0, socket.htonl(_FORK)),
            (equal, 1, 0, socket.htonl(_EXEC)),
            (equal, 0, 9, socket.htonl(_EXIT)),
            (load, 0, 0, 52),  # exec and exit: thread, process
            (to_x, 0, 0, 0),
            (load, 0, 0, 56),
            (jump, 0, 0, 3),
            (load, 0, 0, 60),  # fork: thread, process
            (to_x, 0, 0, 0),
            (load, 0, 0, 64),
            (equal_x, 0, 1, 0),
            (give, 0, 0, 0xFFFF),
            (give, 0, 0, 0),
        )
    )


class Events:
    """An open ear. One thread at a time. Raises Refused when the kernel does not confirm."""

    def __init__(self, host: Host, room: int = ROOM) -> None:
        self._link = open_link(CONNECTOR, _GROUP, room)
        try:
            with contextlib.suppress(OSError):  # without it more comes, and parse() leaves it out
                self._attach(only_processes())
            self._inbox = Inbox(self._link, _SLOTS, _SLOT)
            self._early: list[NDArray[np.uint32]] = []
            self._lost = False
            self._listen(host)
        except BaseException:
            self._link.close()
            raise

    def _attach(self, program: bytes) -> None:
        held = ctypes.create_string_buffer(program, len(program))
        self._link.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(held)))

    def _listen(self, host: Host) -> None:
        """Ask for events; the kernel confirms with the first of them. From other namespaces it takes the order and says nothing."""
        number = os.getpid()
        try:
            self._link.send(order(_LISTEN, number))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                raise Refused(
                    Refusal(
                        "other network namespace, or a kernel without CONFIG_CONNECTOR",
                        "run it on the host, or in docker run --network=host",
                    )
                ) from None
            raise Refused(permission(host) if error.errno == errno.EPERM else Refusal(words(error))) from None
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        until = host.clock().mono + PATIENCE
        while poll.poll(max(0.0, until - host.clock().mono) * 1000):
            rows = self._take()
            confirmed = rows[(rows[:, 9] == _CONFIRMED) & (rows[:, 7] == number + 1)]
            self._early.append(rows[rows[:, 9] != _CONFIRMED])
            if len(confirmed):
                code = int(confirmed[0, 13])
                if code:
                    raise Refused(permission(host) if code == errno.EPERM else Refusal(os.strerror(code)))
                return
            if host.clock().mono >= until:
                break
        strange = foreign(host)
        if strange:
            raise Refused(strange)
        lacking = permission(host)  # before Linux 6.6 a refusal is told to those who listen already
        raise Refused(Refusal(f"no answer: {lacking.why}, or a kernel without CONFIG_PROC_EVENTS", lacking.command))

    def fileno(self) -> int:
        """Readable when something happened."""
        return self._link.fileno()

    def take(self) -> Changes:
        """What happened since the last call, at most :data:`MOST` events."""
        rows = np.concatenate([*self._early, self._take()])
        lost, self._lost, self._early = self._lost, False, []
        return changes(rows, lost)

    def _take(self) -> NDArray[np.uint32]:
        parts = [_NOTHING, *(parse(data, length) for data, length in self._inbox.drain(MOST))]
        self._lost |= self._inbox.overrun
        return np.concatenate(parts)

    def close(self) -> None:
        """Prompt. Kernels before 6.6 would go on telling nobody, at a cost to every fork, if they were not told."""
        with contextlib.suppress(OSError):
            self._link.send(order(_IGNORE, 0))
        self._link.close()


def probe(host: Host) -> Refusal | None:
    """Whether the kernel confirms that it will tell us; None = it does."""
    try:
        Events(host, room=0).close()
    except Refused as error:
        return error.refusal
    return None
