"""``proctop report``: what the page holds, and what it does not let through."""

from __future__ import annotations

import base64
import doctest
import hashlib
import importlib
import re
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from frames import GIB, NAN, REDIS, Proc, build, host
from proctop import cli
from proctop.export.report import episodes, timeline, usage
from proctop.export.report.origin import Origin
from proctop.export.report.page import Report
from proctop.frames import AlertEvent, Frame, Reason
from proctop.records import Container, Gap, ProcKey
from proctop.stream.writer import Writer

ORIGIN = Origin("a.proctop", 4096, True, "", True, True)
WALL = 1_700_010_000.0
WHY = Reason("wchar", 38 * 2.0**20, (0.0, 1.2 * 2**20), "own", "writes 38 MB/s, usual 0–1.2 MB/s")
HOSTILE = "\"><script>alert('x')</script>&amp;\u202ecod.exe\x1b[2J<img src=//evil/x onerror=y>"


def alert(pid: int = 7, *, start: float = WALL, end: float = WALL + 5, score: float = 6.5, why: Sequence[Reason] = (WHY,)) -> AlertEvent:
    return AlertEvent(ProcKey(pid, 1000), "app", None, start, start, end, score, 0.5, tuple(why), open=False)


def frame(seq: int, procs: Sequence[Proc], *, alerts: Sequence[AlertEvent] = (), at: float | None = None, cpu: float = 0.25) -> Frame:
    """One a second, or at ``at`` seconds after the first."""
    passed = float(seq) if at is None else at
    made = build(procs, tick=seq, wall=WALL + passed, host=host(cpu=cpu))
    batch = replace(made.batch, prev=np.arange(len(procs)) if seq else np.full(len(procs), -1))
    return replace(made, alerts=tuple(alerts), batch=batch, reading=replace(made.reading, mono=100.0 + passed))


def page_of(*frames: Frame, origin: Origin = ORIGIN) -> str:
    report = Report()
    for one in frames:
        report.step(one)
    return report.page(origin, UTC)


class _Tags(HTMLParser):
    """Every element with its attributes, and all text; what must be closed is."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


def hostile_page() -> str:
    box = Container("c0ffee" * 11, "docker", name=HOSTILE, image=HOSTILE, pod=HOSTILE)
    why = (WHY, Reason(HOSTILE, NAN, (NAN, NAN), HOSTILE, HOSTILE), Reason("rss", NAN, (NAN, np.inf), "own", HOSTILE))
    event = replace(alert(why=why), comm=HOSTILE, container=box)
    proc = Proc(
        7,
        HOSTILE,
        command=HOSTILE,
        user=HOSTILE,
        container=box,
        rank=9.0,
        features={"cpu": 0.5, "rss": 1e9, "disk_write": 5.0, "wchar": 4e7},
    )
    made = [frame(i, [proc], alerts=[event] if i > 2 else []) for i in range(8)]
    for i, one in enumerate(made):
        info = replace(one.reading.info, hostname=HOSTILE, kernel=HOSTILE, boot_id=HOSTILE if i > 5 else "")
        made[i] = replace(one, reading=replace(one.reading, gaps=(Gap(HOSTILE, 1, HOSTILE),), notes=(HOSTILE,), source=HOSTILE, info=info))
    return page_of(*made, origin=Origin(HOSTILE, 1, True, HOSTILE, False, True))


def test_nothing_from_a_recording_is_markup() -> None:
    page = hostile_page()
    assert page.count("alert(&#x27;x&#x27;)") >= 15
    assert not re.search(r"\bnan\b", page[page.index("</style>") :].lower())
    assert not set("\u202e\x1b") & set(page)
    tags = parsed(page)
    assert {tag for tag, _ in tags.found} <= set(
        re.findall(
            r"\w+",
            "html head meta title style body h1 h2 h3 p a dl div dt dd svg text tspan line rect circle path article header span b ul li "
            "code figure figcaption table tr th td bdi footer",
        )
    )
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset", "action", "formaction")], tag
        assert (attributes.get("href") or "#").startswith("#")


def test_the_page_needs_nothing_and_allows_nothing() -> None:
    page = hostile_page()
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    assert "url(" not in style and "@import" not in style and "@font-face" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in parsed(page).found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert not re.search(r"https?:|//evil/x onerror=y>", page)


def test_an_anomaly_is_told_with_its_reasons_and_their_course() -> None:
    features = [0.0] * 20 + [38 * 2.0**20] * 6 + [0.0] * 4
    made = []
    for i, value in enumerate(features):
        event = replace(alert(start=WALL + 20, end=WALL + min(i, 25)), peak=WALL + 22, container=REDIS, open=i < 26)
        proc = Proc(7, "app", command="app --serve", user="alice", rank=5.0, container=REDIS, features={"wchar": value})
        made.append(frame(i, [proc], alerts=[event] if i >= 20 else []))
    page = page_of(*made)
    text = " ".join("".join(parsed(page).text).split())
    for said in (
        "1 anomaly. The highest was app (pid 7) in cache at 01:00:20. It wrote 38 MB/s; usual for it is 0–1.2 MB/s.",
        "01:00:20 for 5 s · worst at 01:00:22 · by chance once in 2 h",
        "user alice · in container cache of image docker.io/library/redis:7.2",
        "app --serve",
        "15 November 2023, 01:00:00 – 01:00:29 (29 s)",
        "bytes written38 MB/s01:00:0001:00:29",
    ):
        assert said in text
    assert '<a href="#a1">' in page and 'id="a1"' in page
    (chart,) = re.findall(r'<path class="a" d="(M0 200l[^"]*)"', page[page.index("<figure>") :])
    assert "-189" in chart  # up to the top but for the room above it


def test_a_quiet_recording_says_so() -> None:
    page = page_of(*(frame(i, [Proc(7, "app", rank=0.5)]) for i in range(3)))
    assert "Nothing stood out: no process alerted." in page
    assert "Nothing: every quantity could be read of every process." in page


def test_a_recording_of_one_reading_or_none_that_is_known() -> None:
    blank = host(cpu=NAN, memory_used=NAN, memory_total=NAN, swap_used=NAN, disk_read=NAN, disk_write=NAN, pressure={}, parts={})
    first = build([], dt=NAN, host=blank)
    page = page_of(first)
    parsed(page)
    assert page.count("not recorded") == 5
    assert "nan" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL).lower()


def test_the_recording_itself_is_described() -> None:
    made = [frame(i, [Proc(7, "app", rank=0.5)], at=i + 60.0 * (i > 3)) for i in range(6)]
    made[2] = replace(made[2], reading=replace(made[2].reading, late=0.9, gaps=(Gap("io", 12, "not permitted"),)))
    made[5] = replace(made[5], reading=replace(made[5].reading, info=replace(made[5].reading.info, boot_id="next")))
    page = page_of(*made, origin=Origin("x", 600, True, "damaged segments: 1", False, False))
    text = " ".join("".join(parsed(page).text).split())
    for said in (
        "Readings6, every 1 s",
        "Time without readings2 times, 1 min 2 s",
        "Late readings1 (16.7%), the worst by 0.9 s",
        "Damagedamaged segments: 1",
        "Secrets in command linesleft in",
        "Scoresworked out for this page",
        "Size600 B, 100.00 bytes for each of them",
        "io1 of 612not permitted",
        "01:00:031 min 1 sno readings",
        "the host was started again",
        "· 2 boots",
    ):
        assert said in text


# what is gathered stays small and right


def test_the_timeline_folds_and_keeps_what_was_highest() -> None:
    line = timeline.Timeline()
    count = timeline.MOST * 2 + 7
    for i in range(count):
        line.step(frame(i, [Proc(3, "calm", rank=0.1), Proc(9, "wild", rank=8.0 if i == 1234 else 0.0)], cpu=0.9 if i == 1234 else 0.1))
    bins = line.bins()
    assert bins.width == 4.0 and len(bins) <= timeline.MOST
    mean, peak = bins.of("cpu")
    at = 1234 // 4
    assert peak[at] == 0.9 and mean[at] == pytest.approx((3 * 0.1 + 0.9) / 4)
    assert np.delete(peak, at).max() == pytest.approx(0.1)
    assert bins.worst[at] == "wild 9" and bins.worst[at + 1] == "calm 3"
    assert sum(bins.readings) == count


def test_a_clock_that_jumps_does_no_harm() -> None:
    line = timeline.Timeline()
    for i, passed in enumerate((0.0, 1.0, -5000.0, 2.0, 1e10, 3.0)):
        line.step(frame(i, [Proc(3, "a", rank=0.1)], at=passed))
    assert sum(line.bins().readings) == 6


def test_anomalies_are_many_and_the_page_stays_small() -> None:
    features = dict.fromkeys(("wchar", "rchar", "cpu"), 1e6)
    why = (WHY, replace(WHY, feature="rchar"), replace(WHY, feature="cpu"))
    report = Report()
    most = episodes.LISTED + 50
    for i in range(4 * most):
        pid = 1 + i // 4
        events = [alert(pid, start=WALL + 4 * (pid - 1), end=WALL + i, score=5 + pid / 100, why=why)] if i % 4 < 2 else []
        report.step(frame(i, [Proc(pid, f"worker-{pid}", features=features | {"wchar": float(i % 97) * 1e5}, rank=1.0)], alerts=events))
    page = report.page(ORIGIN, UTC)
    assert page.count('<article class="card"') == episodes.DRAWN
    assert f"{most} anomalies, the {episodes.LISTED} highest are drawn" in page
    assert "50 more, lower still, are left out" in page
    assert f"worker-{most}" in page and "worker-1<" not in page
    assert len(page.encode()) < 1_000_000


def test_long_names_are_cut() -> None:
    endless = "a" * 50_000
    box = Container(endless, endless, endless, endless, endless)
    proc = Proc(7, endless, command=endless + "b", user=endless, container=box, rank=5.0)
    made = [frame(i, [proc], alerts=[replace(alert(), comm=endless, container=box)]) for i in range(3)]
    made[0] = replace(made[0], reading=replace(made[0].reading, gaps=(Gap(endless, 1, endless),), notes=(endless,)))
    assert len(page_of(*made, origin=replace(ORIGIN, name=endless, damage=endless))) < 40_000


def test_a_long_course_is_thinned() -> None:
    course = episodes.Course()
    for i in range(10_000):
        course.add(float(i), np.array([i], dtype=np.float32))
    assert len(course.walls) == len(course.values) < 400
    assert course.walls[0] == 0.0 and course.walls == sorted(course.walls)
    assert abs(course.values[-1][0] - 9_999) < 100


def test_users_are_counted_over_their_whole_life() -> None:
    used = usage.Usage()

    def step(i: int, procs: Sequence[Proc], prev: Sequence[int]) -> None:
        made = frame(i, procs)
        used.step(replace(made, batch=replace(made.batch, prev=np.array(prev, dtype=np.int64))))

    def proc(pid: int, cpu: float, rss: float, write: float = NAN, box: Container | None = None) -> Proc:
        return Proc(pid, f"p{pid}", container=box, features={"cpu": cpu, "rss": rss, "disk_write": write}, rank=float(pid))

    step(0, [proc(1, NAN, 1.0 * GIB), proc(2, NAN, 2.0 * GIB, box=REDIS)], [-1, -1])
    step(1, [proc(1, 0.5, 3.0 * GIB, 100.0), proc(2, 0.25, 1.0 * GIB, 10.0, REDIS)], [0, 1])
    step(2, [proc(2, 0.25, 1.0 * GIB, 10.0, REDIS), proc(3, 0.0, 0.5 * GIB, box=REDIS)], [1, -1])
    totals = used.end()
    cpu, memory, io = totals.processes
    assert [(u.pid, u.amounts[0]) for u in cpu] == [(1, 0.5), (2, 0.5)]
    assert [(u.pid, u.amounts[1] / GIB) for u in memory] == [(1, 3.0), (2, 2.0), (3, 0.5)]
    assert [(u.pid, u.amounts[2]) for u in io] == [(1, 100.0), (2, 20.0)]
    assert (totals.seen, totals.most, totals.boxes) == (3, 2, 1)
    assert totals.total[0] == 1.0 and totals.total[2] == 120.0
    (box,) = totals.containers[1]
    assert (box.name, box.amounts[1] / GIB, box.amounts[0]) == ("cache", 2.0, 0.5)


@pytest.mark.parametrize("name", ["charts", "times", "words"])
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"proctop.export.report.{name}"))
    assert tried > 0 and failed == 0


# as a user runs it


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "monday.proctop"
    with Writer(str(path)) as writer:
        for i in range(5):
            writer.write(frame(i, [Proc(7, "app", rank=4.0)], alerts=[alert()] if i > 1 else []))
    return path


def test_it_is_written_beside_you_and_is_private(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["report", str(recording)]) == 0
    assert capsys.readouterr().err == "proctop: written to monday.html\n"
    page = Path("monday.html")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    told = page.read_text()
    assert "1 anomaly." in told and "as recorded" in told and "monday.proctop" in told
    assert str(tmp_path) not in told


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["none"], 1, "none: no such file or directory"),
        (["monday.proctop", "-o", "monday.proctop"], 2, "-o would write over FILE"),
        (["monday.proctop", "-o", "nowhere/x.html"], 1, "nowhere/x.html: No such file or directory"),
        (["monday.proctop", "--begin", "2031-01-01"], 1, "monday.proctop: no reading between --begin and --end"),
        (["-"], 2, "a report of a pipe needs -o FILE"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    flags: list[str], code: int, said: str, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recording.parent)
    assert cli.main(["report", *flags]) == code
    assert capsys.readouterr().err == f"proctop: {said}\n"
    assert [p.name for p in recording.parent.iterdir()] == ["monday.proctop"]
