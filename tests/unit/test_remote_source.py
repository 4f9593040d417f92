"""Another host as a source, through an ssh that misbehaves: what is said, what goes on, and that nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from frames import INFO, Proc, build
from proctop.engine import Engine
from proctop.fields import COUNTERS
from proctop.records import Exit, Label, ProcKey, Reading
from proctop.scoring.registry import make
from proctop.sources import NoReading, Wants, remote
from proctop.sources.remote import RemoteSource
from proctop.stream import MAJOR, StreamError, frames
from proctop.stream.writer import Writer

HOST = "web1"
STREAM, STAY = "cat stream\n", "exec sleep 1000\n"
LONG = 20.0


def readings(count: int, *, mono: float = 100.0, boot: str = "boot-1") -> list[Reading]:
    made = build([Proc(7, "app"), Proc(8, "b")]).reading
    info = replace(INFO, hostname="far", boot_id=boot)
    return [
        replace(made, seq=k, wall=1.7e9 + mono + k, mono=mono + k, boot=mono + k, info=info, late=0.0, changed=np.array([1]))
        for k in range(count)
    ]


class Fake:
    """An ssh out of shell scripts, one a run; the last one goes on being run."""

    def __init__(self, folder: Path, *steps: str) -> None:
        self.folder = folder
        self.program = str(folder / "ssh")
        self.opened: list[RemoteSource] = []
        for k, step in enumerate(steps):
            (folder / f"step{k}").write_text(step)
        (folder / "runs").write_text("0")
        Path(self.program).write_text(
            f"#!/bin/sh\ncd '{folder}'\nn=$(cat runs)\necho $((n + 1)) > runs\necho $$ > pid\nprintf '%s\\n' \"$@\" > argv\n"
            f"[ $n -lt {len(steps)} ] || n={len(steps) - 1}\n. ./step$n\n"
        )
        os.chmod(self.program, 0o755)

    def stream(self, made: list[Reading], name: str = "stream") -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        with Writer(str(path)) as writer:
            for reading in made:
                writer.write(reading)
            (self.folder / "torn").write_bytes(path.read_bytes()[:-9])

    @property
    def argv(self) -> list[str]:
        return (self.folder / "argv").read_text().splitlines()

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    def open(
        self,
        *,
        ask: bool = False,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] | None = None,
        pause: Callable[[float], bool] | None = None,
    ) -> RemoteSource:
        pause = pause or (lambda _: False)
        source = RemoteSource(HOST, "proctop collect -o - -d 1", program=self.program, ask=ask, tell=tell, clock=clock, pause=pause)
        self.opened.append(source)
        return source


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Callable[..., Fake]]:
    made: list[Fake] = []

    def make_fake(*steps: str, count: int = 3) -> Fake:
        made.append(Fake(tmp_path, *steps))
        made[-1].stream(readings(count))
        return made[-1]

    yield make_fake
    for one in made:
        for source in one.opened:
            source.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def said(source: RemoteSource) -> str:
    with pytest.raises(NoReading) as caught:
        source.read()
    return str(caught.value)


def until_reading(source: RemoteSource) -> tuple[list[str], Reading]:
    told = []
    while True:
        try:
            reading = source.read()
        except NoReading as why:
            told.append(str(why))
        else:
            assert reading is not None
            return told, reading


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            "echo 'ssh: connect to host web1 port 22: Connection refused' >&2; exit 255",
            "ssh: connect to host web1 port 22: Connection refused",
        ),
        ("printf 'me@web1: Permission denied (publickey).\\r\\n' >&2; exit 255", "ssh: me@web1: Permission denied (publickey)."),
        ("exit 255", "ssh: ended without a word"),
        (
            "echo 'bash: line 1: proctop: command not found' >&2; exit 127",
            "proctop not found there (bash: line 1: proctop: command not found): install it on that host, or give --host-command",
        ),
        ("echo 'sh: proctop: Permission denied' >&2; exit 126", "proctop cannot be run there (sh: proctop: Permission denied): install"),
        ("echo 'proctop: /p is no procfs' >&2; exit 1", "proctop there: /p is no procfs"),
        ("echo 'sudo: a password is required' >&2; exit 1", "over there: sudo: a password is required"),
        ("echo This account is not available; exit 1", 'sent "This account is not available" and no readings'),
        ("exit 3", "proctop ended there with exit code 3"),
        ("kill -9 $$", "ssh was ended by SIGKILL"),
        ("head -c 20 stream; exit 255", "ssh: ended without a word"),
        ("printf '\\033]0;x\\007\\033[2Jbad\\n\\n' >&2; exit 255", "ssh: ]0;x��[2Jbad"),
        ("yes spam", 'sent "spam" and more in place of readings'),
        (f"printf '\\223proctop\\{MAJOR + 1:03o}\\000\\1'; exec sleep 1000", "use a newer proctop"),
    ],
)
def test_what_keeps_the_first_connection_from_coming_about_is_one_line(fake: Callable[..., Fake], step: str, words: str) -> None:
    ssh = fake(step)
    with pytest.raises(StreamError) as caught:
        ssh.open()
    assert str(caught.value).startswith(f"{HOST}: {words}") or words in str(caught.value)
    assert str(caught.value).isprintable()
    assert gone(ssh.pid)


def test_without_an_ssh_the_line_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="install the OpenSSH client"):
        RemoteSource(HOST, "proctop", program=str(tmp_path / "none"))


def test_readings_come_as_they_were_with_the_other_hosts_name(fake: Callable[..., Fake]) -> None:
    source = fake(STREAM + STAY).open()
    sent = readings(3)
    for want in sent:
        got = source.read()
        assert got is not None
        assert (got.seq, got.wall, got.info.hostname) == (want.seq, want.wall, "far")
        assert np.array_equal(got.counters, want.counters, equal_nan=True)
    assert source.info.hostname == "far"
    source.close()


def test_a_talkative_login_shell_does_no_harm(fake: Callable[..., Fake]) -> None:
    source = fake("echo 'Welcome to \x93 web1'; printf 'no newline'; " + STREAM + STAY).open()
    assert until_reading(source)[1].seq == 0
    source.close()


def test_nothing_of_the_host_is_an_option_or_meets_a_shell(fake: Callable[..., Fake]) -> None:
    ssh = fake(STREAM + STAY)
    ssh.open(ask=True).close()
    assert ssh.argv[-3:] == ["--", HOST, "proctop collect -o - -d 1"]
    assert all(word.startswith("-o") for word in ssh.argv[:-3])
    assert "-oBatchMode=yes" not in ssh.argv


def test_a_lost_connection_is_told_and_made_again_without_questions(fake: Callable[..., Fake]) -> None:
    lost = "until [ -e lost ]; do sleep 0.01; done; echo 'Connection to web1 closed by remote host.' >&2; exit 255"
    ssh = fake(f"{STREAM}{lost}", STREAM + STAY)
    source = ssh.open(ask=True)
    assert [until_reading(source)[1].seq for _ in range(3)] == [0, 1, 2]
    (ssh.folder / "lost").touch()
    ssh.stream(readings(2, mono=150.0))
    told, reading = until_reading(source)
    assert told == [
        "web1: connection lost (ssh: Connection to web1 closed by remote host.), trying again in 1 s",
        "web1: connection lost (ssh: Connection to web1 closed by remote host.), trying again now",
    ]
    assert (reading.seq, reading.mono) == (0, 150.0)
    assert reading.changed is None  # what changed since a reading that was not seen here
    assert any("connected again after" in note for note in reading.notes)
    assert "-oBatchMode=yes" in ssh.argv
    source.close()


def test_a_connection_that_breaks_within_a_reading_gives_the_ones_before(fake: Callable[..., Fake]) -> None:
    """And what was said before the stream began is not why it ended."""
    ssh = fake("echo 'Authorized use only' >&2; cat torn; exit 255", STREAM + STAY)
    source = ssh.open()
    assert [until_reading(source)[1].seq for _ in range(2)] == [0, 1]
    assert said(source).startswith("web1: connection lost (ssh: ended without a word")
    source.close()


def test_it_waits_longer_each_time_and_never_gives_up(fake: Callable[..., Fake]) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return False

    source = fake(STREAM, "exit 255").open(pause=pause)
    for _ in range(3):
        source.read()
    told = [said(source) for _ in range(16)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert told[-2] == "web1: no connection (ssh: ended without a word, as when the command over there is killed), trying again in 30 s"
    source.close()


def test_a_connection_that_held_begins_anew_with_short_waits(fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return False

    source = fake(STREAM, "exit 255", "exit 255", STREAM).open(pause=pause)
    monkeypatch.setattr(remote, "_STEADY", 0.0)
    for _ in range(6):
        until_reading(source)
    assert "trying again in 1 s" in said(source)
    assert waits == [1.0, 2.0, 4.0]
    source.close()


class Hasty:
    """A clock that stands, or goes some seconds at each look."""

    def __init__(self) -> None:
        self.now = self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_silence_is_told_and_then_ends_the_connection(fake: Callable[..., Fake]) -> None:
    ssh, clock = fake(STREAM + STAY, STREAM + STAY), Hasty()
    source = ssh.open(clock=clock)
    for _ in range(3):
        source.read()
    clock.step = 3.0
    assert said(source) == "web1: nothing heard for 8 s, waiting"
    assert said(source) == "web1: connection lost (nothing heard for 33 s), trying again in 1 s"
    assert gone(ssh.pid)
    clock.step = 0.0
    assert until_reading(source)[1].seq == 0
    source.close()


def test_a_connection_that_says_nothing_at_all_is_given_up(fake: Callable[..., Fake]) -> None:
    ssh, clock = fake("cat torn; exit 255", STAY), Hasty()
    source = ssh.open(clock=clock)
    for _ in range(2):
        source.read()
    assert "connection lost" in said(source)
    clock.step = 10.0
    assert "now" in said(source)
    assert said(source).startswith("web1: no connection (nothing heard")
    assert gone(ssh.pid)
    source.close()


def test_a_reading_that_the_way_delays_is_late(fake: Callable[..., Fake]) -> None:
    now = [0.0]
    source = fake(STREAM + STAY).open(clock=lambda: now[0])
    late = []
    for arrives in (50.0, 51.0, 55.5):
        now[0] = arrives
        reading = source.read()
        assert reading is not None
        late.append(reading.late)
    assert late == pytest.approx([0.0, 0.0, 3.5])
    source.close()


def test_what_ssh_says_while_it_waits_is_passed_on_cleaned(fake: Callable[..., Fake]) -> None:
    told: list[str] = []
    heard = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        heard.set()

    ssh = fake("printf 'Permission denied\\033[2J, please try again.\\n' >&2; read go < gate; " + STREAM + STAY)
    os.mkfifo(ssh.folder / "gate")

    def let_go() -> None:
        assert heard.wait(LONG)
        (ssh.folder / "gate").write_text("\n")

    helper = threading.Thread(target=let_go)
    helper.start()
    ssh.open(tell=tell).close()
    helper.join()
    assert told == ["Permission denied�[2J, please try again."]


def test_all_that_ssh_said_is_told_when_it_fails_and_nothing_twice(fake: Callable[..., Fake]) -> None:
    told: list[str] = []
    with pytest.raises(StreamError) as caught:
        fake("printf 'HOST KEY CHANGED\\nOffending key in x:1\\nHost key verification failed.\\n' >&2; exit 255").open(tell=told.append)
    assert told == ["HOST KEY CHANGED", "Offending key in x:1"]
    assert str(caught.value) == "web1: ssh: Host key verification failed."


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_closing_ends_a_read_that_waits_and_the_ssh(fake: Callable[..., Fake], stubborn: str) -> None:
    ssh = fake(stubborn + STREAM + ("while :; do sleep 0.05; done" if stubborn else STAY))
    source = ssh.open()
    for _ in range(3):
        source.read()
    results: list[Reading | None] = []
    waiting = threading.Thread(target=lambda: results.append(source.read()))
    waiting.start()
    source.close()
    waiting.join(LONG)
    assert results == [None]
    assert gone(ssh.pid)
    assert source.read() is None
    source.close()


def test_closing_ends_a_wait_for_the_next_attempt(fake: Callable[..., Fake], tmp_path: Path) -> None:
    ssh = fake(STREAM)
    source = RemoteSource(HOST, "proctop", program=ssh.program)
    for _ in range(3):
        source.read()
    assert "1 s" in said(source)
    results: list[Reading | None] = []
    waiting = threading.Thread(target=lambda: results.append(source.read()))
    waiting.start()
    source.close()
    waiting.join(LONG)
    assert results == [None]
    assert (tmp_path / "runs").read_text() == "1\n"


def test_there_are_no_rates_across_a_reboot(fake: Callable[..., Fake]) -> None:
    """Even where the clock and the counters of the new boot are above those of the old."""
    ssh = fake(STREAM, "cat after; " + STAY)
    ssh.stream(readings(2, mono=103.0, boot="boot-2"), "after")
    source = ssh.open()
    engine = Engine(make())
    made = [engine.step(until_reading(source)[1]) for _ in range(5)]
    source.close()
    assert [f.batch.dt for f in made] == [pytest.approx(x, nan_ok=True) for x in (np.nan, 1.0, 1.0, np.nan, 1.0)]
    assert (made[3].batch.prev == -1).all()
    assert np.isnan(made[3].host.net_rx)
    assert np.isnan(made[3].host.forks)


def test_a_wish_for_threads_is_answered_with_a_remark(fake: Callable[..., Fake]) -> None:
    source = fake(STREAM + STAY).open()
    source.wants = Wants(threads=True)
    reading = source.read()
    assert reading is not None
    assert "web1: threads are not sent" in reading.notes
    source.close()


def test_the_magic_is_found_across_two_pieces(fake: Callable[..., Fake]) -> None:
    ssh = fake(f"printf hello; head -c {len(frames.MAGIC) - 3} stream; read go < gate; tail -c +{len(frames.MAGIC) - 2} stream; {STAY}")
    os.mkfifo(ssh.folder / "gate")
    threading.Thread(target=lambda: (ssh.folder / "gate").write_text("\n")).start()
    source = ssh.open()
    assert until_reading(source)[1].seq == 0
    source.close()


def test_the_hasty_second_reading_of_a_new_collector_is_left_out(fake: Callable[..., Fake]) -> None:
    """It comes after a quarter of a second: what happens in bursts would look four times as fast as it is."""
    ended = Exit(ProcKey(9, 1), 1, Label("gone"))
    ssh = fake(STREAM, "cat after; " + STAY)
    first, second, third = readings(3, mono=110.0)
    second = replace(second, mono=110.25, exits=(ended,), ended=np.full((len(COUNTERS), 1), 7.0))
    third = replace(third, mono=111.25, exits=(replace(ended, key=ProcKey(8, 1)),))
    ssh.stream([first, second, third], "after")
    source = ssh.open()
    made = [until_reading(source)[1] for _ in range(5)]
    source.close()
    assert [r.mono for r in made] == [100.0, 101.0, 102.0, 110.0, 111.25]
    assert [r.changed is None for r in made[2:]] == [False, True, True]
    assert [gone.key.pid for gone in made[-1].exits] == [9, 8]
    assert made[-1].ended is not None
    assert made[-1].ended[:, 0].tolist() == [7.0] * len(COUNTERS)
    assert np.isnan(made[-1].ended[:, 1]).all()


def test_the_first_two_readings_of_all_come_as_fast_as_they_do(fake: Callable[..., Fake]) -> None:
    ssh = fake(STREAM + STAY)
    first, second = readings(2)
    ssh.stream([first, replace(second, mono=100.25)])
    source = ssh.open()
    assert [until_reading(source)[1].mono for _ in range(2)] == [100.0, 100.25]
    source.close()


def test_the_pace_that_readings_tell_decides_what_silence_is(fake: Callable[..., Fake]) -> None:
    """A key for one command may run it at a pace of its own."""
    ssh = fake(STREAM + STAY)
    ssh.stream([replace(reading, interval=60.0) for reading in readings(1)])
    clock = Hasty()
    source = ssh.open(clock=clock)
    source.read()
    clock.step = 60.0
    assert said(source) == "web1: nothing heard for 185 s, waiting"
    source.close()
