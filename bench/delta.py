"""Strip after 1,000 new seals, beside a full strip: on arrests of six consecutive months, and on any.

Arrests lie in monthly files. One process, after imports, warm files; each round adds seals, strips with what the keeper
remembers of the last strip, and strips once more in full, with the same notes for the keeper.

    python bench/delta.py [--rows 10000000] [--months 100] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import arrests
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitizers.keeper import planned_strip
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files

NEW = 1_000


def make(folder: Path, rows: int, months: int) -> pa.Array:
    """Write monthly files, and seals on a seventh of the arrests; returns the numbers of the others in their order."""
    (folder / "raw").mkdir(parents=True)
    table = arrests.raw_table(rows)
    bounds = np.linspace(0, rows, months + 1).astype(int)
    for month, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
        pq.write_table(table.slice(low, high - low), folder / f"raw/{month:03d}.parquet")
    (folder / "sealing.yaml").write_text(arrests.policy("raw/*.parquet", "token"))
    numbers = table["arrest_number"].combine_chunks()
    sealed = np.random.default_rng(8).random(rows) < 1 / 7
    arrests.seal(folder, numbers.filter(pa.array(sealed)))
    return numbers.filter(pa.array(~sealed))


def strip(folder: Path, out: str, keeper: Path | None) -> float:
    """Seconds of one strip."""
    start = time.perf_counter()
    register = Register(folder / "register", kinds=arrests.KINDS, key=arrests.KEY)
    strip_files(Policy.load(folder / "sealing.yaml"), snapshot=load(folder / "bench.snap"), key=arrests.KEY,
                out=folder / out, register=register, keeper=keeper)  # fmt: skip
    return time.perf_counter() - start


def rewritten(folder: Path) -> int:
    """How many files the next strip writes."""
    work = planned_strip(Policy.load(folder / "sealing.yaml"), snapshot=folder / "bench.snap", key=arrests.KEY,
                         register=folder / "register", out=folder / "clean", keeper=folder / "keeper")  # fmt: skip
    return sum(map(len, work.rewrite.values()))


def main() -> None:
    """Measure, print a table, write build/bench/delta.json and delta.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    folder, random = Path(tempfile.mkdtemp(prefix="sealproof-bench-")), np.random.default_rng(9)
    found: dict[str, list[tuple[float, float, int]]] = {"six consecutive months": [], "any month": []}
    try:
        others = make(folder, given.rows, given.months)
        strip(folder, "clean", folder / "keeper")
        months = len(others) // given.months
        for _ in range(given.rounds):
            start = int(random.integers(0, given.months - 6)) * months
            for name, low, high in (("six consecutive months", start, start + 6 * months), ("any month", 0, len(others))):
                arrests.seal(folder, others.take(pa.array(low + random.choice(high - low, NEW, replace=False))))
                files = rewritten(folder)
                delta = strip(folder, "clean", folder / "keeper")
                found[name].append((delta, strip(folder, "full", folder / "full-keeper"), files))
                shutil.rmtree(folder / "full-keeper")
    finally:
        shutil.rmtree(folder)
    result = {
        "rows": given.rows, "files": given.months, "seals": NEW,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        **{
            name: {
                "delta seconds": round(statistics.median(delta for delta, _, _ in rounds), 2),
                "full seconds": round(statistics.median(full for _, full, _ in rounds), 2),
                "times faster": round(statistics.median(full / delta for delta, full, _ in rounds), 1),
                "files": rounds[-1][2],
            }
            for name, rounds in found.items()
        },
    }  # fmt: skip
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    (out / "delta.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = [
        f"{given.rows:,} arrests in {given.months} monthly files, {NEW:,} new seals; {result['machine']}", "",
        "| Seals on | Delta, s | Full, s | Times faster | Files written |", "| --- | --- | --- | --- | --- |",
        *("| " + " | ".join([name, *map(str, result[name].values())]) + " |" for name in found),
    ]  # fmt: skip
    (out / "delta.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
