"""Cells that a spreadsheet would take for a formula."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"\s*(?:=|[+\-@].*[(|!])", re.DOTALL)


def guarded(text: str) -> str:
    """``text`` behind an apostrophe where it is one: a process may be named so that opening the file runs a command.

    What merely begins with a sign and can call nothing stays, as login shells are named ``-bash``.

    >>> guarded("=1+1"), guarded("-2+3+cmd|' /C calc'!A0"), guarded("-bash"), guarded("postgres: writer")
    ("'=1+1", "'-2+3+cmd|' /C calc'!A0", '-bash', 'postgres: writer')
    """
    return "'" + text if _FORMULA.match(text) else text
