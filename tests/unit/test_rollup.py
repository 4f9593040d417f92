"""Groups of processes: sums, and scores of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frames import REDIS, WEB, Proc, build
from proctop.engine import Engine
from proctop.fields import FEATURE
from proctop.records import Frame
from proctop.rollup import BY, roll_up
from proctop.scoring.baseline import Baseline
from traffic import MB, MS, Host

NAN = float("nan")


def some() -> Frame:
    return build(
        [
            Proc(1, "init", user="root", features={"cpu": 0.1, "rss": 1 * MB, "idle_s": 9.0}, rank=0.5),
            Proc(10, "redis", user="redis", container=REDIS, features={"cpu": 0.2, "rss": 5 * MB, "idle_s": 3.0}, rank=1.0),
            Proc(11, "sh", user="redis", container=REDIS, features={"cpu": 0.3, "idle_s": 0.0}, rank=4.0),
            Proc(12, "nginx", user="www", container=WEB, features={"rss": 7 * MB}, rank=2.0),
            Proc(13, "nginx", user="www", container=WEB, features={"rss": 1 * MB}),
            Proc(14, "kworker/0:1", kernel=True),
            Proc(15, "kworker/u8:2-events", kernel=True),
        ]
    )


def test_groups_are_sums_of_their_members() -> None:
    groups = roll_up(some(), "container")
    assert groups.names == ("cache", "web-1") and groups.keys == (REDIS.id, WEB.id)
    assert groups.member.tolist() == [-1, 0, 0, 1, 1, -1, -1] and groups.size.tolist() == [2, 2]
    assert groups.values[FEATURE["cpu"]].tolist() == [pytest.approx(0.5), pytest.approx(NAN, nan_ok=True)]
    assert groups.values[FEATURE["rss"]].tolist() == [5 * MB, 8 * MB] and groups.values[FEATURE["idle_s"], 0] == 0.0
    assert groups.highest.tolist() == [4.0, 2.0] and groups.top.tolist() == [2, 3]
    assert np.isnan(groups.own).all() and not groups.why


def test_what_processes_may_share() -> None:
    names = {by: roll_up(some(), by).names for by in BY}
    assert names == {
        "command": ("init", "redis", "sh", "nginx", "kworker"),
        "container": ("cache", "web-1"),
        "image": (REDIS.image, WEB.image),
        "pod": (WEB.pod,),
        "cgroup": ("/",),
        "user": ("root", "redis", "www"),
    }


def test_a_group_in_which_nobody_is_scored_has_no_highest_score() -> None:
    groups = roll_up(some(), "command")
    assert np.isnan(groups.highest[4]) and groups.top[4] == 5


def test_nobody_makes_no_groups() -> None:
    for by in BY:
        assert len(roll_up(build([]), by)) == 0


def test_a_name_that_changes_keeps_the_group() -> None:
    frame = some()
    named = replace(REDIS, name="store")
    labels = [replace(label, container=named) if label.container is REDIS else label for label in frame.batch.labels]
    renamed = replace(frame, batch=replace(frame.batch, labels=labels))
    assert roll_up(renamed, "container").names == ("store", "web-1") and roll_up(renamed, "container").keys == (REDIS.id, WEB.id)


class Crew:
    """Two containers of twenty workers each, on which the load fluctuates."""

    def __init__(self, seed: int = 0) -> None:
        self.host = Host()
        self.rng = np.random.default_rng(seed)
        self.engine = Engine(Baseline())
        self.pids = {box: list(range(base, base + 20)) for box, base in (("a" * 64, 100), ("b" * 64, 200))}
        for box, pids in self.pids.items():
            for pid in pids:
                self.host.born(pid, "worker", container=box)

    def step(self, more: float = 1.0) -> Frame:
        """A reading in which the workers of the first container do ``more`` times what they do."""
        for box, pids in self.pids.items():
            for pid in pids:
                work = (more if box[0] == "a" else 1.0) * float(self.rng.lognormal(0, 0.25))
                self.host.did(
                    pid, run_ns=50 * MS * work, vctx=float(int(100 * work)), wchar=2e4 * work, syscw=float(int(80 * work)), rchar=1e4 * work
                )
        return self.engine.step(self.host.read())


def test_many_that_do_a_little_more_are_unusual_together() -> None:
    crew = Crew()
    before = [crew.step() for _ in range(300)]
    after = [crew.step(1.15) for _ in range(20)]
    calm = max(float(frame.groups["container"].rank.max()) for frame in before[90:])
    a, b = np.array([frame.groups["container"].rank for frame in after]).T
    members = max(float(np.nanmax(frame.scores.rank)) for frame in after)
    print(calm, a, b, members, [r.text for r in after[-1].groups["container"].why.get(0, ())])
    assert a.max() > max(calm, b.max())
