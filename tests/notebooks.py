"""The four pipelines, as the notebooks write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from river import anomaly, compose, feature_extraction, preprocessing

NOTEBOOKS: dict[str, Callable[[], Any]] = {
    "ocsvm": lambda: compose.Pipeline(preprocessing.StandardScaler(), anomaly.OneClassSVM(nu=0.1, intercept_lr=0.01)),
    "ocsvm-rbf": lambda: compose.Pipeline(
        preprocessing.StandardScaler(),
        feature_extraction.RBFSampler(n_components=50, seed=42),
        anomaly.OneClassSVM(nu=0.1, intercept_lr=0.01),
    ),
    "ocsvm-quantile": lambda: compose.Pipeline(preprocessing.StandardScaler(), anomaly.QuantileFilter(anomaly.OneClassSVM(nu=0.2), q=0.95)),
    "ocsvm-rbf-quantile": lambda: compose.Pipeline(
        preprocessing.StandardScaler(),
        feature_extraction.RBFSampler(n_components=50, seed=42),
        anomaly.QuantileFilter(anomaly.OneClassSVM(nu=0.2), q=0.95),
    ),
}
