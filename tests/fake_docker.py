"""A Docker engine on a socket that keeps a log of requests and misbehaves on demand."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

_ROUTES = ("/version", "/_ping", "/info", "/containers/json", "/events")


def container(number: int, **more: Any) -> dict[str, Any]:
    """An element of ``/containers/json``."""
    plain = {"Id": f"{number:064x}", "Names": [f"/app-{number}"], "Image": "demo/app:1.0", "Labels": {"tier": "web"}}
    return plain | {"State": "running", "Status": "Up 2 hours"} | more


class FakeDocker:
    """An engine that answers ``/version``, ``/_ping``, ``/containers/json`` and ``/events``, on a unix socket or (no path) on TCP.

    ``mood`` may change at any time and holds for requests that come after; ``moods`` overrides it for single routes:

    - ``"well"``: answers;
    - ``"mute"``: accepts and reads, never answers;
    - ``"stall"``: sends headers, then nothing;
    - ``"drip"``: sends one byte a second, headers included;
    - ``"hang up"``: closes the connection;
    - ``"nonsense"``: answers with JSON of another shape.
    """

    def __init__(self, path: str, containers: list[dict[str, Any]] | None = None) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.containers = containers if containers is not None else [container(1)]
        self.mood = "well"
        self.moods: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []  # (method, path without the version), e.g. ("GET", "/events")
        self.queries: list[dict[str, list[str]]] = []
        self.changed = threading.Condition()
        self._stopped = threading.Event()
        self._streams: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def __enter__(self) -> FakeDocker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._stopped.clear()
        if self.path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self.path)
            self._listener.listen(64)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Close every connection and remove the socket."""
        self._stopped.set()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self.changed:
            connections = list(self._open)
        for connection in connections:
            _hang_up(connection)

    def emit(self, action: str, cid: str, attributes: dict[str, Any] | None) -> None:
        """Send a container event to everyone who listens."""
        event = {"Type": "container", "Action": action, "id": cid, "Actor": {"ID": cid, "Attributes": attributes}, "time": 1}
        self.emit_raw(json.dumps(event).encode() + b"\n")

    def emit_raw(self, data: bytes) -> None:
        with self.changed:
            streams = list(self._streams)
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def close_streams(self) -> None:
        """End every event stream, as a daemon does that goes down."""
        with self.changed:
            streams, self._streams = self._streams, []
        for stream in streams:
            _hang_up(stream)

    def asked(self, path: str) -> int:
        """How many requests for ``path`` have come."""
        return sum(one == path for _, one in self.log)

    def wait(self, seen: Callable[[], bool], seconds: float = 10.0) -> None:
        """Return when ``seen()``, looked at after every request; fail after ``seconds``."""
        with self.changed:
            assert self.changed.wait_for(seen, seconds), self.log

    @property
    def listening(self) -> int:
        """Event streams that are open."""
        return len(self._streams)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.changed:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data = b""
            while some := connection.recv(4096):
                data += some
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    self._answer(connection, head.decode())
        with self.changed:
            self._open.discard(connection)
            if connection in self._streams:
                self._streams.remove(connection)
            self.changed.notify_all()
        connection.close()

    def _answer(self, connection: socket.socket, head: str) -> None:
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        address = urlsplit(re.sub(r"^/v[0-9.]+(?=/)", "", target))
        path = address.path
        mood = self.moods.get(path, self.mood)
        # A client of an event stream goes on when its headers have come: count the stream first.
        with self.changed:
            self.log.append((method, path))
            self.queries.append(parse_qs(address.query))
            if path == "/events" and mood == "well":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                self._streams.append(connection)
            self.changed.notify_all()
        if mood == "mute" or (path == "/events" and mood == "well"):
            return
        if mood == "hang up":
            _hang_up(connection)
            return
        body = json.dumps(self._body(path) if mood != "nonsense" else [1, None, {"Id": 5}, {"Id": "x", "Names": 1, "Labels": [2]}]).encode()
        status = "200 OK" if path in _ROUTES else "404 Not Found"
        answer = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if mood == "stall":
            connection.sendall(answer)
        elif mood == "drip":
            for byte in answer + body:
                connection.sendall(bytes([byte]))
                if self._stopped.wait(1.0):
                    return
        else:
            connection.sendall(answer + body)

    def _body(self, path: str) -> object:
        if path == "/version":
            return {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24", "Os": "linux"}
        return self.containers if path == "/containers/json" else "OK"


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
