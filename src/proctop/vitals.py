"""Rates of the whole host over one interval. Pure; a counter that fell, or a first reading, gives NaN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from proctop.features import GAP
from proctop.frames import HostRates
from proctop.hosttables import measure
from proctop.records import DiskCounters, Floats, HostCounters, NetCounters, Pressure, Reading

_NAN = float("nan")
_PARTS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # guest time is part of user
_IDLE = [3, 4]
_VMSTAT = ("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "pgsteal_kswapd", "pgsteal_direct")
# Traffic of these passes another interface too; counted only where there is nothing else.
_INNER = ("lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "ifb", "tun", "tap")


def _rate(before: float, after: float, dt: float) -> float:
    return (after - before) / dt if after >= before >= 0 and dt > 0 else _NAN


def cpu_shares(before: HostCounters, after: HostCounters) -> tuple[Floats, Floats]:
    """Busy share of all cpus and each, float64[1 + cpus], and the share of each part of all, float64[8].

    The kernel lets idle and iowait step back by a little (Documentation/filesystems/proc.rst): such a step counts as none.
    A cpu that was offline at either reading is NaN.
    """
    n = min(len(before.cpu), len(after.cpu))
    a, b = before.cpu[:n, :8].astype(np.float64), after.cpu[:n, :8].astype(np.float64)
    delta = np.maximum(b - a, 0.0)
    delta[(a < 0).any(axis=1) | (b < 0).any(axis=1)] = np.nan
    total = delta.sum(axis=1)
    total[total <= 0] = np.nan
    busy = np.full(len(after.cpu), np.nan)
    busy[:n] = np.clip(1.0 - delta[:, _IDLE].sum(axis=1) / total, 0.0, 1.0)
    parts = delta[0] / total[0] if n else np.full(8, np.nan)
    return busy, parts


def _disks(before: Mapping[str, DiskCounters], after: Mapping[str, DiskCounters], dt: float) -> tuple[float, float, float]:
    """Bytes read and written per second over all disks, busy share of the busiest."""
    both = [(before[name], disk) for name, disk in after.items() if name in before]
    read = [_rate(a.read_bytes, b.read_bytes, dt) for a, b in both]
    write = [_rate(a.write_bytes, b.write_bytes, dt) for a, b in both]
    busy = [min(_rate(a.busy_ms, b.busy_ms, dt) / 1e3, 1.0) for a, b in both if b.busy_ms >= a.busy_ms]
    return _sum(read), _sum(write), max(busy, default=_NAN)


def _sum(values: list[float]) -> float:
    """The sum; NaN where there is nothing, or anything is NaN."""
    return sum(values) if values else _NAN


def _nets(before: Mapping[str, NetCounters], after: Mapping[str, NetCounters], dt: float) -> tuple[float, float]:
    both = [name for name in after if name in before and name != "lo"]
    outer = [name for name in both if not name.startswith(_INNER)] or both
    rx = [_rate(before[name].rx_bytes, after[name].rx_bytes, dt) for name in outer]
    tx = [_rate(before[name].tx_bytes, after[name].tx_bytes, dt) for name in outer]
    return _sum(rx), _sum(tx)


def _waits(before: Mapping[str, Pressure], after: Mapping[str, Pressure], dt: float) -> dict[str, tuple[float, float]]:
    return {
        name: (
            min(_rate(before[name].some_total, now.some_total, dt) / 1e6, 1.0),
            min(_rate(before[name].full_total, now.full_total, dt) / 1e6, 1.0),
        )
        for name, now in after.items()
        if name in before
    }


def _known(value: int | None) -> float:
    return _NAN if value is None else float(value)


def host_rates(prev: Reading | None, cur: Reading) -> HostRates:
    """What the host did between two readings, and what it holds now.

    There are no rates across a boot or a gap, as :func:`proctop.features.derive` has them.
    """
    if prev is not None and (prev.info.boot_id != cur.info.boot_id or cur.mono - prev.mono > GAP * cur.interval):
        prev = None
    now = cur.host
    before = prev.host if prev is not None else HostCounters(cpu=np.full_like(now.cpu, -1))
    dt = cur.mono - prev.mono if prev is not None and cur.mono > prev.mono else _NAN
    busy, parts = cpu_shares(before, now)
    read, write, disk = _disks(before.disks, now.disks, dt)
    rx, tx = _nets(before.nets, now.nets, dt)
    memory = now.memory
    total, free = _known(memory.get("MemTotal")), _known(memory.get("MemAvailable", memory.get("MemFree")))
    swap, swap_free = _known(memory.get("SwapTotal")), _known(memory.get("SwapFree"))
    rates = HostRates(
        cpu=float(busy[0]) if busy.size else _NAN,
        cores=busy[1:],
        parts=dict(zip(_PARTS, parts.tolist(), strict=True)),
        memory_used=total - free,
        memory_total=total,
        swap_used=swap - swap_free,
        swap_total=swap,
        load=now.load,
        pressure=_waits(before.pressure, now.pressure, dt),
        disk_read=read,
        disk_write=write,
        disk_busy=disk,
        net_rx=rx,
        net_tx=tx,
        forks=_rate(before.forks, now.forks, dt),
        switches=_rate(before.switches, now.switches, dt),
        interrupts=_rate(before.interrupts, now.interrupts, dt),
        births=_rate(before.births, now.births, dt),
        execs=_rate(before.execs, now.execs, dt),
        exits=_rate(before.exits, now.exits, dt),
        vmstat={name: _rate(before.vmstat.get(name, -1), value, dt) for name, value in now.vmstat.items() if name in _VMSTAT},
    )
    return replace(rates, vitals=measure(before, now, rates, dt))
