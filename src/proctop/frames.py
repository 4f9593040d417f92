"""What is made of readings, up to what a screen shows of one: rates, scores, events, history. Data and nothing else.

A :class:`Batch` holds rates and levels, a :class:`Frame` everything a screen or an export needs. All are frozen, and the arrays in them
are read-only once published, so they cross threads without a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proctop.records import NO_MAPPING, Bools, Container, Floats, Floats32, Index, Ints, Label, ProcKey, Reading

HOST = ProcKey(0, 0)
"""Whose an alert is when it is the host's own and no process's. Of containers as a whole the pid is 0 too, and ``start`` counts them."""


def is_container(key: ProcKey) -> bool:
    """Whether it is that of a container as a whole."""
    return key.pid == 0 and key != HOST


class Vital(NamedTuple):
    """A quantity of the host (``fields.QUANTITIES``). ``entity`` is the disk or interface, "" = the host itself."""

    group: str
    entity: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rates and levels of one interval, feature-major.

    Attributes:
        schema: names of the rows of ``values``.
        pid, start: int64[n].
        values: float32[len(schema), n]; NaN = missing.
        labels: n labels.
        dt: seconds that the rates cover (NaN for the first reading).
        prev: int64[n], index of the same process in the batch before, -1 = first seen here.
        active: bool[n], did anything in this interval (cpu, run time, a switch or a system call).
        born: bool[n], first seen here and started within the interval: rates are totals since birth over its age.
        ppid: float64[n], pids of the parents, NaN = unknown; None = nobody's is known.
        source: what the numbers come from, as in :class:`Reading`; "" = not told.
    """

    schema: tuple[str, ...]
    pid: Ints
    start: Ints
    values: Floats32
    labels: Sequence[Label]
    dt: float
    prev: Ints
    active: Bools
    born: Bools
    ppid: Floats | None = None
    source: str = ""

    def __len__(self) -> int:
        return int(self.pid.size)

    def row(self, i: int) -> dict[str, float]:
        """The feature dict of process ``i``, as River models take it; a missing feature is an absent key."""
        return {name: value for name, value in zip(self.schema, self.values[:, i].tolist(), strict=True) if value == value}

    def rows(self) -> Iterator[dict[str, float]]:
        return (self.row(i) for i in range(len(self)))

    @classmethod
    def from_rows(
        cls, keys: Sequence[ProcKey], rows: Iterable[Mapping[str, float]], labels: Sequence[Label], dt: float, schema: tuple[str, ...]
    ) -> Batch:
        """The way back: absent keys become NaN; keys outside ``schema`` raise ``KeyError``."""
        n = len(keys)
        values = np.full((len(schema), n), np.nan, dtype=np.float32)
        place = {name: k for k, name in enumerate(schema)}
        for i, row in enumerate(rows):
            for name, value in row.items():
                values[place[name], i] = value
        pid = np.array([k.pid for k in keys], dtype=np.int64)
        start = np.array([k.start for k in keys], dtype=np.int64)
        prev = np.full(n, -1, dtype=np.int64)
        return cls(schema, pid, start, values, labels, dt, prev, np.ones(n, np.bool_), np.zeros(n, np.bool_))


class Status(IntEnum):
    """How much a score means."""

    WARMING = 0  # the session is too young to say anything
    NEW = 1  # the process is too young: judged by its kind
    SCORED = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a process stands out: ``value`` now, ``usual`` (low, high) in the feature's unit, against whose history."""

    feature: str
    value: float
    usual: tuple[float, float]
    against: str  # "own", "cohort", "container" or "host"
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a detector says of each row of a batch.

    Attributes:
        rank: float32[n] in nats, the fast score that orders the table; NaN = not scored.
        alert: float32[n], the slow score that alerts.
        per_hour: float32[n], how often an episode this high comes by chance on this host; NaN while warming.
        alerting: bool[n], within the budget.
        status: int8[n] of :class:`Status`.
        why: reasons by row, most telling first, at most three; rows with nothing to say are absent.
        notes: one-line remarks for the screen: "loda is slow: it scores 500 of 1,700 processes a reading".
    """

    rank: Floats32
    alert: Floats32
    per_hour: Floats32
    alerting: Bools
    status: NDArray[np.int8]
    why: Mapping[int, tuple[Reason, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A time during which a process alerted. Times are wall seconds since the epoch.

    Attributes:
        key, comm, container: the culprit, which may have gone since; :data:`HOST` = the host as a whole. Of a container as a whole, while
            none of its processes alerts, ``comm`` is its title.
        start, peak, end: of the first reading, the worst and the last so far.
        score: the slow score at its peak; per_hour: how often one this high comes by chance.
        why: reasons at the peak.
        open: it goes on; incident: the user said that it is no false alarm; accepted: that it is normal from then on.
    """

    key: ProcKey
    comm: str
    container: Container | None
    start: float
    peak: float
    end: float
    score: float
    per_hour: float
    why: tuple[Reason, ...]
    open: bool = False
    incident: bool = False
    accepted: bool = False

    @property
    def box(self) -> str:
        """The id of the container whose event it is as a whole, "" = it is that of a process or of the host."""
        return self.container.id if self.container is not None and is_container(self.key) else ""


@dataclass(frozen=True, slots=True, eq=False)
class HostRates:
    """The host over one interval. Shares are 0..1, rates per second; NaN = unknown."""

    cpu: float  # busy share of all cpus
    cores: Floats  # busy share of each
    parts: Mapping[str, float]  # share of "user", "nice", "system", "iowait", "irq", "softirq", "steal", "idle"
    memory_used: float  # bytes: MemTotal - MemAvailable
    memory_total: float
    swap_used: float
    swap_total: float
    load: tuple[float, float, float] | None
    pressure: Mapping[str, tuple[float, float]]  # share of time some / full tasks waited, by "cpu", "memory", "io"
    disk_read: float  # bytes/s over whole disks
    disk_write: float
    disk_busy: float  # share, of the busiest disk
    net_rx: float  # bytes/s over interfaces without lo
    net_tx: float
    forks: float
    switches: float
    interrupts: float
    births: float = float("nan")  # processes started, programs run and processes ended per second
    execs: float = float("nan")
    exits: float = float("nan")
    vmstat: Mapping[str, float] = field(default_factory=dict)  # per second: pgpgin, pgpgout, pswpin, pswpout, pgfault, pgmajfault
    vitals: Vitals | None = None  # all of it by the names of the tables, without those of processes


@dataclass(frozen=True, slots=True, eq=False)
class Vitals:
    """Quantities of the host over one interval: ``names``, the same object while there are no others; float64[n], NaN = unknown."""

    names: tuple[Vital, ...]
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class HostScores:
    """How unlike its own past each quantity of the host is.

    Attributes:
        names: n quantities, those of the processes included; values: float64[n], NaN = unknown.
        low, high: float64[n], the 5 % and 95 % points of what it was before, in three digits; NaN = not known yet.
        rank: float32[n] in nats, smoothed over two readings, 0 = no rarer than one reading in ten; NaN = not scored.
        alerting: bool[n], part of an alarm within the budget.
        why: reasons of the alarm, most telling first, at most three.
        score: of the host, the highest of the slow scores that can alert; per_hour: how often one this high comes by chance; NaN = warming.
        warming: share of the warm-up done.
    """

    names: tuple[Vital, ...]
    values: Floats
    low: Floats
    high: Floats
    rank: Floats32
    alerting: Bools
    why: tuple[Reason, ...] = ()
    score: float = float("nan")
    per_hour: float = float("nan")
    warming: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The highest scores of parts of a session, each of ``factor`` readings, from the first reading on.

    Attributes:
        ranks: of whole parts, oldest first, each float16 by slot; NaN = no score. host: float32[len(ranks)].
        part, top: of the readings since, float32 by slot and the highest; None = there are none.
    """

    factor: int
    ranks: tuple[NDArray[np.float16], ...]
    host: Floats32
    part: Floats32 | None
    top: float


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """What a frame holds of the history.

    Attributes:
        slot, born: int64[n], by row of the frame: the slot, and the tick at which the process got it.
        ranks: the last vectors, oldest first, each float32 by slot; NaN = no score.
        host: float32[len(ranks)], the highest score of each reading; NaN = a gap.
        last: tick of the newest vector.
        spans: what there is of longer times; in the past none is at hand.
    """

    slot: Ints
    born: Ints
    ranks: tuple[Floats32, ...]
    host: Floats32
    last: int
    spans: tuple[Span, ...] = ()

    def of(self, row: int, count: int) -> Floats32:
        """float32[count], the last scores of a row, oldest first; NaN before its birth and in gaps."""
        past: Floats32 = self.past(np.array([row]), count)[0]
        return past

    def past(self, rows: Index | Ints, count: int, factor: int = 1) -> Floats32:
        """float32[m, count], as :meth:`of` for ``m`` rows at once; with a ``factor`` the highest of parts of so many readings."""
        span = self._span(factor)
        if factor > 1 and span is None:
            return _highest(self.past(rows, len(self.ranks)), self.last, factor, count)
        slot, born = self.slot[rows], self.born[rows] // factor
        vectors: Iterable[Floats32 | NDArray[np.float16]] = reversed(self.ranks)
        if span is not None:
            vectors = chain([] if span.part is None else [span.part], reversed(span.ranks))
        out = np.full((slot.size, count), np.nan, dtype=np.float32)
        for age, vector in zip(range(count), vectors, strict=False):
            known = (born <= self.last // factor - age) & (slot < vector.size)
            out[known, count - 1 - age] = vector[slot[known]]
        return out

    def tops(self, count: int, factor: int = 1) -> Floats32:
        """float32[at most count], the highest score of each reading, or part of ``factor`` readings, oldest first."""
        span = self._span(factor)
        if span is None:
            host = self.host if factor == 1 else _highest(self.host[None], self.last, factor, count)[0]
        else:
            host = span.host if span.part is None else np.append(span.host, np.float32(span.top))
        return host[-count:] if count > 0 else host[:0]

    def _span(self, factor: int) -> Span | None:
        return next((span for span in self.spans if span.factor == factor), None)


def _highest(values: Floats32, last: int, factor: int, count: int) -> Floats32:
    """float32[m, count] out of float32[m, k] up to tick ``last``: the highest of each part of ``factor`` ticks."""
    out = np.full((values.shape[0], count), np.nan, dtype=np.float32)
    parts = last // factor - np.arange(last - values.shape[1] + 1, last + 1) // factor  # 0 = the newest
    for part in range(min(count, int(parts[0]) + 1 if parts.size else 0)):
        out[:, count - 1 - part] = np.fmax.reduce(values[:, parts == part], axis=1)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One process over time, as far as it is at hand.

    Attributes:
        wall: float64[t], seconds since the epoch, rising.
        covers: float64[t], the seconds up to then that a point stands for: what none covers is a gap.
        values: float32[len(SCHEMA), t]; NaN = missing.
        rank: float32[t], the score in nats, NaN = not scored; alerting: bool[t].
        kin: float32[len(SCHEMA), m], samples of others of its name in the same time.
        every: one in how many readings is a point; 1 = all.
        complete: nothing more of the past is to come.
    """

    wall: Floats
    covers: Floats
    values: Floats32
    rank: Floats32
    alerting: Bools
    kin: Floats32
    every: int = 1
    complete: bool = False

    def __len__(self) -> int:
        return int(self.wall.size)


@dataclass(frozen=True, slots=True, eq=False)
class Departed:
    """Processes that ended within the last seconds: one row for all of one name below one parent, however many they were.

    Attributes:
        pid, start: int64[m], of the one that ended last; ppid: int64[m], of the parent, or of the nearest one above that has not ended.
        labels: m labels, of the one that ended last.
        count: int64[m], how many. brief: bool[m], none of them was ever a row of a reading.
        code: float64[m], exit code of the last one, minus the signal that ended it; NaN = not told.
        ago: float64[m], seconds since the last one ended.
        values: float32[len(SCHEMA), m], what they did together in the interval in which the last one ended; NaN = not told.
        rank: float32[m], how unlike such a crowd's own normal that is, in nats; NaN = not scored.
    """

    pid: Ints
    start: Ints
    ppid: Ints
    labels: Sequence[Label]
    count: Ints
    brief: Bools
    code: Floats
    ago: Floats
    values: Floats32
    rank: Floats32

    def __len__(self) -> int:
        return int(self.pid.size)


@dataclass(frozen=True, slots=True, eq=False)
class GroupScores:
    """What a scorer of groups says of each, by their own sums: a group may be unusual though none of its members is.

    Attributes:
        keys, names: of g groups; a key says which it is (the id of a container), a name may change or occur twice.
        rank, alert, per_hour: float32[g], alerting: bool[g], why: reasons by group; all as in :class:`Scores`.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    rank: Floats32
    alert: Floats32
    per_hour: Floats32
    alerting: Bools
    why: Mapping[int, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Everything a screen or an export shows for one reading."""

    tick: int
    reading: Reading
    batch: Batch
    scores: Scores
    host: HostRates
    history: Trail
    warming: float  # share of the warm-up done, 1.0 = warm
    alerts: tuple[AlertEvent, ...] = ()  # open, or ended within the last minute; most recent first
    vitals: HostScores | None = None
    groups: Mapping[str, GroupScores] = field(default_factory=lambda: NO_MAPPING)  # those that are watched, by what they share
    departed: Departed | None = None
    before: Reading | None = None  # that its rates are counted from; told of the past, where the frame shown before may be any
