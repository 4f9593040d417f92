"""Alert events of the host, from the reading to a recording, an export and a report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest

import alarms
from hosts import Machine
from proctop.engine import Engine
from proctop.export.alerts import as_csv, write, wrong
from proctop.export.lines import reading
from proctop.export.report.origin import Origin
from proctop.export.report.page import Report
from proctop.frames import HOST, AlertEvent, Frame, Reason
from proctop.outfile import Unwritable
from proctop.player import Player
from proctop.records import ProcKey
from proctop.scoring.registry import make
from proctop.stream.archive import Archive
from proctop.stream.summary import Mark
from proctop.stream.writer import Writer
from proctop.view.events import Chronicle, Event

SETTLED = 400


@pytest.fixture(scope="module")
def stormy() -> list[Frame]:
    """A host on which nothing happens, then a storm of interrupts, then nothing."""
    machine, engine = Machine(), Engine(make())
    storm = range(SETTLED, SETTLED + 15)
    return [engine.step(machine.read(interrupts=40_000.0) if k in storm else machine.read()) for k in range(SETTLED + 60)]


def test_a_storm_is_an_event_of_the_host_that_opens_and_ends(stormy: list[Frame]) -> None:
    assert not any(frame.alerts for frame in stormy[:SETTLED])
    (event,) = stormy[SETTLED + 14].alerts
    assert event.key == HOST and event.comm == "host" and event.container is None and event.open
    assert event.why[0].feature == "vmstat.interface_in" and "usual" in event.why[0].text
    (over,) = stormy[-1].alerts
    assert not over.open and over.start == event.start and over.peak > over.start
    assert over.end - over.start < 40


def test_verdicts_on_the_host_reach_its_watch_and_its_event() -> None:
    machine, engine = Machine(), Engine(make())
    for _ in range(SETTLED):
        engine.step(machine.read())
    for _ in range(10):
        frame = engine.step(machine.read(interrupts=40_000.0))
    assert frame.alerts[0].open and not frame.alerts[0].accepted
    engine.incident(HOST)
    engine.accept(HOST)
    frame = engine.step(machine.read(interrupts=40_000.0))
    assert frame.alerts[0].accepted and frame.alerts[0].incident
    for _ in range(30):
        frame = engine.step(machine.read(interrupts=40_000.0))
    assert frame.vitals is not None and not frame.vitals.alerting.any() and not frame.alerts[0].open


def test_a_recording_brings_it_back_and_the_player_goes_there(stormy: list[Frame], tmp_path: Path) -> None:
    path = tmp_path / "storm.proctop"
    with Writer(str(path)) as writer:
        for frame in stormy:
            writer.write(frame)
    player = Player(Archive.open(str(path)))
    while not player.settled:
        player.tend()
    (mark,) = player.marks
    assert mark.key == HOST and mark.comm == "host" and "in " in mark.text
    shown = player.mark(1)
    assert shown is not None and shown.alerts[0].key == HOST
    assert shown.alerts[0].why[0].text == stormy[int(shown.reading.seq)].alerts[0].why[0].text
    there = stormy[int(shown.reading.seq)].vitals
    assert there is not None and shown.vitals is not None and shown.vitals.names == there.names
    for name in ("values", "low", "high", "rank", "alerting"):
        assert np.array_equal(getattr(shown.vitals, name), getattr(there, name), equal_nan=True), name
    assert [reason.text for reason in shown.vitals.why] == [reason.text for reason in there.why]
    assert (shown.vitals.score, shown.vitals.warming) == (there.score, there.warming)
    player.close()


def test_what_was_accepted_comes_back(tmp_path: Path) -> None:
    events = (alarms.worker(1.0, 2.0, open=True, accepted=True), alarms.host(1.0, 2.0, open=False, incident=True))
    path = tmp_path / "said.proctop"
    with Writer(str(path)) as writer:
        writer.write(replace(alarms.session(20)[0], alerts=events))
    archive = Archive.open(str(path))
    segment = archive.first()
    record = archive.get(segment, 0) if segment is not None else None
    assert record is not None and record.seen is not None
    assert [(e.key, e.open, e.incident, e.accepted) for e in record.seen.alerts] == [
        (e.key, e.open, e.incident, e.accepted) for e in events
    ]
    archive.close()


def test_json_and_the_page_tell_of_it(stormy: list[Frame]) -> None:
    told = reading(stormy[SETTLED + 14], np.zeros(0, dtype=np.int64))["alerts"]
    assert [(event["pid"], event["comm"], event["accepted"]) for event in told] == [(0, "host", False)]
    report = Report()
    for frame in stormy:
        report.step(frame)
    page = report.page(Origin("storm.proctop", 1, True, "", True, True), UTC)
    assert "as a whole" in page and "pid 0" not in page and "in 3" in page


def event_named(comm: str, text: str) -> Event:
    return Event.of(AlertEvent(ProcKey(7, 70), comm, None, 10.0, 11.0, 12.0, 3.0, 0.5, (Reason("cpu", 1.0, (0.0, 1.0), "own", text),)))


def test_no_cell_of_the_file_is_a_formula(tmp_path: Path) -> None:
    said = as_csv([event_named("=cmd|' /C calc'!A0", "=1+1")])
    assert "'=cmd" in said and "'=1+1" in said
    path = tmp_path / "e.csv"
    write(str(path), [event_named("x", "y")])
    assert path.read_bytes().decode() == as_csv([event_named("x", "y")]) and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unwritable):
        write(str(tmp_path / "nowhere" / "e.json"), [event_named("x", "y")])


def test_what_speaks_against_a_file(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    assert "is there already" in wrong(str(tmp_path / "there.csv"))
    assert ".csv or .json" in wrong(str(tmp_path / "x.txt"))
    assert wrong(str(tmp_path / "new.json")) == ""


def test_marks_alone_are_written_too(tmp_path: Path) -> None:
    known = Chronicle()
    known.learn((alarms.worker(1.0, 2.0, open=False),))
    events = known.events([Mark(5.0, HOST, "host", "", 4.0, "in 40k/s")])
    write(str(tmp_path / "e.json"), events)
    told = json.loads((tmp_path / "e.json").read_text())
    assert [one["comm"] for one in told] == ["worker.py", "host"] and told[1]["why"] == "in 40k/s"
    assert as_csv(events).splitlines()[2].split(",")[5:7] == ["host", "0"]
    assert replace(events[1]).text == "in 40k/s"
