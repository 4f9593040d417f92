"""Another source tells other things by some names. What was learned of those is forgotten, and nobody is judged by them until learned anew.

Of processes with several threads /proc tells switches and waits of the main one, eBPF of all. Resident memory is exact by /proc and a quick
sum by eBPF, and forks of children that were too brief to be seen are told by eBPF only. Everything else means the same, and stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proctop.fields import FEATURE
from proctop.records import Floats32, Ints
from proctop.scoring.memory import Memory
from proctop.scoring.tails import CHANNEL, FAST, MISSING, SLOW, UNITS, bins, steps

ANEW = 30
"""Readings until one is judged by them again: by then own history outweighs that of its kind."""

_THREADS = FEATURE["threads"]
_SEVERAL = int(bins(steps(np.array([2], dtype=np.float32), UNITS[[_THREADS]]))[0])
_OF_CROWDS, _OF_ALL = ("vctx", "nvctx", "run_wait"), ("rss", "forks")  # of who has several threads, and of everybody
_CROWD, _ALL = (np.array([FEATURE[name] for name in names]) for names in (_OF_CROWDS, _OF_ALL))
_MEANS = np.array([at for at, name in enumerate(SLOW) if name in _OF_CROWDS])
_CROWD_CHANNELS = np.append(_CROWD, len(FAST) + _MEANS)
_CROWD_EVIDENCE, _ALL_EVIDENCE = (np.flatnonzero(np.isin(CHANNEL, channels)) for channels in (_CROWD_CHANNELS, _ALL))


def learn_anew(memory: Memory) -> None:
    """Forget what ``memory`` knows of what another source tells differently."""
    lives = memory.lives
    books = np.arange(lives.books)
    crowds = _forget(lives.hist, lives.mass, books)
    lives.slow[np.ix_(crowds, _MEANS)] = 0
    for which, channels in ((books, _ALL), (crowds, _CROWD_CHANNELS)):
        lives.held[np.ix_(which, np.arange(lives.held.shape[1]), channels)] = MISSING
    for kinds in (memory.cohorts, memory.containers):
        _forget(kinds.hist, kinds.mass, kinds.rows())
    memory.anew = memory.reading + ANEW


def _forget(hist: NDArray[Any], mass: Floats32, rows: Ints) -> Ints:
    """Of ``rows`` of histograms, those that have known several threads."""
    crowds = rows[hist[rows, _THREADS, _SEVERAL:].any(axis=1)]
    for which, channels in ((rows, _ALL), (crowds, _CROWD_CHANNELS)):
        cells = np.ix_(which, channels)
        hist[cells] = 0
        mass[cells] = 0
    return crowds


def hide(values: Floats32) -> None:
    """Take out of ``values`` float32[m, 21] what a source tells that is not the one whose numbers are known."""
    values[:, _ALL] = np.nan
    values[np.ix_(values[:, _THREADS] > 1, _CROWD)] = np.nan


def pardon(e: Floats32, values: Floats32) -> None:
    """Take out of ``e`` float32[m, 33] what is only learned now; ``values`` as above."""
    e[:, _ALL_EVIDENCE] = 0
    e[np.ix_(values[:, _THREADS] > 1, _CROWD_EVIDENCE)] = 0
