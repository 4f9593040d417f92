"""Runs the real application on a terminal, with frames made up here: ``python stage.py PLAY``. For tests through a pty.

Each can be rewound. Plays:
calm (the usual host), hostile (names that attack), failing (readings fail), broken (the engine has a bug), hung (a read never
returns), mouseless, bug (an action of the screen raises), stuck (the past is never there), lively (everything moves for some
frames, then nothing does).
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any, cast

import scenes
from frames import INFO, Proc, build, crowd
from proctop.engine import Engine
from proctop.frames import AlertEvent, Frame, Reason
from proctop.player import Player
from proctop.records import Container, Reading
from proctop.settings import Settings
from proctop.sources import Source, Wants
from proctop.stream.archive import Archive
from proctop.stream.ring import Ring
from proctop.tui import app
from proctop.tui.screens.main import MainScreen

LIVELY = 12  # frames

NASTY = (
    "\x1b]0;pwned\x07title",
    "\x1b[2Jcleared",
    "\x9b31mred",
    "\u202egnp.exe",
    "\u2066isolate\u2069",
    "[/x]",
    "[bold]x[/bold]",
    "[@click=app.quit]x[/]",
    "[link=http://e]x[/link]",
    "tab\there",
    "two\nlines",
    "\ud800lone",
    "z\u200dw\ufe0fj",
    "🇩🇪👍🏽",
)


def hostile(tick: int) -> Frame:
    procs = []
    for k, name in enumerate(NASTY):
        box = Container(id="d" * 64, name=name, image=name, labels=((name, name),))
        why = (Reason("cpu", 1.0, (0.0, 1.0), "own", f"cpu {name}"),)
        more = {"command": f"{name} {name}", "user": name, "cgroup": name, "container": box, "why": why, "rank": 5.0}
        procs.append(Proc(100 + k, name, start=1000 + k, **more))  # type: ignore[arg-type]
    return build(procs, tick=tick, notes=(NASTY[0],))


class Stage:
    """A source whose readings mean nothing, and the engine that turns them into frames."""

    name = "stage"
    info = INFO
    events: tuple[AlertEvent, ...] = ()

    def __init__(self, play: str) -> None:
        self.play = play
        self.wants = Wants()
        self._tick = -1

    def read(self, late: float = 0.0) -> Reading | None:
        self._tick += 1
        if self.play == "hung" and self._tick == 2:
            threading.Event().wait()
        if self.play == "failing" and self._tick > 0:
            raise OSError(5, "the disk\nis on fire")
        return scenes.frame(self._tick).reading

    def step(self, reading: Reading) -> Frame:
        if self.play == "broken" and self._tick > 0:
            raise TypeError("a bug of ours")
        if self.play == "lively":
            frame = crowd(300, seed=min(self._tick, LIVELY))
            since = self._tick / 1000  # the clock on the screen stands
            return replace(
                frame,
                tick=self._tick,
                reading=replace(frame.reading, seq=self._tick, wall=frame.reading.wall + since, mono=frame.reading.mono + since),
            )
        frame = hostile(self._tick) if self.play == "hostile" else scenes.frame(self._tick)
        return replace(frame, tick=self._tick)

    def close(self) -> None:
        """Nothing is open."""


def main() -> int:
    play = sys.argv[1]
    stage: Any = Stage(play)
    if play == "bug":
        MainScreen.action_tree = lambda self: 1 / 0  # type: ignore[method-assign,assignment]
    ring = Ring()

    def past() -> Player:
        if play == "stuck":
            threading.Event().wait()
        return Player(Archive([ring]))

    settings = Settings(interval=0.1, mouse=play != "mouseless", hints=False)
    return app.run(settings, cast(Source, stage), cast(Engine, stage), keep=ring.write, past=past)


if __name__ == "__main__":
    sys.exit(main())
