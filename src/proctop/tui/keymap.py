"""Other keys for actions: the table ``[keys]`` of the settings file, checked, and as Textual takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.keys import Keys, _character_to_key
from textual.screen import Screen

from proctop.settings import SettingsError, nearest
from proctop.tui.keys import MAIN, spelled
from proctop.tui.widgets.menu import Menu, Page
from proctop.tui.widgets.process_table import ProcessTable

Scope = tuple[str, Sequence[Binding]]
"""Where keys mean something, as the help calls it, and the bindings that meet there."""

_HELD = ("ctrl+", "shift+", "alt+", "meta+", "super+")
_NAMED = frozenset(key.value for key in Keys) | {_character_to_key(chr(code)) for code in range(0x20, 0x7F)}


def scopes() -> list[Scope]:
    """The main screen, every other screen that has a ``TITLE`` and keys of its own, and what moves in lists and in pages."""
    screens = sorted(_below(Screen), key=lambda screen: screen.__name__)
    own = [(f"Keys: {screen.TITLE.lower()}", _bindings(screen.__dict__.get("BINDINGS", ()))) for screen in screens if screen.TITLE]
    out = [("Keys", _bindings([*MAIN, *ProcessTable.BINDINGS])), *((title, bindings) for title, bindings in own if bindings)]
    return [*out, ("Keys in lists", _bindings(Menu.BINDINGS)), ("Keys in pages", _bindings(Page.BINDINGS))]


def _bindings(bindings: Iterable[BindingType]) -> list[Binding]:
    return [binding for binding in bindings if isinstance(binding, Binding)]


def _below(kind: type[DOMNode]) -> set[type[Screen[object]]]:
    found: set[type[Screen[object]]] = set()
    for child in kind.__subclasses__():
        if issubclass(child, Screen) and child.__module__.startswith("proctop."):
            found.add(child)
        found |= _below(child)
    return found


def keymap(chosen: Mapping[str, str], where: str) -> dict[str, str]:
    """Keys by the id of a binding, with those of neighbours that Textual would lose on the way.

    Raises ``SettingsError`` that begins with ``where``, for an id that there is not, a key that there is not, or one that means two things.

    >>> keymap({"help": "f12, ?"}, "")["help"]
    'f12,question_mark'
    """
    known = scopes()
    ids = {binding.id for _, bindings in known for binding in bindings if binding.id}
    out: dict[str, str] = {}
    for name, keys in chosen.items():
        if name not in ids:
            raise SettingsError(f'{where}no action "{_plain(name)}"{nearest(name, ids) or "; the README lists them"}')
        out[name] = ",".join(dict.fromkeys(_key(key, f"{where}{name}: ") for key in _split(keys)))
    for _, bindings in known:
        _refuse_clash(bindings, out, where)
    return out | _neighbours(chain.from_iterable(bindings for _, bindings in known), out)


def _split(keys: str) -> list[str]:
    """``"f2,j"`` at its commas; a comma that is meant stands alone or is called ``comma``."""
    return [part for part in (part.strip() for part in keys.split(",")) if part] or [keys.strip()]


def _key(text: str, where: str) -> str:
    """A key as Textual names it."""
    held, rest = "", text
    while word := next((word for word in _HELD if rest.lower().startswith(word) and len(rest) > len(word)), ""):
        held, rest = held + word, rest[len(word) :]
    name = _character_to_key(rest) if len(rest) == 1 and rest.isprintable() else rest.lower()
    if held + name in _NAMED or (name in _NAMED and text):
        return held + name
    raise SettingsError(f'{where}no key "{_plain(text)}"{nearest(text, _NAMED) or "; give for example f2, ctrl+k, pageup or a character"}')


def _plain(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def _keys_of(binding: Binding, chosen: Mapping[str, str]) -> set[str]:
    return {key.strip() for key in (chosen.get(binding.id or "") or binding.key).split(",")}


def _refuse_clash(bindings: Sequence[Binding], chosen: Mapping[str, str], where: str) -> None:
    """Two actions of one screen on one key, unless they were so from the start."""
    for binding in bindings:
        if binding.id not in chosen:
            continue
        for other in bindings:
            both = _keys_of(binding, chosen) & _keys_of(other, chosen)
            if other.id != binding.id and both - (_keys_of(binding, {}) & _keys_of(other, {})):
                key = spelled(min(both))
                raise SettingsError(f"{where}{binding.id}: {key} is the key of {other.id or other.action} ({other.description})")


def _neighbours(bindings: Iterable[Binding], chosen: Mapping[str, str]) -> dict[str, str]:
    """The keys of bindings that share one with a binding that gets others: Textual takes away a key with all that is bound to it."""
    every = [binding for binding in bindings if binding.id]
    freed = {key for binding in every if binding.id in chosen for key in _keys_of(binding, {})}
    return {binding.id: binding.key for binding in every if binding.id and binding.id not in chosen and _keys_of(binding, {}) & freed}


def faces(chosen: Mapping[str, str]) -> dict[str, str]:
    """What the footer shows for an action that has other keys: the first of them."""
    out: dict[str, str] = {}
    for _, bindings in scopes():
        for binding in bindings:
            if binding.id is not None and binding.id in chosen:
                out[binding.action] = spelled(chosen[binding.id].partition(",")[0])
    return out
