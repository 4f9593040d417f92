"""How rare a score is."""

from __future__ import annotations

import numpy as np
import pytest

from proctop.scoring.calibration import Calibration, Episodes

HOUR = 3600.0
NOBODY = np.zeros(0, dtype=np.intp)


def rate(calibration: Calibration, alert: float) -> float:
    return float(calibration.per_hour(np.array([alert], dtype=np.float32))[0])


def scores(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_a_session_starts_from_what_other_hosts_showed() -> None:
    assert rate(Calibration(), 2.55) == pytest.approx(125)
    assert rate(Calibration(), 2.55 + 0.75) == pytest.approx(125 / np.e)


def test_higher_scores_are_rarer() -> None:
    calibration = Calibration()
    calibration.observe(0.0, [2.0, 3.0, 2.5])
    calibration.observe(HOUR, [1.8])
    rates = calibration.per_hour(np.linspace(1.5, 12, 30, dtype=np.float32))
    assert (np.diff(rates) < 0).all() and (rates > 0).all()


def test_the_tail_of_this_host_is_found() -> None:
    rng = np.random.default_rng(1)
    calibration = Calibration()
    calibration.observe(0.0, [])
    for minute in range(20 * 60):  # 60 episodes an hour, mean excess 0.5
        calibration.observe(60.0 * (minute + 1), [1.5 + float(rng.exponential(0.5))])
    beyond = 1.5 + 0.5 * np.log(60)  # what one in sixty exceeds: once an hour
    assert 0.4 < rate(calibration, beyond) < 2.5
    assert rate(calibration, beyond + 0.5) == pytest.approx(rate(calibration, beyond) / np.e, rel=0.5)


def test_quiet_time_makes_alerts_rarer() -> None:
    calibration = Calibration()
    calibration.observe(0.0, [])
    before = rate(calibration, 5.0)
    calibration.observe(2 * HOUR, [])
    assert rate(calibration, 5.0) < before / 5


def test_yesterday_is_forgotten() -> None:
    calibration = Calibration()
    calibration.observe(0.0, [9.0] * 45)
    high = rate(calibration, 9.0)
    for hour in range(1, 50):
        calibration.observe(hour * HOUR, [1.6])
    assert rate(calibration, 9.0) < high / 50


def test_an_episode_ends_after_ten_calm_seconds_with_its_peak() -> None:
    episodes = Episodes()
    heights = [1.0, 2.0, 4.0, 1.0, 1.0, 3.0] + [1.0] * 10
    ended = [episodes.step(float(t), scores(h, 0.5), NOBODY) for t, h in enumerate(heights)]
    assert all(not e for e in ended)  # still within ten seconds of the last time above
    assert episodes.step(16.0, scores(1.0, 0.5), NOBODY) == [4.0]
    assert episodes.step(17.0, scores(1.0, 0.5), NOBODY) == []


def test_an_exit_ends_an_episode_and_its_slot_starts_anew() -> None:
    episodes = Episodes()
    episodes.step(0.0, scores(5.0, 2.0), NOBODY)
    assert episodes.step(1.0, scores(1.8, 2.0), np.array([0])) == [5.0]
    assert sorted(episodes.step(30.0, scores(0.0, 0.0), NOBODY)) == pytest.approx([1.8, 2.0])
