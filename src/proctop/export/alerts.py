"""Alert events as a file of their own: CSV, or JSON as batch mode has them."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from io import StringIO
from typing import Any

from proctop.export.guard import guarded
from proctop.export.lines import alert, rfc3339
from proctop.outfile import opened
from proctop.view.events import Event

COLUMNS = ("began", "peaked", "ended", "seconds", "state", "comm", "pid", "start", "container", "image", "score", "every_hours", "why")
SUFFIXES = (".csv", ".json")


def wrong(path: str) -> str:
    """What speaks against writing events there, "" = nothing."""
    path = os.path.expanduser(path.strip())
    if not path.endswith(SUFFIXES):
        return f"{path or 'a file'}: give a name that ends in {' or '.join(SUFFIXES)}"
    if os.path.exists(path):
        return f"{path} is there already: give another name"
    return ""


def write(path: str, events: Sequence[Event]) -> None:
    """A file of mode 0600, whole or not at all. Raises Unwritable."""
    text = (
        as_csv(events) if path.endswith(".csv") else json.dumps([_object(event) for event in events], ensure_ascii=False, indent=1) + "\n"
    )
    with opened(path) as file:
        file.write(text.encode("utf-8", "replace"))


def as_csv(events: Sequence[Event]) -> str:
    """RFC 4180, no cell of it a formula; what is not known is empty."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(_record(event) for event in events)
    return out.getvalue()


def _record(event: Event) -> list[Any]:
    box = event.whole.container if event.whole is not None else None
    hourly = event.whole.per_hour if event.whole is not None else math.nan
    return [
        rfc3339(event.start) or "",
        rfc3339(event.peak) or "",
        "" if event.going else rfc3339(event.end) or "",
        "" if math.isnan(event.seconds) else round(event.seconds, 3),
        event.state,
        guarded(event.comm),
        event.key.pid,
        event.key.start,
        guarded(event.container),
        guarded(box.image) if box is not None else "",
        round(event.score, 1) if math.isfinite(event.score) else "",
        f"{1 / hourly:.3g}" if hourly > 0 and math.isfinite(hourly) else "",
        guarded(event.text),
    ]


def _object(event: Event) -> dict[str, Any]:
    """As batch mode has it; of one whose mark alone is known, what that tells."""
    if event.whole is not None:
        return alert(event.whole) | {"state": event.state}
    told = {"pid": event.key.pid, "start": event.key.start, "comm": event.comm, "container": event.container or None}
    return told | {"began": rfc3339(event.start), "score": round(event.score, 1) if math.isfinite(event.score) else None, "why": event.text}
