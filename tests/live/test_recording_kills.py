"""A recording when its writer is killed, its disk is full, and its file is somebody else's."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from frames import crowd
from proctop.records import Reading
from proctop.stream import WriteFailed
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer

Require = Callable[[str, str], None]

KILLS = 200
LIMIT = 60_000
PROCTOP = (sys.executable, "-P", "-m", "proctop")


CROWDS = [crowd(40, seed=seed).reading for seed in range(7)]


def reading(seq: int) -> Reading:
    return replace(CROWDS[seq % 7], seq=seq, mono=1.0 + seq, wall=1.7e9 + seq)


def killed(path: str, first: int, told: int, **limits: int) -> int:
    """Record from ``first`` on in a process that is killed once it has told of ``told`` readings; how many more it told of."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            with Writer(path, **limits) as writer:  # type: ignore[arg-type]
                for seq in range(first, first + 1000):
                    writer.write(reading(seq))
                    os.write(write, b".")
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb", buffering=0) as pipe:
        heard = 0
        while heard < told:
            heard += len(pipe.read(told - heard)) or told
        os.kill(pid, signal.SIGKILL)
        heard += len(pipe.readall() or b"")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    return heard


def seqs(path: Path) -> list[int]:
    with Reader(str(path)) as reader:
        return [record.reading.seq for record in reader]


def test_a_kill_costs_at_most_the_reading_being_written(tmp_path: Path) -> None:
    """Twenty files, each written by ten processes that are killed, one after the other."""
    rng = random.Random(4)
    done: dict[Path, set[int]] = {}
    for kill in range(KILLS):
        path = tmp_path / f"{kill % 20}.proctop"
        heard = killed(str(path), 1000 * kill, rng.randint(1, 9))
        done.setdefault(path, set()).update(range(1000 * kill, 1000 * kill + heard))
    for path, told in done.items():
        got = seqs(path)
        assert got == sorted(set(got)) and told <= set(got)
        assert len(set(got) - told) <= KILLS // 20  # written, but the kill came before it was told


def test_limits_hold_however_often_the_writer_is_killed(tmp_path: Path) -> None:
    rng = random.Random(5)
    for kill in range(KILLS // 4):
        heard = killed(f"{tmp_path}/", 1000 * kill, rng.randint(1, 9), max_size=LIMIT)
        files = sorted(tmp_path.glob("*.proctop"))
        assert sum(file.stat().st_size for file in files) <= LIMIT
        got = [seq for file in files if file.stat().st_size > 10 for seq in seqs(file)]
        assert got == sorted(got) and set(range(1000 * kill, 1000 * kill + heard)[-3:]) <= set(got)


def first_readings(path: Path, child: subprocess.Popen[str], count: int) -> None:
    """Wait until ``child`` has written so many."""
    while not path.exists():
        assert child.poll() is None
    with Reader(str(path), follow=True) as reader:
        for _ in range(count):
            assert reader.read() is not None


def test_a_collect_that_is_killed_leaves_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.proctop"
    child = subprocess.Popen([*PROCTOP, "collect", "-o", str(path), "-d", "0.1"], text=True)
    first_readings(path, child, 5)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert seqs(path)[:5] == [0, 1, 2, 3, 4]


@pytest.fixture
def disk(tmp_path: Path, require: Require) -> Iterator[Path]:
    """A disk of one MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)], capture_output=True, text=True)
    require("mount", mounted.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_recording_goes_on_when_there_is_room(disk: Path) -> None:
    path = disk / "a.proctop"
    child = subprocess.Popen([*PROCTOP, "collect", "-o", str(path), "-d", "0.1"], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    first_readings(path, child, 1)
    (disk / "big").write_bytes(bytes((1 << 20) - path.stat().st_size - 45_000))
    assert child.stderr.readline() == f"proctop: recording {path}: less than 0.05 MiB are free on the disk, waiting for more\n"
    (disk / "big").unlink()
    assert child.stderr.readline().startswith("proctop: recording again, ")
    child.terminate()
    assert child.wait() == 128 + signal.SIGTERM and child.stderr.read() == ""
    with Reader(str(path)) as reader:
        got = [record.reading.seq for record in reader]
        assert got[0] == 0 and len(got) < got[-1] + 1
        assert not reader.damage and not reader.damage.torn


@pytest.mark.parametrize("name", ["a.proctop", "a/"])
def test_a_disk_without_a_byte_left_costs_readings_and_nothing_else(disk: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.stream.file.MOST_SPARED", 0)
    with Writer(f"{disk}/{name}") as writer:
        writer.write(reading(0))
        with open(disk / "big", "wb", buffering=0) as big:
            try:
                while True:
                    big.write(bytes(4096))
            except OSError:
                pass
        lost = 0
        for seq in range(1, 9):
            try:
                writer.write(reading(seq))  # what is left of a page, and then nothing
            except WriteFailed as error:
                assert "no space left on device" in str(error)
                lost += 1
        assert lost
        (disk / "big").unlink()
        writer.write(reading(9))
    with Reader(str(next(disk.rglob("*.proctop")))) as reader:
        got = [record.reading.seq for record in reader]
        assert got[0] == 0 and got[-1] == 9 and len(got) == 10 - lost
        assert not reader.damage


@pytest.fixture
def cold(tmp_path: Path, require: Require) -> Iterator[Path]:
    """A disk that can be frozen: then a write waits until it is thawed."""
    place, image = tmp_path / "cold", tmp_path / "image"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    commands = (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(place)], ["fsfreeze", "-f", str(place)])
    why = " ".join(f"{command[0]} is not installed" for command in commands if shutil.which(command[0]) is None)
    try:
        for command in commands:
            why = why or subprocess.run(command, capture_output=True, text=True).stderr.strip()
        require("freeze", why)
        thaw(place)
        yield place
    finally:
        subprocess.run(["fsfreeze", "-u", str(place)], capture_output=True)
        subprocess.run(["umount", "-l", str(place)], capture_output=True)


def freeze(place: Path) -> None:
    """For two minutes at most: what waits for it here cannot be ended by anybody else."""
    subprocess.run(["fsfreeze", "-f", str(place)], check=True)
    rescue = threading.Timer(120, subprocess.run, (["fsfreeze", "-u", str(place)],), {"capture_output": True})
    rescue.daemon = True
    rescue.start()


def thaw(place: Path) -> None:
    subprocess.run(["fsfreeze", "-u", str(place)], check=True)


def batch(path: Path) -> subprocess.Popen[str]:
    """Readings on standard output, recorded beside; killed after a minute, in case that it hangs."""
    # In the background timeout(1) would pass on a signal twice, and the second one ends the wait for the disk.
    command = [
        "timeout",
        "--foreground",
        "-s",
        "KILL",
        "60",
        *PROCTOP,
        "-b",
        "--format",
        "json",
        "--top",
        "1",
        "-d",
        "0.1",
        "-w",
        str(path),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def next_notes(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return " ".join(json.loads(child.stdout.readline())["notes"])


def test_a_disk_that_hangs_does_not_hold_up_the_view(cold: Path) -> None:
    path = cold / "a.proctop"
    child = batch(path)
    for _ in range(3):
        assert "recording" not in next_notes(child)
    freeze(cold)
    while "the disk does not answer, readings wait to be written" not in next_notes(child):
        pass
    for _ in range(20):
        next_notes(child)
    thaw(cold)
    while "recording" in next_notes(child):
        pass
    child.terminate()
    _, said = child.communicate()
    assert said == ""
    got = seqs(path)
    assert got == list(range(len(got))) and len(got) > 30


def test_the_end_does_not_wait_long_for_a_disk_that_hangs(cold: Path) -> None:
    path = cold / "a.proctop"
    child = batch(path)
    next_notes(child)
    freeze(cold)
    while "the disk does not answer" not in next_notes(child):
        pass
    child.terminate()
    assert child.stderr is not None
    assert child.stderr.readline().startswith(f"proctop: recording {path}: the disk does not answer, readings lost at the end: ")
    thaw(cold)  # until then the kernel keeps the thread that waits, and with it the process
    child.communicate()
    got = seqs(path)
    assert got == list(range(len(got))) and got


def test_files_of_others_are_refused(tmp_path: Path, require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "only root can give files away")
    path = tmp_path / "a.proctop"
    with Writer(str(path)) as writer:
        writer.write(reading(0))
    before = path.read_bytes()
    os.chown(path, 65534, 65534)
    with pytest.raises(WriteFailed, match="belongs to somebody else"):
        Writer(str(path))
    assert path.read_bytes() == before
