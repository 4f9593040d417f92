"""What the detector remembers of each process: a few numbers for every one, a book of histograms for those that ever did anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proctop.records import Ints
from proctop.scoring.tails import BINS, CHANNELS, MISSING, SLOW

EXCURSIONS_KEPT = 4

COUNT = 50
"""Counts of a process are whole fiftieths: uint16 holds 1310 samples, half the memory of floats, and sums that depend on no order."""

_BOOKS = 16384  # room at first; pages that hold only zeros cost nothing until touched, and copying to grow would cost twice

_FRESH = ("n", "fast", "alert", "score", "out", "calm", "kept", "kept_for", "accepted", "idle", "lull", "failed", "retry")
_FRESH_TOO = ("novel", "moves", "rises", "client")
_BY_SLOT = (*_FRESH, *_FRESH_TOO, "cohort", "container", "kernel", "book", "seen", "due")


class Lives:
    """Arrays by slot, and by book; both grow, and are used again after a process has gone.

    By slot: ``n`` samples learned; ``fast``, ``alert``, ``score`` (the two speeds, and the last S); ``out`` seconds in an excursion;
    ``calm`` readings in a row without one; ``kept`` excursion samples held; ``kept_for`` seconds since the first of them;
    ``accepted`` by the user; ``cohort`` and ``container`` groups; ``kernel`` threads; ``book``, -1 = none yet;
    ``seen`` the reading up to which it was learned, ``idle`` its idle time then, ``lull`` whether it was silent before that;
    ``due`` the reading at which it is looked at even when silent,
    ``failed`` attempts to let it sleep, ``retry`` the reading of the next; ``novel`` nats of evidence that it is new here;
    ``moves`` and ``rises`` the last 64 readings, a bit each; ``client`` silent because another is unusual.
    By book: ``hist`` uint16[books, 30, 24] in parts of :data:`COUNT`, ``mass`` float32[books, 30] in samples,
    ``slow`` float32[books, 9] the slow means, ``held`` uint8[books, 4, 30] the bins of kept samples.
    """

    def __init__(self, room: int = _BOOKS) -> None:
        self.slots = 0
        self._room = room
        self.books = 0
        self._free: list[int] = []
        self._free_books: list[int] = []
        self.n = np.zeros(0, dtype=np.int64)
        self.fast = np.zeros(0, dtype=np.float32)
        self.alert = np.zeros(0, dtype=np.float32)
        self.score = np.zeros(0, dtype=np.float32)
        self.out = np.zeros(0, dtype=np.float32)
        self.calm = np.zeros(0, dtype=np.int32)
        self.kept = np.zeros(0, dtype=np.int8)
        self.kept_for = np.zeros(0, dtype=np.float32)
        self.accepted = np.zeros(0, dtype=np.bool_)
        self.cohort = np.zeros(0, dtype=np.int64)
        self.container = np.zeros(0, dtype=np.int64)
        self.kernel = np.zeros(0, dtype=np.bool_)
        self.book = np.zeros(0, dtype=np.int64)
        self.seen = np.zeros(0, dtype=np.int64)
        self.due = np.zeros(0, dtype=np.int64)
        self.idle = np.zeros(0, dtype=np.float32)
        self.lull = np.zeros(0, dtype=np.bool_)
        self.failed = np.zeros(0, dtype=np.int8)
        self.retry = np.zeros(0, dtype=np.int64)
        self.novel = np.zeros(0, dtype=np.float32)
        self.moves = np.zeros(0, dtype=np.uint64)
        self.rises = np.zeros(0, dtype=np.uint64)
        self.client = np.zeros(0, dtype=np.bool_)
        self.hist = np.zeros((0, CHANNELS, BINS), dtype=np.uint16)
        self.mass = np.zeros((0, CHANNELS), dtype=np.float32)
        self.slow = np.zeros((0, len(SLOW)), dtype=np.float32)
        self.held = np.zeros((0, EXCURSIONS_KEPT, CHANNELS), dtype=np.uint8)

    def take(self, count: int) -> Ints:
        """``count`` fresh slots."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        more = count - len(reused)
        end = self.slots + more
        if end > self.n.size:
            size = max(1024, end + end // 2)
            for name in _BY_SLOT:
                setattr(self, name, _grown(getattr(self, name), size))
        slots = np.array([*reused, *range(self.slots, end)], dtype=np.int64)
        self.slots = end
        for name in (*_FRESH, *_FRESH_TOO):
            getattr(self, name)[slots] = 0
        self.book[slots] = -1
        return slots

    def open_books(self, slots: Ints) -> None:
        """Histograms for ``slots`` that have none."""
        count = slots.size
        reused = [self._free_books.pop() for _ in range(min(count, len(self._free_books)))]
        end = self.books + count - len(reused)
        if end > len(self.mass):
            size = max(self._room, 2 * end)
            for name in ("hist", "mass", "slow", "held"):
                setattr(self, name, _grown(getattr(self, name), size))
        books = np.array([*reused, *range(self.books, end)], dtype=np.int64)
        self.books = end
        self.hist[books] = 0
        self.mass[books] = 0
        self.slow[books] = 0
        self.held[books] = MISSING
        self.book[slots] = books

    def free(self, slots: Ints) -> None:
        """These processes have gone."""
        books = self.book[slots]
        self._free_books.extend(books[books >= 0].tolist())
        self._free.extend(slots.tolist())
        for array in (self.alert, self.fast, self.score):
            array[slots] = 0
        self.book[slots] = -1


def _grown(array: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.zeros((size, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown
