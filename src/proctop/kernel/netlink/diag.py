"""Messages of socket diagnostics (include/uapi/linux/inet_diag.h, unix_diag.h, tcp.h). Pure; every length is checked."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proctop.kernel.netlink.link import DUMP, HEADER, REQUEST
from proctop.sanitize import clean_bytes

BY_FAMILY = 20  # include/uapi/linux/sock_diag.h: SOCK_DIAG_BY_FAMILY
LISTEN = 10
ALL_STATES = 0xFFFFFFFF
_INFO = 2  # INET_DIAG_INFO
_NAME, _PEER, _RQLEN = 0, 2, 4  # UNIX_DIAG_*
_SHOW = 0x1 | 0x4 | 0x10  # UDIAG_SHOW_NAME, _PEER, _RQLEN
_INET_REQUEST: Final = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2
_UNIX_REQUEST: Final = struct.Struct("=BBHIIIII")  # struct unix_diag_req
_INET: Final = struct.Struct("=BBBB2s2s16s16s4x8xIIIII")  # struct inet_diag_msg
_UNIX: Final = struct.Struct("=BBBxI8x")  # struct unix_diag_msg
_STATES: Final = dict(
    enumerate(
        (
            *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"),
            *("CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV"),  # include/net/tcp_states.h, from 1
        ),
        1,
    )
)
_CLOSE = 7
_UNIX_TYPES: Final = {1: "stream", 2: "dgram", 5: "seqpacket"}


@dataclass(frozen=True, slots=True)
class Tcp:
    """Of ``struct tcp_info``; None = this kernel does not tell.

    Attributes:
        rtt: smoothed round trip in µs.
        retransmits: segments sent again since the connection began; pending: of those, unanswered ones now.
        acked, received: bytes since it began: sent and confirmed, received.
    """

    rtt: int | None
    retransmits: int | None
    pending: int | None
    acked: int | None
    received: int | None


_TCP: Final = (("=I", 68), ("=I", 100), ("=I", 36), ("=Q", 120), ("=Q", 128))  # in the order of Tcp


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One socket.

    Attributes:
        protocol: "tcp", "udp", "unix stream", "unix dgram", "unix seqpacket"; version: 4 or 6, 0 = unix.
        state: as ss(8) has it, "UNCONN" for a datagram socket without a peer.
        local, remote: address and port; a path, or a name that begins with ``@``; ``""`` = none. Made harmless.
        inode: of the socket, as in ``/proc/PID/fd``; peer: of the other end where that is a unix socket, else 0.
        receive_queue, send_queue: bytes that wait to be read, and to be sent or confirmed (unix: kernel memory that they take until the
            other end has read them); None while it listens, or not told.
        backlog, backlog_limit: connections that wait to be accepted, and how many may, while it listens; else None.
        uid: of the owner, -1 = not told. tcp: None where it is no TCP connection.
    """

    protocol: str
    version: int
    state: str
    local: str
    remote: str
    inode: int
    peer: int
    receive_queue: int | None
    send_queue: int | None
    backlog: int | None
    backlog_limit: int | None
    uid: int
    tcp: Tcp | None


def inet_request(family: int, protocol: int, states: int = ALL_STATES) -> bytes:
    """All sockets of an address family and protocol that are in ``states``, one bit each."""
    payload = _INET_REQUEST.pack(family, protocol, 1 << _INFO - 1 if protocol == socket.IPPROTO_TCP else 0, states)
    return HEADER.pack(HEADER.size + len(payload), BY_FAMILY, REQUEST | DUMP, 1, 0) + payload


def unix_request() -> bytes:
    """All unix sockets, with names, peers and queues."""
    payload = _UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, ALL_STATES, 0, _SHOW, 0, 0)
    return HEADER.pack(HEADER.size + len(payload), BY_FAMILY, REQUEST | DUMP, 1, 0) + payload


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message; ends where a length is impossible."""
    place = 0
    while place + HEADER.size <= len(datagram):
        length, kind, _, _, _ = HEADER.unpack_from(datagram, place)
        if length < HEADER.size or place + length > len(datagram):
            return
        yield kind, datagram[place + HEADER.size : place + length]
        place += length + 3 & ~3


def _attributes(payload: bytes, place: int) -> dict[int, bytes]:
    found = {}
    while place + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, place)
        if length < 4 or place + length > len(payload):
            break
        found[kind] = payload[place + 4 : place + length]
        place += length + 3 & ~3
    return found


def inode_of(payload: bytes) -> int:
    """The socket's inode, 0 = no message that can be read. Quick: most messages of a dump are of other processes."""
    if not payload:
        return 0
    at, least = (4, _UNIX.size) if payload[0] == socket.AF_UNIX else (68, _INET.size)
    return int(struct.unpack_from("=I", payload, at)[0]) if len(payload) >= least else 0


def endpoint(payload: bytes, protocol: str) -> Endpoint | None:
    """What a message says, None = it is too short or of an unknown family. ``protocol``: what was asked for, "tcp" or "udp"."""
    family = payload[0] if payload else -1
    if family == socket.AF_UNIX and len(payload) >= _UNIX.size:
        return _unix(payload)
    if family in (socket.AF_INET, socket.AF_INET6) and len(payload) >= _INET.size:
        return _inet(payload, protocol)
    return None


def _inet(payload: bytes, protocol: str) -> Endpoint:
    family, state, _, _, sport, dport, source, target, _, receive, send, uid, inode = _INET.unpack_from(payload)
    listens = state == LISTEN
    info = _attributes(payload, _INET.size).get(_INFO) if protocol == "tcp" and not listens else None
    return Endpoint(
        protocol=protocol,
        version=4 if family == socket.AF_INET else 6,
        state=_state(state, protocol == "udp"),
        local=_address(family, source, sport),
        remote=_address(family, target, dport),
        inode=inode,
        peer=0,
        receive_queue=None if listens else receive,
        send_queue=None if listens else send,
        backlog=receive if listens else None,
        backlog_limit=send if listens else None,
        uid=uid,
        tcp=None if info is None else _tcp(info),
    )


def _unix(payload: bytes) -> Endpoint:
    _, kind, state, inode = _UNIX.unpack_from(payload)
    told = _attributes(payload, _UNIX.size)
    name, peer, queues = told.get(_NAME, b""), told.get(_PEER, b""), told.get(_RQLEN, b"")
    receive, send = struct.unpack_from("=II", queues) if len(queues) >= 8 else (None, None)
    listens = state == LISTEN
    return Endpoint(
        protocol=f"unix {_UNIX_TYPES.get(kind, kind)}",
        version=0,
        state=_state(state, True),
        local=clean_bytes(b"@" + name[1:] if name[:1] == b"\0" else name.rstrip(b"\0")),
        remote="",
        inode=inode,
        peer=struct.unpack_from("=I", peer)[0] if len(peer) >= 4 else 0,
        receive_queue=None if listens else receive,
        send_queue=None if listens else send,
        backlog=receive if listens else None,
        backlog_limit=send if listens else None,
        uid=-1,
        tcp=None,
    )


def _state(state: int, connectionless: bool) -> str:
    return "UNCONN" if connectionless and state == _CLOSE else _STATES.get(state, str(state))


def _address(family: int, raw: bytes, port: bytes) -> str:
    """``""`` where there is none: an address and port of zero."""
    number = int.from_bytes(port, "big")
    if family == socket.AF_INET:
        raw = raw[:4]
    text = socket.inet_ntop(family, raw)
    if not number and not any(raw):
        return ""
    return f"[{text}]:{number}" if family == socket.AF_INET6 else f"{text}:{number}"


def _tcp(info: bytes) -> Tcp:
    return Tcp(*(struct.unpack_from(form, info, at)[0] if at + struct.calcsize(form) <= len(info) else None for form, at in _TCP))
