"""Recordings from end to end: as they were seen, scored anew, from the middle, out of a directory and out of a pipe."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from proctop import cli
from proctop.engine import SeenEngine
from proctop.frames import Frame
from proctop.sources.replay import ReplaySource
from proctop.stream.seen import Record
from replays import exported, frames_of, lived, recorded, screen


@pytest.fixture(scope="module")
def session() -> list[Frame]:
    return frames_of(lived(6, 400))


@pytest.fixture(scope="module")
def path(session: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> str:
    return recorded(tmp_path_factory.mktemp("seen") / "a", session)


def stepped(source: ReplaySource) -> list[Frame]:
    engine, shown = SeenEngine(), []
    while (reading := source.read()) is not None:
        shown.append(engine.step(Record(reading, source.seen)))
    return shown


def test_a_recording_from_end_to_end_shows_what_was_seen(session: list[Frame], path: str) -> None:
    shown = stepped(ReplaySource(path))
    assert len(shown) == len(session)
    for mine, theirs in zip(shown[::7], session[::7], strict=True):
        assert screen(mine) == screen(theirs)
        assert exported(mine) == exported(theirs)


def test_with_a_lead_the_middle_of_it_too(session: list[Frame], path: str) -> None:
    begin = session[310].reading.wall
    shown = stepped(ReplaySource(path, begin, session[320].reading.wall, lead=180.0))
    assert shown[0].reading.seq > 60  # not all from the beginning on
    shown = [frame for frame in shown if frame.reading.wall >= begin]
    assert [screen(frame) for frame in shown] == [screen(frame) for frame in session[310:321]]
    without = stepped(ReplaySource(path, begin))
    assert without[0].reading.seq == 310
    assert np.isnan(without[0].batch.dt)
    assert screen(stepped(ReplaySource(path, begin, lead=float("inf")))[-1]) == screen(session[-1])


def test_another_session_begins_anew(session: list[Frame], tmp_path: Path) -> None:
    recorded(tmp_path / "a", session[300:303])
    path = recorded(tmp_path / "a", session[:2])
    # Its clock does not go on from the other's: as after a second boot.
    engine = SeenEngine()
    shown = [engine.step(Record(frame.reading, None)) for frame in (*session[300:303], *session[:2])]
    assert [len(frame.history.ranks) for frame in shown] == [1, 2, 3, 1, 2]
    assert [np.isnan(frame.batch.dt) for frame in shown] == [True, False, False, True, False]
    assert ReplaySource(path).info == session[0].reading.info


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict[str, object]]:
    assert cli.main(["-b", "--format", "json", *argv]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def scores(frames: list[Frame]) -> list[dict[int, float]]:
    return [
        {int(pid): round(float(rank), 3) for pid, rank in zip(f.reading.pid, f.scores.rank, strict=True) if rank == rank} for f in frames
    ]


def told(readings: list[dict[str, object]]) -> list[dict[int, float]]:
    return [{p["pid"]: round(p["score"], 3) for p in r["processes"] if p["score"] is not None} for r in readings]  # type: ignore[attr-defined]


def iso(frame: Frame) -> str:
    return datetime.fromtimestamp(frame.reading.wall, UTC).isoformat()


def test_batch_mode_tells_what_was_seen(session: list[Frame], path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(printed(capsys, "-r", path, "-n", "90")) == scores(session[:90])
    between = printed(capsys, "-r", path, "--begin", iso(session[200]), "--end", iso(session[205]))
    assert told(between) == scores(session[200:206])
    assert all("cpu" in p["features"] for p in between[0]["processes"])  # type: ignore[attr-defined]


def test_and_scores_anew_where_that_is_asked_for(session: list[Frame], path: str, capsys: pytest.CaptureFixture[str]) -> None:
    anew = printed(capsys, "-r", path, "--rescore", "--begin", iso(session[100]), "--end", iso(session[110]))
    assert told(anew) == scores(session[100:111])  # it has learned from all that came before


def test_and_scores_what_was_recorded_without(session: list[Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "raw", (frame.reading for frame in session[:120]))
    assert told(printed(capsys, "-r", path)) == scores(session[:120])


def test_a_directory_is_one_recording(session: list[Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path / "1.proctop", session[:70])
    recorded(tmp_path / "2.proctop", session[70:140])
    assert told(printed(capsys, "-r", str(tmp_path))) == scores(session[:140])
    later = printed(capsys, "-r", str(tmp_path), "--begin", iso(session[71]))
    assert told(later) == scores(session[71:140])
    assert all("cpu" in p["features"] for p in later[0]["processes"])  # type: ignore[attr-defined]


def test_a_pipe_tells_what_was_seen_too(
    session: list[Frame], path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.dup
    monkeypatch.setattr(os, "dup", lambda fd: os.open(path, os.O_RDONLY) if fd == 0 else real(fd))
    assert told(printed(capsys, "-r", "-", "-n", "70")) == scores(session[:70])


def test_of_several_hosts_in_a_directory_it_is_said_whose_this_is(
    session: list[Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path / "1.proctop", session[:3])
    moved = [replace(f, reading=replace(f.reading, info=replace(f.reading.info, hostname="node2"))) for f in session[5:8]]
    recorded(tmp_path / "2.proctop", moved)
    assert cli.main(["-b", "-r", str(tmp_path), "--format", "csv"]) == 0
    assert "this is node2, the newest" in capsys.readouterr().err
