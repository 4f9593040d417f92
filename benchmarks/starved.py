"""Processes that get too little of the cpus, written into labelled recordings.

    python -m benchmarks.starved RECORDING.npz … -o DIR [--seed 1]

Every 18 to 26 s another process that runs a hundredth of its time or more, and that nothing else happens to, waits for a cpu for twenty
seconds: for 30 to 60 % of the time, doing what it always does (``starve_soft``: a neighbour on its cpu), or for 50 to 90 % of it, doing
a third (``starve_hard``: a quota, or a low priority). Written are DIR/NAME.npz and NAME.json, with these labels beside those there were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from proctop.records import Floats, Ints

_SOFT, _HARD = "starve_soft", "starve_hard"
_WORK = ("utime", "stime", "run_ns", "rchar", "wchar", "syscr", "syscw", "vctx", "minflt", "read_bytes", "write_bytes")
_FIRST, _LAST, _LASTS = 110.0, 45.0, 20.0  # seconds after the beginning and before the end, and of each
_APART = 60.0  # seconds from anything else that happens to a process
_BUSY = 0.01  # of its time
_PREEMPTED = 20.0  # times a second


def starve(columns: dict[str, Any], notes: dict[str, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Change ``columns`` as `benchmarks.detection` reads them; the labels of what was done."""
    times: Floats = columns["times"]
    key = columns["pid"].astype(np.int64) << 32 | columns["start"]
    order = np.lexsort((columns["ti"], key))
    _, begins = np.unique(key[order], return_index=True)
    lives = [rows for rows in np.split(order, begins[1:]) if _usable(columns, notes, rows)]
    others = [
        (pid, start, label["start"], label["end"])
        for label in notes["labels"]
        for pid, start in zip(label["pids"], label["starts"], strict=True)
    ]
    labels: list[dict[str, Any]] = []
    now, end = times[0] + _FIRST, times[-1] - _LAST
    while now < end:
        able = [rows for rows in lives if _busy(columns, rows, now) and not _taken(columns, rows, now, others)]
        if able:
            rows = able[rng.integers(len(able))]
            kind = (_SOFT, _HARD)[len(labels) % 2]
            _slow_down(columns, rows, now, kind, rng)
            pid, start = int(columns["pid"][rows[0]]), int(columns["start"][rows[0]])
            labels.append({"kind": kind, "pids": [pid], "starts": [start], "start": now, "end": now + _LASTS})
            others.append((pid, start, times[0], times[-1]))  # once each
        now += rng.uniform(18, 26)
    return labels


def _usable(columns: dict[str, Any], notes: dict[str, Any], rows: Ints) -> bool:
    first = rows[0]
    ours = columns["pid"][first] == notes["mgr"] or str(columns["comm_names"][columns["comm"][first]]).startswith("python")
    told = columns["wait_ns"][rows].min() >= 0 and columns["run_ns"][rows].min() >= 0
    return bool(rows.size > 200 and not columns["kthr"][first] and not ours and told)


def _busy(columns: dict[str, Any], rows: Ints, now: float) -> bool:
    when = columns["times"][columns["ti"][rows]]
    lately = np.flatnonzero((when >= now - 40) & (when < now))
    if lately.size < 30 or np.count_nonzero(when >= now) < 40:
        return False
    a, b = lately[0], lately[-1]
    ran = (columns["run_ns"][rows[b]] - columns["run_ns"][rows[a]]) * 1e-9
    return bool(ran >= _BUSY * (when[b] - when[a]))


def _taken(columns: dict[str, Any], rows: Ints, now: float, others: list[tuple[int, int, float, float]]) -> bool:
    who = (columns["pid"][rows[0]], columns["start"][rows[0]])
    return any((pid, start) == who and a - _APART < now + _LASTS and b + _APART > now for pid, start, a, b in others)


def _slow_down(columns: dict[str, Any], rows: Ints, now: float, kind: str, rng: np.random.Generator) -> None:
    when = columns["times"][columns["ti"][rows]]
    during = (when >= now) & (when <= now + _LASTS)
    wait, work = (rng.uniform(0.3, 0.6), 1.0) if kind == _SOFT else (rng.uniform(0.5, 0.9), 0.3)
    seconds = np.where(during, np.diff(when, prepend=when[0]), 0.0)
    for name in _WORK:
        counter = columns[name][rows].astype(np.int64)
        if counter.min() >= 0:
            rise = np.diff(counter, prepend=counter[0])
            columns[name][rows] = counter[0] + np.cumsum(np.where(during, np.round(rise * work).astype(np.int64), rise))
    for name, rate in (("wait_ns", wait * 1e9), ("nvctx", _PREEMPTED)):
        if columns[name][rows].min() >= 0:
            columns[name][rows] += np.round(np.cumsum(seconds) * rate).astype(columns[name].dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for path in options.recording:
        with np.load(path) as stored:
            columns = {name: stored[name] for name in stored.files}
        notes = json.loads(path.with_suffix(".json").read_text())
        labels = starve(columns, notes, np.random.default_rng(options.seed))
        notes["labels"] += labels
        out = options.output / path.name
        np.savez_compressed(out, **columns)
        out.with_suffix(".json").write_text(json.dumps(notes))
        print(f"{out}: {len(labels)} processes starve")


if __name__ == "__main__":
    main()
