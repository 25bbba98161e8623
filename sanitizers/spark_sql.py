"""Queries of features in Spark's words, saying what they say in DuckDB's.

A query is checked and planned in DuckDB's dialect; here its tree is written in Spark's, function by function. What the
two engines answer differently, or may, is refused by name: no feature rather than another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.spark import Spark as Dialect
from sqlglot.errors import UnsupportedError

from sanitizers.errors import ConfigurationError, Fault
from sanitizers.queries import FUNCTIONS, Query

UNFIT = "sealproof: does not fit"
"""What the engine says where DuckDB would stop: a value that does not fit a calculation."""

_DUCKDB = "run it with `--engine duckdb`"
_BLANKS = "".join(map(chr, [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]))
# Letters whose upper or lower case is not one letter, or depends on where it stands, or on the version of Unicode.
_ODD_LETTERS = r"[\p{L}\p{M}\p{Nl}\x{24B6}-\x{24E9}&&[^A-Za-z\xC0-\xD6\xD8-\xDE\xE0-\xF6\xF8-\xFE]]"
_Make = Callable[[Sequence[exp.Expr]], exp.Expr | None]
_SAME = frozenset(
    str.split(
        """
        count count_if sum min max bool_and bool_or rank dense_rank row_number lag lead first_value last_value
        coalesce ifnull nullif greatest least abs ceil ceiling floor sign length replace contains
        year quarter month day hour minute make_date
        """
    )
)


def translated(query: Query, makes_sense: Callable[[Query], bool]) -> str:
    """Write a query in Spark's words, with its answer cast to the declared types.

    Parameters
    ----------
    makes_sense
        Whether DuckDB can make out a query, types included.

    Raises
    ------
    ConfigurationError
        It says something that Spark answers differently, or cannot say; all together.
    """
    tree = _counting_days(query, makes_sense)
    faults: list[Fault] = []
    for node in list(tree.walk(bfs=False))[::-1]:  # what is inside comes first
        told = _other(node)
        if told is None:
            line = next((own.meta["line"] for own in node.walk() if "line" in own.meta), None)
            problem = "is not known to answer on Spark as it does on DuckDB, used in this way"
            faults.append(Fault(problem, _DUCKDB, where=query.where, column=_word(node), line=line))
        elif told is not node:
            tree = told if node is tree else tree  # type: ignore[assignment]
            node.replace(told)
    if faults:
        raise ConfigurationError(*faults[::-1])
    try:
        return _cast(query, tree)
    except UnsupportedError:
        pass
    raise ConfigurationError(Fault("cannot be said in Spark's words", _DUCKDB, where=query.where))


def _counting_days(query: Query, makes_sense: Callable[[Query], bool]) -> exp.Query:
    """A query in which what takes one date from another says so: to Spark the difference is no number.

    Which operands are dates, only DuckDB knows, and says when it is asked for days between them: numbers have none, and
    to a moment no 1 is added.
    """
    tree = query.tree.copy()
    for node in list(tree.find_all(exp.Sub))[::-1]:  # what is inside comes first
        first, last = node.expression, node.this
        moved = [exp.Add(this=exp.Paren(this=one.copy()), expression=_literal(1)) for one in (first, last)]
        asked = exp.Add(this=_days(first.copy(), last.copy()), expression=_days(*moved))
        node.replace(asked)
        dates = makes_sense(dataclasses.replace(query, tree=tree))
        asked.replace(_days(first, last) if dates else node)
    return tree


def _days(first: exp.Expr, last: exp.Expr) -> exp.Expr:
    return _call("date_diff", "day", first, last)


def _cast(query: Query, tree: exp.Query) -> str:
    sql = tree.sql(
        Dialect, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
    columns = ", ".join(f"CAST({_quoted(name)} AS {_TYPES.get(kind, kind)}) AS {_quoted(name)}"
                        for name, (kind, _) in query.types.items())  # fmt: skip
    return f"SELECT {columns} FROM ({sql}) AS answer"  # noqa: S608 - a checked tree, quoted names


_TYPES = {"VARCHAR": "STRING", "TIMESTAMP": "TIMESTAMP_NTZ"}


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _word(node: exp.Expr) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else node.key


def _other(node: exp.Expr) -> exp.Expr | None:
    """What says the same in Spark; the node itself where that does, None where nothing is known to."""
    if isinstance(node, exp.Anonymous):
        word = node.name.lower()
        if word in _SAME or isinstance(node.parent, exp.Table) or word == "raise_error":
            return None if isinstance(node.parent, exp.Table) else node
        make = _MADE.get(word)
        return make(node.expressions) if make else None
    make_node = _NODES.get(type(node))
    return make_node(node) if make_node else node


# -- functions --------------------------------------------------------------------------------------------------------


def _call(name: str, *given: exp.Expr | str | int) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[_literal(one) for one in given])


def _literal(one: exp.Expr | str | int) -> exp.Expr:
    if isinstance(one, str):
        return exp.Literal.string(one)
    return exp.Literal.number(one) if isinstance(one, int) else one


def _renamed(name: str) -> _Make:
    return lambda given: _call(name, *given)


def _stopped(unless: exp.Expr, then: exp.Expr) -> exp.Expr:
    """Stop the query where the condition holds."""
    return exp.Case(ifs=[exp.If(this=unless, true=_call("raise_error", UNFIT))], default=then)


def _number(one: exp.Expr) -> int | None:
    return int(one.name) if isinstance(one, exp.Literal) and not one.is_string and one.name.isdigit() else None


def _trimmed(where: str) -> _Make:
    def make(given: Sequence[exp.Expr]) -> exp.Expr | None:
        signs = given[1] if len(given) > 1 else exp.Literal.string(_BLANKS)
        return exp.Trim(this=given[0], expression=signs, position=where)

    return make


def _cased(name: str) -> _Make:
    """In upper or lower case, for letters of which every engine says the same."""

    def make(given: Sequence[exp.Expr]) -> exp.Expr:
        odd = _call("regexp_like", given[0].copy(), _ODD_LETTERS)
        return _stopped(odd, _call(name, given[0]))

    return make


def _substring(given: Sequence[exp.Expr]) -> exp.Expr | None:
    start = _number(given[1])
    if not start:
        return None
    part = _call("substring", *given)
    return part if len(given) < 3 else _stopped(exp.LT(this=given[2].copy(), expression=_literal(0)), part)  # noqa: PLR2004


def _end(name: str) -> _Make:
    return lambda given: _call(name, *given) if _number(given[1]) is not None else None


def _padded(name: str) -> _Make:
    def make(given: Sequence[exp.Expr]) -> exp.Expr | None:
        filled = isinstance(given[2], exp.Literal) and given[2].is_string and len(given[2].name) == 1
        return _call(name, *given) if filled and _number(given[1]) is not None else None

    return make


def _rounded(given: Sequence[exp.Expr]) -> exp.Expr | None:
    """Digits after the point are rounded alike in decimals only: what a double shows is not what it is."""
    decimal = isinstance(given[0], exp.Cast) and given[0].to.this == exp.DataType.Type.DECIMAL
    return _call("round", *given) if len(given) == 1 or (decimal and _number(given[1]) is not None) else None


def _truncated(given: Sequence[exp.Expr]) -> exp.Expr | None:
    if len(given) > 1:
        return None
    below = exp.LT(this=given[0].copy(), expression=_literal(0))
    return exp.Case(ifs=[exp.If(this=below, true=_call("ceil", given[0].copy()))], default=_call("floor", given[0]))


def _root(given: Sequence[exp.Expr]) -> exp.Expr:
    return _stopped(exp.LT(this=given[0].copy(), expression=_literal(0)), _call("sqrt", given[0]))


def _part(given: Sequence[exp.Expr]) -> str:
    return given[0].name.lower() if isinstance(given[0], exp.Literal) and given[0].is_string else ""


def _date_trunc(given: Sequence[exp.Expr]) -> exp.Expr | None:
    if _part(given) not in ("year", "quarter", "month", "week", "day", "hour", "minute"):
        return None
    return exp.Cast(this=_call("date_trunc", *given), to=_moment())


def _moment() -> exp.DataType:
    return exp.DataType(this=exp.DataType.Type.TIMESTAMPNTZ)


def _date_diff(given: Sequence[exp.Expr]) -> exp.Expr | None:
    """How many borders of days, months … lie between two dates."""
    per_year = {"year": ("year", 1), "quarter": ("quarter", 4), "month": ("month", 12)}
    first, last = given[1], given[2]
    if _part(given) == "day":
        return exp.Cast(this=_call("datediff", last, first), to=exp.DataType.build("bigint"))
    if _part(given) not in per_year:
        return None
    part, many = per_year[_part(given)]

    def counted(one: exp.Expr) -> exp.Expr:
        years = exp.Mul(this=_call("year", one.copy()), expression=_literal(many))
        return exp.Paren(this=years if many == 1 else exp.Add(this=years, expression=_call(part, one)))

    difference = exp.Paren(this=exp.Sub(this=counted(last), expression=counted(first)))
    return exp.Cast(this=difference, to=exp.DataType.build("bigint"))


def _weekday(given: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=_call("weekday", given[0]), expression=_literal(1)))


_MADE: Mapping[str, _Make] = {
    "error": _renamed("raise_error"),
    "starts_with": _renamed("startswith"),
    "ends_with": _renamed("endswith"),
    "strpos": _renamed("instr"),
    "trim": _trimmed("BOTH"),
    "ltrim": _trimmed("LEADING"),
    "rtrim": _trimmed("TRAILING"),
    "lower": _cased("lower"),
    "upper": _cased("upper"),
    "substring": _substring,
    "substr": _substring,
    "left": _end("left"),
    "right": _end("right"),
    "lpad": _padded("lpad"),
    "rpad": _padded("rpad"),
    "round": _rounded,
    "trunc": _truncated,
    "sqrt": _root,
    "isodow": _weekday,
    "date_trunc": _date_trunc,
    "date_diff": _date_diff,
    "datediff": _date_diff,
}
KNOWN = (_SAME | _MADE.keys()) & FUNCTIONS
"""Functions that answer on Spark as they do on DuckDB; `FUNCTIONS` less these are refused there."""


# -- what is no function ----------------------------------------------------------------------------------------------


def _double(one: exp.Expr) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=one), to=exp.DataType.build("double"))


def _divided(node: Any) -> exp.Expr:
    """A quotient is a double, and one by zero no fault."""
    over, under = _double(node.left), _double(node.right)
    zero = exp.EQ(this=under.copy(), expression=_literal(0))
    signed = exp.Case(
        ifs=[exp.If(this=exp.GT(this=over.copy(), expression=_literal(0)), true=_call("double", "Infinity")),
             exp.If(this=exp.LT(this=over.copy(), expression=_literal(0)), true=_call("double", "-Infinity")),
             exp.If(this=exp.Is(this=over.copy(), expression=exp.Null()), true=exp.Null())],
        default=_call("double", "NaN"),
    )  # fmt: skip
    quotient = exp.Anonymous(this="try_divide", expressions=[over, under])
    return exp.Case(ifs=[exp.If(this=zero, true=signed)], default=quotient)


def _whole(node: Any) -> exp.Expr:
    return exp.Anonymous(this="div", expressions=[node.left, _call("nullif", node.right, 0)])


def _rest(node: Any) -> exp.Expr:
    return _call("mod", node.left, _call("nullif", node.right, 0))


def _like(node: Any) -> exp.Expr | None:
    """DuckDB knows no sign that takes the others' meaning unless it is named; Spark takes a backslash for it."""
    if isinstance(node.parent, exp.Escape):
        return node  # type: ignore[no-any-return]
    pattern = node.expression
    return node if isinstance(pattern, exp.Literal) and "\\" not in pattern.name else None


def _typed(node: exp.DataType) -> exp.Expr:
    if node.this == exp.DataType.Type.TIMESTAMP:
        return _moment()
    return exp.DataType.build("decimal(38, 0)") if node.this == exp.DataType.Type.INT128 else node


def _extracted(node: Any) -> exp.Expr | None:
    part = node.this.name.lower()
    return _weekday([node.expression]) if part == "isodow" else _call(part, node.expression)


def _refused(_: exp.Expr) -> None:
    return None


_NODES: Mapping[type[exp.Expr], Callable[[Any], exp.Expr | None]] = {
    exp.Div: _divided,
    exp.IntDiv: _whole,
    exp.Mod: _rest,
    exp.Like: _like,
    exp.ILike: _refused,
    exp.DataType: _typed,
    exp.Extract: _extracted,
    exp.Array: _refused,
    exp.Unnest: _refused,
}


def refusals() -> Iterator[str]:
    """Functions that queries may call, and that are refused on Spark."""
    return iter(sorted(FUNCTIONS - KNOWN))


__all__ = ["KNOWN", "UNFIT", "refusals", "translated"]
