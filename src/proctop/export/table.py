"""Frames as lines for people, as ``top -b`` prints them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from proctop import fields
from proctop.fields import Column
from proctop.frames import Frame, Status
from proctop.records import Ints
from proctop.view import cells, units, values
from proctop.view.cells import Glyphs
from proctop.view.rows import Rows
from proctop.view.table import Slot, layout

DEFAULT = tuple(c for c in fields.COLUMNS if c.shown and c.name != "history")
LONGEST = 80
"""A command line of thousands of characters is cut here, even where lines may be of any length."""


def as_table(frame: Frame, rows: Rows, top: int = 0, *, width: int = 0, columns: Sequence[Column] = DEFAULT, ascii: bool = False) -> str:
    """What one reading looks like, with a blank line at its end.

    Args:
        top: processes to print, 0 = all.
        width: cells a line may take, 0 = any number.
    """
    glyphs = cells.ASCII if ascii else cells.UNICODE
    order, guides = rows.order, list(rows.guides) or [""] * len(rows)
    if top:
        order = order[: int(np.searchsorted(np.cumsum(order >= 0), top, side="right"))]
    texts = [_column(frame, column.name, order, guides, glyphs) for column in columns]
    if width:
        kept = layout(width, columns)
    else:
        longest = [max((cells.width(text) for text in column), default=0) for column in texts]
        kept = tuple(
            Slot(c, max(c.width, len(c.title), min(most, LONGEST) if not c.right else 0)) for c, most in zip(columns, longest, strict=True)
        )
    shown = {column.name: text for column, text in zip(columns, texts, strict=True)}
    lines = [*_header(frame, len(rows), glyphs), "", _line(kept, [slot.column.title for slot in kept], glyphs, width)]
    lines += [_line(kept, words, glyphs, width) for words in zip(*(shown[slot.column.name] for slot in kept), strict=True)]
    return "\n".join([line if not width else cells.fit(line, width, glyphs).rstrip() for line in lines]) + "\n\n"


def _line(slots: Sequence[Slot], words: Sequence[str], glyphs: Glyphs, width: int) -> str:
    parts = []
    for slot, word in zip(slots, words, strict=True):
        if slot is slots[-1] and not width:
            parts.append(glyphs.plain(word))  # nothing follows, so nothing need be cut
        else:
            parts.append(cells.fit(word, slot.width, glyphs, right=slot.column.right))
    return " ".join(parts).rstrip()


def _column(frame: Frame, name: str, order: Ints, guides: Sequence[str], glyphs: Glyphs) -> list[str]:
    texts = values.texts(frame, name, order)
    if name == "score":
        return [_score(frame, row, text) for row, text in zip(order.tolist(), texts, strict=True)]
    if name == "command":
        return [guide + _command(frame, row, text) for guide, row, text in zip(guides, order.tolist(), texts, strict=False)]
    return texts


def _score(frame: Frame, row: int, text: str) -> str:
    if row < 0:
        return ""
    status = frame.scores.status[row]
    if status == Status.WARMING:
        return "warming"
    return ("new " if status == Status.NEW else "") + text + ("!" if frame.scores.alerting[row] else " ")


def _command(frame: Frame, row: int, text: str) -> str:
    return f"[{text}]" if row >= 0 and frame.batch.labels[row].kernel else text


def _header(frame: Frame, shown: int, glyphs: Glyphs) -> list[str]:
    reading, host = frame.reading, frame.host
    first = [
        f"proctop - {reading.info.hostname}",
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(min(max(reading.wall, 0.0), 253_402_214_400.0))),
        f"up {units.duration(reading.boot, 8)}",
        f"source {reading.source}",
        f"every {reading.interval:g} s",
        f"{len(reading)} processes, {shown} shown",
    ]
    if reading.late >= 0.1:
        first.append(f"late {units.duration(reading.late, 6)}")
    if frame.warming < 1.0:
        first.append(f"warming {frame.warming:.0%}")
    second = [f"cpu {_percent(host.cpu)}"]
    if host.load is not None:
        second.append("load " + " ".join(f"{average:.2f}" for average in host.load))
    second += [
        f"memory {units.size(host.memory_used, 6)} of {units.size(host.memory_total, 6)}",
        f"swap {units.size(host.swap_used, 6)} of {units.size(host.swap_total, 6)}",
        *(f"{name} pressure {_percent(some)}" for name, (some, _) in host.pressure.items()),
        f"disk {_rate(host.disk_read)} read {_rate(host.disk_write)} written",
        f"net {_rate(host.net_rx)} in {_rate(host.net_tx)} out",
    ]
    # Delays for storage stand in no column and in no score; no count where nobody knows how many.
    missing = [
        f"{units.MISSING} {gap.field}: {gap.reason}" + (f" ({gap.count})" if gap.count else "")
        for gap in reading.gaps
        if gap.field != "blkio_delay"
    ]
    return [glyphs.plain(line) for line in ("  ".join(first), "  ".join(second), *missing, *reading.notes, *frame.scores.notes)]


def _percent(share: float) -> str:
    return units.percent(share * 100.0, 5) + ("%" if share == share else "")


def _rate(value: float) -> str:
    return units.size(value, 6) + ("/s" if value == value else "")
