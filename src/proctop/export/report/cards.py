"""An anomaly as a card: who, when, why, and how the features that made it ran against what is usual."""

from __future__ import annotations

import numpy as np

from proctop.export.report import charts, words
from proctop.export.report.charts import percent, plot
from proctop.export.report.episodes import Course, Episode
from proctop.export.report.times import Times
from proctop.export.report.words import esc, name
from proctop.fields import FEATURE, FEATURES, Kind
from proctop.frames import AlertEvent, Reason
from proctop.records import Container, Floats

_HIGH = 58  # pixels of a chart
_WIDE = 600  # units of a chart from left to right
_HOLE = 8  # usual distances of two points, beyond which no line joins them
_BEFORE = 10.0  # seconds before an alert in which what it is about may have been
_BEHIND = 2.0  # seconds after an anomaly that the scale still makes room for


def card(number: int, episode: Episode, times: Times) -> str:
    event, label, course = episode.event, episode.label, episode.course
    facts = []
    if label is not None and label.user:
        facts.append(f"user {name(label.user)}")
    if event.container is not None:
        facts.append(_boxed(event.container))
    told = "".join(f"<li>{esc(words.sentence(reason))}</li>" for reason in event.why) or "<li>No single feature stands out.</li>"
    figures = "".join(_figure(reason, event, course, times) for reason in event.why if reason.feature in FEATURE and course.walls)
    return (
        f'<article class="card" id="a{number}"><header><span class="number">{number}</span><h3>{name(event.comm)}</h3>'
        f'<span class="soft">{words.whose(event.key)}</span><span class="score">{words.number(event.score)} nats</span></header>'
        f'<p class="meta">{_when(event, times)}</p><p class="meta">{" · ".join(facts)}</p>{_command(episode)}<ul>{told}</ul>'
        + (f'<div class="charts">{figures}</div>' if figures else "")
        + "</article>"
    )


def _when(event: AlertEvent, times: Times) -> str:
    """``22:51:33 for 14 s``, and what else there is to say of its time."""
    lasted = event.end - event.start
    first = f"{times.stamp(event.start)} for {words.lasting(lasted)}" if lasted > 0 else times.stamp(event.start)
    parts = [f"<b>{first}{', going on at the end' if event.open else ''}</b>"]
    if event.peak > event.start:
        parts.append(f"worst at {times.clock(event.peak)}")
    if rare := words.often(event.per_hour):
        parts.append(f"by chance {rare}")
    if event.incident:
        parts.append("marked as an incident")
    return " · ".join(parts)


def _boxed(box: Container) -> str:
    image = f" of image {name(box.image)}" if box.image else ""
    pod = f", pod {name(box.pod)}" if box.pod else ""
    return f"in container {name(box.title)}{image}{pod}"


def _command(episode: Episode) -> str:
    label = episode.label
    if label is None or label.command in ("", episode.event.comm):
        return ""
    return f'<p class="command"><code>{name(label.command)}</code></p>'


def _figure(reason: Reason, event: AlertEvent, course: Course, times: Times) -> str:
    """A feature over the time of an anomaly: what is usual as a band, the anomaly shaded, the value that is told of a dot."""
    feature = FEATURES[FEATURE[reason.feature]]
    values = np.array([v[FEATURE[reason.feature]] for v in course.values], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    walls = np.array(course.walls)
    until = values[walls <= event.end + _BEHIND]
    if not (until == until).any():
        return ""
    first, span = walls[0], max(walls[-1] - walls[0], 1e-9)
    low, high = _scale(until, reason, feature.kind)
    xs = np.round(np.clip((walls - first) / span, 0.0, 1.0) * _WIDE).astype(np.int64)  # a clock may have been set back meanwhile
    line = charts.strokes(charts.path(xs, values, low, high, max(_HOLE * _WIDE // max(len(walls) - 1, 1), 1)), "a")
    a, b = ((t - first) / span for t in (event.start, max(event.end, event.start + 1.0)))
    below = _HIGH + 14
    caption = f"<span>{esc(words.heading(reason.feature))}</span><span>{esc(words.amount(reason.value, feature.unit))}</span>"
    inside = (
        f'<rect class="during" x="{percent(a)}" width="{percent(b - max(a, 0.0))}" height="{_HIGH}"/>',
        _band(reason, low, high),
        plot(0, _HIGH, _WIDE, line),
        _dot(reason, event, walls, values, low, high),
        f'<line class="base" x2="100%" y1="{_HIGH}" y2="{_HIGH}"/><text y="{below}">{times.clock(first)}</text>',
        f'<text x="100%" y="{below}" text-anchor="end">{times.clock(walls[-1])}</text>',
    )
    return (
        f'<figure><figcaption>{caption}</figcaption><svg width="100%" height="{_HIGH + 18}" role="img" aria-label="{esc(reason.text)}">'
        f"{''.join(inside)}</svg></figure>"
    )


def _scale(values: Floats, reason: Reason, kind: Kind) -> tuple[float, float]:
    """What lies at the bottom and at the top: zero at the bottom, but for a level that hardly moves."""
    usual = [x for x in (*reason.usual, reason.value) if np.isfinite(x)]
    low, high = float(np.nanmin([*values, *usual])), float(np.nanmax([*values, *usual]))
    if kind is not Kind.LEVEL or low < high / 2:
        low = 0.0
    return low, low + max((high - low) * 1.06, abs(high) * 0.02, 1e-12)


def _height(value: float, low: float, high: float) -> float:
    return _HIGH * (1 - min(max((value - low) / (high - low), 0.0), 1.0))


def _band(reason: Reason, low: float, high: float) -> str:
    """What is usual: an area, or a line where it has no height."""
    if not np.isfinite(reason.usual).all():
        return ""
    bottom, top = (_height(x, low, high) for x in reason.usual)
    edges = "".join(f'<line class="edge" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>' for y in (top, bottom) if y < _HIGH - 1)
    return f'<rect class="band" width="100%" y="{min(top, _HIGH - 1.5):.1f}" height="{max(bottom - top, 1.5):.1f}"/>{edges}'


def _dot(reason: Reason, event: AlertEvent, walls: Floats, values: Floats, low: float, high: float) -> str:
    """Where the value that is told of was read: reasons look back over some readings, and may outlast what they are about."""
    near = np.flatnonzero((walls >= event.start - _BEFORE) & (walls <= event.end) & (values == values))
    if not near.size or not np.isfinite(reason.value):
        return ""
    far = np.abs(values[near] - reason.value)
    at = near[np.lexsort((np.abs(walls[near] - event.peak), far))[0]]
    x = (walls[at] - walls[0]) / max(walls[-1] - walls[0], 1e-9)
    return f'<circle class="dot" cx="{percent(x)}" cy="{_height(values[at], low, high):.1f}" r="3"/>'
