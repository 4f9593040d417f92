"""Sessions with faults: what is planned, how a worker obeys, and what a recording becomes."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from benchmarks import faults, labelled, routines, stage, workers
from benchmarks.detection import RIGHT, Recording, truth
from benchmarks.workers import Portions

from frames import REDIS, Proc, build
from proctop.stream.writer import Writer

PORTS = routines.Ports(1, 2)


def test_every_kind_comes_once_before_any_comes_again() -> None:
    kinds = [*stage.WORKER_FAULTS, *stage.SERVICE_FAULTS, *stage.OTHERS]
    made = [kind for _, kind in faults.plan(Random(1), 600)]
    assert set(made[: len(kinds)]) == set(kinds)
    assert max(Counter(made).values()) - min(Counter(made).values()) <= 1
    times = [when for when, _ in faults.plan(Random(1), 600)]
    assert times == sorted(times) and times[0] >= 90 and times[-1] < 570


def test_every_fault_has_a_right_reason() -> None:
    kinds = {kind for kind in (*stage.WORKER_FAULTS, *stage.SERVICE_FAULTS, *stage.OTHERS) if not kind.startswith("benign_")}
    assert kinds <= RIGHT.keys()
    assert set(stage.WORKER_FAULTS.values()) <= workers.KINDS.keys()


@pytest.mark.parametrize("kind", sorted(workers.KINDS))
def test_a_fault_comes_in_portions_and_cleans_up(kind: str) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    portions = workers.KINDS[kind]()
    assert next(portions) >= 0 and next(portions) >= 0
    portions.close()
    assert len(os.listdir("/proc/self/fd")) == before[0]


@pytest.mark.parametrize("kind", sorted(routines.ROUTINES))
def test_a_routine_goes_on(kind: str) -> None:
    portions = routines.ROUTINES[kind](Random(1), PORTS)
    assert all(next(portions) >= 0 for _ in range(3))
    portions.close()


def test_a_worker_does_its_routine_and_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[str] = []
    reader, writer = os.pipe()

    def routine() -> Portions:
        while True:
            did.append("routine")
            yield 0.01

    def fault() -> Portions:
        os.close(writer)  # its manager has gone: the last order
        did.append("fault")
        yield 1e9

    monkeypatch.setitem(workers.KINDS, "leak", fault)
    os.write(writer, b"leak 60\n")
    routines.follow(routine(), reader)
    os.close(reader)
    assert did[:2] == ["routine", "fault"]


def test_a_recording_becomes_columns_that_the_benchmark_reads(tmp_path: Path) -> None:
    """The manager's descendants and kernel threads are kept, the orphaned too; everybody else is counted."""
    tape = tmp_path / "s1.proctop"
    base = [
        Proc(1, "init", ppid=0, features={"rss": 4096.0 * 10}),
        Proc(2, "kthreadd", ppid=0, kernel=True),
        Proc(50, "python", ppid=1),
        Proc(60, "redis", ppid=50, container=REDIS, features={"rss": 4096.0 * 7}),
        Proc(61, "child", ppid=60),
        Proc(70, "stranger", ppid=1),
    ]
    later = [proc if proc.pid != 61 else replace(proc, ppid=1) for proc in base if proc.pid != 60]
    with Writer(str(tape)) as writer:
        for tick, procs in enumerate((base, base, later)):
            writer.write(build(procs, tick=tick, wall=1_700_003_600.0 + tick).reading)
    start = int(build(base).reading.start[3])
    label = {"kind": "cpu_full", "pids": [60], "starts": [start], "start": 1_700_003_600.0, "end": 1_700_003_601.0}
    notes = {"mgr": 50, "labels": [label], "workers": [], "psql": []}
    tape.with_suffix(".json").write_text(json.dumps(notes))
    recording = Recording.load(labelled.convert(tape))
    names = recording.columns["comm_names"][recording.columns["comm"]]
    assert [sorted(names[a:b]) for a, b in zip(recording.bounds[:-1], recording.bounds[1:], strict=True)] == [
        ["child", "python", "redis"],
        ["child", "python", "redis"],
        ["child", "python"],
    ]
    with np.load(tape.with_suffix(".npz")) as stored:
        assert stored["foreign"].tolist() == [2, 2, 2] and "kthreadd" in stored["comm_names"]
    assert recording.columns["rss"][names == "redis"].tolist() == [7, 7]
    readings = list(recording.readings())
    assert readings[0].labels[1].container is not None and readings[0].labels[1].container.id == REDIS.id
    assert truth(recording).events[0][0] == "cpu_full"
