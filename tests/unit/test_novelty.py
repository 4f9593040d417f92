"""What is new where it runs."""

from __future__ import annotations

import pytest

from proctop.records import Container, Label
from proctop.scoring.novelty import Arrival, Novelty

WEB, DB = Container("a" * 64, image="shop/web:1"), Container("b" * 64)


def arrival(kind: str, parent: str, container: Container | None = WEB) -> Arrival:
    return Arrival(Label(kind, container=container), kind, parent)


def lived(readings: int = 300) -> Novelty:
    """A container with a server, a host with a busy shell."""
    novelty = Novelty()
    novelty.evidence([arrival("nginx", "shim"), arrival("php", "nginx"), arrival("bash", "sshd", None), arrival("cron", "init", None)], 0)
    for t in range(10, readings, 10):
        novelty.evidence([arrival(f"tool{t}", "bash", None)], t)
    return novelty


def test_a_stranger_in_a_container_is_telling_and_a_shells_next_command_is_not() -> None:
    novelty = lived()
    stranger, command = novelty.evidence([arrival("xmrig", "php"), arrival("strace", "bash", None)], 300)
    assert stranger > 6 > 3 > command > 0


def test_what_was_seen_once_is_known() -> None:
    novelty = lived()
    assert novelty.evidence([arrival("xmrig", "php")], 300)[0] > 6
    assert novelty.evidence([arrival("xmrig", "php")], 301) == [0]


def test_a_known_executable_under_a_strange_parent_is_telling() -> None:
    assert lived().evidence([arrival("bash", "cron", None)], 300)[0] > 5


def test_a_fork_and_a_new_place_tell_nothing() -> None:
    novelty = lived()
    assert novelty.evidence([arrival("php", "php"), arrival("redis", "shim", DB)], 300) == [0, 0]


def test_an_image_is_known_from_its_other_containers() -> None:
    novelty = lived()
    twin = Container("d" * 64, image="shop/web:1")
    novelty.evidence([arrival("nginx", "shim", twin)], 290)
    assert novelty.evidence([arrival("php", "nginx", twin)], 300) == [0]


def test_those_of_one_reading_do_not_make_each_other_known() -> None:
    one, two = lived().evidence([arrival("xmrig", "php"), arrival("xmrig", "php")], 300)
    assert one == two > 6


def test_an_unknown_parent_leaves_the_place() -> None:
    novelty = lived()
    assert novelty.evidence([arrival("xmrig", ""), arrival("php", "")], 300) == [pytest.approx(8), 0]


def test_memory_is_bounded() -> None:
    novelty = Novelty(limit=100)
    for t in range(500):
        novelty.evidence([arrival(f"x{t}", "sh", Container(f"{t:064x}"))], t)
    assert len(novelty.met) == 100
