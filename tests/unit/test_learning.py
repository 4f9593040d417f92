"""Histories in whole parts of a sample: they never run over, and what is kept elsewhere fits in."""

from __future__ import annotations

import numpy as np
import pytest

from proctop.scoring.learning import MOST, adopt, forget, learn
from proctop.scoring.lives import COUNT, Lives
from proctop.scoring.quiet import sample
from proctop.scoring.tails import BINS, CHANNELS


def known(samples: float) -> tuple[Lives, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """One process that always did the same."""
    lives = Lives(1)
    slots = lives.take(1)
    lives.open_books(slots)
    adopt(lives, 0, np.repeat(np.eye(1, BINS, 3, dtype=np.float32) * np.float32(samples), CHANNELS, axis=0))
    return lives, lives.book[slots]


@pytest.mark.parametrize("weight", [0.02, 0.04, 0.64, 1.0, 30.0, float(MOST)])
def test_a_history_never_runs_over(weight: float) -> None:
    lives, books = known(1000)
    same = np.full((1, CHANNELS), 3, dtype=np.uint8)
    more = np.array([weight], dtype=np.float32)
    for _ in range(300):
        forget(lives, books, more)
        learn(lives, books, sample(same, more))
        assert lives.hist[0, 0, 3] == pytest.approx(lives.mass[0, 0] * COUNT, abs=200) and lives.mass[0].max() <= 1210
    assert lives.mass[0, 0] > 1000


def test_what_is_rare_stays_rare_when_long_histories_fade() -> None:
    lives, books = known(1190)
    adopt(lives, 0, lives.hist[0] / np.float32(COUNT) + np.eye(1, BINS, 9, dtype=np.float32) * 2)
    share = lives.hist[0, 0, 9] / lives.hist[0, 0].sum()
    forget(lives, books, np.array([100], dtype=np.float32))
    assert lives.hist[0, 0, 9] / lives.hist[0, 0].sum() == pytest.approx(share, rel=0.02)


def test_a_history_of_any_size_is_adopted_in_proportion() -> None:
    lives, _ = known(1e9)
    assert lives.mass[0, 0] == pytest.approx(1200) and lives.hist[0, 0, 3] == 1200 * COUNT
