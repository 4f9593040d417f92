"""``proctop export`` as a user runs it."""

from __future__ import annotations

import csv
import doctest
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from frames import Proc, build
from proctop import cli
from proctop.export import guard
from proctop.export.guard import guarded
from proctop.sources.events import COLUMNS, FEATURES, Events
from proctop.stream.writer import Writer
from traffic import MS, Host

FORMULA = '=HYPERLINK("x")'


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Four readings: a process that works in a container, one that sleeps under a hostile name, one that is born in the third."""
    host = Host()
    host.born(10, "nginx")
    host.label(10, container="c0ffee" * 11, image="nginx:1.25")
    host.born(11, FORMULA)
    path = tmp_path / "a.proctop"
    with Writer(str(path)) as writer:
        for turn in range(4):
            if turn == 2:
                host.born(12, "late", age=0.2, threads=3.0)
                host.did(12, utime=30 * MS, run_ns=31 * MS, rchar=7.0, wchar=8.0)
            host.did(10, run_ns=5 * MS, utime=10 * MS, rchar=4096.0, wchar=100.0, syscr=1.0)
            if turn == 3:
                host.now(11, rchar=float("nan"), wchar=float("nan"))
            writer.write(host.read())
    return path


def run(*flags: str | Path) -> int:
    return cli.main(["export", *map(str, flags)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_resource_events_are_what_happened_in_each_interval(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "events.csv"
    assert run(recording, "--format", "resource-events", "-o", out) == 0
    rows = rows_of(out)
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["pid"], row["isActive"]) for row in rows] == [
        (p, a) for p, a in zip(["10", "11", "10", "11", "12", "10", "11", "12"], "10101100", strict=True)
    ]
    worked = rows[0]
    assert (worked["comm"], worked["cpu_ns"], worked["bytes_read"], worked["bytes_written"]) == ("nginx", "5000000", "4096", "100")
    assert worked["wall_time_dt"] == "2023-11-15 01:00:02.000"
    assert worked["wall_time_ms"] == "1700010002000"
    assert (worked["container_id"], worked["container_image"], worked["container_labels_json"]) == ("c0ffee" * 11, "nginx:1.25", "{}")
    born = rows[4]
    assert (born["cpu_ns"], born["bytes_read"]) == ("30000000", "7")  # three threads: ticks, and all of it since its birth
    assert rows[6]["bytes_read"] == rows[6]["bytes_written"] == ""
    empty = {name for name in COLUMNS if not any(row[name] for row in rows)}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert empty - {"uid", "user", "cgroup_name"} == {word for word in COLUMNS if word in said.replace(",", " ").split()} - {
        "bytes_written",
        "bytes_read",
    }
    assert "bytes_written, bytes_read in 1 of 8 rows" in said


def test_resource_events_go_through_score(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "events.csv"
    assert run(recording, "--format", "resource-events", "-o", out) == 0
    with Events(str(out)) as events:
        read = list(events)
    assert len(read) == 8
    assert read[0].context == (10, "nginx", None, "c0ffee" * 11, "nginx:1.25", 1700010002000)
    assert read[0].features == {**dict.fromkeys(FEATURES, 0), "cpu_ns": 5_000_000, "bytes_read": 4096, "bytes_written": 100}
    assert cli.main(["score", str(out)]) == 0
    assert capsys.readouterr().out.startswith("shape: 8 rows × 25 columns\n")


@pytest.mark.parametrize("format", ["json", "csv"])
def test_text_is_what_batch_mode_prints(format: str, recording: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"out.{format}"
    assert run(recording, "-f", "comm=nginx", "-o", out) == 0  # the format follows from the name
    assert cli.main(["-b", "--replay", str(recording), "-f", "comm=nginx", "--format", format]) == 0
    with out.open(newline="") as file:
        assert file.read() == capfd.readouterr().out.replace("\r\n", "\n").replace("\n", "\r\n" if format == "csv" else "\n")


@pytest.mark.parametrize("format", ["csv", "resource-events"])
def test_no_cell_is_a_formula(format: str, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run(recording, "--format", format, "-o", out) == 0
    named = {row["comm"] for row in rows_of(out)}
    assert named == {"nginx", "late", "'" + FORMULA}


def test_examples() -> None:
    assert doctest.testmod(guard).failed == 0


@pytest.mark.parametrize("text", ["-bash", "+x", "@here", "a=b", "", "(sd-pam)", "-sh -c ls"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert guarded(text) == text


@pytest.mark.parametrize("text", ["=1", " =1", "-1+cmd|' /C calc'!A0", '+HYPERLINK("x")', "@SUM(A1)", "-x\n(y)"])
def test_what_may_be_a_formula_is_guarded(text: str) -> None:
    assert guarded(text) == "'" + text


def test_parquet_has_a_row_per_process_and_reading(recording: Path, tmp_path: Path, require: Callable[[str, str], None]) -> None:
    try:
        from pyarrow import parquet
    except ImportError as error:
        require("parquet", str(error))
    out = tmp_path / "out.parquet"
    assert run(recording, "-o", out) == 0
    assert run(recording, "--format", "json", "-o", tmp_path / "out.json") == 0
    table = parquet.read_table(out)
    assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("cpu").type) == "float"
    rows = {(row["time"].isoformat(timespec="milliseconds"), row["pid"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 2 + 2 + 3 + 3
    for reading in map(json.loads, (tmp_path / "out.json").read_text().splitlines()):
        for process in reading["processes"]:
            row = rows[reading["time"].replace("Z", "+00:00"), process["pid"]]
            assert {name: row[name] for name in process["features"]} == process["features"]
            assert {name for name in row if row[name] is not None} >= set(process["features"])
            assert (row["comm"], row["start"], row["ppid"], row["status"]) == tuple(process[k] for k in ("comm", "start", "ppid", "status"))
            assert row["image"] == (process["container"] or {}).get("image")
            assert (row["score"], row["alert"], row["why"]) == (process["score"], process["alert"], [w["text"] for w in process["why"]])


def test_parquet_goes_into_a_pipe_and_without_pyarrow_says_so(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(recording, "--format", "parquet") == 0
    written = capfdbinary.readouterr().out
    assert written[:4] == written[-4:] == b"PAR1"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(recording, "--format", "parquet") == 1
    assert capfdbinary.readouterr().err.startswith(b"proctop: parquet needs pyarrow")


def test_scores_are_those_that_were_seen(tmp_path: Path) -> None:
    path, out = tmp_path / "seen.proctop", tmp_path / "out.csv"
    with Writer(str(path)) as writer:
        for seq in range(3):
            frame = build([Proc(7, "app", rank=2.5 + seq, features={"rss": 1e6})], tick=seq, wall=1.7e9 + 3600 + seq)
            writer.write(replace(frame, reading=replace(frame.reading, mono=100.0 + seq)))
    assert run(path, "-o", out) == 0
    assert [float(row["score"]) for row in rows_of(out)] == [2.5, 3.5, 4.5]


def test_a_part_can_be_taken(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run(recording, "--begin", "2023-11-15T01:00:02", "--end", "2023-11-15T01:00:03", "-o", out) == 0
    assert sorted({row["time"] for row in rows_of(out)}) == ["2023-11-15T01:00:02.000Z", "2023-11-15T01:00:03.000Z"]


def test_an_output_is_private_and_whole_or_not_there(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    old = os.umask(0)
    try:
        assert run(recording, "-o", out) == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    assert run(recording, "--begin", "2030-01-01", "-o", out) == 1
    assert capsys.readouterr().err == f"proctop: {recording}: no reading between --begin and --end\n"
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.proctop", "out.csv"]


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["none.proctop"], 1, "none.proctop: no such file or directory"),
        (["text"], 1, "text: not a proctop recording"),
        (["a.proctop", "-o", "a.proctop"], 2, "-o would write over FILE"),
        (["a.proctop", "-o", "nowhere/x.csv"], 1, "nowhere/x.csv: No such file or directory"),
        (["a.proctop", "-o", "/dev/full"], 1, "/dev/full: No space left on device"),
        (["a.proctop", "-f", "cpu>"], 2, "--filter: a value is missing"),
        (["a.proctop", "--begin", "soon"], 2, '--begin and --end: "soon" is no time'),
        (["a.proctop", "--format", "xml"], 2, "invalid choice: 'xml'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    flags: list[str], code: int, said: str, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recording.parent)
    Path("text").write_text("hello")
    assert run(*flags) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("proctop: ")
    assert err.count("\n") == 1


def test_nothing_that_matches_is_told(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    assert run(recording, "-f", "comm=zzz", "-o", out) == 0
    assert capsys.readouterr().err == "proctop: no process matches --filter comm=zzz\n"
    assert rows_of(out) == []


def test_a_recording_comes_through_a_pipe(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, again = tmp_path / "out.csv", tmp_path / "again.csv"
    assert run(recording, "-o", out) == 0
    saved = os.dup(0)
    with recording.open("rb") as file:
        os.dup2(file.fileno(), 0)
        try:
            assert run("-", "-o", again) == 0
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    assert again.read_bytes() == out.read_bytes()
