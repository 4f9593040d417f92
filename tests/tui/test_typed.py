"""Keys that come in one piece, as over a slow line or out of a paste: each goes where the one before has led."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.pilot import Pilot

import scenes
from proctop.tui.app import Proctop
from proctop.tui.screens.menus import Choice, Confirm
from proctop.tui.typed import LOST
from proctop.tui.widgets.process_table import ProcessTable

NAMES = {"\r": "enter", "\x1b": "escape", "\\": "backslash", "/": "slash", "\x10": "ctrl+p", ">": "greater_than_sign", " ": "space"}


async def at_once(pilot: Pilot[int], text: str) -> None:
    """Every key of ``text`` before the application has seen the first, then time for all of them."""
    app = pilot.app
    for character in text:
        app.post_message(events.Key(NAMES.get(character, character), character))
    for _ in range(len(text) + 1):
        await pilot.pause()


async def shown(pilot: Pilot[int], app: Proctop) -> None:
    app.show(scenes.frame())
    await pilot.pause()


@pytest.mark.parametrize("key", ["/", "\\"])
async def test_what_follows_the_key_of_a_prompt_is_typed_into_it(key: str) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        await at_once(pilot, key + "kacgev")
        assert app.screen is app.main and app.main._prompt.display
        assert app.main.query_one("#prompt-input").value == "kacgev"  # type: ignore[attr-defined]


async def test_what_follows_the_end_of_a_prompt_is_for_the_table() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        await at_once(pilot, "\\python\rt")
        assert app.main.query_text == "python" and app.main.state.tree and not app.main._prompt.display


async def test_what_follows_the_palette_narrows_it() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        await at_once(pilot, "\x10reverse the\r")
        assert app.screen is app.main and app.main.state.reverse


async def test_a_signal_chosen_ahead_still_asks() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        app.main.query_one(ProcessTable).go(0)
        await at_once(pilot, "k\r")
        assert isinstance(app.screen, Confirm)
        await at_once(pilot, "nk")
        assert isinstance(app.screen, Choice)


async def test_screens_that_come_and_go_lose_no_key() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        for _ in range(5):
            await at_once(pilot, "g\x1bv\x1be\x1bc\x1b")
            assert app.screen is app.main
        await at_once(pilot, "t")
        assert app.main.state.tree


async def test_a_key_that_is_never_heard_of_again_does_not_silence_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app)
        monkeypatch.setattr(app, "_follow", lambda way, again: None)
        app.post_message(events.Key("n", "n"))
        await pilot.pause()
        assert app._since is not None
        app._since -= LOST + 1
        await at_once(pilot, "t")
        await asyncio.sleep(0)
        assert app.main.state.tree
