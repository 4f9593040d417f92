"""The list of alert events, what announces them, and the way from there to the moment."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import alarms
import scenes
from frames import REDIS as CACHE
from moments import FIRST, REDIS, WORKER, Past
from proctop.engine import Engine
from proctop.frames import HOST, Frame
from proctop.records import ProcKey
from proctop.scoring.registry import make
from proctop.settings import Settings
from proctop.tui import alarming
from proctop.tui.app import Proctop
from proctop.tui.screens.events import EventsScreen
from proctop.tui.screens.groups import GroupsScreen
from proctop.tui.screens.help import Help
from proctop.tui.screens.main import MainScreen
from proctop.tui.screens.vitals import VitalsScreen
from proctop.tui.widgets.event_list import EventList, EventNote
from proctop.tui.widgets.group_table import GroupTable
from proctop.tui.widgets.process_table import ProcessTable
from scenes import Recorded

COUNT = 40
LAST = FIRST + COUNT - 1


class Told(Engine):
    def __init__(self) -> None:
        super().__init__(make())
        self.said: list[tuple[str, ProcKey]] = []

    def accept(self, key: ProcKey) -> None:
        self.said.append(("normal", key))

    def incident(self, key: ProcKey) -> None:
        self.said.append(("incident", key))


def marks() -> list[object]:
    return [type("Mark", (), {"wall": wall, "key": key}) for wall, key in ((FIRST + 5, REDIS), (LAST - 14, WORKER), (LAST - 10, HOST))]


def there(frames: list[Frame]) -> Past:
    return Past(frames, marks())  # type: ignore[arg-type]


@asynccontextmanager
async def live(
    settings: Settings | None = None, *, size: tuple[int, int] = (120, 40), past: bool = True, engine: Engine | None = None
) -> AsyncIterator[Pilot[int]]:
    frames = alarms.session(COUNT)
    app = scenes.app(settings, past=there(frames).load if past else None, engine=engine)
    async with app.run_test(size=size) as pilot:
        for frame in frames:
            app.show(frame)
        await pilot.pause()
        yield pilot


@asynccontextmanager
async def recorded(size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[int]]:
    """As a recording of before format 1.3 shows it: no scores of the host."""
    frames = [replace(frame, vitals=None) for frame in alarms.session(COUNT)]
    app = scenes.app(Settings(replay="x.proctop"), actions=Recorded(readonly="a recording"), live=False, past=there(frames).load)
    app.deck.speed = 0.0
    async with app.run_test(size=size) as pilot:
        while app.main.shown is None or app.deck.outlook is None:
            await pilot.pause(0.01)
        yield pilot


def proctop(pilot: Pilot[int]) -> Proctop:
    assert isinstance(pilot.app, Proctop)
    return pilot.app


def notes(pilot: Pilot[int]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


def rows(pilot: Pilot[int]) -> list[str]:
    return ["".join(cell.text for cell in line.cells) for line in pilot.app.screen.query_one(EventList).lines]


def comms(pilot: Pilot[int]) -> list[str]:
    return [name for line in rows(pilot)[1:] for name in ("worker.py", "redis-server", " host ") if name in line.split("usual")[0]]


async def settle(pilot: Pilot[int], wall: float) -> None:
    for _ in range(1000):
        await pilot.pause(0.01)
        shown = proctop(pilot).main.shown
        if shown is not None and shown.reading.wall == wall:
            return
    raise AssertionError(f"{shown.reading.wall - FIRST if shown else None} is shown and not {wall - FIRST}")


async def test_e_lists_the_events_and_escape_goes_back() -> None:
    async with live() as pilot:
        await pilot.press("e")
        assert isinstance(pilot.app.screen, EventsScreen)
        assert comms(pilot) == [" host ", "worker.py", "redis-server"]
        note = "\n".join("".join(cell.text for cell in line.cells) for line in pilot.app.screen.query_one(EventNote).lines)
        assert "the host: " in note and "in 40k/s, usual 1.8–2.1k/s" in note
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, MainScreen)
        await pilot.press("e", "e")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_it_goes_on_with_the_frames() -> None:
    async with live() as pilot:
        await pilot.press("e", "down")
        frame = alarms.session(COUNT)[-1]
        over = alarms.worker(LAST - 14, LAST + 5, open=False)
        proctop(pilot).show(replace(frame, tick=COUNT, alerts=(over, alarms.cache(LAST + 1, LAST + 1, open=True))))
        await pilot.pause()
        listed = pilot.app.screen.query_one(EventList)
        assert listed.selected is not None and listed.selected.key == WORKER and listed.selected.state == "ended"
        assert comms(pilot) == ["redis-server", " host ", "worker.py", "redis-server"]


async def test_enter_goes_to_the_process_at_its_worst_moment() -> None:
    async with live() as pilot:
        await pilot.press("e", "down", "enter")
        assert isinstance(pilot.app.screen, MainScreen)
        await settle(pilot, alarms.worker(LAST - 14, LAST, open=True).peak)
        assert proctop(pilot).deck.past
        assert proctop(pilot).main.query_one(ProcessTable).cursor == WORKER


async def test_enter_on_an_event_of_the_host_shows_its_vitals_then() -> None:
    async with live() as pilot:
        await pilot.press("e", "enter")
        await settle(pilot, LAST - 8)
        for _ in range(100):
            await pilot.pause(0.01)
            if isinstance(pilot.app.screen, VitalsScreen):
                break
        assert isinstance(pilot.app.screen, VitalsScreen)


async def test_without_a_past_enter_selects_the_process_that_is_there() -> None:
    async with live(past=False) as pilot:
        await pilot.press("e", "down", "enter")
        assert proctop(pilot).main.query_one(ProcessTable).cursor == WORKER


async def test_in_a_recording_the_marks_are_listed_and_gone_to() -> None:
    async with recorded() as pilot:
        await pilot.press("e")
        assert len(rows(pilot)) > 3 and rows(pilot)[3].strip()
        listed = pilot.app.screen.query_one(EventList)
        await pilot.press("end")
        assert listed.selected is not None and listed.selected.key == REDIS and listed.selected.state == ""
        await pilot.press("enter")
        await settle(pilot, FIRST + 5)
        assert proctop(pilot).main.query_one(ProcessTable).cursor == REDIS
        await pilot.press("right_parenthesis")
        await settle(pilot, LAST - 14)
        await pilot.press("right_parenthesis")
        await settle(pilot, LAST - 10)
        await pilot.pause()
        assert isinstance(pilot.app.screen, VitalsScreen)
        await pilot.press("left_parenthesis")
        await settle(pilot, LAST - 14)
        await pilot.pause()
        assert isinstance(pilot.app.screen, MainScreen) and proctop(pilot).main.query_one(ProcessTable).cursor == WORKER


async def test_sorting_by_key_and_by_title() -> None:
    async with live() as pilot:
        await pilot.press("e", "A")
        assert comms(pilot) == ["worker.py", " host ", "redis-server"]
        await pilot.press("A")
        assert comms(pilot) == ["redis-server", " host ", "worker.py"]
        await pilot.press("T")
        assert comms(pilot) == [" host ", "worker.py", "redis-server"]
        await pilot.press("I")
        assert comms(pilot) == ["redis-server", "worker.py", " host "]
        await pilot.click(EventList, offset=(rows(pilot)[0].index("SCORE"), 0))
        assert comms(pilot) == ["worker.py", " host ", "redis-server"]


async def test_the_filter_narrows_while_it_is_typed() -> None:
    async with live() as pilot:
        await pilot.press("e", "backslash", *"cache")
        assert comms(pilot) == ["redis-server"]
        await pilot.press("enter")
        assert comms(pilot) == ["redis-server"]
        await pilot.press("escape")
        assert len(comms(pilot)) == 3 and isinstance(pilot.app.screen, EventsScreen)
        await pilot.press("f4", *"nobody", "escape")
        assert len(comms(pilot)) == 3
        await pilot.press("f4", *"nobody")
        assert "no event holds these words" in rows(pilot)[1]


async def test_two_clicks_go_there() -> None:
    async with live() as pilot:
        await pilot.press("e")
        await pilot.click(EventList, offset=(5, 2), times=2)
        await settle(pilot, alarms.worker(LAST - 14, LAST, open=True).peak)


async def test_a_and_i_judge_open_events_of_now() -> None:
    engine = Told()
    async with live(engine=engine) as pilot:
        await pilot.press("e", "a", "down", "i")
        assert engine.said == [("normal", HOST), ("incident", WORKER)]
        assert notes(pilot)[-2:] == [
            "the host: what it does now is taken as its normal",
            "pid 1841: an incident, not counted as a false alarm",
        ]
        await pilot.press("end", "a")
        assert len(engine.said) == 2 and "only an open event" in notes(pilot)[-1]
    async with recorded() as pilot:
        await pilot.press("e", "home", "a")
        assert "cannot be judged" in notes(pilot)[-1] or "only an open event" in notes(pilot)[-1]


@pytest.mark.parametrize("suffix", ["csv", "json"])
async def test_o_writes_the_events_that_are_shown(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"alerts.{suffix}"
    async with live() as pilot:
        await pilot.press("e", "o")
        pilot.app.screen.query_one(Input).value = str(tmp_path / "alerts.txt")
        await pilot.press("enter")
        assert pilot.app.screen.query_one(Input).display and not list(tmp_path.iterdir())
        pilot.app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.01)
            if any("written" in note for note in notes(pilot)):
                break
        assert f"3 events written to {file}" in notes(pilot)  # the last one, or before a new alert
        assert file.stat().st_mode & 0o777 == 0o600
        if suffix == "csv":
            listed = list(csv.DictReader(file.open(newline="")))
            assert [row["comm"] for row in listed] == ["host", "worker.py", "redis-server"]
            assert listed[1]["why"].startswith("writes 38 MB/s") and listed[1]["ended"] == "" and listed[2]["container"] == "cache"
        else:
            assert [event["state"] for event in json.loads(file.read_text())] == ["open", "open", "ended"]
        await pilot.press("o")
        pilot.app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        assert "is there already" in "".join(cell.text for cell in pilot.app.screen.query_one("#prompt-hint").lines[0].cells)  # type: ignore[attr-defined]


async def test_a_new_alert_is_announced_once_in_one_line() -> None:
    app = scenes.app()
    async with app.run_test(size=(160, 40)) as pilot:
        app.show(replace(scenes.frame(), alerts=(alarms.worker(FIRST, FIRST, open=True),)))
        app.show(replace(scenes.frame(21), alerts=(alarms.worker(FIRST, FIRST + 1, open=True),)))
        await pilot.pause()
        assert notes(pilot) == ["worker.py 1841: writes 38 MB/s, usual 0–1.2 MB/s"]


async def test_what_comes_within_a_second_is_told_together_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarming, "PACE", 0.2)
    app = scenes.app()
    async with app.run_test(size=(160, 40)) as pilot:
        one, two, three = (event(FIRST, FIRST, open=True) for event in (alarms.worker, alarms.cache, alarms.host))
        app.show(replace(scenes.frame(), alerts=(one,)))
        app.show(replace(scenes.frame(21), alerts=(three, two, one)))
        await pilot.pause()
        assert len(notes(pilot)) == 1
        while len(notes(pilot)) < 2:
            await pilot.pause(0.01)
        assert notes(pilot)[1] == "2 new alerts: redis-server, host"


async def test_many_at_once_are_one_announcement() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        many = [event(FIRST, FIRST, open=True) for event in (alarms.worker, alarms.cache, alarms.host)]
        app.show(replace(scenes.frame(), alerts=tuple(many)))
        await pilot.pause()
        assert notes(pilot) == ["3 new alerts: host, redis-server, worker.py"]


@pytest.mark.parametrize(("host", "told"), [("", []), ("other", ["proctop 4711: writes 38 MB/s, usual 0–1.2 MB/s"])])
async def test_that_this_program_works_is_no_news(host: str, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 4711)
    app = scenes.app(Settings(host=host))
    async with app.run_test(size=(120, 40)) as pilot:
        own = replace(alarms.worker(FIRST, FIRST, open=True), key=ProcKey(4711, 1), comm="proctop")
        app.show(replace(scenes.frame(), alerts=(own,)))
        await pilot.pause()
        assert notes(pilot) == told


@pytest.mark.parametrize("how", ["setting", "key", "replay"])
async def test_silence(how: str) -> None:
    if how == "replay":
        async with recorded() as pilot:
            await pilot.press("right_curly_bracket")
            await settle(pilot, LAST)
            assert notes(pilot) == []
        return
    app = scenes.app(Settings(toasts=how != "setting"))
    async with app.run_test(size=(120, 40)) as pilot:
        if how == "key":
            await pilot.press("exclamation_mark")
        before = notes(pilot)
        for frame in alarms.session(COUNT):
            app.show(frame)
        await pilot.pause()
        assert notes(pilot) == before
        await pilot.press("exclamation_mark")
        assert notes(pilot)[-1] == "new alerts are announced"


async def test_an_empty_list_says_why() -> None:
    app = scenes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("e")
        assert "no alerts so far" in rows(pilot)[1]
        app.show(scenes.warming())
        await pilot.pause()
        assert "warming up" in rows(pilot)[1]
        await pilot.press("down", "end", "enter", "a", "i", "o", "A", "I", "pagedown")
        assert isinstance(pilot.app.screen, EventsScreen) and notes(pilot)[-1] == "there is no event to write"


async def test_help_and_vitals_from_there() -> None:
    async with live() as pilot:
        await pilot.press("e", "question_mark")
        assert isinstance(pilot.app.screen, Help)
        await pilot.press("escape", "escape", "v", "e")
        assert isinstance(pilot.app.screen, EventsScreen)


async def test_the_panel_says_what_is_wrong_with_the_host() -> None:
    async with live(size=(160, 40)) as pilot:
        panel = "".join(cell.text for cell in proctop(pilot).main.query_one("#host").lines[3].cells)  # type: ignore[attr-defined]
        assert "host: in 40k/s, usual 1.8–2.1k/s" in panel


BOX = ProcKey(0, 1)


def boxed(frame: Frame) -> Frame:
    """With an event of a container as a whole in place of those of processes."""
    wall = frame.reading.wall
    event = replace(alarms.cache(LAST - 10, wall, open=True), key=BOX, comm="cache")
    return replace(frame, alerts=(event,) if wall >= LAST - 10 else ())


async def among_groups(pilot: Pilot[int]) -> None:
    for _ in range(1000):
        await pilot.pause(0.01)
        if isinstance(pilot.app.screen, GroupsScreen):
            return
    raise AssertionError(f"{pilot.app.screen} is shown")


@pytest.mark.parametrize("past", [True, False])
async def test_enter_on_an_event_of_a_container_goes_to_it_among_the_groups(past: bool) -> None:
    frames = [boxed(frame) for frame in alarms.session(COUNT)]
    mark: list[object] = [type("Mark", (), {"wall": LAST - 10, "key": BOX})]
    app = scenes.app(past=Past(frames, mark).load if past else None)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in frames:
            app.show(frame)
        await pilot.pause()
        assert any("container cache" in note for note in notes(pilot))
        await pilot.press("e")
        assert " cache " in rows(pilot)[1] and " 0 " not in rows(pilot)[1].split("usual")[0]
        await pilot.press("enter")
        await among_groups(pilot)
        assert not past or (app.main.shown is not None and app.main.shown.reading.wall == LAST - 10)
        screen = app.screen
        assert isinstance(screen, GroupsScreen) and screen.grouping.by == "container" and not screen.grouping.limits
        table = screen.query_one(GroupTable)
        assert table.cursor == (CACHE.id, None) and table.place is not None
        await pilot.press("escape", "e", "enter")
        await among_groups(pilot)
        assert len(app.screen_stack) == 2


async def test_a_container_that_a_filter_hides_is_told_of() -> None:
    frames = [boxed(frame) for frame in alarms.session(COUNT)]
    app = scenes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in frames:
            app.show(frame)
        await pilot.press("f4", *"worker", "enter", "e", "enter")
        await among_groups(pilot)
        assert app.screen.query_one(GroupTable).place is None and "not among those" in notes(pilot)[-1]


async def test_the_way_to_an_event_of_a_container_selects_it_where_groups_are_open() -> None:
    frames = [boxed(frame) for frame in alarms.session(COUNT)]
    mark: list[object] = [type("Mark", (), {"wall": LAST - 10, "key": BOX})]
    app = scenes.app(past=Past(frames, mark).load)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        for frame in frames:
            app.show(frame)
        await pilot.press("g", "left_parenthesis")
        await settle(pilot, LAST - 10)
        await pilot.pause()
        assert isinstance(app.screen, GroupsScreen) and app.screen.grouping.by == "container" and len(app.screen_stack) == 2
        assert app.screen.query_one(GroupTable).cursor == (CACHE.id, None)
