"""Which columns go on: the ones that matter in any case, then what is derived, then what varies most; ten in all."""

from __future__ import annotations

from proctop.offline import features
from proctop.offline.plan import KINDS
from proctop.offline.quality import Quality, variance
from proctop.offline.tables import Table

MOST, DERIVED = 10, 5
"""Columns that are selected, and of them derived ones."""

_DERIVED = ("_ratio", "_pressure", "_efficiency", "_balance", "_rate", features.MEAN)


def select(table: Table, quality: Quality) -> tuple[str, ...]:
    """Names out of ``features.names``, in the order in which they were chosen.

    The critical columns of the kind come first, whatever is said of them. Of the rest those go that are constant or have no number at
    all, and of two that correlate highly the second where the first is critical, else the first. Then at most five whose names tell that
    they are derived, and the highest variances. No column is taken twice.
    """
    critical = [name for name in KINDS[table.kind].critical if name in table.columns]
    out = set(quality.constant) | {column.name for column in quality.columns if column.missing == 1}
    for first, second, _ in quality.correlated:
        out.add(second if first in critical else first)
    rest = [name for name in features.names(table.kind, tuple(table.columns)) if name not in out and name not in critical]
    rest = [name for name in rest if name != "is_weekend"]  # no number: true or false
    chosen = critical + [name for name in rest if any(part in name for part in _DERIVED)][:DERIVED]
    left = [name for name in rest if name not in chosen]
    if len(chosen) < MOST:
        spread = {name: variance(features.column(table, name)) for name in left}
        chosen += sorted((name for name in left if spread[name] == spread[name]), key=lambda name: -spread[name])[: MOST - len(chosen)]
    return tuple(chosen)
