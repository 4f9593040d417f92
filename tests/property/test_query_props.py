"""Whatever is typed or formatted."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from frames import crowd
from proctop.fields import Unit
from proctop.view import units
from proctop.view.query import NAMES, QueryError, parse

FRAME = crowd(40)

_pieces = st.sampled_from(
    [
        "cpu",
        "user",
        "image",
        "root",
        ">",
        "<=",
        "=",
        "!=",
        "~",
        "!~",
        "!",
        "not",
        "and",
        "or",
        "&&",
        "||",
        "(",
        ")",
        '"',
        "'",
        " ",
        "5",
        "1gb",
        "3m",
        "a|b",
        "[",
        "\\",
        ",",
        "%",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(_pieces, max_size=20).map("".join), st.lists(_pieces, max_size=20).map(" ".join)))
def test_any_text_is_a_query_or_an_error_at_one_of_its_columns(text: str) -> None:
    try:
        query = parse(text)
    except QueryError as error:
        assert 0 <= error.column <= len(text)
    else:
        mask = query.mask(FRAME)
        assert mask.dtype == np.bool_ and mask.shape == (40,)


_leaf = st.one_of(
    st.sampled_from(["app-1", "user=root", "state=R", "container~box", "score>1", "pid=3,4", 'image!=""']),
    st.tuples(
        st.sampled_from([n for n in NAMES if n in ("cpu", "rss", "disk_write", "threads")]),
        st.sampled_from(["<", ">", ">=", "!="]),
        st.integers(0, 9),
    ).map(lambda t: f"{t[0]}{t[1]}{t[2]}"),
)
_expression = st.recursive(
    _leaf,
    lambda inner: st.tuples(inner, st.sampled_from([" and ", " or ", " "]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    max_leaves=8,
)


@given(_expression, _expression)
def test_boolean_algebra_holds(a: str, b: str) -> None:
    def mask(text: str) -> list[bool]:
        return list(map(bool, parse(text).mask(FRAME)))

    assert mask(f"{a} and {b}") == mask(f"{a} {b}") == mask(f"{b} && {a}")
    assert mask(f"!({a} or {b})") == mask(f"!{a} !{b}")
    assert mask(f"!({a} and {b})") == mask(f"not {a} || not {b}")
    assert mask(f"!!{a}") == mask(a)
    assert not any(x and y for x, y in zip(mask(a), mask(f"!{a}"), strict=True))


@given(st.floats(), st.integers(1, 14), st.sampled_from(list(Unit)))
def test_no_number_is_wider_than_its_width(value: float, width: int, unit: Unit) -> None:
    assert 1 <= len(units.formatter(unit)(value, width)) <= width
    assert 1 <= len(units.cpu_time(value, width)) <= width
    assert 1 <= len(units.moment(value, 0.0, width)) <= width


@given(st.floats(0, 1e15), st.sampled_from([Unit.BYTES, Unit.SECONDS, Unit.COUNT, Unit.PERCENT]))
def test_what_is_shown_can_be_typed_back(value: float, unit: Unit) -> None:
    text = units.formatter(unit)(value, 8)
    assume(text != "+")  # more than fits
    back = units.parse(text, unit)
    assert back == 0 if value < 0.05 else abs(back - value) <= max(0.06 * value, 0.51)
