"""The lines around the table: header, host panel, what is selected, and the keys."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from proctop.frames import Frame, HostRates
from proctop.tui.widgets.lines import Lines
from proctop.view import panel
from proctop.view.cells import Cell, Line, fit, line, sides, width


class Header(Lines):
    """Host, time, source, and on the right what nobody may overlook."""

    def __init__(self) -> None:
        super().__init__(id="header")
        self._frame: Frame | None = None
        self._mode = panel.Mode()

    def show(self, frame: Frame | None, mode: panel.Mode) -> None:
        self._frame, self._mode = frame, mode
        self.redraw()

    def draw(self) -> list[Line]:
        return [panel.header(self._frame, self.size.width, self.glyphs, self._mode)]


class HostPanel(Lines):
    """Gauges of the host with their history."""

    def __init__(self) -> None:
        super().__init__(id="host")
        self._frame: Frame | None = None
        self._live = self._past = panel.Past()
        self.factor = 1  # readings that a cell of a history stands for

    def learn(self, frame: Frame) -> None:
        """Add a frame to the history of now, shown or not."""
        self._live.push(frame)

    def show(self, frame: Frame, rates: Sequence[HostRates] = ()) -> None:
        """Show a frame with the history of now, or with the ``rates`` of another moment."""
        self._frame, self._past = frame, panel.Past.through(rates) if rates else self._live
        self.redraw()

    def draw(self) -> list[Line]:
        return panel.panel(self._frame, self._past, self.size.width, self.size.height, self.glyphs, self.factor)


class Notice(Lines):
    """One line that a style colours: an error banner, or what is selected."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._left: Sequence[Cell] = ()
        self._right: Sequence[Cell] = ()

    def say(self, left: Sequence[Cell], right: Sequence[Cell] = ()) -> None:
        self._left, self._right = left, right
        self.redraw()

    def draw(self) -> list[Line]:
        total = self.size.width
        glyphs = self.glyphs
        room = total - sum(width(c.text) for c in self._right)
        left = []
        for cell in self._left:
            left.append(Cell(fit(cell.text, min(width(glyphs.plain(cell.text)), max(room, 0)), glyphs), cell.style))
            room -= width(left[-1].text)
        return [sides(left, self._right, total)]


class Keys(Lines):
    """The keys of the footer, as many as fit; a click runs the action."""

    def __init__(self, keys: Sequence[tuple[str, str, str]] = ()) -> None:
        """Args: (key, label, action) in the order of importance from the left; the last one always stays."""
        super().__init__(id="keys")
        self._all = tuple(keys)
        self._shown: list[tuple[int, str]] = []  # (first column after it, action)

    def set_keys(self, keys: Sequence[tuple[str, str, str]]) -> None:
        self._all = tuple(keys)
        self.redraw()

    def draw(self) -> list[Line]:
        if not self._all:
            return []
        faces = getattr(self.app, "faces", {})
        every = [(faces.get(action, key), label, action) for key, label, action in self._all]
        room = self.size.width - _size(every[-1])
        kept = []
        for one in every[:-1]:
            if _size(one) > room:
                break
            room -= _size(one)
            kept.append(one)
        cells: list[Cell] = []
        self._shown = []
        x = 0
        for key, label, action in [*kept, every[-1]]:
            cells += [Cell(f" {key}", "key"), Cell(f" {label} ", "soft")]
            x += len(key) + len(label) + 3
            self._shown.append((x, action))
        return [line(cells, self.size.width)]

    async def on_click(self, event: events.Click) -> None:
        for end, action in self._shown:
            if event.x < end:
                await self.screen.run_action(action)
                return


def _size(key: tuple[str, str, str]) -> int:
    return len(key[0]) + len(key[1]) + 3
