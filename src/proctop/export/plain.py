"""Frames as sentences, for those who have their screen read to them: one a process, with nothing drawn or aligned."""

from __future__ import annotations

import time

import numpy as np

from proctop.frames import Frame, Status
from proctop.records import Gap
from proctop.view import cells, table, units, values
from proctop.view.rows import Rows


def as_plain(frame: Frame, rows: Rows, top: int = 0, *, ascii: bool = False) -> str:
    """A line of the host, lines of what is restricted, one sentence a process, and a blank line.

    Args:
        top: processes to tell of, 0 = all.
    """
    glyphs = cells.ASCII if ascii else cells.UNICODE
    order = rows.order[rows.order >= 0]
    shown = order[:top] if top else order
    lines = [_host(frame, len(shown)), *map(_gap, frame.reading.gaps), *frame.reading.notes, *frame.scores.notes]
    cpu, memory = values.texts(frame, "cpu", shown), values.texts(frame, "rss", shown)
    for row, busy, resident in zip(shown.tolist(), cpu, memory, strict=True):
        lines.append(f"{_who(frame, row)}: {_score(frame, row)}. {_amount('cpu', busy, ' percent')}, {_amount('memory', resident)}.")
    return "".join(glyphs.plain(line) + "\n" for line in lines) + "\n"


def _host(frame: Frame, shown: int) -> str:
    reading = frame.reading
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(min(max(reading.wall, 0.0), 253_402_214_400.0)))
    alerting = int(np.count_nonzero(frame.scores.alerting))
    warming = f" Warming up, {frame.warming:.0%} done." if frame.warming < 1.0 else ""
    busy = _amount("cpu", units.percent(frame.host.cpu * 100.0, 5), " percent")
    return f"Host {reading.info.hostname} at {at}: {len(reading)} processes, {shown} told, {alerting} alerting, {busy}.{warming}"


def _gap(gap: Gap) -> str:
    return f"Not known: {gap.field}, {gap.reason}" + (f", {gap.count} processes." if gap.count else ".")


def _who(frame: Frame, row: int) -> str:
    label = frame.batch.labels[row]
    box = f" in container {label.container.title}" if label.container is not None else ""
    return f"pid {int(frame.reading.pid[row])} {label.comm} of user {label.user}{box}"


def _score(frame: Frame, row: int) -> str:
    """What the detector says, in the words of the screen."""
    rank, status = float(frame.scores.rank[row]), int(frame.scores.status[row])
    if status == Status.WARMING or rank != rank:
        return "not judged yet" if status == Status.WARMING else "no score"
    why = table.why_text(frame, row)
    alert = "ALERT, " if frame.scores.alerting[row] else ""
    new = ", new" if status == Status.NEW else ""
    return f"{alert}score {rank:.1f}{new}" + (f" because {why}" if why else ", nothing unusual")


def _amount(what: str, text: str, unit: str = "") -> str:
    text = text.strip()
    return f"{what} not known" if text in ("", units.MISSING) else f"{what} {text}{unit}"
