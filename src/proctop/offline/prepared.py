"""What ``proctop profile`` made, row by row: a scaled table (parquet) or windows (npy, with the npz beside them). For ``proctop score``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from proctop.offline.plan import CLOCK
from proctop.offline.scaled import ENTITY, beside
from proctop.records import Ints
from proctop.sanitize import clean
from proctop.settings import nearest
from proctop.sources.events import CONTEXT, Event, EventsError, Value

_NUMPY = b"\x93NUMPY"
_BATCH = 1 << 13  # rows
_COMM, _WHEN = CONTEXT.index("comm"), CONTEXT.index("wall_time_ms")

_Block = tuple[Sequence[str], Ints, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with features by name; what is missing is 0, which is the median once scaled.

    In the context the name of the disk, interface or command is ``comm``. A window is one row of length × k features, its last row's
    time and names such as ``cpu[-2]`` for the value two rows before that.
    """

    features: tuple[str, ...]
    blocks: Iterator[_Block]  # names, µs, float32[m, k]

    @property
    def columns(self) -> tuple[str, ...]:
        return (CLOCK, ENTITY, *self.features)

    def __iter__(self) -> Iterator[Event]:
        context: list[Value] = [None] * len(CONTEXT)
        for entities, times, values in self.blocks:
            whole = np.where(np.isfinite(values), values, 0).astype(np.float64)
            for entity, time, row in zip(entities, times.tolist(), whole.tolist(), strict=True):
                context[_COMM], context[_WHEN] = entity or None, time // 1000
                yield Event(tuple(context), dict(zip(self.features, row, strict=True)))


def opened(path: str, features: Sequence[str]) -> Prepared:
    """The rows of ``path``, with some of its features, () = all. Raises EventsError."""
    with open(path, "rb") as file:
        windows = file.read(len(_NUMPY)) == _NUMPY
    try:
        return _windows(path, features) if windows else _table(path, features)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        if isinstance(error, EventsError):
            raise
        said = clean(str(error).partition("\n")[0])
        raise EventsError(f"{path}: not as `proctop profile` writes it: {said}") from None
    except OSError as error:
        raise EventsError(f"{error.filename or path}: {error.strerror or error}") from None


def _table(path: str, asked: Sequence[str]) -> Prepared:
    lazy = pl.scan_parquet(path, glob=False)
    schema = lazy.collect_schema()
    for name in (CLOCK, ENTITY):
        if name not in schema:
            raise EventsError(f'{path}: no column "{name}"; `proctop profile` writes tables that have one')
    features = _chosen(path, [name for name, kind in schema.items() if kind.is_float()], asked)

    def blocks() -> Iterator[_Block]:
        for frame in lazy.select(CLOCK, ENTITY, *features).collect_batches(chunk_size=_BATCH, maintain_order=True):
            names = [clean(name or "") for name in frame[ENTITY].cast(pl.String)]
            times = frame[CLOCK].cast(pl.Datetime("us")).to_physical().fill_null(0).to_numpy()
            yield names, times, frame.select(features).to_numpy()

    return Prepared(features, blocks())


def _windows(path: str, asked: Sequence[str]) -> Prepared:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    with np.load(beside(path), allow_pickle=False) as what:
        time, entity, called, names = (what[key] for key in ("time", "entity", "entities", "features"))
    entities = [clean(str(name)) for name in called]
    width = len(names)
    if values.ndim != 3 or values.dtype != np.float32 or values.shape[2] != width or not (len(values) == len(time) == len(entity)):
        raise EventsError(f"{path}: does not fit {beside(path)}")
    if len(entity) and not 0 <= int(entity.min()) <= int(entity.max()) < len(entities):
        raise EventsError(f"{beside(path)}: an entity without a name")
    chosen = _chosen(path, [clean(str(name)) for name in names], asked)
    places = [[str(name) for name in names].index(name) for name in chosen]
    length = values.shape[1]
    features = tuple(f"{name}[{row - length + 1}]" for row in range(length) for name in chosen)

    def blocks() -> Iterator[_Block]:
        batch = max(_BATCH // length, 1)
        for a in range(0, len(values), batch):
            part = values[a : a + batch, :, places]
            yield [entities[code] for code in entity[a : a + batch].tolist()], time[a : a + batch], part.reshape(len(part), -1)

    return Prepared(features, blocks())


def _chosen(path: str, names: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    for name in asked:
        if name not in names:
            raise EventsError(f'{path}: no feature "{name}"{nearest(name, names)}')
    return tuple(asked or names)
