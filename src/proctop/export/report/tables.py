"""Tables: the highest users, and what there is to say of the recording itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proctop.export.report import words
from proctop.export.report.origin import Origin
from proctop.export.report.quality import Quality
from proctop.export.report.times import Times
from proctop.export.report.usage import Totals, User
from proctop.export.report.words import esc, name, plural

_FEW = 12
"""Rows of holes and remarks."""

_SHOWN = (("CPU time", words.lasting), ("Memory at its highest", words.size), ("Read from and written to disks", words.size))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """``rows`` are HTML. The last column takes what is left."""

    def line(cells: Sequence[str], tag: str) -> str:
        *first, last = cells
        return f"<tr>{''.join(f'<{tag} class=whole>{cell}</{tag}>' for cell in first)}<{tag}>{last}</{tag}></tr>"

    return f'<div class="scroll"><table>{line(titles, "th")}{"".join(line(row, "td") for row in rows)}</table></div>'


def top(what: str, best: Sequence[Sequence[User]], totals: Totals) -> str:
    """The highest by each measure, beside each other."""
    lists = []
    for m, (title, told) in enumerate(_SHOWN):
        users, total = best[m], totals.total[m]
        rows = "".join(_user(user, user.amounts[m] / users[0].amounts[m], told(user.amounts[m])) for user in users)
        under = f'<p class="note">All processes together: {told(total)}.</p>' if total > 0 else ""
        lists.append(f'<div class="panel top"><h3>{title}</h3><ul>{rows or "<li>None was seen.</li>"}</ul>{under}</div>')
    return f'<h2>{what}</h2><div class="three">{"".join(lists)}</div>'


def _user(user: User, share: float, told: str) -> str:
    box = user.container
    within = f" in {name(box.title)}" if box else ""
    of = f"{user.pid}{within}" if user.pid >= 0 else name(box.image) if box else ""
    bar = '<rect class="rest" width="100%" height="4" rx="2"/>' + f'<rect width="{max(share * 100, 0.5):.1f}%" height="4" rx="2"/>'
    return (
        f'<li><div class="row"><span>{name(user.name)} <span class="of">{of}</span></span><span>{told}</span></div>'
        f'<svg width="100%" height="4">{bar}</svg></li>'
    )


def quality(origin: Origin, q: Quality, times: Times) -> str:
    """What the recording covers, what is missing from it, and why."""
    late = (
        f"{q.late:,} ({q.late / q.readings:.1%}), the worst by {words.lasting(q.latest)}"
        if q.late
        else "none by more than half an interval"
    )
    facts = (
        ("Readings", f"{q.readings:,}, every {words.lasting(q.interval)}"),
        ("Processes in all readings", f"{q.samples:,}"),
        ("Size", f"{words.size(float(origin.size))}{_each(origin, q)}" if origin.size >= 0 else "a pipe"),
        ("Time without readings", f"{q.holed:,} times, {words.lasting(q.lost)}" if q.holed else "none"),
        ("Late readings", late),
        ("Damage", esc(origin.damage) or "none"),
        ("Read from", esc(", ".join(q.sources))),
        ("Secrets in command lines", "taken out" if origin.redacted else "left in"),
        ("Scores", "as recorded" if origin.scored else "worked out for this page"),
        ("Warming", f"the first {plural(q.warming, 'reading')} had no scores" if q.warming else "none"),
    )
    listed = "".join(f"<div><dt>{title}</dt><dd>{said}</dd></div>" for title, said in facts)
    return (
        f'<h2>The recording itself</h2><div class="panel quality"><dl class="facts">{listed}</dl>'
        f"{_missing(q)}{_holes(q, times)}{_remarks(q)}</div>"
    )


def _each(origin: Origin, q: Quality) -> str:
    return f", {origin.size / q.samples:.2f} bytes for each of them" if q.samples and origin.whole else ""


def _missing(q: Quality) -> str:
    if not q.missing:
        return "<h3>Missing</h3><p>Nothing: every quantity could be read of every process.</p>"
    rows = [
        (esc(field), f"{m.readings:,} of {q.readings:,}", f"{m.most:,}" if m.most else "–", esc(reason))
        for (field, reason), m in sorted(q.missing.items(), key=lambda entry: -entry[1].readings)
    ]
    return "<h3>Missing</h3>" + table(("What", "In readings", "Of processes at most", "Why"), rows)


def _holes(q: Quality, times: Times) -> str:
    longest = sorted(q.holes, key=lambda hole: hole.start - hole.end)[:_FEW]
    rows = [(times.stamp(h.start), words.lasting(h.end - h.start), esc(h.why)) for h in longest]
    return "<h3>Longest times without readings</h3>" + table(("From", "For", "Why"), rows) if rows else ""


def _remarks(q: Quality) -> str:
    rows = [(f"{count:,}", esc(note)) for note, count in q.notes.most_common(_FEW)]
    return "<h3>Remarks while recording</h3>" + table(("In readings", "Remark"), rows) if rows else ""
