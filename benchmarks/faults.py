"""Records a labelled session on this host: real servers, workers with routines, and faults injected into those that ran normally.

    python -m benchmarks.faults -o DIR [--minutes 10] [--seed 1] [--source bpf]

Needs redis-server, redis-benchmark, nginx, ab, wrk, postgres, initdb, psql, createdb, pgbench and, for containers, a writable cgroup.
It writes DIR/sSEED.proctop, the recording; sSEED.json, who misbehaved when; and sSEED.npz, both as `benchmarks.detection` reads them. The
first fault begins after 90 s, later ones every ten seconds or so; nobody is chosen who misbehaved within the last minute or is younger.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.labelled import convert
from benchmarks.routines import die_with_parent
from benchmarks.services import Services
from benchmarks.stage import OTHERS, SERVICE_FAULTS, WORKER_FAULTS, Stage

_FIRST, _LAST = 90.0, 25.0  # seconds before the first fault, and after the last
_TICK = 0.05


def containers(rng: Random, count: int) -> list[Path]:
    """Control groups as Docker makes them; none where that is not allowed."""
    root = Path("/sys/fs/cgroup")
    base = (root / "cpu" if (root / "cpu").is_dir() else root) / "docker"
    made = []
    for _ in range(count):
        folder = base / "".join(rng.choices("0123456789abcdef", k=64))
        try:
            folder.mkdir(parents=True)
        except OSError:
            break
        made.append(folder)
    return made


def plan(rng: Random, seconds: float) -> list[tuple[float, str]]:
    """When what begins: every kind once before any comes again."""
    kinds: list[str] = []
    out, when = [], _FIRST
    while when < seconds - _LAST - 15:
        if not kinds:
            kinds = [*WORKER_FAULTS, *SERVICE_FAULTS, *OTHERS]
            rng.shuffle(kinds)
        out.append((when, kinds.pop()))
        when += rng.uniform(6, 12)
    return out


def record(folder: Path, minutes: float, seed: int, workers: int, source: str) -> Path:
    """One session; the path of its recording."""
    rng = Random(seed)
    tape = folder / f"s{seed}.proctop"
    tape.unlink(missing_ok=True)
    cgroups = containers(rng, 6)
    home = Path(tempfile.mkdtemp(prefix="faults-"))
    services = Services(home, 21000 + seed % 1000 * 10)
    stage = Stage(rng, services, cgroups)
    try:
        stage.staff(workers)
        stage.normal_life()
        collect = [sys.executable, "-m", "proctop", "collect", "-o", str(tape), "--source", source]
        recorder = subprocess.Popen(collect, preexec_fn=die_with_parent)
        began, seconds = time.monotonic(), minutes * 60
        pending = plan(rng, seconds)
        while (now := time.monotonic() - began) < seconds:
            if recorder.poll() is not None:
                raise SystemExit("the recorder has ended")
            stage.run_due()
            begun = next((i for i, (when, kind) in enumerate(pending) if when <= now and stage.strike(kind)), None)
            if begun is not None:
                kind = pending.pop(begun)[1]
                print(f"{now:6.1f} s  {kind}", flush=True)
                pending = [(max(w, now + 4), k) for w, k in pending]
            time.sleep(_TICK)
        recorder.send_signal(signal.SIGTERM)
        recorder.wait(10)
    finally:
        for session in services.sessions:
            session.busy_until = 0.0
        stage.close()
        services.close()
        shutil.rmtree(home, ignore_errors=True)
        for cgroup in cgroups:
            cgroup.rmdir()
    notes = {"seed": seed, "minutes": minutes, "mgr": os.getpid(), "psql": services.clients, "labels": stage.labels}
    notes["workers"] = [{"pid": w.pid, "kind": w.kind, "comm": w.comm, "cg": w.cgroup, "t": w.born} for w in stage.workers]
    tape.with_suffix(".json").write_text(json.dumps(notes))
    return tape


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    flags.add_argument("--minutes", type=float, default=10.0, metavar="M")
    flags.add_argument("--seed", type=int, default=1, metavar="N")
    flags.add_argument("--workers", type=int, default=67, metavar="N")
    flags.add_argument("--source", default="proc", metavar="NAME", help="proc or bpf: the waits of all threads, not of the main ones only")
    options = flags.parse_args(argv)
    tools = ("redis-server", "redis-benchmark", "nginx", "ab", "wrk", "postgres", "initdb", "psql", "createdb", "pgbench")
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        flags.error(f"not installed: {', '.join(missing)}")
    options.output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    tape = record(options.output, options.minutes, options.seed, options.workers, options.source)
    print(convert(tape))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
