"""Whatever happens to a directory of recordings, its limits hold and its order is that of time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from frames import crowd
from proctop.records import Reading
from proctop.stream import WriteFailed
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer

LIMIT, AGE = 15_000, 900.0
CROWDS = {size: crowd(size).reading for size in (1, 40, 300)}

steps = st.one_of(
    st.tuples(st.just("write"), st.sampled_from((1.0, 1.0, 60.0, 1000.0, -5.0, -4000.0)), st.sampled_from(sorted(CROWDS))),
    st.tuples(st.sampled_from(("restart", "remove", "cut")), st.just(0.0), st.just(0)),
)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.proctop"))


def act(step: str, folder: Path) -> None:
    """What others do."""
    if found := files(folder):
        if step == "remove":
            found[0].unlink()
        if step == "cut":
            os.truncate(found[-1], found[-1].stat().st_size // 2)


@settings(max_examples=60)
@example([("write", 1.0, 1), ("restart", 0.0, 0), ("write", -4000.0, 1), ("write", 1000.0, 1)])
@given(st.lists(steps, min_size=5, max_size=60))
def test_limits_hold_and_time_goes_on(done: list[tuple[str, float, int]]) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder, write = Path(name), os.write

        def watched(fd: int, data: bytes) -> int:
            assert sum(path.stat().st_size for path in files(folder)) + len(data) <= LIMIT
            return write(fd, data)

        patched.setattr(os, "write", watched)
        writer = Writer(f"{name}/", max_size=LIMIT, max_age=AGE)
        wall, last = 1.7e9, -1
        for seq, (step, passed, size) in enumerate(done):
            if step == "write":
                wall += passed
                last = seq if written(writer, replace(CROWDS[size], seq=seq, wall=wall, mono=100.0 + seq)) else last
            elif step == "restart":
                writer.close()
                writer = Writer(f"{name}/", max_size=LIMIT, max_age=AGE)
            else:
                act(step, folder)
                last = -1
        writer.close()
        got = []
        for path in files(folder):
            with Reader(str(path)) as reader:
                got += [record.reading for record in reader]
        assert [reading.seq for reading in got] == sorted(reading.seq for reading in got)
        assert last < 0 or got[-1].seq == last
        assert all(reading.wall > wall - AGE - 5 for reading in got)


def written(writer: Writer, reading: Reading) -> bool:
    try:
        writer.write(reading)
    except WriteFailed as error:
        assert "one reading is larger" in str(error)
        return False
    return True
