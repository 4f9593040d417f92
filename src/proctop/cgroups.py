"""What a cgroup did between two looks at it, and how near it is to its limits. Pure; a counter that fell, or one look alone, gives NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from proctop.features import GAP
from proctop.records import NO_MAPPING, CgroupCounters, Pressure, Reading

_NAN = float("nan")
_FORGOTTEN = 60.0  # seconds without a look after which a cgroup is taken for removed
_FEW = 256  # cgroups that are kept without asking that


@dataclass(frozen=True, slots=True)
class CgroupRates:
    """One cgroup between the last two looks at it. NaN = not told, or there is no such limit.

    Attributes:
        cpu: cpus in use, by processes that have ended too; cpu_limit: cpus.
        throttled: share of the periods of its quota in which it had used it up (0 where none passed), 0..1.
        throttled_time: seconds per second that it was held back for it, summed over cpus.
        memory, memory_limit: bytes, page cache included.
        oom_kills: since it was made.
        read, write: bytes per second of storage; pids: tasks.
        pressure: share of time some / all of its tasks waited, by "cpu", "memory", "io".
        age: seconds since the last look.
    """

    cpu: float = _NAN
    cpu_limit: float = _NAN
    throttled: float = _NAN
    throttled_time: float = _NAN
    memory: float = _NAN
    memory_limit: float = _NAN
    oom_kills: float = _NAN
    read: float = _NAN
    write: float = _NAN
    pids: float = _NAN
    pressure: Mapping[str, tuple[float, float]] = field(default_factory=lambda: NO_MAPPING)
    age: float = 0.0

    @property
    def cpu_share(self) -> float:
        """Of its limit."""
        return self.cpu / self.cpu_limit if self.cpu_limit > 0 else _NAN

    @property
    def memory_share(self) -> float:
        """Of its limit."""
        return self.memory / self.memory_limit if self.memory_limit > 0 else _NAN


UNKNOWN = CgroupRates()


def cgroup_rates(before: CgroupCounters | None, after: CgroupCounters, dt: float) -> CgroupRates:
    """What happened in the ``dt`` seconds between two looks; ``before`` None: levels only.

    >>> cgroup_rates(CgroupCounters(periods=10, throttled=0), CgroupCounters(periods=30, throttled=5), 2.0).throttled
    0.25
    """
    was = before if before is not None else CgroupCounters()
    periods, throttled = _rise(was.periods, after.periods), _rise(was.throttled, after.throttled)
    if after.periods == 0 and after.cpu_limit != after.cpu_limit:
        periods = _NAN  # there is no quota to use up
    share = min(throttled / periods, 1.0) if periods > 0 else throttled * 0.0 if periods == 0 else _NAN
    return CgroupRates(
        cpu=_rise(was.cpu_ns, after.cpu_ns) / dt / 1e9,
        cpu_limit=after.cpu_limit,
        throttled=share,
        throttled_time=_rise(was.throttled_ns, after.throttled_ns) / dt / 1e9 if periods == periods else _NAN,
        memory=after.memory,
        memory_limit=after.memory_limit,
        oom_kills=after.oom_kills,
        read=_rise(was.read_bytes, after.read_bytes) / dt,
        write=_rise(was.write_bytes, after.write_bytes) / dt,
        pids=after.pids,
        pressure={name: _wait(was.pressure[name], now, dt) for name, now in after.pressure.items() if name in was.pressure},
    )


def _rise(before: float, after: float) -> float:
    return after - before if after >= before else _NAN  # a NaN compares as False


def _wait(before: Pressure, after: Pressure, dt: float) -> tuple[float, float]:
    some, full = _rise(before.some_total, after.some_total) / dt / 1e6, _rise(before.full_total, after.full_total) / dt / 1e6
    return (min(some, 1.0) if some == some else some), (min(full, 1.0) if full == full else full)


_SUMMED = ("cpu", "memory", "oom_kills", "read", "write", "pids")


def together(parts: Sequence[CgroupRates]) -> CgroupRates:
    """Cgroups side by side as one: sums, and the highest pressure. A limit, and what comes of it, belongs to each alone."""
    if len(parts) == 1:
        return parts[0]
    sums = {name: sum(getattr(part, name) for part in parts) for name in _SUMMED} if parts else {}
    waits = {name: (_highest(parts, name, 0), _highest(parts, name, 1)) for part in parts for name in part.pressure}
    return CgroupRates(**sums, pressure=waits, age=max((part.age for part in parts), default=0.0))


def _highest(parts: Sequence[CgroupRates], name: str, which: int) -> float:
    known = [part.pressure[name][which] for part in parts if name in part.pressure]
    return max((value for value in known if value == value), default=_NAN)


class _Looks(NamedTuple):
    """``before`` and ``after`` at CLOCK_MONOTONIC ``since`` and ``at``."""

    before: CgroupCounters | None
    since: float
    after: CgroupCounters
    at: float


class CgroupWatch:
    """The last two looks at each cgroup: a source reads many in turns, so not every reading holds each."""

    def __init__(self) -> None:
        self._looks: dict[str, _Looks] = {}
        self._last: Reading | None = None

    def note(self, reading: Reading) -> None:
        """Take in the next reading. One from elsewhere in time, or of another boot, begins anew."""
        if reading is self._last:
            return
        if not self.goes_on(reading):
            self._looks.clear()
        self._last = reading
        for path, counters in reading.cgroups.items():
            seen = self._looks.get(path)
            before, since = (seen.after, seen.at) if seen is not None else (None, _NAN)
            self._looks[path] = _Looks(before, since, counters, reading.mono)
        if len(self._looks) > _FEW:
            kept = {path: looks for path, looks in self._looks.items() if reading.mono - looks.at < _FORGOTTEN}
            self._looks = kept

    def goes_on(self, reading: Reading) -> bool:
        """Whether a reading is the next one, or little later."""
        last = self._last
        return last is not None and last.info.boot_id == reading.info.boot_id and 0 <= reading.mono - last.mono <= GAP * reading.interval

    def rates(self, path: str) -> CgroupRates | None:
        """Of the cgroup at ``path`` by the last two looks; None where there was none."""
        looks = self._looks.get(path)
        if looks is None or self._last is None:
            return None
        rates = cgroup_rates(looks.before, looks.after, looks.at - looks.since)
        age = self._last.mono - looks.at
        return replace(rates, age=age) if age > 0 else rates
