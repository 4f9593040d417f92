"""Why a process stands out: its reasons in words, and each of its features over time against what is usual."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from proctop.fields import FEATURE, FEATURES, Feature, Kind, Unit
from proctop.records import AlertEvent, Course, Floats, Floats32, Frame, ProcKey, Reason
from proctop.scoring.explain import quantity, span
from proctop.view import chart, table
from proctop.view.cells import Cell, Glyphs, fit, width
from proctop.view.chart import Scale, Span
from proctop.view.units import duration

Text = list[list[Cell]]

ZOOMS = (10.0, 60.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds that the charts go back."""

LEAST = 120.0
"""Seconds from which what is usual is taken, however near the charts look."""

YOUNG = 60
"""Readings: a process that lived less is held against others of its name."""

AGAINST = {"own": "its own history", "cohort": "others of its name", "host": "all others here"}

_LABEL, _VALUE = 15, 26  # cells left and right of a chart
_NARROW = 72  # columns below which both get less
_RECENT = 5  # points in which a feature counts as outside: else the order would flicker
_GROWTH = (("speaks", 3), ("score", 3), ("other", 2), ("speaks", 4), ("other", 3), ("score", 4), ("speaks", 5))  # as far as there is room
_CALM = tuple(step for step in _GROWTH if step[0] != "score")  # where the score tells nothing
_ENOUGH = 1000  # points that a band is taken from, at least where there are as many
_STILL = 0.01  # of a level: what it may change by and still be called steady
_NOISE = np.array([feature.noise or (0.01 if feature.unit is Unit.SHARE else 1048576.0) for feature in FEATURES])
"""float64[features]: differences below it say nothing, also of features that are not scored."""
_UNTOLD = {
    "io": ("rchar", "wchar", "syscalls", "disk_read", "disk_write"),
    "fd": ("fds", "fd_growth"),
    "status": ("vctx", "nvctx", "data_growth"),
    "schedstat": ("run_wait", "demand"),
}
"""Features by the gap that says why they are missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """What is drawn of a process.

    Attributes:
        frame, row: the last moment at which it was there.
        course: up to that moment; zoom: seconds of it that are drawn.
        begins: wall seconds at which alerts of it began.
        now: the moment is now, else a time of day.
    """

    frame: Frame
    row: int
    course: Course
    zoom: float = 120.0
    begins: Sequence[float] = ()
    now: bool = True

    @property
    def key(self) -> ProcKey:
        return self.frame.reading.key(self.row)

    @property
    def young(self) -> bool:
        reading = self.frame.reading
        return reading.boot - int(reading.start[self.row]) / reading.info.ticks < YOUNG * reading.interval

    @property
    def kin(self) -> bool:
        """Whether others of its name say what is usual."""
        return self.young and self.course.kin.shape[1] >= chart.FEWEST


@dataclass(frozen=True, slots=True, eq=False)
class _Usual:
    """The bands float64[features] and whose they are, by feature where it is not the process's own."""

    low: Floats
    high: Floats
    against: Mapping[int, str] = field(default_factory=dict)


def text(portrait: Portrait, columns: int, rows: int, glyphs: Glyphs) -> Text:
    """All of it, as many lines as it takes; the charts are as tall as ``rows`` have room for."""
    head = reasons(portrait.frame, portrait.row, columns, glyphs)
    if portrait.kin:
        comm = portrait.frame.batch.labels[portrait.row].comm
        head += labelled("usual", f"of others named {comm}: it is too young to have a usual of its own", columns, "soft")
    return head + _charts(portrait, columns, rows - len(head), glyphs)


def labelled(label: str, words: str, columns: int, style: str = "text", indent: int = _LABEL) -> Text:
    """A paragraph beside its label; long words are broken, so that all of it can be read."""
    room = max(10, columns - indent - 2)
    parts = textwrap.wrap(words, room, break_long_words=True, break_on_hyphens=False) or [""]
    return [[Cell(f" {label if k == 0 else '':{indent}} ", "soft"), Cell(part, style)] for k, part in enumerate(parts)]


# in words


def sentence(reason: Reason) -> str:
    """A reason as people say it.

    >>> sentence(Reason("wchar", 12 * 2.0**20, (0.0, 40 * 1024.0), "own", "writes 12 MB/s, usual 0–40 KB/s"))
    'Writes 12 MB/s; usually 0–40 KB/s (its own history)'
    """
    head, told, _ = reason.text.partition(", usual")
    head = head[:1].upper() + head[1:]
    if not told or reason.feature not in FEATURE:
        return head
    return f"{head}; usually {_range(FEATURES[FEATURE[reason.feature]], *reason.usual)} ({AGAINST.get(reason.against, reason.against)})"


def _range(feature: Feature, low: float, high: float) -> str:
    return f"≤ {quantity(high, feature.unit)}" if feature.name == "idle_s" else span(max(low, 0.0), max(high, 0.0), feature.unit)


def reasons(frame: Frame, row: int, columns: int, glyphs: Glyphs) -> Text:
    """The score, why it is what it is, and the alert that it raised."""
    scores = frame.scores
    hourly = float(scores.per_hour[row])
    rare = f"  comes by chance {_often(hourly)}" if scores.rank[row] >= table.NOTABLE and hourly == hourly else ""
    cells = [Cell(cell.text.lstrip(), cell.style) for cell in table.score_cells(frame, row, 9, glyphs)]
    out: Text = [[Cell(f" {'score':{_LABEL}} ", "soft"), *cells, Cell(rare, "soft")]]
    why = scores.why.get(row, ())
    said = [sentence(reason) for reason in why] or [table.no_reason(frame, row)]
    for k, words in enumerate(said):
        out += labelled("" if k else "why", words, columns, table.level(frame, row) if why else "soft")
    key = frame.reading.key(row)
    for event in frame.alerts:
        if event.key == key:
            out += labelled("alert", _told(event, frame.reading.wall), columns, "alert" if event.open else "soft")
    return out


def _told(event: AlertEvent, now: float) -> str:
    lasted = duration(max(0.0, (now if event.open else event.end) - event.start), 9)
    when = f"since {_clock(event.start)}, {lasted}" if event.open else f"from {_clock(event.start)} to {_clock(event.end)}"
    return f"{when}; worst {event.score:.1f} at {_clock(event.peak)}" + ("; an incident" if event.incident else "")


def _clock(wall: float, beside: float | None = None) -> str:
    """The time of day, with its date where that is not the one of a time ``beside`` it."""
    at = time.localtime(wall)
    same = beside is None or at[:3] == time.localtime(beside)[:3]
    return time.strftime("%H:%M:%S" if same else "%b %d %H:%M", at)


def _often(hourly: float) -> str:
    """A frequency as people say it: "once in 2.5 h", "40 times an hour"."""
    return f"{hourly:.0f} times an hour" if hourly >= 1.5 else f"once in {1 / hourly:.2g} h" if hourly > 0 else "almost never"


# in charts


def usual(portrait: Portrait) -> _Usual:
    """What is usual of each feature: what its reason says, where it speaks; of a young process what others of its name do; else 5 to
    95 % of its own readings at hand, without those in which it was unusual.
    """
    course, why = portrait.course, portrait.frame.scores.why.get(portrait.row, ())
    kin = portrait.kin
    calm = np.flatnonzero(~(course.rank >= table.NOTABLE))
    own = calm if calm.size >= max(chart.FEWEST, len(course) // 5) else np.arange(len(course))
    some = own[:: max(1, own.size // _ENOUGH)]
    low, high = chart.band(course.kin if kin else course.values[:, some])
    against = dict.fromkeys(range(len(FEATURES)), "cohort") if kin else {}
    for reason in why:
        k = FEATURE.get(reason.feature)
        if k is not None:
            low[k], high[k] = reason.usual
            against[k] = reason.against
    return _Usual(low, high, against)


def _charts(portrait: Portrait, columns: int, rows: int, glyphs: Glyphs) -> Text:
    frame, course = portrait.frame, portrait.course
    left, right = (_LABEL, _VALUE) if columns >= _NARROW else (_LABEL - 3, _VALUE - 4)
    end = frame.reading.wall
    over = Span(end - portrait.zoom, end, max(1, columns - left - right - 3))
    within = course.wall > over.begin
    bands = usual(portrait)
    now = frame.batch.values[:, portrait.row].astype(np.float64)
    for reason in frame.scores.why.get(portrait.row, ()):
        k = FEATURE.get(reason.feature)
        if k is not None and now[k] != now[k]:
            now[k] = reason.value  # of several readings, where this one does not tell
    speaking = [FEATURE[reason.feature] for reason in frame.scores.why.get(portrait.row, ()) if reason.feature in FEATURE]
    others, still, quiet, untold = _sorted(course.values[:, within], now, bands, speaking)
    tail = _tail(frame, now, still, quiet, untold, columns)
    if course.every > 1:
        tail += labelled(
            "sampled", f"1 of {course.every} readings is looked at in so wide a span: what lies between may be missed", columns, "soft"
        )
    cells = chart.pooled(course, course.values, over)
    rank = chart.pooled(course, np.stack([course.rank, course.alerting.astype(np.float32)]), over)
    told = bool((rank[0] >= table.NOTABLE).any())
    heights = _heights({"score": 1, "speaks": len(speaking), "other": len(others)}, rows - len(tail) - 2, _GROWTH if told else _CALM)
    out: Text = [[Cell("")], _axis(portrait, over, left, right, glyphs)]
    out += _score(portrait, rank, heights["score"], left, right, glyphs)
    for k in (*speaking, *others):
        out += _feature(k, float(now[k]), cells[k], bands, heights["speaks" if k in speaking else "other"], left, right, glyphs)
    return out + tail


def _heights(charts: Mapping[str, int], rows: int, growth: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Rows of the charts of each kind: one, and more where there is room for all of that kind."""
    heights = dict.fromkeys(charts, 1)
    for kind, height in growth:
        grown = heights | {kind: height}
        if sum(charts[one] * grown[one] for one in charts) <= rows:
            heights = grown
    return heights


def _sorted(values: Floats32, now: Floats, bands: _Usual, speaking: Sequence[int]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Features without those that speak: those that move, farthest outside their band first; those that are steady, at rest, not told."""
    seen = np.concatenate((values.astype(np.float64), now[:, None]), axis=1)
    top, bottom = np.fmax.reduce(seen, axis=1).tolist(), np.fmin.reduce(seen, axis=1).tolist()
    moving, still, quiet, untold = [], [], [], []
    for k, feature in enumerate(FEATURES):
        if k in speaking:
            continue
        if top[k] != top[k]:
            untold.append(k)
        elif top[k] == bottom[k] == 0:
            quiet.append(k)
        elif feature.kind is Kind.LEVEL and top[k] - bottom[k] <= _STILL * top[k]:
            still.append(k)
        else:
            moving.append(k)
    recent = seen[:, -_RECENT:]
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.fmax(np.fmax.reduce(recent, axis=1) - bands.high, bands.low - np.fmin.reduce(recent, axis=1))
        far = np.nan_to_num(apart / np.fmax(bands.high - bands.low, _NOISE), posinf=1e9)
    # whole orders of magnitude: the small change of a reading must not move a chart
    return sorted(moving, key=lambda k: (-_order(far[k]), k)), still, quiet, untold


def _order(far: float) -> int:
    return 0 if far < 1.0 else 1 + int(np.log10(far))


def _axis(portrait: Portrait, over: Span, left: int, right: int, glyphs: Glyphs) -> list[Cell]:
    """When the charts begin and end, what a cell shows, and a "!" where an alert began."""
    begin, end = (f"{_ago(portrait.zoom)} ago", "now") if portrait.now else (_clock(over.begin, over.end), _clock(over.end))
    at = {min(int((wall - over.begin) / over.cell), over.columns - 1) for wall in portrait.begins if over.begin < wall <= over.end}
    shows = f"  max of {_ago(over.cell)}" if over.cell > 1.5 * portrait.frame.reading.interval else ""
    return [
        Cell(" " + fit(begin, left, glyphs, right=True) + " ", "soft"),
        Cell("".join("!" if k in at else " " for k in range(over.columns)), "alert"),
        Cell(f" {end}", "soft"),
        Cell(fit(shows, max(0, right - len(end)), glyphs), "faint"),
    ]


def _ago(seconds: float) -> str:
    """A span of time.

    >>> [_ago(x) for x in (1.5, 10, 60, 600, 3600, 86400)]
    ['1.5 s', '10 s', '1 min', '10 min', '1 h', '24 h']
    """
    size, unit = (1.0, "s") if seconds < 60 else (60.0, "min") if seconds < 3600 else (3600.0, "h")
    return f"{seconds / size:.2g} {unit}"


def _score(portrait: Portrait, cells: Floats32, rows: int, left: int, right: int, glyphs: Glyphs) -> Text:
    frame, row = portrait.frame, portrait.row
    rank, alerting = cells
    scale = Scale(0.0, max(table.FULL, float(np.fmax.reduce(rank, initial=0.0))))
    styles = [
        "alert" if alert > 0 else "mid" if score >= table.NOTABLE else "faint"
        for score, alert in zip(rank.tolist(), alerting.tolist(), strict=True)
    ]
    drawn = chart.bars(chart.steps(rank, scale, rows), rows, styles, glyphs)
    number = float(frame.scores.rank[row])
    mark = "!" if frame.scores.alerting[row] else ""
    said = [Cell(f"{glyphs.missing if number != number else f'{number:.1f}':>8}{mark}", table.level(frame, row) if number > 0 else "faint")]
    return _beside("score", "", drawn, [said], left, right, glyphs)


def _feature(k: int, now: float, cells: Floats32, bands: _Usual, rows: int, left: int, right: int, glyphs: Glyphs) -> Text:
    feature = FEATURES[k]
    low, high = float(bands.low[k]), float(bands.high[k])
    scale = _scale(feature, cells, now, low, high)
    known = high == high
    heights = chart.steps(cells, scale, rows)
    styles = ["mid" if known and value < low else "spark" if value > 0 else "faint" for value in cells.tolist()]
    edges = chart.steps(np.array([low, high]), scale, rows) if known else None
    drawn = chart.bars(heights, rows, styles, glyphs, usual=(edges[0], edges[1]) if edges is not None else None)
    slack = max(float(_NOISE[k]), _STILL * high) if known else 0.0
    above, below = known and now > high + slack, known and now < low - slack
    mark = glyphs.up if above else glyphs.down if below else " "
    value = glyphs.missing if now != now else quantity(max(now, 0.0), feature.unit)
    style = "high" if above else "mid" if below else "faint" if not now > 0 else "text"
    usually = _range(feature, low, high) if known else "not known yet"
    whose = "of others" if known and bands.against.get(k, "own") != "own" else ""
    first = [Cell(f"{value:>8} {mark} ", style)]
    lines = (
        [[*first, Cell(usually, "soft")]]
        if rows == 1
        else [first, [Cell(f"usually {usually}" if known else "usual not known yet", "soft")], [Cell(whose, "soft")]]
    )
    return _beside(_name(feature), f"{span(scale.low, scale.high, feature.unit)}", drawn, lines, left, right, glyphs)


def _beside(
    label: str, scale: str, drawn: Sequence[Sequence[Cell]], said: Sequence[Sequence[Cell]], left: int, right: int, glyphs: Glyphs
) -> Text:
    """A chart between its label and its numbers."""
    out = []
    for k, cells in enumerate(drawn):
        head = label if k == 0 else scale if k == 1 else ""
        words = said[k] if k < len(said) else []
        room, tail = right, []
        for cell in words:
            tail.append(Cell(fit(cell.text, min(width(glyphs.plain(cell.text)), room), glyphs), cell.style))
            room -= width(tail[-1].text)
        style = "soft" if k == 0 else "faint"
        out.append([Cell(" " + fit(head, left, glyphs, right=k > 0) + " ", style), *cells, Cell(" "), *tail])
    return out


def _name(feature: Feature) -> str:
    return feature.phrase.replace("{}", "").strip().removesuffix(" for")


def _scale(feature: Feature, cells: Floats32, now: float, low: float, high: float) -> Scale:
    """From 0, but of a level that moves little the part in which it moves."""
    finite = cells[np.isfinite(cells)].astype(np.float64)
    known = [value for value in (*((finite.max(), finite.min()) if finite.size else ()), now, low, high) if np.isfinite(value)]
    top = max([*known, feature.noise])
    bottom = min(known, default=0.0)
    if feature.kind is Kind.LEVEL and feature.name != "idle_s" and bottom > 0.5 * top:
        room = max(top - bottom, 0.05 * top)
        return Scale(max(0.0, bottom - 0.5 * room), top)
    return Scale(0.0, top if top > 0 else 1.0)


def _tail(frame: Frame, now: Floats, still: Sequence[int], quiet: Sequence[int], untold: Sequence[int], columns: int) -> Text:
    """What needs no chart."""
    out: Text = []
    if still:
        said = (f"{_name(FEATURES[k])} {quantity(float(now[k]), FEATURES[k].unit)}" for k in still if now[k] == now[k])
        out += labelled("steady", ", ".join(said), columns)
    if quiet:
        out += labelled("at rest", f"and {len(quiet)} that are at rest: {', '.join(_name(FEATURES[k]) for k in quiet)}", columns, "soft")
    why = {feature: gap.reason for gap in frame.reading.gaps for feature in _UNTOLD.get(gap.field, ())}
    told: dict[str, list[str]] = {}
    for k in untold:
        told.setdefault(why.get(FEATURES[k].name, ""), []).append(_name(FEATURES[k]))
    for count, (reason, names) in enumerate(told.items()):
        out += labelled("" if count else "not known", ", ".join(names) + (f": {reason}" if reason else ""), columns, "soft")
    return out
