"""A segment's readings as bytes and back: :class:`Encoder` and :class:`Decoder` hold the state that each reading changes.

The bytes of one reading are sections of tag, length and body. A reader skips tags it does not know: that is how a
minor version adds to the format.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np

from proctop import fields
from proctop.records import NO_MAPPING, Floats, Gap, Index, Label, Reading, ThreadTable
from proctop.stream import Damaged
from proctop.stream.columns import Columns, Keys
from proctop.stream.groups import GroupsIn, GroupsOut
from proctop.stream.header import LATEST, Header, text, whole
from proctop.stream.host import HostRow
from proctop.stream.lives import Churn, Ended, exits_in, exits_out, waits_in, waits_out
from proctop.stream.numbers import In, Out
from proctop.stream.scores import OldScoresIn, ScoresIn, ScoresOut
from proctop.stream.seen import Record, Said, Seen, accepted_in, accepted_out, departed_in, departed_out, idle_in, idle_out
from proctop.stream.tables import OldHostIn
from proctop.stream.vitals import VitalsIn, VitalsOut
from proctop.stream.words import WordsIn, WordsOut

MOST_PROCESSES = 1 << 17
"""Rows of one reading."""
MOST_CELLS = 1 << 22
"""Counters times rows: 32 MiB as float64."""
LONGEST_REMARKS = 1 << 20
"""Bytes of the gaps and notes of one reading."""
LONGEST_SEEN = 1 << 22
"""Bytes of the alert events of one reading."""

_NAMES = tuple(counter.name for counter in fields.COUNTERS)
_TIMES = struct.Struct("<qddddd")
_NO_HOST = bytes(6)  # six tables without rows: what a reader of 1.0 looks for
_quiet = np.errstate(all="ignore")  # overflow and NaN are data here; entered once a reading, as it costs as much as a table


class Section(IntEnum):
    TIMES = 1  # seq, wall, mono, boot, interval, late
    WORDS = 2  # new strings, containers, labels
    PROCESSES = 3  # keys, counters
    LABELS = 4  # rows whose label changed
    CHANGED = 5  # Reading.changed, as its difference from what the other sections say
    HOST = 6  # until 1.0; empty since
    CGROUPS = 7  # until 1.0
    EXITS = 8
    REMARKS = 9  # source, gaps, notes; absent = as before
    THREADS = 10
    SCORES = 11  # until 1.0
    SEEN = 12  # JSON: [warming, notes, alerts]; absent = as before
    IDLE = 13  # seconds without activity, with the first reading of a segment
    NUMBERS = 14  # of host and cgroups
    RANKS = 15  # scores and reasons
    ENDED = 16  # totals of the exits; only with EXITS
    WCHAN = 17  # what processes in state D wait in
    CHURN = 18  # births, program starts and ends since they are counted; absent = as before
    ACCEPTED = 19  # which alert events were accepted as normal; absent = none
    DEPARTED = 20  # ranks of the rows of those that ended; absent = none has one
    GROUPS = 21  # scores of groups; absent = none were watched
    VITALS = 22  # scores of the host; absent = not scored


class Encoder:
    """Readings of one segment → bytes, in order. ``redact`` is applied to command lines and container tags; None keeps them."""

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        self._words = WordsOut(redact)
        self._keys = Keys(2, MOST_PROCESSES)
        self._counters = Columns((0,) * len(_NAMES))
        self._scores: ScoresOut | None = None
        self._said = Said()
        self._host = HostRow()
        self._churn = Churn()
        self._groups = GroupsOut()
        self._vitals = VitalsOut()
        self._ended = Ended(len(_NAMES))
        self._remarks: list[Any] = []
        self._begun = False
        self._seq = -2

    @_quiet
    def encode(self, reading: Reading, seen: Seen | None) -> bytes:
        r = reading
        processes = Out()
        take = self._keys.put(processes, (r.pid, r.start))
        follows, self._seq = r.seq == self._seq + 1, r.seq  # else what it calls changed is not all that differs
        self._counters.put(processes, r.counters, take, _suspects(r.changed, take) if follows else None)
        rows, numbers = self._words.rows(r.labels, take)
        sections = {
            Section.TIMES: _TIMES.pack(r.seq, r.wall, r.mono, r.boot, r.interval, r.late),
            Section.WORDS: b"",
            Section.PROCESSES: processes.done(),
        }
        if rows.size:
            out = Out()
            out.rising(rows)
            out.integers(numbers)
            sections[Section.LABELS] = out.done()
        if r.changed is not None:
            mask = _guess(self._counters, take, rows)
            mask[r.changed] ^= True
            sections[Section.CHANGED] = np.packbits(mask).tobytes()
        sections[Section.HOST] = _NO_HOST
        self._host.put(out := Out(), self._words, r)
        sections[Section.NUMBERS] = out.done()
        if body := self._churn.put(r.host):
            sections[Section.CHURN] = body
        if r.exits:
            exits_out(out := Out(), self._words, r.exits)
            sections[Section.EXITS] = out.done()
            if r.ended is not None:
                self._ended.put(out := Out(), r.ended)
                sections[Section.ENDED] = out.done()
        if r.wchan:
            waits_out(out := Out(), self._words, r.wchan)
            sections[Section.WCHAN] = out.done()
        remarks = [r.source, [[g.field, g.count, g.reason] for g in r.gaps], list(r.notes)]
        if remarks != self._remarks:
            self._remarks = remarks
            sections[Section.REMARKS] = json.dumps(remarks, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if r.threads is not None:
            sections[Section.THREADS] = self._threads(r.threads)
        if seen is not None:
            self._scores = self._scores or ScoresOut()
            self._scores.put(out := Out(), self._words, seen.scores, take)
            sections[Section.RANKS] = out.done()
            if body := self._said.put(seen, r.wall):
                sections[Section.SEEN] = body
            if body := accepted_out(seen.alerts):
                sections[Section.ACCEPTED] = body
            if seen.departed is not None:
                sections[Section.DEPARTED] = departed_out(seen.departed)
            if seen.groups:
                self._groups.put(out := Out(), self._words, seen.groups)
                sections[Section.GROUPS] = out.done()
            if seen.vitals is not None:
                self._vitals.put(out := Out(), self._words, seen.vitals)
                sections[Section.VITALS] = out.done()
            if seen.idle is not None and not self._begun:
                idle_out(out := Out(), seen.idle)
                sections[Section.IDLE] = out.done()
        else:
            self._scores = None
        self._begun = True
        self._words.put(out := Out())
        sections[Section.WORDS] = out.done()
        whole = Out()
        for tag, body in sections.items():
            whole.number(tag)
            whole.blob(body)
        return whole.done()

    def _threads(self, threads: ThreadTable) -> bytes:
        out = Out()
        out.number(threads.tid.size)
        names = np.array([self._words.string(comm) for comm in threads.comm], np.int64)
        for column in (threads.tid, threads.pid, threads.start, names):
            out.integers(column)
        Columns((0,) * len(_NAMES)).put(out, threads.counters, None)
        return out.done()


class Decoder:
    """The way back. Counters that this version does not know are dropped, those that the file lacks are NaN.

    ``known`` labels keep their identity while they are equal, so that labels are shared across segments too.
    """

    def __init__(self, header: Header, known: Sequence[Label] = ()) -> None:
        self._info = header.info
        self._m = len(header.counters)
        self._order = None if header.counters == _NAMES else [header.counters.index(n) if n in header.counters else -1 for n in _NAMES]
        self._words = WordsIn(known)
        self._keys = Keys(2, MOST_PROCESSES)
        self._counters = Columns((0,) * self._m)
        self._scores: ScoresIn | None = None
        self._old_scores: OldScoresIn | None = None
        self._said = Said()
        self._host = HostRow()
        self._old_host = OldHostIn()
        self._churn = Churn()
        self._groups = GroupsIn()
        self._vitals = VitalsIn()
        self._ended = Ended(self._m)
        self._remarks: tuple[str, tuple[Gap, ...], tuple[str, ...]] = ("", (), ())

    @property
    def labels(self) -> Sequence[Label]:
        """The labels of the last reading."""
        return self._words.rows

    @_quiet
    def decode(self, data: bytes) -> Record:
        """Raises Damaged unless :class:`Encoder` could have written ``data``; the decoder is of no use then."""
        sections = _sections(data)
        seq, wall, mono, boot, interval, late = _times(sections)
        self._words.take(_required(sections, Section.WORDS))
        body = _required(sections, Section.PROCESSES)
        take = self._keys.take(body)
        pid, start = self._keys.now
        n = pid.size
        if n * self._m > MOST_CELLS or (n and int(pid.max()) >= 1 << 31):
            raise Damaged("a pid or their number is out of range")
        counters = self._ordered(self._counters.take(body, take, n))
        rows = np.zeros(0, np.int64)
        numbers = rows
        if (part := sections.get(Section.LABELS)) is not None:
            rows = part.rising(n)
            numbers = part.integers(rows.size)
        labels = self._words.place(rows, numbers, take, n)
        changed = None
        if (part := sections.get(Section.CHANGED)) is not None:
            flips = np.unpackbits(np.frombuffer(part.raw((n + 7) // 8), np.uint8), count=n).view(np.bool_)
            changed = np.flatnonzero(_guess(self._counters, take, rows) ^ flips)
        if (part := sections.get(Section.NUMBERS)) is not None:
            host, cgroups = self._host.take(part, self._words)
        else:
            host, cgroups = self._old_host.take(_required(sections, Section.HOST), sections.get(Section.CGROUPS), self._words)
        host = self._churn.take(host, sections.get(Section.CHURN))
        if (part := sections.get(Section.REMARKS)) is not None:
            self._remarks = _remarks(bytes(part.raw(min(part.left(), LONGEST_REMARKS))))
        source, gaps, notes = self._remarks
        exits = exits_in(sections[Section.EXITS], self._words, MOST_PROCESSES) if Section.EXITS in sections else ()
        ended = self._totals(sections[Section.ENDED], len(exits)) if Section.ENDED in sections else None
        wchan = waits_in(sections[Section.WCHAN], self._words, n) if Section.WCHAN in sections else {}
        threads = self._threads(sections[Section.THREADS]) if Section.THREADS in sections else None
        seen = self._seen(sections, take, n, wall)
        for array in (pid, start, counters):
            array.flags.writeable = False
        reading = Reading(
            seq, wall, mono, boot, interval, late, source, self._info, pid, start, counters,
            labels, host, cgroups, gaps, exits, changed, threads, ended, wchan, notes,
        )  # fmt: skip
        return Record(reading, seen)

    def _seen(self, sections: Mapping[int, In], take: Index | None, n: int, wall: float) -> Seen | None:
        if (part := sections.get(Section.RANKS)) is not None:
            self._scores = self._scores or ScoresIn()
            scores = self._scores.take(part, self._words, take, n)
        elif (part := sections.get(Section.SCORES)) is not None:
            self._old_scores = self._old_scores or OldScoresIn()
            scores = self._old_scores.take(part, take, n)
        else:
            self._scores = self._old_scores = None
            return None
        if (part := sections.get(Section.SEEN)) is not None:
            self._said.take(bytes(part.raw(min(part.left(), LONGEST_SEEN))), wall)
        idle = idle_in(sections[Section.IDLE], n) if Section.IDLE in sections else None
        warming, notes, alerts = self._said.now
        if (part := sections.get(Section.ACCEPTED)) is not None:
            alerts = accepted_in(part, alerts)
        departed = departed_in(sections[Section.DEPARTED]) if Section.DEPARTED in sections else None
        groups = self._groups.take(sections[Section.GROUPS], self._words) if Section.GROUPS in sections else NO_MAPPING
        vitals = self._vitals.take(sections[Section.VITALS], self._words) if Section.VITALS in sections else None
        return Seen(replace(scores, notes=notes), warming, alerts, idle, departed, vitals, groups)

    def _ordered(self, counters: Floats) -> Floats:
        if self._order is None:
            return counters
        return np.concatenate((counters, np.full((1, counters.shape[1]), np.nan)))[self._order]

    def _totals(self, data: In, count: int) -> Floats:
        if count * self._m > MOST_CELLS:
            raise Damaged("too many totals")
        return self._ordered(self._ended.take(data, count))

    def _threads(self, data: In) -> ThreadTable:
        count = data.number(min(MOST_PROCESSES, MOST_CELLS // self._m))
        tid, pid, start, names = (data.integers(count) for _ in range(4))
        if count and min(int(tid.min()), int(pid.min()), int(start.min())) < 0:
            raise Damaged("a key is negative")
        comm = [self._words.string(k) for k in names.tolist()]
        counters = Columns((0,) * self._m).take(data, None, count)
        return ThreadTable(tid, pid, start, comm, self._ordered(counters))


def _suspects(changed: Index | None, take: Index | None) -> Index | None:
    """Rows that may differ from the reading before, ascending: those that changed and those that came."""
    if changed is None or take is None:
        return changed if changed is None else np.sort(changed)
    mask = take < 0
    mask[changed] = True
    return mask.nonzero()[0]


def _guess(counters: Columns, take: Index | None, relabelled: Index) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """bool[n]: rows that came, or differ in a counter or in their label."""
    mask = counters.active.copy()
    if take is not None:
        mask |= take < 0
    mask[relabelled] = True
    return mask


def _sections(data: bytes) -> dict[int, In]:
    whole = In(data)
    sections: dict[int, In] = {}
    while whole.left():
        tag = whole.number(1 << 16)
        sections[tag] = In(whole.blob())
    return sections


def _required(sections: Mapping[int, In], tag: Section) -> In:
    if tag not in sections:
        raise Damaged(f"a reading has no {tag.name.lower()}")
    return sections[tag]


def _times(sections: Mapping[int, In]) -> tuple[int, float, float, float, float, float]:
    seq, wall, mono, boot, interval, late = _TIMES.unpack(_required(sections, Section.TIMES).raw(_TIMES.size))
    if seq < 0 or not 0 <= wall < LATEST or not all(abs(x) < 1e15 for x in (mono, boot, late)) or not 0 < interval < 1e6:
        raise Damaged("a time is out of range")
    return seq, wall, mono, boot, interval, late


def _remarks(data: bytes) -> tuple[str, tuple[Gap, ...], tuple[str, ...]]:
    try:
        source, gaps, notes = json.loads(data)
        return (
            text(source),
            tuple(Gap(text(field), whole(count), text(reason)) for field, count, reason in gaps),
            tuple(text(note) for note in notes),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged("the remarks are none") from error
