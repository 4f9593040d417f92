"""The examples in the docstrings of models, tables and figures."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["scoring.catalogue", "scoring.estimator", "scoring.river", "scoring.rowwise", "offline.figures"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"proctop.{name}"))
    assert tried and not failed
