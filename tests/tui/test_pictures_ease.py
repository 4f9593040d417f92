"""What makes it easy, in pictures; and a walk through the incident of the bundled recording, as if it were happening."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from importlib.resources import files

import pytest
from textual.pilot import Pilot
from textual.widgets._toast import Toast

import scenes
from frames import build
from proctop.engine import Engine
from proctop.frames import Frame
from proctop.layouts import Layout, Layouts
from proctop.player import Player
from proctop.records import Gap
from proctop.scoring.registry import make
from proctop.settings import Settings
from proctop.stream.archive import Archive
from proctop.stream.reader import Reader
from proctop.stream.ring import Ring
from proctop.tui.app import Proctop
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.tour import DEBUGGING, MINING, Tour
from proctop.tui.widgets.process_table import ProcessTable
from proctop.view.table import row_of

Golden = Callable[[Proctop, str], None]
DEMO = str(files("proctop") / "demo.proctop")

DRAWN: tuple[tuple[str, tuple[int, int], str, dict[str, object], bool], ...] = (
    # name, size, keys, settings, ascii
    ("chooser", (120, 40), "f2 down down greater_than_sign", {}, False),
    ("chooser-80x24", (80, 24), "f2 down space", {}, False),
    ("chooser-60x15", (60, 15), "f2 end", {}, False),
    ("chooser-ascii", (120, 30), "f2 down", {}, True),
    ("chooser-light", (120, 30), "f2 down", {"theme": "proctop-light"}, False),
    ("chooser-no-color", (120, 30), "f2 down", {"color": False}, False),
    ("chooser-save", (120, 30), "f2 s n a r r o w", {}, False),
    ("chooser-load", (120, 30), "f2 l", {}, False),
    ("help-search", (100, 30), "f1 slash c o l u m n", {}, False),
    ("help-60x15", (60, 15), "f1", {}, False),
    ("help-ascii", (80, 24), "f1 slash m a r k s", {}, True),
    ("palette", (100, 30), "ctrl+p l a y", {}, False),
    ("copy-menu", (120, 30), "down y", {}, False),
    ("zoomed", (120, 30), "w", {}, False),
    ("other-keys", (120, 30), "", {"keys": (("help", "f12"), ("tree", "ctrl+t"), ("pause", "ctrl+l"))}, False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "ascii"), DRAWN, ids=[row[0] for row in DRAWN])
async def test_picture(golden: Golden, name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], ascii: bool) -> None:
    layouts = Layouts()
    layouts.save("memory", Layout(("score", "pid", "rss", "vsize", "mem", "command"), "rss"))
    layouts.save("who writes", Layout(("score", "pid", "user", "disk_write", "wchar", "command", "why"), "disk_write"))
    app = scenes.app(Settings(**chosen), ascii=ascii, layouts=layouts)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        for frame in (*scenes.past(), scenes.frame()):
            app.show(frame)
        await pilot.pause()
        await pilot.press(*keys.split())
        await pilot.pause()
        golden(app, name)


@pytest.mark.parametrize(("name", "size"), [("first-run", (120, 30)), ("first-run-80x24", (80, 24))])
async def test_picture_of_the_first_run(golden: Golden, name: str, size: tuple[int, int]) -> None:
    app = scenes.app()
    app.hinted = "/nowhere/at/all"
    async with app.run_test(size=size) as pilot:
        for frame in (*scenes.past(), scenes.frame()):
            app.show(frame)
        await pilot.pause()
        golden(app, name)


@pytest.mark.parametrize(("name", "size"), [("restricted", (120, 30)), ("restricted-80x24", (80, 24))])
async def test_picture_of_a_view_that_is_restricted(golden: Golden, name: str, size: tuple[int, int]) -> None:
    """As another user sees a host whose procfs hides the processes of others."""
    gaps = (
        Gap("processes", 0, "processes of others are hidden: mount option hidepid=2"),
        Gap("io", 14, "not permitted for processes of others; run as root"),
        Gap("fd", 14, "not permitted for processes of others; run as root"),
        Gap("pressure", 0, "no pressure: the kernel was started with psi=0"),
    )
    mine = [person for person in scenes.people() if person.user in ("alice", "vault")]
    app = scenes.app(Settings(readonly=True), actions=scenes.Recorded(readonly="read-only"))
    async with app.run_test(size=size) as pilot:
        app.show(build(mine, tick=20, gaps=gaps, wall=1_700_003_620.0))
        await pilot.pause()
        golden(app, name)


# a walk through an incident


@cache
def demo() -> tuple[Frame, ...]:
    """The frames of the bundled recording, as a session that lives through it has them."""
    engine = Engine(make())
    with Reader(DEMO) as reader:
        return tuple(engine.step(replace(record.reading, changed=None)) for record in reader)


def upto(second: float) -> list[Frame]:
    start = demo()[0].reading.wall
    return [frame for frame in demo() if frame.reading.wall - start <= second]


@asynccontextmanager
async def live(second: float, *, toasts: bool = False) -> AsyncIterator[tuple[Pilot[int], Proctop]]:
    """As if the demo were happening here and it were ``second``."""
    ring = Ring()
    frames = upto(second)
    for frame in frames:
        ring.write(frame)
    app = scenes.app(past=lambda: Player(Archive([ring])))
    async with app.run_test(size=(120, 32), notifications=toasts) as pilot:
        for frame in frames[-130:]:
            app.show(frame)
        await pilot.pause()
        yield pilot, app


def choose(app: Proctop, comm: str) -> None:
    shown = app.main.shown
    assert shown is not None
    row = next(i for i, label in enumerate(shown.batch.labels) if label.comm == comm)
    assert row_of(shown, shown.reading.key(row)) == row
    app.main.query_one(ProcessTable).select(shown.reading.key(row))


async def test_walk_1_all_is_well(golden: Golden) -> None:
    async with live(DEBUGGING - 5) as (_, app):
        golden(app, "walk-1-calm")


async def test_walk_2_an_alert_is_announced(golden: Golden) -> None:
    async with live(DEBUGGING + 6, toasts=True) as (pilot, app):
        while not app.screen.query(Toast):
            await pilot.pause(0.01)
        await pilot.pause()
        golden(app, "walk-2-toast")


async def test_walk_3_why(golden: Golden) -> None:
    async with live(DEBUGGING + 12) as (pilot, app):
        choose(app, "mailer")
        await pilot.press("enter")
        await pilot.pause()
        detail = app.screen
        assert isinstance(detail, ProcessDetail)
        for _ in range(200):
            await pilot.pause(0.01)
        golden(app, "walk-3-why")


async def test_walk_4_containers(golden: Golden) -> None:
    async with live(MINING + 12) as (pilot, app):
        await pilot.press("c")
        await pilot.pause()
        golden(app, "walk-4-containers")


async def test_walk_5_events(golden: Golden) -> None:
    async with live(MINING + 12) as (pilot, app):
        await pilot.press("e")
        await pilot.pause()
        for _ in range(100):
            await pilot.pause(0.01)
        golden(app, "walk-5-events")


async def test_walk_6_back_in_time(golden: Golden) -> None:
    async with live(MINING + 12) as (pilot, app):
        await pilot.press("left_curly_bracket")
        while app.deck.outlook is None or not app.deck.outlook.marks:
            await pilot.pause(0.02)
        app.seek(demo()[0].reading.wall + DEBUGGING + 6, None)
        while app.main.shown is None or abs(app.main.shown.reading.wall - demo()[0].reading.wall - DEBUGGING - 6) > 1:
            await pilot.pause(0.02)
        for _ in range(50):
            await pilot.pause(0.01)
        golden(app, "walk-6-back")


async def test_picture_of_the_demo(golden: Golden) -> None:
    player = Player(Archive.open(DEMO))
    assert player.span is not None
    tour = Tour(player.span[0])
    app = scenes.app(live=False, past=lambda: player, tour=tour)
    app.deck.speed = 0.0
    async with app.run_test(size=(100, 30)) as pilot:
        while app.main.shown is None or app.deck.outlook is None or not app.deck.outlook.marks:
            await pilot.pause(0.02)
        for _ in range(50):
            await pilot.pause(0.01)
        golden(app, "demo")


def test_alerts_are_what_the_walk_is_about() -> None:
    assert {event.comm for frame in demo() for event in frame.alerts} >= {"mailer"}
