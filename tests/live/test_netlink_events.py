"""Process events of the real kernel: nothing is missed while there is room, and a loss is said."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import Require
from proctop.kernel.host import Host
from proctop.kernel.netlink import events
from proctop.kernel.netlink.events import Changes, Events
from proctop.records import Ints

HOST = Host.this()
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def works(require: Require) -> None:
    refusal = events.probe(HOST)
    require("netlink", refusal.why if refusal else "")


@pytest.fixture
def ear() -> Iterator[Events]:
    listener = Events(HOST)
    yield listener
    listener.close()


def until(ear: Events, enough: Callable[[list[Changes]], bool]) -> list[Changes]:
    """What is told until it is enough. An end is told after the parent may have waited for it."""
    told: list[Changes] = []
    poll = select.poll()
    poll.register(ear.fileno(), select.POLLIN | select.POLLERR)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told.append(ear.take())
        if enough(told):
            return told
        poll.poll(1000)
    pytest.fail(f"not told in {PATIENCE:g} s")


def ended(told: list[Changes]) -> set[int]:
    return {int(pid) for one in told for pid in one.exits.pid}


def born(told: list[Changes]) -> set[int]:
    return {int(pid) for one in told for pid in one.births.pid}


def spawn(code: int = 0, name: bytes = b"") -> int:
    pid = os.fork()
    if not pid:
        if name:
            with open("/proc/self/comm", "wb") as file:
                file.write(name)
        os._exit(code)
    os.waitpid(pid, 0)
    return pid


def test_birth_start_and_end_with_parent_code_and_time(ear: Events) -> None:
    before = time.monotonic()
    process = subprocess.Popen([sys.executable, "-S", "-c", "import os; os._exit(3)"])
    process.wait()
    killed = subprocess.Popen(["sleep", "1000"])
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    told = until(ear, lambda told: ended(told) >= {process.pid, killed.pid})
    assert not any(one.lost for one in told)
    for pid, code in ((process.pid, 3), (killed.pid, -9)):
        births = [
            (int(p), float(w)) for one in told for n, p, w in zip(one.births.pid, one.births.ppid, one.births.when, strict=True) if n == pid
        ]
        execs = [float(w) for one in told for n, w in zip(one.execs.pid, one.execs.when, strict=True) if n == pid]
        ends = [
            (int(c), float(w)) for one in told for n, c, w in zip(one.exits.pid, one.exits.code, one.exits.when, strict=True) if n == pid
        ]
        assert [parent for parent, _ in births] == [os.getpid()] and [one for one, _ in ends] == [code]
        assert before <= births[0][1] and births[0][1] <= ends[0][1] <= time.monotonic()
        assert all(births[0][1] <= when <= ends[0][1] for when in execs)
    assert process.pid in {int(pid) for one in told for pid in one.execs.pid}


@pytest.mark.parametrize("filtered", [True, False])
def test_a_name_that_is_no_utf8_disturbs_nothing(monkeypatch: pytest.MonkeyPatch, filtered: bool) -> None:
    """Without the filter the kernel tells of the name too."""
    if not filtered:
        monkeypatch.setattr(Events, "_attach", refuse)
    ear = Events(HOST)
    try:
        first = spawn(1, b"\xff\xfe\x1b]0;x\x07")
        second = spawn(2)
        told = until(ear, lambda told: ended(told) >= {first, second})
        assert {first, second} <= born(told) and not any(one.lost for one in told)
    finally:
        ear.close()


def refuse(*_: object) -> None:
    raise OSError(1, "no")


def test_threads_are_not_told(ear: Events) -> None:
    script = "import threading\nfor _ in range(20):\n t = threading.Thread(target=int); t.start(); t.join()"
    process = subprocess.Popen([sys.executable, "-c", script])
    process.wait()
    told = until(ear, lambda told: process.pid in ended(told))
    assert sum(int(np.count_nonzero(one.births.ppid == process.pid)) for one in told) == 0
    assert sum(int(np.count_nonzero(one.births.pid == process.pid)) for one in told) == 1


def test_the_filter_in_the_kernel_leaves_nothing_to_do_for_threads(ear: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the parser leaves out the same; with it such datagrams do not arrive, and take no room."""
    taken: list[int] = []
    drain = ear._inbox.drain

    def counted(most: int) -> Iterator[tuple[NDArray[np.uint8], Ints]]:
        for data, length in drain(most):
            taken.append(len(length))
            yield data, length

    monkeypatch.setattr(ear._inbox, "drain", counted)
    script = "import threading\nfor _ in range(500):\n t = threading.Thread(target=int); t.start(); t.join()"
    process = subprocess.Popen([sys.executable, "-c", script])
    process.wait()
    told = until(ear, lambda told: process.pid in ended(told))
    assert sum(taken) == sum(len(one.births) + len(one.execs) + len(one.exits) for one in told)


STORM = "import os\nfor _ in range(3000):\n pid = os.fork()\n if not pid: os._exit(0)\n os.waitpid(pid, 0)"


def storm() -> int:
    """The number of a process that had 3,000 children, each gone before the next."""
    process = subprocess.Popen([sys.executable, "-SE", "-c", STORM])
    assert process.wait() == 0
    return process.pid


def children(parent: int, told: list[Changes]) -> list[int]:
    return [int(pid) for one in told for pid in one.births.pid[one.births.ppid == parent]]


def test_three_thousand_unread_births_and_ends_find_room(ear: Events) -> None:
    parent = storm()
    told = until(ear, lambda told: len(children(parent, told)) == 3000 and set(children(parent, told)) <= ended(told))
    assert not any(one.lost for one in told)


def test_a_loss_is_said_once_and_the_stream_goes_on() -> None:
    ear = Events(HOST, room=0)  # what every socket has
    try:
        parent = storm()
        told = ear.take()
        assert told.lost
        assert 0 < len(children(parent, [told])) < 3000
        later = spawn(4)
        after = until(ear, lambda told: later in ended(told))
        assert later in born(after) and not after[-1].lost
    finally:
        ear.close()


def test_two_ears_hear_the_same_and_one_that_closes_takes_nothing_from_the_other(ear: Events) -> None:
    other = Events(HOST)
    first = spawn()
    assert first in ended(until(other, lambda told: first in ended(told)))
    other.close()
    second = spawn()
    assert {first, second} <= born(until(ear, lambda told: second in ended(told)))


@pytest.mark.parametrize("groups", [0, 1])
def test_what_another_process_sends_is_not_believed(ear: Events, require: Require, groups: int) -> None:
    """To this socket, and to everyone."""
    require("netlink", "" if os.geteuid() == 0 else "root")
    body = struct.pack("=IIQIIII", 1, 0, 1, 1, 1, 4_100_000, 4_100_000).ljust(40, b"\0")
    forged = struct.pack("=IHHIIIIIIHH", 76, 3, 0, 0, 0, 1, 1, 0, 0, 40, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 11) as forger:
        forger.sendto(forged, (0 if groups else ear._link.getsockname()[0], groups))
    later = spawn()
    told = until(ear, lambda told: later in ended(told))
    assert later in born(told) and 4_100_000 not in born(told)


AS_NOBODY = """
import os
from proctop.kernel.host import Host
from proctop.kernel.netlink import events
refusal = events.probe(Host.this())
if refusal:
    print(refusal.why, "|", refusal.command)
else:
    ear = events.Events(Host.this())
    pid = os.fork()
    if not pid:
        os._exit(0)
    told = ear.take()
    print("hears" if pid in told.births.pid else "deaf")
    os.waitpid(pid, 0)
    ear.close()
"""


@pytest.mark.parametrize("wrapper", [("setpriv", "--reuid=65534", "--clear-groups"), ("unshare", "-Urn")])
def test_what_the_probe_says_is_true(require: Require, wrapper: tuple[str, ...]) -> None:
    tried = subprocess.run([*wrapper, sys.executable, "-c", ""], capture_output=True, text=True)
    require("netlink", f"{' '.join(wrapper)}: {tried.stderr.strip()}" if tried.returncode else "")
    done = subprocess.run([*wrapper, sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    if wrapper[0] == "unshare":
        assert done.stdout.startswith("other network namespace") and "--network=host" in done.stdout
    else:
        assert done.stdout.strip() == "hears" or "CAP_NET_ADMIN" in done.stdout
