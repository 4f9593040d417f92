"""Groups of processes: sums, and scores of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from frames import REDIS, WEB, Proc, build
from proctop.engine import Engine
from proctop.fields import COUNTER, COUNTERS, FEATURE, SCHEMA
from proctop.frames import Departed, Frame
from proctop.records import Container, Exit, Label, ProcKey
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


def test_what_members_did_that_ended_counts_in() -> None:
    did = np.full((len(SCHEMA), 3), np.nan, dtype=np.float32)
    did[FEATURE["cpu"]] = [0.4, 0.1, 7.0]
    labels = [Label("sh", container=REDIS), Label("sh", container=Container("c" * 64, name="gone")), Label("sh", container=REDIS)]
    none, n = np.zeros(3), np.ones(3, np.int64)
    departed = Departed(n, n, n, labels, n, n > 0, none, np.array([0.0, 0.0, 2.0]), did, none.astype(np.float32))  # the last one before
    groups = roll_up(replace(some(), departed=departed), "container")
    assert groups.names == ("cache", "web-1", "gone") and groups.size.tolist() == [2, 2, 0]
    assert groups.values[FEATURE["cpu"]].tolist() == pytest.approx([0.9, np.nan, 0.1], nan_ok=True)
    assert groups.values[FEATURE["idle_s"], 0] == 0 and groups.values[FEATURE["rss"], 0] == 5 * MB
    assert np.isnan(groups.highest[2]) and groups.top.tolist() == [2, 3, -1]


def test_what_a_newborn_did_counts_over_the_whole_interval() -> None:
    frame = build(
        [Proc(1, "cc", features={"cpu": 0.2}), Proc(2, "cc", start=359_975, features={"cpu": 0.8, "rss": 4.0, "forks": 1.0}, born=True)]
    )
    values = roll_up(frame, "command").values[:, 0]  # a quarter of a second old
    assert values[FEATURE["cpu"]] == pytest.approx(0.4) and values[FEATURE["rss"]] == 4 and values[FEATURE["forks"]] == 1


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


def ranks(frames: Sequence[Frame], by: str = "container") -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """[readings, groups]"""
    return np.array([roll_up(frame, by).own for frame in frames])


@pytest.mark.parametrize("more", [1.15, 0.85])
def test_many_that_do_a_little_more_or_less_are_unusual_together(more: float) -> None:
    crew = Crew()
    before = ranks([crew.step() for _ in range(200)])
    frames = [crew.step(more) for _ in range(20)]
    after = ranks(frames)
    assert np.isnan(before[:30]).all() and before[90:].max() < 2.5
    assert after[:, 0].max() > 4 > 2.5 > after[:, 1].max()
    assert max(float(np.nanmax(frame.scores.rank)) for frame in frames) < 2
    worst = frames[int(after[:, 0].argmax())]
    (first, *_) = roll_up(worst, "container").why[0]
    low, high = first.usual
    assert low < high and (first.value > high if more > 1 else first.value < low)
    assert (" low: " in first.text) == (more < 1) and "usual" in first.text
    now = float(roll_up(worst, "container").values[FEATURE[first.feature], 0])
    assert first.value == pytest.approx(now, rel=0.15)
    assert np.array_equal(after, np.round(after, 1), equal_nan=True)  # in tenths, as a recording holds them


def test_members_that_come_and_go_are_no_spike() -> None:
    crew = Crew()
    for _ in range(150):
        crew.step()
    crowd = range(500, 560)
    for pid in crowd:
        crew.host.born(pid, "worker", container="a" * 64, age=3.0)
    frames = [crew.step() for _ in range(5)]
    crew.host.gone(*crowd)
    frames += [crew.step() for _ in range(5)]
    assert [int(roll_up(frame, "container").size[0]) for frame in frames] == [80] * 5 + [20] * 5
    assert ranks(frames)[:, 0].max() < 2.5


def test_a_group_that_was_away_is_known_again() -> None:
    crew = Crew()
    for _ in range(100):
        crew.step()
    crew.host.gone(*crew.pids.pop("b" * 64))
    without = [crew.step() for _ in range(30)]
    assert all(frame.groups["container"].names == ("a" * 12,) for frame in without)
    crew.pids["b" * 64] = list(range(300, 320))
    for pid in crew.pids["b" * 64]:
        crew.host.born(pid, "worker", container="b" * 64, age=3.0)
    assert ranks([crew.step()])[0, 1] >= 0  # a new one is not scored at first sight


@pytest.mark.parametrize("everybody", [False, True])
def test_a_group_that_waits_for_a_cpu_is_unusual_unless_all_others_wait_too(everybody: bool) -> None:
    host, engine = Host(), Engine(Baseline())
    inside, outside = list(range(10, 15)), list(range(20, 40))
    for pid in (*inside, *outside):
        host.born(pid, container="a" * 64 if pid in inside else "")
    frames = []
    for t in range(160):
        for pid in (*inside, *outside):
            waits = t >= 150 and (everybody or pid in inside)
            host.did(pid, run_ns=50 * MS, vctx=20, wait_ns=300 * MS if waits else MS)
        frames.append(engine.step(host.read()))
    own = ranks(frames)[:, 0]
    assert own[90:150].max() < 1.5 and (own[150:].max() < 1.5) == everybody
    if not everybody:
        assert roll_up(frames[152], "container").why[0][0].text.startswith("waits for cpu 150 %, usual ")


def test_groups_are_watched_from_when_they_are_asked_for() -> None:
    host, engine = Host(), Engine(Baseline())
    host.born(10)
    assert engine.step(host.read()).groups.keys() == {"container"}
    engine.watch("user")
    engine.watch("command")
    assert engine.step(host.read()).groups.keys() == {"container", "user", "command"}
    for by in ("cgroup", "container", "command"):
        engine.watch(by)
    frame = engine.step(host.read())
    assert frame.groups.keys() == {"container", "cgroup", "command"}  # the last two besides
    assert frame.groups["container"].names == () and frame.groups["command"].names == ("work",)
    with pytest.raises(ValueError, match="nothing"):
        engine.watch("nothing")


def test_what_the_brief_did_counts_for_their_group() -> None:
    """A container whose one process starts children too brief to be seen, and then three times as many."""
    host, engine = Host(), Engine(Baseline())
    host.born(10, "sh", container="a" * 64)
    label = Label("cc", container=Container("a" * 64))
    quiet: list[Frame] = []
    loud: list[Frame] = []
    for t in range(160):
        host.did(10, vctx=30, run_ns=2 * MS)
        reading = host.read()
        n = 20 if t < 150 else 120
        start = round((reading.boot - 0.3) * reading.info.ticks)
        exits = tuple(Exit(ProcKey(1000 + k, start), 99, label) for k in range(n))
        totals = np.zeros((len(COUNTERS), n))
        totals[COUNTER["run_ns"]] = 5 * MS
        (loud if t >= 150 else quiet).append(engine.step(replace(reading, exits=exits, ended=totals)))
    assert ranks(quiet)[90:].max() < 1.5 < 3 < ranks(loud).max()
    assert float(np.nanmax([frame.scores.rank for frame in loud])) < 1.5  # no process did anything unusual


@pytest.mark.filterwarnings("error")
def test_absurd_totals_of_the_ended_add_up_to_the_largest_number() -> None:
    """Of two below one parent, of crowds below two, and of them and one that lives: a recording may hold any number."""
    host, engine = Host(), Engine(Baseline())
    engine.watch("command")
    for pid in (10, 11):
        host.born(pid, "make")
    host.born(12, "cc")
    engine.step(host.read())
    for _ in range(3):
        host.did(12, wchar=3e38)
        reading = host.read()
        start = round((reading.boot - 0.3) * reading.info.ticks)
        exits = tuple(Exit(ProcKey(1000 + k, start), parent, Label("cc")) for k, parent in enumerate((10, 10, 11)))
        frame = engine.step(replace(reading, exits=exits, ended=np.full((len(COUNTERS), 3), 3e38)))
        assert frame.departed is not None
        most = [values[FEATURE["wchar"]].max() for values in (frame.departed.values, roll_up(frame, "command").values)]
        assert most == [np.finfo(np.float32).max] * 2


@pytest.mark.filterwarnings("error")
def test_a_crowd_of_the_ended_has_a_normal_too() -> None:
    host, engine = Host(), Engine(Baseline())
    host.born(10, "make")
    told = []
    for t in range(60):
        reading = host.read()
        start = round((reading.boot - 0.3) * reading.info.ticks)
        n = 0 if 30 < t < 45 else 200 if t >= 55 else 20 + t % 3
        exits = tuple(Exit(ProcKey(1000 + k, start), 10, Label(f"cc{k % 2}")) for k in range(n))
        told.append(engine.step(replace(reading, exits=exits)).departed)
    rank = [float(np.nanmax(d.rank)) if d is not None and not np.isnan(d.rank).all() else None for d in told]
    assert rank[3] is None and told[40] is None  # too young; nobody ended lately
    assert all(r is not None and r < 1 for r in (*rank[15:30], *rank[46:54])) and (rank[57] or 0) > 2
