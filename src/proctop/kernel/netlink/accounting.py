"""``struct taskstats`` (include/uapi/linux/taskstats.h) as columns. Pure.

It grows at its end from version to version, except that 15 (Linux 6.14 and 6.15) put two words behind each delay; 16 moved those to
the end. All of it that is read here are words of 64 bits; what is shorter shares one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proctop.records import Floats, Ints

OLDEST = 8
"""The oldest version that is read (2.6.38)."""


class Field(NamedTuple):
    """One row of the columns: ``scale`` makes ``unit`` of what the kernel gives; ``whole``: also known of a process, not only of a thread;
    ``counted``: only while delay accounting is on."""

    name: str
    member: str
    unit: str
    help: str
    scale: float = 1.0
    whole: bool = True
    counted: bool = False


def _delay(name: str, member: str, what: str, *, counted: bool = True) -> tuple[Field, Field]:
    return (
        Field(f"{name}_count", f"{member}_count", "1", f"waits for {what}", counted=counted),
        Field(name, f"{member}_delay", "ns", f"time waiting for {what}", counted=counted),
    )


FIELDS: Final = (
    *_delay("wait_ns", "cpu", "a cpu while runnable", counted=False),
    *_delay("blkio_delay", "blkio", "block io"),
    *_delay("swapin_delay", "swapin", "pages from swap"),
    *_delay("reclaim_delay", "freepages", "memory to be freed (direct reclaim)"),
    *_delay("thrashing_delay", "thrashing", "pages that had only just been evicted"),
    *_delay("compact_delay", "compact", "memory to be made contiguous"),
    *_delay("wpcopy_delay", "wpcopy", "copies on write"),
    *_delay("irq_delay", "irq", "interrupts to be done (needs CONFIG_IRQ_TIME_ACCOUNTING)"),
    Field("run_ns", "cpu_run_virtual", "ns", "time on a cpu"),
    Field("utime", "utime", "ns", "cpu time in user mode, resolution one clock tick on most kernels", 1e3),
    Field("stime", "stime", "ns", "cpu time in kernel mode, as coarse", 1e3),
    Field("vctx", "nvcsw", "1", "voluntary context switches"),
    Field("nvctx", "nivcsw", "1", "involuntary context switches"),
    Field("minflt", "minflt", "1", "minor page faults", whole=False),
    Field("majflt", "majflt", "1", "major page faults", whole=False),
    Field("rchar", "read_char", "bytes", "bytes read by system calls", whole=False),
    Field("wchar", "write_char", "bytes", "bytes written by system calls", whole=False),
    Field("syscr", "read_syscalls", "1", "read system calls", whole=False),
    Field("syscw", "write_syscalls", "1", "write system calls", whole=False),
    Field("read_bytes", "read_bytes", "bytes", "bytes read from storage", whole=False),
    Field("write_bytes", "write_bytes", "bytes", "bytes sent to storage", whole=False),
    Field("cancelled_bytes", "cancelled_write_bytes", "bytes", "of those, bytes cut off before they got there", whole=False),
    Field("peak_rss", "hiwater_rss", "bytes", "largest resident memory of the process, some pages a cpu off", 1024.0, whole=False),
    Field("peak_vsize", "hiwater_vm", "bytes", "largest virtual memory of the process", 1024.0, whole=False),
    Field("age", "etime", "s", "time since the thread began, without suspends", 1e-6, whole=False),
    Field("process_age", "tgetime", "s", "time since the process began, without suspends", 1e-6, whole=False),
)
"""The rows. The kernel rounds what the io rows count down to multiples of 1,024, system calls too (kernel/tsacct.c).
All but the ages and the peaks only grow. Names are those of ``fields.COUNTERS`` where it has the quantity."""

ROW: Final = {field.name: row for row, field in enumerate(FIELDS)}

# member, words, version that brought it; in the order of the structure
_MEMBERS: Final = (
    *(
        ("version", 1, 1),
        ("flag", 1, 1),
        ("cpu", 2, 1),
        ("blkio", 2, 1),
        ("swapin", 2, 1),
        ("cpu_run_real", 1, 1),
        ("cpu_run_virtual", 1, 1),
    ),
    *(("comm", 4, 2), ("sched", 1, 2), ("uid", 1, 2), ("pid", 1, 2), ("btime", 1, 2), ("etime", 1, 2), ("utime", 1, 2), ("stime", 1, 2)),
    *(("minflt", 1, 2), ("majflt", 1, 2), ("coremem", 1, 3), ("virtmem", 1, 3), ("hiwater_rss", 1, 3), ("hiwater_vm", 1, 3)),
    *(("read_char", 1, 3), ("write_char", 1, 3), ("read_syscalls", 1, 3), ("write_syscalls", 1, 3), ("read_bytes", 1, 3)),
    *(("write_bytes", 1, 3), ("cancelled_write_bytes", 1, 3), ("nvcsw", 1, 4), ("nivcsw", 1, 4), ("utimescaled", 1, 6)),
    *(("stimescaled", 1, 6), ("cpu_scaled", 1, 6), ("freepages", 2, 7), ("thrashing", 2, 9), ("btime64", 1, 10), ("compact", 2, 11)),
    *(("tgid", 1, 12), ("tgetime", 1, 12), ("exe_dev", 1, 12), ("exe_inode", 1, 12), ("wpcopy", 2, 13), ("irq", 2, 14)),
)
_DELAYS: Final = frozenset({"cpu", "blkio", "swapin", "freepages", "thrashing", "compact", "wpcopy", "irq"})
_LAST_FLAG = 0x20  # include/uapi/linux/acct.h: AGROUP, since version 12


class Layout:
    """Where version ``version`` has its members. ``size``: bytes that have to be there. Raises ValueError for one that is too old."""

    def __init__(self, version: int) -> None:
        if version < OLDEST:
            raise ValueError(f"version {version} of struct taskstats is too old")
        self.version = version
        self._at: dict[str, int] = {}
        place = 0
        for member, width, since in _MEMBERS:
            if since > version:
                break
            if member in _DELAYS:
                self._at |= {f"{member}_count": place, f"{member}_delay": place + 1}
                place += 4 if version == 15 else width
            else:
                self._at[member] = place
                place += width
        self.size = 8 * place
        self._known = np.array([field.member in self._at for field in FIELDS])
        self._places = np.array([self._at.get(field.member, 0) for field in FIELDS])
        self._scale = np.array([field.scale for field in FIELDS])

    def columns(self, words: NDArray[np.uint64], *, whole: bool, counted: bool) -> Floats:
        """float64[len(FIELDS), n] of ``words``, uint64[n, size / 8]: one structure a row. NaN: not told by this version, not of whole
        processes (``whole``), not while delay accounting is off (``counted``)."""
        out: Floats = (words[:, self._places] * self._scale).T.copy()
        out[~self._known] = np.nan
        if whole:
            out[_NOT_WHOLE] = np.nan
        if not counted:
            out[_COUNTED] = np.nan
        return out

    def who(self, words: NDArray[np.uint64], member: str) -> Ints:
        """int64[n], ``"uid"``, ``"pid"``, ``"ppid"``, ``"tgid"`` or ``"code"`` as of wait(2); -1 = not told."""
        name, second = _HALVES[member]
        if name not in self._at:
            return np.full(len(words), -1, dtype=np.int64)
        halves = np.ascontiguousarray(words[:, self._at[name]]).view(np.uint32).reshape(-1, 2)
        return halves[:, second].astype(np.int64)

    def last(self, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """bool[n]: was this the last thread of its process? Only since version 12."""
        octets = np.ascontiguousarray(words[:, self._at["flag"]]).view(np.uint8).reshape(-1, 8)
        found: NDArray[np.bool_] = octets[:, 0] & _LAST_FLAG != 0
        return found

    def names(self, words: NDArray[np.uint64]) -> NDArray[np.bytes_]:
        """S32[n], not made harmless yet."""
        place = self._at["comm"]
        taken: NDArray[np.bytes_] = np.ascontiguousarray(words[:, place : place + 4]).view("S32").ravel()
        return taken


_NOT_WHOLE: Final = [row for row, field in enumerate(FIELDS) if not field.whole]
_COUNTED: Final = [row for row, field in enumerate(FIELDS) if field.counted]
_HALVES: Final = {"code": ("version", 1), "uid": ("uid", 0), "pid": ("pid", 0), "ppid": ("pid", 1), "tgid": ("tgid", 0)}


def version_of(words: NDArray[np.uint64]) -> Ints:
    """int64[n], the version that each row says it has."""
    halves = np.ascontiguousarray(words[:, 0]).view(np.uint16).reshape(-1, 4)
    return halves[:, 0].astype(np.int64)
