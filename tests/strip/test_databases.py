"""Tables of databases as sources: what stands there is published as it is, at one moment, or refused by name."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest
from sanitizers.engine import attached as attached_to
from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.tables import Database, Table, Wanted
from sanitizers.errors import COULD_NOT_CHECK, USAGE, ConfigurationError
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


@pytest.mark.parametrize("make", FILES)
def test_policy_check_looks_into_tables(world: World, make: str) -> None:
    attached(world, make)
    world.amend("sealing.yaml", "photo_number:  {kind: photo_number, on_seal: {redact: []}, carries: any}", "")
    told = world.check()
    assert told.code == USAGE
    assert "sources.arrests.columns.photo_number: looks like photo_number" in told.err
    assert CANARY not in told.err


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


# -- one moment, and files that are not what they should be -----------------------------------------------------------

WRITER = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0.2); c.execute(sys.argv[2]); c.commit()"


def elsewhere(path: Path, statement: str) -> int:
    """Write from another process: within one, SQLite's locks do not hold."""
    return subprocess.run([sys.executable, "-c", WRITER, path, statement], capture_output=True, check=False).returncode


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_tables_of_a_sqlite_file_are_read_as_they_are_at_one_moment(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "cad.db"
    execute(path, f"PRAGMA journal_mode = {journal}")
    many = (
        "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n LIMIT 300000) INSERT INTO two SELECT k FROM n"
    )
    execute(path, "CREATE TABLE one (k INTEGER)", "INSERT INTO one VALUES (1)", "CREATE TABLE two (k INTEGER)", many)
    genuine, codes = attached_to._copy, []

    def copy(*given: object, **named: object) -> None:
        genuine(*given, **named)  # type: ignore[arg-type]
        codes.append(elsewhere(path, "INSERT INTO two VALUES (0)"))

    database = Database("cad", "sqlite", str(path))
    with DuckDB() as engine, patch.object(attached_to, "_copy", copy):
        tables = engine.attach([Wanted(name, database, name, ("k",)) for name in ("one", "two")])
        rows = {name: sum(batch.num_rows for batch in table.batches(["k"])) for name, table in tables.items()}
    assert rows == {"one": 1, "two": 300_000}
    assert [bool(code) for code in codes] == ([True, True] if journal == "delete" else [False, False])


def test_a_file_that_is_replaced_while_it_is_read_publishes_nothing(world: World) -> None:
    attached(world, "sqlite")
    genuine = attached_to._copy

    def copy(*given: object, **named: object) -> None:
        path = world / FILES["sqlite"]
        path.write_bytes(CANARY.encode() * (path.stat().st_size // len(CANARY) + 1))
        genuine(*given, **named)  # type: ignore[arg-type]

    with patch.object(attached_to, "_copy", copy):
        refused(world.strip(), COULD_NOT_CHECK, "cad")
    unpublished(world)


@pytest.mark.parametrize("make", FILES)
def test_a_file_that_another_is_moved_over_while_it_is_read_publishes_nothing(world: World, make: str) -> None:
    attached(world, make)
    genuine, path = attached_to._copy, world / FILES[make]

    def copy(*given: object, **named: object) -> None:
        genuine(*given, **named)  # type: ignore[arg-type]
        (world / "new").write_bytes(path.read_bytes())
        (world / "new").replace(path)

    with patch.object(attached_to, "_copy", copy):
        refused(world.strip(), COULD_NOT_CHECK, "changed while it was being read")
    unpublished(world)


SPOILT = {
    "rubbish": lambda path: path.write_bytes(CANARY.encode() * 4000),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("make", FILES)
def test_a_spoilt_file_is_refused(world: World, make: str, how: str) -> None:
    attached(world, make)
    rows = [(f"K1800{number:04}", None, CANARY * 20, 1) for number in range(2000)]
    execute(world / FILES[make], "INSERT INTO arrests VALUES (?, ?, ?, ?)", rows=rows)
    SPOILT[how](world / FILES[make])
    for outcome in (world.strip(), world.snapshot()):
        refused(outcome, COULD_NOT_CHECK, "cad")
    unpublished(world)


LOCKERS = {
    "sqlite": "c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE')",
    "duckdb": "c = duckdb.connect(sys.argv[1]); c.execute('BEGIN')",
}


@pytest.mark.parametrize("make", FILES)
def test_a_file_that_another_program_holds_is_refused(world: World, make: str) -> None:
    attached(world, make)
    program = f"import sys, {'sqlite3' if make == 'sqlite' else 'duckdb'}; {LOCKERS[make]}; print(flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", program, world / FILES[make]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        refused(world.strip(), COULD_NOT_CHECK, "cad", "in use by another program", "when it is free")
        holder.communicate("\n")
    unpublished(world)
    assert world.strip().code == 0


# -- what a policy may say --------------------------------------------------------------------------------------------

MEANT = {
    "no such database": ("database: cad", "database: cat", "did you mean `cad`?"),
    "both ways": (
        "table: arrests",
        "table: arrests\n    path: raw/photos.csv",
        "either `path`, or `database` and `table`",
    ),
    "no table": ("\n    table: arrests", "", "either `path`, or `database` and `table`"),
    "an empty table": ("table: arrests", "table: ''", "at least 1 character"),
    "how it is written": ("table: arrests", "table: arrests\n    read: {delimiter: ';'}", "`read` is for CSV"),
    "two makes": ("{sqlite: raw/cad.db}", "{sqlite: raw/cad.db, duckdb: x}", "a database is one of"),
    "no make": ("{sqlite: raw/cad.db}", "{}", "a database is one of"),
    "an address": (
        "{sqlite: raw/cad.db}",
        "{postgres: 'postgresql://u:zebrafinch@h/d'}",
        "name of an environment variable",
    ),
    "no such table": ("table: arrests", "table: arests", "did you mean `arrests`?"),
    "no such schema": ("table: arrests", "table: other.arrests", "no such table"),
    "no such column": ("primary_key: arrest_number", "primary_key: number", "no such column"),
}


@pytest.mark.parametrize("case", MEANT)
def test_a_policy_that_cannot_be_meant_is_refused(world: World, case: str) -> None:
    attached(world, "sqlite")
    old, new, told = MEANT[case]
    world.amend("sealing.yaml", old, new)
    for outcome in (world.strip(), world.check()):
        refused(outcome, USAGE, told)
    unpublished(world)


@pytest.mark.parametrize("make", ["sqlite", "postgres"])
def test_an_extension_that_is_not_installed_is_named_with_its_extra(
    world: World, make: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached(world, "sqlite")
    world.amend(
        "sealing.yaml", "{sqlite: raw/cad.db}", f"{{{make}: {'raw/cad.db' if make == 'sqlite' else 'CAD_DSN'}}}"
    )
    monkeypatch.setenv("CAD_DSN", "host=127.0.0.1 port=1 password=hush")
    genuine = attached_to.find_spec
    monkeypatch.setattr(attached_to, "find_spec", lambda name: None if "scanner" in name else genuine(name))
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "is not installed", f"pip install 'sealproof[{make}]'")
    assert "hush" not in outcome.told


def test_an_engine_that_attaches_nothing_refuses_tables_by_name() -> None:
    wanted = Wanted("arrests", Database("cad", "sqlite", "cad.db"), "arrests", ("k",))
    with DuckDB() as engine, pytest.raises(ConfigurationError) as refusal:
        Engine.attach(engine, [wanted])
    [fault] = refusal.value.faults
    assert (fault.where, "reads files only" in fault.problem, "Parquet" in fault.remedy) == (
        "sources.arrests",
        True,
        True,
    )


def test_a_raw_file_of_the_same_name_is_refused(world: World) -> None:
    attached(world, "sqlite")
    world.write("raw/arrests.parquet", pa.table(ARRESTS))
    also = "  others:\n    path: raw/arrests.parquet\n    primary_key: note\n    columns: {arrest_number: {kind: arrest_number, on_seal: drop}}\n\nfeatures:\n"
    world.amend("sealing.yaml", "\nfeatures:\n", also)
    refused(world.strip(), COULD_NOT_CHECK, "sources.arrests", "published as arrests.parquet")
    unpublished(world)


def test_an_output_folder_that_holds_a_database_is_refused(world: World) -> None:
    attached(world, "sqlite")
    (world / "clean").mkdir()
    shutil.move(world / FILES["sqlite"], world / "clean/cad.db")
    world.amend("sealing.yaml", "{sqlite: raw/cad.db}", "{sqlite: clean/cad.db}")
    refused(world.strip(), COULD_NOT_CHECK, "holds raw files")
    assert (world / "clean/cad.db").is_file()


def test_a_walk_of_the_gate_passes_over_the_databases_of_the_policy(world: World) -> None:
    attached(world, "sqlite")
    assert world.strip().code == 0
    outcome = world.gate(world / "raw", world / "clean")
    assert outcome.code == 0, outcome.out
    assert f"raw, not judged {world / FILES['sqlite']}" in outcome.out


def test_what_the_keeper_remembers_of_a_table_is_its_content(world: World) -> None:
    attached(world, "sqlite")
    keeping = ("--keeper", world / "keeper")
    assert world.snapshot().code == 0
    assert world.strip(*keeping).code == 0
    inode = (world / "clean/arrests.parquet").stat().st_ino
    execute(world / FILES["sqlite"], "CREATE TABLE unrelated (x INTEGER)")
    assert world.strip(*keeping).code == 0
    assert (world / "clean/arrests.parquet").stat().st_ino == inode
    execute(world / FILES["sqlite"], "UPDATE arrests SET age = 23 WHERE age = 22")
    assert "  arrests.parquet\n" in world.strip(*keeping, "--plan").out
    assert world.strip(*keeping).code == 0
    assert pq.read_table(world / "clean/arrests.parquet")["age"].to_pylist() == [45, 23, 19]


def test_a_policy_of_tables_alone_needs_no_file(world: World) -> None:
    attached(world, "sqlite")
    text = (world / "sealing.yaml").read_text()
    start, end = text.index("  photos:\n"), text.index("features:\n")
    world.write("sealing.yaml", text[:start] + "\n" + text[end:])
    assert world.strip().code == 0
    assert world.features().code == 0
    assert world.gate(world / "clean").code == 0


def test_a_second_strip_changes_nothing_but_the_order(world: World) -> None:
    """Law 3, from table to table."""
    attached(world, "sqlite")
    world.amend(
        "sealing.yaml",
        "sources:\n",
        "publish: {arrest_number: plain, photo_number: plain, complaint_number: plain}\nsources:\n",
    )
    assert world.strip().code == 0
    first = (world / "clean/arrests.parquet").read_bytes()
    clean = pq.read_table(world / "clean/arrests.parquet").to_pylist()
    rows = [tuple(row.values()) for row in reversed(clean)]
    execute(world / FILES["sqlite"], "DELETE FROM arrests", "INSERT INTO arrests VALUES (?, ?, ?, ?)", rows=rows)
    assert world.strip().code == 0
    assert (world / "clean/arrests.parquet").read_bytes() == first
