"""Raw scores as nats: order kept, bounded below, blind to scale."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proctop.scoring.surprise import Surprise

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(known=st.lists(numbers, min_size=20, max_size=300), asked=st.lists(numbers, min_size=2, max_size=30))
def test_a_higher_score_is_never_less_surprising(known: list[float], asked: list[float]) -> None:
    surprise = Surprise()
    surprise.add(np.array(known))
    nats = surprise.nats(np.sort(np.array(asked)))
    assert np.isfinite(nats).all()
    assert (nats >= 0).all()
    assert (np.diff(nats) >= 0).all()


@given(known=st.lists(st.integers(-1000, 1000), min_size=100, max_size=200, unique=True), power=st.integers(-8, 8))
def test_scale_does_not_matter(known: list[int], power: int) -> None:
    one, other, factor = Surprise(), Surprise(), 2.0**power
    one.add(np.array(known, dtype=float))
    other.add(np.array(known, dtype=float) * factor)
    asked = np.array([-5.0, 0.0, 990.0, 5000.0])
    assert np.allclose(one.nats(asked), other.nats(asked * factor))


def test_above_what_was_seen_order_is_strict_and_what_is_no_number_has_no_score() -> None:
    surprise = Surprise()
    assert surprise.nats(np.array([1.0, np.nan])).tolist()[0] == 0
    surprise.add(np.arange(1000.0))
    low, high, higher, none, endless = surprise.nats(np.array([10.0, 2000.0, 1e9, np.nan, np.inf])).tolist()
    assert low < 0.1 < 3 < high < higher < 25
    assert np.isnan([none, endless]).all()
    assert abs(surprise.nats(np.array([899.0]))[0] - np.log(1000 / 101)) < 1e-9
