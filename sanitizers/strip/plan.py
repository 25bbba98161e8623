"""One source → one expression: cells that change, and identifiers as they are published.

The expression is the same for every engine, and holds the columns that change and no other: what no seal reaches never
travels through an engine. It is built per part, because a raw file is written as one clean file.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.engine.forms import plain
from sanitizers.identifiers import TOKEN_PREFIX, Kinds
from sanitizers.policy import Policy, Reference
from sanitizers.strip import text as texts
from sanitizers.trace import Reached


@ibis.udf.scalar.builtin(name="format")  # type: ignore[untyped-decorator]
def _format(pattern: str, hi: dt.uint64, lo: dt.uint64) -> str:  # type: ignore[empty-body]
    """Render two numbers by a pattern."""


@dataclass(frozen=True, repr=False)
class Plan:
    """What happens to the rows of one source that stay, as held tables keyed by row.

    Parameters
    ----------
    touched
        ``row, mask``: bit `i` is set where a seal on reference `i` changes cells.
    elements
        By reference: ``row, gone``, the places of list elements that go.
    patterns
        By text column: ``row, pattern`` of the barred mentions.
    """

    reached: Reached
    policy: Policy
    kinds: Kinds
    touched: ir.Table | None
    elements: dict[int, ir.Table]
    patterns: dict[int, ir.Table]

    def __repr__(self) -> str:
        return f"Plan({self.reached.read.name})"

    @property
    def published(self) -> dict[int, Reference]:
        """See `Policy.published`."""
        return self.policy.published(self.reached.read.name)

    @property
    def changing(self) -> list[str]:
        """See `Policy.changing`."""
        return self.policy.changing(self.reached.read.name)

    def types(self, schema: pa.Schema) -> dict[str, pa.DataType]:
        """Types of the columns of a part as they are published: tokens are texts, dictionaries their values."""
        own = {name: plain(schema.field(name).type) for name in schema.names}
        for ref in self.published.values():
            own[ref.parts[0]] = pa.list_(pa.string()) if ref.elements else pa.string()
        return own


def plan(engine: Engine, reached: Reached, policy: Policy, kinds: Kinds) -> Plan:
    """Prepare what the parts of one source have in common."""
    references = reached.read.source.references
    staying = engine.without(reached.hits, reached.gone, column="row")
    changing = [number for number, ref in enumerate(references) if not ref.drops]
    touched = None
    if changing:
        bits = staying.filter(staying.ref.isin(changing))
        bits = bits.mutate(bit=ibis.literal(1, "int64") << bits.ref.cast("int64"))
        touched = engine.hold(bits.group_by("row").agg(mask=bits.bit.bit_or().cast("int64")))
    elements = {}
    for number, ref in enumerate(references):
        if ref.elements:
            own = staying.filter(staying.ref == number)
            elements[number] = engine.hold(own.group_by("row").agg(gone=own.pos.collect()))
    patterns = {}
    if reached.mentioned is not None:
        for number in range(len(reached.read.source.text)):
            own = reached.mentioned.filter(reached.mentioned.ref == number)
            patterns[number] = engine.hold(own.group_by("row").agg(pattern=texts.pattern_of(own.written)))
    return Plan(reached, policy, kinds, touched, elements, patterns)


def changes(engine: Engine, plan_: Plan, part: Part, *, start: int, stop: int) -> ir.Table | None:
    """What stands in the clean rows of one part in place of what the raw ones hold.

    Parameters
    ----------
    start, stop
        The numbers of its rows.

    Returns
    -------
    ir.Table or None
        The columns in which anything may change, whole, and `ROW`, for the rows that stay, in source order. None where
        rows go and nothing else changes.
    """
    columns = plan_.changing
    if not columns:
        return None
    raw = engine.read(part, start=start, columns=columns).select(*columns, ROW)
    staying = engine.without(raw, plan_.reached.gone_between(start, stop))
    return _changed(staying, plan_, start=start, stop=stop).order_by(ROW)


def _within(table: ir.Table, start: int, stop: int) -> ir.Table:
    return table.filter(table.row.between(start, stop - 1))


def _changed(rows: ir.Table, plan_: Plan, *, start: int, stop: int) -> ir.Table:
    names = rows.columns

    def joined(table: ir.Table, other: ir.Table, column: str, name: str) -> ir.Table:
        near = _within(other, start, stop).select(**{f"{name}_row": "row", name: column})
        return table.left_join(near, table[ROW] == near[f"{name}_row"]).drop(f"{name}_row")

    source = plan_.reached.read.source
    if plan_.touched is not None:
        rows = joined(rows, plan_.touched, "mask", "sealproof_mask")
    for number, table in plan_.elements.items():
        rows = joined(rows, table, "gone", f"sealproof_gone_{number}")
    for number, table in plan_.patterns.items():
        rows = joined(rows, table, "pattern", f"sealproof_text_{number}")
    tokens = plan_.reached.read.tokens
    for number, ref in plan_.published.items():
        own = tokens.filter(tokens.ref == number)
        own = own.mutate(token=_format(TOKEN_PREFIX + "{:016x}{:016x}", own.hi, own.lo))
        if ref.elements:
            staying = own.anti_join(plan_.reached.hits, ["ref", "row", "pos"])
            own = staying.group_by("row").agg(token=staying.token.collect(order_by=staying.pos))
        rows = joined(rows, own, "token", f"sealproof_token_{number}")
    cells: dict[str, ir.Value] = {}
    for number, ref in enumerate(source.references):
        _identifier_cells(cells, rows, number, ref, token=number in plan_.published)
    for number, column in enumerate(source.text):
        cells[column] = _text_cell(rows, plan_, number, column)
    if plan_.touched is not None:
        _redacted_cells(cells, rows, source.references)
    return rows.mutate(**cells).select(*names)


def _identifier_cells(cells: dict[str, ir.Value], rows: ir.Table, number: int, ref: Reference, *, token: bool) -> None:
    column = ref.parts[0]
    if token and ref.elements:
        held = rows[f"sealproof_token_{number}"]
        empty = ibis.literal([], type="array<string>")
        cells[column] = rows[column].isnull().ifelse(ibis.null("array<string>"), held.fill_null(empty))
    elif token:
        cells[column] = rows[f"sealproof_token_{number}"]
    elif ref.elements:
        gone = rows[f"sealproof_gone_{number}"]
        kept = rows[column].filter(lambda _, place: ~gone.contains(place.cast("int32")))
        cells[column] = gone.isnull().ifelse(rows[column], kept)


def _text_cell(rows: ir.Table, plan_: Plan, number: int, column: str) -> ir.Value:
    declared = plan_.reached.read.source.text[column]
    mentions = rows[f"sealproof_text_{number}"]
    if declared.on_seal == "sentence":
        return texts.masked(texts.without_sentences(rows[column], mentions), plan_.kinds, declared.mentions)
    reached = mentions.notnull()
    if plan_.touched is not None:
        reached = reached | rows.sealproof_mask.notnull()
    return reached.ifelse(ibis.null("string"), texts.masked(rows[column], plan_.kinds, declared.mentions))


def _redacted_cells(cells: dict[str, ir.Value], rows: ir.Table, references: tuple[Reference, ...]) -> None:
    """Union of the redactions of all references that hit; `set` after `redact`."""
    mask = rows.sealproof_mask.fill_null(0)
    acting = [
        ((mask & (1 << number)) != 0, ref.redaction)
        for number, ref in enumerate(references)
        if ref.redaction is not None
    ]
    for hit, redaction in acting:
        for column in redaction.redact:
            old = cells.get(column, rows[column])
            cells[column] = hit.ifelse(ibis.null(old.type()), old)
    for hit, redaction in acting:
        for column, value in redaction.set.items():
            old = cells.get(column, rows[column])
            cells[column] = hit.ifelse(ibis.literal(value, type=old.type()), old)
