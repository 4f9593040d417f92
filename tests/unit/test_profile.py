"""``proctop profile`` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks import offline

from made_tables import made
from proctop import cli
from proctop.offline import features
from proctop.offline.loading import load
from proctop.offline.plan import KINDS, Plan, TableError
from proctop.offline.preprocessor import ARRAYS, JSON, Fitted, Preprocessor
from proctop.offline.scaling import Scale
from proctop.offline.stretches import Stretches


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """One table of each kind, as arguments."""
    words = []
    for kind in KINDS:
        path = tmp_path / f"{kind}.csv"
        made(kind, 130, entities=1 if kind == "vmstat" else 2, missing=0.01).to_csv(path, index=False)
        words.append(f"{kind}={path}")
    return words


def run(*argv: str) -> int:
    return cli.main(["profile", *argv])


def failed(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 1) -> str:
    assert run(*argv) == code
    said = capsys.readouterr().err
    assert said.startswith("proctop: ")
    assert said.count("\n") == 1
    return said[len("proctop: ") : -1]


def test_four_tables(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*files) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines() if line[:1].isalpha()].count("selected") == 4
    assert "rows         260 × 6 columns, 2 disks" in out
    assert "windows      162 of 50 rows × 10 columns, 0 MB as a file" in out
    assert "constant     fr" in out
    assert "correlated   interface_in–cs 1.000" in out
    assert err == ""


def test_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*files[:2], "--format", "json", "--length", "10", "--stride", "5") == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["vmstat", "iostat"]
    assert said["vmstat"]["constant_features"] == ["fr"]
    assert said["iostat"]["windows"] == [50, 10, 10]
    assert said["iostat"]["interval_s"] == 97.0
    assert said["iostat"]["columns"]["tps"]["missing"] == pytest.approx(0.01, abs=0.02)


def test_what_is_written(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(*files, "-o", str(out), "--windows", "--length", "20") == 0
    assert capsys.readouterr().err.splitlines()[0] == "vmstat: 111 windows of 20 × 10, 0 MB"
    made = {path.name for path in out.iterdir()}
    assert made == {"report.html", "report.json", JSON, ARRAYS} | {
        f"{kind}{suffix}" for kind in KINDS for suffix in (".parquet", ".windows.npy", ".windows.npz")
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in out.iterdir())
    scaled = pl.read_parquet(out / "iostat.parquet")
    assert scaled.columns[:3] == ["timestamp", "entity", "tps"]
    assert scaled["timestamp"].is_sorted()
    assert scaled["entity"].to_list()[:2] == ["iostat0", "iostat1"]
    table = load("iostat", files[1].partition("=")[2], Stretches(1.0, 42))
    tps = Scale.fit(table.columns["tps"]).apply(table.columns["tps"])
    np.testing.assert_array_equal(scaled.filter(pl.col("entity") == "iostat1")["tps"].to_numpy(), tps[130:])
    windows = np.load(out / "iostat.windows.npy", mmap_mode="r")
    np.testing.assert_array_equal(windows[111, :, 0], tps[130:150])
    HTMLParser().feed((out / "report.html").read_text())


def test_the_page_holds_no_markup_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "<b>&.csv"
    made("iostat", 60, entities=2).replace("iostat1", "<script>").to_csv(path, index=False)
    assert run(f"iostat={path}", "-o", str(tmp_path / "out")) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;b&gt;&amp;.csv" in page
    assert "<script" not in page
    assert "<b>" not in page


def test_a_preprocessor_gives_new_data_the_same_columns(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert run(*files, "-o", one, "--length", "30") == 0
    made("process", 90, seed=7, entities=3).to_csv(tmp_path / "new.csv", index=False)
    capsys.readouterr()
    assert run(f"process={tmp_path}/new.csv", "-o", two, "--apply", one) == 0
    assert "windows      183 of 30 rows" in capsys.readouterr().out
    first, second = pl.read_parquet(f"{one}/process.parquet"), pl.read_parquet(f"{two}/process.parquet")
    assert first.schema == second.schema
    known = Preprocessor.load(one)
    scale = known.tables["process"].scales[0]
    table = load("process", f"{tmp_path}/new.csv", Stretches(1.0, 42))
    mine = second.filter(pl.col("entity") == "process0")["cpu"].to_numpy()
    np.testing.assert_array_equal(mine, scale.apply(table.columns["cpu"])[:90])
    assert not (tmp_path / "two" / JSON).exists()


def test_a_preprocessor_reads_back_as_it_was(tmp_path: Path) -> None:
    fitted = Fitted("process", ("cpu", "cpu_rolling_mean"), (Scale(1.5, 0.1), Scale(-3.0, 1.0)))
    known = Preprocessor(Plan(length=7, correlation=0.8), {"process": fitted})
    known.save(str(tmp_path))
    assert Preprocessor.load(str(tmp_path)) == known


def test_what_a_preprocessor_misses_is_named(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert run(files[0], "-o", out) == 0
    capsys.readouterr()
    assert failed(capsys, files[1], "--apply", out).endswith(f"iostat.csv: the preprocessor of {out} has no iostat; it has vmstat")
    frame = pl.read_csv(tmp_path / "vmstat.csv").drop("avm")
    frame.write_csv(tmp_path / "less.csv")
    assert failed(capsys, f"vmstat={tmp_path}/less.csv", "--apply", out) == (
        f'{tmp_path}/less.csv: no column "avm", which "memory_pressure" is made of; the preprocessor of {out} was made with it'
    )


def test_preprocessors_that_are_none(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(files[0], "-o", str(out)) == 0
    head, arrays = (out / JSON).read_text(), (out / ARRAYS).read_bytes()

    def said(text: str = head, data: bytes = arrays) -> str:
        (out / JSON).write_text(text)
        (out / ARRAYS).write_bytes(data)
        with pytest.raises(TableError) as error:
            Preprocessor.load(str(out))
        assert "\n" not in str(error.value)
        return str(error.value).removeprefix(f"{out}/")

    assert said("[]").startswith(f"{JSON}: no preprocessor of version 1: ")
    assert said("{").startswith(f"{JSON}: no preprocessor of version 1: ")
    assert said("[" * 100_000).startswith(f"{JSON}: no preprocessor of version 1: ")
    assert said(head.replace("proctop-", "other-")) == f"{JSON}: no preprocessor"
    assert said(head.replace('"version": 1', '"version": 2')) == f"{JSON}: version 2; this proctop knows 1"
    assert said(data=arrays[:-1]) == f"{ARRAYS}: not the one that {JSON} was written with"
    assert said(head.replace('"us"', '"usr"')).endswith("vmstat has no column 'usr'")
    assert said(head.replace('"us",', "")).endswith("the scales of vmstat do not fit its columns")
    assert said(head.replace('"length": 50', '"length": 0')).endswith("--length: 0 is out of range; give 1 to 100000 rows")
    (out / ARRAYS).unlink()
    with pytest.raises(TableError, match=f"{ARRAYS}: No such file or directory"):
        Preprocessor.load(str(out))


def test_scaled_tables_and_windows_are_scored(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(files[3], "-o", str(out), "--windows", "--length", "4") == 0
    for name, width, count in (("process.parquet", 10, 260), ("process.windows.npy", 40, 254)):
        rows = tmp_path / "scored.csv"
        assert cli.main(["score", str(out / name), "--model", "loda", "--scope", "comm", "-o", str(rows)]) == 0
        with rows.open(newline="") as file:
            scored = list(csv.DictReader(file))
        assert len(scored) == count
        assert len(scored[0]) == 6 + width + 1
        assert {row["comm"] for row in scored} == {"process0", "process1"}
        assert float(scored[-1]["anomaly_score"]) >= 0
    assert "cpu[-3]" in scored[0]
    assert scored[0]["cpu[0]"] == scored[1]["cpu[-1]"]
    capsys.readouterr()
    assert cli.main(["score", str(out / "process.parquet"), "--features", "cpuu"]) == 1
    assert 'process.parquet: no feature "cpuu"; did you mean "cpu"?' in capsys.readouterr().err
    (out / "process.windows.npz").unlink()
    assert cli.main(["score", str(out / "process.windows.npy")]) == 1
    assert "process.windows.npz: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["vmstats=x.csv"], 'no table "vmstats"; there are vmstat, iostat, netstat, process'),
        (["vmstat=a", "vmstat=b"], "vmstat is given twice"),
        (["vmstat="], "vmstat= wants a file"),
        (["vmstat=a", "--windows"], "--windows goes with -o DIR"),
        (["vmstat=a", "--apply", "d", "--length", "5"], "--length goes without --apply, which brings its own"),
        (["vmstat=a", "--sample", "0"], "--sample: 0 is out of range; give a share above 0, up to 1"),
        (["vmstat=a", "--sample", "nan"], "--sample: nan is out of range; give a share above 0, up to 1"),
        (["vmstat=a", "--random-rows"], "--random-rows goes with --sample SHARE"),
        (["vmstat=a", "--length", "0"], "--length: 0 is out of range; give 1 to 100000 rows"),
        (["vmstat=a", "--correlation", "2"], "--correlation: 2 is out of range; give 0 to 1"),
    ],
)
def test_wrong_usage(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, *argv, code=2) == said


def test_files_that_are_wrong(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, f"vmstat={tmp_path}/none.csv") == f"{tmp_path}/none.csv: No such file or directory"
    path = files[0].partition("=")[2]
    assert failed(capsys, path) == f"{path}: no recording; say which table it is: vmstat={path}, iostat=, netstat= or process="
    os.mkfifo(tmp_path / "pipe")
    assert failed(capsys, f"vmstat={tmp_path}/pipe").startswith(f"{tmp_path}/pipe: no file; a table is read more than once")
    (tmp_path / "file").touch()
    assert failed(capsys, files[0], "-o", f"{tmp_path}/file").startswith(f"{tmp_path}/file: ")


def test_rows_at_random_are_warned_of(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files[0], "--sample", "0.5", "--random-rows") == 0
    out, err = capsys.readouterr()
    assert "rows         65 of 130" in out
    assert err == "proctop: --random-rows: rows that follow each other in a window are not neighbours in time\n"


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_benchmarks_tables_are_as_they_should_be(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    offline.generate(kind, path, 3000)
    table = load(kind, str(path), Stretches(1.0, 42))
    assert (len(table), table.remarks, len(table.gaps), table.interval) == (3000, (), 0, 10_000_000)
    assert table.runs.size == len(table.entities) == offline.ENTITIES[kind]
    assert tuple(table.columns) == KINDS[kind].columns


def test_every_derived_column_tells_what_it_is_made_of() -> None:
    for kind, known in KINDS.items():
        for name in features.names(kind, known.columns):
            assert set(features.needs(kind, name)) <= set(known.columns)
