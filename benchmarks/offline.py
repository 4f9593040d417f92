"""Tables of the notebooks' sizes through all steps of ``proctop profile``, beside the notebooks' own code until its MemoryError.

``python -m benchmarks.offline [--scale 0.05] [--folder DIR]`` generates the four tables (1.25, 5.6, 2.3 and 10.5 million rows, 1.1 GB as
CSV; as much again is needed for what is made of them), and runs each of these in a process of its own, one after the other:

- the notebooks' code (a fifth of the rows, drawn at random) up to the first array of windows: beyond what is in use by then there is half
  of the memory that the array needs (RLIMIT_AS), so that it ends as it did where the notebook was run;
- ``proctop profile --sample 0.2 -o DIR``: the same share, through all steps, with report, scaled tables and preprocessor;
- ``proctop profile -o DIR``: all rows;
- the windows of (250031, 50, 10), each looked at once, and what memory that took.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROWS = {"vmstat": 1_250_404, "iostat": 5_630_702, "netstat": 2_311_810, "process": 10_544_788}
ENTITIES = {"vmstat": 1, "iostat": 9, "netstat": 4, "process": 84}
LENGTH, SAMPLE = 50, 0.2

_BLOCK = 1 << 18  # rows


def generate(kind: str, path: Path, rows: int) -> None:
    """A CSV of ``rows`` rows, every ten seconds one for each entity: daily rhythm, noise with a memory, rare bursts, 1 % missing."""
    from proctop.offline.plan import KINDS

    rng = np.random.default_rng(sum(kind.encode()))
    many = ENTITIES[kind]
    with path.open("wb") as file:
        for a in range(0, rows, _BLOCK):
            n = min(_BLOCK, rows - a)
            number = np.arange(a, a + n)
            seconds = number // many * 10
            frame: dict[str, Any] = {"timestamp": (np.datetime64("2025-01-01T00:00:00") + seconds).astype("datetime64[us]")}
            if KINDS[kind].entity:
                frame[KINDS[kind].entity[0]] = np.char.add(f"{kind}-", (number % many).astype(str))
            day = 1.5 + np.sin(seconds * (2 * np.pi / 86_400))
            for i, name in enumerate(KINDS[kind].columns):
                values = np.round(rng.gamma(2.0, 3.0 * (i + 1), n) * day + (rng.random(n) > 0.999) * 1000.0, 2)
                values[rng.random(n) < 0.01] = np.nan
                frame[name] = values
            table = pl.DataFrame(frame, nan_to_null=True)
            table.write_csv(file, include_header=a == 0, datetime_format="%Y-%m-%d %H:%M:%S")


def reference(folder: Path) -> None:
    """The notebooks' code, step by step."""
    import pandas as pd

    from benchmarks import notebook

    data = {}
    for kind in ROWS:
        whole = pl.read_csv(folder / f"{kind}.csv")
        df = whole.sample(n=int(whole.height * SAMPLE), seed=42).to_pandas()
        del whole
        df["timestamp"] = pd.to_datetime(df["timestamp"], errors="coerce")
        data[kind] = df.dropna(subset=["timestamp"])
    found = {kind: notebook.quality(kind, df) for kind, df in data.items()}
    for df in data.values():
        df.memory_usage(deep=True).sum()
    engineered = {kind: notebook.engineered(kind, df) for kind, df in data.items()}
    selected = {kind: df[["timestamp", *notebook.selected(kind, df, found[kind])]] for kind, df in engineered.items()}
    scaled = {}
    for kind, df in selected.items():
        scaled[kind] = df.copy()
        columns = df.select_dtypes(include=[np.number]).columns.tolist()
        scaled[kind][columns] = notebook.scaled(df[columns]).to_numpy()
    limited = False
    for df in scaled.values():
        values = df.sort_values("timestamp").select_dtypes(include=[np.number])
        if not limited:
            needed = (len(values) - LENGTH + 1) * LENGTH * values.shape[1] * 8
            limit = _status("VmSize") + needed // 2
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            limited = True
        notebook.sequences(values, LENGTH)


def windows(folder: Path) -> None:
    """Every window of the sampled vmstat, once."""
    from proctop.offline.windows import Windows

    rows = int(ROWS["vmstat"] * SAMPLE)
    values = np.random.default_rng(1).random((rows, 10), dtype=np.float32)
    made = Windows(values, np.array([0]), LENGTH)
    before, total = _status("VmRSS"), 0.0
    for batch in made.batches(1024):
        total += float(batch[:, -1].sum()) + float(batch.max())
    print(f"windows of {made.shape}, {made.nbytes / 2**20:,.0f} MiB were they copied: {(_status('VmHWM') - before) / 2**20:.1f} MiB more")


def _status(field: str) -> int:
    """Bytes, out of the status of this process (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def profile(folder: Path, *flags: str) -> None:
    """The command itself."""
    from proctop import cli

    with tempfile.TemporaryDirectory(dir=folder) as out:
        if cli.main(["profile", *(f"{kind}={folder}/{kind}.csv" for kind in ROWS), "-o", out, *flags]):
            raise SystemExit(1)


STEPS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "reference": ("the notebooks' code, a fifth of the rows", reference),
    "sample": ("proctop profile --sample 0.2", lambda folder: profile(folder, "--sample", str(SAMPLE))),
    "all": ("proctop profile, all rows", profile),
    "windows": ("all windows of vmstat", windows),
}


def measured(step: str, folder: Path) -> None:
    """One step in a process of its own: seconds, peak of resident memory, and what it said last."""
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.offline", "--step", step, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    said = child.stdout.read().strip().splitlines()
    _, _, usage = os.wait4(child.pid, 0)
    spent = time.monotonic() - began
    busy = usage.ru_utime + usage.ru_stime
    last = said[-1] if said and step in ("reference", "windows") else ""
    print(f"{STEPS[step][0]:42} {spent:8.1f} s {busy:8.1f} s cpu {usage.ru_maxrss / 1024:8.0f} MiB  {last}", flush=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the notebooks' sizes")
    parser.add_argument("--folder", type=Path, help="where the tables lie, or are made; default: a temporary directory")
    parser.add_argument("--step", choices=tuple(STEPS), help="this step only, in this process")
    args = parser.parse_args(argv)
    if args.step:
        STEPS[args.step][1](args.folder)
        return 0
    with tempfile.TemporaryDirectory(prefix="proctop-offline-") as place:
        folder = args.folder or Path(place)
        for kind, rows in ROWS.items():
            path = folder / f"{kind}.csv"
            if not path.exists():
                generate(kind, path, int(rows * args.scale))
            print(f"{kind:8} {int(rows * args.scale):>10,} rows, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        for step in STEPS:
            measured(step, folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
