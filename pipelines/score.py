"""Stage: for the latest complaints, rank all earlier complaints of their type."""

import pandas as pd

from models.linkage import rank
from models.storage import load
from pipelines.settings import Settings
from sanitizers.digest import write_chain


def main() -> None:
    """Write the ranked lists, deeper than what will be shown."""
    settings = Settings.read()
    block = settings.stage("score")
    source, model = settings.build / "features" / "incidents.parquet", settings.build / "model" / "model.skops"
    incidents = pd.read_parquet(source)
    latest = incidents.sort_values(["occurred_at", "complaint_number"]).tail(block["asked"])
    ranked = rank(load(model), incidents, asked=latest["complaint_number"].tolist(), depth=block["depth"], n_jobs=2)
    folder = settings.build / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    ranked.to_parquet(folder / "candidates.parquet", index=False)
    inputs = {source.name: source, model.name: model}
    outputs = {"candidates.parquet": folder / "candidates.parquet"}
    write_chain(folder / "chain.json", made_by="score", inputs=inputs, outputs=outputs)


if __name__ == "__main__":
    main()
