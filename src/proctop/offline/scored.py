"""Rows with scores, out of an events table or a recording, in the order of the input."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from proctop.engine import Engine
from proctop.frames import Frame
from proctop.records import Bools, Floats, Reading
from proctop.scoring.models import Models, score_and_learn
from proctop.scoring.protocol import Detector
from proctop.scoring.rowwise import RowWise
from proctop.sources.events import CONTEXT, Event, Value


class Row(NamedTuple):
    """A process in an interval.

    Attributes:
        context: values of ``events.CONTEXT``; None = unknown.
        features: in the order that was asked for; NaN = missing.
        score: NaN = not scored (a detector that warms up, a process seen for the first time).
        flagged: is it an anomaly by the model's own word; None where it does not say.
    """

    context: tuple[Value, ...]
    features: tuple[float, ...]
    score: float
    flagged: bool | None


class Readings(Protocol):
    """What gives readings until it is at its end: a recording."""

    def read(self) -> Reading | None: ...


_SCOPES = {"container": "container_id", "image": "container_image", "comm": "comm", "process": "pid"}


def events(table: Iterable[Event], models: Models, scope: str) -> Iterator[Row]:
    """Each row scored, then learned, by the model of its ``scope`` (of ``catalogue.SCOPES``; a process is a pid)."""
    place = CONTEXT.index(_SCOPES[scope]) if scope in _SCOPES else None
    flags = models.flags
    for context, features in table:
        models.turn()
        key: Hashable = "" if place is None else context[place]
        score, flagged = score_and_learn(models.of(key), features)
        yield Row(context, tuple(features.values()), score, flagged if flags else None)


def recording(source: Readings, detector: Detector, features: tuple[str, ...]) -> Iterator[Row]:
    """Each process of each reading that has an interval behind it.

    The score is what the model said, or the rank where the detector is no row-by-row model.
    """
    engine = Engine(detector, explain=0)
    flags = isinstance(detector, RowWise) and detector.models.flags
    while (reading := source.read()) is not None:
        frame = engine.step(reading)
        score: Floats = detector.raw if isinstance(detector, RowWise) else frame.scores.rank.astype(np.float64)
        yield from _rows(frame, features, score, detector.flagged if isinstance(detector, RowWise) and flags else None)


def _rows(frame: Frame, features: tuple[str, ...], score: Floats, flagged: Bools | None) -> Iterator[Row]:
    batch = frame.batch
    if batch.dt != batch.dt:
        return
    values = batch.values[[batch.schema.index(name) for name in features]].T
    when = round(frame.reading.wall * 1000)
    for i in np.flatnonzero((batch.prev >= 0) | batch.born).tolist():
        label = batch.labels[i]
        inside = (label.container.id, label.container.image or None) if label.container else (None, None)
        context = (int(batch.pid[i]), label.comm, label.user or None, *inside, when)
        yield Row(context, tuple(values[i].tolist()), float(score[i]), None if flagged is None else bool(flagged[i]))
