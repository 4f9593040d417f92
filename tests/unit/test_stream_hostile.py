"""Sections and summaries that no writer wrote, behind checksums that are right: each costs its segment, and nothing else."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from frames import REDIS, Proc, build
from proctop.fields import COUNTERS
from proctop.frames import AlertEvent, Reason
from proctop.records import CgroupCounters, Exit, HostInfo, Label, ProcKey, Reading
from proctop.stream import Damaged, WriteFailed, frames
from proctop.stream.codec import MOST_PROCESSES, Decoder, Encoder, Section
from proctop.stream.frames import Kind
from proctop.stream.groups import MOST_GROUPINGS, MOST_GROUPS
from proctop.stream.header import Header
from proctop.stream.host import MOST_NAMES
from proctop.stream.numbers import In, Out
from proctop.stream.packer import Packer
from proctop.stream.reader import Reader
from proctop.stream.seen import Record, Seen
from proctop.stream.summary import MOST_MARKS, Summary, Tally
from proctop.stream.vitals import MOST_QUANTITIES

INFO = HostInfo("node1", "6.1.0", "boot-1", 4, 100, 4096, 1 << 34, 1.7e9)
HEADER = Header(INFO, tuple(c.name for c in COUNTERS), "test", True)
EVIL = "a\x1b]0;x\x07\u202e\x9b2J\n"
WHY = (Reason("cpu", 0.91, (0.0, 0.017), "own", "cpu 91 %, usual 0–1.7 %"),)


def reading(seq: int, /, **changes: Any) -> Reading:
    made = build([Proc(7, "app"), Proc(8, "b")]).reading
    gone = {"exits": (Exit(ProcKey(9, 1), 7, Label("gone"), 3),), "ended": np.full((len(COUNTERS), 1), 5e6)}
    return replace(made, **{"seq": seq, "wall": 1.7e9 + seq, "mono": 100.0 + seq, "info": INFO, **gone, **changes})


def event(**changes: Any) -> AlertEvent:
    return replace(AlertEvent(ProcKey(7, 1000), "app", REDIS, 1.7e9, 1.7e9, 1.7e9, 9.5, 0.1, WHY, True), **changes)


def seen(**changes: Any) -> Seen:
    scores = build([Proc(7, "app", rank=3.0, why=WHY), Proc(8, "b", rank=0.5)]).scores
    return replace(Seen(scores, 0.5, (event(),), np.zeros(2, np.float32)), **changes)


def plain(*seqs: int, bent: int = -1, **sections: bytes) -> list[bytes]:
    """Readings of one segment; the one numbered ``bent`` has some of its sections as given."""
    encoder = Encoder(None)
    out = []
    for seq in seqs:
        whole, parts = Out(), In(encoder.encode(reading(seq), seen()))
        found = {}
        while parts.left():
            tag = Section(parts.number(100))
            found[tag.name] = bytes(parts.blob())
        if seq == bent:
            found |= sections
        for name, body in found.items():
            whole.number(Section[name])
            whole.blob(body)
        out.append(whole.done())
    return out


def segment(*bodies: bytes) -> bytes:
    head = HEADER.to_json()
    data = frames.frame(Kind.SEGMENT, len(head), frames.SEGMENT.pack(frames.SYNC, 1.7e9, 100.0) + zstandard.compress(head))
    stream = zstandard.ZstdCompressor().compressobj()
    for body in bodies:
        data += frames.frame(Kind.READING, len(body), stream.compress(body) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return data


def read(path: Path, data: bytes) -> tuple[list[Record], Reader]:
    path.write_bytes(frames.preamble() + data)
    with Reader(str(path)) as reader:
        return list(reader), reader


def body(*parts: object) -> bytes:
    """Numbers, bytes, and lists as integers."""
    out = Out()
    for part in parts:
        if isinstance(part, int):
            out.number(part)
        elif isinstance(part, bytes):
            out.raw(part)
        else:
            out.integers(np.array(part, np.int64))
    return out.done()


def said(*values: object) -> bytes:
    return json.dumps(values).encode()


NO_RANKS = bytes(8) + body(0, 0)  # two rows of which nothing differs, no unit, no word
NO_GROUPS = (0, 0, 0)  # nobody alerts, no reasons, no patterns
NO_VITALS = (0, 0, 10_000, 0, 0)  # nor the host, which is warm and has no score
RAW = [7, 1, "app", None, 1.7e9, 1.7e9, 1.7e9, 9.5, 0.1, [], True, False]
HOSTILE = [
    ("NUMBERS", b""),
    ("NUMBERS", body(0)),
    ("NUMBERS", body(2)),
    ("NUMBERS", body(1, 1, [9999])),
    ("NUMBERS", body(1, MOST_NAMES + 1)),
    ("NUMBERS", body(1, 0, 0, 0, 0, 0, 0, 0, 1, [0], 0)),
    ("NUMBERS", body(1, *([MOST_NAMES, [0] * MOST_NAMES] * 7), 0, 0)),
    ("NUMBERS", body(1, 0, 0, 0, 0, 0, 0, 0, 0, 0) + b"\xff"),
    ("RANKS", b""),
    ("RANKS", bytes(7)),
    ("RANKS", NO_RANKS + body(3, b"\0\0\0")),
    ("RANKS", NO_RANKS + body(1, 0, b"\x04", 0, bytes(4), bytes(12))),
    ("RANKS", NO_RANKS + body(1, 0, b"\x01", 0, b"\x05")),
    ("RANKS", NO_RANKS + body(1, 0, b"\x01", 1, 0, 0, 0, 1, 1, 1, b"\x01")),
    ("RANKS", NO_RANKS + body(1, 0, b"\x01", 1, 0, 0, 0, 0, 0, 0, b"\x01", b"\0" * 23)),
    ("RANKS", NO_RANKS + body(0, 1, 9999, 0, 0, 0, 0, 0)),
    ("SEEN", b""),
    ("SEEN", b"[" * 100_000),
    ("SEEN", b"\xff"),
    ("SEEN", said()),
    ("SEEN", said(2, [], [])),
    ("SEEN", said(float("nan"), [], [])),
    ("SEEN", said("1", [], [])),
    ("SEEN", said(1, [5], [])),
    ("SEEN", said(1, [], [-1])),
    ("SEEN", said(1, [], [7])),
    ("SEEN", said(1, [], [[99]])),
    ("SEEN", said(1, [], [[]])),
    ("SEEN", said(1, [], [[-7, *RAW[1:]]])),
    ("SEEN", said(1, [], [[*RAW[:4], 253402300800.0, *RAW[5:]]])),
    ("SEEN", said(1, [], [[*RAW[:7], "9", *RAW[8:]]])),
    ("SEEN", said(1, [], [[*RAW[:9], [["cpu", 1, 2, 3, 4, 5]], *RAW[10:]]])),
    ("IDLE", b""),
    ("IDLE", body(3)),
    ("IDLE", body(1, bytes(4), b"\0\1")),
    ("HOST", b""),
    ("ENDED", b""),
    ("ENDED", b"\x80" + b"\xff" * 3),
    ("ENDED", b"\x80" + b"\xff" * 4 + body(1, 200, 1)),
    ("ENDED", b"\x80" + b"\xff" * 4 + body(0) + b"\1"),
    ("WCHAN", b""),
    ("WCHAN", body(1, b"\2", [0])),
    ("WCHAN", body(1, b"\0", [9999])),
    ("WCHAN", body(1, b"\0", [-1])),
    ("WCHAN", body(1 << 40)),
    ("ACCEPTED", b""),
    ("ACCEPTED", body(1, b"\1")),
    ("DEPARTED", b""),
    ("DEPARTED", body(4097, bytes(4097))),
    ("DEPARTED", body(2, b"\xff" * 30)),
    ("CHURN", b""),
    ("CHURN", body([0, 0])),
    ("CHURN", body([0, -1, 0])),
    ("CHURN", b"\xff" * 40),
    ("GROUPS", b""),
    ("GROUPS", body(MOST_GROUPINGS + 1, bytes(99))),
    ("GROUPS", body(1, 9999, 0, *NO_GROUPS)),
    ("GROUPS", body(1, 0, 1, 1, *NO_GROUPS)),
    ("GROUPS", body(1, 0, 1, 0, MOST_GROUPS + 1, bytes(99_999))),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [9999], [0], b"\0", *NO_GROUPS)),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [9999], b"\0", *NO_GROUPS)),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [0])),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [0], b"\x80", b"\xf0")),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [0], b"\x80", b"\xf0", 19)),  # ten tenths of a nat, and not how seldom that is
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [0], b"\0", 2, b"\0\0", 0, 0)),
    ("GROUPS", body(1, 0, 1, 0, 1, [0], [0], [0], b"\0", 0, 1, b"\1", 1, 0)),
    ("VITALS", b""),
    ("VITALS", body(0, 0, *NO_VITALS)),
    ("VITALS", body(1, MOST_QUANTITIES + 1, bytes(9999))),
    ("VITALS", body(1, 1, [43], [0], 0, b"\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [-2], [0], 0, b"\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [0], [9999], 0, b"\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [-1], [0], [0], [9999], 0, b"\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [0], [0], 1, b"\x80\xf0", 1 << 30, b"\0\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [0], [0], 1, b"\x80\x20\0\0", *NO_VITALS)),
    ("VITALS", body(1, 1, [0], [0], 0)),
    ("VITALS", body(1, 1, [0], [0], 0, b"\0", 1, b"\1", 0, 0, 0, 0)),
    ("VITALS", body(1, 1, [0], [0], 0, b"\0", 0, 1 << 40, 0, 0, 0)),
    ("VITALS", body(1, 1, [0], [0], 0, b"\0", 0, 99, 1 << 20, 0, 0, 0)),
    ("VITALS", body(1, 1, [0], [0], 0, b"\0", 0, 0, 10_001, 0, 0)),
    ("VITALS", body(1, 1, [0], [0], 0, b"\0", 0, 0, 0, 1, b"\1", 1, 0)),
]


@pytest.mark.parametrize(("name", "hostile"), HOSTILE, ids=[f"{name} {k}" for k, (name, _) in enumerate(HOSTILE)])
def test_a_section_that_is_none_costs_its_segment(tmp_path: Path, name: str, hostile: bytes) -> None:
    tracemalloc.start()
    try:
        records, reader = read(
            tmp_path / "a", segment(*plain(0)) + segment(*plain(1, 2, 3, bent=2, **{name: hostile})) + segment(*plain(4))
        )
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
    whole = name == "HOST"  # since 1.1 nobody looks there
    assert [r.reading.seq for r in records] == ([0, 1, 2, 3, 4] if whole else [0, 1, 4])
    assert reader.damage.segments == (0 if whole else 1)


def test_totals_of_more_exits_than_there_may_be_are_damage() -> None:
    """131,072 exits with 256 counters each would be 268 MB; their bytes need not be there."""
    count = MOST_PROCESSES
    exits = body(count, *([[0] * count] * 5))
    header = replace(HEADER, counters=(*HEADER.counters, *(f"x{k}" for k in range(256 - len(HEADER.counters)))))
    nobody = {"PROCESSES": body(1, 0, 0), "LABELS": body(0)}
    decoder, (first,) = Decoder(header), plain(0, bent=0, EXITS=exits, ENDED=bytes(count // 8) + body(0), **nobody)
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="too many totals"):
            decoder.decode(first)
        assert tracemalloc.get_traced_memory()[1] < 1 << 27
    finally:
        tracemalloc.stop()


def test_numbers_without_names_are_damage(tmp_path: Path) -> None:
    records, reader = read(tmp_path / "a", segment(*plain(0, 1, bent=0, NUMBERS=body(0))) + segment(*plain(2)))
    assert [r.reading.seq for r in records] == [2]
    assert reader.damage.segments == 1


def test_the_sections_above_are_hostile_for_what_they_say_only(tmp_path: Path) -> None:
    """The same readings, and the empty forms of what the list bends, are read."""
    good = {"RANKS": NO_RANKS + body(0, 0), "SEEN": said(1, [], [RAW]), "IDLE": body(1, bytes(4), b"\0\0")}
    good |= {"ACCEPTED": body(1, b"\0"), "ENDED": b"\0" + body(0), "WCHAN": body(1, b"\1", [0]), "CHURN": body([1, 1, 0])}
    for name, harmless in good.items():
        records, reader = read(tmp_path / "a", segment(*plain(0, bent=0, **{name: harmless})))
        assert len(records) == 1, name
        assert not reader.damage


def test_what_was_seen_is_made_harmless_where_it_enters(tmp_path: Path) -> None:
    why = (replace(WHY[0], feature=EVIL, against=EVIL, text=EVIL),)
    scores = replace(seen().scores, why={0: why}, notes=(EVIL,))
    box = replace(REDIS, name=EVIL, image=EVIL)
    evil = seen(scores=scores, alerts=(event(comm=EVIL, container=box, why=why),))
    cgroups = {EVIL: CgroupCounters()}
    records, reader = read(tmp_path / "a", segment(Encoder(None).encode(reading(0, cgroups=cgroups), evil)))
    assert not reader.damage
    text = repr((records[0].seen, dict(records[0].reading.cgroups)))
    assert "]0;x" in text
    assert not any(c in text for c in ("\\x1b", "\\x07", "\\x9b", "\\u202e", "\\n"))


def test_idle_times_that_are_none_are_unknown(tmp_path: Path) -> None:
    records, _ = read(tmp_path / "a", segment(*plain(0, bent=0, IDLE=body(2, np.array([-1.0, np.inf], "<f4").tobytes(), b"\0\1"))))
    idle = records[0].seen.idle if records[0].seen else None
    assert idle is not None
    assert np.isnan(idle[0])


def tally(**changes: Any) -> Summary:
    made = Tally()
    made.add(reading(0), seen(**changes))
    return made.summary()


def stored(summary: Summary) -> bytes:
    return summary.to_bytes()[frames.FRAME.size :]


def test_a_summary_comes_back() -> None:
    summary = tally()
    back = Summary.from_bytes(stored(summary))
    assert back == summary
    assert (back.first, back.readings, back.samples, back.scored) == (1.7e9, 1, 2, True)
    assert [(m.key, m.comm, m.container, m.text) for m in back.marks] == [(ProcKey(7, 1000), "app", REDIS.title, WHY[0].text)]


def test_a_summary_counts_what_was_recorded() -> None:
    made = Tally()
    for seq, late in enumerate((0.0, 0.6, 0.4)):
        made.add(reading(seq, late=late), None)
    summary = made.summary()
    assert (summary.readings, summary.samples, summary.late, summary.scored, summary.peaks) == (3, 6, 1, False, ())
    assert (summary.first, summary.last) == (1.7e9, 1.7e9 + 2)


def test_marks_are_events_that_began_here_with_their_last_word() -> None:
    made = Tally()
    old = event(key=ProcKey(1, 1), start=1.7e9 - 5)
    made.add(reading(0), seen(alerts=(event(score=3.0), old)))
    made.add(reading(1), seen(alerts=(event(score=8.0), old)))
    assert [(m.key.pid, m.score) for m in made.summary().marks] == [(7, 8.0)]


def test_the_largest_summary_fits() -> None:
    wide = "\N{GRINNING FACE}" * 5000
    worst = tuple(
        event(key=ProcKey(k, k), comm=wide, container=replace(REDIS, name=wide), why=(replace(WHY[0], text=wide),))
        for k in range(MOST_MARKS + 9)
    )
    made = Tally()
    for seq in range(frames.READINGS):
        made.add(reading(seq), seen(alerts=worst))
    head = frames.FrameHead.parse(made.summary().to_bytes())
    assert head.possible()
    assert len(Summary.from_bytes(stored(made.summary())).marks) == MOST_MARKS


GOOD = [1.7e9, 1.7e9, 1, 2, 0, True, 2, 2, 0, 0, 0.0, [30], [[1.7e9, 7, 1, "app", "", 9.0, "why"]]]


@pytest.mark.parametrize(
    "bad",
    [
        [],
        GOOD[:12],
        [-1.0, *GOOD[1:]],
        [253402300800.0, *GOOD[1:]],
        [*GOOD[:2], -1, *GOOD[3:]],
        [*GOOD[:11], [-3], GOOD[12]],
        [*GOOD[:11], ["3"], GOOD[12]],
        [*GOOD[:11], 3, GOOD[12]],
        [*GOOD[:12], [[1.7e9, -7, 1, "app", "", 9.0, "why"]]],
        [*GOOD[:12], [[1.7e9, 7, 1, "app", "", "9", "why"]]],
        [*GOOD[:12], [[1.7e9, 7, 1, 5, "", 9.0, "why"]]],
        [*GOOD[:12], [5]],
    ],
)
def test_a_summary_that_is_none_is_damage(bad: list[object]) -> None:
    assert Summary.from_bytes(frames.SUMMARY + zstandard.compress(json.dumps(GOOD).encode())).marks[0].comm == "app"
    with pytest.raises(Damaged):
        Summary.from_bytes(frames.SUMMARY + zstandard.compress(json.dumps(bad).encode()))


@pytest.mark.parametrize(
    "data", [b"", b"x" * 40, zstandard.compress(bytes(1 << 26)), zstandard.compress(b"[" * 400_000)], ids=["empty", "junk", "bomb", "deep"]
)
def test_a_summary_may_be_anything(data: bytes) -> None:
    with pytest.raises(Damaged):
        Summary.from_bytes(frames.SUMMARY + data)
    with pytest.raises(Damaged):
        Summary.from_bytes(data)


def test_a_damaged_summary_costs_no_reading(tmp_path: Path) -> None:
    packer = Packer(None)
    data = b"".join(packer.pack(reading(seq)).data for seq in range(3)) + packer.finish()
    data += packer.pack(reading(3)).data + packer.finish()
    broken = bytearray(data)
    broken[data.index(frames.SUMMARY) + 20] ^= 1
    records, reader = read(tmp_path / "a", bytes(broken))
    assert [r.reading.seq for r in records] == [0, 1, 2, 3]
    assert reader.damage


def test_what_no_reader_would_take_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = Packer(None)
    packer.pack(reading(0))
    many = {f"/c{k}": CgroupCounters() for k in range(MOST_NAMES + 1)}
    with pytest.raises(WriteFailed, match="one too many"):
        packer.pack(reading(1, cgroups=many))
    packed = packer.pack(reading(2))
    assert packed.begins
    monkeypatch.setattr("proctop.stream.packer.MOST_PROCESSES", 1)
    with pytest.raises(WriteFailed, match="2 processes is too large"):
        packer.pack(reading(3))
    with pytest.raises(WriteFailed, match="5 processes is too large"):
        packer.pack(reading(3, pid=np.array([7]), start=np.array([1]), exits=reading(0).exits * 5, ended=None))


def test_a_segment_begins_when_it_must_and_after_a_failure() -> None:
    packer = Packer(None)
    assert packer.finish() == b""
    begins = [packer.pack(reading(seq)).begins for seq in range(frames.READINGS + 2)]
    assert [seq for seq, new in enumerate(begins) if new] == [0, frames.READINGS]
    packer.restart()
    packed = packer.pack(reading(99))
    assert packed.begins
    assert frames.SUMMARY not in packed.data
    moved = packer.pack(reading(100, info=replace(INFO, boot_id="boot-2")))
    assert moved.begins
    assert moved.data.index(frames.SUMMARY) < moved.data.index(frames.SYNC)
