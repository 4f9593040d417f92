"""What a detail asks of the host about its process: beside the screen, one look of a kind at a time, kept while it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from proctop.actions import ActionFailed, Actions
from proctop.inspection import Detail, Environment, Holdings
from proctop.records import ProcKey
from proctop.tui.screens.pages import Reader
from proctop.view.about import Closer

if TYPE_CHECKING:
    pass

LOOKING = "looking …"
SILENT = "the kernel does not answer about this process; what it says will be shown when it comes"

T = TypeVar("T")


class Looking(Reader):
    """A reader that looks at the process ``key`` through ``looks``; None: it is not a process of this host."""

    def __init__(self, key: ProcKey, looks: Actions | None) -> None:
        super().__init__()
        self.key = key
        self.looks = looks
        self.closer = Closer()
        self.holds: Holdings | str = ""
        self.environment: Environment | str = ""
        self._pending: set[Callable[[ProcKey], object]] = set()  # not answered yet, however late

    def look(self, *, again: bool = False) -> None:
        """Who it is: once, unless it is wanted ``again``."""
        if self.looks is not None and (again or not (self.closer.detail or self.closer.words)):
            self.closer = replace(self.closer, words=self.closer.words or LOOKING)
            self._ask(self.looks.detail, self._came_detail)

    def look_inside(self, *, again: bool = False) -> None:
        """What it holds, as :meth:`look`."""
        if self.looks is not None and (again or not self.holds):
            self.holds = self.holds or LOOKING
            self._ask(self.looks.holdings, self._came_holdings)

    def read_environment(self) -> None:
        """Because the user asked for it."""
        if self.looks is not None:
            self.environment = self.environment or LOOKING
            self._ask(self.looks.environment, self._came_environment)

    def forget_environment(self) -> None:
        """Also one that is still to come."""
        self.environment = ""

    def _ask(self, look: Callable[[ProcKey], T], came: Callable[[T | str], None]) -> None:
        """Run ``look`` beside the screen; one of a kind at a time, as one that hangs cannot be ended."""
        if look not in self._pending:
            self._pending.add(look)
            self.proctop.look_closely(self.key, look, partial(self._answered, look, came))

    def _answered(self, look: Callable[[ProcKey], T], came: Callable[[T | str], None], answer: T | ActionFailed | None) -> None:
        if answer is not None:
            self._pending.discard(look)
        if self.is_attached:
            came(SILENT if answer is None else str(answer) if isinstance(answer, ActionFailed) else answer)
            self.fill()

    def _came_detail(self, told: Detail | str) -> None:
        self.closer = Closer(told) if isinstance(told, str) else Closer(detail=told, before=self.closer.detail)

    def _came_holdings(self, told: Holdings | str) -> None:
        self.holds = told

    def _came_environment(self, told: Environment | str) -> None:
        if self.environment:
            self.environment = told
