"""What is written past the compositor, on a terminal that did not take everything: then all of the screen comes anew."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

import scenes
from proctop.tui import direct
from proctop.tui.app import Proctop


class Stalled:
    """Makes of the test's driver a terminal that has stalled, and counts how often a whole screen is painted."""

    def __init__(self, app: Proctop, monkeypatch: pytest.MonkeyPatch) -> None:
        driver: Any = app._driver
        driver.stale, driver.ready = True, False
        self.driver = driver
        self.whole: list[object] = []
        screen = app.screen

        def refresh(*regions: object, **more: object) -> None:
            self.whole += [] if regions else [screen]

        monkeypatch.setattr(direct, "Terminal", type(self.driver))
        monkeypatch.setattr(screen, "refresh", refresh)


async def tick(pilot: Pilot[int], app: Proctop, number: int) -> None:
    app.show(scenes.frame(number))
    await pilot.pause()


@pytest.mark.parametrize("over", ["nothing", "announcement", "menu", "screen"])
async def test_what_was_dropped_is_painted_as_soon_as_the_terminal_takes_it(over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await tick(pilot, app, 0)
        if over == "announcement":
            app.tell("the mouse is ours again")
        elif over != "nothing":
            await pilot.press({"menu": "u", "screen": "e"}[over])
        await pilot.pause()
        stalled = Stalled(app, monkeypatch)
        await tick(pilot, app, 1)
        assert stalled.driver.stale and not stalled.whole
        stalled.driver.ready = True
        await tick(pilot, app, 2)
        assert not stalled.driver.stale and len(stalled.whole) == 1
