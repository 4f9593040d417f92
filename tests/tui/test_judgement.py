"""The keys by which the viewer tells the detector what it cannot know."""

from __future__ import annotations

from dataclasses import replace

import pytest

import scenes
from proctop.engine import Engine
from proctop.records import ProcKey
from proctop.scoring.registry import make
from proctop.settings import Settings
from proctop.tui.app import Proctop
from proctop.tui.widgets.process_table import ProcessTable
from scenes import Recorded

WORKER = ProcKey(1841, 2841)
SSHD = ProcKey(412, 1412)


class Told(Engine):
    def __init__(self) -> None:
        super().__init__(make())
        self.said: list[tuple[str, ProcKey]] = []

    def accept(self, key: ProcKey) -> None:
        self.said.append(("normal", key))

    def incident(self, key: ProcKey) -> None:
        self.said.append(("incident", key))


def app(engine: Engine, *, readonly: bool = False) -> Proctop:
    return scenes.app(Settings(readonly=readonly), actions=Recorded(readonly="read-only" if readonly else ""), engine=engine)


def notes(app: Proctop) -> list[str]:
    return [note.message for note in app._notifications]


@pytest.mark.parametrize("readonly", [False, True])
async def test_a_takes_what_it_does_now_as_normal(readonly: bool) -> None:
    engine = Told()
    proctop = app(engine, readonly=readonly)
    async with proctop.run_test(size=(120, 40)) as pilot:
        proctop.show(scenes.frame())
        await pilot.pause()
        await pilot.press("a")
        assert engine.said == [] and notes(proctop) == ["select a process first"]
        proctop.main.query_one(ProcessTable).select(WORKER)
        await pilot.press("a")
        assert engine.said == [("normal", WORKER)]
        assert notes(proctop)[-1] == "pid 1841: what it does now is taken as its normal"


async def test_i_marks_an_incident_where_there_is_an_alarm() -> None:
    engine = Told()
    proctop = app(engine)
    async with proctop.run_test(size=(120, 40)) as pilot:
        frame = scenes.frame()
        proctop.show(frame)
        await pilot.pause()
        table = proctop.main.query_one(ProcessTable)
        table.select(SSHD)
        await pilot.press("i")
        assert engine.said == [] and "no alarm" in notes(proctop)[-1]
        row = int((frame.reading.pid == WORKER.pid).argmax())
        slow = frame.scores.alert.copy()
        slow[row] = 4.0
        proctop.show(replace(frame, scores=replace(frame.scores, alert=slow)))
        table.select(WORKER)
        await pilot.press("i")
        assert engine.said == [("incident", WORKER)]


async def test_one_that_has_gone_is_not_judged() -> None:
    engine = Told()
    proctop = app(engine)
    async with proctop.run_test(size=(120, 40)) as pilot:
        proctop.show(scenes.frame())
        await pilot.pause()
        proctop.main.query_one(ProcessTable).select(WORKER)
        proctop.show(scenes.without(WORKER.pid))
        await pilot.pause()
        await pilot.press("a", "i")
        assert engine.said == []
