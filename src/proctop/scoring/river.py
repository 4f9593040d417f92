"""River's models by name. Loads River (a second, 100 MB): import it where a model is wanted, and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from river import anomaly, compose, feature_extraction, preprocessing

from proctop.scoring.catalogue import NoModel
from proctop.scoring.models import Model, Models


def _pipeline(*steps: Any) -> Any:
    return compose.Pipeline(*steps)


def _rbf() -> Any:
    return feature_extraction.RBFSampler(n_components=50, seed=42)


def _svm() -> Any:
    return anomaly.OneClassSVM(nu=0.1, intercept_lr=0.01)


def _filtered() -> Any:
    return anomaly.QuantileFilter(anomaly.OneClassSVM(nu=0.2), q=0.95)


PIPELINES: dict[str, Callable[[], Any]] = {
    "ocsvm": lambda: _pipeline(preprocessing.StandardScaler(), _svm()),
    "ocsvm-rbf": lambda: _pipeline(preprocessing.StandardScaler(), _rbf(), _svm()),
    "ocsvm-quantile": lambda: _pipeline(preprocessing.StandardScaler(), _filtered()),
    "ocsvm-rbf-quantile": lambda: _pipeline(preprocessing.StandardScaler(), _rbf(), _filtered()),
    "hst": lambda: _pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(n_trees=25, height=6, seed=42)),
    "loda": lambda: _pipeline(preprocessing.StandardScaler(), anomaly.LODA(n_random_cuts=30, seed=42)),
}


def models(name: str, limit: int) -> Models:
    """Models of this name, at most ``limit`` at a time. ``name`` is one of :data:`PIPELINES` or ``package.module:factory``.

    Raises :class:`NoModel` when the import path leads to nothing that scores and learns feature dicts.
    """
    make = PIPELINES.get(name) or _imported(name)
    return Models(make, classifier, limit)


def classifier(model: Any) -> Callable[[float], bool] | None:
    """What says of a score whether it is an anomaly: the filter at the end of a pipeline, if there is one.

    >>> classifier(PIPELINES["ocsvm"]()) is None
    True
    """
    last = list(model.steps.values())[-1] if isinstance(model, compose.Pipeline) else model
    classify: Callable[[float], bool] | None = getattr(last, "classify", None)
    return classify


def _imported(name: str) -> Callable[[], Model]:
    path, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(path), attribute)
    except (ImportError, SyntaxError) as error:
        raise NoModel(f"--model {name}: {error}") from None
    except AttributeError:
        raise NoModel(f'--model {name}: {path} has no "{attribute}"') from None
    try:
        model = factory()
    except TypeError as error:  # not callable, or wants arguments
        raise NoModel(f"--model {name}: {error}") from None
    if not (callable(getattr(model, "score_one", None)) and callable(getattr(model, "learn_one", None))):
        raise NoModel(f"--model {name}: made a {type(model).__name__}, which has no score_one and learn_one")
    made: Callable[[], Model] = factory
    return made
