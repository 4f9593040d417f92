"""The file that outlives a session: private, whole or absent, and never in the way."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from proctop.keeper import EVERY, Keeper
from proctop.private import read_private, replace_private
from proctop.recording import RecordingEngine
from proctop.records import HostInfo, Reading
from proctop.scoring.baseline import Baseline
from proctop.scoring.store import BaselineError, load
from traffic import INFO, MS, Host


def reading(host: Host, dt: float = 1.0) -> Reading:
    host.did(10, run_ns=3 * MS, vctx=5)
    return host.read(dt)


def session(
    path: Path, readings: int = 60, info: HostInfo = INFO, *, dt: float = 1.0, save: bool = True
) -> tuple[RecordingEngine, Baseline]:
    """An engine that has watched one process for a while."""
    host, detector = Host(), Baseline()
    host.born(10, "redis")
    keeper = Keeper(str(path), detector, info, save=save)
    keeper.load()

    def no_tape(path: str) -> Writer:
        raise AssertionError

    engine = RecordingEngine(detector, no_tape, keeper)
    for _ in range(readings):
        engine.step(reading(host, dt))
    return engine, detector


class Writer:
    path = trouble = ""
    lost = 0

    def write(self, what: object) -> None: ...

    def close(self) -> None: ...


def test_the_end_of_a_session_is_the_beginning_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / "new" / "b"
    engine, first = session(path)
    engine.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["b"]
    _, second = session(path, 0)
    assert first.warming == second.warming == 1.0
    assert load(path.read_bytes()).cohorts == ("redis",)


def test_it_is_saved_every_five_minutes_beside_the_view(tmp_path: Path) -> None:
    engine, _ = session(tmp_path / "b", int(EVERY) - 1)
    assert not (tmp_path / "b").exists()
    host = Host()
    host.born(10, "redis")
    host.time += EVERY
    engine.step(reading(host))
    for thread in threading.enumerate():
        if thread.name == "baseline":
            thread.join()
    assert load((tmp_path / "b").read_bytes()).reading > 0


def test_a_replay_reads_and_does_not_write(tmp_path: Path) -> None:
    session(tmp_path / "b")[0].close()
    before = (tmp_path / "b").read_bytes()
    session(tmp_path / "b", 100, save=False)[0].close()
    assert (tmp_path / "b").read_bytes() == before


def test_another_host_is_told(tmp_path: Path) -> None:
    session(tmp_path / "b")[0].close()
    detector = Baseline()
    said = Keeper(str(tmp_path / "b"), detector, replace(INFO, hostname="node2")).load()
    assert "of host node1" in said and detector.warming == 0.0


def test_a_save_that_fails_is_a_remark_and_the_view_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    engine, _ = session(folder / "b")
    engine.close()
    (folder / "b").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    detector = Baseline()
    keeper = Keeper(str(tmp_path / "gone" / "b"), detector, INFO)
    engine = RecordingEngine(detector, lambda path: Writer(), keeper)
    host = Host()
    host.born(10, "redis")
    engine.step(reading(host))
    keeper.close()
    frame = engine.step(reading(host))
    assert "saving" in engine.unkept and "not a directory" in frame.reading.notes[-1] and len(frame.batch) == 1


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b"
    replace_private(str(path), b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proctop.private.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_private(str(path), b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["b"]


def test_dangerous_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loose").write_bytes(b"x")
    (tmp_path / "loose").chmod(0o666)
    (tmp_path / "damaged").write_bytes(b"PTBASE01")
    (tmp_path / "damaged").chmod(0o600)
    (tmp_path / "folder").mkdir()
    cases = {
        "link": "symbolic link",
        "fifo": "not a regular file",
        "loose": "writable by everybody",
        "damaged": "truncated; move it away",
        "folder": "directory|regular",
    }
    for name, said in cases.items():
        with pytest.raises(BaselineError, match=said) as caught:
            Keeper(str(tmp_path / name), Baseline(), INFO).load()
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="too large"):
        read_private(str(tmp_path / "b"), 1 << 20)


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "b").symlink_to(tmp_path / "precious")
    replace_private(str(tmp_path / "b"), b"new")
    assert (tmp_path / "precious").read_text() == "precious" and not (tmp_path / "b").is_symlink()


def test_where_everybody_may_rename_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(OSError, match="writable by everybody"):
        replace_private(str(tmp_path / "open" / "b"), b"new")
    assert list((tmp_path / "open").iterdir()) == []
