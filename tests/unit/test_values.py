"""Numbers and words of every column."""

from __future__ import annotations

import numpy as np
import pytest

from frames import BOOT, GIB, REDIS, WEB, Proc, build, crowd, thread_table
from proctop import fields
from proctop.frames import Reason, Status
from proctop.records import Container
from proctop.view import values

EVERY = list(dict.fromkeys([*(c.name for c in fields.COLUMNS), *fields.SCHEMA]))

FRAME = build(
    [
        Proc(
            7,
            "redis-server",
            ppid=1,
            start=100_000,
            command="redis-server *:6379",
            user="redis",
            cgroup="/docker/x",
            container=REDIS,
            nice=-5,
            features={"cpu": 1.5, "rss": 4 * GIB, "minflt": 10, "majflt": 1, "vctx": 3, "run_wait": 0.25},
            counters={"utime": 1.5e9, "stime": 0.5e9},
            rank=3.0,
            alert=4.0,
            why=(Reason("cpu", 1.5, (0.0, 0.2), "own", "cpu 150 %, usual 0–20 %"), Reason("rss", 1.0, (0.0, 1.0), "own", "4 GB resident")),
            past=(0.0, 1.0),
        ),
        Proc(8, "web", container=WEB, status=Status.NEW),
        Proc(9, "kworker", kernel=True, container=None, state="I"),
        Proc(10, "x", container=Container("d" * 64)),
    ],
    threads=thread_table([(70, 7, "io thread")]),
)


@pytest.mark.parametrize("name", EVERY)
def test_every_name_has_numbers_or_words_for_all_rows_some_and_threads(name: str) -> None:
    some = np.array([2, 0, ~0])
    assert len(values.texts(FRAME, name)) == 4
    assert values.texts(FRAME, name, some)[:2] == [values.texts(FRAME, name)[2], values.texts(FRAME, name)[0]]
    assert len(values.texts(FRAME, name, some)) == 3
    if values.is_text(name):
        with pytest.raises(KeyError):
            values.numbers(FRAME, name)
        return
    every = values.numbers(FRAME, name)
    assert every.dtype == np.float64 and every.shape == (4,)
    np.testing.assert_array_equal(values.numbers(FRAME, name, some[:2]), every[[2, 0]])
    width = fields.COLUMN[name].width if name in fields.COLUMN else 9
    assert all(1 <= len(text) <= width for text in values.texts(crowd(50), name))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("score", 3.0),
        ("alert", 4.0),
        ("pid", 7.0),
        ("ppid", 1.0),
        ("nice", -5.0),
        ("cpu", 150.0),
        ("run_wait", 25.0),
        ("mem", 25.0),
        ("rss", 4.0 * GIB),
        ("faults", 11.0),
        ("time", 2.0),
        ("start", BOOT + 1000.0),
        ("elapsed", 2600.0),
    ],
)
def test_numbers(name: str, number: float) -> None:
    assert values.numbers(FRAME, name)[0] == number


def test_what_is_missing_is_nan() -> None:
    assert np.isnan(values.numbers(FRAME, "switches")[0])  # one of its two parts is
    for name in ("cpu", "mem", "disk_read", "time"):
        assert np.isnan(values.numbers(FRAME, name)[1])
        assert values.texts(FRAME, name)[1] == "–"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("user", ["redis", "root", "root", "root"]),
        ("command", ["redis-server *:6379", "web", "kworker", "x"]),
        ("comm", ["redis-server", "web", "kworker", "x"]),
        ("container", ["cache", "web-1", "", "d" * 12]),
        ("image", ["docker.io/library/redis:7.2", "nginx:1.25", "", ""]),
        ("pod", ["", "shop/web-7c9f", "", ""]),
        ("runtime", ["docker", "containerd", "", ""]),
        ("cgroup", ["/docker/x", "/", "/", "/"]),
        ("state", ["S", "S", "I", "S"]),
        ("status", ["scored", "new", "scored", "scored"]),
        ("why", ["cpu 150 %, usual 0–20 %; 4 GB resident", "", "", ""]),
    ],
)
def test_texts(name: str, texts: list[str]) -> None:
    assert values.texts(FRAME, name) == texts


def test_history_is_drawn_from_the_trail() -> None:
    assert values.texts(FRAME, "history")[0] == "         ▁▃█"


def test_threads_have_names_and_no_rates() -> None:
    rows = np.array([~0])
    assert values.texts(FRAME, "command", rows) == ["io thread"]
    assert values.texts(FRAME, "state", rows) == ["S"]
    assert values.texts(FRAME, "why", rows) == [""]
    assert values.numbers(FRAME, "pid", rows) == [70.0]
    assert values.numbers(FRAME, "ppid", rows) == [7.0]
    assert np.isnan(values.numbers(FRAME, "cpu", rows)).all()


def test_a_state_code_that_is_no_letter_shows_nothing() -> None:
    frame = build([Proc(1, "x", counters={"state": 7.0}), Proc(2, "y", counters={"state": float("nan")})])
    assert values.texts(frame, "state") == ["", ""]


def test_sums_make_sense_for_amounts_only() -> None:
    assert {"cpu", "rss", "disk_write", "threads", "faults", "time", "mem"} <= set(values.ADDITIVE)
    assert not {"pid", "ppid", "score", "idle_s", "nice", "start", "elapsed"} & set(values.ADDITIVE)
