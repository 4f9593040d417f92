"""Who only waits for whom: a client that fell silent when its server became unusual.

A process is taken for a client of another when both used to move, or to wait more than lately, in the same readings (correlation over the
last minute) and the other's excursion began when it fell silent. Such a silence is told at half its score, so that the server stands
above its clients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proctop.records import Bools, Floats32, Ints
from proctop.scoring.lives import Lives

HALF = np.float32(0.5)

_NOTABLE = 1.5  # nats: a silence below it needs no excuse
_TOGETHER = 0.45  # correlation
_LAG = 3.0  # readings between the two onsets
_KNOWN = 20  # readings before the silence that must be known
_BITS = 64


def forward(lives: Lives, slots: Ints, active: Bools) -> None:
    """Another reading: who moved in it, as the lowest bit of ``moves``."""
    lives.moves[: lives.slots] <<= np.uint64(1)
    lives.rises[: lives.slots] <<= np.uint64(1)
    lives.moves[slots[active]] |= np.uint64(1)


def rose(lives: Lives, slots: Ints, more: Bools) -> None:
    """Who did more than lately in this reading, as the lowest bit of ``rises``."""
    lives.rises[slots[more]] |= np.uint64(1)


def excuse(lives: Lives, slots: Ints, score: Floats32, out: Bools, idle: Floats32, dt: float) -> Floats32:
    """``score`` float32[m] with that of clients halved. ``out``: in an excursion; ``idle`` float32[m]: seconds."""
    silent = idle > 0
    client = lives.client[slots] & silent
    lives.client[slots] = client
    suspects = (silent & (score > _NOTABLE) & ~client).nonzero()[0]
    loud = (out & ~silent).nonzero()[0] if suspects.size else suspects
    if loud.size:
        began = lives.out[slots[loud]] / np.float32(dt)
        for i in suspects.tolist():
            quiet = round(float(idle[i]) / dt)
            near = loud[np.abs(began - quiet) <= _LAG]
            if near.size and quiet <= _BITS - _KNOWN:
                pairs = (_bits(bits[slots[np.append(near, i)]])[:, quiet:] for bits in (lives.moves, lives.rises))
                lives.client[slots[i]] = any(_moved_with(each[-1], each[:-1]) for each in pairs)
        client = lives.client[slots]
    return np.where(client, score * HALF, score)


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """uint8[m, 64], the last reading first."""
    return np.unpackbits(words[:, None].view(np.uint8), axis=1, bitorder="little")


def _moved_with(mine: NDArray[np.uint8], others: NDArray[np.uint8]) -> bool:
    a = mine - mine.mean()
    b = others - others.mean(axis=1, keepdims=True)
    spread = np.sqrt((a @ a) * (b * b).sum(axis=1))
    return bool((b @ a > _TOGETHER * spread)[spread > 0].any())
