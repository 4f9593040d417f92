"""Totals of every thread and process at its end, as the kernel sends them: exit records (kernel/taskstats.c).

Needs CAP_NET_ADMIN and the first pid and user namespace. Complete for a process that lived a millisecond, but dearer to the host than
process events: 1 or 2 KiB a thread, so ask for them only where totals are wanted.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proctop.kernel.host import Host, Unreadable
from proctop.kernel.netlink import wire
from proctop.kernel.netlink.accounting import FIELDS
from proctop.kernel.netlink.link import Inbox, Refusal, Refused, delays_off, foreign, permission
from proctop.kernel.netlink.taskstats import BATCH, SLOT, Channel
from proctop.records import Bools, Floats, Ints

MOST = 1 << 14
"""Records taken at once; the others wait in the kernel."""

_ROOM = 8 << 20
_NOBODY = np.zeros(0, dtype=np.int64)
_ACK = 4  # NLM_F_ACK: else nothing is said when it works


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """Threads that ended, in the order of their cpus' messages.

    Attributes:
        tid, pid, ppid, uid: int64[n], numbers of the first pid namespace.
        code: int64[n], exit code of the thread; minus the signal that ended it.
        last: bool[n]: the process ended with it.
        comm: S32[n], not made harmless yet.
        values: float64[len(accounting.FIELDS), n], of the thread. ``run_ns`` is as the scheduler last looked: 0 of a thread that neither
            left its cpu nor met a tick before its end.
        whole: the same of the process where ``last``, else NaN.
        lost: some had no room: look at everything again.
    """

    tid: Ints
    pid: Ints
    ppid: Ints
    uid: Ints
    code: Ints
    last: Bools
    comm: NDArray[np.bytes_]
    values: Floats
    whole: Floats
    lost: bool


class Obituaries:
    """The kernel's own records of the threads that end, from now on. Raises Refused when they are not to be had."""

    def __init__(self, host: Host) -> None:
        self._channel = Channel(host, _ROOM)
        try:
            if self._channel.layout.version < 12:
                raise Refused(Refusal("exit records that name the process need Linux 5.18"))
            self._cpus = _cpus(host)
            message = bytearray(wire.request(self._channel.family, wire.GET, wire.attribute(wire.REGISTER, self._cpus), 3))
            message[6] |= _ACK
            code = wire.refusal_of(self._channel.ask(bytes(message)))
            if code:
                strange = foreign(host)
                if code == errno.EINVAL and strange:
                    raise Refused(strange)
                raise Refused(permission(host) if code == errno.EPERM else Refusal(os.strerror(code)))
            self._inbox = Inbox(self._channel.link, BATCH, SLOT)
        except BaseException:
            self._channel.link.close()
            raise

    def fileno(self) -> int:
        """Readable when somebody ended."""
        return self._channel.link.fileno()

    def take(self) -> Exits:
        """Those that ended since the last call, at most :data:`MOST` at once."""
        parts: list[tuple[wire.Structures, Floats, Floats]] = []
        counted = not delays_off(self._channel.host)
        for data, length in self._inbox.drain(MOST):
            told = wire.structures(data, length, self._channel.family, wire.AGGR_PID, wire.PID)
            if told is not None:
                parts.append((told, *self._values(data, length, told, counted)))
        return _exits(parts, self._inbox.overrun)

    def _values(self, data: NDArray[np.uint8], length: Ints, told: wire.Structures, counted: bool) -> tuple[Floats, Floats]:
        """Of the threads, and of the processes that ended with them: a second nest where there were several threads."""
        values = told.layout.columns(told.words, whole=False, counted=counted)
        whole = np.where(told.layout.last(told.words), values, np.nan)
        nest = int(data.view(np.uint16)[told.place[0], 10])  # its length: alike in all
        second = (
            wire.structures(data, length, self._channel.family, wire.AGGR_TGID, wire.TGID, 20 + (nest + 3 & ~3))
            if nest + 64 < SLOT // 2
            else None
        )
        if second is not None:
            at = np.searchsorted(told.place, second.place)
            fits = np.isin(second.place, told.place)
            whole[:, at[fits]] = second.layout.columns(second.words[fits], whole=True, counted=counted)
        return values, whole

    def close(self) -> None:
        """Prompt; the kernel forgets a listener that is gone at the next end of a thread anyway."""
        with contextlib.suppress(OSError):
            self._channel.link.send(wire.request(self._channel.family, wire.GET, wire.attribute(wire.DEREGISTER, self._cpus), 4))
        self._channel.link.close()


def _exits(parts: list[tuple[wire.Structures, Floats, Floats]], lost: bool) -> Exits:
    def who(member: str) -> Ints:
        return np.concatenate([_NOBODY, *(told.layout.who(told.words, member) for told, _, _ in parts)])

    nothing = np.zeros((len(FIELDS), 0))
    code = who("code")
    return Exits(
        tid=who("pid"),
        pid=who("tgid"),
        ppid=who("ppid"),
        uid=who("uid"),
        code=np.where(code & 0x7F, -(code & 0x7F), code >> 8 & 0xFF),
        last=np.concatenate([np.zeros(0, dtype=np.bool_), *(told.layout.last(told.words) for told, _, _ in parts)]),
        comm=np.concatenate([np.zeros(0, dtype="S32"), *(told.layout.names(told.words) for told, _, _ in parts)]),
        values=np.concatenate([nothing, *(values for _, values, _ in parts)], axis=1),
        whole=np.concatenate([nothing, *(whole for _, _, whole in parts)], axis=1),
        lost=lost,
    )


def _cpus(host: Host) -> bytes:
    """All cpus that may ever be there, as the kernel writes and reads them: ``0-7``. Raises Refused."""
    try:
        return host.read(f"{host.sys}/devices/system/cpu/possible").strip() + b"\0"
    except Unreadable as error:
        raise Refused(Refusal(str(error))) from None


def probe(host: Host) -> Refusal | None:
    """Whether the kernel takes us as a listener, by becoming one; None = it does."""
    try:
        Obituaries(host).close()
    except Refused as error:
        return error.refusal
    return None
