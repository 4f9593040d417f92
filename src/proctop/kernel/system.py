"""Host counters from ``/proc`` and ``/sys``: cpu, memory, load, vmstat, disks, nets, pressure.

Pure parsers above one reader that holds every file open and reads it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

import numpy as np

from proctop.kernel.host import Host, Unreadable
from proctop.kernel.procfs import Malformed
from proctop.records import DiskCounters, Gap, HostCounters, Ints, NetCounters, Pressure
from proctop.sanitize import clean_bytes

VMSTAT = ("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "pgsteal_kswapd", "pgsteal_direct", "oom_kill")
_VMSTAT_KEYS = [(name, f"\n{name} ".encode()) for name in VMSTAT]
_SECTOR = 512  # diskstats counts in these whatever the disk's own size (Documentation/block/stat.rst)
_NAN = float("nan")
_MOST_CPUS = 1 << 16  # the kernel's own limit is 8192 (NR_CPUS)
_T = TypeVar("_T")


class Stat:
    """``/proc/stat``: cpu as in :attr:`HostCounters.cpu`, and the counts of its other lines (-1 = no such line)."""

    def __init__(self, raw: bytes, tick: float, path: str = "stat") -> None:
        self.forks = self.switches = self.interrupts = self.running = self.blocked = -1
        self.boot_time = -1
        rows: dict[int, list[int]] = {}
        for number, line in enumerate(raw.split(b"\n"), 1):
            name, _, rest = line.partition(b" ")
            try:
                if name[:3] == b"cpu":
                    rows[int(name[3:] or -1)] = [min(int(word), 1 << 53) for word in rest.split()[:10]]
                elif name == b"intr":
                    self.interrupts = int(rest[: rest.find(b" ")])
                elif name == b"ctxt":
                    self.switches = int(rest)
                elif name == b"btime":
                    self.boot_time = int(rest)
                elif name == b"processes":
                    self.forks = int(rest)
                elif name == b"procs_running":
                    self.running = int(rest)
                elif name == b"procs_blocked":
                    self.blocked = int(rest)
            except ValueError:
                raise Malformed(path, number, "number", line) from None
        if -1 not in rows or min(rows) < -1 or max(rows) >= _MOST_CPUS:
            raise Malformed(path, 1, "cpu line", raw)
        cpu = np.full((2 + max(rows), 10), -1, dtype=np.int64)
        for index, values in rows.items():
            cpu[1 + index] = 0  # kernels before 2.6.33 have fewer columns
            cpu[1 + index, : len(values)] = np.minimum(np.array(values, dtype=np.float64) * tick, 2.0**62)
        self.cpu: Ints = cpu


def meminfo(raw: bytes, path: str = "meminfo") -> dict[str, int]:
    """``/proc/meminfo`` in bytes; lines without ``kB`` (huge page counts) as they are."""
    out = {}
    for number, line in enumerate(raw.split(b"\n"), 1):
        words = line.split()
        if len(words) > 1 and words[0].endswith(b":"):
            try:
                out[words[0][:-1].decode("ascii", "replace")] = int(words[1]) * (1024 if len(words) > 2 else 1)
            except ValueError:
                raise Malformed(path, number, "number", line) from None
    return out


_Load: TypeAlias = tuple[float, float, float]


def loadavg(raw: bytes, path: str = "loadavg") -> tuple[_Load | None, int]:
    """Load of 1, 5 and 15 minutes, and the number of threads."""
    words = raw.split()
    try:
        return (float(words[0]), float(words[1]), float(words[2])), int(words[3].split(b"/")[1])
    except (ValueError, IndexError):
        raise Malformed(path, 1, "load", raw) from None


def vmstat(raw: bytes, path: str = "vmstat") -> dict[str, int]:
    """The lines of ``/proc/vmstat`` named in :data:`VMSTAT`, as far as they are there."""
    text = b"\n" + raw + b"\n"
    out = {}
    for name, key in _VMSTAT_KEYS:
        begin = text.find(key)
        if begin >= 0:
            begin += len(key)
            try:
                out[name] = int(text[begin : text.index(b"\n", begin)])
            except ValueError:
                raise Malformed(path, text.count(b"\n", 0, begin), "number", text[begin:]) from None
    return out


def pressure(raw: bytes, path: str = "pressure") -> Pressure:
    """A pressure file: ``some avg10=… avg60=… avg300=… total=…`` and, mostly, ``full …``."""
    kinds: dict[bytes, list[float]] = {}
    try:
        for line in raw.splitlines():
            kind, *words = line.split()
            kinds[kind] = [float(word.partition(b"=")[2]) for word in words]
        some, full = kinds[b"some"], kinds.get(b"full", [_NAN] * 4)
        return Pressure(some[0], some[1], some[2], some[3], full[0], full[1], full[2], full[3])
    except (ValueError, KeyError, IndexError):
        raise Malformed(path, 1, "averages and total", raw) from None


def diskstats(raw: bytes, wanted: frozenset[str], path: str = "diskstats") -> dict[str, DiskCounters]:
    """The ``wanted`` devices of ``/proc/diskstats``."""
    out = {}
    for number, line in enumerate(raw.split(b"\n"), 1):
        words = line.split()
        if len(words) >= 14 and (name := words[2].decode("utf-8", "replace")) in wanted:
            try:
                r, _, rs, rms, w, _, ws, wms, flight, busy, weighted = map(int, words[3:14])
            except ValueError:
                raise Malformed(path, number, "number", line) from None
            out[name] = DiskCounters(r, rs * _SECTOR, rms, w, ws * _SECTOR, wms, flight, busy, weighted)
    return out


def netdev(raw: bytes, path: str = "net/dev") -> dict[str, NetCounters]:
    """``/proc/net/dev`` without its two lines of heading."""
    out = {}
    for number, line in enumerate(raw.split(b"\n")[2:], 3):
        name, colon, rest = line.rpartition(b":")  # a name may hold a colon, the numbers do not
        if colon:
            try:
                n = [int(word) for word in rest.split()]
                out[clean_bytes(name.strip())] = NetCounters(n[0], n[1], n[2], n[3], n[8], n[9], n[10], n[11])
            except (ValueError, IndexError):
                raise Malformed(path, number, "number", line) from None
    return out


class System:
    """Reads the host's counters. What is missing is left empty; :attr:`gaps` tells what and why."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tick = 1e9 / host.ticks
        self._fds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._gaps: dict[str, Gap] = {}
        self._disks: frozenset[str] = frozenset()
        # The nets of the host are those of its first process; proctop itself may sit in a container.
        self._net = "1/net/dev" if host.exists(f"{host.proc}/1/net/dev") else "net/dev"
        self._pressures = [name for name in ("cpu", "memory", "io", "irq") if host.exists(f"{host.proc}/pressure/{name}")]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read this time."""
        return tuple(self._gaps.values())

    def stat(self) -> Stat:
        """``/proc/stat``. Raises Unreadable or Malformed."""
        path = f"{self._host.proc}/stat"
        return Stat(self._text(path), self._tick, path)

    def last_pid(self) -> int:
        """The pid given out last in this pid namespace (the last word of ``loadavg``), -1 = unknown."""
        path = f"{self._host.proc}/loadavg"
        try:
            return int(self._text(path).split()[4])
        except (Unreadable, ValueError, IndexError):
            return -1

    def _text(self, path: str) -> bytes:
        fd = self._fds.get(path)
        if fd is None:
            fd = self._fds[path] = self._host.open(path)
        text = self._host.reread(fd, path, self._sizes.get(path, 4096))
        self._sizes[path] = max(4096, 2 * len(text))
        return text

    def _try(self, field: str, relative: str, parse: Callable[[bytes, str], _T], empty: _T) -> _T:
        path = f"{self._host.proc}/{relative}"
        try:
            value = parse(self._text(path), path)
        except (Unreadable, Malformed) as error:
            self._gaps[field] = Gap(field, 1, str(error))
            return empty
        self._gaps.pop(field, None)
        return value

    def counters(self, stat: Stat) -> HostCounters:
        """Everything else, beside a ``stat`` just read."""
        memory: Mapping[str, int] = self._try("memory", "meminfo", meminfo, {})
        nothing: tuple[_Load | None, int] = (None, -1)
        load, tasks = self._try("load", "loadavg", loadavg, nothing)
        pressures = {}
        for name in self._pressures:
            read = self._try(f"pressure {name}", f"pressure/{name}", pressure, None)
            if read is not None:
                pressures[name] = read
        if not self._pressures:
            self._gaps["pressure"] = Gap("pressure", 1, "kernel without PSI, or booted with psi=0: boot with psi=1")
        return HostCounters(
            cpu=stat.cpu,
            memory=memory,
            load=load,
            tasks_running=stat.running,
            tasks_blocked=stat.blocked,
            tasks_total=tasks,
            forks=stat.forks,
            switches=stat.switches,
            interrupts=stat.interrupts,
            vmstat=self._try("vmstat", "vmstat", vmstat, {}),
            disks=self._try("disks", "diskstats", self._diskstats, {}),
            nets=self._try("nets", self._net, netdev, {}),
            pressure=pressures,
        )

    def _diskstats(self, raw: bytes, path: str) -> dict[str, DiskCounters]:
        if not self._disks:
            self._disks = self._whole_disks()
        return diskstats(raw, self._disks, path)

    def _whole_disks(self) -> frozenset[str]:
        """Disks with a device behind them, so that nothing counts twice (partitions, LVM, RAID); if none, any but the virtual."""
        block = f"{self._host.sys}/block"
        try:
            names = self._host.names(block)
        except Unreadable:
            return frozenset()
        real = frozenset(name for name in names if self._host.exists(f"{block}/{name}/device"))
        return real or frozenset(name for name in names if not name.startswith(("loop", "ram", "zram", "dm-", "md")))

    def close(self) -> None:
        """Let go of the descriptors."""
        self._host.close(list(self._fds.values()))
        self._fds.clear()
