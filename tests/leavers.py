"""Processes that ended, written out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from frames import NAN
from proctop.fields import FEATURE, SCHEMA
from proctop.frames import Departed, Frame
from proctop.records import Container, Label


@dataclass(frozen=True)
class Gone:
    """A row of :class:`Departed`. Features that are not named are missing."""

    pid: int
    comm: str
    ppid: int = 1
    start: int = 359_000
    command: str = ""
    user: str = "root"
    kernel: bool = False
    container: Container | None = None
    count: int = 1
    brief: bool = True
    code: float = NAN
    ago: float = 0.0
    rank: float = NAN
    features: dict[str, float] = field(default_factory=dict)


def departed(*gone: Gone) -> Departed:
    values = np.full((len(SCHEMA), len(gone)), NAN, np.float32)
    for i, one in enumerate(gone):
        for name, value in one.features.items():
            values[FEATURE[name], i] = value
    return Departed(
        pid=np.array([one.pid for one in gone], np.int64),
        start=np.array([one.start for one in gone], np.int64),
        ppid=np.array([one.ppid for one in gone], np.int64),
        labels=[Label(one.comm, one.command, one.user, container=one.container, kernel=one.kernel) for one in gone],
        count=np.array([one.count for one in gone], np.int64),
        brief=np.array([one.brief for one in gone], np.bool_),
        code=np.array([one.code for one in gone], np.float64),
        ago=np.array([one.ago for one in gone], np.float64),
        values=values,
        rank=np.array([one.rank for one in gone], np.float32),
    )


def with_gone(frame: Frame, *gone: Gone) -> Frame:
    return replace(frame, departed=departed(*gone))
