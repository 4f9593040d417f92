"""The command palette: every sort, view, action and theme by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from proctop.fields import COLUMNS
from proctop.tui.keys import MAIN, called

if TYPE_CHECKING:
    from proctop.tui.app import Proctop


class Commands(Provider):
    """Names are ours alone: nothing here comes from the host."""

    def _all(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("Proctop", self.app)
        main = app.main
        for binding in MAIN:
            if (
                isinstance(binding, Binding)
                and main.check_action(*called(binding.action)) is not False
                and not binding.action.startswith("sort(")
            ):
                yield binding.description, f"key {binding.key_display or binding.key}", partial(main.run_action, binding.action)
        for column in COLUMNS:
            if column.name not in ("history", "why"):
                yield f"sort by {column.name}", column.help, partial(main.action_sort, column.name)
        for theme in sorted(app.available_themes):
            yield f"theme {theme}", "colours", partial(app.wear, theme)

    async def discover(self) -> Hits:
        for name, says, run in self._all():
            yield DiscoveryHit(name, run, help=says)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, says, run in self._all():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=says)
