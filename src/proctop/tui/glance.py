"""The first rows, painted before the toolkit is loaded: that takes longer than reading a thousand processes.

Nothing here imports Textual. The same lines are drawn at the same places as on the real screen, in the terminal's own
colours; Textual then paints over them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from proctop.fields import COLUMN, Column
from proctop.frames import Frame
from proctop.settings import Settings
from proctop.tui.ink import Pen, patch
from proctop.view import panel, table
from proctop.view.cells import ASCII, UNICODE, Glyphs, Line, line
from proctop.view.rows import Arranger, ViewState

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_PENS = {"strong": Pen("1", "", ""), "title": Pen("7", "", ""), "sorted": Pen("1;7", "", ""), "faint": Pen("2", "", "")}
_PLAIN = Pen("", "", "")


def lines(frame: Frame, state: ViewState, columns: Sequence[Column], size: tuple[int, int], glyphs: Glyphs) -> list[Line]:
    """The screen at ``size`` (columns, rows) without its footer."""
    width, height = size
    past = panel.Past()
    past.push(frame)
    rows = Arranger().arrange(frame, state)
    contained = any(label.container is not None for label in frame.batch.labels)
    slots = table.layout(width, columns, contained=contained, sort=state.sort, tree=state.tree)
    out = [panel.header(frame, width, glyphs, panel.Mode())]
    out += panel.panel(frame, past, width, 1 if height < 18 or width < 72 else 4, glyphs)
    out.append(table.titles(slots, width, state.sort, not state.reverse, glyphs))
    room = max(0, height - len(out) - 2)  # two lines of footer
    body = table.body(frame, rows, slots, 0, room, glyphs=glyphs, names=table.NAMES[0])
    return [*out, *(line(cells, width) for cells in body)]


@contextmanager
def shown(frame: Frame | None, state: ViewState, settings: Settings, size: tuple[int, int]) -> Iterator[None]:
    """Paint ``frame`` on the alternate screen, and leave that again only when the block fails: else Textual goes on there."""
    columns = [COLUMN[name] for name in settings.columns] or table.DEFAULT
    if frame is None or size[0] < 40 or size[1] < 8:
        yield
        return
    painted = lines(frame, state, columns, size, ASCII if settings.ascii else UNICODE)
    output = patch((((0, y), None, one) for y, one in enumerate(painted)), lambda style, _mood: _PENS.get(style, _PLAIN))
    _write(f"{ENTER}{output}\x1b[0m")
    try:
        yield
    except BaseException:
        _write(LEAVE)
        raise


def _write(text: str) -> None:
    sys.stdout.flush()
    data = text.encode()
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
