"""Alert events as a list."""

from __future__ import annotations

import pytest

import alarms
from moments import FIRST, Mark
from proctop.frames import HOST
from proctop.records import ProcKey
from proctop.view.cells import ASCII, UNICODE, width
from proctop.view.events import MOST, Chronicle, Event, Listing, folded, news, row, sentences, titles

OPEN, ENDED, STORM = (
    alarms.worker(FIRST + 20, FIRST + 30, open=True),
    alarms.cache(FIRST, FIRST + 12, open=False),
    alarms.host(FIRST + 25, FIRST + 30, open=True),
)


def chronicle() -> Chronicle:
    known = Chronicle()
    known.learn((STORM, OPEN, ENDED))
    return known


def test_new_ones_are_told_once_and_the_last_word_counts() -> None:
    known = Chronicle()
    assert known.learn((STORM, OPEN)) == [OPEN, STORM]
    assert known.learn((STORM, OPEN)) == []
    over = alarms.worker(FIRST + 20, FIRST + 40, open=False, incident=True)
    assert known.learn((over,)) == []
    states = {event.comm: event.state for event in known.events()}
    assert states == {"worker.py": "incident", "host": "open"}
    again = alarms.worker(FIRST + 90, FIRST + 90, open=True)
    assert known.learn((again,)) == [again]


def test_the_past_adds_what_is_not_known_and_nothing_twice() -> None:
    marks = [Mark(OPEN.start, OPEN.key), Mark(FIRST - 500, ProcKey(9, 9))]
    events = chronicle().events(marks)
    assert [(event.key.pid, event.state) for event in events] == [(1841, "open"), (0, "open"), (2200, "ended"), (9, "")] or len(events) == 4
    assert sorted(event.start for event in events)[0] == FIRST - 500


def test_what_is_remembered_is_bounded() -> None:
    known = Chronicle()
    for k in range(MOST + 50):
        known.learn((alarms.worker(FIRST + k, FIRST + k, open=False),))
    assert len(known.events()) == MOST
    assert min(event.start for event in known.events()) == FIRST + 50


@pytest.mark.parametrize(
    ("listing", "comms"),
    [
        (Listing(), ["host", "worker.py", "redis-server"]),
        (Listing(reverse=True), ["redis-server", "worker.py", "host"]),
        (Listing(sort="score"), ["worker.py", "host", "redis-server"]),
        (Listing(words=("cache",)), ["redis-server"]),  # the container
        (Listing(words=("open",)), ["host", "worker.py"]),
        (Listing(words=("writes", "38")), ["worker.py"]),
        (Listing(words=("2200",)), ["redis-server"]),
        (Listing(words=("nothing", "holds")), []),
    ],
)
def test_filter_and_order(listing: Listing, comms: list[str]) -> None:
    assert [event.comm for event in listing.of(chronicle().events())] == comms


def test_states() -> None:
    said = [
        Event.of(alarms.worker(0, 1, open=True)).state,
        Event.of(alarms.worker(0, 1, open=False)).state,
        Event.of(alarms.worker(0, 1, open=True, accepted=True)).state,
        Event.of(alarms.worker(0, 1, open=False, accepted=True, incident=True)).state,
        Event.marked(Mark(0.0, WORKER)).state,
    ]
    assert said == ["open", "ended", "accepted", "incident", ""]


WORKER = OPEN.key


@pytest.mark.parametrize("total", [20, 40, 60, 72, 80, 110, 120, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_lines_are_exactly_as_wide_as_the_screen(total: int, glyphs: object) -> None:
    assert glyphs in (UNICODE, ASCII)
    marks = glyphs if glyphs is ASCII else UNICODE
    for event in chronicle().events([Mark(FIRST - 9e7, ProcKey(1 << 22, 9))]):
        line = row(event, FIRST + 40, total, marks, chosen=True)
        assert sum(width(cell.text) for cell in line.cells) == total and line.mood == "cursor"
        if glyphs is ASCII:
            assert all(cell.text.isascii() for cell in line.cells)
    assert sum(width(cell.text) for cell in titles(total, Listing(), marks).cells) == total


def test_a_row_tells_when_how_long_whose_and_why() -> None:
    text = "".join(cell.text for cell in row(Event.of(OPEN), FIRST + 40, 120, UNICODE, chosen=False).cells)
    for part in ("10s+", "5.2", "open", "1841", "worker.py", "writes 38 MB/s, usual 0–1.2 MB/s; fds +120/s"):
        assert part in text
    host = "".join(cell.text for cell in row(Event.of(STORM), FIRST + 40, 120, UNICODE, chosen=False).cells)
    assert " host " in host and " 0 " not in host


def test_the_sentences_tell_the_rest() -> None:
    head, *rest = sentences(Event.of(OPEN), FIRST + 40)
    assert head.startswith("worker.py pid 1841: ") and "going on, worst at" in head and head.endswith("by chance once in 2.5 h")
    assert rest == [reason.text for reason in alarms.WRITES]
    assert sentences(Event.of(STORM), FIRST)[0].startswith("the host: ")
    assert " in cache: " in sentences(Event.of(ENDED), FIRST)[0]
    assert sentences(Event.marked(Mark(FIRST, WORKER)), FIRST)[1] == "no single reason"


def test_announcements_fold() -> None:
    assert news(OPEN) == "worker.py 1841: writes 38 MB/s, usual 0–1.2 MB/s"
    assert news(STORM) == "host: in 40k/s, usual 1.8–2.1k/s"
    assert folded([OPEN]) == news(OPEN)
    assert folded([OPEN, STORM, OPEN]) == "3 new alerts: worker.py, host"
    assert STORM.key == HOST
