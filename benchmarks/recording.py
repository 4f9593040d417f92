"""What a recording costs: bytes and CPU beside ``atop -w``, and how fast a day of it opens and jumps.

    python -m benchmarks.recording --processes 500 --seconds 60 --hours 24

A crowd of processes of which 46 % wake each second (a busy host), then one of which 5 % do (an idle one), is recorded by proctop and by
atop over the same seconds. proctop reads, scores and writes what ``proctop collect -o FILE`` does. The readings of the busy host, repeated
with their clocks and counters moved on, make the day, written by all cores; the page cache is warm when it is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.idlers import Idlers
from benchmarks.terminal import cpu_clock
from proctop.engine import Engine
from proctop.fields import COUNTERS, Kind
from proctop.frames import AlertEvent, Frame
from proctop.kernel.host import Host
from proctop.player import Player
from proctop.records import Floats
from proctop.scoring.registry import make
from proctop.sources.live import LiveSource
from proctop.sources.pace import Ticker
from proctop.stream import frames
from proctop.stream.archive import Archive
from proctop.stream.writer import Writer

LOADS = {"busy": 0.46, "idle": 0.05}
_SETTLE = 12  # readings before any is counted: the first ones warm code and caches
_GROWS = np.array([counter.kind is Kind.COUNTER for counter in COUNTERS])
_JUMPS, _STEPS = 60, 200


@dataclass(frozen=True, slots=True)
class Cost:
    """A recorder on a host.

    Attributes:
        rows: processes of a reading; changed: share of them in which a counter moved.
        size: bytes per process and reading.
        read, score, write: CPU ms per reading; atop does all in ``read``.
    """

    load: str
    recorder: str
    rows: float
    changed: float
    size: float
    read: float
    score: float
    write: float


def record(load: str, count: int, seconds: int, folder: Path) -> tuple[list[Cost], list[Frame]]:
    """Both recorders over the same seconds; their costs, and the frames of the last segment."""
    with Idlers(count, LOADS[load], lively=True):
        atop = None
        path = folder / f"{load}.proctop"
        if shutil.which("atop"):
            atop = subprocess.Popen(["atop", "-w", str(folder / f"{load}.atop"), "1", str(seconds + _SETTLE)], stdout=subprocess.DEVNULL)
        ours, kept = _proctop(load, seconds, path)
        costs = [ours]
        if atop is not None:
            spent = cpu_clock(atop.pid)
            atop.wait()
            size = (folder / f"{load}.atop").stat().st_size
            total = seconds + _SETTLE
            costs.append(replace(ours, recorder="atop -w", size=size / ours.rows / total, read=spent / total * 1e3, score=0.0, write=0.0))
        return costs, kept


def _proctop(load: str, seconds: int, path: Path) -> tuple[Cost, list[Frame]]:
    source = LiveSource(Host.this("/proc", "/sys"))
    engine = Engine(make("baseline", budget=6.0, scope="global"))
    ticker = Ticker(1.0)
    spent = np.zeros(3)
    kept: list[Frame] = []
    rows = moved = begin = 0
    with Writer(str(path)) as writer:
        for taken in range(seconds + _SETTLE):
            late = ticker.wait()
            assert late is not None
            clocks = [time.thread_time()]
            reading = source.read(late)
            clocks.append(time.thread_time())
            assert reading is not None
            frame = engine.step(reading)
            clocks.append(time.thread_time())
            writer.write(frame)
            clocks.append(time.thread_time())
            if taken >= _SETTLE:
                spent += np.diff(clocks)
                rows += len(reading)
                moved += _moved(kept[-1], frame)
            else:
                begin = writer.bytes
            kept = [*kept[1 - frames.READINGS :], frame]
        size = writer.bytes - begin
    source.close()
    read, score, write = (spent / seconds * 1e3).tolist()
    return Cost(load, "proctop", rows / seconds, moved / rows, size / rows, read, score, write), kept


def _moved(before: Frame, now: Frame) -> int:
    """Rows in which a counter moved."""
    prev = now.batch.prev
    then = before.reading.counters[:, prev]
    same = (then == now.reading.counters) | (np.isnan(then) & np.isnan(now.reading.counters))
    return int((~same.all(axis=0) | (prev < 0)).sum())


def moved_on(kept: Sequence[Frame]) -> Callable[[int], Frame]:
    """Frame ``k`` of an endless session of ``kept``: each round moves clocks on, and the counters of who was there throughout."""
    first, last = kept[0].reading, kept[-1].reading
    began = {first.key(i): i for i in range(len(first))}
    grown: dict[object, Floats] = {}
    for i in range(len(last)):
        if (row := began.get(last.key(i))) is not None:
            grown[last.key(i)] = np.where(_GROWS, last.counters[:, i] - first.counters[:, row], 0.0)
    nothing = np.zeros(len(COUNTERS))
    steps = [np.array([grown.get(f.reading.key(i), nothing) for i in range(len(f.reading))]).T for f in kept]

    def make_frame(k: int) -> Frame:
        turn, place = divmod(k, len(kept))
        frame, past = kept[place], float(turn * len(kept))
        r = frame.reading
        counters = r.counters + turn * steps[place]
        moved = replace(r, seq=k, wall=r.wall + past, mono=r.mono + past, boot=r.boot + past, counters=counters)
        return replace(frame, tick=k, reading=moved, alerts=tuple(_later(alert, past) for alert in frame.alerts))

    return make_frame


def _later(alert: AlertEvent, seconds: float) -> AlertEvent:
    return replace(alert, start=alert.start + seconds, peak=alert.peak + seconds, end=alert.end + seconds)


def generate(kept: Sequence[Frame], hours: int, folder: Path) -> Path:
    """One recording of so many hours; a process for each core writes its share of them."""
    frame = moved_on(kept)
    turns = hours * 3600 // len(kept)
    cores = len(os.sched_getaffinity(0))
    parts = [folder / f"part-{core}" for core in range(cores)]
    pids = []
    for core, part in enumerate(parts):
        if (pid := os.fork()) == 0:
            try:
                with Writer(str(part)) as writer:
                    for k in range(turns * core // cores * len(kept), turns * (core + 1) // cores * len(kept)):
                        writer.write(frame(k))
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(ended):
        raise RuntimeError("the day could not be written")
    whole = folder / "day.proctop"
    with open(whole, "wb") as out:
        out.write(frames.preamble())
        for part in parts:
            with open(part, "rb") as data:
                data.seek(frames.PREAMBLE.size)
                shutil.copyfileobj(data, out)
            part.unlink()
    return whole


def _timed(show: Callable[[float], Frame | None], where: float) -> float:
    """Wall ms."""
    began = time.perf_counter()
    if show(where) is None:
        raise RuntimeError("the recording shows nothing there")
    return (time.perf_counter() - began) * 1e3


def play(path: Path) -> dict[str, list[float]]:
    """Wall ms of opening, of jumps to any moment, and of steps from there."""
    times: dict[str, list[float]] = {"open and show the newest": [], "jump": [], "step": []}
    for _ in range(3):
        began = time.perf_counter()
        player = Player(Archive.open(str(path)))
        shown = player.last()
        times["open and show the newest"].append((time.perf_counter() - began) * 1e3)
        assert shown is not None and player.span is not None
        span = player.span
        player.close()
    player = Player(Archive.open(str(path)))
    rng = random.Random(7)
    for _ in range(_JUMPS):
        times["jump"].append(_timed(player.at, rng.uniform(*span)))
    player.at(span[0] + (span[1] - span[0]) / 2)
    times["step"] += [_timed(lambda k: player.step(int(k)), k) for k in [1] * _STEPS + [-1] * _STEPS]
    player.close()
    return times


def table(costs: Sequence[Cost]) -> str:
    head = ["load", "recorder", "processes", "changed", "B/sample", "MB/day", "CPU ms", "read", "score", "write", "write µs/sample"]
    rows = [head]
    for c in costs:
        parts = (
            [f"{c.read:.1f}", f"{c.score:.1f}", f"{c.write:.2f}", f"{c.write / c.rows * 1e3:.2f}"] if c.recorder == "proctop" else ["–"] * 4
        )
        day = c.size * c.rows * 86_400 / 1e6
        rows.append(
            [
                c.load,
                c.recorder,
                f"{c.rows:.0f}",
                f"{c.changed:.0%}",
                f"{c.size:.2f}",
                f"{day:.0f}",
                f"{c.read + c.score + c.write:.1f}",
                *parts,
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks.recording", description="What a recording costs, and how fast it is to read."
    )
    flags.add_argument("--processes", type=int, default=500, metavar="N", help="processes to start")
    flags.add_argument("--seconds", type=int, default=120, metavar="S", help="readings that are counted, of each load")
    flags.add_argument("--hours", type=int, default=24, metavar="H", help="length of the recording that is jumped in")
    flags.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = flags.parse_args(argv)
    if options.seconds < frames.READINGS:
        flags.error(f"--seconds: at least {frames.READINGS}, a whole segment")
    costs: list[Cost] = []
    kept: list[Frame] = []
    with tempfile.TemporaryDirectory() as home:
        for load in LOADS:
            print(f"recording a host that is {load}", file=sys.stderr)
            more, last = record(load, options.processes, options.seconds, Path(home))
            costs += more
            kept = kept or last
        print(f"writing {options.hours} h", file=sys.stderr)
        began = time.perf_counter()
        day = generate(kept, options.hours, Path(home))
        written, size = time.perf_counter() - began, day.stat().st_size
        times = play(day)
    figures = {name: {"median": float(np.median(ms)), "p95": float(np.percentile(ms, 95)), "max": max(ms)} for name, ms in times.items()}
    if options.json:
        told = {"processes": options.processes, "seconds": options.seconds, "hours": options.hours, "load": os.getloadavg()}
        print(json.dumps({**told, "costs": [asdict(cost) for cost in costs], "day_bytes": size, "day_seconds": written, "ms": figures}))
        return 0
    print(table(costs))
    if not any(cost.recorder != "proctop" for cost in costs):
        print("atop: not installed")
    print("below: not measured, it is not to be had for this system")
    rows = f"{options.hours} h of {len(kept[0].reading)} processes, {size / 1e6:.0f} MB, written in {written:.0f} s"
    print(f"\n{rows}; wall ms")
    for name, found in figures.items():
        print(f"{name:24}" + "".join(f"  {what} {ms:6.1f}" for what, ms in found.items()))
    print("load average " + " ".join(f"{value:.1f}" for value in os.getloadavg()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
