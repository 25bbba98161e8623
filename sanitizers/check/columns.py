"""Columns that nothing is said about: those that look like identifiers, and those that hold texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import pyarrow as pa

from sanitizers.check.findings import Finding, Places, Proposal, column_line, yaml_line
from sanitizers.check.tells import told_by, with_redacted
from sanitizers.identifiers import Kinds
from sanitizers.policy import Column, Policy, Redaction, Reference, Source
from sanitizers.scan.columns import Likeness, known_anywhere, likenesses, shown
from sanitizers.scan.prose import Prose, prose

MEANS = "what it is instead"
NAMELESS = "give it a name that is no cell, and declare it"


def column_findings(policy: Policy, kinds: Kinds, places: Places, rows: Mapping[str, pa.Table]) -> Iterator[Finding]:
    """Undeclared columns, in the sampled rows of each source."""
    known = [ref for own in policy.sources.values() for ref in own.references if len(ref.parts) == 1]
    names = {ref.parts[0].removesuffix("[]"): ref.kind for ref in known}
    for name, sampled in rows.items():
        source = policy.sources[name]
        spoken_of = {re.split(r"\.|\[\]", part)[0] for ref in source.references for part in ref.parts}
        spoken_of |= {*source.text, *source.not_identifiers}
        silent = sampled.select([column for column in sampled.column_names if column not in spoken_of])
        found: dict[str, Likeness] = {}
        for one in likenesses(kinds, silent, names=names, missing=source.missing):
            found.setdefault(one.column, one)
        for one in found.values():
            yield _undeclared(policy, kinds, places, name, likeness=one, rows=sampled)
        rest = silent.select([c for c in silent.column_names if not {c, f"{c}[]"} & found.keys()])
        for text in prose(kinds, rest, missing=source.missing):
            yield _text(kinds, places, name, text)


def _undeclared(
    policy: Policy, kinds: Kinds, places: Places, name: str, *, likeness: Likeness, rows: pa.Table
) -> Finding:
    why = {"name": "its name", "values": _share(likeness), "name and values": f"its name; {_share(likeness)}"}
    under, column = ("sources", name, "columns"), likeness.column
    line = column_line(column, _declared(policy, kinds, name, likeness, rows))
    proposals = [Proposal(places.of(*under)[0], line, under), _not_identifier(places, name, column.removesuffix("[]"))]
    return Finding.of(
        "undeclared",
        f"looks like {likeness.kind} ({why[likeness.why]}), and is not declared",
        where=places.of(*under),
        column=".".join((*under, shown(column))),
        proposals=proposals if shown(column) == column else (),
        remedy="" if shown(column) == column else NAMELESS,
    )


def _share(likeness: Likeness) -> str:
    return f"{likeness.share:.0%} of its values fit" if likeness.share >= 0.01 else "some of its values fit"


def _not_identifier(places: Places, name: str, column: str) -> Proposal:
    under = ("sources", name, "not_identifiers")
    return Proposal(places.of(*under)[0], yaml_line(column, MEANS), under)


def _declared(policy: Policy, kinds: Kinds, name: str, likeness: Likeness, rows: pa.Table) -> Column:
    """How an undeclared column is best declared: the row goes if it is the row's own number, else the cell goes."""
    source = policy.sources[name]
    if likeness.column.endswith("[]"):
        return Column(kind=likeness.kind, on_seal="element")
    if source.primary_key == (likeness.column,):
        return Column(kind=likeness.kind, on_seal="drop")
    column = Column(kind=likeness.kind, on_seal=Redaction())
    ref = Reference.of(likeness.column, column)
    telling = told_by(policy, kinds, source, rows, ref)
    return Column(kind=likeness.kind, on_seal=with_redacted(ref, telling), carries=_carries(policy, kinds, source, ref))


def _carries(policy: Policy, kinds: Kinds, source: Source, ref: Reference) -> Literal["all"] | None:
    """A person is barred by what is carried onto it alone: it is carried to where the row's own seal drops it."""
    every = [own for one in policy.sources.values() for own in one.references]
    carried = any(own.kind == ref.kind and own.column.carries for own in every)
    only = sum(other.drops for other in source.references) == 1
    return "all" if kinds[ref.kind].scope == "person" and not carried and only else None


def _text(kinds: Kinds, places: Places, name: str, found: Prose) -> Finding:
    mentions = found.mentions or tuple(kind for kind in known_anywhere(kinds) if kinds[kind].scope != "person")
    told = f"mentions {', '.join(found.mentions)}" if found.mentions else "holds running text"
    under = ("sources", name, "text")
    line = yaml_line(found.column, {"mentions": list(mentions), "on_seal": "clear"})
    declared = [Proposal(places.of(*under)[0], line, under)] if mentions else []
    named = shown(found.column) == found.column
    return Finding.of(
        "text",
        f"{told}, and is not declared",
        where=places.of(*under),
        column=".".join((*under, shown(found.column))),
        proposals=[*declared, _not_identifier(places, name, found.column)] if named else (),
        remedy="" if named else NAMELESS,
    )
