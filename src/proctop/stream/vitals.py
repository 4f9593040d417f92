"""Scores of the host as they were seen: what is usual of each of its quantities, how unlike that it was, and its alarms.

The quantities themselves are not among them: they follow from the counters.
"""

from __future__ import annotations

import numpy as np

from proctop import digits
from proctop.fields import QUANTITY
from proctop.frames import HostScores, Vital
from proctop.records import Floats, Index, Ints
from proctop.stream import Damaged
from proctop.stream.numbers import In, Out
from proctop.stream.reasons import ReasonsIn, ReasonsOut
from proctop.stream.scores import NOTABLE, of_tenths, tenths
from proctop.stream.words import WordsIn, WordsOut

MOST_QUANTITIES = 1024
"""Of a host."""

_HIGHEST = 1e6  # nats
_WHOLE = 10_000  # parts that a share is told in
_FIXED = {
    "vmstat": "r b avm fre pi po fr interface_in cs us sy idle cpu_busy cpu_ratio memory_pressure total_load",
    "iostat": "tps kb_read kb_wrtn service_time avg_queue_size avg_wait_time io_throughput queue_efficiency",
    "netstat": "ipkts opkts ierrs oerrs ipkts_rate opkts_rate ierrs_rate oerrs_rate net_balance net_total_rate error_rate",
    "process": "cpu mem resource_ratio",
    "psi": "cpu_some memory_some memory_full io_some io_full",
}
_KNOWN = tuple((group, name) for group, names in _FIXED.items() for name in names.split())
"""Kinds of quantities that need not be named; part of the format, so never to be changed. Others are named."""

_KIND = {pair: k for k, pair in enumerate(_KNOWN)}


class VitalsOut:
    """One instance per segment."""

    def __init__(self) -> None:
        self._names: tuple[Vital, ...] = ()
        self._bands: tuple[Floats, Floats] | None = None
        self._low = np.zeros(0, np.int64)  # codes
        self._high: Ints | None = None
        self._ranks = np.zeros(0, np.int64)
        self._reasons = ReasonsOut()

    def put(self, out: Out, words: WordsOut, scores: HostScores) -> None:
        names = scores.names[:MOST_QUANTITIES]
        n = len(names)
        if names == self._names:
            out.number(0)
        else:
            out.number(1)
            out.number(n)
            others = [name for name in names if (name.group, name.name) not in _KIND]
            out.integers(np.array([_KIND.get((name.group, name.name), -1) for name in names], np.int64))
            for texts in ([name.entity for name in names], [name.group for name in others], [name.name for name in others]):
                out.integers(np.array([words.string(text) for text in texts], np.int64))
            self._names, self._bands = names, None
            self._low, self._high, self._ranks = np.zeros(n, np.int64), None, np.zeros(n, np.int64)
        if self._bands is not None and scores.low is self._bands[0] and scores.high is self._bands[1]:
            out.number(0)
        else:
            out.number(1)
            low, high = digits.code(scores.low[:n]), digits.code(scores.high[:n])
            out.changes(low - self._low)
            out.changes(high - (low if self._high is None else self._high))
            self._bands, self._low, self._high = (scores.low, scores.high), low, high
        ranks = tenths(scores.rank[:n])
        out.changes(ranks - self._ranks)
        self._ranks = ranks
        out.rising(scores.alerting[:n].nonzero()[0])
        highest = round(10 * min(scores.score, _HIGHEST)) if scores.score >= 0 else -1
        out.number(highest + 1)
        if highest >= 10 * NOTABLE:
            out.number(int(digits.code(np.array([scores.per_hour]))[0]) + 1)
        out.number(_WHOLE if scores.warming >= 1 else min(round(max(0.0, scores.warming) * _WHOLE), _WHOLE - 1))
        self._reasons.put(out, words, {0: scores.why} if scores.why else {})


class VitalsIn:
    """The way back. Quantities that this version does not know are dropped; ``values`` are NaN."""

    def __init__(self) -> None:
        self._names: tuple[Vital, ...] | None = None
        self._known: Index = np.zeros(0, np.intp)
        self._low = np.zeros(0, np.int64)  # codes
        self._high: Ints | None = None
        self._bands = np.zeros((2, 0))
        self._ranks = np.zeros(0, np.int64)
        self._reasons = ReasonsIn()

    def take(self, data: In, words: WordsIn) -> HostScores:
        if data.number(1):
            self._begin(data, words)
        if self._names is None:
            raise Damaged("scores without names")
        n = self._ranks.size
        if data.number(1):
            self._low = self._low + data.changes(n)
            self._high = (self._low if self._high is None else self._high) + data.changes(n)
            codes = np.stack((self._low, self._high))
            if n and not -1 <= int(codes.min()) <= int(codes.max()) <= digits.MOST:
                raise Damaged("a number is out of range")
            self._bands = digits.value(codes)[:, self._known]
            self._bands.flags.writeable = False
        self._ranks = self._ranks + data.changes(n)
        rank = of_tenths(self._ranks)[self._known]
        alerting = np.zeros(n, np.bool_)
        alerting[data.rising(n)] = True
        highest = data.number(round(10 * _HIGHEST) + 1) - 1
        per_hour = float("nan")
        if highest >= 10 * NOTABLE:
            per_hour = float(digits.value(np.array([data.number(digits.MOST + 1) - 1]))[0])
        warming = data.number(_WHOLE) / _WHOLE
        why = self._reasons.take(data, words, 1).get(0, ())
        low, high = self._bands
        score = highest / 10 if highest >= 0 else float("nan")
        values = np.full(rank.size, np.nan)
        return HostScores(self._names, values, low, high, rank, alerting[self._known], why, score, per_hour, warming)

    def _begin(self, data: In, words: WordsIn) -> None:
        n = data.number(MOST_QUANTITIES)
        kinds = data.integers(n)
        if n and not -1 <= int(kinds.min()) <= int(kinds.max()) < len(_KNOWN):
            raise Damaged("a number names nothing")
        unknown = int(np.count_nonzero(kinds < 0))
        entities, *named = ([words.string(k) for k in data.integers(count).tolist()] for count in (n, unknown, unknown))
        others = zip(*named, strict=True)
        pairs = [_KNOWN[kind] if kind >= 0 else next(others) for kind in kinds.tolist()]
        names = [Vital(group, entity, name) for (group, name), entity in zip(pairs, entities, strict=True)]
        self._known = np.array([k for k, name in enumerate(names) if (name.group, name.name) in QUANTITY], np.intp)
        self._names = tuple(names[k] for k in self._known.tolist())
        self._low, self._high, self._ranks = np.zeros(n, np.int64), None, np.zeros(n, np.int64)
        self._bands = np.full((2, self._known.size), np.nan)
