"""Arranging: nothing lost, nothing twice, and no dance, whatever the host says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frames import Proc, build
from proctop.records import ProcKey
from proctop.view.rows import Arranger, ViewState

_scores = st.one_of(st.floats(0, 60), st.just(0.0), st.just(float("nan")))
_hosts = st.lists(st.tuples(st.integers(-1, 25), _scores, st.booleans()), max_size=25)
_states = st.builds(
    ViewState,
    sort=st.sampled_from(["score", "cpu", "pid", "user", "why"]),
    reverse=st.booleans(),
    tree=st.booleans(),
    kernel=st.booleans(),
    collapsed=st.sets(st.integers(1, 25).map(lambda pid: ProcKey(pid, 1000)), max_size=4).map(frozenset),
)


@given(st.lists(_hosts, min_size=1, max_size=4), _states)
def test_every_process_is_shown_once_or_folded_once(hosts: list[list[tuple[int, float, bool]]], state: ViewState) -> None:
    arranger = Arranger()
    for tick, host in enumerate(hosts):
        frame = build([Proc(i + 1, "p", ppid=ppid, rank=rank, kernel=kernel) for i, (ppid, rank, kernel) in enumerate(host)], tick=tick)
        rows = arranger.arrange(frame, state)
        visible = [i for i, (_, _, kernel) in enumerate(host) if state.kernel or not kernel]
        shown = rows.order.tolist()
        assert len(set(shown)) == len(shown) and set(shown) <= set(visible)
        assert len(shown) + sum(rows.hidden.values()) == len(visible)
        assert rows.depth.size == rows.context.size == len(shown)
        if state.tree:
            above: list[int] = []
            for row, depth, guide in zip(shown, rows.depth.tolist(), rows.guides, strict=True):
                assert depth <= len(above) and bool(guide) == (depth > 0)
                del above[depth:]
                if above:
                    assert host[row][0] == above[-1] + 1
                above.append(row)


@given(st.lists(st.floats(0, 60), min_size=1, max_size=40), st.lists(st.floats(0.96, 1.04), min_size=40, max_size=40))
def test_small_changes_of_all_scores_move_no_row(scores: list[float], noise: list[float]) -> None:
    arranger = Arranger()
    first = build([Proc(i + 1, "p", rank=score) for i, score in enumerate(scores)])
    second = build([Proc(i + 1, "p", rank=score * noise[i]) for i, score in enumerate(scores)], tick=1)
    before = arranger.arrange(first, ViewState()).order
    np.testing.assert_array_equal(arranger.arrange(second, ViewState()).order, before)


@given(st.lists(st.floats(0, 60), min_size=2, max_size=40))
def test_a_clearly_higher_score_stands_higher(scores: list[float]) -> None:
    frame = build([Proc(i + 1, "p", rank=score) for i, score in enumerate(scores)])
    order = Arranger().arrange(frame, ViewState()).order.tolist()
    for above, below in pairwise(order):
        assert np.float32(scores[below]) <= np.float32(scores[above]) + max(0.3, 0.1 * scores[below]) + 1e-4
