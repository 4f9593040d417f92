"""The ring of scores: a slot that is used again never shows the process before."""

import numpy as np

from proctop.frames import Batch
from proctop.history import History
from proctop.records import Floats32, Label


def batch(pids: list[int], prev: list[int]) -> Batch:
    n = len(pids)
    pid = np.array(pids, dtype=np.int64)
    none = np.zeros(n, dtype=np.bool_)
    values = np.zeros((0, n), dtype=np.float32)
    return Batch((), pid, pid, values, [Label("x")] * n, 1.0, np.array(prev, dtype=np.int64), none, none)


def ranks(*values: float) -> Floats32:
    return np.array(values, dtype=np.float32)


def test_scores_line_up_with_their_process() -> None:
    history = History(4)
    history.step(batch([1, 2], [-1, -1]), ranks(1, 2))
    trail = history.step(batch([1, 2], [0, 1]), ranks(3, 4))
    assert trail.of(0, 3).tolist()[1:] == [1, 3]
    assert trail.of(1, 2).tolist() == [2, 4]
    assert trail.host.tolist() == [2, 4]


def test_a_reused_slot_starts_empty() -> None:
    history = History(4)
    first = history.step(batch([1, 2], [-1, -1]), ranks(1, 2))
    trail = history.step(batch([2, 3], [1, -1]), ranks(5, 6))
    assert trail.slot[1] == first.slot[0]
    assert np.isnan(trail.of(1, 3)).tolist() == [True, True, False]
    assert trail.of(0, 2).tolist() == [2, 5]
    assert first.of(0, 1).tolist() == [1]  # what was handed over stays as it was


def test_the_ring_is_bounded_and_gaps_are_gaps() -> None:
    history = History(3)
    for k in range(10):
        trail = history.step(batch([1], [-1 if k == 0 else 0]), ranks(np.nan if k == 8 else k))
    last = trail.of(0, 5)
    assert np.isnan(last).tolist() == [True, True, False, True, False]
    assert last[[2, 4]].tolist() == [7, 9]
    assert np.isnan(trail.host[1])
    assert len(trail.ranks) == 3


def test_births_and_exits_without_end_keep_few_slots() -> None:
    history = History(3)
    previous = 0
    for k in range(1000):
        trail = history.step(batch([k], [-1]), ranks(1))
        previous = max(previous, int(trail.slot[0]))
    assert previous <= 1
