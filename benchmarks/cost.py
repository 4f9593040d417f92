"""What one refresh costs: proctop side by side with htop, btop, atop, top and glances.

    python -m benchmarks.cost --processes 1000 --seconds 20 --rounds 3 [--source proc,bpf] [--busy 20]

Each program runs alone under a pseudo-terminal of its own: a start, a settling time, ``--seconds`` of rest in which CPU, bytes and
refreshes are counted, and as long again with cursor keys at random moments. Rounds interleave the programs, medians are printed. CPU is
user and system time of the program with all its threads and children.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from benchmarks.idlers import Idlers
from benchmarks.screen import Screen, answers, first_rows, percentile, processes, refreshes
from benchmarks.terminal import Terminal, host_cpu, tree_cpu, tree_peak

PEERS = ("htop", "btop", "atop", "top", "glances")
_START = 30.0  # seconds a program may take to its first rows
_SETTLE = 5.0
_KEYS_PER_SECOND = 4.0
_APPLICATION_KEYS = b"\x1b[?1h"  # DECCKM: from then on cursor keys are ESC O, not ESC [


class MeasureError(Exception):
    """A program cannot be measured; says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the rounds of one program; NaN = not seen.

    Attributes:
        cpu: CPU ms per second at rest.
        cpu_refresh: CPU ms per refresh at rest.
        kept: refreshes seen / refreshes due.
        bytes_refresh: bytes to the terminal per refresh at rest.
        rss: peak resident MB (10⁶ bytes).
        first_cpu, first_wall: ms from exec to the first rows.
        key_median, key_p99: ms from a key to the output that answers it; ``inf`` = more than 500.
    """

    cpu: float
    cpu_refresh: float
    kept: float
    bytes_refresh: float
    rss: float
    first_cpu: float
    first_wall: float
    key_median: float
    key_p99: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program: its figures, the delay of each key in seconds, and what went differently."""

    cost: Cost
    delays: list[float]
    note: str


def peer_command(name: str, interval: float, home: str) -> list[str]:
    """The command line that makes a peer show all processes each ``interval`` seconds; writes what it needs below ``home``."""
    if name not in PEERS:
        raise MeasureError(f"not known; one of {', '.join(PEERS)}")
    if shutil.which(name) is None:
        raise MeasureError("not installed")
    if name == "htop":
        return ["htop", "-d", str(round(interval * 10))]
    if name == "btop":
        config = os.path.join(home, ".config", "btop")
        os.makedirs(config, exist_ok=True)
        with open(os.path.join(config, "btop.conf"), "w") as file:
            file.write(f"update_ms={round(interval * 1000)}\n")
        return ["btop"]
    if name == "atop":
        if interval != int(interval):
            raise MeasureError("takes whole seconds only")
        return ["atop", "-a", str(int(interval))]  # -a: idle processes too
    if name == "top":
        return ["top", "-d", str(interval)]
    return ["glances", "-t", str(interval)]


def proctop_command(interval: float, source: str = "auto") -> list[str]:
    """The console script beside this interpreter, or the module."""
    script = os.path.join(os.path.dirname(sys.executable), "proctop")
    start = [script] if os.access(script, os.X_OK) else [sys.executable, "-m", "proctop"]
    return [*start, "-d", str(interval), "--source", source]


def environment(home: str) -> dict[str, str]:
    """A 256-colour UTF-8 terminal and nothing of the user's own configuration."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")}
    return {**kept, "HOME": home, "XDG_CONFIG_HOME": os.path.join(home, ".config"), "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def measure(argv: Sequence[str], home: str, size: tuple[int, int], seconds: float, interval: float) -> Run:
    """Run one program and take its figures.

    Raises:
        MeasureError: it ended or showed no processes.
    """
    columns, lines = size
    known = processes()
    with Terminal(argv, columns, lines, environment(home)) as terminal:
        terminal.wait(0.5)
        first = None
        while first is None and time.monotonic() - terminal.started < _START and terminal.alive:
            terminal.wait(0.5)
            first = first_rows(terminal.chunks[:], columns, lines, known)
        if first is None:
            screen = Screen(columns, lines)
            for chunk in terminal.chunks:
                screen.feed(chunk.data)
            said = " / ".join(line.strip() for line in screen.text() if line.strip())[-300:]
            raise MeasureError(f"{'showed no processes' if terminal.alive else 'ended'}: {said or 'no output'}")
        intro = b"\x1bO" if any(_APPLICATION_KEYS in chunk.data for chunk in terminal.chunks) else b"\x1b["
        for _ in range(5):  # away from the first row, so that a later Up has somewhere to go
            terminal.send(intro + b"B")
            terminal.wait(0.2)
        terminal.wait(_SETTLE)

        rest_from, cpu_from, host_from, mark = time.monotonic(), tree_cpu(terminal.pid), host_cpu(), len(terminal.chunks)
        terminal.wait(seconds)
        cpu = tree_cpu(terminal.pid) - cpu_from
        others = host_cpu() - host_from - cpu
        rested, rest_mark = time.monotonic() - rest_from, len(terminal.chunks)

        keys: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end and terminal.alive:
            terminal.wait(random.uniform(0.6, 1.4) / _KEYS_PER_SECOND)
            keys.append(terminal.send(intro + (b"A" if len(keys) % 2 else b"B")))
        terminal.wait(0.6)
        if not terminal.alive:
            raise MeasureError("ended while it was measured")
        rss = tree_peak(terminal.pid)
    chunks = terminal.chunks
    due = round(rested / interval)
    seen = min(refreshes(chunks[mark:rest_mark], interval), due)  # a refresh in two parts, far apart, is still one
    delays, how = answers(chunks, keys, columns, lines, known.keys())
    cost = Cost(
        cpu=cpu / rested * 1e3,
        cpu_refresh=cpu * 1e3 / seen if seen else math.nan,
        kept=seen / due,
        bytes_refresh=sum(len(chunk.data) for chunk in chunks[mark:rest_mark]) / seen if seen else 0.0,
        rss=rss / 1e6,
        first_cpu=first.cpu * 1e3,
        first_wall=(first.time - terminal.started) * 1e3,
        key_median=percentile(delays, 50) * 1e3,
        key_p99=percentile(delays, 99) * 1e3,
    )
    notes = [
        f"{len(known)} processes, the others used {max(0.0, others) / rested:.0%} of a cpu",
        f"{len(keys)} keys by {how}",
    ]
    if unanswered := sum(math.isinf(delay) for delay in delays):
        notes.append(f"{unanswered} not answered")
    if terminal.killed:
        notes.append("ignored SIGTERM")
    return Run(cost, delays, ", ".join(notes))


def summarise(runs: Sequence[Run]) -> Cost:
    """Medians over runs; the key figures over the keys of all runs."""
    medians = {field.name: statistics.median(getattr(run.cost, field.name) for run in runs) for field in fields(Cost)}
    delays = [delay for run in runs for delay in run.delays]
    return Cost(**{**medians, "key_median": percentile(delays, 50) * 1e3, "key_p99": percentile(delays, 99) * 1e3})


_TITLES = ("cpu ms/s", "cpu ms/refresh", "kept", "B/refresh", "RSS MB", "first cpu ms", "first wall ms", "key p50 ms", "key p99 ms")
_FORMATS = ("{:.1f}", "{:.1f}", "{:.2f}", "{:.0f}", "{:.1f}", "{:.0f}", "{:.0f}", "{:.1f}", "{:.1f}")


def table(costs: dict[str, Cost]) -> str:
    """The figures, then each program's as multiples of the first one's."""
    rows = [["", *_TITLES]]
    for name, cost in costs.items():
        rows.append([name, *(form.format(value) for form, value in zip(_FORMATS, asdict(cost).values(), strict=True))])
    (base, reference), *others = costs.items()
    for name, cost in others:
        pairs = zip(asdict(cost).values(), asdict(reference).values(), strict=True)
        rows.append([f"{name} / {base}", *(f"{value / by:.2f}" if by and math.isfinite(value / by) else "–" for value, by in pairs)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join(cell.rjust(w + 2) for cell, w in zip(row[1:], widths[1:], strict=True)) for row in rows
    )


def _size(text: str) -> tuple[int, int]:
    columns, _, lines = text.partition("x")
    if not (columns.isdecimal() and lines.isdecimal() and int(columns) and int(lines)):
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMNSxLINES, e.g. 200x50")
    return int(columns), int(lines)


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m benchmarks.cost", description="What a refresh costs, side by side.")
    flags.add_argument("--processes", type=int, default=1000, metavar="N", help="idle processes to start, 5 %% of which wake each second")
    flags.add_argument("--seconds", type=float, default=15.0, metavar="S", help="length of the rest, and of the keys")
    flags.add_argument("--interval", type=float, default=1.0, metavar="S", help="refresh interval")
    flags.add_argument("--rounds", type=int, default=1, metavar="R", help="interleaved rounds; medians are printed")
    flags.add_argument("--size", type=_size, default=(200, 50), metavar="COLUMNSxLINES", help="of the terminal")
    flags.add_argument("--source", default="auto", metavar="NAMES", help="comma-separated sources of proctop, each a row: auto, proc, bpf")
    flags.add_argument("--busy", type=int, default=0, metavar="N", help="processes that always want a cpu, beside the idle ones")
    flags.add_argument("--peers", default="htop,btop,atop,top", help=f"comma-separated, of {', '.join(PEERS)}; may be empty")
    flags.add_argument("--proctop", metavar="COMMAND", help="command line of proctop; empty leaves it out")
    flags.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    names = [name for name in options.peers.split(",") if name]
    ours = {"proctop": shlex.split(options.proctop)} if options.proctop else {}
    if options.proctop is None:
        sources = [name for name in options.source.split(",") if name]
        ours = {f"proctop {name}" if len(sources) > 1 else "proctop": proctop_command(options.interval, name) for name in sources}
    names = [*ours, *names]
    runs: dict[str, list[Run]] = {}
    skipped: dict[str, str] = {}
    try:
        with Idlers(options.processes, spinning=options.busy):
            for turn in range(options.rounds):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    if name in skipped:
                        continue
                    print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr)
                    with tempfile.TemporaryDirectory() as home:
                        try:
                            command = ours[name] if name in ours else peer_command(name, options.interval, home)
                            run = measure(command, home, options.size, options.seconds, options.interval)
                        except MeasureError as error:
                            skipped[name] = str(error)
                            continue
                    runs.setdefault(name, []).append(run)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; figures so far:", file=sys.stderr)
    costs = {name: summarise(runs[name]) for name in names if name in runs}
    notes = {name: "; ".join(run.note for run in runs[name]) for name in costs}
    setting = {name: getattr(options, name) for name in ("processes", "busy", "seconds", "interval", "rounds", "size")} | {
        "load": os.getloadavg()
    }
    if options.json:
        print(json.dumps({**setting, "costs": {name: asdict(cost) for name, cost in costs.items()}, "notes": notes, "skipped": skipped}))
    else:
        print(", ".join(f"{name} {value}" for name, value in setting.items()))
        if costs:
            print(table(costs))
        for name, note in notes.items():
            print(f"{name}: {note}")
        for name, reason in skipped.items():
            print(f"{name}: skipped, {reason}")
    return 0 if costs else 1


if __name__ == "__main__":
    raise SystemExit(main())
