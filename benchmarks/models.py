"""What each model costs: ``python -m benchmarks.models [ROWS]`` prints µs of processor time a row, and bytes that one model holds.

Rows are those of synthetic processes with the 15 features that models are given on a host, four in ten of them zero. The figures are
those of ``scoring.catalogue``.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Iterator

from proctop.fields import FEATURE, FEATURES
from proctop.scoring.catalogue import BASELINE, NAMES
from proctop.scoring.models import score_and_learn
from proctop.scoring.river import PIPELINES, models
from proctop.scoring.rowwise import RATES


def rows(count: int) -> Iterator[dict[str, float]]:
    luck = random.Random(1)
    for _ in range(count):
        yield {name: FEATURES[FEATURE[name]].noise * luck.expovariate(0.1) * (luck.random() < 0.6) for name in RATES}


def measure(name: str, count: int) -> tuple[float, int]:
    """µs a row over the second half of ``count`` rows, and bytes held after all of them."""
    seat = models(name, 1).of("")
    table = list(rows(count))
    for x in table[: count // 2]:
        score_and_learn(seat, x)
    began = time.process_time()
    for x in table[count // 2 :]:
        score_and_learn(seat, x)
    spent = time.process_time() - began
    tracemalloc.start()
    fresh = PIPELINES[name]()
    for x in table:
        fresh.score_one(x)
        fresh.learn_one(x)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return spent / (count - count // 2) * 1e6, held


def main(argv: list[str]) -> int:
    count = int(argv[0]) if argv else 4000
    for name in NAMES:
        if name != BASELINE:
            cost, held = measure(name, count)
            print(f"{name:20} {cost:7.0f} µs  {held / 1000:7.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
