"""Charts and pages of a detail, whatever the numbers and the names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frames import Proc, build
from proctop.course import join, moment
from proctop.fields import FEATURES, SCHEMA, Feature
from proctop.frames import Course, Reason
from proctop.records import ProcKey
from proctop.view import about, chart, detail
from proctop.view.about import Closer
from proctop.view.cells import ASCII, UNICODE, line, width
from proctop.view.chart import Scale, Span
from proctop.view.portrait import ZOOMS, Portrait

NUMBER = st.one_of(st.floats(allow_nan=True, allow_infinity=True, width=32), st.sampled_from([0.0, 1.0, 1e-30, 3e38, -1.0]))
TEXT = st.text(max_size=40)


@given(st.lists(NUMBER, min_size=0, max_size=80), NUMBER, NUMBER, st.integers(1, 6), st.booleans(), st.tuples(NUMBER, NUMBER) | st.none())
def test_a_chart_is_as_wide_and_high_as_it_is_asked_to_be(
    values: list[float], low: float, high: float, rows: int, ascii: bool, usual: object
) -> None:
    scale = Scale(low, high)
    heights = chart.steps(np.array(values, dtype=np.float32), scale, rows)
    assert len(heights) == len(values) and all(0 <= height <= 8 * rows for height in heights)
    assert all(height > 0 for height, value in zip(heights, values, strict=True) if np.isfinite([value, low, high]).all())
    edges = chart.steps(np.array(usual, dtype=np.float32), scale, rows) if usual is not None else None
    drawn = chart.bars(heights, rows, ["spark"] * len(values), ASCII if ascii else UNICODE, usual=(edges[0], edges[1]) if edges else None)
    assert len(drawn) == rows
    for cells in drawn:
        text = "".join(cell.text for cell in cells)
        assert width(text) == len(values) and (not ascii or text.isascii())
    for k, value in enumerate(values):
        column = "".join("".join(cell.text for cell in cells)[k] for cells in drawn)
        if value != value and heights[k] == 0:
            assert not column.strip()


def course(values: list[list[float]], apart: list[float]) -> Course:
    n = len(apart)
    wall = np.cumsum(np.array(apart)) + 1e9
    cells = np.resize(np.array([v for row in values for v in row] or [0.0], dtype=np.float32), (len(SCHEMA), n))
    return Course(wall, np.ones(n), cells, cells[0], cells[1] > 0, cells[:, : n // 2], 1, True)


@given(
    st.lists(st.lists(NUMBER, max_size=9), max_size=9),
    st.lists(st.floats(0.001, 5000), max_size=60),
    st.integers(0, 200),
    st.floats(1, 90_000),
)
def test_cells_of_time_hold_only_what_was_there(values: list[list[float]], apart: list[float], columns: int, span: float) -> None:
    c = course(values, apart)
    end = float(c.wall[-1]) if len(c) else 1e9
    pooled = chart.pooled(c, c.values, Span(end - span, end, columns))
    assert pooled.shape == (len(SCHEMA), columns)
    for k in range(3):
        known = set(c.values[k][~np.isnan(c.values[k])].tolist())
        assert set(pooled[k][~np.isnan(pooled[k])].tolist()) <= known
    inside = c.values[:, c.wall > end - span]
    if columns and inside.size:
        assert np.array_equal(
            np.fmax.reduce(pooled, axis=1), np.fmax.reduce(np.concatenate((pooled, inside), axis=1), axis=1), equal_nan=True
        )


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=40), st.lists(st.integers(0, 39), max_size=40), st.floats(0, 500))
def test_joining_is_that_of_sets_of_moments(apart: list[float], some: list[int], since: float) -> None:
    c = course([[1.0, 2.0]], apart)
    part = np.array(sorted({k for k in some if k < len(c)}), dtype=np.int64)
    less = replace(c, wall=c.wall[part], covers=c.covers[part], values=c.values[:, part], rank=c.rank[part], alerting=c.alerting[part])
    expected = c.wall[c.wall >= 1e9 + since].tolist()
    assert join(c, less, 1e9 + since).wall.tolist() == join(less, c, 1e9 + since).wall.tolist() == expected


@given(
    st.lists(st.lists(NUMBER, max_size=9), min_size=1, max_size=9),
    st.lists(st.floats(0.001, 50), min_size=1, max_size=40),
    TEXT,
    st.lists(st.tuples(st.sampled_from(FEATURES), NUMBER, NUMBER, NUMBER, TEXT), max_size=3),
    st.integers(40, 130),
    st.integers(1, 50),
    st.sampled_from(ZOOMS),
    st.booleans(),
)
def test_any_process_is_drawn(
    values: list[list[float]],
    apart: list[float],
    name: str,
    why: list[tuple[Feature, float, float, float, str]],
    columns: int,
    rows: int,
    zoom: float,
    ascii: bool,
) -> None:
    reasons = tuple(Reason(feature.name, value, (low, high), "own", text) for feature, value, low, high, text in why)
    features = {feature.name: values[k % len(values)][0] if values[k % len(values)] else 0.0 for k, feature in enumerate(FEATURES)}
    frame = build(
        [Proc(7, name, command=name * 9, cgroup=name, why=reasons, features=features, rank=features["cpu"], per_hour=features["rss"])]
    )
    c = course(values, apart)
    c = replace(c, wall=c.wall - c.wall[-1] + frame.reading.wall)
    c = join(c, moment(frame, ProcKey(7, 1000)), 0.0)
    glyphs = ASCII if ascii else UNICODE
    portrait = Portrait(frame, 0, c, zoom, (float(c.wall[0]),), now=ascii)
    for text in (detail.text(portrait, columns, rows, glyphs), about.text(frame, 0, columns, Closer("x"), None)):
        for cells in text:
            shown = line([cell._replace(text=glyphs.plain(cell.text)) for cell in cells], columns + 2)
            assert sum(width(cell.text) for cell in shown.cells) == columns + 2
            assert not ascii or all(cell.text.isascii() for cell in shown.cells)
