"""What is known of each container, kept small, written by background threads and read without a lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

LIVE: Final = 10_000
"""Containers that are kept for each place that tells of them; further ones stay without a name."""

GONE: Final = 2_000
"""Removed containers whose names are kept, so that what exited still shows where it ran."""


class Known(NamedTuple):
    """The words for one container. Every string is clean and short."""

    name: str
    image: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    runtime: str = ""
    pod: str = ""


class Book:
    """Container id to :class:`Known`.

    ``get`` is one dictionary look-up. Writers (one thread for each runtime) hold a lock among themselves.
    ``version`` rises with every change that a reader could see.
    """

    def __init__(self, live: int = LIVE, gone: int = GONE) -> None:
        self.version = 0
        self._known: dict[str, Known] = {}
        self._live: dict[str, set[str]] = {}  # by the place that tells
        self._gone: dict[str, None] = {}  # oldest first
        self._limits = live, gone
        self._writing = threading.Lock()

    def get(self, cid: str) -> Known | None:
        return self._known.get(cid)

    def __len__(self) -> int:
        return len(self._known)

    def tell(self, place: str, entries: Mapping[str, Known]) -> None:
        """All containers that ``place`` has now; the others it had are gone."""
        with self._writing:
            for cid in self._live.get(place, set()) - entries.keys():
                self._retire(place, cid)
            for cid, known in entries.items():
                self._learn(place, cid, known)

    def learn(self, place: str, cid: str, known: Known) -> None:
        """One container that is new or has changed."""
        with self._writing:
            self._learn(place, cid, known)

    def retire(self, place: str, cid: str) -> None:
        """One container that was removed. Its words stay among the last :data:`GONE`."""
        with self._writing:
            self._retire(place, cid)

    def _learn(self, place: str, cid: str, known: Known) -> None:
        live = self._live.setdefault(place, set())
        if cid not in live and len(live) >= self._limits[0]:
            return
        live.add(cid)
        self._gone.pop(cid, None)
        if self._known.get(cid) != known:
            self._known[cid] = known
            self.version += 1

    def _retire(self, place: str, cid: str) -> None:
        live = self._live.get(place, set())
        if cid not in live:
            return
        live.discard(cid)
        self._gone[cid] = None
        if len(self._gone) > self._limits[1]:
            oldest = next(iter(self._gone))
            del self._gone[oldest]
            self._known.pop(oldest, None)
