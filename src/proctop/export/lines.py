"""Frames as JSON lines and as CSV, for programs.

Numbers are unrounded: a float32 feature is written as the double that equals it. Scores come in tenths, as an engine gives them. What is
missing is absent (features), null (fixed keys of JSON) or empty (CSV); NaN and Infinity occur nowhere.

CSV is RFC 4180. Text cells are the host's own words: a command name may begin with ``=`` or ``@``. In a pipe it is left as it is, because a
monitor does not alter its data; in a file that people open (``proctop export``) such cells are guarded.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import numpy as np

from proctop import fields
from proctop.export.guard import guarded
from proctop.fields import COUNTER
from proctop.frames import AlertEvent, Frame, HostRates, Reason, Status
from proctop.records import CgroupCounters, Container, Floats, Ints, Label, Pressure, Reading
from proctop.view import values
from proctop.view.rows import Rows

Json = dict[str, Any]


def rfc3339(wall: float) -> str | None:
    """UTC with milliseconds; None for what is no date.

    >>> rfc3339(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    try:
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def chosen(rows: Rows, top: int = 0) -> Ints:
    """Rows of the frame to export: processes that match, the first ``top`` of them (0 = all)."""
    order = rows.order[(rows.order >= 0) & ~rows.context]
    return order[:top] if top else order


def as_json(frame: Frame, rows: Rows, top: int = 0) -> str:
    """One line, one object, no newline at its end."""
    return json.dumps(reading(frame, chosen(rows, top)), allow_nan=False, separators=(",", ":"))


def reading(frame: Frame, order: Ints) -> Json:
    """The object of one reading; ``order``: int64[m], its processes."""
    source = frame.reading
    return {
        "time": rfc3339(source.wall),
        "interval": _finite(source.interval),
        "late": _finite(source.late),
        "source": source.source,
        "warming": _finite(frame.warming),
        "host": _host(frame),
        "gaps": [{"field": gap.field, "count": gap.count, "reason": gap.reason} for gap in source.gaps],
        "notes": [*source.notes, *frame.scores.notes],
        "exits": _exits(source),
        "alerts": [alert(event) for event in frame.alerts],
        "cgroups": {path: _cgroup(counters) for path, counters in source.cgroups.items()},
        "processes": _processes(frame, order),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _present(pairs: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in pairs.items() if math.isfinite(value)}


def _host(frame: Frame) -> Json:
    info, host = frame.reading.info, frame.host
    out: Json = {"hostname": info.hostname, "kernel": info.kernel, "cpus": info.cpus, "boot_id": info.boot_id}
    out |= _present({name: getattr(host, name) for name in _HOST_NUMBERS})
    out["cores"] = [_finite(share) for share in host.cores.tolist()]
    out["parts"] = _present(host.parts)
    if host.load is not None:
        out["load"] = [_finite(average) for average in host.load]
    out["pressure"] = {name: _present({"some": some, "full": full}) for name, (some, full) in host.pressure.items()}
    out["vmstat"] = _present(host.vmstat)
    return out


_HOST_NUMBERS = tuple(field.name for field in dataclasses.fields(HostRates) if field.type == "float")


def _container(container: Container | None) -> Json | None:
    if container is None:
        return None
    return {"id": container.id, "name": container.name, "image": container.image, "runtime": container.runtime, "pod": container.pod}


def _exits(source: Reading) -> list[Json]:
    """Who ended, with code and totals where they are told."""
    ended = itertools.repeat(None) if source.ended is None else source.ended.T.tolist()
    out = []
    for gone, totals in zip(source.exits, ended, strict=False):
        one = {"pid": gone.key.pid, "start": gone.key.start, "ppid": gone.ppid, **_words(gone.label)}
        if gone.code is not None:
            one["code"] = gone.code
        if totals is not None and (known := _present(dict(zip(COUNTER, totals, strict=True)))):
            one["totals"] = {name: int(value) for name, value in known.items() if name != "ppid"}
        out.append(one)
    return out


def alert(event: AlertEvent) -> Json:
    """The object of one alert event."""
    with np.errstate(divide="ignore"):
        every = _finite(float(np.float64(1.0) / event.per_hour))
    return {
        "pid": event.key.pid,
        "start": event.key.start,
        "comm": event.comm,
        "container": _container(event.container),
        "began": rfc3339(event.start),
        "peaked": rfc3339(event.peak),
        "ended": None if event.open else rfc3339(event.end),
        "incident": event.incident,
        "accepted": event.accepted,
        "score": _finite(round(event.score, 1)),
        "every_hours": every,
        "why": [_reason(reason) for reason in event.why],
    }


def _words(label: Label) -> Json:
    return {
        "comm": label.comm,
        "command": label.command,
        "user": label.user,
        "uid": label.uid,
        "cgroup": label.cgroup,
        "container": _container(label.container),
    }


def _cgroup(counters: CgroupCounters) -> Json:
    numbers = {name: getattr(counters, name) for name in CgroupCounters.__dataclass_fields__ if name != "pressure"}
    return {**_present(numbers), "pressure": {name: _pressure(pressure) for name, pressure in counters.pressure.items()}}


def _pressure(pressure: Pressure) -> dict[str, float]:
    return _present({name: getattr(pressure, name) for name in Pressure.__dataclass_fields__})


def _reason(reason: Reason) -> Json:
    low, high = reason.usual
    return {
        "feature": reason.feature,
        "value": _finite(reason.value),
        "usual": [_finite(low), _finite(high)],
        "against": "own" if reason.against == "own" else "cohort",
        "text": reason.text,
    }


_EXTRA = {
    "priority": "priority",
    "nice": "nice",
    "threads": "threads",
    "elapsed": "elapsed",
    "cpu_percent": "cpu",
    "memory_percent": "mem",
    "cpu_time": "time",
}  # key: column
_WHOLE = frozenset({"priority", "nice", "threads"})


def _processes(frame: Frame, order: Ints) -> list[Json]:
    scores, labels = frame.scores, frame.batch.labels
    extra = {key: _absent_as_none(values.numbers(frame, name, order)) for key, name in _EXTRA.items()}
    per_process = zip(
        order.tolist(),
        frame.reading.pid[order].tolist(),
        frame.reading.start[order].tolist(),
        _absent_as_none(values.numbers(frame, "ppid", order)),
        values.texts(frame, "state", order),
        frame.batch.values[:, order].T.tolist(),
        _absent_as_none(np.rint(scores.rank[order].astype(np.float64) * 10) / 10),
        _absent_as_none(np.rint(scores.alert[order].astype(np.float64) * 10) / 10),
        _every_hours(frame, order),
        values.numbers(frame, "start", order).tolist(),
        zip(*extra.values(), strict=True),
        strict=True,
    )
    out = []
    for i, pid, start, ppid, state, features, rank, alert, every, started, more in per_process:
        label = labels[i]
        process: Json = {
            "pid": pid,
            "start": start,
            "ppid": None if ppid is None else int(ppid),
            **_words(label),
            "kernel": label.kernel,
            "state": state or None,
            "features": {name: value for name, value in zip(frame.batch.schema, features, strict=True) if math.isfinite(value)},
            "score": rank,
            "alert": bool(scores.alerting[i]),
            "alert_score": alert,
            "every_hours": every,
            "status": Status(int(scores.status[i])).name.lower(),
            "why": [_reason(reason) for reason in scores.why.get(i, ())],
            "started": rfc3339(started),
        }
        if i in frame.reading.wchan:
            process["wchan"] = frame.reading.wchan[i]
        for key, value in zip(_EXTRA, more, strict=True):
            if value is not None:
                process[key] = int(value) if key in _WHOLE else value
        out.append(process)
    return out


def _absent_as_none(numbers: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in numbers.tolist()]


def _every_hours(frame: Frame, order: Ints) -> list[float | None]:
    with np.errstate(divide="ignore"):
        return _absent_as_none(1.0 / frame.scores.per_hour[order].astype(np.float64))


_TEXTS = ("comm", "command", "user", "state", "cgroup", "container", "container_id", "image", "runtime", "pod")
CSV_COLUMNS: tuple[str, ...] = (
    "time", "pid", "start", "ppid", *_TEXTS, "uid", "priority", "nice",
    *fields.SCHEMA, "cpu_percent", "memory_percent", "cpu_time", "elapsed",
    "score", "alert", "alert_score", "every_hours", "status", "why", "wchan",
)  # fmt: skip


def csv_header() -> str:
    """The first record, with its line end."""
    return _csv([CSV_COLUMNS])


def as_csv(frame: Frame, rows: Rows, top: int = 0, *, guard: bool = False) -> str:
    """A record for each process, in the columns of :data:`CSV_COLUMNS`; with ``guard`` no cell is a formula."""
    wall = rfc3339(frame.reading.wall)
    records = (_record(wall, process) for process in _processes(frame, chosen(rows, top)))
    return _csv([guarded(cell) if isinstance(cell, str) else cell for cell in record] for record in records) if guard else _csv(records)


def _record(wall: str | None, process: Json) -> list[Any]:
    container = process["container"] or {}
    flat = process | process["features"]
    flat |= {
        "time": wall,
        "container": container.get("name", ""),
        "container_id": container.get("id", ""),
        "image": container.get("image", ""),
        "runtime": container.get("runtime", ""),
        "pod": container.get("pod", ""),
        "state": process["state"] or "",
        "alert": int(process["alert"]),
        "why": "; ".join(reason["text"] for reason in process["why"]),
    }
    return [flat.get(name) for name in CSV_COLUMNS]


def _csv(records: Iterable[Iterable[Any]]) -> str:
    out = StringIO()
    csv.writer(out).writerows(records)
    return out.getvalue()
