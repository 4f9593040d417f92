"""What the cgroups of containers tell: use against limits, throttling, kills, pressure, and how often each began anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from proctop.cgroups import UNKNOWN, CgroupRates, CgroupWatch, together
from proctop.fields import FEATURE
from proctop.frames import Frame
from proctop.records import Container, Floats, Floats32, Ints
from proctop.restarts import Restarts
from proctop.rollup import Rollup

HOT: Mapping[str, float] = {
    "cpu": 95.0,  # of its limit
    "memory_share": 90.0,
    "throttled": 10.0,
    "oom_kills": 1.0,
    "psi_cpu": 20.0,
    "psi_memory": 10.0,
    "psi_io": 20.0,
    "restarts": 1.0,
}
"""From which value on a figure is marked, in percent or as a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """By group: the container (None = processes of the group are in none), its cgroup, and how often it was seen to be started again.

    ``ended``: containers without a process that had one lately, the seconds since, and how often they were started again.
    """

    containers: Sequence[Container | None]
    rates: Sequence[CgroupRates]
    restarts: Ints
    ended: Sequence[tuple[Container, float, int]] = ()

    def figures(self, sums: Floats32) -> dict[str, Floats]:
        """float64[g] by name, shares in percent. What a cgroup does not tell, ``sums`` float32[n_features, g] over its processes do."""
        rates = self.rates
        out = {
            "cpu": _percent([one.cpu for one in rates]),
            "cpu_limit": _percent([one.cpu_limit for one in rates]),
            "cpu_share": _percent([one.cpu_share for one in rates]),
            "throttled": _percent([one.throttled for one in rates]),
            "throttled_time": _percent([one.throttled_time for one in rates]),
            "rss": np.array([one.memory for one in rates], dtype=np.float64),
            "memory_limit": np.array([one.memory_limit for one in rates], dtype=np.float64),
            "memory_share": _percent([one.memory_share for one in rates]),
            "oom_kills": np.array([one.oom_kills for one in rates], dtype=np.float64),
            "disk_read": np.array([one.read for one in rates], dtype=np.float64),
            "disk_write": np.array([one.write for one in rates], dtype=np.float64),
            "pids": np.array([one.pids for one in rates], dtype=np.float64),
            "restarts": self.restarts.astype(np.float64),
        }
        for name in ("cpu", "memory", "io"):
            out[f"psi_{name}"] = _percent([one.pressure.get(name, (np.nan, np.nan))[0] for one in rates])
        for name, scale in (("cpu", 100.0), ("rss", 1.0), ("disk_read", 1.0), ("disk_write", 1.0)):
            out[name] = np.where(np.isnan(out[name]), sums[FEATURE[name]] * scale, out[name])
        return out


def _percent(shares: list[float]) -> Floats:
    return np.array(shares, dtype=np.float64) * 100.0


def boxes(frame: Frame, rollup: Rollup, watch: CgroupWatch, restarts: Restarts, whole: Frame | None = None) -> Boxes:
    """What is known of the container that each group of ``rollup`` is or belongs to; with the ``whole`` frame also of those that ended."""
    containers: list[Container | None] = [None] * len(rollup.keys)
    paths: list[set[str]] = [set() for _ in rollup.keys]
    for g, label in zip(rollup.member.tolist(), frame.batch.labels, strict=True):
        if g >= 0 and label.container is not None:
            containers[g] = label.container
            paths[g].add(label.cgroup)
    place = {key: g for g, key in enumerate(rollup.keys)}
    for label in frame.departed.labels if frame.departed is not None else ():  # of a container whose processes have all ended just now
        if label.container is not None and (g := place.get(label.container.id, -1)) >= 0:
            containers[g] = containers[g] or label.container
    rates = [_of(box, path, watch) if box is not None else UNKNOWN for box, path in zip(containers, paths, strict=True)]
    again = [restarts.of(box, frame.reading.boot) if box is not None else 0 for box in containers]
    ended = []
    if whole is not None:
        present = {label.container.id: label.container for label in whole.batch.labels if label.container is not None}
        boot = whole.reading.boot
        ended = [(box, ago, restarts.of(box, boot)) for box, ago in restarts.gone(present.values(), boot) if box.id not in place]
    return Boxes(containers, rates, np.array(again, dtype=np.int64), ended)


def _of(box: Container, paths: set[str], watch: CgroupWatch) -> CgroupRates:
    """Of the cgroup that has the limits where it was read, else of the topmost ones below it that were."""
    for path in sorted({box.home(path) or path for path in paths}):
        whole = watch.rates(path)
        if whole is not None:
            return whole
    parts = []
    covered: list[str] = []
    for path in sorted(paths):
        if any(path.startswith(above + "/") for above in covered):
            continue
        rates = watch.rates(path)
        if rates is not None:
            covered.append(path)
            parts.append(rates)
    return together(parts) if parts else UNKNOWN
