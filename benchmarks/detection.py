"""Does the detector see what went wrong? Labelled recordings through the product's own path.

    python -m benchmarks.detection RECORDING.npz … [--model NAME] [--scores OUT.npz] [--reference] [--eager]

A recording is NAME.npz with one value per (sample, process) in each column, ticks of 1/100 s and pages of 4096 bytes, -1 = unreadable, and
NAME.json beside it with the labels of injected faults. Everything is replayed as readings. With ``--reference``, NAME_hkp.npz holds what
another implementation of the same method said of each row, and how far the two agree is printed.

``--scores`` writes ti, pid, start, rank, alert, why1, why2 and why3 (names of features, " low" behind those that are less than usual) of
every row that was scored; of several recordings each into a file of its own, OUT-NAME.npz.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from proctop.engine import Engine
from proctop.fields import COUNTER
from proctop.frames import Batch, Scores
from proctop.records import Bools, Container, Floats, Floats32, HostCounters, HostInfo, Ints, Label, Reading
from proctop.scoring.baseline import Baseline
from proctop.scoring.protocol import Detector
from proctop.scoring.registry import make

TICK, PAGE = 10_000_000, 4096  # nanoseconds, bytes
_SCALE = {"utime": TICK, "stime": TICK, "cutime": TICK, "rss": PAGE, "data": PAGE}
_DOCKER = re.compile(r"/docker/([0-9a-f]{64})")
_WARM_UP = 30
_SETTLE, _LEAD, _AFTER, _LATENCY = 0.5, 1.2, 15.0, 20.0
_MERGED = 10.0
_CLIENT_KINDS = {"http", "redisapp"}
_SERVER_FAULTS = ("stall_", "nginx_", "redis_", "pg_")

RIGHT: dict[str, set[str]] = {
    **{key: {"cpu"} for key in ("cpu_full", "cpu_partial", "livelock", "pg_runaway", "redis_lua")},
    "miner": {"cpu", "nvctx", "new_executable"},
    **{key: {"rss_growth", "data_growth", "minflt", "rss"} for key in ("mem_fast", "mem_slow", "redis_leak")},
    "fork_storm": {"forks", "children", "minflt", "cpu", "vctx", "nvctx"},
    "io_write": {"wchar", "disk_write"},
    **{key: {"rchar", "syscalls", "disk_read"} for key in ("read_scan", "big_read")},
    "fd_leak": {"fd_growth", "fds"},
    "thread_explosion": {"thread_growth", "threads", "data_growth"},
    "lock_storm": {"vctx", "nvctx", "syscalls"},
    **{key: {"idle_s", "low"} for key in ("stall_hang", "stall_stop", "nginx_stop")},
    "pg_spill": {"cpu", "wchar", "disk_write", "rchar", "rss_growth"},
    "nginx_flood": {"rchar", "wchar", "syscalls", "cpu", "vctx", "nvctx"},
    "starve_soft": {"run_wait", "nvctx"},
    "starve_hard": {"run_wait", "nvctx", "idle_s", "low"},
}
"""What a person would name. ``low`` stands for any rate gone low."""

BUDGETS = (6, 30)
"""False alerts an hour at which recall is told."""


@dataclass
class Recording:
    """Columns of the samples, without kernel threads."""

    name: str
    columns: dict[str, Any]
    notes: dict[str, Any]
    times: Floats
    bounds: Ints  # rows of sample i: bounds[i]:bounds[i + 1]

    @classmethod
    def load(cls, path: Path) -> Recording:
        with np.load(path) as stored:
            whole = {name: stored[name] for name in stored.files}
        samples = len(whole["times"])
        rows = np.flatnonzero(whole["kthr"] == 0)
        columns = {name: a[rows] if a.shape == whole["ti"].shape else a for name, a in whole.items()}
        bounds = np.searchsorted(columns["ti"], np.arange(samples + 1))
        return cls(path.stem, columns, json.loads(path.with_suffix(".json").read_text()), whole["times"], bounds)

    def readings(self) -> Iterator[Reading]:
        """The samples as readings, with no hint about what changed."""
        c = self.columns
        _, first = np.unique(c["pid"].astype(np.int64) << 32 | c["start"], return_index=True)
        up = float((self.times[c["ti"][first]] - c["start"][first] / 100).min())
        info = HostInfo("recorded", "", "", 2, 100, PAGE, 0, up)
        host = HostCounters(np.zeros((1, 10), dtype=np.int64))
        raw = np.full((len(COUNTER), c["ti"].size), np.nan)
        for name, i in COUNTER.items():
            if name in c:
                raw[i] = np.where(c[name] < 0, np.nan, c[name].astype(float) * _SCALE.get(name, 1))
        labels: dict[tuple[int, int], Label] = {}
        for i, when in enumerate(self.times.tolist()):
            rows = slice(self.bounds[i], self.bounds[i + 1])
            names = [self._label(labels, *pair) for pair in zip(c["comm"][rows].tolist(), c["cg"][rows].tolist(), strict=True)]
            pid, start = c["pid"][rows].astype(np.int64), c["start"][rows].astype(np.int64)
            yield Reading(i, when, when, when - up, 1.0, 0.0, "recording", info, pid, start, raw[:, rows], names, host)

    def _label(self, known: dict[tuple[int, int], Label], comm: int, cgroup: int) -> Label:
        if (comm, cgroup) not in known:
            found = _DOCKER.search(str(self.columns["cg_names"][cgroup]))
            container = Container(found[1], "docker") if found else None
            known[comm, cgroup] = Label(str(self.columns["comm_names"][comm]), container=container)
        return known[comm, cgroup]


@dataclass
class Verdicts:
    """What a detector said, by row of the recording."""

    rank: Floats32
    alert: Floats32
    alerting: Bools
    why: dict[int, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def nothing(cls, rows: int) -> Verdicts:
        return cls(np.full(rows, np.nan, np.float32), np.full(rows, np.nan, np.float32), np.zeros(rows, np.bool_))

    def save(self, recording: Recording, path: Path) -> None:
        """The rows that were scored."""
        at = np.flatnonzero(~np.isnan(self.rank))
        c = recording.columns
        arrays: dict[str, Any] = {
            "ti": c["ti"][at],
            "pid": c["pid"][at],
            "start": c["start"][at],
            "rank": self.rank[at],
            "alert": self.alert[at],
        }
        three = [(*self.why.get(row, ()), "", "", "")[:3] for row in at.tolist()]
        for k in range(3):
            arrays[f"why{k + 1}"] = np.array([names[k] for names in three], dtype=np.str_)
        np.savez_compressed(path, **arrays)


class _Heard:
    """A detector and its last word: frames tell scores in tenths of a nat, and a tie would count for the fault."""

    def __init__(self, detector: Detector) -> None:
        self.name = detector.name
        self.accept, self.incident = detector.accept, detector.incident
        self._detector = detector
        self.scores: Scores | None = None

    @property
    def warming(self) -> float:
        return self._detector.warming

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        self.scores = self._detector.step(batch, explain=explain)
        return self.scores


def run(recording: Recording, detector: Detector) -> Verdicts:
    """Replay through the product's own engine."""
    heard = _Heard(detector)
    engine = Engine(heard)
    said = Verdicts.nothing(recording.columns["ti"].size)
    for i, reading in enumerate(recording.readings()):
        began = time.process_time()
        engine.step(reading)
        scores = heard.scores
        assert scores is not None
        said.seconds += time.process_time() - began
        rows = slice(recording.bounds[i], recording.bounds[i + 1])
        said.rank[rows], said.alert[rows], said.alerting[rows] = scores.rank, scores.alert, scores.alerting
        for row, reasons in scores.why.items():
            said.why[int(recording.bounds[i]) + row] = [r.feature + " low" * (" low: " in r.text) for r in reasons]
    return said


def reference(recording: Recording, path: Path) -> Verdicts:
    """What the other implementation said."""
    c = recording.columns
    with np.load(path) as h:
        place = {key: i for i, key in enumerate(zip(c["ti"].tolist(), c["pid"].tolist(), c["start"].tolist(), strict=True))}
        at = np.array([place[key] for key in zip(h["ti"].tolist(), h["pid"].tolist(), h["start"].tolist(), strict=True)])
        names = [_channel(str(name)) for name in h["channels"]]
        said = Verdicts.nothing(c["ti"].size)
        said.rank[at], said.alert[at] = h["rank"], h["alert"]
        said.why = {int(row): [names[j] for j in three] for row, three in zip(at, h["why"], strict=True)}
    return said


def _channel(name: str) -> str:
    short = {"rd_disk": "disk_read", "wr_disk": "disk_write", "rss_grow": "rss_growth", "data_grow": "data_growth"}
    short |= {"thr_grow": "thread_growth", "fd_grow": "fd_growth"}
    feature, gone_low, _ = name.lstrip("~").partition(" low")
    return short.get(feature, feature) + gone_low


def _right(kind: str, name: str) -> bool:
    return name in RIGHT[kind] or (name.endswith(" low") and "low" in RIGHT[kind])


@dataclass
class Truth:
    """``normal`` bool[rows]; per event its kind, its rows, and its rows of the first seconds by sample."""

    normal: Bools
    positive: Bools
    events: list[tuple[str, float, Ints]]


def truth(recording: Recording) -> Truth:
    c, notes = recording.columns, recording.notes
    when = recording.times[c["ti"]]
    ours = (c["pid"] == notes["mgr"]) | ((c["ppid"] == notes["mgr"]) & np.char.startswith(c["comm_names"], "python")[c["comm"]])
    ignored = ours | (c["ti"] < _WARM_UP)
    positive = np.zeros(when.size, np.bool_)
    clients = {w["pid"] for w in notes["workers"] if w["kind"] in _CLIENT_KINDS} | set(notes["psql"])
    is_client = np.isin(c["pid"], list(clients))
    keys = c["pid"].astype(np.int64) << 32 | c["start"]
    events = []
    for label in notes["labels"]:
        kind, begin, end = label["kind"], label["start"], label["end"]
        if kind.startswith("benign_"):
            continue
        of = np.isin(keys, np.array(label["pids"], np.int64) << 32 | np.array(label["starts"], np.int64))
        during = (when >= begin + _SETTLE) & (when <= end)
        around = (when >= begin - _LEAD) & (when <= end + _AFTER)
        rows = np.flatnonzero(of & during & ~ignored)
        positive[rows] = True
        ignored |= of & around
        if kind == "fork_storm":
            ignored |= np.isin(c["ppid"], label["pids"]) & around
        if kind.startswith(_SERVER_FAULTS):
            ignored |= is_client & around
        events.append((kind, begin + _SETTLE, rows))
    return Truth(~ignored & ~positive, positive, events)


def judge(recording: Recording, said: Verdicts, real: Truth) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Pooled figures, and one row per event."""
    c = recording.columns
    rank = np.nan_to_num(said.rank, nan=-1.0)
    alert = np.nan_to_num(said.alert, nan=-1.0)
    normal = [np.sort(rank[a:b][real.normal[a:b]])[::-1] for a, b in zip(recording.bounds[:-1], recording.bounds[1:], strict=True)]
    hours = (recording.times[-1] - recording.times[_WARM_UP]) / 3600
    bars = {budget: _threshold(recording, alert, real.normal, budget * hours) for budget in BUDGETS}
    rows = []
    for kind, begin, mine in real.events:
        if not mine.size:
            continue
        samples = np.unique(c["ti"][mine])
        places = [1 + int((normal[t] > rank[mine[c["ti"][mine] == t]].max()).sum()) for t in samples]
        early = [p for p, t in zip(places, samples, strict=True) if recording.times[t] < begin + _LATENCY]
        reasons = [said.why[r] for r in mine[np.argsort(-rank[mine])].tolist() if said.why.get(r)][:1]
        first = bool(reasons) and _right(kind, reasons[0][0])
        event = {"kind": kind, "top1@3": min(places[:3]) <= 1, "top3@3": min(places[:3]) <= 3}
        event |= {"in top-3": float(np.mean([p <= 3 for p in early])) if early else float("nan")}
        event |= {f"recall@{b}/h": bool(alert[mine].max() > bar) for b, bar in bars.items()}
        event |= {"reason 1st": first, "reason in 3": bool(reasons) and any(_right(kind, r) for r in reasons[0])}
        rows.append(event | {"alerted": bool(said.alerting[mine].any())})
    pooled = means(rows)
    pooled["false alerts/h"] = _episodes(recording, np.flatnonzero(said.alerting & real.normal)) / hours
    used = real.normal | real.positive
    pooled["AUC-PR rank"] = _average_precision(rank[used], real.positive[used])
    pooled["AUC-PR alert"] = _average_precision(alert[used], real.positive[used])
    return pooled, rows


def _threshold(recording: Recording, alert: Floats32, normal: Bools, allowed: float) -> float:
    """The lowest threshold that costs at most ``allowed`` false episodes (runs of one process, gaps merged)."""
    rows = np.flatnonzero(normal)
    high, low = float(alert[rows].max()), float(alert[rows].min())
    for _ in range(24):
        middle = (high + low) / 2
        high, low = (middle, low) if _episodes(recording, rows[alert[rows] > middle]) <= allowed else (high, middle)
    return high


def _episodes(recording: Recording, rows: Ints) -> int:
    c = recording.columns
    rows = rows[np.lexsort((c["ti"][rows], c["start"][rows], c["pid"][rows]))]
    same = (np.diff(c["pid"][rows]) == 0) & (np.diff(c["start"][rows]) == 0)
    near = np.diff(recording.times[c["ti"][rows]]) <= _MERGED
    return rows.size and 1 + int((~(same & near)).sum())


def _average_precision(score: Floats32, positive: Bools) -> float:
    order = np.argsort(-score, kind="stable")
    hit = positive[order]
    precision = np.cumsum(hit) / np.arange(1, hit.size + 1)
    return float(precision[hit].mean())


def agreement(recording: Recording, mine: Verdicts, theirs: Verdicts) -> dict[str, float]:
    """Rank correlation over all rows, and how often both put the same process on top."""
    both = ~np.isnan(mine.rank) & ~np.isnan(theirs.rank)
    order = [np.argsort(np.argsort(v.rank[both], kind="stable"), kind="stable") for v in (mine, theirs)]
    same = total = 0
    for a, b in zip(recording.bounds[_WARM_UP:-1], recording.bounds[_WARM_UP + 1 :], strict=True):
        here = both[a:b]
        if here.any():
            total += 1
            same += int(np.argmax(np.where(here, mine.rank[a:b], -1)) == np.argmax(np.where(here, theirs.rank[a:b], -1)))
    difference = np.abs(mine.rank[both] - theirs.rank[both])
    return {
        "rank correlation": float(np.corrcoef(order[0], order[1])[0, 1]),
        "same top-1": same / total,
        "median |Δ|": float(np.median(difference)),
        "p99 |Δ|": float(np.percentile(difference, 99)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="+", type=Path)
    parser.add_argument("--reference", action="store_true", help="compare with NAME_hkp.npz")
    parser.add_argument("--eager", action="store_true", help="look at every process in every reading")
    parser.add_argument("--model", default=Baseline.name, help="a detector by name")
    parser.add_argument("--scores", type=Path, help="write what was said of each row")
    options = parser.parse_args()
    everything: list[dict[str, Any]] = []
    total: dict[str, list[float]] = {"AUC-PR rank": [], "AUC-PR alert": [], "false alerts/h": []}
    for path in options.recording:
        recording = Recording.load(path)
        real = truth(recording)
        detector = Baseline(lazy=False) if options.eager else make(options.model, share=float("inf"))
        said = run(recording, detector)
        if options.scores:
            out: Path = options.scores
            said.save(recording, out if len(options.recording) == 1 else out.with_stem(f"{out.stem}-{recording.name}"))
        pooled, events = judge(recording, said, real)
        everything += events
        n = recording.columns["ti"].size
        print(f"{recording.name}: {n} rows, {len(events)} events, {said.seconds / n * 1e6:.1f} µs of CPU a row")
        print(_line(pooled))
        if options.reference:
            theirs = reference(recording, path.with_name(f"{recording.name}_hkp.npz"))
            print("  reference:", _line(judge(recording, theirs, real)[0]))
            print("  agreement:", _line(agreement(recording, said, theirs)))
        for name in total:
            total[name].append(pooled[name])
    print(f"all: {len(everything)} events")
    print(_line(means(everything) | {name: float(np.mean(each)) for name, each in total.items()}))
    for kind in sorted({str(e["kind"]) for e in everything}):
        some = [e for e in everything if e["kind"] == kind]
        print(f"  {kind:<17}{len(some):>3}{_line(means(some))}")


def means(events: list[dict[str, Any]]) -> dict[str, float]:
    """Of each figure over the events."""
    return {name: float(np.nanmean([e[name] for e in events])) for name in events[0] if name != "kind"}


def _line(figures: dict[str, float]) -> str:
    return "  " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items())


if __name__ == "__main__":
    main()
