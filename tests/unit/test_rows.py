"""Order, filters, tree and threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from frames import NAN, Proc, build, crowd, thread_table
from proctop.frames import Frame
from proctop.records import ProcKey
from proctop.view.query import parse
from proctop.view.rows import Arranger, Rows, ViewState


def pids(frame: Frame, rows: Rows) -> list[int]:
    """Pids of processes, tids of threads below zero."""
    table = frame.reading.threads
    return [int(frame.reading.pid[i]) if i >= 0 or table is None else -int(table.tid[~i]) for i in rows.order]


def scored(scores: Mapping[int, float], tick: int = 0) -> Frame:
    return build([Proc(pid, f"p{pid}", rank=rank) for pid, rank in scores.items()], tick=tick)


def arranged(frame: Frame, **state: object) -> list[int]:
    return pids(frame, Arranger().arrange(frame, ViewState(**state)))  # type: ignore[arg-type]


def test_highest_score_first_and_rows_without_one_last() -> None:
    frame = scored({1: 0.0, 2: 5.0, 3: NAN, 4: 9.0, 5: 1.0})
    assert arranged(frame) == [4, 2, 5, 1, 3]
    assert arranged(frame, reverse=True) == [1, 5, 2, 4, 3]


def test_rows_without_a_score_are_ordered_by_cpu() -> None:
    frame = build([Proc(1, "a", features={"cpu": 0.1}), Proc(2, "b"), Proc(3, "c", features={"cpu": 0.9}), Proc(4, "d", rank=0.0)])
    assert arranged(frame) == [4, 3, 1, 2]


def test_near_equal_scores_keep_their_order() -> None:
    arranger, state = Arranger(), ViewState()
    first = scored({1: 5.0, 2: 1.0, 3: 20.0, 4: 0.0}, 0)
    assert pids(first, arranger.arrange(first, state)) == [3, 1, 2, 4]
    near = scored({1: 5.0, 2: 5.1, 3: 21.9, 4: 21.0}, 1)
    assert pids(near, arranger.arrange(near, state)) == [3, 4, 1, 2]
    swapped = scored({1: 4.9, 2: 5.2, 3: 21.0, 4: 21.9}, 2)
    assert pids(swapped, arranger.arrange(swapped, state)) == [3, 4, 1, 2]
    clear = scored({1: 4.0, 2: 6.0, 3: 21.0, 4: 30.0}, 3)
    assert pids(clear, arranger.arrange(clear, state)) == [4, 3, 2, 1]


def test_noise_within_the_band_moves_nothing() -> None:
    rng = np.random.default_rng(3)
    base = rng.exponential(4, 200)
    arranger = Arranger()
    orders = []
    for tick in range(20):
        frame = scored({i + 1: float(score * rng.uniform(0.97, 1.03)) for i, score in enumerate(base)}, tick)
        orders.append(pids(frame, arranger.arrange(frame, ViewState())))
    assert all(order == orders[0] for order in orders)


def test_a_drift_is_followed_within_the_band() -> None:
    arranger = Arranger()
    for tick in range(100):
        frame = scored({1: 5.0, 2: tick * 0.1}, tick)
        order = pids(frame, arranger.arrange(frame, ViewState()))
    assert order == [2, 1]


def test_order_survives_births_exits_and_moved_rows() -> None:
    arranger, state = Arranger(), ViewState()
    first = scored({10: 0.0, 20: 3.0, 30: 0.0, 40: 0.0}, 0)
    arranger.arrange(first, state)
    second = scored({30: 0.1, 99: 0.0, 20: 0.0, 10: 0.05}, 7)  # neither the next tick nor the same rows
    assert pids(second, arranger.arrange(second, state)) == [20, 10, 30, 99]


def test_consecutive_frames_join_by_the_batch() -> None:
    arranger, state = Arranger(), ViewState()
    first = scored({10: 0.0, 20: 3.0, 30: 0.0}, 0)
    arranger.arrange(first, state)
    plain = scored({20: 0.0, 30: 0.0, 50: 0.0}, 1)
    second = replace(plain, batch=replace(plain.batch, prev=np.array([1, 2, -1])))
    assert pids(second, arranger.arrange(second, state)) == [20, 30, 50]


def test_a_reused_pid_is_somebody_else() -> None:
    arranger, state = Arranger(), ViewState()
    first = build([Proc(1, "a", start=5, rank=0.0), Proc(2, "b", start=5, rank=9.0)])
    arranger.arrange(first, state)
    second = build([Proc(2, "new", start=77, rank=0.0), Proc(1, "a", start=5, rank=0.0)], tick=1)
    assert pids(second, arranger.arrange(second, state)) == [1, 2]


def test_the_same_frame_again_under_another_state() -> None:
    frame = build([Proc(1, "b", features={"cpu": 0.5}, rank=1.0), Proc(2, "a", features={"cpu": 0.1}, rank=8.0), Proc(3, "c", rank=2.0)])
    arranger = Arranger()
    assert pids(frame, arranger.arrange(frame, ViewState())) == [2, 3, 1]
    assert pids(frame, arranger.arrange(frame, ViewState(sort="cpu"))) == [1, 2, 3]
    assert pids(frame, arranger.arrange(frame, ViewState(sort="command"))) == [2, 1, 3]
    assert pids(frame, arranger.arrange(frame, ViewState(sort="command", reverse=True))) == [3, 1, 2]
    assert pids(frame, arranger.arrange(frame, ViewState(sort="pid"))) == [1, 2, 3]
    assert pids(frame, arranger.arrange(frame, ViewState())) == [2, 3, 1]


@pytest.mark.parametrize(
    ("name", "a", "b", "same"),
    [("cpu", 0.1001, 0.1004, True), ("cpu", 0.10, 0.12, False), ("disk_write", 1_260_000, 1_300_000, True), ("threads", 3, 4, False)],
)
def test_other_columns_tie_at_what_they_show(name: str, a: float, b: float, same: bool) -> None:
    arranger, state = Arranger(), ViewState(sort=name)
    for tick, (first, second) in enumerate([(b, a), (a, b)]):
        frame = build([Proc(1, "x", features={name: first}), Proc(2, "y", features={name: second})], tick=tick)
        order = pids(frame, arranger.arrange(frame, state))
    assert order == ([1, 2] if same else [2, 1])


def test_every_column_sorts() -> None:
    from proctop import fields

    frame = crowd(60)
    for name in {c.name for c in fields.COLUMNS} | set(fields.SCHEMA):
        for reverse in (False, True):
            assert len(Arranger().arrange(frame, ViewState(sort=name, reverse=reverse, kernel=True))) == 60


def test_kernel_threads_hide_until_asked_for() -> None:
    frame = build([Proc(1, "init"), Proc(2, "kthreadd", ppid=0, kernel=True), Proc(3, "kworker/0:1", ppid=2, kernel=True)])
    assert arranged(frame) == [1]
    assert arranged(frame, kernel=True) == [1, 2, 3]
    assert arranged(frame, pids=frozenset({3})) == [3]
    assert arranged(frame, tree=True) == [1]


def test_user_pids_and_query_filter_together() -> None:
    frame = build(
        [Proc(1, "a", user="root"), Proc(2, "a", user="www", uid=33), Proc(3, "b", user="www", uid=33), Proc(4, "a", user="db", uid=5)]
    )
    assert arranged(frame, user="www") == [2, 3]
    assert arranged(frame, user="33") == [2, 3]
    assert arranged(frame, user="root, db") == [1, 4]
    assert arranged(frame, user="nobody") == []
    assert arranged(frame, pids=frozenset({2, 4, 999})) == [2, 4]
    assert arranged(frame, user="www", query=parse("name=a")) == [2]


FAMILY = [
    Proc(1, "init", ppid=0, rank=0.0),
    Proc(10, "shell", rank=1.0, features={"cpu": 0.1, "rss": 100}),
    Proc(11, "make", ppid=10, rank=0.0, features={"cpu": 0.2}),
    Proc(12, "cc", ppid=11, rank=9.0, features={"cpu": 0.3, "rss": 300}),
    Proc(20, "db", rank=5.0),
]


def test_tree_puts_parents_by_the_best_of_their_subtree() -> None:
    frame = build(FAMILY)
    rows = Arranger().arrange(frame, ViewState(tree=True))
    assert pids(frame, rows) == [1, 10, 11, 12, 20]
    assert rows.depth.tolist() == [0, 1, 2, 3, 1]
    assert list(rows.guides) == ["", "├─ ", "│  └─ ", "│     └─ ", "└─ "]
    assert list(Arranger().arrange(frame, ViewState(tree=True, ascii=True)).guides) == ["", "|- ", "|  `- ", "|     `- ", "`- "]
    assert not rows.context.any()


def test_a_collapsed_row_holds_counts_and_sums() -> None:
    frame = build(FAMILY)
    rows = Arranger().arrange(frame, ViewState(tree=True, collapsed=frozenset({ProcKey(10, 1000), ProcKey(12, 1000), ProcKey(20, 7)})))
    assert pids(frame, rows) == [1, 10, 20]
    assert rows.hidden == {1: 2}
    sums = rows.sums[1]
    assert sums["cpu"] == pytest.approx(60.0)
    assert sums["rss"] == 400.0
    assert sums["score"] == 9.0
    assert np.isnan(sums["disk_write"])
    assert "pid" not in sums and "nice" not in sums


def test_tree_shows_the_ancestors_of_what_matches() -> None:
    frame = build(FAMILY)
    rows = Arranger().arrange(frame, ViewState(tree=True, query=parse("cc")))
    assert pids(frame, rows) == [1, 10, 11, 12]
    assert rows.context.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "ppids",
    [
        {1: 1},
        {1: 2, 2: 1},
        {1: 2, 2: 3, 3: 1, 4: 1, 5: 4},
        {1: 0, 2: 99},
        {1: -5, 2: 1},
        {1: NAN, 2: 1},
        {1: 0, 2: 2.5},
        {1: 0, 2: 1e300},
        {i: i % 500 + 1 for i in range(1, 501)},
    ],
)
def test_circles_orphans_and_nonsense_parents_show_every_process_once(ppids: dict[int, float]) -> None:
    frame = build([Proc(pid, "x", rank=0.0, counters={"ppid": ppid}) for pid, ppid in ppids.items()])
    rows = Arranger().arrange(frame, ViewState(tree=True))
    assert sorted(pids(frame, rows)) == sorted(ppids)
    assert len(rows.guides) == len(rows) == rows.depth.size


def test_a_chain_of_thousands_keeps_its_guides_short() -> None:
    frame = build([Proc(pid, "x", ppid=pid - 1, rank=0.0) for pid in range(1, 3001)])
    rows = Arranger().arrange(frame, ViewState(tree=True))
    assert rows.depth.max() == 2999
    assert max(map(len, rows.guides)) < 100


def test_tree_order_keeps_still_too() -> None:
    arranger, state = Arranger(), ViewState(tree=True)
    first = build([Proc(1, "init", ppid=0), Proc(2, "a", rank=5.0), Proc(3, "b", rank=4.9)])
    assert pids(first, arranger.arrange(first, state)) == [1, 2, 3]
    second = build([Proc(1, "init", ppid=0), Proc(2, "a", rank=4.9), Proc(3, "b", rank=5.1)], tick=1)
    assert pids(second, arranger.arrange(second, state)) == [1, 2, 3]


def test_threads_follow_their_process() -> None:
    table = thread_table([(10, 10, "main"), (12, 10, "io"), (21, 20, "gc"), (11, 10, "net"), (77, 76, "gone")])
    frame = build([Proc(10, "a", rank=1.0), Proc(20, "b", rank=9.0), Proc(30, "c", rank=0.0)], threads=table)
    assert arranged(frame) == [20, 10, 30]
    rows = Arranger().arrange(frame, ViewState(threads=True))
    assert pids(frame, rows) == [20, -21, 10, -12, -11, 30]
    assert rows.depth.tolist() == [0, 1, 0, 1, 1, 0]
    assert list(rows.guides) == ["", "└─ ", "", "├─ ", "└─ ", ""]


def test_threads_in_the_tree_come_before_children() -> None:
    table = thread_table([(12, 10, "io"), (41, 40, "x"), (31, 30, "y")])
    procs = [
        Proc(10, "a", ppid=0, rank=3.0),
        Proc(20, "b", ppid=10, rank=2.0),
        Proc(40, "d", ppid=20, rank=0.0),
        Proc(30, "c", ppid=10, rank=0.0),
    ]
    frame = build(procs, threads=table)
    rows = Arranger().arrange(frame, ViewState(threads=True, tree=True))
    assert pids(frame, rows) == [10, -12, 20, 40, -41, 30, -31]
    assert list(rows.guides) == ["", "├─ ", "├─ ", "│  └─ ", "│     └─ ", "└─ ", "   └─ "]
    folded = Arranger().arrange(frame, ViewState(threads=True, tree=True, collapsed=frozenset({ProcKey(20, 1000)})))
    assert pids(frame, folded) == [10, -12, 20, 30, -31]


def test_an_empty_frame_has_no_rows() -> None:
    for state in (
        ViewState(),
        ViewState(tree=True),
        ViewState(sort="user"),
        ViewState(threads=True),
        ViewState(query=parse("x"), tree=True),
    ):
        arranger = Arranger()
        assert len(arranger.arrange(build([]), state)) == 0
        assert len(arranger.arrange(scored({1: 2.0}, 1), ViewState())) == 1
        assert len(arranger.arrange(build([], tick=2), state)) == 0


def test_extreme_scores_are_ordered() -> None:
    frame = scored({1: 1e30, 2: np.inf, 3: 1e30, 4: 0.0, 5: -1.0})
    assert arranged(frame)[-2:] == [4, 5]
