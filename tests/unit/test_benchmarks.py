"""The pure parts of the benchmarks: parsing, counting, summarising."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from benchmarks import cost, incidents, keys, recording, screen, workers
from benchmarks.terminal import Chunk

from proctop.engine import Engine
from proctop.fields import COUNTER
from proctop.scoring.registry import make
from traffic import Host


def test_percentile_is_the_nearest_rank_and_sorts_unanswered_last() -> None:
    assert screen.percentile([4, 1, 3, 2], 50) == 2
    assert screen.percentile(list(range(1, 101)), 99) == 99
    assert screen.percentile([0.001, math.inf], 99) == math.inf
    assert math.isnan(screen.percentile([], 50))


def test_bursts_are_groups_with_a_gap_between_them() -> None:
    assert screen.bursts([], 0.4) == 0
    assert screen.bursts([0.0, 0.01, 0.02, 1.0, 1.3, 2.0], 0.4) == 3


def test_rows_need_pid_and_name_on_one_line() -> None:
    known = {101: {"idler"}, 102: {"idler"}, 103: {"idler", "python3"}}
    lines = [" 101 root idler", " 102 root idler", " 103 root python3 -S"]
    assert screen.shows_rows(lines, known)
    assert not screen.shows_rows([*lines[:2], " 104 root idler", " 1031 root idler", "idler", "103"], known)


def test_first_rows_is_the_chunk_that_completes_them() -> None:
    known = {pid: {"idler"} for pid in (101, 102, 103)}
    texts = (b"\x1b[2J\x1b[H101 idler\r\n", b"102 \x1b[1midler\x1b[m\r\n103 id", b"ler", b"\r\nmore")
    chunks = [Chunk(float(i), 0.1 * i, text) for i, text in enumerate(texts)]
    assert screen.first_rows(chunks, 80, 24, known) is chunks[2]
    assert screen.first_rows(chunks[:2], 80, 24, known) is None


def test_a_refresh_is_no_answer_where_keys_move_a_selection() -> None:
    first = Chunk(0.0, 0.0, b"\x1b[2J\x1b[1;1H\x1b[44m" + b"a" * 20 + b"\x1b[m")
    refresh = Chunk(1.001, 0.0, b"\x1b[5;1Hnews")
    moved = Chunk(1.010, 0.0, b"\x1b[1;1H" + b"a" * 20 + b"\x1b[2;1H\x1b[44m" + b"b" * 20 + b"\x1b[m")
    delays, how = screen.answers([first, refresh, moved], [1.0], 20, 10)
    assert how == "selection"
    assert delays == [pytest.approx(0.010)]


def test_a_selection_that_moves_with_its_row_is_still_an_answer() -> None:
    def shown(pid: bytes) -> bytes:
        return b"\x1b[2;1H\x1b[44m" + pid.ljust(20) + b"\x1b[m"

    chunks = [Chunk(0.0, 0.0, b"\x1b[2J" + shown(b"41 5.0")), Chunk(1.1, 0.0, shown(b"41 6.0")), Chunk(1.2, 0.0, shown(b"42 5.0"))]
    delays, how = screen.answers(chunks, [1.0], 20, 10, {41, 42})
    assert how == "selection"
    assert delays == [pytest.approx(0.2)]


def test_without_a_selection_the_first_output_is_the_answer() -> None:
    chunks = [Chunk(time, 0.0, b"\x1b[1;1Htext") for time in (0.0, 1.2, 3.9)]
    delays, how = screen.answers(chunks, [1.0, 3.0], 20, 10)
    assert how == "output"
    assert delays == [pytest.approx(0.2), math.inf]


def test_the_screen_takes_private_sequences() -> None:
    emulated = screen.Screen(20, 3)
    emulated.feed(b"\x1b[>4;1m\x1b[?2026h\x1b[>1uplain\x1b[?2026l")
    assert emulated.text()[0].rstrip() == "plain"


def _cost(value: float) -> cost.Cost:
    return cost.Cost(*[value] * 9)


def test_summary_takes_medians_of_runs_and_percentiles_of_all_keys() -> None:
    runs = [cost.Run(_cost(value), [value / 1000], "") for value in (1.0, 2.0, 9.0)]
    summary = cost.summarise(runs)
    assert summary.cpu == 2.0
    assert summary.key_median == pytest.approx(2.0)
    assert summary.key_p99 == pytest.approx(9.0)


def test_table_ends_with_ratios_to_the_first() -> None:
    lines = cost.table({"proctop": _cost(2.0), "htop": _cost(3.0)}).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["proctop", "htop", "htop"]
    assert lines[-1].split()[3:] == ["1.50"] * 9
    assert len({len(line) for line in lines}) == 1


def test_size_is_columns_by_lines() -> None:
    assert cost.parser().parse_args(["--size", "80x24"]).size == (80, 24)
    for wrong in ("80", "0x24", "80x", "ax3", "-1x3"):
        with pytest.raises(SystemExit):
            cost.parser().parse_args([f"--size={wrong}"])


def test_peers_are_told_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert cost.peer_command("htop", 1.5, str(tmp_path)) == ["htop", "-d", "15"]
    assert cost.peer_command("btop", 1.5, str(tmp_path)) == ["btop"]
    assert (tmp_path / ".config/btop/btop.conf").read_text() == "update_ms=1500\n"
    assert cost.peer_command("atop", 2.0, str(tmp_path)) == ["atop", "-a", "2"]
    with pytest.raises(cost.MeasureError, match="whole seconds"):
        cost.peer_command("atop", 1.5, str(tmp_path))
    with pytest.raises(cost.MeasureError, match="not known"):
        cost.peer_command("mytop", 1.0, str(tmp_path))


def test_an_absent_peer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(cost.MeasureError, match="not installed"):
        cost.peer_command("htop", 1.0, str(tmp_path))


def test_a_worker_of_no_known_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        workers.main(["nap"])
    assert "nap" in capsys.readouterr().err


def _reading(**scores: float) -> dict[str, Any]:
    processes = [
        {"pid": int(pid[1:]), "comm": "work", "score": score, "why": [{"text": f"because {pid}"}]} for pid, score in scores.items()
    ]
    return {"time": "2024-05-01T12:00:01.500+00:00", "processes": [*processes, {"pid": 9, "comm": "young", "score": None, "why": []}]}


def test_rank_counts_the_processes_with_a_higher_score() -> None:
    reading = _reading(p1=0.5, p2=3.0, p3=2.0)
    assert incidents.wall_time(reading) == 1714564801.5
    found = incidents.sight(reading, 3)
    assert found == incidents.Sight(2, 2.0, ("because p3",), ("work 2",))
    unscored = incidents.sight(reading, 9)
    assert unscored is not None and unscored.above == ("work 2", "work 3", "work 1")
    assert incidents.sight(reading, 77) is None


@pytest.mark.parametrize(
    ("kind", "ranks", "seen", "word"),
    [
        ("spin", (2, 2, 1), True, "seen"),
        ("spin", (2, 2, 2, 1), False, "LATE"),
        ("stop", (2, 2, 2, 1), True, "seen"),
        ("spin", (4, 2), False, "NOT SEEN"),
        ("spin", (), False, "NOT SEEN"),
    ],
)
def test_verdict(kind: str, ranks: tuple[int, ...], seen: bool, word: str) -> None:
    incident = incidents.Incident(kind, 1, 0.0, [incidents.Sight(rank, 1.0, (), ()) for rank in ranks])
    assert incident.seen is seen
    assert word in incidents.line(incident)


def test_first_of_the_unscored_is_not_seen() -> None:
    found = incidents.sight({"processes": [{"pid": 1, "comm": "work", "score": None, "why": []}]}, 1)
    assert found is not None
    assert not incidents.Incident("spin", 1, 0.0, [found]).seen


def test_a_day_is_the_same_minute_with_clocks_and_counters_moved_on() -> None:
    host = Host()
    host.born(7)
    host.born(8)
    engine = Engine(make())
    minute = []
    for second in range(3):
        host.did(7, utime=1e7 * second)
        host.now(8, rss=1e6 * (3 - second))
        minute.append(engine.step(host.read()))
    frame = recording.moved_on(minute)
    day = [frame(k).reading for k in range(9)]
    assert [r.seq for r in day] == list(range(9))
    assert [r.wall - day[0].wall for r in day] == [r.mono - day[0].mono for r in day] == list(range(9))
    assert [r.counters[COUNTER["utime"], 0] for r in day] == [0, 1e7, 3e7, 3e7, 4e7, 6e7, 6e7, 7e7, 9e7]
    assert [r.counters[COUNTER["rss"], 1] for r in day] == [3e6, 2e6, 1e6] * 3


def test_times_of_keys_are_told_by_screen_in_ms() -> None:
    told = keys.table({"help": keys.Times(opening=[0.02, 0.04, 0.03], within=[0.001] * 98 + [0.05, math.inf])}).splitlines()
    assert told[1].split() == ["help", "3", "30.0", "40.0", "100", "1.0", "50.0", "inf"]


def test_a_moved_cursor_is_another_background() -> None:
    shown = screen.Screen(20, 3)
    shown.feed(b"\x1b[44mone\x1b[0m\r\ntwo")
    before = shown.backgrounds()
    shown.feed(b"\x1b[H\x1b[31mone\x1b[0m")  # another colour of the text, and what stood on blue does not
    assert [i for i, (a, b) in enumerate(zip(before, shown.backgrounds(), strict=True)) if a != b] == [0]
