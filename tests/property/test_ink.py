"""A terminal that shows old lines and gets the patch shows the new ones, whatever is in them."""

import pyte
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from proctop.tui.ink import Pen, patch
from proctop.view.cells import Cell, Line, fit, width

PENS = {
    "text": Pen("", "38;2;200;200;200", "48;2;1;2;3"),
    "high": Pen("1", "38;2;255;0;0", "48;2;1;2;3"),
    "soft": Pen("", "", ""),
    "cursor": Pen("", "38;5;7", "48;5;4"),
}
WIDTHS = (5, 1, 9, 0, 20)


def pen(style: str, mood: str) -> Pen:
    return PENS[mood or style]


def lines() -> st.SearchStrategy[Line]:
    # Only characters about whose width our table and the emulator's agree: here it is the patch that is tested.
    agreed = st.characters(categories=("L", "N", "P", "S")).filter(lambda c: wcwidth(c) == width(c))
    words = st.one_of(st.sampled_from(["", "12.3", "12.4", "漢字", "é", "abc def"]), st.text(agreed, max_size=25))
    cell = st.tuples(words, st.sampled_from(["text", "high", "soft"]))
    cells = st.tuples(*(cell for _ in WIDTHS))
    made = cells.map(lambda row: tuple(Cell(fit(text, w), style) for (text, style), w in zip(row, WIDTHS, strict=True)))
    return st.builds(Line, made, st.sampled_from(["", "cursor"]))


def screen(output: str) -> list[list[tuple[str, str, str, bool]]]:
    terminal = pyte.Screen(45, 4)
    pyte.Stream(terminal).feed(output)
    return [[(c.data, c.fg, c.bg, c.bold) for c in (terminal.buffer[y][x] for x in range(45))] for y in range(4)]


@given(st.lists(st.tuples(lines(), lines()), min_size=1, max_size=4))
def test_patched_equals_painted(pairs: list[tuple[Line, Line]]) -> None:
    painted = patch([((2, y), None, new) for y, (_, new) in enumerate(pairs)], pen)
    first = patch([((2, y), None, old) for y, (old, _) in enumerate(pairs)], pen)
    change = patch([((2, y), old, new) for y, (old, new) in enumerate(pairs)], pen)
    assert screen(first + "\x1b[0m" + change) == screen(painted)


@given(lines())
def test_nothing_changed_writes_nothing(line: Line) -> None:
    assert patch([((0, 0), line, line)], pen) == ""


def test_one_digit_writes_one_digit() -> None:
    old, new = (Line((Cell("  12.3", "text"), Cell("redis ", "text"))) for _ in range(2))
    new = Line((Cell("  12.4", "text"), new.cells[1]))
    assert patch([((10, 4), old, new)], pen) == "\x1b[5;16H\x1b[0;38;2;200;200;200;48;2;1;2;3m4"


def test_cells_that_moved_are_written_whole() -> None:
    old = Line((Cell("ab", "text"), Cell("cdef", "text")))
    new = Line((Cell("abc", "text"), Cell("def", "text")))
    assert patch([((0, 0), old, new)], pen).endswith("abcdef")
