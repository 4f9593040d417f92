"""Files from elsewhere: other versions, damage, bombs, and text that would like to reach a terminal."""

from __future__ import annotations

import json
import os
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from frames import Proc, build
from proctop.fields import COUNTERS, Cost
from proctop.records import Container, Exit, HostInfo, Label, ProcKey, Reading
from proctop.sources.replay import ReplaySource
from proctop.stream import MAJOR, Damaged, FormatError, StreamError, frames
from proctop.stream.codec import Decoder, Encoder, Section
from proctop.stream.columns import Columns, Keys
from proctop.stream.frames import FrameHead, Kind
from proctop.stream.header import LATEST, Header
from proctop.stream.numbers import In, Out
from proctop.stream.reader import Reader
from proctop.stream.seen import Record
from proctop.stream.summary import Summary
from proctop.stream.writer import Writer

INFO = HostInfo("node1", "6.1.0", "boot-1", 4, 100, 4096, 1 << 34, 1.7e9)
HEADER = Header(INFO, tuple(c.name for c in COUNTERS), "test", True)


def reading(seq: int, /, **changes: Any) -> Reading:
    made = build([Proc(7, "app"), Proc(8, "b")]).reading
    return replace(made, **{"seq": seq, "wall": 1.7e9 + seq, "mono": 100.0 + seq, "info": INFO, **changes})


def encoded(*readings: Reading, header: bytes | None = None) -> bytes:
    """A segment as another program might write it."""
    head = HEADER.to_json() if header is None else header
    body = frames.SEGMENT.pack(frames.SYNC, 1.7e9, 100.0) + zstandard.compress(head)
    data = frames.frame(Kind.SEGMENT, len(head), body)
    encoder, stream = Encoder(None), zstandard.ZstdCompressor().compressobj()
    for r in readings:
        plain = encoder.encode(r, None)
        data += frames.frame(Kind.READING, len(plain), stream.compress(plain) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return data


def record(path: Path, count: int) -> str:
    with Writer(str(path)) as writer:
        for seq in range(count):
            writer.write(reading(seq))
    return str(path)


def read(path: Path, data: bytes) -> tuple[list[int], Reader]:
    path.write_bytes(frames.preamble() + data)
    with Reader(str(path)) as reader:
        return [r.reading.seq for r in reader], reader


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x7fELF and so on, long enough to be something", "not a proctop recording"),
        (frames.MAGIC + bytes((MAJOR + 1, 0)), "use a newer proctop"),
        (frames.preamble(), "without a whole segment"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FormatError, match=words) as caught:
        ReplaySource(str(tmp_path / "a"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no such file"):
        Reader(str(tmp_path / "none"))


def test_a_directory_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="is a directory"):
        Reader(str(tmp_path))


def test_the_golden_file_of_minor_0_reads() -> None:
    """Written by the first version of the format; never to be written again."""
    folder = Path(__file__).parent.parent / "data"
    with Reader(str(folder / "format-1.0.proctop")) as reader:
        records = list(reader)
        assert not reader.damage
    expected = json.loads((folder / "format-1.0.json").read_text())
    assert [summary(r.reading) for r in records] == expected["readings"]
    assert all(r.seen is not None for r in records)
    why = [r.seen.scores.why for r in records if r.seen is not None and r.seen.scores.why]
    assert [[reason.text for reason in reasons] for found in why for reasons in found.values()] == expected["why"]


def test_the_golden_file_of_minor_1_reads() -> None:
    """The same readings in two segments, with more of what was seen; never to be written again."""
    folder = Path(__file__).parent.parent / "data"
    with Reader(str(folder / "format-1.1.proctop")) as reader:
        records = list(reader)
        assert not reader.damage
    assert [summary(r.reading) for r in records] == json.loads((folder / "format-1.0.json").read_text())["readings"]
    expected = json.loads((folder / "format-1.1.json").read_text())
    assert [shown(r) for r in records] == expected["seen"]
    data = (folder / "format-1.1.proctop").read_bytes()
    assert [noted(Summary.from_bytes(body)) for body in summaries(data)] == expected["summaries"]


def test_the_golden_file_of_minor_2_reads() -> None:
    """With totals of exits, waits, churn, counters of bpf, accepted alerts, the departed; not to be written again once released."""
    folder = Path(__file__).parent.parent / "data"
    with Reader(str(folder / "format-1.2.proctop")) as reader:
        records = list(reader)
        assert not reader.damage
    expected = json.loads((folder / "format-1.2.json").read_text())
    assert [summary(r.reading) for r in records] == expected["readings"]
    assert [shown(r) for r in records] == expected["seen"]
    assert [more(r) for r in records] == expected["more"]
    data = (folder / "format-1.2.proctop").read_bytes()
    assert [noted(Summary.from_bytes(body)) for body in summaries(data)] == expected["summaries"]


def test_the_golden_file_of_minor_3_reads() -> None:
    """With scores of groups and of the host, in two segments; not to be written again once released."""
    folder = Path(__file__).parent.parent / "data"
    with Reader(str(folder / "format-1.3.proctop")) as reader:
        records = list(reader)
        assert not reader.damage
    assert [together(r) for r in records] == json.loads((folder / "format-1.3.json").read_text())["together"]


def together(r: Record) -> dict[str, Any]:
    """What came with minor 3."""
    assert r.seen is not None and r.seen.vitals is not None
    host = r.seen.vitals
    columns = zip(host.names, host.low.tolist(), host.high.tolist(), host.rank.tolist(), host.alerting.tolist(), strict=True)
    groups = {
        by: [
            [key, name, f"{rank:.1f}", f"{often:.0f}", alerts, [reason.text for reason in one.why.get(k, ())]]
            for k, (key, name, rank, often, alerts) in enumerate(
                zip(one.keys, one.names, one.rank.tolist(), one.per_hour.tolist(), one.alerting.tolist(), strict=True)
            )
        ]
        for by, one in r.seen.groups.items()
    }
    return {
        "host": [[*name, f"{low:.3g}", f"{high:.3g}", f"{rank:.1f}", alerts] for name, low, high, rank, alerts in columns],
        "score": [f"{host.score:.1f}", f"{host.per_hour:.3g}", f"{host.warming:.4f}", [reason.text for reason in host.why]],
        "groups": groups,
    }


def more(r: Record) -> dict[str, Any]:
    """What came with minor 2."""
    reading, host = r.reading, r.reading.host
    ended = [] if reading.ended is None else reading.ended.T.tolist()
    names = [c.name for c in COUNTERS]
    return {
        "ended": [{name: value for name, value in zip(names, column, strict=True) if value == value} for column in ended],
        "wchan": [[row, name] for row, name in reading.wchan.items()],
        "churn": [host.births, host.execs, host.exits],
        "bpf": {c.name: str(float(np.nansum(reading.counters[k]))) for k, c in enumerate(COUNTERS) if c.cost == Cost.BPF},
        "accepted": [event.accepted for event in r.seen.alerts] if r.seen else [],
        "departed": None if r.seen is None or r.seen.departed is None else [f"{rank:.1f}" for rank in r.seen.departed.tolist()],
    }


def summaries(data: bytes) -> list[bytes]:
    """What the frames of kind SUMMARY store."""
    found = []
    at = data.find(frames.SUMMARY)
    while at >= 0:
        head = FrameHead.parse(data[at - frames.FRAME.size :])
        body = data[at : at + head.stored]
        assert head.kind == Kind.SUMMARY and head.fits(body)
        found.append(body)
        at = data.find(frames.SUMMARY, at + 1)
    return found


def noted(s: Summary) -> dict[str, Any]:
    marks = [[m.wall, *m.key, m.comm, m.container, m.score, m.text] for m in s.marks]
    peaks = [str(peak) for peak in s.peaks]
    return {"span": [s.first, s.last, s.readings, s.samples, s.late, s.scored], "peaks": peaks, "marks": marks}


def shown(r: Record) -> dict[str, Any]:
    """What the golden file of minor 1 is compared by."""
    assert r.seen is not None
    scores = r.seen.scores
    return {
        "rank": [f"{x:.2f}" for x in scores.rank.tolist()],
        "alert": [f"{x:.1f}" for x in scores.alert.tolist()],
        "per_hour": [f"{x:.3g}" for x in scores.per_hour.tolist()],
        "alerting": scores.alerting.tolist(),
        "status": scores.status.tolist(),
        "why": [[row, *([x.feature, f"{x.value:.3g}", x.against, x.text] for x in why)] for row, why in scores.why.items()],
        "notes": list(scores.notes),
        "warming": r.seen.warming,
        "alerts": [[*e.key, e.start, e.peak, e.end, e.score, e.per_hour, e.why[0].text, e.open, e.incident] for e in r.seen.alerts],
        "idle": None if r.seen.idle is None else r.seen.idle.tolist(),
    }


def summary(r: Reading) -> dict[str, Any]:
    """What the golden file is compared by."""
    return {
        "seq": r.seq,
        "wall": r.wall,
        "late": r.late,
        "source": r.source,
        "host": r.info.hostname,
        "keys": [list(r.key(i)) for i in range(len(r))],
        "sums": {
            c.name: str(float(np.nansum(r.counters[k])))
            for k, c in enumerate(COUNTERS)
            if c.name in ("ppid", "utime", "rss", "wchar", "run_ns")
        },
        "labels": [
            [label.comm, label.command, label.user, label.cgroup, label.container.title if label.container else ""] for label in r.labels
        ],
        "gaps": [[g.field, g.count, g.reason] for g in r.gaps],
        "exits": [[*e.key, e.label.comm, e.code] for e in r.exits],
        "memory": dict(r.host.memory),
        "load": list(r.host.load or ()),
        "cpu": int(r.host.cpu.sum()),
        "cgroups": sorted(r.cgroups),
        "notes": list(r.notes),
        "changed": None if r.changed is None else r.changed.tolist(),
    }


def test_labels_are_shared_while_unchanged_across_segments(tmp_path: Path) -> None:
    source = ReplaySource(record(tmp_path / "a", frames.READINGS + 2))
    first = source.read()
    assert first is not None
    while (later := source.read()) is not None:
        assert all(a is b for a, b in zip(first.labels, later.labels, strict=True))


def test_begin_and_end_choose_readings(tmp_path: Path) -> None:
    path = record(tmp_path / "a", 150)
    source = ReplaySource(path, 1.7e9 + 70, 1.7e9 + 72)
    got = [r.seq for r in iter(source.read, None)]
    assert got == [70, 71, 72]
    assert ReplaySource(path, 1.8e9).read() is None
    assert ReplaySource(path, None, 1.6e9).read() is None
    early = ReplaySource(path, 1.0)
    assert [r.seq for r in iter(early.read, None)] == list(range(150))


def test_a_growing_file_is_followed_until_closed(tmp_path: Path) -> None:
    path = record(tmp_path / "a", 1)
    got: list[int] = []
    second = threading.Event()
    reader = Reader(path, follow=True)

    def follow() -> None:
        for r in reader:
            got.append(r.reading.seq)
            if r.reading.seq == 5:
                second.set()

    thread = threading.Thread(target=follow)
    thread.start()
    with Writer(path) as writer:
        writer.write(reading(5))
    assert second.wait(20)
    reader.close()
    thread.join(20)
    assert not thread.is_alive()
    assert got == [0, 5]


def test_standard_input_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    monkeypatch.setattr(os, "dup", lambda fd: ours)
    with open(theirs, "wb") as pipe:
        pipe.write(frames.preamble() + encoded(reading(0), reading(1)))
    source = ReplaySource("-")
    assert [r.seq for r in iter(source.read, None)] == [0, 1]
    source.close()


def test_an_unknown_section_and_frame_of_a_later_minor_are_skipped(tmp_path: Path) -> None:
    extra = Out()
    extra.number(77)
    extra.blob(b"from the future")
    plain = Encoder(None).encode(reading(0), None) + extra.done()
    assert Decoder(HEADER).decode(plain).reading.seq == 0
    later = bytes((9,))
    data = encoded(reading(0))
    unknown = bytearray(frames.frame(Kind.READING, 3, b"abc"))
    unknown[0:1] = later
    unknown[9:13] = frames._crc(9, 3, b"abc").to_bytes(4, "little")
    assert read(tmp_path / "a", data + bytes(unknown) + encoded(reading(1)))[0] == [0, 1]


def test_all_else_reads_without_what_came_with_minor_2() -> None:
    """As a reader of minor 1 sees it, and as if it had not been written."""
    gone = Exit(ProcKey(9, 1), 7, Label("gone"), 3)
    counts = replace(reading(0).host, births=7, execs=5, exits=3)
    r = reading(0, exits=(gone,), ended=np.full((len(COUNTERS), 1), 5e6), wchan={1: "io_schedule"}, host=counts)
    sections, whole = In(Encoder(None).encode(r, None)), Out()
    while sections.left():
        tag, body = sections.number(100), bytes(sections.blob())
        if tag <= Section.RANKS:
            whole.number(tag)
            whole.blob(body)
    back = Decoder(HEADER).decode(whole.done()).reading
    assert (back.exits, back.ended, dict(back.wchan)) == ((gone,), None, {})
    assert (back.host.births, back.host.execs, back.host.exits) == (-1, -1, -1)
    assert np.array_equal(back.counters, r.counters, equal_nan=True)


def test_counters_of_another_version_are_matched_by_name() -> None:
    names = ("rss", "a_counter_to_come", "ppid")
    header = replace(HEADER, counters=names)
    r = reading(0)
    back = Decoder(HEADER).decode(Encoder(None).encode(r, None)).reading
    assert np.array_equal(back.counters, r.counters, equal_nan=True)
    body = Out()
    take = Keys(2, 10).put(body, (r.pid, r.start))
    with np.errstate(invalid="ignore"):
        Columns((0, 0, 0)).put(body, np.array([[4096.0, 8192.0], [1.0, 1.0], [5.0, 6.0]]), take)
    sections = In(Encoder(None).encode(r, None))
    whole = Out()
    while sections.left():
        tag, old = sections.number(100), bytes(sections.blob())
        whole.number(tag)
        whole.blob(body.done() if tag == Section.PROCESSES else old)
    counters = Decoder(header).decode(whole.done()).reading.counters
    by_name = {c.name: counters[k].tolist() for k, c in enumerate(COUNTERS)}
    assert by_name["rss"] == [4096.0, 8192.0]
    assert by_name["ppid"] == [5.0, 6.0]
    assert np.isnan(by_name["utime"]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"wall": LATEST},
        {"wall": float("nan")},
        {"wall": -1.0},
        {"mono": float("inf")},
        {"late": float("nan")},
        {"interval": 0.0},
        {"seq": -1},
        {"pid": np.array([-7, 8])},
        {"pid": np.array([7, 1 << 31])},
        {"start": np.array([1, -1])},
        {"pid": np.array([7, 7]), "start": np.array([5, 5])},
    ],
)
def test_what_no_host_says_ends_its_segment_only(tmp_path: Path, changes: dict[str, Any]) -> None:
    seqs, reader = read(tmp_path / "a", encoded(reading(0), reading(1, **changes), reading(2)) + encoded(reading(3)))
    assert seqs == [0, 3]
    assert reader.damage.segments == 1


def test_duplicate_and_older_times_are_dropped(tmp_path: Path) -> None:
    seqs, reader = read(tmp_path / "a", encoded(reading(0), reading(1), reading(2, mono=101.0), reading(3, mono=5.0), reading(4)))
    assert seqs == [0, 1, 4]
    assert reader.damage.dropped == 2
    assert "readings out of order: 2" in str(reader.damage)


def test_strange_numbers_are_numbers(tmp_path: Path) -> None:
    r = reading(0)
    strange = np.full_like(r.counters, np.nan)
    strange[3:7, 0] = np.inf, -np.inf, 1e308, -1e-308
    path = tmp_path / "a"
    path.write_bytes(frames.preamble() + encoded(replace(r, counters=strange)))
    with Reader(str(path)) as reader:
        got = reader.read()
    assert got is not None
    assert np.array_equal(got.reading.counters, strange, equal_nan=True)


def test_text_is_made_harmless_wherever_it_enters(tmp_path: Path) -> None:
    evil = "a\x1b]0;x\x07\u202e\x9b2J\n\ud800"
    label = Label(evil, evil, evil, 0, evil, Container(evil, evil, evil, evil, evil, ((evil, evil),)))
    r = reading(0, labels=[label, label], source=evil, notes=(evil,), info=replace(INFO, hostname=evil))
    path = tmp_path / "a"
    path.write_bytes(frames.preamble() + encoded(r, header=replace(HEADER, info=replace(INFO, hostname=evil)).to_json()))
    with Reader(str(path)) as reader:
        got = reader.read()
    assert got is not None
    text = repr((got.reading.labels, got.reading.source, got.reading.notes, got.reading.info))
    assert not any(c in text for c in ("\\x1b", "\\x07", "\\x9b", "\\u202e", "\\n", "\\ud800"))
    assert len(got.reading.labels[0].comm) == len(evil)


def test_long_strings_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a"
    long = "x" * 100_000
    path.write_bytes(frames.preamble() + encoded(reading(0, labels=[Label(long), Label(long, long)])))
    with Reader(str(path)) as reader:
        got = reader.read()
    assert got is not None
    assert {len(label.comm) for label in got.reading.labels} == {4096}


def bomb(plain: int) -> bytes:
    """A frame that tells the truth about zeros without end."""
    stream = zstandard.ZstdCompressor().compressobj()
    body = b"".join(stream.compress(bytes(1 << 20)) for _ in range(plain >> 20)) + stream.flush()
    return frames.frame(Kind.READING, min(plain, 0xFFFFFFFF), body)


def liar(plain: int, truth: int) -> bytes:
    body = zstandard.compress(bytes(truth))
    return frames.frame(Kind.READING, plain, body)


@pytest.mark.parametrize(
    "hostile",
    [
        bomb(1 << 30),
        liar(100, 1 << 26),
        liar(1 << 26, 10),
        liar(0xFFFFFFFF, 10),
        frames.frame(Kind.READING, 10, b"not zstd at all"),
        frames.FRAME.pack(Kind.READING, 0xFFFFFFFF, 10, 0),
        frames.FRAME.pack(Kind.SEGMENT, 0xFFFF, 10, 0) + frames.SYNC,
        frames.frame(Kind.SEGMENT, 0xFFFF, frames.SEGMENT.pack(frames.SYNC, 0, 0) + zstandard.compress(bytes(1 << 26))),
        frames.frame(Kind.SEGMENT, 3, frames.SYNC),
    ],
    ids=["bomb", "says less", "says more", "says 4 GB", "no zstd", "stores 4 GB", "segment without end", "header bomb", "no header"],
)
def test_a_bomb_costs_its_segment_and_little_memory(tmp_path: Path, hostile: bytes) -> None:
    tracemalloc.start()
    try:
        seqs, reader = read(tmp_path / "a", encoded(reading(0)) + hostile + encoded(reading(1)))
        assert tracemalloc.get_traced_memory()[1] < 4 * frames.LARGEST_READING
    finally:
        tracemalloc.stop()
    assert seqs == [0, 1]
    assert reader.damage


def test_false_segment_starts_are_given_up_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.stream.tape._SEARCHED", 1 << 20)
    false = frames.FRAME.pack(Kind.SEGMENT, frames.LARGEST_HEADER, 10, 0) + frames.SYNC
    seqs, reader = read(tmp_path / "a", encoded(reading(0)) + false * 10_000)
    assert seqs == [0]
    assert reader.damage.skipped >= len(false) * 9_999


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 60_000,
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"info": 5}',
        HEADER.to_json().replace(b'"ppid"', b'"state"'),
        HEADER.to_json().replace(b'"cpus":4', b'"cpus":-4'),
        HEADER.to_json().replace(b'"cpus":4', b'"cpus":1e999'),
        HEADER.to_json().replace(b'"ticks":100', b'"ticks":0'),
        HEADER.to_json().replace(b'"boot_time":1700000000.0', b'"boot_time":NaN'),
    ],
)
def test_a_header_that_is_none_is_damage(header: bytes) -> None:
    with pytest.raises(Damaged):
        Header.from_json(header)
