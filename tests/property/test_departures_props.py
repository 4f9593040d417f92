"""Whatever ends, however often and with whatever code: it is told of, drawn at its width, and the same from wherever one comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frames import Proc, build
from proctop.departures import FADE, MOST, Departures, fading, fresh, gather
from proctop.fields import COUNTERS, SCHEMA
from proctop.frames import Departed
from proctop.records import Exit, Label, ProcKey, Reading, ThreadTable
from proctop.view import table, values
from proctop.view.cells import ASCII, UNICODE, width
from proctop.view.rows import Arranger, ViewState

pids = st.one_of(st.integers(0, 12), st.integers(0, 1 << 62))
codes = st.one_of(st.none(), st.integers(-70, 300), st.integers(-(1 << 80), 1 << 80))
labels = st.builds(
    Label,
    comm=st.one_of(st.sampled_from(["sh", "cc", "", "[/x]", "日本語"]), st.text(max_size=15)),
    command=st.text(max_size=20),
    kernel=st.booleans(),
)
ends = st.lists(st.tuples(pids, st.integers(0, 1 << 40), pids, labels, codes), max_size=12)
times = st.lists(st.tuples(st.sampled_from([0.25, 1.0, 1.0, 2.5, 7.0, 90.0]), ends, st.booleans()), min_size=1, max_size=12)
Moments = list[tuple[float, list[tuple[int, int, int, Label, int | None]], bool]]
rows = [(pid, 1000, pid // 2) for pid in range(1, 9)]


def session(moments: Moments) -> list[Reading]:
    """A host that stays as it is, and on which things end."""
    procs = build([Proc(pid, "p", start=start, ppid=ppid) for pid, start, ppid in rows]).reading
    out, mono = [], procs.mono
    for seq, (dt, ended, totals) in enumerate(moments):
        mono += dt
        exits = tuple(Exit(ProcKey(pid, start), ppid, label, code) for pid, start, ppid, label, code in ended)
        table_ = np.random.default_rng(seq).uniform(0, 1e9, (len(COUNTERS), len(exits))) if totals and exits else None
        out.append(replace(procs, seq=seq, mono=mono, boot=mono, wall=procs.wall + mono, exits=exits, ended=table_))
    return out


def same(one: Departed | None, other: Departed | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name in ("code", "ago", "values", "rank"))
        for name in ("pid", "start", "ppid", "count", "brief", "code", "ago", "values", "rank")
    ) and [*one.labels] == [*other.labels]


@given(times)
def test_whoever_ended_lately_is_told_of_and_nobody_else(
    moments: Moments,
) -> None:
    steps, prev = Departures(), None
    readings = session(moments)
    for k, reading in enumerate(readings):
        departed = steps.step(prev, reading)
        lately = [r for r in readings[: k + 1] if reading.mono - r.mono < FADE]
        assert sum(departed.count.tolist() if departed is not None else ()) == sum(len(r.exits) for r in lately)
        if departed is not None:
            m = len(departed)
            assert (
                m <= MOST
                and departed.values.shape == (len(SCHEMA), m)
                and len({*zip(departed.ppid.tolist(), (label.comm for label in departed.labels), strict=True)}) == m
            )
            assert (departed.ago >= 0).all() and (departed.ago < FADE).all() and not (departed.values < 0).any()
        # as who jumps here finds it
        pairs = [(a, b) for a, b in zip([None, *readings[:k]], readings[: k + 1], strict=True) if fresh(b.mono, reading)]
        assert same(departed, fading([e for e in (gather(a, b) for a, b in pairs) if e is not None], reading))
        prev = reading


states = st.builds(
    ViewState,
    sort=st.sampled_from(["score", "cpu", "command", "why"]),
    reverse=st.booleans(),
    tree=st.booleans(),
    kernel=st.booleans(),
    threads=st.booleans(),
    collapsed=st.sets(st.integers(1, 8).map(lambda pid: ProcKey(pid, 1000))).map(frozenset),
)


@given(
    times,
    states,
    st.integers(8, 200),
    st.booleans(),
)
def test_they_are_drawn_to_their_width_and_found_by_their_keys(moments: Moments, state: ViewState, columns: int, ascii: bool) -> None:
    arranger, steps, prev = Arranger(), Departures(), None
    tids = np.array([1, 100, 101, 2], np.int64)
    threads = ThreadTable(tids, np.array([1, 1, 2, 2], np.int64), tids + 5, ["a", "b", "c", "d"], np.full((len(COUNTERS), 4), np.nan))
    for tick, reading in enumerate(session(moments)):
        frame = build(
            [Proc(pid, "p", start=start, ppid=ppid) for pid, start, ppid in rows], tick=tick, threads=threads if state.threads else None
        )
        frame = replace(frame, departed=steps.step(prev, reading))
        prev = reading
        arranged = arranger.arrange(frame, state)
        order = arranged.order.tolist()
        assert len(set(order)) == len(order)
        gone = frame.departed
        late = [row for row in order if row < -len(threads.comm if state.threads else ())]
        if gone is not None and not state.collapsed:
            assert len(late) == sum(state.kernel or not label.kernel for label in gone.labels)
        cells = table.body(
            frame, arranged, table.layout(columns, tree=state.tree), 0, len(order), glyphs=ASCII if ascii else UNICODE, names="full"
        )
        wide = sum(slot.width + 1 for slot in table.layout(columns, tree=state.tree))
        for line in cells:
            assert sum(width(cell.text) for cell in line) == wide
            assert not ascii or all(cell.text.isascii() for cell in line)
        for place, row in enumerate(order):
            if row in late:
                found = table.place_of(frame, arranged, table.key_at(frame, arranged, place))
                assert found is None or order[found] in late or order[found] >= -len(order)
        values.texts(frame, "why", arranged.order)
