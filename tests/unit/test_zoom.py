"""Longer times of the history: the highest of each part, of nobody else's."""

from __future__ import annotations

import numpy as np
import pytest

from frames import Proc, build
from proctop.frames import Trail
from proctop.history import FACTORS, History
from proctop.view.panel import NAN, Series


def _run(ticks: int, length: int = 120) -> tuple[Trail, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """A history of three processes, the third of which gives way to another in its slot every 37 readings; and its scores in order."""
    history = History(length)
    seen = np.full((ticks, 3), np.nan, dtype=np.float32)
    before = None
    trail = None
    rng = np.random.default_rng(5)
    for tick in range(ticks):
        last = 100 + tick // 37
        batch = build([Proc(1, "a"), Proc(2, "b"), Proc(last, "c", start=1000 + last)], tick=tick).batch
        prev = np.array([0, 1, 2 if before == last else -1]) if before is not None else np.full(3, -1)
        rank = np.round(rng.gamma(1.0, 1.0, 3), 1).astype(np.float32)
        rank[rng.random(3) < 0.1] = np.nan
        seen[tick] = rank
        object.__setattr__(batch, "prev", prev)
        trail = history.step(batch, rank)
        before = last
    assert trail is not None
    return trail, seen


def _highest(seen: np.ndarray[tuple[int, int], np.dtype[np.float32]], factor: int, count: int, since: list[int]) -> list[list[float]]:
    """As it is said: the highest score of each part, of readings from the birth of each process on."""
    last = len(seen) - 1
    out = []
    for process, born in enumerate(since):
        row = []
        for part in range(last // factor - count + 1, last // factor + 1):
            ticks = [t for t in range(part * factor, (part + 1) * factor) if born <= t <= last]
            scores = [float(seen[t, process]) for t in ticks if seen[t, process] == seen[t, process]]
            row.append(max(scores, default=float("nan")))
        out.append(row)
    return out


@pytest.mark.parametrize("ticks", [1, 9, 10, 61, 745, 1500])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_part_is_the_highest_of_its_readings_since_birth(ticks: int, factor: int) -> None:
    trail, seen = _run(ticks)
    since = [0, 0, (ticks - 1) // 37 * 37]
    assert np.allclose(trail.past(np.arange(3), 20, factor), _highest(seen, factor, 20, since), atol=0.01, equal_nan=True)
    tops = np.fmax.reduce(_highest(seen, factor, 20, [0, 0, 0]), axis=0)
    found = trail.tops(20, factor)
    assert np.allclose(found, tops[20 - len(found) :], equal_nan=True) and np.isnan(tops[: 20 - len(found)]).all()


def test_where_nothing_longer_is_kept_what_is_at_hand_serves() -> None:
    trail, seen = _run(118)
    past = Trail(trail.slot, trail.born, trail.ranks, trail.host, trail.last)
    assert np.allclose(past.past(np.arange(3), 12, 10), _highest(seen, 10, 12, [0, 0, 111]), atol=0.01, equal_nan=True)
    assert np.allclose(past.tops(12, 10), trail.tops(12, 10), equal_nan=True)
    assert past.tops(0, 10).size == 0 and past.tops(0).size == 0


def test_the_rings_are_bounded() -> None:
    trail, _ = _run(1500, length=8)
    assert [len(span.ranks) for span in trail.spans] == [8, 8, 2]
    assert all(vector.dtype == np.float16 for span in trail.spans for vector in span.ranks)


def test_a_published_part_never_changes() -> None:
    trail, _ = _run(15)
    part = trail.spans[0].part
    assert part is not None
    copy = part.copy()
    again, _ = _run(16)
    assert np.array_equal(part, copy, equal_nan=True) and again.spans[0].part is not part


def test_gauges_keep_the_highest_of_a_part() -> None:
    series = Series()
    for value in [1.0, NAN, 3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NAN, 7.0]:
        series.append(value)
    assert list(series.of(10)) == [3.0, 7.0]
    assert len(series.of(1)) == 12
