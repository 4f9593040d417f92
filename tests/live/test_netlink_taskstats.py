"""Taskstats of the real kernel agree with /proc and with another implementation, for this and for that privilege."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import Require
from proctop.kernel.host import Host
from proctop.kernel.netlink import exits, taskstats, taskstats_refusal
from proctop.kernel.netlink.accounting import ROW
from proctop.kernel.netlink.exits import Obituaries
from proctop.kernel.netlink.link import Refused
from proctop.kernel.netlink.taskstats import Taskstats

HOST = Host.this()
GONE = 4_194_303  # pid_max is at most one more
BUSY = """
import sys, threading
def work():
    with open("/proc/self/stat") as file:
        for _ in range(2000):
            file.seek(0); file.read()
    ran.wait(); forever.wait()
ran, forever = threading.Barrier(4), threading.Event()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
ran.wait()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def works(require: Require) -> None:
    require("netlink", taskstats_refusal())


@pytest.fixture
def asked() -> Iterator[Taskstats]:
    channel = Taskstats(HOST)
    yield channel
    channel.close()


@pytest.fixture
def child() -> Iterator[int]:
    """A process of four threads that have run, stopped: nothing of it changes any more."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process.pid
        process.kill()


def said(pid: int, file: str) -> dict[str, int]:
    """Lines of ``name: number`` of a file of a process."""
    lines = (line.split() for line in Path(f"/proc/{pid}/{file}").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}


def test_a_thread_is_as_proc_has_it(asked: Taskstats, child: int) -> None:
    stats = asked.sweep([child])
    one = dict(zip(ROW, stats.values[:, 0].tolist(), strict=True))
    ran, waited, _ = map(int, Path(f"/proc/{child}/task/{child}/schedstat").read_text().split())
    status, io = said(child, f"task/{child}/status"), said(child, f"task/{child}/io")
    fields = Path(f"/proc/{child}/task/{child}/stat").read_text().rpartition(")")[2].split()
    assert stats.found.all() and stats.lost == 0
    assert (one["run_ns"], one["wait_ns"]) == (ran, waited)
    assert (one["vctx"], one["nvctx"]) == (status["voluntary_ctxt_switches"], status["nonvoluntary_ctxt_switches"])
    assert (one["minflt"], one["majflt"]) == (int(fields[7]), int(fields[9])) and one["minflt"] > 0
    for name in ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes"):
        assert one[name] == io[name] // 1024 * 1024
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 <= one["age"] <= uptime - int(fields[19]) / HOST.ticks + 1
    assert one["peak_rss"] == pytest.approx(said_peak(child), abs=1 << 20)  # a quick sum, some pages a cpu off


def said_peak(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_a_whole_process_is_the_sum_of_its_threads(asked: Taskstats, child: int) -> None:
    stats = asked.sweep([child], whole=True)
    ran, waited, switches = 0, 0, 0
    for thread in os.listdir(f"/proc/{child}/task"):
        one, two, _ = map(int, Path(f"/proc/{child}/task/{thread}/schedstat").read_text().split())
        ran, waited = ran + one, waited + two
        switches += said(child, f"task/{thread}/status")["voluntary_ctxt_switches"]
    values = stats.values[:, 0]
    assert (values[ROW["run_ns"]], values[ROW["wait_ns"]], values[ROW["vctx"]]) == (ran, waited, switches)
    assert values[ROW["run_ns"]] > asked.sweep([child]).values[ROW["run_ns"], 0] > 0
    assert np.isnan(values[[ROW["rchar"], ROW["minflt"], ROW["age"]]]).all()


def test_it_agrees_with_pyroute2(asked: Taskstats, child: int) -> None:
    from pyroute2 import TaskStats

    with TaskStats() as other:
        other.bind()
        theirs = other.get_pid_stat(child)[0].get_attr("TASKSTATS_TYPE_AGGR_PID").get_attr("TASKSTATS_TYPE_STATS")
    ours = asked.sweep([child]).values[:, 0]
    assert theirs["version"] == asked.version
    for mine, name in (
        ("wait_ns", "cpu_delay_total"),
        ("wait_ns_count", "cpu_count"),
        ("run_ns", "cpu_run_virtual_total"),
        ("vctx", "nvcsw"),
    ):
        assert ours[ROW[mine]] == theirs[name]


@pytest.mark.parametrize("whole", [False, True])
def test_a_batched_sweep_keeps_the_order_and_marks_the_gone(asked: Taskstats, child: int, whole: bool) -> None:
    ids = np.full(1500, child)
    ids[::7] = GONE
    ids[5] = os.getpid()
    stats = asked.sweep(ids, whole=whole)
    assert stats.lost == 0
    assert stats.found.tolist() == (ids != GONE).tolist()
    assert np.isnan(stats.values[:, ~stats.found]).all()
    ran = stats.values[ROW["run_ns"]]
    assert np.unique(ran[ids == child]).size == 1 and ran[5] != ran[1]
    assert stats.values.shape == (len(ROW), 1500)


def test_nobody_and_nothing_to_ask_for(asked: Taskstats) -> None:
    assert asked.sweep([]).values.shape == (len(ROW), 0)
    assert not asked.sweep([-1, 0, 1 << 40]).found.any()


def test_delay_accounting_that_is_off_is_said_and_not_switched(asked: Taskstats) -> None:
    switch = Path("/proc/sys/kernel/task_delayacct")
    before = switch.read_text() if switch.exists() else "1"
    stats = asked.sweep([os.getpid()])
    blocked = stats.values[ROW["blkio_delay"], 0]
    if before.strip() == "0":
        assert np.isnan(blocked) and "sysctl kernel.task_delayacct=1" in stats.delays
    else:
        assert blocked >= 0 and stats.delays == ""
    assert stats.values[ROW["wait_ns_count"], 0] > 0
    assert not switch.exists() or switch.read_text() == before


def test_with_little_room_it_asks_for_fewer_at_once_and_gets_them_all(monkeypatch: pytest.MonkeyPatch, child: int) -> None:
    monkeypatch.setattr(taskstats, "_ROOM", 16 << 10)
    channel = Taskstats(HOST)
    stats = channel.sweep([child] * 500)
    assert stats.found.all() and stats.lost == 0
    channel._batch = taskstats.BATCH  # more than there is room for
    stats = channel.sweep([child] * 500)
    assert stats.lost == 500 - np.count_nonzero(stats.found) > 0
    assert np.isnan(stats.values[:, ~stats.found]).all()
    assert channel.sweep([child]).found.all()
    channel.close()


DROPPED = """
import os
from proctop.kernel.host import Host
from proctop.kernel.netlink.taskstats import Taskstats
channel = Taskstats(Host.this())
before = channel.sweep([os.getpid()] * 300)
os.setresuid(65534, 65534, 65534)
after = channel.sweep([os.getpid()] * 300)
print(before.lost, before.found.sum(), after.lost, after.found.sum())
"""


def test_a_privilege_that_is_dropped_later_loses_answers_and_ends_nobody(require: Require) -> None:
    require("netlink", "" if os.geteuid() == 0 else "root")
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0 300 300 0\n", "")


@pytest.fixture
def obituaries(require: Require) -> Iterator[Obituaries]:
    refusal = exits.probe(HOST)
    require("netlink", refusal.why if refusal else "")
    listener = Obituaries(HOST)
    yield listener
    listener.close()


def test_each_end_is_told_with_its_totals(obituaries: Obituaries) -> None:
    obituaries.take()
    ends = {}
    for code in (0, 7, -signal.SIGKILL):
        script = f"import os; b'x' * 5000000; os._exit({code})" if code >= 0 else "import os; os.kill(os.getpid(), 9)"
        process = subprocess.Popen([sys.executable, "-S", "-c", script])
        ends[process.pid] = process.wait()
    # The kernel counts the time of a thread when it leaves its cpu or a tick comes: one that does neither before its end is told with 0.
    work = "import threading, time\ndef work():\n    sum(range(300000)); time.sleep(0.01)\nthreading.Thread(target=work).start()\nwork()"
    subprocess.run([sys.executable, "-c", work], check=True)
    told = obituaries.take()
    assert not told.lost
    mine = {int(pid): row for row, pid in enumerate(told.pid) if pid in ends}
    assert {pid: int(told.code[row]) for pid, row in mine.items()} == ends
    rows = list(mine.values())
    assert told.last[rows].all() and (told.ppid[rows] == os.getpid()).all() and (told.uid[rows] == os.geteuid()).all()
    assert (told.values[ROW["run_ns"], rows] > 1e6).all() and (told.values[ROW["minflt"], rows] > 100).all()
    assert np.array_equal(told.whole[:, rows], told.values[:, rows], equal_nan=True)
    parents = told.pid[(told.ppid == os.getpid()) & ~np.isin(told.pid, list(ends))]
    of_threaded = np.flatnonzero(np.isin(told.pid, parents))
    assert told.last[of_threaded].sum() == 1 < of_threaded.size
    last = of_threaded[told.last[of_threaded]][0]
    total, parts = told.whole[ROW["run_ns"], last], told.values[ROW["run_ns"], of_threaded]
    assert parts.max() < total <= parts.sum() * 1.01


def test_a_loss_is_said_once_and_the_stream_goes_on(monkeypatch: pytest.MonkeyPatch, obituaries: Obituaries) -> None:
    monkeypatch.setattr(exits, "_ROOM", 16 << 10)
    small = Obituaries(HOST)
    for _ in range(40):
        subprocess.run(["true"], check=True)
    told, all_of_them = small.take(), obituaries.take()
    assert told.lost and not all_of_them.lost
    assert 0 < told.tid.size < 40 <= np.count_nonzero(all_of_them.ppid == os.getpid())
    subprocess.run(["true"], check=True)
    after = small.take()
    assert np.count_nonzero(after.ppid == os.getpid()) == 1 and not after.lost
    small.close()


def test_names_that_are_no_utf8_are_kept_as_they_are(obituaries: Obituaries) -> None:
    obituaries.take()
    pid = os.fork()
    if not pid:
        with open("/proc/self/comm", "wb") as file:
            file.write(b"\xff\xfe\x1b[2J")
        os._exit(0)
    os.waitpid(pid, 0)
    told = obituaries.take()
    assert told.comm[told.pid == pid].tolist() == [b"\xff\xfe\x1b[2J"]


def test_the_end_of_a_listener_is_prompt_and_final(obituaries: Obituaries) -> None:
    second = Obituaries(HOST)
    second.close()
    subprocess.run(["true"], check=True)
    assert len(obituaries.take().tid) >= 1
    with pytest.raises(OSError):
        second.fileno() and os.fstat(second.fileno())


PROBE = """
from proctop.kernel.host import Host
from proctop.kernel.netlink import events, exits, sockets, taskstats
for module in (taskstats, exits, events, sockets):
    refusal = module.probe(Host.this())
    print(refusal.why if refusal else "works")
"""


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (("setpriv", "--reuid=65534", "--clear-groups"), ["needs CAP_NET_ADMIN"] * 2),
        (("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"), ["needs CAP_NET_ADMIN"] * 2),
        (("unshare", "-Urn"), ["user namespace", "user namespace", "network namespace"]),
        (("unshare", "-n"), ["works", "works", "network namespace", "works"]),
        (("unshare", "-pf", "--mount-proc"), ["works", "pid namespace", "pid namespace", "works"]),
    ],
)
def test_a_refusal_is_one_line_that_says_why(require: Require, wrapper: tuple[str, ...], words: list[str]) -> None:
    tried = subprocess.run([*wrapper, sys.executable, "-c", ""], capture_output=True, text=True)
    require("netlink", f"{' '.join(wrapper)}: {tried.stderr.strip()}" if tried.returncode else "")
    done = subprocess.run([*wrapper, sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all(word in line for word, line in zip(words, lines, strict=False))


def test_without_netlink_at_all_it_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "no")

    monkeypatch.setattr("socket.socket", refuse)
    with pytest.raises(Refused, match="no netlink socket: Operation not permitted"):
        Taskstats(HOST)
    assert taskstats.probe(HOST) is not None
