"""The timeline fills its line exactly, and what is pointed at is where it is drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moments import Mark
from proctop.records import ProcKey
from proctop.view import timeline
from proctop.view.cells import ASCII, UNICODE, Glyphs, width

walls = st.floats(0, 4e9)
glyphs = st.sampled_from([UNICODE, ASCII])
levels = st.lists(st.floats(width=32, allow_infinity=True, allow_nan=True), max_size=200)


def outlook(first: float, last: float, heights: list[float], marks: list[float]) -> timeline.Outlook:
    low, high = sorted((first, last))
    return timeline.Outlook(low, high, np.array(heights, dtype=np.float32), [Mark(wall, ProcKey(1, 1)) for wall in sorted(marks)])


@given(walls, walls, levels, st.lists(walls, max_size=9), st.floats(), st.integers(40, 250), glyphs, st.booleans())
def test_the_line_is_as_wide_as_the_screen(
    first: float, last: float, heights: list[float], marks: list[float], here: float, total: int, drawn: Glyphs, live: bool
) -> None:
    shown = timeline.draw(outlook(first, last, heights, marks), here, total, drawn, live=live)
    text = "".join(cell.text for cell in shown.cells)
    assert width(text) == total == len(text)
    assert text.isascii() or not drawn.ascii
    assert ("badge" in [cell.style for cell in shown.cells]) == (here == here)


@given(walls, walls, st.integers(40, 250), st.booleans(), st.integers(-5, 260))
def test_a_place_that_is_pointed_at_is_the_place_of_its_moment(first: float, last: float, total: int, live: bool, x: int) -> None:
    seen = outlook(first, last, [], [])
    count = timeline.columns(seen, total, live)
    place = timeline.place_at(seen, total, live, x)
    assert 0 <= place < count
    wall = seen.wall(place, count)
    assert seen.first <= wall <= seen.last
    if seen.last - seen.first > 1.0 and count > 1:
        assert seen.place(wall, count) == place


def test_marks_and_the_moment_stand_where_they_are() -> None:
    seen = outlook(0.0, 100.0, [0.0] * 50 + [11.0] * 50, [25.0, 75.0])
    shown = timeline.draw(seen, 60.0, 120, UNICODE, live=True)
    text = "".join(cell.text for cell in shown.cells)
    count = timeline.columns(seen, 120, True)
    left = text.index("00 ") + 3
    assert [i - left for i, c in enumerate(text) if c == "!"] == [count // 4, 3 * count // 4]
    assert text.index("▲") - left == int(0.6 * count)
    assert text[left] == "▁" and text[left + count - 1] == "█"
    marked = seen.marked(count // 4, count)
    assert marked is not None and marked.wall == 25.0 and seen.marked(0, count) is None
