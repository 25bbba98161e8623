"""Reach of a policy: sources that no seal gets to, and links that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np

from sanitizers.check.findings import Finding, Places, Proposal, column_line
from sanitizers.identifiers import Kinds
from sanitizers.policy import Policy, Reference
from sanitizers.register.snapshot import Snapshot


@dataclass(frozen=True)
class _Carrier:
    """A column that could carry a seal onto its identifier, and does not."""

    source: str
    ref: Reference
    mode: str


def reach_findings(policy: Policy, kinds: Kinds, places: Places, snapshot: Snapshot | None = None) -> Iterator[Finding]:
    """Sources that no chain of kinds and links leads to, and columns whose identifiers nothing bars or reads.

    A seal may name any kind but a person's. Where a snapshot is at hand that bars anything, a source counts as reached
    only if its kinds are named by one of its seals, or carried to from there.
    """
    may = _barred(policy, {name for name, kind in kinds.items() if kind.scope != "person"})
    named = _named(snapshot) & kinds.keys() if snapshot else set()
    does = _barred(policy, named) if named else may
    told: set[str] = set()
    for name, source in policy.sources.items():
        mentioned = {kind for text in source.text.values() for kind in text.mentions}
        kinds_read = {ref.kind for ref in source.references}
        if not (kinds_read | mentioned) & does:
            told |= kinds_read
            yield _unreachable(policy, kinds, places, name, does=does)
    for name, source in policy.sources.items():
        for ref in source.references:
            if ref.kind not in may | told:
                yield _never_barred(policy, kinds, places, name, ref=ref, may=may)
    yield from _unread(policy, places)


def _named(snapshot: Snapshot) -> set[str]:
    """Kinds that a seal of the snapshot names; beside them each kind has its sentinel."""
    return {kind for kind, barred in snapshot.barred.items() if np.count_nonzero(barred.via == 0) > 1}


def _barred(policy: Policy, named: Set[str]) -> set[str]:
    """Kinds of which something can be barred: those that a seal names, and those that one is carried onto."""
    found, before = set(named), -1
    while len(found) > before:
        before = len(found)
        for source in policy.sources.values():
            for ref in source.references:
                if ref.column.carries and any(o.drops and o.kind in found and o != ref for o in source.references):
                    found.add(ref.kind)
    return found


def _carriers(policy: Policy, kinds: Kinds, kind: str, barred: Set[str]) -> Iterator[_Carrier]:
    """Columns of a kind that stand beside one whose seal drops the row, and could carry it on."""
    for name, source in policy.sources.items():
        for ref in source.references:
            dropping = [other for other in source.references if other.drops and other != ref]
            reached = any(other.kind in barred for other in dropping)
            if ref.kind != kind or ref.column.carries or not reached:
                continue
            if kinds[kind].scope == "record":
                yield _Carrier(name, ref, "any")
            elif len(dropping) == 1:
                yield _Carrier(name, ref, "all")


def _carried(carrier: _Carrier, places: Places) -> Proposal:
    under = ("sources", carrier.source, "columns")
    line = column_line(carrier.ref.name, carrier.ref.column, carries=carrier.mode)
    return Proposal(places.of(*under, carrier.ref.name)[0], line, under)


def _unreachable(policy: Policy, kinds: Kinds, places: Places, name: str, *, does: Set[str]) -> Finding:
    own = list(dict.fromkeys(ref.kind for ref in policy.sources[name].references))
    found = [one for kind in own for one in _carriers(policy, kinds, kind, does)]
    remedy = "" if found else f"declare a column of a kind that seals get to: {', '.join(sorted(does)) or 'none'}"
    return Finding.of(
        "unreachable",
        f"no seal gets to this source: none names or is carried onto {', '.join(own)}",
        where=places.of("sources", name),
        column=f"sources.{name}",
        proposals=[_carried(one, places) for one in found],
        remedy=remedy,
    )


def _never_barred(
    policy: Policy, kinds: Kinds, places: Places, name: str, *, ref: Reference, may: Set[str]
) -> Finding:
    found = [_carried(one, places) for one in _carriers(policy, kinds, ref.kind, may)]
    remedy = "" if found else "let a column of this kind carry a seal, or take it out and name it in `not_identifiers`"
    return Finding.of(
        "nowhere",
        f"nothing ever bars a {ref.kind}: no seal names one, and no column carries a seal onto it",
        where=places.of("sources", name, "columns", ref.name),
        column=f"sources.{name}.columns.{ref.name}",
        proposals=found,
        remedy=remedy,
    )


def _unread(policy: Policy, places: Places) -> Iterator[Finding]:
    """Columns that carry a seal onto a kind which nothing else reads, nor they themselves to drop other rows."""
    readers: dict[str, set[str]] = {}
    for name, source in policy.sources.items():
        for ref in source.references:
            readers.setdefault(ref.kind, set()).add(f"{name}.{ref.name}")
        for column, text in source.text.items():
            for kind in text.mentions:
                readers.setdefault(kind, set()).add(f"{name}.{column}")
    for name, output in policy.outputs.items():
        for column, kind in output.identifiers.items():
            readers.setdefault(kind, set()).add(f"outputs.{name}.{column}")
    for name, source in policy.sources.items():
        under = ("sources", name, "columns")
        for ref in source.references:
            if ref.column.carries and not ref.drops and len(readers[ref.kind]) == 1:
                where = places.of(*under, ref.name)
                yield Finding.of(
                    "nowhere",
                    f"carries a seal onto {ref.kind}, which no other source, text or output reads",
                    where=where,
                    column=".".join((*under, ref.name)),
                    proposals=[Proposal(where[0], column_line(ref.name, ref.column, carries=None), under)],
                    remedy=f"or declare the source that holds each {ref.kind}",
                )
