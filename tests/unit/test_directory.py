"""Names from a runtime that may be late, denied, hung, slow, wrong or gone. Every wait is for a condition."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_docker import FakeDocker, container
from proctop.containers import endpoints, watch
from proctop.containers.book import Book, Known
from proctop.containers.directory import Directory
from proctop.containers.endpoints import Answer, Endpoint, discover, endpoint
from proctop.containers.kubernetes import Logs, link
from proctop.containers.runtime import LONGEST_NAME, LONGEST_TEXT, MOST_LABELS, TIMEOUT, change, entry
from proctop.records import Container

ONE = f"{1:064x}"
NORMAL_PATHS = {"/version", "/_ping", "/info", "/containers/json", "/events"}


def until(seen: Callable[[], bool], seconds: float = 12.0) -> None:
    """Wait for what background threads do; looks often, fails after ``seconds``."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not seen():
        assert time.monotonic() < end, "did not happen"
        pause.wait(0.005)


@pytest.fixture
def place() -> Iterator[str]:
    """A directory whose name is short enough for a unix socket (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="pt") as path:
        yield path


@contextlib.contextmanager
def following(*urls: str, log_dir: str = "") -> Iterator[Directory]:
    directory = Directory(urls, environ={}, log_dir=log_dir)
    directory.start()
    try:
        yield directory
    finally:
        directory.close()


def name(directory: Directory, cid: str = ONE) -> str:
    return directory.enrich(Container(cid)).name


# -- what goes well


def test_names_images_and_labels_come_from_one_list(place: str) -> None:
    with FakeDocker(f"{place}/s", [container(n) for n in range(1, 501)]) as docker, following(docker.url) as directory:
        until(lambda: name(directory, f"{500:064x}") != "")
        known = directory.enrich(Container(ONE, pod="p"))
        assert known == Container(ONE, "docker", "p", "app-1", "demo/app:1.0", (("tier", "web"),))
        assert [name(directory, f"{n:064x}") for n in range(1, 501)] == [f"app-{n}" for n in range(1, 501)]
        assert docker.asked("/containers/json") == 1
        assert {method for method, _ in docker.log} == {"GET"}
        assert {path for _, path in docker.log} <= NORMAL_PATHS
        assert directory.notes() == ()


def test_what_the_path_told_is_kept_and_the_unknown_is_returned_as_it_is(place: str) -> None:
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        assert directory.enrich(Container(ONE, "containerd", "pod")).runtime == "containerd"
        stranger = Container(f"{2:064x}", "docker")
        assert directory.enrich(stranger) is stranger


def test_events_change_names_without_another_request(place: str) -> None:
    two = f"{2:064x}"
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) == "app-1")
        version = directory.version
        docker.emit("create", two, {"name": "new", "image": "redis:7", "app": "cache", "podId": ""})
        until(lambda: name(directory, two) == "new")
        assert directory.version > version
        assert directory.enrich(Container(two)).image == "redis:7"
        assert directory.enrich(Container(two)).labels == (("app", "cache"),)
        docker.emit("rename", two, {"name": "newer", "image": "redis:7", "app": "cache", "oldName": "/new"})
        until(lambda: name(directory, two) == "newer")
        assert directory.enrich(Container(two)).labels == (("app", "cache"),)
        docker.emit("exec_start: sh", two, {"name": "x", "image": "y"})
        docker.emit("die", two, {"name": "z", "image": "y"})
        docker.emit("destroy", two, {"name": "newer", "image": "redis:7"})
        docker.emit("create", f"{3:064x}", {"name": "last", "image": "redis:7"})
        until(lambda: name(directory, f"{3:064x}") == "last")
        assert name(directory, two) == "newer", "a removed container keeps its last name"
        assert docker.asked("/containers/json") == 1


def test_only_events_that_change_names_are_asked_for(place: str) -> None:
    with FakeDocker(f"{place}/s") as docker, following(docker.url):
        docker.wait(lambda: docker.asked("/events") == 1)
        query = docker.queries[[path for _, path in docker.log].index("/events")]
        filters = json.loads(query["filters"][0])
        assert filters["type"] == ["container"]
        assert set(filters["event"]) == {"create", "start", "rename", "destroy", "remove"}


def test_an_event_without_words_costs_one_list(place: str) -> None:
    two = f"{2:064x}"
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        docker.containers = [container(1), container(2)]
        for _ in range(20):
            docker.emit("start", two, {})
        until(lambda: name(directory, two) == "app-2")
        docker.emit("create", f"{3:064x}", {"name": "last", "image": "i"})
        until(lambda: name(directory, f"{3:064x}") == "last")
        assert docker.asked("/containers/json") == 2


# -- bad days


@pytest.mark.parametrize("mood", ["mute", "stall", "drip", "hang up", "nonsense"])
@pytest.mark.parametrize("route", ["", "/version", "/events", "/containers/json"])
def test_a_runtime_that_misbehaves_is_noted_and_followed_once_it_recovers(
    place: str, mood: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TIMEOUT", 0.2)
    monkeypatch.setattr("proctop.containers.runtime.TIMEOUT", 0.2)
    monkeypatch.setattr(watch, "PULSE", 0.02)
    monkeypatch.setattr(watch, "SHORTEST", 0.02)
    monkeypatch.setattr(watch, "LONGEST", 0.1)
    docker = FakeDocker(f"{place}/s")
    if route:
        docker.moods[route] = mood
    else:
        docker.mood = mood
    with docker, following(docker.url) as directory:
        docker.wait(lambda: docker.asked(route or "/_ping") > 0)
        if (route, mood) in {("/events", "stall"), ("/events", "nonsense")}:
            until(lambda: name(directory) == "app-1")  # the list is as good without events
        elif (route, mood) != ("/containers/json", "nonsense"):  # a list without containers
            until(lambda: directory.notes() != ())
            assert directory.notes()[0].startswith("docker: ")
            assert name(directory) == ""
        docker.mood = "well"
        docker.moods.clear()
        docker.stop()
        docker.start()
        until(lambda: name(directory) == "app-1" and directory.notes() == ())


def test_a_hung_runtime_blocks_nothing(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TIMEOUT", 60.0)  # so that waiting for it anywhere would show
    docker = FakeDocker(f"{place}/s")
    docker.mood = "mute"
    with docker:
        began = time.monotonic()
        with following(docker.url) as directory:
            docker.wait(lambda: docker.asked("/_ping") == 1)
            assert directory.enrich(Container(ONE)) == Container(ONE)
            assert (directory.notes(), directory.version) == ((), 0)
        assert time.monotonic() - began < 30.0


def test_a_hang_is_told_within_three_seconds(place: str) -> None:
    assert watch.PULSE + TIMEOUT <= 3.0
    docker = FakeDocker(f"{place}/s")
    docker.mood = "mute"
    with docker, following(docker.url) as directory:
        until(lambda: directory.notes() == ("docker: not answering, names may be stale",))


def test_a_runtime_that_hangs_later_keeps_its_names_with_a_note(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TIMEOUT", 0.2)
    monkeypatch.setattr(watch, "PULSE", 0.02)
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        docker.mood = "mute"
        until(lambda: directory.notes() == ("docker: not answering, names may be stale",))
        assert name(directory) == "app-1"
        docker.mood = "well"
        until(lambda: directory.notes() == ())
        assert docker.asked("/containers/json") == 1, "the event stream was never lost"


def test_a_socket_that_comes_late_goes_and_comes_back(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LATE", 0.02)
    monkeypatch.setattr(watch, "SHORTEST", 0.02)
    docker = FakeDocker(f"{place}/s")
    asked = threading.Event()
    ask = Endpoint.ask

    def noticing(self: Endpoint, timeout: float) -> Answer:
        answer = ask(self, timeout)
        if answer is Answer.ABSENT:
            asked.set()
        return answer

    monkeypatch.setattr(Endpoint, "ask", noticing)
    with following(docker.url) as directory:
        assert asked.wait(5)
        assert directory.notes() == (), "a host without containers is told nothing"
        with docker:
            until(lambda: name(directory) == "app-1")
        until(lambda: directory.notes() == ("docker: gone, names may be stale",))
        assert name(directory) == "app-1"
        docker.containers = [container(1, Names=["/renamed"]), container(2)]
        with docker:
            until(lambda: name(directory) == "renamed" and name(directory, f"{2:064x}") == "app-2")
            until(lambda: directory.notes() == ())


def test_an_event_stream_that_ends_is_opened_again_and_the_list_read(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SHORTEST", 0.02)
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        docker.containers = [container(2)]
        docker.close_streams()
        until(lambda: name(directory, f"{2:064x}") == "app-2")
        assert name(directory) == "app-1", "removed meanwhile, and still named"


@pytest.mark.parametrize(
    "garbage", [b"null\n", b"[1, 2]\n", b'{"Action": "start", "Actor": 3}\n', b'{"Action": ["start"]}\n', b'"\\ud800"\n']
)
def test_events_of_another_shape_are_passed_over(place: str, garbage: bytes) -> None:
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        docker.emit_raw(garbage)
        docker.emit("rename", ONE, {"name": "after", "image": "i"})
        until(lambda: name(directory) == "after")


def test_broken_json_in_the_event_stream_starts_a_new_one(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SHORTEST", 0.02)
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: name(directory) != "")
        docker.emit_raw(b"\xff\xfe not json")
        docker.emit("rename", ONE, {"name": "lost", "image": "i"})
        docker.containers = [container(1, Names=["/after"])]
        docker.close_streams()
        until(lambda: name(directory) == "after")


def test_a_denied_socket_is_one_quiet_note(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Endpoint, timeout: float) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    with FakeDocker(f"{place}/s") as docker:
        monkeypatch.setattr(Endpoint, "_connect", denied)
        with following(docker.url) as directory:
            until(lambda: directory.notes() != ())
            assert directory.notes() == (f"docker: permission denied on {place}/s; add the user to group docker or run as root",)
            assert not docker.log
            monkeypatch.undo()
            until(lambda: name(directory) == "app-1" and directory.notes() == ())


def test_a_denied_socket_that_is_hidden_counts_as_absent(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Endpoint, timeout: float) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Endpoint, "_connect", denied)
    assert Endpoint(f"unix://{place}/none", "podman").ask(0.1) is Answer.ABSENT


def test_asking_tells_absent_refused_mute_and_alive_apart(place: str) -> None:
    assert endpoint(f"unix://{place}/none", {}).ask(0.1) is Answer.ABSENT
    (Path(place) / "file").write_text("")
    assert endpoint(f"unix://{place}/file", {}).ask(0.1) is Answer.REFUSED
    assert endpoint(f"unix://{place}/file/s", {}).ask(0.1) is Answer.ABSENT
    assert endpoint(f"unix://{place}/{'x' * 200}", {}).ask(0.1) is Answer.REFUSED
    with FakeDocker(f"{place}/s") as docker:
        one = endpoint(docker.url, {})
        assert one.ask(5) is Answer.ALIVE
        docker.mood = "mute"
        assert one.ask(0.05) is Answer.MUTE
        docker.mood = "drip"
        assert one.ask(0.05) is Answer.MUTE
        docker.mood = "hang up"
        assert one.ask(5) is Answer.REFUSED
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(f"{place}/full")
        full.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(f"{place}/full")
            assert endpoint(f"unix://{place}/full", {}).ask(0.05) is Answer.MUTE


def test_tcp_is_asked_like_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert endpoint(url, {}).ask(0.05) is Answer.MUTE
        assert endpoint(url, {"DOCKER_TLS_VERIFY": "1"}).ask(0.5) is Answer.ALIVE
    assert endpoint(url, {}).ask(0.5) is Answer.REFUSED
    assert endpoint(f"tcp://{'x' * 100}", {}).ask(0.5) is Answer.REFUSED


def test_docker_host_over_tcp() -> None:
    with FakeDocker("") as docker:
        directory = Directory(environ={"DOCKER_HOST": docker.url}, log_dir="")
        directory.start()
        until(lambda: directory.enrich(Container(ONE)) == Container(ONE, "docker", "", "app-1", "demo/app:1.0", (("tier", "web"),)))
        docker.emit("rename", ONE, {"name": "renamed", "image": "demo/app:1.0"})
        until(lambda: name(directory) == "renamed")
        directory.close()


def test_certificates_that_are_missing_are_a_note() -> None:
    with FakeDocker("") as docker:
        directory = Directory([docker.url], environ={"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nonexistent"}, log_dir="")
        directory.start()
        until(lambda: directory.notes() != ())
        assert directory.notes()[0].startswith("docker: ")
        directory.close()


def test_close_ends_every_thread(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctop.containers.kubernetes._LOOK", 0.02)
    before = set(threading.enumerate())
    with FakeDocker(f"{place}/s") as docker:
        with following(docker.url, f"unix://{place}/none", log_dir=place) as directory:
            until(lambda: name(directory) != "" and docker.listening == 1)
        docker.wait(lambda: docker.listening == 0)
        until(lambda: not [one for one in set(threading.enumerate()) - before if one.name.startswith("proctop")])


def test_a_missing_sdk_is_a_note(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    monkeypatch.setattr(watch, "SHORTEST", 0.02)
    with FakeDocker(f"{place}/s") as docker, following(docker.url) as directory:
        until(lambda: directory.notes() != ())
        assert directory.notes()[0].startswith("docker: ")


def test_the_sdk_is_imported_only_when_a_runtime_answers(place: str) -> None:
    code = (
        "import sys, threading\n"
        "from proctop.containers.directory import Directory\n"
        "from proctop.containers.endpoints import Answer, Endpoint\n"
        "asked, ask = threading.Event(), Endpoint.ask\n"
        "Endpoint.ask = lambda self, t: (ask(self, t), asked.set())[0]\n"
        f"d = Directory(['unix://{place}/none'], environ={{}}, log_dir='')\n"
        "d.start(); asked.wait(5); d.close()\n"
        "print('docker' in sys.modules, 'requests' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("False False\n", "")


# -- where runtimes listen


def test_the_usual_sockets_and_those_of_the_user() -> None:
    found, remarks = discover({"XDG_RUNTIME_DIR": "/run/user/7"})
    urls = [one.url for one in found]
    assert remarks == ()
    assert "unix:///run/podman/podman.sock" in urls
    assert {"unix:///run/user/7/docker.sock", "unix:///run/user/7/podman/podman.sock"} <= set(urls)
    assert len({os.path.realpath(one.path) for one in found}) == len(found), "/var/run is /run"
    assert {one.kind for one in found} == {"docker", "podman"}
    assert [one.path for one in discover({})[0] if "user" in one.path] == []


@pytest.mark.parametrize(
    ("host", "url", "tls"),
    [
        ("unix:///x/y.sock", "unix:///x/y.sock", False),
        ("unix://", "unix:///var/run/docker.sock", False),
        ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375", False),
        ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376", True),
    ],
)
def test_docker_host_takes_the_place_of_dockers_own_sockets(host: str, url: str, tls: bool) -> None:
    found, remarks = discover({"DOCKER_HOST": host} | ({"DOCKER_TLS_VERIFY": "1"} if tls else {}))
    assert remarks == ()
    assert (found[0].url, found[0].kind, found[0].tls) == (url, "docker", tls)
    assert [one.kind for one in found] == ["docker", "podman"]


@pytest.mark.parametrize(
    "host", ["ssh://me@host", "npipe:////./pipe/docker", "tcp://", "tcp://h:99999", "tcp://[::1", "\x1b[2J", "localhost"]
)
def test_other_docker_hosts_are_refused_with_a_note(host: str) -> None:
    found, remarks = discover({"DOCKER_HOST": host})
    assert [one.kind for one in found] == ["podman"]
    assert len(remarks) == 1
    assert remarks[0].startswith("docker: DOCKER_HOST ") and "\x1b" not in remarks[0]
    assert Directory(environ={"DOCKER_HOST": host}, log_dir="").notes() == remarks
    with pytest.raises(ValueError, match=r"followed|ort|URL"):
        Directory([host], environ={})


# -- text from the runtime


def test_names_are_clean_short_and_without_slash() -> None:
    found = entry(container(1, Names=["/other/alias", "/a\x1b[31m\u202e" + "x" * 500], Image="sha256:" + "ab" * 32), "docker")
    assert found is not None
    assert found[1].name.startswith("a\ufffd[31m\ufffdx")
    assert len(found[1].name) < LONGEST_NAME
    assert found[1].image == "sha256:abababababab"


def test_labels_are_sorted_bounded_and_clean() -> None:
    found = entry(container(1, Labels={f"k{n:03}": "v\n" * 500 for n in range(200)}), "podman")
    assert found is not None
    labels = found[1].labels
    assert len(labels) == MOST_LABELS
    assert list(labels) == sorted(labels)
    assert all(len(value) == LONGEST_TEXT and "\n" not in value for _, value in labels)


def test_an_event_that_removes_needs_no_words() -> None:
    assert change({"Action": "destroy", "Actor": {"ID": "a"}}, "docker") == ("destroy", "a", None)
    assert change({"Action": "remove", "Actor": {"ID": "a"}}, "podman") == ("remove", "a", None)
    assert change({"Action": "exec_die", "Actor": {"ID": "a"}}, "docker") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["Id", "Names", "Image", "Labels", "Action", "Actor", "ID", "Attributes", "name"]), inner)
    ),
    max_leaves=20,
)


@given(raw=JSON)
def test_any_json_is_taken(raw: Any) -> None:
    for found in (entry(raw, "docker"), change(raw, "docker")):
        assert found is None or isinstance(found[0], str)


# -- what is kept


def test_the_book_is_bounded_and_forgets_the_oldest_of_the_gone() -> None:
    book = Book(live=3, gone=2)
    book.tell("a", {str(n): Known(f"n{n}") for n in range(5)})
    assert len(book) == 3, "beyond the limit containers stay unnamed"
    book.tell("a", {})
    assert len(book) == 2
    book.learn("a", "9", Known("nine"))
    assert book.get("9") == Known("nine")
    version = book.version
    book.learn("a", "9", Known("nine"))
    assert book.version == version, "nothing changed"
    book.tell("b", {"8": Known("eight")})
    assert book.get("9") == Known("nine"), "another runtime's list says nothing of this one's containers"
    for n in range(1000):
        book.learn("a", f"x{n}", Known("x"))
        book.retire("a", f"x{n}")
    assert len(book) <= 2 * 3 + 2
    assert book.get("x999") == Known("x")


def test_a_container_that_comes_back_is_live_again() -> None:
    book = Book(live=3, gone=1)
    book.learn("a", "1", Known("one"))
    book.retire("a", "1")
    book.learn("a", "1", Known("one"))
    book.learn("a", "2", Known("two"))
    book.retire("a", "2")
    assert book.get("1") == Known("one")
    book.retire("a", "3")
    assert book.get("2") == Known("two")


# -- Kubernetes


def test_log_links_name_pod_and_container(tmp_path: Path) -> None:
    (tmp_path / f"web-0_shop_nginx-proxy-{'a' * 64}.log").write_text("")
    (tmp_path / f"web-0_shop_nginx-{'a' * 63}.log").write_text("")
    (tmp_path / "notes.txt").write_text("")
    book = Book()
    logs = Logs(str(tmp_path), book)
    logs.look()
    assert book.get("a" * 64) == Known("web-0/nginx-proxy", pod="shop/web-0")
    assert len(book) == 1
    (tmp_path / f"db_shop_pg-{'b' * 64}.log").write_text("")
    os.utime(tmp_path, ns=(1, 1))
    logs.look()
    assert book.get("b" * 64) == Known("db/pg", pod="shop/db")


def test_log_links_serve_where_no_socket_does(tmp_path: Path) -> None:
    (tmp_path / f"web-0_shop_nginx-{'a' * 64}.log").write_text("")
    with following(log_dir=str(tmp_path)) as directory:
        until(lambda: name(directory, "a" * 64) == "web-0/nginx")
        known = directory.enrich(Container("a" * 64, "containerd", "uid"))
        assert (known.pod, known.runtime, known.image) == ("uid", "containerd", "")
        assert directory.enrich(Container("a" * 64)).pod == "shop/web-0"


@pytest.mark.parametrize("text", ["", "a_b_c.log", f"a_b_c_d-{'a' * 64}.log", f"a_b_c-{'A' * 64}.log", "\n"])
def test_other_files_are_none(text: str) -> None:
    assert link(text) is None


def test_a_directory_that_is_not_there_tells_nothing() -> None:
    book = Book()
    Logs("/nonexistent/containers", book).look()
    assert len(book) == 0
    assert endpoints.discover({})[1] == ()
