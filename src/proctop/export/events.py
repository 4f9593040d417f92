"""Frames as an events table, with the 25 columns of :data:`proctop.sources.events.COLUMNS`: what an event collector would have exported.

One row per process and interval, for the processes that have an interval behind them. What each column holds:

- ``cpu_ns`` is the time on a cpu: the run time of the scheduler for a process of one thread, else user and system time (in clock ticks).
- ``bytes_read`` and ``bytes_written`` are what read and write calls moved (``rchar``, ``wchar``) and not what reached a disk: such tables
  show equal numbers of both for processes that only pass bytes on.
- ``cgroup_name`` is the last part of the path. ``isActive`` is 1 for what did anything. ``wall_time_dt`` is in UTC.
- :data:`ABSENT` says what stays empty, and why.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import numpy as np

from proctop.export.guard import guarded
from proctop.features import cpu_spent
from proctop.fields import COUNTER
from proctop.records import Bools, Container, Floats, Frame, Index, Label, Reading
from proctop.sources.events import COLUMNS

ABSENT = {
    "gid, user_pid, user_ppid, cgroup_id": "not recorded",
    "user_faults, kernel_faults": "the kernel counts both as one",
    "vm_mmap_bytes, vm_munmap_bytes, vm_brk_grow_bytes, vm_brk_shrink_bytes": "only a trace of system calls tells",
}
"""Columns that are always empty, and why."""

_CPU = [COUNTER[name] for name in ("utime", "stime", "run_ns", "threads")]
_PPID, _READ, _WRITTEN = (COUNTER[name] for name in ("ppid", "rchar", "wchar"))


class ResourceEvents:
    """Turns frames into lines; takes every frame in its order, as an interval lies between two.

    Attributes:
        rows: how many so far.
        unread: how many of them lack the bytes, which only root may read of others' processes.
    """

    def __init__(self) -> None:
        self.rows = self.unread = 0
        self._before: Reading | None = None

    def header(self) -> str:
        return ",".join(COLUMNS) + "\r\n"

    def lines(self, frame: Frame, chosen: Bools) -> str:
        """The rows of the processes of ``frame`` that are ``chosen`` bool[n], each with its line end."""
        before, self._before = self._before, frame.reading
        batch = frame.batch
        if before is None or batch.dt != batch.dt:
            return ""
        rows = np.flatnonzero(chosen & ((batch.prev >= 0) | batch.born))
        out = StringIO()
        csv.writer(out).writerows(self._records(before, frame, rows))
        return out.getvalue()

    def remark(self) -> str:
        """One line on what is empty, and why."""
        parts = [f"{names} ({why})" for names, why in ABSENT.items()]
        if self.unread:
            parts.append(f"bytes_written, bytes_read in {self.unread:,} of {self.rows:,} rows (could not be read when it was recorded)")
        return "resource-events: left empty: " + "; ".join(parts)

    def _records(self, before: Reading, frame: Frame, rows: Index) -> Iterator[list[Any]]:
        reading, active = frame.reading, frame.batch.active
        cpu, read, written = _spent(before, frame, rows)
        self.rows += rows.size
        self.unread += int(np.count_nonzero(np.isnan(read)))
        wall_ms = round(reading.wall * 1000)
        when = datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
        ppid = reading.counters[_PPID, rows]
        columns = (rows.tolist(), reading.pid[rows].tolist(), ppid.tolist(), cpu.tolist(), written.tolist(), read.tolist())
        for row, pid, parent, spent, out, into in zip(*columns, strict=True):
            label = frame.batch.labels[row]
            uid = label.uid if label.uid >= 0 else ""
            yield [
                pid, guarded(label.comm), uid, "", _whole(parent), "", "", "", _cgroup(label), guarded(label.user), _whole(spent),
                "", "", "", "", "", "", _whole(out), _whole(into), int(active[row]), when, wall_ms, *_container(label.container),
            ]  # fmt: skip


def _spent(before: Reading, frame: Frame, rows: Index) -> tuple[Floats, Floats, Floats]:
    """Nanoseconds of cpu, bytes read and bytes written within the interval, float64[m] each; NaN = not known.

    A process born in the interval did all that its counters show.
    """
    now = frame.reading.counters[:, rows]
    came = frame.batch.prev[rows]
    then = np.where(came >= 0, before.counters.take(came, axis=1, mode="clip"), 0.0) if len(before) else np.zeros(now.shape)
    rise = now - then
    rise[rise < 0] = np.nan
    utime, stime, run, threads = _CPU
    cpu = cpu_spent(rise[utime] + rise[stime], rise[run], now[threads], then[threads])
    return cpu, rise[_READ], rise[_WRITTEN]


def _whole(value: float) -> int | str:
    return int(value) if value == value else ""


def _cgroup(label: Label) -> str:
    return guarded(label.cgroup.rstrip("/").rpartition("/")[2])


def _container(container: Container | None) -> tuple[str, str, str]:
    if container is None:
        return "", "", ""
    tags = json.dumps(dict(container.labels), ensure_ascii=False) if container.labels else "{}"
    return guarded(container.id), guarded(container.image), tags
