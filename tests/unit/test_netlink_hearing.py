"""Process events: what is heard, and what is not believed."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from proctop.kernel.netlink import events
from proctop.kernel.netlink.events import changes, parse
from proctop.records import Ints

FORK, EXEC, EXIT, COMM = 1, 2, 0x80000000, 0x200


def event(what: int, *numbers: int, when: int = 5_000_000_001, raw: bytes = b"") -> bytes:
    body = struct.pack("=IIQ", what, 1, when) + (raw or struct.pack(f"={len(numbers)}I", *numbers)).ljust(24, b"\0")
    return struct.pack("=IHHII", 76, 3, 0, 9, 0) + struct.pack("=IIIIHH", 1, 1, 7, 0, 40, 0) + body


def table(*datagrams: bytes) -> tuple[NDArray[np.uint8], Ints]:
    data = np.full((len(datagrams), 80), 0xA5, dtype=np.uint8)
    for row, datagram in zip(data, datagrams, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram[:80], dtype=np.uint8)
    return data, np.array([len(one) for one in datagrams], dtype=np.int64)


def test_births_starts_and_ends() -> None:
    told = changes(
        parse(
            *table(
                event(FORK, 11, 10, 20, 20),
                event(FORK, 11, 10, 21, 20),  # a thread
                event(EXEC, 20, 20, when=6_000_000_000),
                event(COMM, 20, 20, raw=struct.pack("=II", 20, 20) + b"\xff\xfe\x1b[2J\0"),
                event(EXIT, 21, 20, 0, 17, 10, 10),  # a thread
                event(EXIT, 20, 20, 0x0300, 17, 11, 10),
                event(EXIT, 22, 22, 0x8B, 17, 1, 1),  # SIGSEGV, with a core
                event(EXIT, 4_194_304, 4_194_304, 0, 17, 1, 1),
            )
        ),
        lost=False,
    )
    assert (told.births.pid.tolist(), told.births.ppid.tolist(), told.births.when.tolist()) == ([20], [10], [5.000000001])
    assert (told.execs.pid.tolist(), told.execs.when.tolist()) == ([20], [6.0])
    assert (told.exits.pid.tolist(), told.exits.ppid.tolist(), told.exits.code.tolist()) == ([20, 22, 4_194_304], [10, 1, 1], [3, -11, 0])


def test_every_truncation_is_left_out() -> None:
    whole = event(EXIT, 20, 20, 0, 17, 1, 1)
    for end in range(len(whole)):
        cut = bytearray(whole[:end])
        assert not len(parse(*table(bytes(cut))))
        if end >= 4:
            struct.pack_into("=I", cut, 0, end)
            assert not len(parse(*table(bytes(cut))))
    assert len(parse(*table(whole))) == 1


def test_other_senders_and_kinds_are_left_out() -> None:
    whole = event(FORK, 1, 1, 20, 20)
    for place, form, value in ((4, "=H", 2), (16, "=I", 2), (20, "=I", 9), (36, "=I", 3), (0, "=I", 77)):
        changed = bytearray(whole)
        struct.pack_into(form, changed, place, value)
        assert not len(parse(*table(bytes(changed))))


@given(
    st.lists(st.binary(max_size=80) | st.binary(min_size=40, max_size=40).map(lambda tail: event(FORK, 1, 1, 2, 2)[:36] + tail), max_size=5)
)
def test_rubbish_is_left_out(datagrams: list[bytes]) -> None:
    rows = parse(*table(*datagrams))
    told = changes(rows, lost=True)
    assert len(told.births) + len(told.execs) + len(told.exits) <= len(datagrams) and told.lost
    assert all((one.pid >= 0).all() and (one.when >= 0).all() for one in (told.births, told.execs, told.exits))


def accepts(program: bytes, packet: bytes) -> bool:
    """Classic BPF, as net/core/filter.c runs it, as far as it is used."""
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    place, first, index = 0, 0, 0
    while True:
        operation, yes, no, constant = code[place]
        place += 1
        if operation == 0x20:
            if constant + 4 > len(packet):
                return False
            first = int.from_bytes(packet[constant : constant + 4], "big")
        elif operation == 0x07:
            index = first
        elif operation == 0x05:
            place += constant
        elif operation in (0x15, 0x1D):
            place += yes if first == (constant if operation == 0x15 else index) else no
        else:
            assert operation == 0x06
            return bool(constant)


@given(
    st.sampled_from([0, FORK, EXEC, EXIT, COMM, 4, 0x40, 0x80, 0x100, 0x40000000]),
    st.lists(st.integers(1, 3), min_size=6, max_size=6),
)
def test_the_filter_and_the_parser_agree(what: int, numbers: list[int]) -> None:
    packet = event(what, *numbers)
    assert accepts(events.only_processes(), packet) == bool(len(parse(*table(packet))))


def test_an_order_is_what_the_kernel_expects() -> None:
    raw = events.order(1, 1234)
    assert struct.unpack("=IHHII", raw[:16])[:2] == (len(raw), 3)
    assert struct.unpack("=IIIIHHI", raw[16:]) == (1, 1, 0, 1234, 4, 0, 1)
