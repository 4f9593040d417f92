"""What a user does to one process: signal it, renice it, look at it closely.

Every action names its process by :class:`ProcKey` and holds on to it while it acts, so that nothing ever reaches a
stranger that got the pid in between.
"""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proctop.inspection import Delays, Detail, Environment, Holdings, Socket
from proctop.kernel.descriptors import descriptors
from proctop.kernel.host import Host, Unreadable
from proctop.records import ProcKey
from proctop.sanitize import LONGEST_COMMAND, clean
from proctop.stream.redact import MASK, redact

if TYPE_CHECKING:
    from proctop.kernel.netlink.diag import Endpoint

PATIENCE = 0.7
"""Seconds that a look at descriptors may take, and one at sockets: what is known by then is told."""

MOST_VARIABLES = 2000
LONGEST_NAME = 256
"""Of an environment: variables that are kept, and characters of a name."""


class ActionFailed(Exception):
    """An action that did not happen, and why, in one line."""


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
        """Who this process is; its environment is not read. Raises :class:`ActionFailed`."""
        import psutil

        with self._held(key, "look at", self._foreign):
            try:
                return _detail(psutil.Process(key.pid), psutil.AccessDenied, Host.this(self._procfs))
            except psutil.NoSuchProcess:
                raise ProcessLookupError from None

    def holdings(self, key: ProcKey) -> Holdings:
        """Its files and sockets, as many as there is time for. Raises :class:`ActionFailed`."""
        with self._held(key, "look at the descriptors of", self._foreign):
            try:
                return _holdings(Host.this(self._procfs), key.pid)
            except Unreadable as error:
                raise OSError(error.code, os.strerror(error.code)) from None

    def environment(self, key: ProcKey) -> Environment:
        """The environment it began with, secrets masked. For the eyes of who asked, and nobody else. Raises :class:`ActionFailed`."""
        import psutil

        with self._held(key, "read the environment of", self._foreign):
            try:
                return _environment(psutil.Process(key.pid).environ())
            except psutil.NoSuchProcess:
                raise ProcessLookupError from None
            except psutil.AccessDenied:
                raise PermissionError from None

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


def _detail(process: Any, denied: type[Exception], host: Host) -> Detail:
    """Ask psutil for each part by itself, so that one refusal does not hide the others."""

    def ask(question: str, *args: str) -> Any:
        try:
            return getattr(process, question)(*args)
        except denied:
            return None

    def text(question: str) -> str | None:
        answer = ask(question)
        return None if answer is None else clean(answer)[:LONGEST_COMMAND]

    return Detail(
        exe=text("exe"),
        cwd=text("cwd"),
        root=_root(host, process.pid),
        parents=tuple((parent.pid, clean(parent.name())) for parent in ask("parents") or ()),
        affinity=None if (cpus := ask("cpu_affinity")) is None else tuple(cpus),
        mono=host.clock().mono,
        delays=_delays(host, process.pid),
    )


def _root(host: Host, pid: int) -> str | None:
    try:
        return clean(os.readlink(f"{host.proc}/{pid}/root"))[:LONGEST_COMMAND]
    except OSError:
        return None


def _delays(host: Host, pid: int) -> Delays:
    """By taskstats, of all threads. An open channel is not kept: a look now and then is not worth a descriptor."""
    from proctop.kernel.netlink.accounting import ROW
    from proctop.kernel.netlink.link import Refused
    from proctop.kernel.netlink.taskstats import Taskstats

    try:
        channel = Taskstats(host)
    except Refused as error:
        return Delays(note=_refusal(error.refusal.why, error.refusal.command))
    try:
        stats = channel.sweep([pid], whole=True)
    finally:
        channel.close()
    waited = tuple((words, float(stats.values[ROW[name], 0]) / 1e9) for name, words in _DELAYS)
    return Delays(waited, stats.delays)


_DELAYS = (
    ("run_ns", "ran"),
    ("wait_ns", "cpu"),
    ("blkio_delay", "block io"),
    ("swapin_delay", "swap"),
    ("reclaim_delay", "reclaim"),
    ("thrashing_delay", "thrashing"),
    ("compact_delay", "compaction"),
    ("wpcopy_delay", "copies on write"),
)


def _holdings(host: Host, pid: int) -> Holdings:
    """Raises Unreadable."""
    from proctop.kernel.netlink.sockets import connections

    held = descriptors(host, pid, PATIENCE)
    told = connections(host, pid, PATIENCE)
    notes = [*held.notes, *(_refusal(note.why, note.command) for note in told.notes)]
    if told.others and not told.notes:
        notes.append(f"{told.others:,} more sockets: never bound, of other kinds, or closed meanwhile")
    sockets = tuple(_socket(end, fds) for end, fds in told.sockets)
    return Holdings(held.files, held.others, sockets, tuple(dict.fromkeys(notes)))


def _socket(end: Endpoint, fds: tuple[int, ...]) -> Socket:
    tcp = end.tcp
    backlog = None if end.backlog is None or end.backlog_limit is None else (end.backlog, end.backlog_limit)
    return Socket(
        fds=fds,
        protocol=end.protocol + ("6" if end.version == 6 else ""),
        state=end.state,
        local=end.local,
        remote=end.remote,
        unread=end.receive_queue,
        unsent=end.send_queue,
        sent=tcp.acked if tcp is not None else None,
        received=tcp.received if tcp is not None else None,
        resent=tcp.retransmits if tcp is not None else None,
        pending=tcp.pending if tcp is not None else None,
        rtt=tcp.rtt / 1e6 if tcp is not None and tcp.rtt is not None else None,
        backlog=backlog,
    )


def _refusal(why: str, command: str) -> str:
    return f"{why}: {command}" if command else why


def _environment(found: dict[str, str]) -> Environment:
    values, masked = [], set()
    for name, value in sorted(found.items())[:MOST_VARIABLES]:
        name, value = clean(name)[:LONGEST_NAME], clean(value)[:LONGEST_COMMAND]
        shown = MASK if redact(f"{name}=x") != f"{name}=x" else redact(value)
        if value and shown != value:
            masked.add(name)
        values.append((name, shown if value else ""))
    return Environment(tuple(values), frozenset(masked))
