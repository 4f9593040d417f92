"""Who ended and what each of them took, who waits and where, and how many come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from proctop.records import Exit, Floats, HostCounters, ProcKey
from proctop.stream import Damaged
from proctop.stream.columns import Columns
from proctop.stream.numbers import In, Out
from proctop.stream.words import WordsIn, WordsOut

_NO_CODE = 1 << 40  # beside any exit code
_NOBODY_TELLS = -1


def exits_out(out: Out, words: WordsOut, exits: Sequence[Exit]) -> None:
    rows = [(e.key.pid, e.key.start, e.ppid, words.label(e.label), _NO_CODE if e.code is None else e.code) for e in exits]
    out.number(len(rows))
    for column in np.array(rows, np.int64).T:
        out.integers(column)


def exits_in(data: In, words: WordsIn, most: int) -> tuple[Exit, ...]:
    """The way back, of at most so many."""
    count = data.number(most)
    columns = [data.integers(count).tolist() for _ in range(5)]
    exits = []
    for pid, start, ppid, label, code in zip(*columns, strict=True):
        if min(pid, start, ppid) < 0:
            raise Damaged("a key is negative")
        exits.append(Exit(ProcKey(pid, start), ppid, words.label(label), None if code == _NO_CODE else code))
    return tuple(exits)


class Ended:
    """Totals of exits, float64[m, exits]. Each table is written against nothing; the units of its columns hold for the segment."""

    def __init__(self, m: int) -> None:
        self._columns = Columns((0,) * m)

    def put(self, out: Out, totals: Floats) -> None:
        self._columns.put(out, totals, _anew(totals.shape[1]))

    def take(self, data: In, count: int) -> Floats:
        """The way back."""
        totals = self._columns.take(data, _anew(count), count)
        totals.flags.writeable = False
        return totals


def _anew(count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.full(count, -1, np.intp)


class Churn:
    """Births, program starts and ends since they are counted, as differences. One instance per segment and direction."""

    def __init__(self) -> None:
        self._now = np.full(3, _NOBODY_TELLS, np.int64)

    def put(self, host: HostCounters) -> bytes:
        """The body of the section, empty = as before."""
        now = np.array((host.births, host.execs, host.exits), np.int64)
        rise, self._now = now - self._now, now
        if not rise.any():
            return b""
        out = Out()
        out.integers(rise)
        return out.done()

    def take(self, host: HostCounters, data: In | None) -> HostCounters:
        """``host`` with what the section says; None = as before."""
        if data is not None:
            self._now = self._now + data.integers(3)
            if int(self._now.min()) < _NOBODY_TELLS:
                raise Damaged("a count is negative")
        births, execs, exits = self._now.tolist()
        if births == execs == exits == _NOBODY_TELLS:
            return host
        return replace(host, births=births, execs=execs, exits=exits)


def waits_out(out: Out, words: WordsOut, wchan: Mapping[int, str]) -> None:
    rows = sorted(wchan)
    out.rising(np.array(rows, np.int64))
    out.integers(np.array([words.string(wchan[row]) for row in rows], np.int64))


def waits_in(data: In, words: WordsIn, n: int) -> Mapping[int, str]:
    """The way back, for ``n`` rows."""
    rows = data.rising(n).tolist()
    return dict(zip(rows, map(words.string, data.integers(len(rows)).tolist()), strict=True))
