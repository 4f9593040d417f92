"""Settings: defaults, file, flags, and what is said when one is wrong."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from proctop import settings
from proctop.settings import DEFAULTS, Settings, SettingsError
from proctop.times import parse_time


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_printed_file_reads_back_as_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path / "config.toml", settings.documented())
    assert settings.resolve(settings.read_file(path, required=True), {}) == DEFAULTS


def test_the_printed_file_documents_every_setting() -> None:
    text = settings.documented()
    keys = set(tomllib.loads(text))
    assert keys == {row.name for row in fields(Settings) if row.metadata["file"]}
    assert all(settings.help_of(key) in text for key in keys)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path / "c.toml", 'interval = 5\nsort = "cpu"\ncolumns = ["pid", "why"]\n')
    merged = settings.resolve(settings.read_file(path, required=True), {"sort": "rss"})
    assert merged == replace(DEFAULTS, interval=5.0, sort="rss", columns=("pid", "why"))
    assert isinstance(merged.interval, float)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("interva = 2", 'no setting "interva"; did you mean "interval"?'),
        ("zzz = 2", 'no setting "zzz"; `proctop --print-config` lists them'),
        ("batch = true", "batch: describes one run"),
        ('interval = "2"', "interval: must be a number, not '2'"),
        ("interval = true", "interval: must be a number, not True"),
        ("interval = 0.01", "interval: 0.01 is out of range; give 0.1 to 3600"),
        ("interval = nan", "interval: nan is out of range"),
        ("tree = 1", "tree: must be true or false, not 1"),
        ("top = 1.5", "top: must be a whole number, not 1.5"),
        ("theme = []", "theme: must be a string, not []"),
        ("columns = [1]", "columns: must be a list of strings"),
        ('columns = ["pid", "comand"]', 'columns: no column "comand"; did you mean "command"?'),
        ('sort = "cpuu"', 'sort: no column "cpuu"; did you mean "cpu"?'),
        ('model = "basline"', 'model: no model "basline"; did you mean "baseline"?'),
        ('format = "xml"', 'format: no format "xml"; there are table, plain, json, csv'),
        ('alerts = "often"', 'alerts: "often" is no budget; give for example "6/h" or "10/d"'),
        ('alerts = "0/h"', 'alerts: "0/h" is no budget'),
        ("interval = x", "(at line 1, column"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "c.toml", text)
    with pytest.raises(SettingsError) as refused:
        settings.read_file(path, required=False)
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_absent_file_counts_only_when_it_was_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "none.toml")
    assert settings.read_file(path, required=False) == {}
    with pytest.raises(SettingsError, match="no such file"):
        settings.read_file(path, required=True)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        settings.read_file(str(tmp_path / "c.toml"), required=False)
    with pytest.raises(SettingsError, match="directory"):
        settings.read_file(str(tmp_path), required=False)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/proctop/config.toml"),
        ({"HOME": "/h"}, "/h/.config/proctop/config.toml"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/proctop/config.toml"),
    ],
)
def test_the_file_lives_in_the_xdg_place(environ: dict[str, str], path: str) -> None:
    assert settings.default_path(environ) == path


def test_budgets_are_per_hour() -> None:
    assert Settings(alerts="6/h").budget == 6.0
    assert Settings(alerts="12/d").budget == 0.5


NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:00", datetime(2026, 3, 10, 10, 0, tzinfo=UTC)),
        ("10:00:30", datetime(2026, 3, 10, 10, 0, 30, tzinfo=UTC)),
        ("23:15", datetime(2026, 3, 9, 23, 15, tzinfo=UTC)),
        ("3m ago", datetime(2026, 3, 10, 11, 57, tzinfo=UTC)),
        (" 1.5 h ago", datetime(2026, 3, 10, 10, 30, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times_as_people_write_them(text: str, expected: datetime) -> None:
    assert parse_time(text, NOW, UTC) == expected.timestamp()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "10:61", "3 moons ago", "2026-13-01", "-3m ago"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="give 10:00"):
        parse_time(text, NOW, UTC)


@pytest.mark.parametrize(("text", "day", "hour"), [("10:00", 11, 10), ("23:15", 10, 23), ("12:00", 10, 12)])
def test_clock_times_within_a_recording_follow_its_begin(text: str, day: int, hour: int) -> None:
    minute = int(text[-2:])
    assert parse_time(text, NOW + 1e6, UTC, since=NOW) == datetime(2026, 3, day, hour, minute, tzinfo=UTC).timestamp()
