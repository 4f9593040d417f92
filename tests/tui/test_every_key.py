"""Every key of every screen leads to its action, the action is there, and none of them ends the program or leaves it stuck."""

from __future__ import annotations

from typing import Any

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.screen import Screen

import moments
import scenes
from proctop.tui.app import Proctop
from proctop.tui.keymap import Scope, scopes
from proctop.tui.keys import called

OPENED = {
    "Keys": (),
    "Keys: columns": ("f2",),
    "Keys: events": ("e",),
    "Keys: groups": ("g",),
    "Keys: help": ("f1",),
    "Keys: host vitals": ("v",),
    "Keys: the detail": ("down", "down", "enter"),
    "Keys in lists": ("f6",),
    "Keys in pages": ("f1",),
}
"""The keys that lead from the main screen to where others mean something."""

LEAVING = ("app.quit", "app.suspend_process")
SCOPES = scopes()


@pytest.fixture
def app() -> Proctop:
    return scenes.app(past=moments.past(60).load)


async def at(pilot: Pilot[int], app: Proctop, scope: str) -> None:
    app.main._found = ""
    app.show(scenes.frame())
    await pilot.pause()
    for key in OPENED[scope]:
        await pilot.press(key)
        await pilot.pause()


def test_every_screen_with_keys_is_walked() -> None:
    assert {title for title, _ in SCOPES} == OPENED.keys()


@pytest.mark.parametrize("scope", SCOPES, ids=[title for title, _ in SCOPES])
async def test_each_key_leads_to_its_action_which_is_there(app: Proctop, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, DOMNode | None]] = []

    async def note(action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None) -> bool:
        asked.append((str(action), default_namespace))
        return True

    title, bindings = scope
    async with app.run_test(size=(120, 40)) as pilot:
        await at(pilot, app, title)
        monkeypatch.setattr(app, "run_action", note)
        for binding in bindings:
            for key in binding.key.split(","):
                asked.clear()
                await pilot.press(key.strip())
                await pilot.pause()
                wanted = _wanted(binding, bindings, key.strip())
                assert _typed(title, key.strip()) or (asked and asked[0][0] in wanted), (title, key, binding.action, asked)
                for action, node in asked[:1]:
                    where, _, name = called(action)[0].rpartition(".")
                    owner: object = app if where == "app" else node
                    assert hasattr(owner, f"action_{name}"), (title, action, node)


def _wanted(binding: Binding, bindings: Any, key: str) -> set[str]:
    """The actions of a key: one, or as many as share it and are told apart by what is shown."""
    return {other.action for other in bindings if key in {k.strip() for k in other.key.split(",")}} | {binding.action}


def _typed(title: str, key: str) -> bool:
    """A page of the help takes letters for itself."""
    return title in ("Keys: help", "Keys in pages") and len(key) == 1


@pytest.mark.parametrize("scope", SCOPES, ids=[title for title, _ in SCOPES])
async def test_each_key_can_be_pressed_and_the_way_back_is_open(app: Proctop, scope: Scope) -> None:
    title, bindings = scope
    async with app.run_test(size=(120, 40)) as pilot:
        await at(pilot, app, title)
        here = app.screen
        for binding in bindings:
            if binding.action in LEAVING:
                continue
            await pilot.press(binding.key.split(",")[0].strip())
            await back(pilot, app, here if here in app.screen_stack else app.main)
            if here not in app.screen_stack:
                await at(pilot, app, title)
                here = app.screen
            assert app.is_running and not app.failure and not app.trouble, (title, binding)
        await back(pilot, app, app.main)
        assert app.screen is app.main


async def back(pilot: Pilot[int], app: Proctop, screen: Screen[Any]) -> None:
    """Esc, as often as it takes."""
    for _ in range(6):
        if app.screen is screen:
            return
        await pilot.press("escape")
    raise AssertionError(app.screen_stack)


async def test_every_key_is_told_of_and_has_a_name() -> None:
    for title, bindings in SCOPES:
        for binding in bindings:
            assert binding.description, (title, binding)
            if title in ("Keys", "Keys: columns", "Keys: help"):
                assert binding.id or binding.action == "app.quit", (title, binding)
