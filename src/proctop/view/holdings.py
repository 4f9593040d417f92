"""What a process holds and how it was started, as told of now only: sockets and files, its environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from proctop.inspection import Environment, Holdings, OpenFile, Socket
from proctop.view.cells import Cell, Glyphs, fit
from proctop.view.prose import Text, heading, labelled, paragraphs
from proctop.view.units import duration, size

MOST = 1000
"""Lines of a kind that are shown; the first are the most telling."""

T = TypeVar("T")

_RESENT = 0.01  # segments sent again, of those sent about: from here on it is worth a colour
_WIDE = 100  # columns from which on sockets are told in full
_SEGMENT = 1448.0  # bytes of one, about


def text(told: Holdings, columns: int, glyphs: Glyphs) -> Text:
    """Sockets, those with trouble first; files, the largest first; the rest by kind."""
    out: Text = []
    for note in told.notes:
        out += labelled("not known", note, columns, "soft")
    sockets = sorted(told.sockets, key=_telling)
    out += heading(f"Sockets ({len(sockets)})") if out else [[Cell(f" Sockets ({len(sockets)})", "strong")]]
    layout = _layout(columns)
    if sockets:
        titles = " ".join(fit(title, cells, glyphs, right=right) for title, cells, right in layout)
        out.append([Cell(fit(f" {titles}", columns + 2, glyphs), "title")])
    out += _first(sockets, lambda socket: _socket(socket, layout, glyphs))
    files = sorted(told.files, key=lambda file: (-(file.size or 0), file.fd))
    out += heading(f"Files ({len(files)})")
    if files:
        out.append([Cell(fit(f" {'FD':>5} {'MODE':4} {'SIZE':>6} {'AT':>6} PATH", columns + 2, glyphs), "title")])
    out += _first(files, lambda file: _file(file, glyphs))
    if told.others:
        out += heading("Other descriptors")
        out += labelled("", "   ".join(f"{kind} {number}" for kind, number in told.others), columns)
    return out


def _first(items: Sequence[T], draw: Callable[[T], list[Cell]]) -> Text:
    out = [draw(item) for item in items[:MOST]]
    if len(items) > MOST:
        out.append([Cell(f"       and {len(items) - MOST:,} more", "soft")])
    return out


def _telling(socket: Socket) -> tuple[int, int, int]:
    """What waits or was lost comes first, then what carried most."""
    waits = (socket.pending or 0) * 1_000_000 + (socket.unsent or 0) + (socket.unread or 0)
    return -waits, -((socket.sent or 0) + (socket.received or 0)), socket.fds[0] if socket.fds else 0


def _fds(fds: tuple[int, ...]) -> str:
    return (str(fds[0]) if fds else "") + ("+" if len(fds) > 1 else "")


def _bytes(value: int | None, width: int) -> str:
    return "" if value is None else size(float(value), width)


def _layout(columns: int) -> Sequence[tuple[str, int, bool]]:
    """Title, cells and side of each column of the sockets; a narrow screen shows no amounts."""
    amounts = [("SENT", 6, True), ("RECV", 6, True)] if columns >= _WIDE else []
    fixed = [("FD", 5, True), ("KIND", 11 if amounts else 6, False), ("STATE", 11, False)]
    last = [*amounts, ("QUEUED", 7, True), ("RESENT", 6, True), ("RTT", 5, True)]
    ends = max(12, (columns - sum(cells + 1 for _, cells, _ in (*fixed, *last)) - 2) // 2)
    return [*fixed, ("LOCAL", ends, False), ("REMOTE", ends, False), *last]


def _socket(socket: Socket, layout: Sequence[tuple[str, int, bool]], glyphs: Glyphs) -> list[Cell]:
    queued, style = _bytes(max(socket.unread or 0, socket.unsent or 0), 7), "text"
    if socket.backlog is not None:
        waiting, room = socket.backlog
        queued, style = f"{waiting}/{room}", "warn" if waiting >= room > 0 else "text"
    lost = (socket.resent or 0) * _SEGMENT > _RESENT * max(socket.sent or 0, 1)
    told = {
        "FD": (_fds(socket.fds), "soft"),
        "KIND": (socket.protocol, "soft"),
        "STATE": (socket.state, "good" if socket.state == "LISTEN" else "text"),
        "LOCAL": (socket.local, "text"),
        "REMOTE": (socket.remote, "text"),
        "SENT": (_bytes(socket.sent, 6), "soft"),
        "RECV": (_bytes(socket.received, 6), "soft"),
        "QUEUED": (queued, "faint" if queued == "0" else style),
        "RESENT": ("" if socket.resent is None else str(socket.resent), "warn" if lost else "text" if socket.resent else "faint"),
        "RTT": ("" if socket.rtt is None else _rtt(socket.rtt), "soft"),
    }
    return [Cell(" " + fit(told[title][0], cells, glyphs, right=right), told[title][1]) for title, cells, right in layout]


def _rtt(seconds: float) -> str:
    """
    >>> _rtt(0.000036), _rtt(0.0042), _rtt(1.5)
    ('36us', '4.2ms', '1.5s')
    """
    return f"{seconds * 1e6:.0f}us" if seconds < 0.001 else f"{seconds * 1e3:.2g}ms" if seconds < 0.1 else duration(seconds, 5)


def _file(file: OpenFile, glyphs: Glyphs) -> list[Cell]:
    return [
        Cell(f" {file.fd:>5} {file.mode:4} ", "soft"),
        Cell(f"{_bytes(file.size, 6):>6} "),
        Cell(f"{_bytes(file.position, 6) if file.size is not None else '':>6} ", "soft"),
        Cell("deleted, still open: " if file.deleted else "", "warn"),
        Cell(glyphs.plain(file.path)),
    ]


def environment(told: Environment, columns: int) -> Text:
    """By name; what was taken out is said to have been."""
    out: Text = []
    for name, value in told.values:
        out += labelled(name, value, columns, "warn" if name in told.masked else "text", indent=max(24, min(40, columns // 4)))
    count = len(told.values)
    masked = f"; of {len(told.masked)} a secret is masked" if told.masked else ""
    head = f"{count} variable{'s' * (count != 1)}, as the process began with them{masked}" if count else "it has none"
    return [*paragraphs([head], columns), [Cell("")], *out]
