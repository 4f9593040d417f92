"""A sink that takes its time, or for ever, and who does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from frames import Proc, build
from proctop.frames import Frame
from proctop.records import Reading
from proctop.stream import WriteFailed, spool
from proctop.stream.spool import Spool


class Sink:
    """Blocks in ``write`` until it is let go; fails while ``full``."""

    path = "here"

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.entered = threading.Semaphore(0)
        self.ended = threading.Event()
        self.written: list[int] = []
        self.full = self.broken = False

    def write(self, what: Frame | Reading) -> None:
        self.entered.release()
        self.let.wait()
        if self.full:
            raise WriteFailed("no space left")
        if self.broken:
            raise ZeroDivisionError
        assert isinstance(what, Frame)
        self.written.append(what.tick)

    def close(self) -> None:
        self.ended.set()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.let.set()


def frame(tick: int) -> Frame:
    return build([Proc(1, "init")], tick=tick, wall=1.8e9 + tick)


SIZE = frame(0).reading.counters.nbytes + frame(0).batch.values.nbytes


def test_all_is_written_in_order_and_the_sink_closed(sink: Sink) -> None:
    tape = Spool(sink)
    for tick in range(500):
        tape.write(frame(tick))
    tape.close()
    assert sink.written == list(range(500)) and sink.ended.is_set()
    assert (tape.lost, tape.trouble, tape.path) == (0, "", "here")


def begun(sink: Sink, count: int) -> None:
    """Wait until ``count`` more writes have begun; those before are over then."""
    for _ in range(count):
        assert sink.entered.acquire(timeout=30)


def test_a_sink_that_hangs_costs_what_does_not_fit_and_nobody_waits(sink: Sink) -> None:
    tape = Spool(sink, most=3 * SIZE)
    sink.let.clear()
    for tick in range(7):
        tape.write(frame(tick))
    assert tape.lost == 4
    assert tape.trouble == "recording here: the disk does not answer, readings are lost"
    sink.let.set()
    begun(sink, 3)
    tape.write(frame(7))
    assert tape.trouble == ""
    tape.close()
    assert sink.written == [0, 1, 2, 7] and tape.lost == 4


def test_many_that_wait_are_told_before_any_is_lost(sink: Sink) -> None:
    tape = Spool(sink)
    sink.let.clear()
    for tick in range(6):
        tape.write(frame(tick))
    assert tape.trouble == ""
    tape.write(frame(6))
    assert tape.trouble == "recording here: the disk does not answer, readings wait to be written"
    sink.let.set()
    tape.close()
    assert len(sink.written) == 7 and (tape.trouble, tape.lost) == ("", 0)


def test_one_reading_fits_however_large(sink: Sink) -> None:
    tape = Spool(sink, most=1)
    tape.write(frame(0))
    tape.close()
    assert sink.written == [0]


def test_failures_are_told_until_one_succeeds(sink: Sink) -> None:
    tape = Spool(sink)
    sink.full = True
    tape.write(frame(0))
    tape.write(frame(1))
    begun(sink, 2)
    assert tape.trouble == "no space left" and tape.lost >= 1
    sink.full = False
    tape.write(frame(2))
    tape.close()
    assert tape.trouble == "" and tape.lost == 2 and sink.written == [2]


def test_the_end_does_not_wait_for_a_disk_that_hangs(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_PATIENCE", 0.05)
    tape = Spool(sink)
    sink.let.clear()
    for tick in range(3):
        tape.write(frame(tick))
    tape.close()
    assert not sink.ended.is_set()
    assert tape.lost == 3 and tape.trouble == "recording here: the disk does not answer, readings lost at the end: 3"
    sink.let.set()
    assert sink.ended.wait(30) and sink.written == [0]


def test_nothing_is_taken_after_the_end(sink: Sink) -> None:
    tape = Spool(sink)
    tape.close()
    tape.write(frame(0))
    assert sink.written == [] and tape.lost == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_nobody_foresaw_ends_the_recording_and_is_told(sink: Sink) -> None:
    tape = Spool(sink)
    sink.broken = True
    tape.write(frame(0))
    assert sink.ended.wait(30)
    tape.write(frame(1))
    tape.close()
    assert tape.trouble == "recording here: ended by an error of its own"
