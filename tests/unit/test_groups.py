"""Groups as they are arranged and drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import boxes
from frames import Proc, build, crowd
from proctop.frames import Departed, Frame
from proctop.records import CgroupCounters, Container, Label
from proctop.view import group_lines, groups, table
from proctop.view.boxes import boxes as contained
from proctop.view.cells import UNICODE
from proctop.view.group_order import GroupArranger, narrowed
from proctop.view.groups import Grouping, Groups
from proctop.view.query import parse
from proctop.view.rows import ViewState
from proctop.view.sightings import Sightings

ALL = ViewState(kernel=True)


def arranged(frame: Frame, grouping: Grouping | None = None, state: ViewState = ALL, arranger: GroupArranger | None = None) -> Groups:
    sightings = Sightings()
    sightings.came(frame)
    return (arranger or GroupArranger()).arrange(frame, state, grouping or Grouping(), sightings.now, sightings.restarts)


def named(shown: Groups) -> list[str]:
    return [shown.at(place)[0] for place in range(len(shown))]


def ended(label: Label, schema: tuple[str, ...]) -> Departed:
    """Forty processes of a label that ended just now and took half a cpu."""
    one = np.ones(1, dtype=np.int64)
    did = np.full((len(schema), 1), np.nan, dtype=np.float32)
    did[schema.index("cpu")] = 0.5
    unscored = np.full(1, np.nan, dtype=np.float32)
    return Departed(one * 77, one, one, [label], one * 40, one > 0, np.zeros(1), np.zeros(1), did, unscored)


def test_nearly_equal_groups_keep_their_places() -> None:
    arranger = GroupArranger()

    def frame(tick: int, *ranks: float) -> Frame:
        return build([Proc(k + 1, f"p{k}", rank=rank) for k, rank in enumerate(ranks)], tick=tick)

    assert named(arranged(frame(0, 3.0, 5.0, 3.2), arranger=arranger)) == ["p1", "p0", "p2"]
    assert named(arranged(frame(1, 3.25, 5.0, 3.1), arranger=arranger)) == ["p1", "p0", "p2"]
    assert named(arranged(frame(2, 3.0, 5.0, 9.0), arranger=arranger)) == ["p2", "p1", "p0"]
    arranger = GroupArranger()
    for tick, rank in enumerate((3.0, 3.05, 3.1)):  # a step that would leave the band of the other, were it not so small
        assert named(arranged(frame(tick, 2.72, rank), arranger=arranger)) == ["p0", "p1"]


def test_a_group_that_comes_or_goes_leaves_the_others() -> None:
    arranger = GroupArranger()
    three = [Proc(k + 1, name, rank=2.0) for k, name in enumerate("abc")]
    assert named(arranged(build(three), arranger=arranger)) == ["a", "b", "c"]
    assert named(arranged(build([Proc(9, "new", rank=2.0), *three[::-1]], tick=1), arranger=arranger)) == ["a", "b", "c", "new"]
    assert named(arranged(build(three[1:], tick=2), arranger=arranger)) == ["b", "c"]


def test_only_those_that_match_count() -> None:
    frame = boxes.frame()
    shown = arranged(frame, state=replace(ALL, query=parse("cpu>5")))
    assert len(shown.frame.reading) == 5 and set(named(shown)) == {"worker.py", "report", "node"}
    top = int(shown.rollup.top[shown.rollup.keys.index("node")])
    assert int(shown.frame.reading.pid[top]) == 2311 and table.why_text(shown.frame, top).startswith("page faults")


def test_a_narrowed_frame_is_the_frame_of_its_rows() -> None:
    frame = boxes.frame()
    rows = np.array([4, 6, 9])
    some = narrowed(frame, rows, [frame.batch.labels[i] for i in rows])
    for k, row in enumerate(rows.tolist()):
        assert some.reading.key(k) == frame.reading.key(row) and some.batch.row(k) == frame.batch.row(row)
        assert some.scores.why.get(k) == frame.scores.why.get(row)
        np.testing.assert_array_equal(some.history.of(k, 12), frame.history.of(row, 12))


def test_nobody_at_all() -> None:
    shown = arranged(boxes.frame(), state=replace(ALL, query=parse("cpu>5000")))
    assert len(shown) == 0 and shown.next_place("a", 0, 1) is None
    assert group_lines.selected(shown, Grouping(), None, past=False)[0] == []
    assert "no process matches" in group_lines.nobody(shown, Grouping())


def test_numbers_are_sums_and_missing_ones_stay_missing() -> None:
    shown = arranged(boxes.frame())
    at = {key: k for k, key in enumerate(shown.rollup.keys)}
    assert groups.numbers(shown, "n")[at["report"]] == 3
    assert round(float(groups.numbers(shown, "cpu")[at["report"]]), 1) == 19.8
    assert groups.numbers(shown, "rss")[at["postgres"]] == 123 * boxes.MIB
    assert np.isnan(groups.numbers(shown, "disk_read")[at["secret"]])
    assert np.isnan(groups.numbers(shown, "time")).all()


def test_every_way_to_sort_has_a_number_or_words() -> None:
    for grouping in (Grouping(), Grouping(limits=True)):
        for name, says in group_lines.sorts(grouping):
            for reverse in (False, True):
                shown = arranged(
                    boxes.frame(), replace(grouping, sort=name, reverse=reverse, expanded=frozenset({("container", boxes.JOB.id)}))
                )
                assert says and len(shown) == len(shown.rollup) + 3 * grouping.limits


def test_a_container_is_looked_up_at_the_cgroup_with_its_limits() -> None:
    box = Container("a" * 64, "podman", name="sys")
    top = f"/machine.slice/libpod-{box.id}.scope"
    inside = [Proc(1, "init", cgroup=f"{top}/init.scope", container=box), Proc(2, "cron", cgroup=f"{top}/system.slice/cron", container=box)]
    parts = {p.cgroup: CgroupCounters(memory=10.0, memory_limit=50.0, pids=1) for p in inside}
    for told, memory, limit in ((parts, 20.0, None), ({**parts, top: CgroupCounters(memory=33.0, memory_limit=99.0)}, 33.0, 99.0)):
        frame = build(inside, cgroups=told)
        shown = arranged(frame, Grouping(limits=True))
        assert shown.boxes is not None
        rates = shown.boxes.rates[0]
        assert rates.memory == memory and (rates.memory_limit == limit if limit else rates.memory_limit != rates.memory_limit)


def test_home_is_where_the_id_ends() -> None:
    assert Container("a1").home("/x/docker-a1.scope") == "/x/docker-a1.scope"
    assert Container("a1").home("/x/a1/b") == "/x/a1"
    assert Container("zz").home("/x/a1/b") is None
    assert Container("").home("/x") is None


def test_what_a_cgroup_does_not_tell_its_processes_do() -> None:
    sightings = Sightings()
    bare = replace(boxes.frame(), reading=replace(boxes.frame().reading, cgroups={}))
    shown = GroupArranger().arrange(bare, ALL, Grouping(limits=True), sightings.now, sightings.restarts)
    job = shown.rollup.keys.index(boxes.JOB.id)
    assert round(float(groups.numbers(shown, "cpu")[job]), 1) == 19.8
    assert groups.numbers(shown, "rss")[job] == 81 * boxes.MIB
    assert np.isnan(groups.numbers(shown, "memory_limit")[job]) and np.isnan(groups.numbers(shown, "throttled")[job])
    assert contained(bare, shown.rollup, sightings.now, sightings.restarts).rates[job].memory != 0


def test_the_first_frame_after_a_jump_has_rates_by_the_reading_before_it() -> None:
    sightings = Sightings()
    now = boxes.frame(20)
    sightings.went(replace(now, before=boxes.frame(19).reading))
    rates = sightings.past.rates(boxes.path(boxes.JOB))
    assert rates is not None and rates.throttled == 0.9
    assert sightings.now.rates(boxes.path(boxes.JOB)) is None


def test_a_path_shows_its_end() -> None:
    long = "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + "e" * 30 + "/the-end"
    shown = arranged(build([Proc(1, "a", cgroup=long)]), Grouping(by="cgroup"))
    slots = table.layout(80, group_lines.columns(Grouping(by="cgroup")))
    text = "".join(cell.text for cell in group_lines.body(shown, slots, 0, 1, glyphs=UNICODE, names="short")[0])
    assert "…" in text and "the-end" in text


def test_a_crowd_in_thousands_of_groups_is_whole() -> None:
    frame = crowd(3000)
    shown = arranged(frame, Grouping(sort="cpu", expanded=frozenset({("command", "app-1"), ("command", "app-2")})))
    assert sorted(shown.order[shown.order >= 0].tolist()) == list(range(len(shown.rollup)))
    cpu = groups.numbers(shown, "cpu")[shown.order[shown.order >= 0]]
    assert (np.diff(np.round(cpu, 1)) <= 0).all()


def test_a_group_is_called_as_it_was_at_the_moment_shown_whatever_was_shown_before() -> None:
    box = Container("a" * 64, "docker")
    frames = [build([Proc(1, "a", container=replace(box, name=name))], tick=tick) for tick, name in enumerate(("", "web"))]
    for k in (0, 1, 0, 1):
        assert arranged(frames[k], Grouping(by="container")).rollup.names == (("a" * 12, "web")[k],)


def test_a_group_whose_processes_have_all_ended_is_still_told_of() -> None:
    frame = build([Proc(1, "init", features={"cpu": 0.1})])
    gone = ended(replace(frame.batch.labels[0], comm="cc1"), frame.batch.schema)
    for grouping in (Grouping(sort="cpu"), Grouping(sort="cpu", expanded=frozenset({("command", "cc1")}))):
        shown = arranged(replace(frame, departed=gone), grouping)
        assert named(shown) == ["cc1", "init"]
        slots = table.layout(100, group_lines.columns(Grouping()))
        text = "".join(cell.text for cell in group_lines.body(shown, slots, 0, 1, glyphs=UNICODE, names="short")[0])
        assert text.split()[2:5] == ["0", "50.0", "–"]
        assert group_lines.selected(shown, Grouping(), 0, past=False)[0][1].text == " 0 processes"


def test_a_container_that_ended_just_now_is_told_of_once() -> None:
    sightings = Sightings()
    before = boxes.frame(20)
    sightings.came(before)
    calm = boxes.build([p for p in boxes.people() if p.container != boxes.JOB], tick=21, wall=before.reading.wall + 1)
    gone = replace(ended(before.batch.labels[-1], before.batch.schema), pid=before.reading.pid[-1:], start=before.reading.start[-1:])
    for frame, groups_of_it, below in ((replace(calm, departed=gone), 1, 0), (replace(calm, tick=22), 0, 1)):
        sightings.came(frame)
        shown = GroupArranger().arrange(frame, ALL, Grouping(limits=True), sightings.now, sightings.restarts)
        assert shown.boxes is not None
        assert (named(shown).count(boxes.JOB.id), len(shown.boxes.ended)) == (groups_of_it, below)
        assert [box.title for box in shown.boxes.containers if box == boxes.JOB] == ["report-job"] * groups_of_it
