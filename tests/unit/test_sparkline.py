"""Small charts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from proctop.view import sparkline

NAN = float("nan")


def test_eighths_of_the_height() -> None:
    assert sparkline.text(list(range(9)), 9, 0, 8) == "▁▁▂▃▄▅▆▇█"
    assert sparkline.text(list(range(9)), 9, 0, 8, ascii=True) == "..:-=+*#@"


def test_a_gap_is_a_blank_and_a_zero_is_not() -> None:
    assert sparkline.text([0, NAN, 8], 3, 0, 8) == "▁ █"


def test_the_last_values_count_and_young_series_stand_right() -> None:
    assert sparkline.text([8, 8, 0, 8], 2, 0, 8) == "▁█"
    assert sparkline.text([8], 4, 0, 8) == "   █"
    assert sparkline.text([], 3) == "   "
    assert sparkline.text([1], 0) == ""


def test_beyond_the_scale_is_clipped() -> None:
    assert sparkline.text([-5, 99, math.inf, -math.inf], 4, 0, 8) == "▁██▁"


def test_the_scale_follows_the_largest_value() -> None:
    assert sparkline.text(np.array([0, 5, 10], dtype=np.float32), 3) == "▁▄█"
    assert sparkline.text([0.0, 0.1], 2) == "▁▁"  # noise near zero stays low


@pytest.mark.parametrize("values", [[NAN], [3, 3], [math.inf, 1.0]])
def test_any_series_is_as_wide_as_asked(values: list[float]) -> None:
    assert len(sparkline.text(values, 7, 3, 3)) == len(sparkline.text(values, 7)) == 7
