"""Layouts read back as they are; any bytes are layouts or refused."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from proctop.fields import COLUMN, SCHEMA
from proctop.layouts import LONGEST, MOST, Layout, LayoutsError, as_json, from_json, wrong_name

NAMES = st.text(max_size=LONGEST + 2).filter(lambda name: not wrong_name(name))
LAYOUTS = st.builds(
    Layout,
    st.lists(st.sampled_from(sorted(COLUMN)), min_size=1, unique=True).map(tuple),
    st.sampled_from([*COLUMN, *SCHEMA]),
    st.booleans(),
    st.sampled_from(["", "proctop", "dracula"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["pid", "score"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["columns", "sort", "reverse", "theme"]), inner),
)


@given(st.dictionaries(NAMES, LAYOUTS, max_size=MOST))
def test_what_is_written_reads_back(layouts: dict[str, Layout]) -> None:
    assert list(from_json(as_json(layouts)).items()) == list(layouts.items())


@given(st.binary())
def test_any_bytes_are_layouts_or_refused(data: bytes) -> None:
    with suppress(LayoutsError):
        from_json(data)


@given(st.dictionaries(st.text(), JSON))
def test_any_table_is_layouts_or_refused(table: object) -> None:
    try:
        found = from_json(json.dumps({"layouts": table}).encode())
    except LayoutsError as error:
        assert str(error).isprintable()
    else:
        assert all(layout.columns and set(layout.columns) <= set(COLUMN) for layout in found.values())
