"""The default detector on processes whose normal is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from proctop.features import derive
from proctop.frames import Batch, Scores, Status
from proctop.records import ProcKey, Reading
from proctop.scoring.baseline import WARM_UP, Baseline
from proctop.scoring.catalogue import NAMES
from proctop.scoring.registry import make
from traffic import MB, MS, Host

QUIET = 120  # readings of normal life


class Session:
    """Thirty workers that do a little work each second, one (pid 10) that the test is about, and some that sleep."""

    def __init__(self, detector: Baseline | None = None, *, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.host = Host()
        self.detector = detector or Baseline()
        self.reading: Reading | None = None
        self.batch: Batch | None = None
        self.scores: Scores | None = None
        self.busy = list(range(10, 40))
        for pid in self.busy:
            self.host.born(pid, f"worker{pid % 3}x", container="c" * 64 if pid % 2 else "")
        for pid in range(100, 120):
            self.host.born(pid, "sleeper")

    def work(self, pid: int) -> None:
        bytes_ = self.rng.integers(1000, 4000, 2)
        self.host.did(
            pid, run_ns=float(self.rng.integers(1, 5)) * MS, vctx=float(self.rng.integers(3, 9)), minflt=float(self.rng.integers(0, 4))
        )
        self.host.did(pid, rchar=float(bytes_[0]), wchar=float(bytes_[1]), syscr=3, syscw=2)

    def step(self, deed: Callable[[Host], object] = lambda host: None, *, idle: tuple[int, ...] = (), dt: float = 1.0) -> Scores:
        for pid in self.busy:
            if pid not in idle:
                self.work(pid)
        deed(self.host)
        reading = self.host.read(dt)
        self.batch = derive(self.reading, reading, self.batch)
        self.reading = reading
        self.scores = self.detector.step(self.batch)
        return self.scores

    def live(self, readings: int = QUIET) -> Session:
        for _ in range(readings):
            self.step()
        return self

    def place(self, pid: int = 10) -> int:
        """1 = on top."""
        assert self.scores is not None
        rank = np.nan_to_num(self.scores.rank, nan=-1.0)
        return 1 + int((rank > rank[self.row(pid)]).sum())

    def row(self, pid: int) -> int:
        assert self.batch is not None
        return int(np.flatnonzero(self.batch.pid == pid)[0])

    def why(self, pid: int = 10) -> list[str]:
        assert self.scores is not None
        return [r.feature for r in self.scores.why.get(self.row(pid), ())]


@pytest.fixture(scope="module")
def fault_free() -> Session:
    return Session().live()


def children(host: Host, pids: range, ppid: int) -> None:
    """Started half a second before the reading."""
    for pid in pids:
        host.born(pid, f"job{pid}", age=-0.5, ppid=ppid)
        host.did(pid, run_ns=MS, minflt=50)


FAULTS: dict[str, tuple[Callable[[Host, int], object], set[str]]] = {
    "spins": (lambda h, t: h.did(10, run_ns=950 * MS, nvctx=30), {"cpu", "nvctx"}),
    "writes": (lambda h, t: h.did(10, wchar=38 * MB, write_bytes=38 * MB, syscw=600), {"wchar", "disk_write", "syscalls"}),
    "leaks": (lambda h, t: h.now(10, rss=(8 + 20 * (t + 1)) * MB, data=(4 + 20 * (t + 1)) * MB), {"rss_growth", "data_growth", "rss"}),
    "forks": (lambda h, t: children(h, range(1000 + 30 * t, 1030 + 30 * t), ppid=10), {"forks", "children"}),
    "opens files": (lambda h, t: h.now(10, fds=8.0 + 120 * (t + 1)), {"fd_growth", "fds"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_tops_the_table_within_three_readings_with_its_reason(name: str) -> None:
    deed, right = FAULTS[name]
    session = Session().live()
    places = []
    for t in range(3):
        deed(session.host, t)
        session.step()
        places.append(session.place())
    assert min(places) == 1
    assert session.why()[0] in right


def test_silence_tops_the_table_within_eight_readings() -> None:
    session = Session().live()
    places = []
    for _ in range(8):
        session.step(idle=(10,))
        places.append(session.place())
    assert places[-1] == 1
    assert session.scores is not None
    texts = [r.text for r in session.scores.why[session.row(10)]]
    assert any("no activity" in text or " low: " in text for text in texts)


def test_the_silence_of_a_kernel_thread_says_nothing() -> None:
    session = Session()
    session.host.born(50, "kworker/0:1", kernel=True)
    session.host.born(51, "worker0x")
    session.busy += [50, 51]
    session.live()
    for _ in range(12):
        scores = session.step(idle=(50, 51))
    assert scores.rank[session.row(51)] > 3 > 1 > scores.rank[session.row(50)]


def test_a_steady_leak_is_told_at_its_rate_from_the_first_reading() -> None:
    session = Session().live()
    for t in range(6):
        session.host.now(10, rss=(8 + 20 * (t + 1)) * MB, data=(4 + 20 * (t + 1)) * MB)
        session.step()
        assert session.scores is not None
        told = {r.feature: r.value for r in session.scores.why[session.row(10)]}
        assert told["rss_growth"] == pytest.approx(20 * MB, rel=0.02)


def test_normal_life_is_calm(fault_free: Session) -> None:
    assert fault_free.scores is not None and fault_free.batch is not None
    assert np.nanmax(fault_free.scores.rank) < 3 and not fault_free.scores.alerting.any()
    assert set(fault_free.scores.status.tolist()) == {Status.SCORED}


def test_nothing_is_scored_while_warming() -> None:
    session = Session()
    shares = []
    for _ in range(WARM_UP):
        scores = session.step()
        shares.append(session.detector.warming)
        assert np.isnan(scores.rank).all() and np.isnan(scores.per_hour).all() and not scores.alerting.any() and not scores.why
        assert set(scores.status.tolist()) == {Status.WARMING}
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] < 1
    assert not np.isnan(session.step().rank).any() and session.detector.warming == 1


def test_a_newcomer_is_judged_by_its_kind() -> None:
    session = Session().live()
    session.host.born(500, "worker1x", age=-0.5)
    session.step(lambda h: h.did(500, minflt=200, run_ns=5 * MS))
    assert session.scores is not None and session.scores.status[session.row(500)] == Status.NEW
    session.busy.append(500)
    session.live(6)
    scores = session.step(lambda h: h.did(500, wchar=500 * MB, syscw=9000))
    reasons = scores.why[session.row(500)]
    assert session.place(500) == 1 and reasons[0].against == "cohort" and "usual for worker1x" in reasons[0].text
    session.live(25)
    assert session.scores.status[session.row(500)] == Status.SCORED


def test_an_old_process_is_not_scored_at_first_sight() -> None:
    session = Session().live(40)
    scores = session.step(lambda h: h.born(500, "hidden", age=900, wchar=1e12))
    assert np.isnan(scores.rank[session.row(500)])
    assert not np.isnan(session.step().rank[session.row(500)])


def test_a_gap_is_not_scored_and_leaves_no_spike() -> None:
    session = Session().live(60)
    scores = session.step(lambda h: h.did(10, run_ns=1e12, wchar=1e12), dt=60.0)
    assert np.isnan(scores.rank).all() and not scores.alerting.any() and not scores.why
    assert np.nanmax(session.step().rank) < 3


def test_what_cannot_be_read_does_not_count() -> None:
    session = Session()
    session.host.now(10, rchar=np.nan, wchar=np.nan, syscr=np.nan, syscw=np.nan, fds=np.nan)
    session.live()
    session.step(lambda h: h.did(10, run_ns=900 * MS))
    assert session.place() == 1 and not set(session.why()) & {"rchar", "wchar", "syscalls", "fds", "fd_growth"}


@pytest.mark.filterwarnings("error")
def test_absurd_features_are_survived() -> None:
    session = Session().live(40)
    assert session.batch is not None
    values = session.batch.values.copy()
    values[:, ::3] = np.finfo(np.float32).max
    values[:, 1::3] = np.nan
    prev = np.arange(len(session.batch))
    wild = Batch(
        session.batch.schema,
        session.batch.pid,
        session.batch.start,
        values,
        session.batch.labels,
        1.0,
        prev,
        session.batch.active,
        session.batch.born,
    )
    for _ in range(3):
        scores = session.detector.step(wild)
    assert np.isfinite(scores.rank).all() and scores.rank.max() > 3


def test_a_new_regime_is_adopted_in_minutes_and_at_once_when_accepted() -> None:
    def until_calm(accept: bool) -> int:
        session = Session().live()
        for t in range(600):
            session.step(lambda h: h.did(10, wchar=38 * MB, write_bytes=38 * MB, syscw=6000, minflt=9000, run_ns=800 * MS, nvctx=900))
            if accept and t == 10:
                assert session.reading is not None
                session.detector.accept(session.reading.key(session.row(10)))
            if t > 10 and session.scores is not None and session.scores.rank[session.row(10)] < 1.5:
                return t
        return 600

    by_itself, accepted = until_calm(False), until_calm(True)
    assert accepted < 90 < by_itself < 500


def test_a_detector_may_join_a_session_under_way() -> None:
    session = Session().live(5)
    session.detector = Baseline()
    assert np.isnan(session.step().rank).all()
    session.live(WARM_UP)
    assert session.scores is not None and not np.isnan(session.scores.rank).any()


def test_detectors_are_made_by_name() -> None:
    assert all(make(name).name == name for name in NAMES)
    with pytest.raises(ValueError, match="no model named 'guess'"):
        make("guess")


def test_accepting_a_stranger_is_harmless() -> None:
    Baseline().accept(ProcKey(1, 1))


def test_an_exec_keeps_the_history_and_changes_the_kind() -> None:
    session = Session().live(60)
    session.step(lambda h: h.exec(10, "other"))
    assert session.scores is not None and session.scores.status[session.row(10)] == Status.SCORED


def test_a_process_that_was_put_into_a_container_while_it_slept_joins_it_when_it_wakes() -> None:
    session = Session().live(40)
    host, lives = session.host, session.detector._memory.lives
    host.label(100, container="d" * 64)
    session.step()
    host.label(100, container="d" * 64, image="app:1")
    host.did(100, run_ns=50 * MS, vctx=5)
    session.step()
    slot = int(session.detector._memory.slots[session.row(100)])
    assert lives.container[slot] > 0


def test_a_restarted_service_starts_warm() -> None:
    session = Session().live()
    session.busy.remove(10)
    session.host.gone(10)
    session.step(lambda h: h.born(600, "worker1x", age=-0.5))
    session.busy.append(600)
    ranks = []
    for _ in range(10):
        scores = session.step()
        ranks.append(float(scores.rank[session.row(600)]))
    assert max(ranks[5:]) < 1.5


def test_memory_follows_the_living_and_the_active() -> None:
    session = Session().live(20)
    lives = session.detector._memory.lives
    assert lives.books == len(session.busy)
    for t in range(60):
        pids = range(10_000 + 100 * t, 10_000 + 100 * t + 50)
        children(session.host, pids, ppid=1)
        session.step()
        session.host.gone(*pids)
    assert lives.slots < 200 and lives.books < 200


def test_the_same_readings_give_the_same_scores() -> None:
    one, two = Session().live(80), Session().live(80)
    assert one.scores is not None and two.scores is not None
    np.testing.assert_array_equal(one.scores.rank, two.scores.rank)
    assert one.scores.why == two.scores.why


def test_a_stranger_in_a_container_tops_the_table_with_the_reason() -> None:
    session = Session().live()
    session.step(lambda h: h.born(700, "xmrig", age=-0.5, container="c" * 64, ppid=11.0))
    for _ in range(4):
        scores = session.step(lambda h: h.did(700, run_ns=300 * MS, nvctx=40))
    assert session.place(700) == 1 and "new_executable" in session.why(700)
    said = {r.feature: r for r in scores.why[session.row(700)]}["new_executable"]
    assert said.text == f"first xmrig in {'c' * 12}, started by worker2x" and said.against == "container"


def test_a_stranger_that_spins_is_no_normal_of_its_own_within_seconds() -> None:
    session = Session().live()
    session.step(lambda h: h.born(700, "xmrig", age=-0.5, container="c" * 64, ppid=11.0))
    for _ in range(20):
        scores = session.step(lambda h: h.did(700, run_ns=900 * MS, nvctx=40))
    assert scores.rank[session.row(700)] > 4 and session.place(700) == 1
    said = {r.feature: r for r in scores.why[session.row(700)]}["cpu"]
    assert said.against == "host" and said.text.startswith("cpu 90 %, usual on this host ")


def test_the_first_acts_of_a_sleeper_are_judged_by_its_kind() -> None:
    session = Session().live(20)
    session.host.born(60, "worker1x")
    session.live(300)
    session.busy.append(60)
    ranks = []
    for _ in range(5):
        scores = session.step()
        ranks.append(float(scores.rank[session.row(60)]))
    assert max(ranks) < 1.5
    session.step(lambda h: h.did(60, wchar=40 * MB, syscw=900, run_ns=500 * MS))
    assert session.place(60) == 1


def test_the_first_readings_count_for_less() -> None:
    early, late = Session().live(WARM_UP + 5), Session().live(QUIET)
    ranks = [float(np.max(s.step(lambda h: h.did(10, wchar=40 * MB, syscw=900, run_ns=500 * MS)).rank)) for s in (early, late)]
    assert 0 < 2 * ranks[0] < ranks[1]


def waits(host: Host, share: float, *pids: int) -> None:
    for pid in pids:
        host.did(pid, wait_ns=share * 1e9, nvctx=1)


def test_one_that_waits_for_a_cpu_while_others_run_freely_stands_out() -> None:
    session = Session().live()
    for _ in range(3):
        scores = session.step(lambda host: waits(host, 0.5, 10))
    assert session.place() == 1 and scores.rank[0] > 3
    (reason, *_) = scores.why[0]
    assert reason.feature == "run_wait" and reason.text.startswith("waits for cpu 50 %, usual 0")


def test_where_everybody_waits_for_a_cpu_nobody_is_unusual() -> None:
    session = Session().live()

    def everybody(host: Host) -> None:
        for pid in session.busy:
            waits(host, 0.02 + 0.001 * pid, pid)

    for k in range(20):
        scores = session.step(everybody)
        assert float(np.nanmax(scores.rank)) < 2, k
        assert not any(reason.feature == "run_wait" for told in scores.why.values() for reason in told)


def test_what_tells_no_waits_is_scored_by_the_rest() -> None:
    session = Session()
    for pid in session.busy:
        session.host.now(pid, wait_ns=np.nan)
    scores = session.live().step(lambda host: host.did(10, run_ns=900 * MS, nvctx=100))
    assert session.place() == 1 and scores.why[0][0].feature == "cpu"
