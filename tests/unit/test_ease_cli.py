"""Themes, layouts, keys and the demo on the command line: what cannot be is one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from proctop.cli import main
from proctop.layouts import Layout, Layouts


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(list(argv))
    return code, capsys.readouterr().err


@pytest.mark.parametrize("batch", [True, False])
def test_a_theme_that_there_is_not_is_refused_in_batch_mode_too(capsys: pytest.CaptureFixture[str], batch: bool) -> None:
    code, text = said(capsys, *(["-b", "-n", "1"] if batch else []), "--theme", "proctop-lite")
    if batch:
        assert (code, text) == (2, 'proctop: --theme: no theme "proctop-lite"; did you mean "proctop-light"?\n')
    assert code == 2


def test_a_layout_that_there_is_not_is_refused_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "-b", "--layout", "x") == (2, 'proctop: --layout: no layout "x"; F2 on the screen saves one\n')
    Layouts(str(tmp_path / ".local/state/proctop/layouts.json")).save("memory", Layout(("pid", "rss"), "rss"))
    assert said(capsys, "-b", "--layout", "memry") == (2, 'proctop: --layout: no layout "memry"; did you mean "memory"?\n')
    (tmp_path / ".local/state/proctop/layouts.json").write_text("{")
    code, text = said(capsys, "-b", "--layout", "memory")
    assert code == 2 and text.endswith("layouts.json: no JSON; remove the file, or mend it\n") and text.count("\n") == 1


def test_a_layout_sets_columns_and_order_and_flags_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Layouts(str(tmp_path / ".local/state/proctop/layouts.json")).save("memory", Layout(("pid", "rss"), "rss"))
    config = tmp_path / ".config/proctop/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('layout = "memory"\ncolumns = ["why"]\n')
    assert main(["-b", "-n", "1", "--top", "1"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()].count(["PID", "MEM"]) == 1
    assert main(["-b", "-n", "1", "--top", "1", "--columns", "pid,user"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()].count(["PID", "USER"]) == 1


def test_plain_is_a_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-b", "-n", "1", "--top", "2", "--format", "plain"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Host ") and out.count("\npid ") == 2


def test_the_demo_needs_a_terminal_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "demo")
    assert code == 2 and "needs a terminal" in text and text.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "a bundled recording of a real incident" in capsys.readouterr().out
