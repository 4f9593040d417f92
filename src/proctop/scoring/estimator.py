"""The default detector as a River estimator: one process, one feature dict at a time.

>>> from proctop.scoring.estimator import ProcessBaseline
>>> model = ProcessBaseline()
>>> for second in range(60):
...     model.learn_one({"cpu": 0.02, "wchar": 4000.0 + second % 7})
>>> quiet, busy = model.score_one({"cpu": 0.02, "wchar": 4003.0}), model.score_one({"cpu": 0.9, "wchar": 4e7})
>>> quiet < 0.5 < 2.5 < busy
True
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from river import base

from proctop.features import LARGEST
from proctop.fields import FEATURE, FEATURES, SCHEMA, Kind
from proctop.frames import Batch
from proctop.records import Label
from proctop.scoring.baseline import Baseline

_RATES = [i for i, f in enumerate(FEATURES) if f.kind in (Kind.RATE, Kind.GROWTH)]
_LABELS = (Label("process"),)


class ProcessBaseline(base.AnomalyDetector):
    """Each process against its own normal: predictive tails of kernel histograms over what it does and what it holds.

    One estimator follows one process. Its scores are those of :class:`proctop.scoring.baseline.Baseline` over a session in which that
    process is alone and looked at in every reading, to the last bit: the rank in nats, smoothed over the last readings. For the first
    30 rows it is 0, because nothing is known yet.

    Features are those of :data:`proctop.fields.FEATURES`: rates per second and levels, in base units. An absent, NaN or infinite feature is
    missing; a negative one counts as 0; one that is not in the registry has no noise unit and is not looked at.

    Parameters
    ----------
    interval
        Seconds that each row covers.

    """

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self._detector = Baseline(lazy=False, small=True)
        self._detector.step(_batch({}, float("nan"), first=True))

    def learn_one(self, x: Mapping[Any, float]) -> None:
        """Learn one row; what is unusual is hardly learned, unless it lasts."""
        self._detector.step(_batch(x, self.interval), explain=0)

    def score_one(self, x: Mapping[Any, float]) -> float:
        """How unlike the rows before ``x`` is, in nats. Changes nothing."""
        rank = float(copy.deepcopy(self._detector).step(_batch(x, self.interval), explain=0).rank[0])
        return rank if rank == rank else 0.0


def _batch(x: Mapping[Any, float], dt: float, *, first: bool = False) -> Batch:
    """A reading of one process."""
    values = np.full((len(SCHEMA), 1), np.nan, dtype=np.float32)
    for name, value in x.items():
        if name in FEATURE and abs(value) <= LARGEST:
            values[FEATURE[name], 0] = value
    nobody = np.zeros(1, dtype=np.int64)
    active = np.array([bool((values[_RATES] > 0).any())])
    return Batch(SCHEMA, nobody, nobody, values, _LABELS, dt, nobody - first, active, np.zeros(1, np.bool_))
