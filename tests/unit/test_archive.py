"""Random access to recordings: files, directories of them, memory, and what is left where they end or are damaged."""

from __future__ import annotations

import os
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from frames import Proc, build
from proctop.records import HostInfo, Reading
from proctop.stream import FormatError, StreamError, WriteFailed, frames
from proctop.stream.archive import Archive
from proctop.stream.decoded import Segment
from proctop.stream.ring import Ring, Scratch
from proctop.stream.volume import FileVolume, Place
from replays import recorded

INFO = HostInfo("node1", "6.1.0", "boot-1", 4, 100, 4096, 1 << 34, 1.7e9)
WALL = 1.7e9


def reading(seq: int, info: HostInfo = INFO, at: float = 0.0) -> Reading:
    made = build([Proc(7, "app"), Proc(8, "b")]).reading
    return replace(made, seq=seq, wall=WALL + at + seq, mono=100.0 + at + seq, boot=100.0 + at + seq, info=info)


def some(count: int, at: float = 0.0, info: HostInfo = INFO) -> list[Reading]:
    return [reading(seq, info, at) for seq in range(count)]


def forwards(archive: Archive) -> list[Segment]:
    found = []
    segment = archive.first()
    while segment is not None:
        found.append(segment)
        segment = archive.after(segment)
    return found


def backwards(archive: Archive) -> list[Segment]:
    found = []
    segment = archive.last()
    while segment is not None:
        found.append(segment)
        segment = archive.before(segment)
    return found[::-1]


def walls(archive: Archive) -> list[float]:
    return [record.reading.wall - WALL for record in archive.records()]


def test_segments_are_found_from_both_ends_and_by_time(tmp_path: Path) -> None:
    archive = Archive.open(recorded(tmp_path / "a", some(601)))
    segments = forwards(archive)
    assert [s.wall - WALL for s in segments] == [60.0 * k for k in range(11)]
    assert backwards(archive) == segments
    for wall in (-1.0, 0.0, 59.9, 60.0, 333.0, 600.0, 1e6):
        expected = next((s for s in reversed(segments) if s.wall <= WALL + wall), None)
        assert archive.at(WALL + wall) == expected
    assert [archive.length(s) for s in segments] == [60] * 10 + [1]


def test_the_moment_of_a_long_file_is_found_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Path(recorded(tmp_path / "one", some(1))).read_bytes()[frames.PREAMBLE.size :]
    start = frames.FRAME.size + len(frames.SYNC)
    data = bytearray(frames.preamble())
    for k in range(400):  # 400 segments of 40 KB, as a day has of more
        head = frames.FrameHead.parse(one)
        body = bytearray(one[frames.FRAME.size : frames.FRAME.size + head.stored])
        body[16:24] = np.float64(WALL + 60 * k).tobytes()
        data += frames.frame(frames.Kind.SEGMENT, head.plain, bytes(body)) + one[frames.FRAME.size + head.stored :] + bytes(40_000)
    assert start < len(one)
    (tmp_path / "long").write_bytes(data)
    volume = FileVolume(str(tmp_path / "long"))
    read, real = [0], os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        read.append(size)
        return real(fd, size, at)

    monkeypatch.setattr(os, "pread", pread)
    for wall in (0, 60 * 7 + 1, 60 * 399):
        found = volume.at(WALL + wall)
        assert found is not None
        assert found.wall - WALL == wall // 60 * 60
    assert sum(read) < len(data) / 2


def test_readings_that_are_not_kept_are_decoded_again(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", some(130))
    small = Archive([FileVolume(path)], budget=100_000)
    segments = forwards(small)
    for k in (59, 0, 30, 29, 28, 58):
        for segment in segments[:2]:
            record = small.get(segment, k)
            assert record is not None
            assert record.reading.wall == segment.wall + k
    assert small.peek(segments[1], 58) is not None
    assert small.peek(segments[1], 3) is None
    assert small.peek(segments[2], 0) is None


def test_a_file_that_grows_is_seen_growing(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", some(59))
    archive = Archive.open(path)
    segment = archive.last()
    assert segment is not None
    assert (archive.length(segment), archive.get(segment, 59), archive.after(segment)) == (59, None, None)
    recorded(tmp_path / "a", some(2, at=100.0))
    later = archive.after(segment)
    assert later is not None
    assert walls(archive)[-3:] == [58.0, 100.0, 101.0]


def test_a_reading_that_is_being_written_is_none_yet(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = Path(recorded(tmp_path / "whole", some(3))).read_bytes()
    path.write_bytes(data[:-400])
    archive = Archive.open(str(path))
    before = len(walls(archive))
    assert before < 3
    with path.open("ab") as file:
        file.write(data[-400:])
    assert walls(archive) == [0.0, 1.0, 2.0]
    assert not archive.damage


def test_summaries_are_found_where_there_are_any(tmp_path: Path) -> None:
    path = Path(recorded(tmp_path / "a", some(90)))
    archive = Archive.open(str(path))
    summaries = [archive.summary(segment) for segment in forwards(archive)]
    assert [(s.readings, s.first - WALL, s.last - WALL) if s else None for s in summaries] == [(60, 0.0, 59.0), (30, 60.0, 89.0)]
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(frames.SUMMARY) - frames.FRAME.size])
    killed = Archive.open(str(path))
    assert [killed.summary(segment) is None for segment in forwards(killed)] == [False, True]


# directories


def test_files_of_a_directory_are_one_recording_in_the_order_of_time(tmp_path: Path) -> None:
    recorded(tmp_path / "x.proctop", some(70, at=500.0))
    recorded(tmp_path / "y.proctop", some(70))
    (tmp_path / "notes.txt").write_text("no recording")
    (tmp_path / "junk.proctop").write_text("no recording either, in spite of its name")
    archive = Archive.open(str(tmp_path))
    assert walls(archive) == [*map(float, range(70)), *(500.0 + k for k in range(70))]
    assert forwards(archive) == backwards(archive)
    assert archive.remark == ""
    found = archive.at(WALL + 300.0)
    assert found is not None
    assert found.wall == WALL + 60.0


def test_of_several_hosts_the_newest_is_shown_and_said(tmp_path: Path) -> None:
    recorded(tmp_path / "a.proctop", some(3))
    recorded(tmp_path / "b.proctop", some(3, at=50.0, info=replace(INFO, hostname="node2")))
    archive = Archive.open(str(tmp_path))
    assert walls(archive) == [50.0, 51.0, 52.0]
    assert "holds recordings of node1, node2: this is node2" in archive.remark


def test_recordings_of_one_time_are_not_shown_twice(tmp_path: Path) -> None:
    recorded(tmp_path / "long.proctop", some(300))
    recorded(tmp_path / "within.proctop", some(70, at=100.5))
    recorded(tmp_path / "beyond.proctop", some(300, at=200.25))
    archive = Archive.open(str(tmp_path))
    came = walls(archive)
    assert came == sorted(came)
    assert came[:300] == [float(k) for k in range(300)]
    assert came[-1] == 499.25
    assert forwards(archive) == backwards(archive)
    inside = archive.at(WALL + 120.7)
    assert inside is not None
    assert inside.wall == WALL + 120.0


def test_files_come_and_go(tmp_path: Path) -> None:
    recorded(tmp_path / "1.proctop", some(2))
    recorded(tmp_path / "2.proctop", some(2, at=10.0))
    archive = Archive.open(str(tmp_path))
    oldest = archive.first()
    assert oldest is not None
    assert not archive.refresh()
    recorded(tmp_path / "3.proctop", some(2, at=20.0))
    (tmp_path / "1.proctop").unlink()
    assert archive.refresh()
    assert walls(archive) == [10.0, 11.0, 20.0, 21.0]
    after = archive.after(oldest)
    assert after is not None
    assert after.wall == WALL + 10.0
    assert archive.before(oldest) is None


def test_a_file_that_vanished_between_two_looks_has_no_readings(tmp_path: Path) -> None:
    recorded(tmp_path / "1.proctop", some(2))
    recorded(tmp_path / "2.proctop", some(2, at=10.0))
    archive = Archive.open(str(tmp_path))
    (tmp_path / "1.proctop").unlink()
    assert walls(archive) == [10.0, 11.0]


def test_what_is_no_recording_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no recordings in it"):
        Archive.open(str(tmp_path))
    with pytest.raises(StreamError, match="no such file"):
        Archive.open(str(tmp_path / "none"))
    with pytest.raises(StreamError, match="not a regular file"):
        Archive.open(os.devnull)
    (tmp_path / "text").write_text("something else entirely, and long enough")
    with pytest.raises(FormatError, match="not a proctop recording"):
        Archive.open(str(tmp_path / "text"))


def test_false_segment_starts_are_given_up_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.stream.volume._SEARCHED", 1 << 20)
    path = Path(recorded(tmp_path / "a", some(2)))
    false = frames.FRAME.pack(frames.Kind.SEGMENT, frames.LARGEST_HEADER, 10, 0) + frames.SYNC
    path.write_bytes(path.read_bytes() + false * 10_000)
    archive = Archive.open(str(path))
    assert walls(archive) == [0.0, 1.0]
    assert archive.damage.skipped >= len(false) * 9_999


def bomb() -> bytes:
    """A reading that tells the truth about a gigabyte of zeros."""
    stream = zstandard.ZstdCompressor().compressobj()
    return b"".join(stream.compress(bytes(1 << 20)) for _ in range(1 << 10)) + stream.flush()


@pytest.mark.parametrize("plain", [100, frames.LARGEST_READING, 0xFFFFFFFF], ids=["says little", "says what is allowed", "says 4 GB"])
def test_a_bomb_costs_its_segment_and_little_memory(tmp_path: Path, plain: int) -> None:
    path = tmp_path / "a"
    first = Path(recorded(tmp_path / "first", some(3))).read_bytes()
    second = Path(recorded(tmp_path / "second", some(3, at=50.0))).read_bytes()
    body = bomb()
    path.write_bytes(first + frames.frame(frames.Kind.READING, plain, body) + second[frames.PREAMBLE.size :])
    tracemalloc.start()
    try:
        archive = Archive.open(str(path))
        assert walls(archive) == [0.0, 1.0, 2.0, 50.0, 51.0, 52.0]
        assert tracemalloc.get_traced_memory()[1] < 4 * frames.LARGEST_READING
    finally:
        tracemalloc.stop()
    assert archive.damage


def test_a_summary_that_is_none_is_as_none(tmp_path: Path) -> None:
    path = Path(recorded(tmp_path / "a", some(3)))
    data = path.read_bytes()
    at = data.rindex(frames.SUMMARY)
    false = (
        frames.SUMMARY + zstandard.compress(b"[1,2,3]"),
        frames.SUMMARY + zstandard.compress(b"[" * 100_000),
        frames.SUMMARY + zstandard.compress(bytes(1 << 28)),
        frames.SUMMARY + b"not zstd",
        frames.SUMMARY,
    )
    for body in false:
        path.write_bytes(data[: at - frames.FRAME.size] + frames.frame(frames.Kind.SUMMARY, 10, body))
        archive = Archive.open(str(path))
        assert [archive.summary(segment) for segment in forwards(archive)] == [None]
        assert walls(archive) == [0.0, 1.0, 2.0]


def test_a_file_of_nothing_but_damage_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = Path(recorded(tmp_path / "one", some(1))).read_bytes()[frames.PREAMBLE.size :]
    head = frames.FRAME.size + frames.FrameHead.parse(data).stored
    path.write_bytes(frames.preamble() + (data[:head] + bytes(50)) * 3000)
    archive = Archive.open(str(path))
    tracemalloc.start()
    try:
        assert walls(archive) == []
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert archive.damage.segments == 3000


# memory


def test_memory_holds_the_newest_within_its_budget() -> None:
    ring = Ring(budget=8_000)
    for r in some(1200):
        ring.write(r)
    archive = Archive([ring])
    came = walls(archive)
    assert came[-1] == 1199.0
    assert came == [float(k) for k in range(int(came[0]), 1200)]
    assert came[0] % 60 == 0
    assert came[0] > 0
    assert sum(len(part.data) for part in ring._parts) <= 8_000


def test_summaries_of_memory_are_found() -> None:
    ring = Ring()
    for r in some(130):
        ring.write(r)
    archive = Archive([ring])
    summaries = [archive.summary(segment) for segment in forwards(archive)]
    assert [s.readings if s else None for s in summaries] == [60, 60, None]


def test_memory_is_read_while_it_is_written() -> None:
    ring, stop = Ring(budget=20_000), threading.Event()

    def write() -> None:
        seq = 0
        while not stop.is_set():
            ring.write(reading(seq))
            seq += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            came = [wall for wall in walls(Archive([ring])) if wall]
            assert came == sorted(came)
    finally:
        stop.set()
        writer.join()
    assert not Archive([ring]).damage


def test_a_segment_that_memory_let_go_of_has_no_readings() -> None:
    ring = Ring(budget=8_000)
    ring.write(reading(0))
    archive = Archive([ring])
    oldest = archive.first()
    assert oldest is not None
    for r in some(1200, at=1.0):
        ring.write(r)
    assert archive.get(oldest, 0) is None
    after = archive.after(oldest)
    assert after is not None
    assert after == archive.first()


def test_a_scratch_file_has_no_name_and_is_read_while_it_is_written(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    volume = scratch.volume("again")
    archive = Archive([volume])
    assert archive.first() is None
    scratch.write(reading(0))
    assert walls(archive) == [0.0]
    scratch.write(reading(1))
    scratch.finish()
    scratch.close()
    assert walls(archive) == [0.0, 1.0]
    segment = archive.first()
    assert segment is not None
    assert isinstance(segment.place, Place)
    assert archive.summary(segment) is not None


def test_where_no_scratch_file_can_be_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="no temporary file: no such file"):
        Scratch(str(tmp_path / "none"))
