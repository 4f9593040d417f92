"""Does proctop see a fault when it happens? Workers misbehave one after another beside ``proctop -b --format json``.

    python -m benchmarks.incidents --kinds spin,write,leak,fork,stop --quiet 120

Every kind's worker has been quiet for ``--quiet`` seconds at least when its fault begins. It is seen when it has the highest score of all
processes in one of the first 3 readings after that (silence: 8). Exits 1 when one was not seen.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.cost import proctop_command
from benchmarks.workers import KINDS

_APART = 20.0  # seconds between the onsets of two kinds
_FAULT = 14.0  # seconds a fault lasts, so that it is over before the next
_READINGS = 3
_READINGS_SILENT = 8


@dataclass(frozen=True, slots=True)
class Sight:
    """A process in one reading.

    Attributes:
        rank: by score among all, 1 = highest.
        why: the reasons in words.
        above: names and pids of the processes with a higher score, highest first; on a busy host they may well deserve it.
    """

    rank: int
    score: float
    why: tuple[str, ...]
    above: tuple[str, ...]


@dataclass(slots=True)
class Incident:
    """One fault: its worker, its onset and how each reading after that saw it.

    Attributes:
        onset: wall seconds at which the fault begins.
    """

    kind: str
    pid: int
    onset: float
    sights: list[Sight]

    @property
    def allowed(self) -> int:
        return _READINGS_SILENT if self.kind == "stop" else _READINGS

    @property
    def topped(self) -> int | None:
        """The number, from 1, of the first reading that scored the worker above all others; without a score there is no first place."""
        return next((number for number, each in enumerate(self.sights, 1) if each.rank == 1 and each.score > 0), None)

    @property
    def seen(self) -> bool:
        return self.topped is not None and self.topped <= self.allowed


def wall_time(reading: dict[str, Any]) -> float:
    """Wall seconds of a reading of ``proctop -b --format json``."""
    return datetime.fromisoformat(reading["time"]).timestamp()


def _score(process: dict[str, Any]) -> float:
    """Its score; -inf while it has none."""
    score = process.get("score")
    return -math.inf if score is None else float(score)


def sight(reading: dict[str, Any], pid: int) -> Sight | None:
    """How a reading shows a process; an absent score ranks last; None when the process is not in it."""
    listed = sorted(reading["processes"], key=_score, reverse=True)
    process = next((process for process in listed if process["pid"] == pid), None)
    if process is None:
        return None
    score = _score(process)
    above = tuple(f"{other['comm']} {other['pid']}" for other in listed if _score(other) > score)
    return Sight(1 + len(above), score, tuple(reason["text"] for reason in process.get("why", ())), above)


def line(incident: Incident) -> str:
    """The verdict on one fault in one line."""
    if not incident.sights:
        return f"{incident.kind:8} NOT SEEN  no reading after its onset"
    if incident.topped is None:
        best = min(incident.sights, key=lambda each: each.rank)
        rank = f"best rank {best.rank} after {', '.join(best.above[:3])}"
        return f"{incident.kind:8} NOT SEEN  {rank}, score {best.score:.2f}: {'; '.join(best.why)}"
    first = incident.sights[incident.topped - 1]
    word = "seen" if incident.seen else "LATE"
    number = f"first in reading {incident.topped} (allowed {incident.allowed})"
    return f"{incident.kind:8} {word:9} {number}, score {first.score:.2f}: {'; '.join(first.why)}"


@contextmanager
def _running(argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A child whose standard output is a pipe, ended with the block."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _follow(readings: Iterable[str], incidents: Sequence[Incident], workers: Sequence[subprocess.Popen[str]], until: float) -> str:
    """Fill the incidents from JSON lines until the wall time ``until``; returns when and how the readings came to an end."""
    for text in readings:
        reading = json.loads(text)
        now = wall_time(reading)
        for worker in workers:
            worker.poll()  # reaps those that have ended: as zombies they would stay in the list
        if now >= until:
            return ""
        for incident in incidents:
            if incident.onset < now < incident.onset + _FAULT and (found := sight(reading, incident.pid)):
                incident.sights.append(found)
                after = f" after {', '.join(found.above[:3])}" if found.above else ""
                print(f"{incident.kind:8} rank {found.rank}{after}, score {found.score:.2f}: {'; '.join(found.why)}", file=sys.stderr)
    return "the readings ended early"


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m benchmarks.incidents", description="Is a fault seen when it happens?")
    flags.add_argument("--kinds", default="spin,write,leak,fork,stop", help=f"comma-separated, of {', '.join(KINDS)}")
    flags.add_argument("--quiet", type=float, default=120.0, metavar="SECONDS", help="quiet time before the first fault")
    flags.add_argument("--proctop", metavar="COMMAND", help="command line of proctop, to which the batch flags are added")
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    flags = parser()
    options = flags.parse_args(argv)
    kinds = options.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        flags.error(f"no such kind: {', '.join(unknown)}; one of {', '.join(KINDS)}")
    command = shlex.split(options.proctop) if options.proctop else proctop_command(1.0)
    incidents: list[Incident] = []
    workers: list[subprocess.Popen[str]] = []
    with ExitStack() as stack:
        monitor = stack.enter_context(_running([*command, "-b", "--format", "json"]))
        for place, kind in enumerate(kinds):
            quiet = options.quiet + place * _APART
            worker = [sys.executable, "-m", "benchmarks.workers", kind, "--quiet", str(quiet), "--seconds", str(_FAULT)]
            process = stack.enter_context(_running(worker))
            assert process.stdout is not None
            began = float(process.stdout.readline().split()[2])
            workers.append(process)
            incidents.append(Incident(kind, process.pid, began + quiet, []))
        assert monitor.stdout is not None
        trouble = _follow(monitor.stdout, incidents, workers, incidents[-1].onset + _FAULT)
    for incident in incidents:
        print(line(incident))
    if trouble:
        print(trouble)
    return 0 if not trouble and all(incident.seen for incident in incidents) else 1


if __name__ == "__main__":
    raise SystemExit(main())
