"""Keys one after the other: the next one goes where the one before has led, however fast both came.

Textual hands every key at once to whatever has the focus when it is read. Over a slow line several come in one piece, and of ``F4 oom``
the letters would be for the table: ``o``, ``o`` and ``m`` as commands and not as words of a filter.
"""

from __future__ import annotations

import time
from collections import deque

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.message_pump import MessagePump

LOST = 1.0
"""Seconds after which a key that nothing is heard of holds up the next one no longer."""


class OneByOne(App[int]):
    """An application that hands on a key when the one before has been acted on, and the screen that it opened has its focus."""

    def __init__(self, *, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._waiting: deque[events.Key] = deque()
        self._since: float | None = None  # when the key was handed on that is under way

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._waiting.append(event)
        if self._since is None or time.monotonic() - self._since > LOST:
            await self._hand_on()

    async def _hand_on(self) -> None:
        """The next key, and behind it, through the same queues, word that it is done."""
        if not self._waiting:
            self._since = None
            return
        self._since = time.monotonic()
        way = self._way()
        await super().on_event(self._waiting.popleft())
        self._follow(way, again=True)

    def _way(self) -> list[MessagePump]:
        """Whom a key passes, from what has the focus up to this application, which acts on it."""
        return [*(self.focused or self.screen).ancestors_with_self]

    def _follow(self, way: list[MessagePump], *, again: bool) -> None:
        """On to the next one on the way, past those that are no more; ``again`` behind what the action made them tell each other."""
        while way:
            if way.pop(0).call_later(self._follow, way, again=again):
                return
        if again:
            self._follow(self._way(), again=False)
        elif not self.screen.call_later(self.call_later, self._hand_on):  # one that was opened takes its focus first
            self.call_later(self._hand_on)
