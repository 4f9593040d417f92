"""Host and cgroup counters as format 1.0 has them: tables of numbers. Read, and no longer written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from proctop.records import NO_MAPPING, CgroupCounters, DiskCounters, Floats, HostCounters, Ints, NetCounters, Pressure
from proctop.stream.columns import Columns, Keys
from proctop.stream.numbers import In
from proctop.stream.words import WordsIn

MOST_ROWS = 1 << 16
"""Cpus, disks, interfaces, cgroups, names in a file: of each at most this many."""

_CPU_TIMES = 10
_TICK = 10_000_000  # ns; cpu times are split here, so that they stay exact in float64 on hosts of any size and age
_PRESSURE = (2, 2, 2, 0, 2, 2, 2, 0)  # decimals of an averages-and-total line, twice
_CGROUP = (0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)
_COUNTS = ("tasks_running", "tasks_blocked", "tasks_total", "forks", "switches", "interrupts")

Numbers = tuple[float, ...]


class Table:
    """Keys and columns of rows that words name, such as the disks."""

    def __init__(self, k: int, decimals: tuple[int, ...]) -> None:
        self._keys = Keys(k, MOST_ROWS)
        self._columns = Columns(decimals)

    def take(self, data: In) -> tuple[Ints, Floats]:
        take = self._keys.take(data)
        return self._keys.now, self._columns.take(data, take, self._keys.now.shape[1])

    def take_named(self, data: In, words: WordsIn) -> dict[str, Numbers]:
        keys, values = self.take(data)
        return dict(zip((words.string(k) for k in keys[0].tolist()), map(tuple, values.T.tolist()), strict=True))


class HostTables:
    """:class:`HostCounters` as five tables. One instance per segment."""

    def __init__(self) -> None:
        self._cpu = Table(1, (0,) * (2 * _CPU_TIMES))
        self._numbers = Table(2, (0,))
        self._load = Table(1, (2, 2, 2))
        self._disks = Table(1, (0,) * len(fields(DiskCounters)))
        self._nets = Table(1, (0,) * len(fields(NetCounters)))
        self._pressure = Table(1, _PRESSURE)

    def take(self, data: In, words: WordsIn) -> HostCounters:
        _, parts = self._cpu.take(data)
        cpu = _whole(parts[:_CPU_TIMES]) * _TICK + _whole(parts[_CPU_TIMES:])
        groups: tuple[dict[str, int], ...] = ({}, {}, {})
        keys, values = self._numbers.take(data)
        for group, name, value in zip(*keys.tolist(), values[0].tolist(), strict=True):
            if group < len(groups):
                groups[group][words.string(name)] = _integer(value)
        load = self._load.take_named(data, words).get("")
        disks = _records(self._disks.take_named(data, words), lambda row: DiskCounters(*map(_integer, row)))
        nets = _records(self._nets.take_named(data, words), lambda row: NetCounters(*map(_integer, row)))
        pressure = _records(self._pressure.take_named(data, words), lambda row: Pressure(*row))
        cpu = np.ascontiguousarray(cpu.T)
        cpu.flags.writeable = False
        return HostCounters(
            cpu=cpu,
            memory=MappingProxyType(groups[1]),
            load=None if load is None else (load[0], load[1], load[2]),
            vmstat=MappingProxyType(groups[2]),
            disks=disks,
            nets=nets,
            pressure=pressure,
            **{name: groups[0].get(name, -1) for name in _COUNTS},
        )


class CgroupTables:
    """:class:`CgroupCounters` by path, and their pressure by path and resource."""

    def __init__(self) -> None:
        self._cgroups = Table(1, _CGROUP)
        self._pressure = Table(2, _PRESSURE)

    def take(self, data: In, words: WordsIn) -> Mapping[str, CgroupCounters]:
        cgroups = self._cgroups.take_named(data, words)
        keys, values = self._pressure.take(data)
        pressures: dict[str, dict[str, Pressure]] = {}
        for (path, resource), row in zip(keys.T.tolist(), values.T.tolist(), strict=True):
            pressures.setdefault(words.string(path), {})[words.string(resource)] = Pressure(*row)
        return _records(
            {path: (path, *row) for path, row in cgroups.items()},
            lambda row: replace(CgroupCounters(*row[1:]), pressure=MappingProxyType(pressures.get(row[0], {}))),
        )


class OldHostIn:
    """Both, one instance per segment."""

    def __init__(self) -> None:
        self._host = HostTables()
        self._cgroups = CgroupTables()

    def take(self, host: In, cgroups: In | None, words: WordsIn) -> tuple[HostCounters, Mapping[str, CgroupCounters]]:
        return self._host.take(host, words), NO_MAPPING if cgroups is None else self._cgroups.take(cgroups, words)


def _whole(values: Floats) -> Ints:
    """Floats that should be integers; what is none (no writer writes that) becomes 0."""
    return np.where(np.abs(values) < 2.0**53, np.nan_to_num(values), 0.0).astype(np.int64)


def _integer(value: float) -> int:
    return int(value) if abs(value) < 2.0**64 else -1  # NaN and infinity compare false


def _records(rows: Mapping[str, Any], make: Callable[[Any], Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: make(row) for name, row in rows.items()}) if rows else NO_MAPPING
