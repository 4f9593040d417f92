"""The base of everything proctop draws: a widget whose content is lines of cells, redrawn only where they changed.

``lines`` is what the widget shows, free of colours and of Textual; strips are made from it when the compositor asks.
Text never passes through a markup parser.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from proctop.tui.direct import pen_of, write_changes
from proctop.tui.ink import Pen
from proctop.view.cells import ASCII, STYLES, UNICODE, Cell, Glyphs, Line, changed, line, width


class Lines(Widget):
    """Subclasses say in :meth:`draw` what each line shows at the present size, and call :meth:`redraw` when data came."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"cells--{name}" for name in STYLES}
    DEFAULT_CSS = """
    Lines { background: $background; color: $foreground; }
    Lines > .cells--soft { color: $cells-soft; }
    Lines > .cells--faint { color: $cells-faint; }
    Lines > .cells--strong { color: $foreground; text-style: bold; }
    Lines > .cells--title { color: $cells-title; background: $cells-title-background; }
    Lines > .cells--sorted { color: $cells-title; background: $cells-title-background; text-style: bold underline; }
    Lines > .cells--low { color: $cells-soft; }
    Lines > .cells--mid { color: $cells-mid; }
    Lines > .cells--high { color: $cells-high; text-style: bold; }
    Lines > .cells--alert { color: $cells-alert; text-style: bold; }
    Lines > .cells--good { color: $cells-good; }
    Lines > .cells--warn { color: $cells-mid; }
    Lines > .cells--bad { color: $cells-alert; text-style: bold; }
    Lines > .cells--spark { color: $cells-spark; }
    Lines > .cells--box { color: $cells-box; }
    Lines > .cells--match { text-style: bold underline; }
    Lines > .cells--key { color: $cells-key; text-style: bold; }
    Lines > .cells--badge { color: $cells-badge; background: $cells-badge-background; text-style: bold; }
    Lines > .cells--cursor { background: $cells-cursor; }
    Lines:ansi > .cells--cursor { background: ansi_blue; color: ansi_bright_white; }
    Lines:nocolor > .cells--cursor { text-style: reverse; }
    Lines:nocolor > .cells--title, Lines:nocolor > .cells--sorted, Lines:nocolor > .cells--badge { text-style: reverse; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self.lines: tuple[Line, ...] = ()
        self._styles_by_name: dict[tuple[str, str], Style] = {}
        self._strips: dict[int, Strip] = {}
        self._pens = Pens(self)

    @property
    def glyphs(self) -> Glyphs:
        return ASCII if getattr(self.app, "ascii", False) else UNICODE

    def draw(self) -> list[Line]:
        """One :class:`Line` of the widget's width for each of its rows; missing ones are blank."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Work out the lines anew and repaint what differs from the last ones: nothing, if nothing does."""
        columns, rows = self.size
        if not columns or not rows:
            return
        blank = Line((Cell(" " * columns),))
        new = tuple((self.draw() + [blank] * rows)[:rows])
        old, self.lines = self.lines, new
        if len(old) != len(new) or any(_total(line) != columns for line in old[:1]):
            self._strips.clear()
            self.refresh()
            return
        changes = [(y, before, after) for y, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
        if not changes:
            return
        for y, _, _ in changes:
            self._strips.pop(y, None)
        if write_changes(self, changes, self._pens):
            offset = self.content_offset
            self._styles_cache.set_dirty(*(Region(0, y, columns, 1).translate(offset) for y, _, _ in changes))
        else:
            spans = [(y, changed(before, after)) for y, before, after in changes]
            self.refresh(*(Region(span[0], y, span[1] - span[0], 1) for y, span in spans if span is not None))

    def on_resize(self) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_name.clear()
        self._strips.clear()
        self._pens.clear()

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            columns = self.size.width
            shown = self.lines[y] if y < len(self.lines) else Line(())
            strip = self._strips[y] = self._strip(line(shown.cells, columns, shown.mood), columns)
        return strip

    def style_of(self, name: str, mood: str) -> Style:
        """The style of a cell, with the mood of its line over it."""
        style = self._styles_by_name.get((name, mood))
        if style is None:
            style = self.rich_style if name == "text" else self.get_component_rich_style(f"cells--{name}")
            if mood:
                over = self.get_component_styles(f"cells--{mood}")
                style += Style(
                    color=over.color.rich_color if over.has_rule("color") else None,
                    bgcolor=over.background.rich_color if over.background.a else None,
                )
                style += over.text_style
            self._styles_by_name[name, mood] = style
        return style

    def _strip(self, shown: Line, columns: int) -> Strip:
        segments: list[Segment] = []
        text, style = "", None
        for cell in shown.cells:
            own = self.style_of(cell.style, shown.mood)
            if own is style or own == style:
                text += cell.text
            else:
                if text:
                    segments.append(Segment(text, style))
                text, style = cell.text, own
        if text:
            segments.append(Segment(text, style))
        return Strip(segments, columns)


class Pens(dict[tuple[str, str], Pen]):
    """The pen of each style and mood of a widget, worked out when first used."""

    def __init__(self, widget: Lines) -> None:
        super().__init__()
        self._widget = widget

    def __missing__(self, key: tuple[str, str]) -> Pen:
        widget = self._widget
        pen = self[key] = pen_of(widget.style_of(*key), widget.get_line_filters(), widget, widget.app.console)
        return pen


def _total(shown: Line) -> int:
    return sum(width(cell.text) for cell in shown.cells)
