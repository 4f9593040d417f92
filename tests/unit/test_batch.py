"""Batch mode: how many readings, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from frames import INFO, NAN, Proc, build
from proctop.export import batch
from proctop.frames import Frame
from proctop.records import HostInfo, Reading
from proctop.sources import Wants
from proctop.view.rows import ViewState


class Script:
    """A source of ``count`` readings and the engine that knows their frames."""

    name = "script"
    info: HostInfo = INFO

    def __init__(self, count: int, action: Callable[[int], None] = lambda k: None) -> None:
        self.wants = Wants()
        self.frames = [build([Proc(k + 1, "p", rank=1.0)], tick=k, dt=NAN if k == 0 else 1.0) for k in range(count)]
        self.lateness: list[float] = []
        self._action = action
        self._at = -1

    def read(self, late: float = 0.0) -> Reading | None:
        self._at += 1
        self.lateness.append(late)
        self._action(self._at)
        return self.frames[self._at].reading if self._at < len(self.frames) else None

    def step(self, reading: Reading) -> Frame:
        return self.frames[self._at]

    def close(self) -> None: ...


def ticks(*lateness: float | None) -> Callable[[], float | None]:
    it: Iterator[float | None] = iter(lateness)
    return lambda: next(it, None)


def recorded(script: Script) -> Iterator[Frame]:
    while (reading := script.read()) is not None:
        yield script.step(reading)


def run(script: Script, out: StringIO, *, count: int | None = None, wait: Callable[[], float | None] | None = None) -> int:
    came = recorded(script) if wait is None else batch.live(script, script, wait)
    return batch.run(came, state=ViewState(), format="json", out=out, count=count)


def pids(out: StringIO) -> list[int]:
    return [json.loads(line)["processes"][0]["pid"] for line in out.getvalue().splitlines()]


def test_a_recording_gives_all_its_readings() -> None:
    out = StringIO()
    assert run(Script(4), out) == 0
    assert pids(out) == [1, 2, 3, 4]


def test_a_recording_cut_after_n() -> None:
    out = StringIO()
    assert run(Script(4), out, count=2) == 0
    assert pids(out) == [1, 2]


def test_live_skips_the_reading_without_rates() -> None:
    script, out = Script(9), StringIO()
    assert run(script, out, count=3, wait=ticks(0.0, 0.0, 0.5, 0.0, 0.0)) == 0
    assert pids(out) == [2, 3, 4]
    assert script.lateness == [0.0, 0.0, 0.5, 0.0]


def test_live_ends_when_the_ticker_stops() -> None:
    out = StringIO()
    assert run(Script(9), out, wait=ticks(0.0, 0.0, None)) == 0
    assert pids(out) == [2]


def test_csv_has_one_header_and_tables_have_titles_each() -> None:
    for form, header, times in (("csv", "every_hours", 1), ("table", "COMMAND", 3)):
        out = StringIO()
        assert batch.run(recorded(Script(3)), state=ViewState(), format=form, out=out) == 0
        assert out.getvalue().count(header) == times


def test_threads_are_asked_for() -> None:
    script = Script(1)
    list(batch.live(script, script, ticks(0.0), threads=True))
    assert script.wants == Wants(threads=True)


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="xml"):
        batch.run(recorded(Script(1)), state=ViewState(), format="xml", out=StringIO())


def test_interrupt_ends_with_130_and_whole_lines() -> None:
    def interrupt(k: int) -> None:
        if k == 2:
            raise KeyboardInterrupt

    out = StringIO()
    assert run(Script(5, interrupt), out) == 130
    assert pids(out) == [1, 2]


class Failing(StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def flush(self) -> None:
        raise self._error


def test_a_full_disk_is_one_line_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Script(3), Failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))) == 1
    assert capsys.readouterr().err == "proctop: cannot write the output: No space left on device\n"


def test_a_reader_that_left_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Script(3), Failing(BrokenPipeError())) == 0
    assert capsys.readouterr().err == ""


PROGRAM = """
import sys
from proctop.export import batch
from test_batch import Script, recorded
from proctop.view.rows import ViewState
sys.exit(batch.run(recorded(Script(2000)), state=ViewState(), format="json", out=sys.stdout))
"""


def _run_program(stdout: int) -> subprocess.CompletedProcess[bytes]:
    here = Path(__file__).parent
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.run([sys.executable, "-c", PROGRAM], stdout=stdout, stderr=subprocess.PIPE, env=environ, timeout=60, check=False)


def test_a_closed_pipe_ends_a_real_process_without_a_word() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = _run_program(write_end)
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_device_ends_a_real_process_with_one_line() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = _run_program(full)
    finally:
        os.close(full)
    assert done.returncode == 1
    assert done.stderr == b"proctop: cannot write the output: No space left on device\n"
