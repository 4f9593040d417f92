"""The worker thread hands over the newest frame only, survives bad readings, and ends when asked."""

from __future__ import annotations

import threading
from typing import cast

from frames import INFO, build
from proctop.engine import Engine
from proctop.frames import Frame
from proctop.records import Reading
from proctop.sources import NoReading, Wants
from proctop.tui.feed import Feed

LONG = 20.0


class Script:
    """A source and engine in one: what each reading brings, then the end."""

    name = "script"
    info = INFO

    def __init__(self, *steps: Frame | Exception) -> None:
        self.wants = Wants()
        self._steps = list(steps)
        self._now: Frame | None = None

    def read(self, late: float = 0.0) -> Reading | None:
        if not self._steps:
            return None
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        self._now = step
        return step.reading

    def step(self, reading: Reading) -> Frame:
        assert self._now is not None
        return self._now

    def close(self) -> None:
        """Nothing is open."""


def play(*steps: Frame | Exception, taking: bool = False) -> tuple[Feed, list[str], list[Frame | None]]:
    script, said, taken = Script(*steps), list[str](), list[Frame | None]()

    def deliver() -> None:
        said.append(feed.error)
        if taking:
            taken.append(feed.take())

    feed = Feed(script, cast(Engine, script), 0.001, deliver)
    feed.start()
    feed.join(LONG)
    assert not feed.is_alive()
    return feed, said, taken


def frames(count: int) -> list[Frame]:
    return [build([], tick=k) for k in range(count)]


def test_frames_nobody_took_are_replaced_by_the_newest_and_announced_once() -> None:
    made = frames(5)
    feed, said, _ = play(*made)
    assert len(said) == 1
    assert feed.take() is made[-1]
    assert feed.take() is None


def test_each_frame_that_is_taken_is_announced() -> None:
    made = frames(3)
    feed, _, taken = play(*made, taking=True)
    assert taken == [*made, None]
    assert feed.ended


def test_a_bad_reading_is_one_line_and_the_next_one_clears_it() -> None:
    first, second = frames(2)
    feed, said, taken = play(first, OSError(5, "on\nfire"), second, taking=True)
    assert said[0] == "" and said[1].startswith("reading failed, trying again: OSError: [Errno 5] on") and "\n" not in said[1]
    assert taken[2] is second and feed.error == ""


def test_what_a_source_says_of_itself_is_told_as_it_is() -> None:
    first, second = frames(2)
    feed, said, taken = play(first, NoReading("web1: connection lost", "trying again in 1 s"), second, taking=True)
    assert said[:2] == ["", "web1: connection lost, trying again in 1 s"]
    assert taken[2] is second and feed.error == ""


def test_closing_ends_the_wait_at_once_and_says_nothing_more() -> None:
    script, announced = Script(*frames(2)), threading.Event()
    feed = Feed(script, cast(Engine, script), 3600.0, announced.set)
    feed.start()
    assert announced.wait(LONG)
    feed.close()
    feed.join(LONG)
    assert not feed.is_alive()


def test_a_frame_that_is_there_already_comes_first() -> None:
    early, late = frames(2)
    script, taken = Script(late), list[Frame | None]()
    feed = Feed(script, cast(Engine, script), 0.001, lambda: taken.append(feed.take()), early)
    feed.start()
    feed.join(LONG)
    assert taken == [early, late, None]


def test_every_frame_is_kept_whether_or_not_it_is_taken() -> None:
    made = frames(4)
    kept: list[Frame] = []
    feed = Feed(script := Script(*made[1:]), cast(Engine, script), 0.001, lambda: None, made[0], kept.append)
    feed.start()
    feed.join(LONG)
    assert kept == made


def test_a_frame_that_cannot_be_kept_is_shown_and_said() -> None:
    made, said = frames(2), list[tuple[Frame | None, str]]()

    def keep(frame: Frame) -> None:
        if frame is made[0]:
            raise ValueError("too\nlarge")

    feed = Feed(script := Script(*made), cast(Engine, script), 0.001, lambda: said.append((feed.take(), feed.error)), None, keep)
    feed.start()
    feed.join(LONG)
    assert said[:2] == [(made[0], "this moment cannot be gone back to: ValueError: too"), (made[1], "")]
