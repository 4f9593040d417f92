"""Detectors by name."""

from __future__ import annotations

from proctop.scoring.baseline import Baseline
from proctop.scoring.catalogue import BASELINE, MODEL, NAMES, UNKNOWN_COST, NoModel, imported
from proctop.scoring.protocol import Detector
from proctop.scoring.rowwise import RATES, RowWise

ROOM = 256 << 20
"""Bytes that the models of one detector may hold together."""

MOST = 2000
"""Models of one detector, however small they are."""


def make(name: str = BASELINE, *, budget: float = 6.0, scope: str = "global", share: float = 0.2) -> Detector:
    """A fresh detector; ``NoModel`` (a ``ValueError``) for a name that is neither in the catalogue nor the import path of a model.

    Args:
        budget: alerts an hour.
        scope: how many models, one of ``catalogue.SCOPES``; the baseline always knows every process.
        share: of each interval that a row-by-row model may take, ``inf`` = whatever it needs.
    """
    if name == BASELINE:
        return Baseline(budget=budget)
    return rowwise(name, budget=budget, scope=scope, share=share)


def rowwise(
    name: str, *, budget: float = 6.0, scope: str = "global", share: float = float("inf"), features: tuple[str, ...] = RATES
) -> RowWise:
    """As :func:`make`, for what is not the baseline."""
    if name not in NAMES and not imported(name):
        raise NoModel(f"no model named {name!r}; there are: {', '.join(NAMES)}")
    from proctop.scoring import river

    models = river.models(name, room(name, scope))
    known = MODEL.get(name)
    cost, whole = (known.cost, known.whole) if known else (UNKNOWN_COST, False)
    return RowWise(name, models, scope=scope, cost=cost, share=share, budget=budget, features=features, whole=whole)


def room(name: str, scope: str = "process") -> int:
    """How many models of this name there may be beside the shared one."""
    if scope == "global":
        return 1
    size = MODEL[name].size if name in MODEL else 100_000
    return min(MOST, ROOM // size)
