"""The live source on the real kernel: agreement with psutil, and the bad days that one machine can stage."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from conftest import Require
from proctop.fields import COUNTER
from proctop.kernel.host import Host
from proctop.records import Reading
from proctop.sources.live import LiveSource

PR_SET_NAME = 15
PR_SET_PDEATHSIG = 1


def read(source: LiveSource) -> Reading:
    reading = source.read()
    assert reading is not None
    return reading


def value(reading: Reading, pid: int, name: str) -> float:
    return float(reading.counters[COUNTER[name], reading.pid.tolist().index(pid)])


@pytest.fixture
def source() -> Iterator[LiveSource]:
    source = LiveSource(Host.this())
    yield source
    source.close()


@contextlib.contextmanager
def child(body: Callable[[], object]) -> Iterator[int]:
    """A forked child that has run ``body`` when this is entered, and then sleeps."""
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            body()
            os.write(tell, b"1")
            while True:
                signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"1"
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def quiet_pids() -> list[int]:
    """This process and up to ten others that psutil can read in full, sleeping ones first."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.status() in (psutil.STATUS_SLEEPING, psutil.STATUS_IDLE):
                process.io_counters()
                process.num_fds()
                found.append(process.pid)
    return [os.getpid(), *found[:10]]


def test_agrees_with_psutil(source: LiveSource) -> None:
    """Each number lies between psutil's before and after, so a process may move on between the looks."""
    pids = quiet_pids()
    assert len(pids) > 1

    def look() -> dict[int, dict[str, float]]:
        out = {}
        for pid in pids:
            process = psutil.Process(pid)
            with process.oneshot():
                times, memory, io, switches = process.cpu_times(), process.memory_info(), process.io_counters(), process.num_ctx_switches()
                out[pid] = {
                    "ppid": process.ppid(),
                    "nice": process.nice(),
                    "utime": times.user * 1e9,
                    "stime": times.system * 1e9,
                    "threads": process.num_threads(),
                    "vsize": memory.vms,
                    "rss": memory.rss,
                    "vctx": switches.voluntary,
                    "nvctx": switches.involuntary,
                    "rchar": io.read_chars,
                    "wchar": io.write_chars,
                    "syscr": io.read_count,
                    "syscw": io.write_count,
                    "read_bytes": io.read_bytes,
                    "write_bytes": io.write_bytes,
                    "fds": process.num_fds(),
                }
        return out

    read(source)
    before = look()
    reading = read(source)
    after = look()
    for pid in pids:
        for name, low in before[pid].items():
            found, high = value(reading, pid, name), after[pid][name]
            slack = 2 * max(abs(high - low), 1e7 if name in ("utime", "stime") else 0.0)
            if pid == os.getpid():  # reading is work: its own memory and descriptors grow and shrink meanwhile
                slack += {"rss": 8 << 20, "vsize": 256 << 20, "fds": 64, "threads": 1}.get(name, 0)
            assert min(low, high) - slack <= found <= max(low, high) + slack, (pid, name, low, found, high)


def test_start_and_words_agree_with_psutil(source: LiveSource) -> None:
    reading = read(source)
    reading = read(source)
    boot = reading.info.boot_time
    for pid in quiet_pids():
        process = psutil.Process(pid)
        i = reading.pid.tolist().index(pid)
        label = reading.labels[i]
        assert boot + reading.start[i] / reading.info.ticks == pytest.approx(process.create_time(), abs=1.5)
        assert label.user == process.username()
        assert label.kernel == (not process.cmdline() and process.ppid() in (0, 2))
        if process.cmdline() and label.command.isascii() and label.command.isprintable():
            assert label.command == " ".join(process.cmdline()).strip()[: len(label.command)]


def test_host_agrees_with_psutil(source: LiveSource) -> None:
    reading = read(source)
    memory = psutil.virtual_memory()
    assert reading.host.memory["MemTotal"] == memory.total
    assert reading.info.boot_time == psutil.boot_time()
    assert reading.info.cpus == psutil.cpu_count()
    assert set(reading.host.nets) == set(psutil.net_io_counters(pernic=True, nowrap=False))
    assert len(reading) == pytest.approx(len(psutil.pids()), rel=0.2, abs=20)


def test_every_process_is_seen_and_nothing_is_missing_for_root(source: LiveSource, require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "not root")
    reading = read(source)
    assert os.getpid() in reading.pid
    assert np.isnan(reading.counters[COUNTER["rchar"]]).mean() < 0.1
    assert not np.isnan(reading.counters[COUNTER["run_ns"]]).any()


HOSTILE = [b"a) S 1 (b", b"\x1b[2Jx", b"two\nlines", b"\xff\xfe\x80", b"[/x]", b"((((", b" "]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(source: LiveSource, name: bytes) -> None:
    with child(lambda: ctypes.CDLL(None).prctl(PR_SET_NAME, name)) as pid:
        reading = read(source)
        label = reading.labels[reading.pid.tolist().index(pid)]
        assert label.comm.isprintable()
        assert len(label.comm) >= 1
        assert value(reading, pid, "ppid") == os.getpid()


def test_a_command_line_of_megabytes(source: LiveSource) -> None:
    script = "import signal; print(1, flush=True); signal.pause()"
    giant = subprocess.Popen([sys.executable, "-c", script, *["x" * 100_000] * 15], stdout=subprocess.PIPE)
    try:
        assert giant.stdout is not None
        giant.stdout.readline()
        reading = read(source)
        reading = read(source)
        label = reading.labels[reading.pid.tolist().index(giant.pid)]
        assert label.command.startswith(sys.executable)
        assert len(label.command) == 4096
    finally:
        giant.kill()
        giant.communicate()


def test_births_and_exits_while_children_come_and_go(source: LiveSource) -> None:
    """A storm of short lives: no row is ever half, no key is ever twice."""
    storm = subprocess.Popen(["/bin/sh", "-c", "while :; do /bin/true & /bin/true; done"], start_new_session=True)
    try:
        last: set[tuple[int, int]] = set()
        exits: set[tuple[int, int]] = set()
        for _ in range(25):
            reading = read(source)
            keys = set(zip(reading.pid.tolist(), reading.start.tolist(), strict=True))
            assert len(keys) == len(reading) == len(reading.labels)
            assert not np.isnan(reading.counters[COUNTER["utime"]]).any()
            gone = {(one.key.pid, one.key.start) for one in reading.exits}
            assert gone == last - keys
            exits |= gone
            last = keys
        assert exits
    finally:
        os.killpg(storm.pid, signal.SIGKILL)
        storm.wait()


def test_survivors_keep_their_order(source: LiveSource) -> None:
    before = read(source)
    with child(lambda: None) as pid:
        after = read(source)
        assert after.pid.tolist()[-1] >= pid or pid in after.pid.tolist()
        kept = list(zip(after.pid.tolist(), after.start.tolist(), strict=True))
        old = [key for key in zip(before.pid.tolist(), before.start.tolist(), strict=True) if key in set(kept)]
        assert kept[: len(old)] == old


def test_a_process_that_only_waits_is_left_alone(source: LiveSource) -> None:
    with child(lambda: None) as pid:
        read(source)
        read(source)
        changed = read(source).changed
        again = read(source)
        assert changed is not None
        first, second = (value(one, pid, "run_ns") for one in (again, read(source)))
        assert first == second


def switches(pid: int) -> str:
    """How often a process has waited, as the kernel says."""
    return next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("voluntary"))


def test_work_shows_however_short(source: LiveSource) -> None:
    """Far below a clock tick: schedstat tells."""
    go, said = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        while os.read(go[0], 1):
            os.write(said[1], b"1")
        os._exit(0)
    try:
        read(source)
        before, waits = read(source), switches(pid)
        os.write(go[1], b"1")
        os.read(said[0], 1)
        while switches(pid) == waits:  # it may not wait again yet
            os.sched_yield()
        after = read(source)
        assert value(after, pid, "vctx") > value(before, pid, "vctx")  # the look itself was noticed by its run time
        assert value(after, pid, "syscr") > value(before, pid, "syscr")
        assert after.changed is not None
        assert after.pid.tolist().index(pid) in after.changed
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in (*go, *said):
            os.close(fd)


def in_child(body: Callable[[], None]) -> None:
    """Run assertions in a forked child; what fails there fails here."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            body()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_without_privileges(require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "not root: cannot become nobody")

    def body() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        source = LiveSource(Host.this())
        reading = read(source)
        reading = read(source)
        gaps = {gap.field: gap for gap in reading.gaps}
        assert gaps["io"].count >= 1
        assert "needs root" in gaps["io"].reason
        assert np.isnan(value(reading, 1, "rchar"))
        assert not np.isnan(value(reading, 1, "rss"))
        assert not np.isnan(reading.counters[COUNTER["run_ns"]]).any()
        source.close()

    in_child(body)


def test_few_descriptors() -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (270, 270))
        source = LiveSource(Host.this())
        for _ in range(3):
            reading = read(source)
        assert os.getpid() in reading.pid
        assert not np.isnan(reading.counters[COUNTER["run_ns"]]).any()
        assert len(os.listdir("/proc/self/fd")) < 100
        source.close()

    in_child(body)


def test_hidepid(tmp_path: Path, require: Require) -> None:
    require("root", "" if os.geteuid() == 0 else "not root: cannot mount")

    def body() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(0x00020000) == 0  # CLONE_NEWNS
        assert libc.mount(None, b"/", None, 0x44000, None) == 0  # MS_REC | MS_PRIVATE
        target = str(tmp_path).encode()
        assert libc.mount(b"proc", target, b"proc", 0, b"hidepid=2") == 0
        os.chmod(tmp_path, 0o755)
        os.setgroups([])
        os.setgid(65534)  # members of the group of the gid= option, 0 by default, see everything
        os.setuid(65534)
        source = LiveSource(Host.this(procfs=str(tmp_path)))
        reading = read(source)
        assert 1 not in reading.pid
        assert any(gap.field == "processes" and "hidepid" in gap.reason for gap in reading.gaps)
        source.close()

    for parent in tmp_path.parents[:2]:
        with contextlib.suppress(PermissionError):
            parent.chmod(0o755)
    in_child(body)


def test_nothing_is_left_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    source = LiveSource(Host.this())
    for _ in range(3):
        read(source)
    source.close()
    assert set(os.listdir("/proc/self/fd")) == before


@contextlib.contextmanager
def cgroup(name: str) -> Iterator[Path | None]:
    """A new cgroup in whichever hierarchy allows one, None where none does."""
    made = None
    for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        path = Path(root, name)
        if Path(root, "cgroup.procs").exists():
            with contextlib.suppress(OSError):
                path.mkdir()
                made = path
                break
    try:
        yield made
    finally:
        if made is not None:
            made.rmdir()


def test_a_process_in_a_container_cgroup(source: LiveSource, require: Require) -> None:
    ident = f"{os.getpid():064x}"
    with cgroup(f"docker-{ident}.scope") as path:
        require("cgroups", "" if path is not None else "no cgroup can be made")
        assert path is not None
        with child(lambda: (path / "cgroup.procs").write_text(str(os.getpid()))) as pid:
            reading = read(source)
            container = reading.labels[reading.pid.tolist().index(pid)].container
            assert container is not None
            assert (container.id, container.runtime) == (ident, "docker")
            counters = reading.cgroups[f"/docker-{ident}.scope"]
            assert not np.isnan([counters.memory, counters.cpu_ns, counters.pids]).all()
            other = reading.labels[reading.pid.tolist().index(os.getpid())].container
            assert other is None or other.id != ident
