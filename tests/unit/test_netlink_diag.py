"""Messages of socket diagnostics: states, addresses, queues; and rubbish."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctop.kernel.netlink import diag


class Inet(NamedTuple):
    family: int = socket.AF_INET
    state: int = 1
    sport: int = 5000
    dport: int = 443
    source: bytes = bytes([10, 0, 0, 1])
    target: bytes = bytes([10, 0, 0, 2])
    queues: tuple[int, int] = (3, 4)

    def payload(self, info: bytes | None = None) -> bytes:
        ports = self.sport.to_bytes(2, "big") + self.dport.to_bytes(2, "big")
        body = bytes([self.family, self.state, 0, 0]) + ports + self.source.ljust(16, b"\0") + self.target.ljust(16, b"\0") + bytes(12)
        body += struct.pack("=IIIII", 0, *self.queues, 1000, 4711)
        return body + (b"" if info is None else struct.pack("=HH", 4 + len(info), 2) + info)


def unix(kind: int = 1, state: int = 1, *attributes: tuple[int, bytes]) -> bytes:
    body = struct.pack("=BBBxIII", 1, kind, state, 99, 0, 0)
    for number, payload in attributes:
        body += struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)
    return body


INFO = struct.pack("=8B", *range(8)) + b"".join(struct.pack("=I", at) for at in range(8, 240, 4))


def test_a_connection() -> None:
    one = diag.endpoint(Inet().payload(INFO), "tcp")
    assert one is not None and one.tcp is not None
    assert (one.protocol, one.version, one.state, one.local, one.remote) == ("tcp", 4, "ESTABLISHED", "10.0.0.1:5000", "10.0.0.2:443")
    assert (one.receive_queue, one.send_queue, one.backlog, one.uid, one.inode) == (3, 4, None, 1000, 4711)
    assert (one.tcp.rtt, one.tcp.retransmits, one.tcp.pending) == (68, 100, 36)
    assert one.tcp.acked == 120 | 124 << 32 and one.tcp.received == 128 | 132 << 32


@pytest.mark.parametrize("length", range(0, 232, 4))
def test_an_older_kernel_tells_less_of_tcp(length: int) -> None:
    one = diag.endpoint(Inet().payload(INFO[:length]), "tcp")
    assert one is not None and one.tcp is not None
    assert (one.tcp.rtt is None) == (length < 72) and (one.tcp.retransmits is None) == (length < 104)
    assert (one.tcp.acked is None) == (length < 128) and (one.tcp.received is None) == (length < 136)


def test_one_that_listens_has_a_backlog() -> None:
    one = diag.endpoint(Inet(state=10, dport=0, target=b"").payload(INFO), "tcp")
    assert one is not None
    assert (one.state, one.remote, one.backlog, one.backlog_limit, one.receive_queue, one.tcp) == ("LISTEN", "", 3, 4, None, None)


def test_other_families_and_states() -> None:
    six = diag.endpoint(Inet(socket.AF_INET6, 7, source=b"\0" * 15 + b"\1", dport=0, target=b"").payload(), "udp")
    assert six is not None and (six.version, six.state, six.local, six.remote) == (6, "UNCONN", "[::1]:5000", "")
    closed = diag.endpoint(Inet(state=7).payload(), "tcp")
    assert closed is not None and closed.state == "CLOSE"
    assert diag.endpoint(Inet(family=77).payload(), "tcp") is None


def test_unix_names_are_harmless_and_queues_optional() -> None:
    path = diag.endpoint(unix(1, 10, (0, b"/run/x\x1b[2J\xff\0"), (4, struct.pack("=II", 1, 128))), "unix")
    assert path is not None and (path.local, path.backlog, path.backlog_limit, path.state) == ("/run/x�[2J�", 1, 128, "LISTEN")
    hidden = diag.endpoint(unix(2, 7, (0, b"\0a\0b"), (2, struct.pack("=I", 98))), "unix")
    assert hidden is not None and (hidden.local, hidden.peer, hidden.protocol, hidden.state) == ("@a�b", 98, "unix dgram", "UNCONN")
    assert hidden.receive_queue is None and hidden.backlog is None


def test_a_datagram_of_several_messages_ends_where_a_length_is_impossible() -> None:
    one = struct.pack("=IHHII", 21, 20, 0, 1, 0) + b"hello" + bytes(3)
    assert list(diag.messages(one + one)) == [(20, b"hello")] * 2
    assert list(diag.messages(one + struct.pack("=IHHII", 15, 20, 0, 1, 0))) == [(20, b"hello")]
    assert list(diag.messages(one + struct.pack("=IHHII", 0, 20, 0, 1, 0))) == [(20, b"hello")]
    assert list(diag.messages(one + struct.pack("=IHHII", 17, 20, 0, 1, 0))) == [(20, b"hello")]
    for end in range(len(one) - 3):
        assert list(diag.messages(one[:end])) == []


def test_attributes_without_a_length_or_longer_than_the_message_are_left_out() -> None:
    for attribute in (bytes(8), struct.pack("=HH", 3, 0), struct.pack("=HH", 40, 0) + b"name"):
        one = diag.endpoint(unix() + attribute, "unix")
        assert one is not None and (one.local, one.receive_queue) == ("", None)


def test_every_truncation_is_left_out() -> None:
    for whole, least in ((Inet().payload(INFO), 72), (unix(1, 1, (0, b"name")), 16)):
        for end in range(len(whole)):
            found = diag.endpoint(whole[:end], "tcp")
            assert (found is None) == (end < least) == (diag.inode_of(whole[:end]) == 0)


@given(st.binary(max_size=400), st.sampled_from(["tcp", "udp", "unix"]), st.sampled_from([b"", b"\1", b"\2", b"\n"]))
def test_rubbish_is_read_or_left_out(raw: bytes, protocol: str, family: bytes) -> None:
    for _, payload in diag.messages(raw):
        diag.endpoint(payload, protocol)
    found = diag.endpoint(family + raw, protocol)
    assert (found is None) or all(character.isprintable() for character in found.local + found.remote if character != "�")
    assert diag.inode_of(family + raw) >= 0
