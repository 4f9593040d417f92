"""What must hold for any groups."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames import Proc, build
from proctop.engine import Engine
from proctop.fields import COUNTER, FEATURE, FEATURES, SCHEMA, Kind
from proctop.frames import Frame
from proctop.records import Container, Exit, Label, ProcKey, Reading
from proctop.rollup import BY, roll_up
from proctop.scoring.baseline import Baseline
from traffic import MS, Host

RATES = [i for i, f in enumerate(FEATURES) if f.kind in (Kind.RATE, Kind.GROWTH)]
VALUES = st.one_of(st.none(), st.integers(0, 1000).map(float))


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    boxes = [Container(name, "docker", f"pod{i % 2}" * (i % 2), f"box{i}" * (i % 2), f"image{i % 2}") for i, name in enumerate("abcd")]
    procs = []
    for pid in range(1, draw(st.integers(0, 12)) + 1):
        features = {name: x for name in ("cpu", "rss", "idle_s") if (x := draw(VALUES)) is not None}
        rank = draw(VALUES)
        comm, user = draw(st.sampled_from(["a", "b1", "kw/1"])), draw(st.sampled_from(["", "root"]))
        box = draw(st.sampled_from([None, *boxes]))
        procs.append(
            Proc(
                pid,
                comm,
                user=user,
                uid=pid % 2 - 1,
                container=box,
                kernel=draw(st.booleans()),
                features=features,
                rank=np.nan if rank is None else rank,
            )
        )
    return build(procs)


@settings(max_examples=60)
@given(frames(), st.sampled_from(BY))
def test_groups_are_what_adding_up_by_hand_gives(frame: Frame, by: str) -> None:
    groups = roll_up(frame, by)
    assert len(set(groups.keys)) == len(groups) == len(groups.names) == groups.values.shape[1] and groups.values.shape[0] == len(SCHEMA)
    assert groups.size.sum() == (groups.member >= 0).sum()
    for g in range(len(groups)):
        rows = np.flatnonzero(groups.member == g)
        assert groups.size[g] == rows.size > 0 and groups.top[g] in rows
        for name in ("cpu", "rss", "idle_s", "wchar"):
            values = frame.batch.values[FEATURE[name], rows]
            known = values[~np.isnan(values)]
            want = np.nan if not known.size else known.min() if name == "idle_s" else known.sum()
            assert groups.values[FEATURE[name], g] == pytest.approx(want, nan_ok=True)
        ranks = frame.scores.rank[rows]
        assert groups.highest[g] == pytest.approx(np.nan if np.isnan(ranks).all() else np.nanmax(ranks), nan_ok=True)
        assert np.isnan(groups.highest[g]) or frame.scores.rank[groups.top[g]] == groups.highest[g]
    for row, label in enumerate(frame.batch.labels):
        inside = {"container": label.container is not None, "image": label.container is not None, "command": True, "cgroup": True}
        if by in inside:
            assert (groups.member[row] >= 0) == inside[by]


def crews(seed: int, order: bool) -> Iterator[Reading]:
    """Workers of five names, some in containers; rows in another order where ``order`` is given."""
    rng, host = np.random.default_rng(seed), Host()
    pids = list(range(10, 50))
    for pid in pids:
        host.born(pid, f"kind{pid % 5}x", container="ab"[pid % 2] * 64 if pid % 4 < 2 else "")
    if order:
        host.shuffle(np.random.default_rng(seed + 1).permutation(len(pids)).tolist())
    for t in range(100):
        for pid in pids:
            luck = float(rng.random())
            if luck < 0.6:
                host.did(pid, run_ns=(1 + 3 * luck) * MS, vctx=3, wchar=float(int(2000 * luck)) * (1 + 9 * (t > 90 and pid < 20)), syscw=2)
        yield host.read()


@settings(max_examples=3)
@given(st.integers(0, 10_000))
def test_the_order_of_processes_does_not_matter_to_groups(seed: int) -> None:
    both: tuple[list[Frame], list[Frame]] = ([], [])
    for order, told in zip((False, True), both, strict=True):
        engine = Engine(Baseline())
        engine.watch("command")
        told.extend(engine.step(reading) for reading in crews(seed, order))
    for a, b in zip(*both, strict=True):
        for by in ("container", "command"):
            one, two = (dict(zip(frame.groups[by].keys, frame.groups[by].rank.tolist(), strict=True)) for frame in (a, b))
            assert one.keys() == two.keys()
            np.testing.assert_allclose(list(one.values()), [two[key] for key in one], atol=5e-2)


@settings(max_examples=15)
@given(st.data())
def test_any_readings_give_finite_scores_of_groups_and_crowds(data: st.DataObject) -> None:
    host, engine = Host(hints=data.draw(st.booleans())), Engine(Baseline())
    engine.watch("command")
    wild = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-1, 10**12).map(float))
    alive: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for t in range(45):
            if data.draw(st.integers(0, 2)) == 0:
                box = data.draw(st.sampled_from(["", "a" * 64, "b" * 64]))
                host.born(100 + t, data.draw(st.sampled_from(["a", "b1", ""])), age=data.draw(st.sampled_from([-0.5, 50.0])), container=box)
                alive.append(100 + t)
            if alive and data.draw(st.integers(0, 5)) == 0:
                host.gone(alive.pop())
            if alive:
                host.now(data.draw(st.sampled_from(alive)), **{data.draw(st.sampled_from(sorted(COUNTER))): data.draw(wild)})
            reading = host.read(data.draw(st.sampled_from([1.0, 1.0, 1.0, 0.25, 100.0, -1.0])))
            n = data.draw(st.integers(0, 2))
            start = round((reading.boot - 0.2) * 100)
            exits = tuple(
                Exit(ProcKey(9000 + k, start), data.draw(st.sampled_from([100, 7])), Label("x", container=Container("a" * 64)))
                for k in range(n)
            )
            ended = np.full((len(COUNTER), n), data.draw(wild)) if data.draw(st.booleans()) else None
            frame = engine.step(replace(reading, exits=exits, ended=ended, source=data.draw(st.sampled_from(["proc", "proc", "bpf"]))))
            for by in ("container", "command", "user"):
                groups = roll_up(frame, by)
                assert not np.isinf(groups.values).any() and not (groups.values[RATES] < 0).any()
                known = groups.own[~np.isnan(groups.own)]
                assert np.isfinite(known).all() and (known >= 0).all() and all(len(told) <= 3 for told in groups.why.values())
            if frame.departed is not None:
                known = frame.departed.rank[~np.isnan(frame.departed.rank)]
                assert np.isfinite(known).all() and (known >= 0).all()
