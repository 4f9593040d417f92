"""Each step of ``proctop profile`` against the notebook's own arithmetic, on tables without ties and gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import notebook

from made_tables import made
from proctop.offline import features
from proctop.offline.loading import load
from proctop.offline.plan import KINDS, Plan
from proctop.offline.preprocessor import scaled
from proctop.offline.quality import assess
from proctop.offline.selection import select
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Table
from proctop.offline.windows import Windows

KIND = pytest.mark.parametrize("kind", list(KINDS))
MISSING = pytest.mark.parametrize("missing", [0.0, 0.02, 0.3])


def both(kind: str, folder: Path, missing: float, rows: int = 700) -> tuple[pd.DataFrame, Table]:
    """The same table twice: as pandas reads it, and as we do."""
    path = folder / f"{kind}.csv"
    made(kind, rows, missing=missing).to_csv(path, index=False)
    return pd.read_csv(path, parse_dates=["timestamp"]), load(kind, str(path), Stretches(1.0, 42))


@KIND
@MISSING
def test_loading(kind: str, missing: float, tmp_path: Path) -> None:
    df, table = both(kind, tmp_path, missing)
    assert list(table.columns) == list(df.columns[1:])
    np.testing.assert_array_equal(table.time, df["timestamp"].astype("datetime64[us]").astype("int64"))
    for name, values in table.columns.items():
        np.testing.assert_array_equal(values, df[name])


@KIND
@MISSING
def test_quality(kind: str, missing: float, tmp_path: Path) -> None:
    df, table = both(kind, tmp_path, missing)
    wanted, got = notebook.quality(kind, df), assess(table, Plan())
    assert list(got.constant) == wanted["constant"]
    assert list(got.sparse) == wanted["sparse"]
    assert len(got.sparse) == (len(got.columns) if missing > 0.1 else 0)
    assert [pair[:2] for pair in got.correlated] == [pair[:2] for pair in wanted["correlated"]]
    assert [pair[2] for pair in got.correlated] == pytest.approx([pair[2] for pair in wanted["correlated"]])
    assert {column.name: column.outliers * 100 for column in got.columns} == pytest.approx(wanted["outliers"])
    assert len(got.gaps) == wanted["gaps"] == 0
    assert got.missing * 100 == pytest.approx(wanted["missing"])
    for column in got.columns:
        assert column.variance == pytest.approx(df[column.name].var())


def test_quality_finds_what_was_put_there(tmp_path: Path) -> None:
    found = assess(both("vmstat", tmp_path, 0.0)[1], Plan())
    assert found.constant == ("fr",)
    assert [pair[:2] for pair in found.correlated] == [("interface_in", "cs")]
    assert assess(both("vmstat", tmp_path, 0.0)[1], Plan(variance=40.0, correlation=1.0)).correlated == ()


@KIND
@MISSING
def test_features(kind: str, missing: float, tmp_path: Path) -> None:
    df, table = both(kind, tmp_path, missing)
    wanted = notebook.engineered(kind, df)
    assert list(features.names(kind, tuple(table.columns))) == list(wanted.columns[1:])
    for name in wanted.columns[1:]:
        np.testing.assert_allclose(features.column(table, name), wanted[name].astype(float), rtol=1e-9, atol=1e-7, err_msg=name)


@KIND
@MISSING
def test_selection(kind: str, missing: float, tmp_path: Path) -> None:
    df, table = both(kind, tmp_path, missing)
    wanted = notebook.selected(kind, notebook.engineered(kind, df), notebook.quality(kind, df))
    got = select(table, assess(table, Plan()))
    assert list(got) == wanted
    assert len(got) == 10


@KIND
@MISSING
def test_scaling_and_windows(kind: str, missing: float, tmp_path: Path) -> None:
    df, table = both(kind, tmp_path, missing)
    selected = select(table, assess(table, Plan()))
    wanted = notebook.scaled(notebook.engineered(kind, df)[list(selected)])
    values = np.stack(list(scaled(table, selected, [])), axis=1)
    np.testing.assert_allclose(values, wanted, rtol=2e-6, atol=1e-6)
    windows = Windows(values, table.runs, 50)
    arrays = notebook.sequences(wanted, 50)
    assert windows.shape == arrays.shape == (651, 50, 10)
    np.testing.assert_allclose(np.concatenate(list(windows.batches(100))), arrays, rtol=2e-6, atol=1e-6)


def test_a_constant_column_stays_at_nothing(tmp_path: Path) -> None:
    df, table = both("vmstat", tmp_path, 0.0)
    assert not next(scaled(table, ("fr",), [])).any()
    assert not notebook.scaled(df[["fr"]]).to_numpy().any()


@pytest.mark.parametrize("kind", ["iostat", "netstat", "process"])
def test_several_entities_are_as_each_by_itself(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    df = made(kind, 120, entities=3)
    df.to_csv(path, index=False)
    table = load(kind, str(path), Stretches(1.0, 42))
    assert table.runs.tolist() == [0, 120, 240]
    for code, (_, part) in enumerate(df.groupby(KINDS[kind].entity[0], sort=False)):
        wanted = notebook.engineered(kind, part)
        for name in features.names(kind, tuple(table.columns)):
            got = features.column(table, name)[code * 120 : (code + 1) * 120]
            np.testing.assert_allclose(got, wanted[name].astype(float), rtol=1e-9, atol=1e-7, err_msg=name)
