"""The application on a real pseudo-terminal: hostile text, few colours, ASCII, resizing, signals, and a clean end."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

STAGE = Path(__file__).parents[1] / "stage.py"
PATIENCE = 30.0
"""Seconds after which a test gives up; nothing is asserted about time."""


class Played:
    """A child on a pty of its own, and what it has written."""

    def __init__(self, play: str, environ: Mapping[str, str], size: tuple[int, int] = (120, 40)) -> None:
        self.raw = b""
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            os.execve(sys.executable, [sys.executable, str(STAGE), play], {**base, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environ})
        self.resize(*size)
        self.before = termios.tcgetattr(self.master)
        self.status: int | None = None

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float = 0.1) -> bytes:
        """What comes within ``seconds``; b"" when nothing does, or the child has gone."""
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the child's side is closed
            return b""
        self.raw += data
        self._stream.feed(data.replace(b"\x1b[>", b"\x1b[").replace(b"\x1b[<u", b""))
        return data

    def until(self, ready: Callable[[], bool]) -> None:
        """Read until ``ready``; fail when it does not come."""
        end = time.monotonic() + PATIENCE
        while not ready():
            self.read()
            assert time.monotonic() < end, "\n".join(self.text())

    def text(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def shows(self, word: str) -> bool:
        return any(word in line for line in self.text())

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Read until the child has gone; its exit code, negative for a signal."""
        end = time.monotonic() + PATIENCE
        while self.status is None:
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            assert time.monotonic() < end, "still running"
        while self.read(0.05):
            pass
        return os.waitstatus_to_exitcode(self.status)

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@contextmanager
def played(play: str = "calm", size: tuple[int, int] = (120, 40), environ: Mapping[str, str] | None = None) -> Iterator[Played]:
    child = Played(play, environ or {}, size)
    try:
        yield child
    finally:
        child.close()


def restored(child: Played) -> bool:
    """The last word on screen, mouse and cursor puts them back."""
    raw = child.raw
    left = raw.rfind(b"\x1b[?1049l") > raw.rfind(b"\x1b[?1049h")
    mouse = raw.rfind(b"\x1b[?1003l") > raw.rfind(b"\x1b[?1003h")
    return left and mouse and raw.rfind(b"\x1b[?25h") > raw.rfind(b"\x1b[?25l")


def test_it_shows_the_host_and_quits() -> None:
    with played() as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"q")
        assert child.end() == 0
        assert restored(child)


def test_hostile_text_is_shown_and_harms_nothing() -> None:
    with played("hostile", size=(200, 50)) as child:
        child.until(lambda: child.shows("[@click=app.quit]x"))
        child.press(b"\x1b[B\r")  # the detail of the first one
        child.until(lambda: child.shows("3 Files and sockets"))
        child.press(b"2")  # with its labels
        child.until(lambda: child.shows("its counters were not read"))
        child.press(b"q")
        child.until(lambda: child.shows("F10 Quit"))
        child.press(b"uqq")
        assert child.end() == 0
        for poison in (
            b"]0;pwned\x07",
            b"\x1b[2Jcleared",
            b"\xc2\x9b",
            b"\xe2\x80\xae",
            b"\xe2\x81\xa6",
            b"\xe2\x80\x8d",
            b"\xf0\x9f\x87\xa9",
            b"\t",
            b"http://e\x1b",
        ):
            assert poison not in child.raw, poison
        child.raw.decode("utf-8")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("play", ["calm", "hung"])
def test_signals_end_it_with_the_terminal_restored(signum: int, play: str) -> None:
    with played(play) as child:
        child.until(lambda: child.shows("worker.py"))
        os.kill(child.pid, signum)
        assert child.end() == 128 + signum
        assert restored(child)
        assert termios.tcgetattr(child.master)[3] & termios.ECHO


def test_a_terminal_that_closes_ends_it() -> None:
    child = Played("calm", {})
    child.until(lambda: child.shows("worker.py"))
    os.close(child.master)
    gone = threading.Event()

    def wait() -> None:
        os.waitpid(child.pid, 0)
        gone.set()

    threading.Thread(target=wait, daemon=True).start()
    ended = gone.wait(PATIENCE)
    if not ended:
        os.kill(child.pid, signal.SIGKILL)
    assert ended


def test_suspend_and_resume() -> None:
    with played() as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"\x1a")
        stopped: list[int] = []

        def has_stopped() -> bool:
            pid, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
            stopped.extend([status] if pid else [])
            return bool(stopped)

        child.until(has_stopped)
        assert os.WIFSTOPPED(stopped[0])
        while child.read(0.2):
            pass
        assert restored(child)
        mark = len(child.raw)
        os.kill(child.pid, signal.SIGCONT)
        child.until(lambda: b"\x1b[?1049h" in child.raw[mark:] and b"worker.py" in child.raw[mark:])
        child.press(b"q")
        assert child.end() == 0
        assert restored(child)


def test_a_resize_storm_down_to_one_cell() -> None:
    chance = random.Random(7)
    with played() as child:
        child.until(lambda: child.shows("worker.py"))
        for _ in range(500):
            child.resize(chance.randint(1, 300), chance.randint(1, 300))
            child.read(0.001)
        for size in ((1, 1), (2, 1), (39, 8), (40, 8), (60, 15)):
            child.resize(*size)
            child.read(0.05)
        child.screen.resize(40, 120)
        child.resize(120, 40)
        child.screen.reset()
        child.until(lambda: child.shows("worker.py") and child.shows("F10 Quit"))
        child.press(b"q")
        assert child.end() == 0


def colours(raw: bytes) -> set[str]:
    """What SGR sequences ask for: "24 bit", "256", "16"."""
    found = set()
    for parameters in re.findall(rb"\x1b\[([\d;]*)m", raw):
        codes = parameters.decode().split(";")
        if "38" in codes or "48" in codes:
            found.add("24 bit" if re.search(rb"[34]8;2;", parameters) else "256")
        elif any(code.isdigit() and (30 <= int(code) <= 37 or 40 <= int(code) <= 47 or int(code) >= 90) for code in codes):
            found.add("16")
    return found


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, {"24 bit", "256", "16"}),
        ({"TERM": "xterm-256color"}, {"256", "16"}),
        ({"TERM": "linux"}, {"16"}),
        ({"TERM": "vt220"}, set()),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, set()),
    ],
)
def test_no_more_colours_than_the_terminal_has(environ: dict[str, str], allowed: set[str]) -> None:
    with played("calm", environ=environ) as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"\x1b[B?")
        child.until(lambda: child.shows("This host"))
        child.press(b"q")
        child.until(lambda: child.shows("Search"))
        child.press(b"q")
        child.end()
        assert colours(child.raw) <= allowed
        assert bool(colours(child.raw)) == bool(allowed)


def test_a_locale_without_utf8_gets_ascii_only() -> None:
    with played("calm", environ={"LC_ALL": "C"}) as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"t\x10")
        child.until(lambda: child.shows("theme") or child.shows("sort by"))
        child.press(b"\x1b\x1b")
        child.press(b"\x03")
        child.end()
        assert child.raw.isascii()


def test_readings_that_fail_are_said_in_one_line_and_tried_again() -> None:
    with played("failing") as child:
        child.until(lambda: child.shows("trying again") and child.shows("worker.py"))
        child.press(b"q")
        assert child.end() == 0
        assert b"Traceback" not in child.raw


def test_a_bug_in_a_thread_is_one_line_on_the_screen() -> None:
    with played("broken") as child:
        child.until(lambda: child.shows("feed stopped: TypeError: a bug of ours"))
        child.press(b"q")
        assert child.end() == 0
        assert b"Traceback" not in child.raw


def test_a_bug_in_the_screen_restores_the_terminal_and_says_one_line() -> None:
    with played("bug") as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"t")
        assert child.end() == 1
        assert restored(child)
        assert b"proctop: internal error: ZeroDivisionError: division by zero (stage.py:" in child.raw
        assert b"Traceback" not in child.raw


def test_the_mouse_can_be_left_to_the_terminal() -> None:
    with played("mouseless") as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"q")
        assert child.end() == 0
        assert b"\x1b[?1000h" not in child.raw and b"\x1b[?1003h" not in child.raw


def test_the_mouse_is_given_back_and_taken_again_by_a_key() -> None:
    with played("calm") as child:
        child.until(lambda: child.shows("worker.py"))
        asked = re.findall(rb"\x1b\[\?(1\d\d\d)h", child.raw)
        assert b"1000" in asked and b"1003" in asked
        child.press(b"m")
        child.until(lambda: child.shows("the mouse is the terminal's"))
        given = re.findall(rb"\x1b\[\?(1\d\d\d)l", child.raw)
        assert {*asked} - {b"1004", b"1049"} <= {*given}
        child.raw = b""
        child.press(b"m")
        child.until(lambda: b"\x1b[?1000h" in child.raw and b"\x1b[?1006h" in child.raw)
        child.press(b"q")
        assert child.end() == 0
        assert child.raw.rindex(b"\x1b[?1003l") > child.raw.rindex(b"\x1b[?1003h")


def test_what_is_copied_reaches_the_terminal_as_it_is() -> None:
    with played("hostile") as child:
        child.until(lambda: child.shows("14 rows"))
        child.press(b"\x1b[B")
        child.until(lambda: child.shows("1/14"))
        child.press(b"y")
        child.until(lambda: child.shows("Copy"))
        child.press(b"n\r")
        copied = re.compile(rb"\x1b\]52;c;([^\x07]*)\x07")
        child.until(lambda: copied.search(child.raw) is not None)
        (data,) = copied.findall(child.raw)
        assert b64decode(data).decode().isprintable()
        child.press(b"q")
        assert child.end() == 0


def test_what_was_written_directly_is_what_a_full_paint_shows() -> None:
    with played("lively") as child:
        child.until(lambda: child.shows("300 rows"))
        child.press(b"\x1b[B\x1b[B")
        same_when_painted_anew(child)


def cells_of(child: Played) -> list[tuple[str, str, str, bool]]:
    """All that is on the screen but the header and the timeline, which go on."""
    buffer = child.screen.buffer
    still = [y for y, line in enumerate(child.text()) if y and not line.endswith(" now")]
    return [(c.data, c.fg, c.bg, c.bold) for y in still for c in (buffer[y][x] for x in range(child.screen.columns))]


def same_when_painted_anew(child: Played) -> None:
    """What was written bit by bit is what a full paint shows, once nothing moves any more."""
    while child.read(1.0):
        pass
    direct, written = cells_of(child), len(child.raw)
    os.kill(child.pid, signal.SIGCONT)
    child.until(lambda: len(child.raw) > written + 10_000)
    while child.read(1.0):
        pass
    assert cells_of(child) == direct


def test_a_session_is_rewound_and_comes_back_to_now() -> None:
    with played("lively") as child:
        child.until(lambda: child.shows("300 rows"))
        while child.read(1.0):  # until all moments there are have come
            pass
        child.press(b"[[")
        child.until(lambda: child.shows("ago") and child.shows("▲"))
        child.press(b"{")
        child.until(lambda: any(line.startswith(" 23:13:") and line.find("▲") in range(1, 14) for line in child.text()))
        same_when_painted_anew(child)
        child.press(b"}")
        child.until(lambda: not child.shows("▲") and child.text()[0].endswith("now"))
        same_when_painted_anew(child)
        child.press(b"q")
        assert child.end() == 0


def test_the_mouse_of_a_terminal_goes_along_the_timeline() -> None:
    def caret(child: Played) -> tuple[int, int]:
        """Row and column of the moment shown, from 1 as terminals count; (0, 0) while there is none."""
        found = [(y, line.index("▲")) for y, line in enumerate(child.text(), 1) if line.startswith(" 23:13:") and "▲" in line]
        return (found[0][0], found[0][1] + 1) if found else (0, 0)

    def leads(child: Played, button: int, column: int) -> bool:
        """Whether the mouse, ``column`` its second stop, leads there. As the session grows the moment shown moves to the left, at first
        by columns at a time: not the first try may be seen in its place."""
        up = f"\x1b[<0;{column};{row}m" if button == 0 else ""  # nobody presses a button twice and lets go once
        child.press(f"{up}\x1b[<{button};{column + 9};{row}M".encode())
        child.press(f"\x1b[<32;{column};{row}M".encode())
        for _ in range(5):
            child.read()
            if caret(child)[0] == row and abs(caret(child)[1] - column) <= 3:
                return True
        return False

    with played("lively") as child:
        child.until(lambda: child.shows("300 rows"))
        while child.read(1.0):
            pass
        child.press(b"[")
        child.until(lambda: caret(child)[0] > 0)
        row = caret(child)[0]
        child.until(lambda: leads(child, 0, 12))
        child.until(lambda: leads(child, 32, 60))
        child.press(f"\x1b[<0;60;{row}mq".encode())
        assert child.end() == 0


@pytest.mark.parametrize("keys", [b"q", b"}q", b"[[[q"])
def test_a_past_that_never_comes_holds_up_nothing(keys: bytes) -> None:
    with played("stuck") as child:
        child.until(lambda: child.shows("worker.py"))
        child.press(b"[")
        child.until(lambda: child.shows("ago"))
        child.press(keys)
        assert child.end() == 0
        assert restored(child)


def test_at_rest_it_writes_next_to_nothing() -> None:
    with played("hung") as child:
        child.until(lambda: child.shows("worker.py"))
        while child.read(0.5):
            pass
        assert child.read(1.5) == b""
