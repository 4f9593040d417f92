"""Groups and containers: every key and click of their screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

import boxes
import moments
import scenes
from proctop.engine import Engine
from proctop.records import ProcKey
from proctop.rollup import BY
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.screens.groups import GroupsScreen
from proctop.tui.screens.help import Help
from proctop.tui.screens.main import MainScreen
from proctop.tui.screens.menus import Choice
from proctop.tui.widgets.group_table import GroupTable


class Watching:
    """An engine that only remembers which groups it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def watch(self, by: str) -> None:
        self.asked.append(by)


@asynccontextmanager
async def running(keys: str = "g", app: Proctop | None = None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[int]]:
    app = app or scenes.app()
    async with app.run_test(size=size) as pilot:
        for tick in (18, 19, 20):
            app.show(boxes.frame(tick))
        await pilot.press(*keys.split())
        await pilot.pause()
        yield pilot


def screen(pilot: Pilot[int]) -> GroupsScreen:
    found = pilot.app.screen
    assert isinstance(found, GroupsScreen)
    return found


def the_table(pilot: Pilot[int]) -> GroupTable:
    return screen(pilot).query_one(GroupTable)


def lines(pilot: Pilot[int], selector: str = "#groups") -> list[str]:
    widget = screen(pilot).query_one(selector)
    return ["".join(cell.text for cell in line.cells) for line in widget.lines]  # type: ignore[attr-defined]


def names(pilot: Pilot[int]) -> list[str]:
    """Of the groups, top to bottom; of members their pids."""
    groups = screen(pilot)._groups
    assert groups is not None
    places = [groups.at(place) for place in range(len(groups))]
    called = dict(zip(groups.rollup.keys, groups.rollup.names, strict=True))
    return [called[key] if member is None else str(member.pid) for key, member in places]


async def test_groups_stand_by_their_own_score_then_by_their_highest_member() -> None:
    async with running() as pilot:
        assert names(pilot)[:6] == ["worker.py", "report", "postgres", "redis-server", "node", "make"]
        first = lines(pilot)[1]
        assert "9.8!" in first and "11.2!" in first and "writes 38 MB/s, usual 0–1.2 MB/s" in first
        assert "redis-server 2200: no activity for 40" in lines(pilot)[4]
        assert "17 groups of 22 processes" in lines(pilot, "#ways")[0]


@pytest.mark.parametrize(("keys", "by"), [(str(k + 1), by) for k, by in enumerate(BY)])
async def test_a_digit_groups_by(keys: str, by: str) -> None:
    engine = Watching()
    async with running("g", scenes.app(engine=engine)) as pilot:
        await pilot.press(keys)
        assert screen(pilot).grouping.by == by
        assert by.upper() in lines(pilot)[0]
        assert engine.asked[-1] == by


async def test_g_and_tab_go_round_and_the_last_way_is_remembered() -> None:
    async with running() as pilot:
        seen = []
        for key in ("g", "tab", "g", "g", "g", "g"):
            await pilot.press(key)
            seen.append(screen(pilot).grouping.by)
        assert seen == [*BY[1:], BY[0]]
        await pilot.press("shift+tab", "escape")
        assert isinstance(pilot.app.screen, MainScreen)
        await pilot.press("g")
        assert screen(pilot).grouping.by == "user"
        await pilot.press("q", "c", "escape", "g")
        assert screen(pilot).grouping.by == "user" and not screen(pilot).grouping.limits


async def test_containers_stand_against_their_limits() -> None:
    async with running("c", size=(290, 40)) as pilot:
        assert lines(pilot)[0].split()[:6] == ["SCORE▼", "HIGHEST", "N", "CPU%", "CPUMAX", "THROT%"]
        job = next(text for text in lines(pilot) if "report-job" in text)
        for figure in ("19.9!", "20.0", "90.0!", "63.0", "88.0M", "1.0G", "8.6", "81.0!", "docker", "report:1.9", "2.9M"):
            assert figure in job
        api = next(text for text in lines(pilot) if "shop-api-1" in text)
        assert "96.5!" in api and "1!" in api and "16.0!" in api
        assert "–" in next(text for text in lines(pilot) if "cache" in text)
        about = "\n".join(lines(pilot, "#about"))
        assert "19.9% of 0.2 cpus = 99.5%!" in about and "90.0% of periods, 63.0% of time" in about and "started again 0 times" in about


async def test_a_container_that_was_started_again_says_so() -> None:
    async with running("c") as pilot:
        pilot.app.show(boxes.frame(21, began=3620.5))  # type: ignore[attr-defined]
        assert "started again 1 time" in lines(pilot, "#about")[3]


async def test_a_container_that_has_ended_is_told_of_below_the_others() -> None:
    async with running("c") as pilot:
        frame = boxes.frame(22)
        calm = [p for p in boxes.people() if p.container != boxes.JOB]
        pilot.app.show(boxes.build(calm, tick=22, wall=frame.reading.wall))  # type: ignore[attr-defined]
        assert len(names(pilot)) == 3
        last = lines(pilot)[4]
        assert last.startswith("ended") and "report-job" in last and "ended 2s ago" in last
        await pilot.press("end", "down")
        assert the_table(pilot).place == 2
        await pilot.click("#groups", offset=(30, 4))
        assert the_table(pilot).place == 2
        await pilot.press("f4", *"cpu>50")
        assert not any("report-job" in text for text in lines(pilot))


async def test_c_goes_back_to_the_groups_and_a_sort_of_limits_does_not_stay() -> None:
    async with running("g 6 c") as pilot:
        screen(pilot).action_sort("throttled")
        assert names(pilot)[0] == "report-job"
        await pilot.press("c")
        assert (screen(pilot).grouping.by, screen(pilot).grouping.sort) == ("user", "score")
        await pilot.press("c", "g")
        assert (screen(pilot).grouping.by, screen(pilot).grouping.limits) == ("user", False)


async def test_arrows_pages_and_ends_move_the_selection() -> None:
    async with running(size=(80, 16)) as pilot:
        await pilot.press("down", "down", "up")
        assert the_table(pilot).place == 0
        await pilot.press("end")
        assert the_table(pilot).place == 16 and the_table(pilot).top == 17 - (the_table(pilot).size.height - 1)
        await pilot.press("pageup")
        assert the_table(pilot).place == 16 - (the_table(pilot).size.height - 2)
        await pilot.press("pagedown", "home")
        assert (the_table(pilot).place, the_table(pilot).top) == (0, 0)


@pytest.mark.parametrize(("unfold", "fold"), [("right", "left"), ("plus", "minus"), ("enter", "enter")])
async def test_a_group_unfolds_and_folds(unfold: str, fold: str) -> None:
    async with running("g down down down") as pilot:
        await pilot.press(unfold)
        assert names(pilot)[2:6] == ["postgres", "3301", "3302", "3303"]
        assert "├ 3301" in lines(pilot)[4] and "└ 3303" in lines(pilot)[6]
        await pilot.press(fold)
        assert names(pilot)[2:4] == ["postgres", "redis-server"]
        assert the_table(pilot).place == 2


async def test_folding_at_a_member_selects_its_group() -> None:
    async with running("g down down down right down down") as pilot:
        assert the_table(pilot).cursor == ("postgres", ProcKey(3302, 4302))
        await pilot.press("left")
        assert the_table(pilot).cursor == ("postgres", None) and "3302" not in names(pilot)


async def test_members_stand_in_the_order_of_their_groups() -> None:
    async with running("g down down down right") as pilot:
        await pilot.press("M")
        at = names(pilot).index("postgres")
        assert names(pilot)[at + 1 : at + 4] == ["3303", "3301", "3302"]
        await pilot.press("M")
        at = names(pilot).index("postgres")
        assert names(pilot)[at + 1 : at + 4] == ["3302", "3301", "3303"]


async def test_enter_on_a_member_opens_its_detail_and_esc_comes_back() -> None:
    async with running("g down down down right down enter") as pilot:
        await pilot.pause()
        assert not isinstance(pilot.app.screen, GroupsScreen | MainScreen)
        assert pilot.app.screen.key == ProcKey(3301, 4301)  # type: ignore[attr-defined]
        await pilot.press("escape")
        assert the_table(pilot).cursor == ("postgres", ProcKey(3301, 4301))


@pytest.mark.parametrize(("key", "column"), [("A", "score"), ("P", "cpu"), ("M", "rss"), ("N", "n"), ("T", "time")])
async def test_sort_keys(key: str, column: str) -> None:
    async with running() as pilot:
        await pilot.press("P" if key == "M" else "M", key)
        assert (screen(pilot).grouping.sort, screen(pilot).grouping.reverse) == (column, False)
        await pilot.press(key)
        assert screen(pilot).grouping.reverse
        await pilot.press("I")
        assert not screen(pilot).grouping.reverse


async def test_sorting_orders() -> None:
    async with running() as pilot:
        await pilot.press("N")
        assert set(names(pilot)[:2]) == {"postgres", "report"} and names(pilot)[2] == "nginx"
        await pilot.press("P")
        assert names(pilot)[:3] == ["worker.py", "report", "node"]
        await pilot.press("f6")
        assert isinstance(pilot.app.screen, Choice)
        await pilot.press("c", "o", "enter")
        assert screen(pilot).grouping.sort == "command" and names(pilot) == sorted(names(pilot), key=str.casefold)


async def test_search_finds_groups_and_those_whose_members_match() -> None:
    async with running() as pilot:
        await pilot.press("slash", *"server.js")
        assert the_table(pilot).cursor == ("node", None)
        await pilot.press("enter", "slash", *"post", "enter")
        assert the_table(pilot).cursor == ("postgres", None)
        await pilot.press("right", "n")
        assert the_table(pilot).cursor == ("postgres", ProcKey(3301, 4301))
        await pilot.press("N")
        assert the_table(pilot).cursor == ("postgres", None) and screen(pilot).grouping.sort == "score"
        await pilot.press("escape", "N")
        assert screen(pilot).grouping.sort == "n"


async def test_leaving_a_search_returns_to_where_it_began() -> None:
    async with running("g down") as pilot:
        await pilot.press("f3", *"cron")
        assert the_table(pilot).cursor == ("cron", None)
        await pilot.press("escape")
        assert the_table(pilot).cursor == ("worker.py", None)
        await pilot.press("slash", *"no such")
        assert "nothing holds" in lines(pilot, "#prompt-hint")[0]


async def test_the_filter_is_that_of_the_main_screen() -> None:
    async with running() as pilot:
        await pilot.press("backslash", *"user=alice")
        assert set(names(pilot)) == {"make", "日本語プロセス", "bash", "vim"}
        await pilot.press("enter")
        assert "filter user=alice" in lines(pilot, "#header")[0]
        await pilot.press("f4", "x")
        assert "0 processes match" in lines(pilot, "#prompt-hint")[0] and names(pilot) == []
        await pilot.press("backspace", "space", "exclamation_mark")
        await pilot.pause()
        assert "^" in lines(pilot, "#prompt-hint")[0] and len(names(pilot)) == 4
        await pilot.press("backspace", "backspace", "enter", "escape")
        main = pilot.app.screen
        assert isinstance(main, MainScreen) and main.query_text == "user=alice"
        await pilot.press("g", "f4", "escape")
        assert len(names(pilot)) == 17 and main.query_text == ""


async def test_users_and_kernel_threads() -> None:
    async with running() as pilot:
        await pilot.press("K")
        assert "kthreadd" not in names(pilot)
        await pilot.press("u", "n", "enter")
        assert names(pilot) == ["node"] and "user node" in lines(pilot, "#header")[0]


async def test_a_click_on_the_mark_of_a_group_shows_and_hides_its_members() -> None:
    async with running() as pilot:
        folded = len(lines(pilot))
        mark = lines(pilot)[1].index("▸")
        await pilot.click("#groups", offset=(mark, 1))
        await pilot.pause()
        assert lines(pilot)[1][mark] == "▾" and lines(pilot)[2][mark + 2] in "├└"
        await pilot.click("#groups", offset=(mark + 4, 2))  # a member has no mark
        await pilot.pause()
        assert lines(pilot)[1][mark] == "▾" and isinstance(pilot.app.screen, GroupsScreen)
        await pilot.click("#groups", offset=(mark, 1))
        await pilot.pause()
        assert lines(pilot)[1][mark] == "▸" and len(lines(pilot)) == folded


async def test_a_click_selects_a_double_one_unfolds_and_a_title_sorts() -> None:
    async with running() as pilot:
        await pilot.click("#groups", offset=(30, 3))
        assert the_table(pilot).cursor == ("postgres", None)
        await pilot.click("#groups", offset=(30, 3), times=2)
        assert names(pilot)[3] == "3301"
        await pilot.click("#groups", offset=(lines(pilot)[0].index("MEM"), 0))
        assert screen(pilot).grouping.sort == "rss"
        await pilot.click("#ways", offset=(lines(pilot, "#ways")[0].index("user"), 0))
        assert screen(pilot).grouping.by == "user"
        await pilot.click("#ways", offset=(lines(pilot, "#ways")[0].index("limits"), 0))
        assert screen(pilot).grouping.limits
        the_table(pilot).scroll_lines(3)
        assert the_table(pilot).top == 0  # all of it is seen


async def test_frames_go_on_and_a_selection_that_is_gone_goes_to_its_group() -> None:
    async with running("g down down down right down") as pilot:
        frame = boxes.frame(21)
        pilot.app.show(frame)  # type: ignore[attr-defined]
        assert the_table(pilot).cursor == ("postgres", ProcKey(3301, 4301))
        pilot.app.show(scenes.without(3301, tick=22))  # type: ignore[attr-defined]
        assert the_table(pilot).cursor == ("postgres", None)
        bare = scenes.without(3301, tick=23)
        few = replace(bare, groups={})
        pilot.app.show(few)  # type: ignore[attr-defined]
        assert "23:13:43" in lines(pilot, "#header")[0]


async def test_space_holds_groups_as_it_holds_processes() -> None:
    async with running() as pilot:
        await pilot.press("space")
        pilot.app.show(boxes.frame(30))  # type: ignore[attr-defined]
        assert "paused 10s ago" in lines(pilot, "#header")[0]
        await pilot.press("space")
        assert lines(pilot, "#header")[0].endswith("  now ")


@pytest.mark.parametrize(("key", "title"), [("e", "Events"), ("v", "Host vitals")])
async def test_events_and_vitals_open_over_groups_and_leave_them_as_they_were(key: str, title: str) -> None:
    async with running("g down down") as pilot:
        await pilot.press(key)
        opened = pilot.app.screen.TITLE
        assert opened == title
        pilot.app.show(boxes.frame(21))  # type: ignore[attr-defined]
        await pilot.press("escape")
        assert the_table(pilot).cursor == ("report", None)
        assert "23:13:41" in lines(pilot, "#header")[0]


async def test_young_groups_warm_up_and_are_ordered_by_their_members() -> None:
    app = scenes.app()
    async with app.run_test(size=(120, 30)) as pilot:
        app.show(boxes.frame(young=True))
        await pilot.press("g")
        assert "warming" in lines(pilot)[1] and names(pilot)[:2] == ["worker.py", "redis-server"]


async def test_a_past_without_own_scores_says_so() -> None:
    there = moments.past(60)
    app = scenes.app(live=False, past=there.load)
    app.deck.speed = 0.0
    async with app.run_test(size=(120, 30)) as pilot:
        while app.main.shown is None or app.deck.outlook is None:
            await pilot.pause(0.01)
        await pilot.press("g")
        assert "no own scores were seen then" in lines(pilot, "#selected")[0]
        assert lines(pilot)[1].startswith("       – ") and "replay" in lines(pilot, "#header")[0]


async def test_before_the_first_frame_there_is_nothing_to_show_and_no_error() -> None:
    app = scenes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("g", "down", "enter", "2", "c", "slash", "a", "enter", "n")
        assert "SCORE" in lines(pilot)[0]
        app.show(boxes.frame())
        assert len(names(pilot)) == 4


async def test_no_containers_is_said() -> None:
    app = scenes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        bare = scenes.people()
        app.show(boxes.build([replace(p, container=None) for p in bare], tick=3))
        await pilot.press("c")
        assert "no process is in a container here" in lines(pilot)[1]


@pytest.mark.parametrize("key", ["f1", "question_mark", "h"])
async def test_help_begins_with_the_keys_of_groups(key: str) -> None:
    async with running() as pilot:
        await pilot.press(key)
        told = pilot.app.screen
        assert isinstance(told, Help)
        text = "\n".join("".join(cell.text for cell in cells) for cells in told.text(100))
        assert text.index("containers against their limits, and back") < text.index("tree, flat list")


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50), (44, 9)])
async def test_footer_and_lines_fit(size: tuple[int, int]) -> None:
    async with running("g", size=size) as pilot:
        for key in ("", "c", "c", "2", "5"):
            await pilot.press(*([key] if key else []))
            for selector in ("#header", "#ways", "#groups", "#about", "#selected", "#keys"):
                for line in screen(pilot).query_one(selector).lines:  # type: ignore[attr-defined]
                    assert sum(boxes.width(cell.text) for cell in line.cells) == size[0]
            assert "Esc Back" in lines(pilot, "#keys")[0]


async def test_names_change_between_short_full_and_bare() -> None:
    async with running("g down right", size=(200, 50)) as pilot:
        seen = []
        for _ in range(3):
            seen.append(lines(pilot)[2])
            await pilot.press("p")
        assert "1841 python3 /srv" in seen[0] and "1841 /usr/bin/python3" in seen[1] and "1841 worker.py" in seen[2]


def test_the_engine_of_the_app_can_watch() -> None:
    assert callable(Engine.watch) and Settings().kernel
