"""What was learned from tables, kept in two files: which columns, and how each is scaled. JSON and NumPy arrays, no pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from proctop import outfile
from proctop.hosttables import FORMULAS
from proctop.offline import features
from proctop.offline.plan import CLOCK, KINDS, Plan, TableError, wrong
from proctop.offline.scaling import Scale
from proctop.offline.tables import Table
from proctop.records import Floats32
from proctop.sanitize import clean

FORMAT, VERSION = "proctop-preprocessor", 1
JSON, ARRAYS = "preprocessor.json", "preprocessor.npz"

_MOST = 1 << 24  # bytes of either file


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was learned from one table: ``selected`` columns in their order, and a scale for each."""

    kind: str
    selected: tuple[str, ...]
    scales: tuple[Scale, ...]

    def check(self, table: Table, where: str) -> None:
        """Raises TableError where the table lacks what a selected column is made of."""
        for name in self.selected:
            for need in features.needs(self.kind, name):
                if need not in table.columns:
                    said = "" if need == name else f', which "{name}" is made of'
                    raise TableError(f'{table.source}: no column "{need}"{said}; the preprocessor of {where} was made with it')


def scaled(table: Table, selected: Sequence[str], scales: list[Scale]) -> Iterator[Floats32]:
    """float32[n] for each selected column, one at a time. Scales that are not known yet are fitted, and added to ``scales``."""
    for k, name in enumerate(selected):
        values = features.column(table, name)
        if k == len(scales):
            scales.append(Scale.fit(values))
        yield scales[k].apply(values)


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """By kind of table, and the plan that all were made with."""

    plan: Plan
    tables: Mapping[str, Fitted]

    def save(self, folder: str) -> None:
        """Both files into ``folder``, each there whole or not at all. Raises Unwritable."""
        arrays = io.BytesIO()
        scales = {kind: np.array([[s.center, s.range] for s in fitted.scales]) for kind, fitted in self.tables.items()}
        np.savez(arrays, allow_pickle=False, **scales)
        data = arrays.getvalue()
        head = {
            "format": FORMAT,
            "version": VERSION,
            "arrays": hashlib.sha256(data).hexdigest(),
            "plan": asdict(self.plan),
            "tables": {kind: list(fitted.selected) for kind, fitted in self.tables.items()},
        }
        for name, content in ((ARRAYS, data), (JSON, (json.dumps(head, indent=2) + "\n").encode())):
            with outfile.opened(os.path.join(folder, name)) as file:
                file.write(content)

    @classmethod
    def load(cls, folder: str) -> Preprocessor:
        """What :meth:`save` wrote. Raises TableError for anything else."""
        path = os.path.join(folder, JSON)
        head, data = _read(path), _read(os.path.join(folder, ARRAYS))
        try:
            fields = json.loads(head)
            if fields["format"] != FORMAT:
                raise TableError(f"{path}: no preprocessor")
            if fields["version"] != VERSION:
                raise TableError(f"{path}: version {fields['version']!r}; this proctop knows {VERSION}")
            if fields["arrays"] != hashlib.sha256(data).hexdigest():
                raise TableError(f"{os.path.join(folder, ARRAYS)}: not the one that {JSON} was written with")
            plan = _plan(fields["plan"])
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                tables = {kind: _fitted(kind, names, arrays[kind]) for kind, names in fields["tables"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
            if isinstance(error, TableError):
                raise
            raise TableError(f"{path}: no preprocessor of version {VERSION}: {clean(' '.join(str(error).split()))}") from None
        return cls(plan, tables)

    def of(self, table: Table, where: str) -> Fitted:
        """What goes for a table. Raises TableError that names the difference."""
        fitted = self.tables.get(table.kind)
        if fitted is None:
            raise TableError(f"{table.source}: the preprocessor of {where} has no {table.kind}; it has {', '.join(self.tables)}")
        fitted.check(table, where)
        return fitted


def _read(path: str) -> bytes:
    try:
        if os.path.getsize(path) > _MOST:
            raise TableError(f"{path}: too large for a preprocessor")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None


def _plan(fields: Any) -> Plan:
    plan = Plan(**{name: type(value)(fields[name]) for name, value in asdict(Plan()).items()})
    if said := wrong(plan):
        raise ValueError(said)
    return plan


def _fitted(kind: str, names: Any, scales: Any) -> Fitted:
    known = set(features.names(kind, KINDS[kind].columns)) | {
        column + suffix for column in (*KINDS[kind].columns, *FORMULAS[kind]) for suffix in (features.MEAN, features.STD)
    }
    for name in names:
        if name not in known or name == CLOCK:
            raise ValueError(f"{kind} has no column {name!r}")
    if scales.shape != (len(names), 2) or scales.dtype != np.float64 or not (scales[:, 1] > 0).all():
        raise ValueError(f"the scales of {kind} do not fit its columns")
    return Fitted(kind, tuple(names), tuple(Scale(float(center), float(spread)) for center, spread in scales))
