"""Frames with alert events and a host that is watched, for the screens of both."""

from __future__ import annotations

from dataclasses import replace

import scenes
from frames import REDIS as CACHE
from hosts import Machine
from moments import FIRST, REDIS, WORKER
from proctop.frames import HOST, AlertEvent, Frame, HostRates, HostScores, Reason
from proctop.hostwatch import HostWatch

WRITES = (
    Reason("wchar", 3.99e7, (0.0, 1.2e6), "own", "writes 38 MB/s, usual 0–1.2 MB/s"),
    Reason("fd_growth", 120.0, (0.0, 1.0), "own", "fds +120/s, usual 0–1/s"),
)
SILENT = (Reason("idle_s", 40.0, (0.0, 3.0), "own", "no activity for 40 s, usual ≤ 3 s"),)
STORM = (Reason("vmstat.interface_in", 40_000.0, (1800.0, 2100.0), "own", "in 40k/s, usual 1.8–2.1k/s"),)


def worker(start: float, end: float, *, open: bool, **more: bool) -> AlertEvent:
    return AlertEvent(WORKER, "worker.py", None, start, (start + end) // 2, end, 5.2, 0.4, WRITES, open, **more)


def cache(start: float, end: float, *, open: bool, **more: bool) -> AlertEvent:
    return AlertEvent(REDIS, "redis-server", CACHE, start, start, end, 3.1, 2.5, SILENT, open, **more)


def host(start: float, end: float, *, open: bool, **more: bool) -> AlertEvent:
    return AlertEvent(HOST, "host", None, start, start + 2, end, 4.4, 0.9, STORM, open, **more)


def watched(seconds: int = 600, *, storm: int = 12) -> tuple[list[HostRates], list[HostScores]]:
    """What is said of a host that has a storm of interrupts at last."""
    machine, watch = Machine(), HostWatch()
    rates, scores = [], []
    for k in range(seconds):
        one, two = machine.step(watch, machine.read(interrupts=40_000.0) if k >= seconds - storm else machine.read())
        rates.append(one)
        scores.append(two)
    return rates, scores


def session(count: int = 40) -> list[Frame]:
    """A minute in which the worker, the cache and the host have their events; at its end that of the worker and the host are open."""
    rates, scores = watched()
    last = FIRST + count - 1
    out = []
    for k, frame in enumerate([*scenes.past(count - 1), scenes.frame(count - 1)]):
        wall = FIRST + k
        alerts: list[AlertEvent] = []
        if wall >= last - 14:
            alerts.append(worker(last - 14, wall, open=True))
        if wall >= last - 10:
            alerts.append(host(last - 10, wall, open=True))
        if wall >= FIRST + 5:
            alerts.append(cache(FIRST + 5, min(wall, FIRST + 17), open=wall <= FIRST + 17))
        one, two = rates[k - count], scores[k - count]
        reading = replace(frame.reading, wall=wall)
        measured = replace(frame.host, vitals=one.vitals, memory_total=one.memory_total)
        out.append(replace(frame, tick=k, reading=reading, host=measured, vitals=two, alerts=tuple(alerts)))
    return out
