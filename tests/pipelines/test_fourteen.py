"""All fourteen systems of the city: the generator against its own truth, then laws 1 and 8 of sealproof against it.

Law 1, nullity: a strip of the city gives what a strip of its twin gives, which was written without the barred arrests and with
nothing sealed. Law 8, nothing else: every row, cell and list element that a strip changes stands in the city's event record,
with the barred arrests that explain it, and every entry of the record was changed.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipelines.city import layout, write_city
from pipelines.city.__main__ import main
from pipelines.city.layout import Layout
from pipelines.city.records import City, blocks
from pipelines.city.systems import FOURTEEN
from pipelines.city.tables import Table
from pipelines.city.world import World
from sanitizers import digest
from sanitizers.check import check_policy
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.features import compute
from sanitizers.identifiers import MASK, Key, Kinds
from sanitizers.keeper import take_snapshot
from sanitizers.policy import Policy
from sanitizers.register.feed import read_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.strip.files import strip_files
from tests.pipelines.conftest import DAY, KEY, REPO
from tests.postgres_server import Server, postgres_server

__all__ = ["postgres_server"]

NUMBER = re.compile(r"[BKMQSbkmqs][- ]?\d\d[- ]?\d{6}")
FILE = "    path: ../../build/fourteen/city/raw/dispositions.parquet\n"
TABLE = "    database: court\n    table: dispositions\n"
MASKED = ("narrative", "remarks")  # every mention becomes one word, before any seal is looked up
# Source → its files below the raw folder, its key.
SOURCES = {
    "persons": ("persons.csv", ("person_id",)),
    "arrests": ("arrests/arrests*.parquet", ("arrest_number",)),
    "charges": ("charges*.csv", ("arrest_number", "charge_no")),
    "complaints": ("complaints*.parquet", ("complaint_number",)),
    "photos": ("photos/photos*.csv", ("photo_number",)),
    "stops": ("stops*.csv", ("stop_id",)),
    "pattern_members": ("pattern_members*.csv", ("member_id",)),
    "fingerprints": ("fingerprints/from=*/prints.parquet", ("card_number", "impression")),
    "vouchers": ("vouchers*.csv", ("voucher_number",)),
    "summonses": ("summonses*.jsonl", ("summons_number",)),
    "calls": ("calls/from=*/calls.parquet", ("call_id",)),
    "warrants": ("warrants.sqlite", ("warrant_number",)),
    "dispositions": ("dispositions.parquet", ("disposition_id",)),
    "dockets": ("dockets.duckdb", ("docket",)),
    "coarrests": ("coarrests*.parquet", ("edge_id",)),
}
SUSPECT = ("suspect_age", "suspect_sex", "suspect_race", "suspect_height")
# What hangs on arrests, and how: whole rows, cells, texts, elements of lists.
WAYS = {
    *((source, "") for source in SOURCES if source not in ("stops", "summonses", "calls")),
    *(("complaints", column) for column in (*SUSPECT, "status", "cleared_by", "lineup", "narrative")),
    ("stops", "suspect_arrest_number"),
    *(("vouchers", column) for column in ("complaint_number", "matched_arrest", "matched_on", "status", "remarks")),
    *(("summonses", column) for column in ("arrest_number", "person_id", "status")),
    *(("calls", column) for column in ("complaint_number", "arrest_number", "final_code", "other_arrests")),
    *(("warrants", column) for column in ("person_id", "executed_by", "executed_on", "status")),
    ("dockets", "arrests"),
}
Row = dict[str, Any]
Change = tuple[str, str, str, int]  # source, key, column (empty: the row), element (-1: the cell)


def rows_of(path: Path) -> list[Row]:
    """The rows of one file, whatever it is; NaN, which is equal to nothing, as None."""
    if path.suffix == ".parquet":
        return [{n: None if c != c else c for n, c in row.items()} for row in pq.read_table(path).to_pylist()]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {path.stem}")]  # noqa: S608
    if path.suffix == ".duckdb":
        with duckdb.connect(path, read_only=True) as connection:
            return connection.sql(f"FROM {path.stem}").to_arrow_table().to_pylist()  # noqa: S608
    photos = path.name.startswith("photos-")
    with path.open(encoding="cp1252" if photos else "utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";" if photos else ","))


def source_of(folder: Path, pattern: str) -> list[Row]:
    files = sorted(folder.glob(pattern))
    assert files
    return [row for file in files for row in rows_of(file)]


def keyed(rows: list[Row], key: tuple[str, ...]) -> dict[str, Row]:
    found = {"|".join(str(row[column]) for column in key): row for row in rows}
    assert len(found) == len(rows)
    return found


def changes(source: str, before: dict[str, Row], after: dict[str, Row]) -> Iterator[Change]:
    """What one telling of a source lacks that the other has; nothing else may differ."""
    in_order = list(after) == [key for key in before if key in after]
    assert in_order, f"{source}: rows stand in another order, or there are new ones"
    for key, row in before.items():
        if key not in after:
            yield source, key, "", -1
            continue
        for column, cell in row.items():
            other = after[key][column]
            if isinstance(cell, list):
                left = list(other)
                for position, element in enumerate(cell):
                    if left and left[0] == element:
                        left.pop(0)
                    else:
                        yield source, key, column, position
                assert not left, f"{source}.{column}: a list has new elements"
            elif cell != other:
                yield source, key, column, -1


def record_of(city: Path) -> dict[Change, set[str]]:
    """The event record: each change and the arrests that explain it."""
    source_named = {f"raw/{pattern}": source for source, (pattern, _) in SOURCES.items()}
    found: dict[Change, set[str]] = {}
    for row in pq.read_table(city / "event_record.parquet").to_pylist():
        change = source_named[row["table"]], row["key"], row["column"], row["element"]
        found.setdefault(change, set()).add(row["arrest_number"])
    return found


@dataclass(frozen=True)
class Laid:
    """A city and its twin, each in a folder that looks like the repository."""

    city: Path
    twin: Path

    @property
    def record(self) -> dict[Change, set[str]]:
        return record_of(self.city / "build/fourteen/city")


def raw(folder: Path) -> Path:
    return folder / "build/fourteen/city/raw"


def lay(folder: Path, *, arrests: int, seed: int) -> Laid:
    for name in ("city", "twin"):
        shutil.copytree(REPO / "pipelines/fourteen", folder / name / "pipelines/fourteen")
        shutil.copytree(REPO / "pipelines/features", folder / name / "pipelines/features")
        shutil.copy(REPO / "pipelines/rules.yaml", folder / name / "pipelines")
        write_city(
            folder / name / "build/fourteen/city", arrests=arrests, seed=seed, as_of=DAY, systems=14,
            without_sealed=name == "twin", record=name == "city",
        )  # fmt: skip
    return Laid(folder / "city", folder / "twin")


@pytest.fixture(scope="module", params=[1, 2, 3])
def laid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    return lay(tmp_path_factory.mktemp("fourteen"), arrests=1500, seed=request.param)


# The shape of the city.


def all_files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_six_systems_are_what_they_were(tmp_path: Path) -> None:
    write_city(tmp_path, arrests=300, seed=3, as_of=DAY)
    told = hashlib.sha256()
    for name, path in all_files(tmp_path).items():
        content = repr(rows_of(path)).encode() if path.suffix == ".parquet" else path.read_bytes()
        told.update(name.encode() + hashlib.sha256(content).digest())
    assert told.hexdigest() == "5fc017963d383b1ea073b636e8f398e6ede6c06642a92cd10bafc3d9cde95e56"


@pytest.mark.parametrize("without_sealed", [False, True])
def test_the_six_of_fourteen_are_the_six(without_sealed: bool, tmp_path: Path) -> None:
    for systems in (6, 14):
        write_city(
            tmp_path / str(systems), arrests=300, seed=3, as_of=DAY, systems=systems, without_sealed=without_sealed
        )
    six, fourteen = all_files(tmp_path / "6"), all_files(tmp_path / "14")
    assert len(six) == 7 + 7 + 5 + 2  # arrests and photos by year, five other tables, feed and truth
    assert all(path.read_bytes() == fourteen[name].read_bytes() for name, path in six.items())
    assert {path.suffix for path in fourteen.values()} == {".parquet", ".csv", ".jsonl", ".sqlite", ".duckdb"}


@pytest.mark.parametrize("systems", [5, 15])
def test_other_numbers_of_systems_are_refused(systems: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one of 6, 14"):
        write_city(tmp_path, arrests=40, seed=1, as_of=DAY, systems=systems)


def test_the_command_writes_the_city_that_the_function_writes(tmp_path: Path) -> None:
    arguments = [
        "--out",
        str(tmp_path / "by command"),
        "--arrests",
        "60",
        "--seed",
        "3",
        "--as-of",
        str(DAY),
        "--record",
    ]
    answer = CliRunner().invoke(main, [*arguments, "--systems", "14"], catch_exceptions=False)
    write_city(tmp_path / "by call", arrests=60, seed=3, as_of=DAY, systems=14, record=True)
    assert answer.exit_code == 0
    one, two = (all_files(tmp_path / name) for name in ("by command", "by call"))
    assert one.keys() == two.keys()
    for name, path in one.items():
        same = rows_of(path) == rows_of(two[name])
        assert same, name


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    dsn = f"host={tmp_path} user=clerk password=secret-{DAY}"
    arguments = ["--out", str(tmp_path / "city"), "--arrests", "60", "--systems", "14"]
    answer = CliRunner().invoke(main, arguments, env={"CITY_POSTGRES": dsn}, catch_exceptions=False)
    assert answer.exit_code == 1
    assert "the table dispositions cannot be made" in answer.output
    assert "secret" not in answer.output + answer.stderr


def months_of(table: Table, city: City) -> np.ndarray:
    """Rows per month of the city; the day is the table's own, written or not."""
    counts = np.zeros(84, int)
    for events in blocks(table.events(city)):
        days = table.rows(city, events)[table.day_of].cast(pa.timestamp("s")).to_numpy()
        counts += np.bincount(days.astype("datetime64[M]").astype(int) - 43 * 12, minlength=84)
    return counts


def test_six_million_arrests_make_a_hundred_million_rows_in_at_most_500_files_none_small() -> None:
    small, large, files, rows = 60_000, 6_000_000, 0, 0.0
    city = City.of(World(7, small), as_of=DAY, without_sealed=False)
    for table in (table for system in FOURTEEN for table in system.tables):
        if not table.day_of:
            files, rows = files + 1, rows + table.per_arrest * large
            continue
        parts, months = Layout.of(table.per_arrest, large, longest=table.longest), months_of(table, city)
        assert months.sum() / small == pytest.approx(table.per_arrest, rel=0.03)
        own = np.bincount(parts.file_of(np.arange(84)), months) * (large / small)
        assert own.min() >= 200_000, table.pattern
        files, rows = files + len(own), rows + own.sum()
    assert files <= 500
    assert 95e6 < rows < 105e6


def test_a_city_parted_finer_holds_the_same_rows_and_leaves_no_file_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> dict[str, list[str]]:
        return {source: sorted(map(repr, source_of(tmp_path / "raw", own[0]))) for source, own in SOURCES.items()}

    def write() -> int:
        write_city(tmp_path, arrests=900, seed=3, as_of=DAY, systems=14)
        return len(all_files(tmp_path))

    few, coarse = write(), told()
    monkeypatch.setattr(layout, "ENOUGH", 20)
    assert write() > 4 * few
    assert told() == coarse
    monkeypatch.undo()
    assert write() == few
    assert told() == coarse


# The generator: two ways to know the truth agree.


def test_the_event_record_is_what_the_twin_lacks(laid: Laid) -> None:
    found: set[Change] = set()
    for source, (pattern, key) in SOURCES.items():
        before, after = (keyed(source_of(raw(folder), pattern), key) for folder in (laid.city, laid.twin))
        if source == "stops":  # bears one of three marks for "none"
            after = {
                key: {n: "" if c in ("N/A", "(null)") else c for n, c in row.items()} for key, row in after.items()
            }
            before = {
                key: {n: "" if c in ("N/A", "(null)") else c for n, c in row.items()} for key, row in before.items()
            }
        found |= set(changes(source, before, after))
    unlike = Counter((source, column) for source, _, column, _ in found ^ laid.record.keys())
    assert unlike == {}


def test_every_way_of_hanging_on_an_arrest_is_in_the_record(laid: Laid) -> None:
    record = laid.record
    ways = Counter((source, column) for source, _, column, _ in record)
    assert set(ways) == WAYS
    assert min(ways.values()) >= 3
    truth = rows_of(laid.city / "build/fourteen/city/truth.csv")
    barred = {row["arrest_number"] for row in truth if row["barred"] == "1"}
    wrong = sum(not arrests <= barred for arrests in record.values())
    assert wrong == 0


# sealproof.


def strip(
    folder: Path, *, out: str, seals: slice = slice(None), publish: str = "", engine: str = "duckdb",
    without_databases: bool = False,
) -> Path:  # fmt: skip
    """Deliver seals, take a snapshot, strip and compute the features."""
    home, build, key = folder / "pipelines/fourteen", folder / "build/fourteen", Key(KEY)
    kinds = Kinds.load(home / "kinds.yaml")
    text = (home / "sealing.yaml").read_text()
    if publish:
        text += f"publish: {{{', '.join(f'{kind}: {publish}' for kind in kinds)}}}\n"
        text = re.sub(r"features:\n(  .*\n)+", "", text)
    if without_databases:
        text = re.sub(r"databases:\n(  .*\n)+", "", re.sub(r"  \w+:\n    database:.*\n(    .*\n)+", "", text))
        text = re.sub(r"  person_traces:\n(    .*\n)+", "", text)
    (home / "own.yaml").write_text(text)
    policy = Policy.load(home / "own.yaml", os.environ)
    register = Register(build / f"{out}-register", kinds=kinds, key=key)
    feed = read_feed(build / "city/seal_feed.csv")
    first, last, _ = seals.indices(feed.num_rows)
    rules = Rules.find(policy.rules, policy.folder)
    register.add(feed.slice(first, last - first), rules=rules, delivered_on=DAY)
    snapshot = take_snapshot(
        build / f"{out}-register", policy, kinds=kinds, key=key, as_of=DAY, out=build / "city.snap",
        engine=engine,
    )  # fmt: skip
    strip_files(policy, snapshot=snapshot, key=key, out=build / out, register=register, engine=engine)
    if policy.features:
        compute(policy, clean=build / out, out=build / f"{out}-features", engine=engine)
    return build / out


def digests(folder: Path) -> dict[str, str]:
    """Content digests of tables, SHA-256 of JSON lines."""
    found = {}
    for path in sorted(file for file in folder.rglob("*") if file.suffix in (".parquet", ".csv", ".jsonl")):
        name = str(path.relative_to(folder))
        reading = Reading(delimiter=";", encoding="cp1252") if path.name.startswith("photos-") else Reading()
        file = RawFile(path, name, reading)
        lines = path.suffix == ".jsonl"
        found[name] = digest.of_file(path) if lines else digest.of_content(file.schema, file.batches(file.schema.names))
    return found


def unlike(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def check_nullity(laid: Laid, engine: str = "duckdb") -> None:
    given: dict[str, Any] = {"out": "clean", "engine": engine, "without_databases": engine != "duckdb"}
    ours, twins = strip(laid.city, **given), strip(laid.twin, seals=slice(0), **given)
    for made in ("clean", "clean-features"):
        city, twin = digests(ours.with_name(made)), digests(twins.with_name(made))
        assert len(city) >= (len(sources_on(engine)) if made == "clean" else 4)
        assert unlike(city, twin) == set()


def sources_on(engine: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The sources that an engine reads: a cluster reads files only."""
    tables = (".sqlite", ".duckdb") if engine != "duckdb" else ()
    return {source: own for source, own in SOURCES.items() if not own[0].endswith(tables)}


def check_nothing_else(laid: Laid, engine: str = "duckdb") -> None:
    clean = strip(laid.city, out="plain", publish="plain", engine=engine, without_databases=engine != "duckdb")
    found: set[Change] = set()
    for source, (pattern, key) in sources_on(engine).items():
        published = re.sub(r"\.(sqlite|duckdb)$", ".parquet", pattern)  # a table, by its key
        before, after = source_of(raw(laid.city), pattern), source_of(clean, published)
        if published != pattern:
            before.sort(key=lambda row: row[key[0]])
        for row in before:
            for column in MASKED:
                if row.get(column):
                    row[column] = NUMBER.sub(MASK, row[column])
        for rows in (before, after):
            for row in rows:
                row.update({n: str(c) for n, c in row.items() if isinstance(c, dt.date)})
        found |= set(changes(source, keyed(before, key), keyed(after, key)))
    record = {change for change in laid.record if change[0] in sources_on(engine)}
    unexplained, missed = (Counter((s, c) for s, _, c, _ in left) for left in (found - record, record - found))
    assert unexplained == {}
    assert missed == {}


def test_data_labels_pairs_and_features_equal_those_of_the_twin(laid: Laid) -> None:
    check_nullity(laid)


def test_every_change_stands_in_the_event_record_and_every_entry_was_changed(laid: Laid) -> None:
    check_nothing_else(laid)


def test_policy_check_finds_nothing_to_mend(laid: Laid) -> None:
    home = laid.city / "pipelines/fourteen"
    checked = check_policy(home / "sealing.yaml", Kinds.load(home / "kinds.yaml"), os.environ)
    assert [f"{finding.fault.column}: {finding.fault.problem}" for finding in checked.findings] == []
    assert len(checked.unchecked) == 0


def test_dispositions_in_postgresql_give_what_the_file_gives(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = lay(tmp_path, arrests=600, seed=4)
    by_file = digests(strip(laid.city, out="clean"))
    for folder in (laid.city, laid.twin):
        postgres_server.sql(f"CREATE DATABASE {folder.name}")
        monkeypatch.setenv("CITY_POSTGRES", postgres_server.dsn.replace("dbname=postgres", f"dbname={folder.name}"))
        write_city(
            folder / "build/fourteen/city", arrests=600, seed=4, as_of=DAY, systems=14,
            without_sealed=folder == laid.twin, postgres=os.environ["CITY_POSTGRES"],
        )  # fmt: skip
        assert not (raw(folder) / "dispositions.parquet").exists()
        policy = folder / "pipelines/fourteen/sealing.yaml"
        told = (
            policy.read_text()
            .replace(FILE, TABLE)
            .replace("databases:\n", "databases:\n  court: {postgres: CITY_POSTGRES}\n")
        )
        policy.write_text(told)
        seals = slice(0) if folder == laid.twin else slice(None)
        by_table = digests(strip(folder, out="again", seals=seals))
        assert unlike(by_file, by_table) == set()
    readme = (REPO / "pipelines/fourteen/README.md").read_text()
    assert TABLE in readme
    assert "court: {postgres: CITY_POSTGRES}" in readme


@pytest.mark.soak
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_laws_1_and_8_on_a_larger_city_parted_finer(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ENOUGH", 1_000)
    laid = lay(tmp_path, arrests=20_000, seed=seed)
    check_nullity(laid)
    check_nothing_else(laid)
