"""Whatever the host calls things and counts, groups fill their lines exactly and hold every process once."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from frames import Proc, build
from proctop.cgroups import cgroup_rates
from proctop.frames import Reason
from proctop.records import CgroupCounters, Container, Pressure
from proctop.rollup import BY
from proctop.view import box_lines, group_lines, table
from proctop.view.cells import ASCII, UNICODE, Glyphs, width
from proctop.view.group_order import GroupArranger
from proctop.view.groups import Grouping
from proctop.view.rows import ViewState
from proctop.view.sightings import Sightings

odd = st.sampled_from(["漢字", "e\u0301", "😀", "👍🏽", "🇩🇪", "\x1b[2J", "\x9b", "\u202e", "ก็", "\t", "\n", "[/x]", "/", "a/b/漢字/c"])
text = st.one_of(st.text(max_size=30), st.lists(st.one_of(odd, st.text(max_size=5)), max_size=8).map("".join))
number = st.one_of(st.floats(0, 1e18), st.just(math.nan), st.just(0.0))
some = st.builds(
    Proc,
    pid=st.integers(1, 9),
    comm=text,
    command=text,
    user=text,
    cgroup=text,
    container=st.one_of(
        st.none(), st.builds(Container, id=st.sampled_from(["a" * 64, "b" * 64]), runtime=text, pod=text, name=text, image=text)
    ),
    rank=st.one_of(st.floats(0, 60), st.just(math.nan)),
    why=st.one_of(st.just(()), st.builds(lambda said: (Reason("cpu", 1.0, (0.0, 1.0), "own", said),), text)),
    features=st.dictionaries(st.sampled_from(["cpu", "rss", "disk_read", "threads", "vctx", "nvctx"]), number, max_size=6),
)
pressures = st.dictionaries(
    st.sampled_from(["cpu", "memory", "io"]), st.builds(lambda total, full: Pressure(0, 0, 0, total, 0, 0, 0, full), number, number)
)
COUNTED = ("cpu_ns", "periods", "throttled", "throttled_ns", "memory", "oom_kills", "read_bytes", "write_bytes", "pids")
counted = st.builds(CgroupCounters, cpu_limit=number, memory_limit=number, pressure=pressures, **dict.fromkeys(COUNTED, number))
drawn = st.sampled_from([UNICODE, ASCII])
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@given(st.lists(some, max_size=8), st.sampled_from(BY), st.booleans(), st.integers(20, 260), drawn, text, counted)
def test_every_line_is_exact(
    procs: list[Proc], by: str, limits: bool, total: int, glyphs: Glyphs, found: str, counters: CgroupCounters
) -> None:
    frame = build(procs, cgroups={p.cgroup: counters for p in procs})
    sightings = Sightings()
    sightings.came(frame)
    grouping = Grouping(by=by, limits=limits)
    arranger = GroupArranger()
    for _ in range(2):
        shown = arranger.arrange(frame, ViewState(kernel=True), grouping, sightings.now, sightings.restarts)
        slots = table.layout(total, group_lines.columns(grouping), sort=grouping.sort)
        wide = sum(slot.width + 1 for slot in slots)
        rows = group_lines.body(shown, slots, 0, 50, glyphs=glyphs, names="short", found=found)
        assert len(rows) == min(50, len(shown))
        for row in rows:
            assert sum(width(cell.text) for cell in row) == wide
            assert not any(CONTROL.search(cell.text) or (glyphs.ascii and not cell.text.isascii()) for cell in row)
        line, _ = group_lines.ways(grouping, shown, total, glyphs)
        lines = [line, *(about for g in range(len(shown.rollup)) for about in box_lines.about(shown, g, total, glyphs))]
        assert all(sum(width(cell.text) for cell in line.cells) == total for line in lines)
        grouping = Grouping(by=by, limits=limits, expanded=frozenset((grouping.shared, key) for key in shown.rollup.keys))
    members = (~shown.order[shown.order < 0]).tolist()
    assert sorted(members) == [i for i, g in enumerate(shown.rollup.member.tolist()) if g >= 0]


@given(counted, counted, st.floats(0.1, 100))
def test_rates_are_never_negative_and_shares_no_more_than_one(before: CgroupCounters, after: CgroupCounters, dt: float) -> None:
    rates = cgroup_rates(before, after, dt)
    for value in (rates.cpu, rates.throttled_time, rates.read, rates.write):
        assert not value < 0
    for value in (rates.throttled, *(share for pair in rates.pressure.values() for share in pair)):
        assert not value < 0 and not value > 1
