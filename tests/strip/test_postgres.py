"""Tables of a real PostgreSQL as sources: one moment for all of them, nothing changed on the way, and no password told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest
from sanitizers.engine import attached
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.tables import Database, Wanted
from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import ARRESTS, CANARY, SEALED, World, department, world
from tests.postgres_server import Server, postgres_server
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "postgres_server", "world"]

COLUMNS = "arrest_number text PRIMARY KEY, photo_number text, note text, age bigint"
NAMES = "databases: {cad: {postgres: CAD_DSN}}\nsources:\n"


def literal(cell: object) -> str:
    return "NULL" if cell is None else str(cell) if isinstance(cell, int) else f"'{cell}'"


@pytest.fixture
def server(postgres_server: Server) -> Iterator[Server]:
    """The server, with the department's arrests."""
    postgres_server.sql("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    rows = [f"({', '.join(map(literal, row))})" for row in zip(*ARRESTS.values(), strict=True)]
    postgres_server.sql(f"CREATE TABLE arrests ({COLUMNS})", f"INSERT INTO arrests VALUES {', '.join(rows)}")  # noqa: S608
    return postgres_server


@pytest.fixture
def cad(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> World:
    """The department with its arrests in the database."""
    world.write("raw/kept/arrests.parquet", (world / "raw/arrests.parquet").read_bytes())
    (world / "raw/arrests.parquet").unlink()
    world.amend("sealing.yaml", "path: raw/arrests.parquet", "database: cad\n    table: arrests")
    world.amend("sealing.yaml", "sources:\n", NAMES)
    monkeypatch.setenv("CAD_DSN", server.dsn)
    return world


def wanted(server: Server, *tables: str) -> list[Wanted]:
    database = Database("cad", "postgres", server.dsn)
    return [Wanted(table, database, table, ("k",)) for table in tables]


# -- what is published ------------------------------------------------------------------------------------------------


def test_a_table_is_stripped_like_a_parquet_file_of_its_rows(cad: World, server: Server) -> None:
    outcome = cad.strip()
    assert outcome.code == 0, outcome.err
    assert "arrests: 3 rows kept, under 5 dropped" in outcome.err
    as_table = (cad / "clean/arrests.parquet").read_bytes()
    assert cad.check().code == 0
    assert cad.features().code == 0
    assert cad.gate(cad / "clean", cad / "features-out").code == 0
    cad.write("raw/arrests.parquet", pa.table(ARRESTS).sort_by("arrest_number"))
    cad.amend("sealing.yaml", "database: cad\n    table: arrests", "path: raw/arrests.parquet")
    assert cad.strip().code == 0
    assert (cad / "clean/arrests.parquet").read_bytes() == as_table


def test_what_the_variable_holds_stands_nowhere(cad: World, server: Server) -> None:
    assert cad.strip("--keeper", cad / "keeper").code == 0
    written = [path for folder in ("clean", "keeper") for path in (cad / folder).rglob("*") if path.is_file()]
    holding = sum(server.password.encode() in path.read_bytes() for path in written)
    assert (holding, len(written) > 5) == (0, True)


TYPES = {
    "smallint": "-32768", "bigint": "9223372036854775807", "numeric(38,10)": "1.10", "real": "0.1", "double precision": "'-0'",
    "boolean": "true", "text": "'\U0001f600'", "varchar(3)": "'abc'", "bytea": "'\\x00ff'", "date": "'2020-02-29'", "time": "'24:00:00'",
    "timestamp": "'0001-01-01 00:00:00.000001'", "timestamptz": "'9999-12-31 23:59:59.999999+00'", "mood": "'b'",
    "uuid": "'5ea15ea1-0000-0000-0000-000000000000'", "jsonb": "'{\"a\":  1}'", "text[]": "'{a,NULL}'",
}  # fmt: skip
HELD = [
    "-32768", "9223372036854775807", "1.1000000000", "0.1", "-0.0", "true", "\U0001f600", "abc", "\\x00\\xFF", "2020-02-29", "24:00:00",
    "0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999+00", "b", "5ea15ea1-0000-0000-0000-000000000000", '{"a": 1}', "[a, NULL]",
]  # fmt: skip


def test_types_come_out_as_they_stand(server: Server) -> None:
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(TYPES))
    server.sql("DROP TYPE IF EXISTS mood", "CREATE TYPE mood AS ENUM ('a', 'b')", f"CREATE TABLE t (k int, {columns})")
    server.sql(f"INSERT INTO t VALUES (1, {', '.join(TYPES.values())}), (2{', NULL' * len(TYPES)})")  # noqa: S608
    with DuckDB() as engine, duckdb.connect() as plain:
        [table] = engine.attach(wanted(server, "t")).values()
        own = pa.Table.from_batches(table.batches(table.schema.names), table.schema)
        plain.execute("SET TimeZone = 'UTC'")
        cells = ", ".join(f"c{place}::VARCHAR" for place in range(len(TYPES)))
        told = plain.from_arrow(own).query("own", f"SELECT {cells} FROM own ORDER BY k").fetchall()  # noqa: S608
    assert list(told[0]) == HELD
    assert set(told[1]) == {None}


UNKEPT = [
    "numeric",
    "numeric(40,2)",
    "numeric(5,-2)",
    "interval",
    "timetz",
    "money",
    "inet",
    "point",
    "int4range",
    "text[][]",
]


@pytest.mark.parametrize("kind", [kind for kind in UNKEPT if kind != "text[][]"])
def test_a_type_that_would_change_is_refused_by_name(cad: World, server: Server, kind: str) -> None:
    server.sql(f"ALTER TABLE arrests ADD COLUMN odd {kind}")
    for outcome in (cad.strip(), cad.check()):
        refused(outcome, USAGE, "cad: arrests, odd", kind.split("(")[0][:4], "CREATE VIEW")
    unpublished(cad)


UNFIT = {
    "no number": ("numeric(10,2)", "'NaN'"),
    "a day without end": ("date", "'infinity'"),
    "a day before the years": ("date", "'0044-03-15 BC'"),
    "a time past the years": ("timestamp", "'294276-01-01'"),
    "a time without beginning": ("timestamptz", "'-infinity'"),
    "a list of lists": ("text[]", "'{{a},{b}}'"),
    "a list that counts from 0": ("text[]", "'[0:1]={a,b}'"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_cell_that_would_change_is_refused_by_name(cad: World, server: Server, case: str) -> None:
    kind, cell = UNFIT[case]
    server.sql(f"ALTER TABLE arrests ADD COLUMN odd {kind}")
    assert cad.strip().code == 0
    before = digest.of_folder(cad / "clean")
    server.sql(f"UPDATE arrests SET odd = {cell} WHERE arrest_number = '{SEALED}'")  # noqa: S608
    refused(cad.strip(), COULD_NOT_CHECK, "cad: arrests, odd", "1 cell(s)", "CREATE VIEW")
    assert digest.of_folder(cad / "clean") == before
    server.sql(
        "CREATE VIEW seen AS SELECT arrest_number, photo_number, note, age, CAST(odd AS text) AS odd FROM arrests"
    )
    cad.amend("sealing.yaml", "table: arrests", "table: public.seen")
    assert cad.strip().code == 0
    assert pq.read_schema(cad / "clean/arrests.parquet").field("odd").type == pa.string()


# -- one moment -------------------------------------------------------------------------------------------------------


def test_tables_are_read_as_they_are_at_one_moment(server: Server) -> None:
    server.sql(
        "CREATE TABLE one AS SELECT 1 AS k", "CREATE TABLE two AS SELECT g AS k FROM generate_series(1, 300000) g"
    )
    genuine = attached._copy

    def copy(*given: object, **named: object) -> None:
        genuine(*given, **named)  # type: ignore[arg-type]
        server.sql("INSERT INTO one VALUES (0)", "INSERT INTO two VALUES (0)", "DELETE FROM two WHERE k = 7")

    with DuckDB() as engine, patch.object(attached, "_copy", copy):
        tables = engine.attach(wanted(server, "one", "two"))
        rows = {name: sum(batch.num_rows for batch in table.batches(["k"])) for name, table in tables.items()}
    assert rows == {"one": 1, "two": 300_000}
    assert server.sql("SELECT count(*) FROM two") == "300001"


# -- a database that goes away, or is not there ------------------------------------------------------------------------

KILL = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


def test_a_database_that_goes_away_between_two_tables_publishes_nothing(cad: World, server: Server) -> None:
    genuine, killed = attached._copy, []

    def copy(*given: object, **named: object) -> None:
        killed.append(server.sql(KILL))
        genuine(*given, **named)  # type: ignore[arg-type]

    with patch.object(attached, "_copy", copy):
        refused(cad.strip(), COULD_NOT_CHECK, "cad: arrests", "the database went away")
    assert killed == ["1"]
    unpublished(cad)
    assert cad.strip().code == 0


def test_a_database_that_goes_away_in_mid_read_publishes_nothing(cad: World, server: Server) -> None:
    server.sql(
        "INSERT INTO arrests SELECT 'B' || g, NULL, repeat('x', 300), 1 FROM generate_series(20000000, 20400000) g"
    )
    reading = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND query LIKE '%COPY%arrests%STDOUT%' AND pid <> pg_backend_pid()"
    killed: list[str] = []

    def kill() -> None:
        for _ in range(600):
            if server.sql(reading) != "0":
                killed.append(server.sql(KILL))
                return

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = cad.strip()
    killer.join()
    assert killed == ["1"]
    refused(outcome, COULD_NOT_CHECK, "cad: arrests", "the database went away")
    unpublished(cad)


def told_nothing(world: World, server: Server, dsn: str, *words: str) -> None:
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "databases.cad", "cannot be reached", *words)
    leaked = sum(secret in outcome.told for secret in (server.password, "hush", dsn))
    assert leaked == 0
    unpublished(world)


@pytest.mark.parametrize("form", ["wrong password", "no server", "as an address", "no connection at all"])
def test_a_wrong_variable_is_refused_and_never_told(
    cad: World, server: Server, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    dsns = {
        "wrong password": server.dsn + "hush",
        "no server": "host=127.0.0.1 port=1 user=keeper password=hush",
        "as an address": "postgresql://keeper:hush@127.0.0.1:1/postgres",
        "no connection at all": "hush hush 'hush",
    }
    monkeypatch.setenv("CAD_DSN", dsns[form])
    told_nothing(cad, server, dsns[form])


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(cad: World, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("CAD_DSN")
    else:
        monkeypatch.setenv("CAD_DSN", value)
    for outcome in (cad.strip(), cad.snapshot(), cad.check()):
        refused(outcome, USAGE, "databases.cad", "not set", "export CAD_DSN=")
    unpublished(cad)


def test_a_table_that_is_not_there_is_named(cad: World, server: Server) -> None:
    cad.amend("sealing.yaml", "table: arrests", "table: arests")
    refused(cad.strip(), USAGE, "databases.cad", "sources.arrests.table", "did you mean `arrests`?")
    unpublished(cad)


def test_a_table_without_the_right_to_read_it_is_refused(
    cad: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN PASSWORD 'clerks'")
    monkeypatch.setenv("CAD_DSN", server.dsn.replace("user=keeper", "user=clerk").replace(server.password, "clerks"))
    outcome = cad.strip()
    refused(outcome, COULD_NOT_CHECK, "cad: arrests")
    assert "clerks" not in outcome.told
    unpublished(cad)


# -- building on the last strip ---------------------------------------------------------------------------------------


def test_a_table_that_holds_what_it_held_is_taken_over(cad: World, server: Server) -> None:
    assert cad.snapshot().code == 0
    assert cad.strip("--keeper", cad / "keeper").code == 0
    inode = (cad / "clean/arrests.parquet").stat().st_ino
    server.sql("UPDATE arrests SET age = age", "VACUUM FULL arrests")
    assert "1 file(s) to read" not in cad.strip("--keeper", cad / "keeper", "--plan").out
    assert cad.strip("--keeper", cad / "keeper").code == 0
    assert (cad / "clean/arrests.parquet").stat().st_ino == inode
    server.sql(f"UPDATE arrests SET age = age + 1 WHERE note = '{CANARY}'")  # noqa: S608
    assert "  arrests.parquet\n" in cad.strip("--keeper", cad / "keeper", "--plan").out
    assert cad.strip("--keeper", cad / "keeper").code == 0
    assert pq.read_table(cad / "clean/arrests.parquet")["age"].to_pylist() == [46, 22, 19]
