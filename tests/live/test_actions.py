"""Actions on real processes: whom they reach, and whom they never do."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from proctop.actions import ActionFailed, Actions
from proctop.inspection import Detail
from proctop.records import ProcKey

Require = Callable[[str, str], None]


def key_of(pid: int) -> ProcKey:
    return ProcKey(pid, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        yield child
        child.kill()


@pytest.fixture
def actions() -> Actions:
    return Actions("/proc")


def alive(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is None


def test_a_signal_reaches_its_process(actions: Actions, sleeper: subprocess.Popen[bytes]) -> None:
    actions.signal(key_of(sleeper.pid), signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM


def test_a_kernel_without_pidfd_is_served_too(actions: Actions, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(pid: int) -> int:
        raise OSError(errno.ENOSYS, "no such system call")

    monkeypatch.setattr(os, "pidfd_open", absent)
    key = key_of(sleeper.pid)
    with pytest.raises(ActionFailed, match="has exited"):
        actions.signal(key._replace(start=key.start - 1), signal.SIGTERM)
    actions.signal(key, signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM


def test_another_start_time_is_another_process(actions: Actions, sleeper: subprocess.Popen[bytes]) -> None:
    key = key_of(sleeper.pid)
    stranger = key._replace(start=key.start - 1)
    nice = os.getpriority(os.PRIO_PROCESS, sleeper.pid)
    for act in (lambda: actions.signal(stranger, signal.SIGKILL), lambda: actions.renice(stranger, 1), lambda: actions.detail(stranger)):
        with pytest.raises(ActionFailed, match=f"pid {key.pid} has exited"):
            act()
    assert alive(sleeper)
    assert os.getpriority(os.PRIO_PROCESS, sleeper.pid) == nice


def test_a_reused_pid_is_spared(require: Require) -> None:
    """In a pid namespace of its own, where the next pid can be chosen (``ns_last_pid``, pid_namespaces(7))."""
    script = textwrap.dedent("""
        import signal, subprocess, sys
        from pathlib import Path
        from proctop.actions import ActionFailed, Actions
        from proctop.records import ProcKey
        spawn = lambda: subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        key_of = lambda pid: ProcKey(pid, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))
        first = spawn()
        old = new = key_of(first.pid)
        first.kill(), first.wait()
        while new == old:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(old.pid - 1))
            second = spawn()
            assert second.pid == old.pid
            new = key_of(second.pid)
            if new == old:  # within one clock tick
                second.kill(), second.wait()
        try:
            Actions("/proc").signal(old, signal.SIGKILL)
        except ActionFailed as error:
            print("spared" if key_of(second.pid) == new and second.poll() is None else "hit", error)
        second.kill(), second.wait()
    """)
    require("root", "" if os.geteuid() == 0 else "only root makes a pid namespace")
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr or "Permission denied" in done.stderr:
        require("namespaces", f"no pid namespace can be made here: {done.stderr.strip().splitlines()[-1]}")
    assert done.stdout.startswith("spared pid "), done.stderr


def test_what_has_exited_is_said_to_have(actions: Actions, sleeper: subprocess.Popen[bytes]) -> None:
    key = key_of(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ActionFailed, match=f"pid {key.pid} has exited"):
        actions.signal(key, signal.SIGTERM)


def test_renice_changes_by_steps_within_bounds(actions: Actions, sleeper: subprocess.Popen[bytes]) -> None:
    key = key_of(sleeper.pid)
    before = psutil.Process(key.pid).nice()
    assert actions.renice(key, 2) == before + 2 == psutil.Process(key.pid).nice()
    assert actions.renice(key, 100) == 19 == psutil.Process(key.pid).nice()


def told_to_nobody(act: Callable[[], object]) -> str:
    """What ``act`` raises when it runs as a user without any rights (in a fork: rights do not come back)."""
    if os.geteuid() != 0:
        with pytest.raises(ActionFailed) as refused:
            act()
        return str(refused.value)
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            act()
        except ActionFailed as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.parametrize("what", ["signal", "renice"])
def test_what_is_not_permitted_says_what_it_takes(actions: Actions, what: str) -> None:
    """SIGCONT would be no test: within its own session anybody may send it (kill(2)), and a container is often one session."""
    first = key_of(1)
    act: Callable[[], object] = (lambda: actions.signal(first, signal.SIGWINCH)) if what == "signal" else (lambda: actions.renice(first, 1))
    assert told_to_nobody(act).endswith("pid 1: that takes its user or root")


def test_other_pids_are_not_acted_on(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A tree from elsewhere may name a process of this host by accident."""
    key = key_of(sleeper.pid)
    (tmp_path / str(key.pid)).mkdir()
    (tmp_path / str(key.pid) / "stat").write_text(Path(f"/proc/{key.pid}/stat").read_text())
    foreign = Actions(str(tmp_path))
    assert foreign.refused
    for act in (lambda: foreign.signal(key, signal.SIGKILL), lambda: foreign.renice(key, 1), lambda: foreign.detail(key)):
        with pytest.raises(ActionFailed, match="other pids"):
            act()
    assert alive(sleeper)


def test_read_only_looks_and_changes_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    key, readonly = key_of(sleeper.pid), Actions("/proc", readonly="read-only")
    for act in (lambda: readonly.signal(key, signal.SIGKILL), lambda: readonly.renice(key, 1)):
        with pytest.raises(ActionFailed, match="read-only"):
            act()
    assert readonly.detail(key).cwd == os.getcwd()
    assert alive(sleeper)


def test_a_closer_look(actions: Actions) -> None:
    detail = actions.detail(key_of(os.getpid()))
    me = psutil.Process()
    assert detail.exe == me.exe()
    assert detail.cwd == os.getcwd()
    assert detail.parents[0] == (os.getppid(), psutil.Process(os.getppid()).name())
    assert detail.affinity == tuple(me.cpu_affinity())
    waited = dict(detail.delays.waited)
    if waited:
        assert 0 < waited["ran"] <= sum(os.times()[:2]) + 0.1
        assert (waited["block io"] != waited["block io"]) == bool(detail.delays.note)
    else:
        assert "CAP_NET_ADMIN" in detail.delays.note


def test_the_environment_is_no_part_of_it() -> None:
    assert {f.name for f in fields(Detail)} == {"exe", "cwd", "root", "parents", "affinity", "mono", "delays"}


def test_what_a_process_holds(actions: Actions, tmp_path: Path) -> None:
    held = tmp_path / "held"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        held.open("w") as file,
        (tmp_path / "\x1b]0;gone").open("w+") as gone,
    ):
        client.sendall(b"x" * 1000)
        file.write("y" * 12)
        file.flush()
        os.unlink(gone.name)
        told = actions.holdings(key_of(os.getpid()))
        files = {file.fd: file for file in told.files}
        assert (files[file.fileno()].path, files[file.fileno()].size, files[file.fileno()].position) == (str(held), 12, 12)
        assert files[file.fileno()].mode == "w" and not files[file.fileno()].deleted
        assert files[gone.fileno()].deleted and files[gone.fileno()].mode == "rw"
        assert files[gone.fileno()].path == f"{tmp_path}/�]0;gone"
        sockets = {fd: one for one in told.sockets for fd in one.fds}
        listens, sends = sockets[server.fileno()], sockets[client.fileno()]
    assert (listens.state, listens.local, listens.remote) == ("LISTEN", f"127.0.0.1:{server_port(listens.local)}", "")
    assert listens.backlog is not None and listens.backlog[0] == 1
    assert (sends.state, sends.remote, sends.backlog) == ("ESTABLISHED", listens.local, None)
    assert sends.sent in (None, 1000, 1001) and sends.unread == 0


def server_port(address: str) -> str:
    return address.rpartition(":")[2]


def test_an_environment_is_masked_clean_and_in_order(actions: Actions) -> None:
    hostile = {
        "PGPASSWORD": "hunter2 and more",
        "URL": "postgres://me:hunter2@db/shop",
        "HOME": "/x\x1b[2J",
        "A\x1b": "\u202egnp",
        "EMPTY": "",
        "TOKEN": "",
        "GH": "ghp_" + "a" * 36,
    }
    code = "print('up', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=hostile) as child:
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        told = actions.environment(key_of(child.pid))
        child.kill()
    values = dict(told.values)
    assert values["PGPASSWORD"] == "***" and values["URL"] == "postgres://me:***@db/shop" and values["GH"] == "***"
    assert values["HOME"] == "/x�[2J" and values["A�"] == "�gnp" and values["EMPTY"] == values["TOKEN"] == ""
    assert told.masked == {"PGPASSWORD", "URL", "GH"}
    assert [name for name, _ in told.values] == sorted(values)


def test_what_is_not_permitted_to_see_says_so(actions: Actions) -> None:
    first = key_of(1)
    assert told_to_nobody(lambda: actions.environment(first)).endswith("environment of pid 1: that takes its user or root")
    assert told_to_nobody(lambda: actions.holdings(first)).endswith("descriptors of pid 1: that takes its user or root")


def test_a_stranger_is_not_looked_at(actions: Actions, sleeper: subprocess.Popen[bytes]) -> None:
    key = key_of(sleeper.pid)
    stranger = key._replace(start=key.start - 1)
    for look in (actions.holdings, actions.environment, actions.detail):
        with pytest.raises(ActionFailed, match=f"pid {key.pid} has exited"):
            look(stranger)
