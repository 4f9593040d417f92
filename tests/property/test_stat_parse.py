"""What must hold for every stat line, and for every other bytes."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proctop.kernel import procfs, system

comms = st.binary(max_size=15).filter(lambda b: b"\0" not in b)
numbers = st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=49, max_size=49)


def line(pid: int, comm: bytes, state: str, values: list[int]) -> bytes:
    return b"%d (%s) %s %s\n" % (pid, comm, state.encode(), " ".join(map(str, values)).encode())


@given(st.integers(1, 2**22), comms, st.sampled_from("RSDZTtIX"), numbers)
def test_parse_of_format_is_the_same(pid: int, comm: bytes, state: str, values: list[int]) -> None:
    name, code, parsed = procfs.stat(line(pid, comm, state, values))
    assert (name, chr(code), parsed.tolist()) == (comm, state, values)


@given(st.lists(st.tuples(comms, st.sampled_from("RSDZ"), numbers), min_size=1, max_size=5))
def test_many_at_once_agree_with_one_by_one(rows: list[tuple[bytes, str, list[int]]]) -> None:
    raws = [line(7, comm, state, values) for comm, state, values in rows]
    parsed = procfs.stat_many(raws)
    assert parsed is not None
    for raw, state, values in zip(raws, *parsed, strict=True):
        one = procfs.stat(raw)
        assert state == one[1]
        np.testing.assert_array_equal(values, one[2])


@given(st.binary(max_size=400))
def test_any_bytes_raise_only_the_domain_error(raw: bytes) -> None:
    procfs.stat_many([raw, raw])
    procfs.schedstats([raw])
    for parse in (procfs.stat, procfs.io, procfs.status, system.meminfo, system.loadavg, system.vmstat, system.pressure, system.netdev):
        with contextlib.suppress(procfs.Malformed):
            parse(raw)
    with contextlib.suppress(procfs.Malformed):
        system.Stat(raw, 1e7)
    with contextlib.suppress(procfs.Malformed):
        system.diskstats(raw, frozenset({"sda"}))


@given(st.text("0123456789- \n()SR", max_size=300).map(str.encode))
def test_bytes_that_look_alike_raise_only_the_domain_error(raw: bytes) -> None:
    procfs.stat_many([raw])
    with contextlib.suppress(procfs.Malformed):
        procfs.stat(raw)
    with contextlib.suppress(procfs.Malformed):
        procfs.io(b"rchar: " + raw)
    with contextlib.suppress(procfs.Malformed):
        system.Stat(b"cpu  " + raw + b"\ncpu" + raw, 1e7)
