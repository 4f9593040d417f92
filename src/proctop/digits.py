"""Numbers in three significant digits, and as integers that rise with them: little by little where the numbers do. Pure."""

from __future__ import annotations

import numpy as np

from proctop.records import Floats, Ints

MOST = 31_500
"""The code of what is 10^23 or more."""

_LOW, _HIGH = -12, 22  # powers of ten: what is less than the lowest is 0
_POWER = np.array([float(f"1e{k}") for k in range(_LOW, _HIGH + 2)])
_EACH = 900  # from 100 to 999


def code(values: Floats) -> Ints:
    """int64[n] of numbers of 0 and more: -1 = NaN, 0 = below 10^-12, then 1 … :data:`MOST`.

    >>> code(np.array([np.nan, 0.0, 1e-12, 1.0, 1.0049, 1.006, 9.996, 1e99])).tolist()
    [-1, 0, 1, 10801, 10801, 10802, 11701, 31500]
    """
    x = np.where(np.isnan(values), 0.0, np.clip(values, 0.0, _POWER[-1]))
    power = np.searchsorted(_POWER, x, side="right") - 1
    at = np.clip(power, 0, _HIGH - _LOW)
    digits = np.rint(x / _POWER[at] * 100.0).astype(np.int64)  # 1000 = the next power of ten
    codes = np.where(power < 0, 0, np.minimum(at * _EACH + digits - 99, MOST))
    return np.where(np.isnan(values), -1, codes)


def value(codes: Ints) -> Floats:
    """The way back, float64[n]: the number that three digits say, to the last bit.

    >>> value(np.array([-1, 0, 1, 10801, 10802, 11700])).tolist()
    [nan, 0.0, 1e-12, 1.0, 1.01, 9.99]
    """
    power, digits = np.divmod(np.clip(codes, 1, MOST) - 1, _EACH)
    power += _LOW - 2
    digits += 100
    large, small = (10.0 ** np.maximum(sign * power, 0) for sign in (1.0, -1.0))
    return np.where(codes < 0, np.nan, np.where(codes == 0, 0.0, digits * large / small))


def rounded(values: Floats) -> Floats:
    """float64[n]: in three digits."""
    return value(code(values))
