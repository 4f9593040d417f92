"""Threads into processes, against a small kernel that knows the truth."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proctop.kernel.bpf.layout import OWN, RECORD, SPENT, Walk
from proctop.kernel.bpf.tally import Tally
from proctop.records import Bools, Ints

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "clone", "clone", "end", "end", "fork", "exit", "walk", "walk", "walk", "sweep"]), st.integers(0, 5)
    ),
    max_size=80,
)


class Kernel:
    """Processes of threads, as numbers only: pid → start, dead, {tid: [began, spent, ran]}."""

    def __init__(self) -> None:
        self.clock = 0
        self.dead: dict[int, Ints] = {}
        self.start: dict[int, int] = {}
        self.ended: set[int] = set()
        self.threads: dict[int, dict[int, list[int]]] = {}

    def number(self) -> int:
        """The lowest free one: numbers are reused at once, which is the hardest."""
        used = {tid for threads in self.threads.values() for tid in threads} | set(self.threads)
        return next(number for number in range(1, 1000) if number not in used)

    def act(self, action: str, choice: int) -> None:
        self.clock += 1
        pids = sorted(self.threads)
        if not pids or (action == "fork" and len(pids) < 3):
            pid = self.number()
            self.start[pid], self.dead[pid], self.threads[pid] = self.clock, np.zeros(len(SPENT), dtype=np.int64), {pid: [self.clock, 1, 1]}
            return
        pid = pids[choice % len(pids)]
        threads = self.threads[pid]
        tid = sorted(threads)[-1 - choice % len(threads)]
        if action == "spend":
            threads[tid][1] += choice + 1
            threads[tid][2] = 1
        elif action == "clone":
            threads[tid][2] = 1
            threads[self.number()] = [self.clock, 1, 1]
        elif action == "end" and tid != pid:
            self.dead[pid] = self.dead[pid] + threads.pop(tid)[1]
            self.ended.add(pid)
        elif action == "exit":
            del self.threads[pid], self.dead[pid], self.start[pid]

    def truth(self, pid: int) -> int:
        return int(self.dead[pid][0]) + sum(spent for _, spent, _ in self.threads[pid].values())

    def walk(self, asked: set[int] | None) -> Walk:
        rows = []
        every = sorted((tid, pid) for pid, threads in self.threads.items() for tid in threads)
        for tid, pid in every:
            thread = self.threads[pid][tid]
            if thread[2] or asked is None or pid in asked:
                row = np.zeros(RECORD, dtype=np.int64)
                row[0] = tid << 32 | pid
                row[2], row[3], row[9] = self.start[pid], thread[0], len(self.threads[pid]) << 32
                row[20:33] = self.dead[pid]
                row[33:48] = thread[1]
                rows.append(row)
                thread[2] = 0
        return Walk(np.array(rows, dtype=np.int64).reshape(-1, RECORD))


@settings(max_examples=300)
@given(ACTIONS, st.booleans())
def test_sums_are_never_too_high_never_fall_and_come_true(actions: list[tuple[str, int]], told: bool) -> None:
    """``told``: the kernel tells of which process a thread has ended; then every sum is true at once."""
    kernel, tally = Kernel(), Tally()
    wanted: set[int] = set()
    seen: dict[tuple[int, int], tuple[int, int]] = {}

    def look(asked: set[int] | None) -> None:
        nonlocal wanted
        if told and asked is not None:
            asked = asked | kernel.ended
        kernel.ended = set()
        walk = kernel.walk(asked)

        def whole(pid: Ints) -> Bools:
            return np.array([asked is None or int(one) in asked for one in pid], dtype=np.bool_)

        sums = tally.add(walk, whole)
        wanted = set(sums.unsure.tolist())
        assert sums.spent.shape == (sums.row.size, len(OWN))
        for row, spent in zip(sums.row.tolist(), sums.spent, strict=True):
            pid = int(walk.pid[row])
            key = (pid, kernel.start[pid])
            assert (spent[: len(SPENT)] == spent[0]).all()
            least, waited = seen.get(key, (0, 0))
            assert least <= spent[0] <= kernel.truth(pid)
            assert waited <= spent[-1] == spent[-2] <= spent[0]  # what ended threads waited, as far as it was seen
            if told or pid not in wanted:
                assert spent[0] == kernel.truth(pid)
            seen[key] = int(spent[0]), int(spent[-1])

    for action, choice in actions:
        if action == "walk":
            look(wanted)
        elif action == "sweep":
            look(None)
        else:
            kernel.act(action, choice)
    look(wanted)
    assert not (told and wanted)
    look(wanted if told else None)
    assert not wanted
    assert all(seen[pid, kernel.start[pid]][0] == kernel.truth(pid) for pid in kernel.threads)
    look(None)
    assert len(tally) <= sum(len(threads) for threads in kernel.threads.values())


def test_a_thread_that_ends_while_one_walks_makes_no_sum_fall() -> None:
    """It was no longer met, and the leader, met before, did not have its share yet."""
    tally = Tally()

    def look(*records: tuple[int, int, int, int]) -> tuple[int, list[int]]:
        rows = np.zeros((len(records), RECORD), dtype=np.int64)
        for row, (tid, threads, dead, own) in zip(rows, records, strict=True):
            row[0], row[2], row[3], row[9] = tid << 32 | 1, 1, 1, threads << 32
            row[20:33], row[33:48] = dead, own
        sums = tally.add(Walk(rows), lambda pid: np.ones(pid.size, dtype=np.bool_))
        return int(sums.spent[0, 0]), sums.unsure.tolist()

    assert look((1, 3, 0, 10), (2, 3, 0, 5), (3, 3, 0, 7)) == (22, [])
    assert look((1, 3, 0, 11), (3, 2, 5, 7)) == (22, [1])
    assert look((1, 2, 5, 11), (3, 2, 5, 7)) == (23, [])


def test_one_thread_left_is_all_there_is() -> None:
    """No further walk is needed when the last of the others has ended."""
    tally = Tally()
    rows = np.zeros((2, RECORD), dtype=np.int64)
    rows[:, 0], rows[:, 9], rows[:, 2:4], rows[:, 33:] = [1 << 32 | 1, 2 << 32 | 1], 2 << 32, 1, 5
    assert not tally.add(Walk(rows), lambda pid: np.zeros(pid.size, dtype=np.bool_)).unsure.size
    rows[:, 9], rows[:, 20:33] = 1 << 32, 5
    sums = tally.add(Walk(rows[:1]), lambda pid: np.zeros(pid.size, dtype=np.bool_))
    assert sums.spent.tolist() == [[10] * len(OWN)] and not sums.unsure.size
