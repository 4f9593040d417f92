"""The number or the words of every column and feature, for all rows of a frame or some.

Rows index the frame; a negative row ``~j`` is thread ``j`` of ``frame.reading.threads``, whose rates are not known, and beyond those
one of the departed (:mod:`proctop.view.departed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from proctop import fields
from proctop.fields import Unit
from proctop.frames import Frame, Status
from proctop.records import Floats, Index, Label
from proctop.view import departed, sparkline, units

_Numbers = Callable[[Frame], Floats]
_STATE = fields.COUNTER["state"]
_UNINTERRUPTIBLE = ord("D")


def _feature(name: str, scale: float = 1.0) -> _Numbers:
    k = fields.FEATURE[name]
    return lambda frame: frame.batch.values[k].astype(np.float64) * scale


def _sum_of(first: str, second: str) -> _Numbers:
    a, b = fields.FEATURE[first], fields.FEATURE[second]
    return lambda frame: frame.batch.values[a].astype(np.float64) + frame.batch.values[b]


def _counter(name: str) -> _Numbers:
    k = fields.COUNTER[name]
    return lambda frame: frame.reading.counters[k]


def _cpu_time(frame: Frame) -> Floats:
    counters = frame.reading.counters
    spent: Floats = counters[fields.COUNTER["utime"]] + counters[fields.COUNTER["stime"]]
    return spent / 1e9


def _start(frame: Frame) -> Floats:
    info = frame.reading.info
    return info.boot_time + frame.reading.start / info.ticks


def _elapsed(frame: Frame) -> Floats:
    reading = frame.reading
    return np.maximum(reading.boot - reading.start / reading.info.ticks, 0.0)


def _memory_percent(frame: Frame) -> Floats:
    memory = frame.reading.info.memory
    share: Floats = frame.batch.values[fields.FEATURE["rss"]].astype(np.float64) / (memory if memory > 0 else np.nan)
    return share * 100.0


_NUMBERS: Final[dict[str, tuple[Unit, _Numbers]]] = {
    **{f.name: (f.unit, _feature(f.name)) for f in fields.FEATURES},
    "score": (Unit.NATS, lambda frame: frame.scores.rank.astype(np.float64)),
    "alert": (Unit.NATS, lambda frame: frame.scores.alert.astype(np.float64)),
    "pid": (Unit.NONE, lambda frame: frame.reading.pid.astype(np.float64)),
    "ppid": (Unit.NONE, _counter("ppid")),
    "priority": (Unit.NONE, _counter("priority")),
    "nice": (Unit.NONE, _counter("nice")),
    "cpu": (Unit.PERCENT, _feature("cpu", 100.0)),
    "run_wait": (Unit.PERCENT, _feature("run_wait", 100.0)),
    "demand": (Unit.PERCENT, _feature("demand", 100.0)),
    "mem": (Unit.PERCENT, _memory_percent),
    "faults": (Unit.PER_SECOND, _sum_of("minflt", "majflt")),
    "switches": (Unit.PER_SECOND, _sum_of("vctx", "nvctx")),
    "time": (Unit.SECONDS, _cpu_time),
    "start": (Unit.SECONDS, _start),
    "elapsed": (Unit.SECONDS, _elapsed),
}

ADDITIVE: Final[tuple[str, ...]] = tuple(
    name for name in _NUMBERS if name not in {"score", "alert", "pid", "ppid", "priority", "nice", "start", "elapsed", "idle_s", "run_wait"}
)
"""The numeric columns whose sum over a subtree means something."""

_LABEL_TEXTS: Final[dict[str, Callable[[Label], str]]] = {
    "comm": lambda label: label.comm,
    "user": lambda label: label.user,
    "command": lambda label: label.command or label.comm,
    "cgroup": lambda label: label.cgroup,
    "container": lambda label: label.container.title if label.container else "",
    "image": lambda label: label.container.image if label.container else "",
    "pod": lambda label: label.container.pod if label.container else "",
    "runtime": lambda label: label.container.runtime if label.container else "",
}
_TEXT: Final = frozenset(_LABEL_TEXTS) | {"state", "status", "why", "wchan", "history"}


def is_text(name: str) -> bool:
    """Whether ``name`` has words and no number."""
    return name in _TEXT


def unit(name: str) -> Unit:
    """The unit of :func:`numbers`; ``cpu``, ``run_wait`` and ``demand`` are percent of one core."""
    return _NUMBERS[name][0]


def numbers(frame: Frame, name: str, rows: Index | None = None) -> Floats:
    """float64[m] in the unit of the name, NaN = missing. Raises ``KeyError`` for names that have words instead.

    ``start`` is seconds since the epoch.
    """
    every = _NUMBERS[name][1](frame)
    if rows is None:
        return every
    below = rows < 0
    if not below.any():
        return every[rows]
    out = np.empty(rows.size, dtype=np.float64)
    out[~below] = every[rows[~below]]
    others = ~rows[below]
    count = departed.begin(frame)
    gone = departed.frame_of(frame)
    if gone is None:
        out[below] = thread_numbers(frame, name, others)
    else:
        ended = numbers(gone, name)
        out[below] = np.where(others < count, np.nan, ended[np.maximum(others - count, 0)])
        threads = np.flatnonzero(below)[others < count]
        out[threads] = thread_numbers(frame, name, ~rows[threads])
    return out


def texts(frame: Frame, name: str, rows: Index | None = None) -> list[str]:
    """The words of a text column; a numeric one as its column shows it, at most as wide as the column."""
    if name not in _TEXT:
        return render(name, numbers(frame, name, rows), frame.reading.wall)
    indices = range(len(frame.batch)) if rows is None else rows.tolist()
    word = _LABEL_TEXTS.get(name)
    labels = frame.batch.labels
    others = _other_texts(frame, name, indices) if rows is not None else {}
    if word is not None:
        if rows is None:
            return [word(label) for label in labels]
        return [word(labels[i]) if i >= 0 else others[i] for i in indices]
    if rows is None and name in ("why", "wchan"):  # most rows have nothing to say
        said = [""] * len(frame.batch)
        for i in {*frame.scores.why, *waiting(frame)} if name == "why" else frame.reading.wchan:
            said[i] = _computed(frame, name, i)
        return said
    return [_computed(frame, name, i) if i >= 0 else others[i] for i in indices]


def render(name: str, values: Floats, now: float, width: int = 0) -> list[str]:
    """``values`` of a numeric column as text of at most ``width`` characters (0: the column's own). ``now``: wall time of the frame."""
    column = fields.COLUMN.get(name)
    width = width or (column.width if column and column.width else 9)
    if name == "start":
        return [units.moment(value, now, width) for value in values.tolist()]
    write = units.cpu_time if name == "time" else units.formatter(unit(name))
    return [write(value, width) for value in values.tolist()]


def _computed(frame: Frame, name: str, i: int) -> str:
    if name == "state":
        return _letter(frame.reading.counters[_STATE, i])
    if name == "why":
        return why(frame, i)
    if name == "wchan":
        return frame.reading.wchan.get(i, "")
    if name == "status":
        return Status(int(frame.scores.status[i])).name.lower()
    width = fields.COLUMN["history"].width
    return sparkline.text(frame.history.of(i, width), width)


def why(frame: Frame, i: int) -> str:
    """The reasons of a process, most telling first, and what it waits for where that cannot be interrupted."""
    said = [reason.text for reason in frame.scores.why.get(i, ())]
    if frame.reading.counters[_STATE, i] == _UNINTERRUPTIBLE:
        since = float(frame.batch.values[fields.FEATURE["idle_s"], i])
        place = frame.reading.wchan.get(i, "")
        if since >= 1 or place:
            for_ = f" for {f'{since:.0f} s' if since < 100 else units.duration(since, 6)}" if since >= 1 else ""
            said.append(f"in D{for_}" + (f" in {place}" if place else ""))
    return "; ".join(said)


def waiting(frame: Frame) -> list[int]:
    """The rows in state D."""
    rows: list[int] = np.flatnonzero(frame.reading.counters[_STATE] == _UNINTERRUPTIBLE).tolist()
    return rows


def _letter(code: float) -> str:
    return chr(int(code)) if 32 < code < 127 else ""


def _other_texts(frame: Frame, name: str, rows: Iterable[int]) -> dict[int, str]:
    """Of the threads and the departed among ``rows``."""
    below = [row for row in rows if row < 0]
    gone, first = departed.frame_of(frame) if below else None, ~departed.begin(frame)
    ended = [row for row in below if row <= first] if gone is not None else []
    out = {row: thread_text(frame, name, ~row) for row in below if gone is None or row > first}
    if gone is not None and ended:
        out |= zip(ended, texts(gone, name, first - np.array(ended)), strict=True)
    return out


def thread_numbers(frame: Frame, name: str, threads: Index) -> Floats:
    """As :func:`numbers` for threads: what their counters tell, NaN for the rest."""
    table = frame.reading.threads
    out = np.full(threads.size, np.nan)
    if table is None:
        return out
    info = frame.reading.info
    if name == "pid":
        out[:] = table.tid[threads]
    elif name == "ppid":
        out[:] = table.pid[threads]
    elif name in ("priority", "nice"):
        out[:] = table.counters[fields.COUNTER[name]][threads]
    elif name == "time":
        spent = table.counters[fields.COUNTER["utime"]] + table.counters[fields.COUNTER["stime"]]
        out[:] = spent[threads] / 1e9
    elif name == "start":
        out[:] = info.boot_time + table.start[threads] / info.ticks
    elif name == "elapsed":
        out[:] = np.maximum(frame.reading.boot - table.start[threads] / info.ticks, 0.0)
    return out


def thread_text(frame: Frame, name: str, j: int) -> str:
    """As :func:`texts` for one thread: its own name and state; the rest is its process's and shown there."""
    table = frame.reading.threads
    if table is None:
        return ""
    if name in ("comm", "command"):
        return table.comm[j]
    if name == "state":
        return _letter(table.counters[_STATE, j])
    return ""
