"""What is loaded when: the heavy libraries cost more than proctop itself, so each waits until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("textual", "rich", "docker", "river", "scipy", "pyroute2", "psutil", "pyarrow", "polars", "zstandard", "requests", "asyncio")


def loaded_by(code: str, *, names: tuple[str, ...] = (*HEAVY, "numpy")) -> set[str]:
    """Which of ``names`` a fresh interpreter has loaded after ``code``."""
    report = f"\nimport sys; print('loaded:', *(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import proctop.cli",
        "from proctop.flags import build_parser; build_parser()[0].format_help()",
        "from proctop.cli import main; main(['--print-config'])",
        "from proctop.cli import main; main(['-s', 'help'])",
    ],
)
def test_the_command_line_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


@pytest.mark.parametrize(
    "module",
    [
        "engine",
        "features",
        "vitals",
        "scoring.baseline",
        "scoring.registry",
        "view.rows",
        "view.query",
        "view.values",
        "export.lines",
        "export.batch",
        "export.files",
        "export.report.page",
    ],
)
def test_the_path_from_readings_to_text_needs_numpy_only(module: str) -> None:
    assert loaded_by(f"import proctop.{module}") <= {"numpy"}


def test_river_is_loaded_by_the_models_that_need_it_only() -> None:
    assert "river" not in loaded_by("from proctop.scoring.registry import make; make()")
    assert "river" in loaded_by("from proctop.scoring.registry import make; make('ocsvm')")


def test_the_interface_loads_textual_only_when_the_screen_starts() -> None:
    assert "textual" in loaded_by("import proctop.tui.app")
    assert not {"docker", "river", "pyroute2", "zstandard"} & loaded_by("import proctop.tui.app")


def test_batch_mode_loads_no_screen_and_no_recorder() -> None:
    code = "from proctop.cli import main; assert main(['-b', '-n', '1', '--format', 'json', '-d', '0.1']) == 0"
    assert not {"textual", "river", "pyroute2", "zstandard", "psutil"} & loaded_by(code)
