"""Counters of cgroups: version 2 (Documentation/admin-guide/cgroup-v2.rst), version 1 (cgroup-v1/) and both at once.

Where each hierarchy is mounted comes from mountinfo; where a process sits in each, from its ``/proc/PID/cgroup``.
On hybrid hosts version 2 is usually mounted without controllers, so each number is taken from the hierarchy that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proctop.kernel.host import Host, Unreadable
from proctop.kernel.procfs import Malformed
from proctop.kernel.system import pressure
from proctop.records import CgroupCounters, Pressure

_NAN = float("nan")
_UNLIMITED = 1 << 62  # version 1 says "no limit" by a number near 2**63
_CONTROLLERS = frozenset({"cpu", "cpuacct", "memory", "blkio", "pids"})


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted hierarchy: ``point`` shows the cgroup ``root`` and what is below it. ``controllers`` is empty for version 2."""

    point: str
    root: str
    controllers: frozenset[str]

    def directory(self, path: str) -> str | None:
        """Where ``path`` of ``/proc/PID/cgroup`` is found, None where this mount does not show it."""
        if ".." in path.split("/"):
            return None  # outside the cgroup namespace
        if self.root == "/":
            return self.point + path.rstrip("/")
        if path == self.root or path.startswith(self.root + "/"):
            return self.point + path[len(self.root) :].rstrip("/")
        return None


def _unescape(field: str) -> str:
    """Mountinfo writes space, tab, newline and backslash as octal (proc_pid_mountinfo(5))."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def mounts(text: str, sysfs: str) -> list[Mount]:
    """The cgroup hierarchies in a mountinfo; points below ``/sys`` are looked for below ``sysfs``.

    >>> mounts("38 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\\n", "/host/sys")
    [Mount(point='/host/sys/fs/cgroup/memory', root='/', controllers=frozenset({'memory'}))]
    """
    found: dict[tuple[str, ...], Mount] = {}
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if not dash or len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        point = _unescape(fields[4])
        if point.startswith("/sys/"):
            point = sysfs + point[4:]
        controllers = frozenset(kind[2].split(",")) & _CONTROLLERS if kind[0] == "cgroup" else frozenset()
        if kind[0] == "cgroup" and not controllers:
            continue  # name=systemd and those without counters
        mount = Mount(point, _unescape(fields[3]), controllers)
        key = tuple(sorted(controllers))
        if key not in found or (mount.root == "/" and found[key].root != "/"):
            found[key] = mount
    return list(found.values())


def _flat(raw: bytes) -> dict[bytes, float]:
    """A flat-keyed file: ``name value`` lines."""
    words = raw.split()
    try:
        return dict(zip(words[::2], map(float, words[1::2]), strict=True))
    except ValueError:
        return {}


def _io_stat(raw: bytes) -> tuple[float, float]:
    """rbytes and wbytes of a version 2 ``io.stat``, summed over devices."""
    sums = {b"rbytes": 0.0, b"wbytes": 0.0}
    for word in raw.split():
        name, equals, value = word.partition(b"=")
        if equals and name in sums and value.isdigit():
            sums[name] += int(value)
    return sums[b"rbytes"], sums[b"wbytes"]


def _blkio(raw: bytes) -> tuple[float, float]:
    """Read and Write bytes of a version 1 ``blkio.throttle.io_service_bytes``: ``8:0 Read 4096`` lines, summed over devices."""
    sums = {b"Read": 0.0, b"Write": 0.0}
    for line in raw.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in sums and words[2].isdigit():
            sums[words[1]] += int(words[2])
    return sums[b"Read"], sums[b"Write"]


class Cgroups:
    """Reads cgroups below the hierarchies that are mounted when it is made."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mounts = self._find()

    def _find(self) -> list[Mount]:
        for pid in ("self", "1"):
            try:
                text = self._host.read_whole(f"{self._host.proc}/{pid}/mountinfo").decode("utf-8", "surrogateescape")
            except Unreadable:
                continue
            return mounts(text, self._host.sys)
        return []

    def read(self, lines: Iterable[tuple[str, str]]) -> CgroupCounters | None:
        """The cgroup at ``lines``: (controllers, path) of each hierarchy as in ``/proc/PID/cgroup``, ``""`` for version 2.

        None where no hierarchy shows it, or it was removed.
        """
        values: dict[str, float] = {}
        pressures: dict[str, Pressure] = {}
        for names, path in lines:
            controllers = frozenset(names.split(",")) & _CONTROLLERS
            if names and not controllers:
                continue
            for mount in self._mounts:
                if (controllers & mount.controllers) or not (names or mount.controllers):
                    directory = mount.directory(path)
                    if directory is None:
                        continue
                    if names:
                        self._version1(directory, mount.controllers, values)
                    else:
                        self._version2(directory, values, pressures)
        return CgroupCounters(**values, pressure=pressures) if values or pressures else None

    def _text(self, path: str) -> bytes:
        try:
            return self._host.read(path, 1 << 16)
        except Unreadable:
            return b""

    def _number(self, path: str) -> float:
        try:
            return float(self._text(path))
        except ValueError:  # absent, or "max"
            return _NAN

    def _version2(self, at: str, values: dict[str, float], pressures: dict[str, Pressure]) -> None:
        cpu = _flat(self._text(f"{at}/cpu.stat"))
        found = {
            "cpu_ns": cpu.get(b"usage_usec", _NAN) * 1e3,
            "periods": cpu.get(b"nr_periods", _NAN),
            "throttled": cpu.get(b"nr_throttled", _NAN),
            "throttled_ns": cpu.get(b"throttled_usec", _NAN) * 1e3,
            "memory": self._number(f"{at}/memory.current"),
            "memory_limit": self._number(f"{at}/memory.max"),
            "oom_kills": _flat(self._text(f"{at}/memory.events")).get(b"oom_kill", _NAN),
            "pids": self._number(f"{at}/pids.current"),
        }
        quota = self._text(f"{at}/cpu.max").split()
        if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]):
            found["cpu_limit"] = int(quota[0]) / int(quota[1])
        io = self._text(f"{at}/io.stat")
        if io:
            found["read_bytes"], found["write_bytes"] = _io_stat(io)
        _put(values, found)
        for name in ("cpu", "memory", "io"):
            text = self._text(f"{at}/{name}.pressure")
            if text:
                try:
                    pressures[name] = pressure(text, f"{at}/{name}.pressure")
                except Malformed:
                    continue

    def _version1(self, at: str, controllers: frozenset[str], values: dict[str, float]) -> None:
        found: dict[str, float] = {}
        if "cpuacct" in controllers:
            found["cpu_ns"] = self._number(f"{at}/cpuacct.usage")
        if "cpu" in controllers:
            cpu = _flat(self._text(f"{at}/cpu.stat"))
            found["periods"] = cpu.get(b"nr_periods", _NAN)
            found["throttled"] = cpu.get(b"nr_throttled", _NAN)
            found["throttled_ns"] = cpu.get(b"throttled_time", _NAN)
            quota, period = self._number(f"{at}/cpu.cfs_quota_us"), self._number(f"{at}/cpu.cfs_period_us")
            found["cpu_limit"] = quota / period if quota > 0 and period > 0 else _NAN  # a quota of -1 is none
        if "memory" in controllers:
            found["memory"] = self._number(f"{at}/memory.usage_in_bytes")
            limit = self._number(f"{at}/memory.limit_in_bytes")
            found["memory_limit"] = limit if limit < _UNLIMITED else _NAN
            found["oom_kills"] = _flat(self._text(f"{at}/memory.oom_control")).get(b"oom_kill", _NAN)
        if "blkio" in controllers:
            io = self._text(f"{at}/blkio.throttle.io_service_bytes_recursive") or self._text(f"{at}/blkio.throttle.io_service_bytes")
            if io:
                found["read_bytes"], found["write_bytes"] = _blkio(io)
        if "pids" in controllers:
            found["pids"] = self._number(f"{at}/pids.current")
        _put(values, found)


def _put(values: dict[str, float], found: dict[str, float]) -> None:
    values.update((name, value) for name, value in found.items() if value == value)


def everywhere(path: str) -> Sequence[tuple[str, str]]:
    """Lines for a cgroup of which only one path is known: the same in every hierarchy."""
    return [("", path), *((name, path) for name in sorted(_CONTROLLERS))]
