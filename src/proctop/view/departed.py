"""Processes that ended, as a frame of their own: so columns, filters and orders treat them as they treat everybody.

In the rows that a table shows they come after the threads: ``~j`` with ``j`` from the number of threads on.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from proctop.departures import FADE
from proctop.fields import COUNTER, COUNTERS, SCHEMA
from proctop.frames import Batch, Departed, Frame, Reason, Scores, Status, Trail
from proctop.records import ProcKey

_NAN = float("nan")
_NO_SCORES = np.zeros(0, np.float32)


class _Endings(Mapping[int, tuple[Reason, ...]]):
    """The words of each as its reason. Only few of them are seen."""

    def __init__(self, gone: Departed) -> None:
        self._gone = gone

    def __getitem__(self, i: int) -> tuple[Reason, ...]:
        return (Reason("", _NAN, (_NAN, _NAN), "own", words(self._gone, i)),)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._gone)))

    def __len__(self) -> int:
        return len(self._gone)


@lru_cache(maxsize=2)
def frame_of(frame: Frame) -> Frame | None:
    """The departed of ``frame``, a row each; None = nobody. Who ended is in state X, and WHY says when and how."""
    gone = frame.departed
    if gone is None or not len(gone):
        return None
    m = len(gone)
    counters = np.full((len(COUNTERS), m), np.nan)
    counters[COUNTER["ppid"]] = gone.ppid
    counters[COUNTER["state"]] = ord("X")
    reading = replace(
        frame.reading,
        pid=gone.pid,
        start=gone.start,
        counters=counters,
        labels=gone.labels,
        exits=(),
        changed=None,
        threads=None,
        ended=None,
        wchan={},
    )
    rows, nobody = np.full(m, -1, np.int64), np.zeros(m, np.bool_)
    batch = Batch(
        SCHEMA, gone.pid, gone.start, gone.values, gone.labels, frame.batch.dt, rows, nobody, gone.brief, counters[COUNTER["ppid"]]
    )
    missing = np.full(m, np.nan, np.float32)
    scores = Scores(gone.rank, missing, missing, nobody, np.full(m, Status.SCORED, np.int8), _Endings(gone))
    trail = Trail(rows, rows, (), _NO_SCORES, frame.history.last)
    return replace(frame, reading=reading, batch=batch, scores=scores, history=trail, alerts=(), departed=None)


def begin(frame: Frame) -> int:
    """The number of threads: departed ``i`` is row ``~(begin + i)``."""
    return 0 if frame.reading.threads is None else frame.reading.threads.tid.size


def place(frame: Frame, row: int) -> int:
    """Which of the departed a row is; below 0: it is a process or a thread."""
    return ~row - begin(frame)


def find(frame: Frame, row: int) -> tuple[Departed, int] | None:
    """One of the departed; None: the row is a process or a thread."""
    i = place(frame, row) if frame.departed is not None and row < 0 else -1
    return (frame.departed, i) if frame.departed is not None and i >= 0 else None


def key_of(gone: Departed, i: int) -> ProcKey:
    """Whose row it is: that of the one that ended last."""
    return ProcKey(int(gone.pid[i]), int(gone.start[i]))


def index(frame: Frame, key: ProcKey) -> int | None:
    """Which of the departed ``key`` is; None = none of them, or not the last of its crowd."""
    gone = frame.departed
    if gone is None:
        return None
    found = np.flatnonzero((gone.pid == key.pid) & (gone.start == key.start)).tolist()
    return found[0] if found else None


def ending(frame: Frame, key: ProcKey) -> tuple[str, str] | None:
    """The name of one of the departed, and when and how it ended; None = it is none of them."""
    gone, i = frame.departed, index(frame, key)
    return (gone.labels[i].comm, words(gone, i)) if gone is not None and i is not None else None


def fate(frame: Frame, key: ProcKey) -> str:
    """How a process ended, without when: "exited, code 1", "killed by SIGKILL"; "" = the frame does not tell of its end."""
    gone, i = frame.departed, index(frame, key)
    if gone is not None and i is not None:
        code = float(gone.code[i])
    else:
        end = next((end for end in frame.reading.exits if end.key == key), None)
        if end is None:
            return ""
        code = float("nan") if end.code is None else float(end.code)
    return f"killed by {_signal(-code)}" if code < 0 else "exited" if code != code else f"exited, code {code:.0f}"


def crowd(frame: Frame, key: ProcKey) -> tuple[int, str] | None:
    """Parent and name of the crowd that ``key`` is the last of."""
    gone, i = frame.departed, index(frame, key)
    return (int(gone.ppid[i]), gone.labels[i].comm) if gone is not None and i is not None else None


def last_of(frame: Frame, who: tuple[int, str]) -> ProcKey | None:
    """The last one of a crowd; None = it is forgotten."""
    gone = frame.departed
    if gone is None:
        return None
    found = [i for i in np.flatnonzero(gone.ppid == who[0]).tolist() if gone.labels[i].comm == who[1]]
    return key_of(gone, found[0]) if found else None


def words(gone: Departed, i: int) -> str:
    """How and when: "exited 3 s ago, code 1", "killed by SIGKILL 2 s ago", "400 ended, last code 1, 0 s ago".

    Of a crowd the code comes first: a narrow column cuts what follows.
    """
    count, code, ago = int(gone.count[i]), float(gone.code[i]), f"{float(gone.ago[i]):.0f} s ago"
    if count > 1:
        how = "" if code != code else f"by {_signal(-code)}, " if code < 0 else f"code {code:.0f}, "
        return f"{count} ended, last {how}{ago}"
    if code < 0:
        return f"killed by {_signal(-code)} {ago}"
    return f"exited {ago}" + (f", code {code:.0f}" if code == code else "")


def _signal(number: float) -> str:
    """Its name; real-time ones, and what is none, have numbers only."""
    try:
        return signal.Signals(int(number)).name
    except (ValueError, OverflowError):
        return f"signal {number:.0f}"


def style(gone: Departed, i: int) -> str:
    """How one is drawn: it fades."""
    return "soft" if gone.ago[i] < FADE / 2 else "faint"
