"""``/proc/PID/cgroup`` to container: runtime, id and pod, by name alone. Pure; any text is safe.

The rules are those that runtimes and agents test for themselves: an id is 64 lower-case hex digits,
with a known prefix and ``.scope`` or bare; what sits in between (conmon, shims, monitors, services)
is no container; below a container everything belongs to it; the innermost container wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from proctop.records import Container
from proctop.sanitize import clean

LONGEST_TEXT: Final = 65536
"""Characters of a cgroup file that are looked at. A path is at most PATH_MAX (4096), and a host mounts a dozen hierarchies."""

LONGEST_NAME: Final = 128
"""Characters of an id that is a free name (LXC, systemd-nspawn)."""

_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PREFIXES: Final = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",
    "nerdctl": "containerd",
}
_PARENTS: Final = {"docker": "docker", "libpod": "podman", "libpod_parent": "podman", "lxc": "lxc", "ecs": "ecs"}
_LXC: Final = frozenset({"lxc", "lxc.payload"})
# Directories that systemd makes for the system inside a machine; beside them sits "supervisor", which is outside.
_INSIDE: Final = frozenset({"payload", "init.scope", "system.slice", "user.slice"})

_HEX: Final = re.compile(rf"(?:({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})-)?([0-9a-f]{{64}})(?:\.scope)?\Z")
_COLON: Final = re.compile(r"(.*):([a-z-]+):([0-9a-f]{64})\Z", re.DOTALL)
_FARGATE: Final = re.compile(r"[0-9a-f]{32}-[0-9]{9,10}\Z")
_GARDEN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}\Z")
_BARE_UUID: Final = re.compile(rf"{_UUID}\Z")
_POD: Final = re.compile(
    r"(?:.*-)?pod([0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?\Z", re.DOTALL
)
_MACHINE: Final = re.compile(r"(?:systemd-nspawn@(.+)\.service|machine-(.+)\.scope)\Z", re.DOTALL)
_RKT: Final = re.compile(rf"rkt-({_UUID})\Z")
_LIBVIRT_LXC: Final = re.compile(r"lxc-[0-9]+-(.+)\Z", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})")  # systemd.unit(5), "string escaping"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process sits.

    Attributes:
        path: the path to show: of the line that names the container, else of cgroup v2, else of systemd's hierarchy, else the longest.
        container: id, runtime (``""`` where the path does not tell) and pod uid; None on the host.
        lines: (controllers, path) of every hierarchy in the order of the file; controllers are ``""`` for cgroup v2.
            Raw, for opening files below a cgroup mount, never for showing; a path may hold ``..`` seen from a cgroup namespace.
    """

    path: str
    container: Container | None
    lines: tuple[tuple[str, str], ...]


class _Found(NamedTuple):
    """What one path names. ``depth`` counts nested containers."""

    depth: int
    id: str
    runtime: str
    pod: str


def resolve(text: str) -> Place:
    """The place that the text of a ``/proc/PID/cgroup`` names (cgroups(7)).

    Lines are ``hierarchy:controllers:path``, split at the first two colons since paths hold colons. What is no such line is skipped.

    >>> resolve("0::/system.slice/docker-" + 64 * "a" + ".scope/init\\n").container.runtime
    'docker'
    >>> resolve("0::/system.slice/ssh.service\\n")
    Place(path='/system.slice/ssh.service', container=None, lines=(('', '/system.slice/ssh.service'),))
    """
    lines = []
    for line in text[:LONGEST_TEXT].split("\n"):
        parts = line.split(":", 2)
        if len(parts) == 3 and parts[2]:
            lines.append((parts[1], parts[2].rstrip("\r").removesuffix(" (deleted)")))
    best: _Found | None = None
    shown = ""
    for path in dict.fromkeys(path for _, path in lines):  # v1 repeats one path a dozen times
        found = _innermost(path)
        if found is not None and (best is None or found.depth > best.depth):
            best, shown = found, path
    container = None if best is None else Container(clean(best.id)[:LONGEST_NAME], best.runtime, best.pod)
    return Place(clean(shown or _shown(lines)), container, tuple(lines))


def _shown(lines: list[tuple[str, str]]) -> str:
    for wanted in ("", "name=systemd"):
        for controllers, path in lines:
            if controllers == wanted and path != "/":
                return path
    return max((path for _, path in lines), key=len, default="")


def _innermost(path: str) -> _Found | None:
    best: _Found | None = None
    depth = 0
    pod = parent = grandparent = ""
    parts = path.split("/")
    for k, part in enumerate(parts):
        if not part or part == "..":
            continue
        named: tuple[str, str] | None = None
        if hexed := _HEX.match(part):
            named = hexed[2], _PREFIXES[hexed[1]] if hexed[1] else _PARENTS.get(parent) or _PARENTS.get(grandparent, "")
        elif colon := _COLON.match(part) if ":" in part else None:
            pod = _pod(colon[1]) or pod
            named = colon[3], _PREFIXES.get(colon[2], "")
        elif above := _pod(part) if "pod" in part else "":
            pod = above
        else:
            named = _named(part, parent, parts[k + 1] if k + 1 < len(parts) else "")
        if named:
            depth += 1
            best = _Found(depth, *named, pod)
            parent = grandparent = ""  # below a container names start anew
        else:
            parent, grandparent = part, parent
    return best


def _pod(part: str) -> str:
    """The uid in the name of a pod's directory or slice, which writes ``_`` for ``-``; ``""`` where there is none."""
    found = _POD.match(part)
    return found[1].replace("_", "-") if found else ""


def _named(part: str, parent: str, below: str) -> tuple[str, str] | None:
    """(id, runtime) of a container whose id is not 64 hex digits."""
    if _FARGATE.match(part):
        return part, "ecs"
    if _GARDEN.match(part):
        return part, "garden"
    if _BARE_UUID.match(part):
        return (part, "") if _pod(parent) else None
    if part.startswith("lxc.payload.") and len(part) > 12:
        return part[12:], "lxc"
    if parent in _LXC:
        return part, "lxc"
    if machine := _MACHINE.match(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), part)):
        unit, scope = machine.groups()
        if scope and (rkt := _RKT.match(scope)):
            return rkt[1], "rkt"
        if scope and (lxc := _LIBVIRT_LXC.match(scope)):
            return lxc[1], "lxc"
        if below in _INSIDE:
            return unit or scope, "systemd-nspawn"
    return None
