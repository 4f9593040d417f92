"""A profile as lines for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from proctop.offline.profile import Profile
from proctop.offline.quality import Column, Quality
from proctop.view.units import duration

_FEW = 5


def text(profiles: Sequence[Profile]) -> str:
    """Some lines for each table."""
    return "\n".join("".join(f"{title:12} {said}\n" for title, said in _lines(profile)) for profile in profiles)


def _lines(profile: Profile) -> list[tuple[str, str]]:
    q = profile.quality
    count, length, width = profile.windows
    size = f"{count * length * width * 4 / 1e6:,.0f} MB as a file"
    sample = f" of {q.total:,}" if q.rows < q.total - q.invalid else ""
    invalid = f", {q.invalid:,} without a time left out" if q.invalid else ""
    entities = f", {q.entities:,} {ENTITIES[q.table]}" if q.entities > 1 else ""
    return [
        (q.table, q.source),
        ("rows", f"{q.rows:,}{sample} × {len(q.columns)} columns{entities}{invalid}"),
        ("span", f"{moment(q.first)} to {moment(q.last)}{zone(q)}{every(q)}"),
        ("gaps", gaps(q)),
        ("missing", f"{q.missing:.2%} of all cells" + named("; much of", q.sparse)),
        ("constant", ", ".join(q.constant) or "none"),
        ("correlated", correlated(q, _FEW)),
        ("outliers", outliers(q, _FEW)),
        ("selected", ", ".join(profile.selected)),
        ("windows", f"{count:,} of {length} rows × {width} columns, {size}" if count else f"none: no stretch has {length} rows"),
    ]


ENTITIES = {"vmstat": "hosts", "iostat": "disks", "netstat": "interfaces", "process": "commands"}


def moment(micros: int) -> str:
    """As the clock on the wall showed it."""
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def zone(q: Quality) -> str:
    return f" {q.zone}" if q.zone else ""


def every(q: Quality) -> str:
    return f", every {duration(q.interval / 1e6, 9)}" if q.interval == q.interval else ""


def named(said: str, names: Sequence[str]) -> str:
    return f"{said} {', '.join(names)}" if names else ""


def gaps(q: Quality) -> str:
    """How many, and the longest."""
    if not len(q.gaps):
        return "none"
    longest = q.gaps[(q.gaps[:, 1] - q.gaps[:, 0]).argmax()].tolist()
    return f"{len(q.gaps):,} above 3 intervals, the longest {duration((longest[1] - longest[0]) / 1e6, 9)} from {moment(longest[0])}"


def correlated(q: Quality, most: int) -> str:
    pairs = sorted(q.correlated, key=lambda pair: -pair[2])
    more = f", {len(pairs) - most} more" if len(pairs) > most else ""
    return ", ".join(f"{a}–{b} {r:.3f}" for a, b, r in pairs[:most]) + more or "none"


def outliers(q: Quality, most: int) -> str:
    far = sorted((c for c in q.columns if c.outliers > 0), key=lambda c: -c.outliers)
    more = f", {len(far) - most} more" if len(far) > most else ""
    return ", ".join(f"{c.name} {c.outliers:.2%}" for c in far[:most]) + more or "none"


def as_json(profiles: Sequence[Profile]) -> str:
    """One object by kind of table; times as on the wall, shares from 0 to 1, null = unknown."""
    return json.dumps({profile.quality.table: _object(profile) for profile in profiles}, indent=2, ensure_ascii=False) + "\n"


def _object(profile: Profile) -> dict[str, Any]:
    q = profile.quality
    return {
        "file": q.source,
        "rows": q.rows,
        "rows_in_file": q.total,
        "invalid_timestamps": q.invalid,
        "entities": q.entities,
        "first": _iso(q.first),
        "last": _iso(q.last),
        "utc_offset": q.zone or None,
        "interval_s": _number(q.interval / 1e6),
        "temporal_gaps": [{"from": _iso(a), "to": _iso(b)} for a, b in q.gaps.tolist()],
        "missing": _number(q.missing),
        "memory_bytes": q.size,
        "constant_features": list(q.constant),
        "high_missing_features": list(q.sparse),
        "highly_correlated_pairs": [{"first": a, "second": b, "correlation": round(r, 6)} for a, b, r in q.correlated],
        "columns": {column.name: _column(column) for column in q.columns},
        "selected_features": list(profile.selected),
        "windows": list(profile.windows),
        "remarks": list(q.remarks),
    }


def _column(column: Column) -> dict[str, Any]:
    names = ("min", "q1", "median", "q3", "max")
    shares = {"variance": column.variance, "missing": column.missing, "outliers": column.outliers}
    return {name: _number(value) for name, value in (*shares.items(), *zip(names, column.quartiles, strict=True))}


def _number(value: float) -> float | None:
    return value if value == value else None


def _iso(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
