"""Strip ten million arrests, beside pandas, a DuckDB anti-join and polars on plain identifiers.

One process, after imports, warm files, alternating rounds; what is told is the median of the ratios of each round. The
others only drop rows whose plain identifier is in a plain list; sealproof hashes every identifier, keeps the source
order, and writes receipt and roster. Peak memory is measured in a process of its own for each.

    python bench/strip.py [--rows 10000000] [--sealed 1500000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import arrests
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sanitizers import digest
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.policy import Policy
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files


def make(folder: Path, rows: int, sealed: int) -> None:
    """Write the raw table (nine columns), the plain list of sealed numbers, and the snapshot."""
    (folder / "raw").mkdir(parents=True)
    table = arrests.raw_table(rows)
    pq.write_table(table, folder / "raw/arrests.parquet", row_group_size=1 << 20)
    chosen = table["arrest_number"].take(pa.array(np.random.default_rng(8).choice(rows, sealed, replace=False)))
    pq.write_table(pa.table({"arrest_number": chosen}), folder / "sealed.parquet")
    for form in ("plain", "token"):
        (folder / f"{form}.yaml").write_text(arrests.policy("raw/arrests.parquet", form))
    arrests.seal(folder, chosen.combine_chunks())


def strip_as(folder: Path, form: str) -> None:
    """What a plain strip publishes: files in source order, receipt, roster."""
    snapshot, out = load(folder / "bench.snap"), folder / f"out/sealproof-{form}"
    strip_files(Policy.load(folder / f"{form}.yaml"), snapshot=snapshot, key=arrests.KEY, out=out)


def by_sealproof(folder: Path) -> None:
    """A strip that publishes numbers as they are."""
    strip_as(folder, "plain")


def by_sealproof_tokens(folder: Path) -> None:
    """A strip that publishes tokens."""
    strip_as(folder, "token")


def by_duckdb(folder: Path) -> None:
    """A DuckDB anti-join COPY on plain identifiers."""
    (folder / "out").mkdir(exist_ok=True)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"COPY (SELECT raw.* FROM '{folder}/raw/arrests.parquet' raw ANTI JOIN '{folder}/sealed.parquet' sealed "
            f"USING (arrest_number)) TO '{folder}/out/duckdb.parquet'"
        )


def by_pandas(folder: Path) -> None:
    """Pandas isin on plain identifiers."""
    (folder / "out").mkdir(exist_ok=True)
    raw = pd.read_parquet(folder / "raw/arrests.parquet")
    sealed = pd.read_parquet(folder / "sealed.parquet")["arrest_number"]
    raw[~raw["arrest_number"].isin(sealed)].to_parquet(folder / "out/pandas.parquet", index=False)


def by_polars(folder: Path) -> None:
    """Polars' streaming anti-join on plain identifiers."""
    (folder / "out").mkdir(exist_ok=True)
    raw, sealed = pl.scan_parquet(folder / "raw/arrests.parquet"), pl.scan_parquet(folder / "sealed.parquet")
    raw.join(sealed, on="arrest_number", how="anti").sink_parquet(folder / "out/polars.parquet")


WAYS: dict[str, Callable[[Path], None]] = {
    "sealproof": by_sealproof, "sealproof, tokens": by_sealproof_tokens, "duckdb": by_duckdb, "pandas": by_pandas, "polars": by_polars,
}  # fmt: skip


def timed(way: Callable[[Path], None], folder: Path) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    way(folder)
    return time.perf_counter() - start


def first_time(way: Callable[[Path], None], folder: Path) -> float:
    """Seconds of a run that finds nothing published before it."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    return timed(way, folder)


def peak(name: str, folder: Path) -> float:
    """Peak resident memory, in MB, of a process that does it once."""
    told = subprocess.run([sys.executable, __file__, "--peak", name, str(folder)], check=True, capture_output=True, text=True)
    return float(told.stdout)


def peak_of_this_process() -> float:
    """MB; from the kernel's high-water mark, which unlike ru_maxrss does not begin with what the parent used."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def content_digest(folder: Path) -> float:
    """Seconds of the content digest of what sealproof published; no part of a plain strip."""
    file = RawFile(folder / "out/sealproof-plain/arrests.parquet", "arrests.parquet", Reading())
    start = time.perf_counter()
    digest.of_content(file.schema, file.batches(file.schema.names))
    return time.perf_counter() - start


def main() -> None:
    """Measure, print a table, write build/bench/strip.json and strip.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--sealed", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=2, metavar=("WAY", "FOLDER"))
    given = parser.parse_args()
    if given.peak:
        WAYS[given.peak[0]](Path(given.peak[1]))
        print(peak_of_this_process())
        return
    folder = Path(tempfile.mkdtemp(prefix="sealproof-bench-"))
    try:
        make(folder, given.rows, given.sealed)
        for way in WAYS.values():
            way(folder)
        rounds = [{name: first_time(way, folder) for name, way in WAYS.items()} for _ in range(given.rounds)]
        result = {
            "rows": given.rows,
            "sealed": given.sealed,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "seconds": {name: round(statistics.median(one[name] for one in rounds), 2) for name in WAYS},
            "sealproof / other": {
                name: round(statistics.median(one["sealproof"] / one[name] for one in rounds), 2) for name in WAYS
            },
            "tokens / other": {
                name: round(statistics.median(one["sealproof, tokens"] / one[name] for one in rounds), 2) for name in WAYS
            },
            "peak MB": {name: round(peak(name, folder)) for name in WAYS},
            "content digest seconds": round(content_digest(folder), 2),
            "file digest seconds": round(timed(lambda _: digest.of_folder(folder / "out/sealproof-plain"), folder), 2),
        }
    finally:
        shutil.rmtree(folder)
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    (out / "strip.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "strip.md").write_text(as_markdown(result))
    print(as_markdown(result))


def as_markdown(result: dict[str, object]) -> str:
    """The result as a table."""
    names = ("seconds", "sealproof / other", "tokens / other", "peak MB")
    seconds, ratios, tokens, peaks = (result[name] for name in names)
    lines = [
        f"{result['rows']:,} arrests × 9 columns, {result['sealed']:,} sealed; {result['machine']}",
        "",
        "| Way | Median seconds | sealproof takes | with tokens | Peak MB |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {name} | {seconds[name]} | {ratios[name]} × | {tokens[name]} × | {peaks[name]} |" for name in WAYS),  # type: ignore[index]
        "",
        f"Content digest, no part of a plain strip: {result['content digest seconds']} s. "
        f"SHA-256 of what was published, part of it: {result['file digest seconds']} s.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
