"""Each feature of a process over time, against its usual: what speaks on top, what needs no chart in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from proctop.fields import FEATURE, FEATURES, Feature, Kind, Unit
from proctop.frames import Frame
from proctop.records import Floats, Floats32
from proctop.scoring.explain import quantity, span
from proctop.view import chart, table
from proctop.view.cells import Cell, Glyphs, fit, width
from proctop.view.chart import Scale, Span
from proctop.view.portrait import Portrait, Usual, usual
from proctop.view.prose import LABEL, NARROW, Text, ago, clock, indent, labelled, usual_range

_VALUE = 26  # cells right of a chart
_RECENT = 5  # points in which a feature counts as outside: else the order would flicker
_GROWTH = (("speaks", 3), ("score", 3), ("other", 2), ("speaks", 4), ("other", 3), ("score", 4), ("speaks", 5))  # as far as there is room
_CALM = tuple(step for step in _GROWTH if step[0] != "score")  # where the score tells nothing
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


def lines(portrait: Portrait, columns: int, rows: int, glyphs: Glyphs) -> Text:
    """The charts, as tall as ``rows`` have room for, and what needs none."""
    frame, course = portrait.frame, portrait.course
    left, right = (LABEL, _VALUE) if columns >= NARROW else (LABEL - 3, _VALUE - 4)
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


def _sorted(values: Floats32, now: Floats, bands: Usual, speaking: Sequence[int]) -> tuple[list[int], list[int], list[int], list[int]]:
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
    begin, end = (f"{ago(portrait.zoom)} ago", "now") if portrait.now else (clock(over.begin, over.end), clock(over.end))
    at = {min(int((wall - over.begin) / over.cell), over.columns - 1) for wall in portrait.begins if over.begin < wall <= over.end}
    shows = f"  max of {ago(over.cell)}" if over.cell > 1.5 * portrait.frame.reading.interval else ""
    return [
        Cell(" " + fit(begin, left, glyphs, right=True) + " ", "soft"),
        Cell("".join("!" if k in at else " " for k in range(over.columns)), "alert"),
        Cell(f" {end}", "soft"),
        Cell(fit(shows, max(0, right - len(end)), glyphs), "faint"),
    ]


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


def _feature(k: int, now: float, cells: Floats32, bands: Usual, rows: int, left: int, right: int, glyphs: Glyphs) -> Text:
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
    usually = usual_range(feature, low, high) if known else "not known yet"
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
    room = indent(columns)
    if still:
        said = (f"{_name(FEATURES[k])} {quantity(float(now[k]), FEATURES[k].unit)}" for k in still if now[k] == now[k])
        out += labelled("steady", ", ".join(said), columns, indent=room)
    if quiet:
        out += labelled(
            "at rest", f"and {len(quiet)} that are at rest: {', '.join(_name(FEATURES[k]) for k in quiet)}", columns, "soft", room
        )
    why = {feature: gap.reason for gap in frame.reading.gaps for feature in _UNTOLD.get(gap.field, ())}
    told: dict[str, list[str]] = {}
    for k in untold:
        told.setdefault(why.get(FEATURES[k].name, ""), []).append(_name(FEATURES[k]))
    for count, (reason, names) in enumerate(told.items()):
        out += labelled("" if count else "not known", ", ".join(names) + (f": {reason}" if reason else ""), columns, "soft", room)
    return out
