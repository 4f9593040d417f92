"""What a detail asks of the live source: the threads of one process, and the counters of its cgroup."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from proctop.kernel.host import Host
from proctop.sources import Wants
from proctop.sources.live import LiveSource
from proctop.view.threads import Threads


@contextmanager
def spinning() -> Iterator[threading.Thread]:
    """A thread that uses a cpu."""
    ends = threading.Event()

    def spin() -> None:
        while not ends.is_set():
            sum(range(10_000))

    thread = threading.Thread(target=spin)
    thread.start()
    yield thread
    ends.set()
    thread.join()


def test_only_the_threads_of_one_process_are_read() -> None:
    source = LiveSource(Host.this())
    try:
        source.wants = Wants(threads_of=frozenset((os.getpid(),)))
        with spinning() as thread:
            threads = Threads(os.getpid())
            for _ in range(3):
                reading = source.read()
                assert reading is not None and reading.threads is not None
                assert set(reading.threads.pid.tolist()) == {os.getpid()}
                threads.learn(reading)
                sum(range(3_000_000))
            assert threads.table is not None
            tids = threads.table.tid[threads.mine].tolist()
            assert os.getpid() in tids and thread.native_id in tids
            busy = threads.rates["run_ns"][tids.index(thread.native_id)]
            assert np.isnan(busy) or busy > 0
        source.wants = Wants()
        reading = source.read()
        assert reading is not None and reading.threads is None
    finally:
        source.close()


def test_the_cgroup_of_any_process_is_read_when_it_is_wanted() -> None:
    source = LiveSource(Host.this())
    try:
        reading = source.read()
        assert reading is not None
        path = reading.labels[int(np.flatnonzero(reading.pid == os.getpid())[0])].cgroup
        source.wants = Wants(cgroups=frozenset((path,)))
        reading = source.read()
        assert reading is not None and (path in reading.cgroups or not path)
    finally:
        source.close()
