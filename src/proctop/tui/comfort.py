"""What makes it easy: keys of the user's own, the mouse when it is wanted, text for the clipboard, saved layouts, hints."""

from __future__ import annotations

import base64
import os
import shlex
import threading
from collections.abc import Callable, Mapping

from proctop.layouts import Layout, Layouts, LayoutsError
from proctop.private import replace_private
from proctop.settings import Settings
from proctop.tui.keymap import faces, keymap
from proctop.tui.moving import Moving
from proctop.tui.terminal import Terminal

MOST = 1 << 16
"""Bytes that are copied at most: xterm takes 100,000 characters of base64."""


class Comfort(Moving):
    """An application that keeps to how its user likes it.

    Attributes:
        layouts: saved ones.
        keymap: keys by the id of a binding, where they are not ours; faces: what the footer shows for their actions.
        hinted: the file that tells that the hints were shown; "" = they are not shown.
        wrapped: how OSC 52 reaches the terminal through what is between; None = it does not.
    """

    settings: Settings
    layouts: Layouts
    keymap: dict[str, str]
    faces: dict[str, str]
    hinted: str = ""
    wrapped: Callable[[str], str] | None = staticmethod(lambda sequence: sequence)

    @staticmethod
    def check_keys(chosen: Mapping[str, str]) -> None:
        """Raises ``SettingsError`` for keys that cannot be."""
        keymap(chosen, "settings, keys: ")

    def take_keys(self, chosen: Mapping[str, str]) -> None:
        """Those of :meth:`check_keys`."""
        self.keymap, self.faces = keymap(chosen, ""), faces(chosen)
        self.set_keymap(self.keymap)

    # the mouse

    def action_mouse(self) -> None:
        """Give the mouse to the terminal, or take it back."""
        driver = self._driver
        if isinstance(driver, Terminal):
            driver.take_mouse(not driver.mouse)
            key = self.faces.get("app.mouse", "m")
            self.tell("the mouse is ours again" if driver.mouse else f"the mouse is the terminal's: select text; {key} takes it back")

    # the clipboard

    def copy(self, what: str, text: str) -> None:
        """Hand text to the terminal for its clipboard (OSC 52, xterm's ctlseqs). Nobody answers whether it was taken."""
        if not self.settings.clipboard:
            self.tell("copying is switched off: clipboard = false in the settings", failed=True)
        elif self.wrapped is None:
            self.tell("this terminal has no clipboard", failed=True)
        elif self._driver is not None:
            data, cut = clean(text)
            self._driver.write(self.wrapped(f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"))
            self.tell(f"{what} copied" + (f", the first {MOST} bytes of it" if cut else ""))

    # layouts

    def keep_layout(self, name: str, layout: Layout | None) -> None:
        """Save a layout, or with None forget it, beside the screen: a disk may take its time."""
        threading.Thread(target=self._save_layout, args=(name, layout), name="layouts", daemon=True).start()

    def _save_layout(self, name: str, layout: Layout | None) -> None:
        try:
            if layout is None:
                self.layouts.remove(name)
            else:
                self.layouts.save(name, layout)
        except LayoutsError as error:
            self.call_later(self.tell, str(error), failed=True)
        else:
            how = f"saved: --layout {shlex.quote(name)} begins with it" if layout is not None else "taken away"
            self.call_later(self.tell, f"layout {name} {how}")

    def known_layouts(self) -> Mapping[str, Layout]:
        try:
            return self.layouts.all()
        except LayoutsError as error:
            self.tell(str(error), failed=True)
            return {}

    # hints

    def hints_shown(self) -> None:
        """Remember it, where something can be remembered; else they come once more."""
        path, self.hinted = self.hinted, ""
        if path:
            threading.Thread(target=_remember, args=(path,), name="hints", daemon=True).start()


def _remember(path: str) -> None:
    try:
        replace_private(path, b"")
    except OSError:
        return  # a home that cannot be written: nothing is lost but a line


def unseen(path: str) -> str:
    """``path`` if the hints are new to this user and that can be kept, else ""."""
    if os.path.lexists(path):
        return ""
    folder = os.path.dirname(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return path if folder != "/" and os.access(folder, os.W_OK) else ""  # no home is made


def clean(text: str) -> tuple[bytes, bool]:
    """One line without control characters, which a shell it is pasted into would act on; and whether it was too long.

    >>> clean("redis\\nrm -rf ~\\x1b[A")
    (b'redis rm -rf ~ [A', False)
    """
    data = "".join(c if c.isprintable() else " " for c in text).encode("utf-8", "replace")
    return data[:MOST].decode("utf-8", "ignore").encode(), len(data) > MOST


def through(environ: Mapping[str, str]) -> Callable[[str], str] | None:
    """How OSC 52 reaches the terminal: as it is, also in tmux (``set -g set-clipboard on``); in screen as a string that it hands on.

    >>> through({"TERM": "linux"}) is None, through({"TERM": "xterm"})("x"), through({"TERM": "screen", "STY": "1.s"})("x")
    (True, 'x', '\\x1bPx\\x1b\\\\')
    """
    if environ.get("TERM", "").startswith(("linux", "vt", "dumb")):
        return None
    if environ.get("STY") and not environ.get("TMUX"):
        # screen takes strings of 768 bytes at most, and hands each on as it is
        return lambda sequence: "".join(f"\x1bP{sequence[k : k + 700]}\x1b\\" for k in range(0, len(sequence), 700))
    return lambda sequence: sequence
