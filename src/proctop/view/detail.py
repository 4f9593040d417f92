"""Why a process stands out: its reasons in words, and each of its features over time against what is usual."""

from __future__ import annotations

from proctop.frames import AlertEvent, Frame
from proctop.view import courses, table
from proctop.view.cells import Cell, Glyphs
from proctop.view.portrait import Portrait
from proctop.view.prose import Text, clock, indent, labelled, often, sentence
from proctop.view.units import duration


def text(portrait: Portrait, columns: int, rows: int, glyphs: Glyphs) -> Text:
    """All of it, as many lines as it takes; the charts are as tall as ``rows`` have room for."""
    head = reasons(portrait.frame, portrait.row, columns, glyphs)
    if portrait.kin:
        comm = portrait.frame.batch.labels[portrait.row].comm
        head += labelled("usual", f"of others named {comm}: it is too young to have a usual of its own", columns, "soft", indent(columns))
    return head + courses.lines(portrait, columns, rows - len(head), glyphs)


def reasons(frame: Frame, row: int, columns: int, glyphs: Glyphs) -> Text:
    """The score, why it is what it is, and the alert that it raised."""
    scores, room = frame.scores, indent(columns)
    hourly = float(scores.per_hour[row])
    rare = f"  comes by chance {often(hourly)}" if scores.rank[row] >= table.NOTABLE and hourly == hourly else ""
    cells = [Cell(cell.text.lstrip(), cell.style) for cell in table.score_cells(frame, row, 9, glyphs)]
    out: Text = [[Cell(f" {'score':{room}} ", "soft"), *cells, Cell(rare, "soft")]]
    why = scores.why.get(row, ())
    said = [sentence(reason) for reason in why] or [table.no_reason(frame, row)]
    for k, words in enumerate(said):
        out += labelled("" if k else "why", words, columns, table.level(frame, row) if why else "soft", room)
    key = frame.reading.key(row)
    for event in frame.alerts:
        if event.key == key:
            out += labelled("alert", _told(event, frame.reading.wall), columns, "alert" if event.open else "soft", room)
    return out


def _told(event: AlertEvent, now: float) -> str:
    lasted = duration(max(0.0, (now if event.open else event.end) - event.start), 9)
    when = f"since {clock(event.start)}, {lasted}" if event.open else f"from {clock(event.start)} to {clock(event.end)}"
    return f"{when}; worst {event.score:.1f} at {clock(event.peak)}" + ("; an incident" if event.incident else "")
