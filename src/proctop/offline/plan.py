"""What a profile is made with, and the four kinds of tables it knows. Costs no import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

CLOCK = "timestamp"
"""The column that tells when."""

HOSTS = ("host", "hostname", "server")
"""Columns that tell hosts apart, in tables of any kind."""


class TableError(ValueError):
    """What is wrong with a table, or with what is to become of it, in one line that names file, row and column."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of table.

    Attributes:
        columns: numbers that are looked at, where a table has them.
        critical: those of them that it must have; they are always selected.
        entity: what the column is called that says of which disk, interface or command a row tells; () = of the host.
    """

    columns: tuple[str, ...]
    critical: tuple[str, ...]
    entity: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "vmstat": Kind(
        ("r", "b", "avm", "fre", "pi", "po", "fr", "interface_in", "cs", "us", "sy", "idle"),
        ("us", "sy", "idle", "r", "b"),
    ),
    "iostat": Kind(
        ("tps", "kb_read", "kb_wrtn", "service_time", "avg_queue_size", "avg_wait_time"),
        ("tps", "service_time", "avg_queue_size"),
        ("disk", "device", "disk_name"),
    ),
    "netstat": Kind(
        ("ipkts", "opkts", "ierrs", "oerrs", "ipkts_rate", "opkts_rate", "ierrs_rate", "oerrs_rate"),
        ("ipkts_rate", "opkts_rate"),
        ("interface", "iface", "name"),
    ),
    "process": Kind(("cpu", "mem"), ("cpu", "mem"), ("command",)),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How tables become windows.

    Attributes:
        length, stride: rows of a window, and rows from one window to the next.
        sample: share of a file that is read, in contiguous stretches drawn with ``seed``; ``random``: single rows instead.
        correlation: two columns correlate highly above this, by amount; missing: share of a column that may be missing.
        variance: a column that varies less is constant.
    """

    length: int = 50
    stride: int = 1
    sample: float = 1.0
    seed: int = 42
    random: bool = False
    correlation: float = 0.95
    missing: float = 0.1
    variance: float = 0.01


def kinds_of(words: Sequence[str]) -> dict[str, str]:
    """Kind → file, out of ``KIND=FILE`` and, for a recording of all, ``FILE`` (under ""). Raises TableError.

    >>> kinds_of(["vmstat=a.csv", "b.proctop"])
    {'vmstat': 'a.csv', '': 'b.proctop'}
    """
    out: dict[str, str] = {}
    for word in words:
        kind, equals, path = word.partition("=")
        if not equals or (kind not in KINDS and os.path.exists(word)):
            kind, path = "", word
        if kind and kind not in KINDS:
            raise TableError(f'no table "{kind}"; there are {", ".join(KINDS)}')
        if kind in out:
            raise TableError(f"{kind or 'a recording'} is given twice")
        if not path:
            raise TableError(f"{kind}= wants a file")
        out[kind] = path
    return out


def wrong(plan: Plan) -> str:
    """What of a plan cannot be, "" = nothing."""
    if not 1 <= plan.length <= 100_000:
        return f"--length: {plan.length} is out of range; give 1 to 100000 rows"
    if not 1 <= plan.stride <= 1_000_000:
        return f"--stride: {plan.stride} is out of range; give 1 to 1000000 rows"
    if not 0 < plan.sample <= 1:
        return f"--sample: {plan.sample:g} is out of range; give a share above 0, up to 1"
    if not 0 <= plan.seed < 1 << 63:
        return f"--seed: {plan.seed} is out of range; give a whole number from 0"
    for name, value in (("correlation", plan.correlation), ("missing", plan.missing)):
        if not 0 <= value <= 1:
            return f"--{name}: {value:g} is out of range; give 0 to 1"
    if not 0 <= plan.variance < float("inf"):
        return f"--variance: {plan.variance:g} is out of range; give 0 or more"
    if plan.random and plan.sample == 1:
        return "--random-rows goes with --sample SHARE"
    return ""
