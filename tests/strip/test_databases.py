"""Tables of databases as sources: what stands there is published as it is, at one moment, or refused by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.tables import Database, Table, Wanted
from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import ARRESTS, CANARY, SEALED, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]

Held = Callable[..., Table]
FILES = {"sqlite": "raw/cad.db", "duckdb": "raw/cad.duckdb"}


def execute(path: Path, *statements: str, rows: Iterable[tuple[Any, ...]] = ()) -> None:
    """Run statements on a SQLite or DuckDB file, the last one for each row if there are any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection: Any = duckdb.connect(str(path)) if path.suffix == ".duckdb" else sqlite3.connect(path)
    *first, last = statements
    for statement in first:
        connection.execute(statement)
    connection.executemany(last, rows) if rows else connection.execute(last)
    connection.commit()
    connection.close()


@pytest.fixture
def held() -> Iterator[Held]:
    """Gives a table of a file, held."""
    with DuckDB() as engine:

        def hold(path: Path, *order: str) -> Table:
            make = "duckdb" if path.suffix == ".duckdb" else "sqlite"
            wanted = Wanted("one", Database("cad", make, str(path)), "t", order or ("k",))  # type: ignore[arg-type]
            return engine.attach([wanted])["one"]

        yield hold


def rows_of(table: Table) -> list[dict[str, Any]]:
    return pa.Table.from_batches(table.batches(table.schema.names), table.schema).to_pylist()


def attached(world: World, make: str) -> World:
    """The department with its arrests in a database."""
    columns = "arrest_number TEXT PRIMARY KEY, photo_number TEXT, note TEXT, age INTEGER"
    rows = list(zip(*ARRESTS.values(), strict=True))
    create = f"CREATE TABLE arrests ({columns})"
    execute(world / FILES[make], create, "INSERT INTO arrests VALUES (?, ?, ?, ?)", rows=rows)
    (world / "raw/arrests.parquet").unlink()
    world.amend("sealing.yaml", "path: raw/arrests.parquet", "database: cad\n    table: arrests")
    world.amend("sealing.yaml", "sources:\n", f"databases: {{cad: {{{make}: {FILES[make]}}}}}\nsources:\n")
    return world


# -- what is published ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", FILES)
def test_a_table_is_stripped_like_a_parquet_file_of_its_rows(world: World, make: str) -> None:
    ordered = pa.table(ARRESTS).sort_by("arrest_number").set_column(3, "age", pa.array([45, 22, 31, 19], _int(make)))
    world.write("raw/arrests.parquet", ordered)
    assert world.strip().code == 0
    as_file, receipt = (world / "clean/arrests.parquet").read_bytes(), (world / "clean/receipt.json").read_text()
    attached(world, make)
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    assert "arrests: 3 rows kept, under 5 dropped" in outcome.err
    assert (world / "clean/arrests.parquet").read_bytes() == as_file
    assert (world / "clean/receipt.json").read_text().count("\n") == receipt.count("\n")
    assert world.check().code == 0
    assert world.features().code == 0
    assert world.gate(world / "clean", world / "features-out").code == 0


def _int(make: str) -> pa.DataType:
    return pa.int64() if make == "sqlite" else pa.int32()


@pytest.mark.parametrize("make", FILES)
def test_equal_content_gives_equal_bytes_in_whatever_order_it_was_written(world: World, make: str) -> None:
    attached(world, make)
    assert world.strip().code == 0
    first = digest.of_file(world / "clean/arrests.parquet")
    execute(world / FILES[make], "CREATE TABLE other AS SELECT * FROM arrests ORDER BY age", "DROP TABLE arrests")
    execute(world / FILES[make], "ALTER TABLE other RENAME TO arrests")
    assert world.strip().code == 0
    assert digest.of_file(world / "clean/arrests.parquet") == first


def test_rows_that_share_a_key_are_ordered_by_their_other_columns(tmp_path: Path, held: Held) -> None:
    path = tmp_path / "cad.db"
    execute(
        path,
        "CREATE TABLE t (k TEXT, n INTEGER)",
        "INSERT INTO t VALUES (?, ?)",
        rows=[("b", 1), ("a", 2), ("a", 1), (None, 3)],
    )
    assert [tuple(row.values()) for row in rows_of(held(path))] == [(None, 3), ("a", 1), ("a", 2), ("b", 1)]


def test_a_float_is_kept_bit_for_bit_also_as_a_key(tmp_path: Path, held: Held) -> None:
    path = tmp_path / "cad.duckdb"
    cells = [("-0.0", "[0.0, -0.0]"), ("0.0", "[-0.0, 0.0]"), ("-0.0", "[-0.0, 0.0]"), ("nan", "[1.0]")]
    plainly = "PRAGMA force_compression = 'uncompressed'"  # else DuckDB's own file takes one zero for the other
    create, insert = "CREATE TABLE t (k DOUBLE, x DOUBLE[])", "INSERT INTO t VALUES (?::DOUBLE, ?::DOUBLE[])"
    execute(path, plainly, create, insert, rows=cells)
    with duckdb.connect(str(path)) as connection:
        there = connection.execute("SELECT k::VARCHAR, x::VARCHAR FROM t").fetchall()
    told = [(str(row["k"]), str(row["x"])) for row in rows_of(held(path))]
    assert told == sorted(there)
    assert {key for key, _ in told} == {"-0.0", "0.0", "nan"}


def test_a_composite_key_orders_by_all_its_columns(tmp_path: Path, held: Held) -> None:
    path = tmp_path / "cad.db"
    create = "CREATE TABLE t (x TEXT, b INTEGER, a TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID"
    execute(path, create, "INSERT INTO t VALUES (?, ?, ?)", rows=[("p", 2, "m"), ("q", 10, "k"), ("r", 9, "k")])
    assert [row["x"] for row in rows_of(held(path, "a", "b"))] == ["r", "q", "p"]


# -- what SQLite's columns hold ---------------------------------------------------------------------------------------

KEPT = {
    "INTEGER": [1, None, 2**63 - 1, -(2**63)],
    "TINYINT": [300],
    "REAL": [1.5, None, 1e308, 5e-324, 0.1 + 0.2, float("inf")],
    "TEXT": ["", None, "0012", "a\0b", "\U0001f600", "x" * 10_000_000],
    "VARCHAR(3)": ["longer"],
    "BLOB": [b"", None, b"\x00\xff"],
}


@pytest.mark.parametrize("kind", KEPT)
def test_sqlite_cells_come_out_as_they_stand(tmp_path: Path, held: Held, kind: str) -> None:
    path, cells = tmp_path / "cad.db", KEPT[kind]
    execute(path, f"CREATE TABLE t (k INTEGER, c {kind})", "INSERT INTO t VALUES (?, ?)", rows=enumerate(cells))  # type: ignore[arg-type]
    same = [row["c"] for row in rows_of(held(path))] == cells
    assert same


def test_sqlite_dates_and_times_are_dates_and_times(tmp_path: Path, held: Held) -> None:
    path = tmp_path / "cad.db"
    rows = [(1, "2020-02-29", "2020-02-29 23:59:59.123456"), (2, None, "1969-01-01 00:00:00"), (3, "0001-01-01", None)]
    execute(path, "CREATE TABLE t (k INTEGER, d DATE, at TIMESTAMP)", "INSERT INTO t VALUES (?, ?, ?)", rows=rows)
    given = held(path)
    assert given.schema.types[1:] == [pa.date32(), pa.timestamp("us")]
    told = [[str(cell) if cell is not None else None for cell in row.values()][1:] for row in rows_of(given)]
    assert told == [list(row[1:]) for row in rows]


@pytest.mark.parametrize("make", FILES)
def test_an_empty_table_is_an_empty_file(world: World, make: str) -> None:
    attached(world, make)
    execute(world / FILES[make], "DELETE FROM arrests")
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    assert pq.read_table(world / "clean/arrests.parquet").num_rows == 0


UNFIT = {
    "a text among numbers": ("INTEGER", CANARY, "whole numbers"),
    "a fraction among whole numbers": ("INTEGER", 1.5, "whole numbers"),
    "bytes among numbers": ("INTEGER", CANARY.encode(), "whole numbers"),
    "a text among fractions": ("REAL", CANARY, "numbers"),
    "a whole number that no float holds": ("NUMERIC", 2**60 + 1, "numbers that a float holds"),
    "bytes among texts": ("TEXT", CANARY.encode(), "texts"),
    "a text in a column without a type": ("", CANARY, "bytes"),
    "no date": ("DATE", CANARY, "dates"),
    "a date that there is not": ("DATE", "2019-02-29", "dates"),
    "a time among dates": ("DATE", "2019-02-28 10:00:00", "dates"),
    "a number among dates": ("DATE", 18000, "dates"),
    "no time": ("DATETIME", "yesterday", "times"),
    "a date among times": ("TIMESTAMP", "2019-02-28", "times"),
    "a time zone": ("TIMESTAMP", "2019-02-28 10:00:00+05:00", "times"),
    "parts that no microsecond holds": ("TIMESTAMP", "2019-02-28 10:00:00.1234567", "times"),
    "seconds since 1970": ("TIMESTAMP", 1_600_000_000, "times"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_sqlite_cell_that_is_not_what_its_column_declares_is_refused_by_name(world: World, case: str) -> None:
    kind, cell, told = UNFIT[case]
    attached(world, "sqlite")
    execute(world / FILES["sqlite"], f"ALTER TABLE arrests ADD COLUMN odd {kind}", "UPDATE arrests SET odd = NULL")
    assert world.strip().code == 0
    change = f"UPDATE arrests SET odd = ? WHERE arrest_number = '{SEALED}'"  # noqa: S608
    execute(world / FILES["sqlite"], change, rows=[(cell,)])
    before = digest.of_folder(world / "clean")
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "cad: arrests, odd", "1 cell(s)", told, 'CAST("odd" AS TEXT)')
    assert digest.of_folder(world / "clean") == before


def test_a_copy_mends_what_a_table_holds(world: World) -> None:
    attached(world, "sqlite")
    execute(
        world / FILES["sqlite"],
        "UPDATE arrests SET age = 'unknown' WHERE age = 22",
        "CREATE TABLE mended AS SELECT arrest_number, photo_number, note, CAST(age AS TEXT) AS age FROM arrests",
    )
    refused(world.strip(), COULD_NOT_CHECK, "cad: arrests, age")
    world.amend("sealing.yaml", "table: arrests", "table: mended")
    assert world.strip().code == 0
    assert pq.read_table(world / "clean/arrests.parquet")["age"].to_pylist() == ["45", "unknown", "19"]


def test_a_text_that_is_no_utf8_is_refused(world: World) -> None:
    attached(world, "sqlite")
    execute(world / FILES["sqlite"], "UPDATE arrests SET note = CAST(x'ff7a65627261' AS TEXT)")
    refused(world.strip(), COULD_NOT_CHECK, "cad: arrests, note", "no UTF-8")
    unpublished(world)


def test_lost_zeros_come_back(world: World) -> None:
    attached(world, "sqlite")
    execute(
        world / FILES["sqlite"],
        "CREATE TABLE numbers AS SELECT arrest_number, CAST(photo_number AS INTEGER) AS photo_number, note, age FROM arrests",
        "DROP TABLE arrests",
        "ALTER TABLE numbers RENAME TO arrests",
    )
    assert world.snapshot().code == 0
    assert world.strip().code == 0
    photos = [line.split(";")[0] for line in (world / "clean/photos.csv").read_text().splitlines()[1:]]
    arrests = pq.read_table(world / "clean/arrests.parquet")["photo_number"].to_pylist()
    shared = set(photos) == {photo for photo in arrests if photo}
    assert shared


@pytest.mark.parametrize("make", FILES)
def test_a_view_of_a_file_is_refused_because_duckdb_would_read_it(world: World, make: str) -> None:
    attached(world, make)
    execute(world / FILES[make], "CREATE VIEW seen AS SELECT * FROM arrests")
    world.amend("sealing.yaml", "table: arrests", "table: seen")
    refused(world.strip(), USAGE, "databases.cad", "sources.arrests.table", "is a view", "CREATE TABLE")
    unpublished(world)


# -- what DuckDB's columns hold ---------------------------------------------------------------------------------------

TYPES = {
    "BOOLEAN": "true", "TINYINT": "-128", "UBIGINT": "18446744073709551615", "FLOAT": "0.1", "DOUBLE": "'nan'", "DECIMAL(38, 2)": "1.10",
    "VARCHAR": "'😀'", "BLOB": "'\\x00\\xFF'::BLOB", "DATE": "DATE '2020-02-29'", "TIME": "TIME '23:59:59.123456'",
    "TIMESTAMP": "TIMESTAMP '2020-02-29 23:59:59.123456'", "TIMESTAMP_NS": "TIMESTAMP_NS '2020-02-29 23:59:59.123456789'",
    "TIMESTAMPTZ": "TIMESTAMPTZ '2020-02-29 23:59:59+05'", "ENUM('a', 'b')": "'b'", "UUID": "'5ea15ea1-0000-0000-0000-000000000000'",
    "JSON": "'{\"a\": 1}'", "VARCHAR[]": "['a', NULL]", "STRUCT(a INTEGER, b VARCHAR[])": "{'a': 1, 'b': ['x']}",
}  # fmt: skip


def test_duckdb_types_come_out_as_they_stand(tmp_path: Path, held: Held) -> None:
    path = tmp_path / "cad.duckdb"
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(TYPES))
    values = [f"(1, {', '.join(TYPES.values())})", f"(2{', NULL' * len(TYPES)})"]
    execute(path, f"CREATE TABLE t (k INTEGER, {columns})", f"INSERT INTO t VALUES {', '.join(values)}")  # noqa: S608
    given = held(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        cells = "* REPLACE (c14::VARCHAR AS c14, c15::VARCHAR AS c15)"
        expected = connection.execute(f"SELECT {cells} FROM t ORDER BY k").to_arrow_table()  # noqa: S608
    assert given.schema.types == expected.schema.types
    own = pa.Table.from_batches(given.batches(given.schema.names), given.schema)
    assert digest.of_content(own.schema, own.to_batches()) == digest.of_content(expected.schema, expected.to_batches())


LOST = [
    "HUGEINT",
    "INTERVAL",
    "TIMESTAMP_S",
    "TIMETZ",
    "BIT",
    "INTEGER[3]",
    "MAP(INTEGER, VARCHAR)",
    "STRUCT(a HUGEINT)",
    "INTERVAL[]",
]


@pytest.mark.parametrize("kind", LOST)
def test_a_duckdb_type_that_would_change_is_refused_by_name(world: World, kind: str) -> None:
    attached(world, "duckdb")
    execute(world / FILES["duckdb"], f"ALTER TABLE arrests ADD COLUMN odd {kind}")
    for outcome in (world.strip(), world.check()):
        refused(outcome, USAGE, "cad: arrests, odd", "cannot be kept as it is", "CREATE TABLE")
    unpublished(world)
