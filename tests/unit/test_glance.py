"""The first rows: the same places as on the real screen, without the toolkit, and a terminal left as it was when something fails."""

from __future__ import annotations

import subprocess
import sys

import pyte
import pytest

import scenes
from proctop.settings import Settings
from proctop.tui import glance
from proctop.view import table
from proctop.view.cells import ASCII, UNICODE, width
from proctop.view.rows import ViewState


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24), (60, 15)])
def test_lines_fill_the_width_and_leave_room_for_the_keys(size: tuple[int, int]) -> None:
    lines = glance.lines(scenes.frame(3), ViewState(), table.DEFAULT, size, UNICODE)
    assert all(sum(width(cell.text) for cell in one.cells) <= size[0] for one in lines)
    assert len(lines) <= size[1] - 2
    assert any("redis-server" in cell.text for one in lines for cell in one.cells)


def test_it_is_painted_on_the_alternate_screen_and_left_there(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with glance.shown(scenes.frame(3), ViewState(), Settings(ascii=True), (120, 40)):
        pass
    written = capfdbinary.readouterr().out
    screen = pyte.Screen(120, 40)
    pyte.ByteStream(screen).feed(written)
    assert written.startswith(b"\x1b[?1049h") and b"\x1b[?1049l" not in written
    assert written.isascii()
    assert sum("redis-server" in line for line in screen.display) == 1


def test_a_failure_gives_the_terminal_back(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(KeyboardInterrupt), glance.shown(scenes.frame(3), ViewState(), Settings(), (120, 40)):
        raise KeyboardInterrupt
    assert capfdbinary.readouterr().out.endswith(glance.LEAVE.encode())


def test_a_screen_too_small_is_left_to_the_real_one(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with glance.shown(scenes.frame(3), ViewState(), Settings(), (30, 5)):
        pass
    assert capfdbinary.readouterr().out == b""


def test_it_needs_no_toolkit() -> None:
    code = "import sys; import proctop.tui.glance; sys.exit(any(m.split('.')[0] == 'textual' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ascii_glyphs_are_ascii() -> None:
    lines = glance.lines(scenes.frame(3), ViewState(ascii=True), table.DEFAULT, (120, 40), ASCII)
    assert all(cell.text.isascii() for one in lines for cell in one.cells)
