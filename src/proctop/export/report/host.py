"""The host over time: the anomalies above; below them score, cpu, memory, disks and pressure on one axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from proctop.export.report import charts, words
from proctop.export.report.charts import percent, plot, title
from proctop.export.report.episodes import Episodes
from proctop.export.report.quality import Quality
from proctop.export.report.timeline import Bins
from proctop.export.report.times import Times

_HEAD, _PLOT, _SPACE, _AXIS = 22, 64, 12, 20  # pixels
_ROW, _ROWS = 9, 6  # pixels of an anomaly, and how many are drawn above each other
_THINNEST = 0.004  # of the breadth: an anomaly shorter than this is still seen
_REACH = 6  # half bins without a reading across which a line is drawn
_KEYS = "abc"


@dataclass(frozen=True, slots=True)
class _Lane:
    title: str
    series: tuple[tuple[str, str], ...]  # name, and what it is called
    said: Callable[[float], str]
    least: float  # the scale reaches up to here at least
    style: str = "a"


_LANES = (
    _Lane("Highest score", (("score", "score"),), lambda v: f"{v:.1f} nats", 3.0, "s"),
    _Lane("CPU", (("cpu", "busy"),), words.share, 1.0),
    _Lane("Memory", (("memory", "used"), ("swap", "swap")), words.size, 0.0),
    _Lane("Disks", (("read", "read"), ("written", "written")), words.speed, 2.0**20),
    _Lane("Pressure", (("cpu_wait", "cpu"), ("memory_wait", "memory"), ("io_wait", "io")), words.share, 0.1),
)


def picture(bins: Bins, episodes: Episodes, quality: Quality, memory: float, times: Times) -> str:
    """The timeline as one SVG. ``memory``: bytes that the host has."""
    spans = _spans(bins, episodes)
    marks, depth = _marks(episodes, spans)
    y = _HEAD + depth * _ROW + _SPACE
    lanes = []
    for lane in _LANES:
        lanes.append(_drawn(lane, bins, y, memory))
        y += _HEAD + _PLOT + _SPACE
    bottom = y - _SPACE
    count = words.plural(episodes.count, "anomaly", "anomalies") if episodes.count else "none"
    if episodes.count > len(episodes.listed):
        count += f", the {len(episodes.listed)} highest are drawn"
    head = f'<text class="head" y="13">Anomalies</text><text x="100%" y="13" text-anchor="end">{count}</text>'
    return (
        f'<svg width="100%" height="{bottom + _AXIS}" role="img" aria-label="The host over time, with its anomalies">'
        f"{_shade(bins, spans, quality, bottom)}{_axis(bins, bottom, times)}{''.join(lanes)}"
        f"{_hover(bins, bottom, times)}{head}{marks}</svg>"
    )


def _spans(bins: Bins, episodes: Episodes) -> list[tuple[float, float]]:
    """From where to where each anomaly reaches, 0 to 1."""
    out = []
    for episode in episodes.listed:
        a = min(max((episode.event.start - bins.first) / bins.span, 0.0), 1.0 - _THINNEST)
        out.append((a, min(max((episode.event.end - bins.first) / bins.span, a + _THINNEST), 1.0)))
    return out


def _marks(episodes: Episodes, spans: list[tuple[float, float]]) -> tuple[str, int]:
    """The anomalies as bars, those at the same time below each other, and the number of rows that this takes."""
    ends: list[float] = []
    out = []
    for number, (episode, (a, b)) in enumerate(zip(episodes.listed, spans, strict=True), 1):
        row = next((i for i, end in enumerate(ends) if end <= a), min(len(ends), _ROWS - 1))
        ends[row : row + 1] = [b + _THINNEST / 2]
        event = episode.event
        said = title(f"{number}: {event.comm} {words.whose(event.key)}, {words.number(event.score)} nats")
        place = f'x="{percent(a)}" y="{_HEAD + row * _ROW}" width="{percent(b - a)}"'
        out.append(f'<a href="#a{number}"><rect class="mark" {place} height="{_ROW - 3}" rx="2">{said}</rect></a>')
    return "".join(out), max(len(ends), 1)


def _shade(bins: Bins, spans: list[tuple[float, float]], quality: Quality, bottom: int) -> str:
    """Where there was any anomaly, and where there are no readings."""
    joined: list[tuple[float, float]] = []
    for a, b in sorted(spans):
        if joined and a <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(b, joined[-1][1])
        else:
            joined.append((a, b))
    down = f'y="{_HEAD}" height="{bottom - _HEAD}"'
    out = [f'<rect class="wash" x="{percent(a)}" width="{percent(b - a)}" {down}/>' for a, b in joined]
    for hole in quality.holes:
        a, b = (hole.start - bins.first) / bins.span, (hole.end - bins.first) / bins.span
        said = title(f"no readings for {words.lasting(hole.end - hole.start)}: {hole.why}")
        out.append(f'<rect class="hole" x="{percent(a)}" width="{percent(b - a)}" {down}>{said}</rect>')
    return "".join(out)


def _drawn(lane: _Lane, bins: Bins, y: int, memory: float) -> str:
    """Means as lines and, where they differ, peaks as thin ones; of the first series also the area."""
    series = [bins.of(name) for name, _ in lane.series]
    known = np.concatenate([peak[~np.isnan(peak)] for _, peak in series])
    below = f'<line class="base" x1="0" x2="100%" y1="{y + _HEAD + _PLOT}" y2="{y + _HEAD + _PLOT}"/>'
    if not known.size:
        return _title(lane, y, "not recorded") + below
    highest = float(known.max())
    top = max(highest * 1.04, lane.least)
    xs = np.arange(len(bins)) * 2 + 1
    inside = []
    for i, (mean, peak) in enumerate(series):
        style = lane.style if lane.style == "s" else _KEYS[i]
        shown = peak if style == "s" else mean
        runs = charts.path(xs, shown, 0.0, top, _REACH)
        if i == 0:
            inside.append(charts.fills(runs, f"fill-{style}"))
        if bool((peak > shown * 1.02).any()):
            inside.append(charts.strokes(charts.path(xs, peak, 0.0, top, _REACH), f"{style} far"))
        inside.append(charts.strokes(runs, style))
    said = f"highest {lane.said(highest)}"
    if lane.title == "Memory" and memory > 0:
        said += f" of {words.size(memory)}"
    return _title(lane, y, said) + plot(y + _HEAD, _PLOT, 2 * len(bins), "".join(inside)) + below


def _title(lane: _Lane, y: int, said: str) -> str:
    keys = [f'<tspan class="key-{key}" dx="9">{word}</tspan>' for key, (_, word) in zip(_KEYS, lane.series, strict=False)]
    head = lane.title + ("".join(keys) if len(keys) > 1 else "")
    return f'<text class="head" y="{y + 15}">{head}</text><text x="100%" y="{y + 15}" text-anchor="end">{said}</text>'


def _axis(bins: Bins, y: int, times: Times) -> str:
    out = []
    for i, (x, text) in enumerate(times.ticks(bins.first, bins.span)):
        at, alt = percent(x), ' class="alt"' if i % 2 else ""
        out.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_HEAD}" y2="{y}"/>')
        if 0.03 < x < 0.97:
            out.append(f'<text{alt} x="{at}" y="{y + 15}" text-anchor="middle">{text}</text>')
    return "".join(out)


def _hover(bins: Bins, bottom: int, times: Times) -> str:
    """What each bin holds, shown while the pointer rests on it."""
    names = ("cpu", "memory", "read", "written", "cpu_wait", "memory_wait", "io_wait")
    means = [bins.of(name)[0].tolist() for name in names]
    out = []
    for i, (count, score, worst, *mean) in enumerate(zip(bins.readings, bins.of("score")[1].tolist(), bins.worst, *means, strict=True)):
        if count:
            cpu, memory, read, written, *waits = mean
            lines = (
                times.stamp(bins.first + i * bins.width),
                f"score {words.number(score)} {worst}",
                f"cpu {words.share(cpu)}, memory {words.size(memory)}",
                f"disks {words.speed(read)} read, {words.speed(written)} written",
                "pressure " + ", ".join(f"{words.share(w)} {kind}" for w, kind in zip(waits, ("cpu", "memory", "io"), strict=True)),
            )
            out.append(f'<rect x="{i}" width="1" height="1">{title(chr(10).join(lines))}</rect>')
    view = f'viewBox="0 0 {len(bins)} 1" preserveAspectRatio="none"'
    return f'<svg class="hover" y="{_HEAD}" width="100%" height="{bottom - _HEAD}" {view}>{"".join(out)}</svg>'
