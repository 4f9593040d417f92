"""One by one or a column at a time: the same detector."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proctop.features import derive
from proctop.frames import Batch
from proctop.records import Reading
from proctop.scoring.baseline import Baseline
from proctop.scoring.estimator import ProcessBaseline
from traffic import MB, MS, Host


def readings(seed: int, count: int) -> list[Reading]:
    """One process: steady work, pauses, a fault, growing memory, counters that fall."""
    rng = np.random.default_rng(seed)
    host = Host(hints=bool(seed % 2))
    host.born(7, "work")
    out = []
    for t in range(count):
        if rng.random() < 0.8 and not 50 < t < 56:
            host.did(7, run_ns=float(rng.integers(1, 9)) * MS, vctx=3, wchar=float(rng.integers(0, 9000)), syscw=2)
        if 70 <= t < 74:
            host.did(7, run_ns=900 * MS, utime=900 * MS, wchar=40 * MB, syscw=900, minflt=3000)
        if t % 11 == 3:
            host.now(7, rss=8 * MB + float(t) * MB, fds=8.0 + t, rchar=float(t % 3))
        out.append(host.read())
    return out


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_one_by_one_and_columnar_scores_agree(seed: int) -> None:
    columnar, single = Baseline(lazy=False), ProcessBaseline()
    before: Reading | None = None
    batch: Batch | None = None
    ranks = []
    for reading in readings(seed, 100):
        batch = derive(before, reading, batch)
        rank = float(columnar.step(batch).rank[0])
        if before is not None:
            x = batch.row(0)
            assert single.score_one(x) == (rank if rank == rank else 0.0)
            single.learn_one(x)
            ranks.append(rank)
        before = reading
    assert max(ranks[70:74]) > 2  # the fault was there to be scored
