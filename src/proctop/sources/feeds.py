"""What tells of this host's processes: procfs, and the kernel's own feeds where they are to be had and asked for.

To open eBPF takes 50 ms of cpu, so whoever has somebody waiting begins by procfs and looks for the others in the background.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proctop.kernel.host import Host
from proctop.kernel.probe import Probe
from proctop.kernel.subject import Subject
from proctop.sources.labels import Labels
from proctop.sources.rows import Sweep
from proctop.sources.table import Table

if TYPE_CHECKING:
    from proctop.kernel.bpf.feed import Feed
    from proctop.sources.ends import Ends
    from proctop.sources.tasks import TaskTable

_PATIENCE = 3  # sweeps in a row that may fail before another source is taken
_QUIT = 0.5  # seconds that closing waits for what is being opened


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be had here: the ``feed`` of everything, or only ``ends`` to go with procfs; ``why`` it is not more, in one short line."""

    feed: Feed | None = None
    ends: Ends | None = None
    why: str = ""

    def close(self) -> None:
        for one in (self.feed, self.ends):
            if one is not None:
                one.close()


def look(host: Host, *, faults: bool, memory: bool) -> Found:
    """Open the best that works. ``faults``, ``memory``: as :meth:`proctop.kernel.bpf.feed.Feed.open` takes them."""
    from proctop.kernel.bpf.feed import TASKS, Feed

    feed = Feed.open(host, faults=faults, memory=memory)
    if isinstance(feed, Feed):
        return Found(feed)
    from proctop.kernel.netlink.link import Refused
    from proctop.sources.ends import Ends

    why = f"eBPF not used: {feed.why[TASKS].removeprefix('not permitted: ')}{'; so no --bpf-memory' if memory else ''}"
    try:
        return Found(ends=Ends.open(host), why=why)
    except Refused:
        return Found(why=why)


class _Search:
    """Looks in a thread of its own, once. What nobody takes is closed."""

    def __init__(self, look: Callable[[], Found]) -> None:
        self._look = look
        self._found: Found | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="feeds", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        found = self._look()
        with self._lock:
            if not self._closed:
                self._found = found
                return
        found.close()

    def take(self) -> Found | None:
        """What was found, as soon as it is there, once."""
        with self._lock:
            found, self._found = self._found, None
        return found

    def close(self) -> None:
        """Waits for what is being opened, but not for long: it closes itself."""
        with self._lock:
            self._closed = True
            found, self._found = self._found, None
        if found is not None:
            found.close()
        self._thread.join(_QUIT)


class Processes:
    """Sweeps the processes of this host by the best that there is.

    Attributes:
        name: of the source: "bpf" or "proc".
        why: why it is not more, in one short line; "" = nothing to say.
    """

    def __init__(self, host: Host, labels: Labels, found: Found) -> None:
        self._host = host
        self._labels = labels
        self._table: Table | TaskTable = Table(host, labels) if found.feed is None else self._tasks(found.feed)
        self._ends = found.ends
        self._search: _Search | None = None
        self._failed = 0  # sweeps in a row
        self.why = found.why

    def _tasks(self, feed: Feed) -> TaskTable:
        from proctop.sources.tasks import TaskTable

        return TaskTable(self._host, self._labels, feed)

    def look_for(self, look: Callable[[], Found]) -> None:
        """Take what ``look`` finds once it has; it runs in a thread of its own."""
        self._search = _Search(look)

    @property
    def name(self) -> str:
        return "proc" if isinstance(self._table, Table) else "bpf"

    @property
    def probe(self) -> Probe:
        return self._table.probe

    @property
    def delays(self) -> bool:
        """Whether the kernel accounts delays for block io now."""
        return self.probe.delays

    @delays.setter
    def delays(self, counted: bool) -> None:
        self.probe.delays = counted

    def subjects(self) -> Sequence[Subject]:
        """Those that may have several threads."""
        return self._table.subjects()

    def sweep(self, forks: int, last_pid: Callable[[], int]) -> tuple[Sweep, str]:
        """Look at everything, and what it was looked at by. ``forks`` as :meth:`Table.sweep` takes it, ``last_pid`` gives the other."""
        table = self._table
        if not isinstance(table, Table):
            sweep = table.sweep()
            self._failed = self._failed + 1 if sweep.failed else 0
            if self._failed < _PATIENCE:
                return sweep, "bpf"
            return self._go_back(table, sweep.failed, forks, last_pid()), "proc"
        since = self._host.clock().boot
        sweep = table.sweep(forks, last_pid())
        if self._ends is not None:
            sweep = self._ends.tell(sweep, self._labels)
            if self._ends.lost:
                table.list_anew()
        if self._search is not None and (found := self._search.take()) is not None:
            self._search = None
            self._take(table, found, since)
        return sweep, "proc"

    def _take(self, table: Table, found: Found, since: float) -> None:
        """Use what was found, from the next sweep on; the last one began at second ``since`` of CLOCK_BOOTTIME."""
        self.why, self._ends = found.why, found.ends
        if found.feed is None:
            return
        tasks = self._tasks(found.feed)
        try:
            tasks.take_over(table, since)
        except OSError as error:
            tasks.close()
            self.why = f"eBPF not used: the kernel's tasks could not be read: {error.strerror}"
            return
        tasks.probe.delays = self.delays
        table.close()
        self._table = tasks

    def _go_back(self, tasks: TaskTable, failed: str, forks: int, last_pid: int) -> Sweep:
        """To procfs, for good."""
        ends, delays = tasks.leave(), self.delays
        tasks.close()
        self._table = table = Table(self._host, self._labels)
        table.probe.delays = delays
        table.take_over(tasks)
        self.why = f"eBPF no longer used: {failed}"
        sweep = table.sweep(forks, last_pid)
        return replace(sweep, exits=(*ends, *sweep.exits))

    def reasons(self) -> tuple[tuple[str, str, str], ...]:
        """(field, counter, why it is missing where it is)."""
        return self._table.reasons()

    def notes(self) -> Iterable[str]:
        """What was lost or is not told."""
        if not isinstance(self._table, Table):
            yield from self._table.notes()
        if self._ends is not None:
            yield from self._ends.notes()

    def give_up(self) -> None:
        """Look no further. From any thread."""
        search = self._search
        if search is not None:
            search.close()

    def close(self) -> None:
        """Let go of descriptors, and of the kernel."""
        self._table.close()
        if self._ends is not None:
            self._ends.close()
