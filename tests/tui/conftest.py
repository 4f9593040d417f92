"""Golden pictures: top-level ``snapshots/NAME.svg``, compared by :func:`golden`; ``pytest --snapshot-update`` draws them anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from proctop.tui.app import Proctop

GOLDENS = Path(__file__).parents[2] / "snapshots"
Golden = Callable[[Proctop, str], None]


class Goldens(SVGImageExtension):  # type: ignore[misc]  # untyped
    """One file per picture, named by it and not by the test that draws it."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(GOLDENS)

    @classmethod
    def _get_file_basename(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        return str(index)


@pytest.fixture
def golden(snapshot: SnapshotAssertion) -> Golden:
    """``golden(app, name)``: the screen of ``app`` looks like ``snapshots/name.svg``."""

    def compare(app: Proctop, name: str) -> None:
        assert app.export_screenshot() == snapshot(name=name, extension_class=Goldens)

    return compare


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pictures depend on neither the time zone nor the colours of who runs the tests."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "COLORTERM", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()
