"""The host's quantities as lines: group by group, each with its value, what is usual, its score and its last readings."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from proctop.fields import QUANTITY, Quantity, Scale
from proctop.frames import HOST, Frame, HostRates, HostScores, Vital, Vitals
from proctop.hosttables import processes, with_processes
from proctop.hostwatch import WARM_UP, HostWatch, amount, between
from proctop.records import Floats32
from proctop.view import sparkline
from proctop.view.cells import Cell, Glyphs, bar, fit, width
from proctop.view.table import FULL, NOTABLE

NAN = float("nan")
LENGTH = 120
"""Readings that are remembered."""

TITLES = {"vmstat": "vmstat", "iostat": "iostat", "netstat": "netstat", "psi": "pressure", "process": "processes"}
ORDER = ("vmstat", "psi", "process", "iostat", "netstat")
SECOND = "iostat"
"""With which of the groups the second of two columns begins."""

_NAME, _VALUE, _USUAL, _SCORE = 16, 9, 15, 9
_TWO = 150  # cells from which on there are two columns
Text = list[list[Cell]]


@dataclass(frozen=True, slots=True)
class Taste:
    """``worst``: the highest scores of each group first; ``unusual``: only what is notable."""

    worst: bool = False
    unusual: bool = False


class Past:
    """The last values of every quantity, oldest first."""

    def __init__(self) -> None:
        self._vectors: deque[tuple[tuple[Vital, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]] = deque(maxlen=LENGTH)
        self._tick = -1

    def push(self, frame: Frame) -> None:
        """A frame; those that were left out before it are gaps."""
        shown = measured(frame)
        missed = frame.tick - self._tick - 1 if 0 <= self._tick < frame.tick else 0
        self._tick = frame.tick
        self._vectors.extend([((), np.zeros(0))] * min(missed, LENGTH))
        self._vectors.append((shown.names, shown.values))

    @classmethod
    def through(cls, rates: Iterable[HostRates]) -> Past:
        """Of readings one after the other, oldest first."""
        past = cls()
        past._vectors.extend((r.vitals.names, r.vitals.values) if r.vitals is not None else ((), np.zeros(0)) for r in rates)
        return past

    def of(self, names: Sequence[Vital]) -> Floats32:
        """float32[n, readings]: the values of each of ``names``, NaN where there were none."""
        out = np.full((len(names), len(self._vectors)), np.nan, dtype=np.float32)
        for j, (known, values) in enumerate(self._vectors):
            if known == names[: len(known)]:
                out[: len(known), j] = values
            elif known:
                place = {name: k for k, name in enumerate(known)}
                at = [(i, place[name]) for i, name in enumerate(names) if name in place]
                for i, k in at:
                    out[i, j] = values[k]
        return out


def measured(frame: Frame) -> Vitals | HostScores:
    """The quantities of a frame: scored, or only what its counters tell."""
    if frame.vitals is not None:
        return frame.vitals
    if frame.host.vitals is None:
        return Vitals((), np.zeros(0))
    return with_processes(frame.host.vitals, processes(frame.batch, frame.host.memory_total))


def retrospect(frame: Frame, rates: Sequence[HostRates]) -> Frame:
    """With the scores of its host worked out from the ``rates`` up to it, where they are not known and those suffice."""
    if frame.vitals is not None or len(rates) <= WARM_UP or rates[-1].vitals is None:
        return frame
    watch, scores = HostWatch(), None
    for one in rates[:-1]:
        if one.vitals is not None:
            watch.go_on(with_processes(one.vitals), one.memory_total, frame.reading.interval)
    now = measured(frame)
    scores = watch.go_on(Vitals(now.names, now.values), frame.host.memory_total, frame.reading.interval)
    return replace(frame, vitals=replace(scores, alerting=scores.alerting & False, why=()))


def headline(frame: Frame) -> tuple[list[Cell], list[Cell]]:
    """What there is to say of the host as a whole, from the left and from the right."""
    scores = frame.vitals
    if scores is None:
        return [Cell(" the host", "strong"), Cell("  not scored: too little of its past is at hand", "soft")], []
    if scores.warming < 1:
        return [Cell(" the host", "strong"), Cell("  not judged while warming up", "soft")], [
            Cell(f"warming {scores.warming:.0%} ", "good")
        ]
    alarm = next((event for event in frame.alerts if event.key == HOST and event.open), None)
    if alarm is not None:
        said = "; ".join(reason.text for reason in scores.why or alarm.why)
        return [Cell(" the host", "strong"), Cell(f"  {said}", "alert")], [Cell(" accepted ", "good")] if alarm.accepted else []
    count = int((scores.rank >= NOTABLE).sum())
    unusual = f"  {count} of {len(scores.names)} quantities are unusual" if count else "  nothing unusual"
    return [Cell(" the host", "strong"), Cell(unusual, "soft")], []


def text(frame: Frame, past: Past, total: int, glyphs: Glyphs, taste: Taste) -> Text:
    """The lines at a width of ``total``; two columns where there is room."""
    shown = measured(frame)
    scores = frame.vitals
    history = past.of(shown.names)
    memory = frame.host.memory_total
    if total >= _TWO:
        half = (total - 3) // 2
        at = ORDER.index(SECOND)
        left, right = (_groups(groups, shown, scores, history, memory, half, glyphs, taste) for groups in (ORDER[:at], ORDER[at:]))
        rows = max(len(left), len(right))
        blank = [Cell(" " * half)]
        left += [blank] * (rows - len(left))
        right += [blank] * (rows - len(right))
        return [[*a, Cell(f" {glyphs.bar} ", "faint"), *b] for a, b in zip(left, right, strict=True)]
    return _groups(ORDER, shown, scores, history, memory, total, glyphs, taste)


def _groups(
    groups: Sequence[str],
    shown: Vitals | HostScores,
    scores: HostScores | None,
    history: Floats32,
    memory: float,
    total: int,
    glyphs: Glyphs,
    taste: Taste,
) -> Text:
    out: Text = [_titles(total, glyphs)]
    order = sorted((groups.index(name.group), i) for i, name in enumerate(shown.names) if name.group in groups)
    for (group, entity), members in groupby((i for _, i in order), key=lambda i: (shown.names[i].group, shown.names[i].entity)):
        rows = list(members)
        if scores is not None:
            rank = scores.rank
            if taste.unusual:
                rows = [i for i in rows if rank[i] >= NOTABLE or scores.alerting[i]]
            if taste.worst:
                rows.sort(key=lambda i: -rank[i] if rank[i] == rank[i] else 1.0)
        if not rows:
            continue
        head = f" {TITLES[group]} {entity}".rstrip()
        size = min(width(glyphs.plain(head)), total)
        if entity and not taste.unusual and not _moved(rows, shown.names, history):
            out.append([Cell(fit(head, size, glyphs), "strong"), Cell(fit("  nothing moves", total - size, glyphs), "faint")])
            continue
        out.append([Cell(fit(head, total, glyphs), "strong")])
        out += [_row(i, shown, scores, history[i], memory, total, glyphs) for i in rows]
    if len(out) == 1:
        out.append([Cell(fit(" nothing unusual" if taste.unusual else " nothing is known of this moment", total, glyphs), "soft")])
    return out


def _moved(rows: Sequence[int], names: Sequence[Vital], history: Floats32) -> bool:
    """Whether a disk or an interface did anything within its history."""
    told = [i for i in rows if QUANTITY[names[i].group, names[i].name].tail]
    return bool((history[told] > 0).any())


def _fits(total: int) -> tuple[bool, int]:
    """Whether what is usual has room, and the cells of the history."""
    with_usual = total >= 54
    return with_usual, max(0, total - (4 + _NAME + _VALUE + _SCORE + (1 + _USUAL) * with_usual) - 1)


def _titles(total: int, glyphs: Glyphs) -> list[Cell]:
    with_usual, cells = _fits(total)
    text = f"  {'QUANTITY':{_NAME}} {'NOW':>{_VALUE}} " + f"{'USUAL':>{_USUAL}} " * with_usual + f"{'SCORE':>{_SCORE}}  HISTORY"
    return [Cell(fit(text if cells >= 7 else text.removesuffix("  HISTORY"), total, glyphs), "title")]


def _row(
    i: int, shown: Vitals | HostScores, scores: HostScores | None, past: Floats32, memory: float, total: int, glyphs: Glyphs
) -> list[Cell]:
    row = QUANTITY[shown.names[i].group, shown.names[i].name]
    value = float(shown.values[i])
    with_usual, cells = _fits(total)
    level = _level(i, scores)
    quiet = value == 0 or value != value
    out = [
        Cell("  " + fit(row.title, _NAME, glyphs), "text" if level in ("high", "alert") else "soft"),
        Cell(" " + fit(amount(row, value) if value == value else glyphs.missing, _VALUE, glyphs, right=True), "faint" if quiet else "text"),
    ]
    if with_usual:
        known = scores is not None and scores.low[i] == scores.low[i] and scores.high[i] == scores.high[i]
        usual = between(row, float(scores.low[i]), float(scores.high[i])) if scores is not None and known else ""
        out.append(Cell(" " + fit(usual, _USUAL, glyphs, right=True), "soft"))
    out += [Cell(" "), *_score(i, row, scores, int(np.count_nonzero(past == past)) > 1, glyphs, level)]
    if cells > 2:
        out += [Cell(" "), Cell(_spark(row, past, memory, cells, glyphs), "spark" if level in ("high", "alert") else "faint")]
    return out


def _level(i: int, scores: HostScores | None) -> str:
    if scores is None or not scores.rank[i] >= NOTABLE:
        return "alert" if scores is not None and scores.alerting[i] else "low"
    return "alert" if scores.alerting[i] else "high" if scores.rank[i] >= 3.0 else "mid"


def _score(i: int, row: Quantity, scores: HostScores | None, known: bool, glyphs: Glyphs, level: str) -> list[Cell]:
    room = _SCORE - 5
    rank = float(scores.rank[i]) if scores is not None else NAN
    if not row.tail:
        return [Cell(" " * _SCORE)]
    if rank != rank:
        young = scores is not None and scores.low[i] != scores.low[i] and scores.values[i] == scores.values[i]
        word = "warming" if young and known else glyphs.missing  # without a past there is nothing to warm up on
        return [Cell(fit(word, _SCORE - 1, glyphs, right=True) + " ", "faint")]
    head = Cell(bar(min(rank / FULL, 1.0), room, glyphs) if rank >= 0.05 else " " * room, level)
    mark = "!" if scores is not None and scores.alerting[i] else " "
    return [head, Cell(fit(f"{rank:.1f}", 4, glyphs, right=True) + mark, level if rank >= 0.05 else "faint")]


def _spark(row: Quantity, past: Floats32, memory: float, cells: int, glyphs: Glyphs) -> str:
    """As high as the highest of it; shares of a whole at least as high as a fifth of that."""
    least = {Scale.SHARE: 0.2 / row.one, Scale.MEMORY: 0.2 * memory / row.one}.get(row.scale, row.noise / row.one)
    known = past[-cells:]
    known = known[known == known]
    high = max([least, float(known.max())]) if known.size else least
    return sparkline.text(past, cells, high=high if high == high else 1.0, ascii=glyphs.ascii)
