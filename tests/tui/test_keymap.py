"""Keys of the user's own do what the old ones did, are shown where those were, and what cannot be is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex
from textual.binding import Binding

import scenes
from proctop import settings
from proctop.settings import Settings, SettingsError
from proctop.tui.app import Proctop
from proctop.tui.keymap import faces, keymap, scopes
from proctop.tui.keys import named, spelled
from proctop.tui.screens.chooser import Chooser
from proctop.tui.screens.help import Help
from proctop.tui.screens.main import MainScreen

IDS = sorted({binding.id for _, bindings in scopes() for binding in bindings if binding.id})


async def text(app: Proctop, selector: str) -> str:
    widget = app.screen.query_one(selector)
    return "\n".join("".join(cell.text for cell in line.cells) for line in widget.lines)  # type: ignore[attr-defined]


async def test_another_key_does_it_and_the_old_ones_do_not() -> None:
    app = scenes.app(Settings(keys=(("tree", "ctrl+t"), ("help", "f12"))))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("t", "f5")
        assert not app.main.state.tree
        await pilot.press("ctrl+t")
        assert app.main.state.tree
        assert " F12 Help  F3 Search  F4 Filter  Ctrl+T List" in await text(app, "#keys")
        await pilot.press("f12")
        assert isinstance(app.screen, Help)
        shown = await text(app, "Page")
        assert " F12           help" in shown and " Ctrl+T        tree, flat list" in shown and "F5" not in shown


async def test_keys_of_the_table_and_of_other_screens_can_be_changed_too() -> None:
    app = scenes.app(Settings(keys=(("down", "j"), ("up", "ctrl+j"), ("columns_undo", "z"), ("signal", "f9"))))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("j", "j", "down")
        table = app.main.query_one("#table")
        assert table.place == 1  # type: ignore[attr-defined]
        await pilot.press("f2", "escape")
        assert [type(screen) for screen in app.screen_stack] == [MainScreen, Chooser]
        await pilot.press("z")
        assert [type(screen) for screen in app.screen_stack] == [MainScreen]


async def test_a_neighbour_on_the_same_key_stays() -> None:
    app = scenes.app(Settings(keys=(("previous", "ctrl+b"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(scenes.frame())
        await pilot.press("N")
        assert app.main.state.sort == "pid"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"hlep": "f12"}, 'no action "hlep"; did you mean "help"?'),
        ({"zzzzzz": "f12"}, 'no action "zzzzzz"; the README lists them'),
        ({"help": "f99"}, 'help: no key "f99"; did you mean "f9"?'),
        ({"help": ""}, 'help: no key ""'),
        ({"help": "ctrl+"}, 'help: no key "ctrl+"'),
        ({"help": "\x1b"}, "help: no key"),
        ({"help": "q"}, "help: q is the key of quit (quit)"),
        ({"help": "j", "tree": "j"}, "help: j is the key of tree"),
        ({"help": "enter"}, "help: Enter is the key of open"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(chosen: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        keymap(chosen, "settings, keys: ")
    assert str(refused.value).startswith("settings, keys: ") and said in str(refused.value)
    assert str(refused.value).isprintable()


def test_two_actions_may_change_places() -> None:
    found = keymap({"help": "q", "quit": "h"}, "")
    assert (found["help"], found["quit"]) == ("q", "h")
    assert faces({"help": "q"})["help"] == "q"


KEYS = st.text(max_size=12) | st.sampled_from(["f12", "ctrl+k,j", "?", ",", "N"])


@given(st.dictionaries(st.sampled_from(IDS) | st.text(max_size=8), KEYS, max_size=4))
def test_any_table_is_a_keymap_or_refused_in_one_line(chosen: dict[str, str]) -> None:
    try:
        found = keymap(chosen, "keys: ")
    except SettingsError as error:
        assert str(error).startswith("keys: ") and "\n" not in str(error)
        return
    assert found.keys() >= chosen.keys()
    for _, bindings in scopes():  # nothing means two things that did not before
        once: dict[str, Binding] = {}
        for binding in bindings:
            for key in (found.get(binding.id or "") or binding.key).split(","):
                other = once.setdefault(key.strip(), binding)
                assert other is binding or key.strip() in _first(binding) & _first(other)


def _first(binding: Binding) -> set[str]:
    return {key.strip() for key in binding.key.split(",")}


def test_the_file_that_sets_keys_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(settings.documented() + 'help = "f12,?"\ntree = "ctrl+t"\n')
    chosen = settings.resolve(settings.read_file(str(path), required=True), {})
    assert chosen.keys == (("help", "f12,?"), ("tree", "ctrl+t"))
    assert keymap(dict(chosen.keys), "")["help"] == "f12,question_mark"


@pytest.mark.parametrize(("text", "said"), [("keys = 3", "must be a table of strings"), ("[keys]\nhelp = 3", "must be a table of strings")])
def test_a_table_of_something_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        settings.read_file(str(path), required=True)


def test_ids_name_one_thing_in_each_place() -> None:
    for title, bindings in scopes():
        ids = [binding.id for binding in bindings if binding.id]
        assert len(ids) == len(set(ids)), title


class Document(SingleFileSnapshotExtension):
    """A page of ``docs/``; ``pytest --snapshot-update`` writes it anew."""

    _write_mode = WriteMode.TEXT
    _file_extension = "md"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(Path(__file__).parents[2] / "docs")

    @classmethod
    def _get_file_basename(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        return str(index)


def test_the_page_of_the_keys_is_up_to_date(snapshot: SnapshotAssertion) -> None:
    assert _page() == snapshot(name="keys", extension_class=Document)


def _page() -> str:
    out = [
        "# Keys, and their names",
        "",
        "Written by a test out of the bindings. The name is what the table `[keys]` of the settings file takes, with one or more keys:",
        "",
        "```toml",
        "[keys]",
        'help = "f1,?"        # F1 and ?, and no longer h',
        'tree = "ctrl+t"',
        "```",
        "",
        "A key is a character, a name (`f5`, `pageup`, `space`, `comma`) or either with `ctrl+`, `shift+` or `alt+` before it. A key that",
        "another action of the same screen has is refused, and so is a name that is none. Help and footer show the keys that you have.",
    ]
    for title, bindings in scopes():
        out += ["", f"## {title}", "", "| key | name | does |", "|---|---|---|"]
        for binding in bindings:
            keys = " ".join(f"`{key}`" for key in named(binding).replace("|", "\\|").split(" "))
            out.append(f"| {keys} | {f'`{binding.id}`' if binding.id else ''} | {binding.description} |")
    return "\n".join(out) + "\n"


def test_keys_are_spelled_as_people_read_them() -> None:
    assert spelled("f1,question_mark,h") == "F1 ? h" and spelled("ctrl+shift+left") == "Ctrl+Shift+←"
    assert named(Binding("x", "y", id="z"), {"z": "comma,pageup"}) == ", PgUp"
