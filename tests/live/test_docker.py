"""A real dockerd, and Podman where it is installed: containers that start, are renamed, stop and go, and a daemon that restarts."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_docker import FakeDocker
from proctop.cgroups import cgroup_rates
from proctop.containers.directory import Directory
from proctop.containers.endpoints import Answer, Endpoint
from proctop.containers.paths import resolve
from proctop.engine import Engine
from proctop.kernel.host import Host
from proctop.records import CgroupCounters, Container
from proctop.restarts import Restarts
from proctop.scoring.baseline import Baseline
from proctop.sources.live import LiveSource

IMAGE = "demo/app:1.0"
SLEEP = ["/bin/busybox", "sleep", "1000"]


def until(seen: Callable[[], bool], seconds: float = 20.0, why: str = "did not happen") -> None:
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not seen():
        assert time.monotonic() < end, why
        pause.wait(0.02)


def image() -> bytes:
    """A tar of a root directory that holds a static busybox and nothing else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(shutil.which("busybox") or "", arcname="bin/busybox")
    return buffer.getvalue()


class Daemon:
    """A process that serves the engine API on a socket of its own, with its state in a directory of its own."""

    def __init__(self, command: list[str], place: Path) -> None:
        self.command = command
        self.place = place
        self.socket = str(place / "s")
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Why it does not run; "" when it answers."""
        with open(self.place / "log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 40
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return f"{self.command[0]} ended with {self.process.returncode}: {self.log()}"
            if Endpoint(self.url, "docker").ask(1.0) is Answer.ALIVE:
                return ""
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        self.stop()
        return f"{self.command[0]} does not answer: {self.log()}"

    def log(self) -> str:
        return (self.place / "log").read_text(errors="replace")[-300:]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def client(self) -> Any:
        import docker

        return docker.APIClient(self.url, version="auto", timeout=30)


@pytest.fixture(scope="session")
def daemon(require: Callable[[str, str], None]) -> Iterator[Daemon]:
    missing = [name for name in ("dockerd", "busybox") if shutil.which(name) is None]
    require("docker", f"{' and '.join(missing)} not installed" if missing else "only root can start dockerd" if os.geteuid() else "")
    place = Path(tempfile.mkdtemp(prefix="ptd"))
    command = ["dockerd", "--data-root", f"{place}/d", "--exec-root", f"{place}/e", "--pidfile", f"{place}/pid", "-H", f"unix://{place}/s"]
    one = Daemon([*command, "--iptables=false", "--ip6tables=false", "--bridge=none", "--shutdown-timeout=1"], place)
    try:
        why = one.start()
        require("docker", why)
        with contextlib.closing(one.client()) as client:
            client.import_image_from_data(image(), repository="demo/app", tag="1.0")
        yield one
    finally:
        one.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Any]:
    with contextlib.closing(daemon.client()) as one:
        yield one
        for left in one.containers(all=True, quiet=True):
            one.remove_container(left["Id"], force=True)


@pytest.fixture
def directory(daemon: Daemon) -> Iterator[Directory]:
    one = Directory([daemon.url], environ={}, log_dir="")
    one.start()
    yield one
    one.close()


def run(client: Any, name: str, **more: Any) -> str:
    """Id of a container that has started."""
    config = client.create_host_config(network_mode="none")
    cid: str = client.create_container(IMAGE, SLEEP, name=name, host_config=config, stop_signal="SIGKILL", **more)["Id"]
    client.start(cid)
    return cid


def test_a_process_in_a_container_is_named(client: Any, directory: Directory) -> None:
    cid = run(client, "web", labels={"tier": "front", "odd": "a\x1b[2Jb"})
    pid = client.inspect_container(cid)["State"]["Pid"]
    place = resolve(Path(f"/proc/{pid}/cgroup").read_text())
    assert place.container is not None
    assert (place.container.id, place.container.runtime) == (cid, "docker")
    assert cid in place.path
    container = place.container
    until(lambda: directory.enrich(container).name == "web")
    assert directory.enrich(container) == Container(cid, "docker", "", "web", IMAGE, (("odd", "a\ufffd[2Jb"), ("tier", "front")))
    assert directory.notes() == ()


def test_containers_from_before_are_listed(client: Any, daemon: Daemon) -> None:
    running, stopped = run(client, "runs"), client.create_container(IMAGE, SLEEP, name="never-started")["Id"]
    one = Directory([daemon.url], environ={}, log_dir="")
    one.start()
    until(lambda: one.enrich(Container(running)).name == "runs")
    assert one.enrich(Container(stopped)).name == "never-started"
    one.close()


def test_rename_stop_and_removal(client: Any, directory: Directory) -> None:
    cid = run(client, "before")
    until(lambda: directory.enrich(Container(cid)).name == "before")
    version = directory.version
    client.rename(cid, "after")
    until(lambda: directory.enrich(Container(cid)).name == "after")
    assert directory.version > version
    client.kill(cid)
    client.wait(cid)
    assert directory.enrich(Container(cid)).name == "after"
    client.remove_container(cid, force=True)
    other = run(client, "before")
    until(lambda: directory.enrich(Container(other)).name == "before")
    assert directory.enrich(Container(cid)).name == "after", "what has exited still shows where it ran"


def test_an_image_without_a_tag_is_shown_by_its_short_id(client: Any, daemon: Daemon) -> None:
    client.import_image_from_data(image(), repository="demo/old", tag="1")
    cid = client.create_container("demo/old:1", SLEEP, name="untagged")["Id"]
    client.remove_image("demo/old:1", force=True)
    one = Directory([daemon.url], environ={}, log_dir="")
    one.start()
    until(lambda: one.enrich(Container(cid)).name == "untagged")
    assert len(one.enrich(Container(cid)).image) in (len("demo/old:1"), len("sha256:") + 12)
    one.close()


def test_a_frozen_daemon_is_noted_and_resumed(client: Any, daemon: Daemon, directory: Directory) -> None:
    cid = run(client, "kept")
    until(lambda: directory.enrich(Container(cid)).name == "kept")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: directory.notes() == ("docker: not answering, names may be stale",))
        assert directory.enrich(Container(cid)).name == "kept"
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    until(lambda: directory.notes() == ())
    client.rename(cid, "thawed")
    until(lambda: directory.enrich(Container(cid)).name == "thawed")


def test_a_daemon_that_restarts_is_found_again(client: Any, daemon: Daemon, directory: Directory) -> None:
    cid = run(client, "survivor")
    until(lambda: directory.enrich(Container(cid)).name == "survivor")
    daemon.stop()
    until(lambda: directory.notes() != ())
    assert directory.enrich(Container(cid)).name == "survivor"
    assert daemon.start() == ""
    with contextlib.closing(daemon.client()) as again:
        other = run(again, "afterwards")
    until(lambda: directory.enrich(Container(other)).name == "afterwards")
    until(lambda: directory.notes() == ())


def test_a_socket_of_another_user_is_a_note(require: Callable[[str, str], None]) -> None:
    require("root", "" if os.geteuid() == 0 else "only root can become another user")
    with tempfile.TemporaryDirectory(prefix="pt") as place, FakeDocker(f"{place}/s") as docker:
        os.chmod(place, 0o755)
        os.chmod(docker.path, 0)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # root may open anything: look as nobody
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                directory = Directory([docker.url], environ={}, log_dir="")
                directory.start()
                until(lambda: directory.notes() != ())
                os.write(writing, directory.notes()[0].encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == f"docker: permission denied on {docker.path}; add the user to group docker or run as root"
        assert docker.log == []


def test_podman_names_its_containers(require: Callable[[str, str], None]) -> None:
    missing = [name for name in ("podman", "runc", "busybox") if shutil.which(name) is None]
    require("podman", f"{' and '.join(missing)} not installed" if missing else "only root can set it up" if os.geteuid() else "")
    place = Path(tempfile.mkdtemp(prefix="ptp"))
    podman = ["podman", "--root", f"{place}/r", "--runroot", f"{place}/rr", "--tmpdir", f"{place}/t", "--events-backend", "file"]
    podman += ["--cgroup-manager", "cgroupfs", "--runtime", "runc"]

    def call(*words: str, data: bytes = b"") -> str:
        done = subprocess.run([*podman, *words], input=data, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    socket = f"unix://{place}/podman.sock"
    service = Daemon([*podman, "system", "service", "--time", "0", socket], place)
    service.url = socket
    directory = Directory([socket], environ={}, log_dir="")
    try:
        require("podman", service.start())
        call("import", "-", IMAGE, data=image())
        directory.start()
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
        cid = call("run", "-d", "--network", "none", *limits, "--name", "pod-web", "--label", "a=b", IMAGE, *SLEEP)
        container = resolve(Path(f"/proc/{call('inspect', '-f', '{{.State.Pid}}', cid)}/cgroup").read_text()).container
        assert container == Container(cid, "podman")
        until(lambda: directory.enrich(container).name == "pod-web")
        assert directory.enrich(container).image == f"localhost/{IMAGE}"
        assert directory.enrich(container).labels == (("a", "b"),)
        call("rename", cid, "pod-renamed")
        until(lambda: directory.enrich(container).name == "pod-renamed")
        call("rm", "-f", "-t", "0", cid)
        assert directory.notes() == ()
    finally:
        directory.close()
        service.stop()
        subprocess.run([*podman, "rm", "-af", "-t", "0"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(place, ignore_errors=True)


def test_a_container_is_held_to_its_limits_and_started_again(client: Any, directory: Directory) -> None:
    loop = ["/bin/busybox", "sh", "-c", "while :; do :; done"]
    config = client.create_host_config(network_mode="none", cpu_period=100_000, cpu_quota=20_000, mem_limit="64m")
    cid = client.create_container(IMAGE, loop, name="held", host_config=config, stop_signal="SIGKILL")["Id"]
    client.start(cid)
    source, engine, restarts = LiveSource(Host.this(), names=directory), Engine(Baseline()), Restarts()
    seen: list[tuple[float, CgroupCounters]] = []
    again = []

    def look() -> bool:
        """Whether it is there, with its name."""
        reading = source.read()
        assert reading is not None
        frame = engine.step(reading)
        restarts.note(frame)
        found = next((label for label in frame.batch.labels if label.container is not None and label.container.id == cid), None)
        if found is None or found.container is None:
            return False
        seen.append((reading.mono, reading.cgroups[found.cgroup]))
        again.append(restarts.of(found.container, reading.boot))
        return found.container.name == "held"

    try:
        until(look)
        until(lambda: look() and seen[-1][1].throttled - seen[0][1].throttled >= 3, why="it was not held")
        (since, before), (at, after) = seen[0], seen[-1]
        rates = cgroup_rates(before, after, at - since)
        assert rates.cpu_limit == 0.2 and rates.memory_limit == 64 << 20 and rates.oom_kills == 0
        assert 0 < rates.throttled <= 1 and rates.throttled_time > 0 and 0 < rates.cpu < 0.4 and 0 < rates.memory < 64 << 20
        assert again[-1] == 0
        client.restart(cid, timeout=0)
        until(lambda: look() and again[-1] == 1, why="the restart was not seen")
    finally:
        source.close()
