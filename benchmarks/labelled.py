"""A labelled recording of proctop's own as the columns that `benchmarks.detection` reads.

    python -m benchmarks.labelled NAME.proctop …

NAME.json beside it holds the labels and ``mgr``, the pid of the session's manager. Kept are the manager's descendants and kernel threads:
what else went on at that host has no labels, and is only counted (``foreign``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from proctop.fields import COUNTER
from proctop.records import Label, ProcKey, Reading
from proctop.stream.reader import Reader

_TICK = 10_000_000  # nanoseconds
_IN_TICKS = ("utime", "stime", "cutime")
_IN_PAGES = ("rss", "data")
_AS_THEY_ARE: tuple[str, ...] = (
    "ppid",
    "state",
    "minflt",
    "majflt",
    "threads",
    "vsize",
    "rchar",
    "wchar",
    "syscr",
    "syscw",
    "read_bytes",
    "write_bytes",
)
_AS_THEY_ARE += ("vctx", "nvctx", "fds", "run_ns", "wait_ns")


class _Words:
    """Texts by number."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._known.setdefault(text, len(self._known))

    def texts(self) -> list[str]:
        return list(self._known)


def convert(tape: Path) -> Path:
    """Write NAME.npz beside a recording; its path."""
    ours: set[ProcKey] = set()
    comms, cgroups = _Words(), _Words()
    manager = int(json.loads(tape.with_suffix(".json").read_text())["mgr"])
    parts: list[dict[str, Any]] = []
    times: list[float] = []
    loads: list[float] = []
    foreign: list[int] = []
    with Reader(str(tape)) as reader:
        for record in reader:
            reading = record.reading
            ours_now = kept(reading, manager, ours)
            rows = np.array(ours_now, dtype=np.int64)
            labels = [reading.labels[i] for i in ours_now]
            part: dict[str, Any] = {"ti": np.full(rows.size, len(times)), "pid": reading.pid[rows], "start": reading.start[rows]}
            part["comm"] = np.array([comms.number(label.comm) for label in labels], dtype=np.int64)
            part["cg"] = np.array([cgroups.number(_cgroup(label)) for label in labels], dtype=np.int64)
            part["uid"] = np.array([label.uid for label in labels], dtype=np.int64)
            part["kthr"] = np.array([label.kernel for label in labels], dtype=np.int64)
            for name in (*_IN_TICKS, *_IN_PAGES, *_AS_THEY_ARE):
                unit = _TICK if name in _IN_TICKS else reading.info.page if name in _IN_PAGES else 1
                part[name] = np.nan_to_num(np.round(reading.counters[COUNTER[name]][rows] / unit), nan=-1).astype(np.int64)
            parts.append(part)
            times.append(reading.wall)
            loads.append(reading.host.load[0] if reading.host.load else -1.0)
            foreign.append(len(reading) - rows.size)
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns |= {"comm_names": np.array(comms.texts()), "cg_names": np.array(cgroups.texts())}
    columns |= {"times": np.array(times), "load": np.array(loads), "foreign": np.array(foreign)}
    out = tape.with_suffix(".npz")
    np.savez_compressed(out, **columns)
    return out


def kept(reading: Reading, manager: int, ours: set[ProcKey]) -> list[int]:
    """Rows of the manager, of its descendants (``ours`` remembers them, for the orphaned), and of kernel threads."""
    pids = reading.pid.tolist()
    parent = dict(zip(pids, reading.counters[COUNTER["ppid"]].tolist(), strict=True))
    known = {key.pid for key in ours.intersection(map(reading.key, range(len(pids))))} | {manager}
    kept = []
    for i, pid in enumerate(pids):
        line = []
        while pid in parent and pid not in known and pid not in line:
            line.append(pid)
            pid = int(parent[pid])
        if pid in known:
            known.update(line)
            ours.add(reading.key(i))
            kept.append(i)
        elif reading.labels[i].kernel:
            kept.append(i)
    return kept


def _cgroup(label: Label) -> str:
    """A line that names the container, where there is one."""
    return f"0::/docker/{label.container.id}" if label.container is not None else f"0::{label.cgroup}"


def main() -> None:
    for path in sys.argv[1:]:
        print(convert(Path(path)))


if __name__ == "__main__":
    main()
