"""The four tables of a recording: what vmstat(8), iostat(1), ``netstat -i`` and ps(1) would have shown at each reading.

Every row covers the interval that ends at its time, which is in UTC. There is none across a gap or a reboot; what could not be read is
missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from proctop import hosttables
from proctop.features import derive
from proctop.fields import FEATURE
from proctop.frames import Batch, HostRates
from proctop.offline.gather import Chunks, gather
from proctop.offline.plan import CLOCK, TableError
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Chunk, Table
from proctop.records import DiskCounters, Floats, NetCounters, Reading
from proctop.sources.replay import ReplaySource
from proctop.vitals import host_rates

_NAN = float("nan")
_BATCH = 1 << 16  # rows
_LATEST = 253_370_000_000.0  # seconds: the year 9998
_CPU, _RSS = FEATURE["cpu"], FEATURE["rss"]

Row = tuple[float | str, ...]

_ENTITY: dict[str, tuple[str, ...]] = {"iostat": ("disk",), "netstat": ("interface",), "process": ("command",)}
COLUMNS = {kind: (*_ENTITY.get(kind, ()), *columns) for kind, columns in hosttables.COLUMNS.items()}
"""By kind of table."""


def vmstat(cur: Reading, rates: HostRates) -> Iterator[Row]:
    """One row."""
    yield hosttables.vmstat(cur.host, rates)


def iostat(before: Mapping[str, DiskCounters], after: Mapping[str, DiskCounters], dt: float) -> Iterator[Row]:
    """A row for each disk that was there before."""
    return ((name, *hosttables.iostat(before[name], disk, dt)) for name, disk in after.items() if name in before)


def netstat(before: Mapping[str, NetCounters], after: Mapping[str, NetCounters], dt: float) -> Iterator[Row]:
    """A row for each interface that was there before."""
    return ((name, *hosttables.netstat(before[name], net, dt)) for name, net in after.items() if name in before)


def process(batch: Batch, memory: int) -> Iterator[Row]:
    """A row for each command, all its processes together: ``cpu``, percent of one cpu, and ``mem``, percent of memory, as of ps(1)."""
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(label.comm, len(place)) for label in batch.labels], dtype=np.intp)
    cpu = _totals(codes, batch.values[_CPU].astype(np.float64) * 100)
    mem = _totals(codes, batch.values[_RSS].astype(np.float64) * (100 / memory if memory else _NAN))
    yield from zip(place, cpu.tolist(), mem.tolist(), strict=True)


def _totals(codes: np.ndarray[tuple[int], np.dtype[np.intp]], values: Floats) -> Floats:
    """By code; what is missing of some is left out, NaN where it is of all."""
    known = values == values
    sums = np.bincount(codes, np.where(known, values, 0.0)).astype(np.float64)
    sums[np.bincount(codes, known) == 0] = np.nan
    return sums


def load(path: str, kinds: Sequence[str], sample: Stretches) -> tuple[dict[str, Table], str]:
    """The tables that are asked for, and a remark on what could not be read. Raises StreamError, and TableError for a table of no rows."""
    source = ReplaySource(path)
    try:
        frames = _Frames(kinds)
        prev: Reading | None = None
        batch: Batch | None = None
        while (cur := source.read()) is not None:
            batch = derive(prev, cur, batch)
            if prev is not None and batch.dt == batch.dt:
                frames.add(cur.wall, _rows(kinds, prev, cur, batch))
            prev = cur
        remark = f"{path}: {source.damage}" if source.damage else ""
    finally:
        source.close()
    return {kind: gather(kind, f"{path} ({kind})", frames.take(kind, path, sample)) for kind in kinds}, remark


def _rows(kinds: Iterable[str], prev: Reading, cur: Reading, batch: Batch) -> Iterator[tuple[str, Iterator[Row]]]:
    made = {
        "vmstat": lambda: vmstat(cur, host_rates(prev, cur)),
        "iostat": lambda: iostat(prev.host.disks, cur.host.disks, batch.dt),
        "netstat": lambda: netstat(prev.host.nets, cur.host.nets, batch.dt),
        "process": lambda: process(batch, cur.info.memory),
    }
    return ((kind, made[kind]()) for kind in kinds)


class _Frames:
    """Rows by kind of table, put into columns once there are enough."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._rows: dict[str, list[Row]] = {kind: [] for kind in kinds}
        self._frames: dict[str, list[pl.DataFrame]] = defaultdict(list)

    def add(self, wall: float, rows: Iterator[tuple[str, Iterator[Row]]]) -> None:
        when = round(min(max(wall, 0.0), _LATEST) * 1e6)
        for kind, some in rows:
            held = self._rows[kind]
            held += ((when, *row) for row in some)
            if len(held) >= _BATCH:
                self._close(kind)

    def take(self, kind: str, path: str, sample: Stretches) -> Chunks:
        self._close(kind)
        frames = self._frames.pop(kind)
        total = sum(frame.height for frame in frames)
        if not total:
            raise TableError(f"{path}: no rows for {kind}: it needs two readings in a row, and something to tell of")
        whole = pl.concat(frames, rechunk=False)
        for stretch, row, end in sample.rows(total):
            yield Chunk(row + 1, stretch, whole.slice(row, end - row))
        return total

    def _close(self, kind: str) -> None:
        words = ("disk", "interface", "command")
        schema = {name: pl.String if name in words else pl.Float64 for name in COLUMNS[kind]}
        frame = pl.DataFrame(self._rows[kind], {CLOCK: pl.Int64, **schema}, orient="row")
        self._frames[kind].append(frame.with_columns(pl.col(CLOCK).cast(pl.Datetime("us", "UTC"))))
        self._rows[kind] = []
