"""Guarded learning: how much of a sample becomes part of what is normal.

A calm sample counts 1. In an excursion a sample counts next to nothing, so that a fault is not learned while it lasts; after three minutes
its weight doubles every 30 s, so that a new regime is adopted in about five. The first samples of an excursion are kept, and count in
full when calm returns at once: short bursts are part of normal life.
"""

from __future__ import annotations

import numpy as np

from proctop.records import Bools, Floats32, Ints
from proctop.scoring.lives import COUNT, EXCURSIONS_KEPT, Lives
from proctop.scoring.quiet import Counts
from proctop.scoring.tails import BINS, CHANNELS, Steps

EXCURSION = float(-np.log(0.01))
EXCURSION_IDLE = 5.5
EXCURSION_NEW = 2.5
"""nats, of a process whose name is new where it runs: it has no history yet that could tell the unusual from its normal."""

_GUARDED, _GUARDED_YOUNG, _GUARDED_NEW, _YOUNG = 0.02, 0.04, 0.02, 20
_PATIENCE, _DOUBLING, _ADOPTING = 180.0, 30.0, 0.64
_BY_DECREE, _MOST_BY_DECREE = np.float32(0.05), np.float32(30)  # an accepted sample counts as a twentieth of all before it
_CALM, _BURST = 5, 10.0
_LONG, _FADE = np.float32(1200), np.float32(0.9)
MOST = np.float32(600)
"""Samples that a silence counts for at most."""
_CLOSED = EXCURSIONS_KEPT + 1


def weigh(lives: Lives, slots: Ints, out: Bools, own: Floats32, dt: float) -> Floats32:
    """float32[m]: the weight of this sample. ``out``: in an excursion; ``own``: how much each process knows of itself."""
    away = np.where(out, lives.out[slots] + np.float32(dt), np.float32(0))
    lives.out[slots] = away
    guarded = np.where(own > _YOUNG, np.float32(_GUARDED), np.float32(_GUARDED_YOUNG))
    late = np.maximum(away - _PATIENCE, 0) // _DOUBLING
    guarded[lives.novel[slots] > 0] = _GUARDED_NEW
    weight = np.where(out, np.minimum(guarded * np.exp2(late), np.float32(_ADOPTING)), np.float32(1))
    accepted = lives.accepted[slots]
    if accepted.any():
        weight[accepted] = np.clip(own[accepted] * _BY_DECREE, 1, _MOST_BY_DECREE)
        lives.accepted[slots] = accepted & (lives.calm[slots] < _CALM)
    return weight.astype(np.float32)


def keep(lives: Lives, slots: Ints, out: Bools, own: Floats32, bins: Steps, dt: float) -> tuple[Ints, Steps]:
    """Keep the first samples of excursions, of processes that know themselves.

    Returns those to be learned after all: slots [j], bins uint8[j, 30].
    """
    calm = np.where(out, 0, lives.calm[slots] + 1)
    lives.calm[slots] = calm
    kept = lives.kept[slots]
    busy = ((out & (own > _YOUNG)) | (kept > 0)).nonzero()[0]
    if not busy.size:
        return slots[:0], bins[:0]
    slots, out, bins, calm, kept = slots[busy], out[busy], bins[busy], calm[busy], kept[busy]
    since = np.where(kept > 0, lives.kept_for[slots] + np.float32(dt), np.float32(0))
    store = (out & (kept < EXCURSIONS_KEPT) & (since <= _BURST)).nonzero()[0]
    lives.held[lives.book[slots[store]], kept[store]] = bins[store]
    kept[store] += 1
    expired = since > _BURST
    due = ((calm >= _CALM) & ~expired & (kept > 0) & (kept <= EXCURSIONS_KEPT)).nonzero()[0]
    again = np.repeat(slots[due], kept[due])
    held = [lives.held[lives.book[slots[j]], : kept[j]] for j in due.tolist()]
    kept[expired] = _CLOSED
    kept[(calm >= _CALM)] = 0
    lives.kept[slots] = kept
    lives.kept_for[slots] = since
    return again, np.concatenate(held) if held else bins[:0]


def learn(lives: Lives, books: Ints, counts: Counts) -> None:
    """Add ``counts``, those of process ``i`` to book ``books[i]``; no cell twice."""
    cell = books[counts.row] * CHANNELS + counts.channel
    parts = np.rint(counts.weight * COUNT)
    np.add.at(lives.mass.reshape(-1), cell, (parts / COUNT).astype(np.float32))
    lives.hist.reshape(-1)[cell * BINS + counts.bin] += parts.astype(np.uint16)


def forget(lives: Lives, books: Ints, more: Floats32) -> None:
    """Fade histories that grew long, by a tenth or by what it takes, so that ``more`` float32[m] samples, :data:`MOST` at most, fit in."""
    mass = lives.mass[books].max(axis=1)
    long = (mass + more > _LONG).nonzero()[0]
    if long.size:
        fade = np.minimum(_FADE, (_LONG - more[long]) / mass[long])
        lives.hist[books[long]] = np.rint(lives.hist[books[long]] * fade[:, None, None]).astype(np.uint16)
        lives.mass[books[long]] *= fade[:, None]


def adopt(lives: Lives, book: int, hist: Floats32) -> None:
    """A history float32[30, 24] that was kept elsewhere."""
    hist = hist * np.minimum(_LONG / np.maximum(hist.sum(axis=1).max(), _LONG), 1)
    lives.hist[book] = np.rint(hist * COUNT).astype(np.uint16)
    lives.mass[book] = lives.hist[book].sum(axis=1) / np.float32(COUNT)
