"""sealproof on a real cluster: it publishes what DuckDB publishes, byte for byte, and leaves nothing that can be read."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from sanitizers import digest
from sanitizers.errors import PublishFailure, SealproofError, SourceFailure
from sanitizers.features import compute
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.snapshot import load
from sanitizers.strip.files import strip_files
from tests import cli_world
from tests.cli_world import CANARY, KEY, SEALED
from tests.cluster import Running, add_worker
from tests.laws import checks, strategies
from tests.laws.oracle import World
from tests.laws.running import Bench
from tests.pipelines import test_fourteen as fourteen
from tests.ready.worlds import crowded, publish
from tests.ready.worlds import lay as lay_ready

department = cli_world.department
world = cli_world.world


# -- laws -------------------------------------------------------------------------------------------------------------


class OnSpark(Bench):
    """Worlds stripped on the cluster; what is no strip, on DuckDB."""

    def __init__(self, folder: Path, master: str) -> None:
        super().__init__(folder)
        self.master = master

    def strip_folder(self, folder: Path, policy: Policy, taken: Any, **given: Any) -> Any:
        return self.strip_on(self.master, folder, policy, taken, **given)


@pytest.fixture(scope="module")
def benches(master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OnSpark, Bench]]:
    spark = OnSpark(tmp_path_factory.mktemp("spark"), master)
    duck = Bench(tmp_path_factory.mktemp("duckdb"))
    yield spark, duck
    for bench in (spark, duck):
        bench.engine.stop()


@settings(max_examples=5)
@given(own=strategies.worlds())
def test_laws_hold_on_spark_and_files_are_those_of_duckdb(benches: tuple[OnSpark, Bench], own: World) -> None:
    """Conservation, nothing else, nullity and order; and with equal bytes what else was shown on DuckDB."""
    spark, duck = benches
    clean = spark.strip(own)
    checks.check_conservation(own, clean)
    checks.check_nothing_else(own, clean)
    same = clean.files == duck.strip(own).files
    assert same, "Spark publishes other bytes"
    checks.check_nullity_in_any_order(spark, own, clean)


@pytest.mark.soak
@settings(max_examples=50)
@given(own=strategies.worlds())
def test_every_law_holds_on_spark(benches: tuple[OnSpark, Bench], own: World) -> None:
    spark, _ = benches
    checks.check_all(spark, own)
    checks.check_delta(spark, own)


# -- the city's truth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
def test_laws_1_and_8_on_the_systems_that_are_files(master: str, seed: int, tmp_path: Path) -> None:
    laid = fourteen.lay(tmp_path, arrests=600, seed=seed)
    fourteen.check_nullity(laid, engine=master)
    fourteen.check_nothing_else(laid, engine=master)
    by_duckdb = fourteen.digests(fourteen.strip(laid.city, out="again", without_databases=True))
    assert fourteen.unlike(by_duckdb, fourteen.digests(laid.city / "build/fourteen/clean")) == set()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))])
def test_the_ready_set_is_what_duckdb_computes(master: str, seed: int, tmp_path: Path) -> None:
    policy = lay_ready(tmp_path)
    publish(tmp_path, crowded(seed), seed=seed)
    one, other = (
        compute(policy, clean=tmp_path / "clean", out=tmp_path / engine.partition(":")[0], engine=engine)
        for engine in ("duckdb", master)
    )
    assert len(one) == 10
    assert one == other


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_runs_on_spark_as_on_duckdb(world: cli_world.World, master: str) -> None:
    by_duckdb = []
    for engine in ("duckdb", master):
        own = ("--engine", engine)
        assert world.snapshot(*cli_world.DAY, *own).code == 0
        assert world.strip("--keeper", world / f"keeper-{len(by_duckdb)}", *own).code == 0
        outcome = world.run("features", *world.policy, "--clean", world / "clean", "--out", world / "made", *own)
        assert outcome.code == 0
        by_duckdb.append([digest.of_folder(world / name) for name in ("clean", "made")])
        by_duckdb[-1].append({n: d for n, d in digest.of_folder(world / f"keeper-{len(by_duckdb) - 1}").items() if n != "memory.json"})
    assert by_duckdb[0] == by_duckdb[1]
    planned = world.strip("--keeper", world / "keeper-1", "--plan", "--engine", master)
    assert "3 file(s) to take over as they stand" in planned.out


@pytest.mark.parametrize(
    ("engine", "code", "told"),
    [("spark://127.0.0.1:1", 3, "no Spark master answers"), ("spork", 2, "write duckdb"), ("spark://x", 2, "spark://host:port")],
)
def test_an_engine_that_is_not_there_is_told_with_a_remedy(
    world: cli_world.World, engine: str, code: int, told: str
) -> None:
    for outcome in (world.strip("--engine", engine), world.snapshot(*cli_world.DAY, "--engine", engine)):
        assert outcome.code == code
        assert told in outcome.err
        assert "duckdb" in outcome.err
    assert not (world / "clean").exists()


def test_a_database_is_refused_on_spark_with_a_reason(world: cli_world.World, master: str) -> None:
    world.amend("sealing.yaml", "sources:\n  arrests:\n    path: raw/arrests.parquet", "databases: {court: {duckdb: court.duckdb}}\n"
                "sources:\n  arrests:\n    database: court\n    table: arrests")  # fmt: skip
    outcome = world.strip("--engine", master)
    assert outcome.code == 2
    assert "Spark reads files only" in outcome.err
    assert "run it on DuckDB" in outcome.err


# -- silence ----------------------------------------------------------------------------------------------------------


def _strip(world: cli_world.World, master: str, tell: Callable[[str, int, int], None] = lambda *_: None) -> Any:
    snapshot, key = load(world / "city.snap"), Key(KEY)
    register = Register(world / "register", kinds=snapshot.kinds, key=key)
    policy = Policy.load(world / "sealing.yaml")
    return strip_files(
        policy, snapshot=snapshot, key=key, out=world / "clean", register=register, engine=master, progress=tell
    )


def _many(world: cli_world.World, rows: int) -> None:
    """Raw files with so many rows that hits and links go through files of the cluster."""
    numbers = [SEALED, *(f"K17{n:06}" for n in range(1, rows))]
    table = pa.table({"arrest_number": numbers, "photo_number": [f"{n:010}" for n in range(rows)],
                      "note": [CANARY] * rows, "age": [31] * rows})  # fmt: skip
    for part in range(2):
        pq.write_table(table[part * rows // 2 : (part + 1) * rows // 2], world / f"raw/arrests-{part}.parquet")
    world.amend("sealing.yaml", "raw/arrests.parquet", "raw/arrests-*.parquet")


def test_nothing_that_can_be_read_lies_in_the_folders_of_the_cluster(world: cli_world.World, cluster: Running, master: str) -> None:
    _many(world, 4000)
    others = "".join(f"arrest_number,Q17{n:06},seal,CPL 160.50,2019-01-10,2019-01-12\n" for n in range(60_000))
    world.write("feed.csv", (world / "feed.csv").read_text() + others)
    assert world.add().code == world.snapshot().code == 0
    hidden = [SEALED.encode(), b"K17000", CANARY.encode(), KEY.encode(), b"arrest_number:"]
    snapshot = load(world / "city.snap")
    for own in snapshot.barred.values():
        for hi, lo in zip(own.hi[:40].tolist(), own.lo[:40].tolist(), strict=True):
            hidden += [hi.to_bytes(8, "big"), hi.to_bytes(8, "little"), f"{hi:016x}{lo:016x}".encode()]
    seen: dict[str, int] = {}

    def look(step: str, done: int, of: int) -> None:
        if done == of:
            for path in (path for folder in (cluster.folder, world / ".clean.sealproof/scratch") for path in folder.rglob("*")):
                if path.is_file() and path.suffix != ".jar":
                    content = path.read_bytes()
                    seen[step] = seen.get(step, 0) + len(content)
                    readable = sum(secret in content for secret in hidden)
                    assert readable == 0, f"{path.name} can be read"

    _strip(world, master, look)
    assert seen.keys() == {"find", "forget"}
    assert seen["forget"] > 1 << 20, "the barred set did not go through a file that could have been read"
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    told = sum(secret in running for secret in (KEY, SEALED, CANARY))
    assert told == 0


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_file_that_changes_between_find_and_forget_stops_the_run(world: cli_world.World, master: str) -> None:
    _many(world, 400)

    def change(step: str, done: int, of: int) -> None:
        if step == "find" and done == of:
            path = world / "raw/arrests-1.parquet"
            pq.write_table(pq.read_table(path)[:-1], path)

    with pytest.raises(PublishFailure, match="changed while it was being stripped") as caught:
        _strip(world, master, change)
    assert caught.value.__context__ is None
    assert not (world / "clean").exists()


def test_a_malformed_cell_is_named_and_not_told(world: cli_world.World, master: str) -> None:
    world.amend("raw/photos.csv", "0000000003;b", f"{CANARY};b")
    with pytest.raises(SourceFailure) as caught:
        _strip(world, master)
    [fault] = caught.value.faults
    assert (fault.where, fault.column, fault.line) == ("photos: photos.csv", "photo_number", 3)
    assert CANARY not in str(caught.value)


def test_a_worker_killed_in_mid_run_ends_whole_or_not_at_all(world: cli_world.World, cluster: Running, master: str) -> None:
    """Last: a worker takes the place of the one that is killed."""
    _many(world, 4000)
    expected = _strip(world, "duckdb")
    shutil.rmtree(world / "clean")

    def kill(step: str, done: int, of: int) -> None:
        if step == "find" and done == of:
            worker = cluster.workers[0]
            executors = subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True, check=False).stdout.split()
            for process in [worker.pid, *map(int, executors)]:
                os.kill(process, signal.SIGKILL)

    try:
        receipt = _strip(world, master, kill)
    except SealproofError:
        assert not (world / "clean").exists()
    else:
        assert receipt.files == expected.files
    add_worker(cluster)
    time.sleep(1)
    assert _strip(world, master).files == expected.files
    assert not re.search("attempts|spill", " ".join(path.name for path in (world / ".clean.sealproof").rglob("*")))
