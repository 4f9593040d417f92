"""This host as a source: one reading of everything whenever it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from proctop.containers.paths import Place
from proctop.fields import COUNTER
from proctop.kernel.cgroupfs import Cgroups, everywhere
from proctop.kernel.host import Host, Instant, NotProcfs, Unreadable
from proctop.kernel.procfs import Malformed
from proctop.kernel.system import Stat, System, meminfo
from proctop.kernel.threads import threads
from proctop.kernel.words import Words
from proctop.records import CgroupCounters, Gap, HostInfo, Reading, ThreadTable
from proctop.sanitize import clean_bytes
from proctop.sources import Wants
from proctop.sources.feeds import Found, Processes
from proctop.sources.labels import Labels, Names
from proctop.sources.rows import Sweep

_MOST_WAITS = 32  # processes in state D that are asked what they wait in, at one reading
_STATE, _D = COUNTER["state"], ord("D")
_MOST_CGROUPS = 64  # of containers, at one reading
_SETTINGS_EVERY = 5  # readings between looks at kernel switches
_HEAVY = 0.6  # share of the interval a sweep may take without a remark
_QUIT = 0.5  # seconds that closing waits for a reading under way


class LiveSource:
    """Reads the host that ``host`` stands for: its processes from what was ``found`` (and is closed with this), else from its procfs.

    Raises :class:`NotProcfs` where its procfs is none. ``cost`` is the seconds the last reading took.
    """

    def __init__(self, host: Host, *, interval: float = 1.0, names: Names | None = None, found: Found | None = None) -> None:
        self.wants = Wants()
        self.interval = interval
        self.cost = 0.0
        self._host = host
        self._names = names
        self._system = System(host)
        stat = self._probe_stat()
        self.info = _info(host, stat)
        self._words = Words(host)
        self._labels = Labels(host, self._words, names)
        self._processes = Processes(host, self._labels, found or Found())
        self.name = self._processes.name
        self._cgroups = Cgroups(host)
        self._hidepid: list[Gap] | None = None  # None = not looked yet
        self._turn = 0
        self._seq = 0
        self._lock = threading.Lock()
        self._closed = False

    def look_for(self, look: Callable[[], Found]) -> None:
        """Look for something better than procfs in a thread of its own, and go over to it at a later reading."""
        self._processes.look_for(look)

    def _probe_stat(self) -> Stat:
        try:
            self._host.size(f"{self._host.proc}/stat")  # a held descriptor outlives its mount
            return self._system.stat()
        except (Unreadable, Malformed) as error:
            raise NotProcfs(f"{self._host.proc} is no procfs ({error}): give the place where one is mounted with --procfs DIR") from None

    def read(self, late: float = 0.0) -> Reading | None:
        """Look at everything now; None once closed. Raises NotProcfs when the tree has gone away."""
        with self._lock:
            return None if self._closed else self._read(late)

    def _read(self, late: float) -> Reading:
        now = self._host.clock()
        stat = self._probe_stat()
        if self._seq % _SETTINGS_EVERY == 0:
            self._processes.delays = self._delay_accounting()
        sweep, self.name = self._processes.sweep(stat.forks, self._system.last_pid)
        births, execs, exits = sweep.happened
        wants = self.wants
        reading = Reading(
            seq=self._seq,
            wall=now.wall,
            mono=now.mono,
            boot=now.boot,
            interval=self.interval,
            late=late,
            source=self.name,
            info=self.info,
            pid=sweep.pid,
            start=sweep.start,
            counters=sweep.counters,
            labels=sweep.labels,
            host=replace(self._system.counters(stat), births=births, execs=execs, exits=exits),
            cgroups=self._read_cgroups(wants),
            gaps=(*self._gaps(sweep), *self._system.gaps),
            exits=sweep.exits,
            changed=sweep.changed,
            threads=self._threads(wants),
            ended=sweep.ended,
            wchan=self._waits(sweep),
            notes=self._notes(),
        )
        self._seq += 1
        self.cost = self._host.clock().mono - now.mono
        return reading

    def _threads(self, wants: Wants) -> ThreadTable | None:
        if not (wants.threads or wants.threads_of):
            return None
        subjects = self._processes.subjects()
        if not wants.threads:
            subjects = [subject for subject in subjects if subject.pid in wants.threads_of]
        return threads(self._host, self._processes.probe, subjects)

    def _waits(self, sweep: Sweep) -> Mapping[int, str]:
        """What the processes in state D wait in (proc_pid_wchan(5)); not told without ptrace access to them."""
        found = {}
        for row in np.flatnonzero(sweep.counters[_STATE] == _D)[:_MOST_WAITS].tolist():
            try:
                name = clean_bytes(self._host.read(f"{self._host.proc}/{sweep.pid[row]}/wchan", 128).strip())
            except Unreadable:
                continue
            if name not in ("", "0"):
                found[row] = name
        return found

    def _delay_accounting(self) -> bool:
        """kernel.task_delayacct; kernels before 5.14 have no such switch and always account."""
        try:
            return self._host.read(f"{self._host.proc}/sys/kernel/task_delayacct").strip() != b"0"
        except Unreadable:
            return True

    def _read_cgroups(self, wants: Wants) -> Mapping[str, CgroupCounters]:
        """Those of containers, in turns where there are many, and those wanted. One without an entry was not read this time."""
        places = self._labels.places()
        homes = {home: lines for path, place in places.items() if place.container is not None for home, lines in [_home(place, path)]}
        paths = sorted(homes)
        if len(paths) > _MOST_CGROUPS:
            begin = self._turn % len(paths)
            paths = (paths + paths)[begin : begin + _MOST_CGROUPS]
            self._turn = begin + _MOST_CGROUPS
        out = {}
        for path in dict.fromkeys([*paths, *sorted(wants.cgroups)]):
            place = places.get(path)
            counters = self._cgroups.read(homes.get(path) or (place.lines if place is not None else everywhere(path)))
            if counters is not None:
                out[path] = counters
        return out

    def _gaps(self, sweep: Sweep) -> list[Gap]:
        gaps = []
        counters = sweep.counters
        for field, name, reason in self._processes.reasons():
            count = int(np.isnan(counters[COUNTER[name]]).sum())
            if count:
                gaps.append(Gap(field, count, reason))
        if sweep.denied:
            gaps.append(Gap("processes", sweep.denied, "hidden by hidepid=1 mount option of procfs: needs root"))
        elif sweep.pid.size and not (sweep.pid == 1).any():
            if self._hidepid is None:
                self._hidepid = self._hidden()
            gaps.extend(self._hidepid)
        if sweep.failed:
            gaps.append(Gap("stat", sweep.unread, sweep.failed))
        return gaps

    def _hidden(self) -> list[Gap]:
        """Pid 1 is not seen: for a real procfs that means hidepid."""
        try:
            text = self._host.read_whole(f"{self._host.proc}/self/mountinfo").decode("utf-8", "replace")
        except Unreadable:
            return []
        for line in text.splitlines():
            left, _, right = line.partition(" - ")
            fields, kind = left.split(" "), right.split(" ")
            if len(fields) > 4 and len(kind) > 2 and fields[4] == self._host.proc and kind[0] == "proc":
                option = next((word for word in kind[2].split(",") if word.startswith("hidepid=")), "")
                return [Gap("processes", 0, f"others' processes hidden by {option} mount option of procfs: needs root")] if option else []
        return []

    def _notes(self) -> tuple[str, ...]:
        notes = [*self._words.notes()]
        notes.extend(self._processes.notes())
        if self._names is not None:
            notes.extend(self._names.notes())
        if self.cost > _HEAVY * self.interval:
            notes.append(f"a sweep takes {self.cost:.1f} s of {self.interval:g} s")
        if self._processes.why:
            notes.append(self._processes.why)
        return tuple(notes)

    def close(self) -> None:
        """Let go of descriptors and threads. A reading that hangs is not waited for."""
        self._closed = True
        self._words.close()
        self._processes.give_up()
        if self._lock.acquire(timeout=_QUIT):
            try:
                self._processes.close()
                self._system.close()
            finally:
                self._lock.release()


def _home(place: Place, path: str) -> tuple[str, Sequence[tuple[str, str]]]:
    """The container's own cgroup, and where each hierarchy shows it. In others it shares one with whoever: those tell nothing of it."""
    assert place.container is not None
    homes = [(names, place.container.home(line)) for names, line in place.lines]
    return place.container.home(path) or path, [(names, home) for names, home in homes if home is not None] or place.lines


def _info(host: Host, stat: Stat) -> HostInfo:
    def word(path: str) -> str:
        try:
            return clean_bytes(host.read(f"{host.proc}/sys/kernel/{path}").strip())
        except Unreadable:
            return ""

    try:
        memory = meminfo(host.read(f"{host.proc}/meminfo", 1 << 16)).get("MemTotal", 0)
    except (Unreadable, Malformed):
        memory = 0
    now: Instant = host.clock()
    cpus = int((stat.cpu[1:, 0] >= 0).sum())
    boot_time = float(stat.boot_time) if stat.boot_time >= 0 else now.wall - now.boot
    return HostInfo(word("hostname"), word("osrelease"), word("random/boot_id"), cpus, host.ticks, host.page, memory, boot_time)
