"""What a program's output did to the screen, worked out afterwards from the recorded chunks: first rows, refreshes, answers to keys."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

import pyte

from benchmarks.terminal import Chunk

_WORD = re.compile(r"\d+")
ROWS = 3  # so many lines with a process make a list of processes


class _Screen(pyte.Screen):
    """pyte's, tolerant of the private sequences that it takes for public ones (``CSI > 4 ; 1 m``)."""

    def select_graphic_rendition(self, *attributes: int, **kwargs: bool) -> None:
        if not kwargs:
            super().select_graphic_rendition(*attributes)


class Screen:
    """A terminal's screen as it was after each chunk."""

    def __init__(self, columns: int, lines: int) -> None:
        self._screen = _Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._grounds: dict[int, tuple[str, bool]] = {}

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    def text(self) -> list[str]:
        return list(self._screen.display)

    def grounds(self) -> tuple[tuple[str, bool], ...]:
        """The most frequent background (colour, reverse) of each line: what a moved selection changes."""
        for line in self._screen.dirty:
            row = self._screen.buffer[line]
            cells = (row[column] for column in range(self._screen.columns))
            self._grounds[line] = Counter((cell.bg, cell.reverse) for cell in cells).most_common(1)[0][0]
        self._screen.dirty.clear()
        return tuple(self._grounds.get(line, ("default", False)) for line in range(self._screen.lines))

    def backgrounds(self) -> list[list[tuple[str, bool]]]:
        """What each cell stands on, line by line."""
        rows, columns = range(self._screen.lines), range(self._screen.columns)
        cells = [[self._screen.buffer[line][column] for column in columns] for line in rows]
        return [[(cell.bg, cell.reverse) for cell in line] for line in cells]

    def selected(self, pids: Set[int]) -> tuple[object, ...]:
        """What a moved selection changes: the grounds of the lines, and whose line stands out from its neighbours (its row may have moved
        by as much in the same refresh).
        """
        grounds = self.grounds()
        usual = Counter(grounds).most_common(1)[0][0]
        marked = [self._screen.display[line] for line, ground in enumerate(grounds) if ground != usual]
        return grounds, tuple(next((word for word in _WORD.findall(line) if int(word) in pids), "") for line in marked)


def processes() -> dict[int, set[str]]:
    """The names (comm and base name of argv[0]) by which a list may show each process of the host."""
    found: dict[int, set[str]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/comm", errors="replace") as file:
                comm = file.read().strip()
            with open(f"/proc/{entry}/cmdline", errors="replace") as file:
                argv0 = file.read().partition("\0")[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(entry)] = {name for name in (comm, os.path.basename(argv0)) if name}
    return found


def shows_rows(lines: Iterable[str], known: dict[int, set[str]]) -> bool:
    """Whether at least :data:`ROWS` lines hold both the pid and a name of one known process."""
    rows = 0
    for line in lines:
        pids = {int(word) for word in _WORD.findall(line)} & known.keys()
        rows += any(name in line for pid in pids for name in known[pid])
    return rows >= ROWS


def first_rows(chunks: Sequence[Chunk], columns: int, lines: int, known: dict[int, set[str]]) -> Chunk | None:
    """The chunk that completed the first list of processes."""
    screen = Screen(columns, lines)
    for chunk in chunks:
        screen.feed(chunk.data)
        if shows_rows(screen.text(), known):
            return chunk
    return None


def bursts(times: Sequence[float], gap: float) -> int:
    """Groups of ``times`` (ascending, seconds) that are at least ``gap`` apart."""
    return sum(i == 0 or time - times[i - 1] >= gap for i, time in enumerate(times))


def refreshes(chunks: Sequence[Chunk], interval: float) -> int:
    """Refreshes seen among ``chunks``: bursts of output, of which a program at rest writes one per refresh."""
    return bursts([chunk.time for chunk in chunks], 0.4 * interval)


def answers(
    chunks: Sequence[Chunk], keys: Sequence[float], columns: int, lines: int, pids: Set[int] = frozenset(), limit: float = 0.5
) -> tuple[list[float], str]:
    """Seconds from each key to the output that answers it, and how that was recognised.

    A moved selection changes the background of lines, or which of ``pids`` stands there; where most keys do that, only such a chunk is an
    answer and a periodic refresh that happens to follow the key is none ("selection"). Otherwise, e.g. where a list scrolls, the first
    output after the key ("output").
    A key without an answer within ``limit`` counts as ``inf``.
    """
    screen = Screen(columns, lines)
    selected = screen.selected(pids)
    moved: list[float] = []
    for chunk in chunks:
        screen.feed(chunk.data)
        if (now := screen.selected(pids)) != selected:
            selected = now
            moved.append(chunk.time)
    by_selection = _delays(moved, keys, limit)
    if sum(delay < limit for delay in by_selection) >= 0.7 * len(keys):
        return by_selection, "selection"
    return _delays([chunk.time for chunk in chunks], keys, limit), "output"


def _delays(events: Sequence[float], keys: Sequence[float], limit: float) -> list[float]:
    delays = []
    for key in keys:
        delay = next((event - key for event in events if event > key), float("inf"))
        delays.append(delay if delay < limit else float("inf"))
    return delays


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile; NaN of nothing. ``inf`` values sort last."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
