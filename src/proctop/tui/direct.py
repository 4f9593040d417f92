"""Writing a widget's changed cells straight to the terminal, past the compositor, when nothing else can be in their place.

The compositor keeps the last word: whatever it paints later, it paints from the widget's present lines, so both ways
show the same. A widget that may be covered (another screen on top, a notification, a tooltip) goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter
from textual.strip import Strip
from textual.widget import Widget

from proctop.tui.ink import Pen, Place, patch
from proctop.tui.terminal import Terminal
from proctop.view.cells import Line

_SYNC_BEGIN, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_SGR = re.compile(r"\x1b\[([\d;]*)m")


def pen_of(style: Style, filters: Sequence[LineFilter], widget: Widget, console: Console) -> Pen:
    """What Textual would set for ``style``: filtered (no colour, dim) and reduced to what the terminal has."""
    segments = [Segment("x", style)]
    for one in filters:
        segments = one.apply(segments, widget.background_colors[1])
    found = _SGR.match(Strip(segments, 1).render(console))
    return Pen.parse(found[1]) if found else Pen("", "", "")


def write_changes(widget: Widget, changes: Sequence[tuple[int, Line, Line]], pens: dict[tuple[str, str], Pen]) -> bool:
    """Write ``changes`` (row of the widget, old line, new line); False when the compositor has to do it."""
    app, screen = widget.app, widget.screen
    driver = app._driver
    if not isinstance(driver, Terminal):
        return False
    if driver.stale and driver.ready:
        driver.stale = False
        app.screen.refresh()  # all of it: of a screen or an announcement over this one something may be missing, too
        return app.screen is screen
    if app.screen is not screen or app._batch_count or app._notifications or screen._tooltip_widget:
        return False
    if driver.stale or not driver.ready:
        driver.stale = True
        return True
    region = widget.content_region
    if not region or not screen.region.contains_region(region):
        return False
    moved: list[tuple[Place, Line | None, Line]] = [((region.x, region.y + y), old, new) for y, old, new in changes]
    output = patch(moved, lambda name, mood: pens[name, mood])
    driver.write(f"{_SYNC_BEGIN}{output}{_SYNC_END}" if app._sync_available else output)
    return True
