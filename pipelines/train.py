"""Stage: fit and evaluate the pattern model on clean features."""

import json

import pandas as pd

from models import patterns
from models.linkage import Params, fit
from models.storage import save
from pipelines.measures import write_measures
from pipelines.settings import Settings
from sanitizers.digest import write_chain


def main() -> None:
    """Write the model, its measures and its curves."""
    settings = Settings.read()
    block = settings.stage("train")
    sources = {name: settings.build / "features" / name for name in ("incidents.parquet", "pair_labels.parquet")}
    incidents, pairs = (pd.read_parquet(path) for path in sources.values())
    params = Params(trees=block["trees"], seed=block["seed"])
    measured = patterns.evaluate(incidents, pairs, params=params, n_jobs=2)
    model = fit(incidents, pairs, params=params, n_jobs=2)

    folder = settings.build / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder / "model.skops")
    measures = json.loads(measured.measures.set_index("crime_type").to_json(orient="index"))
    metrics = {"measures": measures, "skipped": dict(measured.skipped), "pairs": len(pairs)}
    made = {"model.skops": folder / "model.skops", **write_measures(settings.build, metrics, measured.curves)}
    write_chain(folder / "chain.json", made_by="train", inputs=sources, outputs=made)


if __name__ == "__main__":
    main()
