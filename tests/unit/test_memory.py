"""What a running session can be rewound in: memory, or the recording that is being written where it reaches back further."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from frames import Proc, build
from proctop.compose import memory_of
from proctop.frames import Frame
from proctop.recording import RecordingEngine
from proctop.stream.writer import Writer

WALL = 1_700_003_600.0


class Engine:
    def __init__(self, recording: str = "") -> None:
        self.recording = recording


def frames(first: int, last: int) -> list[Frame]:
    return [build([Proc(1, "init", features={"rss": 1e6 + k})], tick=k, wall=WALL + k) for k in range(first, last)]


def recorded(path: Path, first: int, last: int) -> Engine:
    with Writer(str(path)) as writer:
        for frame in frames(first, last):
            writer.write(frame)
    return Engine(str(path))


def spans(engine: Engine, first: int, last: int) -> tuple[float, float] | None:
    """Where one can go to, in seconds, when memory holds these."""
    keep, past = memory_of(cast(RecordingEngine, engine))
    for frame in frames(first, last):
        keep(frame)
    player = past()
    while not player.settled:
        player.tend()
    found = player.span
    player.close()
    return None if found is None else (found[0] - WALL, found[1] - WALL)


def test_memory_alone() -> None:
    assert spans(Engine(), 3, 9) == (3.0, 8.0)


def test_a_recording_that_reaches_back_further(tmp_path: Path) -> None:
    assert spans(recorded(tmp_path / "x.proctop", 0, 9), 3, 9) == (0.0, 8.0)


def test_a_recording_that_began_later(tmp_path: Path) -> None:
    assert spans(recorded(tmp_path / "x.proctop", 5, 9), 3, 9) == (3.0, 8.0)


def test_a_directory_of_recordings(tmp_path: Path) -> None:
    recorded(tmp_path / "node1-20231114-221320.proctop", 0, 9)
    assert spans(Engine(str(tmp_path)), 3, 9) == (0.0, 8.0)


@pytest.mark.parametrize("content", [None, b"no recording at all"])
def test_a_recording_that_cannot_be_read_leaves_memory(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.proctop"
    if content is not None:
        path.write_bytes(content)
    assert spans(Engine(str(path)), 3, 9) == (3.0, 8.0)


def test_each_look_back_begins_anew_and_leaves_memory_whole() -> None:
    keep, past = memory_of(cast(RecordingEngine, Engine()))
    for frame in frames(0, 3):
        keep(frame)
    past().close()
    keep(frames(3, 4)[0])
    last = past().last()
    assert last is not None and last.reading.wall == WALL + 3
