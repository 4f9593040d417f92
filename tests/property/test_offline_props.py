"""Tables of any shape: what holds whatever is in them."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctop.offline import csvfile, features
from proctop.offline.loading import load
from proctop.offline.plan import Plan, TableError
from proctop.offline.quality import assess, correlation
from proctop.offline.selection import MOST, select
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Table
from proctop.offline.windows import Windows

WHOLE = Stretches(1.0, 0)
SECOND = 1_000_000

cell = st.one_of(st.floats(-1e9, 1e9, width=32), st.just(float("nan")), st.sampled_from([0.0, 1.0]))
name = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
row = st.tuples(st.integers(0, 50), cell, cell, st.sampled_from(["a", "b", "c"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def written(folder: Path, rows: list[tuple[int, float, float, str]], quoting: Any = csv.QUOTE_MINIMAL) -> Path:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)
    writer.writerow(["timestamp", "cpu", "mem", "command"])
    writer.writerows((1_735_732_800 + t, *("" if x != x else repr(x) for x in (cpu, mem)), who) for t, cpu, mem, who in rows)
    path = folder / "t.csv"
    path.write_bytes(out.getvalue().encode())
    return path


@given(
    st.lists(st.tuples(st.integers(0, 50), cell, cell, name), min_size=1, max_size=40), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_what_the_csv_module_writes_is_read(folder: Path, rows: list[tuple[int, float, float, str]], quoting: Any) -> None:
    table = load("process", str(written(folder, rows, quoting)), WHOLE)
    names = list(dict.fromkeys(who for *_, who in rows))
    wanted = sorted(((names.index(who), t, k) for k, (t, _, _, who) in enumerate(rows)), key=lambda entry: entry)
    assert [(1_735_732_800 + t) * SECOND for _, t, _ in wanted] == table.time.tolist()
    assert [code for code, *_ in wanted] == table.entity.tolist()
    for j, column in enumerate(("cpu", "mem"), 1):
        np.testing.assert_array_equal(table.columns[column], [rows[k][j] for *_, k in wanted])
    assert table.total == len(rows)


@given(st.binary(max_size=300))
def test_rubbish_is_one_line(folder: Path, data: bytes) -> None:
    path = folder / "r.csv"
    for head in (b"", b"timestamp,cpu,mem,command\n"):
        path.write_bytes(head + data)
        try:
            load("process", str(path), WHOLE)
        except TableError as error:
            said = str(error)
            assert said.startswith(f"{path}: ")
            assert "\n" not in said


@given(st.lists(row, min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 5))
def test_windows_and_rolling_figures_stay_within_a_run(
    folder: Path, rows: list[tuple[int, float, float, str]], length: int, stride: int
) -> None:
    table = load("process", str(written(folder, rows)), WHOLE)
    whole = np.arange(len(table), dtype=np.float32)[:, None]
    seen = [window[:, 0].astype(int) for batch in Windows(whole, table.runs, length, stride).batches(3) for window in batch]
    for window in seen:
        assert len(set(table.entity[window].tolist())) == 1
        assert (np.diff(table.time[window]) <= 3 * table.interval).all()
        assert (np.diff(window) == 1).all()
    run = np.searchsorted(table.runs, np.arange(len(table)), side="right") - 1
    assert len(seen) == sum(max((int((run == r).sum()) - length) // stride + 1, 0) for r in range(table.runs.size))
    mean, std = (features.column(table, f"cpu{suffix}") for suffix in (features.MEAN, features.STD))
    cpu = table.columns["cpu"]
    for i in range(len(table)):
        last = [cpu[j] for j in range(max(i - 4, 0), i + 1) if run[j] == run[i] and cpu[j] == cpu[j]]
        assert mean[i] == pytest.approx(np.mean(last) if last else float("nan"), rel=1e-9, abs=1e-6, nan_ok=True)
        assert std[i] == pytest.approx(np.std(last, ddof=1) if len(last) > 1 else float("nan"), rel=1e-6, abs=1e-3, nan_ok=True)


@given(st.lists(row, min_size=1, max_size=60))
def test_selection_takes_no_column_twice_and_shares_are_shares(folder: Path, rows: list[tuple[int, float, float, str]]) -> None:
    table = load("process", str(written(folder, rows)), WHOLE)
    quality = assess(table, Plan())
    chosen = select(table, quality)
    assert chosen[:2] == ("cpu", "mem")
    assert len(set(chosen)) == len(chosen) <= MOST
    for column in quality.columns:
        assert 0 <= column.missing <= 1
        assert 0 <= column.outliers <= 1
    assert np.nanmax(quality.holes, initial=0) <= 1


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_correlation_is_pearsons_over_the_rows_that_have_both(rows: int, columns: int, seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    held = rng.normal(1e6, 3.0, (columns, rows))
    held[rng.random(held.shape) < missing] = np.nan
    got = correlation(list(held))
    for i in range(columns):
        for j in range(columns):
            both = ~np.isnan(held[i]) & ~np.isnan(held[j])
            if both.sum() > 1:
                assert got[i, j] == pytest.approx(np.corrcoef(held[i][both], held[j][both])[0, 1], abs=1e-6)


@given(st.integers(1, 5000), st.floats(0.01, 1.0), st.integers(0, 1000))
def test_a_sample_is_about_its_share_whatever_the_seed(total: int, share: float, seed: int) -> None:
    sample = Stretches(share, seed)
    ranges = sample.rows(total)
    assert all(a < b for _, a, b in ranges)
    assert all(before[2] <= after[1] and before[0] < after[0] for before, after in pairwise(ranges))
    assert abs(sum(b - a for _, a, b in ranges) - share * total) <= 11 + 0.06 * total
    inside = {place: number for number, a, b in ranges for place in range(a, b)}
    assert all(sample.at(place, total) == inside.get(place, -1) for place in range(0, total, 7))


@given(st.integers(1, 300), st.integers(0, 3))
def test_the_size_of_a_piece_changes_nothing(folder: Path, size: int, blank: int) -> None:
    path = folder / "p.csv"
    lines = [f'{1_735_732_800 + i},{i},2,"x{i % 3}""\n"' for i in range(30)]
    path.write_text("timestamp,cpu,mem,command\n" + ("\n" * (blank + 1)).join(lines))
    patch = pytest.MonkeyPatch()
    patch.setattr(csvfile, "_PIECE", size)
    patch.setattr(csvfile, "_LEAST", size)
    try:
        table: Table = load("process", str(path), WHOLE)
    finally:
        patch.undo()
    assert table.columns["cpu"].tolist() == [i for k in range(3) for i in range(k, 30, 3)]
    assert table.total == 30
