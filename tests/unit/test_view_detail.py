"""What the detail of a process says and draws, without a screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scenes
import stories
from frames import REDIS, Proc, build
from proctop.course import join, moment
from proctop.fields import FEATURE, FEATURES
from proctop.frames import Course, Frame, Reason
from proctop.inspection import Delays, Detail, Environment, Holdings, OpenFile, Socket
from proctop.records import CgroupCounters, Gap, ProcKey
from proctop.view import about, chart, courses, detail, holdings
from proctop.view.about import Closer
from proctop.view.cells import ASCII, UNICODE, Cell
from proctop.view.chart import Scale, Span
from proctop.view.portrait import Portrait, usual
from proctop.view.prose import sentence
from proctop.view.threads import MOST, Threads

NAN = float("nan")
STORY = stories.story()
LAST = STORY[-1]


def row_of(frame: Frame, key: ProcKey) -> int:
    return int(np.flatnonzero((frame.reading.pid == key.pid) & (frame.reading.start == key.start))[0])


def course_of(frames: list[Frame], key: ProcKey) -> Course:
    course = moment(frames[0], key, kin=True)
    for frame in frames[1:]:
        course = join(course, moment(frame, key, kin=True), 0.0)
    return course


def portrait(key: ProcKey, frames: list[Frame] = STORY, **more: object) -> Portrait:
    return Portrait(frames[-1], row_of(frames[-1], key), course_of(frames, key), **more)  # type: ignore[arg-type]


def drawn(p: Portrait, columns: int = 118, rows: int = 37) -> list[str]:
    return said(detail.text(p, columns, rows, UNICODE))


def said(lines: list[list[Cell]]) -> list[str]:
    return ["".join(cell.text for cell in cells) for cells in lines]


def labels(lines: list[str]) -> list[str]:
    """What stands before the charts and paragraphs, in order; ranges of scales left out."""
    return [line[1:16].strip() for line in lines if line[1:2] not in ("", " ")]


def test_reasons_are_sentences_and_the_alert_is_told() -> None:
    lines = drawn(portrait(stories.WORKER))
    assert "11.2!" in lines[0] and "once in 2.5 h" in lines[0]
    assert lines[1].split("why")[1].strip() == "Writes 38 MB/s; usually 0–1.1 MB/s (its own history)"
    assert lines[2].strip() == "Fds +120/s; usually 0–1/s (its own history)"
    assert lines[3].split("alert")[1].strip().startswith("since ") and "worst 12.1" in lines[3]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            Reason("idle_s", 40, (0, 3), "cohort", "no activity for 40 s, usual for nginx ≤ 3 s"),
            "No activity for 40 s; usually ≤ 3 s (others of its name)",
        ),
        (
            Reason("cpu", 0, (0.4, 0.6), "host", "cpu low: 0 %, usual on this host 40–60 %"),
            "Cpu low: 0 %; usually 40–60 % (all others here)",
        ),
        (Reason("new_executable", 1, (0, 0), "container", "first xmrig in web, started by nginx"), "First xmrig in web, started by nginx"),
        (Reason("no_such_feature", 1, (0, 0), "own", "odd, usual never"), "Odd"),
        (Reason("", NAN, (NAN, NAN), "own", ""), ""),
    ],
)
def test_every_reason_makes_a_sentence(reason: Reason, words: str) -> None:
    assert sentence(reason) == words


def test_what_speaks_is_on_top_then_what_is_farthest_outside_and_what_rests_is_one_line() -> None:
    lines = drawn(portrait(stories.WORKER))
    charts = labels(lines)
    assert charts[3:6] == ["score", "writes", "fds +"]
    assert charts.index("cpu") > charts.index("disk writes") and charts[charts.index("steady") - 1] == "reads"
    rest = next(line for line in lines if "at rest" in line)
    assert "and 5 that are at rest: page faults, major faults, disk reads, preempted, forks" in rest
    assert any(line.startswith(" steady") and "threads 9" in line and "resident 97 MB" in line for line in lines)
    assert any(line.startswith(" not known") and "heap +" in line for line in lines)


def test_a_gap_says_why_features_are_not_known() -> None:
    frame = replace(LAST, reading=replace(LAST.reading, gaps=(Gap("io", 3, "not permitted"),)))
    values = LAST.batch.values.copy()
    for name in ("rchar", "wchar", "syscalls", "disk_read", "disk_write"):
        values[FEATURE[name]] = NAN
    frame = replace(frame, batch=replace(frame.batch, values=values))
    lines = drawn(portrait(stories.NODE, [frame]))
    assert any("reads, writes, io calls, disk reads, disk writes: not permitted" in line for line in lines)


def test_the_band_leaves_out_when_it_was_unusual_and_a_reason_says_its_own() -> None:
    p = portrait(stories.WORKER)
    bands = usual(p)
    writes, cpu = FEATURE["wchar"], FEATURE["cpu"]
    assert (bands.low[writes], bands.high[writes]) == (0.0, 1.2e6)
    assert 0.04 <= bands.low[cpu] < bands.high[cpu] <= 0.12
    assert bands.against == {writes: "own", FEATURE["fd_growth"]: "own"}


def test_the_young_are_held_against_others_of_their_name() -> None:
    p = portrait(stories.YOUNG)
    assert p.young and p.kin
    bands = usual(p)
    rss = FEATURE["rss"]
    assert bands.low[rss] == bands.high[rss] == pytest.approx(3e7) and bands.against[rss] == "cohort"
    lines = drawn(p)
    assert any("of others named resize" in line for line in lines)
    assert sum("of others" in line for line in lines) == 3
    alone = replace(p, course=replace(p.course, kin=p.course.kin[:, :0]))
    assert not alone.kin and "cohort" not in {k: v for k, v in usual(alone).against.items() if k != FEATURE["cpu"]}.values()
    assert not portrait(stories.NODE).young


def test_a_process_with_one_reading_has_no_band_and_is_drawn() -> None:
    frame = build([Proc(7, "x", features={"cpu": 0.5})])
    lines = drawn(portrait(ProcKey(7, 1000), [frame]))
    assert any("usual not known yet" in line and line.startswith("") for line in lines)
    assert any("50 %" in line for line in lines)


def test_charts_grow_as_far_as_there_is_room() -> None:
    p = portrait(stories.WORKER)
    for columns, rows in ((58, 12), (78, 21), (118, 37), (198, 47)):
        lines = drawn(p, columns, rows)
        assert all(len(line) <= columns + 2 for line in lines), (columns, [line for line in lines if len(line) > columns + 2])
        if rows >= 37:
            assert len(lines) <= rows
    assert len(drawn(p, 118, 200)) > len(drawn(p, 118, 37)) >= len(drawn(p, 118, 10))


def test_a_gap_is_a_hole_in_every_chart() -> None:
    lines = drawn(portrait(stories.NODE), 118, 30)
    cpu = next(k for k, line in enumerate(lines) if line.startswith(" cpu"))
    bottom = next(line for line in lines[cpu:] if "▁" in line or "▂" in line or "█" in line)[17:]
    assert "   " in bottom.rstrip()[:70].strip()


def test_the_axis_says_when_and_marks_alerts() -> None:
    p = portrait(stories.WORKER, begins=(stories.FIRST + 136, 5.0))
    axis = next(line for line in drawn(p) if "ago" in line)
    assert axis.split()[:3] == ["2", "min", "ago"] and "now" in axis and axis.count("!") == 1
    assert 17 < axis.index("!") < 92 and "max of 1.6 s" in axis
    then = next(
        line for line in drawn(replace(p, now=False, zoom=10.0)) if ":" in line and "max of" not in line and "alert" not in line[:8]
    )
    assert then.split()[0].count(":") == 2
    assert "1 of 9 readings" in "".join(drawn(replace(p, course=replace(p.course, every=9))))


def test_what_is_below_its_usual_is_marked_so() -> None:
    frames = [
        build([Proc(7, "x", features={"cpu": 0.5 if k < 40 else 0.0}, rank=0.0)], tick=k, wall=1_700_003_600.0 + k) for k in range(41)
    ]
    lines = drawn(portrait(ProcKey(7, 1000), frames))
    assert any("▼" in line and "50 %" in "".join(lines) for line in lines)


# chart


def test_bars_shade_the_band_and_colour_what_is_beyond_it() -> None:
    heights = [0, 4, 12, 24]
    rows = chart.bars(heights, 3, ["spark"] * 4, UNICODE, usual=(2, 12))
    assert ["".join(cell.text for cell in row) for row in rows] == ["   █", " ░▄█", " ▄██"]
    assert [cell.style for cell in rows[0] if cell.text.strip()] == ["high"]
    assert [(cell.text, cell.style) for cell in rows[1]] == [(" ", "text"), ("░", "faint"), ("▄", "spark"), ("█", "high")]
    one = chart.bars([1, 5, 8], 1, ["spark"] * 3, ASCII, usual=(1, 5))
    assert [(cell.text, cell.style) for cell in one[0]] == [(".=", "spark"), ("@", "high")] or [cell.style for cell in one[0]] == [
        "spark",
        "high",
    ]


def test_steps_are_bounded_whatever_comes() -> None:
    values = np.array([NAN, -1.0, 0.0, 1e-300, 0.5, 1.0, 1e308, float("inf"), float("-inf")])
    for scale in (Scale(0, 1), Scale(0, 0), Scale(1, -1), Scale(0, float("inf")), Scale(float("-inf"), 1), Scale(NAN, NAN)):
        for rows in (1, 2, 5):
            got = chart.steps(values, scale, rows)
            assert all(0 <= height <= 8 * rows for height in got) and got[0] == 0
    assert chart.steps(values[1:6], Scale(0, 1), 1) == [1, 1, 1, 4, 8]


def test_cells_hold_the_highest_and_are_empty_where_nothing_is_covered() -> None:
    course = moment(LAST, stories.NODE)
    wall = np.array([1.0, 2.0, 3.0, 8.0, 9.0])
    course = replace(course, wall=wall, covers=np.ones(5))
    values = np.array([[5.0, 1.0, 7.0, 2.0, NAN]], dtype=np.float32)
    fine = chart.pooled(course, values, Span(0.0, 10.0, 20))[0]
    assert (
        fine[:6].tolist() == [5, 5, 1, 1, 7, 7]
        and np.isnan(fine[6:14]).all()
        and fine[14:16].tolist() == [2, 2]
        and np.isnan(fine[16:]).all()
    )
    assert chart.pooled(course, values, Span(0.0, 10.0, 2))[0].tolist() == [7.0, 2.0]
    assert chart.pooled(course, values, Span(0.0, 10.0, 1))[0].tolist() == [7.0]
    assert np.isnan(chart.pooled(course, values, Span(20.0, 30.0, 3))).all() and chart.pooled(course, values, Span(0.0, 10.0, 0)).shape == (
        1,
        0,
    )
    assert np.isnan(chart.pooled(course, values, Span(5.0, 5.0, 3))).all()


def test_a_band_is_that_of_the_known_values() -> None:
    values = np.full((3, 101), NAN, dtype=np.float32)
    values[0] = np.random.default_rng(1).permutation(101)
    values[1, :7] = 3.0
    values[2, :8] = 3.0
    low, high = chart.band(values)
    assert (low[0], high[0]) == (5.0, 95.0) and np.isnan(low[1]) and (low[2], high[2]) == (3.0, 3.0)
    assert np.isnan(chart.band(values[:, :0])[0]).all()


# the other tabs


def test_a_cgroup_tells_limits_throttling_and_pressure() -> None:
    row = row_of(LAST, stories.REDIS)
    then = STORY[-2].reading.cgroups[stories.SLICE]
    text = "\n".join(said(about.text(LAST, row, 118, Closer("looking …"), (1.0, then))))
    assert "49.0 % of 50.0 % allowed" in text
    assert "in 30.0 % of periods, 0.1s a second; 2447 of 101490 periods since it began" in text
    assert "467 MB of 496 MB allowed (94.2 %)" in text and "the kernel killed 1 in it" in text and "written 64 KB/s" in text
    assert "some 31.0 %   all 7.8 %" in text and "tasks" in text
    assert "docker.io/library/redis:7.2" in text and "looking …" in text and "systemd 1" in text
    first = "\n".join(said(about.text(LAST, row, 118, Closer("x"), None)))
    assert "– of 50.0 % allowed" in first and "–; 2447 of 101490" in first
    back = "\n".join(said(about.text(LAST, row, 118, Closer("x"), (1.0, CgroupCounters(cpu_ns=9e15, periods=9e9, throttled=9e9)))))
    assert "-" not in back.split("throttled")[1].split("\n")[0]


def test_a_process_that_waits_in_the_kernel_says_where() -> None:
    row = next(i for i, label in enumerate(LAST.batch.labels) if label.comm == "vim")
    counters = LAST.reading.counters.copy()
    counters[1, row] = ord("D")
    frame = replace(LAST, reading=replace(LAST.reading, counters=counters))
    assert any(
        "D  waiting in the kernel, not to be interrupted, in folio_wait_bit" in line
        for line in said(about.text(frame, row, 118, Closer(), None))
    )


def looked(mono: float, ran: float, cpu: float, note: str = "") -> Detail:
    waited = (("ran", ran), ("cpu", cpu), ("swap", NAN))
    return Detail(None, "/x", "/jail", (), (0, 1, 5), mono, Delays(waited, note))


def test_delays_are_told_since_the_start_and_since_the_look_before() -> None:
    row = row_of(LAST, stories.NODE)
    text = "\n".join(
        said(about.text(LAST, row, 118, Closer(detail=looked(110.0, 50.0, 9.0, "off: …"), before=looked(100.0, 45.0, 4.0)), None))
    )
    assert "50s since it began   50.0 % of the last 10s" in text and "9s since it began   50.0 % of the last 10s" in text
    assert (
        "swap: off: …" in text
        and "not permitted: that takes its user or root" in text
        and "/x   root /jail" in text
        and "on cpus 0-1,5" in text
    )
    assert (
        "of the last" not in "\n".join(said(about.text(LAST, row, 118, Closer(detail=looked(110.0, 50.0, 9.0)), None))).split("Waited")[1]
    )


def test_sockets_with_trouble_and_large_files_come_first_and_all_are_bounded() -> None:
    told = scenes.Recorded().holdings(stories.REDIS)
    lines = said(holdings.text(told, 118, UNICODE))
    where = [next(k for k, line in enumerate(lines) if word in line) for word in ("51422", "LISTEN", "@/run/x", "spill.0001", "appendonly")]
    assert where == sorted(where)
    assert any("17" in line and "4.2ms" in line and "64.0K" in line for line in lines) and any("0/511" in line for line in lines)
    assert any("deleted, still open: /tmp/spill.0001" in line for line in lines)
    one = told.sockets[1]
    many = holdings.text(replace(told, sockets=(one,) * 5000, files=(told.files[0],) * 5000), 118, UNICODE)
    assert len(many) < 2100 and any("4,000 more" in "".join(cell.text for cell in line) for line in many)
    assert said(holdings.text(Holdings((), (), (), ()), 60, UNICODE))


def test_hostile_words_in_an_environment_are_drawn_within_their_columns() -> None:
    values = (("A" * 300, "b" * 5000), ("C", ""), ("D", "x y " * 900))
    lines = said(holdings.environment(Environment(values, frozenset()), 78))
    assert all(len(line) <= 78 + 300 for line in lines) and len(lines) > 100
    assert "it has none" in said(holdings.environment(Environment((), frozenset()), 78))[0]
    assert (
        said(holdings.environment(Environment((("A", "1"),), frozenset()), 78))[0].strip() == "1 variable, as the process began with them"
    )


def test_the_noisy_threads_come_first() -> None:
    threads = Threads(stories.REDIS.pid)
    threads.learn(STORY[-2].reading)
    first = said(threads.text(118, UNICODE))
    assert "4 threads" in first[0] and "ran" not in first[0]
    threads.learn(LAST.reading)
    threads.learn(LAST.reading)  # once more is no other reading
    lines = said(threads.text(118, UNICODE))
    assert [line.split()[-1] for line in lines[2:]] == ["io_thd_1", "redis-server", "jemalloc_bg_thd", "bio_close_file"]
    assert "3 ran since" in lines[0] and "62.0" in lines[2] and "35.0" in lines[2] and "R" in lines[2]
    threads.learn(replace(LAST.reading, threads=None, mono=1e9))
    assert threads.text(118, UNICODE) == []


def test_a_thread_that_took_the_number_of_another_has_no_rate_and_many_are_bounded() -> None:
    def reading(mono: float, count: int, start: int) -> Frame:
        from frames import thread_table

        table = thread_table([(k + 1, 2200, f"t{k}") for k in range(count)])
        counters = table.counters.copy()
        counters[24] = mono * 1e8  # run_ns
        table = replace(table, counters=counters, start=table.start + start)
        return replace(LAST, reading=replace(LAST.reading, threads=table, mono=mono))

    threads = Threads(2200)
    threads.learn(reading(1.0, 10_000, 0).reading)
    threads.learn(reading(2.0, 10_000, 0).reading)
    assert np.allclose(threads.rates["run_ns"], 1e8)
    lines = threads.text(118, UNICODE)
    assert len(lines) == MOST + 3 and "9,500 quieter ones" in lines[-1][0].text
    threads.learn(reading(3.0, 10_000, 1).reading)
    assert np.isnan(threads.rates["run_ns"]).all()


def test_hostile_names_stay_within_cells() -> None:
    why = (Reason("cpu", 1e308, (0.0, 1e308), "own", "cpu \x1b[2J, usual x"),)
    frame = build(
        [Proc(7, "\x1b[2J[/x]", command="y" * 65_536, cgroup="z" * 4000, container=REDIS, why=why, rank=5.0, features={"cpu": 1e30})]
    )
    p = portrait(ProcKey(7, 1000), [frame])
    for glyphs in (UNICODE, ASCII):
        assert detail.text(p, 58, 20, glyphs)
    assert len(about.text(frame, 0, 58, Closer(), None)) > 1000


def test_every_feature_has_a_name_of_its_own() -> None:
    names = [courses._name(feature) for feature in FEATURES]
    assert len(set(names)) == len(names) and all(names) and max(map(len, names)) <= 15


def test_files_are_told_as_they_are() -> None:
    file = OpenFile(7, "/x", "r", None, None, False)
    socket = Socket((), "udp", "UNCONN", "", "", None, None, None, None, None, None, None, None)
    assert any("/x" in line for line in said(holdings.text(Holdings((file,), (), (socket,), ("a note",)), 60, ASCII)))
