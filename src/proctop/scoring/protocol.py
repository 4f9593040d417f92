"""What every detector offers."""

from __future__ import annotations

from typing import Protocol

from proctop.frames import Batch, Scores
from proctop.records import ProcKey


class Detector(Protocol):
    """Scores batches in the order of time, learning as it goes.

    Deterministic, independent of the order of processes, bounded in memory. A process missing from a batch has
    exited. ``step`` may read and keep the batch's arrays but never writes to them.
    """

    name: str

    @property
    def warming(self) -> float:
        """Share of the warm-up done, 1.0 = warm."""
        ...

    def step(self, batch: Batch, *, explain: int = 64) -> Scores:
        """Score, then learn, one batch. Reasons are worked out for the ``explain`` highest rows that have something to say."""
        ...

    def accept(self, key: ProcKey) -> None:
        """Take what the process does now as its normal."""
        ...

    def incident(self, key: ProcKey) -> None:
        """What the process does now is a true alarm: it says nothing about how often false ones come."""
        ...
