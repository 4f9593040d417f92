"""Layouts of the table come back as they were saved, and what nobody saved is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proctop.layouts import LONGEST, MOST, MOST_BYTES, Layout, Layouts, LayoutsError, as_json

NARROW = Layout(("score", "pid", "command"), "cpu", True, "proctop-light")


def test_what_is_saved_is_there_for_the_next_one(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "layouts.json")
    first = Layouts(path)
    assert first.all() == {}
    first.save("narrow", NARROW)
    first.save("wide", Layout(("pid",)))
    assert list(Layouts(path).all().items()) == [("narrow", NARROW), ("wide", Layout(("pid",)))]
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    Layouts(path).remove("narrow")
    assert list(Layouts(path).all()) == ["wide"]


def test_without_a_place_they_last_as_long_as_the_program() -> None:
    layouts = Layouts()
    layouts.save("narrow", NARROW)
    assert layouts.all() == {"narrow": NARROW}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b"[]", 'no table "layouts"'),
        (b'{"layouts": []}', 'no table "layouts"'),
        (b'{"layouts": {"a": []}}', "layout 'a' is none"),
        (b'{"layouts": {"a": {"columns": ["pid"], "more": 1}}}', "layout 'a' is none"),
        (b'{"layouts": {"a": {"columns": "pid"}}}', '"columns" must be a list of strings'),
        (b'{"layouts": {"a": {"columns": ["none"]}}}', "no column that there is"),
        (b'{"layouts": {"a": {"columns": ["pid"], "sort": 7}}}', '"sort" must be a column'),
        (b'{"layouts": {"a": {"columns": ["pid"], "sort": "x"}}}', '"sort" must be a column'),
        (b'{"layouts": {"a": {"columns": ["pid"], "reverse": 1}}}', '"reverse" must be true or false'),
        (b'{"layouts": {"a": {"columns": ["pid"], "theme": "\\u001b]0;x"}}}', '"theme" must be the name'),
        (b'{"layouts": {"\\u001b[2J": {"columns": ["pid"]}}}', "printable characters"),
        (b'{"layouts": {"": {"columns": ["pid"]}}}', "a layout needs a name"),
        (as_json({f"{k}": Layout(("pid",)) for k in range(MOST + 1)}), f"more than {MOST} layouts"),
        (b" " * (MOST_BYTES + 1), "too large"),
    ],
)
def test_what_nobody_saved_is_refused_in_one_line(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "layouts.json"
    path.write_bytes(text)
    with pytest.raises(LayoutsError) as refused:
        Layouts(str(path)).all()
    assert said in str(refused.value) and str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value) and str(refused.value).isprintable()


def test_columns_of_another_version_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "layouts.json"
    path.write_text('{"layouts": {"a": {"columns": ["pid", "later", "why", "pid"]}}}')
    assert Layouts(str(path)).all() == {"a": Layout(("pid", "why"))}


def test_a_file_of_others_or_behind_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "layouts.json"
    path.write_bytes(as_json({"a": NARROW}))
    path.chmod(0o666)
    with pytest.raises(LayoutsError, match="writable by everybody"):
        Layouts(str(path)).all()
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(LayoutsError):
        Layouts(str(link)).all()


@pytest.mark.parametrize("name", ["", " ", "x" * (LONGEST + 1), "a\nb", " a"])
def test_a_name_that_is_none_is_not_saved(tmp_path: Path, name: str) -> None:
    layouts = Layouts(str(tmp_path / "l.json"))
    with pytest.raises(LayoutsError):
        layouts.save(name, NARROW)
    assert not (tmp_path / "l.json").exists()


def test_there_are_not_too_many(tmp_path: Path) -> None:
    layouts = Layouts()
    for k in range(MOST):
        layouts.save(f"layout {k}", NARROW)
    layouts.save("layout 0", Layout(("pid",)))
    with pytest.raises(LayoutsError, match="take one away"):
        layouts.save("one more", NARROW)


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LayoutsError, match="file"):
        Layouts(str(tmp_path / "file" / "layouts.json")).save("a", NARROW)
