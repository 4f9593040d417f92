"""Numbers in three digits, and as integers."""

from __future__ import annotations

import doctest

import numpy as np

from proctop import digits


def test_the_examples() -> None:
    assert doctest.testmod(digits).failed == 0


def test_every_code_is_a_number_that_python_would_write_in_three_digits_and_back() -> None:
    codes = np.arange(-1, digits.MOST + 1)
    values = digits.value(codes)
    assert np.array_equal(digits.code(values), codes)
    assert [float(f"{x:.2e}") for x in values[1:].tolist()] == values[1:].tolist()
    assert (np.diff(values[1:]) > 0).all()


def test_numbers_are_rounded_as_python_rounds_them() -> None:
    rng = np.random.default_rng(1)
    some = np.exp(rng.uniform(-25, 50, 5000))
    assert [float(f"{x:.2e}") for x in some.tolist()] == digits.rounded(some).tolist()


def test_what_is_none_is_zero_largest_or_unknown() -> None:
    odd = np.array([-5.0, -np.inf, np.inf, 1e300, 5e-324, np.nan])
    assert digits.code(odd).tolist() == [0, 0, digits.MOST, digits.MOST, 0, -1]
