"""The messages of taskstats: right places for every version, and nothing believed that is too short."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from proctop.kernel.netlink import wire
from proctop.kernel.netlink.accounting import FIELDS, ROW, Layout, version_of
from proctop.records import Ints

SLOT = 2048
FAMILY = 31
SIZES = {8: 328, 9: 344, 10: 352, 11: 368, 12: 400, 13: 416, 14: 432, 15: 560, 16: 560, 17: 688}
"""Bytes of the structure by version."""


def structure(version: int, size: int | None = None) -> bytes:
    """One whose words hold their own place in bytes, behind the version."""
    words = np.arange(0, size or SIZES.get(version, 560), 8, dtype=np.uint64)
    words[0] = version | 9 << 40
    return words.tobytes()


def reply(
    payload: bytes, number: int = 77, nest: int = wire.AGGR_PID, kind: int = wire.PID, padded: bool = False, sequence: int = 5
) -> bytes:
    inner = wire.attribute(kind, struct.pack("=I", number)) + (wire.attribute(6, b"") if padded else b"") + wire.attribute(3, payload)
    body = struct.pack("=BBH", 2, 1, 0) + wire.attribute(nest, inner)
    return struct.pack("=IHHII", 16 + len(body), FAMILY, 0, sequence, 0) + body


def table(*datagrams: bytes) -> tuple[NDArray[np.uint8], Ints]:
    data = np.zeros((len(datagrams), SLOT), dtype=np.uint8)
    for row, datagram in zip(data, datagrams, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram[:SLOT], dtype=np.uint8)
    return data, np.array([len(one) for one in datagrams], dtype=np.int64)


def read(*datagrams: bytes) -> wire.Structures | None:
    return wire.structures(*table(*datagrams), FAMILY, wire.AGGR_PID, wire.PID)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("version", SIZES)
def test_each_version_has_its_members_where_they_are(version: int, padded: bool) -> None:
    found = read(reply(structure(version), padded=padded))
    assert found is not None and found.number.tolist() == [77] and found.layout.size <= SIZES[version]
    values = dict(zip(ROW, found.layout.columns(found.words, whole=False, counted=True)[:, 0].tolist(), strict=True))
    moved = 2 * 8 if version == 15 else 0  # two more words behind each delay
    assert (values["wait_ns_count"], values["wait_ns"]) == (16, 24)
    assert values["blkio_delay"] == 40 + moved
    assert values["run_ns"] == 72 + 3 * moved
    assert values["utime"] == (152 + 3 * moved) * 1000
    assert values["rchar"] == 216 + 3 * moved and values["nvctx"] == 280 + 3 * moved
    assert values["peak_rss"] == (200 + 3 * moved) * 1024
    assert values["reclaim_delay"] == 320 + 3 * moved
    assert np.isnan(values["thrashing_delay"]) == (version < 9) and np.isnan(values["compact_delay"]) == (version < 11)
    assert np.isnan(values["wpcopy_delay"]) == (version < 13) and np.isnan(values["irq_delay"]) == (version < 14)
    if version >= 14:
        assert values["irq_delay"] == 424 + 7 * moved


def test_what_is_not_known_is_missing() -> None:
    found = read(reply(structure(16)))
    assert found is not None
    whole = found.layout.columns(found.words, whole=True, counted=True)[:, 0]
    assert [field.name for field, value in zip(FIELDS, whole, strict=True) if np.isnan(value)] == [
        field.name for field in FIELDS if not field.whole
    ]
    off = found.layout.columns(found.words, whole=False, counted=False)[:, 0]
    missing = {field.name for field, value in zip(FIELDS, off, strict=True) if np.isnan(value)}
    assert "blkio_delay" in missing and not missing & {"wait_ns", "wait_ns_count", "run_ns", "minflt"}


def test_halves_of_words() -> None:
    raw = bytearray(structure(16))
    struct.pack_into("=I", raw, 4, 0x0700)
    struct.pack_into("=B", raw, 8, 0x20)
    raw[80:112] = b"\xff\xfe name".ljust(32, b"\0")
    struct.pack_into("=IIII", raw, 120, 1000, 1001, 42, 41)
    struct.pack_into("=I", raw, 368, 40)
    found = read(reply(bytes(raw)))
    assert found is not None
    told = {name: found.layout.who(found.words, name).tolist() for name in ("code", "uid", "pid", "ppid", "tgid")}
    assert told == {"code": [0x0700], "uid": [1000], "pid": [42], "ppid": [41], "tgid": [40]}
    assert found.layout.last(found.words).tolist() == [True]
    assert found.layout.names(found.words).tolist() == [b"\xff\xfe name"]
    assert Layout(11).who(found.words, "tgid").tolist() == [-1]


def test_an_old_version_and_a_strange_one_are_left_out() -> None:
    assert read(reply(structure(7, 328))) is None
    with pytest.raises(ValueError, match="too old"):
        Layout(7)
    found = read(reply(structure(16)), reply(structure(15), number=78), reply(structure(16), number=79))
    assert found is not None and found.number.tolist() == [77, 79] and found.place.tolist() == [0, 2]
    assert version_of(found.words).tolist() == [16, 16]


def test_the_second_nest_of_a_process_that_ended() -> None:
    one, other = reply(structure(16)), reply(structure(16), nest=wire.AGGR_TGID, kind=wire.TGID, number=70)
    datagram = bytearray(one + other[20:])
    struct.pack_into("=I", datagram, 0, len(datagram))
    data, length = table(bytes(datagram), one)
    second = wire.structures(data, length, FAMILY, wire.AGGR_TGID, wire.TGID, 20 + len(one) - 20)
    assert second is not None and second.place.tolist() == [0] and second.number.tolist() == [70]


def test_every_truncation_is_left_out() -> None:
    """A cut that is told (shorter datagram) and one that is not (the length field lies)."""
    whole = reply(structure(14))
    for end in range(len(whole)):
        cut = bytearray(whole[:end])
        assert read(bytes(cut)) is None
        if end >= 4:
            struct.pack_into("=I", cut, 0, end)
            assert read(bytes(cut)) is None
    assert read(whole) is not None


@given(st.lists(st.binary(max_size=700), min_size=1, max_size=4), st.booleans())
def test_rubbish_is_left_out(datagrams: list[bytes], second: bool) -> None:
    data, length = table(*datagrams)
    wire.structures(data, length, FAMILY, wire.AGGR_PID, wire.PID, 596 if second else 20)


@given(st.data())
def test_a_changed_byte_is_read_or_left_out(data: st.DataObject) -> None:
    good = bytearray(reply(structure(data.draw(st.sampled_from(list(SIZES))))))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, 50))] = data.draw(st.integers(0, 255))
    found = read(bytes(good), reply(structure(16), number=3))
    if found is not None:
        columns = found.layout.columns(found.words, whole=False, counted=True)
        assert columns.shape == (len(FIELDS), len(found.place)) and not (columns < 0).any()


def test_family_and_refusals() -> None:
    body = struct.pack("=BBH", 1, 2, 0) + wire.attribute(2, b"TASKSTATS\0") + wire.attribute(1, struct.pack("=H", 31))
    answer = struct.pack("=IHHII", 16 + len(body), 16, 0, 1, 0) + body
    assert wire.family_id(answer) == 31 and wire.refusal_of(answer) == 0
    error = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -errno.ENOENT) + bytes(16)
    assert wire.refusal_of(error) == errno.ENOENT
    assert wire.refusal_of(b"") == errno.EBADMSG
    assert wire.family_id(bytes(40)) == -1  # attributes without a length
    for end in range(len(answer) - 4):
        assert wire.family_id(answer[:end]) == -1


@given(st.binary(max_size=200))
def test_rubbish_is_no_family(raw: bytes) -> None:
    assert -1 <= wire.family_id(raw) <= 0xFFFF
    wire.refusal_of(raw)
