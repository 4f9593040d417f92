"""Detectors by name."""

from __future__ import annotations

from proctop.scoring.baseline import Baseline
from proctop.scoring.protocol import Detector

NAMES: tuple[str, ...] = (Baseline.name,)


def make(name: str = Baseline.name, *, budget: float = 6.0) -> Detector:
    """A fresh detector; ``ValueError`` for a name that is not in :data:`NAMES`. ``budget``: alerts an hour."""
    if name not in NAMES:
        raise ValueError(f"no model named {name!r}; there are: {', '.join(NAMES)}")
    return Baseline(budget=budget)
