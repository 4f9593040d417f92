"""Where container runtimes listen, and whether one answers there now."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

from proctop.sanitize import clean

_PING: Final = b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n"
_LONGEST_LINE: Final = 4096


class Answer(Enum):
    """What comes of asking an endpoint."""

    ALIVE = auto()
    ABSENT = auto()  # no socket, or none that this user could know of
    DENIED = auto()  # a socket, not for this user
    REFUSED = auto()  # a socket without a listener, or one that hangs up
    MUTE = auto()  # a listener that does not answer in time


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a runtime that speaks the Docker Engine API.

    Attributes:
        url: ``unix:///run/docker.sock`` or ``tcp://host:port``.
        kind: ``"docker"`` or ``"podman"``.
        tls: TCP with the certificates that the environment names.
    """

    url: str
    kind: str
    tls: bool = False

    @property
    def path(self) -> str:
        """The path of a unix socket, ``""`` for TCP."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    def ask(self, timeout: float) -> Answer:
        """Ping on a connection of its own. ``timeout`` seconds bound the whole exchange, however slowly bytes drip.

        With TLS an accepted connection counts as an answer.
        """
        deadline = time.monotonic() + timeout
        try:
            with self._connect(timeout) as connection:
                if self.tls:
                    return Answer.ALIVE
                connection.sendall(_PING)
                line = b""
                while b"\n" not in line:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return Answer.MUTE
                    connection.settimeout(left)
                    some = connection.recv(256)
                    line += some
                    if not some or len(line) > _LONGEST_LINE:
                        return Answer.REFUSED
                return Answer.ALIVE
        except (FileNotFoundError, NotADirectoryError):
            return Answer.ABSENT
        except PermissionError:
            return Answer.DENIED if self._exists() else Answer.ABSENT
        except (TimeoutError, BlockingIOError):  # EAGAIN: its queue of connections is full, nobody accepts
            return Answer.MUTE
        except (OSError, UnicodeError):  # a host name that IDNA cannot encode
            return Answer.REFUSED

    def _exists(self) -> bool:
        """A directory that hides its entries tells nothing; rootful Podman's does so by design."""
        try:
            return bool(os.stat(self.path))
        except OSError:
            return False

    def _connect(self, timeout: float) -> socket.socket:
        if not self.path:
            address = urlsplit(self.url)
            return socket.create_connection((address.hostname or "localhost", address.port or 2375), timeout)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection


def endpoint(url: str, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint that a URL names. Raises ValueError for what is not followed (``ssh://``, ``npipe://``, nonsense)."""
    kind = "podman" if "podman" in url else "docker"
    if url.startswith("unix://"):
        return Endpoint("unix://" + (url.removeprefix("unix://") or "/var/run/docker.sock"), kind)
    address = urlsplit(url)
    if address.scheme != "tcp" or not address.hostname or address.port == 0:
        raise ValueError(f"{clean(url[:64])} is not followed, only unix:// and tcp:// are")
    return Endpoint(url, kind, bool(environ.get("DOCKER_TLS_VERIFY") or environ.get("DOCKER_CERT_PATH")))


def discover(environ: Mapping[str, str]) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """(endpoints, remarks) of this host: ``DOCKER_HOST`` in place of Docker's own sockets, and Podman's."""
    home = environ.get("XDG_RUNTIME_DIR", "")
    urls = ["unix:///run/podman/podman.sock"] + ([f"unix://{home}/podman/podman.sock"] if home else [])
    chosen = environ.get("DOCKER_HOST", "")
    if chosen:
        urls.insert(0, chosen)
    else:
        urls[:0] = ["unix:///run/docker.sock", "unix:///var/run/docker.sock"] + ([f"unix://{home}/docker.sock"] if home else [])
    found: dict[str, Endpoint] = {}
    remarks = []
    for url in urls:
        try:
            one = endpoint(url, environ)
        except ValueError as error:
            remarks.append(f"docker: DOCKER_HOST {error}")
        else:
            found.setdefault(os.path.realpath(one.path) if one.path else url, one)  # /var/run is /run
    return tuple(found.values()), tuple(remarks)
