"""Who a process is: command line and parents, where it runs and within which limits, and what it waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from proctop.fields import COUNTER, Unit
from proctop.frames import Frame
from proctop.inspection import Delays, Detail
from proctop.records import CgroupCounters, Label
from proctop.scoring.explain import quantity
from proctop.view import values
from proctop.view.prose import Text, heading, labelled
from proctop.view.units import count, cpu_time, duration, percent

NAN = float("nan")
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting in the kernel, not to be interrupted",
    "Z": "zombie: ended, its parent has not asked for its code",
    "T": "stopped",
    "t": "stopped by a debugger",
    "I": "idle kernel thread",
    "X": "dead",
}
_MOST_LABELS = 200
_HOT = 0.9  # of a limit


@dataclass(frozen=True, slots=True)
class Closer:
    """What the closer look told: ``detail``, and the one ``before`` it; else in ``words`` why not."""

    words: str = ""
    detail: Detail | None = None
    before: Detail | None = None


def text(frame: Frame, row: int, columns: int, closer: Closer, earlier: tuple[float, CgroupCounters] | None) -> Text:
    """All of it. ``earlier``: the cgroup at another reading, and the seconds since, for its rates."""
    label = frame.batch.labels[row]
    return [
        *_identity(frame, row, label, columns, closer),
        *_place(label, columns),
        *_cgroup(frame.reading.cgroups.get(label.cgroup), earlier, label, columns),
        *_delays(closer, columns),
    ]


def _identity(frame: Frame, row: int, label: Label, columns: int, closer: Closer) -> Text:
    index = np.array([row], dtype=np.intp)
    told = {name: values.texts(frame, name, index)[0].strip() for name in ("state", "ppid", "nice", "priority", "elapsed")}
    detail = closer.detail
    out = labelled("command", label.command or f"[{label.comm}]", columns)
    out += labelled("name", label.comm + (", a kernel thread" if label.kernel else ""), columns)
    if detail is not None:
        out += labelled("program", _known(detail.exe), columns)
        out += labelled("directory", _known(detail.cwd) + (f"   root {detail.root}" if detail.root not in (None, "/") else ""), columns)
        parents = "  <  ".join(f"{name} {pid}" for pid, name in detail.parents)
        out += labelled("parents", parents or "none", columns)
    else:
        out += labelled("parent", _parent(frame, told["ppid"]), columns)
        out += labelled("", closer.words, columns, "soft")
    out += labelled("user", f"{label.user} ({label.uid})" if label.uid >= 0 else label.user or "not known", columns)
    waits = frame.reading.wchan.get(row, "")
    state = f"{told['state']}  {STATES.get(told['state'], '')}" + (f", in {waits}" if waits else "")
    out += labelled("state", state, columns, "warn" if told["state"] in ("D", "Z") else "text")
    started = float(values.numbers(frame, "start")[row])
    out += labelled("started", f"{_date(started)}, {told['elapsed']} ago", columns)
    spent = [float(frame.reading.counters[COUNTER[name], row]) / 1e9 for name in ("utime", "stime")]
    out += labelled("cpu time", f"{cpu_time(sum(spent), 9)}   user {cpu_time(spent[0], 9)}   kernel {cpu_time(spent[1], 9)}", columns)
    allowed = f"   on cpus {_cpus(detail.affinity)}" if detail is not None and detail.affinity is not None else ""
    out += labelled("nice", f"{told['nice']}   priority {told['priority']}{allowed}", columns)
    return out


def _parent(frame: Frame, ppid: str) -> str:
    found = np.flatnonzero(frame.reading.pid == int(ppid)).tolist() if ppid.isdigit() else []
    return f"{frame.batch.labels[found[0]].comm} {ppid}" if found else ppid


def _known(value: str | None) -> str:
    return "not permitted: that takes its user or root" if value is None else value


def _date(wall: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    except (OverflowError, ValueError, OSError):
        return "at a time that is none"


def _cpus(cpus: tuple[int, ...]) -> str:
    """As the kernel writes a list of cpus.

    >>> _cpus((0, 1, 2, 5))
    '0-2,5'
    """
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _place(label: Label, columns: int) -> Text:
    """The container."""
    box = label.container
    if box is None:
        return []
    out = heading("Container")
    out += labelled("name", box.name or "not known", columns, "box")
    out += labelled("image", box.image or "not known", columns, "box")
    out += labelled("runtime", (box.runtime or "not known") + (f"   pod {box.pod}" if box.pod else ""), columns)
    out += labelled("id", box.id, columns, "soft")
    for name, value in box.labels[:_MOST_LABELS]:
        out += labelled("label", f"{name}={value}", columns, "soft")
    return out


def _cgroup(now: CgroupCounters | None, earlier: tuple[float, CgroupCounters] | None, label: Label, columns: int) -> Text:
    """Limits, and how near they are."""
    out = heading("Cgroup")
    out += labelled("path", label.cgroup or "not known", columns)
    if now is None:
        return out + labelled("", "its counters were not read at this moment", columns, "soft")
    seconds, then = earlier if earlier is not None else (NAN, CgroupCounters())
    cpu = (now.cpu_ns - then.cpu_ns) / 1e9 / seconds
    limit = now.cpu_limit
    used = f"{percent(cpu * 100, 6)} %" if cpu >= 0 else "–"
    share = cpu / limit if limit == limit and limit > 0 else NAN
    of = f" of {percent(limit * 100, 6)} % allowed" if limit == limit else ", no limit"
    out += labelled("cpu", used + of, columns, "warn" if share >= _HOT else "text")
    if now.periods == now.periods and limit == limit:
        periods, held = now.periods - then.periods, now.throttled - then.throttled
        told = f"in {percent(held / periods * 100, 5)} % of periods" if periods > 0 and held >= 0 else "–"
        rate = (now.throttled_ns - then.throttled_ns) / 1e9 / seconds
        told += f", {duration(rate, 6)} a second" if rate > 0 else ""
        told += f"; {count(now.throttled, 6)} of {count(now.periods, 6)} periods since it began"
        out += labelled("throttled", told, columns, "warn" if held > 0 else "text")
    if now.memory == now.memory:
        share = now.memory / now.memory_limit if now.memory_limit > 0 else NAN
        of = f" of {quantity(now.memory_limit, Unit.BYTES)} allowed ({percent(share * 100, 4)} %)" if share == share else ", no limit"
        out += labelled("memory", f"{quantity(now.memory, Unit.BYTES)}{of}", columns, "warn" if share >= _HOT else "text")
    if now.oom_kills > 0:
        out += labelled("out of memory", f"the kernel killed {now.oom_kills:.0f} in it since it began", columns, "bad")
    if now.pids == now.pids:
        out += labelled("tasks", count(now.pids, 6), columns)
    moved = (("read", now.read_bytes - then.read_bytes), ("written", now.write_bytes - then.write_bytes))
    rates = [(name, change / seconds) for name, change in moved]
    if any(rate >= 0 for _, rate in rates):
        told = "   ".join(f"{name} {quantity(rate, Unit.BYTES_PER_SECOND)}" for name, rate in rates if rate >= 0)
        out += labelled("storage", told, columns)
    for name, pressure in now.pressure.items():
        full = f"   all {percent(pressure.full_avg10, 5)} %" if pressure.full_avg10 == pressure.full_avg10 else ""
        told = f"some {percent(pressure.some_avg10, 5)} %{full}   of the last 10 s; of 5 min some {percent(pressure.some_avg300, 5)} %"
        out += labelled(f"{name} pressure", told, columns, "warn" if pressure.some_avg10 >= 20 else "text")
    return out


def _delays(closer: Closer, columns: int) -> Text:
    """What its threads waited for, since it began and since the look before."""
    if closer.detail is None:
        return []
    out = heading("Waited, all threads")
    now: Delays = closer.detail.delays
    before = dict(closer.before.delays.waited) if closer.before is not None else {}
    apart = closer.detail.mono - closer.before.mono if closer.before is not None else NAN
    for name, seconds in now.waited:
        if seconds == seconds:
            since = seconds - before.get(name, NAN)
            rate = f"   {percent(since / apart * 100, 6)} % of the last {duration(apart, 6)}" if since >= 0 and apart > 0 else ""
            style = "warn" if name != "ran" and since > 0.2 * apart else "text" if seconds > 0 else "faint"
            out += labelled(name if name == "ran" else f"for {name}", f"{duration(seconds, 9)} since it began{rate}", columns, style)
    missing = [name for name, seconds in now.waited if seconds != seconds]
    if now.note:
        out += labelled("", (f"{', '.join(missing)}: " if missing else "") + now.note, columns, "soft")
    return out
