"""Tables as people have them: what reads all the same, and what is refused, in which words."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from proctop.offline import csvfile
from proctop.offline.loading import load
from proctop.offline.plan import TableError
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Table, at_random

HEAD = "timestamp,cpu,mem,command\n"
WHOLE = Stretches(1.0, 42)
US = 1_000_000
NOON = 1_735_732_800 * US  # 2025-01-01 12:00:00


def loaded(folder: Path, text: str | bytes, kind: str = "process") -> Table:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(kind, str(path), WHOLE)


def refused(folder: Path, text: str | bytes, kind: str = "process") -> str:
    with pytest.raises(TableError) as error:
        loaded(folder, text, kind)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(f"{folder}/t.csv: ")
    return said.removeprefix(f"{folder}/t.csv: ")


def rows(*cells: str) -> str:
    return HEAD + "".join(f"2025-01-01 12:00:{i:02d},{cell}\n" for i, cell in enumerate(cells))


@pytest.mark.parametrize(
    "text",
    [
        rows("1,2,a", "3,4,a"),
        "\ufeff" + rows("1,2,a", "3,4,a"),
        rows("1,2,a", "3,4,a").replace("\n", "\r\n"),
        rows("1,2,a", "3,4,a").replace(",", "\t"),
        rows("1,2,a", "3,4,a").replace(",", ";"),
        rows("1,2,a", "3,4,a").replace("\n", "\n\n"),
        rows("1,2,a", "3,4,a").rstrip("\n"),
        rows(" 1 ,2,a", "3, 4,a"),
        rows('"1","2",a', '3,"4",a'),
        HEAD + "2025-01-01T12:00:00,1,2,a\n2025/01/01 12:00:01.000,3,4,a\n",
        HEAD + "1735732800,1,2,a\n1735732801,3,4,a\n",
        HEAD + "1735732800000,1,2,a\n1735732801000,3,4,a\n",
        HEAD + "2025-01-01 12:00:00+02:00,1,2,a\n2025-01-01T10:00:01Z,3,4,a\n",
        HEAD + "2025-01-01 12:00:00-0730,1,2,a\n2025-01-01 12:00:01-07:30,3,4,a\n",
        "mem, timestamp ,note,cpu,command\n" + '2,2025-01-01 12:00:00,"x,\ny",1,a\n4,2025-01-01 12:00:01,"",3,a\n',
    ],
)
def test_ways_to_write_the_same(text: str, tmp_path: Path) -> None:
    table = loaded(tmp_path, text)
    assert table.time.tolist() == [NOON, NOON + US]
    assert {name: values.tolist() for name, values in table.columns.items()} == {"cpu": [1, 3], "mem": [2, 4]}
    assert (table.entities, table.entity.tolist(), table.remarks) == (("a",), [0, 0], ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty; a table begins with a line that names its columns"),
        ("\ufeff\n \n", "empty;"),
        (HEAD, "no rows after the header"),
        ("timestamp,cpuu,mem\n", 'the header (line 1): no column "cpu"; did you mean "cpuu"?'),
        ("time;cpu;mem\n", 'the header (line 1): no column "timestamp"; did you mean "time"?'),
        ("timestamp,cpu,cpu,mem\n1,2,3,4\n", 'the header (line 1): 2 columns are named "cpu"'),
        (rows("1,2,a", "3,x,a"), 'row 2, column mem: "x" is no number'),
        (rows("1,2,a", "inf,1,a"), 'row 2, column cpu: "inf" is not finite'),
        (rows("1,2,a", "3,4"), "row 2: 3 cells for 4 columns, the last one for mem"),
        (rows("1,2,a", "3,4,a,5"), "row 2: 5 cells for 4 columns, the last one for command"),
        (rows('1,2,"a"', '3,"4"'), "row 2: 3 cells for 4 columns, the last one for mem"),
        (
            rows("1,2,a") + "2025-01-01 12:00:01;3;4;a\n",
            "row 2: 1 cell for 4 columns, the last one for timestamp; it is separated by ';'",
        ),
        (rows("1,2,a", '3,4,"a'), "row 2: unexpected end of data; the file may be cut off inside quotes"),
        (HEAD + "yesterday,1,2,a\n\nnow,1,2,a\n", 'row 1, column timestamp: "yesterday" is no time, and no row has one'),
        (
            HEAD + "2025-01-01 12:00:00,1,2,a\n2025-01-01 12:00:00Z,1,2,a\n",
            "row 2, column timestamp: some times have an offset from UTC and others none; give all one",
        ),
        (b"\x7fELF\0\0\1\2\n\0\0", 'the header (line 1): no column "timestamp"'),
    ],
)
def test_what_is_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text).startswith(said)


def test_a_file_that_is_not_there_or_a_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableError, match=f"^{path}: (No such file|Is a directory)"):
            load("vmstat", str(path), WHOLE)


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NULL", " ", "#N/A"])
def test_missing_cells(cell: str, tmp_path: Path) -> None:
    table = loaded(tmp_path, rows("1,2,a", f"{cell},4,a"))
    assert np.isnan(table.columns["cpu"]).tolist() == [False, True]


def test_rows_without_a_time_are_left_out_and_counted(tmp_path: Path) -> None:
    text = HEAD + "2025-01-01 12:00:00,1,2,a\nbad,3,4,a\n,5,6,a\n2025-01-01 12:00:01,7,8,a\n2025-01-01 12:00:00,9,10,a\n"
    table = loaded(tmp_path, text)
    assert (table.total, table.invalid, len(table)) == (5, 2, 3)
    assert table.columns["cpu"].tolist() == [1, 9, 7]
    assert [remark.partition(": ")[2] for remark in table.remarks] == [
        'row 2, column timestamp: "bad" is no time; 2 such rows are left out',
        "row 5, column timestamp: earlier than the row before; this row is put in order",
        "row 5, column timestamp: the same time twice; this row is kept",
    ]


def test_entities_are_kept_apart_and_in_time(tmp_path: Path) -> None:
    text = "host,disk,timestamp,tps,service_time,avg_queue_size\n"
    for i, (host, disk, second) in enumerate([("x", "sda", 1), ("y", "sda", 1), ("x", "sda", 0), ("x", "sdb\x1b", 0), ("y", "sda", 2)]):
        text += f"{host},{disk},2025-01-01 12:00:0{second},{i},{i},{i}\n"
    table = loaded(tmp_path, text, "iostat")
    assert table.entities == ("x sda", "y sda", "x sdb\N{REPLACEMENT CHARACTER}")
    assert table.columns["tps"].tolist() == [2, 0, 1, 4, 3]
    assert table.runs.tolist() == [0, 2, 4]
    assert table.remarks == (
        f"{tmp_path}/t.csv: row 3, column timestamp: earlier than the row before of the same name; this row is put in order",
    )


def test_a_gap_ends_a_run(tmp_path: Path) -> None:
    table = loaded(tmp_path, HEAD + "".join(f"{second},1,2,a\n" for second in (1000, 1001, 1002, 1005, 1009, 1010)))
    assert table.interval == US
    assert table.gaps.tolist() == [[1005 * US, 1009 * US]]  # three intervals are none, more are
    assert table.runs.tolist() == [0, 4]


@pytest.mark.parametrize("piece", [1, 7, 64, 4096])
def test_the_size_of_pieces_changes_nothing(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "_PIECE", piece)
    text = HEAD + "".join(f'2025-01-01 12:00:{i:02d},{i},{i % 7}.5,"c{i % 3}""\nd"\n' for i in range(60))
    table = loaded(tmp_path, text + "2025-01-01 12:01:00,60,1,c")
    assert sorted(table.columns["cpu"].tolist()) == list(range(61))
    assert table.entities == ('c0"�d', 'c1"�d', 'c2"�d', "c")
    assert refused(tmp_path, text + "2025-01-01 12:01:00,x,1,c\n") == 'row 61, column cpu: "x" is no number'


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows("1,2,a"))
    file = csvfile.CsvFile(str(path))
    with path.open("a") as more:
        more.write("2025-01-01 12:01:00,1,2,a\n")
    with pytest.raises(TableError, match="changed while it was read; profile a copy of it"):
        list(file.batches(["cpu"], ["timestamp"], WHOLE))


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"timestamp": [NOON, NOON + US], "cpu": [1, None], "mem": ["2", "4"], "command": ["a", "b"]})
    frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us"))).write_parquet(path)
    table = load("process", str(path), WHOLE)
    assert (table.time.tolist(), table.entities) == ([NOON, NOON + US], ("a", "b"))
    np.testing.assert_array_equal(table.columns["cpu"], [1, np.nan])
    frame.drop("mem").write_parquet(path)
    with pytest.raises(TableError, match=r't\.parquet: the schema: no column "mem"'):
        load("process", str(path), WHOLE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"t\.parquet: cannot be read as parquet: "):
        load("process", str(path), WHOLE)
    frame.head(0).write_parquet(path)
    with pytest.raises(TableError, match=r"t\.parquet: no rows$"):
        load("process", str(path), WHOLE)


def clocked(count: int, entities: int = 1) -> str:
    times = (f"2025-01-01 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}" for i in range(count))
    return HEAD + "".join(f"{time},{i * entities + k},1,c{k}\n" for i, time in enumerate(times) for k in range(entities))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_sample_is_of_stretches_in_their_order(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_text(clocked(10_000, 3))
    if kind == "parquet":
        pl.read_csv(path).write_parquet(path)
    table = load("process", str(path), Stretches(0.2, 42))
    assert (table.total, table.invalid, table.remarks) == (30_000, 0, ())
    assert len(table) == pytest.approx(6000, rel=0.1)
    assert 3 <= table.runs.size <= 30
    assert table.interval == US
    assert not len(table.gaps)  # what lies between stretches is no gap
    ends = np.append(table.runs[1:], len(table))
    for a, b in zip(table.runs, ends, strict=True):
        assert (np.diff(table.columns["cpu"][a:b]) == 3).all()
        assert len(set(table.entity[a:b].tolist())) == 1
    again, other = (load("process", str(path), Stretches(0.2, seed)).columns["cpu"] for seed in (42, 43))
    np.testing.assert_array_equal(again, table.columns["cpu"])
    assert again.tolist() != other.tolist()


def test_stretches_that_lie_close_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text(clocked(100))
    pl.read_csv(path).write_parquet(path)
    table = load("process", str(path), Stretches(0.2, 42))  # pairs of rows; some are two rows apart, which would be no gap
    steps = np.diff(table.columns["cpu"])
    assert 3 in steps
    assert (np.flatnonzero(steps > 1) + 1).tolist() == table.runs[1:].tolist()


def test_what_is_wrong_outside_of_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    text = clocked(3000)
    for seed in range(5):
        path.write_text(text.replace(",1500,1,", ",1500,"))
        with pytest.raises(TableError, match=r"t.csv: row 1501: 3 cells for 4 columns, the last one for mem"):
            load("process", str(path), Stretches(0.1, seed))
    path.write_text(text.replace(",1500,1,", ",x,1,"))
    said = set()
    for seed in range(40):
        try:
            load("process", str(path), Stretches(0.3, seed))
        except TableError as error:
            said.add(str(error).removeprefix(f"{path}: "))
    assert said == {'row 1501, column cpu: "x" is no number'}
    path.write_text(rows("1,2,a"))
    with pytest.raises(TableError, match=r"t\.csv: no rows in the sample; take a larger share"):
        load("process", str(path), Stretches(0.01, 42))


def test_a_sample_of_single_rows_is_in_order_of_time_too(tmp_path: Path) -> None:
    part = at_random(loaded(tmp_path, clocked(1000, 2)), 0.2, 42)
    assert len(part) == 400
    assert part.runs[0] == 0
    assert part.runs.size == 2
    for entity in (0, 1):
        assert (np.diff(part.time[part.entity == entity]) > 0).all()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows("1,2,a"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        load("process", str(path), WHOLE)
    assert len(os.listdir("/proc/self/fd")) == before
