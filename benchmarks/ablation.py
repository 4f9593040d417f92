"""What each part of the default detector is worth: `benchmarks.detection` again and again, with one part left out.

python -m benchmarks.ablation RECORDING.npz …
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.detection import Recording, Truth, judge, means, run, truth
from proctop.scoring import baseline, blame, evidence, explain, learning, memory
from proctop.scoring.baseline import Baseline
from proctop.scoring.novelty import Arrival, Novelty
from proctop.scoring.tails import EVIDENCES, IDLE, LEVELS, UPPER


class _NoNews(Novelty):
    def evidence(self, arrivals: list[Arrival], reading: int) -> list[float]:
        return [0.0] * len(arrivals)


def _plain() -> Any:
    own = evidence._OWN.copy()
    own[:UPPER] = 6.0
    own[LEVELS] = own[IDLE] = 0.1
    return own


PARTS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "this detector": (),
    "without novelty": ((memory, "Novelty", _NoNews),),
    "without doubt of newcomers": ((baseline, "EXCURSION_NEW", np.inf), (learning, "_GUARDED_NEW", 0.04)),
    "without blame": ((blame, "HALF", np.float32(1)),),
    "without trust": ((baseline, "_SURE", 1),),
    "silence before the first act counts": ((memory, "DORMANT", 1 << 30),),
    "bursts of 20 s": ((learning, "_BURST", 20.0),),
    "shrinkage 6, levels .1": ((evidence, "_OWN", _plain()),),
    "without waits for a cpu": ((baseline, "heed", lambda values, rows: np.float32(0)),),
    "waits tell as much where all wait": ((baseline, "heed", lambda values, rows: np.float32(1)),),
    "without symptoms last": ((explain, "_SYMPTOM", np.zeros(EVIDENCES, np.float32)),),
}
PARTS["none of these"] = tuple(change for name, changes in PARTS.items() if not name.startswith("waits tell") for change in changes)
"""Module, name and value that stand in for a part."""


def _row(sessions: list[tuple[Recording, Truth]]) -> dict[str, float]:
    events: list[dict[str, Any]] = []
    pooled = []
    for recording, real in sessions:
        figures, some = judge(recording, run(recording, Baseline()), real)
        events += some
        pooled.append(figures)
    return means(events) | {name: float(np.mean([p[name] for p in pooled])) for name in ("AUC-PR rank", "false alerts/h")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="+", type=Path)
    recordings = [Recording.load(path) for path in parser.parse_args().recording]
    sessions = [(recording, truth(recording)) for recording in recordings]
    for name, changes in PARTS.items():
        with ExitStack() as stack:
            for module, what, value in changes:
                stack.enter_context(patch.object(module, what, value))
            row = _row(sessions)
        if not changes:
            print("| |", " | ".join(row), "|")
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in row.values()), "|", flush=True)


if __name__ == "__main__":
    main()
