"""Pod and container names from the log links of a Kubernetes node, where no runtime socket tells them."""

from __future__ import annotations

import os
import re
import threading
from typing import Final

from proctop.containers.book import LIVE, Book, Known
from proctop.sanitize import clean

LOGS: Final = "/var/log/containers"
"""Where the kubelet links ``POD_NAMESPACE_CONTAINER-ID.log`` (kubernetes pkg/kubelet/kuberuntime/legacy.go)."""

_LINK: Final = re.compile(r"([^_]{1,253})_([^_]{1,63})_([^_]{1,128})-([0-9a-f]{64})\.log\Z", re.DOTALL)
_LOOK: Final = 2.0  # seconds between looks at the directory's time


def link(name: str) -> tuple[str, Known] | None:
    """(id, words) that a file name of :data:`LOGS` tells: the name is ``pod/container``, the pod ``namespace/pod``.

    >>> link("web-0_shop_nginx-" + 64 * "a" + ".log")[1].name
    'web-0/nginx'
    """
    found = _LINK.match(name)
    if found is None:
        return None
    pod, namespace, container, cid = found.groups()
    return cid, Known(clean(f"{pod}/{container}")[:128], pod=clean(f"{namespace}/{pod}"))


class Logs(threading.Thread):
    """A thread that reads the directory again when its time has changed. A directory that is absent or denied tells nothing."""

    def __init__(self, directory: str, book: Book) -> None:
        super().__init__(name="proctop-logs", daemon=True)
        self._directory = directory
        self._book = book
        self._closed = threading.Event()
        self._seen = -1

    def close(self) -> None:
        self._closed.set()

    def run(self) -> None:
        self.look()
        while not self._closed.wait(_LOOK):
            self.look()

    def look(self) -> None:
        """Read the directory if it has changed."""
        try:
            time = os.stat(self._directory).st_mtime_ns
            if time == self._seen:
                return
            names = os.listdir(self._directory)
        except OSError:
            return
        self._seen = time
        found = (link(name) for name in names[: 4 * LIVE])
        self._book.tell(self._directory, dict(one for one in found if one))
