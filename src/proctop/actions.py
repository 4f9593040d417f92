"""What a user does to one process: signal it, renice it, look at it closely.

Every action names its process by :class:`ProcKey` and holds on to it while it acts, so that nothing ever reaches a
stranger that got the pid in between.
"""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from proctop.records import ProcKey
from proctop.sanitize import LONGEST_COMMAND, clean


class ActionFailed(Exception):
    """An action that did not happen, and why, in one line."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One process looked at closely. Text is sanitized; None = not permitted to know."""

    exe: str | None
    cwd: str | None
    parents: tuple[tuple[int, str], ...]  # (pid, name), nearest first
    files: int | None  # open regular files
    connections: tuple[str, ...] | None  # "tcp 127.0.0.1:80 → 127.0.0.1:4000 established"
    affinity: tuple[int, ...] | None  # cpus it may run on
    created: float  # seconds since the epoch


class Actions:
    """Acts on processes of this host.

    Args:
        procfs: where the readings come from. Its pids must be the ones this program would signal.
        readonly: why nothing may be changed ("read-only", "a recording"), "" = it may.
    """

    def __init__(self, procfs: str, *, readonly: str = "") -> None:
        self._procfs = procfs
        self._foreign = "" if _same_pids(procfs) else f"{procfs} shows other pids than this program acts on"
        self._readonly = readonly

    @property
    def refused(self) -> str:
        """Why :meth:`signal` and :meth:`renice` do nothing here, "" where they work."""
        return self._readonly or self._foreign

    def signal(self, key: ProcKey, signum: int) -> None:
        """Send ``signum`` to exactly this process. Raises :class:`ActionFailed`."""
        with self._held(key, f"send {signals.Signals(signum).name} to", self.refused) as descriptor:
            if descriptor is None:
                os.kill(key.pid, signum)
            else:
                signals.pidfd_send_signal(descriptor, signum)

    def renice(self, key: ProcKey, delta: int) -> int:
        """Change the nice value by ``delta`` within -20..19; returns the new one. Raises :class:`ActionFailed`."""
        with self._held(key, "renice", self.refused):
            nice = max(-20, min(19, os.getpriority(os.PRIO_PROCESS, key.pid) + delta))
            os.setpriority(os.PRIO_PROCESS, key.pid, nice)
            return nice

    def detail(self, key: ProcKey) -> Detail:
        """What psutil knows of this process; its environment is never read. Raises :class:`ActionFailed`."""
        import psutil

        with self._held(key, "look at", self._foreign):
            try:
                return _detail(psutil.Process(key.pid), psutil.AccessDenied)
            except psutil.NoSuchProcess:
                raise ProcessLookupError from None

    @contextmanager
    def _held(self, key: ProcKey, verb: str, refused: str) -> Iterator[int | None]:
        """A pidfd of the process, or None where the kernel gives none (before 5.3); errno becomes one line.

        The start time is compared after the pidfd is open: from then on the descriptor names that very process.
        """
        if refused:
            raise ActionFailed(refused)
        descriptor = None
        try:
            descriptor = _pidfd(key.pid)
            if self._start(key.pid) != key.start:
                raise ProcessLookupError
            yield descriptor
        except (ProcessLookupError, FileNotFoundError):
            raise ActionFailed(f"pid {key.pid} has exited") from None
        except PermissionError:
            raise ActionFailed(f"not permitted to {verb} pid {key.pid}: that takes its user or root") from None
        except OSError as error:
            raise ActionFailed(f"cannot {verb} pid {key.pid}: {error.strerror}") from None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _start(self, pid: int) -> int:
        """Field 22 of ``stat``, counted from the last ``)``: a name may hold spaces and parentheses (proc_pid_stat(5))."""
        with open(f"{self._procfs}/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])


def _same_pids(procfs: str) -> bool:
    try:
        return os.readlink(f"{procfs}/self") == str(os.getpid())
    except OSError:
        return False


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # ENOSYS, or EPERM from a seccomp filter
        return None


def _detail(process: Any, denied: type[Exception]) -> Detail:
    """Ask psutil for each part by itself, so that one refusal does not hide the others."""

    def ask(question: str, *args: str) -> Any:
        try:
            return getattr(process, question)(*args)
        except denied:
            return None

    def text(question: str) -> str | None:
        answer = ask(question)
        return None if answer is None else clean(answer)[:LONGEST_COMMAND]

    files, connections = ask("open_files"), ask("net_connections", "all")
    return Detail(
        exe=text("exe"),
        cwd=text("cwd"),
        parents=tuple((parent.pid, clean(parent.name())) for parent in ask("parents") or ()),
        files=None if files is None else len(files),
        connections=None if connections is None else tuple(_connection(c) for c in connections),
        affinity=None if (cpus := ask("cpu_affinity")) is None else tuple(cpus),
        created=process.create_time(),
    )


def _connection(c: Any) -> str:
    if c.family.name == "AF_UNIX":
        return clean(f"unix {c.laddr or '(unnamed)'}")
    kind = "tcp" if c.type.name == "SOCK_STREAM" else "udp"
    ends = " → ".join(f"[{end.ip}]:{end.port}" if ":" in end.ip else f"{end.ip}:{end.port}" for end in (c.laddr, c.raddr) if end)
    return f"{kind} {ends}" + ("" if c.status == "NONE" else f" {c.status.lower()}")
