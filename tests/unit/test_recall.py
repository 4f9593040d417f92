"""A detector that begins with what another one learned, and what the user tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from proctop.features import derive
from proctop.frames import Status
from proctop.records import Container, Label, ProcKey
from proctop.scoring.baseline import Baseline
from proctop.scoring.calibration import Episodes
from proctop.scoring.kinds import Kinds
from proctop.scoring.store import Learned, dump, load
from traffic import MB, MS, Host


def busy_host(pids: range = range(10, 30)) -> Host:
    host = Host()
    for pid in pids:
        host.born(pid, f"worker{pid % 3}x")
    return host


def work(host: Host, rng: np.random.Generator) -> None:
    """Processes that read a little each second."""
    for pid in range(10, 30):
        host.did(pid, run_ns=float(rng.integers(1, 5)) * MS, vctx=float(rng.integers(3, 9)), rchar=float(rng.integers(1000, 4000)), syscr=3)


def watching(host: Host, detector: Baseline) -> Iterator[None]:
    rng = np.random.default_rng(host.seq)
    reading = batch = None
    while True:
        work(host, rng)
        now = host.read()
        batch = derive(reading, now, batch)
        reading = now
        detector.step(batch)
        yield


def watch(host: Host, detector: Baseline, readings: int) -> None:
    for _ in islice(watching(host, detector), readings):
        pass


@pytest.fixture(scope="module")
def session() -> tuple[Host, Learned]:
    host, detector = busy_host(), Baseline()
    watch(host, detector, 150)
    return host, load(dump(detector.learned("node1", "boot1")))


def first_scores(session: tuple[Host, Learned], host: str, boot: str) -> tuple[float, Status, int]:
    """Warming, status and samples of pid 10 after the second reading of a new session on the same processes."""
    before, past = session
    detector = Baseline()
    detector.restore(past, host, boot)
    began = replace(before.read(), changed=None)
    first = derive(None, began, None)
    detector.step(first)
    before.did(10, run_ns=2 * MS, vctx=5)
    scores = detector.step(derive(began, before.read(), first))
    memory = detector._memory
    return detector.warming, Status(int(scores.status[0])), int(memory.lives.n[memory.slots[0]])


def test_a_restart_knows_its_processes(session: tuple[Host, Learned]) -> None:
    warming, status, samples = first_scores(session, "node1", "boot1")
    assert (warming, status) == (1.0, Status.SCORED) and samples > 100


def test_after_a_reboot_pids_are_strangers_and_the_host_is_known(session: tuple[Host, Learned]) -> None:
    warming, status, samples = first_scores(session, "node1", "boot2")
    assert (warming, status, samples) == (1.0, Status.NEW, 1)


def test_another_host_is_warmed_up_for_itself(session: tuple[Host, Learned]) -> None:
    warming, status, _ = first_scores(session, "node2", "boot1")
    assert warming < 1 and status == Status.WARMING
    detector = Baseline()
    detector.restore(session[1], "node2", "boot1")
    assert detector._memory.cohorts.mass.max() > 100  # its names are known all the same
    assert detector._calibration.began is None and not detector._memory.host.mass.any() and not detector._memory.novelty.met


def test_a_saved_memory_is_the_same_once_restored(session: tuple[Host, Learned]) -> None:
    past = session[1]
    detector = Baseline()
    detector.restore(past, "node1", "boot1")
    again = detector.learned("node1", "boot1")
    for name in ("cohort_hist", "container_hist", "host_hist"):
        np.testing.assert_array_equal(getattr(past, name), getattr(again, name))
    assert (past.cohorts, past.met, past.peaks, past.reading) == (again.cohorts, again.met, again.peaks, again.reading)


def test_a_memory_is_copied_in_pieces_while_processes_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.scoring.recall.PIECE", 6)
    host, detector = busy_host(), Baseline()
    session = watching(host, detector)
    for _ in range(40):
        next(session)
    at_once = detector.learned("h", "b")
    pieces = list(detector.learning("h", "b"))
    assert pieces[:-1] == [None] * 3 and pieces[-1] is not None
    np.testing.assert_array_equal(at_once.life_hist, pieces[-1].life_hist)
    assert at_once.pid.tolist() == pieces[-1].pid.tolist() == list(range(10, 30))
    under_way = detector.learning("h", "b")
    assert next(under_way) is None
    host.born(99, "late")
    next(session)
    whole = next(piece for piece in under_way if piece is not None)
    assert set(whole.pid.tolist()) == set(range(10, 30)) and load(dump(whole)).reading == 40


def test_saving_changes_nothing() -> None:
    one, two = Baseline(), Baseline()
    host, other = busy_host(), busy_host()
    for _ in range(4):
        watch(host, one, 40)
        watch(other, two, 40)
        one.learned("h", "b")
    np.testing.assert_array_equal(one._memory.lives.hist[:20], two._memory.lives.hist[:20])
    np.testing.assert_array_equal(one._memory.lives.fast[:20], two._memory.lives.fast[:20])


def test_a_new_container_of_a_known_image_begins_with_what_the_image_does() -> None:
    kinds = Kinds(3)
    first = kinds.join("a" * 64)
    kinds.hist[first, 0, 5] = kinds.mass[first, 0] = 600
    kinds.liken(first, "redis:7")
    second, other = kinds.join("b" * 64), kinds.join("c" * 64)
    kinds.liken(second, "redis:7")
    kinds.liken(other, "nginx:1")
    assert 0 < kinds.mass[second, 0] <= 60 and kinds.mass[other].max() == 0
    again = Kinds(3)
    again.restore(*kinds.state())
    late = Kinds(2)
    late.restore(*kinds.state())
    assert len(again.state()[0]) == 3 and len(late.state()[0]) == 2
    fresh = again.join("d" * 64)  # in the place of the one least recently met, which has no members any more
    again.liken(fresh, "redis:7")
    assert 0 < again.mass[fresh, 0] <= 60 and "a" * 64 not in dict(again.state()[0])


def test_a_container_learns_from_its_image_once_its_name_is_known() -> None:
    detector = Baseline()
    host = Host()
    for pid in (10, 11):
        host.born(pid, "redis", container=str(pid) * 32)
    for pid, image in ((10, "redis:7"), (11, "")):
        host._label[pid] = Label("redis", container=Container(str(pid) * 32, image=image))
    reading = batch = None
    for t in range(60):
        host.did(10, run_ns=3 * MS, rchar=4000.0, syscr=9)
        if t == 50:
            host._label[11] = Label("redis", container=Container("11" * 32, image="redis:7"))
        if t > 50:
            host.did(11, run_ns=3 * MS, rchar=4000.0, syscr=9)
        now = host.read()
        batch = derive(reading, now, batch)
        reading = now
        detector.step(batch)
    assert len(detector._memory.containers._latest) == 1


def test_the_peak_of_an_incident_is_not_counted() -> None:
    nobody = np.zeros(0, dtype=np.intp)

    def peaks(incident: bool) -> list[float]:
        episodes, told = Episodes(), []
        for t in range(40):
            alert = np.array([0.0, 5.0 if t < 5 else 0.0, 3.0 if t < 9 else 0.0], dtype=np.float32)
            told += episodes.step(float(t), alert, nobody)
            if incident and t == 3:
                episodes.drop(np.array([1, 0]))
        return told

    assert sorted(peaks(False)) == [3.0, 5.0] and peaks(True) == [3.0]


def test_marking_a_stranger_is_harmless() -> None:
    Baseline().incident(ProcKey(1, 1))


def test_what_is_accepted_is_calm_within_seconds() -> None:
    host, detector = busy_host(), Baseline()
    rng = np.random.default_rng(1)
    reading = batch = None
    calm = 0
    for t in range(-120, 60):
        work(host, rng)
        if t >= 0:
            host.did(10, wchar=38 * MB, syscw=6000, run_ns=800 * MS, nvctx=900)
        now = host.read()
        batch = derive(reading, now, batch)
        reading = now
        scores = detector.step(batch)
        if t == 10:
            assert scores.rank[0] > 5
            detector.accept(now.key(0))
        calm = t if not calm and t > 10 and scores.rank[0] < 1.5 else calm
    assert 10 < calm < 30


def test_20000_processes_born_and_gone_leave_nothing_behind() -> None:
    """In a minute, a third of a thousand each second: slots, books, groups and what is kept for a save stay small."""
    host, detector = busy_host(range(10, 15)), Baseline()
    reading = batch = None
    before: list[int] = []
    for t in range(60):
        host.gone(*before)
        before = [1000 + 334 * t + i for i in range(334)]
        for pid in before:
            host.born(pid, f"job-{pid}-{'abc'[pid % 3]}", age=-0.4, container=f"{pid % 700:064x}" if pid % 2 else "")
            host.did(pid, run_ns=2 * MS, vctx=3, wchar=100.0)
        now = host.read()
        batch = derive(reading, now, batch)
        reading = now
        detector.step(batch)
    memory = detector._memory
    assert memory.lives.slots <= 3 * 334 and memory.lives.books <= 3 * 334
    assert memory.lives.slots == len(memory.lives._free) + len(now)
    assert len(memory.cohorts._members) <= 1000 and len(memory.containers._members) <= 500
    assert len(memory.novelty.met) <= 16_384 and len(memory.arrived) <= len(now)
    assert len(detector._explainer._said) <= 64
    assert detector.learned("h", "b").life_hist.shape[0] <= len(now)
