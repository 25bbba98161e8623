"""What happens to the rows of one source that stay: tokens, redactions, list elements, texts.

Tokens, redactions and list elements are put into the raw batches by row (see `rows`). Texts are an expression, the same
for every engine, of these columns and no other: what no seal reaches never travels through an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.engine.places import Place, place_of
from sanitizers.engine.types import plain, with_cells_of
from sanitizers.identifiers import Kinds
from sanitizers.policy import Policy, Reference
from sanitizers.strip import text as texts
from sanitizers.strip.marks import Marks
from sanitizers.trace import Reached


@dataclass(frozen=True, repr=False)
class Plan:
    """What happens to the rows of one source that stay.

    Parameters
    ----------
    marks
        What hits them.
    patterns
        By text column that loses sentences: held ``row, pattern`` of the barred mentions.
    """

    reached: Reached
    policy: Policy
    kinds: Kinds
    marks: Marks
    patterns: dict[int, ir.Table]

    def __repr__(self) -> str:
        return f"Plan({self.reached.read.name})"

    @property
    def published(self) -> dict[int, Reference]:
        """See `Policy.published`."""
        return self.policy.published(self.reached.read.name)

    @property
    def tokens(self) -> dict[int, str]:
        """Columns that are published as tokens as a whole, by the number of their reference."""
        return {number: ref.name for number, ref in self.published.items() if not self.place(ref.name).steps}

    def place(self, name: str) -> Place:
        """Where what a policy names stands."""
        return self.reached.read.places[name]

    @cached_property
    def changing(self) -> list[str]:
        """The columns in which a strip may change anything, sorted."""
        return sorted({self.place(name).column for name in self.policy.changing(self.reached.read.name)})

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
        if place := place_of(ref.parts[0], schema):
            own[place.column] = with_cells_of(own[place.column], place.steps, pa.string())
    return own


def plan(engine: Engine, reached: Reached, policy: Policy, kinds: Kinds) -> Plan:
    """Prepare what the parts of one source have in common."""
    patterns = {}
    for number, text in enumerate(reached.read.source.text.values()):
        if text.on_seal == "sentence" and reached.mentioned is not None:
            own = reached.mentioned.filter(reached.mentioned.ref == number)
            patterns[number] = engine.hold(own.group_by("row").agg(pattern=texts.pattern_of(own.written)))
    return Plan(reached, policy, kinds, Marks(engine, reached), patterns)


def changes(engine: Engine, plan_: Plan, part: Part, *, start: int, stop: int) -> ir.Table | None:
    """What stands in texts of the clean rows of one part in place of what the raw ones hold.

    Parameters
    ----------
    start, stop
        The numbers of its rows.

    Returns
    -------
    ir.Table or None
        The texts, whole, by the names that the policy gives them, and `ROW`, in any order: all rows that stay and of
        which a text changes, and maybe others. None where there are no texts.
    """
    places = {name: plan_.place(name) for name in plan_.travelling}
    if not places:
        return None
    columns = sorted({place.column for place in places.values()})
    raw = engine.read(part, start=start, columns=columns)
    raw = raw.select(raw[ROW], **{name: _cells(raw, place) for name, place in places.items()})
    staying = engine.without(raw, plan_.reached.gone_between(start, stop))
    return _changed(staying, plan_, start=start, stop=stop)


def _cells(rows: ir.Table, place: Place) -> ir.Value:
    cells: ir.Value = rows[place.column]
    for step in place.steps:
        cells = cells[step]
    return cells


def _changed(rows: ir.Table, plan_: Plan, *, start: int, stop: int) -> ir.Table:
    names = rows.columns
    for number, table in plan_.patterns.items():
        near = table.filter(table.row.between(start, stop - 1)).select(
            **{f"sealproof_text_{number}_row": "row", f"sealproof_text_{number}": "pattern"}
        )
        row = f"sealproof_text_{number}_row"
        rows = rows.left_join(near, rows[ROW] == near[row]).drop(row)
    source = plan_.reached.read.source
    some = [texts.may_change(rows[column], plan_.kinds, text.mentions) for column, text in source.text.items()]
    rows = rows.filter(ibis.or_(*some, *(rows[f"sealproof_text_{number}"].notnull() for number in plan_.patterns)))
    cells: dict[str, ir.Value] = {}
    for number, (column, text) in enumerate(source.text.items()):
        written = rows[column]
        if number in plan_.patterns:
            written = texts.without_sentences(written, rows[f"sealproof_text_{number}"])
        cells[column] = texts.masked(written, plan_.kinds, text.mentions)
    return rows.mutate(**cells).select(*names)
