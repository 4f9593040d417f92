"""A host made of numbers: processes that do what a test says, read as a source would read them."""

from __future__ import annotations

import numpy as np

from proctop.fields import COUNTER, COUNTERS, Cost
from proctop.records import Container, HostCounters, HostInfo, Label, Reading

INFO = HostInfo("node1", "6.1.0", "", 4, 100, 4096, 1 << 34, 1_700_000_000.0)
UP = 10_000.0  # seconds since boot at the first reading
NO_HOST = HostCounters(np.zeros((1, 10), dtype=np.int64))
MB = float(1 << 20)
MS = 1_000_000.0  # nanoseconds
UNCOUNTED = np.array([np.nan if counter.cost == Cost.BPF else 0.0 for counter in COUNTERS])


class Host:
    """``born``, ``did``, ``now`` and ``gone`` change it, ``read`` looks at it ``dt`` seconds later.

    ``hints=False`` leaves :attr:`Reading.changed` open, as a source does that cannot tell.
    """

    def __init__(self, *, hints: bool = True) -> None:
        self.hints = hints
        self.time = UP
        self.seq = 0
        self._rows: list[int] = []
        self._start: dict[int, int] = {}
        self._label: dict[int, Label] = {}
        self._raw: dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self._touched: set[int] = set()

    def born(
        self, pid: int, comm: str = "work", *, age: float = 5000.0, container: str = "", kernel: bool = False, **gauges: float
    ) -> None:
        """A process that is ``age`` seconds old now; counters and gauges not named are 0 (those of bpf NaN), one parent, one thread."""
        self._rows.append(pid)
        self._start[pid] = round((self.time - age) * INFO.ticks)
        self._label[pid] = Label(comm, container=Container(container) if container else None, kernel=kernel)
        self._raw[pid] = UNCOUNTED.copy()
        self.now(pid, **{"ppid": 1.0, "threads": 1.0, "rss": 8 * MB, "data": 4 * MB, "fds": 8.0, **gauges})

    def did(self, pid: int, **more: float) -> None:
        """Counters grow."""
        for name, value in more.items():
            self._raw[pid][COUNTER[name]] += value
        self._touched.add(pid)

    def now(self, pid: int, **values: float) -> None:
        """Counters and gauges are what is given."""
        for name, value in values.items():
            self._raw[pid][COUNTER[name]] = value
        self._touched.add(pid)

    def exec(self, pid: int, comm: str) -> None:
        self._label[pid] = Label(comm)
        self._touched.add(pid)

    def label(self, pid: int, *, container: str, image: str = "") -> None:
        """Moved into a container, without having run."""
        self._label[pid] = Label(self._label[pid].comm, container=Container(container, image=image))

    def gone(self, *pids: int) -> None:
        for pid in pids:
            self._rows.remove(pid)
            self._touched.discard(pid)

    def shuffle(self, order: list[int]) -> None:
        """Rows in another order: ``order`` holds indices into the present one."""
        self._rows = [self._rows[i] for i in order]

    def read(self, dt: float = 1.0) -> Reading:
        self.time += dt
        touched = np.array([i for i, pid in enumerate(self._rows) if pid in self._touched], dtype=np.intp)
        self._touched.clear()
        self.seq += 1
        return Reading(
            seq=self.seq - 1,
            wall=INFO.boot_time + self.time,
            mono=self.time,
            boot=self.time,
            interval=1.0,
            late=0.0,
            source="made up",
            info=INFO,
            pid=np.array(self._rows, dtype=np.int64),
            start=np.array([self._start[pid] for pid in self._rows], dtype=np.int64),
            counters=np.array([self._raw[pid] for pid in self._rows]).reshape(len(self._rows), len(COUNTERS)).T.copy(),
            labels=[self._label[pid] for pid in self._rows],
            host=NO_HOST,
            changed=touched if self.hints else None,
        )
