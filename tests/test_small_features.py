"""Features on a few rows: what a query may say, what the engine makes of it, and what is published."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from sanitizers import digest
from sanitizers.errors import ConfigurationError, PublishFailure, SealproofError, SourceFailure
from sanitizers.features import add_unfilled, check_bound, compute, float_sums, recompute, unfilled
from sanitizers.policy import Policy
from sanitizers.queries import Query, by_place, parsed, queries, quoted, refused, stored_as
from sanitizers.strip.receipt import Receipt

HEAD = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: ny.snap}
sources:
  a: {path: raw/a*.parquet, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}
  b: {path: raw/b.csv, read: {delimiter: ";"}, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}
features:
  made: {stage: featurize}
"""
A = pa.table(
    {
        "id": ["t1", "t2", "t3", "t4"], "person": ["ann", "bob", "bob", None], "n": pa.array([1, 2, 3, 4], pa.int16()),
        "w": [0.5, -0.0, math.nan, 0.0], "day": pa.array([0, 31, 31, None], pa.date32()), "odd": pa.array([1, 2, 3, 4], pa.float16()),
    }
)  # fmt: skip


def policy_of(folder: Path, features: dict[str, tuple[str, dict[str, str]]]) -> Policy:
    lines = []
    for name, (sql, columns) in features.items():
        (folder / f"{name}.sql").write_text(sql)
        lines.append(f"  {name}: {{sql: {name}.sql, columns: {json.dumps(columns)}}}\n")
    (folder / "sealing.yaml").write_text(HEAD + "".join(lines))
    return Policy.load(folder / "sealing.yaml")


def queries_of(folder: Path, cases: Iterable[tuple[str, dict[str, str]]]) -> list[Query]:
    found = queries(policy_of(folder, {f"f{number}": case for number, case in enumerate(cases)}))
    return [found[f"f{number}"] for number in range(len(found))]


# -- what a query may say ---------------------------------------------------------------------------------------------

GOOD = [
    "WITH x AS (SELECT id AS i, count(*) FILTER (WHERE n > 1) AS m FROM a GROUP BY id HAVING count(*) >= 1) SELECT x.i FROM x JOIN a ON a.id = x.i",
    "SELECT DISTINCT id AS i FROM a WHERE n BETWEEN 1 AND 2 OR NOT n <> 3 AND id IN ('t1', 't2') AND person IS NOT NULL",
    "SELECT id AS i FROM a UNION ALL SELECT id FROM b EXCEPT SELECT id FROM a INTERSECT SELECT id FROM b",
    "SELECT id AS i FROM (SELECT id, row_number() OVER (PARTITION BY person ORDER BY day, id) AS r FROM a) s QUALIFY rank() OVER (ORDER BY r) = 1",
    "SELECT CASE WHEN n = 1 THEN id ELSE 'x' || id END AS i FROM a LEFT JOIN b USING (id) CROSS JOIN range(3) r(k)",
    "SELECT lower(id) AS i FROM a NATURAL JOIN b WHERE EXISTS (SELECT 1 FROM b WHERE b.id LIKE 't%' ESCAPE '$')",
    "SELECT CAST(extract(year FROM day) AS TEXT) AS i FROM a WHERE a.current_date IS NULL OR day > DATE '2019-01-01' - INTERVAL 3 DAY",
    "WITH a AS (SELECT * FROM a) SELECT id AS i FROM a ORDER BY id",
    "SELECT id AS i FROM a, (WITH y AS (SELECT 1 AS k) SELECT k FROM y) z, unnest([1, 2]) u(v), generate_series(1, 2) g(h)",
    "SELECT COUNT(*) OVER (PARTITION BY person ORDER BY day RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW) || '' AS i FROM A",
    "SELECT TRY_CAST(id AS DECIMAL(18, 2)) || -n % 2 // 3 * 4 / 5 AS i FROM a WHERE n IS NOT DISTINCT FROM 3 AND (n, 1) < (2, 3)",
]
BAD = {
    "SELECT now() AS i FROM a": {("now", "asks the clock")},
    "SELECT id AS i, age(day), current_timestamp FROM a": {("age", "asks the clock"), ("current_timestamp", "asks the clock")},
    "SELECT\nrandom() + uuid() AS i FROM a": {("random", "answers anew each time"), ("uuid", "answers anew each time")},
    'SELECT "current_date" AS i, "User" FROM a': {("current_date", "may be read as a function"), ("user", "may be read as a function")},
    "SELECT list(id) AS i, first(id), arg_max(id, n) FROM a": {(name, "depends on the order of rows") for name in ("list", "first", "arg_max")},
    "SELECT id AS i FROM a LIMIT 3 OFFSET 1": {("limit", "depends on the order of rows"), ("offset", "depends on the order of rows")},
    "SELECT DISTINCT ON (id) id AS i FROM a": {("distinct", "depends on the order of rows")},
    "SELECT a.id AS i FROM a POSITIONAL JOIN b": {("join", "depends on the order of rows")},
    "SELECT a.id AS i FROM a ASOF JOIN b ON a.id >= b.id": {("join", "depends on the order of rows")},
    "SELECT row_number() OVER () AS i FROM a": {("window", "depends on the order of rows")},
    "SELECT count(*) OVER (ROWS 1 PRECEDING) AS i FROM a": {("window", "depends on the order of rows")},
    "SELECT count(*) OVER w AS i FROM a WINDOW w AS (ORDER BY id)": {("window", "is a named window")},
    "WITH RECURSIVE r AS (SELECT id AS i FROM a) SELECT i FROM r": {("with", "is recursive")},
    "SELECT extract(dow FROM day) AS i FROM a": {("extract", "extracts a part on which engines differ")},
    "SELECT CAST(id AS JSON) AS i FROM a": {("datatype", "is a type on which engines differ")},
    "SELECT hash(id) AS i, summ(n) FROM a": {("hash", "is no function that features may call"), ("summ", "is no function that features may call")},
    "SELECT person[1] AS i FROM a": {("bracket", "is not used in features")},
    "SELECT read_csv('x') AS i FROM a": {("read_csv", "reads something else than clean sources")},
}  # fmt: skip


def test_what_the_same_clean_rows_answer_alike_everywhere_may_be_said(tmp_path: Path) -> None:
    found = queries_of(tmp_path, [(sql, {"i": "text"}) for sql in GOOD])
    reads = [{"a"}, {"a"}, {"a", "b"}, {"a"}, {"a", "b"}, {"a", "b"}, {"a"}, {"a"}, {"a"}, {"a"}, {"a"}]
    assert [set(query.reads) for query in found] == reads
    with unfilled({"a": A.schema.append(pa.field("current_date", pa.date32())), "b": pa.schema([("id", pa.string())])}) as connection:
        for query in found[:3] + found[4:10]:
            check_bound(connection, query)


def test_what_depends_on_more_than_the_rows_is_told_by_its_word() -> None:
    for sql, expected in BAD.items():
        tree = parsed(sql, "f.sql")
        told = {(fault.column, fault.problem) for _, fault in refused(tree, "f.sql")}
        assert told == expected, sql
        assert all(fault.where == "f.sql" and fault.remedy for _, fault in refused(tree, "f.sql"))
    lines = {fault.column: fault.line for _, fault in refused(parsed("SELECT\nrandom() AS i,\nnow() AS j FROM a", "f.sql"), "f.sql")}
    assert lines == {"random": 2, "now": 3}
    remedy = {fault.column: fault.remedy for _, fault in refused(parsed("SELECT summ(n) AS i FROM a", "f.sql"), "f.sql")}
    assert remedy == {"summ": "did you mean `sum`?"}


@pytest.mark.parametrize(
    ("sql", "problem", "line"),
    [("", "holds 0 statements", None), ("-- x", "holds 0 statements", None), ("SELECT 1; SELECT 2", "holds 2 statements", None),
     ("DROP TABLE a", "is not a SELECT", None), ("SELECT a FROM b WHERE (", "is not SQL that can be parsed", 1),
     ("SELECT a\nFROM b WHERE )", "is not SQL that can be parsed", 2), ("SELECT 'a", "is not SQL that can be parsed", None)],
)  # fmt: skip
def test_a_query_is_one_select(sql: str, problem: str, line: int | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(sql, "f.sql")
    fault = caught.value.faults[0]
    assert (fault.where, fault.problem, fault.line, caught.value.__context__) == ("f.sql", problem, line, None)
    assert parsed("SELECT 1 AS a;\n;", "f.sql").sql() == "SELECT 1 AS a"


TABLES = {
    "nowhere": "is neither a clean source nor a feature", "made": "is made by a stage, not by a query", "main.a": "is a table of another schema",
    "read_csv('x')": "reads something else than clean sources", "now()": "asks the clock", "seq(3)": "reads something else than clean sources",
    "(SELECT * FROM x) y, (WITH x AS (SELECT 1) SELECT * FROM x) z": "is neither a clean source nor a feature",
    "'raw/a.csv'": "is neither a clean source nor a feature",
}  # fmt: skip


def test_only_sources_features_and_what_with_names_are_read(tmp_path: Path) -> None:
    for table, problem in TABLES.items():
        with pytest.raises(ConfigurationError) as caught:
            queries_of(tmp_path, [(f"SELECT id AS i\nFROM {table}", {"i": "text"})])  # noqa: S608
        assert [(fault.problem, fault.line, fault.where) for fault in caught.value.faults] == [(problem, 2, "f0.sql")]
    later = "WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT 1 AS i FROM y"
    with pytest.raises(ConfigurationError, match="is neither"):
        queries_of(tmp_path, [(later, {"i": "int8"})])


def test_features_come_after_what_they_read_and_never_need_themselves(tmp_path: Path) -> None:
    cases = {"z": ("SELECT i FROM y, b", {"i": "text"}), "y": ("SELECT i FROM x", {"i": "text"}), "x": ("SELECT id AS i FROM a", {"i": "text"})}
    found = queries(policy_of(tmp_path, cases))
    assert list(found) == ["x", "y", "z"]
    assert {name: set(query.reads) for name, query in found.items()} == {"x": {"a"}, "y": {"x"}, "z": {"y", "b"}}
    assert found["x"].sha256 == digest.of_file(tmp_path / "x.sql")
    assert (found["x"].name, found["x"].where) == ("x", "x.sql")
    with pytest.raises(ConfigurationError, match="need each other: (x → y → z → x|z → y → x → z|y → x → z → y|x → z → y → x|y → z → x → y|z → x → y → z)"):
        queries(policy_of(tmp_path, cases | {"x": ("SELECT i FROM z", {"i": "text"})}))
    with pytest.raises(ConfigurationError) as caught:
        queries(policy_of(tmp_path, {"a": ("SELECT 1 AS i", {"i": "int8"}), "x": ("SELECT now() AS i FROM q", {"i": "int12"})}))
    assert {(fault.where, fault.column) for fault in caught.value.faults} == {
        ("sealing.yaml", "features.a"), ("x.sql", "now"), ("x.sql", "q"), ("sealing.yaml", "features.x.columns.i"),
    }  # fmt: skip


def test_declared_types_have_a_name_in_the_engine_and_one_in_the_file(tmp_path: Path) -> None:
    assert stored_as("decimal(38,  9)") == ("DECIMAL(38, 9)", pa.decimal128(38, 9))
    assert stored_as("decimal(9, 9)") == ("DECIMAL(9, 9)", pa.decimal128(9, 9))
    assert [stored_as(kind) for kind in ("decimal(39, 1)", "decimal(9, 10)", "decimal(0, 0)", "int128", "decimal", "")] == [None] * 6
    assert stored_as("token") == stored_as("text") == ("VARCHAR", pa.string())
    query = queries_of(tmp_path, [('SELECT id AS "i""j", n FROM a', {'i"j': "token", "n": "int64"})])[0]
    assert query.schema == pa.schema([('i"j', pa.string()), ("n", pa.int64())])
    assert query.sql == 'SELECT "id" AS "i""j", "n" FROM "a"'
    assert query.cast == f'SELECT CAST("i""j" AS VARCHAR) AS "i""j", CAST("n" AS BIGINT) AS "n" FROM ({query.sql}) AS answer'  # noqa: S608
    assert quoted('a"b') == '"a""b"'


def test_a_line_is_told_where_one_name_stands_only_once(tmp_path: Path) -> None:
    query = queries_of(tmp_path, [("SELECT\nid AS i,\nsum(N) AS n,\nmax(w) AS v, max(day) AS d FROM a GROUP BY\n1", dict.fromkeys("invd", "text"))])[0]
    assert [query.line_of(*names) for names in (("ID",), ("n", "none"), ("sum", "avg"), ("max",), ("none",))] == [2, 3, 3, None, None]


def test_windows_whose_answer_may_depend_on_place_are_told_from_others() -> None:
    told = {
        "row_number() OVER (ORDER BY a)": True, "lag(a) OVER (ORDER BY a)": True, "sum(a) OVER (ORDER BY a)": False,
        "sum(a) OVER (ORDER BY a ROWS 1 PRECEDING)": True, "sum(a) OVER (ORDER BY a RANGE 1 PRECEDING)": False, "rank() OVER (ORDER BY a)": False,
    }  # fmt: skip
    for sql, expected in told.items():
        window = parsed(f"SELECT {sql} AS x FROM t", "f.sql").find(exp.Window)  # noqa: S608
        assert window is not None
        assert by_place(window) is expected


# -- what the engine makes of it --------------------------------------------------------------------------------------

REFUSED = {
    "SELECT\nprson AS i FROM a": ("no such column", "prson", 2), "SELECT\na.prson AS i FROM a": ("cannot make out", "prson", 2),
    "SELECT id AS i,\nn FROM a GROUP BY id": ("cannot make out", "n", 2), "SELECT\n\nsum(person) AS i FROM a": ("cannot make out", "sum", 3),
    "SELECT id AS i FROM a UNION SELECT id, n FROM a": ("cannot make out the query (binder)", "", None),
    "SELECT id FROM a": ("missing: i; not declared: id", "", None), "SELECT id AS i, n AS j FROM a": ("not declared: j", "", None),
    "SELECT id AS i, id AS i FROM a": ("another order, or one twice", "", None),
    "SELECT\nsum(w) AS i FROM a": ("sums floats", "sum", 2), "SELECT avg(w + n) AS i FROM a": ("sums floats", "avg", 1),
    "SELECT sum(w) OVER (PARTITION BY id) AS i FROM a": ("sums floats", "sum", 1), "SELECT sum(CAST(n AS FLOAT)) AS i FROM a": ("sums floats", "sum", 1),
    "SELECT sum(n / 2) AS i FROM a": ("sums floats", "sum", 1),
    "SELECT CAST(w AS INT) AS i FROM a": ("casts a fraction", "", None), "SELECT CAST(2.5 AS BIGINT) || CAST(n AS TEXT) AS i FROM a": ("casts a fraction", "", None),
    "SELECT CAST(CAST(w AS DECIMAL(9, 2)) AS TINYINT) AS i FROM a": ("casts a fraction", "", None),
}  # fmt: skip
TAKEN = [
    "SELECT max(w) AS i FROM a", "SELECT count(w) AS i FROM a", "SELECT sum(CAST(w AS DECIMAL(18, 6))) AS i FROM a", "SELECT sum(n) AS i FROM a",
    "SELECT CAST(round(w) AS INT) AS i FROM a", "SELECT CAST(floor(w) AS BIGINT) AS i FROM a", "SELECT CAST(n AS DECIMAL(9, 0)) AS i FROM a",
    "SELECT CAST(CAST(n AS DECIMAL(9, 0)) AS INT) AS i FROM a", "SELECT CAST(n > 1 AS INT) AS i FROM a", "SELECT CAST(3.0 AS DOUBLE) AS i FROM a",
]  # fmt: skip


def test_names_columns_sums_and_casts_are_looked_at_before_any_row(tmp_path: Path) -> None:
    bad = queries_of(tmp_path, [(sql, {"i": "text"}) for sql in REFUSED])
    (tmp_path / "more").mkdir()
    good = queries_of(tmp_path / "more", [(sql, {"i": "text"}) for sql in TAKEN])
    with unfilled({"a": A.schema}) as connection:
        for query, (problem, column, line) in zip(bad, REFUSED.values(), strict=True):
            with pytest.raises(ConfigurationError) as caught:
                check_bound(connection, query)
            fault = caught.value.faults[0]
            assert (problem in fault.problem, fault.column, fault.line, fault.where) == (True, column, line, query.where), query.sql
            assert (bool(fault.remedy), caught.value.__context__) == (True, None)
            if "make out" in problem or "no such" in problem:
                with pytest.raises(ConfigurationError):
                    float_sums(connection, query)
            elif "sums" in problem:
                assert float_sums(connection, query) == 1
        for query in good:
            check_bound(connection, query)
            assert float_sums(connection, query) == 0
        add_unfilled(connection, "b", pa.schema([("prson", pa.string())]))
        assert connection.execute("SELECT count(*) FROM b").fetchall() == [(0,)]
        with pytest.raises(ConfigurationError) as caught:
            check_bound(connection, bad[0])
        assert "did you mean `person`" in caught.value.faults[0].remedy  # of the table that is read, and no other


# -- what is published ------------------------------------------------------------------------------------------------


class City:
    """Clean sources as strip publishes them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clean, self.out = folder, folder / "clean", folder / "out"
        self.clean.mkdir()
        pq.write_table(A[:3], self.clean / "a1.parquet")
        pq.write_table(A[3:], self.clean / "a2.parquet")
        (self.clean / "b.csv").write_text("id;text\nt1;7\nt2;CANARY\n")
        self.receive()

    def receive(self) -> None:
        (self.clean / "receipt.json").unlink(missing_ok=True)
        receipt = Receipt("", "", "", "", "", "", "", {}, digest.of_folder(self.clean))
        (self.clean / "receipt.json").write_text(receipt.to_json())

    def compute(self, features: dict[str, tuple[str, dict[str, str]]], names: list[str] | None = None) -> dict[str, str]:
        return compute(policy_of(self.folder, features), clean=self.clean, out=self.out, names=names)

    def refusal(self, sql: str, kind: str = "int64") -> SealproofError:
        with pytest.raises(SealproofError) as caught:
            self.compute({"f": (sql, {"h": "token", "i": kind} if " AS h" in sql else {"i": kind})})
        told = repr([caught.value, caught.value.__context__, caught.value.faults])
        assert ("CANARY" in told, caught.value.__context__, self.out.exists()) == (False, None, False)
        assert caught.value.faults[0].where == "f.sql"
        return caught.value


@pytest.fixture
def city(tmp_path: Path) -> City:
    return City(tmp_path)


def test_features_are_published_as_declared_sorted_with_a_chain(city: City) -> None:
    features = {
        "late": ("SELECT person, total * 2 AS twice FROM early", {"person": "token", "twice": "decimal(18, 2)"}),
        "early": ("SELECT person, sum(n) AS total FROM a GROUP BY person", {"person": "token", "total": "int64"}),
        "floats": ("SELECT w, day, n FROM a", {"w": "float64", "day": "timestamp", "n": "float64"}),
        "texts": ("SELECT text FROM b WHERE id = 't1'", {"text": "text"}),
        "none": ("SELECT id FROM a WHERE n > 9", {"id": "token"}),
    }
    files = city.compute(features)
    tables: dict[str, Any] = {name: pq.read_table(city.out / f"{name}.parquet").to_pylist() for name in features}
    assert tables["early"] == [{"person": None, "total": 4}, {"person": "ann", "total": 1}, {"person": "bob", "total": 5}]
    assert tables["late"] == [{"person": None, "twice": Decimal(8)}, {"person": "ann", "twice": Decimal(2)}, {"person": "bob", "twice": Decimal(10)}]
    days = [row["day"] for row in tables["floats"]]
    assert days == [None, dt.datetime(1970, 2, 1), dt.datetime(1970, 1, 1), dt.datetime(1970, 2, 1)]  # noqa: DTZ001
    assert [repr(row["w"]) for row in tables["floats"]] == ["0.0", "0.0", "0.5", "nan"]
    assert (tables["texts"], tables["none"]) == ([{"text": "7"}], [])
    assert pq.read_schema(city.out / "late.parquet").field("twice").type == pa.decimal128(18, 2)
    assert pq.read_schema(city.out / "none.parquet").names == ["id"]
    assert files == {name: digest.of_file(city.out / f"{name}.parquet") for name in features}
    policy = Policy.load(city.folder / "sealing.yaml")
    assert json.loads((city.out / "chain.json").read_text()) == {
        "format": 1, "made_by": "features", "policy": policy.digest, "outputs": {f"{name}.parquet": sha for name, sha in files.items()},
        "inputs": {"receipt.json": digest.of_file(city.clean / "receipt.json"), **{f"{name}.sql": digest.of_file(city.folder / f"{name}.sql") for name in features}},
    }  # fmt: skip
    table = pq.read_table(city.out / "late.parquet")
    assert recompute(policy, city.clean, "late") == digest.of_content(table.schema, table.to_batches())
    compute(policy, clean=city.clean, out=city.out, names=["late"])
    assert sorted(path.name for path in city.out.iterdir()) == ["chain.json", "late.parquet"]
    assert sorted(json.loads((city.out / "chain.json").read_text())["inputs"]) == ["early.sql", "late.sql", "receipt.json"]
    (city.out / "mine.txt").write_text("x")
    with pytest.raises(PublishFailure):
        compute(policy, clean=city.clean, out=city.out)
    with pytest.raises(ConfigurationError) as caught:
        compute(policy, clean=city.clean, out=city.folder / "other", names=["latte", "none", "a"])
    assert [(fault.column, fault.remedy) for fault in caught.value.faults][0] == ("features.latte", "did you mean `late`?")
    assert len(caught.value.faults) == 2


def test_values_that_do_not_fit_and_ties_stop_the_run_and_are_not_told(city: City) -> None:
    for sql, kind, column in (
        ("SELECT text AS i FROM b", "int64", "i"), ("SELECT CAST(text AS INT) AS i FROM b", "text", "i"), ("SELECT n * 100 AS i FROM a", "int8", "i"),
        ("SELECT 1 AS i FROM b WHERE CAST(text AS BIGINT) > 3", "int64", ""), ("SELECT id AS h, text AS i FROM b", "int64", "i"),
    ):  # fmt: skip
        error = city.refusal(sql, kind)
        assert (type(error), error.faults[0].column) == (SourceFailure, column)
    for sql, kind, line in (
        ("SELECT\nrow_number() OVER (PARTITION BY person ORDER BY day) AS i FROM a", "int64", 2),
        ("SELECT n AS i FROM a QUALIFY\nlag(n) OVER (ORDER BY day) = 1", "int64", 2),
        ("SELECT lag(person) OVER (ORDER BY day) AS i FROM a", "text", 1),
    ):
        error = city.refusal(sql, kind)
        assert (type(error), error.faults[0].line) == (ConfigurationError, line)
    ordered = "SELECT lag(n) OVER (PARTITION BY person ORDER BY day, id) AS i FROM a"
    parted = "SELECT lag(n) OVER (PARTITION BY id ORDER BY day) AS i FROM a"  # equal days, but not of one id
    city.compute({"f": (ordered, {"i": "int64"}), "g": (parted, {"i": "int64"})})
    assert pq.read_table(city.out / "g.parquet")["i"].to_pylist() == [None] * 4
    assert pq.read_table(city.out / "f.parquet")["i"].to_pylist() == [None, None, None, 2]


def test_clean_sources_are_what_strip_published_and_nothing_is_published_into_them(city: City) -> None:
    features = {"f": ("SELECT id FROM a", {"id": "token"})}
    for out in (city.clean, city.clean / "deep", city.folder):
        with pytest.raises(PublishFailure) as refused_:
            compute(policy_of(city.folder, features), clean=city.clean, out=out)
        assert refused_.value.faults[0].where == str(out)
    kept = {path: path.read_bytes() for path in city.clean.iterdir()}

    def said() -> set[tuple[str, str]]:
        with pytest.raises(SourceFailure) as caught:
            city.compute(features)
        for path, content in kept.items():
            path.write_bytes(content)
        return {(Path(str(fault.where)).name, fault.problem) for fault in caught.value.faults}

    pq.write_table(A[:2], city.clean / "a1.parquet")
    (city.clean / "b.csv").unlink()
    assert said() == {("a1.parquet", "is not what strip published"), ("b.csv", "was published by strip and is gone")}
    pq.write_table(A, city.clean / "a3.parquet")
    assert said() == {("a3.parquet", "is not what strip published")}
    (city.clean / "a3.parquet").unlink()
    (city.clean / "receipt.json").unlink()
    assert said() == {("receipt.json", "is not a receipt of this release")}
    pq.write_table(A.drop_columns("w"), city.clean / "a2.parquet")
    assert said() == {("a2.parquet", "has other columns than the first file of its source")}
