"""Socket diagnostics of the real kernel, for processes here, elsewhere, and of others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conftest import Require
from proctop.kernel.host import Denied, Host, Vanished
from proctop.kernel.netlink import diag, sockets
from proctop.kernel.netlink.link import Refusal
from proctop.kernel.netlink.sockets import Connections, connections

HOST = Host.this()
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def works(require: Require) -> None:
    refusal = sockets.probe(HOST)
    require("netlink", refusal.why if refusal else "")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.filterwarnings("error")
def test_a_probe_closes_what_it_opened() -> None:
    assert sockets.probe(HOST) is None


def by_fd(told: Connections) -> dict[int, diag.Endpoint]:
    return {fd: one for one, fds in told.sockets for fd in fds}


def test_a_connection_with_queues_backlog_and_bytes(stack: ExitStack) -> None:
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=7))
    client = stack.enter_context(socket.create_connection(server.getsockname()))
    waiting = stack.enter_context(socket.create_connection(server.getsockname()))
    accepted = stack.enter_context(server.accept()[0])
    client.send(b"x" * 1234)
    assert accepted.recv(1) == b"x"
    told = by_fd(connections(HOST, os.getpid(), PATIENCE))
    listening, calling, called = told[server.fileno()], told[client.fileno()], told[accepted.fileno()]
    port = server.getsockname()[1]
    assert (listening.protocol, listening.version, listening.state) == ("tcp", 4, "LISTEN")
    assert (listening.local, listening.remote) == (f"127.0.0.1:{port}", "")
    assert (listening.backlog, listening.backlog_limit, listening.receive_queue, listening.tcp) == (1, 7, None, None)
    assert (calling.state, calling.remote, calling.local) == ("ESTABLISHED", f"127.0.0.1:{port}", called.remote)
    assert called.receive_queue == 1233 and calling.receive_queue == 0
    assert calling.tcp is not None and called.tcp is not None
    assert (calling.tcp.retransmits, called.tcp.received, called.uid) == (0, 1234, os.geteuid())
    assert calling.tcp.rtt is not None and calling.tcp.rtt > 0
    assert told[waiting.fileno()].state == "ESTABLISHED"


def test_it_agrees_with_pyroute2(stack: ExitStack) -> None:
    from pyroute2 import DiagSocket

    server = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
    client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
    stack.enter_context(server.accept()[0])
    client.send(b"x" * 999)
    ours = by_fd(connections(HOST, os.getpid(), PATIENCE))[client.fileno()]
    with DiagSocket() as other:
        other.bind()
        all_of_them = other.get_sock_stats(family=socket.AF_INET6, extensions=2)
    theirs = next(one for one in all_of_them if one["idiag_inode"] == ours.inode)
    info = theirs.get_attr("INET_DIAG_INFO")
    assert ours.tcp is not None
    assert (ours.version, ours.uid, ours.local) == (6, theirs["idiag_uid"], f"[{theirs['idiag_src']}]:{theirs['idiag_sport']}")
    assert (ours.tcp.acked, ours.tcp.retransmits) == (info["tcpi_bytes_acked"], info["tcpi_total_retrans"])
    assert (ours.tcp.rtt, ours.tcp.pending) == (info["tcpi_rtt"], info["tcpi_retrans"])


def test_datagrams_unix_sockets_and_what_is_neither(stack: ExitStack) -> None:
    datagram = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    datagram.bind(("::1", 0))
    left, right = (stack.enter_context(one) for one in socket.socketpair())
    left.send(b"hello")
    twin = os.dup(right.fileno())
    stack.callback(os.close, twin)
    named = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    named.bind("\0proctop\x1b[2J\n" + str(os.getpid()))
    named.listen(3)
    other = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    told = connections(HOST, os.getpid(), PATIENCE)
    found = by_fd(told)
    one = found[datagram.fileno()]
    assert (one.protocol, one.version, one.state) == ("udp", 6, "UNCONN") and one.local == f"[::1]:{datagram.getsockname()[1]}"
    assert found[right.fileno()] is found[twin]
    assert (found[right.fileno()].protocol, found[right.fileno()].receive_queue) == ("unix stream", 5)
    assert found[left.fileno()].peer == found[right.fileno()].inode
    bound = found[named.fileno()]
    assert (bound.protocol, bound.state, bound.backlog_limit) == ("unix seqpacket", "LISTEN", 3)
    assert bound.local == f"@proctop�[2J�{os.getpid()}"
    assert other.fileno() not in found and told.others >= 1
    assert told.notes == ()


CHILD = """
import socket, sys
server = socket.create_server(("127.0.0.1", 4321))
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.read()
"""
UP = "import socket, fcntl, struct\ns = socket.socket()\nfcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"


def test_another_network_namespace_is_looked_into(require: Require) -> None:
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True)
    require("netlink", f"unshare -n: {tried.stderr.strip()}" if tried.returncode else "")
    here = os.stat("/proc/self/ns/net").st_ino
    command = ["unshare", "-n", sys.executable, "-c", UP + CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        told = connections(HOST, process.pid, PATIENCE)
        process.kill()
    assert [one.local for one, _ in told.sockets if one.state == "LISTEN"] == ["127.0.0.1:4321"]
    assert os.stat("/proc/self/ns/net").st_ino == os.stat("/proc/thread-self/ns/net").st_ino == here
    assert threading.active_count() == len(threading.enumerate()) and "netns" not in {one.name for one in threading.enumerate()}


@pytest.mark.parametrize("pairs", [1, 300])
def test_without_time_it_gives_what_it_has_and_says_so(stack: ExitStack, pairs: int) -> None:
    """Few sockets: it stops between two answers of the kernel; many: while it looks at the descriptors."""
    for _ in range(pairs):
        for one in socket.socketpair():
            stack.enter_context(one)
    told = connections(HOST, os.getpid(), 0.0)
    assert len(told.sockets) + told.others >= min(2 * pairs, 200)
    assert [note.why for note in told.notes] == ["too many sockets to look at in 0 s"]


def test_a_process_that_is_gone_or_of_another_user(require: Require) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(Vanished):
        connections(HOST, process.pid)
    nobody = ("setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c")
    tried = subprocess.run([*nobody, ""], capture_output=True, text=True)
    require("netlink", f"setpriv: {tried.stderr.strip()}" if tried.returncode else "")
    script = f"""
from proctop.kernel.host import Denied, Host
from proctop.kernel.netlink.sockets import connections
try:
    connections(Host.this(), {os.getpid()})
except Denied as error:
    print(error)
"""
    done = subprocess.run([*nobody, script], capture_output=True, text=True)
    assert done.stdout == f"/proc/{os.getpid()}/fd: Permission denied\n" and issubclass(Denied, Exception)


def test_a_kernel_without_a_module_is_said_once(monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
    ours = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    ours.bind(("127.0.0.1", 0))
    unheard = tuple((name, diag.inet_request(9, 17)) for name, _ in sockets._QUESTIONS[2:4])
    monkeypatch.setattr(sockets, "_QUESTIONS", unheard)
    told = connections(HOST, os.getpid(), PATIENCE)
    assert told.notes == (Refusal("no udp_diag in this kernel", "sudo modprobe udp_diag"),) and told.others >= 1
