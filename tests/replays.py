"""A session as it was lived through, and what a screen and an export make of its frames: for tests of the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hosts import Machine
from proctop import fields
from proctop.cgroups import CgroupWatch
from proctop.engine import Engine
from proctop.export import lines
from proctop.frames import Frame
from proctop.player import Player
from proctop.records import Exit, Label, ProcKey, Reading
from proctop.restarts import Restarts
from proctop.scoring.baseline import Baseline
from proctop.stream.writer import Writer
from proctop.view import group_lines, panel, table, vitals
from proctop.view.cells import UNICODE
from proctop.view.group_order import GroupArranger
from proctop.view.groups import Grouping
from proctop.view.rows import Arranger, ViewState
from traffic import MB, MS, Host

WIDE = table.layout(400, fields.COLUMNS)


def lived(seed: int, length: int, *, processes: int = 12, hints: bool = True) -> Iterator[Reading]:
    """A small host: some work at random, some sleep, some come and go, and now and then one goes wild."""
    rng = np.random.default_rng(seed)
    host, machine = Host(hints=hints), Machine(seed)
    before: Reading | None = None
    for pid in range(100, 100 + processes):
        host.born(pid, f"work{pid % 5}", container="c" * 64 if pid % 3 == 0 else "")
    alive = list(range(100, 100 + processes))
    for k in range(length):
        for pid in alive:
            if rng.random() < 0.5:
                host.did(pid, utime=10 * MS * int(rng.integers(0, 3)), run_ns=1e5 * int(rng.integers(1, 99)), vctx=int(rng.integers(1, 50)))
            if rng.random() < 0.1:
                host.did(pid, wchar=4096.0 * int(rng.integers(1, 9)), rchar=100.0 * int(rng.integers(0, 9)))
                host.now(pid, rss=8 * MB + 4096.0 * int(rng.integers(0, 99)))
        if k % 40 > 34:
            host.did(alive[0], utime=900 * MS, run_ns=9e8, wchar=2e8, vctx=5000, minflt=90_000)
        if rng.random() < 0.2:
            alive.append(1000 + k)
            host.born(1000 + k, "brief", age=0.3)
        if rng.random() < 0.2 and len(alive) > processes:
            host.gone(alive.pop(int(rng.integers(processes, len(alive)))))
        dt = 1.0 if rng.random() < 0.9 else 2.5
        now = replace(host.read(dt), host=machine.read(dt, interrupts=40_000.0 if k % 120 > 110 else 2000.0).host)
        before = ended(before, now, np.random.default_rng([seed, k]))
        yield before


def ended(before: Reading | None, reading: Reading, rng: np.random.Generator) -> Reading:
    """With the exits since the reading ``before``, and now and then some of processes too brief to be seen, with what they did."""
    if before is None:
        return reading
    there = {reading.key(i) for i in range(len(reading))}
    gone = [i for i in range(len(before)) if before.key(i) not in there]
    exits = [Exit(before.key(i), 1, before.labels[i], int(rng.integers(-9, 2))) for i in gone]
    totals = [before.counters[:, i] + 1e6 for i in gone]
    parent = int(reading.pid[rng.integers(len(reading))])
    for k in range(int(rng.integers(0, 6)) if rng.random() < 0.3 else 0):
        pid = 50_000 + 10 * reading.seq + k
        key = ProcKey(pid, int((reading.boot - 0.1) * reading.info.ticks))
        exits.append(Exit(key, pid - 1 if k % 2 else parent, Label(f"step{k % 2}"), None if k == 4 else k))
        totals.append(np.full(len(fields.COUNTERS), 1e6 * k))
    table = np.array(totals).reshape(len(exits), len(fields.COUNTERS)).T if exits and rng.random() < 0.9 else None
    return replace(reading, exits=tuple(exits), ended=table)


def watching() -> Engine:
    """A day of normal life is not there to learn from, so a lenient budget makes alerts come."""
    engine = Engine(Baseline(budget=3600.0), budget=3600.0)
    for by in ("command", "image"):
        engine.watch(by)
    return engine


def frames_of(readings: Iterator[Reading]) -> list[Frame]:
    """As a live session shows them."""
    engine = watching()
    return [engine.step(reading) for reading in readings]


def screen(frame: Frame) -> dict[Any, list[str]]:
    """Every cell of every row by process, and the lines above the table."""
    state = ViewState(sort="pid")
    rows = Arranger().arrange(frame, state)
    cells = table.body(frame, rows, WIDE, 0, len(rows), glyphs=UNICODE, names="full")
    shown: dict[Any, list[str]] = {
        table.key_at(frame, rows, place): [f"{cell.style}:{cell.text}" for cell in line] for place, line in enumerate(cells)
    }
    past = panel.Past()
    past.push(frame)
    heads = [panel.header(frame, 160, UNICODE, panel.Mode()), *panel.panel(frame, past, 160, 5, UNICODE)]
    shown["head"] = [cell.text for head in heads for cell in head.cells]
    shown["alerts"] = [
        f"{event.key} {event.comm} {event.start} {event.peak} {event.end} {event.open} {event.score:.1f}" for event in frame.alerts
    ]
    shown["host"] = [*vitals_of(frame)]
    for by in frame.groups:
        shown[by] = groups_of(frame, by)
    return shown


def vitals_of(frame: Frame) -> Iterator[str]:
    """Every cell of the screen of the host."""
    past = vitals.Past()
    past.push(frame)
    for cells in (*vitals.headline(frame), *vitals.text(frame, past, 120, UNICODE, vitals.Taste())):
        yield "".join(f"{cell.style}:{cell.text}" for cell in cells)


def groups_of(frame: Frame, by: str) -> list[str]:
    """Every cell of every group."""
    grouping = Grouping(by, sort="command")
    groups = GroupArranger().arrange(frame, ViewState(), grouping, CgroupWatch(), Restarts())
    slots = table.layout(400, group_lines.columns(grouping))
    cells = group_lines.body(groups, slots, 0, len(groups), glyphs=UNICODE, names="full")
    about = [group_lines.selected(groups, grouping, place, past=True)[0] for place in range(len(groups))]
    return ["".join(f"{cell.style}:{cell.text}" for cell in line) for line in (*cells, *about)]


def exported(frame: Frame) -> dict[str, Any]:
    """The JSON object of a frame, without what a recording holds less exactly: how often a score comes, and the numbers of reasons."""
    whole = lines.reading(frame, np.arange(len(frame.reading)))
    for judged in (*whole["processes"], *whole["alerts"]):
        del judged["every_hours"]
        judged["why"] = [(reason["feature"], reason["against"], reason["text"]) for reason in judged["why"]]
    return whole


def recorded(path: Path, came: Iterable[Frame | Reading]) -> str:
    with Writer(str(path)) as writer:
        for what in came:
            writer.write(what)
    return str(path)


def settle(player: Player, frame: Frame | None) -> Frame:
    """The frame with all of its trail, after all else that can wait."""
    assert frame is not None
    while not player.settled:
        frame = player.tend() or frame
    return frame
