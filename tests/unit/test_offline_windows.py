"""Windows are views, whatever there is of them; files of them can be mapped; a full disk is told of before."""

from __future__ import annotations

import io
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from proctop.offline.scaled import Mapped, write_windows
from proctop.offline.tables import Table
from proctop.offline.windows import Windows
from proctop.outfile import Unwritable


def test_the_notebooks_windows_take_no_memory() -> None:
    values = np.broadcast_to(np.float32(0), (250_080, 10))
    windows = Windows(values, np.array([0]), 50)
    assert windows.shape == (250_031, 50, 10)
    assert windows.nbytes == 500_062_000
    (view,) = windows.views()
    assert np.shares_memory(view, values)
    assert view.base is not None


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("order", ["C", "F"])
def test_windows_of_runs(stride: int, order: str) -> None:
    values = np.asarray(np.arange(60, dtype=np.float32).reshape(20, 3), order=order)  # type: ignore[call-overload]
    runs = np.array([0, 4, 6, 13])
    windows = Windows(values, runs, 4, stride)
    wanted = [values[i : i + 4] for a, b in ((0, 4), (4, 6), (6, 13), (13, 20)) for i in range(a, b - 3, stride)]
    assert len(windows) == len(wanted)
    np.testing.assert_array_equal(np.concatenate(list(windows.views())), wanted)
    np.testing.assert_array_equal(np.concatenate(list(windows.batches(2))), wanted)
    assert max(batch.shape[0] for batch in windows.batches(2)) <= 2
    np.testing.assert_array_equal(values[windows.lasts()], [window[-1] for window in wanted])
    assert all(np.shares_memory(view, values) and not view.flags.writeable for view in windows.views())


def test_rows_that_are_too_few() -> None:
    windows = Windows(np.zeros((5, 2), np.float32), np.array([0]), 6)
    assert windows.shape == (0, 6, 2)
    assert list(windows.batches(10)) == []
    assert windows.lasts().size == 0


def table(rows: int) -> Table:
    code = np.repeat(np.arange(2, dtype=np.int32), rows // 2)
    return Table("iostat", "t.csv", np.arange(rows) * 1_000_000, {}, code, ("sda", "sdb"), np.array([0, rows // 2]))


def test_a_file_of_windows_can_be_mapped(tmp_path: Path) -> None:
    columns = [np.arange(20, dtype=np.float32), np.arange(20, 40, dtype=np.float32)]
    held = Mapped(iter(columns), (20, 2), str(tmp_path))
    values = held.values
    np.testing.assert_array_equal(values, np.stack(columns, axis=1))
    held.forget()
    np.testing.assert_array_equal(values, np.stack(columns, axis=1))
    assert list(tmp_path.iterdir()) == []
    windows, said = Windows(values, np.array([0, 10]), 4, 3), io.StringIO()
    path = tmp_path / "iostat.windows.npy"
    write_windows(str(path), table(20), ("tps", "kb_read"), windows, said)
    assert said.getvalue() == "iostat: 6 windows of 4 × 2, 0 MB\n"
    got = np.load(path, mmap_mode="r", allow_pickle=False)
    assert (got.shape, got.dtype) == ((6, 4, 2), np.dtype("<f4"))
    np.testing.assert_array_equal(got, np.concatenate(list(windows.views())))
    with np.load(tmp_path / "iostat.windows.npz", allow_pickle=False) as what:
        assert what["features"].tolist() == ["tps", "kb_read"]
        assert what["entities"][what["entity"]].tolist() == ["sda"] * 3 + ["sdb"] * 3
        assert (what["time"] // 1_000_000).tolist() == [3, 6, 9, 13, 16, 19]


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = Terminal()
    windows = Windows(np.zeros((20, 2), np.float32), np.array([0, 10]), 4)
    write_windows(str(tmp_path / "w.npy"), table(20), ("a", "b"), windows, said)
    shown = said.getvalue().split("\r")
    assert shown[1] == "iostat: 14 windows of 4 × 2, 0 MB [" + " " * 30 + "]"
    assert shown[-1] == "iostat: 14 windows of 4 × 2, 0 MB [" + "#" * 30 + "]\n"


def test_a_disk_without_room_is_told_of_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100 << 20))
    windows = Windows(np.broadcast_to(np.float32(0), (250_080, 10)), np.array([0]), 50)
    with pytest.raises(Unwritable, match=r"w.npy: 500 MB of windows, and 105 MB of the disk are free; try --stride 50"):
        write_windows(str(tmp_path / "w.npy"), table(20), ("a",), windows, io.StringIO())
    assert list(tmp_path.iterdir()) == []
