"""The models by name: what they are good for, and what they cost. Costs no import."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

SCOPES: tuple[str, ...] = ("global", "container", "image", "comm", "process")
"""How many models: one for the host, or one for each container, image, name or process."""

UNKNOWN_COST = 100.0
"""µs a row for a model that nobody has measured."""


class NoModel(ValueError):
    """A name that leads to no model: one line that says why."""


@dataclass(frozen=True, slots=True)
class Model:
    """One row of ``proctop models``.

    Attributes:
        cost: µs to score and learn one process of one reading (15 features, measured by ``python -m benchmarks.models``).
        size: bytes that one model holds once it has seen some thousand rows; 0 = does not apply.
        steps: what it is made of, in River's words.
        good: what it is good for, and what not.
        whole: it fixes its features at the first row, so it is given 0 for what is missing; the others are not given it at all.
    """

    name: str
    cost: float
    size: int
    steps: str
    good: str
    whole: bool = False


BASELINE = "baseline"

MODELS: tuple[Model, ...] = (
    Model(BASELINE, 4, 0, "histograms of every process, its kind, its container and the host", "the default: what changed, with reasons"),
    Model(
        "ocsvm",
        14,
        8_000,
        "StandardScaler | OneClassSVM(nu=0.1, intercept_lr=0.01)",
        "finds the biggest processes, seldom the changed ones; cheap",
    ),
    Model(
        "ocsvm-rbf",
        370,
        140_000,
        "StandardScaler | RBFSampler(n_components=50, seed=42) | OneClassSVM(nu=0.1, intercept_lr=0.01)",
        "comparing with earlier work only: it ranks typical rows highest",
    ),
    Model(
        "ocsvm-quantile",
        16,
        8_000,
        "StandardScaler | QuantileFilter(OneClassSVM(nu=0.2), q=0.95)",
        "as ocsvm, but learns no row that it flags; says is_anomaly; per process the best of these",
    ),
    Model(
        "ocsvm-rbf-quantile",
        385,
        140_000,
        "StandardScaler | RBFSampler(n_components=50, seed=42) | QuantileFilter(OneClassSVM(nu=0.2), q=0.95)",
        "comparing with earlier work only: it ranks typical rows highest",
    ),
    Model(
        "hst",
        40,
        700_000,
        "MinMaxScaler | HalfSpaceTrees(n_trees=25, height=6, seed=42)",
        "rare combinations of features; says nothing for its first 250 rows",
        whole=True,
    ),
    Model(
        "loda",
        65,
        55_000,
        "StandardScaler | LODA(n_random_cuts=30, seed=42)",
        "values far outside what was seen, in any direction; warm after some dozen rows",
        whole=True,
    ),
)
MODEL: dict[str, Model] = {model.name: model for model in MODELS}
NAMES: tuple[str, ...] = tuple(MODEL)


def imported(name: str) -> bool:
    """Is this the import path of a factory: ``package.module:factory``?

    >>> imported("shop.models:forest"), imported("forest"), imported("a:b:c")
    (True, False, False)
    """
    module, colon, factory = name.partition(":")
    return bool(colon) and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))


def wrong(name: str, nearest: Callable[[str, Iterable[str]], str]) -> str:
    """ "" for the name of a model or the import path of one, else what is wrong with it; ``nearest`` words a suggestion."""
    if name in MODEL or imported(name):
        return ""
    said = nearest(name, NAMES) or f"; there are {', '.join(NAMES)}, and package.module:factory for one of your own"
    return f'no model "{name}"{said}'
