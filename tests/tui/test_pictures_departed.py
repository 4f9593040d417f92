"""What processes that ended look like: a build, one that crashed, one that was killed; and that they can be selected and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

import scenes
from frames import WEB, host
from leavers import Gone, departed
from proctop.frames import Departed, Frame
from proctop.records import Exit, Label, ProcKey
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.screens.main import MainScreen
from proctop.tui.widgets.process_table import ProcessTable
from scenes import Recorded

MAKE = 9120
CHURN = host(births=231.0, execs=462.0, exits=229.0)
ENDED = (
    Gone(10412, "cc1", ppid=MAKE, user="alice", count=412, code=0, features={"cpu": 1.82, "minflt": 9100.0, "vctx": 40.0, "nvctx": 12.0}),
    Gone(10414, "sh", ppid=MAKE, user="alice", count=420, code=1, rank=3.4, features={"cpu": 0.31, "minflt": 2400.0, "disk_read": 0.0}),
    Gone(
        2404,
        "nginx",
        start=3404,
        command="nginx: worker process",
        user="www-data",
        container=WEB,
        brief=False,
        code=-11,
        ago=2.0,
        rank=6.1,
        features={"cpu": 0.02, "minflt": 12.0},
    ),
    Gone(8811, "backup", start=350_000, command="/usr/local/bin/backup --all", brief=False, code=-9, ago=5.0, ppid=7777),
)


def building(tick: int = 20, gone: Departed | None = None) -> Frame:
    return replace(scenes.frame(tick, host=CHURN), departed=departed(*ENDED) if gone is None else gone)


DRAWN: tuple[tuple[str, tuple[int, int], str, dict[str, object], bool], ...] = (
    # name, size, keys, settings, ascii
    ("departed-120x40", (120, 40), "", {}, False),
    ("departed-tree-120x40", (120, 40), "t", {}, False),
    ("departed-80x24", (80, 24), "", {}, False),
    ("departed-tree-80x24", (80, 24), "t", {}, False),
    ("departed-200x50", (200, 50), "", {"sort": "cpu"}, False),
    ("departed-60x15", (60, 15), "", {}, False),
    ("departed-ascii", (100, 30), "t", {}, True),
    ("departed-no-color", (100, 30), "down down", {"color": False}, False),
    ("departed-light", (100, 30), "down down", {"theme": "proctop-light"}, False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "ascii"), DRAWN, ids=[row[0] for row in DRAWN])
async def test_picture(golden: object, name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], ascii: bool) -> None:
    app = scenes.app(Settings(**chosen), ascii=ascii)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        for frame in (*scenes.past(), building()):
            app.show(frame)
        await pilot.pause()
        await pilot.press(*keys.split())
        await pilot.pause()
        assert callable(golden)
        golden(app, name)


def table_of(app: Proctop) -> ProcessTable:
    return app.main.query_one(ProcessTable)


def selected(app: Proctop) -> str:
    """The line above the keys."""
    return "".join(cell.text for cell in app.main._selected.lines[0].cells)


def said(app: Proctop) -> list[str]:
    return [note.message for note in app._notifications]


async def test_the_selection_stays_on_one_that_ends_and_on_its_crowd() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        table_of(app).select(ProcKey(MAKE, 359_900))
        gone = Gone(MAKE, "make", start=359_900, user="alice", ppid=6001, brief=False, code=2)
        left = scenes.without(MAKE)
        app.show(replace(left, departed=departed(gone)))
        await pilot.pause()
        assert table_of(app).cursor == ProcKey(MAKE, 359_900) and not table_of(app).exited
        assert "make" in selected(app) and "exited 0 s ago, code 2" in selected(app)
        another = Gone(9333, "make", start=360_100, user="alice", ppid=6001, brief=False, code=0, count=2)
        app.show(replace(left, tick=22, departed=departed(another)))
        await pilot.pause()
        assert table_of(app).cursor == ProcKey(9333, 360_100) and "2 ended, last code 0" in selected(app)
        app.show(replace(left, tick=23, departed=None))  # forgotten: its last look stays until the cursor moves
        await pilot.pause()
        assert table_of(app).cursor == ProcKey(9333, 360_100) and table_of(app).exited
        assert "pid 9333  exited, code 0" in selected(app)
        await pilot.press("down")
        assert not table_of(app).exited and table_of(app).cursor != ProcKey(9333, 360_100)


async def test_nothing_is_done_to_one_that_ended() -> None:
    actions = Recorded()
    app = scenes.app(actions=actions)
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(building())
        table_of(app).select(ProcKey(2404, 3404))
        for key in ("f9", "f7", "enter"):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, MainScreen)
            assert said(app)[-1] == "nginx: killed by SIGSEGV 2 s ago"
            app.clear_notifications()
        for key in ("a", "i", "space", "t", "g", "H"):
            await pilot.press(key)
            await pilot.pause()
        assert actions.done == []


async def test_one_of_a_crowd_keeps_its_own_end() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        table_of(app).select(ProcKey(MAKE, 359_900))
        crowd = departed(Gone(9333, "make", start=360_100, ppid=6001, count=2, code=0))
        end = Exit(ProcKey(MAKE, 359_900), 6001, Label("make"), -9)
        for tick, exits in ((21, (end,)), (22, ())):
            left = scenes.without(MAKE, tick=tick)
            app.show(replace(left, departed=crowd, reading=replace(left.reading, exits=exits)))
            await pilot.pause()
            assert table_of(app).cursor == ProcKey(MAKE, 359_900) and table_of(app).exited
            assert f"pid {MAKE}  killed by SIGKILL" in selected(app)
        app.show(scenes.frame())
        await pilot.pause()
        assert not table_of(app).exited and table_of(app).absence == ""


async def test_a_search_finds_them() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(building())
        await pilot.press("slash", *"backup", "enter")
        assert table_of(app).cursor == ProcKey(8811, 350_000)
