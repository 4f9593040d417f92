"""Frames as an events table, with the 25 columns of :data:`proctop.sources.events.COLUMNS`: what an event collector would have exported.

One row per process and interval, for the processes that have an interval behind them, and one for the last interval of each that ended,
where its totals are told: so the rows of a process that was born while it was recorded add up to them. What each column holds:

- ``cpu_ns`` is the time on a cpu: the run time of the scheduler, by bpf of all threads, else of a process of one thread; else user and
  system time (in clock ticks).
- ``bytes_read`` and ``bytes_written`` are what read and write calls moved (``rchar``, ``wchar``) and not what reached a disk: such tables
  show equal numbers of both for processes that only pass bytes on.
- ``user_faults``, ``kernel_faults`` and ``vm_*`` are what the counters of these names rose by; only bpf counts them.
- ``cgroup_name`` is the last part of the path. ``isActive`` is 1 for what did anything, or ended. ``wall_time_dt`` is in UTC.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from math import isfinite
from typing import Any

import numpy as np

from proctop.export.ended import LastIntervals
from proctop.export.guard import guarded
from proctop.features import cpu_spent
from proctop.fields import COUNTER
from proctop.frames import Frame
from proctop.records import Bools, Container, Floats, Index, Label
from proctop.sources.events import COLUMNS, FEATURES

_NEVER = "gid, user_pid, user_ppid, cgroup_id"
_COUNTED = FEATURES[1:]  # cpu_ns is made of several
_COUNTERS = [COUNTER[{"bytes_read": "rchar", "bytes_written": "wchar"}.get(name, name)] for name in _COUNTED]
_CPU = [COUNTER[name] for name in ("utime", "stime", "run_ns", "threads")]
_PPID = COUNTER["ppid"]
_BPF = "bpf"  # a source of that name, here or over ssh, counts the run time of all threads

# Why a feature is empty: where bpf was not at work; where it was, and counted it of nobody; of others only.
_UNREAD = ("could not be read when it was recorded",) * 3
_FAULTS = ("/proc has only the sum of both; counted with --source bpf", "were not counted when it was recorded", "not told of these")
_MEMORY = ("counted with --source bpf --bpf-memory", "counted with --bpf-memory", "not told of these")

_quiet = np.errstate(invalid="ignore", over="ignore")  # a recording may hold any number


class ResourceEvents:
    """Turns frames into lines; takes every frame in its order, as an interval lies between two.

    Attributes:
        rows: how many so far.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._before: Frame | None = None
        self._last: LastIntervals | None = None
        self._empty: Counter[tuple[str, bool]] = Counter()  # cells by column, and whether bpf was at work
        self._known: set[str] = set()  # columns that are not empty throughout
        self._untold = 0  # ends without totals
        self._bpf = False  # was ever at work

    def header(self) -> str:
        return ",".join(COLUMNS) + "\r\n"

    @_quiet
    def lines(self, frame: Frame, chosen: Callable[[Frame], Bools]) -> str:
        """The rows of the processes of ``frame``, and of those that ended, that are ``chosen``, each with its line end."""
        before, self._before = self._before, frame
        batch = frame.batch
        if before is None or self._last is None or batch.dt != batch.dt:
            self._last = LastIntervals(frame)
            return ""
        counts = {reading.source.startswith(_BPF) for reading in (before.reading, frame.reading)}
        told = None if len(counts) > 1 else counts.pop()
        self._bpf |= bool(told)
        ended, last = self._last.step(frame)
        rows = np.flatnonzero(chosen(frame) & ((batch.prev >= 0) | batch.born))
        came, past = batch.prev[rows], before.reading.counters
        then = np.where(came >= 0, past.take(came, axis=1, mode="clip"), 0.0) if past.size else np.zeros((len(past), rows.size))
        out = StringIO()
        lines = csv.writer(out)
        lines.writerows(self._records(frame, rows, then, told, batch.active[rows]))
        if ended.reading.pid.size:
            wanted = chosen(ended)
            known = (ended.reading.counters - last)[_COUNTERS]
            some = wanted & (known == known).any(axis=0)
            self._untold += int(np.count_nonzero(wanted & ~some))
            rows = np.flatnonzero(some)
            lines.writerows(self._records(ended, rows, last[:, rows], told, np.ones(rows.size, np.bool_)))
        return out.getvalue()

    def remark(self) -> str:
        """One line on what is empty, and why."""
        parts = [f"{_NEVER} (not recorded)"]
        alike: dict[tuple[int, str], list[str]] = {}
        for name, told in sorted(self._empty, key=lambda cells: FEATURES.index(cells[0])):
            why = _FAULTS if name.endswith("_faults") else _MEMORY if name.startswith("vm_") else _UNREAD
            reason = why[(2 if name in self._known else 1) if told else 0]
            alike.setdefault((self._empty[name, told], reason), []).append(name)
        for (count, reason), names in alike.items():
            part = "" if count == self.rows else f" in {count:,} of {self.rows:,} rows"
            parts.append(f"{', '.join(names)}{part} ({reason})")
        said = "resource-events: left empty: " + "; ".join(parts)
        if self._untold:
            totals = "were not told" if self._bpf else "are told with --source bpf"
            said += f"; without a row: the last interval of {self._untold:,} processes that ended (their totals {totals})"
        return said

    def _records(self, frame: Frame, rows: Index, then: Floats, told: bool | None, active: Bools) -> Iterator[list[Any]]:
        reading = frame.reading
        spent = _spent(reading.counters[:, rows], then, told)
        self.rows += rows.size
        self._count(spent, bool(told))
        wall_ms = round(reading.wall * 1000)
        when = datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
        ppid = reading.counters[_PPID, rows]
        columns = (rows.tolist(), reading.pid[rows].tolist(), ppid.tolist(), spent.T.tolist(), active.tolist())
        for row, pid, parent, did, busy in zip(*columns, strict=True):
            label = frame.batch.labels[row]
            uid = label.uid if label.uid >= 0 else ""
            yield [
                pid, guarded(label.comm), uid, "", _whole(parent), "", "", "", _cgroup(label), guarded(label.user), *map(_whole, did),
                int(busy), when, wall_ms, *_container(label.container),
            ]  # fmt: skip

    def _count(self, spent: Floats, told: bool) -> None:
        empty = np.count_nonzero(~np.isfinite(spent), axis=1).tolist()
        for name, count in zip(FEATURES, empty, strict=True):
            if count:
                self._empty[name, told] += count
            if count < spent.shape[1]:
                self._known.add(name)


def _spent(now: Floats, then: Floats, told: bool | None) -> Floats:
    """float64[len(FEATURES), m]: what the counters rose by, NaN where that is not known.

    ``told``: run time is that of all threads; None: it is now, and was not before.
    """
    rise = now - then
    rise[rise < 0] = np.nan
    utime, stime, run, threads = _CPU
    cpu = rise[utime] + rise[stime]
    if told is None:  # the two sources round otherwise
        cpu = np.maximum(now[utime] + now[stime] - then[utime] - then[stime], 0.0)
    else:
        crowd = np.where(np.isnan(now[threads]), 1.0, now[threads])  # of one that ended: run time is told where it had but one
        cpu = rise[run] if told else cpu_spent(cpu, rise[run], crowd, then[threads])
    return np.concatenate((cpu[None], rise[_COUNTERS]))


def _whole(value: float) -> int | str:
    return int(value) if isfinite(value) else ""


def _cgroup(label: Label) -> str:
    return guarded(label.cgroup.rstrip("/").rpartition("/")[2])


def _container(container: Container | None) -> tuple[str, str, str]:
    if container is None:
        return "", "", ""
    tags = json.dumps(dict(container.labels), ensure_ascii=False) if container.labels else "{}"
    return guarded(container.id), guarded(container.image), tags
