"""What happens to the rows of one source that stay: tokens, redactions, list elements, texts.

Tokens and redactions are put into the raw batches by row (see `rows`). Texts and list elements are an expression, the
same for every engine, of these columns and no other: what no seal reaches never travels through an engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.engine.types import plain
from sanitizers.identifiers import TOKEN_PREFIX, Kinds
from sanitizers.policy import Policy, Reference
from sanitizers.strip import text as texts
from sanitizers.strip.marks import Marks
from sanitizers.trace import Reached


@ibis.udf.scalar.builtin(name="format")  # type: ignore[untyped-decorator]
def _format(pattern: str, hi: dt.uint64, lo: dt.uint64) -> str:  # type: ignore[empty-body]
    """Render two numbers by a pattern."""


@dataclass(frozen=True, repr=False)
class Plan:
    """What happens to the rows of one source that stay.

    Parameters
    ----------
    marks
        What hits them.
    elements
        By reference: held ``row, gone``, the places of list elements that go.
    patterns
        By text column that loses sentences: held ``row, pattern`` of the barred mentions.
    """

    reached: Reached
    policy: Policy
    kinds: Kinds
    marks: Marks
    elements: dict[int, ir.Table]
    patterns: dict[int, ir.Table]

    def __repr__(self) -> str:
        return f"Plan({self.reached.read.name})"

    @property
    def published(self) -> dict[int, Reference]:
        """See `Policy.published`."""
        return self.policy.published(self.reached.read.name)

    @property
    def tokens(self) -> dict[int, str]:
        """Columns of single identifiers that are published as tokens, by the number of their reference."""
        return {number: ref.parts[0] for number, ref in self.published.items() if not ref.elements}

    @property
    def changing(self) -> list[str]:
        """See `Policy.changing`."""
        return self.policy.changing(self.reached.read.name)

    @property
    def travelling(self) -> list[str]:
        """See `Policy.travelling`."""
        return self.policy.travelling(self.reached.read.name)

    def types(self, schema: pa.Schema) -> dict[str, pa.DataType]:
        """See `published_types`."""
        return published_types(self.policy, self.reached.read.name, schema)


def published_types(policy: Policy, name: str, schema: pa.Schema) -> dict[str, pa.DataType]:
    """Types of the columns of a source as they are published: tokens are texts, dictionaries their values."""
    own = {column: plain(schema.field(column).type) for column in schema.names}
    for ref in policy.published(name).values():
        if ref.parts[0] in own:
            own[ref.parts[0]] = pa.list_(pa.string()) if ref.elements else pa.string()
    return own


def plan(engine: Engine, reached: Reached, policy: Policy, kinds: Kinds) -> Plan:
    """Prepare what the parts of one source have in common."""
    staying = engine.without(reached.hits, reached.gone, column="row")
    elements = {}
    for number, ref in enumerate(reached.read.source.references):
        if ref.elements:
            own = staying.filter(staying.ref == number)
            elements[number] = engine.hold(own.group_by("row").agg(gone=own.pos.collect()))
    patterns = {}
    for number, text in enumerate(reached.read.source.text.values()):
        if text.on_seal == "sentence" and reached.mentioned is not None:
            own = reached.mentioned.filter(reached.mentioned.ref == number)
            patterns[number] = engine.hold(own.group_by("row").agg(pattern=texts.pattern_of(own.written)))
    return Plan(reached, policy, kinds, Marks(engine, reached), elements, patterns)


def changes(engine: Engine, plan_: Plan, part: Part, *, start: int, stop: int) -> ir.Table | None:
    """What stands in texts and lists of the clean rows of one part in place of what the raw ones hold.

    Parameters
    ----------
    start, stop
        The numbers of its rows.

    Returns
    -------
    ir.Table or None
        These columns, whole, and `ROW`, for the rows that stay, in source order. None where there are none.
    """
    columns = plan_.travelling
    if not columns:
        return None
    raw = engine.read(part, start=start, columns=columns).select(*columns, ROW)
    staying = engine.without(raw, plan_.reached.gone_between(start, stop))
    return _changed(staying, plan_, start=start, stop=stop).order_by(ROW)


def _changed(rows: ir.Table, plan_: Plan, *, start: int, stop: int) -> ir.Table:
    names, source = rows.columns, plan_.reached.read.source

    def joined(table: ir.Table, other: ir.Table, column: str, name: str) -> ir.Table:
        near = other.filter(other.row.between(start, stop - 1)).select(**{f"{name}_row": "row", name: column})
        return table.left_join(near, table[ROW] == near[f"{name}_row"]).drop(f"{name}_row")

    for number, table in plan_.elements.items():
        if number in plan_.published:
            rows = joined(rows, _tokens(plan_, number), "token", f"sealproof_{number}")
        else:
            rows = joined(rows, table, "gone", f"sealproof_{number}")
    for number, table in plan_.patterns.items():
        rows = joined(rows, table, "pattern", f"sealproof_text_{number}")
    cells: dict[str, ir.Value] = {}
    for number in plan_.elements:
        column, held = source.references[number].parts[0], rows[f"sealproof_{number}"]
        cells[column] = _list_cell(rows[column], held, token=number in plan_.published)
    for number, (column, text) in enumerate(source.text.items()):
        written = rows[column]
        if number in plan_.patterns:
            written = texts.without_sentences(written, rows[f"sealproof_text_{number}"])
        cells[column] = texts.masked(written, plan_.kinds, text.mentions)
    return rows.mutate(**cells).select(*names)


def _tokens(plan_: Plan, number: int) -> ir.Table:
    """Lists of published tokens by row."""
    read, hits = plan_.reached.read, plan_.reached.hits
    own = read.tokens.filter(read.tokens.ref == number).anti_join(hits, ["ref", "row", "pos"])
    own = own.mutate(token=_format(TOKEN_PREFIX + "{:016x}{:016x}", own.hi, own.lo))
    return own.group_by("row").agg(token=own.token.collect(order_by=own.pos))


def _list_cell(column: ir.Column, held: ir.Column, *, token: bool) -> ir.Value:
    if token:
        empty = ibis.literal([], type="array<string>")
        return column.isnull().ifelse(ibis.null("array<string>"), held.fill_null(empty))
    kept = column.filter(lambda _, place: ~held.contains(place.cast("int32")))
    return held.isnull().ifelse(column, kept)
