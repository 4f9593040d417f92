"""Files of a directory: their names, and limits that hold at every moment."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frames import Proc, build, crowd
from proctop.frames import Frame
from proctop.stream import WriteFailed, frames
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


def frame(seq: int, *, wall: float | None = None, size: int = 0, **changes: Any) -> Frame:
    made = crowd(size, seed=seq) if size else build([Proc(7, "app")])
    told = {"seq": seq, "mono": 100.0 + seq, "wall": NOON + seq if wall is None else wall, **changes}
    return replace(made, reading=replace(made.reading, **told))


def recordings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.proctop"))


def seqs(folder: Path) -> list[int]:
    out = []
    for path in recordings(folder):
        with Reader(str(path)) as reader:
            out += [record.reading.seq for record in reader]
    return out


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes that ``tmp_path`` would have after each write."""
    sizes: list[int] = []
    write = os.write

    def note(fd: int, data: bytes) -> int:
        sizes.append(total(tmp_path) + len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", note)
    yield sizes


def test_files_are_named_after_host_and_time_and_are_private(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/new/") as writer:
        writer.write(frame(0))
    folder = tmp_path / "new"
    assert [path.name for path in recordings(folder)] == ["node1-20231115-120000Z.proctop"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("path", ["there", "new/", "new"])
def test_what_a_path_means(tmp_path: Path, path: str) -> None:
    (tmp_path / "there").mkdir()
    limit = {"max_size": 1 << 20} if path == "new" else {}
    with Writer(f"{tmp_path}/{path}", **limit) as writer:  # type: ignore[arg-type]
        writer.write(frame(0))
    assert seqs(tmp_path / path.rstrip("/")) == [0]


def test_a_limit_does_not_go_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(WriteFailed, match="is a file, and limits go with a directory"):
        Writer(str(tmp_path / "a"), max_age=60)


def test_the_size_is_never_passed_and_the_oldest_go_first(tmp_path: Path, watched: list[int]) -> None:
    limit = 40_000
    with Writer(str(tmp_path), max_size=limit) as writer:
        for seq in range(150):
            writer.write(frame(seq, size=60))
    assert max(watched) <= limit < sum(watched)
    left = seqs(tmp_path)
    assert left == list(range(left[0], 150)) and left[0] > 0
    assert total(tmp_path) > limit * 6 // 8
    for path in recordings(tmp_path):
        with Reader(str(path)) as reader:
            assert len(list(reader)) and not reader.damage and not reader.damage.torn


def test_a_smaller_limit_takes_effect_at_once(tmp_path: Path, watched: list[int]) -> None:
    with Writer(str(tmp_path), max_size=80_000) as writer:
        for seq in range(100):
            writer.write(frame(seq, size=60))
    assert total(tmp_path) > 40_000
    watched.clear()
    with Writer(str(tmp_path), max_size=20_000) as writer:
        writer.write(frame(100, size=60))
    assert max(watched) <= 20_000 and seqs(tmp_path)[-1] == 100


def test_a_reading_larger_than_the_limit_is_refused(tmp_path: Path, watched: list[int]) -> None:
    with Writer(str(tmp_path), max_size=5000) as writer:
        writer.write(frame(0))
        with pytest.raises(WriteFailed, match="one reading is larger than --max-size allows"):
            writer.write(frame(1, size=400))
        writer.write(frame(2))
    assert max(watched) <= 5000 and seqs(tmp_path)[-1] == 2


def test_what_is_older_than_the_age_goes(tmp_path: Path) -> None:
    with Writer(str(tmp_path), max_age=80.0) as writer:
        for seq in range(300):
            writer.write(frame(seq))
            if seq % 37 == 0:
                assert NOON + seqs(tmp_path)[0] > NOON + seq - 80
    assert len(recordings(tmp_path)) == 8
    assert seqs(tmp_path)[0] <= 300 - 70


def test_a_file_covers_an_hour_at_most(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/") as writer:
        for seq in range(0, 3 * 3600, 600):
            writer.write(frame(seq))
    assert [path.name for path in recordings(tmp_path)] == [f"node1-20231115-{hour}0000Z.proctop" for hour in (12, 13, 14)]


def test_each_file_ends_with_a_summary(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/") as writer:
        for seq in range(0, 2 * 3600, 600):
            writer.write(frame(seq, interval=600.0))
    assert [path.read_bytes().count(frames.SUMMARY) for path in recordings(tmp_path)] == [1, 1]


def test_another_host_is_another_file(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/") as writer:
        writer.write(frame(0))
        writer.write(frame(1, info=replace(frame(0).reading.info, hostname="Web/1")))
    assert [path.name for path in recordings(tmp_path)] == ["Web_1-20231115-120001Z.proctop", "node1-20231115-120000Z.proctop"]


def test_names_rise_though_the_clock_is_set_back(tmp_path: Path) -> None:
    with Writer(str(tmp_path), max_size=100_000) as writer:
        for seq, wall in enumerate((NOON, NOON + 1, NOON - 7200, NOON - 7199, NOON)):
            writer.write(frame(seq, wall=wall))
    with Writer(str(tmp_path), max_size=100_000) as writer:
        writer.write(frame(5, wall=NOON - 9000))
    assert len(recordings(tmp_path)) == 4
    assert seqs(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_files_of_one_second_do_not_meet(tmp_path: Path) -> None:
    for seq in range(4):
        with Writer(f"{tmp_path}/") as writer:
            writer.write(frame(seq, wall=NOON))
    assert seqs(tmp_path) == [0, 1, 2, 3]


def test_only_recordings_of_this_host_are_counted_and_deleted(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/") as writer:
        writer.write(frame(0, info=replace(frame(0).reading.info, hostname="node1-b")))
    names = {
        "node1-20200101-000000Z.proctop": b"not a recording" * 9000,
        "node1-20200101-000000Z.proctop.bak": frames.preamble() * 9000,
        "node1-20201399-000000Z.proctop": frames.preamble() * 9000,
        "node1-2020111-000000Z.proctop": frames.preamble() * 9000,
        "monday.proctop": frames.preamble() * 9000,
    }
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "node1-20200102-000000Z.proctop").symlink_to(tmp_path / "monday.proctop")
    os.mkfifo(tmp_path / "node1-20200103-000000Z.proctop")
    (tmp_path / "node1-20200104-000000Z.proctop").mkdir()
    os.link(tmp_path / "monday.proctop", tmp_path / "node1-20200105-000000Z.proctop")
    before = {path.name for path in tmp_path.iterdir()}
    with Writer(str(tmp_path), max_size=9000, max_age=60) as writer:
        for seq in range(1, 100):
            writer.write(frame(seq, size=10))
    assert before <= {path.name for path in tmp_path.iterdir()}
    assert all((tmp_path / name).read_bytes() == data for name, data in names.items())


def test_what_a_kill_left_without_a_reading_goes(tmp_path: Path) -> None:
    (tmp_path / "node1-20200101-000000Z.proctop").write_bytes(b"")
    (tmp_path / "node1-20200102-000000Z.proctop").write_bytes(frames.preamble())
    with Writer(f"{tmp_path}/") as writer:
        writer.write(frame(0))
    assert len(recordings(tmp_path)) == 1


def test_a_recording_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    Writer(f"{tmp_path}/").close()
    assert recordings(tmp_path) == []


def test_a_second_writer_of_the_directory_is_refused(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/"), pytest.raises(WriteFailed, match="another proctop"):
        Writer(f"{tmp_path}/")
    Writer(f"{tmp_path}/").close()


def test_a_directory_that_vanishes_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with Writer(f"{folder}/") as writer:
        writer.write(frame(0))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
        with pytest.raises(WriteFailed, match="not a directory"):
            writer.write(frame(1))
        folder.unlink()
        writer.write(frame(2))
        writer.write(frame(3))
    assert seqs(folder) == [2, 3]


def test_a_file_that_vanishes_is_begun_again(tmp_path: Path) -> None:
    with Writer(f"{tmp_path}/") as writer:
        writer.write(frame(0))
        recordings(tmp_path)[0].unlink()
        writer.write(frame(1))
    assert seqs(tmp_path) == [1]


class Disk:
    def __init__(self, free: int) -> None:
        self.f_frsize, self.f_blocks, self.f_bavail = 4096, 1000, free


@pytest.mark.parametrize("name", ["file.proctop", "folder/"])
def test_some_of_the_disk_is_left_to_others(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(51)
    monkeypatch.setattr(os, "fstatvfs", lambda fd: disk)
    with Writer(f"{tmp_path}/{name}") as writer:
        writer.write(frame(0))
        said = set()
        for seq, disk.f_bavail in enumerate((49, 30, 50, 54), 1):  # five percent, and a little more to go on
            with pytest.raises(WriteFailed, match=r"less than 0\.195 MiB are free") as caught:
                writer.write(frame(seq))
            said.add(str(caught.value))
        assert len(said) == 1
        disk.f_bavail = 55
        writer.write(frame(5))
        disk.f_bavail = 50
        writer.write(frame(6))
    paths = [tmp_path / name] if name[-1] != "/" else recordings(tmp_path / name)
    assert len(paths) == 1
    with Reader(str(paths[0])) as reader:
        assert [record.reading.seq for record in reader] == [0, 5, 6] and not reader.damage


def test_a_file_that_somebody_cut_is_continued_with_a_segment(tmp_path: Path) -> None:
    path = tmp_path / "a.proctop"
    with Writer(str(path)) as writer:
        writer.write(frame(0))
        size = path.stat().st_size
        writer.write(frame(1))
        os.truncate(path, size)
        writer.write(frame(2))
        os.truncate(path, 0)
        writer.write(frame(3))
    with Reader(str(path)) as reader:
        assert [record.reading.seq for record in reader] == [3]
