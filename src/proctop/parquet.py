"""Parquet files, written a row group at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

from proctop.outfile import Unwritable

GROUP = 1 << 16
"""Rows of a row group: what is held in memory."""


class Parquet:
    """Takes columns, or rows, and writes them to ``file`` as they fill a row group.

    ``types`` are by name ``int64``, ``int32``, ``float64``, ``float32``, ``bool``, ``string``, ``strings`` (a list) or ``time``
    (milliseconds since the epoch). None and NaN become null. Raises :class:`Unwritable` without pyarrow.
    """

    def __init__(self, file: IO[bytes], types: Mapping[str, str]) -> None:
        self._arrow, parquet = modules()
        types_of = {
            "bool": self._arrow.bool_(),
            "strings": self._arrow.list_(self._arrow.string()),
            "time": self._arrow.timestamp("ms", tz="UTC"),
        }
        self._schema = self._arrow.schema([(name, types_of.get(kind) or getattr(self._arrow, kind)()) for name, kind in types.items()])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[Any] = []
        self._rows: list[Sequence[Any]] = []
        self._count = 0

    def columns(self, columns: Mapping[str, Any]) -> None:
        """Some rows, as an array or a list for every column."""
        arrays = [self._array(columns[field.name], field.type) for field in self._schema]
        self._held.append(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._count += len(arrays[0])
        if self._count >= GROUP:
            self._flush()

    def row(self, row: Sequence[Any]) -> None:
        """One row, in the order of the columns."""
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self._take_rows()

    def close(self) -> None:
        self._take_rows()
        self._flush()
        self._writer.close()

    def _take_rows(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self.columns(dict(zip(self._schema.names, zip(*rows, strict=True), strict=True)))

    def _array(self, values: Any, type: Any) -> Any:
        if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not self._arrow.types.is_floating(type):
            missing = ~np.isfinite(values)
            return self._arrow.array(np.where(missing, 0, values).astype(np.int64), mask=missing).cast(type)
        return self._arrow.array(values, type=type, from_pandas=True)

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(self._arrow.Table.from_batches(self._held, self._schema))
            self._held, self._count = [], 0


def modules() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet. Raises :class:`Unwritable` where they are not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Unwritable("parquet needs pyarrow: pip install 'proctop[parquet]', or --format csv") from None
    return pyarrow, parquet
