"""What is derived from the columns of a table, under the notebooks' names, one column at a time.

A feature is NaN where a number that it needs is missing. Rolling figures are over the last five rows of a run, so they never mix two
disks, interfaces or commands, nor the time before a gap with the time after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proctop.hosttables import FORMULAS
from proctop.offline.tables import Table
from proctop.records import Floats, Ints

CALENDAR = ("hour", "day_of_week", "is_weekend")
MEAN, STD = "_rolling_mean", "_rolling_std"
ROLLING = 5
"""Rows of a rolling figure, and columns that have one."""

_HOUR, _DAY = 3_600_000_000, 86_400_000_000  # µs
_THURSDAY = 3  # 1970-01-01, with Monday as 0
_BLOCK = 1 << 17  # rows


def names(kind: str, columns: Sequence[str]) -> tuple[str, ...]:
    """All columns of a table with the features added: its own, the calendar, the formulas that it has the columns for, rolling figures.

    >>> names("process", ("cpu", "mem"))[5:]
    ('resource_ratio', 'cpu_rolling_mean', 'cpu_rolling_std', 'mem_rolling_mean', 'mem_rolling_std', 'resource_ratio_rolling_mean', \
'resource_ratio_rolling_std')
    """
    made = [name for name, (needs, _) in FORMULAS[kind].items() if all(need in columns for need in needs)]
    numeric = [*columns, "hour", "day_of_week", *made]  # is_weekend is true or false, and no number
    rolled = [name for name in numeric[:ROLLING] if name not in CALENDAR]
    return (*columns, *CALENDAR, *made, *(name + suffix for name in rolled for suffix in (MEAN, STD)))


def column(table: Table, name: str) -> Floats:
    """float64[n], one column of :func:`names`."""
    if name in table.columns:
        return table.columns[name]
    if name in CALENDAR:
        return _calendar(table.time, name)
    for suffix in (MEAN, STD):
        if name.endswith(suffix):
            return _rolling(column(table, name.removesuffix(suffix)), table.runs, suffix)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        out: Floats = FORMULAS[table.kind][name][1](table.columns)
    out[np.isinf(out)] = np.nan  # where negative numbers meet the tiny one
    return out


def needs(kind: str, name: str) -> tuple[str, ...]:
    """The columns of the table that a column is made of."""
    base = name.removesuffix(MEAN).removesuffix(STD)
    if base in CALENDAR:
        return ()
    return FORMULAS[kind][base][0] if base in FORMULAS[kind] else (base,)


def _calendar(time: Ints, name: str) -> Floats:
    """Hour of the day, or day of the week from Monday = 0, by the clock that the times were written by."""
    if name == "hour":
        return (time // _HOUR % 24).astype(np.float64)
    day = (time // _DAY + _THURSDAY) % 7
    return (day if name == "day_of_week" else day >= 5).astype(np.float64)


def _rolling(values: Floats, runs: Ints, suffix: str) -> Floats:
    """Mean, or standard deviation (of a sample, n − 1), of the last rows of each run as far as they are there; block by block."""
    figure = _mean if suffix == MEAN else _std
    out = np.empty_like(values)
    for a in range(ROLLING - 1, values.size, _BLOCK):
        b = min(a + _BLOCK, values.size)
        out[a:b] = figure([values[a - age : b - age] for age in range(ROLLING)])
    ends = np.append(runs[1:], values.size)
    for k in range(ROLLING - 1):  # the first rows of each run have fewer before them
        rows = runs[runs + k < ends] + k
        out[rows] = figure([values[rows - age] for age in range(k + 1)])
    return out


def _mean(seen: Sequence[Floats]) -> Floats:
    """float64[m] of some arrays like that; NaN is left out."""
    out = np.asarray(sum(seen) / len(seen))
    some = np.flatnonzero(np.isnan(out))
    if some.size:
        held = np.stack([x[some] for x in seen])
        with np.errstate(invalid="ignore"):
            out[some] = np.nansum(held, axis=0) / np.count_nonzero(held == held, axis=0)
    return out


def _std(seen: Sequence[Floats]) -> Floats:
    """As :func:`_mean`; NaN of fewer than two."""
    mean = _mean(seen)
    squares = np.asarray(sum(np.square(x - mean) for x in seen))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.sqrt(squares / (len(seen) - 1))
    some = np.flatnonzero(np.isnan(out))
    if some.size and len(seen) > 1:
        held = np.stack([x[some] for x in seen]) - mean[some]
        count = np.count_nonzero(held == held, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[some] = np.where(count > 1, np.sqrt(np.nansum(np.square(held), axis=0) / (count - 1)), np.nan)
    return out
