"""What a screen shows of a recorded frame is what it showed of the frame itself, to the last character."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from frames import REDIS, Proc, build
from proctop.engine import Engine
from proctop.export.lines import as_json
from proctop.export.table import as_table
from proctop.features import derive, first
from proctop.frames import AlertEvent, Frame, Reason, Status, Trail
from proctop.records import ProcKey, Reading
from proctop.scoring.baseline import Baseline
from proctop.stream.packer import Packer
from proctop.stream.reader import Reader
from proctop.stream.seen import Record
from proctop.view import table, values
from proctop.view.cells import ASCII, UNICODE
from proctop.view.prose import often
from proctop.view.rows import Arranger, ViewState
from traffic import MB, MS, Host

NAN = float("nan")
quick = settings(max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def looks(seed: int) -> list[Proc]:
    """Ranks in tenths, as engines give them, on and beside every place where a bar, a block or a word changes; the rest at random."""
    rng = np.random.default_rng(seed)
    edges = np.concatenate((np.arange(0, 13, 1 / 16), np.arange(0, 13, 0.05), [99.95, 100.45, 100.5, 101.5, 2500.5])).astype(np.float32)
    high = np.float32(9999)
    ranks = np.concatenate(
        (edges, np.nextafter(edges, high), np.nextafter(edges, -high), rng.uniform(0, 14, 500), rng.uniform(0, 300, 50), [np.nan])
    )
    often = np.array([0.0, NAN, 1.5, 12.0, 12.3, 120.0, 120.4, 1e-30, 0.67, *rng.exponential(1, 50), *rng.exponential(1000, 50)])
    return [
        Proc(
            10 + i,
            f"p{i}",
            rank=abs(float(np.round(rank, 1))),
            alert=abs(float(np.round(rng.choice(ranks), 1))),
            per_hour=float(rng.choice(often)),
            alerting=bool(rng.random() < 0.1),
            status=Status(int(rng.integers(3))),
        )
        for i, rank in enumerate(ranks)
    ]


def reread(tmp: Path, frames: Sequence[Frame]) -> list[Record]:
    packer = Packer(None)
    from proctop.stream import frames as f

    path = tmp / "a"
    path.write_bytes(f.preamble() + b"".join(packer.pack(frame).data for frame in frames) + packer.finish())
    with Reader(str(path)) as reader:
        records = list(reader)
        assert not reader.damage
    return records


def again(frame: Frame, record: Record, before: Sequence[Frame]) -> Frame:
    """The frame with what was recorded of it; ``before``: frames made of records, the last ones."""
    assert record.seen is not None
    seen = record.seen
    past = (*(f.scores.rank for f in before), seen.scores.rank)
    old = frame.history
    slots = [np.full(vector.size, np.nan, np.float32) for vector in old.ranks[-len(past) :]]
    for vector, ranks_ in zip(slots, past, strict=True):
        vector[old.slot[: ranks_.size]] = ranks_
    host = [float(np.fmax.reduce(r)) if r.size else NAN for r in past]
    return replace(
        frame,
        reading=record.reading,
        scores=seen.scores,
        warming=seen.warming,
        alerts=seen.alerts,
        history=Trail(old.slot, old.born, tuple(slots), np.array(host, np.float32), old.last),
    )


def texts(frame: Frame) -> Iterator[object]:
    """Everything that is drawn of the scores of a frame."""
    rows = Arranger().arrange(frame, ViewState(sort="pid"))
    every = np.arange(len(frame.batch))
    for glyphs in (UNICODE, ASCII):
        slots = table.layout(160, sort="alert")
        yield table.body(frame, rows, slots, 0, len(rows), glyphs=glyphs, names="short")
    for name in ("score", "alert", "status", "why", "command", "cpu", "idle_s"):
        yield name, values.texts(frame, name, every)
    for row in every.tolist():
        hourly = float(frame.scores.per_hour[row])
        if frame.scores.rank[row] >= table.NOTABLE:
            yield row, "nan" if hourly != hourly else often(hourly)
        yield row, table.level(frame, row), table.no_reason(frame, row), table.why_text(frame, row)
    yield as_table(frame, rows)


def plain(line: str) -> Any:
    """A line of JSON without the digits that no screen shows."""
    frame = json.loads(line)
    for process in frame["processes"]:
        for name in ("score", "alert_score"):
            process[name] = None if process[name] is None else f"{process[name]:.1f}"
        del process["every_hours"]
        for reason in process["why"]:
            del reason["value"], reason["usual"]
    for event in frame["alerts"]:
        for reason in event["why"]:
            del reason["value"], reason["usual"]
    return frame


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_look_as_they_did(tmp_path: Path, seed: int) -> None:
    frame = build(looks(seed), wall=1.7e9)
    (record,) = reread(tmp_path, [frame])
    for one, other in zip(texts(again(frame, record, [])), texts(frame), strict=True):
        assert one == other


sentences = st.one_of(
    st.sampled_from(
        [
            "writes 38 MB/s, usual 0–1.2 MB/s",
            "no activity for 40 s, usual ≤ 3 s",
            "cpu low: 0 %, usual 40–60 %",
            "first xmrig in web-1, started by nginx7",
            "memory +1e+12 B/s, usual 0",
            "007 and 1.23 and 9.99.9, 12345678901 x3",
            "",
        ]
    ),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=40),
)
numbers = st.one_of(st.floats(0, 1e13), st.floats(), st.sampled_from([0.0, 38 * 2.0**20, 1.2 * 2**20, 0.4, 40.0]))


@quick
@given(st.lists(st.tuples(sentences, numbers, numbers, numbers), max_size=8))
def test_reasons_read_as_they_did(tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, float, float, float]]) -> None:
    from proctop.sanitize import clean

    reasons = [Reason("wchar", a, (b, c), "own", clean(t).replace("\N{OBJECT REPLACEMENT CHARACTER}", "")) for t, a, b, c in said]
    procs = [Proc(10 + i, "p", rank=3.0, why=(reason,)) for i, reason in enumerate(reasons)]
    frame = build(procs, wall=1.7e9)
    (record,) = reread(tmp_path_factory.mktemp("why"), [frame])
    assert record.seen is not None
    back = record.seen.scores.why
    assert {row: [r.text for r in why] for row, why in back.items()} == {i: [r.text] for i, r in enumerate(reasons)}
    assert all(r.feature == "wchar" and r.against == "own" for why in back.values() for r in why)


def test_the_numbers_of_a_reason_are_those_of_its_text(tmp_path: Path) -> None:
    told = Reason("wchar", 38.2 * 2**20, (1000.0, 1.21 * 2**20), "own", "writes 38 MB/s, usual 0–1.2 MB/s")
    odd = Reason("rss", 123456.0, (1.0, 2.0), "cohort", "unlike any other")
    (record,) = reread(tmp_path, [build([Proc(1, "a", why=(told,)), Proc(2, "b", why=(odd,))])])
    assert record.seen is not None
    (a,), (b,) = record.seen.scores.why.values()
    assert (a.value, a.usual[0], round(a.usual[1])) == (38 * 2.0**20, 0.0, round(1.2 * 2**20))
    assert (b.value, b.usual, b.against) == (123000.0, (1.0, 2.0), "cohort")


def events(wall: float, *ends: float) -> tuple[AlertEvent, ...]:
    why = (Reason("cpu", 0.91, (0.0, 0.017), "own", "cpu 91 %, usual 0–1.7 %"),)
    return tuple(
        AlertEvent(
            ProcKey(k, 7), f"p{k}", REDIS if k % 2 else None, 1.7e9, 1.7e9 + 1, wall if end == 0 else end, 9.123456, 0.25, why, end == 0
        )
        for k, end in enumerate(ends)
    )


def test_alert_events_come_back_whole(tmp_path: Path) -> None:
    """Through beginnings, ends, and calm: what did not change is not written again, and comes back all the same."""
    shown = []
    for t, ends in enumerate([(), (0,), (0, 0), (0, 1.7e9 + 2), (1.7e9 + 4, 1.7e9 + 2), (1.7e9 + 4,), (1.7e9 + 4,), ()]):
        frame = build([Proc(1, "a", rank=2.0)], wall=1.7e9 + t, tick=t, warming=min(1.0, t / 3))
        scores = replace(frame.scores, notes=("slow",) if t > 4 else ())
        shown.append(replace(frame, alerts=events(1.7e9 + t, *ends), scores=scores))
    for frame, record in zip(shown, reread(tmp_path, shown), strict=True):
        assert record.seen is not None
        back = tuple(replace(e, container=e.container and replace(e.container, labels=())) for e in frame.alerts)
        assert record.seen.alerts == back
        assert (record.seen.warming, record.seen.scores.notes) == (frame.warming, frame.scores.notes)


def session(seed: int, length: int) -> Iterator[Reading]:
    """A host with ordinary work, births and deaths, and a process that goes astray."""
    rng = np.random.default_rng(seed)
    host = Host()
    for pid in range(10, 30):
        host.born(pid, f"work{pid % 4}", container="a" * 64 if pid % 5 == 0 else "")
    nobody = 1000
    yield host.read(0.25)
    for t in range(length):
        for pid in range(10, 26):
            if rng.random() < 0.6:
                host.did(
                    pid,
                    run_ns=float(rng.integers(0, 50)) * MS / 10,
                    vctx=float(rng.integers(0, 9)),
                    rchar=float(rng.integers(5000)),
                    syscr=2,
                )
        if t % 7 == 3:
            nobody += 1
            host.born(nobody, "job", age=-0.4, ppid=11)
        if t % 7 == 6:
            host.gone(nobody)
        if 60 < t < 75:
            host.did(12, run_ns=800 * MS, wchar=40 * MB, syscw=900, minflt=5000, nvctx=500)
        yield host.read(1.0 if t % 20 else 0.3)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_session_looks_as_it_did_from_any_segment_on(tmp_path: Path, seed: int) -> None:
    engine = Engine(Baseline())
    live = [engine.step(reading) for reading in session(seed, 130)]
    assert any(frame.scores.alerting.any() for frame in live)
    records = reread(tmp_path, live)
    assert len(records) == len(live)
    made: list[Frame] = []
    for frame, record in zip(live, records, strict=True):
        back = again(frame, record, made[-(len(frame.history.ranks) - 1) :] if len(frame.history.ranks) > 1 else [])
        short = replace(back, history=replace(back.history, ranks=back.history.ranks[-1:], host=back.history.host[-1:]))
        alone = replace(frame, history=replace(frame.history, ranks=frame.history.ranks[-1:], host=frame.history.host[-1:]))
        assert list(texts(short)) == list(texts(alone))
        rows = Arranger().arrange(frame, ViewState(sort="pid"))
        assert plain(as_json(short, rows)) == plain(as_json(alone, rows))
    for begin in (0, 60, 120):
        seen = records[begin].seen
        assert seen is not None and seen.idle is not None
        batch = first(records[begin].reading, seen.idle)
        for k in range(begin + 1, min(begin + 60, len(records))):
            batch = derive(records[k - 1].reading, records[k].reading, batch)
            np.testing.assert_array_equal(batch.values, live[k].batch.values)
        later = records[begin + 1].seen
        assert later is not None and later.idle is None


def test_json_still_says_how_often_by_chance(tmp_path: Path) -> None:
    """As the words say it where there are words, and about so where there are none."""
    alerts = (0.3, 1.1, 2.0, 5.0)
    procs = [Proc(i, "a", rank=3.0 if i == 3 else 0.5, alert=a, per_hour=float(np.exp(8 - 1.3 * a))) for i, a in enumerate(alerts)]
    odd = Proc(9, "b", rank=0.5, alert=1.0, per_hour=7.0)  # of a detector that knows better than its score
    frame = build([*procs, odd])
    (record,) = reread(tmp_path, [frame])
    assert record.seen is not None
    back = record.seen.scores.per_hour
    assert often(float(back[3])) == often(float(frame.scores.per_hour[3]))
    assert np.allclose(back[:3], frame.scores.per_hour[:3], rtol=0.1)
    assert np.isnan(back[4])
