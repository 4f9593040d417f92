"""Numbers as text of a few characters, and back."""

from __future__ import annotations

import math
import time

import pytest

from proctop.fields import Unit
from proctop.view import units

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (0, 6, "0"),
        (512, 6, "512"),
        (999, 6, "999"),
        (1000, 6, "1.0K"),
        (1023.7 * 1024, 6, "1.0M"),
        (1258291, 6, "1.2M"),
        (39845888, 6, "38.0M"),
        (39845888, 4, "38M"),
        (104857600, 6, "100M"),
        (104857600, 3, ".1G"),
        (5 << 60, 6, "5.0E"),
        (0.4, 6, "0.4"),
        (-2048, 6, "-2.0K"),
        (1e308, 6, "1e+308"),
        (1e308, 5, "+"),
        (math.inf, 6, "inf"),
        (NAN, 6, "–"),
    ],
)
def test_size(value: float, width: int, text: str) -> None:
    assert units.size(value, width) == text


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (0, 4, "0"),
        (0.04, 4, "0.0"),
        (9.9, 4, "9.9"),
        (12.6, 4, "13"),
        (9999, 4, "9999"),
        (9999.7, 4, "10k"),
        (12345, 5, "12345"),
        (1e6, 5, "1.0M"),
    ],
)
def test_count(value: float, width: int, text: str) -> None:
    assert units.count(value, width) == text


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (0, 6, "0s"),
        (0.42, 6, "0.4s"),
        (59.6, 6, "1:00"),
        (754, 6, "12:34"),
        (3599.6, 6, "1h00m"),
        (86399, 5, "23h"),
        (273600, 6, "3d04h"),
        (273600, 3, "3d"),
        (1e8, 4, "3y"),
        (8e6, 2, "+"),
        (1e300, 6, "1e+300"),
        (-5, 6, "-5s"),
        (NAN, 6, "–"),
    ],
)
def test_duration(value: float, width: int, text: str) -> None:
    assert units.duration(value, width) == text


def test_cpu_time() -> None:
    assert units.cpu_time(0.005, 9) == "0:00.00"
    assert units.cpu_time(59.999, 9) == "1:00.00"
    assert units.cpu_time(359_999, 9) == "4d03h"
    assert units.cpu_time(NAN, 9) == "–"


def test_percent_and_whole() -> None:
    assert [units.percent(x, 6) for x in (0, 99.96, 12800)] == ["0.0", "100.0", "12800"]
    assert units.percent(1e9, 5) == "+"
    assert [units.whole(x, 3) for x in (-20, 0, 39, 1000)] == ["-20", "0", "39", "+"]


def test_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        now = 1_700_000_000.0  # 2023-11-14 22:13:20
        assert units.moment(now, now, 8) == "22:13:20"
        assert units.moment(now, now, 5) == "22:13"
        assert units.moment(now - 86400, now, 8) == "Nov 13"
        assert units.moment(now - 366 * 86400, now, 8) == "2022"
        assert units.moment(1e300, now, 8) == "+"
        assert units.moment(NAN, now, 8) == "–"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1gb", Unit.BYTES, 1e9),
        ("1GiB", Unit.BYTES, 2.0**30),
        ("1G", Unit.BYTES, 2.0**30),
        ("500k", Unit.BYTES, 512000.0),
        ("1.5m/s", Unit.BYTES_PER_SECOND, 1.5 * 2**20),
        ("10B", Unit.BYTES, 10.0),
        (".5k", Unit.COUNT, 500.0),
        ("3m", Unit.PER_SECOND, 3e6),
        ("5%", Unit.PERCENT, 5.0),
        ("5", Unit.PERCENT, 5.0),
        ("5%", Unit.SHARE, 0.05),
        ("0.5", Unit.SHARE, 0.5),
        ("3m", Unit.SECONDS, 180.0),
        ("1.5s", Unit.SECONDS, 1.5),
        ("10ms", Unit.SECONDS, 0.01),
        ("10µs", Unit.SECONDS, 1e-5),
        ("1h30m", Unit.SECONDS, 5400.0),
        ("3d04h", Unit.SECONDS, 273600.0),
        ("12:34", Unit.SECONDS, 754.0),
        ("1:00:00", Unit.SECONDS, 3600.0),
        ("7", Unit.SECONDS, 7.0),
        ("1ms", Unit.NANOSECONDS, 1e6),
        ("-5", Unit.NONE, -5.0),
        ("1e3", Unit.NATS, 1000.0),
    ],
)
def test_parse(text: str, unit: Unit, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", Unit.BYTES),
        ("x", Unit.COUNT),
        ("5xb", Unit.BYTES),
        ("5s", Unit.BYTES),
        ("5gb", Unit.SECONDS),
        ("5m4", Unit.SECONDS),
        ("nan", Unit.COUNT),
        ("inf", Unit.SECONDS),
        ("5k", Unit.PERCENT),
        ("1:2", Unit.SECONDS),
        ("٣", Unit.COUNT),
        ("--5", Unit.COUNT),
        ("5/s", Unit.BYTES),
    ],
)
def test_what_is_no_quantity_is_refused_in_words(text: str, unit: Unit) -> None:
    with pytest.raises(ValueError, match=r"is (not|no) "):
        units.parse(text, unit)


def test_every_unit_has_a_formatter() -> None:
    for unit in Unit:
        if unit is not Unit.NONE:
            assert units.formatter(unit)(3.0, 5)
