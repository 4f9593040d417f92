"""Text from the host is hostile: made harmless once, where it enters.

Removed are C0 and C1 controls, bidirectional controls, zero-width and other format characters,
line separators, lone surrogates, private-use and unassigned characters that terminals disagree about.
Each becomes ``�``, so that two names that differ still differ in length and look odd; letters of
any script and emoji survive. Works on decoded characters, never on bytes.
"""

from __future__ import annotations

import re

LONGEST_COMMAND = 4096
"""Characters of a command line that are kept (a process can set 4 MB and more)."""

# C0, DEL and C1; soft hyphen; Arabic letter mark; zero-width and bidi marks; line and paragraph separators and bidi embeddings;
# invisible operators and isolates; BOM, interlinear annotation; surrogates; tags; variation selectors beyond the emoji pair; noncharacters.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]*\Z")


def clean(text: str) -> str:
    """``text`` without any character that could move a cursor, reorder a line or hide.

    >>> clean("a\\x1b[2Jb")
    'a�[2Jb'
    >>> clean("é漢😀")
    'é漢😀'
    """
    if _PRINTABLE_ASCII.match(text):
        return text
    return _HOSTILE.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_bytes(raw: bytes) -> str:
    """Decode UTF-8, invalid bytes as ``�``, and clean."""
    return clean(raw.decode("utf-8", "replace"))


def clean_command(raw: bytes) -> str:
    """A ``/proc/PID/cmdline`` as one line: arguments joined by spaces, cut at :data:`LONGEST_COMMAND` characters.

    >>> clean_command(b"sh\\x00-c\\x00echo a\\nb\\x00")
    'sh -c echo a�b'
    """
    cut = raw[: 4 * LONGEST_COMMAND].rstrip(b"\0 ").replace(b"\0", b" ")
    return clean_bytes(cut)[:LONGEST_COMMAND]
