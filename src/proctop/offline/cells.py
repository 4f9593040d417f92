"""Cells of a column as numbers and times."""

from __future__ import annotations

import numpy as np
import polars as pl

from proctop.offline.plan import CLOCK, TableError
from proctop.records import Bools, Floats, Ints
from proctop.sanitize import clean

MISSING: tuple[str, ...] = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None",
    "n/a", "nan", "null",
)  # fmt: skip  # what pandas.read_csv takes for no value

_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)  # one way to read each: whether 07/08 is July or August nobody knows
_OFFSET = r":\d\d(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)$"
_MICRO = pl.Datetime("us")
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_214_400_000_000  # µs: the years 1 to 9999
_NEVER = -(1 << 63)
_SHOWN = 40  # characters of a cell in a message


def numbers(series: pl.Series, where: str, first: int) -> Floats:
    """float64[n], NaN = missing. ``where``: the file; ``first``: the number of the first row. Raises TableError."""
    if series.dtype == pl.String:
        cells = series.str.strip_chars()
        values = cells.cast(pl.Float64, strict=False)
        strange = values.is_null() & cells.is_not_null() & ~cells.is_in(MISSING)
        if strange.any():
            _refuse(where, first, strange.to_numpy(), series, "no number")
    elif series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        values = series.cast(pl.Float64)
    else:
        raise TableError(f"{where}: column {series.name}: {series.dtype} where numbers are wanted")
    out = np.array(values.to_numpy(), dtype=np.float64)
    endless = np.isinf(out)
    if endless.any():
        _refuse(where, first, endless, series, "not finite")
    return out


def _refuse(where: str, first: int, bad: Bools, series: pl.Series, what: str) -> None:
    at = int(np.argmax(bad))
    raise TableError(f'{where}: row {first + at}, column {series.name}: "{clean(str(series[at])[:_SHOWN])}" is {what}')


class Clock:
    """Times of a file, batch by batch: microseconds since the epoch of what the clock on the wall showed.

    Times with an offset from UTC are told in the first offset that is met, so that they stay in order whatever the season; ``zone``
    is that offset, "" = none was given. Plain numbers count seconds, milliseconds, micro- or nanoseconds since the epoch, in UTC.
    """

    def __init__(self, where: str) -> None:
        self.zone = ""
        self.first_bad = ""
        self._where = where
        self._formats = list(_FORMATS)
        self._naive = self._zoned = False
        self._unit = 0.0  # µs in one, of plain numbers

    def read(self, series: pl.Series, first: int) -> tuple[Ints, Bools]:
        """int64[n], and which of them are times. Raises TableError where some have an offset and others none."""
        if isinstance(series.dtype, pl.Datetime):
            self.zone = series.dtype.time_zone or ""
            times = series.dt.cast_time_unit("us").dt.replace_time_zone(None)
        elif series.dtype == pl.Date:
            times = series.cast(_MICRO)
        elif series.dtype.is_numeric():
            times = self._counted(series.cast(pl.Float64))
        elif series.dtype == pl.String:
            runs = series.rle().struct.unnest()  # rows of all disks, interfaces, commands have one time
            starts = runs["len"].cum_sum() - runs["len"]
            once = self._written(runs["value"].str.strip_chars(), first + starts)
            times = once.gather(np.repeat(np.arange(len(runs)), runs["len"].to_numpy()))
        else:
            raise TableError(f"{self._where}: column {series.name}: {series.dtype} where times are wanted")
        micros = times.to_physical().fill_null(_NEVER).to_numpy().astype(np.int64)
        known = (micros > _EARLIEST) & (micros < _LATEST)
        if not self.first_bad and not known.all():
            at = int(np.argmin(known))
            text = "" if series[at] is None else clean(str(series[at])[:_SHOWN])
            self.first_bad = f'row {first + at}, column {CLOCK}: "{text}" is no time'
        return micros, known

    def _written(self, cells: pl.Series, rows: pl.Series) -> pl.Series:
        times = pl.Series([None], dtype=_MICRO).new_from_index(0, len(cells))
        for shape in tuple(self._formats):
            read = cells.str.strptime(_MICRO, shape, strict=False)
            if read.null_count() < len(read):
                self._prefer(shape)
                times = times.fill_null(read)
                if not times.null_count():
                    break
        self._naive |= times.null_count() < len(times)
        if times.null_count():
            offsets = cells.str.extract(_OFFSET)
            if offsets.null_count() < len(offsets):
                times = times.fill_null(self._with_offsets(cells, offsets))
                self._zoned = True
                if self._naive:
                    self._mixed(offsets, rows)
            if not self._naive and not self._zoned:
                times = times.fill_null(self._counted(cells.cast(pl.Float64, strict=False)))
        return times

    def _prefer(self, shape: str) -> None:
        self._formats.remove(shape)
        self._formats.insert(0, shape)

    def _with_offsets(self, cells: pl.Series, offsets: pl.Series) -> pl.Series:
        table = pl.select(
            pl.coalesce(
                [
                    pl.lit(cells)
                    .str.replace(r"\s*(Z|[+-]\d\d:?\d\d)$", "")
                    .str.replace("T", " ", literal=True)
                    .str.strptime(_MICRO, shape, strict=False)
                    for shape in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
                ]
            ).alias("local"),
            pl.lit(offsets.replace("Z", "+00:00").str.replace(":", "", literal=True)).alias("offset"),
        )
        minutes = table["offset"].str.slice(1, 2).cast(pl.Int64) * 60 + table["offset"].str.slice(3, 2).cast(pl.Int64)
        east = minutes * pl.select(pl.when(pl.lit(table["offset"]).str.starts_with("-")).then(-1).otherwise(1)).to_series()
        if not self.zone:
            seen = table["offset"].drop_nulls()[0]
            self.zone = f"{seen[:3]}:{seen[3:]}"
        sign, hours, rest = self.zone[0], int(self.zone[1:3]), int(self.zone[4:])
        home = (hours * 60 + rest) * (-1 if sign == "-" else 1)
        moved: pl.Series = (table["local"].to_physical() - (east - home) * 60_000_000).cast(_MICRO)
        return moved

    def _mixed(self, offsets: pl.Series, rows: pl.Series) -> None:
        with_one = offsets.is_not_null().to_numpy()
        at = int(np.argmax(with_one != with_one[0])) if (with_one != with_one[0]).any() else 0
        raise TableError(f"{self._where}: row {rows[at]}, column {CLOCK}: some times have an offset from UTC and others none; give all one")

    def _counted(self, values: pl.Series) -> pl.Series:
        if not self._unit and values.null_count() < len(values):
            size = abs(float(values.drop_nulls()[0]))
            self._unit = 1e6 if size < 1e11 else 1e3 if size < 1e14 else 1.0 if size < 1e17 else 1e-3
        scaled = values * (self._unit or 1.0)
        fits = scaled.is_finite() & (scaled.abs() < 2.0**62)
        return pl.select(pl.when(pl.lit(fits)).then(pl.lit(scaled))).to_series().round().cast(pl.Int64).cast(_MICRO)
