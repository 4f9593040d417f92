"""Recording beside a view: what is handed to a tape, and what a tape in trouble costs."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from frames import Proc, build
from proctop.frames import Frame
from proctop.recording import RecordingEngine
from proctop.records import Reading
from proctop.scoring.registry import make
from proctop.stream.reader import Reader
from proctop.stream.spool import Spool
from proctop.stream.writer import Writer


class FakeTape:
    def __init__(self, path: str) -> None:
        self.path = path or "named by itself"
        self.written: list[Frame | Reading] = []
        self.trouble = ""
        self.lost = 0
        self.closed = False

    def write(self, what: Frame | Reading) -> None:
        assert not self.closed
        self.written.append(what)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tapes() -> list[FakeTape]:
    return []


@pytest.fixture
def engine(tapes: list[FakeTape]) -> RecordingEngine:
    def load(path: str) -> FakeTape:
        if path == "refused":
            raise OSError(path)
        tapes.append(FakeTape(path))
        return tapes[-1]

    return RecordingEngine(make(), load)


def reading(tick: int) -> Reading:
    return build([Proc(1, "init", features={"rss": 1e6})], tick=tick, wall=1.8e9 + tick).reading


def test_nothing_is_recorded_until_asked_for(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.step(reading(0))
    assert (tapes, engine.recording) == ([], "")


def test_frames_are_recorded_with_their_scores_from_start_to_stop(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.step(reading(0))
    engine.start("a")
    frame = engine.step(reading(1))
    assert engine.recording == "a"
    engine.start()
    assert engine.recording == "named by itself"
    engine.stop()
    engine.step(reading(2))
    assert engine.recording == ""
    assert [tape.written for tape in tapes] == [[frame], []]
    assert all(tape.closed for tape in tapes)


def test_toggle_starts_and_stops(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.toggle()
    assert engine.recording == "named by itself"
    engine.toggle()
    assert engine.recording == "" and tapes[0].closed


def test_a_refusal_leaves_nothing_recorded(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.start("a")
    with pytest.raises(OSError, match="refused"):
        engine.start("refused")
    assert tapes[0].closed and engine.recording == ""
    assert engine.step(reading(0)).reading.notes == ()


def test_a_tape_in_trouble_is_a_note_as_long_as_it_is(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.start("a")
    assert engine.step(reading(0)).reading.notes == ()
    tapes[0].trouble, tapes[0].lost = "no space left", 1
    assert engine.step(reading(1)).reading.notes == ("no space left",)
    assert (engine.trouble, engine.lost) == ("no space left", 1)
    tapes[0].trouble = ""
    assert engine.step(reading(2)).reading.notes == ()
    assert (engine.trouble, engine.lost) == ("", 1)
    assert [what.reading.notes for what in tapes[0].written if isinstance(what, Frame)] == [(), (), ()]


def test_how_a_recording_ended_is_known_until_the_next_begins(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.start("a")
    tapes[0].trouble = "the last 3 readings are lost"
    assert engine.unrecorded == ""
    engine.stop()
    assert (engine.unrecorded, engine.trouble) == ("the last 3 readings are lost", "")
    assert engine.step(reading(0)).reading.notes == ()
    engine.start("b")
    assert engine.unrecorded == ""


def test_a_disk_that_hangs_holds_up_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write, hanging, let = tmp_path / "a.proctop", os.write, threading.Event(), threading.Event()

    def hang(fd: int, data: bytes) -> int:
        hanging.set()
        let.wait()
        return write(fd, data)

    engine = RecordingEngine(make(), lambda path: Spool(Writer(path)))
    engine.start(str(path))
    try:
        engine.step(reading(0))
        monkeypatch.setattr(os, "write", hang)
        frames = [engine.step(reading(tick)) for tick in range(1, 20)]
        assert hanging.wait(30)
        assert len(frames) == 19 and "the disk does not answer" in engine.trouble
        assert "the disk does not answer" in frames[-1].reading.notes[-1]
    finally:
        let.set()
    engine.stop()
    with Reader(str(path)) as reader:
        assert [record.reading.seq for record in reader] == list(range(20))
    assert (engine.trouble, engine.lost) == ("", 0)
