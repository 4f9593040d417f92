"""Frames as JSON, CSV and tables."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest

from frames import GIB, NAN, REDIS, Proc, build, crowd, host, thread_table
from proctop.export import lines, table
from proctop.fields import SCHEMA
from proctop.frames import Frame, Reason, Status
from proctop.records import CgroupCounters, Exit, Gap, Label, Pressure, ProcKey
from proctop.view import cells
from proctop.view.query import parse
from proctop.view.rows import Arranger, ViewState

WHY = Reason("disk_write", 38e6, (0.0, 1.2e6), "own", "writes 38 MB/s, usual 0–1.2 MB/s")

FRAME = build(
    [
        Proc(1, "init", ppid=0, start=3, command="/sbin/init", features={"cpu": 0.1, "rss": 1e7, "threads": 1}, rank=0.5, per_hour=40.0),
        Proc(
            77,
            "redis",
            command="redis-server *:6379",
            user="redis",
            uid=101,
            cgroup="/docker/x",
            container=REDIS,
            features={"disk_write": 38e6, "vsize": np.inf},
            counters={"utime": 1e9, "stime": 5e8},
            rank=7.2,
            alert=9.5,
            alerting=True,
            per_hour=0.25,
            why=(WHY,),
        ),
        Proc(90, '=cmd|"x", y', status=Status.WARMING),
        Proc(91, "young", status=Status.NEW, rank=0.25, why=(Reason("cpu", NAN, (NAN, np.inf), "cohort", "cpu"),)),
        Proc(2, "kthreadd", ppid=0, kernel=True),
    ],
    late=0.25,
    warming=0.4,
    gaps=(Gap("io", 120, "not permitted"),),
    notes=("docker: not answering",),
    exits=(Exit(ProcKey(5, 6), 1, Label("sh", container=REDIS), 137), Exit(ProcKey(7, 8), 1, Label("ls"))),
    cgroups={"/docker/x": CgroupCounters(cpu_ns=5e9, memory=GIB, pressure={"cpu": Pressure(1.0, 0.0, 0.0, 9.0, NAN, NAN, NAN, NAN)})},
)


def as_json(frame: Frame, top: int = 0, state: ViewState | None = None) -> dict[str, Any]:
    text = lines.as_json(frame, Arranger().arrange(frame, state or ViewState()), top)
    assert "\n" not in text

    def never(name: str) -> float:
        raise AssertionError(name)

    found = json.loads(text, parse_constant=never)
    assert isinstance(found, dict)
    return found


def test_reading() -> None:
    reading = as_json(FRAME)
    assert reading["time"] == "2023-11-14T23:13:20.000Z"
    assert (reading["interval"], reading["late"], reading["source"], reading["warming"]) == (1.0, 0.25, "test", 0.4)
    assert reading["gaps"] == [{"field": "io", "count": 120, "reason": "not permitted"}]
    assert reading["notes"] == ["docker: not answering"]
    first, second = reading["exits"]
    assert (first["pid"], first["start"], first["ppid"], first["comm"], first["code"]) == (5, 6, 1, "sh", 137)
    assert first["container"]["image"] == "docker.io/library/redis:7.2"
    assert second["container"] is None and "code" not in second
    assert reading["cgroups"] == {
        "/docker/x": {
            "cpu_ns": 5e9,
            "memory": GIB,
            "pressure": {"cpu": {"some_avg10": 1.0, "some_avg60": 0.0, "some_avg300": 0.0, "some_total": 9.0}},
        }
    }


def test_host() -> None:
    shown = as_json(FRAME)["host"]
    assert (shown["hostname"], shown["kernel"], shown["cpus"], shown["memory_total"]) == ("node1", "6.1.0", 4, 16 * GIB)
    assert shown["cores"] == [0.5, 0.25, 0.25, 0.0]
    assert shown["load"] == [0.5, 0.4, 0.3]
    assert shown["pressure"] == {"cpu": {"some": 0.02}, "memory": {"some": 0.0, "full": 0.0}, "io": {"some": 0.1, "full": 0.05}}
    assert (shown["disk_read"], shown["net_tx"]) == (1e6, 2e4)


def test_what_the_host_does_not_tell_is_absent() -> None:
    shown = as_json(build([], host=host(cpu=NAN, load=None, cores=np.array([0.5, NAN]), disk_read=np.inf, pressure={})))["host"]
    assert not {"cpu", "load", "disk_read"} & set(shown)
    assert shown["cores"] == [0.5, None]


def test_process() -> None:
    redis, init, young, warming = as_json(FRAME)["processes"][:1] + sorted(
        as_json(FRAME)["processes"][1:], key=lambda p: (p["pid"] != 1, -p["pid"])
    )
    assert (redis["pid"], redis["start"], redis["ppid"], redis["uid"]) == (77, 1000, 1, 101)
    assert (redis["comm"], redis["command"], redis["user"], redis["state"], redis["cgroup"]) == (
        "redis",
        "redis-server *:6379",
        "redis",
        "S",
        "/docker/x",
    )
    assert redis["container"] == {"id": "a" * 64, "name": "cache", "image": "docker.io/library/redis:7.2", "runtime": "docker", "pod": ""}
    assert redis["features"] == {"disk_write": 38e6}
    assert (redis["score"], redis["alert"], redis["alert_score"], redis["every_hours"]) == (7.2, True, 9.5, 4.0)
    assert redis["why"] == [
        {"feature": "disk_write", "value": 38e6, "usual": [0.0, 1.2e6], "against": "own", "text": "writes 38 MB/s, usual 0–1.2 MB/s"}
    ]
    assert (redis["status"], init["status"], young["status"], warming["status"]) == ("scored", "scored", "new", "warming")
    assert (redis["cpu_time"], redis["elapsed"], redis["started"]) == (1.5, 3590.0, "2023-11-14T22:13:30.000Z")
    assert init["features"] == {"cpu": float(np.float32(0.1)), "rss": 1e7, "threads": 1.0}
    assert (init["container"], init["why"], init["alert"], init["threads"]) == (None, [], False, 1)
    assert (warming["score"], warming["alert_score"], warming["every_hours"]) == (None, None, None)
    assert warming["comm"] == '=cmd|"x", y'
    assert young["why"][0]["value"] is None and young["why"][0]["usual"] == [None, None]


def test_features_are_the_public_dicts() -> None:
    frame = crowd(30)
    by_pid = {p["pid"]: p["features"] for p in as_json(frame, state=ViewState(kernel=True))["processes"]}
    assert by_pid == {int(pid): frame.batch.row(i) for i, pid in enumerate(frame.batch.pid)}


def test_processes_come_in_the_order_of_the_rows_filtered_and_cut() -> None:
    def pids(top: int = 0, **state: object) -> list[int]:
        return [p["pid"] for p in as_json(FRAME, top, ViewState(**state))["processes"]]  # type: ignore[arg-type]

    assert pids() == [77, 1, 91, 90]
    assert pids(top=2) == [77, 1]
    assert pids(sort="pid") == [1, 77, 90, 91]
    assert pids(kernel=True, query=parse("kthreadd")) == [2]
    assert pids(tree=True, query=parse("redis")) == [77]  # its parent is context, not a match


def test_threads_are_no_processes() -> None:
    frame = build([Proc(1, "a")], threads=thread_table([(2, 1, "t")]))
    assert [p["pid"] for p in as_json(frame, state=ViewState(threads=True))["processes"]] == [1]


def test_a_time_that_is_none_is_null() -> None:
    frame = build([Proc(1, "a")])
    for wall in (np.inf, NAN, 1e18, -1e18):
        assert as_json(replace(frame, reading=replace(frame.reading, wall=wall)))["time"] is None


def test_csv_reads_back() -> None:
    rows = Arranger().arrange(FRAME, ViewState())
    text = lines.csv_header() + lines.as_csv(FRAME, rows) + lines.as_csv(FRAME, rows, top=1)
    records = list(csv.DictReader(StringIO(text, newline="")))
    assert [r["pid"] for r in records] == ["77", "1", "91", "90", "77"]
    assert tuple(records[0]) == lines.CSV_COLUMNS
    assert set(SCHEMA) < set(lines.CSV_COLUMNS)
    first = records[0]
    assert (first["time"], first["container"], first["container_id"], first["image"]) == (
        "2023-11-14T23:13:20.000Z",
        "cache",
        "a" * 64,
        "docker.io/library/redis:7.2",
    )
    assert (first["disk_write"], first["cpu"], first["alert"], first["why"]) == ("38000000.0", "", "1", "writes 38 MB/s, usual 0–1.2 MB/s")
    assert float(records[1]["cpu"]) == float(np.float32(0.1))
    assert records[3]["comm"] == '=cmd|"x", y'
    assert text.count("\r\n") == 6 and text.count("\n") == 6
    assert not {"nan", "inf", "None"} & {cell for record in records for cell in record.values()}


def test_table() -> None:
    text = table.as_table(FRAME, Arranger().arrange(FRAME, ViewState(kernel=True)))
    assert text.endswith("\n\n")
    shown = text.splitlines()
    assert "node1" in shown[0] and "warming 40%" in shown[0] and "late 0.2s" in shown[0]
    assert "– io: not permitted (120)" in shown
    assert "docker: not answering" in shown
    title = next(i for i, line in enumerate(shown) if "SCORE" in line)
    body = [line for line in shown[title + 1 :] if line]
    assert [line.split()[1] for line in body[:2]] == ["77", "1"]
    assert body[0].split()[0] == "7.2!" and body[0].endswith("writes 38 MB/s, usual 0–1.2 MB/s")
    assert "docker.io/library/redis:7.2" in body[0]
    assert any("[kthreadd]" in line for line in body)
    assert any(line.split()[0] == "warming" for line in body)
    assert len({line.index(word) for line, word in zip(body[:2], ("redis-server", "/sbin/init"), strict=True)}) == 1


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("ascii", [False, True])
def test_a_table_keeps_its_width(width: int, ascii: bool) -> None:
    frame = build([Proc(1, "漢字" * 20, command="漢字" * 300, rank=2.0), Proc(2, "b", command="x" * 4096, container=REDIS)])
    text = table.as_table(frame, Arranger().arrange(frame, ViewState(tree=True, ascii=ascii)), width=width, ascii=ascii)
    assert max(cells.width(line) for line in text.splitlines()) <= width
    assert text.isascii() or not ascii


def test_a_table_of_the_first_rows_keeps_their_threads() -> None:
    frame = build([Proc(1, "a", rank=5.0), Proc(2, "b", rank=1.0)], threads=thread_table([(11, 1, "t1"), (12, 1, "t2"), (21, 2, "u")]))
    text = table.as_table(frame, Arranger().arrange(frame, ViewState(threads=True)), top=1)
    assert "t2" in text and " b" not in text.split("COMMAND")[1]


def test_a_header_of_unknown_numbers_has_no_units() -> None:
    frame = build([], host=host(cpu=NAN, disk_read=NAN, load=None, pressure={}))
    shown = table.as_table(frame, Arranger().arrange(frame, ViewState())).splitlines()[1]
    assert shown.startswith("cpu –  memory 6.0G of 16.0G") and "disk – read 1.9M/s written" in shown


def test_an_empty_table() -> None:
    frame = build([])
    for width in (0, 80):
        assert "SCORE" in table.as_table(frame, Arranger().arrange(frame, ViewState()), width=width)
