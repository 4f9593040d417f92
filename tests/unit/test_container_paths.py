"""From the text of a cgroup file to the container, by the rules that runtimes agree on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctop.containers.paths import LONGEST_NAME, LONGEST_TEXT, Place, resolve
from proctop.records import Container

A = "a1" * 32
B = "b2" * 32
POD = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SLICE = POD.replace("-", "_")
V1 = ("name=systemd", "pids", "memory", "cpu,cpuacct", "freezer")


def v1(path: str) -> str:
    """A cgroup file of a v1 host: the same path in every hierarchy."""
    return "".join(f"{k}:{controllers}:{path}\n" for k, controllers in enumerate(V1, 1))


NAMED = {
    # Docker
    f"/docker/{A}": (A, "docker", ""),
    f"/system.slice/docker-{A}.scope": (A, "docker", ""),
    f"/docker/{A}.scope": (A, "docker", ""),
    f"/docker/{A}/ns/deeper": (A, "docker", ""),
    f"/system.slice/docker-{A}.scope/init": (A, "docker", ""),
    f"/team.slice/docker-{A}.scope": (A, "docker", ""),
    f"/user.slice/user-7.slice/user@7.service/app.slice/docker-{A}.scope": (A, "docker", ""),
    f"/my/parent/{A}": (A, "", ""),
    f"/{A}": (A, "", ""),
    # Podman
    f"/machine.slice/libpod-{A}.scope": (A, "podman", ""),
    f"/machine.slice/libpod-{A}.scope/container": (A, "podman", ""),
    f"/libpod_parent/libpod-{A}": (A, "podman", ""),
    f"/user.slice/user-7.slice/user@7.service/user.slice/libpod/{A}": (A, "podman", ""),
    f"/system.slice/unit.service/libpod-payload-{A}": (A, "podman", ""),
    f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope": (A, "podman", ""),
    # Kubernetes
    f"/kubepods/burstable/pod{POD}/{A}": (A, "", POD),
    f"/kubepods/pod{POD}/{A}": (A, "", POD),
    f"/kubepods/besteffort/pod{POD}/crio-{A}": (A, "cri-o", POD),
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/cri-containerd-{A}.scope": (A, "containerd", POD),
    f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{A}.scope/container": (A, "cri-o", POD),
    f"/kubepods.slice/kubepods-pod{'c3' * 16}.slice/docker-{A}.scope": (A, "docker", "c3" * 16),
    f"/system.slice/containerd.service/kubepods-pod{SLICE}.slice:cri-containerd:{A}": (A, "containerd", POD),
    f"/system.slice:docker:{A}": (A, "docker", ""),
    f"/system.slice:unknown:{A}": (A, "", ""),
    f"/kubepods/pod{POD}/{POD}": (POD, "", POD),
    f"/../../pod{POD}/{A}": (A, "", POD),
    f"../kubepods-pod{SLICE}.slice/nerdctl-{A}.scope": (A, "containerd", POD),
    # nested: the innermost wins
    f"/docker/{A}/docker/{B}": (B, "docker", ""),
    f"/docker/{A}/kubelet/kubepods/besteffort/pod{POD}/{B}": (B, "", POD),
    f"/kubepods/pod{POD}/{A}/docker/{B}": (B, "docker", POD),
    f"/lxc.payload.outer/docker/{A}": (A, "docker", ""),
    f"/docker/{A}/system.slice/containerd.service": (A, "docker", ""),
    # ECS, Cloud Foundry, LXC, systemd-nspawn, rkt, libvirt
    f"/ecs/{'d4' * 16}/{'d4' * 16}-123456789": (f"{'d4' * 16}-123456789", "ecs", ""),
    f"/ecs/task/{A}": (A, "ecs", ""),
    f"/ecs/task/{A}/docker/{B}": (B, "docker", ""),
    "/garden/01234567-89ab-cdef-0123-4567": ("01234567-89ab-cdef-0123-4567", "garden", ""),
    "/lxc/web": ("web", "lxc", ""),
    "/lxc/101/ns": ("101", "lxc", ""),
    "/lxc/lxc/init.scope": ("lxc", "lxc", ""),
    "/lxc/a.service": ("a.service", "lxc", ""),
    "/lxc.payload/web/system.slice/ssh.service": ("web", "lxc", ""),
    "/lxc.payload.web/init.scope": ("web", "lxc", ""),
    "/lxc.payload.web.slice": ("web.slice", "lxc", ""),
    "/machine.slice/systemd-nspawn@deb.service/payload": ("deb", "systemd-nspawn", ""),
    "/machine.slice/systemd-nspawn@deb\\x2d12.service/payload/init.scope": ("deb-12", "systemd-nspawn", ""),
    "/machine.slice/machine-deb.scope/payload": ("deb", "systemd-nspawn", ""),
    f"/machine.slice/machine-rkt\\x2d{POD.replace('-', chr(92) + 'x2d')}.scope/init.scope": (POD, "rkt", ""),
    "/machine.slice/machine-lxc\\x2d77\\x2dweb.scope": ("web", "lxc", ""),
}

NONE = [
    "/",
    "/init.scope",
    "/system.slice/docker.service",
    "/system.slice/containerd.service",
    "/docker",
    "/kubepods",
    f"/kubepods/burstable/pod{POD}",
    "/user.slice/user-7.slice/session-31207.scope",
    f"/user.slice/user-7.slice/user@7.service/app.slice/vte-spawn-{POD}.scope",
    f"/system.slice/run-r{'a1' * 16}.scope",
    f"/hostd/{'a1' * 16}",
    f"/docker/{A[:-1]}",
    f"/docker/{A}0",
    f"/docker/{A.upper()}",
    f"/docker/{A[:12]}",
    f"/docker/{A[:-1]}g",
    f"/docker/{A}\u0660",
    f"/system.slice/docker-{A[:-1]}.scope",
    f"/system.slice/xdocker-{A}.scope",
    f"/system.slice/var-lib-docker-overlay2-{A}-merged.mount",
    f"/system.slice/docker-{A}.mount",
    f"/machine.slice/libpod-conmon-{A}.scope",
    f"/kubepods/pod{POD}/crio-conmon-{A}.scope",
    "/libpod_parent/conmon",
    "/lxc.monitor.web",
    "/lxc.monitor/web",
    "/lxc.payload.",
    "/lxc",
    "/machine.slice/systemd-nspawn@deb.service/supervisor",
    "/machine.slice/systemd-nspawn@deb.service",
    "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
    "/system.slice/unit.service/supervisor",
    f"/{POD}",
    f"/system.slice/{POD}",
    f"/ecs/{'d4' * 16}/{'d4' * 16}-12345678",
    f"/ecs/{'d4' * 16}/{'d4' * 16}-12345678901",
    "/garden/01234567-89ab-cdef-0123-45678",
    f"/machine.slice/machine-libpod_pod_{B}.slice",
]


@pytest.mark.parametrize("path", NAMED)
@pytest.mark.parametrize("layout", [v1, "0::{}\n".format, "0::{} (deleted)\n".format, "0::{}\r\n".format, "0::{}".format])
def test_containers(path: str, layout: object) -> None:
    assert callable(layout)
    place = resolve(layout(path))
    assert place.container == Container(*NAMED[path])
    assert place.path == path


@pytest.mark.parametrize("path", NONE)
@pytest.mark.parametrize("layout", [v1, "0::{}\n".format, "3:memory:{}\n".format])
def test_no_containers(path: str, layout: object) -> None:
    assert callable(layout)
    assert resolve(layout(path)) == Place(
        path, None, tuple((c, path) for c in (V1 if layout is v1 else [resolve(layout(path)).lines[0][0]]))
    )


@pytest.mark.parametrize(
    ("text", "cid", "path"),
    [
        (f"2:pids:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/system.slice/docker.service\n", A, f"/docker/{A}"),
        (f"1:name=systemd:/\n0::/system.slice/docker-{A}.scope\n", A, f"/system.slice/docker-{A}.scope"),
        (
            f"2:pids:/docker/{A}/kubepods/pod{POD}/{B}\n0::/docker/{A}/system.slice/containerd.service\n",
            B,
            f"/docker/{A}/kubepods/pod{POD}/{B}",
        ),
        (f"0::/docker/{A}\n2:pids:/docker/{A}/docker/{B}\n", B, f"/docker/{A}/docker/{B}"),
    ],
)
def test_either_hierarchy_may_name_it_and_the_innermost_wins(text: str, cid: str, path: str) -> None:
    place = resolve(text)
    assert place.container is not None
    assert (place.container.id, place.path) == (cid, path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("3:memory:/long/way\n1:name=systemd:/b\n0::/c\n", "/c"),
        ("3:memory:/long/way\n1:name=systemd:/b\n0::/\n", "/b"),
        ("3:memory:/long/way\n1:name=systemd:/\n0::/\n", "/long/way"),
        ("1:name=systemd:/\n0::/\n", "/"),
        ("", ""),
        ("no line of it\n", ""),
        ("1:cpu:\n", ""),
    ],
)
def test_the_path_to_show(text: str, path: str) -> None:
    assert resolve(text).path == path


def test_lines_are_kept_as_they_are_for_the_cgroup_reader() -> None:
    place = resolve("4:memory:/a:b:c\n3:cpu,cpuacct:/x\x1b\nnonsense\n0::/../y\n")
    assert place.lines == (("memory", "/a:b:c"), ("cpu,cpuacct", "/x\x1b"), ("", "/../y"))
    assert resolve("0::/x\x1b[2J\u202e\n").path == "/x\ufffd[2J\ufffd"


def test_free_names_are_clean_and_short() -> None:
    container = resolve("0::/lxc/" + "\x1b" + "x" * 1000).container
    assert container == Container("\ufffd" + "x" * (LONGEST_NAME - 1), "lxc")


KNOWN = ["docker", "libpod", "conmon", "lxc.payload.", "machine-", "systemd-nspawn@", ".service", ".scope", ".slice", "payload", "pod"]
MARKS = ["0::", "1:name=systemd:", "/", ":", "-", "..", "\\x2d", "\\x", "\n", "\r", "\x1b", " (deleted)", "\ud800", "١"]
PIECES = st.sampled_from([*KNOWN, *MARKS, A, B[:-1], POD, SLICE])


@given(text=st.text() | st.lists(PIECES, max_size=60).map("".join))
def test_any_text_is_taken(text: str) -> None:
    place = resolve(text)
    assert len(place.lines) <= text.count("\n") + 1
    assert "\x1b" not in place.path
    if place.container is not None:
        assert 0 < len(place.container.id) <= LONGEST_NAME
        assert "\x1b" not in place.container.id


@given(name=st.text(alphabet=st.characters(exclude_characters="/\n\r:"), min_size=1))
def test_a_name_beside_an_id_changes_nothing(name: str) -> None:
    assert resolve(f"0::/docker/{A}/plain-{name}").container == Container(A, "docker")


def test_a_huge_text_is_cut() -> None:
    assert sum(len(path) for _, path in resolve("1:x:/a\n" * 10**6).lines) < LONGEST_TEXT
