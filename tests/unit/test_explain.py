"""Reasons in words with numbers."""

from __future__ import annotations

import doctest
from types import ModuleType

import numpy as np
import pytest

from proctop.features import derive
from proctop.fields import FEATURE, FEATURES, SCORED, Unit
from proctop.frames import Batch, Scores
from proctop.records import Reading
from proctop.scoring import explain, memory
from proctop.scoring.baseline import Baseline
from proctop.scoring.explain import quantity, span, usual, words
from proctop.scoring.tails import BINS, STEPS, bins, steps, value_at
from traffic import MB, MS, Host


@pytest.mark.parametrize("module", [explain, memory])
def test_examples(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("name", "lower", "value", "low", "high", "text"),
    [
        ("fd_growth", False, 120, 0, 0, "fds +120/s, usual 0"),
        ("cpu", False, 1.0, 0, 0.02, "cpu 100 %, usual 0–2 %"),
        ("forks", False, 30, 0, 0, "forks 30/s, usual 0"),
        ("children", False, 12, 0.7, 2.2, "12 children, usual 1–2"),
        ("rss", False, 3 * 2**30, 90 * MB, 140 * MB, "3 GB resident, usual 90–140 MB"),
        ("wchar", True, 0, MB, 2 * MB, "writes low: 0 B/s, usual 1–2 MB/s"),
        ("rss_growth", False, 5 * MB, 0, 900, "memory +5 MB/s, usual 0–900 B/s"),
        ("idle_s", False, 400, 0, 130, "no activity for 6.7 min, usual ≤ 2.2 min"),
    ],
)
def test_words(name: str, lower: bool, value: float, low: float, high: float, text: str) -> None:
    assert words(FEATURES[FEATURE[name]], lower, value, low, high) == text


def test_words_name_the_kind_when_that_is_the_yardstick() -> None:
    assert words(FEATURES[FEATURE["rchar"]], False, 2048, 0, 0, " for php") == "reads 2 KB/s, usual for php 0"


def test_every_scored_feature_can_be_said() -> None:
    for feature in SCORED:
        assert "{" not in words(feature, False, 12.0, 0.0, 3.0) + words(feature, True, 0.0, 1.0, 3.0)


@pytest.mark.parametrize("unit", [Unit.BYTES, Unit.PER_SECOND, Unit.SECONDS, Unit.SHARE, Unit.COUNT])
def test_numbers_stay_short(unit: Unit) -> None:
    for value in (0.0, 0.3, 9.99, 999.4, 1023.9, 1e6, 1e12):
        assert len(quantity(value, unit)) <= 15
    assert span(2.0, 2.0, unit) == quantity(2.0, unit)


def test_quantiles_come_back_in_the_unit_of_the_feature() -> None:
    rng = np.random.default_rng(1)
    sample = rng.lognormal(13, 0.8, 4000).astype(np.float32)
    hist = np.bincount(bins(steps(sample, np.array(4096.0))), minlength=BINS).astype(np.float32)
    low, high = usual(hist[None], np.array([4096.0]))
    assert low[0] == pytest.approx(np.quantile(sample, 0.05), rel=0.3)
    assert high[0] == pytest.approx(np.quantile(sample, 0.95), rel=0.3)
    assert [x[0] for x in usual(np.zeros((1, BINS), np.float32), np.array([1.0]))] == [0, 0]


def test_bins_and_values_agree() -> None:
    values = np.geomspace(1e-4, 1e6, 200).astype(np.float32)
    at = bins(steps(values, np.array(1.0))).astype(np.int64)
    inside = (at > 0) & (at < BINS - 1)
    assert (value_at(at, np.zeros(200), np.array(1.0)) <= values * 1.001)[inside].all()
    assert (value_at(at, np.ones(200), np.array(1.0)) >= values * 0.999)[inside].all()
    assert steps(values, np.array(1.0)).max() == STEPS - 1 and at.max() == BINS - 1


class Quiet:
    """Ten processes in steady work."""

    def __init__(self) -> None:
        self.host, self.detector = Host(), Baseline()
        self.reading: Reading | None = None
        self.batch: Batch | None = None
        for pid in range(10, 20):
            self.host.born(pid, "work")

    def step(self, **more: float) -> Scores:
        for pid in range(10, 20):
            self.host.did(pid, run_ns=2 * MS, vctx=5, wchar=1000, syscw=2)
        if more:
            self.host.did(10, **more)
        reading = self.host.read()
        self.batch = derive(self.reading, reading, self.batch)
        self.reading = reading
        return self.detector.step(self.batch)


def test_reasons_name_each_feature_once_at_most_three_and_only_where_something_is_up() -> None:
    quiet = Quiet()
    for _ in range(60):
        assert not quiet.step().why
    scores = quiet.step(run_ns=800 * MS, wchar=40 * MB, syscw=900, minflt=5000, nvctx=500, read_bytes=30 * MB)
    assert list(scores.why) == [0]
    names = [r.feature for r in scores.why[0]]
    assert len(names) == len(set(names)) == 3
    for reason in scores.why[0]:
        assert reason.against == "own" and reason.value > reason.usual[1] >= reason.usual[0] >= 0
        assert reason.text.startswith(words(FEATURES[FEATURE[reason.feature]], False, reason.value, *reason.usual))


def test_reasons_outlive_a_pause_as_the_rank_does() -> None:
    quiet = Quiet()
    for _ in range(60):
        quiet.step()
    burst = {"run_ns": 800 * MS, "wchar": 40 * MB, "syscw": 900.0, "minflt": 5000.0}
    for _ in range(3):
        scores = quiet.step(**burst)
    scores = quiet.step()
    assert scores.rank[0] >= explain.NOTABLE and scores.why[0]
    for _ in range(30):
        scores = quiet.step()
    assert not scores.why
