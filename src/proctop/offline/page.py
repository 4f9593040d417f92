"""A profile as one HTML file: tables where numbers are looked up, pictures where people would rather look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from importlib.resources import files

from proctop import __version__
from proctop.export.report.charts import percent, title
from proctop.export.report.page import document
from proctop.export.report.tables import table
from proctop.export.report.times import Times
from proctop.export.report.words import esc, name, number, share, size
from proctop.offline.profile import Profile
from proctop.offline.quality import BINS, Column, Quality
from proctop.offline.remarks import ENTITIES, correlated, every, gaps, moment, outliers, zone

_ROW, _CELL, _LABEL, _AXIS = 18, 30, 110, 20  # pixels
_MOST_GAPS = 500  # that are drawn
_STYLE = """
.panel + .panel, .panel + h3, table + h3 { margin-top: .9rem; }
.panel h3 { margin: 1.1rem 0 .4rem; } .panel h3:first-child { margin-top: 0; }
.lost { fill: var(--red); } .there { fill: var(--teal-soft); } .plus { fill: var(--blue); } .minus { fill: var(--amber); }
.ring { fill: none; stroke: var(--red); stroke-width: 2; } svg .on { fill: var(--card); }
"""


def page(profiles: Sequence[Profile], remarks: Sequence[str]) -> str:
    """HTML without script, font or picture from elsewhere."""
    style = files("proctop.export.report").joinpath("page.css").read_text("utf-8") + _STYLE
    rows = sum(profile.quality.rows for profile in profiles)
    odd = "".join(f"<li>{esc(remark)}</li>" for remark in remarks)
    body = "\n".join(
        (
            f'<h1>Profile of {len(profiles)} table{"s" * (len(profiles) != 1)}</h1><p class="lead">{rows:,} rows</p>',
            f'<div class="panel"><h3>Remarks</h3><ul class="note">{odd}</ul></div>' if odd else "",
            *(_section(profile) for profile in profiles),
            f"<footer>Made by proctop {esc(__version__)}. Times are as the tables tell them.</footer>",
        )
    )
    return document(f"proctop: profile of {', '.join(profile.quality.table for profile in profiles)}", style, body)


def _section(profile: Profile) -> str:
    q = profile.quality
    count, length, width = profile.windows
    tiles = (
        ("Rows", f"{q.rows:,}", f"of {q.total:,}; {q.invalid:,} had no time"),
        ("Columns", f"{len(q.columns)}", f"{q.entities:,} {ENTITIES[q.table]}"),
        ("Missing", f"{q.missing:.2%}", "of all cells"),
        ("Gaps", f"{len(q.gaps):,}", f"above 3 intervals{every(q)}"),
        ("Windows", f"{count:,}", f"of {length} rows × {width} columns"),
        ("In memory", size(float(q.size)), f"as windows {size(4.0 * count * length * width)}"),
    )
    facts = (
        ("Constant", esc(", ".join(q.constant)) or "none"),
        ("Much is missing of", esc(", ".join(q.sparse)) or "none"),
        ("Highly correlated", esc(correlated(q, 20))),
        ("Outliers", esc(outliers(q, 20))),
        ("Gaps", esc(gaps(q))),
        ("Selected", esc(", ".join(profile.selected))),
    )
    listed = "".join(f"<div><dt>{what}</dt><dd>{said}</dd></div>" for what, said in facts)
    return (
        f'<h2>{q.table}</h2><p class="lead">{name(q.source)}: {moment(q.first)} to {moment(q.last)}{esc(zone(q))}</p>'
        '<dl class="tiles">' + "".join(f"<div><dt>{t}</dt><dd>{v}</dd><dd>{esc(s)}</dd></div>" for t, v, s in tiles) + "</dl>"
        f'<div class="panel" style="margin-top:.9rem"><dl class="facts">{listed}</dl></div>'.replace(' style="margin-top:.9rem"', "")
        + f'<div class="panel"><h3>Over time: what is missing, and gaps</h3>{_time_line(q)}</div>'
        f'<div class="panel"><h3>Correlation</h3>{_correlation(q)}</div>'
        f'<div class="panel"><h3>Columns</h3>{_columns(q)}</div>'
    )


def _time_line(q: Quality) -> str:
    """A line for each column: red where cells are missing, the more the darker; below it the gaps of the table."""
    span = max(q.last - q.first, 1)
    out = []
    for i, column in enumerate(q.columns):
        y = i * _ROW
        out.append(f'<text x="0" y="{y + 13}">{esc(column.name)}</text><svg x="{_LABEL}" y="{y}" width="100%" height="{_ROW}">')
        out.append(f'<svg width="100%" height="{_ROW}" style="x:0"/>'.replace(' style="x:0"', ""))
        out.append(_strip(q.holes[i].tolist()))
        out.append("</svg>")
    y = len(q.columns) * _ROW
    gap = "".join(
        f'<rect class="lost" x="{percent((a - q.first) / span)}" width="{percent(max((b - a) / span, 0.001))}" height="{_ROW - 4}">'
        f"{title(f'{moment(a)} to {moment(b)}')}</rect>"
        for a, b in sorted(q.gaps.tolist(), key=lambda g: g[0] - g[1])[:_MOST_GAPS]
    )
    strip = f'<rect class="there" width="100%" height="{_ROW - 4}"/>{gap}'
    out.append(f'<text class="head" x="0" y="{y + 13}">gaps</text><svg x="{_LABEL}" y="{y}" width="100%" height="{_ROW}">{_inner(strip)}</svg>')
    times = Times(UTC, dated=True)
    ticks = "".join(
        f'<text x="{percent(at)}" y="{_AXIS - 6}">{esc(text)}</text>' for at, text in times.ticks(q.first / 1e6, span / 1e6, 5) if at < 0.95
    )
    out.append(f'<svg x="{_LABEL}" y="{y + _ROW}" width="100%" height="{_AXIS}">{_inner(ticks)}</svg>')
    return f'<svg width="100%" height="{y + _ROW + _AXIS}">{"".join(out)}</svg>'
