"""What a detail asks of the past from frame to frame, and the slices in which it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

import stories
from moments import Past
from proctop.course import moment
from proctop.frames import Course, Frame
from proctop.records import ProcKey
from proctop.stream import StreamError
from proctop.tui.following import Following
from proctop.tui.tracing import Asked, Tracer
from proctop.tui.transport import Transport
from proctop.view.portrait import LEAST

STORY = stories.story()
KEY = stories.WORKER


def wall(frame: Frame) -> float:
    return frame.reading.wall


def test_the_past_is_asked_for_once_and_frames_that_follow_go_on() -> None:
    following = Following(KEY, STORY[70])
    asked = following.missing()
    assert asked is not None and asked.end == wall(STORY[70]) and asked.begin < asked.end - LEAST
    assert following.missing() is None
    for frame in STORY[71:90]:
        following.learn(frame)
        assert following.missing() is None
    assert following.course is not None and len(following.course) == 20


def test_what_was_missed_is_asked_for() -> None:
    for jump in (75, 130, 20):  # a few frames on, far on, far back
        following = Following(KEY, STORY[70])
        assert following.missing() is not None
        following.learn(STORY[jump])
        asked = following.missing()
        assert asked is not None and asked.end == wall(STORY[jump])


def test_a_late_reading_is_no_hole() -> None:
    following = Following(KEY, STORY[70])
    following.missing()
    late = STORY[73]
    following.learn(replace(late, batch=replace(late.batch, dt=3.0)))
    assert following.missing() is None


def test_a_step_back_needs_nothing_and_shows_nothing_that_came_later() -> None:
    following = Following(KEY, STORY[100])
    following.missing()
    for frame in (STORY[101], STORY[102], STORY[101], STORY[95]):
        following.learn(frame)
        assert following.missing() is None
        row = following.row
        assert row is not None and following.portrait(row).course.wall[-1] == wall(frame)


def test_a_wider_span_is_asked_for_and_a_narrower_one_is_there() -> None:
    following = Following(KEY, STORY[100])
    following.missing()
    following.widen(-1)
    assert following.missing() is None and following.span == 60.0
    following.widen(2)
    asked = following.missing()
    assert asked is not None and asked.begin <= wall(STORY[100]) - 600


def test_a_coarse_course_gives_way_and_nothing_older_than_needed_is_kept() -> None:
    following = Following(KEY, STORY[100])
    coarse = replace(moment(STORY[100], KEY), every=9)
    following.course = coarse
    following.widen(-1)
    assert following.missing() is not None
    following.take(moment(STORY[99], KEY))
    assert following.course.every == 1 and following.course.wall.tolist() == [wall(STORY[99])]
    following.learn(replace(STORY[100], reading=replace(STORY[100].reading, wall=wall(STORY[100]) + 10_000)))
    assert len(following.course) == 1


def test_the_cgroup_is_compared_with_the_reading_before_only() -> None:
    following = Following(stories.REDIS, STORY[100])
    assert following.earlier is None
    following.learn(STORY[101])
    assert following.earlier == (1.0, STORY[100].reading.cgroups[stories.SLICE])
    following.learn(STORY[101])
    assert following.earlier is not None
    following.learn(STORY[99])  # back in time
    assert following.earlier is None
    following.learn(replace(STORY[100], reading=replace(STORY[100].reading, cgroups={})))
    assert following.earlier is None


class Slow(Past):
    """Gives its course in three slices."""

    def __init__(self) -> None:
        super().__init__(STORY)
        self.requests: list[Asked] = []
        self.closes = 0

    def series(self, key: ProcKey, begin: float, end: float) -> Iterator[Course | None]:
        self.requests.append(Asked(key, begin, end))
        if self.fails is not None:
            raise self.fails
        yield None
        yield moment(STORY[1], key)
        yield replace(moment(STORY[2], key), complete=True)

    def close(self) -> None:
        self.closes += 1
        super().close()


def tracer(*players: Slow) -> tuple[Tracer, list[bool]]:
    told: list[bool] = []
    left = list(players)
    return Tracer(lambda: left.pop(0), lambda: told.append(True)), told


def drain(one: Tracer, player: Slow | None = None) -> None:
    while one.wanted:
        one.advance(player)


def test_a_course_comes_in_slices_from_a_player_of_its_own_which_is_closed() -> None:
    own = Slow()
    one, told = tracer(own)
    assert not one.wanted
    one.ask(Asked(KEY, 1.0, 2.0))
    drain(one)
    course = one.take()
    assert course is not None and course.complete and one.take() is None
    assert own.requests == [(KEY, 1.0, 2.0)] and own.closes == 1 and len(told) == 1 and not one.wanted


def test_a_player_at_hand_is_used_and_left_open_and_begun_anew_when_it_goes() -> None:
    there, next_one = Slow(), Slow()
    one, _ = tracer()
    one.ask(Asked(KEY, 1.0, 2.0))
    one.advance(there)
    one.leave(next_one)  # not the one it reads
    one.leave(there)
    assert one.wanted
    drain(one, next_one)
    assert len(there.requests) == len(next_one.requests) == 1 and there.closes == next_one.closes == 0
    assert one.take() is not None


def test_the_newest_request_wins_and_what_came_for_another_is_nobodys() -> None:
    there = Slow()
    one, _ = tracer()
    one.ask(Asked(KEY, 1.0, 2.0))
    one.advance(there)
    one.advance(there)
    one.ask(Asked(stories.REDIS, 1.0, 2.0))
    assert one.take() is None
    drain(one, there)
    assert [asked.key for asked in there.requests] == [KEY, stories.REDIS]
    one.ask(None)
    drain(one, there)
    assert one.take() is None


@pytest.mark.parametrize("error", [StreamError("a bad file"), OSError(5, "io"), ValueError("x")])
def test_a_past_that_cannot_be_read_ends_the_request_and_not_the_thread(error: Exception) -> None:
    own, better = Slow(), Slow()
    own.fails = error
    one, _ = tracer(own, better)
    one.ask(Asked(KEY, 1.0, 2.0))
    drain(one)
    assert one.take() is None and own.closes == 1
    one.ask(Asked(KEY, 1.0, 3.0))
    drain(one)
    assert one.take() is not None


def test_the_transport_traces_while_now_is_shown_and_while_it_is_not() -> None:
    came = threading.Condition()
    made: list[Slow] = []

    def load() -> Slow:
        made.append(Slow())
        return made[-1]

    def deliver() -> None:
        with came:
            came.notify_all()

    def until_there() -> Course:
        got: list[Course] = []

        def there() -> bool:
            transport.take()
            course = transport.take_course()
            if course is not None:
                got.append(course)
            return bool(got) and got[-1].complete

        with came:
            assert came.wait_for(there, 20.0)
        return got[-1]

    transport = Transport(load, deliver)
    transport.start()
    transport.trace(Asked(KEY, 1.0, 2.0))
    until_there()
    assert len(made) == 1 and made[0].left.wait(20.0)
    transport.depart(("at", wall(STORY[50])))
    transport.trace(Asked(KEY, 1.0, 3.0))
    until_there()
    assert len(made) == 2 or (len(made) == 3 and made[1].closes)
    transport.close()
    transport.join(20.0)
    assert not transport.is_alive() and all(one.closes == 1 for one in made)
