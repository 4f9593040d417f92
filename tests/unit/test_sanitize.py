"""Text from the host: nothing that moves a cursor, reorders or hides gets through, letters do."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctop.sanitize import LONGEST_COMMAND, clean, clean_bytes, clean_command

BAD = "�"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ~text", "plain ~text"),
        ("é漢😀 ελ", "é漢😀 ελ"),
        ("a\x1b[31mb", f"a{BAD}[31mb"),
        ("\x1b]0;title\x07", f"{BAD}]0;title{BAD}"),
        ("c1\x9b2J", f"c1{BAD}2J"),
        ("rtl\u202egnp.exe", f"rtl{BAD}gnp.exe"),
        ("zero\u200bwidth", f"zero{BAD}width"),
        ("lone\ud800", f"lone{BAD}"),
        ("two\nlines\ttab", f"two{BAD}lines{BAD}tab"),
        ("[/x] [bold]", "[/x] [bold]"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(st.characters(), max_size=60))
def test_nothing_hostile_survives(raw: str) -> None:
    shown = clean(raw)
    assert len(shown) == len(raw)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not [c for c in shown if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}]
    assert clean(shown) == shown


def test_bytes_that_are_not_utf8() -> None:
    assert clean_bytes(b"a\xffb\xc2\x9b") == f"a{BAD}b{BAD}"


def test_command_is_one_line_of_bounded_length() -> None:
    assert clean_command(b"python\0-c\0print(1)\nprint(2)\0\0") == f"python -c print(1){BAD}print(2)"
    assert len(clean_command(b"x" * 4_000_000)) == LONGEST_COMMAND
    assert clean_command(b"") == ""
