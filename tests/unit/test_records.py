"""A batch and its feature dicts are two views of one thing."""

import numpy as np
import pytest

from proctop.fields import COLUMNS, COUNTERS, FEATURES, SCHEMA, Column, Counter, Feature
from proctop.frames import Batch
from proctop.records import Container, Label, ProcKey


def test_rows_leave_missing_features_out() -> None:
    keys = [ProcKey(1, 10), ProcKey(2, 20)]
    rows = [{"cpu": 0.5, "rss": 4096.0}, {"threads": 3.0}]
    batch = Batch.from_rows(keys, rows, [Label("a"), Label("b")], 1.0, SCHEMA)
    assert list(batch.rows()) == rows
    assert batch.values.dtype == np.float32
    assert len(batch) == 2


def test_unknown_feature_is_refused() -> None:
    with pytest.raises(KeyError):
        Batch.from_rows([ProcKey(1, 1)], [{"no such": 1.0}], [Label("a")], 1.0, SCHEMA)


@pytest.mark.parametrize("table", [COUNTERS, FEATURES, COLUMNS], ids=["counters", "features", "columns"])
def test_registry_names_are_unique_and_explained(table: tuple[Counter | Feature | Column, ...]) -> None:
    names = [row.name for row in table]
    assert len(set(names)) == len(names)
    assert all(row.help for row in table)


def test_a_container_without_a_name_shows_its_short_id() -> None:
    assert Container("0123456789abcdef" * 4).title == "0123456789ab"
    assert Container("0123456789abcdef" * 4, name="web").title == "web"
