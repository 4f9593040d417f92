"""What a process holds open: ``/proc/PID/fd`` and ``fdinfo`` (proc_pid_fd(5)), of one process and within a time limit."""

from __future__ import annotations

import os
import stat
from collections import Counter
from typing import NamedTuple

from proctop.inspection import OpenFile
from proctop.kernel.host import Host, Unreadable
from proctop.sanitize import LONGEST_COMMAND, clean

MOST_FILES = 2000
"""Files that are told one by one."""

_DELETED = " (deleted)"
_CHECKED = 64  # descriptors between looks at the clock
_MODES = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "rw"}


class Descriptors(NamedTuple):
    """Regular files and directories; (kind, number) of all others but sockets; what is missing and why, in words."""

    files: tuple[OpenFile, ...]
    others: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def descriptors(host: Host, pid: int, patience: float) -> Descriptors:
    """What process ``pid`` holds open, as far as it can be told in ``patience`` seconds. Raises Unreadable."""
    until = host.clock().mono + patience
    at = f"{host.proc}/{pid}"
    numbers = sorted(int(name) for name in host.names(f"{at}/fd") if name.isdigit())
    files: list[OpenFile] = []
    others: Counter[str] = Counter()
    notes = []
    for k, fd in enumerate(numbers):
        if k % _CHECKED == _CHECKED - 1 and host.clock().mono >= until:
            notes.append(f"{len(numbers) - k:,} of {len(numbers):,} descriptors were not looked at: it took too long")
            break
        try:
            target = os.readlink(f"{at}/fd/{fd}")
        except OSError:
            continue  # closed meanwhile
        if not target.startswith("/"):
            kind = target.partition(":")[0] if ":[" in target else target.removeprefix("anon_inode:").strip("[]")
            others[clean(kind)[:64]] += kind != "socket"
        elif len(files) < MOST_FILES:
            file = _file(host, at, fd, target)
            if isinstance(file, OpenFile):
                files.append(file)
            else:
                others[file] += 1
        else:
            others["more files"] += 1
    return Descriptors(tuple(files), tuple((kind, number) for kind, number in others.most_common() if number), tuple(notes))


def _file(host: Host, at: str, fd: int, target: str) -> OpenFile | str:
    """A regular file or directory, or else the kind of what it is."""
    size = None
    deleted = target.endswith(_DELETED)
    try:
        found = os.stat(f"{at}/fd/{fd}")
    except OSError:  # a path in another mount namespace, or no permission to go there
        pass
    else:
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            return clean(target)[:64]
        if stat.S_ISFIFO(found.st_mode):
            return "fifo"
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        deleted = deleted and found.st_nlink == 0
    path = target.removesuffix(_DELETED) if deleted else target
    position, flags = _info(host, f"{at}/fdinfo/{fd}")
    mode = "" if flags is None else _MODES.get(flags & os.O_ACCMODE, "?") + ("a" if flags & os.O_APPEND else "")
    return OpenFile(fd, clean(path)[:LONGEST_COMMAND], mode, position, size, deleted)


def _info(host: Host, path: str) -> tuple[int | None, int | None]:
    """Position, and flags as of open(2)."""
    try:
        words = host.read(path).split()
        return int(words[words.index(b"pos:") + 1]), int(words[words.index(b"flags:") + 1], 8)
    except (Unreadable, ValueError, IndexError):
        return None, None
