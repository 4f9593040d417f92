"""Host and cgroup counters as one row of numbers, and back.

Which numbers there are changes rarely (a disk is plugged in, a container starts): the names are written then, and all
numbers with them. Else a row costs what differs from the row before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import numpy as np

from proctop.records import NO_MAPPING, CgroupCounters, DiskCounters, HostCounters, NetCounters, Pressure, Reading
from proctop.stream import Damaged
from proctop.stream.columns import Columns
from proctop.stream.numbers import In, Out
from proctop.stream.words import WordsIn, WordsOut

MOST_NAMES = 1 << 14
"""Cpus, disks, interfaces, cgroups, names in a file: of each at most this many."""
MOST_NUMBERS = 1 << 18
"""In a row."""

_CPU_TIMES = 10
_TICK = 10_000_000  # ns; cpu times are split here, so that they stay exact in float64 on hosts of any size and age
_COUNTS = ("tasks_running", "tasks_blocked", "tasks_total", "forks", "switches", "interrupts")
_PRESSURE_DECIMALS = (2, 2, 2, 0, 2, 2, 2, 0)  # of an averages-and-total line, twice
_CGROUP_DECIMALS = (0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)

_counts = attrgetter(*_COUNTS)
_disk, _net, _pressure, _cgroup = (
    attrgetter(*(f.name for f in fields(record) if f.name != "pressure"))
    for record in (DiskCounters, NetCounters, Pressure, CgroupCounters)
)

# What a row consists of, in this order: how many numbers each name has, with how many decimals.
_MEMORY, _VMSTAT, _LOAD, _DISKS, _NETS, _PRESSURES, _CGROUPS, _WAITS, _CPUS = range(9)
_DECIMALS: tuple[tuple[int, ...], ...] = (
    (0,),
    (0,),
    (2, 2, 2),
    (0,) * len(fields(DiskCounters)),
    (0,) * len(fields(NetCounters)),
    _PRESSURE_DECIMALS,
    _CGROUP_DECIMALS,
    _PRESSURE_DECIMALS,
    (0,) * 2 * _CPU_TIMES,
)
_NAMES_EACH = (1, 1, 1, 1, 1, 1, 1, 2, 1)  # the waits of a cgroup are named by its path and the resource

Names = tuple[tuple[str, ...], ...]


class HostRow:
    """One instance per segment and direction."""

    def __init__(self) -> None:
        self._names: Names = ()
        self._columns = Columns(())

    def put(self, out: Out, words: WordsOut, reading: Reading) -> None:
        host, cgroups = reading.host, reading.cgroups
        waits = [(path, resource, wait) for path, cgroup in cgroups.items() for resource, wait in cgroup.pressure.items()]
        names: Names = (
            tuple(host.memory),
            tuple(host.vmstat),
            ("",) if host.load else (),
            tuple(host.disks),
            tuple(host.nets),
            tuple(host.pressure),
            tuple(cgroups),
            tuple(chain.from_iterable(wait[:2] for wait in waits)),
            ("",) * len(host.cpu),
        )
        if names == self._names:
            out.number(0)
        else:
            self._begin(names)
            out.number(1)
            for group in names:
                out.number(len(group))
                out.integers(np.array([words.string(name) for name in group], np.int64))
        numbers = [
            *_counts(host),
            *host.memory.values(),
            *host.vmstat.values(),
            *(host.load or ()),
            *chain.from_iterable(map(_disk, host.disks.values())),
            *chain.from_iterable(map(_net, host.nets.values())),
            *chain.from_iterable(map(_pressure, host.pressure.values())),
            *chain.from_iterable(map(_cgroup, cgroups.values())),
            *chain.from_iterable(_pressure(wait) for *_, wait in waits),
        ]
        ticks, rest = np.divmod(host.cpu, _TICK)
        row = np.concatenate((np.array(numbers, np.float64), np.concatenate((ticks, rest), axis=1).ravel().astype(np.float64)))
        self._columns.put(out, row[:, None], None)

    def take(self, data: In, words: WordsIn) -> tuple[HostCounters, Mapping[str, CgroupCounters]]:
        if data.number(1):
            groups = []
            for each in _NAMES_EACH:
                count = data.number(MOST_NAMES * each)
                groups.append(tuple(words.string(k) for k in data.integers(count).tolist()))
            self._begin(tuple(groups))
        if not self._names:
            raise Damaged("numbers without names")
        row = self._columns.take(data, None, 1)[:, 0]
        names = self._names
        whole = np.where(np.abs(row) < 2.0**63, row, -1.0).astype(np.int64)  # NaN and infinity compare false
        counts, *parts = self._parts(row.tolist(), whole.tolist())
        size = len(names[_CPUS]) * 2 * _CPU_TIMES
        cpu = whole[whole.size - size :].reshape(-1, 2, _CPU_TIMES)
        cpu = np.ascontiguousarray(cpu[:, 0] * _TICK + cpu[:, 1])
        cpu.flags.writeable = False
        waits: dict[str, dict[str, Pressure]] = {}
        paired = names[_WAITS]
        for path, resource, wait in zip(paired[::2], paired[1::2], parts[_WAITS], strict=True):
            waits.setdefault(path, {})[resource] = Pressure(*wait)
        cgroups = {path: CgroupCounters(*numbers) for path, numbers in zip(names[_CGROUPS], parts[_CGROUPS], strict=True)}
        cgroups |= {path: replace(cgroups[path], pressure=MappingProxyType(wait)) for path, wait in waits.items() if path in cgroups}
        host = HostCounters(
            cpu=cpu,
            memory=_mapping(names[_MEMORY], parts[_MEMORY]),
            load=parts[_LOAD][0] if parts[_LOAD] else None,
            vmstat=_mapping(names[_VMSTAT], parts[_VMSTAT]),
            disks=_mapping(names[_DISKS], [DiskCounters(*numbers) for numbers in parts[_DISKS]]),
            nets=_mapping(names[_NETS], [NetCounters(*numbers) for numbers in parts[_NETS]]),
            pressure=_mapping(names[_PRESSURES], [Pressure(*numbers) for numbers in parts[_PRESSURES]]),
            **dict(zip(_COUNTS, counts[0], strict=True)),
        )
        return host, MappingProxyType(cgroups) if cgroups else NO_MAPPING

    def _begin(self, names: Names) -> None:
        """Other names: the next row is written against nothing."""
        decimals = [0] * len(_COUNTS)
        for group, each, one in zip(names, _NAMES_EACH, _DECIMALS, strict=True):
            if len(group) % each or len(group) > MOST_NAMES * each:
                raise Damaged("a name is missing, or one too many")
            if len(decimals) + len(group) // each * len(one) > MOST_NUMBERS:
                raise Damaged("too many numbers")
            decimals += one * (len(group) // each)
        self._names, self._columns = names, Columns(tuple(decimals))

    def _parts(self, row: Sequence[float], whole: Sequence[int]) -> list[Sequence[Any]]:
        """The counts; and by group a tuple for each name, a number where it has but one. Integers where floats are not meant."""
        parts: list[Sequence[Any]] = [[whole[: len(_COUNTS)]]]
        at = len(_COUNTS)
        for group, (names, each, one) in enumerate(zip(self._names[:_CPUS], _NAMES_EACH, _DECIMALS, strict=False)):
            values = whole if group in (_MEMORY, _VMSTAT, _DISKS, _NETS) else row
            size = len(one)
            end = at + len(names) // each * size
            parts.append(values[at:end] if size == 1 else [tuple(values[k : k + size]) for k in range(at, end, size)])
            at = end
        return parts


def _mapping(names: Sequence[str], values: Sequence[Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(zip(names, values, strict=True))) if names else NO_MAPPING
