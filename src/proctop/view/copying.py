"""What can be copied of a process: texts by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proctop import fields
from proctop.fields import Column
from proctop.frames import Frame
from proctop.records import Index, ProcKey
from proctop.view import departed, table, values


def copyable(frame: Frame, key: ProcKey, columns: Sequence[Column], sort: str) -> list[tuple[str, str]]:
    """What it is and the text, the most wanted first, also of one that has just ended; none of who is not in the frame, or of a thread.

    Args:
        columns: those of the row as text.
        sort: the column whose value is offered too.
    """
    row = table.row_of(frame, key)
    if row is None or row < 0:
        gone = departed.frame_of(frame) if departed.ending(frame, key) is not None else None
        return copyable(gone, key, columns, sort) if gone is not None else []
    label, box = frame.batch.labels[row], frame.batch.labels[row].container
    shown = [(column.title, _text(frame, column.name, row)) for column in columns if column.name != "history"]
    found = [
        ("pid", str(key.pid)),
        ("name", label.comm),
        ("command line", label.command),
        ("why", table.why_text(frame, row)),
        (_title(sort), _text(frame, sort, row)),
        ("container", box.title if box else ""),
        ("container id", box.id if box else ""),
        ("image", box.image if box else ""),
        ("pod", box.pod if box else ""),
        ("cgroup", label.cgroup),
        ("row", "  ".join(f"{title} {text}" for title, text in shown if text)),
    ]
    return [(what, text) for what, text in dict(found).items() if text and text not in table.ZEROS]


def _title(name: str) -> str:
    return fields.COLUMN[name].title if name in fields.COLUMN else name


def _text(frame: Frame, name: str, row: int) -> str:
    if name == "why":
        return table.why_text(frame, row)
    if name == "command":
        return table.name_text(frame, row, "full")
    index: Index = np.array([row], dtype=np.intp)
    return values.texts(frame, name, index)[0].strip()
