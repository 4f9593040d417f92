"""``proctop profile``: tables in; how good they are, what to go on with, and the same for tables to come."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from proctop.offline import loading, recorded
from proctop.offline.plan import KINDS, Plan, TableError
from proctop.offline.preprocessor import Fitted, Preprocessor, scaled
from proctop.offline.quality import Quality, assess
from proctop.offline.scaled import Mapped, write_table, write_windows
from proctop.offline.selection import select
from proctop.offline.stretches import Stretches
from proctop.offline.tables import Table, at_random
from proctop.offline.windows import Windows
from proctop.outfile import Unwritable
from proctop.stream.frames import MAGIC


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        files: kind of table → path; a recording under "" stands for all four.
        plan: thresholds, sample and windows.
        output: directory for what is made, "" = nothing is written; windows: write them too.
        apply: directory of a preprocessor that is to be applied, "" = one is made.
    """

    files: Mapping[str, str]
    plan: Plan
    output: str = ""
    windows: bool = False
    apply: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What came of one table: its quality, the columns that go on, and the shape of their windows."""

    quality: Quality
    selected: tuple[str, ...]
    windows: tuple[int, int, int]


def run(job: Job, said: TextIO) -> tuple[list[Profile], list[str]]:
    """Profile each table; ``said`` is told the sizes of windows. Returns also remarks, a line each.

    One table is in memory at a time, all four of a recording apart. Raises TableError, StreamError and Unwritable.
    """
    known = Preprocessor.load(job.apply) if job.apply else None
    if job.output:
        _make(job.output)
    plan = known.plan if known is not None else job.plan
    profiles: list[Profile] = []
    fits: dict[str, Fitted] = {}
    remarks: list[str] = []
    sample = Stretches(1.0 if job.plan.random else job.plan.sample, job.plan.seed)
    for table in _tables(job.files, sample, remarks):
        remarks += table.remarks
        part = at_random(table, job.plan.sample, job.plan.seed) if job.plan.random else table
        del table
        quality = assess(part, plan)
        fitted = known.of(part, job.apply) if known is not None else None
        selected = fitted.selected if fitted is not None else select(part, quality)
        shape = len(part), len(selected)
        windows = Windows(np.broadcast_to(np.float32(0), shape), part.runs, plan.length, plan.stride)
        profiles.append(Profile(quality, selected, windows.shape))
        if job.output:
            scales = list(fitted.scales) if fitted is not None else []
            held = Mapped(scaled(part, selected, scales), shape, job.output)
            fits[part.kind] = Fitted(part.kind, selected, tuple(scales))
            part = part.bare()  # makes room
            path = os.path.join(job.output, part.kind)
            write_table(f"{path}.parquet", part, selected, held)
            if job.windows:
                windows = Windows(held.values, part.runs, plan.length, plan.stride)
                write_windows(f"{path}.windows.npy", part, selected, windows, said)
    if job.output and known is None:
        Preprocessor(plan, fits).save(job.output)
    return profiles, remarks


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{folder}: {error.strerror}") from None


def _tables(files: Mapping[str, str], sample: Stretches, remarks: list[str]) -> Iterator[Table]:
    """Each table, in the order of ``plan.KINDS``; a recording that several come from is read once."""
    wanted = {kind: files.get(kind) or files.get("", "") for kind in KINDS if kind in files or "" in files}
    held: dict[str, Table] = {}
    for kind, path in wanted.items():
        if not _recording(path):
            if kind not in files:
                raise TableError(f"{path}: no recording; say which table it is: vmstat={path}, iostat=, netstat= or process=")
            yield loading.load(kind, path, sample)
            continue
        if kind not in held:
            found, remark = recorded.load(path, [other for other in wanted if wanted[other] == path], sample)
            held.update(found)
            if remark:
                remarks.append(remark)
        yield held.pop(kind)


def _recording(path: str) -> bool:
    if os.path.isdir(path):
        return True
    if os.path.exists(path) and not os.path.isfile(path):
        raise TableError(f"{path}: no file; a table is read more than once, so a pipe must be written to one first")
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
