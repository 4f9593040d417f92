"""Alert events of containers as a whole: many that each do a little more, and nobody to blame."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest

from frames import REDIS, WEB, Proc, build
from proctop.alerts import ALONE, MERGED, Alerts
from proctop.engine import Engine
from proctop.export.alerts import as_csv
from proctop.export.lines import reading
from proctop.export.report.origin import Origin
from proctop.export.report.page import Report
from proctop.frames import AlertEvent, Frame, GroupScores, Reason, is_container
from proctop.player import Player
from proctop.records import ProcKey
from proctop.scoring.baseline import Baseline
from proctop.stream.archive import Archive
from proctop.stream.writer import Writer
from proctop.view.events import Chronicle, news, sentences
from traffic import MS, Host

WALL = 1_700_003_600.0
WHY = (Reason("cpu", 0.35, (0.006, 0.016), "own", "cpu 35 %, usual 0.6–1.6 %"),)


class Boxes:
    """Two containers with a process each; :meth:`at` says which containers alert, and which of the processes do."""

    def __init__(self) -> None:
        self.alerts = Alerts()
        self.frame = build([Proc(1, "init")])

    def at(self, second: float, boxes: str, procs: str = "", there: str = "ab") -> tuple[AlertEvent, ...]:
        made = [
            Proc(1, "init"),
            *(Proc(7, "redis", start=70, container=REDIS, rank=5.0, alerting="a" in procs) for _ in "a" if "a" in there),
        ]
        made += [Proc(8, "nginx", start=80, container=WEB, rank=5.0, alerting="b" in procs) for _ in "b" if "b" in there]
        self.frame = build(made, tick=int(second), wall=WALL + second)
        self.frame = replace(self.frame, reading=replace(self.frame.reading, mono=100.0 + second))
        alerting = np.array(["a" in boxes, "b" in boxes])
        numbers = np.array([6.0, 5.0], np.float32)
        groups = GroupScores((REDIS.id, WEB.id), ("cache", "web-1"), numbers, numbers, numbers, alerting, {0: WHY})
        return self.alerts.step(self.frame.reading, self.frame.batch, self.frame.scores, None, groups)


def test_a_container_that_alerts_alone_for_a_while_has_an_event_of_its_own() -> None:
    boxes = Boxes()
    assert not any(boxes.at(second, "a") for second in range(int(ALONE)))
    (event,) = boxes.at(ALONE, "a")
    assert (event.key, event.comm, event.container, event.start, event.why) == (ProcKey(0, 1), "cache", REDIS, WALL + ALONE, WHY)
    assert event.open and is_container(event.key) and event.box == REDIS.id and boxes.alerts.container(event.key) == REDIS.id
    (event,) = boxes.at(ALONE + 1, "")
    assert event.open
    (event,) = boxes.at(ALONE + 4, "a")  # which began anew
    assert event.start == WALL + ALONE and event.open
    for second in range(5, 5 + int(ALONE)):
        (event,) = boxes.at(ALONE + second, "a")
    assert (event.start, event.end) == (WALL + ALONE, WALL + ALONE + 4 + ALONE)
    (event,) = boxes.at(ALONE + 4 + ALONE + MERGED + 1, "")
    assert not event.open and boxes.alerts.container(event.key) == ""


def test_one_that_calms_down_before_has_none() -> None:
    boxes = Boxes()
    for second in range(60):
        assert not boxes.at(second, "a" if second % 5 else "")


def test_while_a_process_of_it_alerts_or_has_just_done_so_it_has_none() -> None:
    boxes = Boxes()
    for second in range(20):
        events = boxes.at(second, "a", "a" if second > 2 else "")
    assert [event.key for event in events] == [ProcKey(7, 70)]
    for second in range(20, 20 + 2 * int(MERGED)):
        events = boxes.at(second, "a")
    assert [event.key for event in events] == [ProcKey(7, 70)]
    for second in range(20 + 2 * int(MERGED), 30 + 2 * int(MERGED) + int(ALONE)):
        events = boxes.at(second, "a")
    assert [event.key for event in events] == [ProcKey(0, 1), ProcKey(7, 70)]


def test_a_process_that_alerts_later_takes_it_over() -> None:
    boxes = Boxes()
    for second in range(int(ALONE) + 2):
        boxes.at(second, "a")
    begun = ALONE + 2
    events = [boxes.at(begun + second, "a", "a") for second in range(int(MERGED) + 2)][-1]
    assert [(event.key, event.open) for event in events] == [(ProcKey(7, 70), True), (ProcKey(0, 1), False)]
    assert events[1].end == WALL + begun - 1


def test_a_process_of_another_container_is_no_culprit_and_each_has_a_number_that_stays() -> None:
    boxes = Boxes()
    for second in range(20):
        events = boxes.at(second, "b", "a")
    assert {event.key: event.comm for event in events} == {ProcKey(7, 70): "redis", ProcKey(0, 1): "web-1"}
    for second in range(100, 120):
        boxes.at(second, "a")
    for second in range(200, 220):
        boxes.at(second, "b")
    assert [(event.key, event.comm) for event in boxes.alerts.events if not event.key.pid] == [
        (ProcKey(0, 1), "web-1"),
        (ProcKey(0, 2), "cache"),
        (ProcKey(0, 1), "web-1"),
    ]


def test_one_without_a_process_that_lives_has_none() -> None:
    boxes = Boxes()
    for second in range(20):
        assert not boxes.at(second, "a", there="b")


class Crew:
    """Twenty workers in each of two containers."""

    def __init__(self) -> None:
        self.host, self.engine, self.rng = Host(), Engine(Baseline()), np.random.default_rng(1)
        for pid in range(100, 140):
            self.host.born(pid, "worker", container=("a" if pid < 120 else "b") * 64)

    def step(self, more: float = 1.0) -> Frame:
        for pid in range(100, 140):
            work = (more if pid < 120 else 1.0) * float(self.rng.lognormal(0, 0.25))
            self.host.did(pid, run_ns=50 * MS * work, vctx=float(int(100 * work)), wchar=2e4 * work, syscw=float(int(80 * work)))
        return self.engine.step(self.host.read())


@pytest.fixture(scope="module")
def crew() -> list[Frame]:
    """Five minutes of work, then forty seconds in which each worker of one container does 30 % more, then as before."""
    made = Crew()
    return [made.step(1.3 if 300 <= k < 340 else 1.0) for k in range(360)]


def test_many_that_do_a_little_more_are_one_event(crew: list[Frame]) -> None:
    assert not any(frame.alerts for frame in crew[:300])
    events = {(event.key, event.start): event for frame in crew for event in frame.alerts}
    assert [key for key, _ in events] == [ProcKey(0, 1)]
    (event,) = events.values()
    assert event.comm == "a" * 12 and event.why and not event.open and 10 < event.end - event.start < 60


def test_what_it_does_is_accepted_or_an_incident() -> None:
    calm: list[int] = []  # readings until it is calm, if nothing is said and if it is accepted
    for said in (False, True):
        made = Crew()
        frames = [made.step(1.3 if k >= 300 else 1.0) for k in range(320)]
        assert frames[-1].alerts[0].open
        if said:
            made.engine.incident(ProcKey(0, 1))
            assert made.step(1.3).alerts[0].incident
            made.engine.accept(ProcKey(0, 1))
            assert made.step(1.3).alerts[0].accepted
        calm.append(next(k for k in range(200) if not made.step(1.3).groups["container"].alerting.any()))
    assert 2 * calm[1] < calm[0]


def test_it_comes_back_from_a_recording_and_is_a_mark(crew: list[Frame], tmp_path: Path) -> None:
    path = str(tmp_path / "crew.proctop")
    with Writer(path) as writer:
        for frame in crew:
            writer.write(frame)
    player = Player(Archive.open(path))
    while not player.settled:
        player.tend()
    (mark,) = player.marks
    assert (mark.key, mark.comm, mark.container) == (ProcKey(0, 1), "a" * 12, "a" * 12)
    shown = player.mark(1)
    assert shown is not None
    there = crew[shown.tick].alerts[0]
    assert (shown.alerts[0].key, shown.alerts[0].box, shown.alerts[0].start) == (there.key, "a" * 64, there.start)
    assert shown.groups["container"].alerting.tolist() == crew[shown.tick].groups["container"].alerting.tolist()
    player.close()


def test_it_is_told_of_without_a_pid(crew: list[Frame]) -> None:
    frame = next(frame for frame in crew if frame.alerts)
    (event,) = frame.alerts
    assert news(event).startswith("container aaaaaaaaaaaa: ")
    known = Chronicle()
    known.learn(frame.alerts)
    (listed,) = known.events()
    assert listed.pid == "" and sentences(listed, event.start)[0].startswith("container aaaaaaaaaaaa: ")
    assert known.box(event.key) == "a" * 64 and known.box(ProcKey(0, 9)) == ""
    (told,) = reading(frame, np.zeros(0, dtype=np.int64))["alerts"]
    assert (told["pid"], told["start"], told["comm"], told["container"]["id"]) == (0, 1, "a" * 12, "a" * 64)
    assert "aaaaaaaaaaaa,0,1,aaaaaaaaaaaa" in as_csv([listed])
    report = Report()
    for one in crew:
        report.step(one)
    page = report.page(Origin("crew.proctop", 1, True, "", True, True), UTC)
    assert "container as a whole" in page and "pid 0" not in page and json.dumps(told)
