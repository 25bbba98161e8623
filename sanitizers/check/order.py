"""Order: feature queries whose answer depends on the order of rows, or that sum floats, each with what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import duckdb
import polars as pl
import pyarrow as pa
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB as Dialect

from sanitizers.check.findings import Finding, Proposal
from sanitizers.check.keys import Key, keys_of, qualified
from sanitizers.check.passages import Text
from sanitizers.documents import read_text
from sanitizers.errors import Fault, Faults, gathered
from sanitizers.features import SUMS_FLOATS, add_unfilled, check_bound, float_sums, unfilled
from sanitizers.identifiers import Kinds, canonical
from sanitizers.policy import Policy
from sanitizers.queries import Query, by_place, parsed, queries, refused
from sanitizers.scan.columns import known_anywhere

INSTEAD = {
    "first": "min", "any_value": "min", "arbitrary": "min", "mode": "min", "last": "max", "nth_value": "max",
    "list": "max", "array_agg": "max", "string_agg": "max", "group_concat": "max", "listagg": "max",
    "arg_min": "min", "min_by": "min", "arg_max": "max", "max_by": "max",
}  # fmt: skip
TIES = "the ORDER BY of a window may leave rows equal: which comes first is chance"
_EXACT = "DECIMAL(18, 6)"
_SUMS = ("sum", "avg")


@dataclass(frozen=True)
class _Written:
    """The query of a feature as it is written."""

    where: str
    text: Text
    tree: exp.Query


def order_findings(policy: Policy, kinds: Kinds, schemas: Mapping[str, pa.Schema]) -> Iterator[Finding]:
    """What is wrong with the feature queries, judged on their text and on the engine's plan of them.

    A passage that an identifier is written into is not repeated: there is nothing to paste then.

    Parameters
    ----------
    schemas
        Columns and types of the clean sources, as far as they are known; a query of others is judged on its text only.
    """
    faults, written = Faults(), {}
    for name, feature in policy.features.items():
        if feature.sql is not None:
            with gathered(faults):
                text = read_text(policy.resolve(feature.sql))
                written[name] = _Written(feature.sql, Text.of(text), parsed(text, feature.sql))
    trees = {name: own.tree for name, own in written.items()}
    found = [_without_identifiers(one, kinds) for own in written.values() for one in _by_text(own, policy, trees)]
    plan: dict[str, Query] = {}
    with gathered(faults):
        plan = queries(policy)
    told = {_place(finding.fault) for finding in found}
    yield from found
    yield from (Finding("setting", fault) for fault in dict.fromkeys(faults) if _place(fault) not in told)
    yield from (_without_identifiers(one, kinds) for one in _by_plan(plan, written, schemas))


def _without_identifiers(finding: Finding, kinds: Kinds) -> Finding:
    written = " ".join(f"{own.text} {own.instead_of}" for own in finding.proposals)
    told = re.findall(r"'((?:[^']|'')*)'", written)
    texts = pl.Series(told, dtype=pl.String)
    held = any(canonical(texts, kind).count() for kind in known_anywhere(kinds).values()) if told else False
    remedy = "write it without the identifier that stands in it, and check again"
    return Finding(finding.check, replace(finding.fault, remedy=remedy)) if held else finding


def _place(fault: Fault) -> tuple[str, str, str, int | None]:
    return fault.problem, fault.where, fault.column, fault.line


def _finding(fault: Fault, new: exp.Expr | None, passage: str) -> Finding:
    if new is None or not passage:
        return Finding("order", fault)
    text = new.sql(Dialect, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.IGNORE)
    proposal = Proposal(fault.where, text, instead_of=passage)
    where = (fault.where, fault.line)
    return Finding.of("order", fault.problem, where=where, column=fault.column, proposals=[proposal])


# -- by the text of a query -------------------------------------------------------------------------------------------


def _by_text(own: _Written, policy: Policy, trees: Mapping[str, exp.Query]) -> Iterator[Finding]:
    for node, fault in refused(own.tree, own.where):
        if fault.problem == "depends on the order of rows":
            yield _finding(fault, *_mended(node, own, policy, trees))
    for window in own.tree.find_all(exp.Window):
        if by_place(window) and window.args.get("order"):
            key = _untold(window, policy, trees)
            if key is not None:
                call = window.this.find(exp.Anonymous)
                line = call.meta.get("line") if call else None
                fault = Fault(TIES, "", where=own.where, column=call.name.lower() if call else "window", line=line)
                yield _finding(fault, _ordered(window, key), own.text.of_window(window))


def _mended(
    node: exp.Expr, own: _Written, policy: Policy, trees: Mapping[str, exp.Query]
) -> tuple[exp.Expr | None, str]:
    """What to write in place of something that depends on the order of rows, and the passage that it replaces."""
    select = node if isinstance(node, exp.Select) else node.find_ancestor(exp.Select)
    keys = keys_of(select, policy, trees) if select else []
    if isinstance(node, exp.Window) and select and keys:
        return _ordered(node, qualified(select, keys[0])), own.text.of_window(node)
    if isinstance(node, exp.Limit) and isinstance(node.parent, exp.Select) and keys:
        return _first_ones(node.parent, keys[0]), own.text.of_limit(node.parent)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "ntile":
        return exp.Anonymous(this="rank"), own.text.of_call(node)
    if isinstance(node, exp.Anonymous) and node.name.lower() in INSTEAD and node.expressions:
        value = node.expressions[0]
        while isinstance(value, exp.Order | exp.Distinct):
            value = value.this if isinstance(value, exp.Order) else value.expressions[0]
        return exp.Anonymous(this=INSTEAD[node.name.lower()], expressions=[value.copy()]), own.text.of_call(node)
    return None, ""


def _first_ones(select: exp.Select, key: Key) -> exp.Expr | None:
    """The rows that a LIMIT would leave, told by a number that is the same each time."""
    order = select.args.get("order")
    if select.args.get("qualify") or select.args.get("distinct"):
        return None
    number = exp.Window(this=exp.Anonymous(this="row_number"), order=order.copy() if order else None)
    limit = select.args["limit"].expression.copy()
    return exp.Qualify(this=exp.LTE(this=_ordered(number, qualified(select, key)), expression=limit))


def _ordered(window: exp.Window, also: list[exp.Expr]) -> exp.Window:
    """A window that orders by some more expressions, last."""
    new = window.copy()
    order = new.args.get("order") or exp.Order(expressions=[])
    given = {ordered.this.sql() for ordered in order.expressions}
    more = [exp.Ordered(this=one, nulls_first=False) for one in also if one.sql() not in given]
    new.set("order", exp.Order(expressions=[*order.expressions, *more]))
    return new


def _untold(window: exp.Window, policy: Policy, trees: Mapping[str, exp.Query]) -> list[exp.Expr] | None:
    """What a window's ORDER BY lacks to tell rows apart; None if it lacks nothing, or nobody knows."""
    select = window.find_ancestor(exp.Select)
    keys = keys_of(select, policy, trees) if select else []
    given = [*window.args.get("partition_by", []), *(ordered.this for ordered in window.args["order"].expressions)]
    if not select or not keys or any(key.within(given) for key in keys):
        return None
    told = {one.sql().lower() for one in given}
    return [one for one in qualified(select, keys[0]) if one.sql().lower() not in told]


# -- by the engine's plan ---------------------------------------------------------------------------------------------


def _by_plan(
    plan: Mapping[str, Query], written: Mapping[str, _Written], schemas: Mapping[str, pa.Schema]
) -> Iterator[Finding]:
    known = set(schemas)
    with unfilled(schemas) as connection:
        for name, query in plan.items():
            if query.reads <= known:
                faults = Faults()
                with gathered(faults):
                    check_bound(connection, query)
                summed = any(fault.problem == SUMS_FLOATS for fault in faults)
                yield from (Finding("setting", fault) for fault in faults if fault.problem != SUMS_FLOATS)
                yield from _float_sums(connection, query, written[name]) if summed else ()
                add_unfilled(connection, name, query.schema)
                known.add(name)


def _float_sums(connection: duckdb.DuckDBPyConnection, query: Query, own: _Written) -> Iterator[Finding]:
    """Each call that sums floats: to cast what it sums leaves one such sum less in the plan."""

    def sums(tree: exp.Query) -> int:
        return float_sums(connection, replace(query, tree=tree))

    found = False
    before = sums(own.tree)
    for place, call in enumerate(_sum_calls(own.tree)):
        tree = own.tree.copy()
        new = next(one for number, one in enumerate(_sum_calls(tree)) if number == place)
        _cast(new)
        if _bound(lambda tree=tree: sums(tree)) < before:  # type: ignore[misc]
            found = True
            fault = Fault(SUMS_FLOATS, "", where=own.where, column=call.name.lower(), line=call.meta.get("line"))
            yield _finding(fault, new, own.text.of_call(call))
    if not found:
        yield Finding("order", Fault(SUMS_FLOATS, f"CAST(x AS {_EXACT})", where=own.where))


def _bound(count: Callable[[], int]) -> float:
    """A count; endless where the engine cannot make out the query."""
    with gathered(Faults()):
        return count()
    return float("inf")


def _sum_calls(tree: exp.Query) -> Iterator[exp.Anonymous]:
    return (call for call in tree.find_all(exp.Anonymous) if call.name.lower() in _SUMS and call.expressions)


def _cast(call: exp.Anonymous) -> None:
    """Cast what a call sums to a decimal number."""
    value = call.expressions[0]
    while isinstance(value, exp.Distinct):
        value = value.expressions[0]
    value.replace(exp.Cast(this=value.copy(), to=exp.DataType.build(_EXACT, dialect="duckdb")))
