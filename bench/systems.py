"""Trace and strip of fourteen systems: beside hand-written SQL, after few new seals, and as the city grows.

One process, after imports, warm files, alternating pairs; what is told is the median of the ratios of each pair. By hand
(see `by_hand`) the same rows, cells, list elements and sentences go, in the same files and order, by plain identifiers;
before anything is timed, every cell of it is compared with a strip that publishes identifiers plain. What is timed
publishes tokens, digests every file and writes receipt and roster. Peak memory is measured in a process of its own for
each. CPU seconds are told beside: on a busy machine they say more.

    python bench/systems.py [--arrests 600000 1800000 6000000] [--rounds 5] [--city FOLDER]

A city is written once into FOLDER/ARRESTS and used again if it is there. Results are written after each size.
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
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the city

import arrests
import numpy as np
import polars as pl
from by_hand import strip_by_hand
from fourteen import Department, city_of, drawn, seals
from strip import peak_of_this_process

from sanitizers.keeper import planned_strip
from sanitizers.strip.memory import Memory

NEW, MONTHS, SMALLEST = 1_000, 6, 60_000
SEALS = {f"{MONTHS} consecutive months": MONTHS, "any month": None}
HAND, OURS = "by hand", "sealproof"
Cost = tuple[float, float]  # seconds, CPU seconds


def by_sealproof(department: Department) -> None:
    """What a plain strip publishes: files in source order, receipt, roster."""
    department.strip(department.folder / "out" / OURS)


def by_hand(department: Department) -> None:
    """The same by hand, on plain identifiers."""
    strip_by_hand(department.raw, department.sealed, department.folder / "out" / HAND)


WAYS: dict[str, Callable[[Department], None]] = {OURS: by_sealproof, HAND: by_hand}


def timed(work: Callable[[], object]) -> Cost:
    """Seconds and CPU seconds of one run."""
    start, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - own


def first_time(name: str, department: Department) -> Cost:
    """What a run costs that finds nothing published before it."""
    shutil.rmtree(department.folder / "out" / name, ignore_errors=True)
    return timed(lambda: WAYS[name](department))


def peak(name: str, department: Department) -> int:
    """Peak resident memory, in MB, of a process that does it once."""
    shutil.rmtree(department.folder / "out" / name, ignore_errors=True)
    command = [sys.executable, __file__, "--peak", name, str(department.folder)]
    return round(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def check_same(department: Department) -> dict[str, int]:
    """Raise unless a strip with plain identifiers publishes the rows and cells that are written by hand.

    Returns
    -------
    dict of str to int
        Files, rows that were read, rows that stay.
    """
    ours, hand = department.folder / "out/plain", department.folder / "out" / HAND
    receipt = department.strip(ours, form="plain")
    by_hand(department)
    files = sorted(path.relative_to(hand) for path in hand.rglob("*") if path.is_file())
    unlike = [str(name) for name in files if not rows_of(ours / name).equals(rows_of(hand / name))]
    published = {name for name in receipt.files if not name.startswith("roster/")}
    if unlike or published != set(map(str, files)):
        raise SystemExit(f"by hand something else is written: {', '.join(unlike) or 'other files'}")
    counts = receipt.sources.values()
    shutil.rmtree(ours)
    return {
        "files": len(files),
        "rows": sum(int(own.rows_in) for own in counts),
        "rows kept": sum(int(own.rows_kept) for own in counts),
    }


def rows_of(path: Path) -> pl.DataFrame:
    """The rows of one clean file, in order; in CSV an empty cell is an empty text."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path, hive_partitioning=False)
    if path.suffix == ".jsonl":
        return pl.read_ndjson(path, infer_schema_length=None)
    old = path.parent.name == "photos"
    text = path.read_bytes().decode("cp1252").encode() if old else path
    return pl.read_csv(text, separator=";" if old else ",", infer_schema=False).fill_null("")


def beside_hand(department: Department, rounds: int) -> dict[str, Any]:
    """Full strips beside the same by hand."""
    found = [{name: first_time(name, department) for name in WAYS} for _ in range(rounds)]
    told: dict[str, Any] = {
        name: {
            "seconds": _median(one[name][0] for one in found),
            "CPU seconds": _median(one[name][1] for one in found),
            "peak MB": peak(name, department),
        }
        for name in WAYS
    }
    told["ratio"] = _median(one[OURS][0] / one[HAND][0] for one in found)
    told["CPU ratio"] = _median(one[OURS][1] / one[HAND][1] for one in found)
    return told


def after_new_seals(department: Department, rounds: int) -> dict[str, Any]:
    """Strips after new seals, with what the keeper remembers, beside full ones that leave the same notes."""
    out, random = department.folder / "out", np.random.default_rng(9)
    clean, keeper = out / "clean", out / "keeper"
    department.strip(clean, keeper=keeper)
    memory = Memory.recall(keeper)
    assert memory  # noqa: S101 - the strip has left it
    rows = {name: int(file.counts.rows_in) for name, file in memory.files.items()}
    left = department.open
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SEALS}
    for _ in range(rounds):
        for name, months in SEALS.items():
            new = drawn(left, NEW, random, months=months)
            left = left.join(new, on="arrest_number", how="anti")
            snapshot = timed(partial(department.deliver, seals(new["arrest_number"])))
            work = planned_strip(department.policy(), snapshot=department.snapshot, key=arrests.KEY,
                                 register=department.register, out=clean, keeper=keeper)  # fmt: skip
            written = [file.name for own in work.rewrite.values() for file in own]
            delta = timed(lambda: department.strip(clean, keeper=keeper))
            full = timed(lambda: department.strip(out / "full", keeper=out / "full-keeper"))
            for old in ("full", "full-keeper"):
                shutil.rmtree(out / old)
            found[name].append({
                "delta seconds": delta[0], "full seconds": full[0], "times faster": full[0] / delta[0],
                "times less CPU": full[1] / delta[1], "files hit %": 100 * len(written) / len(rows),
                "rows in them %": 100 * sum(rows[name] for name in written) / sum(rows.values()),
                "snapshot seconds": snapshot[0],
            })  # fmt: skip
    return {name: {told: _median(one[told] for one in own) for told in own[0]} for name, own in found.items()}


def _median(values: Any) -> float:
    return round(statistics.median(values), 2)


def measured(city: Path, size: int, rounds: int) -> dict[str, Any]:
    """All that is told of one size."""
    folder = Path(tempfile.mkdtemp(prefix="sealproof-bench-"))
    try:
        department = Department.lay(folder, city)
        told: dict[str, Any] = {"arrests": size, **check_same(department), "load": round(os.getloadavg()[0], 1)}
        told["strip"] = beside_hand(department, rounds)
        told["microseconds a row"] = round(1e6 * told["strip"][OURS]["seconds"] / told["rows"], 2)
        told["CPU microseconds a row"] = round(1e6 * told["strip"][OURS]["CPU seconds"] / told["rows"], 2)
        shutil.rmtree(folder / "out")
        told["new seals"] = after_new_seals(department, rounds)
    finally:
        shutil.rmtree(folder)
    return told


def as_markdown(result: dict[str, Any]) -> str:
    """The result as tables."""
    sizes = result["sizes"]
    lines = [
        f"Fourteen systems; {result['machine']}; median of {result['rounds']} rounds.", "",
        "| Arrests | Rows | Files | sealproof, s (CPU) | By hand, s (CPU) | Ratio (CPU) | Peak, MB | By hand, MB | µs a row (CPU) | Load |",
        "| --- " * 10 + "|",
        *map(_strip_line, sizes), "",
        f"{NEW:,} new seals:", "",
        "| Arrests | On | Delta, s | Full, s | Times faster (CPU) | Files hit, % | Rows in them, % | Snapshot before, s |",
        "| --- " * 8 + "|",
        *(_seals_line(one["arrests"], name, own) for one in sizes for name, own in one["new seals"].items()),
    ]  # fmt: skip
    if len(sizes) > 1:
        own = [one["microseconds a row"] for one in sizes]
        mean = statistics.mean(own)
        apart = ", ".join(f"{100 * (time_ / mean - 1):+.0f} %" for time_ in own)
        lines += ["", f"Growth: time per row of each size lies {apart} from their mean."]
    return "\n".join(lines) + "\n"


def _strip_line(one: dict[str, Any]) -> str:
    ours, hand, both = one["strip"][OURS], one["strip"][HAND], one["strip"]
    cells = (
        f"{one['arrests']:,}", f"{one['rows']:,}", one["files"], f"{ours['seconds']} ({ours['CPU seconds']})",
        f"{hand['seconds']} ({hand['CPU seconds']})", f"{both['ratio']} × ({both['CPU ratio']} ×)", ours["peak MB"],
        hand["peak MB"], f"{one['microseconds a row']} ({one['CPU microseconds a row']})", one["load"],
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _seals_line(size: int, name: str, own: dict[str, float]) -> str:
    cells = (
        f"{size:,}", name, own["delta seconds"], own["full seconds"], f"{own['times faster']} ({own['times less CPU']})",
        own["files hit %"], own["rows in them %"], own["snapshot seconds"],
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Measure, print tables, write build/bench/systems.json and systems.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arrests", type=int, nargs="+", default=[600_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--city", type=Path, help="Folder of cities, each below its number of arrests.")
    parser.add_argument("--peak", nargs=2, metavar=("WAY", "FOLDER"))
    given = parser.parse_args()
    if given.peak:
        WAYS[given.peak[0]](Department(Path(given.peak[1])))
        print(peak_of_this_process())
        return
    if min(given.arrests) < SMALLEST:
        parser.error(f"in a city of under {SMALLEST:,} arrests six months do not have {NEW:,} that are not sealed")
    own = Path(tempfile.mkdtemp(prefix="sealproof-city-")) if given.city is None else None
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result: dict[str, Any] = {"machine": machine, "rounds": given.rounds, "sizes": []}
    try:
        for size in given.arrests:
            city = city_of(own or given.city, size)
            result["sizes"].append(measured(city, size, given.rounds))
            (out / "systems.json").write_text(json.dumps(result, indent=1) + "\n")
            (out / "systems.md").write_text(as_markdown(result))
    finally:
        if own:
            shutil.rmtree(own)
    print(as_markdown(result))


if __name__ == "__main__":
    main()
