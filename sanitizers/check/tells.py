"""Tells: columns that remain, and show by being filled that something beside them was redacted.

Where a seal empties ``cleared_by`` and leaves ``clearing_officer``, which is filled for cleared complaints only, a row
with an officer and no clearing arrest is one with a sealed arrest. No seal has to be known to see this: rows in which
the identifier is missing anyway show how the other columns look then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from sanitizers.check.findings import Finding, Places, Proposal, column_line
from sanitizers.engine.places import is_list
from sanitizers.identifiers import Kinds, as_text, canonical, join_parts
from sanitizers.policy import Policy, Redaction, Reference, Source
from sanitizers.scan.columns import CHANCE

NEARLY = 0.05


def tell_findings(policy: Policy, kinds: Kinds, places: Places, rows: dict[str, pa.Table]) -> Iterator[Finding]:
    """Redactions of declared columns that other columns give away, in the sampled rows of each source."""
    for name, sampled in rows.items():
        source = policy.sources[name]
        under = ("sources", name, "columns")
        for ref in source.references:
            telling = told_by(policy, kinds, source, sampled, ref)
            if not telling:
                continue
            where = places.of(*under, ref.name)
            line = column_line(ref.name, ref.column, on_seal=with_redacted(ref, telling))
            yield Finding.of(
                "given away",
                f"{', '.join(telling)} would show what was redacted: filled where it is, and hardly anywhere else",
                where=where,
                column=".".join((*under, ref.name)),
                proposals=[Proposal(where[0], line, under)],
            )


def with_redacted(ref: Reference, columns: Sequence[str]) -> Redaction:
    """What the reference's seal does, with some more columns emptied."""
    given = ref.column.on_seal if isinstance(ref.column.on_seal, Redaction) else Redaction()
    return given.model_copy(update={"redact": (*given.redact, *columns)})


def told_by(policy: Policy, kinds: Kinds, source: Source, rows: pa.Table, ref: Reference) -> list[str]:
    """Columns that stay when a seal on `ref` empties it, and are hardly ever filled where it is not.

    A column tells if the share of its cells that are filled is, in rows without the identifier, at most `NEARLY` of
    that in rows with one, and if so few would be filled there by chance with a probability below `CHANCE`: too small a
    sample tells nothing. An identifier that the same seal empties, being the same or carried to, tells nothing either,
    nor does a text that is cleared.
    """
    redaction = ref.redaction
    if redaction is None or ref.elements or not set(ref.parts) <= set(rows.column_names):
        return []
    filled = np.logical_and.reduce([_filled(rows[part], source.missing) for part in ref.parts])
    gone = {*redaction.redact, *redaction.set, *ref.parts}
    gone |= {name for name, text in source.text.items() if text.on_seal == "clear"}
    for other in source.references:
        gone.update(other.parts if _goes_too(policy, kinds, source, rows, ref=ref, other=other) else ())
    return [
        name
        for name in rows.column_names
        if name not in gone and _tells(_filled(rows[name], source.missing), filled)
    ]


def _tells(column: np.ndarray, identifier: np.ndarray) -> bool:
    with_, without = int(identifier.sum()), int((~identifier).sum())
    if not with_ or not without:
        return False
    there, elsewhere = int(column[identifier].sum()), int(column[~identifier].sum())
    if elsewhere / without > NEARLY * there / with_:
        return False
    return _so_few(elsewhere, there + elsewhere, without / (with_ + without)) < CHANCE


def _so_few(few: int, of: int, share: float) -> float:
    """Probability that of so many, each with a probability of `share`, at most `few` come.

    Examples
    --------
    >>> round(_so_few(1, 3, 0.5), 3)
    0.5
    """
    logs = [
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(share)
        + (of - k) * math.log1p(-share)
        for k in range(few + 1)
    ]  # fmt: skip
    return sum(math.exp(one) for one in logs)


def _filled(column: pa.ChunkedArray, missing: Sequence[str]) -> np.ndarray:
    """Which cells hold something."""
    whole: pa.Array = column.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    there = pc.invert(pc.is_null(whole, nan_is_null=True))
    if pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type):
        absent = pc.is_in(whole, pa.array(["", *missing], whole.type))
        there = pc.and_not(there, absent)
    elif is_list(whole.type):
        there = pc.and_(there, pc.greater(pc.list_value_length(whole), 0).fill_null(False))
    filled: np.ndarray = there.to_numpy(zero_copy_only=False).astype(bool)
    return filled


def _goes_too(
    policy: Policy, kinds: Kinds, source: Source, rows: pa.Table, *, ref: Reference, other: Reference
) -> bool:
    """Whether a seal on an identifier empties another one of the row as well."""
    if other == ref or other.elements or not set(other.parts) <= set(rows.column_names):
        return False
    if other.kind == ref.kind:
        both = pl.DataFrame({"a": _forms(kinds, source, rows, ref), "b": _forms(kinds, source, rows, other)})
        both = both.drop_nulls()
        return bool((both["a"] == both["b"]).all())
    return any(
        carried.kind == other.kind and carried.column.carries == "any"
        and any(one.drops and one.kind == ref.kind for one in own.references)
        for own in policy.sources.values()
        for carried in own.references
    )  # fmt: skip


def _forms(kinds: Kinds, source: Source, rows: pa.Table, ref: Reference) -> pl.Series:
    """Canonical identifiers of a column, by row; null where there is none."""
    texts = [as_text(rows[part], ref.name) for part in ref.parts]
    cells = join_parts(texts) if len(texts) > 1 else texts[0]
    cells = pl.DataFrame({"c": cells}).select(
        pl.when(~pl.col("c").is_in(["", *source.missing])).then(pl.col("c")).alias("c")
    )["c"]
    forms = pl.Series("f", [None] * len(cells), dtype=pl.String)
    there = cells.is_not_null()
    return forms.scatter(there.arg_true(), canonical(cells.filter(there), kinds[ref.kind])) if there.any() else forms
