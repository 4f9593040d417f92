"""What is made of a recording, whatever numbers and words stand in it."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from frames import Proc, build, host
from proctop.export import lines
from proctop.export.events import ResourceEvents
from proctop.export.report.origin import Origin
from proctop.export.report.page import Report
from proctop.fields import SCHEMA
from proctop.frames import AlertEvent, Frame, Reason
from proctop.records import Container, Gap, ProcKey
from proctop.sources.events import COLUMNS
from proctop.view.rows import Arranger, ViewState

ANY = st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0, 1e30, -1e30, float("nan"), float("inf"), float("-inf")]))
WALL = st.one_of(st.floats(0, 2.5e11), st.floats(1.7e9, 1.7e9 + 100))
TEXT = st.one_of(st.text(max_size=12), st.sampled_from(['"><script>', "&amp;", "</title>", "\u202ex", "=1+1", "a,b\n", "'", "-->"]))

REASON = st.builds(
    Reason, st.one_of(st.sampled_from(SCHEMA), TEXT), ANY, st.tuples(ANY, ANY), st.sampled_from(["own", "cohort", "host", "?"]), TEXT
)
BOX = st.one_of(st.none(), st.builds(Container, TEXT, TEXT, TEXT, TEXT, TEXT))


@st.composite
def sessions(draw: st.DrawFn) -> list[Frame]:
    out: list[Frame] = []
    box = draw(BOX)
    for tick in range(draw(st.integers(1, 5))):
        procs = [
            Proc(
                pid, draw(TEXT), command=draw(TEXT), user=draw(TEXT), cgroup=draw(TEXT), container=box,
                start=draw(st.integers(0, 2)), rank=draw(ANY),
                alert=draw(ANY), per_hour=draw(ANY), features={name: draw(ANY) for name in ("cpu", "rss", "disk_write", "wchar")},
                counters={name: draw(st.floats(0, 1e18)) for name in ("utime", "rchar", "wchar")}, born=draw(st.booleans()),
            )
            for pid in draw(st.lists(st.integers(1, 4), unique=True, max_size=3))
        ]  # fmt: skip
        numbers = {name: draw(ANY) for name in ("cpu", "memory_used", "swap_used", "disk_read", "disk_write")}
        made = build(
            procs,
            tick=tick,
            dt=draw(st.one_of(st.just(1.0), st.just(float("nan")))),
            wall=draw(WALL),
            late=draw(st.floats(0, 1e6)),
            host=host(**numbers),
        )
        prev = (
            np.array(draw(st.permutations(range(-1, len(procs) - 1))), dtype=np.int64)
            if out and len(out[-1].batch)
            else np.full(len(procs), -1)
        )
        batch = replace(made.batch, prev=np.minimum(prev, len(out[-1].batch) - 1 if out else -1))
        events = [
            AlertEvent(
                ProcKey(draw(st.integers(1, 4)), draw(st.integers(0, 2))), draw(TEXT), box, draw(WALL), draw(WALL), draw(WALL), draw(ANY),
                draw(ANY), tuple(draw(st.lists(REASON, max_size=3))), draw(st.booleans()), draw(st.booleans()),
            )
            for _ in range(draw(st.integers(0, 2)))
        ]  # fmt: skip
        reading = replace(
            made.reading,
            mono=draw(st.floats(0, 1e9)),
            interval=draw(st.floats(0, 1e4)),
            gaps=(Gap(draw(TEXT), 1, draw(TEXT)),),
            notes=(draw(TEXT),),
        )
        out.append(replace(made, batch=batch, reading=reading, alerts=tuple(events)))
    return out


class _Strict(HTMLParser):
    """Checks that elements nest, and that only our own attributes with sound numbers occur."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe", "object", "base", "form")
        for name, value in attrs:
            assert not name.startswith("on") and name != "style"
            if name in ("x", "y", "width", "height", "cx", "cy", "x1", "x2", "y1", "y2", "d"):
                assert not re.search("nan|inf", value or "")
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@settings(max_examples=40)
@given(sessions(), TEXT)
def test_any_session_makes_a_sound_page(session: list[Frame], name: str) -> None:
    report = Report()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frame in session:
            report.step(frame)
        page = report.page(Origin(name, 10, True, name, True, True), UTC)
    parser = _Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []


@settings(max_examples=40)
@given(sessions())
def test_any_session_makes_a_sound_table(session: list[Frame]) -> None:
    events, arranger, count = ResourceEvents(), Arranger(), 0
    text, table = events.header(), lines.csv_header()
    for frame in session:
        rows = arranger.arrange(frame, ViewState(kernel=True))
        count += len(rows)
        text += events.lines(frame, lambda each: np.ones(len(each.batch), np.bool_))
        table += lines.as_csv(frame, rows, guard=True)
        json.loads(lines.as_json(frame, rows), parse_constant=_never)
    for written, width, size in ((text, len(COLUMNS), events.rows), (table, len(lines.CSV_COLUMNS), count)):
        read = list(csv.reader(io.StringIO(written, newline=""), strict=True))
        assert {len(row) for row in read} == {width}
        assert len(read) == size + 1
        assert not [cell for row in read for cell in row if cell.lstrip()[:1] == "="]


def _never(name: str) -> Any:
    raise AssertionError(name)
