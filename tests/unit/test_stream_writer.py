"""Where a recording goes, who may write it, and what is left when that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frames import Proc, build
from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import StreamError, WriteFailed, frames
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer


def frame(seq: int, **changes: Any) -> Frame:
    made = build([Proc(7, "app", command="app --password=hunter2", rank=1.25), Proc(8, "b")], wall=1.7e9 + seq)
    return replace(made, reading=replace(made.reading, **{"seq": seq, "mono": 100.0 + seq, **changes}))


def seqs(path: Path) -> list[int]:
    with Reader(str(path)) as reader:
        return [record.reading.seq for record in reader]


def record(path: Path, *numbers: int) -> None:
    with Writer(str(path)) as writer:
        for seq in numbers:
            writer.write(frame(seq))


def test_a_recording_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "proctop" / "a.proctop"
    old = os.umask(0)
    try:
        record(path, 0)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_a_recording_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, 0, 1)
    record(path, 2)
    assert seqs(path) == [0, 1, 2]


def test_a_torn_end_is_passed_over_when_continued(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, 0, 1)
    os.truncate(path, path.read_bytes().rindex(frames.SUMMARY) - frames.FRAME.size - 3)
    record(path, 2)
    with Reader(str(path)) as reader:
        assert [r.reading.seq for r in reader] == [0, 2]
        assert reader.damage.segments == 1


def test_segments_hold_sixty_readings(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, *range(2 * frames.READINGS + 1))
    assert path.read_bytes().count(frames.SYNC) == 3
    assert seqs(path) == list(range(2 * frames.READINGS + 1))


def test_another_host_starts_a_segment(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with Writer(str(path)) as writer:
        writer.write(frame(0))
        writer.write(frame(1, info=replace(frame(0).reading.info, boot_id="another"), mono=3.0))
    with Reader(str(path)) as reader:
        assert [r.reading.info.boot_id == "another" for r in reader] == [False, True]


def test_scores_are_kept_as_they_were_shown(tmp_path: Path) -> None:
    record(tmp_path / "a", 0)
    with Reader(str(tmp_path / "a")) as reader:
        seen = reader.read()
        assert seen is not None and seen.seen is not None
        rank = seen.seen.scores.rank
        assert rank[0] == pytest.approx(1.25, abs=0.1)
        assert rank[1] != rank[1]


@pytest.mark.parametrize(("keep", "there"), [(False, False), (True, True)])
def test_secrets_stay_out_unless_asked_for(tmp_path: Path, keep: bool, there: bool) -> None:
    with Writer(str(tmp_path / "a"), keep_secrets=keep) as writer:
        writer.write(frame(0))
    with Reader(str(tmp_path / "a")) as reader:
        assert reader.header.redacted is not keep
        got = reader.read()
        assert got is not None
        assert ("hunter2" in got.reading.labels[0].command) is there


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with Writer(str(tmp_path / "a")), pytest.raises(WriteFailed, match="another proctop"):
        Writer(str(tmp_path / "a"))
    Writer(str(tmp_path / "a")).close()


def dangers(folder: Path) -> Iterator[tuple[str, Path]]:
    (folder / "other").write_text("precious")
    yield "not a recording", folder / "other"
    (folder / "newer").write_bytes(frames.MAGIC + b"\x63\x00")
    yield "another format", folder / "newer"
    (folder / "link").symlink_to(folder / "target")
    yield "symbolic link", folder / "link"
    os.mkfifo(folder / "fifo")
    yield "regular file", folder / "fifo"
    (folder / "two").write_bytes(b"")
    os.link(folder / "two", folder / "names")
    yield "second name", folder / "two"
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    yield "writable by everybody", folder / "open" / "a"
    yield "writable by everybody", folder / "open"
    yield "not a directory", folder / "other" / "a"


def test_what_is_refused_stays_as_it_was(tmp_path: Path) -> None:
    for words, path in dangers(tmp_path):
        with pytest.raises(WriteFailed, match=words) as caught:
            Writer(str(path))
        assert "\n" not in str(caught.value)
    assert (tmp_path / "other").read_text() == "precious"
    assert not (tmp_path / "target").exists()
    assert list((tmp_path / "open").iterdir()) == []


def test_a_sticky_directory_is_fine(tmp_path: Path) -> None:
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    record(tmp_path / "sticky" / "a", 0)
    assert seqs(tmp_path / "sticky" / "a") == [0]


def test_a_full_disk_costs_readings_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Writer(str(path)) as writer:
        writer.write(frame(0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limit[1]))
        try:
            with pytest.raises(WriteFailed, match="file too large"):
                writer.write(frame(1))
            assert seqs(path) == [0]
            with pytest.raises(WriteFailed):
                writer.write(frame(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        writer.write(frame(3))
    with Reader(str(path)) as reader:
        assert [r.reading.seq for r in reader] == [0, 3]
        assert not reader.damage


def test_a_removed_file_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with Writer(str(path)) as writer:
        writer.write(frame(0))
        path.unlink()
        writer.write(frame(1))
    assert seqs(path) == [1]


def test_a_removed_directory_fails_until_it_can_be_made(tmp_path: Path) -> None:
    path = tmp_path / "dir" / "a"
    with Writer(str(path)) as writer:
        writer.write(frame(0))
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("in the way")
        with pytest.raises(WriteFailed):
            writer.write(frame(1))
        path.parent.unlink()
        writer.write(frame(2))
    assert seqs(path) == [2]


KILLED = """
import sys
import threading
from dataclasses import replace
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer
reading = Reader(sys.argv[1]).read().reading
with Writer(sys.argv[2]) as writer:
    seq = 0
    while True:
        writer.write(replace(reading, seq=seq, mono=reading.mono + seq, wall=reading.wall + seq))
        print(seq, flush=True)
        seq += 1
"""


def test_sigkill_costs_at_most_the_reading_being_written(tmp_path: Path) -> None:
    record(tmp_path / "model", 0)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "model"), str(tmp_path / "a")], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(75)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    got = seqs(tmp_path / "a")
    assert got[: len(told)] == told
    assert len(got) <= len(told) + 1


def test_a_pipe_carries_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(os, "dup", lambda fd: write)
    with Writer("-") as writer:
        writer.write(frame(0))
    with open(read, "rb") as pipe:
        (tmp_path / "piped").write_bytes(pipe.read())
    record(tmp_path / "a", 0)
    assert (tmp_path / "piped").read_bytes() == (tmp_path / "a").read_bytes()


def test_nobody_at_the_other_end_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(os, "dup", lambda fd: write)
    with pytest.raises(StreamError, match="nobody reads"):
        Writer("-")


def test_a_reading_alone_has_no_scores(tmp_path: Path) -> None:
    reading: Reading = frame(0).reading
    with Writer(str(tmp_path / "a")) as writer:
        writer.write(reading)
    with Reader(str(tmp_path / "a")) as reader:
        got = reader.read()
        assert got is not None and got.seen is None


@pytest.mark.parametrize("written", [0, 40])
def test_an_error_of_the_disk_costs_the_reading_and_nothing_else(tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "a", os.write

    def broken(fd: int, data: memoryview) -> int:
        if len(data) > 100 and written:
            return write(fd, data[:written])
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Writer(str(path)) as writer:
        writer.write(frame(0))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", broken)
            with pytest.raises(WriteFailed, match="input/output error"):
                writer.write(frame(1))
        assert seqs(path) == [0]
        writer.write(frame(2))
    with Reader(str(path)) as reader:
        assert [r.reading.seq for r in reader] == [0, 2] and not reader.damage


def test_a_recording_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with Writer(str(path)) as writer:
        for seq in range(130):
            writer.write(frame(seq))
            if seq % 13 == 0:
                with Reader(str(path)) as reader:
                    assert [r.reading.seq for r in reader] == list(range(seq + 1))
                    assert not reader.damage and not reader.damage.torn


def test_standard_output_must_not_be_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    with pytest.raises(WriteFailed, match="standard output is a terminal"):
        Writer("-")


def test_a_pipe_that_would_block_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    monkeypatch.setattr(os, "dup", lambda fd: write)
    got = bytearray()

    def drain() -> None:
        while data := os.read(read, 1 << 16):
            got.extend(data)

    drainer = threading.Thread(target=drain)
    with Writer("-") as writer:
        size = fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, bytes(size))
        drainer.start()
        writer.write(frame(0))
    drainer.join()
    os.close(read)
    assert got.count(frames.SYNC) == 1
