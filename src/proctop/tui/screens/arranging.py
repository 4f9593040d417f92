"""How the table looks, and what is taken out of it: columns, layouts, themes, the span of history, copies, every action by name."""

from __future__ import annotations

from proctop import fields
from proctop.layouts import Layout
from proctop.tui.commands import Palette, commands
from proctop.tui.screens.chooser import Chooser
from proctop.tui.screens.finding import Finding
from proctop.tui.screens.menus import Choice
from proctop.tui.widgets.menu import Item
from proctop.view import zoom
from proctop.view.copying import copyable


class Arranging(Finding):
    """The board, and how its user likes it."""

    @property
    def layout_now(self) -> Layout:
        return Layout(tuple(c.name for c in self._table.columns), self.state.sort, self.state.reverse, self.app.theme)

    def lay(self, layout: Layout) -> None:
        """Show another layout; a theme that there is not stays as it is."""
        self._table.columns = [fields.COLUMN[name] for name in layout.columns]
        if layout.theme in self.app.available_themes:
            self.app.theme = layout.theme
        self._look(sort=layout.sort, reverse=layout.reverse)

    def action_columns(self) -> None:
        self.app.push_screen(Chooser(self.layout_now, self.lay, self.proctop.known_layouts, self.proctop.keep_layout))

    def action_layout(self, name: str) -> None:
        layout = self.proctop.known_layouts().get(name)
        if layout is not None:
            self.lay(layout)

    def action_theme(self, name: str) -> None:
        self.app.theme = name

    def action_look_for(self, text: str) -> None:
        """A filter out of the palette."""
        self._filter(text)

    def action_zoom(self, step: int) -> None:
        """A wider span of history, or a narrower one."""
        factor = zoom.further(self._table.factor, step)
        self._table.factor = self._host.factor = factor
        self._host.redraw()
        self._arrange()
        if self.shown is not None:
            interval = self.shown.reading.interval
            self.proctop.tell(f"a cell of the history is {zoom.span(1, factor, interval)}" + (", the highest in it" if factor > 1 else ""))

    def action_copy(self) -> None:
        """Ask what of the selected process is to be copied."""
        key, frame = self._table.cursor, self.shown
        found = copyable(frame, key, self._table.columns, self.state.sort) if key is not None and frame is not None else []
        if not found:
            self.proctop.tell("select a process first", failed=True)
            return

        def chosen(what: str | None) -> None:
            if what is not None:
                self.proctop.copy(what, dict(found)[what])

        self.app.push_screen(Choice("Copy", [Item(what, what, text[:60]) for what, text in found]), chosen)

    def action_palette(self) -> None:
        offered = commands(self.offers, self.app.available_themes, self.proctop.known_layouts(), self.proctop.keymap)
        self.app.push_screen(Palette(offered), self._command)

    async def _command(self, action: str | None) -> None:
        if action is not None:
            await self.run_action(action)

    def offers(self, action: str, parameters: tuple[object, ...] = ()) -> bool:
        """Whether this session has an action at all; the keys of the others say why not."""
        raise NotImplementedError
