"""The filter language on a small host."""

from __future__ import annotations

import pytest

from frames import GIB, NAN, REDIS, WEB, Proc, build, crowd
from proctop.frames import Status
from proctop.records import Container
from proctop.view import patterns
from proctop.view.query import NAMES, QueryError, help_text, parse

FRAME = build(
    [
        Proc(1, "systemd", ppid=0, command="/sbin/init splash", features={"cpu": 0.001, "rss": 12e6, "threads": 1}),
        Proc(20, "redis-server", user="redis", uid=101, container=REDIS, features={"cpu": 0.07, "rss": 2 * GIB}, rank=4.5),
        Proc(30, "nginx", command="nginx: worker", user="www-data", container=WEB, features={"cpu": 0.2, "disk_write": 2e6}, state="D"),
        Proc(40, "My App", command="/opt/my app --mode=or", user="alice", features={"cpu": NAN, "idle_s": 200}, status=Status.NEW),
        Proc(50, "and", command="and (x)", user="alice", features={"rss": 0.5 * GIB}),
    ]
)


def matching(text: str) -> list[int]:
    return [int(pid) for pid in FRAME.reading.pid[parse(text).mask(FRAME)]]


@pytest.mark.parametrize(
    ("text", "pids"),
    [
        ("", [1, 20, 30, 40, 50]),
        ("  ", [1, 20, 30, 40, 50]),
        ("REDIS", [20]),
        ("init", [1]),
        ('"my app"', [40]),
        ("'and'", [50]),
        ('"(x)"', [50]),
        ("my app", [40]),
        ("redis or nginx", [20, 30]),
        ("redis||nginx", [20, 30]),
        ("redis OR nginx AND state=D", [20, 30]),
        ("(redis or nginx) and state=D", [30]),
        ("cpu>5", [20, 30]),
        ("cpu > 5", [20, 30]),
        ("cpu>5%", [20, 30]),
        ("cpu>=5 cpu<10", [20]),
        ("cpu>5&&!nginx", [20]),
        ("cpu>5 && not nginx", [20]),
        ("cpu>5 ! nginx", [20]),
        ("cpu>5 and (user=root or mem>1gb)", [20]),
        ("!(cpu>5)", [1]),
        ("cpu!=7", [1, 20, 30]),  # 0.07 is no exact float; a missing cpu is neither
        ("not not redis", [20]),
        ("rss>1GiB", [20]),
        ("mem>10%", [20]),
        ("mem>10", [20]),
        ("mem>400mb", [20, 50]),
        ("write>1m", [30]),
        ("write>1m/s", [30]),
        ("disk_write<1", []),
        ("idle>3m", [40]),
        ("idle>3m20s", []),
        ("score>3", [20]),
        ("anomaly>=4.5", [20]),
        ("pid=1,30", [1, 30]),
        ("pid!=1,30", [20, 40, 50]),
        ("ppid=0", [1]),
        ("user=alice", [40, 50]),
        ("user=ALICE,redis", [20, 40, 50]),
        ("user!=alice,redis", [1, 30]),
        ("state=d", [30]),
        ("status=new", [40]),
        ("image=redis", [20]),
        ("image=redis:7.2", [20]),
        ("image=library/redis", [20]),
        ("image=docker.io/library/redis:7.2", [20]),
        ("image=redis:7", []),
        ("image=edis", []),
        ("container~^web", [30]),
        ("container!~^web", [1, 20, 40, 50]),
        ("container~(web|cache)", [20, 30]),
        ("(container~(web|cache) and cpu<10)", [20]),
        ('container=""', [1, 40, 50]),
        ('container!=""', [20, 30]),
        ("pod~shop/", [30]),
        ("cmd~'my app'", [40]),
        (r"cmd~\(x\)", [50]),
        ("name=nginx", [30]),
        ("cmd~mode=or", [40]),
        ("mode", [40]),
    ],
)
def test_matches(text: str, pids: list[int]) -> None:
    assert matching(text) == pids


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("cpu>", 4, "value is missing"),
        ("cpu>x", 4, "'x' is not a number"),
        ("cpu>5 and", 9, "missing here"),
        ("and cpu>5", 0, "missing before"),
        ("(cpu>5", 0, '"(" without ")"'),
        ("cpu>5)", 5, '")" without "("'),
        ("redis ()", 7, "missing before"),
        ("cpp>5", 0, "'cpu'"),
        ("redis imgae=x", 6, "'image'"),
        ("user>5", 4, "text"),
        ("cpu~5", 3, "number"),
        ("cpu>5xb", 4, "'xb' is no unit"),
        ("idle>5kb", 5, "not a duration"),
        ("pid=1,x,3", 6, "not a number"),
        ('"abc', 0, "never closed"),
        ("user='abc", 5, "never closed"),
        ("container~(", 10, "missing )"),
        ("container~ab(c", 12, "missing )"),
        ("container~'ab(c'", 13, "missing )"),
        ("container~(a+)+", 10, "forever"),
        ("container~[[a]", 10, ""),
        (">5", 0, "missing before"),
        ("=", 0, "missing before"),
        ("!", 1, "missing here"),
        ("(" * 60 + "a" + ")" * 60, 50, "too deeply"),
        ("a" * 3000, 2000, "longer than"),
    ],
)
def test_errors_point_at_their_column(text: str, column: int, part: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.column == column
    assert part in caught.value.message
    assert f"column {column + 1}" in str(caught.value)
    line, caret, message = caught.value.pointed(text).split("\n")
    assert line == text
    assert caret.index("^") == column
    assert message == caught.value.message


def test_deep_nesting_is_an_error_and_never_a_recursion_error() -> None:
    for text in ("(" * 1900, "!" * 1900, "not " * 400, "!(" * 900, "or " * 500):
        with pytest.raises(QueryError):
            parse(text)
    assert parse("!" * 1000 + "redis").mask(FRAME).sum() == 1


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*$", "(a?b?)*c", "a*a*a*a*a*a*b", "(.*)*x", "a?" * 40 + "a" * 40, "(x(y+))+", "((a{1,9}){1,9}){1,9}"]
)
def test_patterns_that_could_hang_are_refused(pattern: str) -> None:
    with pytest.raises(patterns.PatternError):
        patterns.read(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "^web",
        "java.*Xmx.*foo",
        "web|db|cache",
        "[^/]+$",
        r"\d{1,3}(\.\d{1,3}){3}",
        "(?:abc)+",
        "a{2}",
        "[]x]",
        r"[\]]",
        "colou?r",
        "x{,3}",
        "(?P<n>a)b",
        "a{",
        "^$",
    ],
)
def test_ordinary_patterns_are_read(pattern: str) -> None:
    patterns.read(pattern)


def test_a_pattern_with_many_repeats_sees_less_of_a_text() -> None:
    assert patterns.read("x").length == 512
    assert patterns.read("a.*b.*c.*d").length < 512
    assert not patterns.read("x").found_in("a" * 512 + "x")
    assert patterns.read("(a.*){2}b").found_in("aab")


def test_hostile_command_lines_do_not_hang() -> None:
    frame = build([Proc(2, "evil", command="a" * 4096)])
    assert not parse("cmd~a*a*b").mask(frame).any()


def test_every_name_can_be_asked_for() -> None:
    frame = crowd(50)
    for name in NAMES:
        mask = None
        for text in (f"{name}=1", f"{name}=x"):
            try:
                mask = parse(text).mask(frame)
            except QueryError:
                continue
        assert mask is not None and mask.shape == (50,), name
        assert name in help_text()


def test_an_empty_frame() -> None:
    frame = build([])
    for text in ("", "redis", "cpu>5", "image=x", "container~x", "!(a or b)"):
        assert parse(text).mask(frame).shape == (0,)


def test_queries_are_equal_by_their_text() -> None:
    assert parse("cpu>5") == parse("cpu>5")
    assert parse("cpu>5") != parse("cpu>6")
    assert len({parse("a"), parse("a")}) == 1


def test_images_with_ports_and_digests() -> None:
    image = "localhost:5000/team/app:1.2@sha256:" + "0" * 64
    frame = build([Proc(9, "app", container=Container("c" * 64, image=image))])
    for text in ("app", "app:1.2", "team/app", "localhost:5000/team/app", "localhost:5000/team/app:1.2", image):
        assert parse(f"image={text}").mask(frame).all(), text
    for text in ("localhost", "5000", "team", "app:1", "1.2"):
        assert not parse(f"image={text}").mask(frame).any(), text
