"""The first rows, painted before the toolkit is loaded: that takes longer than reading a thousand processes.

Nothing here imports Textual. The same lines are drawn at the same places as on the real screen, in the terminal's own
colours; Textual then paints over them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from proctop.fields import Column
from proctop.records import Frame
from proctop.tui.ink import Pen, patch
from proctop.view import panel, table
from proctop.view.cells import Glyphs, Line
from proctop.view.rows import Arranger, ViewState

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_PENS = {"strong": Pen("1", "", ""), "title": Pen("7", "", ""), "sorted": Pen("1;7", "", ""), "faint": Pen("2", "", "")}
_PLAIN = Pen("", "", "")


def lines(frame: Frame, state: ViewState, columns: Sequence[Column], size: tuple[int, int], glyphs: Glyphs) -> list[Line]:
    """The screen at ``size`` (columns, rows) without its footer."""
    width, height = size
    gauges = 1 if height < 18 or width < 72 else 4
    past = panel.Past()
    past.push(frame)
    rows = Arranger().arrange(frame, state)
    contained = any(label.container is not None for label in frame.batch.labels)
    slots = table.layout(width, columns, contained=contained)
    column = state.sort
    out = [panel.header(frame, width, glyphs, panel.Mode()), *panel.panel(frame, past, width, gauges, glyphs)]
    out.append(table.titles(slots, width, column, not state.reverse, glyphs))
    room = height - len(out) - 2
    body = table.body(frame, rows, slots, 0, max(0, room), glyphs=glyphs, names=table.NAMES[0])
    return [*out, *(Line(cells) for cells in body)]


def paint(shown: Sequence[Line], fd: int) -> None:
    """Write ``shown`` to the terminal ``fd``, on its alternate screen."""
    output = patch((((0, y), None, one) for y, one in enumerate(shown)), lambda style, _mood: _PENS.get(style, _PLAIN))
    data = f"{ENTER}{output}\x1b[0m".encode()
    while data:
        data = data[os.write(fd, data) :]
