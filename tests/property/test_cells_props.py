"""Any text in any cell fills its place exactly, in the widths that a terminal gives its characters."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from frames import Proc, build
from proctop.fields import COLUMNS
from proctop.frames import Reason
from proctop.records import Container
from proctop.view import cells, panel, table
from proctop.view.cells import ASCII, UNICODE, Cell, Line
from proctop.view.rows import Arranger, ViewState

odd = st.sampled_from(
    ["漢字", "e\u0301", "😀", "👍🏽", "🇩🇪", "👩\u200d💻", "\x1b[2J", "\x9b", "\u202e", "\u1100\u1161\u11a8", "ก็", "ﷺ", "\t", "\n", "[/x]"]
)
text = st.one_of(st.text(max_size=60), st.lists(st.one_of(odd, st.text(max_size=5)), max_size=8).map("".join))
glyphs = st.sampled_from([UNICODE, ASCII])
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@given(text, st.integers(0, 40), glyphs, st.booleans())
def test_fit_is_exact_and_harmless(said: str, size: int, drawn: cells.Glyphs, right: bool) -> None:
    shown = cells.fit(said, size, drawn, right=right)
    assert cells.width(shown) == size == cell_len(shown)
    assert not CONTROL.search(shown)
    assert shown.isascii() or not drawn.ascii


@given(text)
def test_width_is_that_of_the_drawing_library_for_what_we_draw(said: str) -> None:
    shown = UNICODE.plain(said)
    assert cells.width(shown) == cell_len(shown)


@given(text, st.integers(1, 30))
def test_a_text_that_fits_is_not_cut(said: str, more: int) -> None:
    shown = UNICODE.plain(said)
    assert cells.fit(said, cells.width(shown) + more).startswith(shown)


@given(st.floats(0, 1), st.integers(0, 20), glyphs)
def test_bars_are_exact_and_grow(share: float, size: int, drawn: cells.Glyphs) -> None:
    assert cells.width(cells.bar(share, size, drawn)) == size
    full, less = cells.bar(share, size, drawn), cells.bar(share / 2, size, drawn)
    assert len(less.rstrip()) <= len(full.rstrip())


lines = st.builds(
    Line,
    st.lists(
        st.builds(Cell, st.sampled_from(["", "a", "ab", "漢", "  ", "12345678901"]), st.sampled_from(["text", "soft"])), max_size=6
    ).map(tuple),
    st.sampled_from(["", "cursor"]),
)


def _painted(shown: Line) -> list[tuple[str, str, str]]:
    """What each terminal cell shows."""
    out: list[tuple[str, str, str]] = []
    for cell in shown.cells:
        for character in cell.text:
            out += [(character, cell.style, shown.mood)] * cells.width(character)
    return out


@given(lines, lines, st.integers(1, 20))
def test_outside_the_changed_span_nothing_differs(before: Line, after: Line, total: int) -> None:
    old, new = cells.line(before.cells, total, before.mood), cells.line(after.cells, total, after.mood)
    assert sum(cells.width(c.text) for c in new.cells) == total
    span = cells.changed(old, new)
    if span is None:
        assert _painted(old) == _painted(new)
        return
    a, b = _painted(old), _painted(new)
    assert a[: span[0]] == b[: span[0]]
    assert a[span[1] :] == b[span[1] :]


@given(st.integers(1, 400), st.booleans(), st.sets(st.sampled_from([c.name for c in COLUMNS]), min_size=1))
def test_columns_fit_into_any_terminal(total: int, contained: bool, names: set[str]) -> None:
    for columns in (table.DEFAULT, [c for c in COLUMNS if c.name in names]):
        slots = table.layout(total, columns, contained=contained)
        assert slots or not contained
        assert sum(slot.width + 1 for slot in slots) - 1 <= total or len(slots) == 1
        order = [c.name for c in columns]
        assert [slot.column.name for slot in slots] == [name for name in order if name in {s.column.name for s in slots}]


@settings(max_examples=60)
@given(text, text, text, st.sampled_from([20, 40, 60, 80, 133, 200]), glyphs, st.booleans(), st.sampled_from(table.NAMES))
def test_every_line_of_the_screen_is_exactly_as_wide_as_the_screen(
    name: str, command: str, box: str, total: int, drawn: cells.Glyphs, tree: bool, names: str
) -> None:
    why = (Reason("cpu", 1.0, (0.0, 1.0), "own", command),)
    container = Container("a" * 64, name=box, image=box)
    procs = [Proc(1, name, ppid=0, command=command, user=box, container=container, rank=9.0, why=why), Proc(2, command, rank=1.0)]
    frame = build(procs, notes=(box,))
    rows = Arranger().arrange(frame, ViewState(tree=tree, ascii=drawn.ascii))
    slots = table.layout(total, COLUMNS if total > 300 else table.DEFAULT)
    drawn_lines = [cells.line(c, total) for c in table.body(frame, rows, slots, 0, 5, glyphs=drawn, names=names, found="a")]
    drawn_lines.append(table.titles(slots, total, "score", True, drawn))
    drawn_lines.append(panel.header(frame, total, drawn, panel.Mode(panel.Moment(age=3.0), query=command, user=box, follow=True)))
    past = panel.Past()
    past.push(frame)
    drawn_lines += panel.panel(frame, past, total, 4, drawn) + panel.panel(frame, past, total, 1, drawn)
    for shown in drawn_lines:
        joined = "".join(cell.text for cell in shown.cells)
        assert cells.width(joined) == total == cell_len(joined)
        assert not CONTROL.search(joined)
        assert joined.isascii() or not drawn.ascii
