"""The grid of ticks, on a clock that the test turns."""

from __future__ import annotations

import threading

import pytest

from frames import INFO, build
from proctop.records import Reading
from proctop.sources import NoReading, Wants
from proctop.sources.pace import Ticker, readings


class Turned:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return False


def ticker(interval: float = 1.0) -> tuple[Ticker, Turned]:
    clock = Turned()
    return Ticker(interval, clock, clock.pause), clock


def test_second_reading_comes_soon_and_the_grid_does_not_drift() -> None:
    tick, clock = ticker()
    times = []
    for cost in (0.0, 0.03, 0.07, 0.01, 0.05):
        assert tick.wait() == 0.0
        times.append(clock.now)
        clock.now += cost
    assert times == pytest.approx([100.0, 100.25, 101.25, 102.25, 103.25])


def test_a_slow_reading_costs_whole_ticks_and_says_so() -> None:
    tick, clock = ticker()
    tick.wait()
    tick.wait()
    clock.now += 1.6
    assert tick.wait() == pytest.approx(1.0)
    assert clock.now == pytest.approx(102.25)
    clock.now += 0.1
    assert tick.wait() == 0.0
    assert clock.now == pytest.approx(103.25)


def test_a_little_late_starts_at_once() -> None:
    tick, clock = ticker()
    tick.wait()
    tick.wait()
    clock.now += 1.1
    assert tick.wait() == pytest.approx(0.1)
    assert clock.now == pytest.approx(101.35)
    assert tick.wait() == 0.0
    assert clock.now == pytest.approx(102.25)


def test_oversleeping_is_lateness_not_drift() -> None:
    clock = Turned()

    def oversleep(seconds: float) -> bool:
        clock.now += seconds + 0.02
        return False

    tick = Ticker(1.0, clock, oversleep)
    tick.wait()
    lates = [tick.wait() for _ in range(5)]
    assert lates == pytest.approx([0.02] * 5)
    assert clock.now == pytest.approx(104.27)


def test_the_interval_can_change() -> None:
    tick, clock = ticker()
    tick.wait()
    tick.wait()
    tick.interval = 5.0
    tick.wait()
    assert clock.now == pytest.approx(105.25)


def test_stop_ends_a_wait_at_once() -> None:
    tick = Ticker(3600.0)
    tick.wait()
    tick.wait()
    answers: list[float | None] = []
    waiting = threading.Thread(target=lambda: answers.append(tick.wait()))
    waiting.start()
    tick.stop()
    waiting.join(10)
    assert answers == [None]
    assert tick.wait() is None


def test_a_source_that_keeps_its_own_time_is_never_waited_for() -> None:
    ticker = Ticker(0.0, pause=lambda _: pytest.fail("nobody waits"))
    assert [ticker.wait() for _ in range(3)] == [0.0, 0.0, 0.0]
    ticker.stop()
    assert ticker.wait() is None


class Script:
    """Readings, and why there is none."""

    name = "script"
    info = INFO

    def __init__(self, *steps: Reading | NoReading) -> None:
        self.wants = Wants()
        self._steps = list(steps)

    def read(self, late: float = 0.0) -> Reading | None:
        step = self._steps.pop(0) if self._steps else None
        if isinstance(step, NoReading):
            raise step
        return step

    def close(self) -> None:
        """Nothing is open."""


def test_what_keeps_readings_from_coming_is_told_once_each() -> None:
    reading = build([]).reading
    why = [NoReading("lost", f"again in {seconds} s") for seconds in (1, 2, 4)]
    told: list[str] = []
    source = Script(reading, *why, NoReading("refused", "again in 8 s"), reading, NoReading("lost", "again in 1 s"), reading)
    assert list(readings(source, lambda: 0.0, told.append)) == [reading] * 3
    assert told == ["lost, again in 1 s", "refused, again in 8 s", "lost, again in 1 s"]
