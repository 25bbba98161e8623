"""Stage: record the run in MLflow: model, measures, data sets by our digests, and the verdict, green or red."""

import json
import os

from pipelines.settings import Settings
from sanitizers import digest
from sanitizers.integrations.mlflow import record


def main() -> None:
    """Record, and leave the run's id for the report."""
    settings = Settings.read()
    build = settings.build
    metrics = json.loads((build / "metrics" / "train.json").read_text(encoding="utf-8"))
    data = sorted(path for folder in ("clean", "features") for path in (build / folder).rglob("*") if path.is_file())
    run = record(
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{(build / 'mlflow.db').absolute()}"),
        experiment=settings.stage("record")["experiment"],
        run_name=str(settings.as_of),
        receipt=build / "clean" / "receipt.json",
        verdict=build / "verdict.json",
        datasets={
            path.relative_to(build).as_posix(): (path, digest.of_file(path))
            for path in data
            if path.suffix in (".csv", ".parquet")
        },
        model_file=build / "model" / "model.skops",
        metrics=_flat(metrics),
        params=settings.stage("train"),
        artifacts=[build / "verdict.json", build / "clean" / "receipt.json", *sorted(build.glob("*/chain.json"))],
    )
    (build / "run.json").write_text(json.dumps({"run_id": run}) + "\n", encoding="utf-8")


def _flat(content: dict[str, object], prefix: str = "") -> dict[str, float]:
    """Numbers of nested metrics, under dotted names."""
    found: dict[str, float] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}".replace(" ", "_")] = float(value)
    return found


if __name__ == "__main__":
    main()
