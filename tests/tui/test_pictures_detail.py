"""What the detail of a process looks like."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from textual.pilot import Pilot

import scenes
import stories
from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.widgets.process_table import ProcessTable

Golden = Callable[[Proctop, str], None]
STORY = stories.story()

LIVE: tuple[tuple[str, tuple[int, int], ProcKey, str, dict[str, object], bool], ...] = (
    # name, size, whose, keys, settings, ascii
    ("detail", (120, 40), stories.WORKER, "", {}, False),
    ("detail-80x24", (80, 24), stories.WORKER, "", {}, False),
    ("detail-60x15", (60, 15), stories.WORKER, "", {}, False),
    ("detail-200x50", (200, 50), stories.WORKER, "", {}, False),
    ("detail-calm", (120, 40), stories.REDIS, "", {}, False),
    ("detail-young", (120, 40), stories.YOUNG, "", {}, False),
    ("detail-near", (120, 40), stories.WORKER, "W W", {}, False),
    ("detail-wide", (120, 40), stories.WORKER, "w", {}, False),
    ("detail-ascii", (120, 40), stories.WORKER, "", {}, True),
    ("detail-light", (120, 40), stories.WORKER, "", {"theme": "proctop-light"}, False),
    ("detail-high-contrast", (120, 40), stories.WORKER, "", {"theme": "proctop-contrast"}, False),
    ("detail-no-color", (120, 40), stories.WORKER, "", {"color": False}, False),
    ("detail-about", (120, 50), stories.REDIS, "2", {}, False),
    ("detail-about-80x24", (80, 24), stories.REDIS, "2", {}, False),
    ("detail-files", (120, 30), stories.REDIS, "3", {}, False),
    ("detail-files-80x24", (80, 24), stories.REDIS, "3", {}, False),
    ("detail-threads", (120, 30), stories.REDIS, "4", {}, False),
    ("detail-threads-ascii", (80, 24), stories.REDIS, "4", {}, True),
    ("detail-environment-asks", (80, 24), stories.REDIS, "5", {}, False),
    ("detail-environment", (80, 24), stories.REDIS, "5 enter", {}, False),
)


async def opened(pilot: Pilot[int], key: ProcKey) -> ProcessDetail:
    """The detail, once what is to come of the past has come."""
    app = pilot.app
    assert isinstance(app, Proctop)
    app.main.query_one(ProcessTable).select(key)
    await pilot.press("enter")
    screen = app.screen
    assert isinstance(screen, ProcessDetail)
    while screen.following.course is None or not screen.following.course.complete:
        await pilot.pause(0.01)
    return screen


@pytest.mark.parametrize(("name", "size", "key", "keys", "chosen", "ascii"), LIVE, ids=[row[0] for row in LIVE])
async def test_picture(
    golden: Golden, name: str, size: tuple[int, int], key: ProcKey, keys: str, chosen: dict[str, object], ascii: bool
) -> None:
    app = scenes.app(Settings(**chosen), past=stories.past().load, ascii=ascii)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        for frame in STORY[:-1]:
            app.show(frame)
        screen = await opened(pilot, key)
        await _press(pilot, keys.split())
        app.show(STORY[-1])
        await pilot.pause(0.05)
        assert screen.is_current
        golden(app, name)


async def _press(pilot: Pilot[int], keys: Sequence[str]) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause(0.1)


async def test_picture_of_one_that_exited(golden: Golden) -> None:
    app = scenes.app(past=stories.past().load)
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in STORY:
            app.show(frame)
        await opened(pilot, stories.WORKER)
        app.show(scenes.without(1841, tick=160))
        await pilot.pause()
        golden(app, "detail-exited")


async def test_picture_of_the_past(golden: Golden) -> None:
    app = scenes.app(past=stories.past().load)
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in STORY:
            app.show(frame)
        screen = await opened(pilot, stories.WORKER)
        await _press(pilot, ["left_parenthesis"])
        while screen.following.frame.reading.wall != stories.FIRST + stories.WRONG + 4:
            await pilot.pause(0.01)
        await pilot.pause(0.1)
        golden(app, "rewound-detail")


@pytest.mark.parametrize(("name", "key"), [("replay-detail", "1"), ("replay-detail-about", "2"), ("replay-detail-files", "3")])
async def test_picture_of_a_recording(golden: Golden, name: str, key: str) -> None:
    app = scenes.app(live=False, past=stories.past().load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        while app.main.shown is None:
            await pilot.pause(0.01)
        await _press(pilot, ["right_parenthesis"])
        await opened(pilot, stories.WORKER)
        await _press(pilot, [key])
        golden(app, name)
