"""Those that ended as rows: where they stand, what they say, and who is not one."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from frames import NAN, REDIS, Proc, build, crowd, thread_table
from leavers import Gone, departed, with_gone
from proctop import fields
from proctop.export import batch
from proctop.frames import Frame
from proctop.records import ProcKey
from proctop.view import departed as view
from proctop.view import table, values
from proctop.view.cells import ASCII, UNICODE, Glyphs
from proctop.view.copying import copyable
from proctop.view.query import parse
from proctop.view.rows import Arranger, ViewState

CPU = {"cpu": 0.4}


def names(frame: Frame, **state: object) -> list[str]:
    """Names from top to bottom, those that ended in brackets."""
    rows = Arranger().arrange(frame, ViewState(**state))  # type: ignore[arg-type]
    words = values.texts(frame, "comm", rows.order)
    return [f"({word})" if view.find(frame, int(row)) is not None else word for row, word in zip(rows.order, words, strict=True)]


def drawn(frame: Frame, glyphs: Glyphs = UNICODE, **state: object) -> list[str]:
    rows = Arranger().arrange(frame, ViewState(**state))  # type: ignore[arg-type]
    slots = table.layout(160, contained=False)
    cells = table.body(frame, rows, slots, 0, len(rows), glyphs=glyphs, names="short")
    return ["".join(cell.text for cell in line) for line in cells]


HOST = build(
    [
        Proc(1, "init", rank=0.0, features={"cpu": 0.0}),
        Proc(10, "make", rank=4.0, features={"cpu": 0.2}, user="alice"),
        Proc(20, "cron", rank=1.0, features={"cpu": 0.9}, ppid=1),
    ]
)


def test_they_stand_by_rank_and_those_without_one_at_the_end() -> None:
    frame = with_gone(HOST, Gone(90, "cc", rank=2.0), Gone(91, "sh"), Gone(92, "ld", rank=9.0), Gone(93, "as", features=CPU))
    assert names(frame) == ["(ld)", "make", "(cc)", "cron", "init", "(as)", "(sh)"]
    assert names(frame, reverse=True) == ["init", "cron", "(cc)", "make", "(ld)", "(as)", "(sh)"]


def test_what_is_known_of_them_can_be_copied() -> None:
    frame = with_gone(HOST, Gone(90, "cc", rank=2.0, code=-9.0), Gone(91, "sh"))
    gone = view.frame_of(frame)
    assert gone is not None
    key = next(gone.reading.key(i) for i in range(2) if int(gone.reading.pid[i]) == 90)
    found = dict(copyable(frame, key, [fields.COLUMN["pid"], fields.COLUMN["why"]], "score"))
    assert found["pid"] == "90" and found["name"] == "cc" and "killed by SIGKILL" in found["why"] and found["why"] in found["row"]
    assert copyable(frame, ProcKey(4711, 1), [], "score") == []


def test_another_column_orders_them_as_all() -> None:
    frame = with_gone(HOST, Gone(5, "cc", features=CPU), Gone(15, "sh"))
    assert names(frame, sort="cpu") == ["cron", "(cc)", "make", "init", "(sh)"]
    assert names(frame, sort="pid") == ["init", "(cc)", "make", "(sh)", "cron"]
    assert names(frame, sort="command") == ["(cc)", "cron", "init", "make", "(sh)"]


def test_every_column_sorts_and_shows_them() -> None:
    frame = with_gone(crowd(40), Gone(900, "cc", rank=2.0, features=CPU), Gone(901, "sh"))
    for name in {c.name for c in fields.COLUMNS} | set(fields.SCHEMA) | {"status"}:
        for tree in (False, True):
            rows = Arranger().arrange(frame, ViewState(sort=name, kernel=True, tree=tree))
            assert len(rows) == 42 and len(values.texts(frame, name, rows.order)) == 42


def test_in_a_tree_they_stand_below_their_parent_or_alone() -> None:
    frame = with_gone(HOST, Gone(90, "cc", ppid=10), Gone(91, "sh", ppid=777), Gone(92, "ld", ppid=20, rank=9.0))
    rows = Arranger().arrange(frame, ViewState(tree=True))
    assert names(frame, tree=True) == ["init", "cron", "(ld)", "make", "(cc)", "(sh)"]
    assert rows.depth.tolist() == [0, 1, 2, 1, 2, 0]
    assert list(rows.guides) == ["", "├─ ", "│  └─ ", "└─ ", "   └─ ", ""]


def test_a_folded_process_keeps_them_to_itself_and_counts_only_who_is_alive() -> None:
    frame = with_gone(HOST, Gone(90, "cc", ppid=10, features=CPU), Gone(91, "sh", ppid=20))
    folded = frozenset({ProcKey(1, 1000), ProcKey(10, 1000)})
    rows = Arranger().arrange(frame, ViewState(tree=True, collapsed=folded))
    assert names(frame, tree=True, collapsed=folded) == ["init"]
    assert rows.hidden == {0: 2} and rows.sums[0]["cpu"] == pytest.approx(110.0)
    rows = Arranger().arrange(frame, ViewState(tree=True, collapsed=frozenset({ProcKey(10, 1000)})))
    assert rows.hidden == {} and len(rows) == 4


def test_threads_come_before_them() -> None:
    frame = build([Proc(1, "init"), Proc(10, "make")], threads=thread_table([(1, 1, "init"), (2, 1, "pool"), (10, 10, "make")]))
    frame = with_gone(frame, Gone(90, "cc", ppid=1), Gone(91, "sh", ppid=10))
    assert names(frame, threads=True) == ["init", "pool", "make", "(cc)", "(sh)"]
    assert names(frame, threads=True, tree=True) == ["init", "pool", "make", "(sh)", "(cc)"]
    rows = Arranger().arrange(frame, ViewState(threads=True))
    keys = [table.key_at(frame, rows, place).pid for place in range(5)]
    assert keys == [1, 2, 10, 90, 91]
    assert [table.place_of(frame, rows, table.key_at(frame, rows, place)) for place in range(5)] == [0, 1, 2, 3, 4]
    assert values.numbers(frame, "pid", rows.order).tolist() == keys


def test_filters_go_by_their_labels_and_numbers() -> None:
    gone = (
        Gone(90, "cc", user="alice", features=CPU),
        Gone(91, "kworker/0:1", kernel=True),
        Gone(92, "redis", container=REDIS, command="redis-server *:6379", ppid=20),
    )
    frame = with_gone(HOST, *gone)
    assert names(frame) == ["make", "cron", "init", "(cc)", "(redis)"]
    assert "(kworker/0:1)" in names(frame, kernel=True)
    assert names(frame, user="alice") == ["make", "(cc)"]
    assert names(frame, pids=frozenset({92, 1})) == ["init", "(redis)"]
    assert names(frame, query=parse("cpu>30")) == ["cron", "(cc)"]
    assert names(frame, query=parse("state=X")) == ["(cc)", "(redis)"]
    assert names(frame, query=parse("state!=X")) == ["make", "cron", "init"]
    assert names(frame, query=parse("container=cache or 6379")) == ["(redis)"]
    assert names(frame, query=parse("why~'exited 0 s'")) == ["(cc)", "(redis)"]
    assert names(frame, tree=True, query=parse("redis")) == ["init", "cron", "(redis)"]


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (Gone(1, "a", ago=3.1, code=1), "exited 3 s ago, code 1"),
        (Gone(1, "a", ago=3.1), "exited 3 s ago"),
        (Gone(1, "a", ago=2.0, code=-9), "killed by SIGKILL 2 s ago"),
        (Gone(1, "a", ago=2.0, code=-63), "killed by signal 63 2 s ago"),
        (Gone(1, "a", count=400, code=1), "400 ended, last code 1, 0 s ago"),
        (Gone(1, "a", count=400, code=-11), "400 ended, last by SIGSEGV, 0 s ago"),
        (Gone(1, "a", count=400), "400 ended, last 0 s ago"),
    ],
)
def test_how_they_ended_in_words(gone: Gone, says: str) -> None:
    assert view.words(departed(gone), 0) == says


def test_a_crowd_shows_its_number_and_a_single_one_its_command() -> None:
    frame = with_gone(HOST, Gone(90, "sh", command="/bin/sh -c true", count=400), Gone(91, "cc", command="/usr/bin/cc -O2 a.c", ago=4.0))
    crowded, single = drawn(frame, sort="pid")[-2:]
    assert "sh ×400 " in crowded and "-c" not in crowded and " X " in crowded
    assert "cc -O2 a.c" in single and "exited 4 s ago" in single and single.startswith("gone ")
    assert "sh x400 " in drawn(frame, ASCII, sort="pid")[-2]


def test_they_are_dim_and_fade() -> None:
    frame = with_gone(HOST, Gone(90, "sh", features={"cpu": 0.5}), Gone(91, "cc", features={"cpu": 0.5}, ago=5.0, rank=3.0))
    rows = Arranger().arrange(frame, ViewState(sort="pid"))
    cells = table.body(frame, rows, table.layout(120), 0, len(rows), glyphs=UNICODE, names="short")
    assert {cell.style for cell in cells[3]} == {"soft", "faint"} and {cell.style for cell in cells[4]} == {"faint"}
    assert any("3.0" in cell.text for cell in cells[4])


def test_a_crowd_whose_rank_moves_by_little_stands_still() -> None:
    arranger, orders = Arranger(), []
    host = build([Proc(1, "init", rank=4.75), Proc(2, "cron", rank=0.0)])
    for tick, rank in enumerate([5.0, 5.3, 5.1, 5.4, 5.0]):  # of which the second would leave init behind
        frame = replace(with_gone(host, Gone(90 + tick, "sh", rank=rank)), tick=tick)
        orders.append(values.texts(frame, "comm", arranger.arrange(frame, ViewState()).order))
    assert orders == [["init", "sh", "cron"]] * 5


def test_the_same_frame_again_shows_them_once() -> None:
    arranger, frame = Arranger(), with_gone(HOST, Gone(90, "sh"), Gone(91, "cc"))
    for state in (ViewState(), ViewState(sort="cpu"), ViewState(tree=True), ViewState()):
        order = arranger.arrange(frame, state).order.tolist()
        assert sorted(order) == [-2, -1, 0, 1, 2]


def test_they_come_and_go_and_the_order_of_the_rest_stays() -> None:
    arranger = Arranger()
    with_them, without = with_gone(HOST, Gone(90, "sh", rank=2.0)), HOST
    first = arranger.arrange(without, ViewState()).order.tolist()
    assert [row for row in arranger.arrange(with_them, ViewState()).order.tolist() if row >= 0] == first
    assert arranger.arrange(without, ViewState()).order.tolist() == first


def test_a_host_of_which_only_they_are_seen() -> None:
    frame = with_gone(build([]), Gone(90, "sh"))
    for tree in (False, True):
        assert len(drawn(frame, tree=tree)) == 1


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_in_batch_mode_they_are_no_rows(format: str) -> None:
    texts = []
    for frame in (HOST, with_gone(HOST, Gone(90, "vanished", rank=9.0))):
        out = io.StringIO()
        assert batch.run(iter([frame]), state=ViewState(), format=format, out=out) == 0
        texts.append(out.getvalue())
    assert texts[0] == texts[1] and "make" in texts[0]


def test_who_is_asked_for_by_key() -> None:
    frame = with_gone(HOST, Gone(90, "sh", ppid=10, code=0, count=2))
    key = ProcKey(90, 359_000)
    assert view.ending(frame, key) == ("sh", "2 ended, last code 0, 0 s ago")
    assert view.crowd(frame, key) == (10, "sh") and view.last_of(frame, (10, "sh")) == key
    assert table.row_of(frame, key) is None  # it is no process any more
    for nobody in (ProcKey(90, 1), ProcKey(10, 1000)):
        assert view.ending(frame, nobody) is None and view.crowd(frame, nobody) is None
    assert view.last_of(frame, (1, "sh")) is None and view.last_of(HOST, (10, "sh")) is None


@pytest.mark.parametrize(
    ("state", "idle", "place", "says"),
    [
        ("D", 12.0, "io_schedule", "in D for 12 s in io_schedule"),
        ("D", 0.0, "io_schedule", "in D in io_schedule"),
        ("D", NAN, "nfs_wait", "in D in nfs_wait"),
        ("D", 400.0, "", "in D for 6:40"),
        ("D", 0.4, "", ""),
        ("S", 12.0, "", ""),
    ],
)
def test_what_a_process_in_state_d_waits_for(state: str, idle: float, place: str, says: str) -> None:
    frame = build([Proc(1, "init"), Proc(5, "cp", state=state, features={"idle_s": idle})])
    frame = replace(frame, reading=replace(frame.reading, wchan={1: place} if place else {}))
    assert table.why_text(frame, 1) == says
    assert values.texts(frame, "why") == ["", says]
    assert values.texts(frame, "wchan") == ["", place]
    assert parse("wchan~nfs").mask(frame).tolist() == [False, place == "nfs_wait"]


def test_the_demand_for_cpu_is_a_percentage() -> None:
    frame = build([Proc(1, "a", features={"demand": 1.5})])
    assert values.texts(frame, "demand")[0].strip() == "150.0"
    assert parse("demand>120").mask(frame).tolist() == [True]
