"""The default detector as a River estimator: River's own checks, on rows of a process that now and then misbehaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from river import checks, compose, datasets
from river.base import AnomalyDetector

from proctop.fields import FEATURES, Kind
from proctop.scoring.estimator import ProcessBaseline

Row = tuple[dict[str, float], int]


class Process:
    """Stands in for the data set that River downloads for anomaly detectors. One row in fifty is a fault.

    ``take`` gives a fifth of what is asked, to save time.
    """

    def take(self, count: int) -> Iterator[Row]:
        return islice(self._rows(), count // 5)

    def _rows(self) -> Iterator[Row]:
        luck = random.Random(7)
        for i in range(10**9):
            fault = i > 40 and i % 50 < 2
            size = 30.0 if fault else 1.0
            x = {f.name: f.noise * luck.expovariate(1.0) * (size if f.kind is Kind.RATE else 1.0) for f in FEATURES if f.noise > 0}
            yield {**x, "idle_s": 0.0, "temperature": luck.random()}, int(fault)


def _checks() -> list[Callable[[AnomalyDetector], None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "CreditCard", Process)
        return list(checks.yield_checks(ProcessBaseline()))


@pytest.mark.parametrize("check", _checks(), ids=lambda check: check.__name__)
def test_rivers_checks_pass(check: Callable[[AnomalyDetector], None]) -> None:
    check(ProcessBaseline().clone())


def test_nothing_is_skipped_and_detection_is_among_the_checks() -> None:
    assert ProcessBaseline()._unit_test_skips() == set()
    assert {"check_roc_auc", "check_pickling", "check_bounded_memory_growth"} <= {check.__name__ for check in _checks()}


def test_it_works_at_the_end_of_a_pipeline() -> None:
    model = compose.Pipeline(compose.Discard("temperature"), ProcessBaseline())
    for x, _ in Process().take(300):
        model.score_one(x)
        model.learn_one(x)
    assert model.score_one({"cpu": 9.0, "wchar": 1e8}) > 2


def test_scoring_changes_nothing() -> None:
    model, never_asked = ProcessBaseline(), ProcessBaseline()
    for x, _ in Process().take(300):
        assert model.score_one(x) == model.score_one(x) == never_asked.score_one(x)
        model.learn_one(x)
        never_asked.learn_one(x)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1e300, -5.0])
def test_odd_values_do_no_harm(odd: float) -> None:
    model = ProcessBaseline()
    for x, _ in Process().take(300):
        model.learn_one({**x, "cpu": odd, "rchar": odd})
    calm = model.score_one({"cpu": 0.0, "wchar": 4096.0, "idle_s": 0.0})
    assert 0 <= calm < 2


def test_a_feature_that_appears_late_and_one_that_never_changes() -> None:
    model = ProcessBaseline()
    for i in range(200):
        model.learn_one({"threads": 4.0, **({"wchar": 4000.0 + i % 9} if i > 100 else {})})
    assert model.score_one({"threads": 4.0, "wchar": 4004.0}) < 0.5
    assert model.score_one({"threads": 64.0, "wchar": 4004.0}) > 2
