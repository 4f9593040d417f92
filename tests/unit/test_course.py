"""One process over time: what is decoded is what was lived through, with its gaps, in slices and within bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proctop.course import LONGEST, MOST_KIN, join, moment, trace
from proctop.engine import Engine
from proctop.features import derive
from proctop.frames import Course, Frame
from proctop.player import Player
from proctop.records import ProcKey, Reading
from proctop.scoring.baseline import Baseline
from proctop.stream.archive import Archive
from proctop.stream.ring import Ring
from replays import frames_of, lived, recorded
from traffic import MS, Host

KEY = ProcKey(100, 500_000)


@pytest.fixture(scope="module")
def session() -> list[Frame]:
    return frames_of(lived(3, 190))


@pytest.fixture(scope="module")
def path(session: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> str:
    return recorded(tmp_path_factory.mktemp("course") / "a", session)


def whole(player: Player, key: ProcKey, begin: float, end: float) -> Course:
    last: Course | None = None
    for course in player.series(key, begin, end):
        last = last if course is None else course
    assert last is not None and last.complete
    return last


def seen(frames: list[Frame], key: ProcKey) -> list[tuple[float, int, Frame]]:
    """Wall clock and row of every frame that has the process."""
    found = []
    for frame in frames:
        rows = np.flatnonzero((frame.reading.pid == key.pid) & (frame.reading.start == key.start))
        found += [(frame.reading.wall, int(row), frame) for row in rows]
    return found


def same(course: Course, frames: list[Frame], key: ProcKey) -> None:
    lived_through = seen(frames, key)
    assert lived_through
    assert course.wall.tolist() == [wall for wall, _, _ in lived_through]
    assert np.array_equal(course.values, np.stack([frame.batch.values[:, row] for _, row, frame in lived_through], axis=1), equal_nan=True)
    assert np.array_equal(course.rank, np.array([frame.scores.rank[row] for _, row, frame in lived_through]), equal_nan=True)
    assert course.alerting.tolist() == [bool(frame.scores.alerting[row]) for _, row, frame in lived_through]


def test_what_was_recorded_is_what_was_lived_through(session: list[Frame], path: str) -> None:
    player = Player(Archive.open(path))
    keys = {session[k].reading.key(i) for k in (0, 70, 189) for i in range(len(session[k].reading))}
    assert len(keys) > 14
    for key in keys:
        same(whole(player, key, 0.0, 2e10), session, key)
    assert player.position is None


def test_memory_tells_the_same(session: list[Frame]) -> None:
    ring = Ring()
    for frame in session:
        ring.write(frame)
    same(whole(Player(Archive([ring])), KEY, 0.0, 2e10), session, KEY)


def test_a_part_is_that_part_with_the_rates_of_its_first_reading(session: list[Frame], path: str) -> None:
    walls = [frame.reading.wall for frame in session]
    part = whole(Player(Archive.open(path)), KEY, walls[58], walls[130])
    assert part.wall.tolist() == walls[58:131]
    same(part, session[58:131], KEY)
    begun = Player(Archive.open(path), walls[100], walls[120])
    assert whole(begun, KEY, 0.0, 2e10).wall.tolist() == walls[100:121]


def test_it_comes_newest_first_and_in_slices(session: list[Frame], path: str) -> None:
    player = Player(Archive.open(path))
    steps = list(player.series(KEY, 0.0, 2e10))
    assert sum(step is None for step in steps) >= 190 // 8 - 4
    came = [step for step in steps if step is not None]
    lengths = [len(course) for course in came]
    assert lengths == sorted(lengths) and lengths[0] == 190 % 60 and [course.complete for course in came].count(True) == 1
    newest = session[-1].reading.wall
    assert all(course.wall[-1] == newest for course in came)


def test_another_process_with_its_pid_is_none_of_it(session: list[Frame], path: str) -> None:
    course = whole(Player(Archive.open(path)), KEY._replace(start=KEY.start + 1), 0.0, 2e10)
    assert len(course) == 0 and course.values.shape[0] == session[0].batch.values.shape[0]


def test_others_of_its_name_are_sampled(session: list[Frame], path: str) -> None:
    key = next(session[-1].reading.key(i) for i, label in enumerate(session[-1].batch.labels) if label.comm == "work1")
    course = whole(Player(Archive.open(path)), key, 0.0, 2e10)
    assert 100 < course.kin.shape[1] <= MOST_KIN
    now = moment(session[-1], key, kin=True)
    rows = [i for i, label in enumerate(session[-1].batch.labels) if label.comm == "work1" and session[-1].reading.key(i) != key]
    assert np.array_equal(now.kin, session[-1].batch.values[:, rows], equal_nan=True)
    assert moment(session[-1], key).kin.shape[1] == 0


def long(readings: int) -> list[Reading]:
    host = Host()
    host.born(100, "work")
    out = []
    for k in range(readings):
        host.did(100, utime=10 * MS * (k % 7), run_ns=1e7 * (k % 7))
        out.append(host.read())
    return out


def test_of_a_long_span_some_readings_of_each_segment_are_taken(tmp_path: Path) -> None:
    readings = long(1200)
    archive = Archive.open(recorded(tmp_path / "a", readings))
    key = readings[0].key(0)
    for most, per in ((1200, 60), (400, 20), (100, 5), (12, 3)):
        steps = [step for step in trace(archive, key, 0.0, 2e10, most) if step is not None]
        course = steps[-1]
        decoded = len(course) + (0 if per == 60 else sum(1 for _ in range(len(steps) - 1)))
        assert decoded <= max(most, 3 * len(steps))
        assert len(course) == (1200 if per == 60 else (len(steps) - 1) * (per - 1))
        assert course.every == (1 if per == 60 else round(1200 / len(course)))
        gaps = np.diff(course.wall) - course.covers[1:]
        assert (gaps <= 1e-6).all(), (most, gaps.max())  # what is not looked at is no gap
        values = dict(zip(course.wall.tolist(), course.values.T, strict=True))
        prev, batch = None, None
        for reading in readings:
            batch = derive(prev, reading, batch)
            prev = reading
            if reading.wall in values and per < 60:
                assert np.array_equal(values[reading.wall], batch.values[:, 0], equal_nan=True) or reading.seq < 60


def test_a_hole_in_a_recording_is_a_gap(tmp_path: Path) -> None:
    readings = long(1200)
    holed = readings[:400] + readings[800:]
    for most in (1200, 100):
        steps = list(trace(Archive.open(recorded(tmp_path / f"a{most}", holed)), readings[0].key(0), 0.0, 2e10, most))
        course = steps[-1]
        assert course is not None
        apart = np.diff(course.wall)
        at = int(np.argmax(apart))
        assert apart[at] >= 400 and course.covers[at + 1] < 130


def test_what_was_damaged_costs_its_segment(session: list[Frame], path: str, tmp_path: Path) -> None:
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2] ^= 0xFF
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    course = whole(Player(Archive.open(str(bad))), KEY, 0.0, 2e10)
    assert 120 <= len(course) < 190


def test_joined_courses_are_one(session: list[Frame], path: str) -> None:
    player = Player(Archive.open(path))
    walls = [frame.reading.wall for frame in session]
    early, late = whole(player, KEY, 0.0, walls[120]), whole(player, KEY, walls[100], 2e10)
    for a, b in ((early, late), (late, early)):
        same(join(a, b, 0.0), session, KEY)
    grown = early
    for frame in session[121:]:
        grown = join(grown, moment(frame, KEY), walls[0])
    same(grown, session, KEY)
    assert join(early, late, walls[150]).wall.tolist() == walls[150:]
    assert len(join(early, moment(session[5], KEY._replace(pid=99_999)), 0.0)) == len(early)


def test_where_both_tell_the_newer_course_is_right(session: list[Frame]) -> None:
    one = moment(session[9], KEY)
    other = replace(one, rank=np.full(1, 5.0, np.float32))
    assert join(one, other, 0.0).rank.tolist() == other.rank.tolist()


def test_a_course_is_bounded_and_covers_what_it_did(session: list[Frame]) -> None:
    one = moment(session[9], KEY, kin=True)
    n = LONGEST + 1000
    long = replace(
        one, wall=np.arange(n, dtype=float), covers=np.ones(n), values=np.repeat(one.values, n, axis=1), rank=np.zeros(n, np.float32),
        alerting=np.zeros(n, np.bool_), kin=np.zeros((one.values.shape[0], MOST_KIN), np.float32),
    )  # fmt: skip
    for k in range(3):
        long = join(long, replace(one, wall=np.array([float(n + k)])), -1.0)
        assert len(long) <= LONGEST and long.kin.shape[1] <= MOST_KIN
    assert (np.diff(long.wall) <= long.covers[1:] + 1e-9).all()
    assert long.wall[-1] == n + 2 and long.wall[0] - long.covers[0] <= 0.0


def test_a_gap_has_no_rates_and_covers_no_more_than_a_reading() -> None:
    readings = long(100)
    engine = Engine(Baseline())
    frames = [engine.step(reading) for reading in readings[:50] + readings[80:]]
    key = readings[0].key(0)
    course = moment(frames[0], key)
    for frame in frames[1:]:
        course = join(course, moment(frame, key), 0.0)
    assert np.isnan(course.values[0, 50]) and course.covers[50] == 1.0 and course.wall[50] - course.wall[49] == 31.0
