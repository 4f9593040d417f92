"""What the programs of ``proctop.bpf.c`` write, as matrices of 64-bit words. Pure; its structures and the places here are one contract.

A record of the task iterator is 48 words, 6 more where extras are counted, an event 31. Matrices hold one record per row as they come;
two 32-bit numbers share a word, the first in its low half (all machines in question are little endian).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from proctop.fields import COUNTER
from proctop.records import Bools, Floats, Ints

Halves = NDArray[np.int32]
Names = NDArray[np.bytes_]
"""S16: names as the kernel has them, not made harmless yet."""

SPENT: Final = (
    *("run_ns", "utime", "stime", "minflt", "majflt", "vctx", "nvctx"),
    *("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes"),
)
"""What the kernel sums over live and dead threads: ``struct spent``."""

OWN: Final = (*SPENT, "wait_ns", "blkio_delay")
"""What it counts for each live thread."""

EXTRA: Final = (
    *("user_faults", "kernel_faults"),
    *("vm_mmap_bytes", "vm_munmap_bytes", "vm_brk_grow_bytes", "vm_brk_shrink_bytes"),
)
"""What only these programs count, by process and since they run: ``struct extra``."""

EXTRA_ROWS: Final = [COUNTER[name] for name in EXTRA]
RECORD: Final = 48
_DEAD, _LIVE = 20, 33  # places of the two struct spent
_SPENT_ROWS = [COUNTER[name] for name in OWN]
# counter: place of its word, unit (0 = a page)
_WORDS = {"vsize": (13, 0), "data": (14, 0), "rss": (15, 0), "fds": (16, 1), "cutime": (17, 1)}
# counter: place of its half of a word, what is added
_HALVES = {"ppid": (2, 0), "priority": (16, -100), "nice": (17, -120), "processor": (18, 0), "threads": (19, 0)}
_WORD_ROWS, _WORD_PLACES = [COUNTER[name] for name in _WORDS], [place for place, _ in _WORDS.values()]
_HALF_ROWS, _HALF_PLACES = [COUNTER[name] for name in _HALVES], [place for place, _ in _HALVES.values()]
_HALF_PLUS = np.array([[plus] for _, plus in _HALVES.values()])  # MAX_RT_PRIO, DEFAULT_PRIO (include/linux/sched/prio.h)
KERNEL = 1  # enum has; the others:
_TOLD = {
    2: [COUNTER[name] for name in ("rchar", "wchar", "syscr", "syscw")],
    4: [COUNTER[name] for name in ("read_bytes", "write_bytes")],
    8: [COUNTER["wait_ns"]],
    16: [COUNTER["blkio_delay"]],
}
_UTIME, _STIME = COUNTER["utime"], COUNTER["stime"]

_TASK_REPORT = 0x7F  # include/linux/sched.h; the letters are those of fs/proc/array.c
_LETTERS = np.array(list(b"RSDTtXZPI"), dtype=np.int64)
_LAST = np.array([0, *(bit for bit in range(1, 8) for _ in range(1 << (bit - 1)))], dtype=np.int64)  # fls() of 0…127
_TASK_IDLE, _RTLOCK, _FROZEN = 0x402, 0x1000, 0x8000


def low(words: Ints) -> Ints:
    """The first of two unsigned 32-bit numbers in each word."""
    first: Ints = words & 0xFFFFFFFF
    return first


def high(words: Ints) -> Ints:
    """The second one."""
    second: Ints = words >> 32 & 0xFFFFFFFF
    return second


def names(rows: Ints, place: int) -> Names:
    """S16[n] of the two words at ``place``."""
    taken: Names = np.ascontiguousarray(rows[:, place : place + 2]).view("S16").ravel()
    return taken


class Walk:
    """One read of the task iterator: ``rows`` is int64[n, 48 or 54], ascending by thread.

    Attributes:
        pid, tid, start, began: int64[n]; nanoseconds of CLOCK_BOOTTIME at which the process and the thread began.
        exit_state: int64[n], of the process's first thread, which may end before the others; 0 = it lives.
        threads: int64[n], of the process.
        running: bool[n], the thread was on a cpu or waited for one.
        dead: int64[n, 13], what dead threads of the process left, in the order of SPENT.
        own: int64[n, 15], what this thread spent, in the order of OWN.
    """

    def __init__(self, rows: Ints) -> None:
        self.rows = rows
        numbers = np.ascontiguousarray(rows[:, 0])
        self.pid, self.tid = low(numbers), high(numbers)
        self.start, self.began = rows[:, 2], rows[:, 3]
        self.exit_state = high(rows[:, 6])
        self.running: Bools = low(rows[:, 7]) != 0
        self.threads = high(rows[:, 9])
        self.dead, self.own = rows[:, _DEAD:_LIVE], rows[:, _LIVE:RECORD]

    def __len__(self) -> int:
        return len(self.rows)


def counters(rows: Ints, spent: Ints, page: int) -> Floats:
    """float64[len(COUNTERS), m]: from int64[m, 48 or 54], one record of each process, and int64[m, 15], its sums."""
    columns = rows.T
    out = np.full((len(COUNTER), len(rows)), np.nan)
    fill_spent(out, spent, columns[18], columns[19])
    units = np.array([[unit or page] for _, unit in _WORDS.values()])
    out[_WORD_ROWS] = columns[_WORD_PLACES] * units
    halves = rows.view(np.int32)
    out[_HALF_ROWS] = halves[:, _HALF_PLACES].T + _HALF_PLUS
    out[COUNTER["state"]] = states(halves[:, 12], halves[:, 13])
    out[COUNTER["rss"]].clip(0, out=out[COUNTER["rss"]])  # a sum of parts that lag
    out[COUNTER["fds"], columns[16] < 0] = np.nan
    told = halves[:, 15]
    always = int(np.bitwise_and.reduce(told)) if len(rows) else 0
    for flag, names_ in _TOLD.items():
        if not always & flag:
            out[np.ix_(names_, told & flag == 0)] = np.nan
    return out


def fill_spent(out: Floats, spent: Ints, prev_utime: Ints | int = 0, prev_stime: Ints | int = 0) -> None:
    """Put sums, int64[m, 15 or 13] in the order of OWN, into the rows of their names, user and system time as ``/proc`` shows them.

    The kernel counts both by ticks and scales them to the run time it knows in nanoseconds, never below what it said before
    (kernel/sched/cputime.c: cputime_adjust).
    """
    out[_SPENT_ROWS[: spent.shape[1]]] = spent.T
    run, ticks = out[COUNTER["run_ns"]], out[_UTIME] + out[_STIME]
    system = np.floor(run * (out[_STIME] / np.maximum(ticks, 1.0)))
    system = np.minimum(np.maximum(system, prev_stime), run)
    user = np.maximum(run - system, prev_utime)
    out[_UTIME] = user
    out[_STIME] = np.maximum(run - user, 0.0)


def extras(words: Ints, counted: Bools) -> Floats:
    """float64[6, n] of int64[n, 6]; NaN where not ``counted`` (bool[6]) or negative."""
    out: Floats = words.T.astype(np.float64)
    out[(words.T < 0) | ~counted[:, None]] = np.nan
    return out


def states(state: Halves, exit_state: Halves) -> Ints:
    """State letters as codes, from ``__state`` and ``exit_state`` (include/linux/sched.h: __task_state_index).

    >>> bytes(states(np.array([0, 1, 2, 0x2402, 4, 0x8001, 0x40, 0x80], np.int32), np.array([0] * 7 + [0x20], np.int32)).tolist())
    b'RSDITDPZ'
    """
    index = _LAST[(state | exit_state) & _TASK_REPORT]
    index[state & _TASK_IDLE == _TASK_IDLE] = 8
    index[state & (_FROZEN | _RTLOCK) != 0] = 2
    letters: Ints = _LETTERS[index]
    return letters
