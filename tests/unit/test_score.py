"""``proctop score FILE`` as a user runs it, against the notebooks' own loop over the same rows."""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from notebooks import NOTEBOOKS
from proctop import cli
from proctop.offline.figures import Figures, spread
from proctop.sources.events import COLUMNS, CONTEXT, FEATURES, Events, EventsError
from proctop.stream.writer import Writer
from traffic import MS, Host


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def event(i: int, luck: random.Random) -> dict[str, object]:
    """One row in the schema of the notebooks; a cell is missing now and then."""
    row: dict[str, object] = dict.fromkeys(COLUMNS, 0)
    row |= {"pid": 300 + i % 30, "comm": f"comm{i % 30}", "user": "root" if i % 3 else "", "wall_time_ms": 1757522094277 + i // 30 * 10_000}
    row |= {"container_id": "f1" * 32, "container_image": "kafka:latest"} if i % 5 == 0 else {"container_id": "", "container_image": ""}
    row |= {"container_labels_json": '{"a": "b,c"}', "isActive": True, "wall_time_dt": 10.0}
    for name in FEATURES:
        value = int(luck.expovariate(1e-5)) * (100 if i % 97 == 96 else 1) if luck.random() < 0.5 else 0
        row[name] = "" if luck.random() < 0.01 else value
    return row


def table(path: Path, count: int = 400, **changes: object) -> list[dict[str, object]]:
    luck = random.Random(5)
    rows = [event(i, luck) | changes for i in range(count)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def scored(path: Path, *flags: str) -> list[dict[str, str]]:
    out = path.parent / "scored.csv"
    assert cli.main(["score", str(path), "-o", str(out), *flags]) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", list(NOTEBOOKS))
def test_the_notebooks_loop_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    rows = table(tmp_path / "events.csv")
    model = NOTEBOOKS[name]()
    for row, got in zip(rows, scored(tmp_path / "events.csv", "--model", name), strict=True):
        features = {feature: row[feature] or 0 for feature in FEATURES}
        score = model.score_one(features)
        assert float(got["anomaly_score"]) == score
        if "quantile" in name:
            assert got["is_anomaly"] == str(model["QuantileFilter"].classify(score))
        model.learn_one(features)
        assert list(got)[: len(CONTEXT) + len(FEATURES)] == [*CONTEXT, *FEATURES]
        assert {k: got[k] for k in CONTEXT} == {k: str(row[k]) for k in CONTEXT}
        assert {k: got[k] for k in FEATURES} == {k: str(features[k]) for k in FEATURES}
    assert ("is_anomaly" in got) == ("quantile" in name)


def test_the_figures_are_the_notebooks_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(tmp_path / "events.csv")
    scores = np.array([float(row["anomaly_score"]) for row in scored(tmp_path / "events.csv", "--model", "ocsvm-quantile")])
    said = capsys.readouterr().out
    assert said.startswith("shape: 400 rows × 25 columns\ncolumns: pid, comm, uid, ")
    q95, q99 = np.percentile(scores, 95), np.percentile(scores, 99)
    for line in (
        f"mean: {scores.mean():.4f}, std: {scores.std(ddof=1):.4f}",
        f"min: {scores.min():.4f}, max: {scores.max():.4f}",
        f"95th percentile: {q95:.4f}, above it {(scores > q95).mean():.2%}",
        f"99th percentile: {q99:.4f}, above it {(scores > q99).mean():.2%}",
    ):
        assert line in said.splitlines()
    highest = said[said.index("the 10 highest") :].splitlines()[2:]
    assert [int(line.split()[0]) for line in highest] == np.argsort(-scores, kind="stable")[:10].tolist()
    assert highest[0].split()[-1] == "True"


@pytest.mark.parametrize("scope", ["global", "container", "image", "comm", "process"])
def test_scope_chooses_how_many_models(scope: str, tmp_path: Path) -> None:
    rows = table(tmp_path / "events.csv", 200)
    column = {"container": "container_id", "image": "container_image", "comm": "comm", "process": "pid"}.get(scope)
    models: dict[object, Any] = {}
    for row, got in zip(rows, scored(tmp_path / "events.csv", "--scope", scope), strict=True):
        model = models.setdefault(row[column] if column else "", NOTEBOOKS["ocsvm"]())
        features = {feature: row[feature] or 0 for feature in FEATURES}
        assert float(got["anomaly_score"]) == model.score_one(features)
        model.learn_one(features)


def test_features_can_be_chosen(tmp_path: Path) -> None:
    table(tmp_path / "events.csv", 20)
    got = scored(tmp_path / "events.csv", "--features", "bytes_read,wall_time_dt")
    assert list(got[0]) == [*CONTEXT, "bytes_read", "wall_time_dt", "anomaly_score"]


def test_json_is_an_object_a_line(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    table(tmp_path / "events.csv", 20)
    assert cli.main(["score", str(tmp_path / "events.csv"), "--model", "ocsvm-quantile", "--format", "json", "-o", "-"]) == 0
    out, err = capfdbinary.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 20
    assert records[1]["container_id"] is None
    assert (records[0]["pid"], records[0]["is_anomaly"]) == (300, False)
    assert isinstance(records[0]["anomaly_score"], float)
    assert err.startswith(b"shape: 20 rows")


def test_parquet_holds_the_same(tmp_path: Path, require: Callable[[str, str], None]) -> None:
    try:
        from pyarrow import parquet
    except ImportError as error:
        require("parquet", str(error))
    table(tmp_path / "events.csv", 50)
    rows = scored(tmp_path / "events.csv")
    out = tmp_path / "out.parquet"
    assert cli.main(["score", str(tmp_path / "events.csv"), "-o", str(out)]) == 0
    read = parquet.read_table(out).to_pydict()
    assert list(read) == list(rows[0])
    assert read["anomaly_score"] == [float(row["anomaly_score"]) for row in rows]
    assert read["container_image"][:2] == ["kafka:latest", None]
    assert read["pid"][0] == 300


def test_parquet_without_pyarrow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    table(tmp_path / "events.csv", 5)
    assert cli.main(["score", str(tmp_path / "events.csv"), "-o", str(tmp_path / "o.parquet")]) == 1
    assert capsys.readouterr().err == "proctop: parquet needs pyarrow: pip install 'proctop[parquet]', or --format csv\n"
    assert not (tmp_path / "o.parquet").exists()


HEADER = ",".join(COLUMNS)
LINE = "1,init,0,0,0,1,0,7,/,root," + ",".join(["5"] * 9) + ",True,10.0,1757522094277,,,"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty; an events table begins with a line that names its columns"),
        (HEADER + "\n", "no rows after the header"),
        (HEADER.replace("cpu_ns,", "") + "\n", 'the header (line 1): no column "cpu_ns"'),
        (HEADER.replace("user,", "usr,") + "\n", 'the header (line 1): no column "user"'),
        (HEADER + ",pid\n", 'the header (line 1): 2 columns are named "pid"'),
        (HEADER.replace(",", ";") + "\n", "the header (line 1): columns are separated by ';'; they must be by commas"),
        (HEADER.replace(",", "\t") + "\n", "the header (line 1): columns are separated by '\\t'; they must be by commas"),
        (f"{HEADER}\n{LINE}\n{LINE.replace('5', '5x', 1)}\n", 'row 2 (line 3), column cpu_ns: "5x" is no number'),
        (f"{HEADER}\n{LINE.replace('5', '1_0', 1)}\n", 'row 1 (line 2), column cpu_ns: "1_0" is no number'),
        (f"{HEADER}\n{LINE.replace('5', 'inf', 1)}\n", 'row 1 (line 2), column cpu_ns: "inf" is no number of 64 bits'),
        (f"{HEADER}\n{LINE.replace('5', '9' * 400, 1)}\n", "is no number of 64 bits"),
        (f"{HEADER}\nx{LINE}\n", 'row 1 (line 2), column pid: "x1" is no number'),
        (
            f"{HEADER}\n{LINE}\n{LINE[:40]}",
            "row 2 (line 3): 18 cells for 25 columns, the last one for bytes_written; the file may be cut off",
        ),
        (f"{HEADER}\n{LINE},7\n", "row 1 (line 2): 26 cells for 25 columns"),
        (f'{HEADER}\n{LINE}"{{""a', "row 1 (line 2): unexpected end of data; the file may be cut off inside quotes"),
        ("\x7fELF\0\0\1\n\0\n", 'the header (line 1): no column "cpu_ns"'),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode())
    assert cli.main(["score", str(path), "-o", str(tmp_path / "out.csv")]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"proctop: {path}: ")
    assert said in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["events.csv"]  # nothing half written


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "NULL", "None", "N/A"])
def test_missing_cells_count_as_zero(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{HEADER}\n{LINE.replace('5', cell, 1)}\n")
    with Events(str(path)) as events:
        assert [row.features for row in events] == [{name: 0 if name == "cpu_ns" else 5 for name in FEATURES}]


def test_columns_may_come_in_any_order_with_a_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    names = [*reversed(FEATURES), *CONTEXT, "more"]
    path.write_text("\ufeff" + ",".join(names) + "\r\n\r\n" + ",".join(map(str, range(len(names)))) + "\r\n", newline="")
    with Events(str(path)) as events:
        (row,) = events
    assert row.features["bytes_read"] == 0
    assert row.features["cpu_ns"] == 8
    assert row.context == (9, "10", "11", "12", "13", 14)


def test_text_of_a_table_is_made_harmless(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(f"{HEADER}\n{LINE}\n".encode().replace(b"init", b"a\x1b[2J\xff"))
    with Events(str(path)) as events:
        assert next(iter(events)).context[1] == "a�[2J�"


def test_a_table_is_read_a_row_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{HEADER}\n" + f"{LINE}\n" * 5000 + "broken\n")
    rows = iter(Events(str(path)))
    for _ in range(5000):
        next(rows)
    with pytest.raises(EventsError, match="row 5001"):
        next(rows)


def test_a_file_that_is_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")
    (tmp_path / "bad.csv").write_text(f"{HEADER}\n{LINE}\nbroken\n")
    assert cli.main(["score", str(tmp_path / "bad.csv"), "-o", str(out)]) == 1
    assert out.read_text() == "before"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "baseline"], "--model baseline wants a recording"),
        (["--model", "forest"], 'no model "forest"'),
        (["--model", "nowhere_at_all:f"], "No module named 'nowhere_at_all'"),
        (["--features", "pid"], '--features: no feature "pid"'),
        (["--format", "json"], "--format goes with -o FILE"),
        (["--scope", "pod"], 'no scope "pod"'),
        (["-o", "events.csv"], "-o would write over FILE"),
    ],
)
def test_what_does_not_go_together_is_refused(
    flags: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "events.csv", 5)
    assert cli.main(["score", "events.csv", *flags]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_no_such_file_and_no_place_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(tmp_path / "none.csv")]) == 1
    table(tmp_path / "events.csv", 5)
    assert cli.main(["score", str(tmp_path / "events.csv"), "-o", str(tmp_path / "no" / "out.csv")]) == 1
    assert cli.main(["score", str(tmp_path)]) == 1
    assert [line.rsplit(": ", 1)[1] for line in capsys.readouterr().err.splitlines()] == [
        "No such file or directory",
        "No such file or directory",
        "Is a directory",
    ]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Forty readings of three processes; the last does something unheard of at the end."""
    path, host = tmp_path / "session.proctop", Host()
    for pid in (10, 11, 12):
        host.born(pid, f"work{pid}", container="c" * 64 if pid == 11 else "")
    writer = Writer(str(path))
    for tick in range(40):
        for pid in (10, 11, 12):
            host.did(pid, run_ns=(3 + (tick * pid) % 5) * MS, vctx=3, wchar=4000 + (tick * pid) % 700, syscw=2)
        if tick == 39:
            host.did(12, wchar=9e8, run_ns=900 * MS, minflt=9000)
        writer.write(host.read())
    writer.close()
    return path


def test_a_recording_is_scored_by_the_default_detector(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = scored(recording)
    assert len(rows) == 39 * 3
    assert rows[0]["anomaly_score"] == ""  # warming
    last = {int(row["pid"]): float(row["anomaly_score"]) for row in rows[-3:]}
    assert last[12] > 2 > max(last[10], last[11])
    assert rows[-2]["container_id"] == "c" * 64
    said = capsys.readouterr().out
    assert "model: baseline" in said
    assert "rows have no score" in said


def test_a_recording_is_scored_by_rivers_models(recording: Path) -> None:
    rows = scored(recording, "--model", "ocsvm-quantile", "--features", "cpu,wchar,minflt")
    model = NOTEBOOKS["ocsvm-quantile"]()
    for row in rows:
        x = {name: float(np.float32(row[name])) for name in ("cpu", "wchar", "minflt") if row[name]}
        score = model.score_one(x)
        assert (float(row["anomaly_score"]), row["is_anomaly"]) == (score, str(model["QuantileFilter"].classify(score)))
        model.learn_one(x)


def test_features_of_a_recording_are_those_of_the_registry(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(recording), "--model", "ocsvm", "--features", "cpuu"]) == 2
    assert 'no feature "cpuu"; did you mean "cpu"?' in capsys.readouterr().err


def test_models_are_listed_with_cost_and_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    said = capsys.readouterr().out
    assert "ocsvm-rbf-quantile" in said
    assert "StandardScaler | OneClassSVM(nu=0.1, intercept_lr=0.01)" in said
    assert "µs" in said


def test_figures_of_nothing_and_of_one_row() -> None:
    assert spread(np.array([np.nan])) == ["1 rows have no score"]
    assert spread(np.array([2.0]))[0] == "mean: 2.0000, std: nan"
    assert Figures(("cpu",)).scores.size == 0
