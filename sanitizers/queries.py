"""Queries of features: what they may say, so that a feature holds nothing that the clean sources do not hold.

One file, one SELECT, in DuckDB's dialect. It reads clean sources and other features and nothing else, and calls only the
functions listed here: no readers, no clock, no chance, nothing whose answer depends on the order of rows. What was
checked is what runs: the engine gets the checked tree, written out anew.

A function joins `FUNCTIONS` when engines agree on what it answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pyarrow as pa
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB as Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sanitizers import digest
from sanitizers.documents import nearest, read_text
from sanitizers.errors import ConfigurationError, Fault, Faults, gathered
from sanitizers.policy import Feature, Policy

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
