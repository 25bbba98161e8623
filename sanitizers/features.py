"""Features: SQL over clean sources only, so that a feature holds nothing that the clean sources do not hold.

Queries that `sanitizers.queries` has checked run on a connection that can reach nothing but the clean files. Before any
row is read, the engine's own plan is looked at: no sum over floats, no cast that rounds as the engine likes. The answer
is cast to the columns and types that the policy declares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlglot import exp

from sanitizers import digest, publish
from sanitizers.digest import CHAIN
from sanitizers.documents import nearest, nearest_column
from sanitizers.engine.choice import DUCKDB, opened
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile
from sanitizers.engine.interrupts import interruptible
from sanitizers.engine.scanned import quoted
from sanitizers.engine.spark import CAST, Spark
from sanitizers.engine.types import survives
from sanitizers.errors import (
    ConfigurationError,
    EngineFailure,
    Fault,
    Faults,
    PublishFailure,
    SealproofError,
    SourceFailure,
)  # fmt: skip
from sanitizers.policy import Policy
from sanitizers.queries import TIE, Query, queries
from sanitizers.spark_sql import UNFIT, translated
from sanitizers.strip.receipt import RECEIPT, Receipt
from sanitizers.trace import clean_files

READY = Path(__file__).parent / "ready"
"""Queries for arrests data that a user copies, and the lines of a policy that declare them."""

FORMAT = 1
SUMS_FLOATS = "sums floats, whose last digits depend on the order of rows"
_FRACTIONS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
_WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_NAME = re.compile(r'"?(\w+)"?(?:\."(\w+)")?')
_UNFIT_VALUE = (
    "a value does not fit a cast or a calculation, or a subquery answers several rows",
    "TRY_CAST and try_strptime answer null where a value does not fit",
)
_DOES_NOT_FIT = re.compile(
    r"\[(CAST_INVALID_INPUT|CAST_OVERFLOW\w*|ARITHMETIC_OVERFLOW|NUMERIC_VALUE_OUT_OF_RANGE[\w.]*|DATETIME_OVERFLOW|"
    r"DATETIME_FIELD_OUT_OF_BOUNDS[\w.]*|SCALAR_SUBQUERY_TOO_MANY_ROWS|INVALID_\w+)\]"
)
T = TypeVar("T")
_EXACT = (None, "", "min", "max", "count")
_ROUNDED = frozenset({"round", "floor", "ceil", "ceiling", "trunc"})


def compute(
    policy: Policy, *, clean: Path, out: Path, names: Sequence[str] | None = None, engine: str = DUCKDB
) -> dict[str, str]:
    r"""Compute the features of a policy that have a query, and publish them as one folder.

    Parameters
    ----------
    clean
        Folder that `strip_files` published.
    out
        Folder of the features: ``<name>.parquet`` each, rows sorted by all columns with nulls first, and
        ``chain.json``, which says from which receipt and queries they were made. Equal content gives equal bytes.
    names
        The features to publish; all if None. What they read is computed as well.
    engine
        Where it runs: see `opened`.

    Returns
    -------
    dict
        Feature → SHA-256 of its file.

    Raises
    ------
    ConfigurationError
        See `queries`; a column that no source has; a sum over floats; an answer with other columns than declared.
    SourceFailure
        The clean folder is not what strip published, or a value does not fit its declared type.

    Examples
    --------
    >>> import tempfile
    >>> from sanitizers.strip.receipt import Receipt
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "clean").mkdir()
    >>> _ = (folder / "clean/a.csv").write_text("id,person\ntok_1,tok_8\ntok_2,tok_8\n")
    >>> receipt = Receipt("", "", "", "", "", "", "", {}, digest.of_folder(folder / "clean"))
    >>> _ = (folder / "clean/receipt.json").write_text(receipt.to_json())
    >>> _ = (folder / "n.sql").write_text("SELECT person, count(*) AS n FROM arrests GROUP BY person")
    >>> _ = (folder / "sealing.yaml").write_text('''
    ... version: 1
    ... rules: us-ny
    ... purpose: predictive-model
    ... register: {snapshot: ny.snap}
    ... sources:
    ...   arrests: {path: raw/a.csv, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}
    ... features: {n: {sql: n.sql, columns: {person: token, n: int64}}}
    ... ''')
    >>> policy = Policy.load(folder / "sealing.yaml")
    >>> files = compute(policy, clean=folder / "clean", out=folder / "features")
    >>> pa.parquet.read_table(folder / "features/n.parquet").to_pylist()
    [{'person': 'tok_8', 'n': 2}]
    """
    _apart(out, clean)
    plan = _needed(queries(policy), names)
    outputs = {}
    with (
        publish.publishing(out, mark=CHAIN, named=digest.made_files) as stage,
        _computed(policy, plan, clean, stage.scratch, engine) as (answering, receipt),
    ):
        for query, tables in _answers(answering, plan, plan if names is None else names):
            path = stage.new / f"{query.name}.parquet"
            with pa.parquet.ParquetWriter(path, query.schema) as writer:
                for rows in tables:
                    writer.write_table(rows, row_group_size=ROWS)
            outputs[query.name] = digest.of_file(path)
        chain = {
            "format": FORMAT,
            "made_by": "features",
            "policy": policy.digest,
            "inputs": {RECEIPT: receipt, **{query.where: query.sha256 for query in plan.values()}},
            "outputs": {f"{name}.parquet": sha256 for name, sha256 in outputs.items()},
        }
        (stage.new / CHAIN).write_text(json.dumps(chain, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return outputs


def recompute(policy: Policy, clean: Path, name: str) -> str:
    """Content digest of a feature, computed anew from clean sources; nothing is written.

    Raises
    ------
    SealproofError
        See `compute`.
    """
    plan = _needed(queries(policy), [name])
    with _computed(policy, plan, clean, None, DUCKDB) as (answering, _):
        query, tables = next(_answers(answering, plan, [name]))
        return digest.of_content(query.schema, (batch for rows in tables for batch in rows.to_batches()))


def _apart(out: Path, clean: Path) -> None:
    one, other = out.absolute(), clean.absolute()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise PublishFailure(Fault("holds the clean sources", "name another folder with --out", where=str(out)))


def _needed(plan: dict[str, Query], names: Sequence[str] | None) -> dict[str, Query]:
    """Keep the queries of `names` and those that they read, in order."""
    if names is None:
        return plan
    faults = Faults()
    for name in names:
        if name not in plan:
            remedy = nearest(name, set(plan))
            faults.say("is no feature with a query", remedy, where="sealing.yaml", column=f"features.{name}")
    faults.stop(ConfigurationError)
    needed = set(names)
    for name in reversed(plan):
        if name in needed:
            needed |= plan[name].reads
    return {name: query for name, query in plan.items() if name in needed}


@dataclass(frozen=True)
class _Answering:
    """A DuckDB connection that can reach the clean files and nothing else; with a cluster, one that answers nothing."""

    connection: duckdb.DuckDBPyConnection
    spark: Spark | None = None
    unseen: frozenset[str] = frozenset()


@contextmanager
def _computed(
    policy: Policy, plan: dict[str, Query], clean: Path, scratch: Path | None, engine: str
) -> Iterator[tuple[_Answering, str]]:
    """Yield what can answer queries over the clean files of `plan`, and the SHA-256 of the receipt."""
    files = _clean_files(policy, plan, clean)
    receipt = _check_published(clean, files)
    with opened(engine, scratch) as own:
        if isinstance(own, DuckDB):
            yield _Answering(own.confined(files)), receipt
            return
        assert isinstance(own, Spark)  # noqa: S101 - there is no other
        with unfilled({name: source[0].schema for name, source in files.items()}) as connection:
            unseen = [column.lower() for name, source in files.items() for column in own.show(name, source)]
            yield _Answering(connection, own, frozenset(unseen)), receipt


def _answers(
    answering: _Answering, plan: dict[str, Query], names: Iterable[str]
) -> Iterator[tuple[Query, Iterator[pa.Table]]]:
    """Yield the answers of some queries, each after those that it reads; what others read is held in the engine."""
    read = frozenset[str]().union(*(query.reads for query in plan.values()))
    connection = answering.connection
    for name, query in plan.items():
        check_bound(connection, query)
        answer = query.cast
        if answering.spark:
            answer = _by_spark(answering, answering.spark, query, wanted=name in names)
        elif name in read:
            _execute(connection, query, f"CREATE TABLE {quoted(name)} AS {answer}")
            answer = f"SELECT * FROM {quoted(name)}"  # noqa: S608 - a quoted name
        if name in names:
            yield query, _rows(connection, query, answer)


def _by_spark(answering: _Answering, spark: Spark, query: Query, *, wanted: bool) -> str:
    """Have the cluster answer a query; what is wanted is brought here, to be put in order and written."""
    columns = {node.name.lower(): node for node in query.tree.find_all(exp.Column)}
    starred = answering.unseen if query.tree.find(exp.Star) else frozenset()
    faults = Faults()
    for name in sorted((answering.unseen & columns.keys()) | starred):
        faults.say("Spark would change a column of this type", CAST, where=query.where, column=name)
    faults.stop(ConfigurationError)
    failure = partial(_failure, query)
    connection = answering.connection

    def makes_sense(other: Query) -> bool:
        return not _plan(connection, other, other.sql)["error"]

    spark.answer(query.name, translated(query, makes_sense), failure)
    add_unfilled(connection, query.name, query.schema)
    if wanted:
        connection.register("sealproof_answer", spark.answered(query.name, query.schema, failure))
    return "SELECT * FROM sealproof_answer"


def _failure(query: Query, told: str) -> SealproofError:
    """Our error for what Spark says of a query; its own words go no further."""
    if tie := TIE.search(told):
        return _tie(query, tie)
    if UNFIT in told or _DOES_NOT_FIT.search(told):
        return SourceFailure(Fault(*_UNFIT_VALUE, where=query.where))
    problem = "Spark cannot answer the query"
    return EngineFailure(Fault(problem, "run it with `--engine duckdb`", where=query.where))


def _clean_files(policy: Policy, plan: dict[str, Query], clean: Path) -> dict[str, tuple[RawFile, ...]]:
    """Find the clean files of each source that is read; those of one source have the same columns."""
    read = sorted({name for query in plan.values() for name in query.reads} & policy.sources.keys())
    found = clean_files(policy, clean, read)
    faults = Faults()
    for file in (file for files in found.values() for file in files[1:]):
        first = next(files[0] for files in found.values() if file in files)
        if not file.schema.equals(first.schema):
            remedy = "list it as a source of its own"
            faults.say("has other columns than the first file of its source", remedy, where=str(file.path))
    faults.stop(SourceFailure)
    return found


def _check_published(clean: Path, files: dict[str, tuple[RawFile, ...]]) -> str:
    """Digest the receipt; every file to be read must be one that it names, and none that it names may be gone."""
    known = Receipt.read(clean / RECEIPT).files
    faults = Faults()
    for file in (file for own in files.values() for file in own):
        if known.get(file.name) != digest.of_file(file.path):
            faults.say("is not what strip published", "run `sealproof strip` again", where=str(file.path))
    for name in known:
        if not (clean / name).is_file():
            faults.say("was published by strip and is gone", "run `sealproof strip` again", where=str(clean / name))
    faults.stop(SourceFailure)
    return digest.of_file(clean / RECEIPT)


# -- what the engine makes of a query ---------------------------------------------------------------------------------


@contextmanager
def unfilled(schemas: Mapping[str, pa.Schema]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that holds tables without any row, for queries to be looked at and not run.

    Parameters
    ----------
    schemas
        By name. Columns of a type that queries do not see are left out.
    """
    with DuckDB() as engine:
        connection = engine.confined({})
        for name, schema in schemas.items():
            add_unfilled(connection, name, schema)
        yield connection


def add_unfilled(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> None:
    """Put one more table without any row beside the others."""
    seen = pa.schema([field for field in schema if survives(field.type)])
    connection.register("sealproof_schema", seen.empty_table())
    connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM sealproof_schema")  # noqa: S608 - a quoted name
    connection.unregister("sealproof_schema")


def float_sums(connection: duckdb.DuckDBPyConnection, query: Query) -> int:
    """How many aggregates of a query, as the engine plans it, sum floats.

    Raises
    ------
    ConfigurationError
        The engine cannot make it out.
    """
    planned = _plan(connection, query, query.cast)
    if planned["error"]:
        raise ConfigurationError(_unbound(connection, query, planned))
    return sum(_sums_floats(node) for node in _nodes(planned))


def check_bound(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    """Check names, columns and types of a query before any row is read.

    Raises
    ------
    ConfigurationError
        A column that is not there, an answer with other columns than declared, a sum over floats, a cast that rounds.
    """
    bound = _plan(connection, query, query.sql)
    if bound["error"]:
        raise ConfigurationError(_unbound(connection, query, bound))
    declared, given = list(query.types), _execute(connection, query, f"DESCRIBE {query.sql}").fetchall()
    if [row[0] for row in given] != declared:
        raise ConfigurationError(_other_columns(query, declared, [row[0] for row in given]))
    Faults(_fraction_faults(_plan(connection, query, query.cast), query)).stop(ConfigurationError)


def _plan(connection: duckdb.DuckDBPyConnection, query: Query, sql: str) -> Any:
    """Ask for the engine's own plan of a query, with the types that it found; or what it could not make out."""
    told = _execute(connection, query, "SELECT json_serialize_plan(?)", [sql]).fetchall()
    return json.loads(told[0][0])


def _unbound(connection: duckdb.DuckDBPyConnection, query: Query, bound: dict[str, Any]) -> Fault:
    """Tell in our words what the engine could not make out, and at which name."""
    text = query.sql.encode()[int(bound["position"]) :].decode(errors="ignore") if "position" in bound else ""
    at = _NAME.match(text)
    name = (at[2] or at[1]) if at else ""
    fault = partial(Fault, where=query.where, column=name, line=query.line_of(name))
    columns = "SELECT column_name FROM duckdb_columns() WHERE list_contains(?, table_name)"
    known = {row[0] for row in _execute(connection, query, columns, [sorted(query.reads)]).fetchall()}
    if bound.get("error_subtype") == "COLUMN_NOT_FOUND":
        return fault("no such column", nearest_column(name, sorted(known)))
    remedy = "look at names, GROUP BY and types: every column of a CSV source is text until it is CAST"
    return fault(f"the engine cannot make out the query ({bound.get('error_type')})", remedy)


def _other_columns(query: Query, declared: list[str], given: list[str]) -> Fault:
    differ = {
        "missing": [name for name in declared if name not in given],
        "not declared": [name for name in given if name not in declared],
    }
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in differ.items() if names)
    remedy = f"answer {', '.join(declared)}, in this order, or change `columns:` in sealing.yaml"
    problem = f"the columns are not the declared ones ({told or 'another order, or one twice'})"
    return Fault(problem, remedy, where=query.where)


def _fraction_faults(plan: Any, query: Query) -> Iterator[Fault]:
    """Find aggregates over floats, and casts that round as the engine likes."""
    for node in _nodes(plan):
        if _sums_floats(node):
            remedy = "CAST(x AS DECIMAL(18, 6))"
            yield Fault(SUMS_FLOATS, remedy, where=query.where, column=node["name"], line=query.line_of("sum", "avg"))
        elif _rounds(node):
            problem = "casts a fraction to a whole number, which engines round differently"
            yield Fault(problem, "CAST(ROUND(x) AS BIGINT)", where=query.where)


def _sums_floats(node: dict[str, Any]) -> bool:
    aggregate = node.get("expression_class") in ("BOUND_AGGREGATE", "BOUND_WINDOW") and node.get("name") not in _EXACT
    return aggregate and any(kind["id"] in ("FLOAT", "DOUBLE") for kind in node.get("arguments", []))


def _rounds(node: dict[str, Any]) -> bool:
    if node.get("expression_class") != "BOUND_CAST" or node["return_type"]["id"] not in _WHOLE:
        return False
    return node["child"].get("name") not in _ROUNDED and _has_fraction(node["child"])


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _nodes(part)


def _has_fraction(node: dict[str, Any]) -> bool:
    kind = node.get("return_type") or node.get("value", {}).get("type") or {"id": "BOOLEAN"}
    return kind["id"] in _FRACTIONS and (kind["type_info"] or {}).get("scale") != 0


# -- running ----------------------------------------------------------------------------------------------------------


def _execute(
    connection: duckdb.DuckDBPyConnection, query: Query, sql: str, bound: Sequence[Any] = ()
) -> duckdb.DuckDBPyConnection:
    """Run a statement for a query."""
    return _asked(connection, query, lambda: connection.execute(sql, bound))


def _asked(connection: duckdb.DuckDBPyConnection, query: Query, work: Callable[[], T]) -> T:
    """Let the engine work for a query; its own words are withheld, because they may quote the data."""
    try:
        with interruptible():
            return work()
    except (duckdb.Error, pa.ArrowException) as error:
        tie = TIE.search(str(error))
        unfit = isinstance(error, duckdb.DataError | duckdb.InvalidInputException)
        kind = type(error).__name__
    if tie:
        raise _tie(query, tie)
    if unfit:
        raise SourceFailure(_unfit(connection, query))
    remedy = "its message is withheld, because it may quote the data"
    raise EngineFailure(Fault(f"the engine failed ({kind})", remedy, where=query.where))


def _tie(query: Query, told: re.Match[str]) -> ConfigurationError:
    problem, remedy = "the ORDER BY of a window leaves rows equal", "add the columns of the primary key to it"
    line = int(told[1]) if told[1] else None
    return ConfigurationError(Fault(problem, remedy, where=query.where, line=line))


def _unfit(connection: duckdb.DuckDBPyConnection, query: Query) -> Fault:
    """Find the part of a query that meets a value which does not fit."""
    remedy = _UNFIT_VALUE[1]
    inside = Fault(*_UNFIT_VALUE, where=query.where)
    if not _runs(connection, query, "*"):
        return inside
    for name, (kind, _) in query.types.items():
        if not _runs(connection, query, f"CAST({quoted(name)} AS {kind})"):
            problem = "a value does not fit the declared type, or a cast on the way to it"
            return Fault(problem, f"declare a wider type; {remedy}", where=query.where, column=name)
    return inside


def _runs(connection: duckdb.DuckDBPyConnection, query: Query, counted: str) -> bool:
    try:
        with interruptible():
            connection.execute(f"SELECT count({counted}) FROM ({query.sql}) AS answer")  # noqa: S608 - a checked tree
    except duckdb.Error:
        return False
    return True


def _rows(connection: duckdb.DuckDBPyConnection, query: Query, answer: str) -> Iterator[pa.Table]:
    """Yield the rows of a feature in total order, `ROWS` at a time, with one zero and one NaN."""
    waiting = query.schema.empty_table()
    reader = _execute(connection, query, f"{answer} ORDER BY ALL NULLS FIRST").to_arrow_reader(ROWS)
    while (batch := _asked(connection, query, partial(next, reader, None))) is not None:
        rows = pa.Table.from_batches([batch]).cast(query.schema)
        waiting = pa.concat_tables([waiting, pa.table([_one_zero(column) for column in rows.columns], rows.schema)])
        while waiting.num_rows >= ROWS:
            yield waiting[:ROWS].combine_chunks()
            waiting = waiting[ROWS:]
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _one_zero(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write floats that compare equal with equal bits; DuckDB's sort does so too, but does not promise it."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), float("nan"), pc.add(column, 0.0))


__all__ = [
    "CHAIN", "READY", "SUMS_FLOATS", "add_unfilled", "check_bound", "compute", "float_sums", "recompute", "unfilled"
]  # fmt: skip
