"""Bytes of ``/proc/PID/*`` to numbers (proc_pid_stat(5), proc_pid_io(5), proc_pid_status(5)). Pure.

Everything that does not parse raises :class:`Malformed` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proctop.records import Floats, Ints

PF_KTHREAD = 0x0020_0000  # include/linux/sched.h

# Places after the comm, of proc_pid_stat(5) fields: state is field 3 and place 0 of `stat_words`, but 0 of `stat_numbers` is ppid, field 4.
PPID, FLAGS, MINFLT, MAJFLT, UTIME, STIME, CUTIME, CSTIME = 0, 5, 6, 8, 10, 11, 12, 13
PRIORITY, NICE, THREADS, START, VSIZE, RSS = 14, 15, 16, 18, 19, 20
START_CODE, START_STACK, PROCESSOR, BLKIO, ARG_START = 22, 24, 35, 38, 44
_LEAST = 36  # numbers in the shortest line taken (Linux 2.6.18 has 39); those missing at the end read as -1
WIDTH = 49
GRAIN = 100_000
"""Nanoseconds to which times of schedstat are rounded down: 0.01 % of a cpu at one reading a second."""
_NAN = float("nan")

IO_NAMES = (b"rchar:", b"wchar:", b"syscr:", b"syscw:", b"read_bytes:", b"write_bytes:")


class Malformed(ValueError):
    """A kernel file that does not read as documented: which file, which line (from 1), which item."""

    def __init__(self, path: str, line: int, item: str, text: bytes) -> None:
        super().__init__(f"{path}: line {line}: no {item} in {text[:80]!r}")
        self.path = path
        self.line = line
        self.item = item


def comm(raw: bytes, path: str = "stat") -> tuple[bytes, int]:
    """The raw name in a ``stat`` line and the place of the ``)`` that ends it: the last one, as names may hold any byte.

    >>> comm(b"7 (a) b (c)) S 1")
    (b'a) b (c)', 11)
    """
    begin, end = raw.find(b"("), raw.rfind(b")")
    if begin < 0 or end < begin:
        raise Malformed(path, 1, "comm", raw)
    return raw[begin + 1 : end], end


def stat(raw: bytes, path: str = "stat") -> tuple[bytes, int, Ints]:
    """One ``stat`` line: raw comm, state (code of its letter), int64[49] of the numbers from ppid on (-1 = not in the line)."""
    name, end = comm(raw, path)
    words = raw[end + 1 :].split()
    if not words or len(words[0]) != 1 or words[0][0] > 0x7F:
        raise Malformed(path, 1, "state", raw[end + 1 :])
    if len(words) - 1 < _LEAST:
        raise Malformed(path, 1, f"field {len(words) + 3}", raw[end + 1 :])
    numbers = np.full(WIDTH, -1, dtype=np.int64)
    for place, word in enumerate(words[1 : WIDTH + 1]):
        try:
            numbers[place] = min(int(word), 0x7FFF_FFFF_FFFF_FFFF)
        except (ValueError, OverflowError):
            raise Malformed(path, 1, f"field {place + 4}", word) from None
    return name, words[0][0], numbers


def stat_many(raws: Sequence[bytes]) -> tuple[Ints, Ints] | None:
    """States int64[m] and numbers int64[m, 49] of many ``stat`` lines in one pass, or None where any line is unusual.

    The caller then goes line by line with :func:`stat`. Numbers above 2**63 - 1 (kernel addresses, rsslim) are cut to it.
    """
    ends = [raw.rfind(b")") for raw in raws]
    tails = [raw[end + 4 :] for raw, end in zip(raws, ends, strict=True)]
    words = {tail.count(b" ") for tail in tails}
    if len(words) != 1 or min(ends) < 1:
        return None
    width = words.pop() + 1
    joined = b" ".join(tails)
    if width < _LEAST or joined.translate(None, b"0123456789- \n"):
        return None
    try:
        flat = np.fromstring(joined, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):  # which of them depends on numpy's version and warning filters
        return None
    if flat.size != width * len(raws):
        return None
    states = np.array([raw[end + 2] for raw, end in zip(raws, ends, strict=True)], dtype=np.int64)
    numbers = flat.reshape(len(raws), width)
    if width < WIDTH:
        numbers = np.hstack([numbers, np.full((len(raws), WIDTH - width), -1, dtype=np.int64)])
    return states, numbers


def io(raw: bytes, path: str = "io") -> tuple[int, ...]:
    """rchar, wchar, syscr, syscw, read_bytes, write_bytes of an ``io`` file."""
    words = raw.split()
    if tuple(words[0:12:2]) != IO_NAMES:
        raise Malformed(path, 1, "rchar … write_bytes", raw)
    try:
        return tuple(map(int, words[1:12:2]))
    except ValueError:
        raise Malformed(path, 1, "number", raw) from None


def _after(raw: bytes, name: bytes, begin: int = 0) -> bytes:
    """What follows ``name`` up to the end of its line, ``b""`` where there is none."""
    at = raw.find(name, begin)
    if at < 0:
        return b""
    at += len(name)
    return raw[at : raw.find(b"\n", at)]


def status(raw: bytes, path: str = "status") -> tuple[int, float, float, float, float]:
    """Effective uid, VmRSS and VmData in bytes, voluntary and involuntary context switches of a ``status`` file.

    VmRSS is exact where field 24 of ``stat`` may lag by some pages a cpu (Documentation/filesystems/proc.rst); NaN where it is not said.
    VmData is 0 for what has no memory of its own (kernel threads, zombies); switches are NaN where the kernel does not count them.
    The name in the first line is escaped by the kernel, so no line can be forged through it.
    """
    uids, rss, data = _after(raw, b"\nUid:"), _after(raw, b"\nVmRSS:"), _after(raw, b"\nVmData:")
    switches = max(raw.rfind(b"\nvoluntary_ctxt_switches:"), 0)  # the last line but one
    vctx, nvctx = _after(raw, b"\nvoluntary_ctxt_switches:", switches), _after(raw, b"\nnonvoluntary_ctxt_switches:", switches)
    try:
        return (
            int(uids.split(None, 2)[1]) if uids else -1,
            1024.0 * int(rss[:-3]) if rss else _NAN,
            1024.0 * int(data[:-3]) if data else 0.0,
            float(int(vctx)) if vctx else _NAN,
            float(int(nvctx)) if nvctx else _NAN,
        )
    except (ValueError, IndexError, OverflowError):
        raise Malformed(path, 1, "Uid, VmRSS, VmData or switches", raw) from None


def leader(raw: bytes, pid: int) -> bool:
    """Whether a ``status`` file is that of a process, not of a further thread of one."""
    return _after(raw, b"\nTgid:").strip() == b"%d" % pid


def schedstats(raws: Sequence[bytes]) -> Floats:
    """float64[2, m]: nanoseconds on a cpu and waiting for one (Documentation/scheduler/sched-stats.rst); NaN for what does not parse.

    Both rounded down to :data:`GRAIN`: what is below it tells nothing, and would be half of a recording.
    """
    out = np.full((2, len(raws)), np.nan)
    for i, raw in enumerate(raws):
        words = raw.split()
        if len(words) == 3:
            try:
                out[0, i], out[1, i] = int(words[0]) // GRAIN * GRAIN, int(words[1]) // GRAIN * GRAIN
            except (ValueError, OverflowError):
                out[:, i] = np.nan
    return out
