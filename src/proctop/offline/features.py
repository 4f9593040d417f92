"""What is derived from the columns of a table, under the notebooks' names, one column at a time.

A feature is NaN where a number that it needs is missing. Rolling figures are over the last five rows of a run, so they never mix two
disks, interfaces or commands, nor the time before a gap with the time after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from proctop.offline.tables import Table
from proctop.records import Floats, Ints

CALENDAR = ("hour", "day_of_week", "is_weekend")
MEAN, STD = "_rolling_mean", "_rolling_std"
ROLLING = 5
"""Rows of a rolling figure, and columns that have one."""

_TINY = 1e-6  # keeps a quotient finite where there is nothing to divide by
_HOUR, _DAY = 3_600_000_000, 86_400_000_000  # µs
_THURSDAY = 3  # 1970-01-01, with Monday as 0
_BLOCK = 1 << 17  # rows

Columns = Mapping[str, Floats]
_Formula = tuple[tuple[str, ...], Callable[[Columns], Floats]]

FORMULAS: dict[str, dict[str, _Formula]] = {
    "vmstat": {
        "cpu_busy": (("us", "sy", "idle"), lambda c: c["us"] + c["sy"]),
        "cpu_ratio": (("us", "sy", "idle"), lambda c: (c["us"] + c["sy"]) / (c["us"] + c["sy"] + c["idle"] + _TINY)),
        "memory_pressure": (("avm", "fre"), lambda c: c["avm"] / (c["avm"] + c["fre"] + _TINY)),
        "total_load": (("r", "b"), lambda c: c["r"] + c["b"]),
    },
    "iostat": {
        "io_throughput": (("kb_read", "kb_wrtn", "tps"), lambda c: (c["kb_read"] + c["kb_wrtn"]) / (c["tps"] + _TINY)),
        "queue_efficiency": (("avg_queue_size", "service_time"), lambda c: c["avg_queue_size"] / (c["service_time"] + _TINY)),
    },
    "netstat": {
        "net_balance": (
            ("ipkts_rate", "opkts_rate"),
            lambda c: (c["ipkts_rate"] - c["opkts_rate"]) / (c["ipkts_rate"] + c["opkts_rate"] + _TINY),
        ),
        "net_total_rate": (("ipkts_rate", "opkts_rate"), lambda c: c["ipkts_rate"] + c["opkts_rate"]),
        "error_rate": (
            ("ierrs_rate", "oerrs_rate", "ipkts_rate", "opkts_rate"),
            lambda c: (c["ierrs_rate"] + c["oerrs_rate"]) / (c["ipkts_rate"] + c["opkts_rate"] + _TINY),
        ),
    },
    "process": {"resource_ratio": (("cpu", "mem"), lambda c: c["cpu"] / (c["mem"] + _TINY))},
}
"""By kind of table: the columns that a feature needs, and its equation."""


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
        out = FORMULAS[table.kind][name][1](table.columns)
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
    out = np.empty_like(values)
    n = values.size
    for a in range(0, n, _BLOCK):
        b = min(a + _BLOCK, n)
        before = np.arange(a, b) - runs[np.searchsorted(runs, np.arange(a, b), side="right") - 1]  # rows of the run before this one
        padded = np.full(b - a + ROLLING - 1, np.nan)
        low = max(a - ROLLING + 1, 0)
        padded[padded.size - (b - low) :] = values[low:b]
        seen = np.lib.stride_tricks.sliding_window_view(padded, ROLLING)
        seen = np.where(np.arange(ROLLING - 1, -1, -1) <= before[:, None], seen, np.nan)
        out[a:b] = _mean(seen) if suffix == MEAN else _std(seen)
    return out


def _mean(seen: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        mean: Floats = np.nansum(seen, axis=1) / np.count_nonzero(seen == seen, axis=1)
    return mean


def _std(seen: Floats) -> Floats:
    count = np.count_nonzero(seen == seen, axis=1)
    squares = np.nansum((seen - _mean(seen)[:, None]) ** 2, axis=1)
    out = np.full(count.size, np.nan)
    np.divide(squares, count - 1, out=out, where=count > 1)
    return np.sqrt(out)
