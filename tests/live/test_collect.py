"""``proctop collect`` as it is run: into a file, a directory, a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proctop.stream.reader import Reader
from proctop.stream.seen import Record


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """No settings and recordings of whoever runs the tests."""
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"), "LC_ALL": "C.UTF-8"}


def collect(*args: str, environ: dict[str, str], code: int = 0) -> tuple[bytes, str]:
    """Four readings; standard output and standard error."""
    command = [sys.executable, "-P", "-m", "proctop", "collect", "-d", "0.1", "-n", "4", *args]
    done = subprocess.run(command, capture_output=True, check=False, env=environ, timeout=120)
    said = done.stderr.decode()
    assert done.returncode == code, said
    return done.stdout, said


def records(path: Path) -> list[Record]:
    with Reader(str(path)) as reader:
        return list(reader)


def test_a_file_holds_the_scores_and_what_was_learned_is_kept(tmp_path: Path, environ: dict[str, str]) -> None:
    path = tmp_path / "a.proctop"
    out, said = collect("-o", str(path), "--baseline", str(tmp_path / "learned"), environ=environ)
    assert (out, said) == (b"", "") and (tmp_path / "learned").stat().st_size
    collect("-o", str(path), environ=environ)
    got = records(path)
    assert [record.reading.seq for record in got] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert all(record.seen is not None and record.seen.scores.rank.size == len(record.reading) for record in got)


def test_a_pipe_carries_raw_readings(tmp_path: Path, environ: dict[str, str]) -> None:
    out, said = collect("-o", "-", environ=environ)
    assert said == ""
    (tmp_path / "piped").write_bytes(out)
    got = records(tmp_path / "piped")
    assert len(got) == 4 and all(record.seen is None for record in got)


@pytest.mark.parametrize(("limit", "where"), [((), "state/proctop"), (("--max-size", "1M"), "state/proctop/*")])
def test_without_a_name_it_goes_to_the_state_directory(tmp_path: Path, environ: dict[str, str], limit: tuple[str, ...], where: str) -> None:
    _, said = collect(*limit, environ=environ)
    (path,) = tmp_path.glob(f"{where}/*.proctop")
    assert said == f"proctop: recording to {f'{path.parent}/' if limit else path}\n"
    assert len(records(path)) == 4 and path.name.endswith("Z.proctop")


@pytest.mark.parametrize(("flags", "there"), [((), False), (("--no-redact",), True)])
def test_secrets_are_kept_only_when_asked_for(tmp_path: Path, environ: dict[str, str], flags: tuple[str, ...], there: bool) -> None:
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "--password=hunter2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as secretive:
        assert secretive.stdout is not None
        secretive.stdout.readline()
        collect("-o", str(tmp_path / "a"), *flags, environ=environ)
    said = {label.command for record in records(tmp_path / "a") for label in record.reading.labels}
    assert any("--password=" in words for words in said)
    assert any("hunter2" in words for words in said) is there


def test_what_cannot_be_recorded_is_one_line_and_exit_code_1(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "notes").write_text("precious")
    _, said = collect("-o", str(tmp_path / "notes"), environ=environ, code=1)
    assert said.startswith("proctop: recording ") and "not a recording" in said and said.count("\n") == 1
    _, said = collect("-o", str(tmp_path / "notes"), "--max-age", "1d", environ=environ, code=1)
    assert "is a file, and limits go with a directory" in said and said.count("\n") == 1
    assert (tmp_path / "notes").read_text() == "precious"
