"""The detail of a process: its tabs and keys, what comes from the past, and what it asks of the host and forgets again."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

import scenes
import stories
from moments import Past
from proctop.actions import ActionFailed
from proctop.frames import Course
from proctop.inspection import Environment, Holdings
from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.sources import Wants
from proctop.tui.app import Proctop
from proctop.tui.screens.detail import WHY, ProcessDetail
from proctop.tui.screens.menus import Choice
from proctop.tui.widgets.process_table import ProcessTable
from proctop.tui.widgets.tabs import Tabs
from proctop.view.portrait import ZOOMS
from scenes import Recorded

STORY = stories.story()


class Watched:
    """A source that only remembers what was wanted of it."""

    def __init__(self) -> None:
        self.wants = Wants()


@asynccontextmanager
async def opened(
    key: ProcKey = stories.WORKER,
    app: Proctop | None = None,
    *,
    there: Past | None = None,
    size: tuple[int, int] = (120, 40),
    upto: int = -1,
) -> AsyncIterator[tuple[Pilot[int], ProcessDetail]]:
    """Live, at the end of the story but for the last frames from ``upto``."""
    there = there or Past(STORY)
    app = app or scenes.app(past=there.load)
    async with app.run_test(size=size) as pilot:
        for frame in STORY[:upto]:
            app.show(frame)
        app.main.query_one(ProcessTable).select(key)
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ProcessDetail)
        yield pilot, screen


def text(screen: ProcessDetail, columns: int = 118) -> str:
    return "\n".join("".join(cell.text for cell in cells) for cells in screen.text(columns))


def footer(screen: ProcessDetail) -> str:
    return "".join(cell.text for line in screen.query_one("#keys").lines for cell in line.cells)  # type: ignore[attr-defined]


async def come(pilot: Pilot[int], screen: ProcessDetail, count: int) -> Course:
    """Wait until its course has so many points."""
    for _ in range(500):
        if screen.following.course is not None and len(screen.following.course) >= count:
            return screen.following.course
        await pilot.pause(0.01)
    raise AssertionError(len(screen.following.course or ()))


async def test_it_opens_with_what_is_there_and_the_past_comes() -> None:
    there = Past(STORY)
    there.gate.clear()
    async with opened(there=there) as (pilot, screen):
        assert screen.following.course is not None and len(screen.following.course) == 1
        assert "Writes 38 MB/s; usually 0–1.1 MB/s" in text(screen)
        there.gate.set()
        course = await come(pilot, screen, 140)
        assert course.wall[0] == STORY[0].reading.wall
        app = pilot.app
        assert isinstance(app, Proctop)
        app.show(STORY[-1])
        assert len(screen.following.course) == len(course) + 1


async def test_numbers_tab_and_the_mouse_open_tabs() -> None:
    async with opened() as (pilot, screen):
        for key, word in (
            ("2", "/usr/local/bin"),
            ("3", "appendonly"),
            ("4", "it has one thread"),
            ("5", "Enter reads it"),
            ("1", "Writes 38 MB/s"),
        ):
            await pilot.press(key)
            await pilot.pause(0.05)
            assert screen.tab == int(key) - 1 and word in text(screen)
        seen = []
        for _ in range(5):
            await pilot.press("tab")
            seen.append(screen.tab)
        await pilot.press("shift+tab")
        assert seen == [1, 2, 3, 4, 0] and screen.tab == 4
        await pilot.click(Tabs, offset=(14, 0))
        assert screen.tab == 1


async def test_a_tab_keeps_its_place_on_the_page() -> None:
    async with opened(stories.REDIS, size=(80, 14)) as (pilot, screen):
        await pilot.press("2")
        await pilot.pause(0.05)
        await pilot.press("down", "down", "3", "2")
        page = screen.query_one("Page")
        assert page.top == 2  # type: ignore[attr-defined]
        await pilot.press("3")
        assert page.top == 0  # type: ignore[attr-defined]


async def test_the_environment_is_read_on_request_only_and_forgotten() -> None:
    asked = []

    class Watching(Recorded):
        def environment(self, key: ProcKey) -> Environment:
            asked.append(key)
            return super().environment(key)

    app = scenes.app(actions=Watching(), past=Past(STORY).load)
    async with opened(stories.REDIS, app) as (pilot, screen):
        await pilot.press("enter", "5", "r")
        await pilot.pause(0.05)
        assert asked == [] and "hold" in text(screen) and "/data" not in text(screen) and "Enter Read" in footer(screen)
        await pilot.press("enter")
        await pilot.pause(0.05)
        assert asked == [stories.REDIS] and "REDIS_PASSWORD" in text(screen) and "***" in text(screen)
        await pilot.press("r")
        await pilot.pause(0.05)
        assert len(asked) == 2
        await pilot.press("4")
        assert screen.environment == ""
        await pilot.press("5")
        assert "REDIS_PASSWORD" not in text(screen)
        await pilot.press("enter")
        await pilot.pause(0.05)
        await pilot.press("escape")
        await pilot.pause(0.05)
        assert screen.environment == ""


async def test_an_answer_that_comes_after_the_tab_was_left_is_not_kept() -> None:
    gate = threading.Event()

    class Slow(Recorded):
        def environment(self, key: ProcKey) -> Environment:
            gate.wait(20)
            return super().environment(key)

    async with opened(stories.REDIS, scenes.app(actions=Slow())) as (pilot, screen):
        await pilot.press("5", "enter", "1")
        gate.set()
        await pilot.pause(0.1)
        assert screen.environment == ""


async def test_files_are_looked_at_on_demand_and_again_with_a_key() -> None:
    asked = []

    class Watching(Recorded):
        def holdings(self, key: ProcKey) -> Holdings:
            asked.append(key)
            if len(asked) == 2:
                raise ActionFailed("not permitted to look [/x]")
            return super().holdings(key)

    async with opened(stories.REDIS, scenes.app(actions=Watching())) as (pilot, screen):
        await pilot.pause(0.05)
        assert asked == []
        await pilot.press("3")
        await pilot.pause(0.05)
        assert "appendonly" in text(screen) and "Look again" in footer(screen)
        await pilot.press("1", "3")
        await pilot.pause(0.05)
        assert len(asked) == 1
        await pilot.press("r")
        await pilot.pause(0.05)
        assert "not permitted to look [/x]" in text(screen)
        await pilot.press("r")
        await pilot.pause(0.05)
        assert len(asked) == 3 and "appendonly" in text(screen)


async def test_a_look_that_hangs_is_told_and_not_begun_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.tui.acting.PATIENCE", 0.05)
    gate, asked = threading.Event(), []

    class Hung(Recorded):
        def holdings(self, key: ProcKey) -> Holdings:
            asked.append(key)
            gate.wait(20)
            return super().holdings(key)

    async with opened(stories.REDIS, scenes.app(actions=Hung())) as (pilot, screen):
        await pilot.press("3")
        while "does not answer" not in text(screen):
            await pilot.pause(0.01)
        await pilot.press("r", "r", "r")
        assert len(asked) == 1
        gate.set()
        while "appendonly" not in text(screen):
            await pilot.pause(0.01)


async def test_a_second_look_tells_what_happened_since() -> None:
    class Clocked(Recorded):
        looks = 0

        def detail(self, key: ProcKey) -> object:  # type: ignore[override]
            self.looks += 1
            one = super().detail(key)
            waited = tuple((name, seconds + self.looks) for name, seconds in one.delays.waited)
            return replace(one, mono=10.0 * self.looks, delays=replace(one.delays, waited=waited))

    async with opened(stories.REDIS, scenes.app(actions=Clocked())) as (pilot, screen):
        await pilot.press("2")
        await pilot.pause(0.05)
        assert "of the last" not in text(screen).split("Waited")[1]
        await pilot.press("r")
        await pilot.pause(0.05)
        assert "10.0 % of the last 10s" in text(screen).split("Waited")[1]


async def test_what_is_looked_at_is_wanted_of_the_source_and_no_longer() -> None:
    source = Watched()
    app = scenes.app(past=Past(STORY).load)
    async with opened(stories.REDIS, app) as (pilot, _):
        app._source = source  # type: ignore[assignment]
        await pilot.press("4")
        assert source.wants == Wants(threads_of=frozenset((2200,)), cgroups=frozenset((stories.SLICE,)))
        await pilot.press("1")
        assert source.wants == Wants(cgroups=frozenset((stories.SLICE,)))
        await pilot.press("escape")
        await pilot.pause()
        assert source.wants == Wants()


async def test_threads_and_throttling_are_told_from_one_frame_to_the_next() -> None:
    async with opened(stories.REDIS) as (pilot, screen):
        app = pilot.app
        assert isinstance(app, Proctop)
        await pilot.press("4")
        app.show(STORY[-1])
        lines = text(screen).splitlines()
        assert "3 ran since" in lines[0] and "io_thd_1" in lines[2] and "62.0" in lines[2]
        await pilot.press("2")
        assert "49.0 % of 50.0 % allowed" in text(screen) and "in 30.0 % of periods" in text(screen)


async def test_the_span_goes_from_ten_seconds_to_a_day() -> None:
    async with opened() as (pilot, screen):
        await come(pilot, screen, 100)
        seen = []
        for _ in range(6):
            await pilot.press("w")
            seen.append(screen.following.span)
        assert seen == [600.0, 3600.0, 21_600.0, 86_400.0, 86_400.0, 86_400.0] and "24 h ago" in text(screen)
        assert screen.following._asked is not None and screen.following._asked.begin <= STORY[-2].reading.wall - 86_400
        for _ in range(8):
            await pilot.press("W")
        assert screen.following.span == ZOOMS[0] == 10.0 and "10 s ago" in text(screen)


async def test_what_was_sampled_for_a_wide_span_gives_way_to_what_was_not() -> None:
    async with opened() as (pilot, screen):
        course = await come(pilot, screen, 100)
        screen.following.course = replace(course, every=9)
        await pilot.press("W")
        for _ in range(500):
            if screen.following.course is not None and screen.following.course.every == 1:
                break
            await pilot.pause(0.01)
        assert screen.following.course is not None and screen.following.course.every == 1


async def test_time_keys_move_it_and_space_holds() -> None:
    there = Past(STORY)
    async with opened(there=there) as (pilot, screen):
        app = pilot.app
        assert isinstance(app, Proctop)
        await come(pilot, screen, 100)
        await pilot.press("left_square_bracket", "left_square_bracket")
        while screen.following.frame.reading.wall > STORY[-4].reading.wall:
            await pilot.pause(0.01)
        assert screen.following.portrait(screen.following.row or 0).course.wall[-1] == screen.following.frame.reading.wall
        assert "told of now only" in (await on(pilot, screen, "3")) and "told of now only" in (await on(pilot, screen, "5"))
        assert not any(word in footer(screen) for word in ("Signal", "Accept", "Incident"))
        await pilot.press("right_curly_bracket", "1")
        assert app.deck.now
        await pilot.press("space")
        assert app.deck.held and screen.tab == WHY
        await pilot.press("space")
        assert app.deck.now


async def on(pilot: Pilot[int], screen: ProcessDetail, key: str) -> str:
    await pilot.press(key)
    return text(screen)


async def test_far_from_what_is_known_the_past_is_asked_for_again() -> None:
    there = Past(STORY)
    async with opened(there=there) as (pilot, screen):
        await come(pilot, screen, 100)
        before = screen.following._asked
        await pilot.press("left_curly_bracket")
        while screen.following.frame.reading.wall != STORY[0].reading.wall:
            await pilot.pause(0.01)
        for _ in range(500):
            if screen.following._asked is not None and before is not None and screen.following._asked.begin < before.begin:
                break
            await pilot.pause(0.01)
        assert screen.following._asked is not None and before is not None and screen.following._asked.begin < before.begin


async def test_a_recording_tells_what_was_recorded() -> None:
    there = stories.past()
    app = scenes.app(live=False, past=there.load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        while app.main.shown is None:
            await pilot.pause(0.01)
        await pilot.press("right_parenthesis")
        while app.main.shown.reading.wall < stories.FIRST + stories.WRONG:
            await pilot.pause(0.01)
        app.main.query_one(ProcessTable).select(stories.WORKER)
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ProcessDetail)
        await come(pilot, screen, 100)
        assert "Writes 38 MB/s" in text(screen) and "23:15:36" in text(screen)
        assert "told of now only: a recording tells no more" in await on(pilot, screen, "3")
        assert "told of now only" in await on(pilot, screen, "5")
        await pilot.press("enter")
        assert "told of now only" in text(screen)
        assert "its threads were not recorded at this moment" in await on(pilot, screen, "4")
        assert "a recording tells no more" in await on(pilot, screen, "2") and "python3 /srv/app" in text(screen)
        assert "Signal" not in footer(screen) and "Accept" not in footer(screen)
        await pilot.press("f9", "a", "i")
        assert app.screen is screen


async def test_a_process_that_ends_stays_with_what_was_known_of_it() -> None:
    async with opened(stories.NODE) as (pilot, screen):
        app = pilot.app
        assert isinstance(app, Proctop)
        await come(pilot, screen, 100)
        before = text(screen)
        app.show(scenes.without(2311, tick=200))
        assert "exited" in screen.headline() and "cpu" in text(screen) and len(text(screen).splitlines()) >= len(before.splitlines()) - 1
        assert "now" not in next(line for line in text(screen).splitlines() if ":" in line and "max of" in line)
        assert "the process: exited" in await on(pilot, screen, "3") and "the process: exited" in await on(pilot, screen, "4")
        assert "node /srv" in await on(pilot, screen, "2")
        assert not any(word in footer(screen) for word in ("Signal", "Accept", "Incident"))
        await pilot.press("f9", "a", "i")
        assert app.screen is screen and [note.message for note in app._notifications][-3:] == ["pid 2311: exited"] * 3


async def test_what_another_host_does_not_tell_is_said_in_whole_at_any_width() -> None:
    async with opened(app=scenes.app(Settings(host="web1")), size=(60, 20)) as (pilot, screen):
        assert "told of this host only: another host tells no more" in await on(pilot, screen, "3")
        said = [line for line in (await on(pilot, screen, "4")).splitlines() if line.strip()]
        assert "another host tells no more; its threads were not recorded at this moment" in " ".join(line.strip() for line in said)


async def test_a_signal_and_verdicts_are_given_from_here() -> None:
    actions = Recorded()
    async with opened(app=scenes.app(actions=actions)) as (pilot, screen):
        await pilot.press("k")
        assert isinstance(pilot.app.screen, Choice)
        await pilot.press("enter", "y")
        assert [(what, key) for what, key, *_ in actions.done] == [("signal", stories.WORKER)]
    async with opened(app=scenes.app(actions=Recorded(readonly="read-only"))) as (pilot, screen):
        await pilot.press("f9")
        assert pilot.app.screen is screen and "Signal" not in footer(screen) and "Accept" in footer(screen)


async def test_a_thread_is_told_to_have_none() -> None:
    app = scenes.app(Settings(threads=True))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(STORY[-1])
        app.main.query_one(ProcessTable).select(ProcKey(2204, 3204))
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ProcessDetail)
        for key in "12345":
            assert "a detail of its own" in await on(pilot, screen, key) or "no detail of its own" in text(screen)


@pytest.mark.parametrize("size", [(40, 8), (60, 15), (200, 50)])
async def test_any_size_will_do(size: tuple[int, int]) -> None:
    async with opened(stories.REDIS, size=size) as (pilot, screen):
        for key in "12345":
            await pilot.press(key)
            await pilot.pause(0.02)
            for widget in screen.query("Page, Tabs, #reader-title, #keys"):
                for line in widget.lines:  # type: ignore[attr-defined]
                    assert sum(len(cell.text) for cell in line.cells) == size[0]
