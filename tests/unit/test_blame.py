"""Servers before their clients."""

from __future__ import annotations

import numpy as np
import pytest

from proctop.scoring.blame import excuse, forward
from proctop.scoring.lives import Lives

CLIENT, SERVER, OTHER, STEADY = range(4)


def watched(silent_for: int = 8) -> Lives:
    """A client and its server that move together, another that moves at other times, one that always moves; then silence but for two."""
    rng = np.random.default_rng(1)
    lives = Lives(4)
    slots = lives.take(4)
    for _ in range(50):
        pair = rng.random() < 0.5
        forward(lives, slots, np.array([pair, pair, rng.random() < 0.5, True]))
    for _ in range(silent_for):
        forward(lives, slots, np.array([False, True, False, False]))
    lives.out[SERVER] = silent_for
    return lives


def told(lives: Lives, silent: int, out: tuple[bool, bool] = (True, True)) -> float:
    slots, score = np.array([silent, SERVER]), np.array([6.0, 7.0], dtype=np.float32)
    after = excuse(lives, slots, score, np.array(out), np.array([8.0, 0.0], dtype=np.float32), 1.0)
    assert after[1] == 7
    return float(after[0])


def test_a_client_waits_for_its_server() -> None:
    assert told(watched(), CLIENT) == 3


@pytest.mark.parametrize("who", [OTHER, STEADY])
def test_the_stall_of_another_is_its_own(who: int) -> None:
    assert told(watched(), who) == 6


def test_without_an_unusual_server_silence_has_no_excuse() -> None:
    assert told(watched(), CLIENT, (True, False)) == 6


def test_an_excursion_that_began_at_another_time_is_no_excuse() -> None:
    lives = watched()
    lives.out[SERVER] = 20
    assert told(lives, CLIENT) == 6


def test_the_excuse_ends_when_the_client_moves() -> None:
    lives = watched()
    assert told(lives, CLIENT) == 3
    score = np.array([6.0], dtype=np.float32)
    assert excuse(lives, np.array([CLIENT]), score, np.array([True]), np.zeros(1, np.float32), 1.0).tolist() == [6]
