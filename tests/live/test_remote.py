"""Another host over a real ssh to a real sshd, both with keys and settings of their own, on the loopback."""

from __future__ import annotations

import getpass
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

Require = Callable[[str, str], None]
PROCTOP = [sys.executable, "-P", "-m", "proctop"]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""
SSH = shutil.which("ssh") or ""
LONG = 60.0


def why_not() -> str:
    if not (SSH and SSHD):
        return "openssh-server and openssh-client are not installed"
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        return "sshd run by root wants the directory /run/sshd, and it is not there"
    return ""


class Far:
    """The other end: an sshd, and an ``ssh`` in :attr:`environ` that knows it as ``far`` and, by a key for one command, as ``narrow``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        for name in ("host", "key", "narrow", "stranger", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
        self.command = f"env XDG_CONFIG_HOME={shlex.quote(str(folder))} {shlex.join(PROCTOP)}"
        forced = f"{self.command} collect -o - -d 0.2".replace('"', '\\"')
        narrow = (folder / "narrow.pub").read_text()
        (folder / "authorized_keys").write_text((folder / "key.pub").read_text() + f'restrict,command="{forced}" {narrow}')
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nAuthorizedKeysFile {folder}/authorized_keys\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        )
        known = " ".join((folder / "host.pub").read_text().split()[:2])
        self.trust(known)
        common = (
            f"  HostName 127.0.0.1\n  Port {self.port}\n  User {getpass.getuser()}\n  HostKeyAlias far\n"
            "  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        )
        (folder / "ssh_config").write_text(
            f"Host far\n  IdentityFile {folder}/key\n{common}Host narrow\n  IdentityFile {folder}/narrow\n{common}"
            f"Host closed\n  IdentityFile {folder}/stranger\n{common}"
        )
        (folder / "bin").mkdir()
        (folder / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {SSH} -F {shlex.quote(str(folder))}/ssh_config "$@"\n')
        os.chmod(folder / "bin" / "ssh", 0o755)
        self.environ = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "LC_ALL": "C.UTF-8",
        }
        self._sshd: psutil.Popen | None = None

    def trust(self, key: str) -> None:
        (self.folder / "known_hosts").write_text(f"far {key}\n")

    def start(self) -> None:
        self._sshd = psutil.Popen([SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert self._sshd.stderr is not None
        for line in self._sshd.stderr:
            if b"Server listening" in line:
                return
        pytest.fail("sshd did not start")

    def hang_up(self) -> None:
        """End every session, as a host does that goes down."""
        assert self._sshd is not None
        sessions = self._sshd.children(recursive=True)
        for session in sessions:
            session.kill()
        psutil.wait_procs(sessions, LONG)

    def stop(self) -> None:
        if self._sshd is not None:
            self._sshd.kill()
            self._sshd.wait(LONG)
            self._sshd.stderr.close()
            self._sshd = None

    @property
    def sessions(self) -> list[psutil.Process]:
        assert self._sshd is not None
        found: list[psutil.Process] = self._sshd.children(recursive=True)
        return found

    def proctop(self, *args: str, code: int = 0) -> tuple[str, str]:
        done = subprocess.run(
            [*PROCTOP, *args], capture_output=True, text=True, check=False, env=self.environ, timeout=LONG, start_new_session=True
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def started(self, *args: str) -> subprocess.Popen[str]:
        """One reading a line, on and on."""
        command = [*PROCTOP, "-b", "-d", "0.2", "--top", "1", "--format", "json", "--host", "far", "--host-command", self.command, *args]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environ, bufsize=1, start_new_session=True
        )


@pytest.fixture
def far(tmp_path: Path, require: Require) -> Iterator[Far]:
    require("ssh", why_not())
    made = Far(tmp_path)
    made.start()
    yield made
    if made._sshd is not None:
        made.hang_up()
        made.stop()


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_batch_mode_shows_the_other_host(far: Far) -> None:
    out, said = far.proctop("-b", "-n", "3", "-d", "0.3", "--format", "json", "--host", "far", "--host-command", far.command)
    assert said == ""
    found = rows(out)
    assert len(found) == 3 and {r["source"] for r in found} < {"proc over ssh", "bpf over ssh"}
    assert found[0]["host"]["hostname"] == socket.gethostname()
    assert found[0]["interval"] == 0.3
    assert os.getpid() in {p["pid"] for p in found[-1]["processes"]}
    assert psutil.wait_procs(far.sessions, LONG)[1] == []


def test_what_is_said_of_the_trees_goes_for_the_other_end(far: Far) -> None:
    _, said = far.proctop("-b", "--procfs", "/no such; tree", "--host", "far", "--host-command", far.command, code=1)
    assert said.startswith("proctop: far: proctop there: /no such; tree is no procfs")
    assert said.count("\n") == 1


def test_a_key_for_one_command_is_enough(far: Far) -> None:
    out, _ = far.proctop("-b", "-n", "2", "--format", "json", "--host", "narrow")
    assert [r["interval"] for r in rows(out)] == [0.2, 0.2]


def test_the_pipe_that_people_type_replays(far: Far) -> None:
    line = f"ssh far {shlex.quote(far.command + ' collect -o - -d 0.2 -n 3')} | {shlex.join(PROCTOP)} -b --format json --replay -"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, env=far.environ, timeout=LONG)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows(done.stdout)) == 3


def test_collect_records_the_other_host(far: Far, tmp_path: Path) -> None:
    far.proctop("collect", "-n", "3", "-d", "0.2", "-o", str(tmp_path / "far.proctop"), "--host", "far", "--host-command", far.command)
    out, _ = far.proctop("-b", "--format", "json", "--replay", str(tmp_path / "far.proctop"))
    assert len(rows(out)) == 3 and {r["source"] for r in rows(out)} < {"proc over ssh", "bpf over ssh"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--host", "closed"], r"closed: ssh: .*Permission denied \(publickey"),
        (
            ["--host", "far", "--host-command", "/opt/none/proctop"],
            r"far: proctop not found there \(.*/opt/none/proctop.*\): install it on that host",
        ),
        (["--host", "far", "--host-command", "echo hello; false"], r'far: sent "hello" and no readings'),
    ],
)
def test_what_stands_in_the_way_is_one_line(far: Far, args: list[str], words: str) -> None:
    out, said = far.proctop("-b", *args, code=1)
    assert out == ""
    assert re.fullmatch(f"proctop: {words}.*\n", said)


def test_a_host_that_is_down_is_one_line(far: Far) -> None:
    far.stop()
    _, said = far.proctop("-b", "--host", "far", code=1)
    assert said == f"proctop: far: ssh: connect to host 127.0.0.1 port {far.port}: Connection refused\n"


def test_a_host_with_another_key_is_refused_with_all_that_ssh_says(far: Far) -> None:
    far.trust(" ".join((far.folder / "other.pub").read_text().split()[:2]))
    _, said = far.proctop("-b", "--host", "far", code=1)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in said
    assert said.endswith("proctop: far: ssh: Host key verification failed.\n")


def test_it_goes_on_after_the_session_and_the_daemon_were_lost(far: Far) -> None:
    with far.started() as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        before = rows(shown.stdout.readline() + shown.stdout.readline())
        far.stop()
        for session in psutil.Process(shown.pid).children():
            session.kill()
        lost, refused = shown.stderr.readline(), shown.stderr.readline()
        assert lost == "proctop: far: connection lost (ssh was ended by SIGKILL), trying again in 1 s\n"
        assert "far: no connection (ssh: connect to host 127.0.0.1 port" in refused
        assert refused.endswith("Connection refused), trying again in 2 s\n")
        far.start()
        after = rows(shown.stdout.readline())
        far.hang_up()
        assert shown.stderr.readline().startswith("proctop: far: connection lost (ssh: ")
        last = rows(shown.stdout.readline())
        shown.terminate()
        assert shown.wait(LONG) == 128 + signal.SIGTERM
    assert before[-1]["time"] < after[0]["time"] < last[0]["time"]
    assert any("connected again after" in note for note in last[0]["notes"])


def test_nothing_is_left_behind_by_an_end_from_outside(far: Far) -> None:
    with far.started("-d", "600") as shown:  # so that no next reading tells the collector
        assert shown.stdout is not None
        shown.stdout.readline()
        here, there = psutil.Process(shown.pid).children(recursive=True), far.sessions
        assert here
        assert there
        shown.terminate()
        shown.wait(LONG)
        assert psutil.wait_procs([*here, *there], LONG)[1] == []


def test_ssh_asks_on_the_terminal_before_anything_is_shown(far: Far) -> None:
    (far.folder / "known_hosts").unlink()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(
            sys.executable,
            [*PROCTOP, "-b", "-n", "1", "-d", "0.2", "--top", "1", "--host", "far", "--host-command", far.command],
            far.environ,
        )
    seen = b""
    try:
        while b"yes/no" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"yes\n")
        while b"over ssh" not in seen:
            seen += os.read(terminal, 4096)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert b"authenticity of host" in seen
    assert "far" in (far.folder / "known_hosts").read_text()
