"""The application: themes, settings, the feed, what is done to processes, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from textual.app import App
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from proctop.actions import ActionFailed, Actions, Detail
from proctop.engine import Engine
from proctop.records import Frame, ProcKey
from proctop.scoring.calibration import EPISODE
from proctop.settings import Settings
from proctop.sources import Source
from proctop.tui.feed import Feed
from proctop.tui.messages import FrameReady
from proctop.tui.screens.main import MainScreen
from proctop.tui.screens.menus import Choice, Confirm, signal_items
from proctop.tui.terminal import Terminal
from proctop.tui.themes import OURS, cell_colours
from proctop.tui.tongue import Ascii, Depth
from proctop.view import table, values

PATIENCE = 2.0
"""Seconds that a closer look at a process may take."""

GRACE = 0.7
"""Seconds after a signal in which everything must have ended by itself."""


class Proctop(App[int]):
    """Shows what :meth:`show` is given; with a ``source`` it feeds itself."""

    CSS_PATH = "proctop.tcss"
    TITLE = "proctop"
    ENABLE_COMMAND_PALETTE = False  # ours is better behaved

    def __init__(
        self,
        settings: Settings,
        source: Source | None = None,
        engine: Engine | None = None,
        *,
        actions: Actions,
        first: Frame | None = None,
        depth: Depth = "truecolor",
        ascii: bool = False,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.settings = settings
        self.actions = actions
        self.ascii = ascii
        self.ended = False
        self.failure = ""  # why the program ends, in one line
        self.trouble = ""  # why a thread has ended
        self._source, self._engine, self._first = source, engine, first
        self._feed: Feed | None = None
        self._cell_filters: tuple[LineFilter, ...] = ()
        self.no_color = self.no_color or not settings.color or depth is None
        self.animation_level = "none"
        for theme in OURS:
            self.register_theme(theme)
        plain = self.no_color or depth in (None, "standard")
        self.theme = "proctop-16" if plain and settings.theme == "proctop" else settings.theme
        console = self.console
        self.console = Console(
            color_system=depth or "standard",
            file=console.file,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
            force_terminal=True,
        )

    @property
    def readonly(self) -> bool:
        """Whether processes are only looked at."""
        return bool(self.actions.refused)

    @property
    def main(self) -> MainScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self.settings)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return cell_colours(self.current_theme.to_color_system().generate())

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = [f for f in super().get_line_filters() if not isinstance(f, Monochrome | NoColor)]
        if self.no_color:
            filters.append(NoColor())
        if self.ascii:
            filters.append(Ascii())
        return filters

    # the feed

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self._paint_all)
        loop = asyncio.get_running_loop()
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.add_signal_handler(number, partial(self.leave, 128 + number))
        if self._source is not None and self._engine is not None:
            self.want_threads(self.settings.threads)
            self._feed = Feed(self._source, self._engine, self.settings.interval, self._came, self._first)
            self._feed.start()

    def _paint_all(self, _: object) -> None:
        """The terminal shows nothing of ours any more."""
        self.screen.refresh()

    def _came(self) -> None:
        self.post_message(FrameReady())

    def on_frame_ready(self) -> None:
        feed = self._feed
        if feed is None:
            return
        frame = feed.take()
        self.ended = feed.ended
        self.main.say(self.trouble or feed.error)
        self.show(frame)

    def show(self, frame: Frame | None) -> None:
        """Show a frame, or None: only that the feed's state changed."""
        if frame is not None:
            with self._driver.together() if isinstance(self._driver, Terminal) else nullcontext():
                self.main.take(frame)
        else:
            self.main.show_mode()

    def thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """Say on the screen, not over it, that a thread has ended."""
        name = failed.thread.name if failed.thread is not None else "a thread"
        self.trouble = f"{name} stopped: {_one_line(failed.exc_value, failed.exc_traceback)}"
        self.call_later(self.main.say, self.trouble)

    def want_threads(self, wanted: bool) -> None:
        if self._source is not None:
            self._source.wants = replace(self._source.wants, threads=wanted)

    # what is done to processes

    def tell(self, text: str, *, failed: bool = False) -> None:
        self.notify(text, severity="error" if failed else "information", timeout=4, markup=False)

    def renice(self, key: ProcKey, delta: int) -> None:
        try:
            self.tell(f"pid {key.pid} now has nice {self.actions.renice(key, delta)}")
        except ActionFailed as error:
            self.tell(str(error), failed=True)

    def accept(self, key: ProcKey) -> None:
        """Its scores fall within the next readings."""
        if self._engine is not None:
            self._engine.accept(key)
            self.tell(f"pid {key.pid}: what it does now is taken as its normal")

    def mark_incident(self, key: ProcKey, frame: Frame) -> None:
        row = table.row_of(frame, key)
        if self._engine is None or row is None or row < 0:
            return
        if not frame.scores.alert[row] > EPISODE:
            self.tell(f"pid {key.pid} has no alarm that could be an incident", failed=True)
            return
        self._engine.incident(key)
        self.tell(f"pid {key.pid}: an incident, not counted as a false alarm")

    def ask_signal(self, key: ProcKey, frame: Frame) -> None:
        """A menu of signals, then a question that names exactly whom it would reach."""
        row = table.row_of(frame, key)
        if row is None or row < 0:
            self.tell("signals go to processes; this is a thread", failed=True)
            return
        name = frame.batch.labels[row].comm
        started = float(values.numbers(frame, "start")[row])
        facts = (("pid", str(key.pid)), ("name", name), ("started", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))))

        def chosen(value: str | None) -> None:
            if value is not None:
                number = int(value)
                question = f"Send {signal.Signals(number).name} to this process?"
                self.push_screen(Confirm(question, facts), partial(self._send, key, name, number))

        self.push_screen(Choice(f"Signal for {key.pid}", signal_items()), chosen)

    def _send(self, key: ProcKey, name: str, number: int, sure: bool | None) -> None:
        if not sure:
            return
        try:
            self.actions.signal(key, number)
        except ActionFailed as error:
            self.tell(str(error), failed=True)
        else:
            self.tell(f"{signal.Signals(number).name} sent to {name}, pid {key.pid}")

    def look_closely(self, key: ProcKey, look: Callable[[ProcKey], Detail], done: Callable[[Detail | ActionFailed | None], None]) -> None:
        """Run ``look`` beside the screen and hand its answer to ``done``, or None when it takes too long."""
        answered: list[bool] = []

        def finish(answer: Detail | ActionFailed | None) -> None:
            if not answered:
                answered.append(True)
                done(answer)

        def work() -> None:
            answer: Detail | ActionFailed
            try:
                answer = look(key)
            except ActionFailed as error:
                answer = error
            self.call_later(finish, answer)

        self.set_timer(PATIENCE, partial(finish, None))
        threading.Thread(target=work, name="look", daemon=True).start()

    # the end

    def action_help_quit(self) -> None:
        """Ctrl+C ends the program, as it ends every other."""
        self.leave(0)

    async def action_quit(self) -> None:
        self.leave(0)

    def leave(self, code: int) -> None:
        """End with an exit code, within a second whatever hangs."""
        if self._feed is not None:
            self._feed.close()
        if not self.is_headless:
            threading.Thread(target=_last_resort, args=(code, _attributes()), name="last resort", daemon=True).start()
        self.exit(code, return_code=code)

    def _fatal_error(self) -> None:
        """Keep one line of an unhandled exception, to be printed once the terminal is restored."""
        error = self._exception
        self.failure = _one_line(error, error.__traceback__ if error is not None else None)
        self._close_messages_no_wait()


def _one_line(error: BaseException | None, trace: TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})" if trace is not None else ""
    said = str(error).splitlines()
    return f"{type(error).__name__}: {said[0] if said else ''}{where}"


_saved: list[Any] = []


def _attributes() -> list[Any]:
    return _saved


def _last_resort(code: int, attributes: list[Any]) -> None:
    """Give the orderly end its time, then put the terminal back and go."""
    time.sleep(GRACE)
    import termios

    if attributes:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, attributes[0])
    threading.Thread(target=os.write, args=(2, b"\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[?1049l\x1b[?25h"), daemon=True).start()
    time.sleep(0.05)
    os._exit(code)


def run(settings: Settings, source: Source, engine: Engine, *, first: Frame | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Show ``source`` on this terminal until the user quits; ``first`` is a frame of it that is there already.

    Returns the exit code; the terminal is as it was before.
    """
    import termios

    from proctop.tui import tongue

    try:
        _saved[:] = [termios.tcgetattr(0)]
    except termios.error:
        _saved.clear()
    sys.setswitchinterval(0.001)  # a key must not wait 5 ms for the sampler
    refused = "read-only" if settings.readonly else "a recording" if settings.replay else ""
    app = Proctop(
        settings,
        source,
        engine,
        actions=Actions(settings.procfs, readonly=refused),
        first=first,
        depth=tongue.depth(environ),
        ascii=settings.ascii or not tongue.speaks_unicode(environ),
        driver_class=Terminal,
    )
    threading.excepthook = app.thread_failed
    try:
        code = app.run(mouse=settings.mouse)
    finally:
        threading.excepthook = threading.__excepthook__
    if app.failure:
        print(f"proctop: internal error: {app.failure}", file=sys.stderr)
        return 1
    return app.return_code or code or 0
