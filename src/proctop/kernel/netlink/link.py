"""Netlink sockets (netlink(7), include/uapi/linux/netlink.h): open, many datagrams by one call, and why there is no answer.

Nothing here waits: the kernel answers requests while they are sent, so an answer is there or it does not come.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proctop.kernel.host import Host, Unreadable
from proctop.records import Ints

GENERIC, CONNECTOR, SOCK_DIAG = 16, 11, 4
REQUEST, DUMP = 1, 0x300
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length with this header, type, flags, sequence number, port."""

_SO_RCVBUFFORCE = 33
_FIRST_PID, _FIRST_USER = 0xEFFFFFFC, 0xEFFFFFFD  # include/linux/proc_ns.h: PROC_PID_INIT_INO, PROC_USER_INIT_INO
_HEAD = np.dtype(  # struct msghdr and mmsghdr of recvmmsg(2)
    [
        *(("name", np.uintp), ("name_length", np.uint32), ("iov", np.uintp), ("iov_length", np.uintp)),
        *(("control", np.uintp), ("control_length", np.uintp), ("flags", np.int32)),
    ],
    align=True,
)
_MESSAGE = np.dtype([("head", _HEAD), ("length", np.uint32)], align=True)
_ADDRESS = 12  # struct sockaddr_nl


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not to be had here, in words, and the command that would change it (``""`` = none does)."""

    why: str
    command: str = ""


class Refused(Exception):
    """Carries the :class:`Refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.why)
        self.refusal = refusal


def open_link(family: int, groups: int = 0, room: int = 0) -> socket.socket:
    """A bound socket that never waits. ``room``: bytes to hold unread datagrams, as many of them as permitted. Raises Refused."""
    try:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, family)
    except OSError as error:
        raise Refused(Refusal(f"no netlink socket: {words(error)}")) from None
    try:
        if room:
            grow(link, room)
        link.bind((0, groups))
    except OSError as error:
        link.close()
        raise Refused(Refusal(f"no netlink socket: {words(error)}")) from None
    return link


def grow(link: socket.socket, room: int) -> None:
    """Room for ``room`` bytes of unread datagrams; without CAP_NET_ADMIN no more than net.core.rmem_max."""
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
    except OSError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)


def words(error: OSError) -> str:
    return os.strerror(error.errno or errno.EIO)


def elsewhere(host: Host) -> str:
    """``"user"`` or ``"pid"`` where this process is in a namespace of that kind that is not the first one, else ``""``."""
    for kind, first in (("user", _FIRST_USER), ("pid", _FIRST_PID)):
        try:
            if os.stat(f"{host.proc}/self/ns/{kind}").st_ino != first:
                return kind
        except OSError:
            continue
    return ""


def foreign(host: Host) -> Refusal | None:
    """That this process is in another namespace than the first of its kind, where it is."""
    kind = elsewhere(host)
    return (
        Refusal(f"other {kind} namespace", "run it on the host" + (", or in docker run --pid=host" if kind == "pid" else ""))
        if kind
        else None
    )


def permission(host: Host) -> Refusal:
    """What EPERM means here."""
    if elsewhere(host) == "user":
        return Refusal("other user namespace, needs CAP_NET_ADMIN in the first one", "run it on the host: sudo proctop")
    return Refusal("needs CAP_NET_ADMIN", "sudo proctop")


def delays_off(host: Host) -> str:
    """Why the kernel counts no waiting for block io, swap and memory (kernel/delayacct.c); ``""`` = it does, as far as one can see."""
    try:
        on = host.read(f"{host.proc}/sys/kernel/task_delayacct", 16).strip() != b"0"
    except Unreadable:
        return ""  # before Linux 5.14 there was no switch
    return "" if on else "off: sudo sysctl kernel.task_delayacct=1 (counts for processes that start after it)"


class Inbox:
    """Takes up to ``slots`` datagrams of up to ``size`` bytes by one call, recvmmsg(2)."""

    def __init__(self, link: socket.socket, slots: int, size: int) -> None:
        self.overrun = False
        self._link = link
        self._bytes = np.zeros((slots, size), dtype=np.uint8)
        self._from = np.zeros((slots, _ADDRESS // 4), dtype=np.uint32)
        self._pieces = np.zeros((slots, 2), dtype=np.uintp)  # struct iovec
        place = np.arange(slots, dtype=np.uintp)
        self._pieces[:, 0] = self._bytes.ctypes.data + place * np.uintp(size)
        self._pieces[:, 1] = size
        self._messages = np.zeros(slots, dtype=_MESSAGE)
        head = self._messages["head"]
        head["name"] = self._from.ctypes.data + place * np.uintp(_ADDRESS)
        head["name_length"] = _ADDRESS
        head["iov"] = self._pieces.ctypes.data + place * np.uintp(self._pieces.strides[0])
        head["iov_length"] = 1
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]

    def drain(self, most: int) -> Iterator[tuple[NDArray[np.uint8], Ints]]:
        """uint8[m, size] and the length of each, lot by lot until nothing is left or about ``most`` were taken. A lot is
        valid until the next.

        A datagram that was cut, or comes from another process and not from the kernel, has length 0. ``overrun`` says afterwards whether
        the kernel had to throw some away.
        """
        self.overrun = False
        for _ in range(most // len(self._messages) + 4):
            got = self._recvmmsg(self._link.fileno(), self._messages.ctypes.data, len(self._messages), socket.MSG_DONTWAIT, None)
            if got < 0:
                code = ctypes.get_errno()
                if code in (errno.EAGAIN, errno.EINTR):
                    return
                self.overrun = True
                if code == errno.ENOBUFS:  # told once, then comes what there was room for
                    continue
                return
            messages = self._messages[:got]
            good = (messages["head"]["flags"] & socket.MSG_TRUNC == 0) & (self._from[:got, 1] == 0)
            yield self._bytes[:got], np.where(good, messages["length"], 0).astype(np.int64)
