"""The thread that fetches moments: wishes are added up, the newest wins, playing passes over what it cannot show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moments import FIRST, REDIS, WORKER, Past, past
from proctop.frames import Frame
from proctop.tui.moments import Fetched
from proctop.tui.transport import Transport

LONG = 20.0


class Desk:
    """A transport, and what it brought one after the other."""

    def __init__(self, there: Past, *, taking: bool = True) -> None:
        self.there = there
        self.came = threading.Condition()
        self.got: list[Fetched] = []
        self.told = 0
        self.taking = taking
        self.transport = Transport(there.load, self._deliver)

    def _deliver(self) -> None:
        with self.came:
            self.told += 1
            if self.taking:
                self.take()
            self.came.notify()

    def take(self) -> None:
        fetched = self.transport.take()
        if fetched is not None:
            self.got.append(fetched)

    def until(self, second: int) -> Fetched:
        """Wait for the frame of a second."""

        def there() -> bool:
            return any(f.frame is not None and round(f.frame.reading.wall - FIRST) == second for f in self.got)

        with self.came:
            assert self.came.wait_for(there, LONG), [f.frame.reading.wall - FIRST for f in self.got if f.frame is not None]
        return self.got[-1]

    def until_told(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: self.told >= count, LONG)

    def until_asked(self, what: str, value: float) -> None:
        """Wait until the player has been asked this, whether or not anybody takes it."""
        pause = threading.Event()
        for _ in range(int(LONG / 0.005)):
            if (what, value) in self.there.asked:
                return
            pause.wait(0.005)
        raise AssertionError(self.there.asked)

    @property
    def seconds(self) -> list[int]:
        return [round(f.frame.reading.wall - FIRST) for f in self.got if f.frame is not None]


@contextmanager
def desk(there: Past | None = None, *, taking: bool = True) -> Iterator[Desk]:
    one = Desk(there or past(), taking=taking)
    one.transport.start()
    yield one
    one.there.gate.set()
    one.transport.close()
    one.transport.join(LONG)
    assert not one.transport.is_alive()


def test_a_place_to_be_makes_the_way_there_needless() -> None:
    with desk() as one:
        one.there.gate.clear()
        one.transport.depart(("at", FIRST))
        for _ in range(10):
            one.transport.wish("step", 1)
        one.transport.wish("at", FIRST + 30)
        one.transport.wish("end", 1)
        one.transport.wish("step", -3)
        one.transport.wish("step", -1)
        one.there.gate.set()
        one.until(55)
        assert [what for what, _ in one.there.asked if what == "step"] == ["step"] and ("at", FIRST + 30) not in one.there.asked


def test_what_nobody_took_gives_way_to_the_next_and_is_told_once() -> None:
    with desk(taking=False) as one:
        one.transport.depart(("end", -1))
        one.until_told(1)
        for k in (1, 2, 3):
            one.transport.wish("at", FIRST + k)
        one.until_asked("at", FIRST + 3)
        one.transport.wish("mark", 1)
        one.until_asked("mark", 1)
        one.transport.wish("step", 10_000)
        one.until_asked("step", 10_000)
        assert one.told == 1
        one.take()
        assert one.seconds == [59] and one.got[0].chosen is None and one.got[0].end


def test_anomalies_come_with_their_process() -> None:
    with desk() as one:
        one.transport.depart(("end", -1), ("mark", 1))
        assert one.until(15).chosen == WORKER
        one.transport.wish("mark", 1)
        assert one.until(30).chosen == REDIS
        one.transport.wish("mark", -2)
        with one.came:
            assert one.came.wait_for(lambda: bool(one.got[-1].remark) or one.seconds[-1] == 15, LONG)


def test_anomalies_are_added_up_in_one_direction_and_as_far_as_there_are_any() -> None:
    with desk() as one:
        one.there.gate.clear()
        one.transport.depart(("end", -1))
        assert one.there.entered.wait(LONG)
        for _ in range(9):
            one.transport.wish("mark", 1)
        one.transport.wish("mark", -1)
        one.there.gate.set()
        assert one.until(30).chosen == REDIS
        assert 50 in [round(f.reading.wall - FIRST) for f in one.there.shown] and not one.got[-1].remark


def test_playing_passes_over_what_comes_faster_than_it_can_be_shown() -> None:
    with desk() as one:
        one.transport.depart(("end", -1))
        one.until(0)
        one.transport.play(60.0)
        assert one.until(59).end
        assert len(one.seconds) < 20 and one.seconds == sorted(one.seconds)
        steps = len(one.there.asked)
        one.transport.play(0.0)
        assert len(one.there.asked) <= steps + 1


def test_playing_waits_for_whoever_takes() -> None:
    with desk(taking=False) as one:
        one.transport.depart(("end", -1))
        one.until_told(1)
        one.transport.play(60.0)
        threading.Event().wait(0.5)
        assert [what for what, _ in one.there.asked] == ["first"]
        one.taking = True
        one.take()
        one.until(59)


def test_what_was_wished_before_a_return_is_for_nobody() -> None:
    with desk() as one:
        one.there.gate.clear()
        one.transport.depart(("end", -1))
        assert one.there.entered.wait(LONG)
        one.transport.forget()
        one.there.gate.set()
        assert one.there.left.wait(LONG) and one.got == []
        one.transport.depart(("at", FIRST + 7))
        one.until(7)
        assert one.seconds == [7]


def test_the_timeline_comes_in_the_columns_that_are_wanted() -> None:
    with desk() as one:
        one.transport.look(40)
        one.transport.depart(("end", -1))
        outlook = one.until(0).outlook
        assert outlook is not None and outlook.levels.size == 40 and len(outlook.marks) == 4
        one.transport.wish("step", 1)
        assert one.until(1).outlook is outlook
        one.transport.look(50)
        with one.came:
            assert one.came.wait_for(lambda: one.got[-1].outlook is not None and one.got[-1].outlook.levels.size == 50, LONG)


def test_an_error_is_one_line_and_the_next_wish_a_new_attempt() -> None:
    there = past()
    with desk(there) as one:
        one.transport.depart(("end", -1))
        one.until(0)
        there.fails = OSError(5, "gone\nfor good")
        one.transport.wish("step", 1)
        with one.came:
            assert one.came.wait_for(lambda: bool(one.got[-1].trouble), LONG)
        assert one.got[-1].trouble == "the recording cannot be read: [Errno 5] gone" and one.got[-1].frame is None
        there.fails = None
        one.transport.wish("step", 1)
        assert one.until(1).trouble == ""


def test_a_past_that_cannot_be_opened_says_so() -> None:
    def load() -> Past:
        raise OSError(2, "no such file")

    got: list[Fetched | None] = []
    told = threading.Event()

    def deliver() -> None:
        got.append(transport.take())
        told.set()

    transport = Transport(load, deliver)
    transport.start()
    transport.depart(("end", -1))
    assert told.wait(LONG) and got[0] is not None and "no such file" in got[0].trouble
    transport.close()
    transport.join(LONG)


def test_what_is_older_than_all_that_is_kept_says_so() -> None:
    with desk() as one:
        one.transport.depart(("at", FIRST - 30))
        assert one.until(0).remark == ""
        one.transport.wish("at", FIRST - 61)
        with one.came:
            assert one.came.wait_for(lambda: one.got[-1].remark == "nothing is kept before 23:13:20", LONG)


def test_where_nothing_was_recorded_says_so() -> None:
    with desk(Past([])) as one:
        one.transport.depart(("at", FIRST))
        with one.came:
            assert one.came.wait_for(lambda: bool(one.got), LONG)
        assert one.got[0].remark == "nothing was recorded then" and one.got[0].outlook is None


class Slow(Past):
    """Its marks are found a little later."""

    def __init__(self, there: Past) -> None:
        super().__init__(there.frames)
        self._later, self._slices = there.marks, 0
        self.settled = False

    def tend(self) -> Frame | None:
        self._slices += 1
        if self._slices == 5:
            self.marks, self.settled = self._later, True
        return None


def test_an_anomaly_that_is_not_indexed_yet_is_waited_for() -> None:
    with desk(Slow(past())) as one:
        one.transport.depart(("end", -1), ("mark", 1))
        assert one.until(15).chosen == WORKER and not one.got[-1].remark
