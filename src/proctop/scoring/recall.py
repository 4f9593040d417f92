"""From a detector's memory to what is kept of it, and back.

Another host's file gives only what its names and images do: how often what happens, and what is new, differs from host to host. Processes
are known again while the host has not been restarted.
"""

from __future__ import annotations

import numpy as np

from proctop.records import Batch, ProcKey
from proctop.scoring.calibration import Calibration
from proctop.scoring.memory import Memory
from proctop.scoring.store import Learned


def learned(memory: Memory, calibration: Calibration, now: float, batch: Batch | None, host: str, boot: str) -> Learned:
    """A copy of all that matters; nothing of it changes with the next reading."""
    lives = memory.lives
    rows = np.flatnonzero(lives.book[memory.slots] >= 0) if batch is not None else np.zeros(0, dtype=np.int64)
    slots = memory.slots[rows]
    books = lives.book[slots]
    cohorts, cohort_hist = memory.cohorts.state()
    containers, container_hist = memory.containers.state()
    return Learned(
        host=host,
        boot=boot,
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
        life_hist=lives.hist[books],
        slow=lives.slow[books],
        pid=batch.pid[rows].copy() if batch is not None else rows,
        start=batch.start[rows].copy() if batch is not None else rows,
        n=lives.n[slots],
    )


def recall(memory: Memory, calibration: Calibration, past: Learned, host: str, boot: str) -> float:
    """Begin with ``past``; returns the seconds that have been watched. ``memory`` is fresh."""
    memory.cohorts.restore([(name, "") for name in past.cohorts], past.cohort_hist)
    memory.containers.restore(past.containers, past.container_hist)
    if host != past.host:
        return 0.0
    memory.reading = past.reading
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
