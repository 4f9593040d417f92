"""Saved layouts of the table: which columns, their order, the sort and the theme, in one small file of the user.

The file is JSON, ``{"layouts": {NAME: {"columns": […], "sort": "score", "reverse": false, "theme": "proctop"}}}``, at most 64 KiB, written
only when a layout is saved or taken away. It may come from anywhere: it is read whole, as it must be, or refused in one line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from proctop.fields import COLUMN, FEATURE
from proctop.private import NotPrivate, read_private, replace_private

MOST_BYTES, MOST, LONGEST = 1 << 16, 50, 32
"""Bytes of the file, layouts in it, characters of a name."""


class LayoutsError(ValueError):
    """What is wrong with the layouts, in one line that names the file."""


class Layout(NamedTuple):
    """How the table looks."""

    columns: tuple[str, ...]
    sort: str = "score"
    reverse: bool = False
    theme: str = ""  # "" = the one there is


class Layouts:
    """The layouts in the file at ``path``, read when first asked for; without a path they last as long as the program."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._all: dict[str, Layout] | None = None

    def all(self) -> Mapping[str, Layout]:
        """By name, in the order they were saved. Raises :class:`LayoutsError`."""
        if self._all is None:
            self._all = self._read()
        return self._all

    def save(self, name: str, layout: Layout) -> None:
        """Keep a layout, in the place of one of that name. Raises :class:`LayoutsError`."""
        if said := wrong_name(name):
            raise LayoutsError(said)
        changed = {**self.all(), name: layout}
        if len(changed) > MOST:
            raise LayoutsError(f"there are {MOST} layouts; take one away first")
        self._write(changed)

    def remove(self, name: str) -> None:
        """Forget a layout, if there is one of that name. Raises :class:`LayoutsError`."""
        self._write({other: layout for other, layout in self.all().items() if other != name})

    def _write(self, layouts: dict[str, Layout]) -> None:
        if self.path:
            try:
                replace_private(self.path, as_json(layouts))
            except OSError as error:
                raise LayoutsError(f"{self.path}: {error.strerror or error}") from None
        self._all = layouts

    def _read(self) -> dict[str, Layout]:
        if not self.path:
            return {}
        try:
            return from_json(read_private(self.path, MOST_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError as error:
            if not isinstance(error, NotPrivate) and not os.path.exists(self.path):
                return {}  # HOME is still another user's, as after `su -m`
            raise LayoutsError(f"{self.path}: {error.strerror}") from None
        except OSError as error:
            raise LayoutsError(f"{self.path}: {error.strerror}") from None
        except LayoutsError as error:
            raise LayoutsError(f"{self.path}: {error}; remove the file, or mend it") from None


def wrong_name(name: str) -> str:
    """What is wrong with the name of a layout, "" = nothing."""
    if not name.strip() or name != name.strip():
        return "a layout needs a name"
    if len(name) > LONGEST or not name.isprintable():
        return f"a layout's name has at most {LONGEST} printable characters"
    return ""


def as_json(layouts: Mapping[str, Layout]) -> bytes:
    return (json.dumps({"layouts": {name: layout._asdict() for name, layout in layouts.items()}}, indent=1) + "\n").encode()


def from_json(data: bytes) -> dict[str, Layout]:
    """The way back; raises :class:`LayoutsError`. A column that this version does not know is left out."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise LayoutsError("no JSON") from None
    layouts = whole.get("layouts") if isinstance(whole, dict) else None
    if not isinstance(layouts, dict):
        raise LayoutsError('no table "layouts"')
    if len(layouts) > MOST:
        raise LayoutsError(f"more than {MOST} layouts")
    return {name: _layout(name, value) for name, value in layouts.items()}


def _layout(name: str, value: Any) -> Layout:
    shown = repr(name[:LONGEST])
    if said := wrong_name(name):
        raise LayoutsError(f"{shown}: {said}")
    if not isinstance(value, dict) or value.keys() - set(Layout._fields):
        raise LayoutsError(f"layout {shown} is none")
    layout = Layout(**{"columns": (), **value})
    names = layout.columns
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise LayoutsError(f'layout {shown}: "columns" must be a list of strings')
    columns = tuple(dict.fromkeys(one for one in names if one in COLUMN))
    if not columns:
        raise LayoutsError(f"layout {shown}: no column that there is")
    if not isinstance(layout.sort, str) or (layout.sort not in COLUMN and layout.sort not in FEATURE):
        raise LayoutsError(f'layout {shown}: "sort" must be a column')
    if not isinstance(layout.reverse, bool):
        raise LayoutsError(f'layout {shown}: "reverse" must be true or false')
    if not isinstance(layout.theme, str) or not layout.theme.isprintable() or len(layout.theme) > LONGEST:
        raise LayoutsError(f'layout {shown}: "theme" must be the name of a theme')
    return layout._replace(columns=columns)
