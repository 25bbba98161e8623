"""All features of the ready set on six million arrests, beside the same queries in bare DuckDB.

One process, after imports, warm files, alternating pairs; what is told is the median of the ratios of each pair. Both read
the same clean Parquet files and write the same features as Parquet, in the same order. sealproof also digests what it
reads and writes, checks every query and its plan, keeps to its memory limit and publishes all or nothing. Peak memory is
measured in a process of its own for each.

    python bench/features.py [--arrests 6000000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitizers import digest
from sanitizers.engine.contract import THREADS
from sanitizers.features import READY, compute
from sanitizers.policy import Policy
from sanitizers.strip.receipt import Receipt

FILES = 10
FIRST, DAYS = 15_000, 3_650
OFFENSES = np.array(["ROBBERY", "BURGLARY", "ASSAULT", "DRUG", "FARE", "LARCENY", "FRAUD", "ARSON"])
SENTENCES = np.array(["Perp fled on foot. ", "A knife was seen. ", "Canvass negative. ", "No further information. ", ""])
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: bench.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest_number
    columns: {arrest_number: {kind: arrest_number, on_seal: drop}}
  complaints:
    path: raw/complaints/*.parquet
    primary_key: complaint_number
    columns: {complaint_number: {kind: complaint_number, on_seal: drop}}
"""


def make(folder: Path, arrests: int) -> None:
    """Write clean sources with a receipt, the ready set and a policy that declares it."""
    random = np.random.default_rng(5)
    for number in range(FILES):
        rows = arrests // FILES
        days = np.sort(random.integers(FIRST + number * DAYS // FILES, FIRST + (number + 1) * DAYS // FILES, rows))
        _write(folder / f"clean/arrests/{number}.parquet", _arrests(random, days, arrests, number * rows))
        _write(folder / f"clean/complaints/{number}.parquet", _complaints(random, days, arrests, number * rows))
    receipt = Receipt("", "", "", "", "", "", "", {}, digest.of_folder(folder / "clean"))
    (folder / "clean/receipt.json").write_text(receipt.to_json())
    shutil.copytree(READY, folder / "features")
    (folder / "sealing.yaml").write_text(POLICY + (folder / "features/features.yaml").read_text())


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=1 << 17)


def _tokens(kind: int, numbers: np.ndarray) -> pa.Array:
    """Texts as long as published tokens, as scattered, and equal for equal numbers."""
    mixed = (numbers.astype(np.uint64) + np.uint64(kind)) * np.uint64(0x9E3779B97F4A7C15)
    return pa.array([f"tok_{one:016x}{one ^ 0x5DEECE66D:016x}" for one in mixed.tolist()])


def _arrests(random: np.random.Generator, days: np.ndarray, arrests: int, first: int) -> pa.Table:
    """Persons with two arrests in the mean; a quarter of the arrests are on the complaint of one nearby."""
    rows = len(days)
    number = first + np.arange(rows)
    person = random.exponential(arrests / 4, rows).astype(np.int64)
    person = np.where(random.random(rows) < 0.05, np.roll(person, 1), person)
    complaint = number - random.integers(1, 4, rows) * (random.random(rows) < 0.25)
    return pa.table(
        {
            "arrest_number": _tokens(1, number),
            "person_id": _tokens(2, person),
            "complaint_number": _tokens(3, complaint),
            "arrest_date": pa.array(days.astype(np.int32), pa.date32()),
            "offense": pa.array(OFFENSES[random.integers(0, len(OFFENSES), rows)]),
            "precinct": random.integers(1, 78, rows).astype(np.int16),
            "x": random.normal(1e6, 2e4, rows),
            "y": random.normal(2e5, 2e4, rows),
            "age": random.integers(16, 80, rows).astype(np.int16),
        }
    )


def _complaints(random: np.random.Generator, days: np.ndarray, arrests: int, first: int) -> pa.Table:
    rows = len(days)
    parts = [SENTENCES[random.integers(0, len(SENTENCES), rows)] for _ in range(4)]
    return pa.table(
        {
            "complaint_number": _tokens(3, first + np.arange(rows)),
            "reported_on": pa.array(days.astype(np.int32), pa.date32()),
            "precinct": random.integers(1, 78, rows).astype(np.int16),
            "narrative": pa.array(np.char.add(np.char.add(parts[0], parts[1]), np.char.add(parts[2], parts[3]))),
        }
    )


def by_sealproof(folder: Path) -> None:
    """Compute and publish all features of the policy."""
    compute(Policy.load(folder / "sealing.yaml"), clean=folder / "clean", out=folder / "out/sealproof")


def by_duckdb(folder: Path) -> None:
    """Copy the answer of each file to Parquet, in order."""
    for _ in each_by_duckdb(folder):
        pass


def each_by_duckdb(folder: Path) -> Iterator[str]:
    """Copy the answers one by one."""
    (folder / "out/duckdb").mkdir(parents=True, exist_ok=True)
    features = Policy.load(folder / "sealing.yaml").features
    with duckdb.connect(config={"threads": THREADS}) as connection:
        for source in ("arrests", "complaints"):
            connection.execute(f"CREATE VIEW {source} AS FROM '{folder}/clean/{source}/*.parquet'")
        for name in features:
            sql = (folder / f"features/{name}.sql").read_text()
            connection.execute(f"COPY (FROM ({sql}) ORDER BY ALL NULLS FIRST) TO '{folder}/out/duckdb/{name}.parquet'")
            yield name


WAYS: dict[str, Callable[[Path], None]] = {"sealproof": by_sealproof, "duckdb": by_duckdb}


def timed(way: Callable[[Path], None], folder: Path) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    way(folder)
    return time.perf_counter() - start


def peak(name: str, folder: Path) -> float:
    """Peak resident memory, in MB, of a process that does it once."""
    told = subprocess.run([sys.executable, __file__, "--peak", name, str(folder)], check=True, capture_output=True, text=True)
    return float(told.stdout)


def one_by_one(folder: Path) -> dict[str, dict[str, float]]:
    """Rows of each feature, and the seconds of each way for it alone."""
    policy, found = Policy.load(folder / "sealing.yaml"), {}
    bare = each_by_duckdb(folder)
    for name in policy.features:
        start = time.perf_counter()
        next(bare)
        between = time.perf_counter()
        compute(policy, clean=folder / "clean", out=folder / "out/one", names=[name])
        ended = time.perf_counter()
        rows = pq.read_metadata(folder / f"out/sealproof/{name}.parquet").num_rows
        found[name] = {"rows": rows, "sealproof": round(ended - between, 2), "duckdb": round(between - start, 2)}
    return found


def main() -> None:
    """Measure, print a table, write build/bench/features.json and features.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arrests", type=int, default=6_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=2, metavar=("WAY", "FOLDER"))
    given = parser.parse_args()
    if given.peak:
        WAYS[given.peak[0]](Path(given.peak[1]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    folder = Path(tempfile.mkdtemp(prefix="sealproof-bench-"))
    try:
        make(folder, given.arrests)
        for way in WAYS.values():
            way(folder)
        rounds = [{name: timed(way, folder) for name, way in WAYS.items()} for _ in range(given.rounds)]
        result = {
            "arrests": given.arrests,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "seconds": {name: round(statistics.median(one[name] for one in rounds), 2) for name in WAYS},
            "ratio": round(statistics.median(one["sealproof"] / one["duckdb"] for one in rounds), 2),
            "peak MB": {name: round(peak(name, folder)) for name in WAYS},
            "features": one_by_one(folder),
        }
    finally:
        shutil.rmtree(folder)
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    (out / "features.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "features.md").write_text(as_markdown(result))
    print(as_markdown(result))


def as_markdown(result: dict[str, object]) -> str:
    """The result as two tables."""
    seconds, peaks, features = result["seconds"], result["peak MB"], result["features"]
    lines = [
        f"{result['arrests']:,} arrests and as many complaints, {len(features)} features; {result['machine']}",  # type: ignore[arg-type]
        "",
        "| Way | Median seconds | Peak MB |",
        "| --- | --- | --- |",
        *(f"| {name} | {seconds[name]} | {peaks[name]} |" for name in WAYS),  # type: ignore[index]
        "",
        f"sealproof takes {result['ratio']} × as long. One by one, each with all checks and digests of its own:",
        "",
        "| Feature | Rows | sealproof, seconds | duckdb, seconds |",
        "| --- | --- | --- | --- |",
        *(f"| {name} | {one['rows']:,} | {one['sealproof']} | {one['duckdb']} |" for name, one in features.items()),  # type: ignore[attr-defined]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
