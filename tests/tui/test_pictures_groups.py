"""What groups and containers look like, as SVG."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import boxes
import moments
import scenes
from proctop.settings import Settings
from proctop.tui.app import Proctop

DRAWN: tuple[tuple[str, tuple[int, int], str, dict[str, object], bool], ...] = (
    # name, size, keys, settings, ascii
    ("groups-80x24", (80, 24), "g", {}, False),
    ("groups-120x40", (120, 40), "g down", {}, False),
    ("groups-200x50", (200, 50), "g", {}, False),
    ("groups-60x15", (60, 15), "g", {}, False),
    ("groups-expanded", (120, 40), "g down enter down down down right", {}, False),
    ("groups-user", (120, 30), "g 6 P", {}, False),
    ("groups-ascii", (120, 30), "g down right", {}, True),
    ("groups-light", (120, 30), "g down right", {"theme": "proctop-light"}, False),
    ("groups-no-color", (120, 30), "g down right", {"color": False}, False),
    ("groups-search", (80, 24), "g slash p o s t", {}, False),
    ("groups-filter", (80, 24), "g backslash c p u greater_than_sign 5", {}, False),
    ("containers-80x24", (80, 24), "c", {}, False),
    ("containers-120x40", (120, 40), "c down down right", {}, False),
    ("containers-200x50", (200, 50), "c", {}, False),
    ("containers-60x15", (60, 15), "c", {}, False),
    ("containers-ascii", (120, 30), "c", {}, True),
    ("containers-light", (120, 30), "c", {"theme": "proctop-light"}, False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "ascii"), DRAWN, ids=[row[0] for row in DRAWN])
async def test_picture(
    golden: Callable[[Proctop, str], None], name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], ascii: bool
) -> None:
    app = scenes.app(Settings(**chosen), ascii=ascii)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        for tick in range(15, 21):
            app.show(boxes.frame(tick, began=3617.5 if tick > 17 else 3000.0))
        await pilot.press(*keys.split())
        await pilot.pause()
        golden(app, name)


async def test_picture_of_a_container_that_has_ended(golden: Callable[[Proctop, str], None]) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 30)) as pilot:
        app.show(boxes.frame(20))
        left = [p for p in boxes.people() if p.container not in (boxes.JOB, boxes.WEB)]
        for tick in (21, 33):
            app.show(boxes.build(left, tick=tick, wall=1_700_003_600.0 + tick, cgroups=boxes.counters(tick)))
        await pilot.press("c")
        await pilot.pause()
        golden(app, "containers-ended")


async def test_picture_of_young_groups(golden: Callable[[Proctop, str], None]) -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 30)) as pilot:
        app.show(boxes.frame(young=True))
        await pilot.press("g")
        await pilot.pause()
        golden(app, "groups-warming")


async def test_picture_of_groups_of_the_past(golden: Callable[[Proctop, str], None]) -> None:
    there = moments.past(60)
    app = scenes.app(live=False, past=there.load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 30)) as pilot:
        for key in ("", "right_parenthesis", "g"):
            if key:
                await pilot.press(key)
            while app.main.shown is None or app.deck.outlook is None:
                await pilot.pause(0.01)
            await pilot.pause(0.1)
        golden(app, "groups-replay")
