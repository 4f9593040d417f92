"""The keys of time, on a live session that is rewound and on a recording."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import scenes
from moments import FIRST, REDIS, WORKER, Past, past
from proctop.frames import Frame
from proctop.recording import RecordingEngine
from proctop.records import Reading
from proctop.scoring.registry import make
from proctop.settings import Settings
from proctop.stream import WriteFailed
from proctop.tui.app import Proctop
from proctop.tui.commands import Palette
from proctop.tui.moments import Fetched
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.screens.help import Help
from proctop.tui.widgets.process_table import ProcessTable
from proctop.tui.widgets.timeline import Timeline
from scenes import Recorded


def lines(pilot: Pilot[int], selector: str) -> str:
    app = pilot.app
    assert isinstance(app, Proctop)
    return "\n".join("".join(cell.text for cell in line.cells) for line in app.main.query_one(selector).lines)  # type: ignore[attr-defined]


def proctop(pilot: Pilot[int]) -> Proctop:
    assert isinstance(pilot.app, Proctop)
    return pilot.app


def second(pilot: Pilot[int]) -> int:
    """The moment shown, counted from the begin of the past."""
    shown = proctop(pilot).main.shown
    assert shown is not None
    return round(shown.reading.wall - FIRST)


async def settle(pilot: Pilot[int], second_shown: int) -> None:
    """Wait until a moment is shown."""
    for _ in range(1000):
        await pilot.pause(0.01)
        if second(pilot) == second_shown:
            return
    raise AssertionError(f"{second(pilot)} is shown and not {second_shown}")


def notes(pilot: Pilot[int]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


@asynccontextmanager
async def live(there: Past | None = None, size: tuple[int, int] = (120, 40), actions: Recorded | None = None) -> AsyncIterator[Pilot[int]]:
    """A session of a minute, at its now."""
    there = there or past()
    app = scenes.app(actions=actions, past=there.load)
    async with app.run_test(size=size) as pilot:
        for frame in there.frames:
            app.show(frame)
        await pilot.pause()
        yield pilot


@asynccontextmanager
async def recorded(there: Past | None = None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[int]]:
    """A recording of a minute, standing at its begin."""
    there = there or past()
    app = scenes.app(Settings(replay="x.proctop"), actions=Recorded(readonly="a recording"), live=False, past=there.load)
    app.deck.speed = 0.0
    async with app.run_test(size=size) as pilot:
        for _ in range(1000):
            await pilot.pause(0.01)
            if app.main.shown is not None:
                break
        yield pilot


def after(frame: Frame, seconds: float) -> Frame:
    reading = replace(frame.reading, wall=frame.reading.wall + seconds)
    return replace(frame, tick=frame.tick + round(seconds), reading=reading)


# live


async def test_a_key_of_time_leaves_now_and_a_brace_returns() -> None:
    async with live() as pilot:
        assert lines(pilot, "#header").endswith(" now ")
        await pilot.press("left_square_bracket")
        await settle(pilot, 58)
        assert "paused 1s ago" in lines(pilot, "#header")
        await pilot.press("left_square_bracket", "left_square_bracket")
        await settle(pilot, 56)
        await pilot.press("right_curly_bracket")
        assert second(pilot) == 59 and lines(pilot, "#header").endswith(" now ")


@pytest.mark.parametrize("key", ["space", "Z", "right_curly_bracket", "shift+end"])
async def test_each_of_these_returns_to_now(key: str) -> None:
    async with live() as pilot:
        await pilot.press("left_curly_bracket")
        await settle(pilot, 0)
        await pilot.press(key)
        assert second(pilot) == 59 and proctop(pilot).deck.now


async def test_the_moment_grows_old_while_sampling_goes_on_and_now_is_the_newest() -> None:
    there = past()
    async with live(there) as pilot:
        await pilot.press("left_square_bracket")
        await settle(pilot, 58)
        newer = after(there.frames[-1], 30)
        there.frames.append(newer)
        proctop(pilot).show(newer)
        assert second(pilot) == 58 and "paused 31s ago" in lines(pilot, "#header")
        await pilot.press("space")
        assert second(pilot) == 89


async def test_a_step_past_the_newest_is_now() -> None:
    async with live() as pilot:
        await pilot.press("left_square_bracket")
        await settle(pilot, 58)
        await pilot.press("right_square_bracket")
        await settle(pilot, 59)
        assert proctop(pilot).deck.now


async def test_a_step_from_a_held_view_begins_where_it_was_held() -> None:
    there = past()
    async with live(there) as pilot:
        await pilot.press("space")
        for k in (1, 2, 3):
            there.frames.append(after(there.frames[59], k))
            proctop(pilot).show(there.frames[-1])
        assert second(pilot) == 59
        await pilot.press("shift+left")
        await settle(pilot, 58)
        await pilot.press("shift+right")
        await settle(pilot, 59)
        assert "paused 3s ago" in lines(pilot, "#header")


async def test_what_was_asked_of_the_past_does_not_come_after_the_return() -> None:
    there = past()
    async with live(there) as pilot:
        there.gate.clear()
        await pilot.press("left_curly_bracket")
        await asyncio.to_thread(there.entered.wait, 20.0)
        await pilot.press("space")
        there.gate.set()
        await asyncio.to_thread(there.left.wait, 20.0)
        await pilot.pause(0.05)
        assert second(pilot) == 59 and proctop(pilot).deck.now


async def test_keys_that_repeat_are_added_up() -> None:
    there = past()
    async with live(there) as pilot:
        there.gate.clear()
        await pilot.press(*["left_square_bracket"] * 20)
        there.gate.set()
        await settle(pilot, 39)
        assert sum(what == "step" for what, _ in there.asked) <= 3


async def test_a_past_plays_from_the_past_at_a_chosen_speed() -> None:
    async with live() as pilot:
        await pilot.press("left_curly_bracket")
        await settle(pilot, 0)
        await pilot.press("x", "x")
        assert "ago 2×" in lines(pilot, "#header")
        await pilot.press("x", "x", "x")
        assert "ago 60×" in lines(pilot, "#header")
        await settle(pilot, 59)
        assert proctop(pilot).deck.now


async def test_slower_than_the_slowest_stands_still_and_at_now_it_holds() -> None:
    async with live() as pilot:
        await pilot.press("x")
        assert proctop(pilot).deck.now
        await pilot.press("X")
        assert "paused 0" in lines(pilot, "#header")
        await pilot.press("left_curly_bracket")
        await settle(pilot, 0)
        await pilot.press("x", "X")
        assert "paused 59s ago" in lines(pilot, "#header")


async def test_anomalies_one_after_the_other_with_their_process() -> None:
    async with live() as pilot:
        table = proctop(pilot).main.query_one(ProcessTable)
        await pilot.press("left_parenthesis")
        await settle(pilot, 50)
        await pilot.press("left_parenthesis")
        await settle(pilot, 30)
        assert table.cursor == REDIS
        await pilot.press("left_parenthesis")
        await settle(pilot, 15)
        assert table.cursor == WORKER
        await pilot.press("left_parenthesis")
        await pilot.pause(0.1)
        assert notes(pilot) == ["no anomaly before this moment"] and second(pilot) == 15
        await pilot.press("right_parenthesis")
        await settle(pilot, 30)
        assert table.cursor == REDIS


async def test_an_anomaly_of_a_process_that_is_filtered_out_says_so() -> None:
    async with live() as pilot:
        await pilot.press("f4", *"user=root", "enter", "left_curly_bracket")
        await settle(pilot, 0)
        await pilot.press("right_parenthesis")
        await settle(pilot, 15)
        assert notes(pilot) == ["pid 1841 is not among those that are shown; Esc shows them all"]


async def test_nothing_is_done_to_processes_of_the_past() -> None:
    actions = Recorded()
    async with live(actions=actions) as pilot:
        await pilot.press("left_curly_bracket")
        await settle(pilot, 0)
        for key in ("f9", "f7", "f8", "a", "i"):
            await pilot.press("down", key)
            assert notes(pilot)[-1] == "the past (} returns to now): processes are only looked at"
        assert actions.done == [] and pilot.app.screen is proctop(pilot).main
        assert "Signal" not in lines(pilot, "#keys") and "Nice" not in lines(pilot, "#keys") and "Now" in lines(pilot, "#keys")
        await pilot.press("space", "down", "f8")
        assert len(actions.done) == 1


async def test_a_process_that_was_not_yet_there_says_so() -> None:
    there = past()
    async with live(there) as pilot:
        before = scenes.without(9120, tick=0)
        there.frames[0] = replace(before, reading=replace(before.reading, boot=3000.0))
        await pilot.press("slash", *"make", "enter", "left_curly_bracket")
        await settle(pilot, 0)
        assert "pid 9120  not yet" in lines(pilot, "#selected") and "not yet" in lines(pilot, "#table")


async def test_a_session_without_a_memory_has_now_alone() -> None:
    async with scenes.app().run_test(size=(120, 40)) as pilot:
        proctop(pilot).show(scenes.frame())
        await pilot.press("left_square_bracket", "left_curly_bracket", "right_parenthesis", "x", "b")
        assert proctop(pilot).deck.now and not proctop(pilot).main.query_one(Timeline).display
        await pilot.press("f1")
        screen = pilot.app.screen
        assert isinstance(screen, Help)
        assert not any("in time" in cell.text or "anomaly before" in cell.text for cells in screen.text(100) for cell in cells)


# a recording


async def test_a_recording_begins_to_play_at_its_begin() -> None:
    there = past()
    there.frames = [after(frame, 0) for frame in there.frames]
    app = scenes.app(Settings(replay="x"), live=False, past=there.load)
    async with app.run_test(size=(120, 40)) as pilot:
        while app.main.shown is None:
            await pilot.pause(0.01)
        assert re.search("replay 23:13:2. 1×", lines(pilot, "#header")) and "2023-11-14" in lines(pilot, "#header")  # it plays already
        await pilot.press("x", "x", "x")
        assert "60×" in lines(pilot, "#header")
        await settle(pilot, 59)
        await pilot.pause()
        assert "replay 23:14:19 end" in lines(pilot, "#header")
        there.frames.append(after(there.frames[-1], 1))
        await settle(pilot, 60)


async def test_space_plays_and_stands_still_with_the_speed_it_had() -> None:
    async with recorded() as pilot:
        assert "replay 23:13:20 paused" in lines(pilot, "#header")
        await pilot.press("x", "x", "space")
        assert "paused" in lines(pilot, "#header") and "Play" in lines(pilot, "#keys")
        await pilot.press("Z")
        assert " 2× " in lines(pilot, "#header") and "Pause" in lines(pilot, "#keys")


async def test_ends_steps_and_times_of_a_recording() -> None:
    async with recorded() as pilot:
        await pilot.press("right_curly_bracket")
        await settle(pilot, 59)
        assert not proctop(pilot).deck.now
        await pilot.press("left_square_bracket")
        await settle(pilot, 58)
        await pilot.press("shift+home")
        await settle(pilot, 0)
        await pilot.press("b", *"23:13:42", "enter")
        await settle(pilot, 22)
        await pilot.press("b", *"12s ago", "enter")
        await settle(pilot, 10)
        await pilot.press("b", *"23:14", "enter")
        await settle(pilot, 40)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tea time", '"tea time" is no time; give 10:00, "3m ago" or 2026-01-31T10:00'),
        ("2020-01-01", "2020-01-01 00:00:00 is not within 23:13:20 to 2023-11-14 23:14:19"),
        ("12:00", "12:00:00 is not within 23:13:20 to 23:14:19"),
        ("9999-12-31", "is not within"),
    ],
)
async def test_a_time_that_is_none_is_said_at_the_prompt_which_stays(text: str, said: str) -> None:
    async with recorded() as pilot:
        await pilot.press("b", *text, "enter")
        await pilot.pause()
        assert said in lines(pilot, "#prompt-hint") and second(pilot) == 0
        pilot.app.screen.query_one(Input).value = ""
        await pilot.press(*"23:14:01")
        assert "2023-11-14 23:14:01" in lines(pilot, "#prompt-hint")
        await pilot.press("escape")
        await pilot.pause()
        assert second(pilot) == 0 and pilot.app.focused is proctop(pilot).main.query_one(ProcessTable)


async def test_a_recording_is_only_looked_at() -> None:
    async with recorded() as pilot:
        for key in ("f9", "f8", "a", "i"):
            await pilot.press("down", key)
            assert notes(pilot)[-1] == "a recording: processes are only looked at"
        await pilot.press("R")
        assert notes(pilot)[-1] == "a recording is looked at: there is nothing to record"
        await pilot.press("ctrl+p")
        screen = pilot.app.screen
        assert isinstance(screen, Palette)
        offered = [item.label for item in screen.menu.items]
        assert "the oldest moment" in offered and not any(
            "signal" in one or "incident" in one or one.startswith("record") for one in offered
        )
        await pilot.press(*"the oldest", "enter")


async def test_the_palette_moves_in_time() -> None:
    async with recorded() as pilot:
        await pilot.press("ctrl+p", *"newest", "enter")
        await settle(pilot, 59)


async def test_the_detail_follows_the_moment() -> None:
    there = past()
    async with live(there) as pilot:
        proctop(pilot).main.query_one(ProcessTable).select(WORKER)
        await pilot.press("enter", "2")
        screen = pilot.app.screen
        assert isinstance(screen, ProcessDetail)
        await pilot.pause(0.1)
        assert any("/usr/local/bin" in cell.text for cells in screen.text(100) for cell in cells)
        await pilot.press("left_parenthesis")
        await settle(pilot, 50)
        said = [cell.text for cells in screen.text(100) for cell in cells]
        await pilot.press("1")
        assert any("Writes 38 MB/s" in cell.text for cells in screen.text(100) for cell in cells)
        await pilot.press("2")
        assert any("told of now only" in text for text in said)
        assert not any("/usr/local/bin" in text for text in said)
        assert "paused 9s ago" in lines_of(screen)
        await pilot.press("right_curly_bracket")
        await pilot.pause()
        assert any("/usr/local/bin" in cell.text for cells in screen.text(100) for cell in cells) and "ago" not in lines_of(screen)


def lines_of(screen: ProcessDetail) -> str:
    return "".join(cell.text for line in screen.query_one("#reader-title").lines for cell in line.cells)  # type: ignore[attr-defined]


async def test_a_detail_opened_in_the_past_looks_closer_once_it_is_now() -> None:
    async with live() as pilot:
        await pilot.press("left_curly_bracket")
        await settle(pilot, 0)
        proctop(pilot).main.query_one(ProcessTable).select(WORKER)
        await pilot.press("enter", "2")
        screen = pilot.app.screen
        assert isinstance(screen, ProcessDetail)
        assert any("told of now only" in cell.text for cells in screen.text(100) for cell in cells)
        await pilot.press("right_curly_bracket")
        await pilot.pause(0.1)
        assert any("/usr/local/bin" in cell.text for cells in screen.text(100) for cell in cells)


async def test_what_cannot_be_read_is_a_banner_and_goes_when_it_can() -> None:
    there = past()
    async with recorded(there) as pilot:
        there.fails = OSError(5, "the disk\nis on fire")
        await pilot.press("right_square_bracket")
        banner = proctop(pilot).main.query_one("#banner")
        while not banner.display:
            await pilot.pause(0.01)
        await pilot.pause()
        assert "the recording cannot be read: [Errno 5] the disk" in lines(pilot, "#banner")
        there.fails = None
        await pilot.press("right_square_bracket")
        await settle(pilot, 1)
        assert not banner.display


async def test_a_moment_that_comes_while_it_ends_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = past()
    async with recorded(there) as pilot:
        app = proctop(pilot)
    monkeypatch.setattr(app.deck, "fetched", lambda: Fetched(there.frames[1]))
    app.on_moment_ready()
    app.show_mode()


# the timeline


async def test_the_timeline_shows_while_looking_back_alone() -> None:
    async with live() as pilot:
        shown = proctop(pilot).main.query_one(Timeline)
        assert not shown.display
        await pilot.press("left_parenthesis")
        await settle(pilot, 50)
        await pilot.pause(0.1)
        assert shown.display
        text = lines(pilot, "#timeline")
        assert text.startswith(" 23:13:20 ") and text.endswith(" now ") and text.count("!") == 2 and text.count("▲") == 1
        await pilot.press("space")
        await pilot.pause()
        assert not shown.display


async def test_a_click_goes_to_a_moment_and_on_a_mark_to_its_process() -> None:
    async with recorded() as pilot:
        await pilot.pause(0.1)
        text = lines(pilot, "#timeline")
        await pilot.click("#timeline", offset=(text.index("!"), 0))
        await settle(pilot, 15)
        assert proctop(pilot).main.query_one(ProcessTable).cursor == WORKER
        await pilot.click("#timeline", offset=(0, 0))
        await settle(pilot, 0)
        await pilot.click("#timeline", offset=(119, 0))
        await settle(pilot, 59)


async def test_a_drag_goes_along() -> None:
    async with recorded() as pilot:
        await pilot.pause(0.1)
        await pilot.mouse_down("#timeline", offset=(12, 0))
        await pilot.hover("#timeline", offset=(60, 0))
        await pilot.pause(0.1)
        middle = second(pilot)
        assert 20 <= middle <= 40
        await pilot.hover("#timeline", offset=(119, 0))
        await settle(pilot, 59)
        await pilot.mouse_up("#timeline", offset=(119, 0))
        await pilot.hover("#timeline", offset=(40, 0))
        await pilot.pause(0.1)
        assert second(pilot) == 59


@pytest.mark.parametrize(("size", "there"), [((120, 40), True), ((60, 15), True), ((60, 12), True), ((60, 11), False)])
async def test_the_timeline_has_a_line_where_there_are_enough(size: tuple[int, int], there: bool) -> None:
    async with recorded(size=size) as pilot:
        await pilot.pause(0.1)
        shown = proctop(pilot).main.query_one(Timeline)
        assert shown.display is there
        if there:
            assert shown.size.width == size[0] == len(lines(pilot, "#timeline"))


# recording


class Tape:
    """Remembers only that it was closed."""

    path = "/state/node1.proctop"
    lost = 0

    def __init__(self) -> None:
        self.trouble = ""
        self.closed = False

    def write(self, what: Frame | Reading) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        self.closed = True


async def told(pilot: Pilot[int], text: str) -> None:
    for _ in range(1000):
        await pilot.pause(0.01)
        if text in notes(pilot):
            return
    raise AssertionError(notes(pilot))


@pytest.mark.parametrize("looking_back", [False, True])
async def test_r_begins_and_ends_a_recording_and_trouble_is_a_banner(looking_back: bool) -> None:
    tape, there = Tape(), past()
    app = scenes.app(engine=RecordingEngine(make(), lambda path: tape), past=there.load)
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in there.frames:
            app.show(frame)
        if looking_back:
            await pilot.press("left_curly_bracket")
            await settle(pilot, 0)
        await pilot.press("R")
        await told(pilot, "recording to /state/node1.proctop")
        assert " rec " in lines(pilot, "#header")
        tape.trouble = "recording /state/node1.proctop: no space left on device"
        app.show(there.frames[-1])
        await pilot.pause()
        assert tape.trouble in lines(pilot, "#banner") and app.main.query_one("#banner").display
        tape.trouble = ""
        app.show(there.frames[-1])
        assert not app.main.query_one("#banner").display
        await pilot.press("R")
        await told(pilot, "recorded in /state/node1.proctop")
        assert tape.closed and " rec " not in lines(pilot, "#header")


async def test_a_recording_that_cannot_begin_says_why() -> None:
    def load(path: str) -> Tape:
        raise WriteFailed("recording /x: is a symbolic link, name the file itself")

    async with scenes.app(engine=RecordingEngine(make(), load)).run_test(size=(120, 40)) as pilot:
        proctop(pilot).show(scenes.frame())
        await pilot.press("R")
        await told(pilot, "recording /x: is a symbolic link, name the file itself")
        assert " rec " not in lines(pilot, "#header")
