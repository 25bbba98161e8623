"""Keys: which columns tell the rows of a query apart, as far as its text says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from sanitizers.policy import Policy


@dataclass(frozen=True)
class Key:
    """Expressions that tell the rows of one relation apart, and the name by which it is called, if it has one."""

    relation: str
    parts: tuple[exp.Expr, ...]

    def within(self, given: list[exp.Expr]) -> bool:
        """Whether all parts are among the given expressions."""
        told = {_plain(one) for one in given}
        return all({_plain(part), f"{self.relation}.{_plain(part)}"} & told for part in self.parts)


def keys_of(select: exp.Select, policy: Policy, features: Mapping[str, exp.Query]) -> list[Key]:
    """The keys of what a SELECT works on: its groups, or the relations that it reads; those that are known.

    Parameters
    ----------
    features
        The queries of the policy's features, by name.
    """
    group = select.args.get("group")
    if group is not None:
        grouped = _grouped(select, group)
        return [Key("", grouped)] if grouped else []
    found = []
    for relation in _relations(select):
        parts = _key_of_relation(relation, policy, features)
        if parts:
            found.append(Key(relation.alias_or_name.lower(), tuple(exp.column(part) for part in parts)))
    return found


def qualified(select: exp.Select, key: Key) -> list[exp.Expr]:
    """The parts of a key as the SELECT may write them."""
    if not key.relation or len(_relations(select)) == 1:
        return [part.copy() for part in key.parts]
    return [exp.column(part.name, table=key.relation) for part in key.parts]


def _relations(select: exp.Select) -> list[exp.Expr]:
    start = select.args.get("from_")
    joins = select.args.get("joins") or []
    return [*([start.this] if start else []), *(join.this for join in joins)]


def _grouped(select: exp.Select, group: exp.Group) -> tuple[exp.Expr, ...]:
    """Expressions of a GROUP BY; none where it names them by number or not at all."""
    given = group.expressions
    if group.args.get("all") or any(isinstance(one, exp.Literal) for one in given):
        return ()
    aliases = {one.alias.lower(): one.this for one in select.expressions if isinstance(one, exp.Alias)}
    return tuple(aliases.get(one.name.lower(), one) if isinstance(one, exp.Column) and not one.table else one
                 for one in given)  # fmt: skip


def _key_of_relation(relation: exp.Expr, policy: Policy, features: Mapping[str, exp.Query]) -> tuple[str, ...]:
    if isinstance(relation, exp.Subquery):
        return _key_of_answer(relation.this, policy, features)
    if not isinstance(relation, exp.Table) or isinstance(relation.this, exp.Anonymous):
        return ()
    name, inside = relation.name.lower(), relation.parent
    while inside is not None:
        ctes = [cte for cte in getattr(inside, "ctes", ()) if cte.alias.lower() == name]
        own = [cte for cte in ctes if all(node is not relation for node in cte.walk())]
        if own:
            return _key_of_answer(own[0].this, policy, features)
        inside = inside.parent
    if name in policy.sources:
        return policy.sources[name].primary_key
    others = {other: tree for other, tree in features.items() if other != name}
    return _key_of_answer(features[name], policy, others) if name in features else ()


def _key_of_answer(query: exp.Expr, policy: Policy, features: Mapping[str, exp.Query]) -> tuple[str, ...]:
    """Names of the answer's columns that tell its rows apart; empty where the text does not say."""
    if not isinstance(query, exp.Select):
        return ()
    if query.args.get("distinct"):
        names = tuple(one.alias_or_name for one in query.expressions)
        return () if "*" in names or not all(names) else names
    relations = _relations(query)
    if query.args.get("group") is None and len(relations) != 1:
        return ()
    if any(True for _ in query.find_all(exp.Unnest)):
        return ()
    found = keys_of(query, policy, features)
    if not found:
        return ()
    told = {_plain(one.unalias()): one.alias_or_name for one in query.expressions}
    told |= {name.rpartition(".")[2]: alias for name, alias in list(told.items()) if len(relations) == 1}
    if "*" in told:
        return tuple(part.name for part in found[0].parts if isinstance(part, exp.Column))
    parts = [told.get(_plain(part)) for part in found[0].parts]
    return () if None in parts else tuple(part for part in parts if part)


def _plain(one: exp.Expr) -> str:
    return one.sql(dialect="duckdb", normalize_functions=False).replace('"', "").lower()
