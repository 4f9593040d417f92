"""The host's scores hold with any numbers, and events with any text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import alarms
from proctop.frames import AlertEvent, Reason, Vital, Vitals
from proctop.hostwatch import HostWatch
from proctop.records import Container, ProcKey
from proctop.view.cells import ASCII, UNICODE, width
from proctop.view.events import Event, Listing, news, row, sentences

NAMES = (
    Vital("vmstat", "", "cs"),
    Vital("vmstat", "", "avm"),
    Vital("vmstat", "", "idle"),
    Vital("iostat", "sda", "avg_wait_time"),
    Vital("netstat", "eth0", "ipkts_rate"),
    Vital("netstat", "eth0", "ipkts"),
    Vital("psi", "", "io_some"),
)
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1e6)
readings = st.lists(st.lists(numbers, min_size=len(NAMES), max_size=len(NAMES)), min_size=1, max_size=12)
texts = st.text(max_size=40)


@settings(max_examples=60)
@given(readings, st.lists(st.sampled_from([1.0, 0.1, 30.0, float("nan")]), min_size=12, max_size=12))
def test_scores_are_numbers_whatever_the_host_says(rows: list[list[float]], steps: list[float]) -> None:
    watch = HostWatch()
    for k in range(80):
        watch.go_on(Vitals(NAMES, np.array([100.0 + k % 7] * len(NAMES))), 1e9, 1.0)
    for values, dt in zip(rows, steps, strict=False):
        scores = watch.go_on(Vitals(NAMES, np.array(values)), 1e9, dt)
        known = scores.rank[scores.rank == scores.rank]
        assert (known >= 0).all() and (known < 50).all()
        assert not scores.alerting[np.isnan(np.array(values))].any() or dt == dt
        assert not (scores.low > scores.high).any()
        assert np.isnan(scores.rank[np.isnan(np.array(values))]).all()


@settings(max_examples=40)
@given(st.permutations(range(len(NAMES))), st.lists(st.floats(0, 1e5), min_size=len(NAMES), max_size=len(NAMES)))
def test_the_order_of_quantities_does_not_matter(order: list[int], values: list[float]) -> None:
    one, two = HostWatch(), HostWatch()
    mixed = tuple(NAMES[i] for i in order)
    for k in range(70):
        now = np.array(values) * (1 + 0.1 * (k % 5)) if k < 68 else np.array(values) * 40
        first = one.go_on(Vitals(NAMES, now), 1e9, 1.0)
        second = two.go_on(Vitals(mixed, now[list(order)]), 1e9, 1.0)
    assert np.array_equal(first.rank[list(order)], second.rank, equal_nan=True)
    assert np.array_equal(first.alerting[list(order)], second.alerting)


@settings(max_examples=100)
@given(texts, texts, texts, st.integers(10, 220), st.booleans(), st.floats(allow_nan=True, allow_infinity=True))
def test_any_text_in_an_event_is_drawn_to_its_width(comm: str, box: str, why: str, total: int, ascii: bool, number: float) -> None:
    glyphs = ASCII if ascii else UNICODE
    reasons = (Reason("cpu", 1.0, (0.0, 1.0), "own", why),)
    whole = AlertEvent(ProcKey(7, 7), comm, Container("c" * 64, name=box), 0.0, 1.0, 2.0, number, number, reasons, open=True)
    for event in (Event.of(whole), replace(Event.of(whole), whole=None, state="", end=float("nan"), start=abs(number))):
        line = row(event, 1e9, total, glyphs, chosen=False)
        assert sum(width(cell.text) for cell in line.cells) == total
        assert sentences(event, 1e9)
        assert Listing(words=("x",)).of([event]) in ([], [event])
    assert news(whole) and alarms.host(0.0, 1.0, open=True).key == ProcKey(0, 0)
