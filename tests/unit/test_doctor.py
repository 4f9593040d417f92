"""The doctor on trees that lack this or that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from proctop import doctor
from proctop.doctor import Check, Place
from proctop.fields import BPF, ORIGINS
from proctop.kernel import netlink
from proctop.kernel.bpf.feed import Feed, Unavailable
from proctop.kernel.host import Host
from proctop.kernel.netlink import link
from proctop.sources import trial
from proctop.sources.trial import Trial


def tree(root: Path, **files: str) -> None:
    """A minimal procfs of one process, and ``files`` (``__`` for ``/``)."""
    plain = {"stat": "cpu 1\n", "7__stat": "7 (a) S 1\n", "7__io": "rchar: 1\n", "7__schedstat": "5 0 1\n"}
    for name, text in {**plain, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def examined(root: Path, *, environ: Mapping[str, str] | None = None, terminal: tuple[int, int] | None = (80, 24)) -> dict[str, Check]:
    host = Host.this(str(root), str(root / "sys"))
    place = Place(host, {"TERM": "xterm"} if environ is None else environ, "/bin/proctop", terminal)
    return {check.name: check for check in doctor.examine(place)}


def test_a_tree_that_is_no_procfs_stops_the_monitor(tmp_path: Path) -> None:
    checks = list(examined(tmp_path).values())
    assert not doctor.works(checks)
    assert "is no procfs" in doctor.as_text(checks)
    assert doctor.as_text(checks).endswith("proctop does not run here: see the lines marked off.\n")


def test_a_bare_tree_works_and_says_what_is_missing(tmp_path: Path) -> None:
    tree(tmp_path)
    checks = examined(tmp_path)
    assert doctor.works(list(checks.values()))
    assert checks["processes"].finding.startswith("1 below")
    assert checks["io and descriptors"].state == "works"
    assert checks["schedstat"].state == "works"
    for name in ("pressure", "cgroups"):
        assert checks[name].state == "off", name
        assert checks[name].why, name


def test_switches_of_the_kernel_are_told_with_their_command(tmp_path: Path) -> None:
    tree(tmp_path, sys__kernel__task_delayacct="0\n", pressure__cpu="some avg10=0\n")
    off = examined(tmp_path)
    assert off["block io delay"].remedy == "sudo sysctl kernel.task_delayacct=1"
    assert off["pressure"].state == "works"
    tree(tmp_path, sys__kernel__task_delayacct="1\n")
    assert examined(tmp_path)["block io delay"].state == "works"


def test_a_kernel_without_schedstat_is_noticed(tmp_path: Path) -> None:
    tree(tmp_path, **{"7__schedstat": "0 0 0\n"})
    assert examined(tmp_path)["schedstat"].state == "off"


@pytest.mark.parametrize(
    ("mounts", "version"),
    [
        ("c /c cgroup rw 0 0", "v1"),
        ("c /c cgroup2 rw 0 0", "v2"),
        ("c /c cgroup rw 0 0\nc /d cgroup2 rw 0 0", "hybrid, v1 and v2"),
    ],
)
def test_cgroup_versions(tmp_path: Path, mounts: str, version: str) -> None:
    tree(tmp_path, self__mounts=mounts)
    assert examined(tmp_path)["cgroups"].finding == version


def test_hidden_processes_are_told_with_the_mount_command(tmp_path: Path) -> None:
    tree(tmp_path, self__mounts=f"proc {tmp_path} proc rw,hidepid=2 0 0", self__status="CapEff:\t0000000000000000\n")
    assert examined(tmp_path)["other users"].remedy == f"sudo mount -o remount,hidepid=0 {tmp_path}"
    tree(tmp_path, self__status="CapEff:\t0000000000080000\n")  # CAP_SYS_PTRACE sees through it
    assert "other users" not in examined(tmp_path)


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({"TERM": "xterm"}, None, ("screen", "off")),
        ({"TERM": "dumb"}, (80, 24), ("screen", "off")),
        ({}, (80, 24), ("screen", "off")),
        ({"TERM": "xterm"}, (80, 24), ("screen", "works")),
        ({"TERM": "xterm"}, (40, 10), ("screen", "limited")),
        ({"TERM": "xterm", "NO_COLOR": "1"}, (80, 24), ("colours", "off")),
        ({"TERM": "xterm-256color"}, (80, 24), ("colours", "limited")),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, (80, 24), ("colours", "works")),
        ({"TERM": "xterm", "LC_ALL": "C"}, (80, 24), ("characters", "limited")),
        ({"TERM": "xterm", "LANG": "de_DE.UTF-8"}, (80, 24), ("characters", "works")),
        ({"TERM": "xterm", "LANG": "de_DE.utf8", "LC_ALL": "POSIX"}, (80, 24), ("characters", "limited")),
    ],
)
def test_terminals(tmp_path: Path, environ: dict[str, str], terminal: tuple[int, int] | None, expected: tuple[str, str]) -> None:
    tree(tmp_path)
    name, state = expected
    assert examined(tmp_path, environ=environ, terminal=terminal)[name].state == state


def test_other_hosts_need_an_ssh(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "ssh").write_text("#!/bin/sh\n")
    (tmp_path / "ssh").chmod(0o755)
    assert examined(tmp_path, environ={"PATH": str(tmp_path)})["other hosts"].state == "works"
    lacking = examined(tmp_path, environ={"PATH": str(tmp_path / "proc")})["other hosts"]
    assert (lacking.state, lacking.remedy) == ("off", "apt-get install openssh-client")


def test_both_forms_tell_the_same(tmp_path: Path) -> None:
    tree(tmp_path, sys__kernel__task_delayacct="0\n")
    checks = list(examined(tmp_path).values())
    told = json.loads(doctor.as_json(checks))
    assert told["works"] is True
    assert [c["name"] for c in told["checks"]] == [c.name for c in checks]
    text = doctor.as_text(checks)
    assert all(check.finding in text and check.remedy in text for check in checks)
    columns = {
        line.index(check.finding) for check in checks for line in text.splitlines() if f" {check.name} " in line and check.finding in line
    }
    assert len(columns) == 1  # aligned


def test_everything_that_does_not_work_says_why(tmp_path: Path) -> None:
    for checks in (examined(tmp_path), examined(Path("/proc")) if os.path.isdir("/proc/self") else {}):
        assert all(check.why for check in checks.values() if check.state in ("off", "limited"))


def told(monkeypatch: pytest.MonkeyPatch, root: Path, source: str = "auto", memory: bool = False, **why: str) -> dict[str, Check]:
    """The checks where the feeds ``why`` (``_`` for a space) do not work, each with its reason."""
    tree(root)
    lacking = {name.replace("_", " "): Trial(reason, command="sudo proctop") for name, reason in why.items()}
    monkeypatch.setattr(trial, "try_all", lambda host: dict.fromkeys(trial.NAMES, Trial("")) | lacking)
    host = Host.this(str(root), str(root / "sys"))
    place = Place(host, {"TERM": "xterm"}, "/bin/proctop", (80, 24), own_trees=True, source=source, memory=memory)
    return {check.name: check for check in doctor.examine(place)}


def test_each_group_of_quantities_says_who_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = told(monkeypatch, tmp_path)
    for name, feed in (("numbers", "bpf"), ("ends", "bpf"), ("births", "bpf"), ("delays", "taskstats")):
        assert checks[name].state == "works" and checks[name].finding.endswith(f": by {feed}") and not checks[name].why
    for name, flag in (("faults", "--source bpf or --bpf-memory"), ("memory calls", "--bpf-memory")):
        assert checks[name].state == "unused" and checks[name].finding.endswith(f", with {flag}") and checks[name].why
    assert {origin.name for origin in ORIGINS} <= set(checks)


def test_what_is_asked_for_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = told(monkeypatch, tmp_path, "bpf")
    assert (named["faults"].state, named["memory calls"].state) == ("works", "unused")
    both = told(monkeypatch, tmp_path, memory=True)
    assert both["faults"].state == both["memory calls"].state == "works"


def test_the_next_best_is_told_with_why_not_the_best_and_what_would_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = told(monkeypatch, tmp_path, bpf="no BTF", process_events="muted")
    numbers, ends, births, faults = (checks[name] for name in ("numbers", "ends", "births", "faults"))
    assert (numbers.state, numbers.why, numbers.remedy) == ("limited", "not by bpf: no BTF", "sudo /bin/proctop")
    assert numbers.finding.endswith(": by proc") and ends.finding.endswith(": by exit records")
    assert (births.state, births.why) == ("off", "not by bpf: no BTF; not by process events: muted")
    assert (faults.state, faults.why) == ("off", "not by bpf: no BTF")
    assert doctor.works(list(checks.values()))


def test_programs_that_the_kernel_refuses_are_told_where_they_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that works without them is used all the same."""

    class Partly:
        refused: ClassVar = {"forked": "no such tracepoint", "user_fault": "too old", "kernel_fault": "too old"}

        def close(self) -> None:
            pass

    monkeypatch.setattr(Feed, "open", lambda *_, **__: Partly())
    tried = trial._bpf(Host.this())
    tree(tmp_path)
    monkeypatch.setattr(trial, "try_all", lambda host: dict.fromkeys(trial.NAMES, Trial("")) | {BPF: tried})
    place = Place(Host.this(str(tmp_path)), {}, "/bin/proctop", None, own_trees=True, source="bpf", memory=True)
    checks = {check.name: check for check in doctor.examine(place)}
    assert [checks[name].state for name in ("numbers", "ends", "births", "faults", "memory calls")] == ["works"] * 2 + [
        "limited",
        "off",
        "works",
    ]
    assert (checks["births"].why, checks["births"].finding.endswith(": by bpf")) == ("forked: no such tracepoint", True)
    assert checks["faults"].why == "user_fault: too old; kernel_fault: too old"


@pytest.mark.parametrize(
    ("why", "command"),
    [
        ("not permitted: needs root, or CAP_BPF and CAP_PERFMON", "sudo proctop"),
        ("libbpf.so.1 is not installed (Debian: apt-get install libbpf1)", "sudo apt-get install libbpf1"),
        ("the limit of locked memory is too low: ulimit -l unlimited", "ulimit -l unlimited"),
        ("this kernel is built without CONFIG_BPF_SYSCALL", ""),
    ],
)
def test_what_would_let_ebpf_in_is_a_command(why: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Feed, "open", lambda *_, **__: Unavailable({"tasks": why, "forked": why}))
    assert trial._bpf(Host.this()) == Trial(why, command)


def test_taskstats_in_a_user_namespace_take_more_than_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "taskstats_refusal", lambda: "needs CAP_NET_ADMIN")
    monkeypatch.setattr(link, "elsewhere", lambda host: "user")
    assert trial._taskstats(Host.this()).command == "run it on the host: sudo proctop"
    monkeypatch.setattr(link, "elsewhere", lambda host: "")
    assert trial._taskstats(Host.this()) == Trial("needs CAP_NET_ADMIN", "sudo proctop")


def test_what_was_not_wanted_is_no_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = told(monkeypatch, tmp_path, "proc")
    assert (proc["numbers"].state, proc["numbers"].why) == ("limited", "not by bpf: --source proc")
    assert proc["ends"].state == "off" and "exit records: --source proc" in proc["ends"].why
    bpf = told(monkeypatch, tmp_path, "bpf", bpf="no BTF")
    assert bpf["numbers"].state == "off" and not doctor.works(list(bpf.values()))


def test_other_trees_have_no_feeds_of_this_host(tmp_path: Path) -> None:
    tree(tmp_path)
    numbers = examined(tmp_path)["numbers"]
    assert numbers.state == "limited" and "another host's" in numbers.why and numbers.finding.endswith(": by proc")


def test_a_budget_is_promised_by_what_has_been_watched(tmp_path: Path) -> None:
    from proctop.private import replace_private
    from proctop.scoring.baseline import Baseline
    from proctop.scoring.store import dump

    tree(tmp_path, sys__kernel__hostname="node1\n")
    environ = {"TERM": "xterm", "XDG_STATE_HOME": str(tmp_path / "state")}
    path = tmp_path / "state" / "proctop" / "node1.baseline"

    def budget() -> Check:
        return examined(tmp_path, environ=environ)["alert budget"]

    assert budget().state == "limited" and budget().remedy == "/bin/proctop --baseline"
    learned = Baseline().learned("node1", "")
    for hours, state in ((3.0, "limited"), (25.0, "works")):
        replace_private(str(path), dump(replace(learned, began=0.0, now=hours * 3600)))
        assert budget().state == state and budget().finding.startswith(f"{hours:.1f} h of history")
    path.write_bytes(b"junk")
    assert "not a baseline" in budget().why
