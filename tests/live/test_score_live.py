"""River's models on the real host: live, from a recording, and the same both times."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

PROCTOP = [sys.executable, "-P", "-m", "proctop"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """No settings of whoever runs the tests."""
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"), "LC_ALL": "C.UTF-8"}


def proctop(*args: str, environ: dict[str, str]) -> str:
    done = subprocess.run([*PROCTOP, *args], capture_output=True, text=True, check=False, env=environ, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def readings(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_model_scores_this_host_and_its_recording_alike(tmp_path: Path, environ: dict[str, str]) -> None:
    tape = tmp_path / "session.proctop"
    model = ("--model", "ocsvm", "--scope", "comm", "--format", "json")
    live = readings(proctop("-b", "-n", "36", "-d", "0.1", "--record", str(tape), *model, environ=environ))
    again = readings(proctop("-b", "-r", str(tape), *model, environ=environ))
    replayed = {r["time"]: {(p["pid"], p["start"]): p["score"] for p in r["processes"]} for r in again}
    for r in live:
        assert {(p["pid"], p["start"]): p["score"] for p in r["processes"]} == replayed[r["time"]]
    last = [p["score"] for p in live[-1]["processes"]]
    assert sum(score is not None for score in last) > len(last) / 2

    rows = tmp_path / "rows.csv"
    said = proctop("score", str(tape), "--model", "ocsvm-quantile", "-o", str(rows), environ=environ)
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert said.startswith(f"shape: {len(written):,} rows")
    assert {row["is_anomaly"] for row in written} == {"True", "False"}
    assert any(int(row["pid"]) == 1 for row in written)


def test_a_slow_model_says_that_it_takes_turns(environ: dict[str, str]) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            sleeper = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
            stack.callback(sleeper.kill)
        told = readings(proctop("-b", "-n", "3", "-d", "0.1", "--model", "ocsvm-rbf", "--format", "json", environ=environ))
    # Not in each: one that comes late, on a busy host, leaves time for all.
    assert any("ocsvm-rbf is slow: it scores " in note for frame in told for note in frame["notes"])
