"""Batch mode for those who listen: one sentence a process, nothing drawn."""

from __future__ import annotations

from dataclasses import replace

import scenes
from frames import Proc, build
from proctop.export.plain import as_plain
from proctop.frames import Frame
from proctop.view.rows import Arranger, ViewState


def told(frame: Frame, top: int = 0, *, ascii: bool = False, threads: bool = False) -> list[str]:
    return as_plain(frame, Arranger().arrange(frame, ViewState(threads=threads)), top, ascii=ascii).splitlines()


def test_each_process_is_one_sentence_that_says_what_and_why() -> None:
    lines = told(scenes.frame())
    assert lines[0].startswith("Host node1 at ") and lines[0].endswith(": 19 processes, 17 told, 1 alerting, cpu 25.0 percent.")
    assert lines[1] == "Not known: io, not permitted for processes of others; run as root, 231 processes."
    assert lines[2] == (
        "pid 1841 worker.py of user app: ALERT, score 11.2 because writes 38 MB/s, usual 0–1.2 MB/s; fds +120/s, usual 0–1/s. "
        "cpu 62.0 percent, memory 96.0M."
    )
    assert lines[3].startswith("pid 2200 redis-server of user 999 in container cache: score 4.3 because no activity for 40 s")
    assert len([line for line in lines if line.startswith("pid ")]) == 17 and lines[-1] == ""
    assert all("  " not in line and line.isprintable() for line in lines)


def test_the_first_few_and_ascii() -> None:
    lines = told(scenes.frame(), 2, ascii=True)
    assert len([line for line in lines if line.startswith("pid ")]) == 2 and all(line.isascii() for line in lines)


def test_what_is_not_judged_or_not_known_is_said_in_words() -> None:
    assert "pid 1841 worker.py of user app: not judged yet. cpu 62.0 percent, memory 96.0M." in told(scenes.warming())
    assert told(scenes.warming())[0].endswith("Warming up, 10% done.")
    unknown = build([replace(scenes.people()[0], rank=float("nan")), Proc(7, "x")])
    lines = told(unknown)
    assert "pid 1 systemd of user root: no score. cpu 0.0 percent, memory 12.4M." in lines
    assert "pid 7 x of user root: no score. cpu not known, memory not known." in lines
