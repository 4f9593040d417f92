"""What works on this host and what does not, why, and the exact command that would change it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from proctop.kernel.host import Denied, Host, Unreadable
from proctop.settings import state_path

if TYPE_CHECKING:
    from proctop.sources.trial import Trial

SAMPLE = 400
"""Processes whose files are tried, at most."""
PATIENCE = 2.0
"""Seconds that a container runtime has to answer."""

_WORKS, _LIMITED, _OFF, _UNUSED = "works", "limited", "off", "unused"
_CAP_SYS_PTRACE = 19  # linux/capability.h


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        state: "works", "limited", "off", or "unused": would work, and nobody asked for it.
        finding: what was found. why: what stands in the way. remedy: the command that changes it. "" = nothing to say.
        vital: without it the monitor does not run.
    """

    name: str
    state: str
    finding: str
    why: str = ""
    remedy: str = ""
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where the checks look: the host's trees, the environment, this program's path, and the terminal (None = none).

    Attributes:
        own_trees: the trees are this host's own, at their places. source, memory: of the settings, as ``--source`` and ``--bpf-memory``.
    """

    host: Host
    environ: Mapping[str, str]
    program: str
    terminal: tuple[int, int] | None
    own_trees: bool = False
    source: str = "auto"
    memory: bool = False


def examine(place: Place) -> Iterator[Check]:
    """Every check, in the order of the report. Needs no privileges and changes nothing."""
    for look in _CHECKS:
        yield from look(place)


def works(checks: list[Check]) -> bool:
    """Whether the monitor runs here."""
    return not any(check.vital and check.state == _OFF for check in checks)


def as_text(checks: list[Check]) -> str:
    """Aligned text, a remedy on a line of its own."""
    wide = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:8} {check.name:{wide}}  {check.finding}" + (f": {check.why}" if check.why else ""))
        if check.remedy:
            lines.append(f"{'':8} {'':{wide}}  → {check.remedy}")
    lines.append("proctop runs here." if works(checks) else "proctop does not run here: see the lines marked off.")
    return "\n".join(lines) + "\n"


def as_json(checks: list[Check]) -> str:
    """``{"works": bool, "checks": [{name, state, finding, why, remedy, vital}]}``."""
    import json

    return json.dumps({"works": works(checks), "checks": [asdict(check) for check in checks]}, ensure_ascii=False, indent=2) + "\n"


def _text(host: Host, path: str) -> str | None:
    """A kernel file as text, None where it cannot be read."""
    try:
        return host.read(path, 1 << 16).decode("utf-8", "replace").strip()
    except Unreadable:
        return None


def _pids(host: Host) -> list[str]:
    try:
        return [name for name in host.names(host.proc) if name.isdecimal()]
    except Unreadable:
        return []


def _may_trace(host: Host) -> bool:
    """Whether this program has CAP_SYS_PTRACE (``CapEff``, proc_pid_status(5))."""
    effective = 0
    for line in (_text(host, f"{host.proc}/self/status") or "").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    return bool(effective >> _CAP_SYS_PTRACE & 1)


def _source(place: Place) -> Iterator[Check]:
    host, pids = place.host, _pids(place.host)
    readable = sum(_text(host, f"{host.proc}/{pid}/stat") is not None for pid in pids[:SAMPLE])
    if not readable or _text(host, f"{host.proc}/stat") is None:
        yield Check(
            "processes", _OFF, f"{host.proc} is no procfs", "no process to be read there", f"mount -t proc proc {host.proc}", vital=True
        )
        return
    yield Check("processes", _WORKS, f"{len(pids)} below {host.proc}, to be read as text", vital=True)
    mounts = (line.split() for line in (_text(host, f"{host.proc}/self/mounts") or "").splitlines())
    options = next((mount[3] for mount in mounts if len(mount) > 3 and mount[1] == host.proc and mount[2] == "proc"), "")
    hiding = next((word for word in options.split(",") if word.startswith("hidepid=") and word not in ("hidepid=0", "hidepid=off")), "")
    if hiding and not _may_trace(host):
        yield Check(
            "other users",
            _OFF,
            "only your own processes are seen",
            f"{host.proc} is mounted with {hiding}",
            f"sudo mount -o remount,hidepid=0 {host.proc}",
        )


def _private(place: Place, *, by_bpf: bool) -> Iterator[Check]:
    """Files that take ptrace access to the process: io and fd (ptrace(2), "Ptrace access mode checking"). ``by_bpf``: it needs none."""
    host, pids = place.host, _pids(place.host)[:SAMPLE]
    denied = 0
    for pid in pids:
        try:
            host.read(f"{host.proc}/{pid}/io")
        except Denied:
            denied += 1
        except Unreadable:
            pass  # gone meanwhile
    if by_bpf or not denied:
        yield Check("io and descriptors", _WORKS, "of every process" + (": by bpf" if by_bpf else ""))
        return
    yield Check(
        "io and descriptors",
        _LIMITED,
        f"{'io is' if _counts_descriptors(host) else 'both are'} denied for {denied} of {len(pids)} processes, shown as –",
        *_ptrace_lacking(place),
    )


def _counts_descriptors(host: Host) -> bool:
    """Whether the size of the directory tells, which needs no privileges (since Linux 6.2)."""
    try:
        return host.size(f"{host.proc}/self/fd") > 0
    except Unreadable:
        return False


def _ptrace_lacking(place: Place) -> tuple[str, str]:
    """Why, and the remedy."""
    if _may_trace(place.host):
        return "they hold capabilities that this program lacks", ""
    if place.host.whoami == 0:
        return "this container's root has no CAP_SYS_PTRACE", "docker run --cap-add SYS_PTRACE --pid host …"
    return "those of other users take root (CAP_SYS_PTRACE)", f"sudo {place.program}"


def _schedstat(place: Place) -> Iterator[Check]:
    host = place.host
    if any((_text(host, f"{host.proc}/{pid}/schedstat") or "0").split()[0] != "0" for pid in _pids(host)[:SAMPLE]):
        yield Check("schedstat", _WORKS, "tells what ran in nanoseconds, so idle processes cost almost nothing")
    else:
        yield Check("schedstat", _OFF, "every process is read in full at every reading", "this kernel is built without CONFIG_SCHED_INFO")


def _descriptors(place: Place) -> Iterator[Check]:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = len(_pids(place.host))
    if hard == resource.RLIM_INFINITY or hard > 2 * count:
        yield Check(
            "open files", _WORKS, f"up to {'any number' if hard == resource.RLIM_INFINITY else hard}, {count} processes are held open"
        )
    else:
        yield Check(
            "open files",
            _LIMITED,
            f"up to {hard}, for {count} processes",
            "the rest is opened anew at every reading",
            f"sudo prlimit --pid $$ --nofile={4 * count}",
        )


def _delays(place: Place) -> Iterator[Check]:
    value = _text(place.host, f"{place.host.proc}/sys/kernel/task_delayacct")
    if value == "1":
        yield Check("block io delay", _WORKS, "of tasks started since it was switched on")
    elif value == "0":
        yield Check(
            "block io delay",
            _OFF,
            "shown as –",
            "kernel.task_delayacct is 0; tasks that run already stay without",
            "sudo sysctl kernel.task_delayacct=1",
        )
    else:
        yield Check("block io delay", _WORKS, "this kernel has no switch for it (before 5.14)")


def _pressure(place: Place) -> Iterator[Check]:
    if _text(place.host, f"{place.host.proc}/pressure/cpu") is not None:
        yield Check("pressure", _WORKS, "cpu, memory and io stall times of the host")
    else:
        yield Check(
            "pressure",
            _OFF,
            "shown as –",
            "no /proc/pressure: needs Linux 4.20 with CONFIG_PSI, and on some distributions psi=1",
            "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && sudo update-grub && sudo reboot",
        )


def _cgroups(place: Place) -> Iterator[Check]:
    mounts = (_text(place.host, f"{place.host.proc}/self/mounts") or _text(place.host, f"{place.host.proc}/mounts") or "").splitlines()
    kinds = {fields[2] for line in mounts if len(fields := line.split()) > 3}
    found = {("cgroup",): "v1", ("cgroup2",): "v2", ("cgroup", "cgroup2"): "hybrid, v1 and v2"}
    version = found.get(tuple(sorted(kinds & {"cgroup", "cgroup2"})))
    if version is None:
        where = f"{place.host.sys}/fs/cgroup"
        yield Check(
            "cgroups",
            _OFF,
            "no cgroup numbers, containers by path only",
            f"no hierarchy is mounted below {where}",
            f"sudo mount -t cgroup2 none {where}",
        )
    else:
        yield Check("cgroups", _WORKS, version)


def _runtimes(place: Place) -> Iterator[Check]:
    from proctop.containers.endpoints import Answer, discover

    found, remarks = discover(place.environ)
    for remark in remarks:
        yield Check("container names", _LIMITED, remark, "a remote or unknown address", "unset DOCKER_HOST")
    answers = {endpoint: endpoint.ask(PATIENCE) for endpoint in found}
    present = {endpoint: answer for endpoint, answer in answers.items() if answer is not Answer.ABSENT}
    if not present:
        yield Check("container names", _OFF, "containers are shown by id", "no Docker or Podman socket", "sudo systemctl start docker")
    for endpoint, answer in present.items():
        service = f"{endpoint.kind}.socket" if endpoint.kind == "podman" else endpoint.kind
        why, remedy = {
            Answer.ALIVE: ("", ""),
            Answer.DENIED: ("not permitted for this user", f"sudo {place.program}"),
            Answer.REFUSED: ("nothing listens there", f"sudo systemctl restart {service}"),
            Answer.MUTE: (f"no answer in {PATIENCE:g} s", f"sudo systemctl restart {service}"),
        }[answer]
        yield Check("container names", _OFF if why else _WORKS, f"{endpoint.kind} at {endpoint.url}", why, remedy)


def _trials(place: Place) -> Mapping[str, Trial]:
    """What can be had of each feed, and what was asked for."""
    from proctop.fields import BPF, CONNECTOR, PROC, RECORDS
    from proctop.sources.trial import NAMES, Trial, try_all

    if not place.own_trees:
        return {**dict.fromkeys(NAMES, Trial(f"{place.host.proc} and {place.host.sys} may be another host's")), PROC: Trial("")}
    trials = {**try_all(place.host), PROC: Trial("")}
    unwanted = {PROC: (BPF, RECORDS, CONNECTOR), BPF: (PROC, RECORDS, CONNECTOR)}.get(place.source, ())
    return trials | dict.fromkeys(unwanted, Trial(f"--source {place.source}"))


def _feeds(place: Place) -> Iterator[Check]:
    """Who tells what, and why not a better one."""
    from proctop.fields import BPF, ORIGINS

    trials = _trials(place)
    asked = {"faults": place.source == "bpf" or place.memory, "memory calls": place.memory}
    price = {"faults": ("--source bpf or --bpf-memory", "page fault"), "memory calls": ("--bpf-memory", "system call")}
    for origin in ORIGINS:
        used = next((feed for feed in origin.feeds if not trials[feed].why), "")
        better = origin.feeds[: origin.feeds.index(used)] if used else origin.feeds
        partly = trials[used].lacks.get(origin.name, "") if used else ""
        if partly and origin.name in price:
            used = ""  # counted by a program of its own, or not at all
        lacking = "; ".join(filter(None, [*(f"not by {feed}: {trials[feed].why}" for feed in better), partly]))
        command = next((trials[feed].command for feed in better if trials[feed].command), "").replace(
            "sudo proctop", f"sudo {place.program}"
        )
        if used and not asked.get(origin.name, True):
            flags, event = price[origin.name]
            yield Check(origin.name, _UNUSED, f"{origin.help}, with {flags}", f"each {event} of the host would pay for it")
        else:
            state = _WORKS if not lacking else _LIMITED if used else _OFF
            yield Check(
                origin.name, state, origin.help + (f": by {used}" if used else ""), lacking, command, vital=origin.name == "numbers"
            )
        if origin.name == "numbers":
            yield from _private(place, by_bpf=used == BPF)


def _history(place: Place) -> Iterator[Check]:
    """What a budget of alerts rests on: a tail of scores is not to be learned in minutes."""
    from proctop.private import read_private
    from proctop.scoring.store import LARGEST, BaselineError, load

    path = f"{state_path(place.environ, _text(place.host, f'{place.host.proc}/sys/kernel/hostname') or '')}.baseline"
    promise = "6 to 12 false alerts an hour are honest, fewer take a day of history"
    try:
        past = load(read_private(path, LARGEST))
    except FileNotFoundError:
        yield Check("alert budget", _LIMITED, promise, "nothing is kept from session to session", f"{place.program} --baseline")
    except (OSError, BaselineError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        yield Check("alert budget", _LIMITED, promise, f"{path}: {said}", f"rm {path}")
    else:
        hours = 0.0 if past.began is None else (past.now - past.began) / 3600
        state, why = (_WORKS, "") if hours >= 24 else (_LIMITED, promise)
        yield Check("alert budget", state, f"{hours:.1f} h of history in {path}", why)


def _ssh(place: Place) -> Iterator[Check]:
    from shutil import which

    found = which("ssh", path=place.environ.get("PATH"))
    if found:
        yield Check("other hosts", _WORKS, f"--host, by {found}")
    else:
        yield Check("other hosts", _OFF, "no --host", "no ssh on the PATH", "apt-get install openssh-client")


def _terminal(place: Place) -> Iterator[Check]:
    term, environ = place.environ.get("TERM", ""), place.environ
    if place.terminal is None or term in ("", "dumb"):
        why = "standard input or output is no terminal" if place.terminal is None else f'TERM is "{term}"'
        yield Check("screen", _OFF, "no full screen, batch mode works", why, f"{place.program} --batch")
        return
    columns, lines = place.terminal
    small = 0 < columns < 60 or 0 < lines < 15  # 0 = the terminal does not tell
    yield Check("screen", _LIMITED if small else _WORKS, f"{term}, {columns}x{lines}", "needs 60x15" if small else "")
    if environ.get("NO_COLOR"):
        yield Check("colours", _OFF, "none", "NO_COLOR is set", f"env -u NO_COLOR {place.program}")
    elif environ.get("COLORTERM") in ("truecolor", "24bit") or term.endswith("-direct"):
        yield Check("colours", _WORKS, "24 bit")
    else:
        yield Check(
            "colours",
            _LIMITED,
            "256" if "256color" in term else "16",
            "COLORTERM does not say truecolor",
            f"COLORTERM=truecolor {place.program}",
        )


def _locale(place: Place) -> Iterator[Check]:
    from proctop.settings import utf8

    if utf8(place.environ):
        yield Check("characters", _WORKS, "UTF-8")
    else:
        yield Check("characters", _LIMITED, "ASCII only", "the locale is not UTF-8", f"LC_ALL=C.UTF-8 {place.program}")


_CHECKS: tuple[Callable[[Place], Iterator[Check]], ...] = (
    _source,
    _schedstat,
    _descriptors,
    _delays,
    _pressure,
    _cgroups,
    _runtimes,
    _feeds,
    _history,
    _ssh,
    _terminal,
    _locale,
)


def terminal_size() -> tuple[int, int] | None:
    """Columns and lines, None where standard input or output is no terminal."""
    if not (os.isatty(0) and os.isatty(1)):
        return None
    size = os.get_terminal_size(1)
    return size.columns, size.lines
