"""The connections of one process: socket diagnostics (net/ipv4/inet_diag.c, net/unix/diag.c), matched by the inodes of its descriptors.

For the detail of a process, not for a sweep: the kernel walks all sockets of the network namespace, 1 ms for some thousand. No privilege
for one's own processes; those of others take CAP_SYS_PTRACE, those in another network namespace (containers) CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final

from proctop.kernel.host import Host
from proctop.kernel.netlink import diag
from proctop.kernel.netlink.link import DONE, ERROR, SOCK_DIAG, Refusal, Refused, open_link, words

PATIENCE = 0.1
"""Seconds after which what is known by then is given."""

_ROOM = 1 << 20
_DATAGRAM = 1 << 16
_NEWNET = 0x40000000  # CLONE_NEWNET
_QUESTIONS: Final = (
    ("tcp", diag.inet_request(socket.AF_INET, socket.IPPROTO_TCP)),
    ("tcp", diag.inet_request(socket.AF_INET6, socket.IPPROTO_TCP)),
    ("udp", diag.inet_request(socket.AF_INET, socket.IPPROTO_UDP)),
    ("udp", diag.inet_request(socket.AF_INET6, socket.IPPROTO_UDP)),
    ("unix", diag.unix_request()),
)
_MODULES: Final = {"tcp": "tcp_diag", "udp": "udp_diag", "unix": "unix_diag"}


@dataclass(frozen=True, slots=True)
class Connections:
    """The sockets of a process.

    Attributes:
        sockets: each with the descriptors that it has in the process, in the order of the first of them.
        others: sockets of other kinds (netlink, packet, raw…), of another network namespace, or that ended meanwhile.
        notes: what is missing and why, with the command that would change it; empty = nothing.
    """

    sockets: tuple[tuple[diag.Endpoint, tuple[int, ...]], ...]
    others: int
    notes: tuple[Refusal, ...]


def connections(host: Host, pid: int, patience: float = PATIENCE) -> Connections:
    """What process ``pid`` (as in ``host.proc``) is connected to. Raises Unreadable: it is gone, or not ours to look at."""
    until = host.clock().mono + patience

    def late() -> bool:
        return host.clock().mono >= until

    notes: list[Refusal] = []
    wanted, complete = _inodes(host, pid, late)
    found: dict[int, diag.Endpoint] = {}
    if wanted:
        try:
            place = _namespace(host, pid)
            for protocol, question in _QUESTIONS:
                if len(found) < len(wanted) and complete:
                    complete = _ask(place, protocol, question, wanted, found, late, notes)
        except Refused as error:
            notes.append(error.refusal)
    if not complete:
        notes.append(Refusal(f"too many sockets to look at in {patience:g} s"))
    order = sorted((inode for inode in wanted if inode in found), key=lambda inode: wanted[inode])
    return Connections(tuple((found[inode], tuple(wanted[inode])) for inode in order), len(wanted) - len(found), tuple(notes))


def _inodes(host: Host, pid: int, late: Callable[[], bool]) -> tuple[dict[int, list[int]], bool]:
    """Inode → descriptors, and whether there was time for all of them."""
    found: dict[int, list[int]] = {}
    path = f"{host.proc}/{pid}/fd"
    for count, name in enumerate(sorted(int(name) for name in host.names(path) if name.isdigit())):
        if count % 256 == 255 and late():
            return found, False
        try:
            target = os.readlink(f"{path}/{name}")
        except OSError:
            continue  # closed meanwhile
        inode = target[8:-1]
        if target.startswith("socket:[") and inode.isdigit():
            found.setdefault(int(inode), []).append(name)
    return found, True


def _ask(
    place: Callable[[], socket.socket],
    protocol: str,
    question: bytes,
    wanted: Container[int],
    found: dict[int, diag.Endpoint],
    late: Callable[[], bool],
    notes: list[Refusal],
) -> bool:
    """Add to ``found`` what is ``wanted`` of one kind; False = there was no time for all."""
    with place() as link:
        try:
            link.send(question)
            while True:
                for kind, payload in diag.messages(link.recv(_DATAGRAM)):
                    if kind == DONE:
                        return True
                    if kind == ERROR:
                        _complain(payload, protocol, notes)
                        return True
                    if kind == diag.BY_FAMILY and diag.inode_of(payload) in wanted:
                        one = diag.endpoint(payload, protocol)
                        if one is not None:
                            found[one.inode] = one
                if late():
                    return False
        except OSError as error:  # nothing there before the end was told: it never comes
            notes.append(Refusal(f"{protocol} sockets: {words(error)}"))
            return True


def _complain(payload: bytes, protocol: str, notes: list[Refusal]) -> None:
    code = -struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else errno.EBADMSG
    module = _MODULES[protocol]
    note = (
        Refusal(f"no {module} in this kernel", f"sudo modprobe {module}")
        if code == errno.ENOENT
        else Refusal(f"{protocol} sockets: {os.strerror(code)}")
    )
    if note not in notes:
        notes.append(note)


def _namespace(host: Host, pid: int) -> Callable[[], socket.socket]:
    """Opens sockets in the network namespace of the process. Raises Refused where that is another one that is closed to us."""
    path = f"{host.proc}/{pid}/ns/net"
    try:
        if os.stat(path).st_ino == os.stat(f"{host.proc}/self/ns/net").st_ino:
            return lambda: open_link(SOCK_DIAG, room=_ROOM)
    except OSError as error:
        raise Refused(Refusal(f"network namespace of {pid}: {words(error)}", "sudo proctop")) from None
    return lambda: _inside(path)


def _inside(path: str) -> socket.socket:
    """A socket in another network namespace, opened by a thread that goes there and ends: no other thread is moved."""
    opened: list[socket.socket] = []
    refusals: list[Refusal] = []

    def go() -> None:
        try:
            target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            refusals.append(Refusal(f"its network namespace: {words(error)}", "sudo proctop"))
            return
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(target, _NEWNET):
                code = ctypes.get_errno()
                why = (
                    "other network namespace, needs CAP_SYS_ADMIN" if code == errno.EPERM else f"its network namespace: {os.strerror(code)}"
                )
                refusals.append(Refusal(why, "sudo proctop"))
                return
            opened.append(open_link(SOCK_DIAG, room=_ROOM))
        except Refused as error:
            refusals.append(error.refusal)
        finally:
            os.close(target)

    thread = threading.Thread(target=go, name="netns")
    thread.start()
    thread.join()
    if not opened:
        raise Refused(*refusals)
    return opened[0]


def probe(host: Host) -> Refusal | None:
    """Whether the kernel tells of sockets, by looking for one of ours; None = it does."""
    notes: list[Refusal] = []
    try:
        ours, other = socket.socketpair()
        with ours, other:
            inode = os.fstat(ours.fileno()).st_ino
            found: dict[int, diag.Endpoint] = {}
            until = host.clock().mono + PATIENCE
            _ask(
                lambda: open_link(SOCK_DIAG, room=_ROOM),
                "unix",
                diag.unix_request(),
                (inode,),
                found,
                lambda: host.clock().mono >= until,
                notes,
            )
    except Refused as error:
        return error.refusal
    return notes[0] if notes else None if found else Refusal("the kernel does not tell of our own sockets")
