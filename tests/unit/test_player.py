"""Going about in a recording: where one gets to, what is known of the way, and what is said of what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proctop.frames import Frame
from proctop.player import Player
from proctop.records import ProcKey
from proctop.stream import frames as stream_frames
from proctop.stream.archive import Archive
from proctop.stream.ring import Ring
from replays import frames_of, lived, recorded, screen, settle


@pytest.fixture(scope="module")
def session() -> list[Frame]:
    return frames_of(lived(3, 190))


@pytest.fixture(scope="module")
def path(session: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> str:
    return recorded(tmp_path_factory.mktemp("player") / "a", session)


def player(path: str, begin: float | None = None, end: float | None = None) -> Player:
    return Player(Archive.open(path), begin, end)


def tended(path: str) -> Player:
    return tended_of(player(path))


def tended_of(made: Player) -> Player:
    while not made.settled:
        made.tend()
    return made


def seqs(*shown: Frame | None) -> list[int | None]:
    return [None if frame is None else frame.reading.seq for frame in shown]


def began(session: list[Frame]) -> list[tuple[float, ProcKey]]:
    return sorted({(event.start, event.key) for frame in session for event in frame.alerts})


def test_it_goes_where_it_is_told_and_stays_at_the_ends(session: list[Frame], path: str) -> None:
    p = player(path)
    assert p.position is None
    walls = [frame.reading.wall for frame in session]
    assert seqs(p.first(), p.step(-1), p.step(3), p.step(-2)) == [0, None, 3, 1]
    assert p.position == walls[1]
    assert seqs(p.last(), p.step(), p.step(-1), p.step(500)) == [189, None, 188, 189]
    assert seqs(p.at(walls[70] + 0.4), p.at(0.0), p.at(1e10), p.step(-500)) == [70, 0, 189, 0]
    assert not p.newest
    p.last()
    assert p.newest


def test_without_a_position_a_step_goes_to_the_end(path: str) -> None:
    assert seqs(player(path).step(-1)) == [189]


def test_begin_and_end_are_the_ends(session: list[Frame], path: str) -> None:
    walls = [frame.reading.wall for frame in session]
    p = player(path, walls[50] - 0.2, walls[130] + 0.2)
    assert seqs(p.first(), p.step(-1), p.last(), p.step(), p.at(0.0), p.at(1e10)) == [50, None, 130, None, 50, 130]
    assert p.newest
    assert p.span == (walls[50] - 0.2, walls[130] + 0.2)
    shown = p.at(walls[50])
    assert shown is not None
    assert screen(shown) == screen(session[50])  # rates and all, though what they come from lies before
    while not p.settled:
        p.tend()
    assert [mark.wall for mark in p.marks] == [wall for wall, _ in began(session) if walls[50] <= wall <= walls[130]]
    assert seqs(player(path, 1e10).first(), player(path, None, 5.0).last()) == [None, None]


def test_marks_are_the_alert_events_of_the_session(session: list[Frame], path: str) -> None:
    p = tended(path)
    assert [(mark.wall, mark.key) for mark in p.marks] == began(session)
    assert len(p.marks) > 3
    worst = p.marks[0]
    assert worst.comm == "work0"
    assert worst.score > 0


def test_from_mark_to_mark_and_back(session: list[Frame], path: str) -> None:
    p, events = tended(path), began(session)
    p.first()
    visited = []
    while (frame := p.mark()) is not None:
        assert p.marked is not None
        visited.append((frame.reading.wall, p.marked.key))
        assert any(event.key == p.marked.key and event.start == frame.reading.wall for event in frame.alerts)
    assert visited == events
    assert p.mark(-1) is not None
    assert p.marked is not None
    assert (p.marked.wall, p.marked.key) == events[-2]
    p.step()
    assert p.marked is None
    p.last()
    p.mark(-2)
    assert p.marked is not None
    assert (p.marked.wall, p.marked.key) == [event for event in events if event[0] < session[-1].reading.wall][-2]


def test_the_timeline_holds_the_highest_scores(session: list[Frame], path: str) -> None:
    p = tended(path)
    assert p.span == (session[0].reading.wall, session[-1].reading.wall)
    tops = np.array([np.fmax.reduce(frame.scores.rank) for frame in session])
    assert p.timeline(*p.span, 1)[0] == np.nanmax(tops)
    fine = p.timeline(*p.span, 1000)
    assert np.nanmax(fine) == np.nanmax(tops)
    assert not np.isnan(fine[500:]).any()  # columns between two readings show the one before
    assert np.isnan(p.timeline(0.0, 10.0, 5)).all()
    assert p.timeline(*p.span, 7).dtype == np.float32


def test_a_killed_writer_leaves_the_same_marks_and_timeline(session: list[Frame], path: str, tmp_path: Path) -> None:
    data = Path(path).read_bytes()
    killed = tmp_path / "killed"
    killed.write_bytes(data[: data.rindex(stream_frames.SUMMARY) - stream_frames.FRAME.size])
    p, q = tended(path), tended(str(killed))
    assert (q.marks, q.span) == (p.marks, p.span)
    assert p.span is not None
    # Without the summary the readings lie where they were, with it at equal distances.
    assert np.nanmax(q.timeline(*p.span, 50)) == np.nanmax(p.timeline(*p.span, 50))
    assert q.trouble == ""


def test_a_trail_that_is_not_at_hand_comes_later(session: list[Frame], path: str) -> None:
    p = player(path)
    shown = p.at(session[150].reading.wall)
    assert shown is not None
    assert len(shown.history.ranks) == 31  # of its own segment
    assert not p.settled
    whole = settle(p, shown)
    assert np.array_equal(whole.history.host, session[150].history.host, equal_nan=True)
    assert p.tend() is None
    stepped = p.step(-35)
    assert stepped is not None
    assert np.array_equal(settle(p, stepped).history.host, session[115].history.host, equal_nan=True)


def test_host_rates_lead_up_to_what_is_shown(session: list[Frame], path: str) -> None:
    p = player(path)
    assert p.rates(5) == ()
    p.at(session[70].reading.wall)
    assert 9 <= len(p.rates(40)) <= 11  # of what is decoded
    settle(p, p.at(session[70].reading.wall))
    assert len(p.rates(40)) == 40
    settle(p, p.at(session[150].reading.wall))
    assert len(p.rates(40)) == 40
    assert len(p.rates(500)) > 60
    assert len(settle(p, p.first()).history.ranks) == len(p.rates(40)) == 1


def test_a_session_that_was_begun_anew_has_nothing_of_the_one_before(session: list[Frame], tmp_path: Path) -> None:
    later = [
        replace(frame, reading=replace(frame.reading, wall=frame.reading.wall + 9e3, mono=frame.reading.mono + 9e3))
        for frame in session[:5]
    ]
    path = recorded(tmp_path / "a", session[:70])
    recorded(tmp_path / "a", later)
    p = player(path)
    shown = settle(p, p.at(later[0].reading.wall))
    assert np.isnan(shown.batch.dt)
    assert len(shown.history.ranks) == 1
    assert screen(shown) == screen(later[0])
    second = settle(p, p.step())
    assert len(second.history.ranks) == 2


def test_readings_that_were_not_recorded_leave_a_gap(session: list[Frame], tmp_path: Path) -> None:
    p = player(recorded(tmp_path / "a", [*session[:80], *session[83:90]]))
    shown = settle(p, p.at(session[85].reading.wall))
    expected = session[85].history.host.copy()
    expected[-6:-3] = np.nan
    assert np.array_equal(shown.history.host, expected, equal_nan=True)


def test_a_gap_is_a_gap_on_the_timeline(session: list[Frame], tmp_path: Path) -> None:
    """Recorded until the middle of a segment, then not for ten minutes."""
    early, late = session[:30], session[30:60]
    late = [replace(f, reading=replace(f.reading, wall=f.reading.wall + 600, mono=f.reading.mono + 600)) for f in late]
    made = tended(recorded(tmp_path / "a", early + late))
    begin, end = early[0].reading.wall, late[-1].reading.wall
    columns = made.timeline(begin, end, 100)
    walls = np.linspace(begin, end, 101)
    silent = (walls[:-1] > early[-1].reading.wall + 15) & (walls[1:] < late[0].reading.wall)
    assert silent.sum() > 50
    assert np.isnan(columns[silent]).all()
    assert not np.isnan(columns[~silent]).all()


def test_a_growing_recording_is_followed(session: list[Frame], tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", session[:65])
    p = tended(path)
    settle(p, p.last())
    assert p.newest
    recorded(tmp_path / "a", session[65:130])
    while p.tend() is not None or not p.settled:
        pass
    assert not p.newest
    assert p.span == (session[0].reading.wall, session[129].reading.wall)
    assert [mark.wall for mark in p.marks] == [wall for wall, _ in began(session[:130])]
    assert seqs(p.step(), p.last()) == [65, 129]


def test_what_memory_has_forgotten_is_left_for_the_oldest_it_holds(session: list[Frame]) -> None:
    ring = Ring(budget=30_000)
    p = Player(Archive([ring]))
    assert (p.first(), p.last(), p.step(), p.span, p.marks) == (None, None, None, None, ())
    for frame in session[:65]:
        ring.write(frame)
    assert seqs(p.first()) == [0]
    p.tend()
    for frame in session[65:]:
        ring.write(frame)
    oldest = p.first()
    assert oldest is not None
    assert oldest.reading.seq >= 60
    p.tend()  # which notices
    tended_of(p)
    assert p.span is not None
    assert p.span[0] == oldest.reading.wall
    assert all(mark.wall >= p.span[0] for mark in p.marks)


def test_a_moment_that_memory_has_forgotten_while_it_was_shown_gives_way_to_the_oldest(session: list[Frame]) -> None:
    ring = Ring(budget=30_000)
    archive = Archive([ring], budget=1)
    for frame in session[:65]:
        ring.write(frame)
    p = Player(archive)
    p.first()
    for frame in session[65:]:
        ring.write(frame)
    p.tend()
    tended_of(p)  # which decodes other segments
    assert seqs(p.step()) == seqs(p.first())


def test_memory_shows_what_was_seen(session: list[Frame]) -> None:
    ring = Ring()
    for frame in session:
        ring.write(frame)
    p = Player(Archive([ring]))
    for seen in (session[189], session[60], session[7]):
        assert screen(settle(p, p.at(seen.reading.wall))) == screen(seen)
    assert [(mark.wall, mark.key) for mark in tended_of(p).marks] == began(session)


def test_damage_is_said_where_it_is_met(session: list[Frame], path: str, tmp_path: Path) -> None:
    data = bytearray(Path(path).read_bytes())
    data[data.index(stream_frames.SYNC, 5000) + 3000] ^= 1
    (tmp_path / "bad").write_bytes(data)
    p = player(str(tmp_path / "bad"))
    p.first()
    assert p.trouble == ""
    while p.step() is not None:
        pass
    assert p.trouble.startswith("damaged segments: 1, bytes skipped: ")
    once = p.trouble
    p.first()
    p.last()
    assert p.trouble == once


def test_readings_without_scores_among_others_say_so(session: list[Frame], tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", [*session[:3], *(frame.reading for frame in session[3:6])])
    p = player(path)
    last = settle(p, p.last())
    assert np.isnan(last.scores.rank).all()
    assert "recorded without scores" in last.scores.notes[0]
    assert np.array_equal(last.batch.values[0], session[5].batch.values[0], equal_nan=True)
