"""How good a table is: what does not vary, what is missing, what repeats another column, what lies far out, where no rows came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proctop.offline.plan import Plan
from proctop.offline.tables import Table
from proctop.records import Floats, Ints

FENCE = 1.5
"""Outliers lie further than this many interquartile ranges beyond a quartile (Tukey, Exploratory Data Analysis, 1977)."""

BINS = 120
"""Stretches of time that missing cells are counted in."""

_BLOCK = 1 << 16  # rows


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Shares are 0 to 1, NaN = nothing to say.

    Attributes:
        variance: of a sample (n − 1); missing: share of rows; outliers: share of rows.
        quartiles: lowest, three quartiles (linear), highest.
    """

    name: str
    variance: float
    missing: float
    outliers: float
    quartiles: tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """What there is to say of one table.

    Attributes:
        table: its name; source: the file; rows: those looked at, of ``total`` in the file; invalid: left out for want of a time.
        first, last: µs as on the wall; interval: µs; gaps: int64[g, 2], µs.
        entities: how many disks, interfaces or commands; size: bytes in memory.
        correlation: float64[k, k]; correlated: pairs above the threshold, in the order of the columns, by amount.
        holes: float32[k, BINS], share of missing cells over time, NaN = no rows then.
    """

    table: str
    source: str
    rows: int
    total: int
    invalid: int
    first: int
    last: int
    zone: str
    interval: float
    gaps: Ints
    entities: int
    size: int
    columns: tuple[Column, ...]
    correlation: Floats
    correlated: tuple[tuple[str, str, float], ...]
    constant: tuple[str, ...]
    sparse: tuple[str, ...]
    holes: Floats
    remarks: tuple[str, ...]

    @property
    def missing(self) -> float:
        """Share of all cells."""
        return float(np.mean([column.missing for column in self.columns]))


def assess(table: Table, plan: Plan) -> Quality:
    """Look at the columns of a table as they came."""
    columns = tuple(_column(name, values) for name, values in table.columns.items())
    names = tuple(table.columns)
    matrix = correlation(list(table.columns.values()))
    return Quality(
        table=table.kind,
        source=table.source,
        rows=len(table),
        total=table.total,
        invalid=table.invalid,
        first=int(table.time.min()),
        last=int(table.time.max()),
        zone=table.zone,
        interval=table.interval,
        gaps=table.gaps,
        entities=len(table.entities),
        size=sum(x.nbytes for x in table.columns.values()) + table.time.nbytes + table.entity.nbytes,
        columns=columns,
        correlation=matrix,
        correlated=_pairs(names, matrix, plan.correlation),
        constant=tuple(c.name for c in columns if c.variance < plan.variance),
        sparse=tuple(c.name for c in columns if c.missing > plan.missing),
        holes=_holes(table),
        remarks=table.remarks,
    )


def _column(name: str, values: Floats) -> Column:
    known = values[values == values]
    if not known.size:
        nan = float("nan")
        return Column(name, nan, 1.0, 0.0, (nan,) * 5)
    low, q1, median, q3, high = (float(x) for x in np.quantile(known, (0, 0.25, 0.5, 0.75, 1)))
    reach = FENCE * (q3 - q1)
    outliers = np.count_nonzero((known < q1 - reach) | (known > q3 + reach))
    return Column(name, variance(known), 1 - known.size / values.size, outliers / values.size, (low, q1, median, q3, high))


def variance(values: Floats) -> float:
    """Of a sample (n − 1), NaN left out; NaN of fewer than two."""
    known = values[values == values] if np.isnan(values).any() else values
    if known.size < 2:
        return float("nan")
    mean = known.mean()
    return sum(float(np.square(known[a : a + _BLOCK] - mean).sum()) for a in range(0, known.size, _BLOCK)) / (known.size - 1)


def correlation(columns: Sequence[Floats]) -> Floats:
    """float64[k, k], Pearson's, each pair over the rows that have both; NaN where one does not vary. Block by block."""
    k = len(columns)
    shift = np.array([float(np.nanmean(x)) if (x == x).any() else 0.0 for x in columns])[:, None]  # keeps the sums small
    count, sums, squares, products = (np.zeros((k, k)) for _ in range(4))
    for a in range(0, columns[0].size if k else 0, _BLOCK):
        block = np.stack([x[a : a + _BLOCK] for x in columns]) - shift
        known = (block == block).astype(np.float64)
        block[np.isnan(block)] = 0.0
        count += known @ known.T
        sums += block @ known.T
        squares += block**2 @ known.T
        products += block @ block.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - sums**2 / count
        spread[spread <= squares * 1e-14] = np.nan  # all rounding: it does not vary
        out: Floats = (products - sums * sums.T / count) / np.sqrt(spread * spread.T)
    return np.clip(out, -1.0, 1.0)


def _pairs(names: Sequence[str], matrix: Floats, threshold: float) -> tuple[tuple[str, str, float], ...]:
    found = np.argwhere(np.triu(np.abs(matrix) > threshold, 1))
    return tuple((names[i], names[j], abs(float(matrix[i, j]))) for i, j in found.tolist())


def _holes(table: Table) -> Floats:
    first, last = int(table.time.min()), int(table.time.max())
    place = ((table.time - first) / max(last - first + 1, 1) * BINS).astype(np.intp)
    count = np.bincount(place, minlength=BINS)
    out = np.full((len(table.columns), BINS), np.nan)
    for i, values in enumerate(table.columns.values()):
        missing = np.isnan(values)
        lost = np.bincount(place[missing], minlength=BINS) if missing.any() else np.zeros(BINS)
        np.divide(lost, count, out=out[i], where=count > 0)
    return out
