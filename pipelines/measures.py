"""Measures of a model in DVC's own formats: a JSON file of metrics and a CSV file to plot."""

import json
from pathlib import Path

import pandas as pd


def write_measures(build: Path, metrics: dict[str, object], curve: pd.DataFrame) -> dict[str, Path]:
    """Write ``metrics/train.json`` and ``plots/roc.csv`` below `build`; returns the files by their names in a chain."""
    metrics_path, plot_path = build / "metrics" / "train.json", build / "plots" / "roc.csv"
    for path in (metrics_path, plot_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    metrics_path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    curve.to_csv(plot_path, index=False)
    return {"metrics.json": metrics_path, "roc.csv": plot_path}
