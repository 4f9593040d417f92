"""Frames as a Parquet file: one row per process and reading, every column with its type."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from proctop import fields
from proctop.fields import COUNTER
from proctop.frames import Frame, Status
from proctop.parquet import Parquet
from proctop.records import Bools, Label
from proctop.view import values

_TEXTS = ("comm", "command", "user", "cgroup")
_OF_CONTAINER = ("container", "container_id", "image", "runtime", "pod")
_WHOLE = ("ppid", "priority", "nice")
TYPES: dict[str, str] = {
    "time": "time",
    "pid": "int64",
    "start": "int64",
    "ppid": "int64",
    **dict.fromkeys((*_TEXTS, *_OF_CONTAINER, "state"), "string"),
    "uid": "int64",
    "kernel": "bool",
    "priority": "int32",
    "nice": "int32",
    **dict.fromkeys(fields.SCHEMA, "float32"),
    "cpu_time": "float64",
    "elapsed": "float64",
    "score": "float32",
    "alert": "bool",
    "alert_score": "float32",
    "every_hours": "float64",
    "status": "string",
    "why": "strings",
    "wchan": "string",
}
"""The columns and their types (:class:`proctop.parquet.Parquet`). Units are those of the JSON: bytes, seconds, per second."""


class ParquetRows:
    """Writes frames to ``file``; ``rows`` counts them. Raises ``Unwritable`` without pyarrow."""

    def __init__(self, file: IO[bytes]) -> None:
        self.rows = 0
        self._table = Parquet(file, TYPES)

    def write(self, frame: Frame, chosen: Bools) -> None:
        """The rows of the processes of ``frame`` that are ``chosen`` bool[n]."""
        rows = np.flatnonzero(chosen)
        if not rows.size:
            return
        self.rows += rows.size
        reading, scores = frame.reading, frame.scores
        labels = [frame.batch.labels[i] for i in rows.tolist()]
        columns: dict[str, Any] = {"time": np.full(rows.size, round(reading.wall * 1000), dtype="datetime64[ms]")}
        columns |= {"pid": reading.pid[rows], "start": reading.start[rows]}
        columns |= {name: reading.counters[COUNTER[name], rows] for name in _WHOLE}
        columns |= {name: [getattr(label, name) for label in labels] for name in _TEXTS}
        columns |= dict(zip(_OF_CONTAINER, zip(*map(_container, labels), strict=True), strict=True))
        columns["state"] = [letter or None for letter in values.texts(frame, "state", rows)]
        columns["uid"] = [label.uid if label.uid >= 0 else None for label in labels]
        columns["kernel"] = [label.kernel for label in labels]
        columns |= dict(zip(fields.SCHEMA, frame.batch.values[:, rows], strict=True))
        columns |= {"cpu_time": values.numbers(frame, "time", rows), "elapsed": values.numbers(frame, "elapsed", rows)}
        with np.errstate(divide="ignore"):
            every = 1.0 / scores.per_hour[rows].astype(np.float64)
        columns |= {"score": scores.rank[rows], "alert": scores.alerting[rows], "alert_score": scores.alert[rows]}
        columns["every_hours"] = np.where(np.isfinite(every), every, np.nan)
        columns["status"] = [Status(s).name.lower() for s in scores.status[rows].tolist()]
        columns["why"] = [[reason.text for reason in scores.why.get(i, ())] for i in rows.tolist()]
        columns["wchan"] = [reading.wchan.get(i) for i in rows.tolist()]
        self._table.columns(columns)

    def close(self) -> None:
        self._table.close()


def _container(label: Label) -> tuple[str | None, ...]:
    box = label.container
    return (box.name, box.id, box.image, box.runtime, box.pod) if box else (None,) * len(_OF_CONTAINER)
