"""The column chooser: every change is seen at once, Enter keeps it, Esc takes it back; layouts by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

import moments
import scenes
from proctop.layouts import Layout, Layouts
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.screens.chooser import DEFAULT, Chooser, Columns, Name
from proctop.tui.screens.menus import Choice


@asynccontextmanager
async def choosing(app: Proctop | None = None, size: tuple[int, int] = (200, 50), key: str = "f2") -> AsyncIterator[Pilot[int]]:
    app = app or scenes.app()
    async with app.run_test(size=size) as pilot:
        app.show(scenes.frame())
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, Chooser)
        yield pilot


def proctop(pilot: Pilot[int]) -> Proctop:
    assert isinstance(pilot.app, Proctop)
    return pilot.app


def titles(pilot: Pilot[int]) -> str:
    table = proctop(pilot).main.query_one("#table")
    return " ".join("".join(cell.text for cell in table.lines[0].cells).split())  # type: ignore[attr-defined]


def columns(pilot: Pilot[int]) -> tuple[str, ...]:
    return proctop(pilot).main.layout_now.columns


def at(pilot: Pilot[int]) -> str:
    menu = pilot.app.screen.query_one(Columns)
    return menu.items[menu.place].value


@pytest.mark.parametrize("key", ["f2", "C"])
async def test_space_hides_and_shows_and_the_table_follows(key: str) -> None:
    async with choosing(key=key) as pilot:
        assert " PID " in titles(pilot)
        await pilot.press("down", "down", "space")
        assert at(pilot) == "pid" and " PID " not in titles(pilot) and columns(pilot) == tuple(c for c in DEFAULT if c != "pid")
        await pilot.press("space")
        assert " PID " in titles(pilot)
        assert columns(pilot).index("pid") == columns(pilot).index("command") - 1, "numbers stand before the words"


@pytest.mark.parametrize(("left", "right"), [("less_than_sign", "greater_than_sign"), ("shift+up", "shift+down")])
async def test_columns_move_with_the_cursor_on_them(left: str, right: str) -> None:
    async with choosing() as pilot:
        await pilot.press("down", "down", right, right)
        assert at(pilot) == "pid" and columns(pilot)[:5] == ("score", "history", "user", "state", "pid")
        await pilot.press(left, left, left, left, left, left)
        assert columns(pilot)[0] == "pid" and titles(pilot).startswith("PID SCORE")
        await pilot.press("end", right)
        assert columns(pilot)[0] == "pid", "a column that is not shown has no place"


async def test_enter_keeps_and_escape_takes_back() -> None:
    async with choosing() as pilot:
        await pilot.press("down", "space", "enter")
        assert pilot.app.screen is proctop(pilot).main and "history" not in columns(pilot)
        await pilot.press("f2", "down", "space", "space", "end", "space", "escape")
        await pilot.pause()
        assert pilot.app.screen is proctop(pilot).main
        assert columns(pilot) == tuple(c for c in DEFAULT if c != "history")


async def test_the_last_column_stays_and_d_brings_the_first_layout() -> None:
    async with choosing(scenes.app(Settings(columns=("pid",), sort="pid"))) as pilot:
        await pilot.press("space")
        assert columns(pilot) == ("pid",)
        await pilot.press("d")
        assert columns(pilot) == DEFAULT


async def test_what_orders_the_table_is_shown_whether_or_not_it_is_chosen() -> None:
    async with choosing(scenes.app(Settings(columns=("pid", "command"), sort="rss"))) as pilot:
        assert titles(pilot).startswith("PID MEM▼ COMMAND")


async def test_a_click_ticks() -> None:
    async with choosing() as pilot:
        await pilot.click(Columns, offset=(3, 1))
        assert "history" not in columns(pilot)
        await pilot.pause()
        assert isinstance(pilot.app.screen, Chooser), "and leaves the chooser open"


async def test_layouts_are_saved_and_loaded_with_sort_and_theme(tmp_path: Path) -> None:
    path = str(tmp_path / "layouts.json")
    app = scenes.app(Settings(sort="cpu", theme="proctop-light"), layouts=Layouts(path))
    async with choosing(app) as pilot:
        await pilot.press("down", "space", "s", *"mine", "exclamation_mark", "backspace", "enter")
        while "mine" not in Layouts(path).all():
            await pilot.pause(0.01)
        expected = Layout(tuple(c for c in DEFAULT if c != "history"), "cpu", False, "proctop-light")
        assert Layouts(path).all() == {"mine": expected}
        await pilot.press("d", "enter", "M", "f2", "l")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Choice)
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert app.main.layout_now == expected
        await pilot.press("f2", "x", "enter")
        while Layouts(path).all():
            await pilot.pause(0.01)


async def test_a_layout_is_named_in_the_palette_too() -> None:
    layouts = Layouts()
    layouts.save('it\'s "mine"', Layout(("pid", "why"), "pid"))
    app = scenes.app(layouts=layouts)
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("ctrl+p", *"layout", "space", "i", "t", "enter")
        await pilot.pause()
        assert app.main.layout_now[:2] == (("pid", "why"), "pid")


async def test_without_layouts_it_says_how_one_is_saved_and_a_bad_file_says_what_is_wrong(tmp_path: Path) -> None:
    async with choosing() as pilot:
        await pilot.press("l")
        assert "no layout is saved yet" in "".join(c.text for c in pilot.app.screen.query_one("#choice-title").lines[0].cells)  # type: ignore[attr-defined]
    path = tmp_path / "layouts.json"
    path.write_text("[")
    app = scenes.app(layouts=Layouts(str(path)))
    async with choosing(app) as pilot:
        await pilot.press("l")
        assert [note.message for note in app._notifications] == [f"{path}: no JSON; remove the file, or mend it"]


async def test_a_name_can_be_left_and_none_is_no_name() -> None:
    async with choosing() as pilot:
        await pilot.press("s", "enter", "space", "enter")
        assert isinstance(pilot.app.screen, Name)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Chooser)


async def test_it_works_on_a_recording() -> None:
    there = moments.past(20)
    app = scenes.app(live=False, past=there.load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        while app.main.shown is None:
            await pilot.pause(0.01)
        await pilot.press("f2", "down", "space", "enter")
        assert "history" not in app.main.layout_now.columns


@pytest.mark.parametrize("size", [(40, 8), (60, 15)])
async def test_it_fits_small_terminals(size: tuple[int, int]) -> None:
    async with choosing(size=size) as pilot:
        await pilot.press("end", "space")
        region = pilot.app.screen.query_one("#choice").region
        assert region.right <= size[0] and region.bottom <= size[1] and pilot.app.screen.query_one(Columns).size.height > 0
