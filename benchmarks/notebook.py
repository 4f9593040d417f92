"""The notebooks' preparation of tables, with pandas and scikit-learn, as it stands there: for comparison, in tests and in time.

One thing differs, marked below: a column that is critical and looks derived was taken twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import RobustScaler

from proctop.offline.plan import KINDS

_DERIVED = ("_ratio", "_pressure", "_efficiency", "_balance", "_rate", "_rolling_mean")


def quality(kind: str, df: pd.DataFrame, variance: float = 0.01, missing: float = 0.1, correlation: float = 0.95) -> dict[str, Any]:
    columns = [name for name in df.select_dtypes(include=[np.number]).columns if name != "timestamp"]
    matrix = df[columns].corr().abs()
    outliers = {}
    for name in columns:
        q1, q3 = df[name].quantile(0.25), df[name].quantile(0.75)
        far = ((df[name] < (q1 - 1.5 * (q3 - q1))) | (df[name] > (q3 + 1.5 * (q3 - q1)))).sum()
        outliers[name] = far / len(df) * 100
    steps = df.sort_values("timestamp")["timestamp"].diff()
    return {
        "constant": [name for name in columns if df[name].var() < variance],
        "sparse": [name for name in columns if df[name].isnull().mean() > missing],
        "correlated": [
            (a, b, matrix.iloc[i, j])
            for i, a in enumerate(columns)
            for j, b in enumerate(columns)
            if i < j and matrix.iloc[i, j] > correlation
        ],
        "outliers": outliers,
        "gaps": int((steps > steps.median() * 3).sum()),
        "missing": df[columns].isnull().mean().mean() * 100,
    }


def engineered(kind: str, df: pd.DataFrame) -> pd.DataFrame:
    out = df.copy()
    out["hour"] = df["timestamp"].dt.hour
    out["day_of_week"] = df["timestamp"].dt.day_of_week
    out["is_weekend"] = df["timestamp"].dt.day_of_week >= 5
    if kind == "vmstat":
        out["cpu_busy"] = out["us"] + out["sy"]
        out["cpu_ratio"] = out["cpu_busy"] / (out["cpu_busy"] + out["idle"] + 1e-6)
        out["memory_pressure"] = out["avm"] / (out["avm"] + out["fre"] + 1e-6)
        out["total_load"] = out["r"] + out["b"]
    elif kind == "iostat":
        out["io_throughput"] = (out["kb_read"] + out["kb_wrtn"]) / (out["tps"] + 1e-6)
        out["queue_efficiency"] = out["avg_queue_size"] / (out["service_time"] + 1e-6)
    elif kind == "netstat":
        total = out["ipkts_rate"] + out["opkts_rate"]
        out["net_balance"] = (out["ipkts_rate"] - out["opkts_rate"]) / (out["ipkts_rate"] + out["opkts_rate"] + 1e-6)
        out["net_total_rate"] = out["ipkts_rate"] + out["opkts_rate"]
        out["error_rate"] = (out["ierrs_rate"] + out["oerrs_rate"]) / (total + 1e-6)
    elif kind == "process":
        out["resource_ratio"] = out["cpu"] / (out["mem"] + 1e-6)
    for name in out.select_dtypes(include=[np.number]).columns.tolist()[:5]:
        if name not in ["hour", "day_of_week", "is_weekend"]:
            out[f"{name}_rolling_mean"] = out[name].rolling(window=5, min_periods=1).mean()
            out[f"{name}_rolling_std"] = out[name].rolling(window=5, min_periods=1).std()
    return out


def selected(kind: str, df: pd.DataFrame, found: dict[str, Any]) -> list[str]:
    numeric = df.select_dtypes(include=[np.number]).columns.tolist()
    chosen = [name for name in KINDS[kind].critical if name in numeric]
    numeric = [name for name in numeric if name not in found["constant"]]
    correlated = {second if first in chosen else first for first, second, _ in found["correlated"]}
    numeric = [name for name in numeric if name not in correlated]
    derived = [name for name in numeric if any(part in name for part in _DERIVED)]
    derived = [name for name in derived if name not in chosen]  # not in the notebook
    chosen.extend(derived[:5])
    remaining = [name for name in numeric if name not in chosen]
    if remaining:
        variances = df[remaining].var().sort_values(ascending=False)
        chosen.extend(variances.head(10 - len(chosen)).index.tolist())
    return chosen


def scaled(df: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(RobustScaler().fit_transform(df), columns=df.columns)


def sequences(df: pd.DataFrame, length: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = df.to_numpy()
    return np.array([values[i : i + length] for i in range(len(values) - length + 1)])
