"""River's models as detectors: their scores to the last bit, who gets which model, and what happens when there is no time for all."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frames import Proc, build
from notebooks import NOTEBOOKS
from proctop.export import lines, table
from proctop.frames import Batch, Status
from proctop.records import Container, Label, ProcKey
from proctop.scoring import river
from proctop.scoring.catalogue import BASELINE, MODEL, NAMES, NoModel
from proctop.scoring.models import Models
from proctop.scoring.registry import make, room, rowwise
from proctop.scoring.rowwise import RATES, WARM_UP, RowWise
from proctop.view import panel
from proctop.view.cells import UNICODE
from proctop.view.rows import Arranger, ViewState

NAN = float("nan")

Rows = list[dict[str, float]]


def some_rows(seed: int, count: int, *, fault: bool = False) -> Rows:
    """Rows of ``count`` processes; of each, features are missing now and then. The last one misbehaves."""
    luck = random.Random(seed)
    rows = [{name: luck.expovariate(0.01 / (k + 1)) for name in RATES if luck.random() < 0.9} for k in range(count)]
    if fault:
        rows[-1].update(wchar=1e9, cpu=1e6)
    return rows


def batch(rows: Rows, tick: int, *, labels: list[Label] | None = None, first_pid: int = 10) -> Batch:
    """The same processes in every reading."""
    n = len(rows)
    keys = [ProcKey(first_pid + i, 100 + i) for i in range(n)]
    made = Batch.from_rows(keys, rows, labels or [Label(f"work{i}") for i in range(n)], 1.0 if tick else NAN, RATES)
    made.prev[:] = np.arange(n) if tick else -1
    return made


def shuffled(made: Batch, order: list[int], before: list[int]) -> Batch:
    """``made`` with its rows in another order, after a batch whose rows were in the order ``before``."""
    prev = np.array([before.index(i) if made.prev[i] >= 0 else -1 for i in order])
    labels = [made.labels[i] for i in order]
    return Batch(made.schema, made.pid[order], made.start[order], made.values[:, order], labels, made.dt, prev, made.active, made.born)


def fast(name: str, **more: Any) -> RowWise:
    return rowwise(name, **more)


@pytest.mark.parametrize("name", list(NOTEBOOKS))
def test_scores_are_rivers_own_to_the_last_bit(name: str) -> None:
    detector, model = fast(name), NOTEBOOKS[name]()
    detector.step(batch(some_rows(0, 4), 0))
    for tick in range(1, 40):
        made = batch(some_rows(tick, 4, fault=tick == 30), tick)
        detector.step(made)
        for i, x in enumerate(made.rows()):
            score = model.score_one(x)
            assert detector.raw[i] == score
            if "quantile" in name:
                assert detector.flagged[i] == model["QuantileFilter"].classify(score)
            model.learn_one(x)


def test_only_quantile_models_say_what_is_an_anomaly() -> None:
    assert {name for name in NAMES if name != BASELINE and fast(name).models.flags} == {"ocsvm-quantile", "ocsvm-rbf-quantile"}


def test_the_catalogue_holds_the_models_there_are() -> None:
    assert {BASELINE, *river.PIPELINES} == set(NAMES)
    assert all(model.good and model.cost > 0 for model in MODEL.values())
    for name, pipeline in river.PIPELINES.items():
        assert [part.split("(")[0] for part in MODEL[name].steps.split(" | ")] == list(pipeline().steps)


@pytest.mark.parametrize("name", [name for name in NAMES if name != BASELINE])
@pytest.mark.parametrize("scope", ["global", "comm"])
def test_scores_do_not_depend_on_the_order_of_processes(name: str, scope: str) -> None:
    straight, mixed = make(name, scope=scope), make(name, scope=scope)
    labels = [Label("a"), Label("a"), Label("b"), Label("b"), Label("c")]
    before = list(range(5))
    for tick in range(WARM_UP + 3):
        made = batch(some_rows(tick, 5), tick, labels=labels)
        order = random.Random(tick).sample(range(5), 5)
        one, other = straight.step(made), mixed.step(shuffled(made, order, before))
        before = order
        assert np.array_equal(one.rank[order], other.rank, equal_nan=True)
        assert {made.pid[i]: why for i, why in one.why.items()} == {made.pid[order[i]]: why for i, why in other.why.items()}


@pytest.mark.parametrize("scope", ["container", "image", "comm", "process"])
def test_every_scope_has_models_of_its_own(scope: str) -> None:
    inside = [Container("a" * 64, image="redis"), Container("b" * 64, image="redis"), Container("c" * 64, image="web"), None]
    labels = [Label(f"work{i // 2}", container=inside[i % 4]) for i in range(4)]
    share = {"container": [0, 1, 2, 3], "image": [0, 0, 2, 3], "comm": [0, 0, 2, 2], "process": [0, 1, 2, 3]}[scope]
    detector, direct = fast("ocsvm", scope=scope), {k: NOTEBOOKS["ocsvm"]() for k in share}
    for tick in range(20):
        made = batch(some_rows(tick, 4), tick, labels=labels)
        detector.step(made)
        if tick:
            for i, x in enumerate(made.rows()):
                assert detector.raw[i] == direct[share[i]].score_one(x)
                direct[share[i]].learn_one(x)


def test_a_fault_comes_first_with_reasons_in_words() -> None:
    detector = fast("loda")
    for tick in range(60):
        scores = detector.step(batch(some_rows(tick, 8, fault=tick == 59), tick))
    assert int(np.nanargmax(scores.rank)) == 7
    assert {reason.feature for reason in scores.why[7]} >= {"wchar", "cpu"}
    assert len(scores.why[7]) <= 3
    assert any(reason.text.startswith("writes 954 MB/s, usual on this host ") for reason in scores.why[7])


def test_warming_new_and_scored() -> None:
    detector = fast("ocsvm")
    for tick in range(WARM_UP):
        scores = detector.step(batch(some_rows(tick, 3), tick))
        assert np.isnan(scores.rank).all()
        assert not scores.alerting.any()
        assert set(scores.status.tolist()) == {Status.WARMING}
    assert detector.warming < 1
    made = batch(some_rows(99, 4), 1)
    made.prev[3] = -1
    made.born[3] = True
    scores = detector.step(made)
    assert scores.status.tolist() == [Status.SCORED] * 3 + [Status.NEW]
    assert np.isfinite(scores.rank).all()


def test_an_interval_that_is_none_is_not_scored_and_not_learned() -> None:
    with_gap, without = fast("ocsvm"), fast("ocsvm")
    for tick in range(40):
        for detector in (with_gap, without):
            detector.step(batch(some_rows(tick, 3), tick))
    gap = batch(some_rows(7, 3), 0)
    gap.prev[:] = np.arange(3)
    assert np.isnan(with_gap.step(gap).rank).all()
    after = batch(some_rows(41, 3), 41)
    assert np.array_equal(with_gap.step(after).rank, without.step(after).rank)


def test_a_slow_model_looks_at_some_in_turn_and_says_so() -> None:
    detector = make("ocsvm-rbf", share=10.5 * MODEL["ocsvm-rbf"].cost * 1e-6)
    assert isinstance(detector, RowWise)
    detector.step(batch(some_rows(0, 25), 0))
    looked = []
    for tick in range(1, 6):
        scores = detector.step(batch(some_rows(tick, 25), tick))
        looked.append(np.flatnonzero(~np.isnan(detector.raw)).tolist())
    assert [len(turn) for turn in looked] == [10] * 5
    assert sorted(i for turn in looked for i in turn) == sorted([*range(25), *range(25)])
    assert scores.notes == ("ocsvm-rbf is slow: it scores 10 of 25 processes a reading, each once in 3",)


def test_a_row_that_waits_for_its_turn_keeps_its_score() -> None:
    detector = make("ocsvm", share=1.5 * MODEL["ocsvm"].cost * 1e-6)
    for tick in range(80):
        scores = detector.step(batch(some_rows(tick, 2), tick))
    assert np.isfinite(scores.rank).all()


def test_without_hurry_there_is_nothing_to_say() -> None:
    detector = make("ocsvm")
    for tick in range(4):
        assert detector.step(batch(some_rows(tick, 25), tick)).notes == ()


def test_models_are_bounded_and_who_finds_no_room_shares_one() -> None:
    made: list[Any] = []

    def factory() -> Any:
        made.append(NOTEBOOKS["ocsvm"]())
        return made[-1]

    models = Models(factory, lambda model: None, 2)
    models.turn()
    a, b, c = (models.of(key) for key in "abc")
    assert (a.place, b.place, c.place, models.sharing) == (1, 2, 0, 1)
    assert models.of("a") is a
    models.turn()
    assert models.of("d").place == 2  # b was used longest ago
    assert models.fresh == [2]
    assert models.of("a") is a
    assert len(made) == 4


def test_many_processes_born_and_gone_leave_nothing_behind() -> None:
    detector = fast("ocsvm", scope="process")
    for tick in range(60):
        made = batch(some_rows(tick, 50), 1, first_pid=10 + 50 * tick)
        made.prev[:] = -1
        made.born[:] = True
        detector.step(made)
    assert detector._slots.n.size <= 100
    assert len(detector.models._seats) <= room("ocsvm")


@pytest.mark.parametrize("name", [name for name in NAMES if name != BASELINE])
def test_odd_rows_do_no_harm(name: str) -> None:
    detector = make(name)
    odd = [{}, {"cpu": NAN}, {"cpu": float("inf"), "wchar": 1e30}, {"cpu": -4.0}, {"cpu": 1.0}]
    for tick in range(WARM_UP + 10):
        rows: Rows = [{**x, "threads_later": 1.0} if tick > 20 else dict(x) for x in odd]
        for x in rows:
            x.pop("threads_later", None)
            x.update({"vctx": float(tick)} if tick > 20 else {})  # a feature that appears
        scores = detector.step(batch(rows, tick))
    assert np.isfinite(scores.rank).all()


def test_accepting_teaches_the_row() -> None:
    detector = fast("ocsvm")
    for tick in range(50):
        detector.step(batch(some_rows(tick, 4, fault=tick == 49), tick))
    strange = detector.raw[3]
    detector.accept(ProcKey(13, 103))
    detector.step(batch(some_rows(49, 4, fault=True), 50))
    assert abs(detector.raw[3]) < abs(strange)


def test_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_models.py").write_text(
        "class Last:\n"
        "    seen = 0.0\n"
        "    def score_one(self, x): return abs(x.get('cpu', 0.0) - self.seen)\n"
        "    def learn_one(self, x): self.seen = x.get('cpu', 0.0)\n"
        "def wants(more): ...\n"
        "number = 7\n"
        "class Odd: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    detector = fast("shop_models:Last", scope="process")
    for tick in range(3):
        detector.step(batch([{"cpu": 0.25 * tick}, {"cpu": 1.0}], tick))
    assert detector.raw.tolist() == [0.25, 0.0]
    for name, said in (
        ("shop_modelz:Last", "No module named 'shop_modelz'"),
        ("shop_models:Lost", 'shop_models has no "Lost"'),
        ("shop_models:wants", "missing 1 required positional argument"),
        ("shop_models:number", "not callable"),
        ("shop_models:Odd", "made a Odd, which has no score_one and learn_one"),
        ("forest", "no model named 'forest'"),
    ):
        with pytest.raises(NoModel, match=said):
            make(name)


def test_an_incident_leaves_the_calibration_alone() -> None:
    told, left = fast("loda"), fast("loda")
    for tick in range(WARM_UP + 60):
        for detector in (told, left):
            detector.step(batch(some_rows(tick, 8, fault=50 <= tick < 60), tick))
        if tick == 58:
            told.incident(ProcKey(17, 107))
    high = np.full(1, 3.0, dtype=np.float32)
    assert told._calibration.per_hour(high) < left._calibration.per_hour(high)
    told.incident(ProcKey(1, 1))


def test_remarks_of_a_detector_reach_screen_and_exports() -> None:
    frame = build([Proc(1, "init", features={"rss": 1e6})])
    frame = replace(frame, scores=replace(frame.scores, notes=("loda is slow",)))
    rows = Arranger().arrange(frame, ViewState())
    assert lines.reading(frame, rows.order)["notes"][-1] == "loda is slow"
    assert "loda is slow" in table.as_table(frame, rows).splitlines()
    said = "".join(cell.text for cell in panel.header(frame, 200, UNICODE, panel.Mode()).cells)
    assert "loda is slow" in said
