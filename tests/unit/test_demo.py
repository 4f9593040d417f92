"""The bundled recording: small, of nobody's host, and with what `proctop demo` tells of."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

from proctop.stream.reader import Reader
from proctop.stream.seen import Record
from proctop.tui.tour import DEBUGGING, INCIDENT, LENGTH, MINING, Tour

HERE = Path(str(files("proctop"))) / "demo.proctop"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    with Reader(str(HERE)) as reader:
        return list(reader)


def test_it_is_small_and_whole(records: list[Record]) -> None:
    assert os.path.getsize(HERE) < 300_000
    with Reader(str(HERE)) as reader:
        assert sum(1 for _ in reader) == len(records) and not str(reader.damage)
    seconds = records[-1].reading.wall - records[0].reading.wall
    assert LENGTH - 10 < seconds < LENGTH + 10


def test_it_tells_nothing_of_the_host_it_was_made_on(records: list[Record]) -> None:
    labels = {label for record in records for label in record.reading.labels}
    labels |= {gone.label for record in records for gone in record.reading.exits}
    words = {word for label in labels for word in (label.comm, label.command, label.user, label.cgroup)}
    words |= {path for record in records for path in record.reading.cgroups}
    words |= {text for record in records for text in (*record.reading.notes, *(gap.reason for gap in record.reading.gaps))}
    infos = {(record.reading.info.hostname, record.reading.info.kernel) for record in records}
    assert infos == {("demo", "6.1.0")}
    assert {label.cgroup.split("/")[1] for label in labels if label.cgroup not in ("", "/")} <= {"docker", "system.slice"}
    assert not [word for word in words if any(part in word for part in ("/work", "/home", "/root", "site-packages", "benchmarks"))]
    assert {word for word in words if word.startswith("/tmp")} == {"/tmp/kdevtmpfsi"}
    assert {label.container.name for label in labels if label.container} == {
        *("shop-web-1", "shop-db-1", "shop-cache-1", "shop-api-1", "shop-api-2", "shop-mail-1")
    }


def test_both_incidents_are_there_when_they_are_told_of(records: list[Record]) -> None:
    start = records[0].reading.wall
    for comm, began in (("mailer", DEBUGGING), ("kdevtmpfsi", MINING)):
        ranks = []
        for record in records:
            reading, seen = record.reading, record.seen
            assert seen is not None
            if began + 3 <= reading.wall - start <= began + 15:
                row = next(i for i, label in enumerate(reading.labels) if label.comm == comm)
                ranks.append(int((seen.scores.rank > seen.scores.rank[row]).sum()))
        assert max(ranks) <= 2, f"{comm} is among the first three: {ranks}"
    calm = [record for record in records if 60 < record.reading.wall - start < DEBUGGING - 1]
    assert not [record for record in calm if record.seen is not None and record.seen.scores.alerting.any()]
    alarms = [record.reading.wall for record in records if record.seen is not None and record.seen.scores.alerting.any()]
    tour = Tour(start)
    assert not [wall for wall in alarms if wall > tour.begin and tour.told(wall) == tour.told(tour.begin)], "all is said to be well"
    assert Tour(start).begin < start + DEBUGGING < start + DEBUGGING + INCIDENT < start + MINING
