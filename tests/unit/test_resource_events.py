"""``proctop export --format resource-events`` of a recording made by bpf: nine features, to the end of each process."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proctop import cli
from proctop.fields import COUNTER, COUNTERS
from proctop.records import Exit, Label, ProcKey, Reading
from proctop.sources.events import FEATURES, Events
from proctop.stream.writer import Writer
from traffic import MS, Host

MEMORY = ("vm_mmap_bytes", "vm_munmap_bytes", "vm_brk_grow_bytes", "vm_brk_shrink_bytes")
FAULTS = ("user_faults", "kernel_faults")
OF = {"cpu_ns": "run_ns", "bytes_read": "rchar", "bytes_written": "wchar"}


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def counted(scale: float, *names: str) -> dict[str, float]:
    return {name: scale * (k + 1) for k, name in enumerate(names)}


def told(host: Host, *ends: tuple[int, int, dict[str, float] | None], source: str = "bpf") -> Reading:
    """A reading in which processes end, each with pid, start and its totals."""
    reading = host.read()
    exits, totals = [], np.full((len(COUNTERS), len(ends)), np.nan)
    for k, (pid, start, took) in enumerate(ends):
        exits.append(Exit(ProcKey(pid, start), 1, Label("brief", "brief -x", uid=5), 3))
        for name, value in (took or {}).items():
            totals[COUNTER[name], k] = value
    return replace(reading, source=source, exits=tuple(exits), ended=totals if exits else None)


def exported(path: Path, readings: list[Reading], *flags: str) -> list[dict[str, str]]:
    with Writer(str(path / "a.proctop")) as writer:
        for reading in readings:
            writer.write(reading)
    out = path / "events.csv"
    assert cli.main(["export", str(path / "a.proctop"), "--format", "resource-events", "-o", str(out), *flags]) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def start_of(host: Host, pid: int) -> int:
    return host._start[pid]


def worker(host: Host) -> dict[str, float]:
    """What pid 10 has taken by its end."""
    return {name: float(host._raw[10][COUNTER[name]]) for name in (*OF.values(), *FAULTS, *MEMORY)}


def busy(host: Host) -> None:
    host.did(10, run_ns=3 * MS, rchar=100.0, wchar=7.0, threads=0.0, **counted(2, *FAULTS), **counted(4096, *MEMORY))


@pytest.fixture
def session() -> tuple[list[Reading], dict[str, float], dict[str, float]]:
    """A worker of four threads that is born, works and ends; a short one that no reading sees; one of which nothing is told."""
    host = Host()
    host.born(1, "init")
    host.now(1, **dict.fromkeys((*FAULTS, *MEMORY), 9.0))
    readings = [told(host)]
    host.born(10, "worker", age=0.2)
    host.now(10, threads=4.0, **dict.fromkeys((*OF.values(), *FAULTS, *MEMORY), 0.0))
    for _ in range(3):
        busy(host)
        readings.append(told(host))
    busy(host)
    total, key = worker(host), start_of(host, 10)
    host.gone(10)
    short = {"utime": 4e6, "stime": 1e6, **dict.fromkeys(OF.values(), 5e6), **counted(1, *FAULTS), **counted(8192, *MEMORY)}
    now = int((host.time + 0.3) * 100)
    readings.append(told(host, (10, key, total), (700, now, short), (701, now, None)))
    readings.append(told(host))
    return readings, total, short


def test_the_rows_of_a_process_add_up_to_what_it_took(
    session: tuple[list[Reading], dict[str, float], dict[str, float]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readings, total, short = session
    rows = exported(tmp_path, readings)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(FEATURES, 0))
    for row in rows:
        for name in FEATURES:
            sums[row["pid"]][name] += int(row[name] or 0)
    assert sums["10"] == {name: total[OF.get(name, name)] for name in FEATURES}
    assert sums["700"] == {name: short[OF.get(name, name)] for name in FEATURES}
    assert [row["pid"] for row in rows].count("10") == 4
    last = next(row for row in rows if row["pid"] == "700")
    assert (last["comm"], last["ppid"], last["uid"], last["isActive"], last["cpu_ns"]) == ("brief", "1", "5", "1", "5000000")
    assert "701" not in sums
    said = capsys.readouterr().err
    assert said.startswith("proctop: resource-events: left empty: gid, user_pid, user_ppid, cgroup_id (not recorded); without a row: ")
    assert "the last interval of 1 processes that ended (their totals were not told)" in said


def test_what_is_told_late_counts_from_where_it_was_seen_last(tmp_path: Path) -> None:
    host = Host()
    host.born(1, "init")
    host.born(10, "worker")
    host.now(10, **dict.fromkeys((*OF.values(), *FAULTS, *MEMORY), 50.0))
    readings = [told(host), told(host)]
    key = start_of(host, 10)
    host.gone(10)
    readings += [told(host), told(host, (10, key, dict.fromkeys((*OF.values(), *FAULTS, *MEMORY), 57.0)))]
    rows = [row for row in exported(tmp_path, readings) if row["pid"] == "10"]
    assert [{row[name] for name in FEATURES} for row in rows] == [{"0"}, {"7"}]


def test_what_an_old_process_took_before_it_was_seen_is_in_no_row(tmp_path: Path) -> None:
    host = Host()
    host.born(1, "init")
    readings = [told(host), told(host, (9, 5, dict.fromkeys(OF.values(), 1e9)))]
    assert [row["pid"] for row in exported(tmp_path, readings)] == ["1"]


def test_a_filter_chooses_among_those_that_ended_too(
    session: tuple[list[Reading], dict[str, float], dict[str, float]], tmp_path: Path
) -> None:
    assert {row["pid"] for row in exported(tmp_path, session[0], "-f", "comm=brief and cpu>0.1")} == {"700"}


def test_the_remark_says_what_was_not_counted_and_how_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = Host()
    host.born(1, "init")
    host.born(2, "other")
    assert len(exported(tmp_path, [told(host, source="proc") for _ in range(3)])) == 4
    said = capsys.readouterr().err
    assert "; user_faults, kernel_faults (/proc has only the sum of both; counted with --source bpf); " in said
    assert "vm_mmap_bytes, vm_munmap_bytes, vm_brk_grow_bytes, vm_brk_shrink_bytes (counted with --source bpf --bpf-memory)" in said
    (tmp_path / "a.proctop").unlink()
    host.now(1, **dict.fromkeys(FAULTS, 4.0))
    exported(tmp_path, [told(host) for _ in range(3)])
    said = capsys.readouterr().err
    assert "user_faults, kernel_faults in 2 of 4 rows (not told of these)" in said
    assert "vm_brk_shrink_bytes (counted with --bpf-memory)" in said


def test_run_time_is_not_compared_between_sources(tmp_path: Path) -> None:
    """By bpf it is that of all threads, the ended ones too."""
    host = Host()
    host.born(1, "init", run_ns=5 * MS, utime=5 * MS, stime=0.0)
    readings = [told(host, source="proc")]
    host.did(1, run_ns=900 * MS, utime=10 * MS)
    readings.append(told(host))
    host.did(1, run_ns=7 * MS)
    readings.append(told(host))
    assert [row["cpu_ns"] for row in exported(tmp_path, readings)] == ["10000000", "7000000"]


def test_score_and_profile_take_it(session: tuple[list[Reading], dict[str, float], dict[str, float]], tmp_path: Path) -> None:
    exported(tmp_path, session[0])
    with Events(str(tmp_path / "events.csv")) as events:
        read = [event.features for event in events]
    assert all(value > 0 for value in read[-2].values())
    assert cli.main(["score", str(tmp_path / "events.csv")]) == 0


@pytest.mark.filterwarnings("error")
def test_numbers_that_no_kernel_tells_are_empty_cells(tmp_path: Path) -> None:
    host = Host()
    host.born(1, "init")
    host.born(2, "strange")
    readings = [told(host)]
    for value in (float("inf"), 1e308, -1e308, -float("inf"), 0.5):
        host.now(2, **dict.fromkeys((*OF.values(), *FAULTS, *MEMORY, "ppid"), value))
        readings.append(told(host, (7, (1 << 63) - 1, dict.fromkeys((*OF.values(), "utime"), value))))
    rows = exported(tmp_path, readings)
    assert all(cell == "" or int(cell) >= 0 for row in rows for cell in (row[name] for name in FEATURES))
    assert len(objects(tmp_path)) == len(readings)


def objects(path: Path) -> list[dict[str, Any]]:
    assert cli.main(["export", str(path / "a.proctop"), "-o", str(path / "a.json")]) == 0
    return [json.loads(line) for line in (path / "a.json").read_text().splitlines()]


def test_json_tells_codes_and_totals_of_those_that_ended(
    session: tuple[list[Reading], dict[str, float], dict[str, float]], tmp_path: Path
) -> None:
    exported(tmp_path, session[0])
    worker, brief, untold = objects(tmp_path)[4]["exits"]
    assert (worker["totals"], brief["totals"]) == session[1:]
    assert (brief["code"], brief["command"]) == (3, "brief -x")
    assert "totals" not in untold


def test_what_a_process_waits_in_and_the_churn_of_the_host(tmp_path: Path, require: Callable[[str, str], None]) -> None:
    host = Host()
    host.born(1, "init")
    host.born(2, "dd")
    path = tmp_path / "a.proctop"
    with Writer(str(path)) as writer:
        for k in range(3):
            reading = told(host)
            counts = replace(reading.host, births=40 * k, execs=30 * k, exits=20 * k)
            writer.write(replace(reading, host=counts, wchan={1: "folio_wait_bit"} if k == 2 else {}))
    last = objects(tmp_path)[2]
    assert {name: last["host"][name] for name in ("births", "execs", "exits")} == {"births": 40, "execs": 30, "exits": 20}
    assert [process.get("wchan") for process in sorted(last["processes"], key=lambda p: int(p["pid"]))] == [None, "folio_wait_bit"]
    assert cli.main(["export", str(path), "-o", str(tmp_path / "a.csv")]) == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["wchan"] for row in csv.DictReader(file) if row["wchan"]] == ["folio_wait_bit"]
    try:
        from pyarrow import parquet
    except ImportError as error:
        require("parquet", str(error))
    assert cli.main(["export", str(path), "-o", str(tmp_path / "a.parquet")]) == 0
    assert parquet.read_table(tmp_path / "a.parquet").column("wchan").to_pylist().count("folio_wait_bit") == 1
