"""How rare a score is on this host: an exponential tail fitted to the peaks of past episodes.

An episode is a run of slow scores above 1.5, gaps of up to 10 s merged, and its peak is what counts. Peaks over a high threshold u are
exponential with mean excess β (Pickands 1975, with shape 0), so a score a comes by chance R(a) = rate·exp(−(a − u)/β) times an hour.
u is the 41st largest peak of the last day; β follows from the median excess, which a few incidents among the peaks do not move. A session
starts from what other hosts showed, weighing 20 minutes.
"""

from __future__ import annotations

from collections import deque
from math import log
from statistics import median
from typing import NamedTuple

import numpy as np

from proctop.records import Floats, Floats32, Index

EPISODE = 1.5
"""nats: a slow score above it belongs to an episode."""

MERGED = 10.0
"""Seconds between two runs that still make one episode."""

_KEPT = 40
_DAY = 24
_HOUR = 3600.0
_COLD_PEAKS = 4  # so many peaks of other hosts steady the mean excess of few


class Cold(NamedTuple):
    """What other hosts showed: ``rate`` episodes an hour whose peaks pass ``u``, by ``beta`` nats on average; it weighs ``hours``."""

    u: float
    beta: float
    rate: float
    hours: float = 1 / 3


PROCESSES = Cold(2.55, 0.75, 125.0)


class Calibration:
    """Collects peaks, and turns a slow score into "so many an hour"."""

    def __init__(self, cold: Cold = PROCESSES) -> None:
        self._cold = cold
        self._hours: deque[tuple[float, list[float]]] = deque()  # (begin, the largest peaks of that hour)
        self.began: float | None = None
        self._hours_seen = 0.0
        self._fit = (EPISODE, cold.beta, 0.5)  # u, β, peaks above u

    def observe(self, now: float, peaks: list[float]) -> None:
        """Time goes on (seconds, monotonic), and these episodes ended."""
        if self.began is None:
            self.began = now
        self._hours_seen = min((now - self.began) / _HOUR, float(_DAY))
        stale = bool(self._hours) and now - self._hours[0][0] > (_DAY + 1) * _HOUR
        if stale:
            self._hours.popleft()
        if peaks:
            if not self._hours or now - self._hours[-1][0] >= _HOUR:
                self._hours.append((now, []))
            hour = self._hours[-1][1]
            hour.extend(peaks)
            hour.sort(reverse=True)
            del hour[_KEPT + 1 :]
        if peaks or stale:
            self._refit()

    def state(self) -> tuple[tuple[float, tuple[float, ...]], ...]:
        """Begin and largest peaks of each hour."""
        return tuple((begin, tuple(peaks)) for begin, peaks in self._hours)

    def restore(self, began: float | None, now: float, hours: tuple[tuple[float, tuple[float, ...]], ...]) -> None:
        """The way back, at the time ``now`` at which it was saved."""
        self.began = began
        self._hours = deque((begin, sorted(peaks, reverse=True)[: _KEPT + 1]) for begin, peaks in hours[-_DAY - 1 :])
        if began is not None:
            self._hours_seen = min(max(now - began, 0.0) / _HOUR, float(_DAY))
        self._refit()

    def _refit(self) -> None:
        peaks = sorted((p for _, hour in self._hours for p in hour), reverse=True)
        kept = peaks[:_KEPT]
        u = peaks[_KEPT] if len(peaks) > _KEPT else EPISODE
        beta = (median(kept) - u) / log(2) if kept else 0.0  # of an exponential
        self._fit = (u, (beta * len(kept) + _COLD_PEAKS * self._cold.beta) / (len(kept) + _COLD_PEAKS), len(kept) + 0.5)

    def per_hour(self, alert: Floats32) -> Floats32:
        """float32[n]: how often an hour an episode reaches ``alert`` by chance.

        A geometric mean of what other hosts showed and what this one did, each weighing its time.
        """
        seen, cold, (u, beta, count) = self._hours_seen, self._cold, self._fit
        rate = np.log(cold.rate) + (cold.u - alert) / cold.beta
        if seen > 0:
            here = np.log(count / seen) + (u - alert) / beta
            rate = (rate * cold.hours + here * seen) / (cold.hours + seen)
        expected: Floats32 = np.exp(rate).astype(np.float32)
        return expected


class Episodes:
    """The running episode of each slot: its peak so far and when it was last above the mark."""

    def __init__(self) -> None:
        self._open = np.zeros(0, dtype=np.intp)
        self._peak: Floats = np.zeros(0)
        self._last: Floats = np.zeros(0)
        self._dropped = np.zeros(0, dtype=np.bool_)

    def drop(self, slots: Index) -> None:
        """The running episodes of ``slots`` are incidents: their peaks will not be told."""
        self._dropped |= np.isin(self._open, slots)

    def step(self, now: float, alert: Floats32, gone: Index) -> list[float]:
        """Peaks of the episodes that ended: calm for :data:`MERGED` seconds, or ``gone``. ``alert`` is float32 by slot."""
        over = np.flatnonzero(alert > EPISODE)
        if not over.size and not self._open.size:
            return []
        left = np.isin(self._open, gone)
        done = left | (now - self._last > MERGED)
        slots = np.union1d(self._open[~done], over)
        peak = np.zeros(slots.size)
        last = np.zeros(slots.size)
        dropped = np.zeros(slots.size, dtype=np.bool_)
        at = np.searchsorted(slots, self._open[~done])
        peak[at], last[at], dropped[at] = self._peak[~done], self._last[~done], self._dropped[~done]
        at = np.searchsorted(slots, over)
        peak[at] = np.maximum(peak[at], alert[over])
        last[at] = now
        ended: list[float] = self._peak[done & ~self._dropped].tolist()
        self._open, self._peak, self._last, self._dropped = slots, peak, last, dropped
        return ended
