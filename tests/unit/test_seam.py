"""A session that goes over to a source that means other things by some names: who did not change is calm, all else is still seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from proctop.engine import Engine
from proctop.features import derive
from proctop.fields import SCHEMA
from proctop.frames import Batch, Departed, Frame, Scores
from proctop.records import Label, Reading
from proctop.scoring.baseline import WARM_UP, Baseline
from proctop.scoring.crowds import Crowds
from proctop.scoring.recall import AWAITED
from proctop.scoring.store import dump, load
from traffic import MB, MS, Host

SINGLE, CROWDS, SLEEPERS = range(10, 30), range(30, 38), range(100, 140)
KNOWN = 150  # readings before the change
CALM = 2.0  # nats


class Session:
    """Workers with one thread and with eight, and sleepers.

    By "bpf" switches, waits and run time are those of all threads, and resident memory is some pages less.
    """

    def __init__(self, detector: Baseline | None = None, *, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.host = Host()
        self.detector = detector or Baseline()
        self.source = ""
        self.reading: Reading | None = None
        self.batch: Batch | None = None
        for pid in (*SINGLE, *CROWDS):
            threads = 8.0 if pid in CROWDS else 1.0
            self.host.born(pid, f"worker{pid % 3}x" if pid in SINGLE else f"server{pid % 2}x", threads=threads, container="c" * 64)
        for pid in SLEEPERS:
            self.host.born(pid, "sleeper")

    def work(self, source: str) -> Reading:
        """Everybody's usual second, as ``source`` tells it."""
        for pid in (*SINGLE, *CROWDS):
            own = self.rng.integers(2, 6, 4).astype(float).tolist()
            others = float(self.rng.integers(50, 90)) * (pid in CROWDS)
            cpu = own[0] * MS + others // 20 * MS
            self.host.did(pid, run_ns=own[0] * MS, utime=cpu, vctx=own[1], nvctx=own[2] // 3, rchar=1000 * own[3], syscr=own[3])
            if source == "bpf":
                self.host.did(pid, run_ns=cpu - own[0] * MS, vctx=others, nvctx=others // 5, wait_ns=others * MS)
        if source != self.source:
            for pid in (*SINGLE, *CROWDS, *SLEEPERS):
                self.host.now(pid, rss=8 * MB - (240_000.0 if source == "bpf" else 0.0))
        return self.host.read()

    def step(self, source: str, deed: Callable[[Host], object] = lambda host: None) -> Scores:
        deed(self.host)
        reading = replace(self.work(source), source=source)
        self.source = source
        self.batch = derive(self.reading, reading, self.batch)
        self.reading = reading
        return self.detector.step(self.batch)

    def live(self, source: str, readings: int) -> float:
        """So many readings; the highest rank in them."""
        ranks = [self.step(source).rank for _ in range(readings)]
        return float(np.nanmax(ranks)) if not np.isnan(ranks).all() else 0.0


WAYS = [("proc", "bpf"), ("bpf", "proc")]


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_nobody_is_unusual_for_being_told_of_differently(first: str, then: str) -> None:
    session = Session()
    session.live(first, KNOWN)
    books = session.detector._memory.lives.books
    assert session.live(then, 80) < CALM
    assert session.detector._memory.lives.books == books  # who sleeps through it is no longer history


@pytest.mark.parametrize(("first", "then"), WAYS)
def test_groups_begin_anew(first: str, then: str) -> None:
    """Their sums include who ended, where that is told."""
    session, engine = Session(), Engine(Baseline())
    engine.watch("command")

    def step(source: str) -> Frame:
        reading = replace(session.work(source), source=source)
        session.source = source
        return engine.step(reading)

    for _ in range(KNOWN):
        before = step(first)
    assert all((groups.rank >= 0).all() for groups in before.groups.values())
    frames = [step(then) for _ in range(WARM_UP + 30)]
    for k, frame in enumerate(frames):
        for groups in frame.groups.values():
            assert np.isnan(groups.rank).all() == (k < WARM_UP)
            told = {name: groups.rank[i] for i, name in enumerate(groups.names) if name.startswith("server")}
            assert not any(rank >= CALM for rank in told.values()), (k, told)


def test_crowds_of_the_ended_begin_anew() -> None:
    session, crowds = Session(), Crowds()
    one = np.array([7])

    def rank(source: str, many: int) -> float:
        session.step(source)
        assert session.batch is not None
        nothing = np.full((len(SCHEMA), 1), np.nan, dtype=np.float32)
        ended = Departed(one, one, np.array([10]), [Label("job")], one * 0 + many, one > 0, np.zeros(1), np.zeros(1), nothing, nothing[0])
        return float(crowds.step(session.batch, ended).rank[0])

    assert [rank("proc", 2 + k % 2) for k in range(40)][-1] < CALM
    assert np.isnan([rank("bpf", 40 + k % 9) for k in range(10)]).all()
    assert max(rank("bpf", 40 + k % 9) for k in range(10, 40)) < CALM
    assert rank("bpf", 4000) > CALM


def test_what_means_the_same_is_judged_as_before() -> None:
    """In the readings just after the change: cpu of who has threads, switches of who has none."""
    session = Session()
    session.live("proc", KNOWN)
    session.step("bpf")

    def faults(host: Host) -> None:
        host.did(30, utime=900 * MS)
        host.did(10, vctx=4000)

    for _ in range(3):
        scores = session.step("bpf", faults)
    assert scores.rank[[20, 0]].min() > 3
    assert scores.why[20][0].feature == "cpu" and scores.why[0][0].feature == "vctx"


def test_what_was_forgotten_is_learned_again() -> None:
    session = Session()
    session.live("proc", KNOWN)
    session.live("bpf", 60)
    for _ in range(3):
        scores = session.step("bpf", lambda host: host.did(30, vctx=4000))
    assert int(np.nanargmax(scores.rank)) == 20 and scores.rank[20] > 3
    (reason, *_) = scores.why[20]
    assert reason.feature == "vctx" and reason.against == "own" and 30 < reason.usual[0] < reason.usual[1] < 150


def kept(source: str) -> Session:
    """A later session on the same processes, with what was learned of them by ``source``."""
    before = Session()
    before.live(source, KNOWN)
    detector = Baseline()
    detector.restore(load(dump(before.detector.learned("node1", "boot1"))), "node1", "boot1")
    before.detector, before.reading, before.batch = detector, None, None
    return before


def test_what_was_kept_waits_for_the_source_that_told_it() -> None:
    session = kept("bpf")
    assert session.live("proc", 5) < CALM and session.live("bpf", 3) < CALM
    for _ in range(3):
        scores = session.step("bpf", lambda host: host.did(30, vctx=4000))
    assert scores.rank[20] > 3 and scores.why[20][0].feature == "vctx"


def test_what_was_kept_does_not_wait_for_ever() -> None:
    session = kept("bpf")
    assert session.live("proc", AWAITED + 60) < CALM
    for _ in range(3):
        scores = session.step("proc", lambda host: host.did(30, vctx=50))
    assert scores.rank[20] > CALM and scores.why[20][0].feature == "vctx"


def test_a_file_that_does_not_say_who_told_it_is_taken_as_it_is() -> None:
    learned = kept("proc").detector.learned("node1", "boot1")
    assert learned.source == "proc"
    detector = Baseline()
    detector.restore(replace(learned, source=""), "node1", "boot1")
    session = Session(detector)
    session.live("proc", 2)
    assert detector._memory.source == "proc" and not detector._memory.anew
