"""A recording scored anew while it is looked at: what it shows is what a session would have shown, and what ends it is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from proctop.engine import Engine
from proctop.frames import Frame
from proctop.player import Player
from proctop.rescore import Rescore, Steps
from proctop.scoring.baseline import Baseline
from proctop.stream import StreamError, WriteFailed
from proctop.stream.archive import Archive
from proctop.stream.ring import Scratch
from proctop.stream.seen import Record
from replays import frames_of, lived, recorded, screen, settle, watching


@pytest.fixture(scope="module")
def session() -> list[Frame]:
    return frames_of(lived(4, 90))


def scored(came: Iterator[Record], steps: Steps, scratch: Scratch) -> tuple[Player, Rescore]:
    volume = scratch.volume("again")
    again = Rescore(came, steps.step, scratch)
    again.start()
    again.join(60)
    assert not again.is_alive()
    return Player(Archive([volume])), again


def test_raw_readings_show_what_the_session_would_have_shown(session: list[Frame], tmp_path: Path) -> None:
    archive = Archive.open(recorded(tmp_path / "raw", (frame.reading for frame in session)))
    player, again = scored(archive.records(), Steps(watching(), anew=False), Scratch(str(tmp_path)))
    assert again.trouble == ""
    for seen in (session[0], session[61], session[89]):
        assert screen(settle(player, player.at(seen.reading.wall))) == screen(seen)
    events = {(event.start, event.key) for frame in session for event in frame.alerts}
    assert [(mark.wall, mark.key) for mark in player.marks] == sorted(events)


def test_what_was_seen_stays_unless_it_is_to_be_scored_anew(session: list[Frame], tmp_path: Path) -> None:
    path = recorded(tmp_path / "seen", session)
    other = Engine(Baseline(budget=0.01))
    stays, _ = scored(Archive.open(path).records(), Steps(other, anew=False), Scratch(str(tmp_path)))
    assert screen(settle(stays, stays.last())) == screen(session[-1])
    anew, _ = scored(Archive.open(path).records(), Steps(other, anew=True), Scratch(str(tmp_path)))
    frame = settle(anew, anew.last())
    assert not any(frame.scores.alerting)
    assert np.array_equal(frame.batch.values, session[-1].batch.values, equal_nan=True)


def test_it_is_played_while_it_grows(session: list[Frame], tmp_path: Path) -> None:
    more, taken = threading.Semaphore(0), threading.Semaphore(0)

    def came() -> Iterator[Record]:
        for frame in session:
            more.acquire()
            yield Record(frame.reading, None)
            taken.release()

    scratch = Scratch(str(tmp_path))
    player = Player(Archive([scratch.volume("again")]))
    again = Rescore(came(), Steps(watching(), anew=False).step, scratch)
    again.start()
    assert player.last() is None
    for count in (3, 70):
        for _ in range(count):
            more.release()
            assert taken.acquire(timeout=20)
    shown = player.last()
    assert shown is not None
    assert shown.reading.seq == 72
    assert again.begun.is_set()
    again.close()
    more.release()
    again.join(20)
    assert not again.is_alive()


class Full:
    """A tape that takes ``room`` frames."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.closed = False

    def write(self, what: Frame) -> None:
        self.room -= 1
        if self.room < 0:
            raise WriteFailed("temporary file: no space left on device")

    def finish(self) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("room", [0, 5])
def test_a_full_disk_ends_it_with_a_word(session: list[Frame], room: int) -> None:
    tape = Full(room)
    again = Rescore((Record(frame.reading, None) for frame in session), Steps(watching(), anew=False).step, tape)
    again.run()
    assert again.trouble == "scored no further: temporary file: no space left on device"
    assert tape.closed
    assert again.begun.is_set()


def test_a_recording_that_cannot_be_read_on_ends_it_with_a_word(session: list[Frame]) -> None:
    def broken() -> Iterator[Record]:
        yield Record(session[0].reading, None)
        raise StreamError("a.proctop: input/output error")

    again = Rescore(broken(), Steps(watching(), anew=False).step, Full(9))
    again.run()
    assert again.trouble == "scored no further: a.proctop: input/output error"


def test_a_recording_that_grows_is_waited_for(session: list[Frame], tmp_path: Path) -> None:
    path = recorded(tmp_path / "raw", (frame.reading for frame in session[:3]))
    asked = 0

    def more() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            recorded(tmp_path / "raw", (frame.reading for frame in session[3:5]))
        return asked < 4

    came = [record.reading.seq for record in Archive.open(path).records(more=more)]
    assert came == [0, 1, 2, 3, 4]
