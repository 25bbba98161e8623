"""Stage: a great_expectations checkpoint over clean sources and features, with Data Docs."""

import json

import pyarrow as pa

from pipelines.settings import Settings
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.integrations.great_expectations import validate
from sanitizers.trace import clean_files


def main() -> None:
    """Expect of every identifier column that it holds nothing barred; a failure stops the pipeline before training."""
    settings = Settings.read()
    policy, clean, docs = settings.policy, settings.build / "clean", settings.path("docs")
    tables = {}
    for name, files in clean_files(policy, clean).items():
        columns = {ref.name: ref.kind for ref in policy.sources[name].references if ref.name in files[0].schema.names}
        tables[name] = (files, columns)
    for name, feature in policy.features.items():
        tokens = settings.stage("validate")["features"].get(name)
        if feature.sql and tokens:
            path = settings.build / "features" / f"{name}.parquet"
            tables[f"feature_{name}"] = ((RawFile(path, path.name, Reading()),), tokens)
    results = {}
    for name, (files, columns) in tables.items():
        batches = [batch for file in files for batch in file.batches(list(columns))]
        frame = pa.Table.from_batches(batches).to_pandas()
        results[name] = validate(
            frame, columns, snapshot=settings.snapshot_path, key_file=settings.key_path, docs=docs / name
        )
    passed = all(result["success"] for result in results.values())
    told = {"success": passed, "tables": results}
    (settings.build / "validation.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if not passed:
        failed = [name for name, result in results.items() if not result["success"]]
        raise SystemExit(f"validate: {', '.join(failed)} failed; see {docs}")


if __name__ == "__main__":
    main()
