"""Stage: the figures of the example, among them what the seal changed in features and labels.

Comparing with all cases is lawful here only because the seal is simulated. Where seals are real, nobody may compute the
left-hand side of these comparisons.
"""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv

from pipelines.settings import Settings

HERE = Path(__file__).parent


def main() -> None:
    """Write ``summary.json``, the ten figures, and ``oddities.json``."""
    settings = Settings.read()
    build = settings.build
    database = duckdb.connect()
    database.register("charges", _table(build / "raw" / "suff.csv"))
    database.register("favourable", _table(HERE / "favourable.csv"))
    odd = _one(database, (HERE / "oddities.sql").read_text(encoding="utf-8"))
    cases = _one(database, (HERE / "replaced.sql").read_text(encoding="utf-8"))
    everyone = (HERE / "features" / "cases.sql").read_text(encoding="utf-8")
    clean = _table(build / "clean" / "suff.csv")
    database.register("clean", clean)
    database.execute(f"CREATE TEMP TABLE everyone AS {everyone}")
    database.execute(f"CREATE TEMP TABLE kept AS FROM '{build / 'features' / 'cases.parquet'}'")
    figures = _one(database, _COMPARISON)
    metrics = json.loads((build / "metrics" / "train.json").read_text(encoding="utf-8"))
    summary = {
        "charges_in": odd["charges"],
        "charges_kept": clean.num_rows,
        "cases_in": cases["cases_in"],
        "cases_kept": figures["cases_kept"],
        "cases_sealed": cases["cases_sealed"],
        "persons_in": figures["persons_in"],
        "persons_kept": figures["persons_kept"],
        "cases_with_changed_prior_cases": figures["cases_with_changed_prior_cases"],
        "labels_flipped": figures["labels_flipped"],
        "auc": metrics["auc"],
    }
    replaced = {name: count for name, count in cases.items() if name.startswith("effective")}
    _write(build / "summary.json", summary)
    _write(build / "oddities.json", odd | replaced)


_COMPARISON = """
SELECT
    (SELECT count(*) FROM kept) AS cases_kept,
    (SELECT count(DISTINCT person) FROM everyone) AS persons_in,
    (SELECT count(DISTINCT person) FROM kept) AS persons_kept,
    count(*) FILTER (WHERE kept.prior_cases <> everyone.prior_cases) AS cases_with_changed_prior_cases,
    count(*) FILTER (WHERE kept.rearraigned <> everyone.rearraigned) AS labels_flipped
FROM kept JOIN everyone USING (case_id)
"""


def _table(path: Path) -> pa.Table:
    names = pa.csv.open_csv(path).schema.names
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    return pa.csv.read_csv(path, convert_options=options)


def _one(database: duckdb.DuckDBPyConnection, query: str) -> dict[str, object]:
    return database.execute(query).to_arrow_table().to_pylist()[0]


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
