"""A directory of recordings as one: its files in the order of time, those of one host."""

from __future__ import annotations

import os
from typing import NamedTuple

from proctop.stream import Damaged, FormatError, StreamError, frames
from proctop.stream.frames import FrameHead
from proctop.stream.header import Header
from proctop.stream.volume import FileVolume, Volume

SUFFIX = ".proctop"

_HEAD = frames.FRAME.size


class _File(NamedTuple):
    """One file: the wall clock at which it begins, and whose it is."""

    began: float
    host: str
    volume: FileVolume


class Folder:
    """The recordings in the directory ``path``, looked for again by :meth:`refresh`. Raises StreamError where there are none.

    Attributes:
        volumes: by the time they begin. Where several hosts recorded here, those of the one that did so last.
        remark: what was left out, in one line; "" = nothing.
    """

    def __init__(self, path: str) -> None:
        self.volumes: list[FileVolume] = []
        self.remark = ""
        self._path = path
        self._files: dict[tuple[str, int], _File | None] = {}  # by name and inode; None: no recording, or of nothing yet
        self._changed = -1
        self.refresh()
        if not self.volumes:
            raise FormatError(f"{path}: no recordings in it (*{SUFFIX})")

    def refresh(self) -> bool:
        """Whether files came or went."""
        try:
            changed = os.stat(self._path).st_mtime_ns
            if changed == self._changed and None not in self._files.values():
                return False
            with os.scandir(self._path) as entries:
                names = {(entry.name, entry.inode()) for entry in entries if entry.name.endswith(SUFFIX)}
        except OSError as error:
            raise StreamError(f"{self._path}: {(error.strerror or str(error)).lower()}") from error
        self._changed = changed
        self._files = {key: self._files.get(key) or self._look(os.path.join(self._path, key[0])) for key in names}
        files = sorted((file for file in self._files.values() if file is not None), key=lambda file: file[:2])
        hosts = sorted({file.host for file in files})
        self.remark = ""
        if len(hosts) > 1:
            newest = files[-1].host
            files = [file for file in files if file.host == newest]
            self.remark = f"{self._path} holds recordings of {', '.join(hosts)}: this is {newest}, the newest; name a file to see another"
        before, self.volumes = self.volumes, [file.volume for file in files]
        return before != self.volumes

    def _look(self, path: str) -> _File | None:
        try:
            volume = FileVolume(path, held=False)
            place = volume.first()
            return None if place is None else _File(place.wall, header(volume, place.at).info.hostname, volume)
        except (StreamError, Damaged):
            return None


def header(volume: Volume, at: int) -> Header:
    """Of the segment whose frame begins at byte ``at``. Raises Damaged."""
    from zstandard import ZstdDecompressor, ZstdError

    head = FrameHead.parse(volume.read(at, _HEAD))
    body = volume.read(at + _HEAD, head.stored)[frames.SEGMENT.size :]
    try:
        return Header.from_json(ZstdDecompressor(max_window_size=frames.WINDOW).stream_reader(body).read(head.plain))
    except ZstdError as error:
        raise Damaged("the header is none") from error
