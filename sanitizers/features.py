"""Features: SQL over clean sources only, so that a feature holds nothing that the clean sources do not hold.

One file, one query, in DuckDB's dialect. A query reads clean sources and other features and nothing else, and calls only
the functions listed here: no readers, no clock, no chance, nothing whose answer depends on the order of rows. What was
checked is what runs: the engine gets the checked tree, written out anew, on a connection that can reach nothing but the
clean files. The answer is cast to the columns and types that the policy declares.

A function joins `FUNCTIONS` when engines agree on what it answers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB as Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sanitizers import digest, documents, publish
from sanitizers.documents import nearest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile, files_of, fixed_folder
from sanitizers.errors import ConfigurationError, EngineFailure, Fault, Faults, PublishFailure, SourceFailure, gathered
from sanitizers.policy import Feature, Policy
from sanitizers.strip.receipt import RECEIPT, Receipt

FORMAT = 1
CHAIN = "chain.json"
FUNCTIONS = frozenset(
    """
    count count_if sum avg min max bool_and bool_or
    rank dense_rank row_number lag lead first_value last_value
    coalesce ifnull nullif greatest least
    abs ceil ceiling floor round trunc sign sqrt
    lower upper trim ltrim rtrim length substring substr left right replace starts_with ends_with contains lpad rpad strpos
    year quarter month day hour minute isodow date_trunc date_diff datediff make_date strptime try_strptime strftime
    len list_contains unnest range generate_series
    """.split()
)


# -- what a query may say ---------------------------------------------------------------------------------------------

_NODES = frozenset(
    """
    Select From Join Where Group Having Qualify Order Ordered With CTE TableAlias Subquery Table Alias Column Identifier
    Literal Boolean Null Star Paren Tuple Array Values Unnest Union Intersect Except Distinct Exists In Between Like ILike
    Escape Is NullSafeEQ NullSafeNEQ EQ NEQ GT GTE LT LTE And Or Not Neg Add Sub Mul Div IntDiv Mod DPipe Case If Cast
    TryCast DataType DataTypeParam Extract Interval IntervalSpan Var Filter Window WindowSpec
    """.split()
)
_TYPES = frozenset(
    "BOOLEAN TINYINT SMALLINT INT BIGINT INT128 DECIMAL FLOAT DOUBLE TEXT VARCHAR DATE TIMESTAMP INTERVAL".split()
)
_PARTS = frozenset("YEAR QUARTER MONTH DAY HOUR MINUTE ISODOW".split())
_SETS = frozenset({"range", "generate_series", "unnest"})
_BY_PLACE = frozenset({"row_number", "lag", "lead", "first_value", "last_value"})
_FRACTIONS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
_WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_ROUNDED = frozenset({"round", "floor", "ceil", "ceiling", "trunc"})
_TIE = re.compile(r"sealproof: tie, line (\d*)")

_Why = tuple[str, str]
_CLOCK = ("asks the clock", "write the date out, or read it from a clean source")
_CHANCE = ("answers anew each time", "leave chance to the model, with a seed")
_ORDER = ("depends on the order of rows", "MIN, MAX, or RANK() with ORDER BY say which rows are meant")
_OUTSIDE = ("reads something else than clean sources", "declare it as a source of the policy and strip it")
_REASONS: dict[str, _Why] = {
    **dict.fromkeys(
        """now today current_date currentdate current_time currenttime current_timestamp currenttimestamp localtime
        currentdatetime localtimestamp get_current_time get_current_timestamp transaction_timestamp age""".split(),
        _CLOCK,
    ),
    **dict.fromkeys("random setseed uuid uuidv4 uuidv7 gen_random_uuid nextval currval hash".split(), _CHANCE),
    **dict.fromkeys(
        """limit offset fetch tablesample first last any_value arbitrary list array_agg string_agg group_concat listagg
        arg_max arg_min max_by min_by mode ntile nth_value positionalcolumn""".split(),
        _ORDER,
    ),
    **dict.fromkeys(
        """read_csv read_csv_auto read_parquet parquet_scan read_json read_json_auto read_text read_blob glob sniff_csv
        query query_table getenv getvariable historicaldata""".split(),
        _OUTSIDE,
    ),
}


class _Parser(DuckDBParser):
    """DuckDB's grammar with every function kept as it is written, under its own name."""

    FUNCTIONS: dict[str, Any] = {}
    FUNCTION_PARSERS = {name: DuckDBParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST", "EXTRACT")}


@dataclass(frozen=True)
class Query:
    """The query of one feature, checked.

    Parameters
    ----------
    name
        The feature.
    where
        Path of the SQL file, as the policy writes it.
    sha256
        Of the SQL file.
    tree
        What runs.
    reads
        The sources and features it reads.
    types
        Column → DuckDB's type and Arrow's, in the declared order.
    """

    name: str
    where: str
    sha256: str
    tree: exp.Query
    reads: frozenset[str]
    types: dict[str, tuple[str, pa.DataType]]

    @property
    def sql(self) -> str:
        """The query as the engine gets it."""
        return self.tree.sql(
            Dialect, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
        )

    @property
    def cast(self) -> str:
        """The query with its answer cast to the declared types."""
        columns = (f"CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" for name, (kind, _) in self.types.items())
        return f"SELECT {', '.join(columns)} FROM ({self.sql}) AS answer"  # noqa: S608 - a checked tree, quoted names

    @property
    def schema(self) -> pa.Schema:
        """Columns and types of the feature."""
        return pa.schema([(name, arrow) for name, (_, arrow) in self.types.items()])


def queries(policy: Policy) -> dict[str, Query]:
    """The queries of a policy's features, checked without any data, each after those it reads.

    Raises
    ------
    ConfigurationError
        Not one SELECT; a table that is neither a source nor a feature; a function or a construct that is not listed; a
        type that is not known; features that need each other. All together, with lines where the parser tells them.
    """
    faults = Faults()
    found: dict[str, Query] = {}
    for name, feature in policy.features.items():
        if name in policy.sources:
            faults.say("is the name of a source too", "rename one", where="sealing.yaml", column=f"features.{name}")
        if feature.sql is not None:
            with gathered(faults):
                found[name] = _query(policy, name, feature, feature.sql)
    faults.stop(ConfigurationError)
    try:
        order = list(TopologicalSorter({name: sorted(query.reads & found.keys()) for name, query in found.items()}).static_order())
        return {name: found[name] for name in order}
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
    remedy = "let one of them read clean sources only"
    raise ConfigurationError(Fault(f"features need each other: {cycle}", remedy, where="sealing.yaml", column="features"))


def _query(policy: Policy, name: str, feature: Feature, where: str) -> Query:
    path = policy.resolve(where)
    tree = _parsed(documents.read_text(path), where)
    faults = Faults(_faults(tree, where))
    reads = frozenset(_tables(tree, policy, where, faults))
    types = _declared(name, feature, faults)
    faults.stop(ConfigurationError)
    _guard_ties(tree)
    return Query(name, where, digest.of_file(path), tree, reads, types)


def _parsed(text: str, where: str) -> exp.Query:
    line = None
    try:
        parser = _Parser(dialect=Dialect(), error_level=ErrorLevel.IMMEDIATE)
        trees = [tree for tree in parser.parse(Dialect().tokenize(text), text) if tree is not None]
    except SqlglotError as error:
        told = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line = told.get("line")
        trees = None
    if trees is None:
        raise ConfigurationError(Fault("is not SQL that can be parsed", "mend the syntax", where=where, line=line))
    statements = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1:
        raise ConfigurationError(Fault(f"holds {len(statements)} statements", "write one SELECT", where=where))
    if not isinstance(statements[0], exp.Select | exp.SetOperation):
        raise ConfigurationError(Fault("is not a SELECT", "write one SELECT", where=where))
    return statements[0]


def _line(node: exp.Expression) -> int | None:
    return next((found.meta["line"] for found in node.walk() if "line" in found.meta), None)


def _faults(tree: exp.Query, where: str) -> Iterator[Fault]:
    """What a query may not say, whatever it reads."""
    for node in tree.walk():
        called = isinstance(node, exp.Anonymous)
        word = node.name.lower() if called else node.key
        why = _misused(node)
        if why is None and not (word in FUNCTIONS if called else type(node).__name__ in _NODES):
            other = f"is no function that features may call" if called else "is not used in features"
            why = _REASONS.get(word) or (other, nearest(word, set(FUNCTIONS)) if called else "say it another way")
        if why is not None:
            yield Fault(why[0], why[1], where=where, column=word, line=_line(node))


def _misused(node: exp.Expression) -> _Why | None:
    """Why a listed construct may not be used in this way; None if it may."""
    match node:
        case exp.Distinct() if node.args.get("on"):
            return _ORDER
        case exp.Join() if node.args.get("method") not in (None, "", "NATURAL"):
            return _ORDER
        case exp.Window() if node.args.get("alias"):
            return "is a named window", "write it out after OVER"
        case exp.Window() if _by_place(node) and not node.args.get("order"):
            return _ORDER
        case exp.With() if node.args.get("recursive"):
            return "is recursive", "say it without RECURSIVE"
        case exp.Column() if not node.table and node.name.lower() in _REASONS:
            return "may be read as a function", f"write `table.{node.name}`"
        case exp.Extract() if node.name.upper() not in _PARTS:
            return "extracts a part on which engines differ", f"extract one of {', '.join(sorted(_PARTS)).lower()}"
        case exp.DataType() if node.this.name not in _TYPES:
            return "is a type on which engines differ", f"cast to one of {', '.join(sorted(_TYPES))}"
    return None


def _by_place(window: exp.Window) -> bool:
    """Whether the answer depends on how rows are ordered that the window's ORDER BY does not tell apart."""
    frame = window.args.get("spec")
    rows = frame is not None and str(frame.args.get("kind", "")).upper() == "ROWS"
    return rows or any(call.name.lower() in _BY_PLACE for call in window.this.find_all(exp.Anonymous))


def _guard_ties(tree: exp.Query) -> None:
    """Make every window that depends on the order of rows stop the query where its ORDER BY leaves two rows equal."""
    for window in reversed([window for window in tree.find_all(exp.Window) if _by_place(window)]):
        keys = [*window.args.get("partition_by", []), *(ordered.this for ordered in window.args["order"].expressions)]
        count = exp.Anonymous(this="count", expressions=[exp.Star()])
        equal = exp.Window(this=count, partition_by=[key.copy() for key in keys])
        told = exp.Literal.string(f"sealproof: tie, line {_line(window) or ''}")
        stop = exp.If(this=exp.GT(this=equal, expression=exp.Literal.number(1)), true=exp.Anonymous(this="error", expressions=[told]))
        window.replace(exp.Case(ifs=[stop], default=window.copy()))


def _tables(tree: exp.Query, policy: Policy, where: str, faults: Faults) -> Iterator[str]:
    """The sources and features that a query reads; every other table is a fault."""
    for table in tree.find_all(exp.Table):
        name, line = table.name.lower(), _line(table)
        if isinstance(table.this, exp.Anonymous):
            if name not in _SETS:
                faults.say(*_OUTSIDE, where=where, column=name, line=line)
        elif table.db or table.catalog:
            faults.say("is a table of another schema", "name a source or a feature alone", where=where, column=table.sql(Dialect), line=line)
        elif _named_in_query(table):
            continue
        elif name in policy.sources or (name in policy.features and policy.features[name].sql is not None):
            yield name
        elif name in policy.features:
            faults.say("is made by a stage, not by a query", "join it in that stage", where=where, column=name, line=line)
        else:
            known = {*policy.sources, *policy.features}
            faults.say("is neither a clean source nor a feature", nearest(name, known), where=where, column=table.name, line=line)


def _named_in_query(table: exp.Table) -> bool:
    """Whether a WITH around the table, and before it, gives its name."""
    node: exp.Expression = table
    while node.parent is not None:
        inside, node = node, node.parent
        named = node.expressions if isinstance(node, exp.With) else getattr(node, "ctes", [])
        before = named[: named.index(inside)] if isinstance(node, exp.With) else named if not isinstance(inside, exp.With) else []
        if table.name.lower() in {cte.alias.lower() for cte in before}:
            return True
    return False


_DECLARED: dict[str, tuple[str, pa.DataType]] = {
    "token": ("VARCHAR", pa.string()),
    "text": ("VARCHAR", pa.string()),
    "int8": ("TINYINT", pa.int8()),
    "int16": ("SMALLINT", pa.int16()),
    "int32": ("INTEGER", pa.int32()),
    "int64": ("BIGINT", pa.int64()),
    "float64": ("DOUBLE", pa.float64()),
    "bool": ("BOOLEAN", pa.bool_()),
    "date": ("DATE", pa.date32()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
}


def _declared(name: str, feature: Feature, faults: Faults) -> dict[str, tuple[str, pa.DataType]]:
    """The types of a feature's columns."""
    types = {}
    for column, kind in feature.columns.items():
        decimal = re.fullmatch(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", kind)
        if kind in _DECLARED:
            types[column] = _DECLARED[kind]
        elif decimal and 0 <= int(decimal[2]) <= int(decimal[1]) <= 38 and int(decimal[1]):  # noqa: PLR2004
            digits, scale = int(decimal[1]), int(decimal[2])
            types[column] = (f"DECIMAL({digits}, {scale})", pa.decimal128(digits, scale))
        else:
            remedy = nearest(kind, [*_DECLARED, "decimal(18, 6)"])
            faults.say("is no type of a feature", remedy, where="sealing.yaml", column=f"features.{name}.columns.{column}")
    return types


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# -- running ----------------------------------------------------------------------------------------------------------


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
