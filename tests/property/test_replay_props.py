"""What a replay shows is what was seen: in order, after any jump, and whatever has happened to the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proctop.engine import SeenEngine
from proctop.frames import Frame
from proctop.player import Player
from proctop.stream import StreamError, frames
from proctop.stream.archive import Archive
from replays import exported, frames_of, lived, recorded, screen, settle


def alike(shown: Frame, seen: Frame) -> None:
    assert np.array_equal(shown.batch.values, seen.batch.values, equal_nan=True)
    assert np.array_equal(shown.batch.prev, seen.batch.prev)
    everyone = np.arange(len(seen.reading))
    assert np.array_equal(shown.history.past(everyone, 120), seen.history.past(everyone, 120), equal_nan=True)
    assert np.array_equal(shown.history.host, seen.history.host, equal_nan=True)
    mine, theirs = screen(shown), screen(seen)
    assert mine.keys() == theirs.keys()
    for key in theirs:
        assert mine[key] == theirs[key], key
    assert exported(shown) == exported(seen)


@pytest.fixture(scope="module")
def session() -> list[Frame]:
    return frames_of(lived(3, 200))


@pytest.fixture(scope="module")
def path(session: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> str:
    return recorded(tmp_path_factory.mktemp("replay") / "a.proctop", session)


def test_a_replay_shows_every_frame_as_it_was_seen(session: list[Frame], path: str) -> None:
    assert any(frame.alerts for frame in session) and any(frame.departed is not None for frame in session)
    assert any(frame.groups["command"].alerting.any() for frame in session) and any(frame.groups["container"].why for frame in session)
    assert any(frame.vitals is not None and frame.vitals.alerting.any() and frame.vitals.why for frame in session)
    player = Player(Archive.open(path))
    frame = player.first()
    for seen in session:
        alike(settle(player, frame), seen)
        frame = player.step()
    assert frame is None


def test_one_after_the_other_they_look_the_same(session: list[Frame], path: str) -> None:
    engine = SeenEngine()
    for seen, record in zip(session, Archive.open(path).records(), strict=True):
        mine, theirs = screen(engine.step(record)), screen(seen)
        assert mine == theirs


def test_so_it_does_after_any_jump(session: list[Frame], path: str) -> None:
    rng = np.random.default_rng(1)
    player = Player(Archive.open(path))
    first, last = session[0].reading.wall, session[-1].reading.wall
    for wall in rng.uniform(first - 1, last + 1, 40):
        seen = max((f for f in session if f.reading.wall <= wall), key=lambda f: f.reading.seq, default=session[0])
        alike(settle(player, player.at(wall)), seen)
        back = player.step(-7)
        if back is not None:
            alike(settle(player, back), session[max(0, seen.reading.seq - 7)])


def test_what_was_recorded_without_a_hint_of_what_changed_too(tmp_path: Path) -> None:
    frames = frames_of(lived(5, 70, hints=False))
    player = Player(Archive.open(recorded(tmp_path / "a", frames)))
    for seen in (frames[69], frames[60], frames[59], frames[3]):
        alike(settle(player, player.at(seen.reading.wall)), seen)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Frame]]:
    """Six readings in three segments."""
    frames = frames_of(lived(9, 6, processes=3))
    path = tmp_path_factory.mktemp("short") / "a.proctop"
    for k in (0, 2, 4):
        recorded(path, frames[k : k + 2])
    return path.read_bytes(), frames


def everything(path: Path, data: bytes) -> tuple[list[Frame], Player]:
    """All that can be seen of a file, forwards and backwards, and after jumps."""
    path.write_bytes(data)
    player = Player(Archive.open(str(path)))
    came = []
    frame = player.first()
    while frame is not None:
        came.append(settle(player, frame))
        frame = player.step()
    back = []
    frame = player.last()
    while frame is not None:
        back.append(frame)
        frame = player.step(-1)
    assert [f.reading.seq for f in back] == [f.reading.seq for f in reversed(came)]
    if player.span is not None:
        for wall in np.linspace(*player.span, 4):
            player.at(wall)
        assert player.timeline(*player.span, 9).size == 9
    for mark in player.marks:
        assert player.at(mark.wall) is not None
    return came, player


hostile = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], print_blob=False)


@hostile
@given(size=st.integers(0, 1 << 30))
def test_every_truncation_plays_as_a_prefix(short: tuple[bytes, list[Frame]], tmp_path: Path, size: int) -> None:
    data, frames = short
    size %= len(data) + 1
    try:
        came, _ = everything(tmp_path / "a", data[:size])
    except StreamError:
        assert size < 100
        return
    assert [f.reading.seq for f in came] == list(range(len(came)))
    if came:
        alike(came[-1], frames[len(came) - 1])


@hostile
@given(at=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_at_most_its_segment_and_is_told(short: tuple[bytes, list[Frame]], tmp_path: Path, at: int, bit: int) -> None:
    data, frames = short
    damaged = bytearray(data)
    at %= len(data)
    damaged[at] ^= 1 << bit
    try:
        came, player = everything(tmp_path / "a", bytes(damaged))
    except StreamError:
        assert at < 10
        return
    assert len(came) >= len(frames) - 2
    assert len(came) == len(frames) or player.trouble
    for shown in came:  # what was lost leaves no rates behind that were never seen
        seen = frames[shown.reading.seq]  # but those that ended in it are not known
        assert screen(replace(shown, departed=None)).keys() == screen(replace(seen, departed=None)).keys()


@hostile
@given(junk=st.binary(max_size=200), at=st.integers(0, 1 << 30), syncs=st.integers(0, 3), times=st.integers(1, 3))
def test_junk_and_repeated_segments_neither_stop_nor_upset_it(
    short: tuple[bytes, list[Frame]], tmp_path: Path, junk: bytes, at: int, syncs: int, times: int
) -> None:
    data, frames = short
    at = 10 + at % (len(data) - 10)
    came, _ = everything(tmp_path / "a", data[:at] + junk + (FRAME_OF_SYNC + junk) * syncs + data[10:] * times)
    assert len(came) >= len(frames)


FRAME_OF_SYNC = frames.frame(frames.Kind.SEGMENT, 5, frames.SYNC) + frames.SYNC
