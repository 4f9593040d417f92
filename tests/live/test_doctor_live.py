"""The doctor on this host, and beside container runtimes that behave badly."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Require = Callable[[str, str], None]
DOCTOR = [sys.executable, "-P", "-m", "proctop", "doctor"]


def examined(*prefix: str, **environ: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [*prefix, *DOCTOR, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environ},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["works"]
    return {check["name"]: check for check in told["checks"]}


def test_the_monitor_works_here() -> None:
    checks = examined()
    assert checks["processes"]["state"] == "works"
    switch = Path("/proc/sys/kernel/task_delayacct")
    if switch.exists():
        assert checks["block io delay"]["state"] == ("off" if switch.read_text().strip() == "0" else "works")
    assert checks["pressure"]["state"] == ("works" if Path("/proc/pressure/cpu").exists() else "off")
    assert checks["screen"]["state"] == "off"  # a pipe
    assert all(check["why"] for check in checks.values() if check["state"] in ("off", "limited"))


def test_the_feeds_that_it_names_are_those_that_are_used(require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "only root can give rights away")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    given = [(*nobody, f"--inh-caps={names}", f"--ambient-caps={names}") for names in ("+net_admin", "+bpf,+perfmon")]
    for wrapper in ((), nobody, *given):
        checks = examined(*wrapper)
        used = checks["numbers"]["finding"].rpartition(": by ")[2]
        command = [*wrapper, *DOCTOR[:-1], "-b", "-d", "0.1", "-n", "30", "--format", "json", "--top", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd="/")
        frame = json.loads(done.stdout.splitlines()[-1])
        assert frame["source"] == used
        if checks["numbers"]["why"]:
            reason = frame["notes"][-1].removeprefix("eBPF not used: ")
            assert reason in checks["numbers"]["why"] and checks["numbers"]["remedy"].startswith("sudo ")
        assert ("ends" in checks) and (checks["ends"]["state"] == "off") == (wrapper == nobody)
        assert (checks["io and descriptors"]["finding"] == "of every process: by bpf") == (used == "bpf")


def test_text_is_what_people_get() -> None:
    done = subprocess.run(DOCTOR, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert done.stdout.endswith("proctop runs here.\n")
    assert done.stderr == ""


def test_without_rights_it_names_the_way_to_get_them(require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "only root can become nobody")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    usable = (
        subprocess.run([*nobody, sys.executable, "-c", "import proctop.cli"], capture_output=True, check=False, cwd="/").returncode == 0
    )
    require("a readable installation", "" if usable else "nobody cannot read this installation")
    io = examined(*nobody)["io and descriptors"]
    assert io["state"] == "limited"
    assert io["remedy"].startswith("sudo ")


@pytest.mark.parametrize(
    ("kind", "why"),
    [("mute", "no answer in 2 s"), ("closed", "nothing listens there"), ("absent", "no Docker or Podman socket")],
)
def test_container_runtimes(tmp_path: Path, kind: str, why: str) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        if kind != "absent":
            server.bind(str(path))
        if kind == "mute":
            server.listen()
        checks = examined(DOCKER_HOST=f"unix://{path}", XDG_RUNTIME_DIR=str(tmp_path))
    if kind == "absent" and "podman" in checks["container names"]["finding"]:
        pytest.skip("needs a host without Podman: its socket answers for the absent one")
    assert checks["container names"]["state"] == "off"
    assert checks["container names"]["why"] == why
