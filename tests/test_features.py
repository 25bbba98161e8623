"""Features: SQL over clean sources only, with the same answer whatever the order, the partition or the threads."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest, features
from sanitizers.engine import duckdb as engine
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import (
    USAGE,
    ConfigurationError,
    EngineFailure,
    PublishFailure,
    SealproofError,
    SourceFailure,
)
from sanitizers.features import compute, recompute
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.queries import queries
from sanitizers.register import snapshot
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.strip.files import strip_files
from sanitizers.strip.receipt import Receipt

CANARY = "canary-4711"
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: ny.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}}
  notes:
    path: raw/notes.csv
    read: {delimiter: ";", encoding: cp1252}
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}}
features:
"""
ARRESTS = pa.table(
    {
        "arrest": [f"tok_{n}" for n in range(6)],
        "person": ["ann", "ann", "bob", "bob", "bob", "cy"],
        "booked": pa.array([0, 31, 31, 31, 365, None], pa.date32()),
        "counts": pa.array([1, 2, 3, 4, 5, 6], pa.int16()),
        "weight": [0.1, 0.2, 0.3, 0.4, 0.5, -0.0],
        "tags": pa.array([["a", "b"], [], None, ["c"], ["a"], ["a"]]),
    }
)
NOTES = [("tok_0", "7"), ("tok_1", "12"), ("tok_5", CANARY), ("tok_9", "façade")]


class City:
    """A folder of clean sources and a policy; features are added one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clean, self.out = folder, folder / "clean", folder / "features"
        self.features: list[str] = []
        self.write([ARRESTS])

    def write(self, arrests: list[pa.Table], notes: list[tuple[str, str]] = NOTES) -> None:
        """Publish clean sources as a strip does."""
        (self.clean / "arrests").mkdir(parents=True, exist_ok=True)
        for path in self.clean.rglob("*.*"):
            path.unlink()
        for number, rows in enumerate(arrests):
            pq.write_table(rows, self.clean / f"arrests/{number}.parquet", use_dictionary=False)
        lines = ["arrest;text", *(f"{arrest};{text}" for arrest, text in notes)]
        (self.clean / "notes.csv").write_text("\n".join(lines) + "\n", encoding="cp1252")
        receipt = Receipt("", "", "", "", "", "", "", {}, digest.of_folder(self.clean))
        (self.clean / "receipt.json").write_text(receipt.to_json(), encoding="utf-8")

    def add(self, name: str, sql: str, **columns: str) -> None:
        """Declare a feature."""
        (self.folder / f"{name}.sql").write_text(sql, encoding="utf-8")
        self.features.append(f"  {name}: {{sql: {name}.sql, columns: {json.dumps(columns)}}}")

    @property
    def policy(self) -> Policy:
        """The policy with the features added so far."""
        path = self.folder / "sealing.yaml"
        path.write_text(POLICY + "\n".join(self.features) + "\n", encoding="utf-8")
        return Policy.load(path)

    def compute(self, **more: list[str]) -> dict[str, str]:
        """Compute all features."""
        return compute(self.policy, clean=self.clean, out=self.out, **more)  # type: ignore[arg-type]

    def table(self, name: str) -> pa.Table:
        """A published feature."""
        return pq.read_table(self.out / f"{name}.parquet")

    def answer(self, sql: str, **columns: str) -> list[dict[str, object]]:
        """The rows of one feature."""
        self.add("asked", sql, **columns)
        self.compute()
        return self.table("asked").to_pylist()

    def refusal(self, sql: str, **columns: str) -> SealproofError:
        """What stops a feature; nothing was published."""
        self.add("asked", sql, **(columns or {"person": "token"}))
        with pytest.raises(SealproofError) as caught:
            self.compute()
        assert not self.out.exists()
        return caught.value


@pytest.fixture
def city(tmp_path: Path) -> City:
    return City(tmp_path)


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_a_chain_of_features_is_computed_in_order_whatever_the_policys_order(city: City) -> None:
    city.add("many", "SELECT person, n > 1 AS many FROM history", person="token", many="bool")
    city.add("history", "SELECT person, count(*) AS n FROM arrests GROUP BY person", person="token", n="int64")
    files = city.compute()
    assert city.table("history").to_pylist() == [
        {"person": "ann", "n": 2}, {"person": "bob", "n": 3}, {"person": "cy", "n": 1},
    ]  # fmt: skip
    assert city.table("many").to_pylist() == [
        {"person": "ann", "many": True}, {"person": "bob", "many": True}, {"person": "cy", "many": False},
    ]  # fmt: skip
    assert files == {name: digest.of_file(city.out / f"{name}.parquet") for name in ("history", "many")}


def test_the_chain_names_receipt_queries_and_outputs(city: City) -> None:
    city.add("history", "SELECT person, count(*) AS n FROM arrests GROUP BY person", person="token", n="int64")
    files = city.compute()
    chain = json.loads((city.out / "chain.json").read_text())
    assert chain == {
        "format": 1,
        "made_by": "features",
        "policy": city.policy.digest,
        "inputs": {
            "receipt.json": digest.of_file(city.clean / "receipt.json"),
            "history.sql": digest.of_file(city.folder / "history.sql"),
        },
        "outputs": {"history.parquet": files["history"]},
    }


def test_only_the_named_features_are_published_with_what_they_read_computed(city: City) -> None:
    city.add("history", "SELECT person, count(*) AS n FROM arrests GROUP BY person", person="token", n="int64")
    city.add("many", "SELECT person, n > 1 AS many FROM history", person="token", many="bool")
    city.add("other", "SELECT text FROM notes", text="text")
    city.compute(names=["many"])
    assert sorted(path.name for path in city.out.iterdir()) == ["chain.json", "many.parquet"]
    chain = json.loads((city.out / "chain.json").read_text())
    assert sorted(chain["inputs"]) == ["history.sql", "many.sql", "receipt.json"]
    with pytest.raises(ConfigurationError, match="did you mean `many`"):
        city.compute(names=["mny"])


def test_recompute_finds_the_content_of_the_published_file(city: City) -> None:
    city.add("w", "SELECT person, weight, booked FROM arrests", person="token", weight="float64", booked="date")
    city.compute()
    published = city.table("w")
    assert recompute(city.policy, city.clean, "w") == digest.of_content(published.schema, published.to_batches())
    assert recompute(city.policy, city.clean, "w") != digest.of_content(published.schema, published[1:].to_batches())


def test_csv_is_text_in_the_encoding_that_the_policy_names(city: City) -> None:
    rows = city.answer("SELECT text, length(text) AS n FROM notes WHERE arrest = 'tok_9'", text="text", n="int32")
    assert rows == [{"text": "façade", "n": 6}]


def test_declared_types_are_the_types_of_the_file(city: City) -> None:
    expressions = {
        "a": ("arrest", "token", pa.string()),
        "b": ("person", "text", pa.string()),
        "c": ("counts", "int8", pa.int8()),
        "d": ("counts", "int16", pa.int16()),
        "e": ("counts", "int32", pa.int32()),
        "f": ("sum(counts)", "int64", pa.int64()),
        "g": ("counts", "float64", pa.float64()),
        "h": ("avg(counts)", "decimal(18, 6)", pa.decimal128(18, 6)),
        "i": ("counts > 1", "bool", pa.bool_()),
        "j": ("booked", "date", pa.date32()),
        "k": ("booked", "timestamp", pa.timestamp("us")),
    }
    columns = ", ".join(f"{expression} AS {name}" for name, (expression, _, _) in expressions.items())
    sql = f"SELECT {columns} FROM arrests GROUP BY ALL"  # noqa: S608
    city.add("t", sql, **{name: declared for name, (_, declared, _) in expressions.items()})
    city.compute()
    assert city.table("t").schema.remove_metadata() == pa.schema({n: kind for n, (_, _, kind) in expressions.items()})
    assert city.table("t")["h"][0].as_py() == Decimal("1.000000")
    assert city.table("t")["k"][0].as_py() == dt.datetime(1970, 1, 1)  # noqa: DTZ001


def test_rows_are_sorted_by_all_columns_with_nulls_first(city: City) -> None:
    rows = city.answer("SELECT booked, person FROM arrests", booked="date", person="token")
    key = [(row["booked"] is not None, row["booked"] or dt.date.min, row["person"]) for row in rows]
    assert key == sorted(key)
    assert rows[0] == {"booked": None, "person": "cy"}


def test_an_empty_answer_is_a_table_without_rows(city: City) -> None:
    city.add("none", "SELECT person FROM arrests WHERE counts > 99", person="token")
    city.compute()
    assert city.table("none").num_rows == 0
    assert city.table("none").schema.names == ["person"]


EVERYTHING = """
WITH recent AS (
    SELECT person, arrest, booked, weight, ratio,
           row_number() OVER (PARTITION BY person ORDER BY booked, arrest) AS nth,
           lag(booked) OVER (PARTITION BY person ORDER BY booked, arrest) AS before,
           count(*) OVER (
               PARTITION BY person ORDER BY booked RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW
           ) AS n
    FROM arrests
)
SELECT person, nth, date_diff('day', before, booked) AS gap, n, weight, ratio,
       sum(CAST(weight AS DECIMAL(18, 6))) OVER (PARTITION BY person) AS total,
       avg(CAST(weight AS DECIMAL(18, 6))) OVER () AS mean
FROM recent
"""
COLUMNS = {"person": "token", "nth": "int64", "gap": "int64", "n": "int64", "weight": "float64",
           "ratio": "float64", "total": "decimal(38, 6)", "mean": "float64"}  # fmt: skip


def test_equal_content_gives_equal_bytes_whatever_order_partition_and_threads(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "ROWS", 10_000)
    random = np.random.default_rng(0)
    many = 35_000
    persons = np.char.add("p", random.integers(0, 5_000, many).astype(str))
    rows = pa.table(
        {
            "arrest": np.char.add("tok_", np.arange(many).astype(str)),
            "person": persons,
            "booked": pa.array(random.integers(0, 3000, many), pa.int32()).cast(pa.date32()),
            "counts": pa.array(random.integers(0, 9, many), pa.int16()),
            "weight": random.choice([0.0, -0.0, 0.1, 0.2], many),
            "ratio": random.choice([np.nan, -np.nan, np.inf, 0.0], many),
        }
    )
    city.add("everything", EVERYTHING, **COLUMNS)
    city.add("floats", "SELECT weight, ratio FROM arrests GROUP BY ALL", weight="float64", ratio="float64")
    seen, contents = set(), set()
    for threads, partitions in ((2, 1), (1, 3), (4, 7)):
        monkeypatch.setattr(engine, "THREADS", threads)
        shuffled = rows.take(random.permutation(many))
        bounds = np.linspace(0, many, partitions + 1).astype(int)
        city.write([shuffled[low:high] for low, high in zip(bounds, bounds[1:], strict=False)])
        seen.add(tuple(city.compute().values()))
        contents.add(recompute(city.policy, city.clean, "everything"))
    assert len(seen) == 1
    assert len(contents) == 1
    file = pq.ParquetFile(city.out / "everything.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [10_000, 10_000, 10_000, 5_000]
    floats = city.table("floats")
    assert not np.signbit(floats["weight"].to_numpy()).any()
    assert not np.signbit(floats["ratio"].to_numpy()).any()
    assert floats.num_rows == 9


def test_floats_that_compare_equal_have_equal_bits() -> None:
    given = pa.chunked_array([pa.array([0.0, -0.0, np.nan, -np.nan, None, 1.5])])
    tidied = features._one_zero(given)
    assert not np.signbit(tidied.drop_null().to_numpy()).any()
    assert tidied.null_count == 1
    assert tidied[5].as_py() == 1.5


def test_functions_of_lists_dates_and_texts_answer_under_their_own_names(city: City) -> None:
    sql = """
    SELECT len(tags) AS n, list_contains(tags, 'a') AS a, date_trunc('month', booked) + INTERVAL 1 MONTH AS month,
           extract(isodow FROM booked) AS day, upper(trim(person)) || '!' AS loud, strftime(booked, '%Y') AS year
    FROM arrests WHERE arrest = 'tok_0'
    """
    expected = [{"n": 2, "a": True, "month": dt.date(1970, 2, 1), "day": 4, "loud": "ANN!", "year": "1970"}]
    columns = {"n": "int64", "a": "bool", "month": "date", "day": "int8", "loud": "text", "year": "text"}
    assert city.answer(sql, **columns) == expected


def test_a_with_may_take_the_name_of_the_source_it_reads(city: City) -> None:
    sql = "WITH arrests AS (SELECT * FROM arrests WHERE counts > 5) SELECT person FROM arrests"
    assert city.answer(sql, person="token") == [{"person": "cy"}]


def test_answers_may_be_put_together(city: City) -> None:
    sql = "(SELECT person FROM arrests WHERE counts = 1) UNION ALL (SELECT arrest FROM notes) EXCEPT SELECT 'tok_9'"
    assert [row["person"] for row in city.answer(sql, person="token")] == ["ann", "tok_0", "tok_1", "tok_5"]


def test_generated_sets_and_unnested_lists_are_tables(city: City) -> None:
    sql = "SELECT n, tag FROM range(2) r(n), (SELECT unnest(tags) AS tag FROM arrests WHERE counts < 3) t"
    assert len(city.answer(sql, n="int64", tag="text")) == 4


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        "'raw/arrests/0.parquet'", "read_parquet('raw/arrests/0.parquet')", "read_csv('raw/notes.csv')",
        "read_text('/etc/passwd')", '"/etc/passwd"', "glob('*')", "duckdb_settings()", "query('SELECT 1')",
        "main.arrests", "confined.arrests", "information_schema.tables", "sqlite_master", "duckdb_secrets()", "held_0",
        "arests", "(SELECT * FROM 'raw/x.csv')", "(WITH x AS (SELECT 1) SELECT * FROM x), x",
    ],
)  # fmt: skip
def test_only_clean_sources_and_features_are_read(city: City, table: str) -> None:
    error = city.refusal(f"SELECT person\nFROM {table}")  # noqa: S608
    assert isinstance(error, ConfigurationError)
    assert error.exit_code == USAGE
    assert error.faults[0].where == "asked.sql"
    assert error.faults[0].line == 2
    assert error.faults[0].remedy


def test_a_misspelt_source_is_told_the_right_name(city: City) -> None:
    assert "did you mean `arrests`?" in str(city.refusal("SELECT person FROM arests"))


def test_a_feature_made_by_a_stage_cannot_be_read_in_sql(city: City) -> None:
    city.features.append("  grid: {stage: featurize}")
    assert "made by a stage" in str(city.refusal("SELECT person FROM grid"))


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        *[(f"{clock}()", "clock") for clock in ("now", "today", "get_current_timestamp", "main.now")],
        *[(clock, "clock") for clock in ("current_date", "current_timestamp", "age(booked)")],
        *[(f'"{name}"', "may be read as a function") for name in ("current_date", "localtimestamp")],
        *[(chance, "anew each time") for chance in ("random()", "uuid()", "gen_random_uuid()", "nextval('s')")],
        *[(f"{order}(person)", "order of rows") for order in ("list", "array_agg", "any_value", "first", "mode")],
        *[(order, "order of rows") for order in ("string_agg(person, ',')", "arg_max(person, booked)")],
        *[(f"{other}(person)", "no function that features may call") for other in ("hash", "md5", "error", "pg_sleep")],
        *[(f"{other}(counts)", "no function that features may call") for other in ("stddev", "ln", "approx_quantile")],
        *[(other, "no function that features may call") for other in ("version()", "regexp_matches(person, 'x')")],
        ("getenv('HOME')", "something else than clean sources"),
        ("current_user", "not used in features"),
        ("tags[1]", "not used in features"),
        ("[x FOR x IN tags]", "not used in features"),
        ("list_transform(tags, x -> now())", "asks the clock"),
        ("person COLLATE nocase", "not used in features"),
        ("booked AT TIME ZONE 'UTC'", "not used in features"),
        ("$1", "not used in features"),
        ("extract(dow FROM booked)", "engines differ"),
        ("CAST(booked AS TIMESTAMPTZ)", "engines differ"),
        ("CAST(person AS JSON)", "engines differ"),
        ("row_number() OVER ()", "order of rows"),
        ("lag(person) OVER (PARTITION BY person)", "order of rows"),
        ("count(*) OVER (ROWS 1 PRECEDING)", "order of rows"),
        ("count(*) OVER w", "named window"),
    ],
)  # fmt: skip
def test_only_listed_functions_and_constructs_are_used(city: City, expression: str, word: str) -> None:
    error = city.refusal(f"SELECT {expression} AS person FROM arrests")  # noqa: S608
    assert isinstance(error, ConfigurationError)
    assert word in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT person FROM arrests LIMIT 1",
        "SELECT person FROM arrests ORDER BY person OFFSET 1",
        "SELECT DISTINCT ON (person) person FROM arrests",
        "SELECT person FROM arrests TABLESAMPLE 10%",
        "SELECT person FROM arrests USING SAMPLE 1",
        "SELECT a.person FROM arrests a POSITIONAL JOIN notes",
        "SELECT a.person FROM arrests a ASOF JOIN notes n ON a.arrest >= n.arrest",
    ],
)
def test_what_depends_on_the_order_of_rows_is_refused(city: City, sql: str) -> None:
    assert "depends on the order of rows" in str(city.refusal(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "", "-- nothing", "SELECT person FROM arrests; SELECT 1", "DROP TABLE arrests", "COPY arrests TO 'x'",
        "ATTACH 'x'", "PRAGMA version", "SET threads = 1", "CREATE MACRO f() AS 1", "INSERT INTO arrests SELECT 1",
        "DESCRIBE arrests",
        "INSTALL httpfs", "PIVOT arrests ON person USING count(*)", "SELECT person FRM arrests WHERE (",
        "SELECT 'person",        "SELECT person INTO x FROM arrests", "SELECT * FROM (DESCRIBE arrests)",
        "SELECT person FROM arrests FOR UPDATE",
        "WITH RECURSIVE r AS (SELECT person FROM arrests UNION ALL SELECT * FROM r) SELECT * FROM r",
        "CREATE TABLE x AS SELECT person FROM arrests", "WITH x AS (SELECT 1) DELETE FROM arrests",
    ],
)  # fmt: skip
def test_a_feature_is_exactly_one_select(city: City, sql: str) -> None:
    error = city.refusal(sql)
    assert isinstance(error, ConfigurationError)
    assert error.faults[0].where == "asked.sql"


def test_features_that_need_each_other_are_named(city: City) -> None:
    city.add("one", "SELECT person FROM two", person="token")
    city.add("two", "SELECT person FROM three", person="token")
    city.add("three", "SELECT person FROM one", person="token")
    with pytest.raises(ConfigurationError) as caught:
        queries(city.policy)
    cycle = str(caught.value).split("each other: ")[1].split("\n")[0].split(" → ")
    assert set(cycle) == {"one", "two", "three"}
    assert cycle[0] == cycle[-1]


def test_a_feature_does_not_read_itself(city: City) -> None:
    assert "asked → asked" in str(city.refusal("SELECT person FROM asked"))


def test_a_feature_is_not_named_like_a_source(city: City) -> None:
    city.add("notes", "SELECT person FROM arrests", person="token")
    with pytest.raises(ConfigurationError, match="name of a source"):
        city.compute()


def test_all_faults_of_all_features_are_told_together(city: City) -> None:
    city.add("one", "SELECT now() AS x, random() AS y FROM nowhere", x="int128", y="text")
    city.add("two", "SELECT 1 LIMIT 1", x="int64")
    with pytest.raises(ConfigurationError) as caught:
        queries(city.policy)
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize("kind", ["int128", "decimal(39, 2)", "decimal(4, 5)", "decimal(0, 0)", "int64; --", ""])
def test_an_unknown_type_is_refused(city: City, kind: str) -> None:
    assert "is no type of a feature" in str(city.refusal("SELECT person FROM arrests", person=kind))


@pytest.mark.parametrize(
    "expression",
    [
        "sum(weight)", "avg(weight)", "sum(weight + counts)", "sum(DISTINCT weight)", "sum(CAST(weight AS FLOAT))",
        "sum(weight) FILTER (WHERE counts > 1)", "sum(weight) OVER (PARTITION BY person)", "sum(counts / 2)",
        "sum(CASE WHEN counts > 1 THEN weight END)", "sum(1e0)", "avg(sqrt(counts))",
        "(SELECT sum(w) FROM (SELECT weight AS w FROM arrests UNION ALL SELECT 1.5) u)",
    ],
)  # fmt: skip
def test_floats_are_not_summed(city: City, expression: str) -> None:
    error = city.refusal(f"SELECT\n{expression} AS total FROM arrests", total="float64")  # noqa: S608
    assert isinstance(error, ConfigurationError)
    assert "CAST(x AS DECIMAL(18, 6))" in str(error)
    assert error.faults[0].line == 2


@pytest.mark.parametrize(
    "expression",
    ["sum(counts)", "avg(counts)", "sum(counts > 1)", "sum(CAST(weight AS DECIMAL(18, 6)))", "sum(1.5)", "max(weight)",
     "count(weight)", "sum(CASE WHEN counts > 1 THEN 1 ELSE 0.5 END)"],
)  # fmt: skip
def test_exact_numbers_are_summed(city: City, expression: str) -> None:
    assert len(city.answer(f"SELECT {expression} AS total FROM arrests", total="float64")) == 1  # noqa: S608


@pytest.mark.parametrize("expression", ["weight", "CAST(weight AS INT)", "CAST(2.5 AS INT)", "CAST(counts / 2 AS INT)"])
def test_a_fraction_becomes_a_whole_number_only_by_rounding(city: City, expression: str) -> None:
    error = city.refusal(f"SELECT {expression} AS n FROM arrests", n="int64")  # noqa: S608
    assert "CAST(ROUND(x) AS BIGINT)" in str(error)


def test_a_rounded_fraction_is_a_whole_number(city: City) -> None:
    sql = "SELECT DISTINCT CAST(round(2.5) AS INT) AS n, CAST(counts > 0 AS INT) AS m FROM arrests"
    rows = city.answer(sql, n="int8", m="int8")
    assert rows == [{"n": 3, "m": 1}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT counts AS n, person FROM arrests", "another order"),
        ("SELECT person FROM arrests", "missing: n"),
        ("SELECT person, counts AS n, weight FROM arrests", "not declared: weight"),
        ("SELECT person, counts FROM arrests", "missing: n; not declared: counts"),
        ("SELECT person, counts AS n, counts AS n FROM arrests", "one twice"),
        ("SELECT * FROM arrests", "missing: n"),
    ],
)
def test_columns_are_exactly_the_declared_ones(city: City, sql: str, told: str) -> None:
    error = city.refusal(sql, person="token", n="int64")
    assert isinstance(error, ConfigurationError)
    assert told in str(error)


@pytest.mark.parametrize(
    ("sql", "column", "remedy"),
    [
        ("SELECT\nprson AS person FROM arrests", "prson", "did you mean `person`?"),
        ("SELECT\na.prson AS person FROM arrests a", "prson", "look at names"),
        ("SELECT person,\ncounts FROM arrests GROUP BY person", "counts", "GROUP BY"),
        ("SELECT\nsum(text) AS person FROM notes", "sum", "text until it is CAST"),
        ("SELECT rowid AS person FROM\narrests", "rowid", "none of its"),
    ],
)
def test_what_the_engine_cannot_make_out_is_told_by_name_and_line(
    city: City, sql: str, column: str, remedy: str
) -> None:
    error = city.refusal(sql)
    assert isinstance(error, ConfigurationError)
    assert error.faults[0].column == column
    assert error.faults[0].line == (1 if column == "rowid" else 2)
    assert remedy in str(error)


@pytest.mark.parametrize(
    "expression",
    [
        "row_number() OVER (PARTITION BY person ORDER BY booked)",
        "row_number() OVER (ORDER BY 1)",
        "lag(counts) OVER (ORDER BY booked)",
        "first_value(counts) OVER (ORDER BY person)",
        "count(*) OVER (ORDER BY booked ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
    ],
)
def test_a_window_that_leaves_rows_equal_stops_the_query(city: City, expression: str) -> None:
    error = city.refusal(f"SELECT person,\n{expression} AS n FROM arrests", person="token", n="int64")  # noqa: S608
    assert "leaves rows equal" in str(error)
    assert error.faults[0].line == 2
    assert error.__context__ is None


def test_a_window_that_tells_all_rows_apart_is_computed(city: City) -> None:
    sql = """SELECT person, lag(counts) OVER (PARTITION BY person ORDER BY booked, arrest) AS n FROM arrests
             QUALIFY row_number() OVER (PARTITION BY person ORDER BY booked DESC, arrest) = 1"""
    rows = city.answer(sql, person="token", n="int64")
    assert rows == [{"person": "ann", "n": 1}, {"person": "bob", "n": 4}, {"person": "cy", "n": None}]


# -- silence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT text AS n FROM notes", "n"),
        ("SELECT CAST(text AS BIGINT) AS n FROM notes", "n"),
        ("SELECT 1 AS n FROM notes WHERE CAST(text AS BIGINT) > 3", ""),
        ("SELECT CAST(strptime(text, '%Y') AS DATE) AS n FROM notes", "n"),
        ("SELECT max(CAST(text AS DATE)) AS n FROM notes", "n"),
        ("SELECT CAST(replace(text, 'canary-', '99999999999999999999') AS DECIMAL(38, 0)) AS n FROM notes", "n"),
        ("SELECT length((SELECT text FROM notes)) AS n FROM arrests", "n"),
        ("SELECT CAST(length(text) AS BIGINT) * 9223372036854775807 AS n FROM notes", "n"),
    ],
)
@pytest.mark.parametrize("kind", ["int64", "date", "decimal(4, 2)"])
def test_a_value_that_does_not_fit_stops_the_run_and_is_not_told(city: City, sql: str, column: str, kind: str) -> None:
    error = city.refusal(sql, n=kind)
    told = _everything_said(error)
    assert told.count(CANARY) == 0
    assert told.count("4711") == 0
    assert told.count("façade") == 0
    assert isinstance(error, SourceFailure | ConfigurationError)
    if isinstance(error, SourceFailure):
        assert error.faults[0].column in (column, "n")


def test_overflow_of_a_declared_type_is_an_error(city: City) -> None:
    error = city.refusal("SELECT counts * 100 AS n FROM arrests", n="int8")
    assert isinstance(error, SourceFailure)
    assert error.faults[0].column == "n"


def test_no_engine_error_hangs_on_ours(city: City) -> None:
    error = city.refusal("SELECT text AS n FROM notes", n="int64")
    assert error.__context__ is None
    assert error.__cause__ is None


def _everything_said(error: BaseException | None) -> str:
    told = ""
    while error is not None:
        told += f"{error!s} {error!r} {error.args!r}"
        error = error.__context__ or error.__cause__
    return told


def test_an_engine_that_fails_is_told_without_its_words(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MEMORY", "1MB")
    error = city.refusal("SELECT a.person FROM arrests a, range(1000000) r(n) GROUP BY a.person, n")
    assert isinstance(error, EngineFailure)
    assert error.__context__ is None


# -- only what strip published ----------------------------------------------------------------------------------------


def _change(city: City) -> None:
    pq.write_table(ARRESTS[1:], city.clean / "arrests/0.parquet")


def _slip_in(city: City) -> None:
    pq.write_table(ARRESTS, city.clean / "arrests/raw.parquet")


def _lose(city: City) -> None:
    (city.clean / "notes.csv").unlink()


def _no_receipt(city: City) -> None:
    (city.clean / "receipt.json").unlink()


@pytest.mark.parametrize("harm", [_change, _slip_in, _lose, _no_receipt])
def test_a_clean_folder_must_be_what_strip_published(city: City, harm: Callable[[City], None]) -> None:
    harm(city)
    error = city.refusal("SELECT person FROM arrests")
    assert isinstance(error, SourceFailure)
    assert "sealproof strip" in str(error)


def test_files_of_one_source_have_the_same_columns(city: City) -> None:
    city.write([ARRESTS, ARRESTS.drop_columns("weight")])
    assert "other columns" in str(city.refusal("SELECT person FROM arrests"))


def test_features_do_not_replace_the_clean_sources(city: City) -> None:
    city.add("p", "SELECT person FROM arrests", person="token")
    for out in (city.clean, city.clean / "features", city.folder):
        with pytest.raises(PublishFailure):
            compute(city.policy, clean=city.clean, out=out)


def test_the_old_features_stand_when_a_run_fails(city: City) -> None:
    city.add("p", "SELECT person FROM arrests", person="token")
    before = city.compute()
    city.add("q", "SELECT text AS n FROM notes", n="int64")
    with pytest.raises(SourceFailure):
        city.compute()
    assert digest.of_file(city.out / "p.parquet") == before["p"]


def test_a_confined_connection_reaches_the_clean_files_and_nothing_else(city: City) -> None:
    path = city.clean / "arrests/0.parquet"
    pq.write_table(ARRESTS, city.folder / "raw.parquet")
    smuggled = pa.table({"x": [1]})
    with engine.DuckDB() as confined:
        connection = confined.confined({"arrests": [RawFile(path, "0.parquet", Reading())]})  # type: ignore[attr-defined]
        assert connection.execute("SELECT count(*) FROM arrests").fetchall() == [(6,)]
        for sql in (
            f"SELECT * FROM read_parquet('{city.folder}/raw.parquet')",  # noqa: S608
            f"COPY arrests TO '{city.folder}/leak.csv'",
            "SET enable_external_access = true",
            "SET allowed_paths = []",
            "ATTACH '/tmp/x.db'",
            "INSTALL spatial",
            "SET threads = 1",
            "SELECT * FROM smuggled",
        ):
            with pytest.raises(engine.duckdb.Error):
                connection.execute(sql)
    assert smuggled.num_rows == 1


# -- after a real strip -----------------------------------------------------------------------------------------------


def _after_a_strip(folder: Path, arrests: pa.Table, sealed: list[str]) -> dict[str, str]:
    """Features of raw sources that were stripped of the sealed arrests."""
    key, today = Key("ab" * 32), dt.datetime.now(dt.UTC).date()
    kinds = Kinds.parse("arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
    (folder / "raw/arrests").mkdir(parents=True)
    pq.write_table(arrests, folder / "raw/arrests/2019.parquet")
    (folder / "raw/notes.csv").write_text("arrest;text\nM17654502;x\n")
    (folder / "n.sql").write_text("SELECT person, count(*) AS n FROM arrests GROUP BY person")
    (folder / "sealing.yaml").write_text(POLICY + "  n: {sql: n.sql, columns: {person: token, n: int64}}\n")
    register, rules = Register(folder / "register", kinds=kinds, key=key), Rules.find("us-ny", Path())
    event = {"kind": "arrest", "action": "seal", "statute": "CPL 160.50", "effective_on": "2019-01-01",
             "recorded_on": "2019-01-02", "case": "x"}  # fmt: skip
    feed = pa.Table.from_pylist([{"identifier": identifier, **event} for identifier in sealed])
    register.add(feed, rules=rules, delivered_on=today)
    with engine.DuckDB() as run:
        register.snapshot(folder / "ny.snap", rules=rules, purpose="predictive-model", as_of=today, engine=run)
    policy = Policy.load(folder / "sealing.yaml")
    strip_files(policy, snapshot=snapshot.load(folder / "ny.snap"), key=key, out=folder / "clean")
    return compute(policy, clean=folder / "clean", out=folder / "features")


def test_features_are_those_of_a_city_in_which_the_sealed_arrests_were_never_made(tmp_path: Path) -> None:
    arrests = pa.table({"arrest": ["M17654502", "K17000001", "B17000002"], "person": ["ann", "ann", "bob"]})
    sealed = _after_a_strip(tmp_path / "sealed", arrests, ["K17000001", "B17000002"])
    never = _after_a_strip(tmp_path / "never", arrests[:1], ["S17000009"])
    assert sealed == never
    assert pq.read_table(tmp_path / "sealed/features/n.parquet").to_pylist() == [{"person": "ann", "n": 1}]
