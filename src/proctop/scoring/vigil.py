"""How long a silent process may go unwatched: until its silence could be unusual.

Idle time and lower tails are the only evidence that grows while a process does nothing, and it only grows. So one look at how they would
stand some readings ahead bounds everything in between.
"""

from __future__ import annotations

import numpy as np

from proctop.records import Floats32, Ints
from proctop.scoring.evidence import combine, evidence
from proctop.scoring.lives import COUNT, Lives
from proctop.scoring.memory import Memory
from proctop.scoring.quiet import SLOW_SPAN
from proctop.scoring.tails import CHANNELS, IDLE, LOWER, MISSING, RATES, SF, UNITS, UPPER, steps

_HORIZONS = np.array([[2, 6, 16, 36]])
"""Readings to look ahead."""

_LONGER = np.array([[0.05, 0.1, 0.25, 0.5]])  # of the idle time so far, when that is more
_LONGEST = np.float32(1e7)  # seconds
_USUAL = 0.06  # of its own time a process was idle for longer than at the horizon
_REST = np.float32(1.2)  # nats: a score below it may sleep
_HALF_WAY = np.float32(0.6)  # evidence on the way, of that at the end
_RECENT = 1 / 12  # a steady silence of t readings leaves t/12 of them above its own end (kernel of 0.2 nat over log time)


def sleep(memory: Memory, tails: Floats32, slots: Ints, e: Floats32, measured: Floats32, dt: float) -> tuple[Ints, Floats32]:
    """Readings until each of ``slots`` must be looked at again if it stays silent (int64[m], 1 = at the next one), and its score then.

    ``e`` float32[m, 33] and ``measured`` float32[m, 30] are those of this reading.
    """
    lives = memory.lives
    wait = np.ones(slots.size, dtype=np.int64)
    expected = np.zeros(slots.size, dtype=np.float32)
    ahead = _usual_for(lives, slots, np.fmax(np.minimum(measured[:, IDLE], _LONGEST), 0), dt)
    some = ahead.nonzero()[0]
    if not some.size:
        return wait, expected
    ahead = ahead[some]
    decay = np.power(np.float32(1 - 1 / SLOW_SPAN), ahead)
    then = np.full((some.size, CHANNELS), MISSING, dtype=np.uint8)
    then[:, -LOWER:] = steps(measured[some, -LOWER:] * decay[:, None], UNITS[-LOWER:])
    at_end = evidence(memory, tails, slots[some], np.ones(some.size, dtype=np.int64), then)
    at_end[:, RATES:UPPER] = e[some, RATES:UPPER]  # levels stand still, and slow means take a while to fall
    at_end[:, IDLE] = 1.0
    score = combine(at_end)
    quiet = score < _REST
    wait[some[quiet]] = ahead[quiet]
    expected[some] = np.where(measured[some, IDLE] > 0, (score + lives.score[slots[some]]) / 2, combine(at_end * _HALF_WAY))
    return wait, expected


def _usual_for(lives: Lives, slots: Ints, idle: Floats32, dt: float) -> Ints:
    """int64[m]: the longest horizon at which idle time is still nothing unusual for the process itself, 0 = none.

    What it learns on the way is allowed for, or a silence that is longer than all before would never count as usual.
    """
    ahead = np.maximum(_HORIZONS, (idle[:, None] * (_LONGER / dt)).astype(np.int64))
    end = idle[:, None] + ahead * dt
    then = steps(end.astype(np.float32), UNITS[IDLE : IDLE + 1])
    books = lives.book[slots]
    before = (SF.take(then, axis=0) @ (lives.hist[books, IDLE] / np.float32(COUNT))[:, :, None])[:, :, 0]
    learned = end / dt * _RECENT * (1 - (idle[:, None] / end) ** 6)
    usual = before + learned >= _USUAL * (lives.mass[books, IDLE][:, None] + ahead)
    longest: Ints = np.where(usual, ahead, 0).max(axis=1)
    return longest
