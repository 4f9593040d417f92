"""``proctop info``: what it says is what decoding every reading would say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from frames import Proc, build
from proctop import cli
from proctop.frames import Frame
from proctop.offline.info import as_text, examine
from proctop.records import Exit, Label, ProcKey
from proctop.stream import MAJOR, MINOR, StreamError, frames
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer


def seen(seq: int, *, at: float | None = None, late: float = 0.0, boot: str = "one") -> Frame:
    """Three processes, a fourth in every third reading, which has gone in the next."""
    procs = [Proc(7, "app", rank=1.0), Proc(8, "b"), Proc(9, "c")]
    more = seq % 3 == 0
    if more:
        procs.append(Proc(100 + seq, "short", start=seq))
    exits = (Exit(ProcKey(99 + seq, seq - 1), 1, Label("short")),) if seq % 3 == 1 else ()
    mono = 100.0 + (seq if at is None else at)
    made = build(procs, tick=seq, wall=1_700_003_600.0 + mono, late=late, exits=exits)
    return replace(made, reading=replace(made.reading, mono=mono, info=replace(made.reading.info, boot_id=boot)))


def record(path: Path, *made: Frame) -> None:
    with Writer(str(path)) as writer:
        for frame in made:
            writer.write(frame)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """150 readings in three segments, two of them late, a hole of 30 s after the 99th."""
    path = tmp_path / "a.proctop"
    record(path, *(seen(i, at=i + 30.0 * (i >= 100), late=0.75 * (i in (20, 70))) for i in range(150)))
    return path


def test_it_counts_what_is_there(recording: Path) -> None:
    info = examine(str(recording))
    assert (info.readings, info.segments, info.files, info.boots) == (150, 3, 1, 1)
    assert info.samples == 3 * 150 + 50
    assert (info.most, info.processes, info.exits) == (4, 3 + 50, 50)
    assert (info.holes, info.lost, info.late) == (1, 31.0, 2)
    assert (info.damaged, info.skipped, info.torn) == (0, 0, False)
    assert (info.scored, info.redacted, info.format) == (150, True, f"{MAJOR}.{MINOR}")
    assert (info.hostname, info.kernel, info.cpus) == ("node1", "6.1.0", 4)
    assert info.last - info.first == 179.0
    assert info.size == recording.stat().st_size
    assert info.per_sample == info.size / info.samples


def test_a_recording_without_summaries_says_the_same(recording: Path) -> None:
    told = examine(str(recording))
    data = recording.read_bytes()
    bare = recording.with_name("bare.proctop")
    at, kept = frames.PREAMBLE.size, [data[: frames.PREAMBLE.size]]
    while at < len(data):
        head = frames.FrameHead.parse(data[at:])
        end = at + frames.FRAME.size + head.stored
        if head.kind != frames.Kind.SUMMARY:
            kept.append(data[at:end])
        at = end
    bare.write_bytes(b"".join(kept))
    assert bare.stat().st_size < recording.stat().st_size
    assert examine(str(bare)) == replace(told, path=str(bare), size=bare.stat().st_size)


def test_a_summary_is_believed_without_decoding(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    monkeypatch.setattr("proctop.stream.archive.Archive.get", lambda self, segment, k: decoded.append(k))
    assert examine(str(recording)).readings == 150
    assert decoded == [0]  # one reading, for the interval


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_torn_end_is_told(cut: int, recording: Path) -> None:
    data = recording.read_bytes()
    recording.write_bytes(data[:-cut])
    with Reader(str(recording)) as reader:
        count = sum(1 for _ in reader)
    info = examine(str(recording))
    assert (info.readings, info.torn, info.damaged) == (count, True, 0)
    assert "ends within a reading" in as_text(info)


def test_damage_is_told(recording: Path) -> None:
    data = bytearray(recording.read_bytes())
    second = data.index(frames.SYNC, data.index(frames.SYNC) + 1)
    data[second + 2000] ^= 1
    recording.write_bytes(data)
    with Reader(str(recording)) as reader:
        count = sum(1 for _ in reader)
    info = examine(str(recording))
    assert info.readings == count < 150
    assert (info.damaged, info.torn) == (1, False)
    assert info.skipped > 0
    assert "1 of 3 segments" in as_text(info)


def test_a_directory_and_another_boot(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    record(folder / "a.proctop", *(seen(i) for i in range(5)))
    record(folder / "b.proctop", *(seen(i, at=1000.0 + i, boot="two") for i in range(5)))
    info = examine(str(folder))
    assert (info.files, info.boots, info.readings, info.holes) == (2, 2, 10, 1)
    assert info.lost == 996.0
    assert info.processes == (3 + 2) + (3 + 2)  # alive at the end of each boot, and gone before
    assert info.size == sum(p.stat().st_size for p in folder.glob("*.proctop"))


def test_json_has_everything(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(recording), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["first"] == "2023-11-14T23:15:00.000Z"
    assert (told["readings"], told["processes"], told["exits"], told["interval"]) == (150, 53, 50, 1.0)
    assert told["bytes_per_sample"] > 0


def test_text_is_a_line_for_each_thing(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(recording)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["readings"] == "150, every 1 s"
    assert lines["processes"] == "4 at most, 3 on average, 53 in all, 50 ended"
    assert lines["damage"] == "none"
    assert lines["gaps"] == "1, 31s without readings"


@pytest.mark.parametrize("content", [b"", b"hello, this is no recording", frames.preamble(), frames.preamble() + b"\0" * 100])
def test_what_is_no_recording_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(StreamError, match=str(path)):
        examine(str(path))
    assert cli.main(["info", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"proctop: {path}: ")
    assert err.count("\n") == 1


def test_a_pipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "-"]) == 2
    assert capsys.readouterr().err == "proctop: info looks at a file or a directory; a pipe can be read only once\n"
