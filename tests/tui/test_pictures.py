"""What the screens look like, as SVG; the README shows some of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import moments
import scenes
from proctop.frames import Frame
from proctop.settings import Settings
from proctop.tui.app import Proctop
from scenes import Recorded

DRAWN: tuple[tuple[str, tuple[int, int], str, dict[str, object], str | None, bool], ...] = (
    # name, size, keys, settings, frames, ascii
    ("main-80x24", (80, 24), "", {}, None, False),
    ("main-120x40", (120, 40), "", {}, None, False),
    ("main-200x50", (200, 50), "", {}, None, False),
    ("main-60x15", (60, 15), "", {}, None, False),
    ("selected", (80, 24), "down down", {}, None, False),
    ("tree", (120, 40), "t", {}, None, False),
    ("warming", (80, 24), "", {}, "warming", False),
    ("paused", (80, 24), "space", {}, None, False),
    ("filter-error", (80, 24), "backslash c p u greater_than_sign 5 left_parenthesis", {}, None, False),
    ("search", (80, 24), "slash p o s t g r", {}, None, False),
    ("tiny", (36, 6), "", {}, None, False),
    ("ascii", (120, 30), "t", {}, None, True),
    ("light", (120, 30), "down", {"theme": "proctop-light"}, None, False),
    ("high-contrast", (120, 30), "down", {"theme": "proctop-contrast"}, None, False),
    ("terminal-16", (120, 30), "down", {"theme": "proctop-16"}, None, False),
    ("no-color", (120, 30), "down", {"color": False}, None, False),
    ("dracula", (120, 30), "down", {"theme": "dracula"}, None, False),
    ("help", (100, 40), "f1", {}, None, False),
    ("sort-menu", (100, 40), "f6", {}, None, False),
    ("user-menu", (80, 24), "u", {}, None, False),
    ("signal-menu", (80, 24), "down f9", {}, None, False),
    ("signal-confirm", (80, 24), "down f9 enter", {}, None, False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "which", "ascii"), DRAWN, ids=[row[0] for row in DRAWN])
async def test_picture(
    golden: object, name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], which: str | None, ascii: bool
) -> None:
    app = scenes.app(Settings(**chosen), ascii=ascii)  # type: ignore[arg-type]
    frames = [scenes.warming()] if which == "warming" else [*scenes.past(), scenes.frame()]
    await _draw(golden, app, name, size, frames, keys.split())


async def test_picture_of_an_exited_selection(golden: object) -> None:
    app = scenes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(scenes.frame())
        await pilot.press("down", "down", "down")
        app.show(scenes.without(2311))
        await pilot.pause()
        assert callable(golden)
        golden(app, "exited")


async def test_picture_of_a_paused_view_that_grows_old(golden: object) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 30)) as pilot:
        app.show(scenes.frame())
        await pilot.press("space")
        app.show(scenes.without(2311, tick=62))
        await pilot.pause()
        assert callable(golden)
        golden(app, "paused-old")


TIMED: tuple[tuple[str, tuple[int, int], str, dict[str, object], bool, bool], ...] = (
    # name, size, keys, settings, live, ascii
    ("replay-200x50", (200, 50), "right_parenthesis", {}, False, False),
    ("replay-80x24", (80, 24), "right_parenthesis", {}, False, False),
    ("replay-60x15", (60, 15), "right_parenthesis", {}, False, False),
    ("replay-ascii", (120, 30), "right_parenthesis", {}, False, True),
    ("replay-no-color", (120, 30), "right_parenthesis", {"color": False}, False, False),
    ("replay-time-error", (80, 24), "b 1 2 colon 0 0 enter", {}, False, False),
    ("rewound", (120, 40), "left_parenthesis left_parenthesis", {}, True, False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "live", "ascii"), TIMED, ids=[row[0] for row in TIMED])
async def test_picture_of_the_past(
    golden: object, name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], live: bool, ascii: bool
) -> None:
    there = moments.past(60)
    app = scenes.app(Settings(**chosen), live=live, past=there.load, ascii=ascii)  # type: ignore[arg-type]
    app.deck.speed = 0.0
    async with app.run_test(size=size) as pilot:
        for frame in there.frames if live else ():
            app.show(frame)
        for key in ("", *keys.split()):
            if key:
                await pilot.press(key)
            while app.main.shown is None or (app.deck.past and app.deck.outlook is None):
                await pilot.pause(0.01)
            await pilot.pause(0.1)
        assert callable(golden)
        golden(app, name)


async def _draw(golden: object, app: Proctop, name: str, size: tuple[int, int], frames: Sequence[Frame], keys: Sequence[str]) -> None:
    async with app.run_test(size=size) as pilot:
        for frame in frames:
            app.show(frame)
        await pilot.pause()
        await pilot.press(*keys)
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert callable(golden)
        golden(app, name)


def test_every_picture_belongs_to_a_test() -> None:
    here = Path(__file__)
    drawn = {path.stem for path in (here.parents[2] / "snapshots").glob("*.svg")}
    named = "".join(path.read_text() for path in here.parent.glob("test_pictures*.py"))
    assert drawn >= {row[0] for row in (*DRAWN, *TIMED)} | {"exited", "paused-old"}
    assert {name for name in drawn if f'"{name}"' not in named} == set()


def test_the_recorder_is_no_real_action() -> None:
    assert Recorded().refused == ""
