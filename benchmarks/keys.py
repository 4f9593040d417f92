"""How soon each screen of proctop answers: from the key that opens it to its own text, and from a key within it to what that key does.

    python -m benchmarks.keys --processes 10000 --rounds 10

Every round opens each screen, presses keys there at random moments and goes back. A key within a screen has its answer where the cursor's
line moves or, on a page, where other words stand: a refresh that comes between is none, and a key that waits for it waits here, too.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.cost import MeasureError, environment, proctop_command
from benchmarks.idlers import Idlers
from benchmarks.screen import Screen, percentile
from benchmarks.terminal import Terminal

_DOWN, _UP, _PAGE_DOWN, _PAGE_UP, _TAB, _BACK_TAB, _ESCAPE = b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[5~", b"\t", b"\x1b[Z", b"\x1b"
_WORDS = re.compile(r"[^A-Za-z]+")
_LATE = 1.0  # seconds after which a key is taken as not answered


@dataclass(frozen=True, slots=True)
class Visit:
    """A screen: the ``key`` that opens it, the ``text`` by which it is known, keys that do something ``within``, and whether they move a
    cursor (else they put other words on the page).
    """

    name: str
    key: bytes
    text: str
    within: tuple[bytes, bytes]
    cursor: bool = False


VISITS = (
    Visit("processes", b"", "SCORE", (_DOWN, _UP), cursor=True),
    Visit("detail", b"\r", "Files and sockets", (_TAB, _BACK_TAB)),
    Visit("groups", b"g", "groups of", (_DOWN, _UP), cursor=True),
    Visit("containers", b"c", "CPUMAX", (b"P", b"A")),
    Visit("events", b"e", "BEGAN", (b"A", b"T")),
    Visit("vitals", b"v", "QUANTITY", (_PAGE_DOWN, _PAGE_UP)),
    Visit("columns", b"\x1bOQ", "Space", (_DOWN, _UP), cursor=True),
    Visit("sort menu", b"<", "Sort by", (_DOWN, _UP), cursor=True),
    Visit("help", b"?", "type to search", (_PAGE_DOWN, _PAGE_UP)),
    Visit("tree", b"t", "└", (_DOWN, _UP), cursor=True),
)


@dataclass(slots=True)
class Times:
    """Seconds from keys to their answers, ``inf`` = none came."""

    opening: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)


class Reader:
    """The screen as it was after each chunk that has come."""

    def __init__(self, terminal: Terminal, columns: int, lines: int) -> None:
        self._terminal, self._screen, self._read = terminal, Screen(columns, lines), 0

    def catch_up(self) -> None:
        """Take what has come and was not looked at."""
        for chunk in self._terminal.chunks[self._read :]:
            self._screen.feed(chunk.data)
            self._read += 1

    def shows(self, text: str) -> bool:
        return any(text in line for line in self._screen.text())

    def state(self, *, cursor: bool) -> object:
        """What a key changes and a refresh does not."""
        return self._screen.backgrounds() if cursor else tuple(_WORDS.sub(" ", line) for line in self._screen.text()[1:])

    def delay(self, key: bytes, text: str = "", *, cursor: bool = False) -> float:
        """Press ``key``; seconds until ``text`` is on the screen or, without one, until the screen is another."""
        self.catch_up()
        before = self.state(cursor=cursor)
        sent = self._terminal.send(key)
        while time.monotonic() - sent < _LATE:
            self._terminal.wait(0.05)
            for chunk in self._terminal.chunks[self._read :]:
                self._screen.feed(chunk.data)
                self._read += 1
                if self.shows(text) if text else self.state(cursor=cursor) != before:
                    return chunk.time - sent
        return float("inf")


def measure(argv: Sequence[str], size: tuple[int, int], rounds: int, keys: int) -> dict[str, Times]:
    """Visit every screen ``rounds`` times, with so many ``keys`` on each. Raises MeasureError where the program shows nothing or ends."""
    columns, lines = size
    out = {visit.name: Times() for visit in VISITS}
    with tempfile.TemporaryDirectory() as home, Terminal(argv, columns, lines, environment(home)) as terminal:
        reader = Reader(terminal, columns, lines)
        terminal.wait(20.0)  # past the change of source and the hints
        reader.catch_up()
        if not reader.shows("SCORE"):
            raise MeasureError("showed no processes")
        terminal.send(_DOWN)
        terminal.wait(0.5)
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
            for visit in VISITS:
                times = out[visit.name]
                terminal.wait(random.uniform(0.2, 1.2))
                if visit.key:
                    times.opening.append(reader.delay(visit.key, visit.text))
                if visit.cursor:
                    reader.delay(_DOWN, cursor=True)  # where nothing was selected the first key may have nowhere to go
                for pressed in range(keys):
                    terminal.wait(random.uniform(0.1, 0.6))
                    times.within.append(reader.delay(visit.within[pressed % 2], cursor=visit.cursor))
                if visit.key:
                    terminal.send(visit.key if visit.name == "tree" else _ESCAPE)
                    terminal.wait(0.5)
                if not terminal.alive:
                    raise MeasureError(f"ended on the screen of {visit.name}")
    return out


def table(times: dict[str, Times]) -> str:
    """In milliseconds."""
    rows = [f"{'':12}{'opens: n':>10}{'p50':>8}{'max':>8}{'keys: n':>10}{'p50':>8}{'p99':>8}{'max':>8}"]
    for name, one in times.items():
        opening = [percentile(one.opening, share) * 1e3 for share in (50, 100)]
        within = [percentile(one.within, share) * 1e3 for share in (50, 99, 100)]
        rows.append(
            f"{name:12}{len(one.opening):10}"
            + "".join(f"{x:8.1f}" for x in opening)
            + f"{len(one.within):10}"
            + "".join(f"{x:8.1f}" for x in within)
        )
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="python -m benchmarks.keys", description="How soon each screen answers.")
    flags.add_argument("--processes", type=int, default=1000, metavar="N", help="idle processes to start, 5 %% of which wake each second")
    flags.add_argument("--rounds", type=int, default=5, metavar="R", help="visits of each screen")
    flags.add_argument("--keys", type=int, default=6, metavar="K", help="keys on each visit")
    flags.add_argument("--source", default="auto", metavar="NAME", help="auto, proc or bpf")
    options = flags.parse_args(argv)
    try:
        with Idlers(options.processes):
            times = measure(proctop_command(1.0, options.source), (120, 24), options.rounds, options.keys)
    except (MeasureError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(times))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
