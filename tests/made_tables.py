"""Tables of the four kinds to try things on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from proctop.offline.plan import KINDS


def made(kind: str, rows: int, seed: int = 1, *, missing: float = 0.0, entities: int = 1) -> pd.DataFrame:
    """A table without ties and gaps: one row every 97 seconds for each entity, by time. Some columns correlate, one is constant."""
    rng = np.random.default_rng(seed)
    n = rows * entities
    frame: dict[str, Any] = {"timestamp": pd.date_range("2025-07-03 22:10:00", periods=rows, freq="97s").repeat(entities)}
    if entities > 1:
        frame[KINDS[kind].entity[0]] = [f"{kind}{i}" for i in range(entities)] * rows
    for i, name in enumerate(KINDS[kind].columns):
        frame[name] = np.round(rng.gamma(2.0, 3.0 * (i + 1), n) + (rng.random(n) > 0.99) * 500.0, 3)
    if kind == "vmstat":
        frame["fr"] = np.full(n, 7.0)
        frame["cs"] = frame["interface_in"] * 2 + np.round(rng.normal(0, 0.1, n), 3)
    if kind == "iostat":
        frame["kb_wrtn"] = frame["kb_read"] * 20
        frame["avg_wait_time"] = frame["service_time"] * 1.5
    table = pd.DataFrame(frame)
    for name in KINDS[kind].columns:
        table.loc[rng.random(n) < missing, name] = np.nan
    return table
