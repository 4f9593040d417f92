"""``--baseline`` on this host: what a run learned is there for the next."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

from proctop.scoring.store import load


def run(path: Path, *more: str, readings: int = 3) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-P",
        "-m",
        "proctop",
        "-b",
        "--format",
        "json",
        "-d",
        "0.1",
        "-n",
        str(readings),
        "--baseline",
        str(path),
        *more,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_second_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    path = tmp_path / "state" / "b"
    first = run(path, readings=35)
    assert (first.returncode, first.stderr) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = load(path.read_bytes())
    assert kept.reading >= 30 and kept.pid.size and any(name.startswith("python") for name in kept.cohorts)
    second = run(path)
    assert json.loads(second.stdout.splitlines()[0])["warming"] == 1.0
    assert load(path.read_bytes()).reading > kept.reading


def test_a_file_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    path.chmod(0o600)
    refused = run(path)
    assert refused.returncode == 1 and refused.stderr == f"proctop: --baseline: {path}: not a baseline; move it away to start afresh\n"
    assert path.read_text() == "precious"


def test_other_models_are_not_kept(tmp_path: Path) -> None:
    refused = run(tmp_path / "b", "--model", "ocsvm")
    assert refused.returncode == 2 and "--baseline goes with --model baseline" in refused.stderr
