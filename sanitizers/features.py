"""Features: SQL over clean sources only, so that a feature holds nothing that the clean sources do not hold.

Queries that `sanitizers.queries` has checked run on a connection that can reach nothing but the clean files. Before any
row is read, the engine's own plan is looked at: no sum over floats, no cast that rounds as the engine likes. The answer
is cast to the columns and types that the policy declares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from sanitizers import digest, publish
from sanitizers.documents import nearest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile, files_of, fixed_folder
from sanitizers.errors import ConfigurationError, EngineFailure, Fault, Faults, PublishFailure, SourceFailure, gathered
from sanitizers.policy import Policy
from sanitizers.queries import TIE, Query, aggregates, column_line, queries, quoted
from sanitizers.strip.receipt import RECEIPT, Receipt

FORMAT = 1
CHAIN = "chain.json"
_FRACTIONS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
_WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_ROUNDED = frozenset({"round", "floor", "ceil", "ceiling", "trunc"})


def compute(policy: Policy, *, clean: Path, out: Path, names: Sequence[str] | None = None) -> dict[str, str]:
    """Compute the features of a policy that have a query, and publish them as one folder.

    Parameters
    ----------
    clean
        Folder that `strip_files` published.
    out
        Folder of the features: ``<name>.parquet`` each, rows sorted by all columns with nulls first, and ``chain.json``,
        which says from which receipt and which queries they were made. Equal content gives equal bytes.
    names
        The features to publish; all if None. What they read is computed as well.

    Returns
    -------
    dict
        Feature → SHA-256 of its file.

    Raises
    ------
    ConfigurationError
        See `queries`; a column that no source has; sums over floats; an answer with other columns than declared.
    SourceFailure
        The clean folder is not what strip published, or a value does not fit its declared type.

    Examples
    --------
    >>> compute(Policy.load(Path("sealing.yaml")), clean=Path("clean"), out=Path("features"))  # doctest: +SKIP
    {'person_history': '9f2c…'}
    """
    _apart(out, clean)
    plan = _needed(queries(policy), names)
    with publish.publishing(out) as stage:
        with _computed(policy, plan, clean, stage.scratch) as (connection, receipt):
            outputs = {}
            for name in plan if names is None else names:
                path = stage.new / f"{name}.parquet"
                with pa.parquet.ParquetWriter(path, plan[name].schema) as writer:
                    for rows in _rows(connection, plan[name]):
                        writer.write_table(rows, row_group_size=ROWS)
                outputs[name] = digest.of_file(path)
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
    """Content digest of a feature, computed anew; nothing is written.

    Raises
    ------
    SealproofError
        See `compute`.
    """
    plan = _needed(queries(policy), [name])
    with _computed(policy, plan, clean, None) as (connection, _):
        query = plan[name]
        return digest.of_content(query.schema, (batch for rows in _rows(connection, query) for batch in rows.to_batches()))


def _apart(out: Path, clean: Path) -> None:
    one, other = out.absolute(), clean.absolute()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise PublishFailure(Fault("holds the clean sources", "name another folder with --out", where=str(out)))


def _needed(plan: dict[str, Query], names: Sequence[str] | None) -> dict[str, Query]:
    """The queries of `names` and what they read, in order."""
    if names is None:
        return plan
    faults = Faults()
    for name in names:
        if name not in plan:
            faults.say("is no feature with a query", nearest(name, set(plan)), where="sealing.yaml", column=f"features.{name}")
    faults.stop(ConfigurationError)
    needed = set(names)
    for name in reversed(plan):
        if name in needed:
            needed |= plan[name].reads
    return {name: query for name, query in plan.items() if name in needed}


@contextmanager
def _computed(policy: Policy, plan: dict[str, Query], clean: Path, scratch: Path | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection that holds the features of `plan`, and the receipt's SHA-256."""
    files = _clean_files(policy, plan, clean)
    receipt = _check_published(clean, files)
    with DuckDB(scratch) as engine:
        connection = engine.confined(files)
        for query in plan.values():
            _check_bound(connection, query)
            _execute(connection, query, f"CREATE TABLE {_quoted(query.name)} AS {query.cast}")
        yield connection, receipt


def _clean_files(policy: Policy, plan: dict[str, Query], clean: Path) -> dict[str, tuple[RawFile, ...]]:
    """The clean files of each source that the plan reads: where strip put them, by the policy's own patterns."""
    patterns = {name: policy.resolve(source.path).absolute() for name, source in policy.sources.items()}
    common = os.path.commonpath([fixed_folder(str(pattern)) for pattern in patterns.values()])
    root = clean.absolute()
    read = frozenset[str]().union(*(query.reads for query in plan.values()))
    faults = Faults()
    found = {}
    for name in sorted(read & policy.sources.keys()):
        pattern = str(patterns[name].relative_to(common))
        with gathered(faults):
            found[name] = files_of(pattern, policy.sources[name].read, folder=root, root=root)
            for file in found[name]:
                if not file.schema.equals(found[name][0].schema):
                    faults.say("has other columns than the first file of its source", "list it as a source of its own",
                               where=f"{name}: {file.name}")
    faults.stop(SourceFailure)
    return found


def _check_published(clean: Path, files: dict[str, tuple[RawFile, ...]]) -> str:
    """SHA-256 of the receipt, if every file to be read is the one it names, and none that it names is gone."""
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


def _check_bound(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    """Check what the engine makes of a query before any row is read: names, the answer's columns, types."""
    bound = _plan(connection, query, query.sql)
    if bound["error"]:
        raise ConfigurationError(_unbound(connection, query, bound))
    given = [row[0] for row in _execute(connection, query, f"DESCRIBE {query.sql}").fetchall()]
    declared = list(query.types)
    if given != declared:
        missing = [name for name in declared if name not in given]
        more = [name for name in given if name not in declared]
        problem = "; ".join(
            f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("not declared", more)) if names
        )
        remedy = f"answer exactly {', '.join(declared)}, each once, or change `columns:` in sealing.yaml"
        raise ConfigurationError(Fault(f"columns differ from the declared ones: {problem or 'order or number'}", remedy, where=query.where))
    Faults(_fraction_faults(_plan(connection, query, query.cast), query)).stop(ConfigurationError)


def _plan(connection: duckdb.DuckDBPyConnection, query: Query, sql: str) -> dict[str, Any]:
    """The engine's own plan of a query, with the types it found; or what it could not make out."""
    told = connection.execute("SELECT json_serialize_plan(?)", [sql]).fetchone()
    return json.loads(told[0])


def _unbound(connection: duckdb.DuckDBPyConnection, query: Query, bound: dict[str, Any]) -> Fault:
    """What the engine could not make out, in our words."""
    name = str(bound.get("name", ""))
    line = next((_line(node) for node in query.tree.walk() if isinstance(node, exp.Column) and node.name.lower() == name.lower()), None)
    if bound.get("error_subtype") == "COLUMN_NOT_FOUND":
        columns = "SELECT DISTINCT column_name FROM duckdb_columns() WHERE schema_name = 'confined' AND list_contains(?, table_name)"
        known = {row[0] for row in connection.execute(columns, [sorted(query.reads)]).fetchall()}
        return Fault("no such column", nearest(name, known), where=query.where, column=name, line=line)
    remedy = "look at names, GROUP BY and types: every column of a CSV source is text until it is CAST"
    return Fault(f"the engine cannot make out the query ({bound.get('error_type')})", remedy, where=query.where, column=name, line=line)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
    for part in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ():
        yield from _nodes(part)


def _fraction_faults(plan: dict[str, Any], query: Query) -> Iterator[Fault]:
    """Aggregates over floats, whose last bits depend on the order of rows, and casts that round as the engine likes."""
    calls = [call for call in query.tree.find_all(exp.Anonymous) if call.name.lower() in ("sum", "avg")]
    line = _line(calls[0]) if len(calls) == 1 else None
    for node in _nodes(plan):
        what = node.get("expression_class")
        if what in ("BOUND_AGGREGATE", "BOUND_WINDOW") and node.get("name") not in (None, "", "min", "max", "count"):
            if {kind["id"] for kind in node["arguments"]} & {"FLOAT", "DOUBLE"}:
                yield Fault("sums floats: the last digits depend on the order of rows", "sum CAST(x AS DECIMAL(18, 6))",
                            where=query.where, column=node["name"], line=line)
        elif what == "BOUND_CAST" and node["return_type"]["id"] in _WHOLE:
            given = node["child"]["return_type"]
            if given["id"] in _FRACTIONS and node["child"].get("name") not in _ROUNDED and (given["type_info"] or {}).get("scale") != 0:
                yield Fault("casts a fraction to a whole number: engines round it differently", "CAST(ROUND(x) AS BIGINT)",
                            where=query.where)


def _execute(connection: duckdb.DuckDBPyConnection, query: Query, sql: str) -> duckdb.DuckDBPyConnection:
    """Run a statement of a query; the engine's own words are withheld, because they may quote the data."""
    try:
        return connection.execute(sql)
    except duckdb.Error as error:
        tie = _TIE.search(str(error))
        unfit = isinstance(error, duckdb.DataError | duckdb.InvalidInputException)
        kind = type(error).__name__
    if tie:
        line = int(tie[1]) if tie[1] else None
        remedy = "add the columns of a primary key to its ORDER BY"
        raise ConfigurationError(Fault("the ORDER BY of a window leaves rows equal", remedy, where=query.where, line=line))
    if unfit:
        raise SourceFailure(_unfit(connection, query))
    remedy = "its message is withheld, because it may quote the data"
    raise EngineFailure(Fault(f"the engine failed ({kind})", remedy, where=query.where))


def _unfit(connection: duckdb.DuckDBPyConnection, query: Query) -> Fault:
    """Which part of a query meets a value that does not fit."""
    inside = Fault("a value does not fit a cast or a calculation", "try_cast and try_strptime give null", where=query.where)
    probes = [("", "*"), *((name, f"CAST({_quoted(name)} AS {kind})") for name, (kind, _) in query.types.items())]
    for name, counted in probes:
        try:
            connection.execute(f"SELECT count({counted}) FROM ({query.sql}) AS answer")
        except duckdb.Error:
            return Fault("a value does not fit the declared type", "declare a wider type, or mend the query", where=query.where, column=name) if name else inside
    return inside


def _rows(connection: duckdb.DuckDBPyConnection, query: Query) -> Iterator[pa.Table]:
    """The rows of a computed feature in total order, in tables of `ROWS`; one zero and one NaN."""
    waiting = query.schema.empty_table()
    ordered = f"SELECT * FROM {_quoted(query.name)} ORDER BY ALL NULLS FIRST"
    for batch in _execute(connection, query, ordered).to_arrow_reader(ROWS):
        columns = [_tidy(column) for column in pa.Table.from_batches([batch]).cast(query.schema).columns]
        waiting = pa.concat_tables([waiting, pa.table(columns, schema=query.schema)])
        while waiting.num_rows >= ROWS:
            yield waiting[:ROWS].combine_chunks()
            waiting = waiting[ROWS:]
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _tidy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), float("nan"), pc.add(column, 0.0))


__all__ = ["CHAIN", "FUNCTIONS", "Query", "compute", "queries", "recompute"]
