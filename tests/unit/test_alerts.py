"""Alert events: their begin, peak and end, and that they outlive their processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frames import REDIS, Proc, build
from proctop.alerts import KEPT, MERGED, SHOWN, Alerts
from proctop.engine import Engine
from proctop.export.lines import reading
from proctop.frames import AlertEvent, Batch, Reason, Scores
from proctop.records import ProcKey
from proctop.scoring.calibration import EPISODE

WHY = (Reason("wchar", 38e6, (0.0, 1e6), "own", "writes 38 MB/s, usual 0–1 MB/s"),)
WORST = (Reason("cpu", 1.0, (0.0, 0.1), "own", "cpu 100 %, usual 0–10 %"),)


class Session:
    """One process, pid 7, in a container; :meth:`at` gives it a slow score at a second, or None: it has gone."""

    def __init__(self) -> None:
        self.alerts = Alerts()

    def at(self, second: int, score: float | None, *, alerting: bool = True, why: tuple[Reason, ...] = WHY) -> tuple[AlertEvent, ...]:
        procs = [Proc(1, "init")]
        if score is not None:
            procs.append(Proc(7, "redis", start=70, container=REDIS, rank=score, per_hour=0.5, alerting=alerting, why=why))
        frame = build(procs, tick=second, wall=1_700_003_600.0 + second)
        scores = frame.scores
        if score is not None:
            slow = scores.alert.copy()
            slow[1] = score
            scores = replace(scores, alert=slow)
        return self.alerts.step(frame.reading, frame.batch, scores)


def test_an_event_has_begin_peak_end_culprit_and_the_reasons_of_its_peak() -> None:
    session = Session()
    session.at(0, 4.0)
    session.at(1, 6.0, why=WORST)
    (event,) = session.at(2, 5.0)
    wall = 1_700_003_600.0
    assert (event.start, event.peak, event.end, event.score) == (wall, wall + 1, wall + 2, 6.0)
    assert (event.key, event.comm, event.container, event.why) == (ProcKey(7, 70), "redis", REDIS, WORST)
    assert event.open and not event.incident


def test_a_short_calm_does_not_end_it_and_a_long_one_does() -> None:
    session = Session()
    session.at(0, 4.0)
    (event,) = session.at(8, 1.0, alerting=False)
    assert event.open
    session.at(9, 4.0)
    (event,) = session.at(9 + int(MERGED) + 1, 1.0, alerting=False)
    assert not event.open and event.end == 1_700_003_609.0
    session.at(21, 4.0)
    assert len(session.alerts.events) == 2


def test_it_outlives_its_process_and_leaves_the_frames_after_a_minute() -> None:
    session = Session()
    session.at(0, 4.0)
    (event,) = session.at(1, None)
    assert not event.open and event.comm == "redis" and event.why == WHY
    assert session.at(1 + int(SHOWN), None) and not session.at(2 + int(SHOWN), None)
    assert session.alerts.events == (event,)


def test_a_peak_without_reasons_keeps_those_that_were_told() -> None:
    session = Session()
    session.at(0, 4.0)
    (event,) = session.at(1, 6.0, why=())
    assert event.why == WHY and event.score == 6.0


def test_open_and_ended_events_are_bounded() -> None:
    alerts = Alerts()
    for tick in range(4):
        crowd = [Proc(10_000 * tick + pid, "x", rank=9.0, per_hour=0.1, alerting=True) for pid in range(1, KEPT + 100)]
        frame = build(crowd, tick=tick)
        shown = alerts.step(frame.reading, frame.batch, frame.scores)
        assert len(shown) <= 2 * KEPT and len(alerts.events) <= 2 * KEPT


class Heard:
    """A detector that only notes what the user says."""

    name = "heard"
    warming = 1.0

    def __init__(self) -> None:
        self.said: list[tuple[str, ProcKey]] = []
        self.frames = [build([Proc(7, "redis", start=70, rank=4.0, per_hour=0.5, alerting=True, why=WHY)], tick=t) for t in range(3)]
        self.at = 0

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        self.at += 1
        return self.frames[self.at - 1].scores

    def accept(self, key: ProcKey) -> None:
        self.said.append(("accept", key))

    def incident(self, key: ProcKey) -> None:
        self.said.append(("incident", key))


def test_what_the_user_says_is_heeded_before_the_next_reading() -> None:
    detector = Heard()
    engine = Engine(detector)
    assert engine.step(detector.frames[0].reading).alerts[0].open
    engine.accept(ProcKey(9, 90))
    engine.incident(ProcKey(7, 70))
    assert detector.said == []
    frame = engine.step(detector.frames[1].reading)
    assert detector.said == [("accept", ProcKey(9, 90)), ("incident", ProcKey(7, 70))]
    assert frame.alerts[0].incident and engine.events[0].incident
    engine.step(detector.frames[2].reading)
    assert len(detector.said) == 2


def test_what_alerts_is_an_episode() -> None:
    """The key that marks an incident asks for a slow score that the calibration counts."""
    assert pytest.approx(1.5) == EPISODE


def test_json_tells_of_alerts_with_the_key_of_the_process() -> None:
    session = Session()
    events = session.at(0, 4.0) + session.at(2, None)
    frame = replace(build([Proc(1, "init")], tick=2), alerts=events)
    going, over = reading(frame, np.array([0]))["alerts"]
    assert (going["pid"], going["start"], going["comm"], going["container"]["image"]) == (7, 70, "redis", REDIS.image)
    assert going["ended"] is None and going["began"] == going["peaked"] == over["ended"]
    assert going["why"][0]["text"] == WHY[0].text and going["every_hours"] == 2.0
