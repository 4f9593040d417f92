"""What the terminal can show: how many colours, and which characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from proctop.view.cells import width

Depth = Literal["standard", "256", "truecolor"] | None


def depth(environ: Mapping[str, str]) -> Depth:
    """The colours of the terminal, None = none at all (NO_COLOR, see no-color.org, or a terminal without).

    >>> depth({"TERM": "linux"}), depth({"TERM": "tmux-256color"}), depth({"TERM": "xterm-256color", "COLORTERM": "truecolor"})
    ('standard', '256', 'truecolor')
    """
    term = environ.get("TERM", "").lower()
    if (
        environ.get("NO_COLOR")
        or term in ("", "dumb", "unknown")
        or term.startswith(("vt1", "vt2", "vt3", "vt5"))
        or term.endswith(("-mono", "-m"))
    ):
        return None
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return "truecolor"
    if term.endswith("256color") or any(name in term for name in ("kitty", "alacritty", "foot", "ghostty", "wezterm")):
        return "256"
    return "standard"


def speaks_unicode(environ: Mapping[str, str]) -> bool:
    """Whether the locale's encoding is UTF-8. Python's own answer is no use: it turns to UTF-8 in the C locale.

    >>> speaks_unicode({"LANG": "C.UTF-8"}), speaks_unicode({"LC_ALL": "C", "LANG": "en_US.UTF-8"})
    (True, False)
    """
    name = next((environ[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(key)), "")
    return name.partition("@")[0].lower().replace("-", "").endswith("utf8")


class Ascii(LineFilter):
    """Spells what other widgets draw with characters of their own, cell by cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [s if s.text.isascii() else Segment("".join(map(_spelled, s.text)), s.style, s.control) for s in segments]


_DRAWN = {
    "─": "-",
    "━": "-",
    "│": "|",
    "┃": "|",
    "▏": "|",
    "▕": "|",
    "▎": "|",
    "▌": "|",
    "▊": "|",
    "▐": "|",
    "▁": "_",
    "▔": "-",
    "▀": "-",
    "▄": "_",
    "█": "#",
    "…": "~",
    "–": "-",
    "•": "*",
}


def _spelled(character: str) -> str:
    """One of ASCII, or as many as it takes cells.

    >>> "".join(map(_spelled, "▌…日┌"))  # ▌ is the edge of an announcement
    '|~??+'
    """
    if character.isascii():
        return character
    if "─" <= character <= "╿":
        return _DRAWN.get(character, "+")
    return _DRAWN.get(character, "?" * width(character))
