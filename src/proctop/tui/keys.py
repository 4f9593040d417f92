"""The keys of the main screen, and how they are named.

Every binding has an ``id``, by which the settings table ``[keys]`` gives it other keys (:mod:`proctop.tui.keymap`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from textual.binding import Binding, BindingType
from textual.keys import key_to_character

TIME: list[BindingType] = [
    Binding(
        "space,Z",
        "app.hold",
        "hold the view (sampling goes on), return to now; in a recording: play, stand still",
        key_display="Space Z",
        id="pause",
    ),
    Binding("left_square_bracket,shift+left", "app.step(-1)", "one reading back in time", key_display="[ Shift←", id="step_back"),
    Binding("right_square_bracket,shift+right", "app.step(1)", "one reading on", key_display="] Shift→", id="step_on"),
    Binding("left_curly_bracket,shift+home", "app.end(-1)", "the oldest moment", key_display="{", id="oldest"),
    Binding("right_curly_bracket,shift+end", "app.end(1)", "now; in a recording: the newest moment", key_display="}", id="newest"),
    Binding("right_parenthesis", "app.mark(1)", "the next anomaly, with its process selected", key_display=")", id="next_anomaly"),
    Binding("left_parenthesis", "app.mark(-1)", "the anomaly before", key_display="(", id="previous_anomaly"),
    Binding("x", "app.change_speed(1)", "play the past: 1×, 2×, 10×, 60×", id="faster"),
    Binding("X", "app.change_speed(-1)", "slower, and stand still", id="slower"),
]

MAIN: list[BindingType] = [
    Binding("f1,question_mark,h", "help", "help", key_display="F1 ? h", id="help"),
    Binding("f3,slash", "search", "search", key_display="F3 /", id="search"),
    Binding("n", "next(1)", "next match", id="next"),
    Binding("N", "next(-1)", "previous match", id="previous"),
    Binding("f4,backslash", "filter", "filter", key_display="F4 \\", id="filter"),
    Binding("f5,t", "tree", "tree, flat list", key_display="F5 t", id="tree"),
    Binding("left,minus", "collapse(True)", "fold the subtree of the selected process", key_display="← -", id="collapse"),
    Binding("right,plus", "collapse(False)", "unfold it", key_display="→ +", id="expand"),
    Binding("f6,less_than_sign,greater_than_sign", "sort_menu", "sort by a column", key_display="F6 < >", id="sort"),
    Binding("I", "reverse", "reverse the order", id="reverse"),
    Binding("A", "sort('score')", "sort by anomaly score", id="sort_score"),
    Binding("P", "sort('cpu')", "sort by cpu", id="sort_cpu"),
    Binding("M", "sort('rss')", "sort by memory", id="sort_memory"),
    Binding("N", "sort('pid')", "sort by pid", id="sort_pid"),
    Binding("T", "sort('time')", "sort by cpu time", id="sort_time"),
    Binding("g", "groups", "processes rolled up by command, container, image, pod, cgroup or user", id="groups"),
    Binding("c", "containers", "containers against their limits", id="containers"),
    Binding("f2,C", "columns", "choose the columns, their order, and layouts", key_display="F2 C", id="columns"),
    Binding("w", "zoom(1)", "a wider span of history", id="wider"),
    Binding("W", "zoom(-1)", "a narrower one", id="narrower"),
    Binding("u", "user_menu", "processes of one user", id="user"),
    Binding("H", "threads", "show or hide threads", id="threads"),
    Binding("K", "kernel", "show or hide kernel threads", id="kernel"),
    Binding("p", "names", "command line, with path, or name", id="names"),
    Binding("F", "follow", "keep the selected process in view", id="follow"),
    Binding("f7,comma", "renice(-1)", "nice − (more cpu; root)", key_display="F7 ,", id="nicer"),
    Binding("f8,full_stop", "renice(1)", "nice + (less cpu)", key_display="F8 .", id="less_nice"),
    Binding("f9,k", "signal", "send a signal to the selected process", key_display="F9 k", id="signal"),
    Binding("a", "accept", "take what the selected process does now as its normal", id="accept"),
    Binding("i", "incident", "mark its alarm as an incident, no false alarm", id="incident"),
    Binding("e", "app.events", "alert events: what went wrong when, and why", id="events"),
    Binding("v", "app.vitals", "host vitals: vmstat, iostat, netstat and pressure", id="vitals"),
    Binding("exclamation_mark", "app.toasts", "announce new alerts, or not", id="toasts"),
    *TIME,
    Binding("b", "go", "go to a time: 10:00, 3m ago", id="go"),
    Binding("R", "app.record", "record to a file, and end that", id="record"),
    Binding("y", "copy", "copy something of the selected process", id="copy"),
    Binding("m", "app.mouse", "leave the mouse to the terminal, to select text; take it back", id="mouse"),
    Binding("escape", "back", "clear search, filter, user, selection", key_display="Esc", id="back"),
    Binding("ctrl+p", "palette", "every action and theme by name", key_display="Ctrl+P", id="palette"),
    Binding("ctrl+z", "app.suspend_process", "suspend to the shell", id="suspend"),
    Binding("f10,q", "app.quit", "quit", key_display="F10 q", id="quit"),
]

_MAIN = {binding.id: binding for binding in MAIN if isinstance(binding, Binding)}


def of_main(*ids: str) -> list[Binding]:
    """Keys of the main screen that another screen has with the same meaning."""
    return [_MAIN[name] for name in ids]


_SPELLED = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "backspace": "Backspace",
    "delete": "Del",
    "insert": "Ins",
    "ctrl": "Ctrl",
    "shift": "Shift",
    "alt": "Alt",
}


def spelled(keys: str) -> str:
    """Keys as Textual names them, as people read them.

    >>> spelled("f1,question_mark,h"), spelled("shift+left"), spelled("ctrl+p")
    ('F1 ? h', 'Shift+←', 'Ctrl+P')
    """
    return " ".join(_spelled(key.strip().split("+")) for key in keys.split(","))


def _spelled(parts: Sequence[str]) -> str:
    return "+".join(_part(part, len(parts) > 1) for part in parts)


def _part(name: str, combined: bool) -> str:
    text = _SPELLED.get(name) or key_to_character(name) or name
    return text.upper() if _FUNCTION.fullmatch(text) or (combined and len(text) == 1) else text


_FUNCTION = re.compile(r"f[1-9]\d?")


def called(action: str) -> tuple[str, tuple[object, ...]]:
    """The name of an action without its parameters, as ``check_action`` takes it."""
    return action.partition("(")[0], ()


Allowed = Callable[[str, tuple[object, ...]], bool | None]


def documented(
    bindings: Iterable[BindingType], allowed: Allowed, keymap: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[str, str]]:
    """Each key and what it does, without those that are not allowed here; ``keymap`` has other keys for some ids."""
    return [
        (named(binding, keymap), binding.description)
        for binding in bindings
        if isinstance(binding, Binding) and binding.description and allowed(*called(binding.action)) is not False
    ]


def named(binding: Binding, keymap: Mapping[str, str] = MappingProxyType({})) -> str:
    """The keys of a binding, as people read them."""
    chosen = keymap.get(binding.id or "")
    return spelled(chosen) if chosen else binding.key_display or spelled(binding.key)
