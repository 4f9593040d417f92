"""The help knows every key of every screen, every column and every feature, and what is typed narrows it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

import scenes
from proctop import fields
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.keymap import scopes
from proctop.tui.keys import named
from proctop.tui.screens.help import Help
from proctop.tui.widgets.menu import Page


def page(pilot: Pilot[int]) -> list[str]:
    return ["".join(cell.text for cell in line) for line in pilot.app.screen.query_one(Page)._text]


def title(pilot: Pilot[int]) -> str:
    return "".join(cell.text for cell in pilot.app.screen.query_one("#reader-title").lines[0].cells)  # type: ignore[attr-defined]


async def opened(pilot: Pilot[int], key: str = "f1") -> None:
    assert isinstance(pilot.app, Proctop)
    pilot.app.show(scenes.frame())
    await pilot.press(key)
    await pilot.pause()
    assert isinstance(pilot.app.screen, Help)


async def test_it_holds_every_key_of_every_screen_every_column_and_every_feature() -> None:
    async with scenes.app(past=lambda: None).run_test(size=(200, 50)) as pilot:
        await opened(pilot)
        text = "\n".join(page(pilot))
        for name, bindings in scopes():
            assert f" {name}" in text
            for binding in bindings:
                if binding.description:
                    assert f" {named(binding)}" in text and binding.description[:40] in text, binding
        assert all(column.help[:60] in text for column in fields.COLUMNS)
        assert all(feature.help[:60] in text for feature in fields.FEATURES)
        assert "not permitted for processes of others; run as root (231 processes)" in text


@pytest.mark.parametrize("way", ["letters", "slash"])
async def test_what_is_typed_narrows_and_marks(way: str) -> None:
    async with scenes.app().run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        whole = len(page(pilot))
        await pilot.press(*(["slash"] if way == "slash" else []), "t", "r", "e", "e")
        assert title(pilot).startswith(" Help: tree_") and "found" in title(pilot)
        shown = page(pilot)
        assert 0 < len(shown) < whole / 4 and " F5 t          tree, flat list" in shown
        cells = [cell for line in pilot.app.screen.query_one(Page)._text for cell in line]
        assert {cell.text.casefold() for cell in cells if cell.style == "match"} == {"tree"}
        await pilot.press("space", "f", "l", "a", "t")
        assert page(pilot) == [" Keys", " F5 t          tree, flat list"]
        await pilot.press("x")
        assert page(pilot) == [] and "nothing holds that" in title(pilot)
        await pilot.press(*["backspace"] * 10)
        assert title(pilot).startswith(" Help: _") and len(page(pilot)) == whole
        await pilot.press("backspace")
        assert title(pilot).startswith(" Help ")


async def test_escape_ends_the_search_and_then_the_help_and_q_is_a_letter_of_a_search() -> None:
    async with scenes.app().run_test(size=(100, 40)) as pilot:
        await opened(pilot, "question_mark")
        await pilot.press("slash", "q", "u", "i", "t")
        assert " F10 q         quit" in page(pilot)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Help) and title(pilot).startswith(" Help ")
        await pilot.press("q")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, Help)


async def test_it_opens_over_every_screen_with_the_keys_of_that_first() -> None:
    async with scenes.app().run_test(size=(100, 40)) as pilot:
        assert isinstance(pilot.app, Proctop)
        pilot.app.show(scenes.frame())
        await pilot.press("f2")
        await pilot.press("f1")
        await pilot.pause()
        shown = page(pilot)
        keys = [line for line in shown if line.startswith(" Keys")]
        assert keys[:2] == [" Keys: columns", " Keys"]
        await pilot.press("f1")
        assert sum(isinstance(screen, Help) for screen in pilot.app.screen_stack) == 1


async def test_only_what_this_session_can_do_is_told() -> None:
    async with scenes.app(Settings(readonly=True), actions=scenes.Recorded(readonly="read-only")).run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        assert not any("send a signal" in line for line in page(pilot))


@pytest.mark.parametrize("size", [(40, 8), (60, 15), (200, 50)])
async def test_no_line_is_longer_than_the_page_and_no_word_is_lost(size: tuple[int, int]) -> None:
    async with scenes.app().run_test(size=size) as pilot:
        await opened(pilot)
        lines = page(pilot)
        assert all(len(line.rstrip()) <= size[0] for line in lines)
