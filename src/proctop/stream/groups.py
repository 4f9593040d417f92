"""Scores of groups as they were seen. Groups that were not scored are left out, and so come back as not scored."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, compress, repeat

import numpy as np

from proctop.frames import GroupScores
from proctop.records import Bools, Index
from proctop.stream.numbers import In, Out
from proctop.stream.reasons import ReasonsIn, ReasonsOut
from proctop.stream.scores import NOTABLE, of_tenths, tenths
from proctop.stream.words import WordsIn, WordsOut

MOST_GROUPINGS = 16
MOST_GROUPS = 4096
"""Of one reading, in all of its groupings."""

_LIMITS = (12.0, 120.0)
"""Times an hour, at which words and colours change: of a group it is told whether it is seldom enough for them."""

_Named = tuple[str, str, str]  # what its members share, its key, its name
_nobody = np.zeros(0, np.int64)


class GroupsOut:
    """One instance per segment."""

    def __init__(self) -> None:
        self._met: list[object] = []
        self._rows: dict[_Named, int] = {}
        self._places = _nobody  # by row, where it is among all groups of the reading, those without a score too
        self._row_at = _nobody  # and the other way round
        self._ranks = _nobody  # by row, in tenths
        self._reasons = ReasonsOut()

    def put(self, out: Out, words: WordsOut, groups: Mapping[str, GroupScores]) -> None:
        out.number(len(groups))
        for by in groups:
            out.number(words.string(by))
        every = list(groups.values())
        rank, per_hour = (np.concatenate([_nobody, *columns]) for columns in zip(*((g.rank, g.per_hour) for g in every), strict=True))
        known = rank == rank
        met = [*groups, *((g.keys, g.names) for g in every), known.tobytes()]
        out.number(met != self._met)
        if met != self._met:
            self._met = met
            self._follow(out, words, groups, known)
        ranks = tenths(rank[self._places])
        out.changes(ranks - self._ranks)
        self._ranks = ranks
        some = per_hour[self._places[ranks >= 10 * NOTABLE]]
        for limit in _LIMITS:
            out.raw(np.packbits(some <= limit).tobytes())
        out.rising(np.concatenate([g.alerting for g in every])[self._places].nonzero()[0])
        begins = np.cumsum([0, *(len(g.keys) for g in every)]).tolist()
        why = {int(self._row_at[begin + k]): said for begin, g in zip(begins, every, strict=False) for k, said in g.why.items()}
        why.pop(-1, None)
        self._reasons.put(out, words, why)

    def _follow(self, out: Out, words: WordsOut, groups: Mapping[str, GroupScores], known: Bools) -> None:
        """Tell which groups went, and which came."""
        named = chain.from_iterable(zip(repeat(by), g.keys, g.names, strict=False) for by, g in groups.items())
        place = dict(zip(compress(named, known.tolist()), known.nonzero()[0].tolist(), strict=True))
        stay = [one in place for one in self._rows]
        came = [one for one in place if one not in self._rows][: MOST_GROUPS - sum(stay)]
        out.rising(np.array([row for row, stays in enumerate(stay) if not stays], np.int64))
        out.number(len(came))
        by, key, name = np.array([[words.string(part) for part in one] for one in came], np.int64).reshape(-1, 3).T
        for column in (np.diff(by, prepend=0), np.diff(key, prepend=0), name - key):
            out.integers(column)
        self._rows = {one: row for row, one in enumerate([*compress(self._rows, stay), *came])}
        self._places = np.array([place[one] for one in self._rows], np.int64)
        self._row_at = np.full(known.size, -1)
        self._row_at[self._places] = np.arange(self._places.size)
        self._ranks = np.append(self._ranks[np.array(stay, np.bool_)], np.zeros(len(came), np.int64))


class GroupsIn:
    """The way back: scores without ``alert``, and of ``per_hour`` the next of the limits above, NaN = above all or not told."""

    def __init__(self) -> None:
        self._numbers = np.zeros((3, 0), np.int64)  # of strings: what members share, keys, names
        self._ranks = _nobody
        self._split: dict[int, tuple[Index, tuple[str, ...], tuple[str, ...]]] = {}  # by what they share: rows, keys, names
        self._reasons = ReasonsIn()

    def take(self, data: In, words: WordsIn) -> Mapping[str, GroupScores]:
        shared = [data.number(1 << 32) for _ in range(data.number(MOST_GROUPINGS))]
        if data.number(1):
            self._follow(data, words)
        self._ranks = self._ranks + data.changes(self._ranks.size)
        rank = of_tenths(self._ranks)
        n = rank.size
        per_hour, alerting = np.full(n, np.nan, np.float32), np.zeros(n, np.bool_)
        some = (self._ranks >= 10 * NOTABLE).nonzero()[0]
        within = [np.unpackbits(np.frombuffer(data.raw((some.size + 7) // 8), np.uint8), count=some.size).nonzero()[0] for _ in _LIMITS]
        for limit, places in zip(reversed(_LIMITS), reversed(within), strict=True):
            per_hour[some[places]] = limit
        alerting[data.rising(n)] = True
        why = self._reasons.take(data, words, n)
        groups = {}
        for number in shared:
            rows, keys, names = self._split.get(number, (_nobody, (), ()))
            said = {k: why[row] for k, row in enumerate(rows.tolist()) if row in why} if why else {}
            unknown = np.full(rows.size, np.nan, np.float32)
            groups[words.string(number)] = GroupScores(keys, names, rank[rows], unknown, per_hour[rows], alerting[rows], said)
        return groups

    def _follow(self, data: In, words: WordsIn) -> None:
        stay = np.ones(self._ranks.size, np.bool_)
        stay[data.rising(stay.size)] = False
        kept = int(stay.sum())
        count = data.number(MOST_GROUPS - kept)
        by, key = (np.cumsum(data.integers(count)) for _ in range(2))
        came = np.stack((by, key, key + data.integers(count)))
        self._numbers = np.concatenate((self._numbers[:, stay], came), axis=1)
        self._ranks = np.append(self._ranks[stay], np.zeros(count, np.int64))
        self._split = {}
        for number in np.unique(self._numbers[0]).tolist():
            rows = (self._numbers[0] == number).nonzero()[0]
            keys, names = (tuple(map(words.string, column[rows].tolist())) for column in self._numbers[1:])
            self._split[number] = rows, keys, names
