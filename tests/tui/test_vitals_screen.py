"""The screen of the host's own quantities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

import alarms
import scenes
from moments import Past
from proctop.engine import Engine
from proctop.frames import HOST
from proctop.records import ProcKey
from proctop.scoring.registry import make
from proctop.tui.app import Proctop
from proctop.tui.screens.events import EventsScreen
from proctop.tui.screens.help import Help
from proctop.tui.screens.main import MainScreen
from proctop.tui.screens.vitals import VitalsScreen
from proctop.tui.widgets.menu import Page


@asynccontextmanager
async def opened(size: tuple[int, int] = (120, 50), engine: Engine | None = None) -> AsyncIterator[Pilot[int]]:
    app = scenes.app(engine=engine)
    async with app.run_test(size=size) as pilot:
        for frame in alarms.session():
            app.show(frame)
        await pilot.pause()
        await pilot.press("v")
        assert isinstance(pilot.app.screen, VitalsScreen)
        yield pilot


def lines(pilot: Pilot[int], selector: str = "Page") -> list[str]:
    return ["".join(cell.text for cell in line.cells) for line in pilot.app.screen.query_one(selector).lines]  # type: ignore[attr-defined]


async def test_v_shows_the_groups_and_the_alarm_and_goes_back() -> None:
    async with opened() as pilot:
        said = "\n".join(lines(pilot))
        for name in ("vmstat", "pressure", "processes", "cpu_busy", "memory_pressure", "resource_ratio", "iostat sda"):
            assert name in said
        assert "k/s, usual 1.4–2.9k/s" in lines(pilot, "#vitals-said")[0]
        await pilot.press("v")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_it_scrolls_sorts_and_narrows() -> None:
    async with opened() as pilot:
        top = lines(pilot)[1]
        await pilot.press("down", "down", "pagedown", "end")
        assert lines(pilot)[1] != top and pilot.app.screen.query_one(Page).top > 0
        await pilot.press("home")
        assert lines(pilot)[1] == top
        await pilot.press("A")
        assert lines(pilot)[2].startswith("  in ") and "Tools' order" in lines(pilot, "Keys")[0]
        await pilot.press("A")
        assert lines(pilot)[2].startswith("  r ")
        await pilot.press("u")
        assert any(line.startswith("  in ") for line in lines(pilot)) and not any(line.startswith("  pi ") for line in lines(pilot))
        await pilot.press("u")
        assert any(line.startswith("  pi ") for line in lines(pilot))


async def test_it_goes_on_with_the_frames_and_stands_when_held() -> None:
    async with opened() as pilot:
        app = pilot.app
        assert isinstance(app, Proctop)
        before = lines(pilot)
        app.show(alarms.session()[5])
        await pilot.pause()
        assert lines(pilot) != before
        await pilot.press("Z")
        held = lines(pilot)
        app.show(alarms.session()[-1])
        await pilot.pause()
        assert lines(pilot) == held


class Told(Engine):
    def __init__(self) -> None:
        super().__init__(make())
        self.said: list[tuple[str, ProcKey]] = []

    def accept(self, key: ProcKey) -> None:
        self.said.append(("normal", key))

    def incident(self, key: ProcKey) -> None:
        self.said.append(("incident", key))


async def test_the_host_is_judged_there() -> None:
    engine = Told()
    async with opened(engine=engine) as pilot:
        await pilot.press("a", "i")
        assert engine.said == [("normal", HOST), ("incident", HOST)]


async def test_events_and_help_are_a_key_away() -> None:
    async with opened() as pilot:
        await pilot.press("e")
        assert isinstance(pilot.app.screen, EventsScreen)
        await pilot.press("escape", "question_mark")
        assert isinstance(pilot.app.screen, Help)
        await pilot.press("escape", "escape")
        assert isinstance(pilot.app.screen, MainScreen)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50), (40, 8), (20, 5)])
async def test_every_size(size: tuple[int, int]) -> None:
    async with opened(size) as pilot:
        await pilot.resize_terminal(size[0] + 17, size[1] + 3)
        await pilot.press("u", "A", "pagedown")
        assert pilot.app.screen.query_one(Page).lines


async def test_before_the_first_frame_there_is_nothing() -> None:
    app = scenes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("v", "down", "u", "A")
        assert isinstance(pilot.app.screen, VitalsScreen)
        app.show(scenes.frame())
        await pilot.pause()
        assert "not scored" in lines(pilot, "#vitals-said")[0]


@pytest.mark.parametrize("seen", [True, False])
async def test_the_past_shows_what_was_seen_or_works_it_out_where_nobody_wrote_it_down(seen: bool) -> None:
    frames = [frame if seen else replace(frame, vitals=None) for frame in alarms.session()]
    app = scenes.app(live=False, past=Past(frames, ()).load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 50)) as pilot:
        while app.main.shown is None or app.deck.outlook is None:
            await pilot.pause(0.01)
        await pilot.press("v")
        (interrupts,) = [line for line in lines(pilot) if line.startswith("  in ")]
        assert interrupts.count("/s") == 1 + seen  # the value, and what is usual
        assert ("not scored" in lines(pilot, "#vitals-said")[0]) != seen
