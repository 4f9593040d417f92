"""Whatever comes and goes, and however late its end is told: the rows of a process add up to what it took."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proctop.engine import SeenEngine
from proctop.export.events import ResourceEvents
from proctop.fields import COUNTER, COUNTERS
from proctop.records import Exit, HostCounters, HostInfo, Label, ProcKey, Reading
from proctop.sources.events import COLUMNS, FEATURES
from proctop.stream.codec import Decoder, Encoder
from proctop.stream.header import Header

INFO = HostInfo("node1", "6.1.0", "boot", 4, 100, 4096, 1 << 34, 1.7e9)
HEADER = Header(INFO, tuple(c.name for c in COUNTERS), "test", True)
UP, READINGS = 1000.0, 9
ROWS = [COUNTER[{"cpu_ns": "run_ns", "bytes_read": "rchar", "bytes_written": "wchar"}.get(name, name)] for name in FEATURES]


@dataclass(frozen=True)
class Life:
    """Times are seconds after the first reading. ``told``: readings between its row's last and the word of its end."""

    birth: float
    length: float
    speed: int
    told: int

    def counters(self, when: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        out = np.full(len(COUNTERS), np.nan)
        out[COUNTER["ppid"]] = out[COUNTER["threads"]] = 1.0
        out[ROWS] = [np.floor(self.speed * (k + 1) * (min(when, self.birth + self.length) - self.birth)) for k in range(len(ROWS))]
        return out


lives = st.builds(
    Life, st.floats(-3, READINGS - 1).filter(lambda b: b % 1 > 0.02), st.floats(0.001, 6), st.integers(0, 1 << 20), st.integers(0, 4)
)


@settings(max_examples=60)
@given(st.lists(lives, min_size=1, max_size=12))
def test_the_rows_of_a_process_add_up_to_what_it_took(crowd: list[Life]) -> None:
    engine, events, text = SeenEngine(), ResourceEvents(), ""
    encoder, decoder = Encoder(None), Decoder(HEADER)
    keys = [ProcKey(100 + k, int((UP + life.birth) * INFO.ticks)) for k, life in enumerate(crowd)]
    told: set[int] = set()
    for now in range(READINGS):
        alive = [k for k, life in sorted(enumerate(crowd), key=lambda one: one[1].birth) if life.birth <= now < life.birth + life.length]
        ended = [k for k, life in enumerate(crowd) if 0 < now == np.ceil(life.birth + life.length) + life.told]
        told.update(ended)
        reading = Reading(
            *(now, 1.7e9 + now, UP + now, UP + now, 1.0, 0.0, "bpf", INFO),
            pid=np.array([keys[k].pid for k in alive], np.int64),
            start=np.array([keys[k].start for k in alive], np.int64),
            counters=np.array([crowd[k].counters(now) for k in alive]).reshape(-1, len(COUNTERS)).T,
            labels=[Label("work")] * len(alive),
            host=HostCounters(np.zeros((1, 10), np.int64)),
            exits=tuple(Exit(keys[k], 1, Label("work"), 0) for k in ended),
            ended=np.array([crowd[k].counters(np.inf) for k in ended]).T if ended else None,
        )
        frame = engine.step(decoder.decode(encoder.encode(reading, None)))
        text += events.lines(frame, lambda each: np.ones(len(each.batch), np.bool_))
    sums: dict[str, Counter[str]] = {}
    for row in csv.DictReader(io.StringIO(text), COLUMNS):
        sums.setdefault(row["pid"], Counter()).update({name: int(row[name]) for name in FEATURES})
    for k in told:
        if crowd[k].birth > 0:
            assert [sums[str(keys[k].pid)][name] for name in FEATURES] == crowd[k].counters(np.inf)[ROWS].tolist()
    assert events.rows == text.count("\n")
