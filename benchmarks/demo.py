"""Makes the recording of `proctop demo`: a small shop in containers, half an hour of its life in some minutes, and two incidents.

    python -m benchmarks.demo            # plays, records and writes src/proctop/demo.proctop
    python -m benchmarks.demo --again    # scores the one that is there anew, after a change of the detector

Real servers with real load, as `benchmarks.faults` has them, in control groups of their own. Everything that is not of the shop is left
out, and names, users, command lines and the host are those of the story; the numbers are the kernel's. Needs root and what that needs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.faults import containers
from benchmarks.labelled import kept
from benchmarks.routines import die_with_parent
from benchmarks.services import Services
from benchmarks.stage import Stage
from proctop.engine import Engine
from proctop.fields import COUNTER
from proctop.records import Container, Exit, Label, ProcKey, Reading
from proctop.scoring.registry import make
from proctop.stream.reader import Reader
from proctop.stream.writer import Writer
from proctop.tui.tour import DEBUGGING, INCIDENT, LENGTH, MINING

OUT = Path(__file__).parents[1] / "src" / "proctop" / "demo.proctop"
_SEED = 7

# container: (image, cast as (routine, name)); servers come into theirs when they are up
SHOP: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "shop-web-1": ("nginx:1.27", ()),
    "shop-db-1": ("postgres:16", ()),
    "shop-cache-1": ("redis:7.4", ()),
    "shop-api-1": ("registry.example.com/shop/api:2.3.0", (("web", "gunicorn"), ("web", "gunicorn"), ("redisapp", "cart"))),
    "shop-api-2": ("registry.example.com/shop/api:2.3.0", (("web", "gunicorn"), ("web", "gunicorn"), ("redisapp", "cart"))),
    "shop-mail-1": ("registry.example.com/shop/mail:1.9.4", (("log", "mailer"), ("batch", "celery"))),
}
HOST = (
    ("tick", "systemd-journal"),
    ("idle", "dbus-daemon"),
    ("idle", "sshd"),
    ("cron", "cron"),
    ("tick", "chronyd"),
    ("log", "rsyslogd"),
    ("agent", "node_exporter"),
    ("gc", "dockerd"),
    ("tick", "containerd"),
    ("http", "probe"),
)
SHIM = "containerd-shim"
COMMANDS = {
    "systemd": "/sbin/init",
    "gunicorn": "python3 /srv/shop/bin/gunicorn shop.api:app --workers 2",
    "cart": "python3 -m shop.cart --cache redis://shop-cache-1:6379",
    "mailer": "python3 -m shop.mailer --queue mail --log-level info",
    "celery": "python3 -m celery -A shop.jobs worker --concurrency 1",
    "systemd-journal": "/lib/systemd/systemd-journald",
    "dbus-daemon": "/usr/bin/dbus-daemon --system --nofork",
    "sshd": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
    "cron": "/usr/sbin/cron -f",
    "chronyd": "/usr/sbin/chronyd -F 1",
    "rsyslogd": "/usr/sbin/rsyslogd -n",
    "node_exporter": "/usr/bin/node_exporter --web.listen-address=:9100",
    "dockerd": "/usr/bin/dockerd -H fd://",
    "containerd": "/usr/bin/containerd",
    SHIM: "/usr/bin/containerd-shim-runc-v2 -namespace moby",
    "probe": "/usr/bin/python3 /usr/local/bin/probe http://shop-web-1/",
    "kdevtmpfsi": "/tmp/kdevtmpfsi",
}
USERS = {"gunicorn": "app", "cart": "app", "mailer": "app", "celery": "app", "redis-server": "redis", "psql": "app", "kdevtmpfsi": "redis"}
USERS |= {"dbus-daemon": "messagebus", "chronyd": "_chrony", "rsyslogd": "syslog", "node_exporter": "nobody"}
UIDS = {"root": 0, "messagebus": 101, "_chrony": 102, "syslog": 103, "postgres": 105, "redis": 999, "app": 1000, "www-data": 33}
_NAMED = re.compile(r"/tmp/demo-\w+")


def play(tape: Path) -> dict[str, str]:
    """Record the shop into ``tape``; the names of its containers by id."""
    rng = Random(_SEED)
    folders = containers(rng, len(SHOP))
    if len(folders) < len(SHOP):
        raise SystemExit("no control groups can be made here: run as root")
    where = dict(zip(SHOP, folders, strict=True))
    home = Path(tempfile.mkdtemp(prefix="demo-"))
    services = Services(home, 23000)
    stage = Stage(rng, services, folders)
    try:
        for name, pid in (("shop-web-1", services.nginx), ("shop-db-1", services.postgres), ("shop-cache-1", services.redis)):
            for one in (pid, *_children(pid)):
                _put(one, where[name])
        for name, (_, cast) in SHOP.items():
            stage.hire("tick", SHIM, None)
            for routine, comm in cast:
                _put(stage.hire(routine, comm, where[name]).pid, where[name])
        for routine, comm in HOST:
            stage.hire(routine, comm, None)
        stage.normal_life()
        mailer = next(worker for worker in stage.workers if worker.comm == "mailer")
        stage.later(DEBUGGING, lambda: mailer.tell("write", INCIDENT))
        stage.later(MINING, lambda: _mine(stage, where["shop-cache-1"]))
        collect = [sys.executable, "-m", "proctop", "collect", "-o", str(tape)]
        recorder = subprocess.Popen(collect, preexec_fn=die_with_parent)
        end = time.monotonic() + LENGTH
        while time.monotonic() < end and recorder.poll() is None:
            stage.run_due()
            time.sleep(0.05)
        recorder.send_signal(signal.SIGTERM)
        if recorder.wait(10) not in (0, 128 + signal.SIGTERM):
            raise SystemExit("the recorder has failed")
    finally:
        stage.close()
        services.close()
        shutil.rmtree(home, ignore_errors=True)
        for folder in folders:
            for place in _places(folder):
                place.rmdir()
    return {folder.name: name for name, folder in where.items()}


def _places(folder: Path) -> list[Path]:
    """A control group in every hierarchy that counts something (version 1), made if it is not there; version 2 has one."""
    if folder.parts[4] != "cpu":
        return [folder]
    places = [Path("/sys/fs/cgroup", kind, *folder.parts[5:]) for kind in ("cpu", "cpuacct", "memory", "pids", "blkio")]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    return places


def _put(pid: int, folder: Path) -> None:
    for place in _places(folder):
        (place / "cgroup.procs").write_text(str(pid))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _mine(stage: Stage, folder: Path) -> None:
    miner = stage.hire("miner", "kdevtmpfsi", folder)
    _put(miner.pid, folder)
    os.setpriority(os.PRIO_PROCESS, miner.pid, -10)  # a whole core, whoever else is on this host
    miner.tell("livelock", INCIDENT + 5)  # it asks its pool for work, again and again
    stage.later(INCIDENT, lambda: _end(miner.pid))


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Story:
    """Turns what was recorded into what is told: the processes of the shop, by the names of the story."""

    def __init__(self, manager: int, names: dict[str, str]) -> None:
        self._manager, self._names = manager, names
        self._ours: set[ProcKey] = set()
        self._shims: list[int] = []
        self._made: dict[Label, Label] = {}

    def tell(self, reading: Reading) -> Reading:
        rows = np.array([i for i in kept(reading, self._manager, self._ours) if self._in_it(reading, i)], dtype=np.int64)
        labels = [reading.labels[i] for i in rows]
        pid = np.where(reading.pid[rows] == self._manager, 1, reading.pid[rows])
        if not self._shims:
            self._shims = [int(p) for p, label in zip(pid, labels, strict=True) if label.comm == SHIM]
        told = [self._label(label, int(p)) for label, p in zip(labels, pid, strict=True)]
        counters = reading.counters[:, rows].copy()
        ppid = counters[COUNTER["ppid"]]
        for i, label in enumerate(told):
            if ppid[i] == self._manager:
                ppid[i] = self._shims[list(SHOP).index(label.container.name)] if label.container else 1
        ppid[pid == 1] = 0
        pids = {key.pid for key in self._ours}
        gone = [k for k, one in enumerate(reading.exits) if one.key in self._ours or one.ppid in pids]
        return replace(
            reading,
            info=replace(reading.info, hostname="demo", kernel="6.1.0", boot_id="de300000-0000-4000-8000-000000000001"),
            pid=pid,
            start=reading.start[rows],
            counters=counters,
            labels=told,
            cgroups={path: counted for path, counted in reading.cgroups.items() if path.rpartition("/")[2] in self._names},
            exits=tuple(self._exit(reading.exits[k]) for k in gone),
            ended=reading.ended[:, gone] if reading.ended is not None else None,
            wchan={int(k): reading.wchan[i] for k, i in enumerate(rows.tolist()) if i in reading.wchan},
            gaps=(),
            notes=(),
            changed=None,
        )

    def _in_it(self, reading: Reading, row: int) -> bool:
        """Neither who records, nor threads of the kernel that serve others too."""
        label = reading.labels[row]
        if label.kernel:
            return label.comm in ("kthreadd", "kswapd0", "rcu_sched")
        return "proctop collect" not in label.command

    def _exit(self, gone: Exit) -> Exit:
        return replace(gone, ppid=1 if gone.ppid == self._manager else gone.ppid, label=self._label(gone.label, gone.key.pid))

    def _label(self, label: Label, pid: int) -> Label:
        if pid == 1 and not label.kernel:
            label = replace(label, comm="systemd")
        if label not in self._made:
            user = USERS.get(label.comm, label.user if label.user in UIDS else "root")
            box = label.container
            if box is not None:
                name = self._names.get(box.id, "")
                box = Container(id=box.id, runtime="docker", name=name, image=SHOP[name][0]) if name else None
            command = _NAMED.sub("/srv", COMMANDS.get(label.comm, label.command))
            command = re.sub(r"\bbench\b", "shop", command)
            cgroup = label.cgroup if box or label.kernel else f"/system.slice/{label.comm}.service"
            made = replace(label, command=command, user=user, uid=UIDS.get(user, 65534), cgroup=cgroup, container=box)
            self._made[label] = made
        return self._made[label]


def told(tape: Path, manager: int, names: dict[str, str]) -> Iterator[Reading]:
    story = Story(manager, names)
    with Reader(str(tape)) as reader:
        for record in reader:
            yield story.tell(record.reading)


def write(readings: Iterator[Reading], out: Path) -> None:
    """Score and record."""
    fresh = out.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    engine = Engine(make())
    with Writer(str(fresh)) as writer:
        for reading in readings:
            writer.write(engine.step(reading))
    fresh.chmod(0o644)
    fresh.rename(out)
    for event in engine.events:
        print(f"{event.start:.0f}  {event.comm:16} {event.score:5.1f}  {'; '.join(reason.text for reason in event.why)}")
    print(f"{out}: {out.stat().st_size} bytes")


def again(path: Path) -> Iterator[Reading]:
    with Reader(str(path)) as reader:
        for record in reader:
            yield replace(record.reading, changed=None)


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("-o", "--output", type=Path, default=OUT, metavar="FILE")
    flags.add_argument("--again", action="store_true", help="only score anew what FILE holds")
    options = flags.parse_args(argv)
    if options.again:
        write(again(options.output), options.output)
        return 0
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        tape = Path(folder) / "raw.proctop"
        names = play(tape)
        write(told(tape, os.getpid(), names), options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
