"""Strip arrests on a Spark cluster, beside the same join in bare Spark SQL on the same cluster.

A master and two workers of one core each run on loopback, from the pyspark wheel; the session is started before the clock
is. Pairs alternate; what is told is the median of the ratios of each pair. Bare Spark drops rows whose plain identifier is
in a plain list, broadcast, and writes as many files as there are; sealproof hashes every identifier, keeps the source
order, and writes receipt and roster.

    python bench/spark.py [--rows 10000000] [--files 20] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import arrests
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from sanitizers import digest
from sanitizers.engine import cluster
from sanitizers.policy import Policy
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files
from tests.cluster import running


def make(folder: Path, rows: int, files: int) -> None:
    """Write the raw files (nine columns), a plain list of one number in seven, and the snapshot that bars these."""
    (folder / "raw").mkdir(parents=True)
    block = min(rows, 10_000_000)
    for first in range(0, rows, block):  # blocks differ in their numbers alone
        table = arrests.raw_table(block)
        numbers = pa.array([f"{n[0]}{int(n[1:]) + first:08}" for n in table["arrest_number"].to_pylist()]) if first else table["arrest_number"]
        table = table.set_column(0, "arrest_number", numbers)
        own = files * block // rows
        for number in range(own):
            part = table[number * block // own : (number + 1) * block // own]
            pq.write_table(part, folder / f"raw/arrests-{first // block:02}-{number:03}.parquet", row_group_size=1 << 20)
    read = pq.read_table(folder / "raw", columns=["arrest_number"])["arrest_number"]
    chosen = read.take(pa.array(np.random.default_rng(8).choice(rows, min(rows * 15 // 100, 1_500_000), replace=False)))
    pq.write_table(pa.table({"arrest_number": chosen}), folder / "sealed.parquet")
    for form in ("plain", "token"):
        (folder / f"{form}.yaml").write_text(arrests.policy("raw/*.parquet", form))
    arrests.seal(folder, chosen.combine_chunks())


def by_sealproof(folder: Path, form: str, engine: str) -> None:
    """What a plain strip publishes: files in source order, receipt, roster."""
    snapshot, out = load(folder / "bench.snap"), folder / f"out/{form}-{engine.partition(':')[0]}"
    strip_files(Policy.load(folder / f"{form}.yaml"), snapshot=snapshot, key=arrests.KEY, out=out, engine=engine)


def by_spark(folder: Path, session: Any) -> None:
    """An anti-join on plain identifiers, in Spark SQL."""
    session.read.parquet(str(folder / "raw")).createOrReplaceTempView("raw")
    session.read.parquet(str(folder / "sealed.parquet")).createOrReplaceTempView("sealed")
    rows = session.sql("SELECT /*+ BROADCAST(sealed) */ raw.* FROM raw ANTI JOIN sealed USING (arrest_number)")
    rows.write.parquet(str(folder / "out/spark"))


def timed(way: Callable[[], None], folder: Path) -> float:
    """Seconds of a run that finds nothing published before it."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def content(folder: Path) -> dict[str, str]:
    """SHA-256 of what was published, roster included."""
    return {name: own for name, own in digest.of_folder(folder).items() if name != "receipt.json"}


def measured(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Rounds of all ways on one cluster, and whether both engines publish the same."""
    with running(memory="2g") as own:
        scratch = own.folder / "driver"
        scratch.mkdir(mode=0o700)
        wanted = {"spark.executor.memory": "1500m", "spark.driver.memory": "1500m", "spark.sql.shuffle.partitions": "4"}
        session = cluster.started(own.master, cluster.settings(scratch, local=True) | wanted)
        ways = {
            "sealproof": partial(by_sealproof, folder, "plain", own.master),
            "sealproof, tokens": partial(by_sealproof, folder, "token", own.master),
            "bare Spark": partial(by_spark, folder, session),
        }
        try:
            for way in ways.values():
                timed(way, folder)
            rounds = [{name: timed(way, folder) for name, way in ways.items()} for _ in range(given.rounds)]
            for engine in (own.master, "duckdb"):
                by_sealproof(folder, "plain", engine)
            same = content(folder / "out/plain-spark") == content(folder / "out/plain-duckdb")
        finally:
            session.stop()
    return {
        "rows": given.rows,
        "files": given.files,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seconds": {name: round(statistics.median(one[name] for one in rounds), 2) for name in ways},
        "beside bare Spark": {
            name: round(statistics.median(one[name] / one["bare Spark"] for one in rounds), 2) for name in ways
        },
        "same bytes as on DuckDB": same,
    }


def main() -> None:
    """Measure, print a table, write build/bench/spark.json and spark.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sealproof-bench-"))
    try:
        make(folder, given.rows, given.files)
        result = measured(folder, given)
    finally:
        shutil.rmtree(folder)
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    (out / "spark.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "spark.md").write_text(as_markdown(result))
    print(as_markdown(result))


def as_markdown(result: dict[str, Any]) -> str:
    """The result as a table."""
    lines = [
        f"{result['rows']:,} arrests × 9 columns in {result['files']} files, two workers of one core; {result['machine']}",
        "",
        "| Way | Median seconds | Beside bare Spark |",
        "| --- | --- | --- |",
        *(f"| {name} | {seconds} | {result['beside bare Spark'][name]} × |" for name, seconds in result["seconds"].items()),
        "",
        f"The same bytes as on DuckDB: {'yes' if result['same bytes as on DuckDB'] else 'no'}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
