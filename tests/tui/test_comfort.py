"""The mouse given back, text for the clipboard, a wider history, hints for the new, and themes."""

from __future__ import annotations

import base64
import doctest
import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets._toast import Toast

import moments
import scenes
from frames import BOOT
from proctop.fields import COLUMN
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.comfort import MOST, clean, through, unseen
from proctop.tui.screens.menus import Choice
from proctop.tui.tour import BEGIN, DEBUGGING, LENGTH, MINING, Tour
from proctop.tui.widgets.bars import Notice
from proctop.tui.widgets.hints import Hint
from proctop.tui.widgets.process_table import ProcessTable
from proctop.view.copying import copyable

OSC = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")


def notes(app: Proctop) -> list[str]:
    return [note.message for note in app._notifications]


def lines(app: Proctop, selector: str) -> list[str]:
    widget = app.main.query_one(selector)
    return ["".join(cell.text for cell in line.cells) for line in widget.lines]  # type: ignore[attr-defined]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[Proctop], list[str]]:
    """What an application writes past the compositor."""

    def listen(app: Proctop) -> list[str]:
        out: list[str] = []
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", out.append)
        return out

    return listen


# copies


async def select_worker(pilot: Pilot[int], app: Proctop) -> None:
    app.show(scenes.frame())
    await pilot.press("down")
    await pilot.press("y")
    await pilot.pause()


async def test_y_asks_what_and_hands_it_to_the_terminal(written: Callable[[Proctop], list[str]]) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        out = written(app)
        await select_worker(pilot, app)
        assert isinstance(app.screen, Choice)
        assert [item.label for item in app.screen.menu.items][:5] == ["pid", "name", "command line", "why", "SCORE"]
        await pilot.press("c", "enter")
        await pilot.pause()
        found = [base64.b64decode(text) for text in OSC.findall("".join(out))]
        assert found == [b"/usr/bin/python3 /srv/app/worker.py --queue mail --concurrency 4"]
        assert notes(app) == ["command line copied"]


@pytest.mark.parametrize(("chosen", "wrapped", "said"), [(False, True, "switched off"), (True, False, "no clipboard")])
async def test_it_is_not_copied_where_that_is_not_to_be(
    written: Callable[[Proctop], list[str]], chosen: bool, wrapped: bool, said: str
) -> None:
    app = scenes.app(Settings(clipboard=chosen))
    if not wrapped:
        app.wrapped = None
    async with app.run_test(size=(120, 40)) as pilot:
        out = written(app)
        await select_worker(pilot, app)
        await pilot.press("enter")
        await pilot.pause()
        assert not OSC.search("".join(out)) and said in notes(app)[-1]


async def test_without_a_selection_there_is_nothing_to_copy() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("y")
        assert app.screen is app.main and notes(app) == ["select a process first"]


def test_what_is_copied_is_one_line_without_controls_and_not_too_long() -> None:
    assert clean("a\nrm -rf /\r\x1b[201~\u202eb") == (b"a rm -rf /  [201~ b", False)
    data, cut = clean("ä" * MOST)
    assert cut and len(data) <= MOST and data.decode() == "ä" * (MOST // 2)


def test_a_container_and_a_row_can_be_copied() -> None:
    frame = scenes.frame()
    row = next(i for i in range(len(frame.reading)) if int(frame.reading.pid[i]) == 2200)
    columns = [COLUMN[name] for name in ("pid", "history", "container", "why")]
    found = dict(copyable(frame, frame.reading.key(row), columns, "rss"))
    assert found["container id"] == "a" * 64 and found["image"].endswith("redis:7.2") and found["MEM"] == "31.0M"
    assert found["row"] == "PID 2200  CONTAINER cache  WHY no activity for 40 s, usual ≤ 3 s"


def test_the_way_to_the_terminal() -> None:
    plain, screen = through({"TERM": "tmux-256color", "TMUX": "x", "STY": "y"}), through({"TERM": "screen", "STY": "1.s"})
    assert plain is not None and screen is not None and through({"TERM": "linux"}) is None
    assert plain("abc") == "abc"
    long = "\x1b]52;c;" + "A" * 2000 + "\x07"
    parts = re.findall(r"\x1bP(.*?)\x1b\\", screen(long), re.DOTALL)
    assert "".join(parts) == long and all(len(part) <= 768 for part in parts)


# zoom


async def test_w_widens_the_history_and_the_table_and_the_panel_say_so() -> None:
    app = scenes.app()
    async with app.run_test(size=(200, 50)) as pilot:
        for frame in moments.past(60).frames:
            app.show(frame)
        assert " HISTORY " in lines(app, "#table")[0] and " last " not in lines(app, "#host")[3]
        await pilot.press("w")
        assert " LAST 2m " in lines(app, "#table")[0] and " last 20m " in lines(app, "#host")[3]
        assert notes(app) == ["a cell of the history is 10s, the highest in it"]
        await pilot.press("w", "w", "w", "w")
        assert " LAST 2h24m " in lines(app, "#table")[0]
        await pilot.press(*"WWWWW")
        assert " HISTORY " in lines(app, "#table")[0]


# hints


async def test_the_new_are_told_three_keys_until_they_use_one(tmp_path: Path) -> None:
    place = tmp_path / "state" / "proctop" / "hints-shown"
    app = scenes.app()
    app.hinted = unseen(str(place))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.pause()
        shown = " ".join(lines(app, "#hint")[0].split())
        assert shown == "new here? ↓ select Enter why it stands out Space hold the view F1 all keys"
        await pilot.press("down")
        assert app.main.query_one(Hint).display
        await pilot.press("space")
        assert not app.main.query_one(Hint).display
        while not place.exists():
            await pilot.pause(0.01)
    assert unseen(str(place)) == ""
    again = scenes.app()
    again.hinted = unseen(str(place))
    async with again.run_test(size=(120, 40)):
        assert not again.main.query_one(Hint).display


async def test_a_hint_names_the_keys_that_the_user_has() -> None:
    app = scenes.app(Settings(keys=(("pause", "ctrl+l"),)))
    app.hinted = "/nowhere/at/all"
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.pause()
        assert "Ctrl+L hold the view" in " ".join(lines(app, "#hint")[0].split())
        await pilot.press("space")
        assert app.main.query_one(Hint).display
        await pilot.press("ctrl+l")
        assert not app.main.query_one(Hint).display


def test_a_home_that_cannot_be_written_is_not_written(tmp_path: Path) -> None:
    assert unseen("/nowhere/at/all") == ""
    assert unseen(str(tmp_path / "a" / "b")) == str(tmp_path / "a" / "b")


async def test_the_demo_tells_what_there_is_to_see() -> None:
    there = moments.past(60)
    app = scenes.app(live=False, past=there.load, tour=Tour(there.frames[0].reading.wall - BEGIN - 30))
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        while app.main.shown is None:
            await pilot.pause(0.01)
        await pilot.pause()
        assert "The mailer writes megabytes" in lines(app, "#hint")[0]


def test_what_is_told_follows_the_story_and_fits_a_line() -> None:
    tour = Tour(BOOT)
    told = [tour.told(BOOT + second) for second in range(-10, int(LENGTH) + 60)]
    assert len(dict.fromkeys(told)) == 5 and all(len(text) <= 79 for text in told)
    assert told[0] == tour.told(tour.begin) and "miner" in tour.told(BOOT + MINING + 10) and "mailer" in tour.told(BOOT + DEBUGGING + 10)


# the mouse


async def test_a_click_on_a_key_of_the_footer_runs_it_also_when_it_has_another_key() -> None:
    app = scenes.app(Settings(keys=(("tree", "ctrl+t"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.pause()
        await pilot.click("#keys", offset=(lines(app, "#keys")[0].index("Ctrl+T") + 1, 0))
        assert app.main.state.tree


async def test_m_without_a_terminal_of_ours_does_nothing() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("m")
        assert app.screen is app.main and app.main.query_one(ProcessTable).has_focus


# announcements


async def test_an_announcement_ends_with_the_screen_and_shows_a_long_name_in_whole() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.show(scenes.frame())
        name = "/srv/" + "x" * 52
        app.tell(f"recording to {name}")
        while not app.screen.query(Toast) or not app.screen.query_one(Toast).region:
            await pilot.pause(0.01)
        region = app.screen.query_one(Toast).region
        assert region.right == 120
        shown = ["".join(segment.text for segment in strip)[region.x + 1 :].strip() for strip in app.screen._compositor.render_strips()]
        assert "".join(shown[region.y : region.bottom]) == f"recording to{name}"


# the palette


async def test_the_palette_begins_with_the_line_that_is_typed_in() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("ctrl+p")
        (title,) = app.screen.query_one("#choice-title", Notice).lines
        assert title.cells[0].text == " do: " and title.cells[1].text == "_"


# themes


async def test_a_theme_is_seen_before_it_is_chosen() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("ctrl+p", *"theme", "space", *"dracula")
        await pilot.pause()
        assert app.theme == "dracula"
        await pilot.press("escape")
        await pilot.pause()
        assert app.theme == "proctop"
        await pilot.press("ctrl+p", *"theme")
        await pilot.press("down", "down")
        await pilot.pause()
        seen = app.theme
        assert seen != "proctop"
        await pilot.press("enter")
        await pilot.pause()
        assert app.theme == seen
        await pilot.press("ctrl+p", *"tree", "enter")
        await pilot.pause()
        assert app.theme == seen and app.main.state.tree


@pytest.mark.parametrize("name", ["comfort", "keys", "keymap", "screens.help", "tongue"])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"proctop.tui.{name}")).failed == 0
