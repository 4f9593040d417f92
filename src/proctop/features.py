"""Two readings in, one batch of rates and levels out. Pure.

A rate is the rise of a counter over the real monotonic time between the readings. A counter that fell, or that is
unreadable in either reading, gives NaN. A process that started within the interval is measured from its birth.
An interval that is no interval (backwards, or ten times the nominal one: a suspend, a stop; or one of whose ends no process could be read)
gives no rates at all, because one number over such a span is neither "now" nor comparable with the others.

Where the source changes, what the two of them mean by the same name is not compared (context switches and waits of the main thread, or
of all; resident memory to the page, or a quick sum), so that nothing spikes at that moment.

Only rows that can differ from the batch before are worked out again, so a reading costs what moved.
"""

from __future__ import annotations

import numpy as np

from proctop.fields import COUNTER, FEATURE, FEATURES, SCHEMA, Kind
from proctop.frames import Batch
from proctop.records import Bools, Floats, Floats32, Index, Ints, Reading

GAP = 10.0
"""An interval longer than this many nominal ones is a gap."""

YOUNGEST = 0.2
"""Seconds: rates of a newborn are over at least this."""

SLACK = 0.5
"""Seconds by which a process may be older than the interval and still count as born in it (a sweep takes its time)."""

_NANO = 1e-9
LARGEST = float(np.finfo(np.float32).max)
"""What a feature can hold."""
_RUNS = 64  # of columns, that are copied faster one by one than column by column
_BY_KEY = 1 << 23  # pid_max is at most 4 million (include/linux/threads.h)

# Feature ← counter, all per second of real time.
_RATES: tuple[tuple[str, str], ...] = (
    ("minflt", "minflt"),
    ("majflt", "majflt"),
    ("rchar", "rchar"),
    ("wchar", "wchar"),
    ("disk_read", "read_bytes"),
    ("disk_write", "write_bytes"),
    ("vctx", "vctx"),
    ("nvctx", "nvctx"),
    ("run_wait", "wait_ns"),
)
_GROWTHS: tuple[tuple[str, str], ...] = (("rss_growth", "rss"), ("data_growth", "data"), ("thread_growth", "threads"), ("fd_growth", "fds"))
_AT_BIRTH = np.array([name in ("threads", "fds") for _, name in _GROWTHS])  # a process is born with some, which is no growth
_LEVELS: tuple[tuple[str, str], ...] = (("threads", "threads"), ("rss", "rss"), ("fds", "fds"), ("vsize", "vsize"))

_RATE_TO = np.array([FEATURE[f] for f, _ in _RATES])
_RATE_FROM = np.array([COUNTER[c] for _, c in _RATES])
_GROWTH_TO = np.array([FEATURE[f] for f, _ in _GROWTHS])
_GROWTH_FROM = np.array([COUNTER[c] for _, c in _GROWTHS])
_LEVEL_TO = np.array([FEATURE[f] for f, _ in _LEVELS])
_LEVEL_FROM = np.array([COUNTER[c] for _, c in _LEVELS])
_CHANGES = np.array([i for i, f in enumerate(FEATURES) if f.kind in (Kind.RATE, Kind.GROWTH)])
_CPU, _SYSCALLS, _FORKS = FEATURE["cpu"], FEATURE["syscalls"], FEATURE["forks"]
_CHILDREN, _IDLE, _RUN_WAIT, _DEMAND = (FEATURE[f] for f in ("children", "idle_s", "run_wait", "demand"))
_SWITCHES = FEATURE["vctx"]
_PPID, _THREADS, _UTIME, _STIME, _RUN = (COUNTER[c] for c in ("ppid", "threads", "utime", "stime", "run_ns"))
_SYSCR, _SYSCW, _VCTX, _NVCTX = (COUNTER[c] for c in ("syscr", "syscw", "vctx", "nvctx"))
_DOES = np.array([_UTIME, _STIME, _RUN, _VCTX, _NVCTX, _SYSCR, _SYSCW])  # a process that does anything raises one of them
_OF_SOURCE = np.array([_VCTX, _NVCTX, _RUN, COUNTER["wait_ns"], COUNTER["rss"]])  # of the main thread, or of all; exact, or not
_TICK = np.array([_UTIME, _STIME])  # whole ticks, or finer


def derive(prev: Reading | None, cur: Reading, before: Batch | None) -> Batch:
    """The batch of ``cur``, given the reading and the batch that came before it (both None at the start of a session).

    What came before another boot, or on another host, is as if it were not there: counters and keys begin anew.
    """
    if prev is None or before is None or prev.info.boot_id != cur.info.boot_id:
        return first(cur)
    dt = cur.mono - prev.mono
    gap = _is_gap(prev, cur)
    other = prev.source != cur.source
    where = align(prev, cur)
    stable = cur.pid.size == prev.pid.size and bool((where >= 0).all())
    born = _born(cur, where, dt) if not (stable or gap) else np.zeros(len(cur), np.bool_)
    rows = None if gap or other or before.dt != before.dt else _moved(prev, cur, before, where)

    if rows is None:
        values = np.full((len(FEATURES), len(cur)), np.nan, dtype=np.float32)
        active = np.zeros(len(cur), np.bool_)
        rows = np.arange(len(cur))
    else:
        values = _carried(before.values, where)
        active = np.zeros(len(cur), np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        fresh, did = _rows(prev, cur, where, born, rows, dt, gap)
        values[:, rows] = fresh
        active[rows] = did
        values[_FORKS] = _forks(prev, cur, born, values[_CPU], dt)
        values[_CHILDREN] = _children(prev, cur, before, where)
        values[_IDLE] = _idle(before.values[_IDLE], where, active, born, 0.0 if gap else dt if dt < cur.interval / 2 else cur.interval)
    return _publish(cur, values, float("nan") if gap else dt, where, active, born)


def _is_gap(prev: Reading, cur: Reading) -> bool:
    """Whether what is between them is no interval."""
    return not 0 < cur.mono - prev.mono <= GAP * cur.interval or _unread(prev) or _unread(cur)


def _unread(reading: Reading) -> bool:
    """No process could be read: all have the numbers of the reading before."""
    return any(gap.field == "stat" and gap.count >= len(reading) for gap in reading.gaps) and len(reading) > 0


def align(prev: Reading, cur: Reading) -> Ints:
    """int64[n]: index in ``prev`` of each process of ``cur``, -1 = not there."""
    if (cur.pid is prev.pid and cur.start is prev.start) or (np.array_equal(cur.pid, prev.pid) and np.array_equal(cur.start, prev.start)):
        return np.arange(len(cur), dtype=np.int64)
    if not len(prev):
        return np.full(len(cur), -1, dtype=np.int64)
    return _find(prev, cur.pid, cur.start)


def _find(prev: Reading, pid: Ints, start: Ints) -> Ints:
    """int64[m]: the row of each key in ``prev``, which has some, -1 = not there."""
    old = prev.start * _BY_KEY + prev.pid  # wraps for absurd values; the comparison below makes that harmless
    order = np.argsort(old, kind="stable")
    found = order[np.minimum(np.searchsorted(old, start * _BY_KEY + pid, sorter=order), len(prev) - 1)]
    same = (prev.pid[found] == pid) & (prev.start[found] == start)
    return np.where(same, found, -1).astype(np.int64)


def first(cur: Reading, idle: Floats32 | None = None) -> Batch:
    """The batch of a reading without one before it: levels, and no rates.

    ``idle`` float32[n]: seconds without activity, where a session is entered in its midst. From it :func:`derive` goes on as if
    it had come all the way.
    """
    n = len(cur)
    values = np.full((len(FEATURES), n), np.nan, dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        values[_LEVEL_TO] = _finite(cur.counters[_LEVEL_FROM])
        values[_CHILDREN] = _count_by_pid(cur, cur.counters[_PPID])
    if idle is not None:
        values[_IDLE] = idle
    nobody = np.zeros(n, np.bool_)
    return _publish(cur, values, float("nan"), np.full(n, -1, dtype=np.int64), nobody, nobody.copy())


def still(prev: Reading, cur: Reading, idle: Floats32) -> Floats32:
    """float32[n], the feature ``idle_s`` as :func:`derive` gives it, out of that of the reading before: the one that a jump cannot skip."""
    dt = cur.mono - prev.mono
    gap = _is_gap(prev, cur)
    where = align(prev, cur)
    came = where < 0
    then = prev.counters[_DOES][:, where] if len(prev) else np.full((_DOES.size, len(cur)), np.nan)
    born = _born(cur, where, dt) & (not gap)
    then[:, came] = np.where(born[came], 0.0, np.nan)
    with np.errstate(invalid="ignore"):
        rise = cur.counters[_DOES] - then
        if prev.source != cur.source:
            whole = np.full(cur.counters.shape, np.nan)
            whole[_DOES] = rise
            _incomparable(whole, ~came, cur)
            rise = whole[_DOES]
        active = (rise > 0).any(axis=0)
    return _idle(idle, where, active, born, 0.0 if gap else dt if dt < cur.interval / 2 else cur.interval)


def _publish(cur: Reading, values: Floats32, dt: float, where: Ints, active: Bools, born: Bools) -> Batch:
    for array in (values, where, active, born):
        array.flags.writeable = False
    return Batch(SCHEMA, cur.pid, cur.start, values, cur.labels, dt, where, active, born, cur.counters[_PPID], cur.source)


def _carried(values: Floats32, where: Ints) -> Floats32:
    """A copy of the columns ``where``; any for -1. Survivors keep their order, so a few runs of columns are all that is to be copied."""
    begin = [0, *(np.flatnonzero((np.diff(where) != 1) | (where[:-1] < 0)) + 1).tolist()]
    if len(begin) > _RUNS:
        return values.take(where, axis=1)
    out = np.empty((len(values), where.size), dtype=np.float32)
    for a, b in zip(begin[: where.size], [*begin[1:], where.size], strict=False):
        if where[a] >= 0:
            out[:, a:b] = values[:, where[a] : where[a] + b - a]
        else:
            out[:, a:b] = np.nan
    return out


def _born(cur: Reading, where: Ints, dt: float) -> Bools:
    return (where < 0) & (cur.boot - cur.start / cur.info.ticks < dt + SLACK)


def _moved(prev: Reading, cur: Reading, before: Batch, where: Ints) -> Index | None:
    """Rows whose rates or levels may differ from the batch before: changed now, or changed then. None = all."""
    if cur.changed is None or prev.changed is None or not len(prev):
        return None
    then = np.zeros(len(prev), np.bool_)
    then[prev.changed] = True
    then |= (before.prev < 0) | np.isnan(before.values[_SWITCHES])  # not compared where the source changed
    moved = then[where]
    moved |= where < 0
    moved[cur.changed] = True
    return np.flatnonzero(moved)


def _rows(prev: Reading, cur: Reading, where: Ints, born: Bools, rows: Index, dt: float, gap: bool) -> tuple[Floats32, Bools]:
    """Features float32[n_features, m] of ``rows`` without forks, children and idle time, and who did anything."""
    everyone = rows.size == len(cur)
    now = cur.counters if everyone else cur.counters.take(rows, axis=1)
    came = where[rows]
    then = prev.counters.take(came, axis=1) if len(prev) else np.full(now.shape, np.nan)
    seconds = np.full(rows.size, dt)
    first = np.flatnonzero(came < 0)
    if first.size:
        newborn = born[rows[first]]
        then[:, first] = np.where(newborn, 0.0, np.nan)
        age = cur.boot - cur.start[rows[first]] / cur.info.ticks
        seconds[first] = np.where(newborn, np.maximum(age, YOUNGEST), dt)
    rise = now - then
    ticks = np.where((rise[_TICK] < 0).any(axis=0), np.nan, rise[_TICK].sum(axis=0))
    if prev.source != cur.source:
        ticks = np.maximum(now[_TICK].sum(axis=0) - then[_TICK].sum(axis=0), 0.0)
        _incomparable(rise, came >= 0, cur)
    did: Bools = np.logical_or.reduce(rise[_DOES] > 0, axis=0)

    values = np.full((len(FEATURES), rows.size), np.nan)
    values[_LEVEL_TO] = now[_LEVEL_FROM]
    if not gap:
        growth = rise[_GROWTH_FROM]
        rise[rise < 0] = np.nan
        values[_RATE_TO] = rise[_RATE_FROM] / seconds
        growth[:, first] = np.where(_AT_BIRTH[:, None], np.minimum(growth[:, first], 0.0), growth[:, first])
        values[_GROWTH_TO] = np.maximum(growth, 0.0) / seconds
        values[_SYSCALLS] = (rise[_SYSCR] + rise[_SYSCW]) / seconds
        values[_CPU] = cpu_spent(ticks, rise[_RUN], now[_THREADS], then[_THREADS]) * _NANO / seconds
        values[_RUN_WAIT] *= _NANO
        values[_DEMAND] = values[_CPU] + values[_RUN_WAIT]
        values[_FORKS] = 0.0
    return _finite(values), did


def _incomparable(rise: Floats, known: Bools, cur: Reading) -> None:
    """Take out of ``rise`` [n_counters, m] of the processes ``known`` [m] what another source tells by the same name.

    Times that rose by less than two ticks may not have risen at all.
    """
    rise[np.ix_(_OF_SOURCE, known)] = np.nan
    slight = known & ~(rise[_TICK].sum(axis=0) > 2e9 / cur.info.ticks)
    rise[np.ix_(_TICK, slight)] = np.nan


def cpu_spent(ticks: Floats, run: Floats, threads: Floats, threads_then: Floats) -> Floats:
    """Nanoseconds on a cpu, out of the rises of ``utime + stime`` and ``run_ns``, and the numbers of threads now and then (0 = not born).

    A single thread's run time is exact; ticks cover all threads but hide what is shorter than one.
    """
    single = (threads == 1) & ((threads_then == 1) | (threads_then == 0)) & (run == run)
    spent: Floats = np.where(single, run, ticks)
    return spent


def _finite(values: Floats) -> Floats32:
    """As float32; what is not a finite number there is missing."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan).astype(np.float32)


def _forks(prev: Reading, cur: Reading, born: Bools, cpu: Floats32, dt: float) -> Floats32:
    """Children first seen in this reading, or known only by their ends, per second; NaN where there are no rates."""
    forks = np.where(cpu == cpu, np.float32(0), np.float32(np.nan))
    parents = cur.counters[_PPID, born]
    if cur.exits:
        parents = np.concatenate([parents, [end.ppid for end, short in zip(cur.exits, brief(prev, cur).tolist(), strict=True) if short]])
    if parents.size:
        forks += _count_by_pid(cur, parents) / np.float32(dt)
    return forks


def brief(prev: Reading, cur: Reading) -> Bools:
    """bool[len(cur.exits)]: it was born and ended between the two readings, and never was a row."""
    dt = cur.mono - prev.mono
    since = (cur.boot - dt - min(SLACK, dt / 2)) * cur.info.ticks
    recent = np.flatnonzero(prev.start > since)
    rows = set(zip(prev.pid[recent].tolist(), prev.start[recent].tolist(), strict=True))
    return np.array([end.key.start > since and end.key not in rows for end in cur.exits], dtype=np.bool_)


def ends(prev: Reading, cur: Reading) -> Floats32:
    """float32[n_features, len(cur.exits)]: what each process that ended did since ``prev``, per second of the interval.

    Levels are NaN; so is everything where no total was told, or where it is not known what of it was counted before.
    """
    dt = cur.mono - prev.mono
    values = np.full((len(FEATURES), len(cur.exits)), np.nan)
    if cur.ended is None or _is_gap(prev, cur) or prev.info.boot_id != cur.info.boot_id:
        return values.astype(np.float32)
    then = np.full(cur.ended.shape, np.nan)
    then[:, brief(prev, cur)] = 0.0
    if prev.source == cur.source and len(prev):
        keys = np.array([end.key for end in cur.exits], dtype=np.int64).reshape(-1, 2)
        row = _find(prev, keys[:, 0], keys[:, 1])
        then[:, row >= 0] = prev.counters[:, row[row >= 0]]
    with np.errstate(invalid="ignore", over="ignore"):
        rise = cur.ended - then
        rise[rise < 0] = np.nan
        values[_RATE_TO] = rise[_RATE_FROM] / dt
        values[_SYSCALLS] = (rise[_SYSCR] + rise[_SYSCW]) / dt
        values[_CPU] = np.where(rise[_RUN] == rise[_RUN], rise[_RUN], rise[_UTIME] + rise[_STIME]) * _NANO / dt
        values[_RUN_WAIT] *= _NANO
        values[_DEMAND] = values[_CPU] + values[_RUN_WAIT]
        return _finite(values)


def _children(prev: Reading, cur: Reading, before: Batch, where: Ints) -> Floats32:
    """Live children; as before while no process came, went or changed its parent."""
    ppid, then = cur.counters[_PPID], prev.counters[_PPID]
    if cur.pid is prev.pid and (cur.counters is prev.counters or np.array_equal(ppid, then)):
        same: Floats32 = before.values[_CHILDREN]
        return same
    return _count_by_pid(cur, ppid)


def _count_by_pid(cur: Reading, ppid: Floats) -> Floats32:
    """float32[n]: how often the pid of each process occurs in ``ppid``. No array indexed by pid: pid_max may be 4 million."""
    known = ppid[ppid == ppid].astype(np.int64)
    out = np.zeros(len(cur), dtype=np.float32)
    if not known.size or not len(cur):
        return out
    order = np.argsort(cur.pid, kind="stable")
    place = np.minimum(np.searchsorted(cur.pid, known, sorter=order), len(cur) - 1)
    parent = order[place]
    hit = parent[cur.pid[parent] == known]
    out += np.bincount(hit, minlength=len(cur)).astype(np.float32)
    return out


def _idle(before: Floats32, where: Ints, active: Bools, born: Bools, seconds: float) -> Floats32:
    """Seconds in a row without activity; NaN at the first sight of an old process, about whose past nothing is known.

    A late reading counts as one interval: what delays the sampler delays everybody.
    """
    idle = before.take(where) if before.size else np.zeros(where.size, dtype=np.float32)
    known = where >= 0
    if not known.all():
        idle[~known] = np.where(born[~known], np.float32(0), np.float32(np.nan))
    idle[known & np.isnan(idle)] = 0.0
    idle += np.float32(seconds)
    idle[active] = 0.0
    return idle
