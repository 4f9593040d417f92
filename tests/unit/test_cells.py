"""The table and the panel as lines: columns that give way, scores that do not lie, missing values."""

from __future__ import annotations

import numpy as np
import pytest

from frames import NAN, REDIS, Proc, build, host
from proctop.fields import COLUMNS
from proctop.frames import Frame, Reason, Status
from proctop.records import Gap
from proctop.view import cells, panel, table
from proctop.view.cells import ASCII, UNICODE, Cell, Line
from proctop.view.rows import Arranger, Rows, ViewState

REASON = Reason("wchar", 4e7, (0.0, 1.2e6), "own", "writes 38 MB/s, usual 0–1.2 MB/s")


def one(**more: object) -> Frame:
    return build([Proc(7, "worker", **more)])  # type: ignore[arg-type]


def text_of(parts: tuple[Cell, ...]) -> str:
    return "".join(cell.text for cell in parts)


def names(total: int, contained: bool = True) -> list[str]:
    return [slot.column.name for slot in table.layout(total, contained=contained)]


def test_eighty_columns_hold_what_matters() -> None:
    assert names(80) == ["score", "pid", "user", "state", "cpu", "rss", "command", "why"]  # the container gives way to the reason
    assert names(88) == ["score", "pid", "cpu", "rss", "container", "command", "why"]
    assert names(80, contained=False) == ["score", "pid", "user", "state", "cpu", "rss", "command", "why"]


def test_sixty_columns_keep_what_never_gives_way() -> None:
    assert {"score", "pid", "cpu", "rss", "command"} <= set(names(60))


def test_all_default_columns_are_there_when_there_is_room() -> None:
    assert names(260) == [c.name for c in table.DEFAULT]


def test_a_wider_terminal_never_loses_the_reason() -> None:
    for total in range(80, 300):
        widths = {slot.column.name: slot.width for slot in table.layout(total)}
        assert widths["why"] >= 24 and widths["command"] >= 12


@pytest.mark.parametrize("name", [*(c.name for c in COLUMNS if c.width), "minflt", "thread_growth"])
@pytest.mark.parametrize("total", [40, 80, 200])
def test_the_column_that_orders_is_always_there(name: str, total: int) -> None:
    slots = table.layout(total, sort=name)
    assert [slot.column.name for slot in slots].count(name) == 1
    assert sum(slot.width + 1 for slot in slots) - 1 <= total
    shown = "".join(cell.text for cell in table.titles(slots, total, name, True, UNICODE).cells)
    assert shown.count("▼") == 1 and len(shown) == total


def test_a_tree_has_room_for_its_names() -> None:
    for total in range(80, 200):
        wide, flat = ({s.column.name: s.width for s in table.layout(total, tree=tree)} for tree in (True, False))
        assert wide["command"] > flat["command"] and wide["why"] >= 24


def test_deep_in_a_tree_the_name_still_shows() -> None:
    frame = one()
    rows = Rows(np.array([0]), np.array([30]), ("│  " * 30 + "└─ ",), np.zeros(1, dtype=np.bool_))
    cells = table.body(frame, rows, table.layout(80, tree=True), 0, 1, glyphs=UNICODE, names="name")[0]
    text = next(cell.text for cell in cells if "└─" in cell.text)
    assert text.startswith("…") and "└─ worker" in text


def test_few_refusals_are_no_news_for_the_header() -> None:
    def says(*gaps: Gap) -> str:
        frame = build([Proc(i, "x") for i in range(1, 101)], gaps=gaps)
        return text_of(panel.header(frame, 160, UNICODE, panel.Mode()).cells)

    assert "F1" not in says(Gap("io", 2, "io of others is refused"), Gap("blkio_delay", 100, "delay accounting is off"))
    assert "io of others is refused" not in says(Gap("io", 2, "io of others is refused"))
    assert "io of others is refused" in says(Gap("io", 3, "io of others is refused"))
    assert "hidden by hidepid" in says(Gap("processes", 0, "hidden by hidepid"))


def test_the_column_under_the_mouse() -> None:
    slots = table.layout(80)
    line = "".join(c.text for c in table.titles(slots, 80, "score", True, UNICODE).cells)
    assert table.column_at(slots, line.index("PID")) == "pid"
    assert table.column_at(slots, line.index("COMMAND")) == "command"
    assert table.column_at(slots, 500) is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"status": Status.WARMING}, "warming  "),
        ({"status": Status.NEW}, "new      "),
        ({"status": Status.NEW, "rank": 0.6}, "new  0.6 "),
        ({"status": Status.NEW, "rank": 2.5}, "▉    2.5 "),
        ({"rank": 0.0}, "     0.0 "),
        ({"rank": NAN}, "       – "),
        ({"rank": 6.0, "per_hour": 5.0}, "██   6.0 "),
        ({"rank": 12.0, "per_hour": 0.1, "alerting": True}, "████12.0!"),
        ({"rank": 300.0, "per_hour": 0.1}, "████ 300 "),
    ],
)
def test_the_score_cell_says_what_is_known(more: dict[str, object], says: str) -> None:
    parts = table.score_cells(one(**more), 0, 9, UNICODE)
    assert text_of(parts) == says
    assert len(parts) == 2


def test_rarity_is_told_by_more_than_colour() -> None:
    rare, common = one(rank=12.0, per_hour=0.1, alerting=True), one(rank=1.5, per_hour=900.0)
    assert table.level(rare, 0) != table.level(common, 0)
    assert text_of(table.score_cells(rare, 0, 9, ASCII)) != text_of(table.score_cells(common, 0, 9, ASCII))


def body(frame: Frame, total: int = 200, **state: object) -> list[str]:
    rows = Arranger().arrange(frame, ViewState(kernel=True, **state))  # type: ignore[arg-type]
    slots = table.layout(total)
    return [text_of(c) for c in table.body(frame, rows, slots, 0, 50, glyphs=UNICODE, names="short")]


def test_missing_is_a_dash_and_never_a_zero() -> None:
    shown = body(one(rank=0.0))[0]
    assert shown.count("–") >= 4
    assert "0.0%" not in shown


def test_reasons_and_containers_are_on_the_row() -> None:
    shown = body(one(rank=9.0, why=(REASON,), container=REDIS))[0]
    assert REASON.text in shown and "cache" in shown and "redis:7.2" in shown


def test_a_folded_row_shows_the_sum_and_the_highest_score_below_it() -> None:
    frame = build(
        [
            Proc(1, "init", ppid=0, start=1, rank=0.0, features={"cpu": 0.1, "rss": 1048576.0}),
            Proc(2, "child", ppid=1, start=2, rank=7.0, features={"cpu": 0.3, "rss": 1048576.0}),
        ]
    )
    folded = body(frame, tree=True, collapsed=frozenset({frame.reading.key(0)}))
    assert len(folded) == 1
    assert "(+1) init" in folded[0] and "40.0" in folded[0] and "2.0M" in folded[0] and "7.0" in folded[0]


def test_kernel_threads_are_in_brackets_and_paths_of_programs_left_out() -> None:
    assert "[kworker/0:1]" in body(one(kernel=True))[0].replace("worker ", "kworker/0:1") or "[worker]" in body(one(kernel=True))[0]
    assert "python3 /srv/x.py" in body(one(command="/usr/bin/python3 /srv/x.py"))[0]
    assert "/usr/bin" not in body(one(command="/usr/bin/python3 /srv/x.py"))[0]


def test_gauges_leave_gaps_for_readings_that_were_not_shown() -> None:
    past = panel.Past()
    past.push(build([], tick=3, host=host(cpu=0.5)))
    past.push(build([], tick=6, host=host(cpu=0.7)))
    seen = past.of("cpu")
    assert seen.size == 4 and np.isnan(seen[1:3]).all() and seen[3] == np.float32(0.7)


def test_unknown_host_numbers_are_dashes() -> None:
    frame = build([], host=host(cpu=NAN, disk_read=NAN, disk_write=NAN, net_rx=NAN, net_tx=NAN, pressure={}))
    shown = ["".join(c.text for c in line.cells) for line in panel.panel(frame, panel.Past(), 120, 4, UNICODE)]
    assert "–%" in shown[0].replace(" ", "") and "0.0%" not in shown[0].split("us")[0]


def test_the_header_names_what_nobody_may_overlook() -> None:
    frame = build([], late=2.0, warming=0.4, notes=("docker: not answering",))
    shown = "".join(c.text for c in panel.header(frame, 180, UNICODE, panel.Mode(panel.Moment(age=12.0), query="cpu>5", user="app")).cells)
    for word in ("node1", "paused 12s ago", "warming 40%", "late 2s", "filter cpu>5", "user app", "docker: not answering"):
        assert word in shown


def test_changed_is_none_for_equal_lines_and_whole_for_another_mood() -> None:
    a = Line((Cell("ab"), Cell("cd", "soft")))
    assert cells.changed(a, Line((Cell("ab"), Cell("cd", "soft")))) is None
    assert cells.changed(a, a._replace(mood="cursor")) == (0, 4)
    assert cells.changed(a, Line((Cell("ab"), Cell("cx", "soft")))) == (2, 4)
