"""What vmstat(8), iostat(1), ``netstat -i`` and ps(1) show of one interval, and what is derived from it, under the notebooks' names.

One definition for the tables of a recording (:mod:`proctop.offline`) and for the host as it is watched live. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from proctop.fields import FEATURE
from proctop.frames import Batch, HostRates, Vital, Vitals
from proctop.records import DiskCounters, HostCounters, NetCounters

_NAN = float("nan")
_KIB = 1024.0
_TINY = 1e-6  # keeps a quotient finite where there is nothing to divide by
_CPU, _RSS = FEATURE["cpu"], FEATURE["rss"]
_T = TypeVar("_T", DiskCounters, NetCounters)

COLUMNS: dict[str, tuple[str, ...]] = {
    "vmstat": ("r", "b", "avm", "fre", "pi", "po", "fr", "interface_in", "cs", "us", "sy", "idle"),
    "iostat": ("tps", "kb_read", "kb_wrtn", "service_time", "avg_queue_size", "avg_wait_time"),
    "netstat": ("ipkts", "opkts", "ierrs", "oerrs", "ipkts_rate", "opkts_rate", "ierrs_rate", "oerrs_rate"),
    "process": ("cpu", "mem"),
}
"""By kind of table: what is measured."""

Columns = Mapping[str, Any]
"""Numbers, or arrays of them, by column."""

Formula = tuple[tuple[str, ...], Callable[[Columns], Any]]

FORMULAS: dict[str, dict[str, Formula]] = {
    "vmstat": {
        "cpu_busy": (("us", "sy", "idle"), lambda c: c["us"] + c["sy"]),
        "cpu_ratio": (("us", "sy", "idle"), lambda c: (c["us"] + c["sy"]) / (c["us"] + c["sy"] + c["idle"] + _TINY)),
        "memory_pressure": (("avm", "fre"), lambda c: c["avm"] / (c["avm"] + c["fre"] + _TINY)),
        "total_load": (("r", "b"), lambda c: c["r"] + c["b"]),
    },
    "iostat": {
        "io_throughput": (("kb_read", "kb_wrtn", "tps"), lambda c: (c["kb_read"] + c["kb_wrtn"]) / (c["tps"] + _TINY)),
        "queue_efficiency": (("avg_queue_size", "service_time"), lambda c: c["avg_queue_size"] / (c["service_time"] + _TINY)),
    },
    "netstat": {
        "net_balance": (
            ("ipkts_rate", "opkts_rate"),
            lambda c: (c["ipkts_rate"] - c["opkts_rate"]) / (c["ipkts_rate"] + c["opkts_rate"] + _TINY),
        ),
        "net_total_rate": (("ipkts_rate", "opkts_rate"), lambda c: c["ipkts_rate"] + c["opkts_rate"]),
        "error_rate": (
            ("ierrs_rate", "oerrs_rate", "ipkts_rate", "opkts_rate"),
            lambda c: (c["ierrs_rate"] + c["oerrs_rate"]) / (c["ipkts_rate"] + c["opkts_rate"] + _TINY),
        ),
    },
    "process": {"resource_ratio": (("cpu", "mem"), lambda c: c["cpu"] / (c["mem"] + _TINY))},
}
"""By kind of table: the columns that a feature needs, and its equation."""

PRESSURES = ("cpu_some", "memory_some", "memory_full", "io_some", "io_full")
"""Of the group ``psi``: the resource, and whether some task waited for it or all did."""

MOST = 16
"""Disks, and interfaces, that are watched one by one; the rest together."""

OTHERS = "others"
_FOLDED = ("loop", "ram", "zram", "veth", "cali", "lxc", "tap", "vnet", "ifb", "dummy")  # they come and go, or are backed by another


def vmstat(now: HostCounters, rates: HostRates) -> tuple[float, ...]:
    """In the order of :data:`COLUMNS`.

    ``r`` and ``b`` are ``procs_running`` and ``procs_blocked`` of /proc/stat, as in vmstat(8). ``avm`` is the memory in use (MemTotal −
    MemAvailable) and ``fre`` the free one (MemFree), both in KiB. ``pi`` and ``po`` are pages swapped in and out per second (``pswpin``,
    ``pswpout`` of /proc/vmstat), ``fr`` those that reclaim freed (``pgsteal_kswapd``, ``pgsteal_direct``). ``interface_in`` is vmstat's
    ``in``, interrupts per second, ``cs`` switches per second. ``us`` (user and nice), ``sy`` (system, irq and softirq) and ``idle`` are
    percent of all cpus; what they lack to 100 is waiting for I/O and steal.
    """
    parts, pages = rates.parts, rates.vmstat
    return (
        _known(now.tasks_running),
        _known(now.tasks_blocked),
        rates.memory_used / _KIB,
        now.memory.get("MemFree", _NAN) / _KIB,
        pages.get("pswpin", _NAN),
        pages.get("pswpout", _NAN),
        pages.get("pgsteal_kswapd", _NAN) + pages.get("pgsteal_direct", _NAN),
        rates.interrupts,
        rates.switches,
        100 * (parts["user"] + parts["nice"]),
        100 * (parts["system"] + parts["irq"] + parts["softirq"]),
        100 * parts["idle"],
    )


def iostat(a: DiskCounters, b: DiskCounters, dt: float) -> tuple[float, ...]:
    """Of one disk at the beginning and at the end of ``dt`` seconds (fields of Documentation/admin-guide/iostats.rst).

    ``tps`` is requests completed per second, ``kb_read`` and ``kb_wrtn`` are KiB in the interval. ``service_time`` (ms) is the time that a
    disk was busy over its requests, iostat's former ``svctm``; ``avg_wait_time`` (ms) the time that requests took, ``await``;
    ``avg_queue_size`` the weighted time over the interval, ``aqu-sz``. As iostat(1) has it, times of no request are 0.
    """
    requests = _rise(a.reads, b.reads) + _rise(a.writes, b.writes)
    took = _rise(a.read_ms, b.read_ms) + _rise(a.write_ms, b.write_ms)
    return (
        requests / dt,
        _rise(a.read_bytes, b.read_bytes) / _KIB,
        _rise(a.write_bytes, b.write_bytes) / _KIB,
        _rise(a.busy_ms, b.busy_ms) / requests if requests else 0.0,
        _rise(a.weighted_ms, b.weighted_ms) / (1000 * dt),
        took / requests if requests else 0.0,
    )


def netstat(a: NetCounters, b: NetCounters, dt: float) -> tuple[float, ...]:
    """Of one interface: packets and errors, in and out, as ``netstat -i`` counts them since boot, then per second."""
    now = (b.rx_packets, b.tx_packets, b.rx_errors, b.tx_errors)
    then = (a.rx_packets, a.tx_packets, a.rx_errors, a.tx_errors)
    return (*map(float, now), *(_rise(x, y) / dt for x, y in zip(then, now, strict=True)))


def processes(batch: Batch, memory: float) -> tuple[float, ...]:
    """Of all processes: ``cpu``, percent of one cpu, ``mem``, percent of ``memory`` bytes, and what follows. NaN = of none known."""
    cpu, rss = (float(row[known].sum()) if (known := row == row).any() else _NAN for row in (batch.values[_CPU], batch.values[_RSS]))
    return _derived("process", (100 * cpu, 100 * rss / memory if memory else _NAN))


def measure(before: HostCounters, now: HostCounters, rates: HostRates, dt: float) -> Vitals:
    """All but the processes, at the end of ``dt`` seconds (NaN = there is nothing before)."""
    disks, nets = _pairs(before.disks, now.disks), _pairs(before.nets, now.nets)
    values = list(_derived("vmstat", vmstat(now, rates)))
    for a, b in disks.values():
        values += _derived("iostat", iostat(a, b, dt))
    for c, d in nets.values():
        values += _derived("netstat", netstat(c, d, dt))
    for name in PRESSURES:
        resource, _, full = name.partition("_")
        values.append(rates.pressure.get(resource, (_NAN, _NAN))[full == "full"])
    return Vitals(_names(tuple(disks), tuple(nets)), np.array(values))


@lru_cache(maxsize=8)
def _names(disks: tuple[str, ...], nets: tuple[str, ...]) -> tuple[Vital, ...]:
    """The names of what :func:`measure` measures; the same object for the same disks and interfaces."""
    entities = [("vmstat", ""), *(("iostat", disk) for disk in disks), *(("netstat", net) for net in nets)]
    tables = [Vital(kind, entity, name) for kind, entity in entities for name in (*COLUMNS[kind], *FORMULAS[kind])]
    return (*tables, *(Vital("psi", "", name) for name in PRESSURES))


def with_processes(vitals: Vitals, values: Sequence[float] = (_NAN, _NAN, _NAN)) -> Vitals:
    """The same and ``values``, those of :func:`processes`."""
    return Vitals(_all_names(vitals.names), np.concatenate((vitals.values, np.array(values))))


@lru_cache(maxsize=8)
def _all_names(names: tuple[Vital, ...]) -> tuple[Vital, ...]:
    return (*names, *(Vital("process", "", name) for name in (*COLUMNS["process"], *FORMULAS["process"])))


def _derived(kind: str, row: tuple[float, ...]) -> tuple[float, ...]:
    columns = dict(zip(COLUMNS[kind], row, strict=True))
    return (*row, *(equation(columns) for _, equation in FORMULAS[kind].values()))


def _pairs(before: Mapping[str, _T], now: Mapping[str, _T]) -> dict[str, tuple[_T, _T]]:
    """What was there before too, by name: at most :data:`MOST`, the rest added up."""
    both = [name for name in now if name in before]
    single = [name for name in both if not name.startswith(_FOLDED)][:MOST]
    rest = [name for name in both if name not in single]
    pairs = {name: (before[name], now[name]) for name in single}
    if rest:
        pairs[OTHERS] = _total([before[name] for name in rest]), _total([now[name] for name in rest])
    return pairs


def _total(counters: list[_T]) -> _T:
    kind = type(counters[0])
    rows = ([getattr(one, name) for name in kind.__dataclass_fields__] for one in counters)
    return kind(*map(sum, zip(*rows, strict=True)))


def _rise(before: int, after: int) -> float:
    return float(after - before) if after >= before >= 0 else _NAN


def _known(count: int) -> float:
    return _NAN if count < 0 else float(count)
