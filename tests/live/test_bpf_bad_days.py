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
from typing import Any

import pytest

from conftest import Require
from proctop.kernel.bpf import feed as feed_module
from proctop.kernel.bpf import libbpf
from proctop.kernel.bpf.feed import EVENTS, FAULTS, MEMORY, TASKS, Feed, Unavailable
from proctop.kernel.host import Host
from proctop.sources.feeds import look
from proctop.sources.live import LiveSource

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


def test_each_program_is_refused_for_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that count more may be refused for what the others do without."""

    def refuse(extra: tuple[str, ...], more: bool) -> libbpf.Object:
        raise libbpf.Refused("no such map" if more else "not permitted")

    monkeypatch.setattr(feed_module, "_load", refuse)
    feed = Feed.open(Host.this(), memory=True)
    assert isinstance(feed, Unavailable)
    assert feed.why == dict.fromkeys((TASKS, *EVENTS), "not permitted") | dict.fromkeys((*FAULTS, MEMORY), "no such map")


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
    """Ids of the programs that are in the kernel."""
    text = subprocess.run(["bpftool", "-j", "prog", "list"], capture_output=True, check=True).stdout
    return {program["id"] for program in json.loads(text)}


def held(pid: int) -> set[int]:
    """Ids of those that a process has descriptors of, or of links to them: others may come and go meanwhile."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/fdinfo").iterdir()]
    return {int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("prog_id:")}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_is_left_behind(end: signal.Signals | None, require: Require) -> None:
    require("ebpf", "" if shutil.which("bpftool") else "bpftool is not installed")
    script = OPEN + "feed.sweep(); print(flush=True); sys.stdin.read(); feed.close()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline()
        ours = held(child.pid)
        assert len(ours) == 1 + len(EVENTS) + len(FAULTS) and ours <= loaded()
        if end is not None:
            child.send_signal(end)
    deadline = time.monotonic() + 10  # the kernel takes programs apart after a grace period
    while ours & loaded() and time.monotonic() < deadline:
        os.sched_yield()
    assert not ours & loaded()


# through the program

PROGRAM = [sys.executable, "-P", "-m", "proctop", "-b", "-d", "0.1", "--format", "json", "--top", "1"]
NO_BTF = "this kernel gives no type information: /sys/kernel/btf/vmlinux is missing or unusable"
NOT_PERMITTED = "needs root, or CAP_BPF and CAP_PERFMON"
OFF, SO = "eBPF not used: ", "; so no --bpf-memory"


def proctop(*wrapper: str, flags: Sequence[str]) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, frames, and what went to standard error."""
    done = subprocess.run([*wrapper, *PROGRAM, *flags], capture_output=True, text=True, timeout=120, cwd="/")
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def without(*capabilities: str) -> Sequence[str]:
    """Root, but not allowed everything."""
    taken = ",".join(f"-{name}" for name in capabilities)
    return ("setpriv", f"--bounding-set={taken}", f"--inh-caps={taken}")


def behind(hide: str) -> Sequence[str]:
    return ("unshare", "-m", "sh", "-c", f'{hide} && exec "$@"', "sh")


@pytest.mark.parametrize(
    ("wrapper", "why"),
    [
        (behind("mount --bind /dev/null /sys/kernel/btf/vmlinux"), NO_BTF),
        (nobody(), NOT_PERMITTED),
        (nobody("bpf"), NOT_PERMITTED),
        (nobody("perfmon"), NOT_PERMITTED),
        (nobody("net_admin", "sys_ptrace"), NOT_PERMITTED),
        (("prlimit", "--memlock=0"), "the limit of locked memory is too low: ulimit -l unlimited"),
        (nobody("bpf", "perfmon"), ""),
        (without("bpf", "sys_admin"), "not permitted, even to root: a container, seccomp or kernel lockdown forbids bpf(2)"),
        (without("sys_admin", "sys_ptrace", "net_admin"), ""),
        (("unshare", "-pf", "--mount-proc"), ""),
    ],
    ids=[
        "btf",
        "nobody",
        "perfmon lacks",
        "bpf lacks",
        "other capabilities",
        "memlock",
        "both",
        "root lacks",
        "root suffices",
        "pid namespace",
    ],
)
def test_the_program_goes_on_with_procfs_and_says_why(wrapper: Sequence[str], why: str, require: Require) -> None:
    tried = subprocess.run([*wrapper, sys.executable, "-P", "-c", ""], capture_output=True, text=True, cwd="/")
    require("ebpf", f"{' '.join(wrapper)}: {tried.stderr.strip()}" if tried.returncode else "")
    code, frames, said = proctop(*wrapper, flags=("--bpf-memory", "-n", "2"))
    assert (code, said, len(frames)) == (0, "", 2)
    works = {frame["source"] for frame in frames} == {"bpf"}
    assert works or {frame["source"] for frame in frames} == {"proc"}
    if works:
        assert not why or wrapper[0] == "prlimit"  # locked memory is no matter since Linux 5.11
        assert not any("eBPF" in note for frame in frames for note in frame["notes"])
    else:
        assert why and all(
            frame["notes"][-1].startswith(OFF) and frame["notes"][-1].endswith(SO) and why in frame["notes"][-1] for frame in frames
        )
        assert all("\n" not in note for frame in frames for note in frame["notes"])
    code, frames, said = proctop(*wrapper, flags=("--source", "bpf", "-n", "1"))
    if works:
        assert (code, said, [frame["source"] for frame in frames]) == (0, "", ["bpf"])
    else:
        assert code == 1 and not frames and said.startswith("proctop: --source bpf: ") and why in said and said.count("\n") == 1


# by a library of our own in the place of libbpf: what it lacks, refuses or says reaches the user in one line

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
static int (*say)(int, const char *, va_list);
static void warn(const char *form, ...) { va_list list; va_start(list, form); say(0, form, list); va_end(list); }
static void *real(const char *name) { static void *library; return dlsym(library ? library : (library = dlopen(REAL, RTLD_NOW)), name); }
void *libbpf_set_print(void *function) { say = function; return ((void *(*)(void *))real("libbpf_set_print"))(function); }
void *bpf_object__open_mem(char *image, size_t size, void *options)
{
	for (char *place; SWAP && (place = memmem(image, size, FROM, sizeof(FROM) - 1));)
		memcpy(place, TO, sizeof(FROM) - 1);
	return ((void *(*)(char *, size_t, void *))real("bpf_object__open_mem"))(image, size, options);
}
int bpf_object__load(void *object)
{
	if (!ERROR)
		return ((int (*)(void *))real("bpf_object__load"))(object);
	if (*SAID)
		warn("libbpf: %s\n", SAID);
	errno = ERROR;
	return -ERROR;
}
#define PASS(name) void *name(void *a, void *b, void *c) { return ((void *(*)(void *, void *, void *))real(#name))(a, b, c); }
PASS(bpf_object__find_program_by_name) PASS(bpf_object__next_program) PASS(bpf_object__find_map_by_name) PASS(bpf_program__attach)
PASS(bpf_program__attach_perf_event) PASS(bpf_program__set_autoload) PASS(bpf_link__fd) PASS(bpf_link__destroy) PASS(bpf_map__fd)
PASS(bpf_map__set_autocreate) PASS(bpf_map__value_size) PASS(bpf_iter_create) PASS(bpf_object__close)
"""


def library(folder: Path, require: Require, **given: str) -> dict[str, str]:
    """The environment in which ``libbpf.so.1`` is one of ours, compiled with ``given``."""
    require("ebpf", "" if shutil.which("clang") else "clang is not installed")
    with open("/proc/self/maps") as maps:  # the feed that the fixture opened has loaded it
        real = next(line.split()[-1] for line in maps if "/libbpf.so.1" in line)
    has = {"REAL": f'"{real}"', "SWAP": "0", "FROM": '""', "TO": '""', "ERROR": "0", "SAID": '""'} | given
    defined = [f"-D{name}={value}" for name, value in has.items()]
    command = ["clang", "-w", "-shared", "-fPIC", "-Wl,-soname,libbpf.so.1", *defined, "-o", str(folder / "libbpf.so.1"), "-xc", "-"]
    subprocess.run(command, input=given.get("SOURCE", LIBRARY), text=True, check=True)
    return os.environ | {"LD_LIBRARY_PATH": str(folder)}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ERROR": "EPERM"}, "not permitted, even to root: a container, seccomp or kernel lockdown forbids bpf(2)"),
        ({"ERROR": "E2BIG"}, "the kernel refused it: Argument list too long"),
        ({"ERROR": "EINVAL", "SAID": r'"one\x1b[2J\ntwo"'}, "Invalid argument: one�[2J"),
        ({"SWAP": "1", "FROM": '"Dual MIT/GPL"', "TO": '"Proprietary!"'}, "the kernel's verifier refused it: "),
        ({"SOURCE": "int none;"}, "this libbpf.so.1 is too old: "),
        ({"SOURCE": ""}, "libbpf.so.1 cannot be used: "),
    ],
    ids=["not permitted", "too big", "says a lot", "verifier", "old", "rubbish"],
)
def test_a_libbpf_that_fails_is_one_line_through_the_program(given: dict[str, str], why: str, tmp_path: Path, require: Require) -> None:
    environ = library(tmp_path, require, **given)
    if not given.get("SOURCE", LIBRARY):
        (tmp_path / "libbpf.so.1").write_bytes(b"rubbish")
    done = subprocess.run([*PROGRAM, "-n", "2", "--bpf-memory"], capture_output=True, text=True, timeout=120, cwd="/", env=environ)
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, [frame["source"] for frame in frames]) == (0, "", ["proc"] * 2)
    assert all("\n" not in frame["notes"][-1] and why.removeprefix("not permitted: ") in frame["notes"][-1] for frame in frames)
    done = subprocess.run([*PROGRAM, "-n", "1", "--source", "bpf"], capture_output=True, text=True, timeout=120, cwd="/", env=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"proctop: --source bpf: {why}") and done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


def test_a_program_that_fails_through_libbpf_leaves_the_others(tmp_path: Path, require: Require) -> None:
    environ = library(tmp_path, require, SWAP="1", FROM='"tp_btf/sched_process_exec"', TO='"tp_btf/sched_process_exeX"')
    done = subprocess.run([*PROGRAM, "-n", "1", "--source", "bpf"], capture_output=True, text=True, timeout=120, cwd="/", env=environ)
    [frame] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, frame["source"]) == (0, "", "bpf")
    assert [note for note in frame["notes"] if note.startswith("bpf: execed is not told: ")]


def test_few_readings_and_other_trees_are_read_from_procfs(tmp_path: Path) -> None:
    assert [frame["source"] for frame in proctop(flags=("-n", "2"))[1]] == ["proc"] * 2
    (tmp_path / "proc").symlink_to("/proc")
    code, frames, said = proctop(flags=("-n", "30", "--procfs", str(tmp_path / "proc")))
    assert (code, said, {frame["source"] for frame in frames}) == (0, "", {"proc"})
    assert not any("eBPF" in note for frame in frames for note in frame["notes"])


def test_memory_calls_are_refused_where_procfs_is_wanted() -> None:
    code, frames, said = proctop(flags=("--bpf-memory", "--source", "proc", "-n", "1"))
    assert (code, frames, said) == (2, [], "proctop: --bpf-memory goes with --source bpf or auto\n")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_behind_by_the_program(end: signal.Signals, require: Require) -> None:
    require("ebpf", "" if shutil.which("bpftool") else "bpftool is not installed")
    with subprocess.Popen([*PROGRAM, "--bpf-memory"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/") as child:
        assert child.stdout is not None and child.stderr is not None
        assert json.loads(child.stdout.readline())["source"] == "bpf"
        ours = held(child.pid)
        assert len(ours) == 1 + len(EVENTS) + len(FAULTS) + 1 and ours <= loaded()
        child.send_signal(end)
        assert not child.stderr.read()
    assert child.returncode in (-end, 128 + end)
    deadline = time.monotonic() + 10
    while ours & loaded() and time.monotonic() < deadline:
        os.sched_yield()
    assert not ours & loaded()


def test_a_full_ring_is_said_and_costs_no_row() -> None:
    storm = "import os\nfor _ in range(6000):\n pid = os.fork()\n if not pid: os._exit(0)\n os.waitpid(pid, 0)"
    source = LiveSource(Host.this(), found=look(Host.this(), faults=False, memory=False))
    try:
        assert source.read() is not None
        subprocess.run([sys.executable, "-SE", "-c", storm], check=True)
        lossy, after = source.read(), source.read()
        assert lossy is not None and after is not None and lossy.source == "bpf"
        assert any(note.endswith("events of processes were lost: all processes are looked at again") for note in lossy.notes)
        assert not any("lost" in note for note in after.notes)
        living = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        assert len(set(after.pid.tolist()) - living) < 20
    finally:
        source.close()
