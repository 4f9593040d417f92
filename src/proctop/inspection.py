"""What a closer look at one process tells, on demand and of now only: data and nothing else.

Text is sanitized. None = not permitted to know. Nothing of this is ever recorded or exported.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delays:
    """What all threads of a process waited for since it began: (what for, seconds). ``note``: why some are missing, "" = none is."""

    waited: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """Who it is.

    Attributes:
        exe, cwd, root: paths; parents: (pid, name), nearest first.
        affinity: cpus that it may run on.
        mono: CLOCK_MONOTONIC of the look, seconds.
    """

    exe: str | None
    cwd: str | None
    root: str | None
    parents: tuple[tuple[int, str], ...]
    affinity: tuple[int, ...] | None
    mono: float
    delays: Delays = Delays()


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A regular file or directory that is open. ``size`` and ``position`` are bytes; deleted: it has no name any more."""

    fd: int
    path: str
    mode: str
    position: int | None
    size: int | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket and its descriptors.

    Attributes:
        protocol, state, local, remote: as ss(8) has them.
        unread, unsent: bytes that wait to be read, and to be sent or confirmed.
        sent, received: bytes that were confirmed, and received; resent: segments that were sent again; pending: those unanswered now.
        rtt: seconds; backlog: connections that wait to be accepted, and how many may. None = not told.
    """

    fds: tuple[int, ...]
    protocol: str
    state: str
    local: str
    remote: str
    unread: int | None
    unsent: int | None
    sent: int | None
    received: int | None
    resent: int | None
    pending: int | None
    rtt: float | None
    backlog: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a process holds open.

    Attributes:
        files: regular files and directories; others: (kind, how many) of the other descriptors.
        sockets: as far as the kernel told; notes: what is missing and why.
    """

    files: tuple[OpenFile, ...]
    others: tuple[tuple[str, int], ...]
    sockets: tuple[Socket, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment that a process began with: (name, value) by name; ``masked`` names those whose secrets were taken out."""

    values: tuple[tuple[str, str], ...]
    masked: frozenset[str]
