"""What is recorded reads back identical; whatever else is in a file costs at most a segment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proctop import digits
from proctop.engine import Engine
from proctop.fields import COUNTERS, QUANTITY
from proctop.frames import AlertEvent, GroupScores, HostScores, Reason, Scores, Vital
from proctop.records import (
    CgroupCounters,
    Container,
    DiskCounters,
    Exit,
    Gap,
    HostCounters,
    HostInfo,
    Label,
    NetCounters,
    Pressure,
    ProcKey,
    Reading,
    ThreadTable,
)
from proctop.sanitize import clean
from proctop.scoring.baseline import Baseline
from proctop.sources.replay import ReplaySource
from proctop.stream import Damaged, StreamError, frames
from proctop.stream.codec import Decoder, Encoder
from proctop.stream.header import Header
from proctop.stream.numbers import In, Out
from proctop.stream.reader import Reader
from proctop.stream.scores import tenths
from proctop.stream.seen import Seen
from proctop.stream.summary import Summary
from proctop.stream.writer import Writer

M = len(COUNTERS)
INFO = HostInfo("host", "6.1.0", "boot-1", 4, 100, 4096, 8 << 30, 1.7e9)
HEADER = Header(INFO, tuple(c.name for c in COUNTERS), "test", False)
_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
quick = settings(max_examples=60, suppress_health_check=_CHECKS)


def text(rng: np.random.Generator) -> str:
    return clean("".join(chr(int(c)) for c in rng.choice([65, 66, 0x20, 0xE9, 0x6F22, 0x1F600, 0x5B, 0x2F, 0xFFFD], rng.integers(0, 9))))


def number(rng: np.random.Generator) -> float:
    known = [0, 1, -1, 0.25, np.nan, np.inf, -np.inf, 1e308, 5e-324, 2**53, 2**53 - 1, -(2**52), 1e7, 0.07]
    return float(rng.choice(known)) if rng.random() < 0.9 else float(rng.integers(1 << 40))


def pressure(rng: np.random.Generator) -> Pressure:
    return Pressure(*(number(rng) for _ in range(8)))


def cgroup(rng: np.random.Generator) -> CgroupCounters:
    numbers = {f.name: number(rng) for f in fields(CgroupCounters) if f.name != "pressure"}
    return replace(CgroupCounters(pressure={"io": pressure(rng)}), **numbers)  # type: ignore[arg-type]


def session(seed: int, length: int) -> Iterator[Reading]:
    """A host on which anything happens, and nearly all of it rarely."""
    rng = np.random.default_rng(seed)
    keys: list[tuple[int, int]] = []
    labels: dict[tuple[int, int], Label] = {}
    counters: dict[tuple[int, int], np.ndarray] = {}
    before: dict[tuple[int, int], tuple[bytes, Label]] = {}
    mono = 100.0
    for seq in range(length):
        ended = [k for k in keys if rng.random() < 0.1]
        keys = [k for k in keys if k not in ended]
        for _ in range(rng.integers(0, 6)):
            key = (int(rng.integers(1 << 31)), int(rng.integers(1 << 50)))
            keys.append(key)
            counters[key] = np.where(rng.random(M) < 0.2, np.nan, rng.integers(0, 1 << 30, M) * 4096.0)
        if rng.random() < 0.1:
            rng.shuffle(keys)
        for key in keys:
            if key not in labels or rng.random() < 0.05:
                tags = tuple((text(rng), text(rng)) for _ in range(rng.integers(0, 3)))
                container = Container("c" * 64, text(rng), text(rng), text(rng), text(rng), tags) if rng.random() < 0.5 else None
                uid, kernel = int(rng.integers(-1, 70000)), bool(rng.random() < 0.2)
                labels[key] = Label(text(rng), text(rng), text(rng), uid, text(rng), container, kernel)
            counters[key] = np.where(rng.random(M) < 0.2, counters[key] + rng.integers(-3, 1 << 20, M), counters[key])
            if rng.random() < 0.1:
                counters[key][rng.integers(M)] = number(rng)
        mono += float(rng.random()) + 0.01
        n = len(keys)
        now = {key: (counters[key].tobytes(), labels[key]) for key in keys}
        differ = np.array([now[key] != before.get(key) for key in keys], np.bool_)  # and more may be called changed
        before = now
        host = HostCounters(
            cpu=rng.integers(-1, 1 << 62, (3, 10)),
            memory={f"m{i}": int(rng.integers(1 << 45)) for i in range(rng.integers(0, 4))},
            load=(0.01 * seq, 1.1, number(rng)) if rng.random() < 0.8 else None,
            tasks_running=int(rng.integers(-1, 9)),
            switches=int(rng.integers(1 << 50)),
            vmstat={"pgfault": int(rng.integers(1 << 50))},
            disks={"sda": DiskCounters(*(int(x) for x in rng.integers(0, 1 << 50, 9)))},
            nets={"eth0": NetCounters(*(int(x) for x in rng.integers(0, 1 << 50, 8)))} if rng.random() < 0.5 else {},
            pressure={"cpu": pressure(rng)} if rng.random() < 0.5 else {},
        )
        cgroups = {}
        if rng.random() < 0.5:
            cgroups = {"/a": cgroup(rng), "/b": CgroupCounters()}
        if rng.random() < 0.5:
            births, execs, exits = (int(x) for x in rng.integers(-1, 1 << 62, 3))
            host = replace(host, births=births, execs=execs, exits=exits)
        totals = None
        if ended and rng.random() < 0.7:
            totals = np.where(rng.random((M, len(ended))) < 0.3, np.nan, rng.integers(0, 1 << 40, (M, len(ended))) * 1e5)
            totals[rng.integers(M)] = number(rng)
        threads = None
        if rng.random() < 0.2:
            three = rng.integers(1, 1 << 30, (3, 4))
            threads = ThreadTable(three[0], three[1], three[2], [text(rng) for _ in range(4)], rng.random((M, 4)) * 100)
        yield Reading(
            seq=seq,
            wall=1.7e9 + mono,
            mono=mono,
            boot=mono + 0.5,
            interval=1.0,
            late=float(rng.random()),
            source="proc" if seq % 7 else "bpf",
            info=INFO,
            pid=np.array([k[0] for k in keys], np.int64),
            start=np.array([k[1] for k in keys], np.int64),
            counters=np.array([counters[k] for k in keys]).reshape(n, M).T,
            labels=[labels[k] for k in keys],
            host=host,
            cgroups=cgroups,
            gaps=(Gap("io", int(rng.integers(9)), "not root"),) if seq % 3 else (),
            exits=tuple(Exit(ProcKey(*k), 1, labels[k], None if rng.random() < 0.5 else int(rng.integers(-64, 256))) for k in ended),
            changed=np.flatnonzero((rng.random(n) < 0.3) | differ) if rng.random() < 0.5 else None,
            threads=threads,
            ended=totals,
            wchan={row: text(rng) for row in range(n) if rng.random() < 0.1},
            notes=(text(rng),) if rng.random() < 0.3 else (),
        )


def judged(rng: np.random.Generator, reading: Reading) -> Seen:
    """What a detector might say of it, and much that none does."""
    n = len(reading)

    def some() -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.array([number(rng) for _ in range(n)], np.float32)

    def reason() -> Reason:
        return Reason("cpu", number(rng), (number(rng), number(rng)), text(rng), f"{text(rng)} {rng.integers(99)} MB/s, usual {text(rng)}")

    why = {row: tuple(reason() for _ in range(rng.integers(1, 4))) for row in range(n) if rng.random() < 0.3}
    scores = Scores(some(), some(), some(), rng.random(n) < 0.5, rng.integers(0, 3, n).astype(np.int8), why, (text(rng),))
    wall = reading.wall
    alerts = tuple(
        AlertEvent(
            *(ProcKey(k, 5), text(rng), None, wall, wall, wall + float(rng.random()), number(rng), number(rng), (reason(),)),
            open=k % 2 == 0,
            accepted=bool(rng.random() < 0.3),
        )
        for k in range(rng.integers(0, 4))
    )
    gone = np.where(rng.random(5) < 0.3, np.nan, np.round(rng.exponential(3.0, 5), 1)).astype(np.float32) if rng.random() < 0.5 else None
    return Seen(scores, float(rng.random()), alerts, rng.integers(0, 50, n).astype(np.float32), gone, *together(rng, reason))


def together(rng: np.random.Generator, reason: Callable[[], Reason]) -> tuple[HostScores | None, dict[str, GroupScores]]:
    """What might be said of the host and of groups."""

    def some(n: int, share: float) -> np.ndarray:
        odd = np.array([number(rng) for _ in range(n)])
        return np.where(rng.random(n) < share, odd, np.where(rng.random(n) < 0.2, np.nan, np.round(rng.exponential(1.0, n), 1)))

    groups = {}
    for by in ("container", "command", "image"):
        if rng.random() < 0.7:
            keys = tuple(dict.fromkeys(f"g{k}" if k % 9 else text(rng) for k in rng.permutation(30)[: rng.integers(30)].tolist()))
            names = tuple(key if rng.random() < 0.9 else text(rng) for key in keys)
            n = len(keys)
            rank, alert, per_hour = (small(some(n, share), scale) for share, scale in ((0.05, 1), (0.5, 1), (0.3, 50)))
            why = {k: tuple(reason() for _ in range(rng.integers(1, 4))) for k in range(n) if rng.random() < 0.2}
            groups[by] = GroupScores(keys, names, rank, alert, per_hour, rng.random(n) < 0.1, why)
    disks = [Vital("iostat", f"sd{k}", "tps") for k in range(rng.integers(0, 3))]
    names_ = (*(Vital("vmstat", "", name) for name in ("r", "b", "avm", "no such thing")), *disks)
    n = len(names_)
    why_ = tuple(reason() for _ in range(rng.integers(0, 3)))
    values, low, high = (some(n, 0.3) for _ in range(3))
    score, per_hour = some(2, 0.3).tolist()
    rank, alerting = small(some(n, 0.1)), rng.random(n) < 0.2
    host = HostScores(names_, values, low, high, rank, alerting, why_, score, per_hour, float(rng.random()))
    return host if rng.random() < 0.9 else None, groups


def small(values: np.ndarray, scale: float = 1.0) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (values * scale).astype(np.float32)


def of_groups(groups: Mapping[str, GroupScores]) -> dict[str, object]:
    """What a screen shows of them, but for bars and colours; NaN is not told apart from absence."""
    said: dict[str, object] = {}
    for by, one in groups.items():
        seldom = [1 + (x <= 12) + (x <= 120) if r >= 1 else 0 for r, x in zip(tenths(one.rank) / 10, one.per_hour.tolist(), strict=True)]
        texts = [[r.text for r in one.why.get(k, ())] for k in range(len(one.keys))]
        rows = zip(one.keys, one.names, tenths(one.rank).tolist(), seldom, one.alerting.tolist(), texts, strict=True)
        said[by] = {key: rest for key, *rest in rows if rest[1] >= 0}
    return said


def of_host(scores: HostScores) -> dict[Vital, object]:
    rows = zip(scores.names, digits.code(scores.low), digits.code(scores.high), tenths(scores.rank), scores.alerting, strict=True)
    return {name: [int(x) for x in rest] for name, *rest in rows if (name.group, name.name) in QUANTITY}


def plain(value: object) -> object:
    """Anything as something that ``==`` compares, NaN included."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.kind, value.astype("<f8").tobytes() if value.dtype.kind == "f" else value.tolist())
    if isinstance(value, float):
        return "NaN" if value != value else value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "items"):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def differences(a: Reading, b: Reading) -> list[str]:
    return [name for name in Reading.__dataclass_fields__ if plain(getattr(a, name)) != plain(getattr(b, name))]


@quick
@given(seed=st.integers(0, 1 << 32))
def test_what_is_encoded_decodes_identical(seed: int) -> None:
    encoder, decoder = Encoder(None), Decoder(HEADER)
    for reading in session(seed, 8):
        back = decoder.decode(encoder.encode(reading, None))
        assert differences(reading, back.reading) == []
        assert back.seen is None


@settings(max_examples=3, suppress_health_check=_CHECKS, phases=(Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 1 << 32))
def test_a_replay_shows_the_frames_that_were_shown(tmp_path: Path, seed: int) -> None:
    """Two segments, through the engine and the detector: rates, scores and reasons are those of the session itself."""
    path = tmp_path / "a"
    path.unlink(missing_ok=True)
    engine, again = Engine(Baseline()), Engine(Baseline())
    with Writer(str(path)) as writer:
        frames_shown = [engine.step(reading) for reading in session(seed, 64)]
        for shown in frames_shown:
            writer.write(shown)
    source = ReplaySource(str(path))
    for shown in frames_shown:
        reading = source.read()
        assert reading is not None and source.seen is not None
        frame = again.step(reading)
        assert differences(shown.reading, reading) in ([], ["labels"])  # secrets, should random text look like one
        assert plain(frame.scores) == plain(shown.scores)
        assert plain(frame.batch.values) == plain(shown.batch.values)
        assert plain(frame.host) == plain(shown.host)
        seen = source.seen.scores
        assert np.allclose(seen.rank, shown.scores.rank, atol=0.06, equal_nan=True)
        assert seen.alerting.tolist() == shown.scores.alerting.tolist()
        assert [[r.text for r in seen.why[row]] for row in shown.scores.why] == [[r.text for r in why] for why in shown.scores.why.values()]
    assert source.read() is None


@quick
@given(values=st.lists(st.integers(0, 2**64 - 1)))
def test_words_come_back(values: list[int]) -> None:
    out = Out()
    out.words(np.array(values, np.uint64))
    data = In(out.done())
    assert data.words(len(values)).tolist() == values
    assert data.left() == 0


@quick
@given(values=st.sets(st.integers(0, 1 << 20)))
def test_rising_numbers_come_back(values: set[int]) -> None:
    out = Out()
    out.rising(np.array(sorted(values), np.int64))
    assert In(out.done()).rising((1 << 20) + 1).tolist() == sorted(values)


@quick
@given(seed=st.integers(0, 1000), data=st.data())
def test_hostile_bytes_behind_a_valid_checksum_raise_only_damaged(seed: int, data: st.DataObject) -> None:
    encoder, decoder, rng = Encoder(None), Decoder(HEADER), np.random.default_rng(seed)
    bodies = [bytearray(encoder.encode(reading, judged(rng, reading))) for reading in session(seed, 3)]
    for _ in range(data.draw(st.integers(1, 4))):
        body = data.draw(st.sampled_from(bodies))
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    for body in bodies:
        try:
            record = decoder.decode(bytes(body))
        except Damaged:
            return
        reading, seen = record.reading, record.seen
        assert len(reading.labels) == len(reading) == reading.counters.shape[1]
        assert len(reading) == 0 or reading.pid.min() >= 0
        assert all(label.comm == clean(label.comm) for label in reading.labels)
        if seen is not None:
            scores = seen.scores
            assert scores.rank.shape == scores.alert.shape == scores.per_hour.shape == scores.status.shape == reading.pid.shape
            assert all(0 <= row < len(reading) and reason.text == clean(reason.text) for row, why in scores.why.items() for reason in why)
            assert all(event.comm == clean(event.comm) for event in seen.alerts)
            for one in seen.groups.values():
                assert one.rank.size == one.alerting.size == len(one.keys) and not (one.rank < 0).any()
            if seen.vitals is not None:
                assert seen.vitals.rank.size == len(seen.vitals.names) and not (seen.vitals.rank < 0).any()


@quick
@given(seed=st.integers(0, 1 << 32))
def test_what_was_seen_comes_back_for_any_detector(seed: int) -> None:
    encoder, decoder, rng = Encoder(None), Decoder(HEADER), np.random.default_rng(seed)
    for reading in session(seed, 4):
        seen = judged(rng, reading)
        back = decoder.decode(encoder.encode(reading, seen))
        assert differences(reading, back.reading) == []
        assert back.seen is not None
        scores, again = seen.scores, back.seen.scores
        assert np.array_equal(np.isnan(scores.rank), np.isnan(again.rank))
        assert np.array_equal(scores.alerting, again.alerting)
        assert np.array_equal(scores.status, again.status)
        assert {row: [r.text for r in why] for row, why in scores.why.items()} == {
            row: [r.text for r in why] for row, why in again.why.items()
        }
        assert (back.seen.warming, again.notes) == (seen.warming, scores.notes)
        assert [replace(e, why=()) for e in back.seen.alerts if e.score == e.score and e.per_hour == e.per_hour] == [
            replace(e, why=()) for e in seen.alerts if e.score == e.score and e.per_hour == e.per_hour
        ]
        assert (back.seen.idle is not None) == (reading.seq == 0)
        if back.seen.idle is not None and seen.idle is not None:
            assert np.array_equal(back.seen.idle, seen.idle)
        assert plain(back.seen.departed) == plain(seen.departed)
        assert of_groups(back.seen.groups) == of_groups(seen.groups)
        assert (back.seen.vitals is None) == (seen.vitals is None)
        if seen.vitals is not None and back.seen.vitals is not None:
            host, there = seen.vitals, back.seen.vitals
            assert of_host(there) == of_host(host) and len(there.names) == len(host.names) - 1
            assert tenths(np.array([there.score])) == tenths(np.array([host.score]))
            assert [r.text for r in there.why] == [r.text for r in host.why] and abs(there.warming - host.warming) < 1e-4


@quick
@given(
    data=st.binary(max_size=300),
    plain=st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=30),
)
def test_a_hostile_summary_raises_only_damaged(data: bytes, plain: object) -> None:
    bodies = [data, frames.SUMMARY + data, frames.SUMMARY + zstandard.compress(data)]
    bodies.append(frames.SUMMARY + zstandard.compress(json.dumps(plain).encode()))
    bodies.append(frames.SUMMARY + zstandard.compress(json.dumps([1.0, 2.0, 3, 4, 0, True, plain, [plain]]).encode()))
    for body in bodies:
        try:
            summary = Summary.from_bytes(body)
        except Damaged:
            continue
        assert len(summary.peaks) <= frames.MOST_READINGS


@quick
@given(data=st.binary(max_size=400))
def test_any_bytes_raise_only_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        Decoder(HEADER).decode(data)
    with pytest.raises(Damaged):
        Header.from_json(data)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Reading]]:
    """Five readings in three segments, and their bytes."""
    path = tmp_path_factory.mktemp("stream") / "a.ptop"
    readings = list(session(7, 5))
    for part in (readings[:2], readings[2:4], readings[4:]):
        with Writer(str(path)) as writer:
            for reading in part:
                writer.write(reading)
    return path.read_bytes(), readings


def read(path: Path, data: bytes) -> tuple[list[Reading], Reader]:
    path.write_bytes(data)
    with Reader(str(path)) as reader:
        return [record.reading for record in reader], reader


def test_every_truncation_is_a_prefix(recording: tuple[bytes, list[Reading]], tmp_path: Path) -> None:
    data, readings = recording
    whole = 0
    close = 700  # every length near the end, some of the others
    for size in (*range(0, len(data) - close, 97), *range(len(data) - close, len(data) + 1)):
        try:
            got, _ = read(tmp_path / "cut", data[:size])
        except StreamError:
            got = []
        assert len(got) >= whole
        whole = len(got)
        if got:
            assert differences(got[-1], readings[whole - 1]) == []
    assert whole == len(readings)


@settings(max_examples=150, suppress_health_check=_CHECKS, print_blob=False)
@given(at=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_at_most_its_segment(recording: tuple[bytes, list[Reading]], tmp_path: Path, at: int, bit: int) -> None:
    data, readings = recording
    damaged = bytearray(data)
    at %= len(data)
    damaged[at] ^= 1 << bit
    try:
        got, reader = read(tmp_path / "flipped", bytes(damaged))
    except StreamError:
        assert at < frames.PREAMBLE.size  # a newer major, as far as anybody can tell
        return
    assert len(got) >= len(readings) - 2
    assert len(got) == len(readings) or reader.damage or reader.damage.torn
    mine = {reading.seq: reading for reading in readings}
    assert all(differences(reading, mine[reading.seq]) == [] for reading in got)


@quick
@given(junk=st.binary(max_size=300), at=st.integers(0, 1 << 30), syncs=st.integers(0, 4))
def test_junk_in_the_middle_is_passed_over(
    recording: tuple[bytes, list[Reading]], tmp_path: Path, junk: bytes, at: int, syncs: int
) -> None:
    data, readings = recording
    at = frames.PREAMBLE.size + at % (len(data) - frames.PREAMBLE.size)
    got, _ = read(tmp_path / "junk", data[:at] + junk + frames.SYNC * syncs + junk + data[at:])
    assert len(got) >= len(readings) - 2


@quick
@given(data=st.binary(max_size=300))
def test_a_file_of_anything_is_refused_or_read(tmp_path: Path, data: bytes) -> None:
    for start in (b"", frames.preamble(), frames.preamble() + frames.frame(frames.Kind.SEGMENT, 5, frames.SYNC + data)):
        try:
            assert read(tmp_path / "any", start + data)[0] == []
        except StreamError as error:
            assert "\n" not in str(error)
