"""Where eBPF is not to be had, or only in part: one line says why, nothing is printed, and nothing stays behind."""

from __future__ import annotations

import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import Require
from proctop.kernel.bpf import feed as feed_module
from proctop.kernel.bpf import libbpf
from proctop.kernel.bpf.feed import EVENTS, FAULTS, TASKS, Feed, Unavailable
from proctop.kernel.host import Host

OPEN = """
import json, os, sys
from proctop.kernel.bpf.feed import Feed, Unavailable
from proctop.kernel.host import Host
feed = Feed.open(Host.this())
"""
TELL = """
if isinstance(feed, Unavailable):
    print(json.dumps({"why": dict(feed.why)}))
else:
    tasks = feed.sweep()
    child = os.fork()
    if not child:
        os._exit(5)
    os.waitpid(child, 0)
    born, ended = [], []
    while child not in ended:
        events = feed.events()
        born += events.births.pid.tolist()
        ended += events.exits.pid.tolist()
    print(json.dumps({"refused": feed.refused, "pids": tasks.pid.tolist(), "me": os.getpid(), "child": child, "born": born, "ended": ended,
                      "starts": tasks.start.tolist(), "ppid": events.exits.ppid.tolist()}))
    feed.close()
"""


@pytest.fixture(autouse=True)
def works(require: Require) -> None:
    feed = Feed.open(Host.this())
    require("ebpf", next(iter(feed.why.values())) if isinstance(feed, Unavailable) else "; ".join(feed.refused.values()))
    assert isinstance(feed, Feed)
    feed.close()


def run(*wrapper: str, script: str = OPEN + TELL) -> dict[str, object]:
    """What the script said, run behind ``wrapper``; nothing else may have been printed."""
    done = subprocess.run([*wrapper, sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def reasons(answer: dict[str, object]) -> set[str]:
    why = answer["why"]
    assert isinstance(why, dict) and set(why) == {TASKS, *EVENTS, *FAULTS}
    assert all("\n" not in line for line in why.values())
    return set(why.values())


def nobody(*capabilities: str) -> Sequence[str]:
    given = ",".join(f"+{name}" for name in capabilities)
    return ("setpriv", "--reuid=65534", "--clear-groups", *((f"--inh-caps={given}", f"--ambient-caps={given}") if given else ()))


def test_nobody_may_not(require: Require) -> None:
    require("ebpf", "" if os.access(sys.prefix, os.X_OK) and shutil.which("setpriv") else "no setpriv")
    assert reasons(run(*nobody())) == {"not permitted: needs root, or CAP_BPF and CAP_PERFMON"}
    for one in ("bpf", "perfmon"):
        assert reasons(run(*nobody(one))) == {"not permitted: needs root, or CAP_BPF and CAP_PERFMON"}


def test_two_capabilities_suffice() -> None:
    answer = run(*nobody("bpf", "perfmon"))
    assert answer["refused"] == {} and answer["child"] in answer["ended"]  # type: ignore[operator]


@pytest.mark.parametrize("hide", ["mount --bind /dev/null", "mount -t tmpfs none"])
def test_without_type_information(hide: str) -> None:
    place = "/sys/kernel/btf/vmlinux" if "bind" in hide else "/sys/kernel/btf"
    answer = run("unshare", "-m", "sh", "-c", f'{hide} {place} && exec "$@"', "sh")
    assert reasons(answer) == {"this kernel gives no type information: /sys/kernel/btf/vmlinux is missing or unusable"}


def test_without_memory_to_lock() -> None:
    answer = run("prlimit", "--memlock=0")
    assert answer.get("refused") == {} or reasons(answer) == {"the limit of locked memory is too low: ulimit -l unlimited"}


@pytest.mark.parametrize("limit", [6, 9, 12, 14, 16, 18])
def test_with_few_descriptors(limit: int) -> None:
    """Wherever they run out, one reason and no traceback."""
    tell = "\nprint(json.dumps({'why': dict(feed.why)} if isinstance(feed, Unavailable) else {}))"
    few = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))"
    answer = run(script="import numpy, resource\n" + OPEN.replace("feed = ", f"{few}\nfeed = ") + tell)
    assert not answer or len(reasons(answer)) == 1


def test_without_libbpf(monkeypatch: pytest.MonkeyPatch) -> None:
    libbpf._library.cache_clear()
    monkeypatch.setattr(libbpf, "SONAME", "libbpf.so.999")
    feed = Feed.open(Host.this())
    libbpf._library.cache_clear()
    assert isinstance(feed, Unavailable)
    assert set(feed.why.values()) == {"libbpf.so.999 is not installed (Debian: apt-get install libbpf1)"}


def test_an_old_libbpf(monkeypatch: pytest.MonkeyPatch) -> None:
    libbpf._library.cache_clear()
    monkeypatch.setitem(libbpf._NUMBER, "bpf_of_the_future", [])
    feed = Feed.open(Host.this())
    libbpf._library.cache_clear()
    assert isinstance(feed, Unavailable) and all("too old" in why for why in feed.why.values())


@pytest.mark.parametrize("broken", ["fork", "exec", "exit", "free"])
def test_one_program_that_the_kernel_refuses_leaves_the_others(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Path(feed_module.__file__).with_name(feed_module.OBJECT).read_bytes()
    name = f"tp_btf/sched_process_{broken}".encode()
    monkeypatch.setattr(pkgutil, "get_data", lambda *_: image.replace(name, name[:-1] + b"X"))
    feed = Feed.open(Host.this())
    assert isinstance(feed, Feed)
    refused = {"fork": "forked", "exec": "execed", "exit": "exited", "free": "freed"}[broken]
    assert list(feed.refused) == [refused] and feed.refused[refused]
    assert os.getpid() in feed.sweep().pid
    child = os.fork()
    if not child:
        os._exit(9)
    os.waitpid(child, 0)
    ended: list[int] = []
    while child not in ended:
        events = feed.events()
        ended += events.exits.pid.tolist()
        assert broken != "fork" or not len(events.births)
    assert events.code[events.exits.pid.tolist().index(child)] == 9
    feed.close()


def test_a_program_that_the_verifier_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Path(feed_module.__file__).with_name(feed_module.OBJECT).read_bytes()
    monkeypatch.setattr(pkgutil, "get_data", lambda *_: image.replace(b"Dual MIT/GPL\0", b"Proprietary!\0"))
    feed = Feed.open(Host.this())
    assert isinstance(feed, Unavailable)
    assert all(why.startswith("the kernel's verifier refused it: ") and "non-GPL" in why for why in feed.why.values())


def test_another_hosts_procfs(tmp_path: Path) -> None:
    feed = Feed.open(Host.this(str(tmp_path)))
    assert isinstance(feed, Unavailable) and all("pid namespace" in why for why in feed.why.values())


def test_kernel_lockdown(tmp_path: Path) -> None:
    place = tmp_path / "kernel/security/lockdown"
    place.parent.mkdir(parents=True)
    place.write_text("none integrity [confidentiality]\n")
    feed = Feed.open(Host.this(sysfs=str(tmp_path)))
    assert isinstance(feed, Unavailable) and all("lockdown" in why for why in feed.why.values())
    place.write_text("none [integrity] confidentiality\n")
    feed = Feed.open(Host.this(sysfs=str(tmp_path)))
    assert isinstance(feed, Feed)
    feed.close()


def test_in_a_pid_namespace_of_its_own() -> None:
    script = OPEN + TELL.replace("os.getpid()", "(os.getpid(), int(open('/proc/self/stat').read().split()[21]))")
    answer = run("unshare", "-pf", "--mount-proc", script=script)
    assert answer["me"][0] == 1 and answer["pids"] == [1]  # type: ignore[index]
    assert answer["starts"] == [answer["me"][1]]  # type: ignore[index]
    assert answer["born"] == answer["ended"] == [answer["child"]] and answer["ppid"] == [1]
    assert 1 < answer["child"] < 20  # type: ignore[operator]


def test_in_a_time_namespace_of_its_own() -> None:
    script = OPEN + TELL.replace("os.getpid()", "int(open('/proc/self/stat').read().split()[21])")
    answer = run("unshare", "-T", "--boottime", "100000", "-f", script=script)
    assert answer["me"] in answer["starts"]  # type: ignore[operator]


def loaded() -> set[int]:
    """Ids of our programs that are in the kernel."""
    text = subprocess.run(["bpftool", "-j", "prog", "list"], capture_output=True, check=True).stdout
    return {program["id"] for program in json.loads(text) if str(program.get("name")).removesuffix("_more") in (TASKS, *EVENTS, *FAULTS)}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_is_left_behind(end: signal.Signals | None, require: Require) -> None:
    require("ebpf", "" if shutil.which("bpftool") else "bpftool is not installed")
    before = loaded()
    script = OPEN + "feed.sweep(); print(flush=True); sys.stdin.read(); feed.close()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        assert len(loaded() - before) == 1 + len(EVENTS) + len(FAULTS)
        if end is not None:
            child.send_signal(end)
    deadline = time.monotonic() + 10  # the kernel takes programs apart after a grace period
    while loaded() - before and time.monotonic() < deadline:
        os.sched_yield()
    assert not loaded() - before
