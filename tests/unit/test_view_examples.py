"""The examples in the docstrings of view and export."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from proctop import export, view

MODULES = [f"{package.__name__}.{found.name}" for package in (view, export) for found in pkgutil.iter_modules(package.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
