"""Container id to name, image and labels, found in the background."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from proctop.containers.book import Book
from proctop.containers.endpoints import discover, endpoint
from proctop.containers.kubernetes import LOGS, Logs
from proctop.containers.watch import Watch
from proctop.records import Container


class Directory:
    """What the runtimes of this host call its containers.

    Every method returns at once: threads of their own talk to the runtimes and write what they learn where these methods look.
    A runtime that is absent, denied or hung costs names, never time.

    Args:
        endpoints: URLs (``unix://…``, ``tcp://…``); None = ``DOCKER_HOST`` or Docker's own sockets, and Podman's.
        environ: environment that is asked for ``DOCKER_HOST``, ``XDG_RUNTIME_DIR`` and certificates; None = this process's.
        log_dir: directory of a Kubernetes node's log links, asked for containers that no runtime tells of; ``""`` = none.

    Raises:
        ValueError: an endpoint that is neither ``unix://`` nor ``tcp://``.
    """

    def __init__(self, endpoints: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None, log_dir: str = LOGS) -> None:
        environ = os.environ if environ is None else environ
        if endpoints is None:
            found, self._remarks = discover(environ)
        else:
            found, self._remarks = tuple(endpoint(url, environ) for url in endpoints), ()
        self._runtimes, self._logs = Book(), Book()
        self._watches = tuple(Watch(one, environ, self._runtimes) for one in found)
        self._scout = Logs(log_dir, self._logs) if log_dir else None

    @property
    def version(self) -> int:
        """Rises when anything that :meth:`enrich` tells has changed."""
        return self._runtimes.version + self._logs.version

    def start(self) -> None:
        """Begin to look. Once."""
        for watch in self._watches:
            watch.start()
        if self._scout:
            self._scout.start()

    def close(self) -> None:
        """End the threads and their connections, without waiting for them."""
        for watch in self._watches:
            watch.close()
        if self._scout:
            self._scout.close()

    def enrich(self, c: Container) -> Container:
        """``c`` with name, image and labels, and what its path did not tell; ``c`` itself where nothing is known."""
        known = self._runtimes.get(c.id) or self._logs.get(c.id)
        if known is None:
            return c
        return Container(c.id, c.runtime or known.runtime, c.pod or known.pod, known.name, known.image, known.labels)

    def notes(self) -> tuple[str, ...]:
        """One line for each runtime that does not work as it should: ``docker: not answering, names may be stale``."""
        return (*self._remarks, *(watch.note for watch in self._watches if watch.note))
