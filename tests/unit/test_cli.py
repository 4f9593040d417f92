"""The command line: what is refused, in which words, with which exit code. Nothing here needs a live host."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from proctop import __version__, cli, settings
from proctop.flags import parse
from proctop.settings import SettingsError


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def chosen(*argv: str) -> settings.Settings:
    return cli._settings(parse(list(argv)))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--sorrt", "cpu"], 'no flag --sorrt; did you mean "--sort"?'),
        (["--zzzzzzzz"], "no flag --zzzzzzzz; see `proctop --help`"),
        (["-z"], "unrecognized arguments: -z"),
        (["colect"], "invalid choice: 'colect'"),
        (["-s", "cpuu"], '--sort: no column "cpuu"; did you mean "cpu"?'),
        (["-s", "-cpuu"], '--sort: no column "cpuu"; did you mean "cpu"?'),
        (["--columns", "pid,comand"], '--columns: no column "comand"; did you mean "command"?'),
        (["-d", "0"], "--interval: 0 is out of range; give 0.1 to 3600"),
        (["-d", "nan"], "--interval: nan is out of range"),
        (["-d", "x"], "invalid float value: 'x'"),
        (["-n", "-1", "-b"], "--count: -1 is out of range"),
        (["-p", "1,x"], '"1,x" is no list of pids'),
        (["--model", "basline"], '--model: no model "basline"; did you mean "baseline"?'),
        (["--format", "xml", "-b"], '--format: no format "xml"'),
        (["doctor", "--format", "csv"], "invalid choice: 'csv'"),
        (["--alerts", "many"], '--alerts: "many" is no budget'),
        (["--source", "magic"], '--source: no source "magic"'),
        (["--config", "/nonexistent/c.toml"], "/nonexistent/c.toml: no such file"),
        (["-n", "3"], "--count goes with --batch"),
        (["--top", "3"], "--top goes with --batch"),
        (["-b", "--begin", "10:00"], "--begin and --end go with --replay FILE"),
        (["-b", "-w", "-"], "--record goes to a file or a directory"),
        (["-b", "--max-size", "2M"], "--max-size goes with --record or collect"),
        (["-b", "--no-redact"], "--no-redact goes with --record or collect"),
        (["-b", "-w", "--max-size", "2"], '--max-size: "2" is no limit; give for example "500M" or "2G", 1 MiB at least'),
        (["collect", "--max-age", "2x"], '--max-age: "2x" is no limit; give for example "12h" or "7d", a minute at least'),
        (["collect", "-o", "-", "--max-age", "1d"], "--max-age goes with a file or a directory; a pipe carries raw readings"),
        (["collect", "-o", "-", "--model", "loda"], "--model goes with a file or a directory"),
        (["-b", "-f", "cpuu>5"], "--filter: "),
        (["-b", "--host=-oProxyCommand=x"], "--host: '-oProxyCommand=x' is no host"),
        (["-b", "--host", "me@-x"], "--host: 'me@-x' is no host"),
        (["-b", "--host", "web1;reboot"], "--host: 'web1;reboot' is no host; give [USER@]HOST as ssh takes it"),
        (["-b", "--host", ""], "--host: '' is no host"),
        (["-b", "--host", "web1", "--host-command=-v"], "--host-command: '-v' is no command"),
        (["-b", "--host-command", "proctop"], "--host-command goes with --host"),
        (["-b", "--host", "web1", "--replay", "x"], "--host goes with the screen, --batch and collect"),
        (["--host", "web1", "models"], "--host goes with the screen, --batch and collect"),
        (["-b", "-u", "nobody-has-this-name"], '--user: no user "nobody-has-this-name" on this host'),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_2(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("proctop: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-b", "--source", "bpf", "--procfs", "/nonexistent"], "--source bpf: /nonexistent numbers processes"),
        (["-b", "--replay", "/nonexistent/r.proctop"], "/nonexistent/r.proctop"),
        (["collect", "-o", "/proc/version"], "/proc/version"),
    ],
)
def test_what_fails_is_one_line_and_exit_code_1(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["-b"], ["collect", "-o", "-"]])
def test_a_tree_that_is_no_procfs_is_refused(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*argv, "--procfs", str(tmp_path)]) == 1
    assert "is no procfs" in capsys.readouterr().err


def test_the_doctor_fails_where_the_monitor_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--procfs", str(tmp_path)]) == 1
    assert "does not run here" in capsys.readouterr().out


def test_without_a_terminal_the_screen_hints_at_batch_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2  # pytest took the terminal away
    assert "`proctop --batch`" in capsys.readouterr().err


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_draw_is_refused(term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", term)
    assert cli.main([]) == 2
    assert f'TERM="{term}"' in capsys.readouterr().err


def test_a_theme_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert cli.main(["--theme", "norrd"]) == 2
    assert capsys.readouterr().err == 'proctop: --theme: no theme "norrd"; did you mean "nord"?\n'


def test_a_recording_that_ends_within_its_first_reading_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    cut = tmp_path / "cut.proctop"
    cut.write_bytes((Path(__file__).parents[1] / "data/format-1.1.proctop").read_bytes()[:700])
    assert cli.main(["--replay", str(cut)]) == 1
    assert capsys.readouterr().err == f"proctop: {cut}: a recording without a whole reading\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"proctop {__version__}\n"


def test_the_printed_configuration_is_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--print-config"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["interval"] == 1.0


@pytest.mark.parametrize(("flag", "name"), [("-s", "disk_write"), ("-f", "disk_write")])
def test_names_are_listed(flag: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([flag, "help"]) == 0
    assert name in capsys.readouterr().out


def test_every_flag_of_the_design_is_taken() -> None:
    line = (
        "-d 2 -p 1,2 -u root -f cpu>5 -s -cpu -t --theme nord --ascii --no-color --no-mouse --readonly --source proc "
        "--procfs /p --sysfs /s --model baseline -w out -r in --begin 10:00 --end 11:00 -b -n 3 --format json --top 5"
    )
    given = chosen(*line.split())
    expected = settings.Settings(
        interval=2.0, pids=(1, 2), user="root", filter="cpu>5", sort="cpu", reverse=True, tree=True, theme="nord", ascii=True,
        color=False, mouse=False, readonly=True, source="proc", procfs="/p", sysfs="/s", record="out", replay="in", begin="10:00",
        end="11:00", batch=True, count=3, format="json", top=5, rescore=True,
    )  # fmt: skip
    assert given == expected


@pytest.mark.parametrize("flags", ["--rescore", "--model loda", "--alerts 1/d", "--baseline b", "--record out"])
def test_what_only_a_detector_can_heed_scores_a_recording_anew(flags: str) -> None:
    assert chosen("--replay", "in", *flags.split()).rescore
    assert not chosen("--replay", "in").rescore


def test_a_model_out_of_the_settings_file_leaves_a_recording_as_it_was_seen(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('model = "loda"\n')
    assert not chosen("--replay", "in", "--config", str(tmp_path / "c.toml")).rescore


def test_only_a_recording_is_scored_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--rescore"]) == 2
    assert "--rescore goes with --replay FILE" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-s", "-cpu"], ["-s-cpu"], ["--sort=-cpu"], ["--sort", "-cpu"]])
def test_a_column_with_a_minus_turns_the_order_round(argv: list[str]) -> None:
    given = chosen(*argv)
    assert (given.sort, given.reverse) == ("cpu", True)


def test_record_without_a_file_names_one() -> None:
    assert chosen("-w").record == settings.NAMED
    assert chosen("--record", "-b").record == settings.NAMED
    assert chosen().record == ""


def test_flags_before_and_after_a_command_count() -> None:
    assert chosen("--procfs", "/p", "doctor").procfs == "/p"
    assert chosen("doctor", "--procfs", "/p").procfs == "/p"


def test_the_settings_file_is_read_and_flags_win(tmp_path: Path) -> None:
    path = tmp_path / "config" / "proctop" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('theme = "nord"\ninterval = 3\n')
    assert (chosen("-d", "4").theme, chosen("-d", "4").interval) == ("nord", 4.0)
    path.write_text("intervall = 3\n")
    with pytest.raises(SettingsError, match="intervall"):
        chosen()
    other = tmp_path / "other.toml"
    other.write_text("tree = true\n")
    assert chosen("--config", str(other)).tree


def test_the_environment_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (chosen().color, chosen().ascii) == (True, False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LC_ALL", "C")
    assert (chosen().color, chosen().ascii) == (False, True)


def test_an_unforeseen_error_is_one_line_unless_asked_for(tmp_path: Path) -> None:
    code = "import proctop.cli as c; c._run = lambda args: {}['x\\ny']; raise SystemExit(c.main([]))"
    environ = {**os.environ, "PROCTOP_DEBUG": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 1
    assert done.stderr == "proctop: unexpected KeyError: 'x\\ny'; please report it (PROCTOP_DEBUG=1 shows where)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**environ, "PROCTOP_DEBUG": "1"})
    assert "Traceback" in done.stderr


def test_a_model_is_named_in_the_catalogue_or_by_its_import_path() -> None:
    from proctop.scoring.catalogue import NAMES

    for name in (*NAMES, "shop.models:forest"):
        assert settings.check("model", name, "--model") == name
    with pytest.raises(settings.SettingsError, match='did you mean "ocsvm"'):
        settings.check("model", "ocsvn", "--model")
