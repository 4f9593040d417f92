"""From lines to the bytes that change a terminal showing the old ones into one showing the new ones.

Textual repaints spans of whole widgets' lines; a monitor changes a few digits in many cells. Writing just those takes a
tenth of the bytes and of the time. The result on the screen is the same, which a test holds with a terminal emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from proctop.view.cells import Line, width


class Pen(NamedTuple):
    """A style as SGR parameters (ECMA-48 8.3.117): attributes, foreground, background. "" = default."""

    attributes: str
    foreground: str
    background: str

    @classmethod
    def parse(cls, sgr: str) -> Pen:
        """Split the parameters of one SGR sequence.

        >>> Pen.parse("1;38;2;1;2;3;48;5;7")
        Pen(attributes='1', foreground='38;2;1;2;3', background='48;5;7')
        """
        attributes, foreground, background = [], "", ""
        codes = iter(sgr.split(";") if sgr else [])
        for code in codes:
            number = int(code)
            if number in (38, 48):
                mode = next(codes)
                value = ";".join([code, mode, *(next(codes) for _ in range(3 if mode == "2" else 1))])
            else:
                value = code
            if number == 38 or 30 <= number <= 37 or 90 <= number <= 97:
                foreground = value
            elif number == 48 or 40 <= number <= 47 or 100 <= number <= 107:
                background = value
            else:
                attributes.append(value)
        return cls(";".join(attributes), foreground, background)

    def after(self, last: Pen | None) -> str:
        """The shortest sequence that sets this pen where ``last`` is set (None: unknown)."""
        if last == self:
            return ""
        lost = last is None or last.attributes != self.attributes or (last.foreground and not self.foreground)
        if lost or (last is not None and last.background and not self.background):
            parts = ["0", self.attributes, self.foreground, self.background]
        else:
            assert last is not None
            parts = ["" if last.foreground == self.foreground else self.foreground]
            parts.append("" if last.background == self.background else self.background)
        return f"\x1b[{';'.join(filter(None, parts))}m"


Place = tuple[int, int]  # column, row of the terminal, from 0
Piece = tuple[Pen, int, int, str]  # pen, row, column, text


def _pieces(x: int, y: int, old: Line | None, new: Line, pen: Callable[[str, str], Pen]) -> Iterable[Piece]:
    """What to write where, for one line at terminal column ``x`` and row ``y``."""
    before: tuple[object, ...] = ()
    if old is not None and old.mood == new.mood and len(old.cells) == len(new.cells):
        before = old.cells
    for k, cell in enumerate(new.cells):
        text, style = cell
        size = len(text) if text.isascii() else width(text)
        was = before[k] if before else None
        if was != cell:
            skip, end = 0, len(text)
            if isinstance(was, tuple) and width(was[0]) != size:
                before = ()  # cells have moved: the rest of the line is written whole
            elif isinstance(was, tuple) and was[1] == style and text.isascii() and was[0].isascii():
                while text[skip] == was[0][skip]:
                    skip += 1
                while text[end - 1] == was[0][end - 1]:
                    end -= 1
            yield pen(style, new.mood), y, x + skip, text[skip:end]
        x += size


def patch(changes: Iterable[tuple[Place, Line | None, Line]], pen: Callable[[str, str], Pen]) -> str:
    """The output that turns old lines into new ones.

    Args:
        changes: where each line begins, what stands there (None: anything), what shall.
        pen: from the name of a style and the mood of its line.
    """
    pieces: list[Piece] = []
    for (x, y), old, new in changes:
        pieces.extend(piece for piece in _pieces(x, y, old, new, pen) if piece[3])
    pieces.sort()  # by pen first: setting one takes more bytes than moving
    out: list[str] = []
    last: Pen | None = None
    row, column = -1, -1
    for style, y, x, text in pieces:
        if y == row and x >= column:
            if x > column:
                out.append("\x1b[C" if x == column + 1 else f"\x1b[{x - column}C")
        else:
            out.append(f"\x1b[{y + 1};{x + 1}H")
        out.append(style.after(last))
        out.append(text)
        # After wide or combining characters terminals may disagree about the column: go there anew.
        last, row, column = style, y, x + len(text) if text.isascii() else 1 << 30
    return "".join(out)
