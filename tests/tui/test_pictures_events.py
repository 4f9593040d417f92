"""What alert events and the host's vitals look like, as SVG."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets._toast import Toast

import alarms
import scenes
from moments import FIRST, REDIS, WORKER, Mark, Past
from proctop.frames import HOST, Frame
from proctop.settings import Settings
from scenes import Recorded

COUNT = 40
LAST = FIRST + COUNT - 1

DRAWN: tuple[tuple[str, tuple[int, int], str, dict[str, object], str, bool], ...] = (
    # name, size, keys, settings, frames, ascii
    ("events", (120, 40), "e down", {"toasts": False}, "", False),
    ("events-80x24", (80, 24), "e", {"toasts": False}, "", False),
    ("events-200x50", (200, 50), "e down down", {"toasts": False}, "", False),
    ("events-60x15", (60, 15), "e", {"toasts": False}, "", False),
    ("events-empty", (80, 24), "e", {"toasts": False}, "empty", False),
    ("events-filter", (80, 24), "e backslash o p e n", {"toasts": False}, "", False),
    ("events-write", (80, 24), "e o", {"toasts": False}, "", False),
    ("events-ascii", (100, 24), "e", {"toasts": False}, "", True),
    ("events-light", (100, 24), "e down", {"toasts": False, "theme": "proctop-light"}, "", False),
    ("events-no-color", (100, 24), "e down", {"toasts": False, "color": False}, "", False),
    ("toast", (120, 30), "", {}, "toast", False),
    ("host-alarm", (120, 30), "", {"toasts": False}, "", False),
    ("vitals", (120, 40), "v", {"toasts": False}, "", False),
    ("vitals-80x24", (80, 24), "v A", {"toasts": False}, "", False),
    ("vitals-200x50", (200, 50), "v", {"toasts": False}, "", False),
    ("vitals-60x15", (60, 15), "v u", {"toasts": False}, "", False),
    ("vitals-unusual", (100, 24), "v u", {"toasts": False}, "", False),
    ("vitals-warming", (100, 24), "v", {"toasts": False}, "warming", False),
    ("vitals-ascii", (100, 24), "v", {"toasts": False}, "", True),
    ("vitals-light", (100, 24), "v", {"toasts": False, "theme": "proctop-light"}, "", False),
    ("vitals-no-color", (100, 24), "v A", {"toasts": False, "color": False}, "", False),
)


@pytest.mark.parametrize(("name", "size", "keys", "chosen", "which", "ascii"), DRAWN, ids=[row[0] for row in DRAWN])
async def test_picture(
    golden: object, name: str, size: tuple[int, int], keys: str, chosen: dict[str, object], which: str, ascii: bool
) -> None:
    app = scenes.app(Settings(**chosen), ascii=ascii)  # type: ignore[arg-type]
    async with app.run_test(size=size, notifications=which == "toast") as pilot:
        for frame in _frames(which):
            app.show(frame)
        await pilot.pause()
        await pilot.press(*keys.split())
        while which == "toast" and not app.screen.query(Toast):
            await pilot.pause(0.01)
        await pilot.pause()
        assert callable(golden)
        golden(app, name)


def _frames(which: str) -> list[Frame]:
    frames = alarms.session(COUNT)
    if which == "empty":
        return [replace(frame, alerts=()) for frame in frames]
    if which == "toast":
        return [*(replace(frame, alerts=()) for frame in frames[:-1]), replace(frames[-1], alerts=(alarms.worker(LAST, LAST, open=True),))]
    if which == "warming":
        _, scores = alarms.watched(30, storm=0)
        return [replace(frame, alerts=(), vitals=one) for frame, one in zip(frames, scores, strict=False)]
    return frames


@pytest.mark.parametrize(("name", "keys"), [("events-replay", "e"), ("vitals-replay", "v")])
async def test_picture_of_a_recording(golden: object, name: str, keys: str) -> None:
    frames = [replace(frame, vitals=None) for frame in alarms.session(COUNT)]
    marks = [Mark(FIRST + 5, REDIS), Mark(LAST - 14, WORKER), Mark(LAST - 10, HOST)]
    app = scenes.app(Settings(), actions=Recorded(readonly="a recording"), live=False, past=Past(frames, marks).load)
    app.deck.speed = 0.0
    async with app.run_test(size=(100, 30)) as pilot:
        while app.main.shown is None or app.deck.outlook is None:
            await pilot.pause(0.01)
        await pilot.press("right_curly_bracket")
        while app.main.shown.reading.wall != LAST:
            await pilot.pause(0.01)
        await pilot.press(keys)
        await pilot.pause()
        assert callable(golden)
        golden(app, name)
