"""Recordings into which processes that starve are written."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.starved import starve

SAMPLES, PROCESSES = 300, 6


def recorded() -> tuple[dict[str, Any], dict[str, Any]]:
    """Processes that run a tenth of their time; the first is the manager's, another misbehaves all along, the last sleeps."""
    t, p = np.divmod(np.arange(SAMPLES * PROCESSES), PROCESSES)
    work = t * 100_000_000 * (p < PROCESSES - 1)
    columns: dict[str, Any] = {
        "ti": t,
        "pid": 100 + p,
        "start": 7 + p,
        "kthr": np.zeros(t.size, np.int64),
        "comm": np.zeros(t.size, np.int64),
    }
    columns |= {"comm_names": np.array(["work"]), "times": 1000.0 + np.arange(SAMPLES), "run_ns": work, "wait_ns": work // 50}
    counters = ("utime", "stime", "rchar", "wchar", "syscr", "syscw", "vctx", "nvctx", "minflt", "read_bytes", "write_bytes")
    for name in counters:
        columns[name] = t * 1000
    columns["rchar"] = np.full(t.size, -1)  # unreadable
    label = {"kind": "cpu_full", "pids": [101], "starts": [8], "start": 1000.0, "end": 1300.0}
    return columns, {"mgr": 100, "labels": [label]}


def test_those_that_starve_wait_and_nobody_else_changes() -> None:
    before, notes = recorded()
    after, _ = recorded()
    labels = starve(after, notes, np.random.default_rng(1))
    assert [label["kind"] for label in labels] == ["starve_soft", "starve_hard", "starve_soft"]  # each process once
    assert {label["pids"][0] for label in labels} == {102, 103, 104}
    for label in labels:
        mine = after["pid"] == label["pids"][0]
        during = mine & (after["ti"] + 1000 >= label["start"]) & (after["ti"] + 1000 <= label["end"])
        waited = np.diff(after["wait_ns"][mine]) - np.diff(before["wait_ns"][mine])
        assert (waited >= 0).all() and 0.3 * 19 < waited.sum() / 1e9 < 0.9 * 21 and np.count_nonzero(waited) == during.sum()
        done = np.diff(after["wchar"][mine]).tolist()
        assert set(done) == ({1000} if label["kind"] == "starve_soft" else {1000, 300}) and (after["rchar"][mine] == -1).all()
    others = ~np.isin(after["pid"], [102, 103, 104])
    for name, column in before.items():
        if column.shape == others.shape:
            np.testing.assert_array_equal(after[name][others], column[others])
