"""Recording beside a view: what is written, and what a failing tape costs."""

from __future__ import annotations

import pytest

from frames import Proc, build
from proctop.recording import RecordingEngine
from proctop.records import Frame, Reading
from proctop.scoring.registry import make


class Full(Exception):
    pass


class FakeTape:
    def __init__(self, path: str) -> None:
        self.path = path or "named by itself"
        self.written: list[Frame | Reading] = []
        self.full = False
        self.closed = False

    def write(self, what: Frame | Reading) -> None:
        if self.full:
            raise Full("no space left")
        self.written.append(what)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tapes() -> list[FakeTape]:
    return []


@pytest.fixture
def engine(tapes: list[FakeTape]) -> RecordingEngine:
    def load(path: str) -> FakeTape:
        tapes.append(FakeTape(path))
        return tapes[-1]

    return RecordingEngine(make(), load, Full)


def reading(tick: int) -> Reading:
    return build([Proc(1, "init", features={"rss": 1e6})], tick=tick).reading


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


def test_a_full_disk_is_a_note_and_every_frame_a_new_attempt(engine: RecordingEngine, tapes: list[FakeTape]) -> None:
    engine.start("a")
    engine.step(reading(0))
    tapes[0].full = True
    assert engine.step(reading(1)).reading.notes == ("no space left",)
    assert engine.trouble == "no space left"
    tapes[0].full = False
    assert engine.step(reading(2)).reading.notes == ()
    assert engine.trouble == ""
    assert len(tapes[0].written) == 2
