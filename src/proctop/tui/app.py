"""The application: themes, settings, what is shown and where it comes from, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from proctop.actions import Actions
from proctop.engine import Engine
from proctop.frames import Frame
from proctop.layouts import Layouts
from proctop.settings import Settings, layouts_path, state_folder
from proctop.sources import Source
from proctop.tui.comfort import Comfort, through, unseen
from proctop.tui.deck import Deck
from proctop.tui.feed import Feed
from proctop.tui.messages import FrameReady, MomentReady
from proctop.tui.moments import Moments
from proctop.tui.screens.detail import ProcessDetail
from proctop.tui.screens.main import MainScreen
from proctop.tui.terminal import Terminal
from proctop.tui.themes import OURS, cell_colours
from proctop.tui.tongue import Ascii, Depth
from proctop.tui.tour import Tour
from proctop.tui.transport import Transport

GRACE = 0.7
"""Seconds after a signal in which everything must have ended by itself."""


class Proctop(Comfort):
    """Shows what :meth:`show` is given; with a ``source`` it feeds itself.

    Args:
        live: there is a now; else all that is shown comes out of ``past``.
        first: a frame of the source that is there already.
        keep: gets every frame of the source, in the thread that reads it.
        past: makes the player for moments other than now; called in a thread of its own whenever now is left.
        layouts: those that the user has saved.
        tour: what is told beside the past, and where it begins to play.
    """

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
        live: bool = True,
        first: Frame | None = None,
        keep: Callable[[Frame], None] | None = None,
        past: Callable[[], Moments] | None = None,
        depth: Depth = "truecolor",
        ascii: bool = False,
        layouts: Layouts | None = None,
        tour: Tour | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.settings = settings
        self.actions = actions
        self.ascii = ascii
        self.layouts = layouts or Layouts()
        self.tour = tour
        self.take_keys(dict(settings.keys))
        self.ended = False
        self.failure = ""  # why the program ends, in one line
        self.trouble = ""  # why a thread has ended
        self.engine = engine
        self._source, self._first, self._keep = source, first, keep
        transport = Transport(past, self._fetched) if past is not None else None
        self.deck = Deck(live=live, transport=transport, changed=self._moment_changed, at=tour.begin if tour is not None else None)
        self._feed: Feed | None = None
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
        if self._source is not None and self.engine is not None:
            self.want_threads(self.settings.threads)
            self._feed = Feed(self._source, self.engine, self.settings.pace, self._came, self._first, self._keep)
            self._feed.start()
        self.deck.start()

    def _paint_all(self, _: object) -> None:
        """The terminal shows nothing of ours any more."""
        self.screen.refresh()

    def _came(self) -> None:
        self.post_message(FrameReady())

    def _fetched(self) -> None:
        self.post_message(MomentReady())

    def on_frame_ready(self) -> None:
        if self._feed is not None and self.screen_stack:
            frame = self._feed.take()
            self.ended = self._feed.ended
            self.show(frame)

    def on_moment_ready(self) -> None:
        course = self.deck.course()
        for screen in self.screen_stack:
            if course is not None and isinstance(screen, ProcessDetail):
                screen.take(course)
        fetched = self.deck.fetched()
        if fetched is None or not self.screen_stack:  # a last one may come while the screens are taken down
            return
        with self._together():
            if fetched.frame is not None and self.deck.past:
                self.recalled(fetched.frame)
                self.main.show(fetched.frame, fetched.rates)
            self.show_mode()
        key = fetched.chosen or self.wanted
        if key is not None and fetched.frame is not None:
            self.wanted = None
            self.main.choose(key)
        if fetched.remark:
            self.tell(fetched.remark)

    def show(self, frame: Frame | None) -> None:
        """A frame of now, or None: only that the feed's state changed."""
        with self._together():
            if frame is not None:
                self.deck.came(frame)
                self.main.learn(frame)
                self.heard(frame)
                if self.deck.now:
                    self.main.show(frame)
            self.show_mode()

    def _moment_changed(self) -> None:
        """Another moment than before is to be shown."""
        with self._together():
            if self.deck.now and self.deck.shown is not None:
                self.main.show(self.deck.shown)
            self.show_mode()

    def show_mode(self) -> None:
        if not self.screen_stack:
            return
        feed = self._feed.error if self._feed is not None else ""
        self.main.say(self.trouble or feed or self.recording_trouble or self.deck.trouble)
        self.main.show_mode()

    def _together(self) -> AbstractContextManager[None]:
        return self._driver.together() if isinstance(self._driver, Terminal) else nullcontext()

    def thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """Say on the screen, not over it, that a thread has ended."""
        name = failed.thread.name if failed.thread is not None else "a thread"
        self.trouble = f"{name} stopped: {_one_line(failed.exc_value, failed.exc_traceback)}"
        self.call_later(self.show_mode)

    def want_threads(self, wanted: bool) -> None:
        self.want(threads=wanted)

    def want(self, **changes: Any) -> None:
        """What the source is to read from now on: fields of :class:`proctop.sources.Wants`."""
        if self._source is not None:
            self._source.wants = replace(self._source.wants, **changes)

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
        self.deck.close()
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


def run(
    settings: Settings,
    source: Source | None,
    engine: Engine | None,
    *,
    first: Frame | None = None,
    keep: Callable[[Frame], None] | None = None,
    past: Callable[[], Moments] | None = None,
    tour: Tour | None = None,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Show ``source`` on this terminal until the user quits, or without one the ``past`` alone; the others as :class:`Proctop` has them.

    Returns the exit code; the terminal is as it was before.
    """
    import termios

    from proctop.tui import tongue

    try:
        _saved[:] = [termios.tcgetattr(0)]
    except termios.error:
        _saved.clear()
    sys.setswitchinterval(0.001)  # a key must not wait 5 ms for the sampler
    refused = "read-only" if settings.readonly else "a recording" if settings.replay else "another host" if settings.host else ""
    app = Proctop(
        settings,
        source,
        engine,
        actions=Actions(settings.procfs, readonly=refused),
        live=source is not None,
        first=first,
        keep=keep,
        past=past,
        depth=tongue.depth(environ),
        ascii=settings.ascii or not tongue.speaks_unicode(environ),
        layouts=Layouts(layouts_path(environ)),
        tour=tour,
        driver_class=Terminal,
    )
    app.wrapped = through(environ)
    app.hinted = unseen(os.path.join(state_folder(environ), "hints-shown")) if settings.hints else ""
    threading.excepthook = app.thread_failed
    try:
        code = app.run(mouse=settings.mouse)
    finally:
        threading.excepthook = threading.__excepthook__
    if app.failure:
        print(f"proctop: internal error: {app.failure}", file=sys.stderr)
        return 1
    return app.return_code or code or 0
