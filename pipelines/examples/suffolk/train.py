"""Stage: fit and evaluate the re-arraignment model on clean features, and score the cases whose outcome is open."""

import pandas as pd

from models.recidivism import evaluate_label, fit_label
from models.storage import save
from pipelines.measures import write_measures
from pipelines.settings import Settings
from sanitizers.digest import write_chain

NOT_FEATURES = ["case_id", "person", "filed", "rearraigned"]


def main() -> None:
    """Write the model, its measures, and the highest scores, deeper than what will be shown."""
    settings = Settings.read()
    block = settings.stage("train")
    source = settings.build / "features" / "cases.parquet"
    cases = pd.read_parquet(source)
    labelled = cases[cases["rearraigned"].notna()]
    features, label = labelled.drop(columns=NOT_FEATURES), labelled["rearraigned"].astype(int)
    measured = evaluate_label(features, label, groups=labelled["person"], folds=block["folds"], seed=block["seed"])
    model = fit_label(features, label, seed=block["seed"])

    folder = settings.build / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder / "model.skops")
    auc = {"value": measured.auc.value, "low": measured.auc.low, "high": measured.auc.high}
    metrics = {"auc": auc, "tpr_at_5_percent_fpr": measured.true_positive_rate, "labelled_cases": len(labelled)}
    made = {"model.skops": folder / "model.skops", **write_measures(settings.build, metrics, measured.curve)}
    write_chain(folder / "chain.json", made_by="train", inputs={source.name: source}, outputs=made)

    scores = settings.build / "scores"
    scores.mkdir(parents=True, exist_ok=True)
    _highest(cases[cases["rearraigned"].isna()], model, settings.stage("score")["depth"]).to_parquet(
        scores / "highest_scores.parquet", index=False
    )
    inputs = {source.name: source, "model.skops": folder / "model.skops"}
    outputs = {"highest_scores.parquet": scores / "highest_scores.parquet"}
    write_chain(scores / "chain.json", made_by="score", inputs=inputs, outputs=outputs)


def _highest(cases: pd.DataFrame, model: object, depth: int) -> pd.DataFrame:
    score = model.score(cases.drop(columns=NOT_FEATURES))  # type: ignore[attr-defined]
    ranked = cases[["case_id", "filed"]].assign(score=score)
    ranked = ranked.sort_values(["score", "case_id"], ascending=[False, True]).head(depth)
    return ranked.assign(rank=range(1, len(ranked) + 1)).reset_index(drop=True)


if __name__ == "__main__":
    main()
