"""Host and cgroup counters as tables of numbers, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from proctop.records import NO_MAPPING, CgroupCounters, DiskCounters, Floats, HostCounters, Ints, NetCounters, Pressure
from proctop.stream import Damaged
from proctop.stream.columns import Columns, Keys
from proctop.stream.numbers import In, Out
from proctop.stream.words import WordsIn, WordsOut

MOST_ROWS = 1 << 16
"""Cpus, disks, interfaces, cgroups, names in a file: of each at most this many."""

_CPU_TIMES = 10
_TICK = 10_000_000  # ns; cpu times are split here, so that they stay exact in float64 on hosts of any size and age
_PRESSURE = (2, 2, 2, 0, 2, 2, 2, 0)  # decimals of an averages-and-total line, twice
_CGROUP = (0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)
_RESOURCES = ("cpu", "memory", "io", "irq")
_COUNTS = ("tasks_running", "tasks_blocked", "tasks_total", "forks", "switches", "interrupts")

Numbers = tuple[float, ...]


class Table:
    """Keys and columns of rows that words name, such as the disks."""

    def __init__(self, k: int, decimals: tuple[int, ...]) -> None:
        self._keys = Keys(k, MOST_ROWS)
        self._columns = Columns(decimals)
        self._m = len(decimals)

    def put(self, out: Out, keys: Ints, values: Floats) -> None:
        self._columns.put(out, values, self._keys.put(out, keys))

    def take(self, data: In) -> tuple[Ints, Floats]:
        take = self._keys.take(data)
        return self._keys.now, self._columns.take(data, take, self._keys.now.shape[1])

    def put_named(self, out: Out, words: WordsOut, rows: Mapping[str, Numbers]) -> None:
        keys = np.array([[words.string(name) for name in rows]], np.int64)
        self.put(out, keys, np.array(list(rows.values()), np.float64).reshape(-1, self._m).T)

    def take_named(self, data: In, words: WordsIn) -> dict[str, Numbers]:
        keys, values = self.take(data)
        return dict(zip((words.string(k) for k in keys[0].tolist()), map(tuple, values.T.tolist()), strict=True))


class HostTables:
    """:class:`HostCounters` as six tables. One instance per segment and direction."""

    def __init__(self) -> None:
        self._cpu = Table(1, (0,) * (2 * _CPU_TIMES))
        self._counts = Table(1, (0,))
        self._load = Table(1, (2, 2, 2))
        self._memory = Table(1, (0,))
        self._vmstat = Table(1, (0,))
        self._disks = Table(1, (0,) * len(fields(DiskCounters)))
        self._nets = Table(1, (0,) * len(fields(NetCounters)))
        self._pressure = Table(1, _PRESSURE)

    def put(self, out: Out, words: WordsOut, host: HostCounters) -> None:
        cpu = host.cpu.T
        self._cpu.put(out, np.arange(cpu.shape[1])[None, :], np.concatenate((cpu // _TICK, cpu % _TICK)).astype(np.float64))
        self._counts.put(out, np.arange(len(_COUNTS))[None, :], np.array([[getattr(host, name) for name in _COUNTS]], np.float64))
        self._load.put_named(out, words, {"": host.load} if host.load else {})
        self._memory.put_named(out, words, {name: (value,) for name, value in host.memory.items()})
        self._vmstat.put_named(out, words, {name: (value,) for name, value in host.vmstat.items()})
        self._disks.put_named(out, words, {name: astuple(disk) for name, disk in host.disks.items()})
        self._nets.put_named(out, words, {name: astuple(net) for name, net in host.nets.items()})
        self._pressure.put_named(out, words, {name: astuple(pressure) for name, pressure in host.pressure.items()})

    def take(self, data: In, words: WordsIn) -> HostCounters:
        _, parts = self._cpu.take(data)
        cpu = _whole(parts[:_CPU_TIMES]) * _TICK + _whole(parts[_CPU_TIMES:])
        _, counts = self._counts.take(data)
        if counts.shape[1] != len(_COUNTS):
            raise Damaged("host counts are missing")
        load = self._load.take_named(data, words).get("")
        memory = _integers(self._memory.take_named(data, words))
        vmstat = _integers(self._vmstat.take_named(data, words))
        disks = _records(self._disks.take_named(data, words), lambda row: DiskCounters(*map(_integer, row)))
        nets = _records(self._nets.take_named(data, words), lambda row: NetCounters(*map(_integer, row)))
        pressure = _records(self._pressure.take_named(data, words), lambda row: Pressure(*row))
        cpu = np.ascontiguousarray(cpu.T)
        cpu.flags.writeable = False
        numbers = dict(zip(_COUNTS, map(_integer, counts[0].tolist()), strict=True))
        return HostCounters(
            cpu=cpu,
            memory=memory,
            load=None if load is None else (load[0], load[1], load[2]),
            vmstat=vmstat,
            disks=disks,
            nets=nets,
            pressure=pressure,
            **numbers,
        )


class CgroupTables:
    """:class:`CgroupCounters` by path, and their pressure by path and resource."""

    def __init__(self) -> None:
        self._cgroups = Table(1, _CGROUP)
        self._pressure = Table(2, _PRESSURE)

    def put(self, out: Out, words: WordsOut, cgroups: Mapping[str, CgroupCounters]) -> None:
        names = [f.name for f in fields(CgroupCounters)[:-1]]
        self._cgroups.put_named(out, words, {path: tuple(getattr(c, name) for name in names) for path, c in cgroups.items()})
        keys, rows = [], []
        for path, counters in cgroups.items():
            for resource, pressure in counters.pressure.items():
                keys.append((words.string(path), words.string(resource)))
                rows.append(astuple(pressure))
        self._pressure.put(
            out,
            np.array(keys, np.int64).reshape(-1, 2).T,
            np.array(rows, np.float64).reshape(-1, len(_PRESSURE)).T,
        )

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


def _whole(values: Floats) -> Ints:
    """Floats that should be integers; what is none (no writer writes that) becomes 0."""
    return np.where(np.abs(values) < 2.0**53, np.nan_to_num(values), 0.0).astype(np.int64)


def _integer(value: float) -> int:
    return int(value) if abs(value) < 2.0**64 else -1  # NaN and infinity compare false


def _integers(rows: Mapping[str, Numbers]) -> Mapping[str, int]:
    return _records(rows, lambda row: _integer(row[0]))


def _records(rows: Mapping[str, Any], make: Callable[[Any], Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: make(row) for name, row in rows.items()}) if rows else NO_MAPPING
