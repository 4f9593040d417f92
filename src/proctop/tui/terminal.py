"""The terminal driver: Textual's for Linux, made quiet at rest and honest about a terminal that stalls or goes away.

Textual's own wakes ten times a second to look for input, spins when the terminal has gone (a read that returns
nothing), and blocks the event loop once 30 writes wait for a terminal that does not take them.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.drivers.linux_driver import LinuxDriver

ESCAPE_DELAY = 0.05
"""Seconds after which a lone ESC is the key and not the begin of a sequence."""


class Writer(WriterThread):
    """Ends quietly when the terminal has gone, instead of leaving a queue that nobody empties."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self.gone = False

    def run(self) -> None:
        try:
            super().run()
        except (OSError, ValueError):  # EIO after a hang-up; a closed file
            self.gone = True
            while self._queue.get() is not None:
                pass

    @property
    def waiting(self) -> int:
        return self._queue.qsize()


class Terminal(LinuxDriver):
    """Reads input only when there is some, drops output that a stalled terminal does not take, and reports a hang-up as SIGHUP."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = sys.__stdout__  # so that errors can go elsewhere: proctop 2>log
        self._wake: tuple[int, int] | None = None  # a pipe, while input is read
        self._suspended = False
        self._held: list[str] | None = None
        self.stale = False  # output was dropped: the whole screen is to be painted again

    @property
    def ready(self) -> bool:
        """Whether the terminal takes output as fast as it comes."""
        return isinstance(self._writer_thread, Writer) and self._writer_thread.waiting < MAX_QUEUED_WRITES // 2

    def start_application_mode(self) -> None:
        linux_driver.WriterThread = Writer  # type: ignore[attr-defined]  # the one hook that Textual leaves
        self._wake = os.pipe()  # anew after each suspension
        super().start_application_mode()  # type: ignore[no-untyped-call]

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written in the block goes out as one piece: each wakes the writing thread, and a frame has several."""
        if self._held is not None:
            yield
            return
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            if held:
                self.write("".join(held))

    def write(self, data: str) -> None:
        """Queue ``data``; once the terminal has stalled, drop it and mark the screen stale."""
        if self._held is not None:
            self._held.append(data)
            return
        thread = self._writer_thread
        if isinstance(thread, Writer) and (thread.gone or thread.waiting >= MAX_QUEUED_WRITES - 2):
            self.stale = True
            return
        super().write(data)

    def suspend_application_mode(self) -> None:
        self._suspended = True
        super().suspend_application_mode()

    def resume_application_mode(self) -> None:
        """Take the terminal back after Ctrl+Z; after a bare SIGSTOP it was never given away, and is only painted again."""
        if self._suspended:
            self._suspended = False
            super().resume_application_mode()
        else:
            self.send_message(self.SignalResume())

    @property
    def mouse(self) -> bool:
        """Whether the terminal tells us of the mouse, instead of selecting text with it."""
        return self._mouse

    def take_mouse(self, wanted: bool) -> None:
        """Take the mouse, or give it back to the terminal for good: a suspension does not take it again."""
        if wanted:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self.write("\x1b[?1016l")  # Textual asks for pixels where there are any
            self._mouse = False

    def disable_input(self) -> None:
        if self._wake is not None:
            os.write(self._wake[1], b"\0")
        super().disable_input()

    def close(self) -> None:
        super().close()
        if self._wake is not None:
            for descriptor in self._wake:
                os.close(descriptor)
            self._wake = None

    def run_input_thread(self) -> None:
        """Wait for input without a timeout unless a sequence is half read, and turn it into events."""
        if self._wake is None:
            return
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake[0], selectors.EVENT_READ)  # never emptied: the event it tells of may be set a little later
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                timeout = None if parser._timeout_time is None else ESCAPE_DELAY
                ready = {key.fd for key, _ in selector.select(timeout)}
                if self.fileno in ready and not self._take(parser, decode):
                    os.kill(os.getpid(), signal.SIGHUP)
                    return
                for event in parser.tick():
                    self.process_message(event)

    def _take(self, parser: XTermParser, decode: Any) -> bool:
        """Read and dispatch what is there; False when the terminal has gone."""
        try:
            data = os.read(self.fileno, 4096)
        except OSError:
            return False
        if not data:
            return False
        for event in parser.feed(decode(data)):
            self.process_message(event)
        return True
