"""Batch mode and recordings, as a user runs them: in a pipe, interrupted, without rights; checked against psutil."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest

Require = Callable[[str, str], None]
PROCTOP = [sys.executable, "-P", "-m", "proctop"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """No settings of whoever runs the tests."""
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state"), "LC_ALL": "C.UTF-8"}


def proctop(*args: str, environ: dict[str, str], code: int = 0) -> str:
    done = subprocess.run([*PROCTOP, *args], capture_output=True, text=True, check=False, env=environ, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def readings(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def children() -> Iterator[list[psutil.Process]]:
    """Ten processes that hold still: what psutil sees of them before holds afterwards too."""
    code = "import sys; kept = bytearray(int(sys.argv[1]) << 20); print('up', flush=True); input()"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        for size in range(1, 11)
    ]
    for child in started:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
    yield [psutil.Process(child.pid) for child in started]
    for child in started:
        child.kill()
        child.communicate()


def test_json_agrees_with_psutil(environ: dict[str, str], children: list[psutil.Process]) -> None:
    processes = [*children, psutil.Process()]
    before = {p.pid: (sum(p.cpu_times()[:2]), p.memory_info().rss) for p in processes}
    last = readings(proctop("-b", "-n", "2", "-d", "0.3", "--format", "json", environ=environ))[-1]
    found = {p["pid"]: p for p in last["processes"]}
    tick = 1 / os.sysconf("SC_CLK_TCK")
    for p in processes:
        ours = found[p.pid]
        assert ours["ppid"] == p.ppid()
        assert ours["comm"] == p.name()[:15]
        assert ours["command"] == " ".join(p.cmdline())
        assert ours["user"] == p.username()
        assert ours["nice"] == p.nice()
        assert ours["threads"] == p.num_threads()
        assert abs(ours["start"] * tick + psutil.boot_time() - p.create_time()) <= 1.0 + tick
        assert before[p.pid][0] - tick <= ours["cpu_time"] <= sum(p.cpu_times()[:2]) + tick
        assert ours["memory_percent"] == pytest.approx(100 * ours["features"]["rss"] / psutil.virtual_memory().total, rel=1e-3)
    for p in children:
        # stat and statm, which psutil reads, differ by what each cpu has not added up yet (proc_pid_stat(5), "rss").
        assert found[p.pid]["features"]["rss"] == pytest.approx(before[p.pid][1], abs=1 << 20)
        assert found[p.pid]["features"]["vsize"] == pytest.approx(p.memory_info().vms, rel=1e-6)
        assert found[p.pid]["features"]["fds"] == p.num_fds()
        assert found[p.pid]["features"]["cpu"] == 0.0
    assert last["host"]["memory_total"] == psutil.virtual_memory().total
    assert len(last["host"]["cores"]) == psutil.cpu_count()


def test_readings_have_the_promised_shape(environ: dict[str, str]) -> None:
    first, second = readings(proctop("-b", "-n", "2", "-d", "0.2", "--format", "json", environ=environ))
    assert {"time", "interval", "late", "source", "host", "gaps", "exits", "processes"} <= set(second)
    assert first["time"] < second["time"]
    assert second["interval"] == 0.2
    for process in second["processes"]:
        assert {"pid", "start", "ppid", "comm", "command", "user", "state", "cgroup", "container", "features", "score", "alert"} <= set(
            process
        )
        assert {"every_hours", "status", "why"} <= set(process)
        assert all(value >= 0 for value in process["features"].values())
        assert process["every_hours"] is None  # warming


def test_pids_filter_user_and_top_choose(environ: dict[str, str], children: list[psutil.Process]) -> None:
    wanted = [p.pid for p in children[:3]]

    def chosen(*args: str) -> list[int]:
        return [
            p["pid"] for p in readings(proctop("-b", "-n", "1", "-d", "0.1", "--format", "json", *args, environ=environ))[0]["processes"]
        ]

    assert chosen("-p", ",".join(map(str, wanted)), "-s", "pid") == sorted(wanted)
    assert chosen("-p", ",".join(map(str, wanted)), "-s", "-pid") == sorted(wanted, reverse=True)
    assert chosen("-p", ",".join(map(str, wanted)), "-f", f"pid={wanted[1]}") == [wanted[1]]
    assert len(chosen("--top", "2")) == 2
    assert set(wanted) <= set(chosen("-u", psutil.Process().username()))


def test_csv_is_one_header_and_a_record_per_process(environ: dict[str, str], children: list[psutil.Process]) -> None:
    pids = ",".join(str(p.pid) for p in children)
    rows = list(csv.DictReader(StringIO(proctop("-b", "-n", "2", "-d", "0.1", "-p", pids, "--format", "csv", environ=environ))))
    assert len(rows) == 2 * len(children)
    assert {int(row["pid"]) for row in rows} == {p.pid for p in children}


def test_a_reader_that_leaves_ends_it_in_silence(environ: dict[str, str]) -> None:
    with subprocess.Popen([*PROCTOP, "-b", "-d", "0.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_recording_is_whole(environ: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    tape = tmp_path / "tape.proctop"
    command = [*PROCTOP, "-b", "-d", "0.1", "--format", "json", "-w", str(tape)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # under nohup it would be ignored, and is to be
    ) as running:
        assert running.stdout is not None
        seen = [json.loads(running.stdout.readline()) for _ in range(3)]
        running.send_signal(number)
        _, error = running.communicate(timeout=20)
        assert error == b""
        assert running.returncode == 128 + number
    assert tape.stat().st_mode & 0o777 == 0o600
    replayed = {r["time"]: r for r in readings(proctop("-b", "-r", str(tape), "--format", "json", environ=environ))}
    for reading in seen:
        again = replayed[reading["time"]]
        assert [p["pid"] for p in again["processes"]] == [p["pid"] for p in reading["processes"]]
        assert again["exits"] == reading["exits"]


def test_collect_records_what_replay_shows(environ: dict[str, str], children: list[psutil.Process]) -> None:
    stream = subprocess.run([*PROCTOP, "collect", "-o", "-", "-n", "3", "-d", "0.1"], capture_output=True, check=True, env=environ).stdout
    done = subprocess.run([*PROCTOP, "-b", "-r", "-", "--format", "json"], input=stream, capture_output=True, check=True, env=environ)
    taken = readings(done.stdout.decode())
    assert len(taken) == 3
    assert {p.pid for p in children} <= {p["pid"] for p in taken[-1]["processes"]}


def test_collect_names_its_file_after_host_and_time(environ: dict[str, str], tmp_path: Path) -> None:
    proctop("collect", "-n", "1", environ=environ)
    (tape,) = (tmp_path / "state" / "proctop").iterdir()
    assert tape.suffix == ".proctop"
    assert len(readings(proctop("-b", "-r", str(tape), "--format", "json", environ=environ))) == 1
    (first,) = readings(proctop("-b", "-r", str(tape), "--begin", "1h ago", "--format", "json", environ=environ))
    assert first["source"]
    assert proctop("-b", "-r", str(tape), "--end", "1h ago", "--format", "json", environ=environ) == ""


def test_a_disk_that_is_full_does_not_end_the_view(environ: dict[str, str], tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "sh", *PROCTOP]
    command = [*limited, "-b", "-n", "4", "-d", "0.1", "--format", "json", "-w", str(tmp_path / "tape.proctop")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    taken = readings(done.stdout)
    assert len(taken) == 4
    assert any("tape.proctop" in note for note in taken[-1]["notes"])
    assert done.stderr.count("\n") == 1


def test_without_rights_it_says_what_it_cannot_read(environ: dict[str, str], require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "only root can become nobody")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    usable = (
        subprocess.run([*nobody, sys.executable, "-c", "import proctop.cli"], capture_output=True, check=False, cwd="/").returncode == 0
    )
    require("a readable installation", "" if usable else "nobody cannot read this installation")
    done = subprocess.run(
        [*nobody, *PROCTOP, "-b", "-n", "1", "-d", "0.1", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    (taken,) = readings(done.stdout)
    assert {gap["field"] for gap in taken["gaps"]} >= {"io"}
    first = next(p for p in taken["processes"] if p["pid"] == 1)
    assert "rchar" not in first["features"]
    assert "rss" in first["features"]


def test_a_strange_directory_is_not_imported_from(environ: dict[str, str], tmp_path: Path) -> None:
    for module in ("numpy", "json", "textual", "proctop", "docker"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported from the working directory')")
    script = Path(sys.executable).with_name("proctop")
    assert script.exists(), "install the project first"
    done = subprocess.run(
        [str(script), "-b", "-n", "1", "-d", "0.1"], capture_output=True, text=True, check=False, env=environ, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args", [["--print-config"], ["doctor"], ["-b", "-n", "1", "-d", "0.1"], ["collect", "-o", "-", "-n", "1"]])
def test_output_that_cannot_be_written_is_one_line(args: list[str], environ: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROCTOP, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environ)
    assert done.returncode == 1
    assert done.stderr.startswith("proctop: ")
    assert done.stderr.lower().endswith("no space left on device\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("args", [["--print-config"], ["--help"], ["doctor"]])
def test_a_closed_pipe_is_no_error(args: list[str], environ: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROCTOP, *args], stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=environ)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_standard_streams_are_refused(environ: dict[str, str]) -> None:
    for closing, said in ((">&-", "standard output is closed"), ("<&-", "needs a terminal")):
        done = subprocess.run(["sh", "-c", f'"$@" {closing}', "sh", *PROCTOP], stderr=subprocess.PIPE, text=True, check=False, env=environ)
        assert done.returncode in (1, 2)
        assert said in done.stderr
