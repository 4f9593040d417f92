"""Every key does what the help says."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import scenes
from proctop.records import ProcKey
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.commands import Palette
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.screens.help import Help
from proctop.tui.screens.main import MainScreen
from proctop.tui.screens.menus import Choice, Confirm
from proctop.tui.widgets.process_table import ProcessTable
from proctop.view import table
from proctop.view.panel import NOW
from scenes import Recorded

WORKER = ProcKey(1841, 2841)
REDIS = ProcKey(2200, 3200)


@asynccontextmanager
async def running(app: Proctop | None = None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[int]]:
    app = app or scenes.app()
    async with app.run_test(size=size) as pilot:
        app.show(scenes.frame())
        await pilot.pause()
        yield pilot


def main(pilot: Pilot[int]) -> MainScreen:
    app = pilot.app
    assert isinstance(app, Proctop)
    return app.main


def the_table(pilot: Pilot[int]) -> ProcessTable:
    return main(pilot).query_one(ProcessTable)


def lines(pilot: Pilot[int], selector: str = "#table") -> list[str]:
    widget = main(pilot).query_one(selector)
    return ["".join(cell.text for cell in line.cells) for line in widget.lines]  # type: ignore[attr-defined]


def pids(pilot: Pilot[int]) -> list[int]:
    shown = main(pilot).shown
    assert shown is not None
    return [int(shown.reading.pid[i]) for i in the_table(pilot).order]


async def test_the_unusual_are_on_top_with_their_reason() -> None:
    async with running(size=(200, 50)) as pilot:
        first = lines(pilot)[1]
        assert "11.2!" in first and "1841" in first and "writes 38 MB/s, usual 0–1.2 MB/s" in first
        assert "cache" in lines(pilot)[2] and "redis:7.2" in lines(pilot)[2]


async def test_arrows_pages_and_ends_move_the_selection() -> None:
    async with running(size=(80, 20)) as pilot:
        await pilot.press("down")
        assert the_table(pilot).cursor == WORKER
        await pilot.press("down")
        assert the_table(pilot).cursor == REDIS
        await pilot.press("up")
        assert the_table(pilot).cursor == WORKER
        await pilot.press("end")
        assert the_table(pilot).place == 18
        assert the_table(pilot).top == 19 - (the_table(pilot).size.height - 1)
        await pilot.press("pageup")
        assert the_table(pilot).place == 18 - (the_table(pilot).size.height - 2)
        await pilot.press("home")
        assert (the_table(pilot).place, the_table(pilot).top) == (0, 0)


async def test_the_selection_stays_on_the_process_when_rows_move() -> None:
    async with running() as pilot:
        await pilot.press("down", "down")
        await pilot.press("N")
        assert the_table(pilot).cursor == REDIS
        place = the_table(pilot).place
        assert place is not None and pids(pilot)[place] == 2200


async def test_a_selected_process_that_ends_stays_and_says_so_until_the_selection_moves() -> None:
    async with running() as pilot:
        await pilot.press("down", "down")
        pilot.app.show(scenes.without(2200))  # type: ignore[attr-defined]
        assert "exited" in lines(pilot)[2] and "2200" in lines(pilot)[2]
        assert "exited" in lines(pilot, "#selected")[0]
        pilot.app.show(scenes.without(2200, tick=22))  # type: ignore[attr-defined]
        assert "exited" in lines(pilot)[2]
        await pilot.press("down")
        assert not the_table(pilot).exited
        assert not any("exited" in text for text in lines(pilot))
        assert the_table(pilot).cursor == ProcKey(2311, 3311)


async def test_nothing_is_done_to_a_process_that_has_ended() -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down", "down")
        pilot.app.show(scenes.without(2200))  # type: ignore[attr-defined]
        await pilot.press("f9", "f7", "enter")
        assert pilot.app.screen is main(pilot)
        assert actions.done == []


@pytest.mark.parametrize(("key", "column"), [("A", "score"), ("P", "cpu"), ("M", "rss"), ("N", "pid"), ("T", "time")])
async def test_sort_keys(key: str, column: str) -> None:
    async with running() as pilot:
        await pilot.press("M", key) if key != "M" else await pilot.press("P", key)
        assert main(pilot).state.sort == column
        assert not main(pilot).state.reverse


async def test_sort_orders_and_the_same_key_or_shift_i_turns_it_round() -> None:
    async with running() as pilot:
        await pilot.press("N")
        assert pids(pilot) == sorted(pids(pilot))
        await pilot.press("N")
        assert pids(pilot) == sorted(pids(pilot), reverse=True)
        await pilot.press("I")
        assert pids(pilot) == sorted(pids(pilot))


@pytest.mark.parametrize("key", ["f6", "less_than_sign", "greater_than_sign"])
async def test_sort_menu(key: str) -> None:
    async with running() as pilot:
        await pilot.press(key)
        assert isinstance(pilot.app.screen, Choice)
        await pilot.press("r", "enter")
        assert main(pilot).state.sort == "rss"


async def test_a_click_on_a_title_sorts_and_again_reverses() -> None:
    async with running() as pilot:
        x = lines(pilot)[0].index("PID")
        await pilot.click("#table", offset=(x, 0))
        assert pids(pilot) == sorted(pids(pilot))
        await pilot.click("#table", offset=(x, 0))
        assert pids(pilot) == sorted(pids(pilot), reverse=True)


async def test_a_click_selects_and_the_wheel_scrolls() -> None:
    async with running(size=(80, 20)) as pilot:
        await pilot.click("#table", offset=(20, 2))
        assert the_table(pilot).cursor == REDIS
        the_table(pilot).scroll_lines(3)
        assert the_table(pilot).top == 3
        assert the_table(pilot).cursor == REDIS


async def test_search_is_incremental_and_goes_on() -> None:
    async with running() as pilot:
        await pilot.press("slash", *"post")
        assert pids(pilot)[the_table(pilot).place or 0] == 3301
        await pilot.press("enter", "n")
        assert the_table(pilot).cursor == ProcKey(3302, 4302)
        await pilot.press("N")
        assert the_table(pilot).cursor == ProcKey(3301, 4301)
        assert main(pilot).state.sort == "score"
        await pilot.press("escape", "N")
        assert main(pilot).state.sort == "pid"


async def test_a_number_is_a_pid_first_and_found_while_it_is_typed() -> None:
    async with running() as pilot:
        await pilot.press("slash", "1")
        assert pids(pilot)[the_table(pilot).place or 0] == 1  # and not 1841, which stands above it
        await pilot.press("8")
        assert the_table(pilot).cursor == WORKER
        assert "nothing" not in lines(pilot, "#prompt-hint")[0]
        await pilot.press(*"9999999999999999999999")
        assert the_table(pilot).cursor == WORKER


async def test_an_error_that_points_late_is_not_shown_over_what_was_said_since() -> None:
    async with running() as pilot:
        await pilot.press("slash")
        prompt = main(pilot)._prompt
        prompt.hint("nothing holds it", 0)
        prompt.hint("all is well")
        await pilot.pause()
        assert lines(pilot, "#prompt-hint")[0].strip() == "all is well"


async def test_leaving_a_search_returns_to_where_it_began() -> None:
    async with running() as pilot:
        await pilot.press("down", "f3", *"cron")
        assert the_table(pilot).cursor == ProcKey(7777, 8777)
        await pilot.press("escape")
        assert the_table(pilot).cursor == WORKER


@pytest.mark.parametrize("key", ["f4", "backslash"])
async def test_filter_applies_while_it_is_typed(key: str) -> None:
    async with running() as pilot:
        await pilot.press(key, *"user=alice")
        assert pids(pilot) and set(pids(pilot)) <= {9120, 5120, 6001, 6002}
        await pilot.press("enter")
        assert "user=alice" in lines(pilot, "#header")[0]
        await pilot.press("escape")
        assert len(pids(pilot)) == 19


async def test_a_filter_error_points_at_its_column_and_keeps_the_last_good_filter() -> None:
    async with running() as pilot:
        await pilot.press("f4", *"cpu>5")
        kept = pids(pilot)
        await pilot.press("left_parenthesis")
        hint = lines(pilot, "#prompt-hint")[0]
        column = hint.index("^") - len(" filter: ")
        assert 0 <= column <= len("cpu>5(")
        assert pids(pilot) == kept
        await pilot.press("escape")
        assert len(pids(pilot)) == 19


async def test_the_caret_stays_under_its_character_in_a_filter_longer_than_the_line() -> None:
    async with running(size=(60, 20)) as pilot:
        text = "user=root or " * 6 + "cpu>x"
        await pilot.press("f4")
        pilot.app.screen.query_one(Input).value = text[:-1]
        await pilot.press("end", "x")
        await pilot.pause()
        hint = lines(pilot, "#prompt-hint")[0]
        field = pilot.app.screen.query_one(Input)
        assert hint.rstrip() and hint.index("^") == len(" filter: ") + len(text) - 1 - field.scroll_offset.x


async def test_tree_fold_and_unfold() -> None:
    async with running() as pilot:
        await pilot.press("t")
        assert any("└─" in text for text in lines(pilot))
        while the_table(pilot).cursor != ProcKey(1, 1001):
            await pilot.press("down")
        await pilot.press("left")
        folded = next(text for text in lines(pilot) if " 1 " in text and "(+" in text)
        assert "(+16)" in folded
        assert "38.1M" in folded or "READ/s" not in lines(pilot)[0]
        await pilot.press("plus")
        assert len(pids(pilot)) == 19
        await pilot.press("f5")
        assert not any("└─" in text for text in lines(pilot))


async def test_user_menu() -> None:
    async with running() as pilot:
        await pilot.press("u", "a", "a", "enter")
        assert main(pilot).state.user in ("alice", "app")
        await pilot.press("escape")
        assert main(pilot).state.user == ""


async def test_kernel_threads_hide() -> None:
    async with running() as pilot:
        assert 2 in pids(pilot)
        await pilot.press("K")
        assert 2 not in pids(pilot)


async def test_names_change_between_short_full_and_bare() -> None:
    async with running(size=(200, 50)) as pilot:
        seen = []
        for _ in range(3):
            seen.append(next(text for text in lines(pilot) if " 412 " in text or "1841" in text))
            await pilot.press("p")
        assert "python3 /srv" in seen[0] and "/usr/bin/python3" not in seen[0]
        assert "/usr/bin/python3 /srv" in seen[1]
        assert "python3" not in seen[2] and "worker.py" in seen[2]


async def test_pause_holds_the_view_and_space_returns_to_now() -> None:
    async with running() as pilot:
        await pilot.press("space")
        pilot.app.show(scenes.without(2311, tick=62))  # type: ignore[attr-defined]
        assert 2311 in pids(pilot)
        assert "paused 42s ago" in lines(pilot, "#header")[0]
        await pilot.press("Z")
        assert 2311 not in pids(pilot)
        assert lines(pilot, "#header")[0].endswith("  now ")


async def test_follow_keeps_the_selected_process_in_view() -> None:
    async with running(size=(80, 14)) as pilot:
        await pilot.press("down", "F", "N")
        shown = the_table(pilot)
        assert shown.cursor == WORKER and shown.place is not None
        assert shown.top <= shown.place < shown.top + shown.size.height - 1
        assert "follow" in lines(pilot, "#header")[0]


@pytest.mark.parametrize("key", ["f1", "question_mark", "h"])
async def test_help_tells_every_key_of_the_screen(key: str) -> None:
    async with running() as pilot:
        await pilot.press(key)
        screen = pilot.app.screen
        assert isinstance(screen, Help)
        text = "\n".join("".join(cell.text for cell in cells) for cells in screen.text(100))
        for name in ("F9 k", "Space Z", "F4 \\", "Enter", "disk_write", "SCORE", "not permitted for processes of others"):
            assert name in text
        await pilot.press("escape")
        assert pilot.app.screen is main(pilot)


async def test_detail_tells_reasons_features_and_a_closer_look() -> None:
    async with running() as pilot:
        await pilot.press("down", "down", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, ProcessDetail)
        await pilot.pause()
        said = screen.text(100)
        await pilot.press("2")
        text = "\n".join("".join(cell.text for cell in cells) for cells in (*said, *screen.text(100)))
        for word in ("No activity for 40 s; usually ≤ 3 s", "cache", "redis:7.2", "a" * 64, "/data", "systemd 1", "resident 31 MB"):
            assert word in text
        pilot.app.show(scenes.without(2200))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "exited" in screen.headline()


async def test_a_closer_look_that_fails_says_why() -> None:
    class Shy(Recorded):
        def detail(self, key: ProcKey) -> object:  # type: ignore[override]
            from proctop.actions import ActionFailed

            raise ActionFailed("pid 2200 has exited")

    async with running(scenes.app(actions=Shy())) as pilot:
        await pilot.press("down", "enter", "2")
        screen = pilot.app.screen
        assert isinstance(screen, ProcessDetail)
        await pilot.pause(0.1)
        assert any("has exited" in cell.text for cells in screen.text(100) for cell in cells)


async def test_a_signal_takes_a_choice_and_a_yes() -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down", "f9")
        menu = pilot.app.screen
        assert isinstance(menu, Choice)
        await pilot.press("enter")
        question = pilot.app.screen
        assert isinstance(question, Confirm)
        said = "\n".join("".join(c.text for c in line.cells) for w in question.query("Notice") for line in w.lines)  # type: ignore[attr-defined]
        assert "SIGTERM" in said and "1841" in said and "worker.py" in said and "2023-11-14 22:13:48" in said
        await pilot.press("enter")
        assert actions.done == [] and isinstance(pilot.app.screen, Confirm)
        await pilot.press("y")
        assert actions.done == [("signal", WORKER, signal.SIGTERM)]


@pytest.mark.parametrize("no", ["n", "escape", "q"])
async def test_a_signal_can_be_thought_better_of(no: str) -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down", "k", "enter", no)
        assert actions.done == [] and pilot.app.screen is main(pilot)


async def test_no_key_sends_sigkill_by_itself() -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down", "k", "k", "K", "9", "enter")
        assert actions.done == []


@pytest.mark.parametrize(("key", "delta"), [("f7", -1), ("f8", 1), ("comma", -1), ("full_stop", 1)])
async def test_renice(key: str, delta: int) -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down", key)
        assert actions.done == [("renice", WORKER, delta)]


async def test_what_the_kernel_refuses_is_told_and_ends_nothing() -> None:
    async with running(scenes.app(actions=Recorded(refuse="not permitted to [renice] pid 1 [/x]"))) as pilot:
        await pilot.press("down", "f7")
        await pilot.pause()
        assert pilot.app.is_running
        assert [n.message for n in pilot.app._notifications] == ["not permitted to [renice] pid 1 [/x]"]


async def test_readonly_knows_neither_signals_nor_renice() -> None:
    actions = Recorded(readonly="read-only")
    async with running(scenes.app(Settings(readonly=True), actions=actions)) as pilot:
        await pilot.press("down", "f9", "f7", "f8", "k", "comma")
        assert pilot.app.screen is main(pilot) and actions.done == []
        assert "Signal" not in lines(pilot, "#keys")[0] and "Nice" not in lines(pilot, "#keys")[0]
        await pilot.press("f1")
        screen = pilot.app.screen
        assert isinstance(screen, Help)
        assert not any("signal" in cell.text for cells in screen.text(100) for cell in cells)


async def test_a_click_on_a_key_of_the_footer_runs_it() -> None:
    async with running() as pilot:
        x = lines(pilot, "#keys")[0].index("Tree")
        await pilot.click("#keys", offset=(x, 0))
        assert main(pilot).state.tree


@pytest.mark.parametrize("key", ["q", "f10", "ctrl+c", "ctrl+q"])
async def test_quit(key: str) -> None:
    async with running() as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert pilot.app.return_code == 0


async def test_the_palette_lists_sorts_views_and_themes() -> None:
    async with running() as pilot:
        await pilot.press("ctrl+p", *"theme proctop-light", "enter")
        await pilot.pause()
        assert pilot.app.theme == "proctop-light"
        await pilot.press("ctrl+p", *"zvsize", "home", *(["backspace"] * 6), *"sort vsize", "enter")
        await pilot.pause()
        assert main(pilot).state.sort == "vsize"
        await pilot.press("ctrl+p", *"list flat", "enter")
        await pilot.pause()
        assert main(pilot).state.tree


async def test_the_palette_offers_only_what_can_be_done_and_takes_nothing_from_an_empty_list() -> None:
    async with running(scenes.app(Settings(readonly=True), actions=Recorded(readonly="read-only"))) as pilot:
        await pilot.press("ctrl+p")
        screen = pilot.app.screen
        assert isinstance(screen, Palette)
        menu = screen.menu
        assert "sort by cpu" in [item.label for item in menu.items]
        assert not any("signal" in item.label or "nice −" in item.label for item in menu.items)
        await pilot.press(*"no such thing", "enter")
        assert isinstance(pilot.app.screen, Palette) and not menu.items
        await pilot.press("escape")
        assert not isinstance(main(pilot).app.screen, Palette)


@pytest.mark.parametrize("key", ["f6", "u", "ctrl+p", "h", "enter", "f9"])
async def test_a_screen_that_is_left_twice_takes_no_other_with_it(key: str) -> None:
    async with running() as pilot:
        await pilot.press("down", key)
        over = pilot.app.screen
        assert over is not main(pilot)
        over.dismiss()
        over.dismiss()
        await pilot.pause()
        assert pilot.app.screen is main(pilot)


async def test_a_page_takes_a_frame_before_its_widgets_are_there() -> None:
    async with running() as pilot:
        shown = main(pilot).shown
        assert shown is not None
        page = ProcessDetail(WORKER, shown, None, NOW)
        page.show(shown, NOW)
        pilot.app.push_screen(page)
        page.show(shown, NOW)
        await pilot.press("2")
        assert any("another host tells no more" in cell.text for cells in page.text(80) for cell in cells)


async def test_a_process_of_another_host_is_not_looked_for_here() -> None:
    async with running(scenes.app(Settings(host="web1"))) as pilot:
        await pilot.press("down", "enter", "2")
        page = pilot.app.screen
        assert isinstance(page, ProcessDetail)
        assert any("another host tells no more" in cell.text for cells in page.text(80) for cell in cells)


@pytest.mark.parametrize("key", ["f9", "f7", "f8", "a", "i", "y"])
async def test_a_key_for_a_process_says_that_none_is_selected(key: str) -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert [n.message for n in pilot.app._notifications] == ["select a process first"]
        assert pilot.app.screen is main(pilot) and not actions.done


@pytest.mark.parametrize("key", ["f9", "f7", "a", "i"])
async def test_a_key_for_a_process_that_has_ended_says_that_it_has(key: str) -> None:
    actions = Recorded()
    async with running(scenes.app(actions=actions)) as pilot:
        await pilot.press("down")
        pilot.app.show(scenes.without(1841, tick=200))  # type: ignore[attr-defined]
        await pilot.press(key)
        await pilot.pause()
        (said,) = [n.message for n in pilot.app._notifications]
        assert said.startswith("pid 1841: ") and "exited" in said
        assert pilot.app.screen is main(pilot) and not actions.done


async def test_a_key_that_is_refused_says_why() -> None:
    async with running(scenes.app(actions=Recorded(readonly="a recording"))) as pilot:
        await pilot.press("down", "f9")
        assert [n.message for n in pilot.app._notifications] == ["a recording: processes are only looked at"]


async def test_settings_are_where_the_screen_begins() -> None:
    chosen = Settings(sort="cpu", reverse=True, tree=False, filter="cpu>=0", user="root", kernel=False, columns=("pid", "fds", "command"))
    async with running(scenes.app(chosen)) as pilot:
        assert lines(pilot)[0].split()[:4] == ["PID", "FDS", "CPU%▲", "COMMAND"]  # what orders is shown
        assert main(pilot).state.sort == "cpu" and 2 not in pids(pilot) and 6001 not in pids(pilot)


def test_the_table_names_only_columns_of_the_registry() -> None:
    assert {c.name for c in table.DEFAULT} >= {"score", "why", "command"}
