"""Builds /proc and /sys trees in a directory, and hosts over them whose reads fail where a test wants."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proctop.kernel.host import Denied, Host, Instant, Unreadable, Vanished

TICKS = 100
PAGE = 4096
BOOT = 1_700_000_000


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.wall, self.mono, self.boot = BOOT + 5000.0, 5000.0, 5000.0

    def __call__(self) -> Instant:
        return Instant(self.wall, self.mono, self.boot)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds
        self.boot += seconds


@dataclass
class Proc:
    """What the files of one process say."""

    pid: int
    start: int = 100
    comm: bytes = b"worker"
    state: str = "S"
    ppid: int = 1
    utime: int = 0
    stime: int = 0
    minflt: int = 0
    majflt: int = 0
    threads: int = 1
    vsize: int = 1 << 20
    rss: int = 100
    blkio: int = 0
    flags: int = 0
    start_code: int = 4096
    uid: int = 0
    data_kb: int = 64
    vctx: int = 0
    nvctx: int = 0
    io: dict[str, int] = field(default_factory=dict)
    fds: int = 3
    run_ns: int = 1000
    wait_ns: int = 10
    cmdline: bytes = b"worker\0--quiet\0"
    cgroup: bytes = b"0::/system.slice/worker.service\n"

    def stat(self) -> bytes:
        """As proc_pid_stat(5) orders it, 52 fields."""
        fields = [0] * 53
        fields[4], fields[9], fields[10], fields[12] = self.ppid, self.flags, self.minflt, self.majflt
        fields[14], fields[15], fields[18], fields[20] = self.utime, self.stime, 20, self.threads
        fields[22], fields[23], fields[24], fields[25] = self.start, self.vsize, self.rss, (1 << 64) - 1
        fields[26], fields[28], fields[42], fields[48] = self.start_code, 8192, self.blkio, 9000
        tail = " ".join(map(str, fields[4:])).encode()
        return b"%d (%s) %s %s\n" % (self.pid, self.comm, self.state.encode(), tail)

    def status(self) -> bytes:
        uid = f"{self.uid}\t{self.uid}\t{self.uid}\t{self.uid}"
        lines = ["Name:\tworker", f"Tgid:\t{self.pid}", f"Pid:\t{self.pid}", f"Uid:\t{uid}", "Gid:\t0\t0\t0\t0"]
        if not self.flags & 0x200000:
            lines.append(f"VmData:\t{self.data_kb:8d} kB")
        lines += [f"voluntary_ctxt_switches:\t{self.vctx}", f"nonvoluntary_ctxt_switches:\t{self.nvctx}"]
        return ("\n".join(lines) + "\n").encode()

    def io_text(self) -> bytes:
        names = ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes")
        return "".join(f"{name}: {self.io.get(name, 0)}\n" for name in names).encode()


class ProcTree:
    """A fixture host below ``root``: ``root/proc`` and ``root/sys``."""

    def __init__(self, root: Path, *, schedstat: bool = True) -> None:
        self.proc = root / "proc"
        self.sys = root / "sys"
        self.schedstat = schedstat
        self.forks = 100
        self.jiffies = [1000, 0, 500, 8000, 10, 0, 0, 0, 0, 0]
        self.clock = FakeClock()
        self.write("sys/kernel/hostname", "fixture\n")
        self.write("sys/kernel/osrelease", "6.1.0\n")
        self.write("sys/kernel/random/boot_id", "0f0f\n")
        self.write("sys/kernel/task_delayacct", "0\n")
        self.write("meminfo", "MemTotal:  1000 kB\nMemAvailable:  400 kB\nSwapTotal:  100 kB\nSwapFree:  90 kB\nHugePages_Total:  2\n")
        self.last_pid = 0
        self.write("vmstat", "pgpgin 10\npgfault 50\nother 1\n")
        self.write("diskstats", "")
        self.write("net/dev", "Inter-| Receive\n face |bytes\n")
        for name in ("cpu", "memory", "io"):
            self.write(
                f"pressure/{name}", "some avg10=1.00 avg60=2.00 avg300=3.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=10\n"
            )
        (self.sys / "block").mkdir(parents=True)
        self.tick()
        self.add(Proc(1, comm=b"init", start=1, ppid=0, run_ns=5))
        shutil.copytree(self.proc / "1", self.proc / "self")

    def write(self, path: str, text: str | bytes, *, below: Path | None = None) -> None:
        """A file of the procfs tree, or of another."""
        target = (below or self.proc) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # In place: a held descriptor goes on showing the file, as in procfs.
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def tick(self, forks: int = 0, jiffies: int = 0) -> None:
        """Let host counters move."""
        self.forks += forks
        self.jiffies[0] += jiffies
        self.jiffies[3] += 100 - jiffies
        self.write("loadavg", f"0.50 0.40 0.30 1/77 {self.last_pid}\n")
        words = " ".join(map(str, self.jiffies))
        self.write(
            "stat",
            f"cpu  {words}\ncpu0 {words}\nintr 500 1 2\nctxt 900\nbtime {BOOT}\nprocesses {self.forks}\nprocs_running 1\nprocs_blocked 0\n",
        )

    def add(self, proc: Proc, *, forked: bool = True) -> None:
        """A process is born (``forked``: the kernel's count of forks shows it)."""
        self.update(proc)
        if forked:
            self.last_pid = proc.pid
            self.tick(forks=1)

    def update(self, proc: Proc) -> None:
        """Write all files of a process."""
        at = str(proc.pid)
        self.write(f"{at}/stat", proc.stat())
        self.write(f"{at}/status", proc.status())
        self.write(f"{at}/io", proc.io_text())
        self.write(f"{at}/cmdline", proc.cmdline)
        self.write(f"{at}/cgroup", proc.cgroup)
        if self.schedstat:
            self.write(f"{at}/schedstat", f"{proc.run_ns} {proc.wait_ns} 5\n")
        directory = self.proc / at / "fd"
        directory.mkdir(exist_ok=True)
        for number in range(proc.fds):
            (directory / str(number)).touch()

    def ran(self, proc: Proc, **changes: int | bytes | str | dict[str, int]) -> None:
        """A process did something."""
        for name, value in changes.items():
            setattr(proc, name, value)
        proc.run_ns += 1_000_000
        self.update(proc)

    def remove(self, pid: int) -> None:
        """A process is gone."""
        shutil.rmtree(self.proc / str(pid))

    def host(self, *, limit: int = 1 << 16) -> TreeHost:
        return TreeHost(str(self.proc), str(self.sys), self.clock, TICKS, PAGE, 1000, limit=limit)


@dataclass(frozen=True)
class TreeHost(Host):
    """A host over plain files. A held descriptor of a removed process fails with ESRCH, as in procfs."""

    limit: int = 1 << 16
    denied: set[str] = field(default_factory=set)  # ends of paths
    reads: list[str] = field(default_factory=list)  # every path that was asked for

    def _touch(self, path: str) -> None:
        self.reads.append(path)
        if any(path.endswith(end) for end in self.denied):
            raise Denied(path, errno.EACCES)

    def open(self, path: str) -> int:
        self._touch(path)
        return super().open(path)

    def read(self, path: str, limit: int = 4096) -> bytes:
        self._touch(path)
        return super().read(path, limit)

    def again(self, fd: int, path: str) -> bytes:
        self._touch(path)
        self._alive(fd)
        return super().again(fd, path)

    def _alive(self, fd: int) -> None:
        if not os.fstat(fd).st_nlink:
            raise Vanished(str(fd), errno.ESRCH)

    def gate(self, fds: Sequence[int], size: int = 64) -> tuple[list[bytes], list[int]]:
        texts, gone = super().gate(fds, size)
        for place, fd in enumerate(fds):
            if not os.fstat(fd).st_nlink:
                texts[place] = b""
                gone.append(place)
        return texts, sorted(set(gone))

    def names(self, path: str) -> list[str]:
        self._touch(path)
        return super().names(path)

    def size(self, path: str) -> int:
        self._touch(path)
        if path.endswith("/fd"):
            return len(super().names(path))
        return super().size(path)

    def own_pids(self) -> bool:
        return True

    def user(self, uid: int) -> str:
        return {0: "root", 1000: "ann"}.get(uid, str(uid))

    def claim_descriptors(self) -> int:
        return self.limit


class FlakyHost(TreeHost):
    """Fails from the ``nth`` read of a process's files on: ``how`` is what the kernel would say."""

    def arm(self, nth: int, how: type[Unreadable], code: int, *, once: bool = True) -> None:
        object.__setattr__(self, "_left", nth)
        object.__setattr__(self, "_how", (how, code, once))

    def _touch(self, path: str) -> None:
        super()._touch(path)
        left = getattr(self, "_left", 0)
        inside = path.removeprefix(self.proc + "/").split("/")[0].isdigit()
        if left and inside:
            how, code, once = self._how
            if left == 1:
                if once:
                    object.__setattr__(self, "_left", 0)
                raise how(path, code)
            object.__setattr__(self, "_left", left - 1)

    _how: tuple[type[Unreadable], int, bool]


def flaky(tree: ProcTree) -> FlakyHost:
    """A host over ``tree`` that fails once armed."""
    return FlakyHost(str(tree.proc), str(tree.sys), tree.clock, TICKS, PAGE, 1000)
