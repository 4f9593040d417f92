"""Totals of processes at their end, against what their rows said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from proctop.fields import COUNTER, COUNTERS
from proctop.records import Exit, Floats, Label, ProcKey
from proctop.sources.labels import Labels
from proctop.sources.told import SEAM, Told

KEY = ProcKey(7, 500)
END = Exit(KEY, 1, Label("sh"))


def column(**values: float) -> Floats:
    out = np.full(len(COUNTERS), np.nan)
    out[[COUNTER[name] for name in values]] = list(values.values())
    return out


def told(last: Floats, totals: Floats, seam: Mapping[str, float]) -> dict[str, float]:
    """What is told of a process that is gone when its end is known."""
    nobody = cast(Labels, None)  # only those without a row need a label
    ends = Told(nobody, {}, events=True)
    taken_off = np.array([seam.get(COUNTERS[row].name, 0.0) for row in SEAM])
    assert not ends.gone(END, taken_off, last, now=1.0, told=False) and ends.waits
    [(end, counters)] = ends.late({(KEY.pid, KEY.start): (3, totals)}, now=1.0)
    assert end == replace(END, code=3) and not ends.waits
    return {name: float(counters[row]) for name, row in COUNTER.items()}


@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_totals_are_no_less_than_what_the_row_said(shift: float) -> None:
    """The kernel's sums lack threads that end at the same moment. ``shift``: what the source before had not told of."""
    last = column(ppid=9, run_ns=900, utime=600, stime=300, minflt=50, rchar=10, majflt=np.nan)
    totals = column(ppid=1, run_ns=400 + shift, utime=400 + shift, stime=0, minflt=20, rchar=11, majflt=2)
    got = told(last, totals, {"run_ns": shift, "utime": shift})
    assert (got["run_ns"], got["minflt"], got["rchar"], got["majflt"]) == (900, 50, 11, 2)
    assert (got["utime"], got["stime"]) == (600, 300)
    assert got["ppid"] == 1  # goes up and down
    assert np.isnan(got["wait_ns"])  # not told


def test_neither_user_nor_system_time_falls_where_their_sum_rises() -> None:
    got = told(column(run_ns=900, utime=600, stime=300), column(run_ns=1000, utime=500, stime=500), {})
    assert (got["run_ns"], got["utime"], got["stime"]) == (1000, 600, 400)
