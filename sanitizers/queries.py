"""Queries of features: what they may say, so that a feature holds nothing that the clean sources do not hold.

One file, one SELECT, in DuckDB's dialect. It reads clean sources and other features and nothing else, and calls only
the functions listed here: no readers, no clock, no chance, nothing whose answer depends on the order of rows. What was
checked is what runs: the engine gets the checked tree, written out anew.

A function joins `FUNCTIONS` when engines agree on what it answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB as Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sanitizers import digest
from sanitizers.documents import nearest, read_text
from sanitizers.engine.scanned import quoted
from sanitizers.errors import ConfigurationError, Fault, Faults, gathered
from sanitizers.policy import Feature, Policy


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """
    count count_if sum avg min max bool_and bool_or
    rank dense_rank row_number lag lead first_value last_value
    coalesce ifnull nullif greatest least
    abs ceil ceiling floor round trunc sign sqrt
    lower upper trim ltrim rtrim length substring substr left right replace starts_with ends_with contains
    lpad rpad strpos
    year quarter month day hour minute isodow date_trunc date_diff datediff make_date strptime try_strptime strftime
    len list_contains unnest range generate_series
    """
)
TIE = re.compile(r"sealproof: tie, line ([0-9]*)")
"""What the engine says where a window's ORDER BY leaves two rows equal and the answer depends on which comes first."""

_NODES = _words(
    """
    Select From Join Where Group Having Qualify Order Ordered With CTE TableAlias Subquery Table Alias Column
    Identifier Literal Boolean Null Star Paren Tuple Array Values Unnest Union Intersect Except Distinct Exists In
    Between Like ILike Escape Is NullSafeEQ NullSafeNEQ EQ NEQ GT GTE LT LTE And Or Not Neg Add Sub Mul Div IntDiv
    Mod DPipe Case If Cast TryCast DataType DataTypeParam Extract Interval IntervalSpan Var Filter Window WindowSpec
    """
)
_CASTS = _words("BOOLEAN TINYINT SMALLINT INT BIGINT INT128 DECIMAL FLOAT DOUBLE TEXT VARCHAR DATE TIMESTAMP")
_PARTS = _words("YEAR QUARTER MONTH DAY HOUR MINUTE ISODOW")
_SETS = frozenset({"range", "generate_series", "unnest"})
_BY_PLACE = frozenset({"row_number", "lag", "lead", "first_value", "last_value"})

_Why = tuple[str, str]
_CLOCK = ("asks the clock", "write the date out, or read it from a clean source")
_CHANCE = ("answers anew each time", "leave chance to the model, with a seed")
_ORDER = ("depends on the order of rows", "say which rows are meant: MIN, MAX, or RANK() with ORDER BY")
_OUTSIDE = ("reads something else than clean sources", "declare it as a source of the policy and strip it")
_REASONS: dict[str, _Why] = {
    word: why
    for words, why in (
        (
            """now today age current_date current_time current_timestamp current_datetime localtime localtimestamp
            get_current_time get_current_timestamp transaction_timestamp""",
            _CLOCK,
        ),
        ("random setseed uuid uuidv4 uuidv7 gen_random_uuid nextval currval", _CHANCE),
        (
            """limit offset fetch tablesample first last any_value arbitrary list array_agg string_agg group_concat
            listagg arg_max arg_min max_by min_by mode ntile nth_value""",
            _ORDER,
        ),
        (
            """read_csv read_csv_auto read_parquet parquet_scan read_json read_json_auto read_text read_blob glob
            sniff_csv query query_table getenv getvariable historicaldata""",
            _OUTSIDE,
        ),
    )
    for word in _words(words)
}
# Functions that SQL calls without brackets, so that a column of that name may be read as one.
_BARE = frozenset(
    [
        "current_date",
        "current_time",
        "current_timestamp",
        "current_datetime",
        "localtime",
        "localtimestamp",
        "current_user",
        "user",
        "session_user",
        "current_catalog",
        "current_schema",
        "current_role",
    ]
)
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
_DECIMAL = re.compile(r"decimal\(([1-9]|[12][0-9]|3[0-8]), *([0-9]{1,2})\)")


class _Parser(DuckDBParser):
    """DuckDB's grammar with every function kept under the name that it is written with."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
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

    @cached_property
    def sql(self) -> str:
        """The query as the engine gets it: every name quoted, so that none is read as a function."""
        return self.tree.sql(
            Dialect, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.IGNORE
        )

    @property
    def cast(self) -> str:
        """The query with its answer cast to the declared types."""
        columns = (f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, (kind, _) in self.types.items())
        return f"SELECT {', '.join(columns)} FROM ({self.sql}) AS answer"  # noqa: S608 - a checked tree, quoted names

    @property
    def schema(self) -> pa.Schema:
        """Columns and types of the feature."""
        return pa.schema([(name, arrow) for name, (_, arrow) in self.types.items()])

    def line_of(self, *names: str) -> int | None:
        """Line of the only column or call of one of these names; None where there is none, or more than one."""
        named = (exp.Column, exp.Anonymous)
        lines = [_line(node) for node in self.tree.find_all(*named) if node.name.lower() in {n.lower() for n in names}]
        return lines[0] if len(lines) == 1 else None


def queries(policy: Policy) -> dict[str, Query]:
    """Check the queries of a policy's features without any data, and put each after those that it reads.

    Raises
    ------
    ConfigurationError
        Not one SELECT; a table that is neither a source nor a feature; a function or a construct that is not listed; a
        type that is not known; features that need each other. All together, with lines where the parser tells them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "n.sql").write_text("SELECT person, count(*) AS n FROM arrests GROUP BY person")
    >>> _ = (folder / "sealing.yaml").write_text('''
    ... version: 1
    ... rules: us-ny
    ... purpose: predictive-model
    ... register: {snapshot: ny.snap}
    ... sources:
    ...   arrests: {path: a.csv, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}
    ... features: {n: {sql: n.sql, columns: {person: token, n: int64}}}
    ... ''')
    >>> found = queries(Policy.load(folder / "sealing.yaml"))
    >>> found["n"].sql
    'SELECT "person", count(*) AS "n" FROM "arrests" GROUP BY "person"'
    >>> sorted(found["n"].reads)
    ['arrests']
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
    needs = {name: sorted(query.reads & found.keys()) for name, query in found.items()}
    try:
        return {name: found[name] for name in TopologicalSorter(needs).static_order()}
    except CycleError as error:
        cycle = " → ".join(error.args[1])
    problem, remedy = f"features need each other: {cycle}", "let one of them read clean sources only"
    raise ConfigurationError(Fault(problem, remedy, where="sealing.yaml", column="features"))


def _query(policy: Policy, name: str, feature: Feature, where: str) -> Query:
    path = policy.resolve(where)
    tree = parsed(read_text(path), where)
    faults = Faults(_faults(tree, where))
    reads = frozenset(_tables(tree, policy, where, faults))
    types = _declared(name, feature, faults)
    faults.stop(ConfigurationError)
    _guard_ties(tree)
    return Query(name, where, digest.of_file(path), tree, reads, types)


def parsed(text: str, where: str) -> exp.Query:
    """Parse a query.

    Raises
    ------
    ConfigurationError
        Not SQL, or not one SELECT.
    """
    line = None
    statements = None
    try:
        trees = _Parser(dialect=Dialect()).parse(Dialect().tokenize(text), text)
        statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    except SqlglotError as error:
        told = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line = told.get("line")
    if statements is None:
        raise ConfigurationError(Fault("is not SQL that can be parsed", "mend the syntax", where=where, line=line))
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation):
        problem = "is not a SELECT" if len(statements) == 1 else f"holds {len(statements)} statements"
        raise ConfigurationError(Fault(problem, "write one SELECT", where=where))
    return statements[0]


def _line(node: exp.Expr) -> int | None:
    return next((found.meta["line"] for found in node.walk() if "line" in found.meta), None)


def _faults(tree: exp.Query, where: str) -> Iterator[Fault]:
    """Tell what a query may not say, whatever it reads."""
    return (fault for _, fault in refused(tree, where))


def refused(tree: exp.Query, where: str) -> Iterator[tuple[exp.Expr, Fault]]:
    """What a query may not say, whatever it reads, each with the fault."""
    for node in tree.walk():
        called = isinstance(node, exp.Anonymous)
        word = _word(node)
        why = _misused(node)
        if called and word not in FUNCTIONS and not isinstance(node.parent, exp.Table):
            why = _REASONS.get(word, ("is no function that features may call", nearest(word, set(FUNCTIONS))))
        elif not called and type(node).__name__ not in _NODES:
            why = _REASONS.get(word, ("is not used in features", "say it another way"))
        if why is not None:
            yield node, Fault(*why, where=where, column=word, line=_line(node))


def _word(node: exp.Expr) -> str:
    """Name a node as its author would."""
    if isinstance(node, exp.Anonymous | exp.Column):
        return node.name.lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else node.key


def _misused(node: exp.Expr) -> _Why | None:
    """Tell why a listed construct may not be used in this way; None if it may."""
    match node:
        case exp.Distinct() if node.args.get("on"):
            return _ORDER
        case exp.Join() if node.args.get("method") not in (None, "", "NATURAL"):
            return _ORDER
        case exp.Window() if node.args.get("alias"):
            return "is a named window", "write it out after OVER"
        case exp.Window() if by_place(node) and not node.args.get("order"):
            return _ORDER
        case exp.With() if node.args.get("recursive"):
            return "is recursive", "say it without RECURSIVE"
        case exp.Column() if not node.table and node.name.lower() in _BARE:
            return "may be read as a function", f"write `table.{node.name}`"
        case exp.Extract() if node.name.upper() not in _PARTS:
            return "extracts a part on which engines differ", f"extract one of {', '.join(sorted(_PARTS)).lower()}"
        case exp.DataType() if isinstance(node.parent, exp.Cast) and node.this.name.removesuffix("NTZ") not in _CASTS:
            return "is a type on which engines differ", f"cast to one of {', '.join(sorted(_CASTS))}"
    return None


def by_place(window: exp.Window) -> bool:
    """Tell whether the answer tells rows apart that the window's ORDER BY may leave equal."""
    frame = window.args.get("spec")
    rows = frame is not None and str(frame.args.get("kind", "")).upper() == "ROWS"
    return rows or any(call.name.lower() in _BY_PLACE for call in window.this.find_all(exp.Anonymous))


def _guard_ties(tree: exp.Query) -> None:
    """Make every such window stop the query where its ORDER BY leaves two rows equal."""
    for window in reversed([window for window in tree.find_all(exp.Window) if by_place(window)]):
        keys = [*window.args.get("partition_by", []), *(ordered.this for ordered in window.args["order"].expressions)]
        count = exp.Anonymous(this="count", expressions=[exp.Star()])
        equal = exp.Window(this=count, partition_by=[key.copy() for key in keys])
        told = exp.Literal.string(f"sealproof: tie, line {_line(window) or ''}")
        stop = exp.Anonymous(this="error", expressions=[told])
        tie = exp.If(this=exp.GT(this=equal, expression=exp.Literal.number(1)), true=stop)
        window.replace(exp.Case(ifs=[tie], default=window.copy()))


def _tables(tree: exp.Query, policy: Policy, where: str, faults: Faults) -> Iterator[str]:
    """Name the sources and features that a query reads; every other table is a fault."""
    queried = {name for name, feature in policy.features.items() if feature.sql is not None}
    for table in tree.find_all(exp.Table):
        name = (table.this if isinstance(table.this, exp.Anonymous) else table).name.lower()
        why: _Why | None = None
        if isinstance(table.this, exp.Anonymous):
            why = None if name in _SETS else _REASONS.get(name, _OUTSIDE)
        elif table.db or table.catalog:
            why = ("is a table of another schema", "name a source or a feature alone")
        elif name in policy.sources or name in queried:
            if not _named_by_with(table):
                yield name
        elif name in policy.features:
            why = ("is made by a stage, not by a query", "join it in that stage")
        elif not _named_by_with(table):
            why = ("is neither a clean source nor a feature", nearest(name, {*policy.sources, *queried}))
        if why:
            faults.say(*why, where=where, column=name, line=_line(table))


def _named_by_with(table: exp.Table) -> bool:
    """Tell whether a WITH around the table, and in front of it, gives it its name."""
    inside: exp.Expr = table
    while (node := inside.parent) is not None:
        named: Sequence[exp.Expr] = ()
        if isinstance(node, exp.With):
            named = node.expressions[: inside.index]
        elif isinstance(node, exp.Query) and not isinstance(inside, exp.With):
            named = node.ctes
        if any(cte.alias.lower() == table.name.lower() for cte in named):
            return True
        inside = node
    return False


def stored_as(kind: str) -> tuple[str, pa.DataType] | None:
    """What DuckDB and Arrow call a declared type; None if it is no type of a feature."""
    decimal = _DECIMAL.fullmatch(kind)
    if decimal and int(decimal[2]) <= int(decimal[1]):
        digits, scale = int(decimal[1]), int(decimal[2])
        return f"DECIMAL({digits}, {scale})", pa.decimal128(digits, scale)
    return _DECLARED.get(kind)


def _declared(name: str, feature: Feature, faults: Faults) -> dict[str, tuple[str, pa.DataType]]:
    """Look up the types of a feature's columns."""
    types = {}
    for column, kind in feature.columns.items():
        stored = stored_as(kind)
        if stored is not None:
            types[column] = stored
        else:
            place = f"features.{name}.columns.{column}"
            remedy = nearest(kind, [*_DECLARED, "decimal(18, 6)"])
            faults.say("is no type of a feature", remedy, where="sealing.yaml", column=place)
    return types


__all__ = ["FUNCTIONS", "TIE", "Query", "by_place", "parsed", "queries", "refused", "stored_as"]
