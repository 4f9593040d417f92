"""A profile as one HTML file: tables where numbers are looked up, pictures where people would rather look."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC
from importlib.resources import files

from proctop import __version__, outfile
from proctop.export.report.charts import percent, title
from proctop.export.report.page import document
from proctop.export.report.tables import table
from proctop.export.report.times import Times
from proctop.export.report.words import MISSING, esc, name, number, share, size
from proctop.offline.profile import Profile
from proctop.offline.quality import BINS, Quality
from proctop.offline.remarks import ENTITIES, as_json, correlated, every, gaps, moment, outliers, zone

_ROW, _BAR, _CELL, _LABEL = 18, 14, 28, 120  # pixels
_MOST_GAPS = 500  # that are drawn
_STYLE = """
.panel { margin-top: .9rem; } .panel h3 { margin-bottom: .5rem; }
.strip { display: grid; grid-template-columns: 8.5rem 1fr; align-items: center; font-size: .85rem; color: var(--soft); }
.lost { fill: var(--red); } .there { fill: var(--teal-soft); } .plus { fill: var(--blue); } .minus { fill: var(--amber); }
.ring { stroke: var(--red); stroke-width: 2; }
"""


def write(folder: str, profiles: Sequence[Profile], remarks: Sequence[str]) -> None:
    """``report.html`` and ``report.json``. Raises Unwritable."""
    for file_name, content in (("report.json", as_json(profiles)), ("report.html", page(profiles, remarks))):
        with outfile.opened(os.path.join(folder, file_name)) as file:
            file.write(content.encode())


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
        ("Columns", f"{len(q.columns)}", f"{q.entities:,} {ENTITIES[q.table]}" if q.entities > 1 else "of one host"),
        ("Missing", f"{q.missing:.2%}", "of all cells"),
        ("Gaps", f"{len(q.gaps):,}", f"above 3 intervals{every(q)}"),
        ("Windows", f"{count:,}", f"of {length} rows × {width} columns"),
        ("In memory", size(float(q.size)), f"as windows {size(4.0 * count * length * width)}"),
    )
    facts = (
        ("Constant", esc(", ".join(q.constant)) or "none"),
        ("Much is missing of", esc(", ".join(q.sparse)) or "none"),
        ("Highly correlated", esc(correlated(q, 8))),
        ("Outliers", esc(outliers(q, 5))),
        ("Gaps", esc(gaps(q))),
        ("Selected", esc(", ".join(profile.selected))),
    )
    listed = "".join(f"<div><dt>{what}</dt><dd>{said}</dd></div>" for what, said in facts)
    panels = (
        ("", f'<dl class="facts">{listed}</dl>'),
        ("Over time: missing cells and gaps", _over_time(q)),
        ("Correlation", _correlation(q)),
        ("Columns", _columns(q)),
    )
    return (
        f'<h2>{q.table}</h2><p class="lead">{name(q.source)}: {moment(q.first)} to {moment(q.last)}{esc(zone(q))}</p>'
        + '<dl class="tiles">'
        + "".join(f"<div><dt>{t}</dt><dd>{v}</dd><dd>{esc(s)}</dd></div>" for t, v, s in tiles)
        + "</dl>"
        + "".join(f'<div class="panel">{f"<h3>{heading}</h3>" if heading else ""}{inside}</div>' for heading, inside in panels)
    )


def _over_time(q: Quality) -> str:
    """A strip for each column, red where cells are missing; one for the gaps of the table; the time below."""
    span = max(q.last - q.first, 1)
    lines = [(column.name, _holes(q, i)) for i, column in enumerate(q.columns)]
    gap = "".join(
        f'<rect class="lost" x="{percent((a - q.first) / span)}" width="{percent(max((b - a) / span, 0.002))}" height="{_BAR}">'
        f"{title(f'{moment(a)} to {moment(b)}')}</rect>"
        for a, b in sorted(q.gaps.tolist(), key=lambda ends: ends[0] - ends[1])[:_MOST_GAPS]
    )
    lines.append(("gaps", gap))
    ticks = Times(UTC, dated=True).ticks(q.first / 1e6, span / 1e6, 6)
    times = "".join(f'<text x="{percent(at)}" y="12">{esc(text)}</text>' for at, text in ticks if at < 0.93)
    strips = [(esc(what), f'<rect class="there" width="100%" height="{_BAR}"/>{inside}') for what, inside in lines]
    return "".join(
        f'<div class="strip"><span>{what}</span><svg width="100%" height="{_ROW}">{inside}</svg></div>'
        for what, inside in [*strips, ("", times)]
    )


def _holes(q: Quality, column: int) -> str:
    """Where cells of a column are missing, the more of them the stronger; grey where there are no rows."""
    out = []
    for k, lost in enumerate(q.holes[column].tolist()):
        place = f'x="{percent(k / BINS)}" width="{percent(1 / BINS)}" height="{_BAR}"'
        if lost != lost:
            out.append(f'<rect class="hole" {place}/>')
        elif lost > 0:
            out.append(f'<rect class="lost" {place} fill-opacity="{max(lost, 0.15):.2f}">{title(share(lost))}</rect>')
    return "".join(out)


def _correlation(q: Quality) -> str:
    """A square for each pair, stronger the more they go together (blue) or against each other (amber); ringed above the threshold."""
    names = [column.name for column in q.columns]
    high = {(a, b) for a, b, _ in q.correlated}
    out = []
    for i, row in enumerate(names):
        out.append(f'<text x="0" y="{i * _CELL + 19}">{esc(row)}</text>')
        for j, column in enumerate(names[: i + 1]):
            r = float(q.correlation[i, j])
            x, y = _LABEL + j * _CELL, i * _CELL
            strength = abs(r) if r == r else 0.0
            ring = " ring" if (column, row) in high else ""
            what = title(f"{column}, {row}: {number(r, 3)}")
            square = f'x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3"'
            out.append(f'<rect class="there" {square}/>')
            out.append(f'<rect class="{"plus" if r > 0 else "minus"}{ring}" {square} fill-opacity="{strength:.2f}">{what}</rect>')
    size_ = len(names) * _CELL
    note = '<p class="note">Blue: together; amber: against each other; ringed: above the threshold. From left as from the top.</p>'
    return f'<div class="scroll"><svg width="{_LABEL + size_}" height="{size_}">{"".join(out)}</svg></div>{note}'


def _columns(q: Quality) -> str:
    titles = ("Column", "Missing", "Outliers", "Variance", "Lowest", "Quartile", "Median", "Quartile", "Highest")
    rows = [
        (esc(c.name), f"{c.missing:.2%}", f"{c.outliers:.2%}", _figure(c.variance), *(_figure(x) for x in c.quartiles)) for c in q.columns
    ]
    return table(titles, rows)


def _figure(value: float) -> str:
    return f"{value:,.6g}" if value == value else MISSING
