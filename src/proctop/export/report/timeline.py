"""Quantities over the whole of a recording, however long, in a bounded number of bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proctop.frames import Frame, HostRates
from proctop.records import Floats

MOST = 960
"""Bins. When they are full, each two become one of twice the time."""

_NARROWEST = 0.1  # seconds
_LONGEST = 64  # characters of a name

SERIES = ("score", "cpu", "memory", "swap", "read", "written", "cpu_wait", "memory_wait", "io_wait")
"""What is kept: the highest score (nats), share of cpu, bytes, bytes per second, shares of time some task waited."""


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of a recording that has ended.

    Attributes:
        first: wall clock at which the first begins; width: seconds of each.
        mean, peak: float64[len(SERIES), n]; NaN = nothing known.
        worst: of each bin, the name of the process with the highest score.
        readings: how many fell into each.
    """

    first: float
    width: float
    mean: Floats
    peak: Floats
    worst: tuple[str, ...]
    readings: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.readings)

    @property
    def span(self) -> float:
        return max(len(self) * self.width, 1e-9)

    def of(self, name: str) -> tuple[Floats, Floats]:
        """Means and peaks, float64[n] each."""
        k = SERIES.index(name)
        return self.mean[k], self.peak[k]


class Timeline:
    """Takes frames in the order of time."""

    def __init__(self) -> None:
        self._first = math.nan
        self._width = 1.0
        self._sum = np.zeros((len(SERIES), MOST))
        self._known = np.zeros((len(SERIES), MOST))
        self._peak = np.full((len(SERIES), MOST), np.nan)
        self._readings = np.zeros(MOST, dtype=np.int64)
        self._worst = [""] * MOST
        self._last = 0

    def step(self, frame: Frame) -> None:
        reading = frame.reading
        if not self._readings.any():
            self._first = reading.wall
            self._width = max(reading.interval, _NARROWEST)
        at = self._place(reading.wall)
        rank = np.where(np.isfinite(frame.scores.rank), frame.scores.rank, -1.0)
        top = int(rank.argmax()) if rank.max(initial=-1.0) >= 0 else -1
        score = float(rank[top]) if top >= 0 else math.nan
        if top >= 0 and not self._peak[0, at] >= score:
            self._worst[at] = f"{frame.batch.labels[top].comm[:_LONGEST]} {int(frame.batch.pid[top])}"
        values = np.array([score, *_levels(frame.host)])
        known = np.isfinite(values)
        values[~known] = np.nan
        self._sum[known, at] += values[known]
        self._known[known, at] += 1
        self._peak[:, at] = np.fmax(self._peak[:, at], values)
        self._readings[at] += 1

    def bins(self) -> Bins:
        n = self._last + 1
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._sum[:, :n] / self._known[:, :n]
        return Bins(self._first, self._width, mean, self._peak[:, :n], tuple(self._worst[:n]), tuple(self._readings[:n].tolist()))

    def _place(self, wall: float) -> int:
        """The bin of a time. A clock that is set back writes on where it was."""
        while (at := int((wall - self._first) / self._width)) >= MOST:
            self._fold()
        self._last = max(self._last, at)
        return self._last

    def _fold(self) -> None:
        half = MOST // 2
        for worst in range(half):
            a, b = 2 * worst, 2 * worst + 1
            self._worst[worst] = self._worst[b] if self._peak[0, b] > self._peak[0, a] or not self._worst[a] else self._worst[a]
        self._worst[half:] = [""] * half
        for sums in (self._sum, self._known):
            sums[:, :half] = sums[:, 0::2] + sums[:, 1::2]
            sums[:, half:] = 0
        self._peak[:, :half] = np.fmax(self._peak[:, 0::2], self._peak[:, 1::2])
        self._peak[:, half:] = np.nan
        self._readings[:half] = self._readings[0::2] + self._readings[1::2]
        self._readings[half:] = 0
        self._last //= 2
        self._width *= 2


def _levels(host: HostRates) -> tuple[float, ...]:
    """The values of SERIES after the score."""
    nothing = (math.nan, math.nan)
    waits = (host.pressure.get(name, nothing)[0] for name in ("cpu", "memory", "io"))
    return (host.cpu, host.memory_used, host.swap_used, host.disk_read, host.disk_write, *waits)
