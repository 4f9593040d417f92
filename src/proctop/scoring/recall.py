"""From a detector's memory to what is kept of it, and back.

Another host's file gives only what its names and images do: how often what happens, and what is new, differs from host to host. Processes
are known again while the host has not been restarted.
"""

from __future__ import annotations

import numpy as np

from proctop.frames import Batch
from proctop.records import ProcKey
from proctop.scoring.calibration import Calibration
from proctop.scoring.lives import COUNT
from proctop.scoring.memory import Memory
from proctop.scoring.store import Learned
from proctop.scoring.tails import BINS, CHANNELS, SLOW

AWAITED = 30
"""Readings that what was kept waits for the source that told it: a screen begins by /proc, and goes over when eBPF is there."""

PIECE = 1000
"""Slots copied at a time: one to two milliseconds."""


class Copy:
    """What is known of each process, copied some slots at a time: all at once would hold a reading up.

    Who is there when its slot is reached is copied; processes in slots that are new since the beginning are left out.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._at = self._rows = 0
        self._hist = np.empty((slots, CHANNELS, BINS), dtype=np.float32)  # pages cost nothing until touched
        self._slow = np.empty((slots, len(SLOW)), dtype=np.float32)
        self._who = np.empty((3, slots), dtype=np.int64)

    def more(self, memory: Memory, batch: Batch) -> bool:
        """Another piece; False when none is left. ``batch`` is the last one that ``memory`` followed."""
        lives, slots = memory.lives, memory.slots
        rows = np.flatnonzero((slots >= self._at) & (slots < min(self._at + PIECE, self._slots)))
        rows = rows[lives.book[slots[rows]] >= 0]
        to = slice(self._rows, self._rows + rows.size)
        books = lives.book[slots[rows]]
        self._hist[to], self._slow[to] = lives.hist[books] / np.float32(COUNT), lives.slow[books]
        self._who[:, to] = batch.pid[rows], batch.start[rows], lives.n[slots[rows]]
        self._at, self._rows = self._at + PIECE, to.stop
        return self._at < self._slots

    def learned(self, memory: Memory, calibration: Calibration, now: float, host: str, boot: str) -> Learned:
        """What was copied, with a copy of the rest; nothing of it changes with the next reading."""
        cohorts, cohort_hist = memory.cohorts.state()
        containers, container_hist = memory.containers.state()
        pid, start, n = self._who[:, : self._rows]
        return Learned(
            host=host,
            boot=boot,
            source=memory.source,
            reading=memory.reading,
            now=now,
            began=calibration.began,
            peaks=calibration.state(),
            cohorts=tuple(name for name, _ in cohorts),
            containers=tuple(containers),
            met=memory.novelty.state(),
            cohort_hist=cohort_hist,
            container_hist=container_hist,
            host_hist=memory.host.hist[:2].copy(),
            life_hist=self._hist[: self._rows],
            slow=self._slow[: self._rows],
            pid=pid,
            start=start,
            n=n,
        )


def recall(memory: Memory, calibration: Calibration, past: Learned, host: str, boot: str) -> float:
    """Begin with ``past``; returns the seconds that have been watched. ``memory`` is fresh."""
    memory.cohorts.restore([(name, "") for name in past.cohorts], past.cohort_hist)
    memory.containers.restore(past.containers, past.container_hist)
    memory.source, memory.awaited = past.source, AWAITED
    if host != past.host:
        return 0.0
    memory.reading = past.reading
    memory.awaited += past.reading
    memory.host.hist[:2] = past.host_hist
    memory.host.mass[:2] = past.host_hist.sum(axis=2)
    memory.novelty.restore(past.met)
    calibration.restore(past.began, past.now, past.peaks)
    if boot and boot == past.boot:
        keys = zip(past.pid.tolist(), past.start.tolist(), strict=True)
        memory.past = {
            ProcKey(*key): (int(n), past.life_hist[i], past.slow[i]) for i, (key, n) in enumerate(zip(keys, past.n, strict=True))
        }
    return past.now
