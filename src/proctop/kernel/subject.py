"""One process between readings."""

from __future__ import annotations

from proctop.records import Label

NO_LABEL = Label("")


class Subject:
    """One process as the sampler knows it: identity and what its files said last."""

    __slots__ = (
        "comm",
        "fds_denied",
        "held",
        "image",
        "io",
        "io_denied",
        "kernel",
        "label",
        "name",
        "path",
        "pid",
        "row",
        "start",
        "stat",
        "threaded",
        "uid",
    )

    def __init__(self, pid: int, path: str) -> None:
        self.pid = pid
        self.name = str(pid)  # of its directory
        self.path = path
        self.start = -1  # not read yet
        self.row = -1
        self.comm = b""
        self.image: list[int] = []  # addresses that only exec changes; [] = not read yet
        self.kernel = False
        self.threaded = False  # more than one thread
        self.uid = -1
        self.stat = 0  # hashes of the texts as read last
        self.io = 0
        self.io_denied = False
        self.fds_denied = False
        self.held: list[int] = []  # descriptors of stat, io, status; -1 = not that one
        self.label = NO_LABEL
